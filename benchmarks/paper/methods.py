"""Ways to train on generated and real rows, by the names that the tables give them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import (
    CrossEntropyClassifier,
    DistilledClassifier,
    FocalClassifier,
    HuClassifier,
    SunGenClassifier,
)
from skweight.losses import GeneralizedCrossEntropyLoss

ALL = 10**6  # real rows in a meta-batch: more than there are

QC, DC = {"build QC": "quality_checker"}, {"build DC": "cross_entropy"}


@dataclass
class Method:
    """A row of the table.

    Attributes
    ----------
    fit : callable
        Takes a Cell, returns a fitted classifier.
    uses : dict
        Shared models that count among its costs: name in the table of times, attribute of the Cell.
    """

    fit: Callable
    uses: dict = field(default_factory=dict)


def pooled_weight(cell, share=0.25):
    """``real_weight`` at which all real rows together weigh `share` of all synthetic rows together."""
    return share * len(cell.X) / len(cell.real_X)


def class_weighted(cell):
    """Synthetic rows weighted to the real shares of the classes."""
    labels = np.unique(cell.y)
    real = {label: np.mean(cell.real_y == label) for label in labels}
    weight = {label: real[label] / np.mean(cell.y == label) for label in labels}
    return CrossEntropyClassifier(cell.encoder, **cell.training).fit(
        cell.X, cell.y, sample_weight=compute_sample_weight(weight, cell.y)
    )


def pooled(cell, share=0.25, kind=CrossEntropyClassifier):
    """Real and synthetic rows together."""
    model = kind(cell.encoder, real_weight=pooled_weight(cell, share), **cell.training)
    return model.fit(cell.X, cell.y, real_X=cell.real_X, real_y=cell.real_y)


def checked(kind, cell, **params):
    """Fit a classifier that uses the cell's quality checker; it sees the real rows only with a ``real_weight``."""
    model = kind(cell.encoder, quality_checker=cell.quality, **params, **cell.training)
    real = {"real_X": cell.real_X, "real_y": cell.real_y} if params.get("real_weight") else {}
    return model.fit(cell.X, cell.y, **real)


def imp(cell, diversity_checker, **params):
    return checked(IMPClassifier, cell, diversity_checker=diversity_checker, **params)


def dimp(cell, **params):
    return checked(DIMPClassifier, cell, **params)


def distilled(cell, diversity_checker="drop", **params):
    return checked(DistilledClassifier, cell, diversity_checker=diversity_checker, **params)


class GeneralizedCrossEntropy(CrossEntropyClassifier):
    """Plain fine-tuning with the noise-robust loss in cross-entropy's place."""

    def _make_loss(self):
        return GeneralizedCrossEntropyLoss()


def meta(cell, kind, **params):
    """SunGen or Hu et al."""
    model = kind(cell.encoder, **params, **cell.training)
    return model.fit(cell.X, cell.y, real_X=cell.real_X, real_y=cell.real_y)


def filtered(cell):
    """Cross-entropy on the rows whose label is the one that the quality checker would give."""
    keep = cell.quality_checker.predict(cell.X) == cell.y
    rows = [x for x, kept in zip(cell.X, keep, strict=True) if kept]
    return CrossEntropyClassifier(cell.encoder, **cell.training).fit(rows, cell.y[keep])


def synthetic_then_real(cell):
    """Train the cross-entropy model on as the quality checker is trained; its head starts at random."""
    with tempfile.TemporaryDirectory() as folder:
        cell.cross_entropy.save_pretrained(folder)
        return CrossEntropyClassifier(folder, **cell.quality_settings).fit(cell.real_X, cell.real_y)


METHODS = {
    "real only": Method(lambda cell: cell.quality_checker, QC),
    "cross-entropy": Method(lambda cell: cell.cross_entropy, DC),
    "class-weighted": Method(class_weighted),
    "focal": Method(lambda cell: FocalClassifier(cell.encoder, **cell.training).fit(cell.X, cell.y)),
    "Hu et al.": Method(lambda cell: meta(cell, HuClassifier)),
    "Hu et al., published look-ahead": Method(lambda cell: meta(cell, HuClassifier, lookahead=8)),
    # A gradient on all real rows instead of 64, and weights that differ visibly: slower, and nearer to what is meant.
    "Hu et al., all real rows": Method(lambda cell: meta(cell, HuClassifier, scale="unit", real_batch_size=ALL)),
    "Hu et al., all real rows, published look-ahead": Method(
        lambda cell: meta(cell, HuClassifier, scale="unit", real_batch_size=ALL, lookahead=8)
    ),
    "Ren et al.": Method(lambda cell: meta(cell, HuClassifier, persistent=False)),
    "Ren et al., all real rows": Method(lambda cell: meta(cell, HuClassifier, persistent=False, real_batch_size=ALL)),
    "SunGen": Method(lambda cell: meta(cell, SunGenClassifier)),
    "SunGen, real": Method(lambda cell: meta(cell, SunGenClassifier, outer="real")),
    "IMP": Method(lambda cell: imp(cell, cell.diversity), QC | DC),
    "DIMP": Method(dimp, QC),
    "w/o diversity checker": Method(lambda cell: imp(cell, "drop"), QC),
    "IMP, fast diversity checker": Method(lambda cell: imp(cell, "fast"), QC),
    "pooled": Method(pooled),
    "pooled 1:1": Method(lambda cell: pooled(cell, share=1.0)),
    "pooled IMP": Method(lambda cell: imp(cell, cell.diversity, real_weight=pooled_weight(cell)), QC | DC),
    "pooled DIMP": Method(lambda cell: dimp(cell, real_weight=pooled_weight(cell)), QC),
    "pooled w/o diversity checker": Method(lambda cell: imp(cell, "drop", real_weight=pooled_weight(cell)), QC),
    "distilled": Method(distilled, QC),
    "product of experts": Method(lambda cell: distilled(cell, cell.diversity), QC | DC),
    "pooled distilled": Method(lambda cell: distilled(cell, real_weight=pooled_weight(cell)), QC),
    "generalised CE": Method(lambda cell: GeneralizedCrossEntropy(cell.encoder, **cell.training).fit(cell.X, cell.y)),
    "filter": Method(filtered, QC),
    "synthetic, then real": Method(synthetic_then_real, DC),
}
