"""What is kept on disk: fitted classifiers as folders, unfinished fits, and results computed before."""

from skweight._storage.checkpoints import interruptible, kept_until_done
from skweight._storage.folder import load, save

__all__ = ["interruptible", "kept_until_done", "load", "save"]
