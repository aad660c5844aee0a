"""The second pass: from log ratios to weights, by arithmetic alone."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skweight._weights import check_options, weights_of
from skweight.datasets._parquet import import_pyarrow
from skweight.scale._file import read_finished
from skweight.scale._sketch import WIDTH, Sketch

_OF_ONE_FILE = {"input size", "input mtime_ns"}


@dataclass(frozen=True)
class Weights:
    """Weights of all rows that were scored, known without holding them; made by :func:`weights`.

    Calling it turns log ratios into weights.

    Attributes
    ----------
    files : list of Path
        Files of scores, sorted.
    sketch : Sketch
        Of all their rows.
    gamma : float
    clip : float or None
        Largest weight, before normalisation. With ``clip_quantile`` the weight that was found there.
    clip_error : float
        By what share `clip` may differ from the true quantile; 0 if it was given.
    normalize : {None, "global"}
    mean : float
        Mean weight, before normalisation.
    mean_error : float
        The true mean is at most so far away; 0 means exact, but for rounding.
    effective_sample_size : float
        Kish's, to 1 % for ``gamma`` up to 1: how many rows of equal weight these are worth.
    """

    files: list
    sketch: Sketch
    gamma: float
    clip: float | None
    normalize: str | None
    mean: float
    mean_error: float
    effective_sample_size: float
    clip_error: float = 0.0
    _max_log_weight: float = field(default=0.0, repr=False)

    def __call__(self, log_ratio):
        """Weights of rows.

        Parameters
        ----------
        log_ratio : array-like of shape (n_rows,)
            The column of a file of scores.

        Returns
        -------
        weights : ndarray of shape (n_rows,), float64
            As :func:`skweight.importance_weights` would return them for all rows together; 1, before normalisation,
            where the ratio is not known.
        """
        found = weights_of(np.asarray(log_ratio, dtype=np.float64), self.gamma, self._max_log_weight)
        return found / self.mean if self.normalize == "global" and self.mean > 0 else found

    def batches(self, batch_rows=65_536):
        """Read the files again, batch by batch, with a weight for each row.

        Parameters
        ----------
        batch_rows : int, default=65_536

        Yields
        ------
        batch : pyarrow.Table
            The columns of the file, and ``weight`` (float64). Files in the order of `files`, rows in theirs.
        """
        pa = import_pyarrow()
        import pyarrow.parquet

        for path in self.files:
            with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_rows):
                    found = self(batch["log_ratio"].to_numpy(zero_copy_only=False))
                    yield pa.Table.from_batches([batch]).append_column("weight", pa.array(found))

    def by_class(self):
        """Tell what the rows of each class weigh.

        Returns
        -------
        classes : dict of str to dict
            For each class ``n_rows`` (with a known ratio), the mean ``weight``, normalised if the weights are, and the
            ``effective_sample_size``.
        """
        scale = self.mean if self.normalize == "global" and self.mean > 0 else 1.0
        found = {}
        for label in sorted(self.sketch.classes):
            rows = self.sketch.select(label)
            total, _ = rows.sum_of_weights(self.gamma, self._max_log_weight)
            size = _effective_size(rows, self.gamma, self._max_log_weight)
            found[label] = {
                "n_rows": rows.n_rows,
                "weight": total / rows.n_rows / scale,
                "effective_sample_size": size,
            }
        return found


def weights(out, *, gamma=1.0, clip=None, clip_quantile=None, normalize=None):
    """Weight all rows that were scored, from the sketches in their files: no column is read.

    Parameters
    ----------
    out : str or path
        Folder that :func:`score` wrote, or one file of :func:`score_file`.
    gamma, clip, normalize
        As for :func:`skweight.importance_weights`.
    clip_quantile : float in (0, 1), default=None
        Takes for `clip` the quantile of the weights of rows with a known ratio. The histogram knows it to a bin: up to
        a factor of ``exp(gamma / 8)``. What it has found is `clip` of the result, and all rows are clipped there.

    Returns
    -------
    weights : Weights

    Raises
    ------
    ValueError
        If there are no files, or files that were made with different models or settings.

    Notes
    -----
    With ``gamma=1`` and no limit that is reached, the mean is exact, and with it the normalised weights. Otherwise it
    is bounded bin by bin: `mean_error` is below 0.1 % of the mean for ``gamma`` from 0 to 1, and 0.5 % for ``gamma=2``,
    besides the bin with `clip` in it.
    """
    files = _files(Path(out))
    sketch = _merged(files)
    clip_error = 0.0
    if clip_quantile is not None:
        if clip is not None:
            raise ValueError("Pass clip or clip_quantile, not both.")
        if not 0 < clip_quantile < 1:
            raise ValueError(f"clip_quantile must be between 0 and 1, got {clip_quantile!r}.")
        clip = float(np.exp(min(gamma * sketch.quantile(clip_quantile), 700.0)))
        clip_error = float(np.expm1(gamma * WIDTH))
    gamma, max_log_weight = check_options(gamma, clip, normalize)
    total, error = sketch.sum_of_weights(gamma, max_log_weight)
    return Weights(
        files=files,
        sketch=sketch,
        gamma=gamma,
        clip=clip,
        normalize=normalize,
        mean=total / max(sketch.n_rows, 1),
        mean_error=error / max(sketch.n_rows, 1),
        effective_sample_size=_effective_size(sketch, gamma, max_log_weight),
        clip_error=clip_error,
        _max_log_weight=max_log_weight,
    )


def output_files(folder):
    """Files of scores in a folder and the folders in it, sorted; hidden ones are none."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in names if name.endswith(".parquet") and not name.startswith(".")]
    return sorted(found)


def _files(out):
    files = [out] if out.is_file() else output_files(out)
    if not files:
        raise ValueError(f"{out} holds no files of scores.")
    return files


def _merged(files):
    """Sketch of the rows of all files."""
    sketch, common = Sketch(), None
    for path in files:
        made_of, own = read_finished(path, Sketch)
        settings = {key: value for key, value in made_of.items() if key not in _OF_ONE_FILE}
        if common is not None and settings != common:
            changed = [key for key in settings if settings[key] != common.get(key)]
            raise ValueError(
                f"{path} was made with another {changed[0]} than {files[0]}: their ratios must not be mixed. Score the "
                "files again with overwrite=True."
            )
        common = settings
        sketch += own
    return sketch


def _effective_size(sketch, gamma, max_log_weight):
    total, _ = sketch.sum_of_weights(gamma, max_log_weight)
    squares, _ = sketch.sum_of_weights(2 * gamma, 2 * max_log_weight)
    return total**2 / squares if squares else 0.0
