"""Where commands write: checked before the work begins, so that none of it, and nothing of others, is lost."""

import os
import tempfile

from skweight._cli.terminal import show

_OURS = "skweight."  # how the names begin of files that only a saved model has


def same_file(path, other):
    """Whether two paths are one file: by name, by a symbolic link or by a hard link."""
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def check_save_folder(folder, *, read, overwrite):
    """Check that a model can be saved in a folder, and that nothing else is overwritten there.

    Parameters
    ----------
    folder : Path
    read : dict of str to Path
        Files and folders that the command reads, by their names in messages.
    overwrite : bool
        Whether a saved model may be replaced.
    """
    for name, path in read.items():
        if _identities(folder) & _identities(path):
            raise ValueError(f"--save {folder} would overwrite {name}, {path}. Name another folder.")
    names = sorted(path.name for path in folder.glob("[!.]*"))
    if names and not any(name.startswith(_OURS) for name in names):
        raise FileExistsError(
            f"--save {folder} holds other files than a saved model ({names[0]}). Name another folder."
        )
    if names and not overwrite:
        raise FileExistsError(f"--save {folder} holds a saved model. Add --overwrite to replace it.")
    check_writable(folder)


def _identities(path):
    """Device and number, which links share, of a file, or of a folder and of what lies in it."""
    within = path.iterdir() if path.is_dir() else []
    return {(stat.st_dev, stat.st_ino) for stat in (each.stat() for each in (path, *within) if each.exists())}


def check_new(path, *, overwrite):
    """Check that no file is replaced without being asked."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Add --overwrite to replace it.")


def check_writable(folder):
    """Check that files can be written into a folder, which need not be there yet; its parents are made."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        if is_new:
            folder.rmdir()
    except OSError as error:
        raise OSError(f"Cannot write into {folder}: {error.strerror}.") from error


def show_written(done, folder):
    """Say what a call over many files has left: a :class:`skweight.scale.Scored` or the like."""
    found = f" ({done.n_found} of them were there)" if done.n_found else ""
    show(f"{done.n_rows} rows in {len(done.files)} files in {folder}{found}")
