"""Quality and diversity checkers: fitted, kept in the cache, and asked about every synthetic row."""

import os
from functools import partial
from numbers import Real

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skweight._base import BaseTextClassifier
from skweight._memory import describe, recall, version
from skweight._weights import class_proba, smooth_proba
from skweight.exceptions import warn

# What the default quality checker trains with: a few hundred rows need larger steps, and more of them, than thousands.
# benchmarks/weights/quality_checker.py compares budgets.
QUALITY_CHECKER_BUDGET = {"max_epochs": 10, "batch_size": 16, "lr": 1e-4}


def _fast_checker(passthrough):
    """Make what diversity_checker="fast" stands for; benchmarks/weights/cheap_imp.py compares it with others.

    A word or a pair of words that only one row holds tells that row apart, and one that is in two copies tells them
    apart more surely: more so than an encoder, which has learnt to see past words.
    """
    if passthrough:
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    words = TfidfVectorizer(preprocessor=_lower_case, ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=10, max_iter=300))


def _lower_case(text):
    return (text if isinstance(text, str) else " ".join(text)).lower()


class BaseCheckedClassifier(BaseTextClassifier):
    """What all share that ask a quality checker, fitted on the real rows, about the synthetic ones.

    A subclass with a parameter ``diversity_checker`` can ask one of those too.
    """

    _parameter_constraints: dict = {
        **BaseTextClassifier._parameter_constraints,
        "quality_checker": [HasMethods(["fit"]), None],
        "smoothing": [Interval(Real, 0, 1, closed="both")],
        "missing_real": [StrOptions({"raise", "warn"})],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    _missing_real_means = "get the neutral weight 1"  # synthetic rows of a class without real ones

    # scikit-learn reads parameters off the constructors of the classes that are used, which list all of them.
    def __init__(self, encoder, *, quality_checker, smoothing, missing_real, memory, **params):
        super().__init__(encoder, **params)
        self.quality_checker = quality_checker
        self.smoothing = smoothing
        self.missing_real = missing_real
        self.memory = memory

    def _default_checkers(self):
        """Checkers that stand for None, by parameter name."""
        from skweight.baselines import CrossEntropyClassifier  # there are classifiers there that build on this one

        settings = {name: getattr(self, name) for name in ("max_length", "device", "precision", "compile", "verbose")}
        budget = QUALITY_CHECKER_BUDGET | ({"lr": "auto"} if self._passthrough else {})
        checkers = {"quality_checker": CrossEntropyClassifier(self.encoder, **settings, **budget)}
        if hasattr(self, "diversity_checker"):
            own = {name: getattr(self, name) for name in CrossEntropyClassifier().get_params(deep=False)}
            own |= {"real_weight": 0.0, "early_stopping": False, "random_state": None}
            checkers["diversity_checker"] = CrossEntropyClassifier(**own)
        return checkers

    def _needs_real(self):
        return not isinstance(self.quality_checker, FrozenEstimator)

    def _fit_quality_checker(self, data, seed):
        """P'(.|x) of every synthetic row, from a checker fitted on the real rows; classes as in `_class_proba`."""
        if self._needs_real():
            self._check_classes(data, set(data.real.y.tolist()), "the real data")
        self.quality_checker_, proba = self._fit_checker("quality_checker", data.real, data, seed)
        known = set(np.asarray(self.quality_checker_.classes_).tolist())
        if not self._needs_real() and known & set(data.classes.tolist()):
            self._check_classes(data, known, "the fitted quality_checker")
        proba = smooth_proba(proba, self.smoothing, len(self.quality_checker_.classes_))
        self.quality_proba_ = data.spread(own_label(proba, data.synthetic), fill=np.nan)
        return proba

    def _fit_diversity_checker(self, data, seed):
        """Q(.|x) of every synthetic row, from a checker fitted on those rows."""
        self.diversity_checker_, proba = self._fit_checker("diversity_checker", data.synthetic, data, seed)
        self.diversity_proba_ = data.spread(own_label(proba, data.synthetic), fill=np.nan)
        return proba

    def _check_classes(self, data, known, where):
        if len(known) < 2:
            raise ValueError(f"The quality checker needs at least 2 classes, but {where} has one: {list(known)}.")
        missing = [label for label in data.classes.tolist() if label not in known]
        if not missing:
            return
        if self.missing_real == "raise":
            raise ValueError(
                f"{where} has no rows of {missing}, so nothing is known about the quality of their synthetic rows. Add "
                f"real rows of every class, or pass missing_real='warn': those rows then {self._missing_real_means}."
            )
        count = int(np.isin(data.synthetic.y, missing).sum())
        warn(f"SKW021: {where} has no rows of {missing}; their {count} synthetic rows {self._missing_real_means}.")

    def _fit_checker(self, name, rows, data, seed):
        """Fit a checker on `rows`; return it, and its probability of every class for each synthetic row."""
        checker = getattr(self, name)
        if checker is None:
            checker = self._default_checkers()[name]
        elif checker == "fast":
            checker = _fast_checker(self._passthrough)
        if not hasattr(checker, "predict_proba"):
            raise TypeError(
                f"{name} is {_class_name(checker)}, which has no predict_proba; weights need the probability of a "
                "label. Wrap it in CalibratedClassifierCV, for example."
            )
        if isinstance(checker, FrozenEstimator):
            check_is_fitted(checker)

            def key():
                return "frozen checker", describe(checker.estimator), checker.estimator

        else:
            checker = _seeded(clone(checker), seed)
            if isinstance(checker, BaseTextClassifier):
                checker._title = name.replace("_", " ")
            weight = {} if rows.weight is None else _weight_params(checker, rows.weight)
            unfitted = clone(checker)

            def key():
                return "checker", describe(unfitted), unfitted, rows.X, rows.y, rows.weight

            checker = self._recall(lambda: checker.fit(self._read_by(checker, rows), rows.y, **weight), key)
        proba = self._recall(
            lambda: self._class_proba(checker, data.synthetic, data.classes),
            lambda: (*key(), data.synthetic.X, data.classes),
        )
        return checker, proba

    def _class_proba(self, checker, rows, classes):
        """Probability of each class, NaN for one that the checker does not know; each process computes its share."""
        from skweight import _processes

        world = _processes.world()
        if len(rows) < world.size:
            return class_proba(checker, self._read_by(checker, rows), classes)
        own = rows if world.size == 1 else rows.take(world.shard(np.arange(len(rows))))
        return world.gather_array(class_proba(checker, self._read_by(checker, own), classes), len(rows))

    def _recall(self, compute, content):
        """Return ``compute()``, from the cache if there is one; only then is `content` asked what it depends on."""
        from skweight import _processes

        # What one process finds in its cache another might have to compute, with all of them.
        if self.memory is None or _processes.world().size > 1:
            return compute()
        return recall(self.memory, compute, *content())

    def _tokenize(self, texts, tokenizer):
        return self._recall(
            partial(super()._tokenize, texts, tokenizer),
            lambda: ("tokens", texts, self._token_source(), version(self.encoder)),
        )

    def _checker_rng(self, rng):
        # With random_state=None every fit draws other seeds, and nothing would ever be found in the cache again.
        return np.random.RandomState(0) if self.memory is not None and self.random_state is None else rng

    def _read_by(self, checker, rows):
        """Return what a checker reads: the tokens if they are what it would make itself, so that they are made once."""
        inner = checker.estimator if isinstance(checker, FrozenEstimator) else checker
        same = isinstance(inner, BaseTextClassifier) and inner._token_source() == getattr(rows.tokens, "source", None)
        return rows.tokens if same else rows.X

    def get_params(self, deep=True):
        """Get parameters; those of a default checker are listed while its parameter is None.

        Parameters
        ----------
        deep : bool, default=True
            Whether parameters of the checkers are included, as ``quality_checker__max_epochs``.

        Returns
        -------
        params : dict
        """
        params = super().get_params(deep=deep)
        if deep:
            for name, checker in self._default_checkers().items():
                if getattr(self, name) is None:
                    params |= {f"{name}__{key}": value for key, value in checker.get_params().items()}
        return params

    def set_params(self, **params):
        """Set parameters, those of the checkers as ``quality_checker__max_epochs``.

        Parameters
        ----------
        **params : dict
            A parameter of a default checker replaces the None it stood for by that checker.

        Returns
        -------
        self : object
        """
        super().set_params(**{name: value for name, value in params.items() if "__" not in name})
        nested = {name: value for name, value in params.items() if "__" in name}
        for name, checker in self._default_checkers().items():
            if getattr(self, name) is None and any(key.startswith(name + "__") for key in nested):
                setattr(self, name, checker)
        return super().set_params(**nested)


def own_label(proba, rows):
    """Of the probabilities of all classes, each row's own."""
    return proba[np.arange(len(rows)), rows.target]


def _weight_params(checker, weight):
    """Arguments of a checker's fit that hand over the weights of its rows, if it can take them."""
    if has_fit_parameter(checker, "sample_weight"):
        return {"sample_weight": weight}
    last = checker.steps[-1] if isinstance(checker, Pipeline) else None
    # With metadata routing it is the user who says which step asks for weights.
    if last and has_fit_parameter(last[1], "sample_weight") and not get_config()["enable_metadata_routing"]:
        return {f"{last[0]}__sample_weight": weight}
    return {}


def _class_name(checker):
    return type(checker.estimator if isinstance(checker, FrozenEstimator) else checker).__name__


def _seeded(estimator, seed):
    """Set every random_state that was left at None, so that the checkers are as reproducible as the classifier."""
    rng = np.random.RandomState(seed)
    unset = sorted(
        name
        for name, value in estimator.get_params().items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    )
    return estimator.set_params(**{name: int(rng.randint(np.iinfo(np.int32).max)) for name in unset})
