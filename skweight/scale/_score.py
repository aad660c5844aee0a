"""Files are scored: one, or any number of them."""

from dataclasses import dataclass

from skweight.datasets._input import PYTHON
from skweight.exceptions import warn
from skweight.scale._file import Settings, work_on
from skweight.scale._many import work_on_all
from skweight.scale._scorer import Scorer


@dataclass(frozen=True)
class Scored:
    """What :func:`score` has left.

    Attributes
    ----------
    files : list of Path
        Files of scores, in the order of the inputs.
    n_rows : int
        Their rows.
    n_unknown : int
        Rows whose ratio is not known, as their label is missing or no class of the checkers.
    n_found : int
        Files that an earlier call had finished.
    """

    files: list
    n_rows: int
    n_unknown: int
    n_found: int


def score(
    inputs,
    out,
    *,
    quality,
    diversity=None,
    text=None,
    label="label",
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
    """Score the rows of many files, each into a file of its own.

    Whatever ends a worker, its file is scored again by another one, three times at most. Whatever ends the call, the
    same call goes on with the files that are not finished. Probabilities are the same to the last bit with any engine
    and any number of workers, on machines of one kind.

    Parameters
    ----------
    inputs : str, path or list of them
        A file, a folder (all files in it that are not hidden), or a pattern such as ``"in/**/*.parquet"``. Files are
        the unit of work: some hundreds of thousands of rows are a good size.
    out : str or path
        Folder for the scores. The file of ``in/a/b.csv`` is ``a/b.csv.parquet``, relative to the folder or to the part
        of the pattern before the first wildcard; :func:`score_file` says what it holds. It must not lie inside the
        inputs.
    quality, diversity, text, label, precision
        As for :class:`Scorer`.
    keep, batch_rows, fill_missing, raw, encoding
        As for :func:`score_file`.
    engine : {"local", "ray"}, default="local"
        Processes on this machine, or actors of Ray: on a local instance that ends with the call, or on the cluster that
        the program, or ``RAY_ADDRESS`` in the environment, is connected to. Its machines must see the folders.
    n_workers : int, default=None
        None takes one for each processor, or for each `threads` of them.
    threads : int, default=1
        Threads of a worker. More workers of one thread each are faster; another number may change last bits.
    overwrite : bool, default=False
        Whether files of scores that were made of something else are replaced.
    ray_options : dict, default=None
        Of Ray's actors, as ``{"num_gpus": 1}``.
    verbose : int, default=0
        Whether to show how far it has come.

    Returns
    -------
    scored : Scored

    Raises
    ------
    FileExistsError
        If an output was made of something else, as for :func:`score_file`; before any work.
    ValueError
        If a file cannot be scored. The others are scored first.
    RuntimeError
        If another process is at work in `out`, if a model cannot be loaded, or if workers end again and again.

    Warns
    -----
    SkweightWarning
        SKW060 if rows have no known ratio. Warnings of the workers come once for each code.
    """
    files, sketch, n_found = work_on_all(
        inputs,
        out,
        Scorer(quality, diversity, text=text, label=label, precision=precision),
        Settings(list(keep), batch_rows, fill_missing, raw, encoding, overwrite, _options),
        engine=engine,
        n_workers=n_workers,
        threads=threads,
        ray_options=ray_options,
        verbose=verbose,
    )
    if sketch.n_unknown:
        what = "All" if sketch.n_unknown == sketch.n_rows else f"{sketch.n_unknown} of"
        warn(
            f"SKW060: {what} {sketch.n_rows} rows have a label that is missing or no class of the checkers; their "
            "ratio is not known, and they get the neutral weight 1."
        )
    return Scored(files, sketch.n_rows, sketch.n_unknown, n_found)


def score_file(
    path,
    out,
    scorer,
    *,
    keep=(),
    batch_rows=8192,
    fill_missing=False,
    raw=False,
    encoding=None,
    overwrite=False,
    _options=PYTHON,
):
    r"""Score the rows of one file, unless that is done.

    Parameters
    ----------
    path : str or path
        CSV, TSV, JSON lines, JSON or Parquet, also gzipped.
    out : str or path
        Parquet file to write. It has the rows of the input in their order: the columns of `keep`, ``quality``,
        ``diversity`` (if there is such a checker) and ``log_ratio``, in float32. In its metadata are what it was made
        of, and the :class:`Sketch` of its log ratios. It is there when it is whole, and not before.
    scorer : Scorer
    keep : sequence of str, default=()
        Columns of the input to copy.
    batch_rows : int, default=8192
        Rows in memory at a time, and predicted at a time: with another number the last bits of probabilities differ.
    fill_missing : bool, default=False
        Whether a missing text is taken for an empty one.
    raw, encoding
        As for :func:`skweight.datasets.load_csv`.
    overwrite : bool, default=False
        Whether an output that was made of something else is replaced.

    Returns
    -------
    sketch : Sketch
        Of the file's log ratios, newly made or found.

    Raises
    ------
    FileExistsError
        If `out` is there and was made of something else: other models, columns or settings, another version of
        skweight, or an input of another size or time. The message says which.
    ValueError
        If the input cannot be read, or changes meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skweight.scale import Scorer, score_file
    >>> checker = make_pipeline(TfidfVectorizer(), LogisticRegression())
    >>> checker = checker.fit(["warm", "funny", "dull", "poor"], ["good", "good", "bad", "bad"])
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "rows.csv").write_text("text,label\nwarm and funny,good\ndull,good\n")
    >>> score_file(folder / "rows.csv", folder / "scores.parquet", Scorer(checker)).n_rows
    2
    """
    settings = Settings(list(keep), batch_rows, fill_missing, raw, encoding, overwrite, _options)
    return work_on(path, out, scorer, settings)
