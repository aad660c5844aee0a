"""Fits that are to come out the same in one process and in several; run by test_processes.py, directly and by torchrun.

torchrun --nproc_per_node 2 run_in_processes.py ENCODER OUT
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from skorch.callbacks import Callback

from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier
from skweight._engine import checkpoints
from skweight._engine.processes import world
from skweight.baselines import CrossEntropyClassifier, HuClassifier, SunGenClassifier
from skweight.datasets import load_film_reviews


def fits(encoder, folder):
    """Parameters, weights and last loss of several classifiers."""
    films = load_film_reviews()
    # Batches of ten, the last of one row: one of two processes has nothing to do.
    X, y, real_X, real_y = films.X[:31], films.y[:31], films.X[900:920], films.y[900:920]
    settings = {"max_epochs": 2, "batch_size": 10, "lr": 1e-3, "random_state": 0, "precision": "fp32"}
    checker = {"quality_checker__max_epochs": 1, "quality_checker__batch_size": 10}
    dimp = DIMPClassifier(encoder, **settings, normalize="batch", real_weight=0.5).set_params(**checker)
    imp = IMPClassifier(encoder, **settings, normalize="global", early_stopping=True, memory=str(folder))
    imp.set_params(**checker, diversity_checker__max_epochs=1)
    numbers = CrossEntropyClassifier("passthrough", **{**settings, "max_epochs": 4})
    results = {}
    hu = HuClassifier(encoder, **settings, scale="unit", real_weight=0.5)
    pool = OpinionPoolClassifier(encoder, **settings, cv=2)
    sungen = SunGenClassifier(encoder, **settings, outer="real", n_outer_iter=2)
    for name, classifier in {"DIMP": dimp, "IMP": imp, "Hu": hu, "SunGen": sungen, "pool": pool}.items():
        results[name] = classifier.fit(X, y, real_X=real_X, real_y=real_y)
    results["numbers"] = numbers.fit(np.random.RandomState(0).normal(size=(31, 5)), y)
    return {
        name: (
            parameters(classifier),
            classifier.sample_weight_,
            np.array([classifier.history_[-1]["train_loss"]]),
            *([classifier.quality_proba_] if hasattr(classifier, "quality_proba_") else []),
        )
        for name, classifier in results.items()
    }


class Seed(Callback):
    """Keeps the seed that the dropout masks of a training are drawn from."""

    value = None

    def on_train_begin(self, net, **kwargs):
        type(self).value = torch.initial_seed()


def without_a_seed(encoder):
    """The head of a classifier whose seed each process would draw for itself, and the seed of its dropout masks."""
    films = load_film_reviews()
    classifier = CrossEntropyClassifier(encoder, max_epochs=1, callbacks=[Seed()]).fit(films.X[:8], films.y[:8])
    return classifier.module_.classifier.weight.detach().numpy(), Seed.value


class Counting(LogisticRegression):
    """Counts the rows that it is asked about."""

    def predict_proba(self, X):
        self.n_rows_ = len(X)
        return super().predict_proba(X)


def rows_weighed():
    """How many of 31 rows this process's quality checker was asked about."""
    X, y = np.random.RandomState(0).normal(size=(31, 5)), np.arange(31) % 2
    classifier = DIMPClassifier("passthrough", quality_checker=Counting(), max_epochs=1, random_state=0)
    return classifier.fit(X, y, real_X=X[:10] + 1, real_y=y[:10]).quality_checker_.n_rows_


def with_other_rows(encoder):
    """Message of a fit whose rows are not the same in all processes."""
    films = load_film_reviews()
    start = 4 * world().rank
    try:
        CrossEntropyClassifier(encoder, max_epochs=1).fit(films.X[start : start + 60], films.y[start : start + 60])
    except ValueError as error:
        return str(error)
    return "no error"


def interrupted(folder):
    """Parameters of a fit with dropout, and of the same fit after an interruption in all processes."""
    X, y = np.random.RandomState(0).normal(size=(31, 5)), np.arange(31) % 2
    settings = {"max_epochs": 3, "batch_size": 10, "random_state": 0, "checkpoint_dir": folder, "checkpoint_steps": 2}
    clf = CrossEntropyClassifier("passthrough", **settings)
    whole = parameters(clf.fit(X, y))
    write = checkpoints._write

    def write_and_stop(path, state):
        write(path, state)
        raise KeyboardInterrupt

    checkpoints._write = write_and_stop
    try:
        clf.fit(X, y)
    except KeyboardInterrupt:
        pass
    finally:
        checkpoints._write = write
    return whole, parameters(clf.fit(X, y))


def parameters(classifier):
    return torch.cat([p.detach().ravel() for p in classifier.module_.parameters()]).numpy()


def main(encoder, out):
    torch.set_num_threads(1)
    results = fits(encoder, Path(out) / "memory")
    arrays = {f"{name} {i}": array for name, values in results.items() for i, array in enumerate(values)}
    arrays["unseeded"], seed = without_a_seed(encoder)
    arrays["uninterrupted"], arrays["interrupted"] = interrupted(Path(out) / "fits")
    own = {"dropout seed": seed, "rows weighed": rows_weighed()}
    arrays |= {"size": world().size, "other rows": np.array(with_other_rows(encoder))}
    np.savez(Path(out) / f"rank{world().rank}.npz", **arrays, **{f"own {name}": value for name, value in own.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
