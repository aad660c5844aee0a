"""The function :func:`skweight.audit`."""

from numbers import Integral, Real

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skweight._audit.comparison import POOL, REAL, Sources, Trial
from skweight._audit.findings import find
from skweight._audit.result import Audit
from skweight._frozen import FrozenEncoder
from skweight._opinion_pool import OpinionPoolClassifier, frozen_expert
from skweight._pools import cross_fit_proba
from skweight._rows.rows import check_data
from skweight._rows.texts import to_rows
from skweight._storage.about import travelling_name

_FEW = 20  # rows of a group that is worth a line
_MOST_GROUPS = 10
_DOMAIN_ROWS = 1000  # of each kind, for the domain classifier


@validate_params(
    {
        "scoring": [StrOptions({"accuracy", "balanced_accuracy"})],
        "cv": [Interval(Integral, 3, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "max_rows": [Interval(Integral, 1, None, closed="left"), None],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "rope": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=False,
)
def audit(
    synth_X,
    synth_y,
    real_X,
    real_y,
    *,
    encoder="google-bert/bert-base-uncased",
    generator=None,
    test_X=None,
    scoring="accuracy",
    cv=5,
    n_repeats=3,
    max_rows=4000,
    confidence=0.95,
    rope=0.01,
    max_length="auto",
    device="auto",
    precision="auto",
    random_state=0,
):
    """Judge whether synthetic rows help on real text, and find out why.

    The encoder reads all texts once, as it is, and softmax regressions on these features take the part of fine-tuned
    models. In a repeated cross-validation over the real rows, one of the real rows alone is compared with an opinion
    pool of three: of the real rows, of the synthetic ones and of both, as in
    :class:`~skweight.OpinionPoolClassifier`. All that the pool learns from real rows, it learns inside the training
    folds. So the verdict is one on this encoder, and on a fine-tuned model in so far as that gains where a regression
    does.

    Parameters
    ----------
    synth_X : array-like of shape (n_samples,), (n_samples, 2) or (n_samples, n_features)
        Synthetic texts, pairs of texts, or with ``encoder="passthrough"`` rows of numbers.
    synth_y : array-like of shape (n_samples,)
        Their labels.
    real_X, real_y : array-like of shape (n_real, ...) and (n_real,)
        Real rows of at least two classes, and three of one of them; with fewer than about 100 hardly any verdict is
        certain.
    encoder : str or path, default="google-bert/bert-base-uncased"
        Hub id or folder, or "passthrough".
    generator : array-like of shape (n_samples,), default=None
        Who or what wrote each synthetic row: a model, a prompt, an attribute. The audit then says what each of these
        groups adds to the others, for the ten largest.
    test_X : array-like of shape (n_test, ...), default=None
        Rows to be scored on later. They are only searched for copies.
    scoring : {"accuracy", "balanced_accuracy"}, default="accuracy"
        What the points are points of. "balanced_accuracy" counts all classes alike; the pool then has
        ``prior="balanced"``.
    cv : int, default=5
        Folds of the real rows, three at least.
    n_repeats : int, default=3
        How often the real rows are split into folds.
    max_rows : int or None, default=4000
        Of more synthetic rows, so many are drawn at random; None takes all. Copies are looked for in all rows.
    confidence : float, default=0.95
        Of the intervals.
    rope : float, default=0.01
        Half of the region of practical equivalence: a difference that does not matter, as a fraction.
    max_length, device, precision
        As of the classifiers.
    random_state : int, RandomState instance or None, default=0
        Which rows are drawn, and which share a fold.

    Returns
    -------
    audit : Audit
        Prints as a report.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight import audit
    >>> rng = np.random.RandomState(0)
    >>> X, real_X = rng.randn(500, 30), rng.randn(100, 30)
    >>> y, real_y = X.sum(axis=1) > 0, real_X.sum(axis=1) > 0  # 100 rows are too few for 30 columns
    >>> result = audit(X, y, real_X, real_y, encoder="passthrough")
    >>> result.verdict.decision
    'use'
    """
    rng = check_random_state(random_state)
    passthrough = isinstance(encoder, str) and encoder == "passthrough"
    # Rows are checked as those of a fit.
    check = OpinionPoolClassifier(encoder, max_length=max_length)._check_inputs
    what = "value" if passthrough else "text"
    real = ((real_X,), (real_y,))  # that they are as many as the synthetic ones means nothing here
    data = check_data(
        synth_X, synth_y, *real, None, None, check=check, drop=False, what=what, owner="audit", suspect=False
    )
    test = None if test_X is None else check(test_X, "test_X")[0]
    groups = None if generator is None else _check_groups(generator, len(data.synthetic))
    n_of_class = np.unique(data.real.y, return_counts=True)[1]
    if len(n_of_class) < 2 or n_of_class.max() < 3:
        raise ValueError(
            f"An audit needs real rows of two classes, and at least three of one of them; got {len(data.real)} real "
            f"rows of {len(n_of_class)} classes."
        )
    n_synthetic = len(data.synthetic)
    read = np.arange(n_synthetic)
    if max_rows is not None and n_synthetic > max_rows:
        read = np.sort(rng.permutation(n_synthetic)[:max_rows])
    features = _reader(encoder, passthrough, max_length=max_length, device=device, precision=precision)
    sources = Sources(
        X=features(data.synthetic.take(read).X),
        y=np.searchsorted(data.classes, data.synthetic.y[read]),
        real_X=features(data.real.X),
        real_y=np.searchsorted(data.classes, data.real.y),
        n_classes=len(data.classes),
        expert=frozen_expert(passthrough),
        prior="real" if scoring == "accuracy" else "balanced",
    )
    seeds = rng.randint(2**31, size=n_repeats)
    trial = Trial(sources, cv=cv, seeds=seeds, confidence=confidence, rope=rope)
    result = {
        "verdict": trial.judge(trial.hits[POOL], trial.hits[REAL]),
        "scores": _scores(trial),
        "learning_curve": _learning_curve(trial, rng),
        "groups": [] if groups is None else _effects(trial, groups[read]),
        "classes": _shares(data),
        "domain_auc": _domain_auc(sources, rng),
        "agreement": float(np.mean(sources.fit_real(np.arange(len(data.real))).predict(sources.X) == sources.y)),
    }
    return Audit(
        **result,
        findings=find(result, data, test, passthrough=passthrough),
        n_real=len(data.real),
        n_synthetic=n_synthetic,
        n_read=len(read),
        scoring=scoring,
        encoder=travelling_name(str(encoder)),
        cv=cv,
        n_repeats=n_repeats,
    )


def _reader(encoder, passthrough, **settings):
    """Return the function that turns rows into features."""
    return (lambda rows: rows) if passthrough else FrozenEncoder(encoder, **settings).features


def _check_groups(generator, n_rows):
    groups = np.array([str(group) for group in to_rows(generator, "generator")], dtype=object)
    if len(groups) != n_rows:
        raise ValueError(f"generator has {len(groups)} values, but there are {n_rows} synthetic rows.")
    return groups


def _scores(trial):
    rows = []
    for name, hits in trial.hits.items():
        score, low, high = trial.score(hits)
        row = {"score": score, "low": max(low, 0.0), "high": min(high, 1.0)}
        of = dict.fromkeys(("difference", "low", "high"))
        if name != REAL:
            of = _interval_of(trial.judge(hits, trial.hits[REAL]))
        rows.append(
            {
                "name": name,
                **row,
                "difference": of["difference"],
                "difference_low": of["low"],
                "difference_high": of["high"],
            }
        )
    return rows


def _interval_of(verdict):
    return {"difference": verdict.difference, "low": verdict.low, "high": verdict.high}


def _learning_curve(trial, rng):
    """Say what an eighth, a quarter, a half and all of the synthetic rows add to the real ones, in a single repeat."""
    n = len(trial.sources.y)
    order = rng.permutation(n)
    curve = []
    for size in (n // 8, n // 4, n // 2, n):
        rows = np.sort(order[:size])
        if size < n and len(np.unique(trial.sources.y[rows])) < trial.sources.n_classes:
            continue
        hits = trial.hits if size == n else trial.run(trial.sources.with_synthetic(rows), 1)
        curve.append({"rows": size, **_interval_of(trial.judge(hits[POOL][:1], trial.hits[REAL][:1]))})
    return curve


def _effects(trial, groups):
    """Say what each group of synthetic rows adds to the others, in a single repeat."""
    names, sizes = np.unique(groups, return_counts=True)
    effects = []
    for i in np.argsort(-sizes, kind="stable")[:_MOST_GROUPS]:
        others = np.flatnonzero(groups != names[i])
        if min(sizes[i], len(others)) < _FEW or len(np.unique(trial.sources.y[others])) < trial.sources.n_classes:
            continue
        hits = trial.run(trial.sources.with_synthetic(others), 1)[POOL]
        verdict = trial.judge(trial.hits[POOL][:1], hits)
        effects.append({"group": names[i], "rows": int(sizes[i]), **_interval_of(verdict)})
    return sorted(effects, key=lambda effect: -effect["difference"])


def _shares(data):
    real, synthetic = ([np.mean(rows.y == label) for label in data.classes] for rows in (data.real, data.synthetic))
    return [
        {"label": label, "real": float(r), "synthetic": float(s)}
        for label, r, s in zip(data.classes.tolist(), real, synthetic, strict=True)
    ]


def _domain_auc(sources, rng):
    """Area under the curve of a regression that tells real from synthetic rows, cross-validated."""
    X = np.vstack([rows[rng.permutation(len(rows))[:_DOMAIN_ROWS]] for rows in (sources.X, sources.real_X)])
    is_real = np.repeat([0, 1], [min(len(rows), _DOMAIN_ROWS) for rows in (sources.X, sources.real_X)])
    proba = cross_fit_proba(sources.expert, X, is_real, random_state=rng)
    return float(roc_auc_score(is_real, proba[:, 1]))
