"""The user's callbacks: in which forms they come, and what those of skorch can do."""

import json

import numpy as np
import pytest
import torch
from helpers import QUICK, Record, fit, parameters
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, EpochScoring, TrainEndCheckpoint
from skorch.utils import to_numpy
from transformers import AutoModelForSequenceClassification

from skweight import IMPClassifier
from skweight.baselines import CrossEntropyClassifier


class Losses(Callback):
    """Keeps a loss for each epoch, in a list that its constructor does not take."""

    instances = Record()

    def __init__(self):
        self.seen = []
        self.instances.append(self)

    def on_epoch_end(self, net, **kwargs):
        self.seen.append(net.history[-1, "train_loss"])


def trained(encoder, toy, *callbacks, **params):
    clf = CrossEntropyClassifier(encoder, **{**QUICK, **params}, callbacks=list(callbacks))
    return fit(clf, toy)


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [lambda: Losses(), lambda: ("losses", Losses()), lambda: Losses, lambda: ("l", Losses)]
)
def test_a_callback_comes_as_an_object_a_class_or_a_pair_with_its_name(form, tiny_encoder, toy):
    Losses.instances.clear()
    clf = trained(tiny_encoder, toy, form())
    (callback,) = Losses.instances
    assert callback.seen == [epoch["train_loss"] for epoch in clf.history_]


def test_a_callback_is_called_in_the_training_of_its_classifier_alone(tiny_encoder, toy):
    losses = Losses()
    clf = IMPClassifier(tiny_encoder, callbacks=[losses], **QUICK).set_params(quality_checker__max_epochs=1)
    fit(clf, toy)
    assert losses.seen == [epoch["train_loss"] for epoch in clf.history_]


# -- early stopping ---------------------------------------------------------------------------------------------------


def test_early_stopping_by_the_user_ends_the_training_and_the_classifier_is_fitted(tiny_encoder, toy):
    stop = EarlyStopping("train_loss", patience=2, lower_is_better=False)  # the loss falls: stops in the third epoch
    clf = trained(tiny_encoder, toy, stop, max_epochs=9, lr=1e-3)
    assert clf.n_iter_ == 3
    assert clf.predict(toy["X"]).shape == (12,)
    shorter = trained(tiny_encoder, toy, max_epochs=9, lr=1e-3)
    assert shorter.n_iter_ == 9


def test_ctrl_c_beside_early_stopping_still_ends_the_program(tiny_encoder, toy):
    class Interrupt(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tiny_encoder, toy, Interrupt(), EarlyStopping("train_loss", patience=2, lower_is_better=False))


def test_early_stopping_that_restores_the_best_epoch_restores_the_whole_model(tiny_encoder, toy):
    stop = EarlyStopping("train_loss", patience=2, lower_is_better=False, load_best=True, sink=lambda text: None)
    restored = trained(tiny_encoder, toy, stop, max_epochs=3, lr=1e-3)
    first = trained(tiny_encoder, toy, Stop(), max_epochs=3, lr=1e-3)
    assert restored.n_iter_ == 3
    torch.testing.assert_close(parameters(restored), parameters(first), rtol=0, atol=0)


class Stop(EarlyStopping):
    """Ends the training after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        self.misses_ = self.patience
        raise KeyboardInterrupt


# -- scores -----------------------------------------------------------------------------------------------------------


def count_right(net, X, y):
    """Score of an own kind: share of the labels that the net predicts."""
    return float(np.mean(net.predict(X) == to_numpy(y)))


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc", count_right])
@pytest.mark.parametrize("on_train", [True, False])
def test_scores_of_an_epoch_on_training_and_on_held_out_rows(scoring, on_train, tiny_encoder, toy):
    score = EpochScoring(scoring, on_train=on_train, name="score", lower_is_better=False)
    clf = trained(tiny_encoder, toy, score, early_stopping=True, validation_fraction=0.5, lr=1e-3)
    assert [np.isfinite(epoch["score"]) for epoch in clf.history_] == [True, True]
    if not on_train and scoring in ("accuracy", count_right):
        assert clf.history_[-1]["score"] == pytest.approx(clf.history_[-1]["valid_accuracy"])


def test_a_score_changes_nothing_of_the_training(tiny_encoder, toy):
    """Though it predicts in the middle of an epoch, in evaluation mode."""

    class Predict(Callback):
        def on_batch_end(self, net, batch=None, training=False, **kwargs):
            if training:
                net.module_.eval()

    plain = trained(tiny_encoder, toy, lr=1e-3)
    scored = trained(tiny_encoder, toy, EpochScoring("accuracy", on_train=True), Predict(), lr=1e-3)
    assert torch.equal(parameters(plain), parameters(scored))


# -- saved models -----------------------------------------------------------------------------------------------------


def test_a_checkpoint_holds_the_whole_model_of_its_epoch(tiny_encoder, toy, tmp_path):
    checkpoint = Checkpoint(monitor=None, f_params="epoch{last_epoch[epoch]}.pt", f_optimizer=None, dirname=tmp_path)
    clf = trained(tiny_encoder, toy, checkpoint, TrainEndCheckpoint(dirname=tmp_path), lr=1e-3)
    last, end = (torch.load(tmp_path / name, weights_only=True) for name in ("epoch2.pt", "train_end_params.pt"))
    assert last.keys() == end.keys() == clf.module_.state_dict().keys()
    model = AutoModelForSequenceClassification.from_pretrained(tiny_encoder)
    for state in (last, end):
        model.load_state_dict(state)
        assert torch.equal(parameters(model), parameters(clf))
    model.load_state_dict(torch.load(tmp_path / "epoch1.pt", weights_only=True))
    assert not torch.equal(parameters(model), parameters(clf))
    assert len(json.loads((tmp_path / "history.json").read_text())) == 2


def test_the_best_checkpoint_can_be_loaded_at_the_end(tiny_encoder, toy, tmp_path):
    checkpoint = Checkpoint(
        monitor=lambda net: len(net.history) == 1, load_best=True, f_optimizer=None, dirname=tmp_path
    )
    clf = trained(tiny_encoder, toy, checkpoint, lr=1e-3)
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    for name, value in clf.module_.state_dict().items():
        assert torch.equal(value, saved[name])
