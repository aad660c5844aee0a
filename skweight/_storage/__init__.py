"""What is kept on disk: fitted classifiers as folders, and results that were computed before."""

from skweight._storage.folder import load, save

__all__ = ["load", "save"]
