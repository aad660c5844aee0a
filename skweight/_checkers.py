"""Quality and diversity checkers: fitted, kept in the cache, and asked about every synthetic row."""

import os
from dataclasses import dataclass, field, fields
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skweight import _engine, _progress
from skweight._base import BaseTextClassifier
from skweight._cross_entropy import CrossEntropyClassifier
from skweight._parameters import TrainingParameters, estimator
from skweight._storage.cache import Cache, code_fingerprint, content_digest, encoder_fingerprint
from skweight._weights import class_proba, smooth_proba
from skweight.exceptions import warn

# What the default quality checker trains with: a few hundred rows need larger steps, and more of them, than thousands.
# benchmarks/weights/quality_checker.py compares budgets.
QUALITY_CHECKER_BUDGET = {"max_epochs": 10, "batch_size": 32, "lr": 2e-4}


def fast_checker(passthrough):
    """Make what diversity_checker="fast" stands for; benchmarks/weights/cheap_imp.py compares it with others.

    A word or a pair of words that only one row holds tells that row apart, and one that is in two copies tells them
    apart more surely: more so than an encoder, which has learnt to see past words.
    """
    if passthrough:
        first, last = StandardScaler(), LogisticRegression(max_iter=300)
    else:
        first = TfidfVectorizer(preprocessor=_lower_case, ngram_range=(1, 2), sublinear_tf=True)
        last = LogisticRegression(C=10, max_iter=300)
    if get_config()["enable_metadata_routing"]:  # the last step alone gets the rows' weights, as without routing
        last.set_fit_request(sample_weight=True)
        if passthrough:
            first.set_fit_request(sample_weight=False)
    return make_pipeline(first, last)


def _lower_case(text):
    return (text if isinstance(text, str) else " ".join(text)).lower()


@dataclass(frozen=True)
class Assessment:
    """What a checker says about the synthetic rows; nothing at all where there is none.

    Attributes
    ----------
    proba : ndarray of shape (n_synthetic, n_classes), or None
        Probability of every class; NaN in the column of a class that the checker does not know.
    label_proba : ndarray of shape (n_synthetic,), or None
        Probability of each row's own label.
    learnt : dict
        What a classifier keeps of it: ``quality_checker_`` and ``quality_proba_``, for example.
    """

    proba: np.ndarray | None = None
    label_proba: np.ndarray | None = None
    learnt: dict = field(default_factory=dict)


@estimator
class BaseTwoStageClassifier(BaseTextClassifier):
    """Base class of the classifiers that fit others, checkers or experts, before they train.

    Parameters
    ----------
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" gives its synthetic rows the neutral weight 1.
    memory : str, path or joblib.Memory, default=None
        Folder to keep tokens, fitted checkers and their probabilities in, so that a search over options of the weight
        or of training fits each checker once for each fold, in whatever process. The key is their content: texts,
        labels, parameters, seed, the encoder's files, the checker's code and the versions of the libraries. What is
        damaged is computed again; a folder that cannot be written to costs a warning (SKW052). The results are pickles:
        whoever can write to the folder can run code in your name. With ``random_state=None`` all fits share one seed
        for the checkers.
    """

    _listed_last = True  # after what methods add

    missing_real: str = "raise"
    memory: Any = None

    _parameter_constraints = {
        "missing_real": [StrOptions({"raise", "warn"})],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    # For messages: who learns from the real rows, and what happens to synthetic rows of a class without real ones.
    _learner = "The quality checker"
    _missing_real_effect = "get the neutral weight 1"

    def _begin(self):
        seeds = super()._begin()
        # What one process finds in its cache another might have to compute, with all of them.
        self._cache = None if self.memory is None or _engine.world().size > 1 else Cache(self.memory)
        return seeds

    def _checker_seeds(self, rng, n):
        """Seeds of n checkers."""
        if self.memory is not None and self.random_state is None:
            rng = np.random.RandomState(0)  # with other seeds in every fit, nothing would ever be found in the cache
        return rng.randint(np.iinfo(np.int32).max, size=n)

    def _check_classes(self, data, known, where):
        if len(known) < 2:
            raise ValueError(f"{self._learner} needs at least 2 classes, but {where} has one: {list(known)}.")
        missing = [label for label in data.classes.tolist() if label not in known]
        if not missing:
            return
        if self.missing_real == "raise":
            raise ValueError(
                f"{where} has no rows of {missing}, so nothing is known about the quality of their synthetic rows. Add "
                f"real rows of every class, or pass missing_real='warn': those rows then {self._missing_real_effect}."
            )
        count = int(np.isin(data.synthetic.y, missing).sum())
        warn(f"SKW021: {where} has no rows of {missing}; their {count} synthetic rows {self._missing_real_effect}.")

    def _fit_and_ask(self, name, checker, rows, asked, classes, seed):
        """Fit a checker on `rows`, unless it is frozen, and ask it about the rows `asked`.

        Returns
        -------
        checker : classifier
        proba : ndarray of shape (len(asked), n_classes)
        """
        # Whether a stack or a search has predict_proba may depend on what it fits.
        if not hasattr(type(checker), "predict_proba"):
            _check_predicts_proba(name, checker)
        if isinstance(checker, FrozenEstimator):
            check_is_fitted(checker)

            def key():
                return "frozen checker", code_fingerprint(checker.estimator), checker.estimator

        else:
            checker = _seeded(clone(checker), seed)
            unfitted = clone(checker)

            def key():
                return "checker", code_fingerprint(unfitted), unfitted, rows.X, rows.y, rows.sample_weight

            checker = self._cached(partial(_fit_on, checker, rows, title=name.replace("_", " ")), key)
            _check_predicts_proba(name, checker)

        def asked_key():
            return *key(), asked.X, classes

        ask = partial(self._cached, partial(_shared_proba, checker, asked, classes, name), asked_key)
        return checker, self._kept(f"answers of the {name}", ask, asked_key)

    def _kept(self, name, compute, content):
        """Return the array ``compute()``, from the checkpoints of this fit if it has come so far before."""
        return _engine.kept(name, content_digest(content()), compute) if _engine.has_checkpoints() else compute()

    def _cached(self, compute, content):
        """Return ``compute()``, from the cache if there is one; only then is `content` asked what it depends on."""
        return compute() if self._cache is None else self._cache.get(compute, *content())

    def _tokenize(self, texts, tokenizer):
        return self._cached(
            partial(super()._tokenize, texts, tokenizer),
            lambda: ("tokens", texts, self._token_source, encoder_fingerprint(self.encoder)),
        )


@estimator
class BaseCheckedClassifier(BaseTwoStageClassifier):
    """Base class of the classifiers with a quality checker.

    A subclass with a parameter ``diversity_checker`` (:class:`WithDiversityChecker`) has one of those too.

    Parameters
    ----------
    quality_checker : classifier, default=None
        Any classifier with ``predict_proba`` on texts, fitted on the real rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` on the same encoder with a budget for a few hundred rows;
        its parameters can be set, as ``quality_checker__max_epochs``. ``FrozenEstimator(fitted)`` is used as it is, and
        no real rows are needed.
    smoothing : float, default=0.0
        Share of the uniform distribution that is mixed into :math:`P'`.

    Attributes
    ----------
    quality_checker_ : classifier
        The fitted quality checker.
    quality_proba_ : ndarray of shape (n_samples,)
        :math:`P'(y_i|x_i)`; NaN where it is not known, and on real rows.
    """

    quality_checker: Any = None
    smoothing: float = 0.0

    _parameter_constraints = {
        "quality_checker": [HasMethods(["fit"]), None],
        "smoothing": [Interval(Real, 0, 1, closed="both")],
    }

    _instead_of_real = ", or a fitted quality_checker as FrozenEstimator(checker)"

    def _default_checkers(self):
        """Checkers that stand for None, by parameter name."""
        settings = {name: getattr(self, name) for name in ("max_length", "device", "precision", "compile", "verbose")}
        budget: dict[str, Any] = QUALITY_CHECKER_BUDGET | ({"lr": "auto"} if self._passthrough else {})
        return {"quality_checker": CrossEntropyClassifier(self.encoder, **settings, **budget)}

    def _needs_real(self):
        return not isinstance(self.quality_checker, FrozenEstimator)

    def _fit_quality_checker(self, data, seed):
        """P'(.|x) of every synthetic row, from a checker fitted on the real rows."""
        if self._needs_real():
            self._check_classes(data, set(data.real.y.tolist()), "the real data")
        checker, proba = self._fit_checker("quality_checker", data.real, data, seed)
        known = set(np.asarray(checker.classes_).tolist())
        if not self._needs_real():
            self._check_classes(data, known, "the fitted quality_checker")
        return self._assessment("quality", checker, smooth_proba(proba, self.smoothing, len(checker.classes_)), data)

    def _assessment(self, name, checker, proba, data):
        _warn_if_one_class(f"{name}_checker", proba, data.classes)
        label_proba = data.synthetic.label_column(proba)
        learnt = {f"{name}_checker_": checker, f"{name}_proba_": data.scatter(label_proba, fill=np.nan)}
        return Assessment(proba, label_proba, learnt)

    def _fit_checker(self, name, rows, data, seed):
        """Fit a checker on `rows`; return it, and its probability of every class for each synthetic row."""
        checker = getattr(self, name)
        if checker is None:
            checker = self._default_checkers()[name]
        elif checker == "fast":
            checker = fast_checker(self._passthrough)
        with _progress.stage(name.replace("_", " ")):
            return self._fit_and_ask(name, checker, rows, data.synthetic, data.classes, seed)

    def _plan(self, n_synthetic, n_real):
        own = super()._plan(n_synthetic, n_real)
        rows = {"quality_checker": n_real, "diversity_checker": n_synthetic}
        checkers = {name: getattr(self, name) or default for name, default in self._default_checkers().items()}
        work = {
            name.replace("_", " "): planned(checker, rows[name]) + _progress.FORWARD * n_synthetic
            for name, checker in checkers.items()
            if checker != "drop"
        }
        return {"reading": own.pop("reading"), **work, **own}

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
            A parameter of a default checker replaces the None it stood for by that checker, but for one that comes with
            this very None and is as it was, as all are in ``set_params(**get_params())``.

        Returns
        -------
        self : object
        """
        super().set_params(**{name: value for name, value in params.items() if "__" not in name})
        nested = {name: value for name, value in params.items() if "__" in name}
        for name, checker in self._default_checkers().items():
            own = {key: value for key, value in nested.items() if key.startswith(name + "__")}
            if getattr(self, name) is not None or not own:
                continue
            default = {f"{name}__{key}": value for key, value in checker.get_params().items()}
            if name in params and own == {key: default.get(key) for key in own}:
                nested = {key: value for key, value in nested.items() if key not in own}
            else:
                setattr(self, name, checker)
        return super().set_params(**nested)


@estimator
class WithDiversityChecker(BaseCheckedClassifier):
    """Base class of the classifiers that have a diversity checker as well.

    Parameters
    ----------
    diversity_checker : classifier, "fast" or "drop", default=None
        Any classifier with ``predict_proba``, fitted on the synthetic rows. None takes a
        :class:`~skweight.baselines.CrossEntropyClassifier` with this classifier's own training parameters, so a search
        over those refits the checker for every candidate, unless its own value is fixed, for example with
        ``diversity_checker__lr=5e-5``. "fast" is a logistic regression on words and pairs of words (TF-IDF), on numbers
        one on standardised features: it takes seconds, and finds duplicates better than an encoder does. "drop" leaves
        it out: a row of :class:`~skweight.IMPClassifier` then has the weight :math:`P'(y|x)`.

    Attributes
    ----------
    diversity_checker_ : classifier
        The fitted diversity checker. Not available with ``diversity_checker="drop"``.
    diversity_proba_ : ndarray of shape (n_samples,)
        :math:`Q(y_i|x_i)`. Not available with ``diversity_checker="drop"``.
    """

    diversity_checker: Any = None

    _parameter_constraints = {"diversity_checker": [HasMethods(["fit"]), StrOptions({"drop", "fast"}), None]}

    def _default_checkers(self):
        own = {field.name: getattr(self, field.name) for field in fields(TrainingParameters)}
        own |= {"real_weight": 0.0, "early_stopping": False, "random_state": None, "callbacks": None}
        return {**super()._default_checkers(), "diversity_checker": CrossEntropyClassifier(**own)}

    def _fit_diversity_checker(self, data, seed):
        """Q(.|x) of every synthetic row, from a checker fitted on those rows; nothing for "drop"."""
        if self.diversity_checker == "drop":
            return Assessment()
        checker, proba = self._fit_checker("diversity_checker", data.synthetic, data, seed)
        return self._assessment("diversity", checker, proba, data)


def planned(classifier, n_rows):
    """Estimate the work of fitting a checker; of one that trains no encoder there is hardly any."""
    is_ours = isinstance(classifier, BaseTextClassifier)
    return sum(classifier._plan(n_rows, 0).values()) if is_ours else 0.0


def _check_predicts_proba(name, checker):
    if not hasattr(checker, "predict_proba"):
        raise TypeError(
            f"{name} is {_class_name(checker)}, which has no predict_proba; weights need the probability of a label. "
            "Wrap it in CalibratedClassifierCV, for example."
        )


def _warn_if_one_class(name, proba, classes):
    """Warn if one class is above all others in every row; a checker that knows nothing of any row is not meant."""
    proba = np.nan_to_num(proba)
    best = int(proba[0].argmax())
    if (proba[:, best] > np.delete(proba, best, axis=1).max(axis=1)).all():
        warn(
            f"SKW043: the {name} finds {classes.tolist()[best]!r} most probable in all {len(proba)} synthetic rows, so "
            "that weights tell labels apart, and hardly rows. Fit it on more real rows, train it longer "
            f"({name}__max_epochs), or bring another."
        )


def _fit_on(checker, rows, *, title):
    """Fit a checker on rows; one of ours reads their tokens, if they are what it would make of them itself."""
    if _reads_tokens(checker, rows):
        return checker._fit_rows(rows, title=title)
    weight = {} if rows.sample_weight is None else _weight_params(checker, rows.sample_weight)
    return checker.fit(rows.X, rows.y, **weight)


def _shared_proba(checker, rows, classes, name):
    """Probability of each class, NaN for one that the checker does not know; each process computes its share."""
    world = _engine.world()
    if world.size == 1 or len(rows) < world.size:
        return proba_of_classes(checker, rows, classes, quick=True, name=name, index=rows.index)
    own = rows.take(world.shard(np.arange(len(rows))))
    return world.gather_array(
        proba_of_classes(checker, own, classes, quick=True, name=name, index=own.index), len(rows)
    )


def proba_of_classes(checker, rows, classes, *, quick=False, **names):
    """Probability of each class, NaN for one that the checker does not know.

    With `quick`, a checker of ours computes in the precision that it trains in: weights need no more.
    """
    inner = checker.estimator if isinstance(checker, FrozenEstimator) else checker
    if _reads_tokens(inner, rows):
        predict = partial(inner._predict_proba_of_tokens, precision=inner.precision if quick else "fp32")
        return class_proba(checker, rows.tokens, classes, predict_proba=predict, **names)
    return class_proba(checker, rows.X, classes, **names)


def _reads_tokens(checker, rows):
    """Whether a checker is one of ours, whose methods nobody has replaced, and would make the same tokens itself."""
    ours = isinstance(checker, BaseTextClassifier) and all(
        getattr(type(checker), name) is getattr(BaseTextClassifier, name) for name in ("fit", "predict_proba")
    )
    return ours and checker._token_source == rows.tokens.source


def _weight_params(checker, weight):
    """Arguments of a checker's fit that hand over the weights of its rows, if it can take them."""
    if has_fit_parameter(checker, "sample_weight"):
        return {"sample_weight": weight}
    if get_config()["enable_metadata_routing"]:
        # Also where a step has not said whether it asks for them: scikit-learn's own error says how to.
        routing = get_routing_for_object(checker)
        asked = routing._get_param_names(method="fit", return_alias=True, ignore_self_request=False)
        return {"sample_weight": weight} if "sample_weight" in asked else {}
    if isinstance(checker, BaseSearchCV):
        return _weight_params(checker.estimator, weight)
    if isinstance(checker, Pipeline) and has_fit_parameter(checker.steps[-1][1], "sample_weight"):
        return {f"{checker.steps[-1][0]}__sample_weight": weight}
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
