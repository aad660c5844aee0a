"""Files that belong together in a folder: replaced as one, read as one.

A save writes all files into a hidden directory of the folder, and a list of their SHA-256 digests with them
(`skweight.sha256`; ``sha256sum --check`` reads it too). One rename then says that they are complete: from there on they
are what the folder holds. They are moved into place one by one, the list last. A kill before that rename leaves the
old files, a kill after it the new ones, some of them still in the hidden directory, where readers look first and from
where the next save takes them.

Readers need no lock and no permission to write. They keep what they have read only if it is what the list says, and
start again if files were replaced in the meantime. The hidden directory lies inside the folder, since a folder may be a
mount point or a link, and files can be renamed only within a file system.

====================  =======================================================================
in the folder         what it is
====================  =======================================================================
skweight.sha256       digest and name of every file that was saved, but README.md
.skweight.lock        held by the process that saves; empty
.skweight.saving      files of a save that is at work, or was killed: of no value
.skweight.complete    files of a save that is complete, but not yet, or not all, in place
====================  =======================================================================
"""

import hashlib
import os
import re
import shutil
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from filelock import FileLock, Timeout

from skweight.exceptions import IntegrityError

ABOUT, CONFIG, WEIGHTS, TRAINING, CARD = (
    "skweight.json",
    "config.json",
    "model.safetensors",
    "training.npz",
    "README.md",
)
MANIFEST = "skweight.sha256"
_LOCK, _SAVING, _COMPLETE = ".skweight.lock", ".skweight.saving", ".skweight.complete"
LOCK_SECONDS = 60  # a save takes a few
_LINE = re.compile(r"([0-9a-f]{64})  (\w[\w.+-]*)\n", re.ASCII)  # no directories: "../config.json" does not match

# What transformers, or we, would read next to the files that were saved, and what it would then make of them.
_OTHER_WEIGHTS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*",
    "tf_model*",
    "flax_model*",
    "adapter_*",
)
_PART_OF_A_MODEL = (
    *(ABOUT, CONFIG, TRAINING, *_OTHER_WEIGHTS, "*.model", "tokenizer*", "vocab.json", "vocab.txt", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json", "chat_template*", "generation_config.json"),
)


# -- writing ----------------------------------------------------------------------------------------------------------


@contextmanager
def replaced(folder):
    """Directory to write files into that replace those of an earlier save in `folder`, all of them or none.

    Files of the folder that no save wrote are left alone.

    Raises
    ------
    OSError
        If they cannot be written; what the folder held before is still there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder), naming(folder):
        _finish(folder)
        saving = folder / _SAVING
        shutil.rmtree(saving, ignore_errors=True)  # left by a save that was killed
        saving.mkdir()
        try:
            yield saving
            _seal(saving)
            _refuse_to_join(folder, saving)
            os.replace(saving, folder / _COMPLETE)
        except BaseException:
            shutil.rmtree(saving, ignore_errors=True)
            raise
        _sync(folder)
        _finish(folder)


@contextmanager
def _locked(folder):
    try:
        with FileLock(folder / _LOCK, timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise TimeoutError(
            f"Another process has been saving into {folder} for {LOCK_SECONDS} seconds. Wait for it, or save elsewhere."
        ) from error


@contextmanager
def naming(path):
    """Let errors about files say which: those of libraries in Rust, and those of a full disk, do not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
    except Exception as error:
        if (found := re.search(r"\(os error (\d+)\)", str(error))) is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error


def _seal(saving):
    """List the digests of the files, and bring all of them to the disk."""
    paths = sorted(saving.iterdir())
    lines = [f"{_digest(path)}  {path.name}\n" for path in paths if path.name != CARD]
    (saving / MANIFEST).write_text("".join(lines), encoding="ascii", newline="\n")
    _parse(saving, (saving / MANIFEST).read_bytes())
    mode = (saving / MANIFEST).stat().st_mode  # as the umask says; safetensors makes files that only their owner reads
    for path in (*paths, saving / MANIFEST):
        path.chmod(mode)
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    _sync(saving)


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_to_join(folder, saving):
    """Refuse a folder with parts of another model: both together would be neither. An encoder is not overwritten."""
    ours = {ABOUT, TRAINING, *_listed(folder)}
    if (folder / ABOUT).exists():
        ours |= {path.name for path in saving.iterdir()}  # saved in format 1, which had no list
    if foreign := sorted(_parts(folder) - ours):
        raise FileExistsError(
            f"{folder} holds {foreign[0]}, which belongs to another model. Save into another folder, or remove it."
        )


def _finish(folder):
    """Move the files of a complete save into place, and remove those of the one before. May be cut short, and repeated.

    The list moves last: until then it is the one of the earlier save, and says what to remove.
    """
    complete = folder / _COMPLETE
    if not complete.is_dir():
        return
    if (complete / MANIFEST).exists():
        new = {*_parse(complete, (complete / MANIFEST).read_bytes()), *(path.name for path in complete.iterdir())}
        for name in sorted(_parts(folder) & {TRAINING, *_listed(folder)} - new):
            (folder / name).unlink()
        for path in sorted(complete.iterdir(), key=lambda path: path.name == MANIFEST):
            os.replace(path, folder / path.name)
        _sync(folder)
    shutil.rmtree(complete)


def _sync(folder):
    """Bring to the disk what is in a directory: without it, a rename may be undone by a power failure."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# -- reading ----------------------------------------------------------------------------------------------------------


def read(folder):
    """Content of the files that a save wrote, all of the same save.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    content : dict of str to bytes
        By name. The list of the digests is among them, unless the folder was saved in format 1, which has none.

    Raises
    ------
    IntegrityError
        If a file is missing, is not what was saved, or does not belong there.
    """
    while True:
        before = _state(folder)
        try:
            content = _read(folder)
        except (IntegrityError, OSError):
            if _state(folder) == before:
                raise
        else:
            if MANIFEST in content or _state(folder) == before:
                return content


def _state(folder):
    """Which save the folder holds, and whether it is in place; differs after every step that a reader could notice."""
    found: list[tuple | None] = []
    for path in (folder / _COMPLETE / MANIFEST, folder / MANIFEST):
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found.append(None)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return found


def _read(folder):
    in_place = not (folder / _COMPLETE).exists()
    manifest = _bytes(folder, MANIFEST)
    if manifest is None:
        return _read_format_1(folder)
    content = {MANIFEST: manifest}
    for name, digest in _parse(folder, manifest).items():
        content[name] = _bytes(folder, name)
        if content[name] is None:
            raise IntegrityError(f"{folder / name} is missing; {MANIFEST} lists it. Copy the folder again.")
        if hashlib.sha256(content[name]).hexdigest() != digest:
            raise IntegrityError(
                f"{folder / name} is not the file that was saved: {MANIFEST} has another digest of it. Copy the folder "
                "again, or save the classifier again."
            )
    # Never read here, but transformers would; and until all files are in place, some of the earlier save are left.
    if in_place and (foreign := sorted(_parts(folder) - content.keys())):
        raise IntegrityError(f"{folder / foreign[0]} was not saved with the classifier: remove it, or save again.")
    return content


def _read_format_1(folder):
    if _bytes(folder, ABOUT) is None:
        raise FileNotFoundError(f"{folder} has no {ABOUT}: it was not saved by save_pretrained, or not to the end.")
    ignored = (*_OTHER_WEIGHTS, "*.csv", ".*", CARD)
    names = [WEIGHTS, *(path.name for path in folder.iterdir() if not any(fnmatch(path.name, p) for p in ignored))]
    return {name: content for name in names if (content := _bytes(folder, name)) is not None}


def _bytes(folder, name):
    """Content of a file of the latest complete save, in place or not; None if there is none."""
    root = Path(os.path.realpath(folder))
    homes = {root, root / _COMPLETE}
    if root.parent.name == "snapshots":  # in the cache of the hub, files are links to blobs/ next to snapshots/
        homes.add(root.parent.parent / "blobs")
    for path in (folder / _COMPLETE / name, folder / name):
        if path.is_file():
            if Path(os.path.realpath(path)).parent not in homes:
                raise IntegrityError(f"{path} is a link that leads out of the folder. Put the file itself there.")
            try:
                return path.read_bytes()
            except FileNotFoundError:  # moved into place just now
                continue
    return None


def _parse(folder, manifest):
    """Digests of the files by name, from the content of the list."""
    try:
        lines = manifest.decode("ascii").splitlines(keepends=True)
        listed = {found[2]: found[1] for found in map(_LINE.fullmatch, lines)}  # type: ignore[index]
        if not {ABOUT, CONFIG, WEIGHTS} <= listed.keys():
            raise ValueError
    except (ValueError, TypeError):  # TypeError: a line that is none
        raise IntegrityError(
            f"{folder / MANIFEST} is damaged: it must have a digest and a plain file name in each line, {ABOUT}, "
            f"{CONFIG} and {WEIGHTS} among them. Copy the folder again, or save the classifier again."
        ) from None
    return listed


def _listed(folder):
    """Names that the list in a folder has, as far as it can be read: what an earlier save wrote."""
    try:
        return set(_parse(folder, (folder / MANIFEST).read_bytes()))
    except (OSError, IntegrityError):
        return set()


def _parts(folder):
    """Names of the files in a folder that would be taken for parts of a model."""
    return {path.name for path in folder.iterdir() if any(fnmatch(path.name, part) for part in _PART_OF_A_MODEL)}
