"""The model card of a saved classifier: what it was trained on and how, and how good it is on real rows."""

import re

import numpy as np

from skweight._weights import effective_sample_size

_MARKUP = re.compile(r"([\\`*_\[\]<>#|~&$])")
_QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)


def model_card(classifier, about):
    """Write the card of a fitted classifier: Markdown, with the metadata that the Hugging Face hub reads.

    Parameters
    ----------
    classifier : BaseTextClassifier
    about : dict
        What its folder says of it: names and values that may travel.

    Returns
    -------
    card : str
    """
    from huggingface_hub import ModelCard, ModelCardData

    encoder, numbers = about["params"]["encoder"], about["params"]["encoder"] == "passthrough"
    results = _results(classifier, "tabular-classification" if numbers else "text-classification")
    data = ModelCardData(
        base_model=None if numbers or encoder.startswith("./") else encoder,
        library_name="skweight" if numbers else "transformers",
        pipeline_tag="tabular-classification" if numbers else "text-classification",
        tags=["skweight", "synthetic-data"],
        model_name=about["class"] if results else None,
        eval_results=results or None,
    )
    taught = hasattr(classifier, "scores_")
    sections = [
        f"# {about['class']} on {escape('rows of numbers' if numbers else encoder)}",
        "Trained by [skweight](https://skweight.readthedocs.io) on synthetic rows, with the help of real ones.",
        _usage(classifier, numbers),
        "## Training data",
        _training_data(classifier),
        "## Scores on real rows",
        _scores(results),
        *(["It is the experts and their pool that were scored, which taught this model."] if taught else []),
        "## Weights",
        _weights(classifier.sample_weight_) if hasattr(classifier, "sample_weight_") else "Not known.",
        "## Parameters",
        _table(("parameter", "value"), about["params"].items()),
        f"Without a form in a file: {escape(', '.join(about['dropped']) or 'none')}.",
        "## Versions",
        _table(("library", "version"), about["versions"].items()),
    ]
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"))


def escape(text):
    """Let a text show in Markdown as what it is: no markup, no HTML, no line or column of its own."""
    return _MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def _table(head, rows):
    lines = [head, ["---"] * len(head), *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _usage(classifier, numbers):
    name, home = type(classifier).__name__, classifier._doc_link_url_param_generator()["estimator_module"]
    code = f"from {home} import {name}\n\n{name}.from_pretrained(folder).predict(X)"
    if not numbers:
        pipeline = 'transformers.pipeline("text-classification", folder)'
        code += f"\n\n# without skweight\nimport transformers\n\n{pipeline}(texts, truncation=True)"
    return f"```python\n{code}\n```"


def _training_data(classifier):
    rows: dict = {"classes": ", ".join(map(str, classifier.classes_.tolist()))}
    if hasattr(classifier, "sample_weight_"):
        rows["rows of X (with is_real, the real ones are among them)"] = len(classifier.sample_weight_)
    if hasattr(classifier, "n_real_"):
        rows["real rows"] = classifier.n_real_
    if hasattr(classifier, "real_validation_indices_"):
        rows["of which held out for early stopping"] = len(classifier.real_validation_indices_)
    return _table(("what", "value"), rows.items())


def _results(classifier, task):
    """Scores on real rows. Each says what was scored and on which rows."""
    from huggingface_hub import EvalResult

    def result(rows, metric, name, value):
        return EvalResult(
            task_type=task,
            dataset_type="real-rows",
            dataset_name=rows,
            metric_type=metric,
            metric_name=name,
            metric_value=round(float(value), 4),
        )

    found = []
    if hasattr(classifier, "validation_score_"):
        name = "accuracy in the epoch that was kept, the best of those"
        found.append(result("real rows held out", "accuracy", name, classifier.validation_score_))
    for expert, scores in getattr(classifier, "scores_", {}).items():
        who = "opinion pool" if expert == "pool" else f"expert {expert!r}"
        teacher = " (taught the encoder)" if expert == classifier.teacher_ else ""
        for metric in ("accuracy", "macro_f1", "log_loss"):
            name = f"{metric} ± {scores[f'{metric}_se']:.4f} of the {who}{teacher}"
            found.append(result("real rows, cross-fitted", metric, name, scores[metric]))
    return found


def _scores(results):
    if not results:
        return "Not measured in the training. Score the classifier on real rows that it has not seen."
    return _table(("score", "value", "on"), ((one.metric_name, one.metric_value, one.dataset_name) for one in results))


def _weights(weights):
    quantiles = zip(_QUANTILES, np.quantile(weights, _QUANTILES), strict=True)
    rows = [(f"{q:.0%} of the rows weigh at most", f"{value:.4g}") for q, value in quantiles]
    size = effective_sample_size(weights)
    rows.append(("effective sample size", f"{size:.1f} of {len(weights)} rows"))
    return _table(("`sample_weight_`", "value"), rows)
