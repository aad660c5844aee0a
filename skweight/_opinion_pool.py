"""OpinionPoolClassifier: what the real and the synthetic rows know, pooled and taught to one encoder."""

from dataclasses import dataclass, fields, replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import xlogy
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skweight import _engine, _progress
from skweight._base import Weighting
from skweight._checkers import QUALITY_CHECKER_BUDGET, BaseTwoStageClassifier, planned, proba_of_classes
from skweight._cross_entropy import CrossEntropyClassifier
from skweight._frozen import AskedRows, frozen_features
from skweight._parameters import TrainingParameters, estimator
from skweight._pools import OpinionPool, balanced_weight, folds
from skweight._rows.features import Features
from skweight._rows.tokens import check_paired
from skweight._storage.cache import encoder_fingerprint
from skweight._teachers import choose_teacher
from skweight._verdict import judge
from skweight.exceptions import warn

_REAL, _SYNTHETIC, _BOTH = "real", "synthetic", "both"


@dataclass(frozen=True)
class Opinion:
    """What an expert predicts.

    Attributes
    ----------
    expert : classifier
        Fitted on all its rows.
    real : ndarray of shape (n_real, n_classes)
        Of the real rows, each from a copy that has not seen it.
    synthetic : ndarray of shape (n_synthetic, n_classes)
        Of the synthetic rows. 0 in the columns of classes that an expert does not know.
    """

    expert: Any
    real: np.ndarray
    synthetic: np.ndarray


@estimator
class OpinionPoolClassifier(BaseTwoStageClassifier):
    r"""Text classifier taught by a pool of experts: some know the real rows, some the synthetic ones.

    Experts are fitted on the real rows and on the synthetic ones, and predict real rows that they have not seen:
    experts of real rows are cross-fitted, experts of synthetic rows have seen no real row. A log-linear opinion pool
    (:class:`~skweight.OpinionPool` [1]_) is fitted on these predictions, a form of stacked generalisation [2]_: one
    number for each expert says how far to trust it. If the pool is no better than its best expert, that expert takes
    its place. The encoder is then trained on the synthetic texts with the pool's probabilities in place of their
    labels, as in distillation [3]_, and on the real rows with the mean of their own label and the probabilities of a
    pool that has not seen them. Its last layer is fitted first, to up to 1,500 of the rows, while the layers below stay
    fixed [4]_.

    The synthetic texts may also be real texts that a language model has labelled.

    Parameters
    ----------
    experts : {"frozen", "finetuned"}, classifier or list of (str, classifier, str), default="frozen"
        "frozen": softmax regressions on mean-pooled embeddings of the pretrained encoder (for pairs of texts, on how
        the two differ), fitted on the real rows, on the synthetic ones, and on both; they take seconds. "finetuned":
        fine-tuned encoders, one for the real and one for the synthetic rows, which takes ``cv + 2`` further trainings.
        A classifier with ``predict_proba`` on texts: three copies of it, fitted as for "frozen". A list holds, for each
        expert, a name, the classifier, and the rows it is fitted on, "real", "synthetic" or "both".
        ``FrozenEstimator(fitted)`` is used as it is, and must not have seen the real rows.
    cv : int, default=5
        Folds of the real rows for cross-fitting.
    prior : {"real", "balanced", None}, default="real"
        The class shares that the pool is fitted for; see :class:`~skweight.OpinionPool`. "real" for accuracy and
        log-loss, "balanced" if all classes count the same, as in macro-F1; the training then weights the real rows in
        the same way.
    real_weight : float, default=0.25
        Total weight of the real rows, as a share of the total weight of the synthetic rows, in the training and for
        experts that are fitted on both.
    student : bool, default=True
        Whether to train an encoder on the pool's probabilities. False predicts with the pool itself: only the experts
        are fitted, which takes seconds if they are frozen. Such a classifier can be pickled, but not saved as a Hugging
        Face folder.
    missing_real : {"raise", "warn"}, default="raise"
        What to do about a class without real rows. "warn" lets its synthetic rows keep their labels; the targets of the
        other rows give it no probability.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        What the label of each synthetic row is worth: its probability in the pool, times the row's ``sample_weight``. 0
        for real and dropped rows.
    target_proba_ : ndarray of shape (n_samples, n_classes)
        Targets of the training, columns in the order of ``classes_``. NaN for real and dropped rows.
    experts_ : dict of str to classifier
        The fitted experts.
    teacher_ : str
        "pool", or the name of the expert that took its place.
    coef_ : ndarray of shape (n_experts,)
        Exponents of the experts. If an expert took the pool's place, 1 for this expert and 0 for the others.
    intercept_ : ndarray of shape (n_classes,)
        Class terms of the pool; NaN for a class without real rows.
    oof_proba_ : ndarray of shape (n_experts, n_real, n_classes)
        Cross-fitted probabilities of the real rows.
    scores_ : dict of str to dict
        Accuracy, macro-F1 and log-loss of each expert and of the pool on the real rows, cross-fitted, and their
        standard errors, as ``accuracy_se``.
    verdict_ : dict or None
        Whether the synthetic rows help: the teacher's accuracy on the real rows, cross-fitted, against that of the
        expert on the real rows alone. ``sentence``, ``decision`` ("use", "do not use" or "cannot tell"),
        ``difference``, ``low`` and ``high`` of its 95 % interval, and more; :func:`skweight.audit` tells more of
        it, before anything is trained. With ``prior="balanced"`` it is balanced accuracy. None if no expert is fitted
        on the real rows alone.

    See Also
    --------
    OpinionPool : The pool alone, for any models.
    skweight.baselines.DistilledClassifier : One teacher, or a product of experts that is not fitted.

    References
    ----------
    .. [1] Genest, Zidek, "Combining Probability Distributions: A Critique and an Annotated Bibliography", Statistical
       Science 1(1), 1986.
    .. [2] Wolpert, "Stacked Generalization", Neural Networks 5(2), 1992.
    .. [3] Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
    .. [4] Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022,
       arXiv:2202.10054.

    Examples
    --------
    >>> import numpy as np
    >>> from skweight import OpinionPoolClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, real_X = rng.randn(300, 2), rng.randn(60, 2)
    >>> y, real_y = X[:, 0] > 0.5, real_X[:, 0] > 0  # the generator draws the line elsewhere
    >>> clf = OpinionPoolClassifier("passthrough", random_state=0).fit(X, y, real_X=real_X, real_y=real_y)
    >>> wrong = y != (X[:, 0] > 0)
    >>> bool(clf.sample_weight_[wrong].mean() < 0.5 * clf.sample_weight_[~wrong].mean())
    True
    """

    experts: Any = "frozen"
    cv: int = 5
    prior: str | None = "real"
    real_weight: float = 0.25
    student: bool = True

    _parameter_constraints = {
        "experts": [StrOptions({"frozen", "finetuned"}), HasMethods(["fit"]), list],
        "cv": [Interval(Integral, 2, None, closed="left")],
        "prior": [StrOptions({"real", "balanced"}), None],
        "student": ["boolean"],
    }

    _learner = "The pool"
    _missing_real_effect = "keep their labels"

    def _needs_real(self):
        return True

    def _make_loss(self):
        from skweight.losses import DistillationLoss

        return DistillationLoss()

    def _weight_rows(self, data, rng):
        if self.early_stopping and not self.student:
            raise ValueError("early_stopping=True needs student=True: without a student no epochs are trained.")
        self._check_classes(data, set(data.real.y.tolist()), "the real data")
        experts = self._list_experts()
        fold_seed, *seeds = self._checker_seeds(rng, 1 + len(experts))
        with _progress.stage("experts"):
            read = self._read_by_experts(data)
            opinions = {
                name: self._ask_expert(name, expert, rows, read, seed, fold_seed)
                for (name, expert, rows), seed in zip(experts, seeds, strict=True)
            }
        oof = np.stack([opinion.real for opinion in opinions.values()])
        on_synthetic = np.stack([opinion.synthetic for opinion in opinions.values()])
        known = np.isin(np.arange(len(data.classes)), data.real.target)
        splits = folds(data.real.target, self.cv, fold_seed)
        with _progress.stage("pool"):
            teacher, pool, on_real, scores = choose_teacher(
                OpinionPool(self.prior),
                dict(zip(opinions, oof[..., known], strict=True)),
                np.cumsum(known)[data.real.target] - 1,
                data.real.mean_one_weight,
                splits,
            )
        target = np.zeros((len(data.synthetic), len(data.classes)))
        target[:, known] = pool.predict_proba(on_synthetic[..., known])
        unknown = ~known[data.synthetic.target]
        target[unknown] = np.eye(len(data.classes))[data.synthetic.target[unknown]]
        intercept = np.full(len(data.classes), np.nan)
        intercept[known] = pool.intercept_
        # Half of a real row's target is its label, and half is what the teacher says that has not seen it: with labels
        # alone, an encoder that learns 300 rows by heart unlearns what the synthetic rows have taught it.
        real_target = np.eye(len(data.classes))[data.real.target] / 2
        real_target[:, known] += on_real / 2
        share = data.real.mean_one_weight / len(data.real)
        if self.prior == "balanced":
            share = balanced_weight(data.real.target, share)
        real_weight = self.real_weight * data.synthetic.mean_one_weight.sum() * share
        worth = data.synthetic.label_column(target) * data.synthetic.mean_one_weight
        return Weighting(
            columns={"sample_weight": data.synthetic.mean_one_weight, "target_proba": target},
            real_columns={"sample_weight": real_weight, "target_proba": real_target},
            learnt={
                "experts_": {name: opinion.expert for name, opinion in opinions.items()},
                "teacher_": teacher,
                "coef_": pool.coef_,
                "intercept_": intercept,
                "oof_proba_": oof,
                "scores_": scores,
                "verdict_": self._judge(np.flatnonzero(known)[on_real.argmax(axis=1)], opinions, data),
                "target_proba_": data.scatter(target, fill=np.nan),
                "sample_weight_": data.scatter(worth, fill=0.0),
            },
        )

    def _judge(self, taught, opinions, data):
        """Judge what the teacher predicts by the best expert on real rows alone; None if there is no such."""
        target, weight = data.real.target, data.real.mean_one_weight
        alone = [opinions[name].real.argmax(axis=1) for name, _, rows in self._list_experts() if rows == _REAL]
        if not alone:
            return None
        if self.prior == "balanced":
            weight = balanced_weight(target, weight)
        taught, *others = ((predicted == target).astype(float) for predicted in (taught, *alone))
        best = max(others, key=lambda hits: np.average(hits, weights=weight))
        return judge((taught - best)[None], target, weight).to_dict()

    def _plan(self, n_synthetic, n_real):
        own = super()._plan(n_synthetic, n_real)
        n_rows = {_REAL: self.cv * n_real, _SYNTHETIC: n_synthetic, _BOTH: (self.cv + 1) * (n_synthetic + n_real)}
        asked = n_synthetic + n_real
        experts = self._list_experts()
        work = sum(planned(expert, n_rows[rows]) for _, expert, rows in experts)
        work += _progress.FORWARD * asked * (1 if self._read_features else len(experts))
        last = {"last layer": _progress.FORWARD * min(1500, asked), "training": own["training"]} if self.student else {}
        return {"reading": own["reading"], "experts": work, "pool": 0.0, **last}

    def _make_module(self, data, seed):
        if self.student:
            return super()._make_module(data, seed)
        return self._load_frozen() if self._read_features else None

    def _train(self, module, rows, *, seed, **settings):
        if self.student:
            with _progress.stage("last layer"):
                _engine.fit_last_layer(module, rows, seed, precision=self.precision)
            return super()._train(module, rows, seed=seed, **settings)
        return _engine.Training(history=[], weights=rows.columns["sample_weight"], best_epoch=None)

    def _keep(self, data, weighting, module, tokenizer, training, *, stacked):
        super()._keep(data, weighting, module, tokenizer, training, stacked=stacked)
        if self.student:
            self._warn_if_not_learnt(weighting)

    def _warn_if_not_learnt(self, weighting, most=1.5):
        """Compare the last epoch's loss with the least there can be, the entropy of what was taught."""
        kinds = [weighting.columns, weighting.real_columns][: 2 if self.real_weight else 1]
        target, weight = (np.concatenate([kind[name] for kind in kinds]) for name in ("target_proba", "sample_weight"))
        least = -(weight * xlogy(target, target).sum(axis=1)).sum() / weight.sum()
        excess = self.history_[-1]["train_loss"] / weight.mean() - least
        if excess > most:
            warn(
                f"SKW044: the student has not learnt what the pool says: its loss is {excess:.1f} nats above the least "
                "there can be. Train longer (max_epochs, lr), or predict with the pool itself (student=False)."
            )

    def _list_experts(self):
        """Name, classifier and rows of each expert."""
        if isinstance(self.experts, list):
            names = [name for name, _, _ in self.experts]
            sources = {rows for _, _, rows in self.experts}
            if not names or len(set(names)) < len(names) or not sources <= {_REAL, _SYNTHETIC, _BOTH}:
                raise ValueError(
                    "experts must be a list of (name, classifier, 'real', 'synthetic' or 'both') with names that "
                    f"differ, got {self.experts!r}."
                )
            return self.experts
        expert = self.experts
        if expert == "frozen":
            expert = frozen_expert(self._passthrough)
        if expert == "finetuned":
            own = {field.name: getattr(self, field.name) for field in fields(TrainingParameters)}
            own |= {"real_weight": 0.0, "early_stopping": False, "random_state": None, "callbacks": None}
            budget = QUALITY_CHECKER_BUDGET | ({"lr": "auto"} if self._passthrough else {})
            return [
                (_REAL, CrossEntropyClassifier(**own | budget), _REAL),
                (_SYNTHETIC, CrossEntropyClassifier(**own), _SYNTHETIC),
            ]
        return [(rows, expert, rows) for rows in (_REAL, _SYNTHETIC, _BOTH)]

    def _read_by_experts(self, data):
        """Synthetic and real rows as the experts read them: features of the encoder as it is, for frozen ones."""
        if not self._read_features:
            return {_SYNTHETIC: data.synthetic, _REAL: data.real}
        fingerprint = encoder_fingerprint(self.encoder) if self.memory or _engine.has_checkpoints() else None
        source = ("frozen features", self._token_source, fingerprint, self.precision)
        tokenizer, settings = self._load_tokenizer(), {"precision": self.precision, "shared": True}

        def read(rows):
            def embed():
                return frozen_features(
                    self._load_frozen(), rows, lambda texts: self._tokenize(texts, tokenizer), **settings
                )

            def key():
                return *source, rows.X

            features = self._kept("frozen features", partial(self._cached, embed, key), key)
            return replace(rows, X=features, tokens=Features(features))

        return {_SYNTHETIC: read(data.synthetic), _REAL: read(data.real)}

    @property
    def _read_features(self):
        return self.experts == "frozen" and not self._passthrough

    def _load_frozen(self):
        return _engine.load_encoder(self.encoder).to(_engine.resolve_device(self.device))

    def _ask_expert(self, name, expert, rows, read, seed, fold_seed):
        """Fit an expert on its rows; ask it about all synthetic rows, and about real rows that it has not seen."""
        real, classes = read[_REAL], np.unique(read[_SYNTHETIC].y)
        title = f"{name} expert"
        fitted, synthetic = self._fit_and_ask(
            title, expert, self._choose(rows, read, real), read[_SYNTHETIC], classes, seed
        )
        if rows == _SYNTHETIC or isinstance(expert, FrozenEstimator):
            frozen = fitted if isinstance(fitted, FrozenEstimator) else FrozenEstimator(fitted)
            _, about_real = self._fit_and_ask(title, frozen, None, real, classes, seed)
            return Opinion(fitted, np.nan_to_num(about_real), np.nan_to_num(synthetic))
        about_real = np.full((len(real), len(classes)), np.nan)
        for i, (train, test) in enumerate(folds(real.target, self.cv, fold_seed)):
            own = self._choose(rows, read, real.take(train))
            if len(np.unique(own.target)) < 2:  # nothing to fit: the only class there is seems certain
                about_real[test] = np.eye(len(classes))[own.target[0]]
                continue
            _, about_real[test] = self._fit_and_ask(
                f"{title}, fold {i + 1}", expert, own, real.take(test), classes, seed
            )
        return Opinion(fitted, np.nan_to_num(about_real), np.nan_to_num(synthetic))

    def _choose(self, rows, read, real):
        """Rows to fit an expert on, of the real ones only some."""
        if rows == _REAL:
            return real
        synthetic = read[_SYNTHETIC]
        if rows == _SYNTHETIC:
            return synthetic
        share = self.real_weight * len(synthetic) / len(real)
        return synthetic.extend(real, np.r_[synthetic.mean_one_weight, share * real.mean_one_weight])

    # -- without a student ---------------------------------------------------------------------------------------------

    @property
    def _has_student(self):
        return bool(self.history_)  # what was fitted decides, whatever the parameter says by now

    def _encode_rows(self, rows):
        tokens = super()._encode_rows(rows)
        return tokens if self._has_student or self._passthrough else AskedRows(rows, tokens)

    def _predict_proba_of_tokens(self, tokens, name="X", precision="fp32"):
        if self._has_student:
            return super()._predict_proba_of_tokens(tokens, name, precision)
        asked = AskedRows(tokens.values, tokens) if self._passthrough else tokens
        if not self._passthrough:
            check_paired(asked.tokens, self.text_pairs_, type(self).__name__, name)
        if self._read_features:
            features = frozen_features(self.module_, asked, super()._encode_rows, precision=self.precision)
            asked = AskedRows(features, Features(features))
        known = ~np.isnan(self.intercept_)
        answers = [proba_of_classes(expert, asked, self.classes_) for expert in self.experts_.values()]
        opinions = np.nan_to_num(answers)[..., known]
        proba = np.zeros((len(asked), len(self.classes_)))
        pool = OpinionPool(self.prior)
        pool.coef_, pool.intercept_, pool.n_classes_ = self.coef_, self.intercept_[known], int(known.sum())
        proba[:, known] = pool.predict_proba(opinions)
        return proba

    def _predict_log_proba_of_tokens(self, tokens, name="X"):
        if self._has_student:
            return super()._predict_log_proba_of_tokens(tokens, name)
        # A class that no expert knows has probability 0, whose logarithm must be finite too.
        return np.log(np.maximum(self._predict_proba_of_tokens(tokens, name), np.finfo(np.float64).tiny))

    def _check_can_be_saved(self):
        if not self._has_student:
            raise ValueError(
                "student=False leaves no model that a Hugging Face folder could hold: the experts predict. Pickle the "
                "classifier, or fit it with student=True."
            )


def frozen_expert(passthrough):
    """Make the expert that "frozen" stands for, on features of an encoder or on the user's own numbers."""
    regression = LogisticRegression(max_iter=500)
    return make_pipeline(StandardScaler(), regression) if passthrough else regression
