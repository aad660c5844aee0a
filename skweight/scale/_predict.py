"""Any number of files are labelled."""

from dataclasses import dataclass

from skweight.datasets._input import PYTHON
from skweight.scale._file import Settings
from skweight.scale._many import work_on_all
from skweight.scale._predictor import Predictor


@dataclass(frozen=True)
class Predicted:
    """What :func:`predict` has left.

    Attributes
    ----------
    files : list of Path
        Files of predictions, in the order of the inputs.
    n_rows : int
        Their rows.
    n_of_class : dict of str to int
        How many rows were predicted as each class, by the names of the classes.
    n_found : int
        Files that an earlier call had finished.
    """

    files: list
    n_rows: int
    n_of_class: dict
    n_found: int


def predict(
    inputs,
    out,
    model,
    *,
    text=None,
    precision="fp32",
    keep=(),
    engine="local",
    n_workers=None,
    threads=1,
    batch_rows=8192,
    fill_missing=False,
    raw=False,
    encoding=None,
    overwrite=False,
    ray_options=None,
    verbose=0,
    _options=PYTHON,
):
    r"""Label the rows of many files, each into a file of its own.

    Like :func:`score`, it gives the file of a worker that ends to another one, and the same call goes on with the files
    that are not finished. Labels are neither needed nor read.

    Parameters
    ----------
    inputs : str, path or list of them
        As for :func:`score`.
    out : str or path
        Folder for the predictions; files are named as by :func:`score`. Each has the rows of its input in their order:
        the columns of `keep`, the predicted ``label`` (``predicted_label`` if a column ``label`` is kept), and for each
        class its probability, as ``p(good)``, in float64. In its metadata are what it was made of, and how many rows
        were predicted as each class.
    model : str, path or classifier
        Folder of a classifier that ``save_pretrained`` wrote, or any fitted classifier of texts with ``predict_proba``.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes those that a saved model was fitted on in files, if
        an input has them, or else ``text``, or ``text_a`` and ``text_b``.
    precision : {"fp32", "auto", "bf16", "fp16"}, default="fp32"
        As of a :class:`Scorer`.
    keep, batch_rows, fill_missing, raw, encoding
        As for :func:`score_file`.
    engine, n_workers, threads, ray_options, verbose
        As for :func:`score`.
    overwrite : bool, default=False
        Whether files that were made of something else are replaced.

    Returns
    -------
    predicted : Predicted

    Raises
    ------
    FileExistsError
        If an output was made of something else: another model, columns or settings, another version of skweight, an
        input of another size or time, or if it holds scores; before any work.
    ValueError
        If a file cannot be labelled. The others are labelled first.
    RuntimeError
        If another process is at work in `out`, if the model cannot be loaded, or if workers end again and again.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.scale import predict
    >>> model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> model = model.fit(["warm", "funny", "dull", "poor"], ["good", "good", "bad", "bad"])
    >>> folder = Path(tempfile.mkdtemp())
    >>> for i, text in enumerate(["warm and funny", "dull"]):
    ...     _ = (folder / f"{i}.csv").write_text(f"text\n{text}\n")
    >>> predicted = predict(f"{folder}/*.csv", folder / "out", model, n_workers=1)
    >>> [path.name for path in predicted.files]
    ['0.csv.parquet', '1.csv.parquet']
    >>> predicted.n_of_class
    {'bad': 1, 'good': 1}
    """
    files, counts, n_found = work_on_all(
        inputs,
        out,
        Predictor(model, text=text, precision=precision),
        Settings(list(keep), batch_rows, fill_missing, raw, encoding, overwrite, _options),
        engine=engine,
        n_workers=n_workers,
        threads=threads,
        ray_options=ray_options,
        verbose=verbose,
    )
    return Predicted(files, counts.n_rows, counts.classes, n_found)
