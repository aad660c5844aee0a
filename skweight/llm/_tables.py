"""Tables that other generators have written: distilabel, NeMo Data Designer, Curator."""

from pathlib import Path

from skweight._report.relabelling import import_pandas

# How others name what we call `text`, `label` and `model`.
_TEXTS = (("text",), ("text_a", "text_b"), ("input_text",), ("generation",), ("response",))
_MODELS = ("model", "model_name", "generation_model")
# Columns that are about how an answer came about, and not about what was asked for.
_LEFT_OUT = {"distilabel_metadata", "misleading_label", "generations", "raw_output", "raw_input"}
_LEFT_OUT_ENDS = ("__trace", "__reasoning_trace", "__reasoning_content", "_raw_input", "_raw_output")


def read_generated(source, *, text=None, label="label"):
    """Read rows that another tool has written as :meth:`Generated.frame` has them.

    Columns of distilabel (``input_text``, ``label``, ``model_name``, ``distilabel_metadata``), of NeMo Data Designer
    (its sampler columns become attributes) and of Curator (whatever its ``parse`` returns) are known.

    Parameters
    ----------
    source : str, path, DataFrame, data set or list of dict
        A file (.csv, .jsonl, .json or .parquet, perhaps .gz), or what is in memory. Data sets have ``to_pandas``.
    text : str or list of two str, default=None
        Column of the text, or the two of a pair. None takes ``text``, ``text_a`` and ``text_b``, ``input_text``,
        ``generation`` or ``response``, whichever is there first.
    label : str, default="label"

    Returns
    -------
    frame : DataFrame
        ``text`` (or ``text_a``, ``text_b``) and ``label`` first, then ``model``, attributes, and ``prompt_tokens`` and
        ``completion_tokens`` where they are known. Rows without a text or a label are left out.

    Examples
    --------
    >>> from skweight.llm import read_generated
    >>> rows = [{"input_text": "Great!", "label": "good", "misleading_label": "bad", "model_name": "m", "tone": "warm"}]
    >>> read_generated(rows).to_dict("records")
    [{'text': 'Great!', 'label': 'good', 'model': 'm', 'tone': 'warm'}]
    """
    frame = _open(source)
    names = _find_texts(frame, text)
    if label not in frame:
        raise ValueError(f"There is no column {label!r}; there are {', '.join(map(str, frame.columns))}: pass label=.")
    own = ("text",) if len(names) == 1 else ("text_a", "text_b")
    result = frame[[*names, label]].set_axis([*own, "label"], axis=1)
    model = next((name for name in _MODELS if name in frame), None)
    if model:
        result["model"] = frame[model]
    statistics = _statistics(frame)
    for name in frame.columns:
        if name not in {*names, label, model, *result.columns, *_LEFT_OUT} and not str(name).endswith(_LEFT_OUT_ENDS):
            result[name] = frame[name]
    for name, values in statistics.items():
        result[name] = values
    return result[result[[*own, "label"]].notna().all(axis=1)].reset_index(drop=True)


def _open(source):
    pandas = import_pandas()
    if isinstance(source, str | Path):
        kind = next((end for end in Path(source).suffixes[::-1] if end != ".gz"), "")
        readers = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet, ".json": pandas.read_json}
        if kind in (".jsonl", ".ndjson"):
            return pandas.read_json(source, lines=True)
        if kind not in readers:
            raise ValueError(f"{source} is no .csv, .jsonl, .json or .parquet.")
        return readers[kind](source)
    if hasattr(source, "to_pandas"):
        return source.to_pandas()
    return source.reset_index(drop=True) if isinstance(source, pandas.DataFrame) else pandas.DataFrame(list(source))


def _find_texts(frame, text):
    wanted = [(text,) if isinstance(text, str) else tuple(text)] if text is not None else _TEXTS
    for names in wanted:
        if all(name in frame for name in names):
            return list(names)
    what = f"no column {text!r}" if text is not None else "no column of texts that is known"
    raise ValueError(f"There is {what}; there are {', '.join(map(str, frame.columns))}: pass text=.")


def _statistics(frame):
    """Tokens as distilabel counts them."""
    if "distilabel_metadata" not in frame:
        return {}
    found: dict[str, list] = {"prompt_tokens": [], "completion_tokens": []}
    for cell in frame["distilabel_metadata"]:
        counts = [value for name, value in (cell or {}).items() if name.startswith("statistics_") and value]
        found["prompt_tokens"].append(sum(one.get("input_tokens") or 0 for one in counts))
        found["completion_tokens"].append(sum(one.get("output_tokens") or 0 for one in counts))
    return found if any(found["completion_tokens"]) else {}
