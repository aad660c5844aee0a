"""The rules of the comparison, fixed before the runs, and how a cell's rows are drawn and scored.

- For each seed 300 real rows are drawn from real_train.csv and real_pool.csv, and 1,200 synthetic ones. Up to 1,000
  further real rows are scored, and apart from them the rows of test.csv, some of which are of another distribution.
- The comparator of a cell, a pair of task and generator, is the most accurate of real only, synthetic only and pooled
  on one half of the scored rows; it is compared on the other half.
- A cell is not inferior if a method's loss against it is significantly below 1 point (one-sided, Holm over the cells).
- The interval of the mean gain is a bootstrap of cells, then seeds; rows by the normal approximation.
- Constants are chosen on the five cells of TUNED, on draws of their own.
"""

import base64

import numpy as np
from sklearn.metrics import f1_score

TUNED = {
    "tweet_sentiment:synthetic_gpt-4",
    "ag_news:synthetic_mistral-7b",
    "tweet_sarcasm:synthetic_gpt-3.5_grounded",
    "mrpc:synthetic_ctrl-supergen",
    "sst2:synthetic_ctrl-supergen",
}
BASELINES = ("real only", "synthetic only", "pooled")
MARGIN = 0.01
N_REAL, N_SCORED, N_SYNTHETIC = 300, 1000, 1200
FIRST_DRAW = 100  # constants are chosen on the draws before it


def draw_rows(n_synthetic, real_y, classes, draw):
    """Positions of the synthetic rows, the real rows and the further real rows of a draw.

    Parameters
    ----------
    n_synthetic : int
        How many synthetic rows there are.
    real_y : ndarray
        Labels of all real rows; those outside `classes` are left out.
    classes : ndarray
    draw : int
    """
    rng = np.random.RandomState(draw)
    order = rng.permutation(np.flatnonzero(np.isin(real_y, classes)))
    return rng.permutation(n_synthetic)[:N_SYNTHETIC], order[:N_REAL], order[N_REAL : N_REAL + N_SCORED]


def halves(n_rows, draw):
    """Whether each scored row is in the half that the comparator is chosen on."""
    return np.random.RandomState(draw).permutation(n_rows) % 2 == 0


def figures(proba, target, draw):
    """Which rows are right, and other scores."""
    first = halves(len(target), draw)
    right, sure = proba.argmax(axis=1) == target, proba.max(axis=1)
    bins = np.minimum((sure * 15).astype(int), 14)
    gaps = [abs(right[bins == i].sum() - sure[bins == i].sum()) for i in range(15)]
    return {
        "right": base64.b85encode(np.packbits(right).tobytes()).decode(),
        "n": len(target),
        "macro_f1": macro_f1(proba, target),
        "macro_f1_halves": [macro_f1(proba[half], target[half]) for half in (first, ~first)],
        "log_loss": round(float(-np.log(np.maximum(proba[np.arange(len(target)), target], 1e-4)).mean()), 5),
        "calibration_error": round(float(sum(gaps) / len(target)), 5),
    }


def macro_f1(proba, target):
    return round(float(f1_score(target, proba.argmax(axis=1), average="macro", zero_division=0)), 5)


def right_rows(score):
    """Which rows are right, as ``figures`` has packed them."""
    mask = np.frombuffer(base64.b85decode(score["right"]), dtype=np.uint8)
    return np.unpackbits(mask, count=score["n"]).astype(float)
