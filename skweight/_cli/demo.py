"""The command ``demo``: what LLM-written film reviews are worth, measured on sentences labelled by people."""

import math
import time
from pathlib import Path

from skweight._cli.arguments import add_overwrite
from skweight._cli.outputs import check_new, check_writable
from skweight._cli.terminal import show

_TRAINING = {"max_epochs": 2, "lr": 2e-4, "verbose": 1}
_ROWS = {
    "opinion pool": "both, taught by an opinion pool",
    "real rows only": "300 real rows alone (the quality checker)",
    "cross-entropy": "LLM-written rows, cross-entropy",
    "IMP": "LLM-written rows, IMP-Loss",
    "DIMP": "LLM-written rows, DIMP-Loss",
}


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.add_argument(
        "--out", type=Path, default=Path("skweight-demo"), help="folder for the picture and the weights"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    add_overwrite(parser)


def run(args):
    """Train five classifiers, print what came out, and write a picture and the weights into a folder."""
    # Imported here, as they are slow: --help must not wait for them.
    from skweight._cli.weights_table import extreme_rows, write_weights
    from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder

    weights, picture = args.out / "weights.csv", args.out / "demo.png"
    check_writable(args.out)
    for path in (weights, picture):
        check_new(path, overwrite=args.overwrite)
    encoder = minilm_folder()
    reviews = load_film_reviews()
    people = fetch_film_sentences(random_state=args.seed)
    show(f"Synthetic: {len(reviews.X)} film reviews, written and labelled by a language model")
    test_size = len(people.test_y)
    show(f"Real:      {len(people.real_X)} critics' sentences, labelled by people, and {test_size} more to test on")
    show("Encoder:   all-MiniLM-L6-v2")

    models = _fit(encoder, reviews, people, seed=args.seed)
    scores = _print_scores(models, people)
    error = math.sqrt(0.25 / test_size)
    show(f"One seed; differences below {2 * error:.2f} are within the noise of {test_size} test rows.")
    show()
    imp = models["IMP"][0]
    _print_mean_weights({name: models[name][0] for name in ("opinion pool", "IMP", "DIMP")}, reviews)
    show()
    show("IMP, rows as the language model labelled them:")
    for line in extreme_rows(reviews.X, reviews.y, imp.sample_weight_, kinds=reviews.kind):
        show(line)

    args.out.mkdir(exist_ok=True)
    write_weights(weights, reviews.X, reviews.y.tolist(), imp)
    _draw(picture, scores, error, imp, reviews)
    show()
    show(f"Written: {picture}, {weights}")


def _fit(encoder, reviews, people, *, seed):
    """Fit the models of the comparison: pairs of a model and its seconds, by name."""
    from sklearn.frozen import FrozenEstimator

    from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier
    from skweight.baselines import CrossEntropyClassifier

    training = {**_TRAINING, "random_state": seed}

    def fit(classifier):
        start = time.perf_counter()
        classifier.fit(reviews.X, reviews.y, real_X=people.real_X, real_y=people.real_y)
        return classifier, time.perf_counter() - start

    # The quality checker is a model of the real rows alone, the diversity checker one of the synthetic rows alone: both
    # are baselines too. They are fitted once, and their seconds counted wherever they are used.
    pool, pool_seconds = fit(OpinionPoolClassifier(encoder, **training))
    dimp, dimp_seconds = fit(DIMPClassifier(encoder, **training))
    real_only = dimp.quality_checker_
    real_only_seconds = sum(epoch["seconds"] for epoch in real_only.history_)
    plain, plain_seconds = fit(CrossEntropyClassifier(encoder, **training))
    checkers = {"quality_checker": FrozenEstimator(real_only), "diversity_checker": FrozenEstimator(plain)}
    imp, imp_seconds = fit(IMPClassifier(encoder, **checkers, **training))
    return {
        "opinion pool": (pool, pool_seconds),
        "real rows only": (real_only, real_only_seconds),
        "cross-entropy": (plain, plain_seconds),
        "IMP": (imp, real_only_seconds + plain_seconds + imp_seconds),
        "DIMP": (dimp, dimp_seconds),
    }


def _print_scores(models, people):
    """Print a line for each model; return their accuracies."""
    from sklearn.metrics import accuracy_score, f1_score

    scores = {}
    show()
    show(f"{'trained on':<44} {'accuracy':>8} {'macro-F1':>8} {'seconds':>8}")
    for name, (model, seconds) in models.items():
        predicted = model.predict(people.test_X)
        scores[name] = accuracy_score(people.test_y, predicted)
        f1 = f1_score(people.test_y, predicted, average="macro")
        show(f"{_ROWS[name]:<44} {scores[name]:>8.3f} {f1:>8.3f} {seconds:>8.0f}")
    return scores


def _print_mean_weights(models, reviews):
    tables = {name: {row["group"]: row for row in _display(model, reviews).table()} for name, model in models.items()}
    show(f"{'mean weight of a synthetic row':<32} {'rows':>5}" + "".join(f"{name:>14}" for name in models))
    for kind, row in tables["IMP"].items():
        means = "".join(f"{table[kind]['mean_weight']:>14.3f}" for table in tables.values())
        show(f"{kind:<32} {row['rows']:>5}{means}")
    show("The opinion pool's is the probability that it gives to the row's label.")


def _display(classifier, reviews):
    from skweight.inspection import WeightDisplay

    return WeightDisplay.from_estimator(classifier, groups=[kind.replace("_", " ") for kind in reviews.kind.tolist()])


_SHORT = {
    "opinion pool": "both, opinion pool",
    "real rows only": "real rows alone",
    "cross-entropy": "LLM rows, cross-entropy",
    "IMP": "LLM rows, IMP-Loss",
    "DIMP": "LLM rows, DIMP-Loss",
}


def _draw(path, scores, error, imp, reviews):
    import matplotlib

    matplotlib.use("Agg")  # a file, never a window
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
    _draw_scores(left, scores, error)
    _display(imp, reviews).plot(right)
    right.set_title("IMP-Loss: weight of each kind of LLM-written row")
    figure.savefig(path, dpi=120, metadata={"Title": "skweight demo: accuracy by method, IMP weights by kind of row"})
    plt.close(figure)


def _draw_scores(ax, scores, error):
    """Draw accuracies as bars from 0, in colours that say what a classifier was trained on."""
    from matplotlib.patches import Patch

    from skweight.inspection._base import GREEN, GREY, ORANGE, ink, legend_below

    kinds = {
        GREEN: "LLM-written rows, weighted or pooled by skweight",
        ORANGE: "LLM-written rows as they are",
        GREY: "no LLM-written rows",
    }
    own = {"real rows only": GREY, "cross-entropy": ORANGE}
    names = list(scores)[::-1]
    values = [scores[name] for name in names]
    ax.barh(
        [_SHORT[name] for name in names],
        values,
        xerr=error,
        color=[own.get(name, GREEN) for name in names],
        error_kw={"ecolor": ink(ax), "capsize": 3},
    )
    for i, value in enumerate(values):
        ax.text(value + error + 0.015, i, f"{value:.3f}", va="center")
    coin = ax.axvline(0.5, color=ink(ax), linestyle=":", linewidth=1, label="a coin: 0.5")
    ax.set_xlim(0, 1)
    ax.set_xlabel("accuracy on real film reviews (bar: ± one standard error)")
    ax.set_title("Accuracy by what a classifier was trained on")
    legend_below(ax, [*(Patch(color=colour, label=label) for colour, label in kinds.items()), coin], columns=1)
