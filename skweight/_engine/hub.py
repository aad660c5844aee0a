"""Which folder an encoder's files are in: one of the user's, or a snapshot in the Hugging Face hub's cache.

Everything that reads an encoder asks here first, and then reads from the disk.
"""

import difflib
import fnmatch
import os
import threading
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path

from huggingface_hub import HfApi, constants, is_offline_mode, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from skweight._engine.isolation import quiet_transformers

_PATIENCE = 3  # seconds for the hub to answer, unless HF_HUB_ETAG_TIMEOUT says otherwise
_TEXT_FILES = ["*.json", "*.txt", "*.model", "*.codes", "*.jinja"]  # configuration, vocabularies, merges


def encoder_folder(encoder):
    """Find the folder with the files of an encoder, downloading them if need be.

    Parameters
    ----------
    encoder : str or path
        A folder, in which ``~`` is expanded, or a hub id.

    Returns
    -------
    folder : str

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or the hub has no such repository.
    PermissionError
        If the hub does not give it to this user.
    ConnectionError
        If it would have to be downloaded and the hub does not answer.
    """
    folder = os.path.expanduser(encoder)
    if os.path.isdir(folder):
        return folder
    if isinstance(encoder, os.PathLike) or _is_path(folder):
        by_name = os.path.dirname(folder) == "."  # as saved classifiers name an encoder that was in a folder
        hint = " A loaded classifier knows its encoder's name, not where it is: set encoder." if by_name else ""
        raise FileNotFoundError(f"encoder={str(encoder)!r}: there is no such folder.{_folders_like(folder)}{hint}")
    return _snapshot(folder)


def _is_path(name):
    """Whether a name can only be a path: a hub id is "owner/name" or "name"."""
    return name.startswith((".", "/", os.sep)) or name.count("/") > 1 or (os.sep == "\\" and os.sep in name)


def _folders_like(folder):
    """Name folders that could be meant, for a message; of a path whose beginning is not there, those like that."""
    parent, name = os.path.split(os.path.normpath(folder))
    if parent and not os.path.isdir(parent):
        return _folders_like(parent)
    names = [entry.name for entry in os.scandir(parent or ".") if entry.is_dir()]
    return _did_you_mean(os.path.join(parent, one) for one in difflib.get_close_matches(name, names))


def _did_you_mean(names):
    listed = " or ".join(map(repr, names))
    return f" Did you mean {listed}?" if listed else ""


# Kept for the process: the parts of a fit, checkers among them, ask the hub once and read the same commit.
@lru_cache
def _snapshot(repo):
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise FileNotFoundError(
            f"encoder={repo!r} is neither a folder nor a hub id, as 'owner/name' is.{_folders_like(repo)}"
        ) from error
    try:
        return _download(repo)
    except (HfHubHTTPError, ConnectionError) as error:
        config = try_to_load_from_cache(repo, "config.json")
        if isinstance(config, str):
            return os.path.dirname(config)
        raise _explained(repo, error) from error


def _download(repo):
    """Bring what a model and its tokenizer are read from to this disk, as far as it is not there."""
    if is_offline_mode():
        raise ConnectionError("HF_HUB_OFFLINE is set")
    weights = "model*.safetensors"
    if not fnmatch.filter(_files_on_hub(repo), weights):
        weights = "pytorch_model*.bin"
    with quiet_transformers():
        return snapshot_download(repo, allow_patterns=[*_TEXT_FILES, weights], ignore_patterns=["*/*"])


def _files_on_hub(repo):
    """Names of a repository's files; ConnectionError if the hub does not answer in time."""
    seconds = constants.HF_HUB_ETAG_TIMEOUT if "HF_HUB_ETAG_TIMEOUT" in os.environ else _PATIENCE
    answer: Future = Future()

    def ask():
        try:
            answer.set_result(HfApi().model_info(repo, timeout=seconds))
        except BaseException as error:
            answer.set_exception(error)

    # In a thread of its own: the limit of the request does not hold for the look-up of the hub's address.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return [file.rfilename for file in answer.result(seconds).siblings or ()]
    except HfHubHTTPError:
        raise
    except TimeoutError as error:
        raise ConnectionError(f"no answer in {seconds} s; HF_HUB_ETAG_TIMEOUT sets another limit") from error
    except Exception as error:  # of whatever library the hub's client sends its requests with
        raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _explained(repo, error):
    """Turn the hub's answer, or the lack of one, into an error that says what to do."""
    if isinstance(error, GatedRepoError):
        return PermissionError(
            f"encoder={repo!r} is gated: accept its terms at {constants.ENDPOINT}/{repo}, then log in (hf auth login) "
            "or set HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return FileNotFoundError(
            f"encoder={repo!r}: the Hugging Face hub has no such repository, and there is no such folder."
            f"{_folders_like(repo)} If the repository is private, log in (hf auth login) or set HF_TOKEN."
        )
    if isinstance(error, HfHubHTTPError):
        return ConnectionError(f"encoder={repo!r}: the Hugging Face hub does not hand it out: {error}")
    return ConnectionError(
        f"encoder={repo!r} is not a folder, and not in the hub's cache, {constants.HF_HUB_CACHE}; the Hugging Face hub "
        f"cannot be reached ({error}). Offline, pass the folder of an encoder, or an id that is in the cache."
        f"{_folders_like(repo)}{_did_you_mean(difflib.get_close_matches(repo, _cached()))}"
    )


def _cached():
    """Ids of the repositories in the hub's cache."""
    folders = Path(constants.HF_HUB_CACHE).glob("models--*")
    return [folder.name.removeprefix("models--").replace("--", "/") for folder in folders]
