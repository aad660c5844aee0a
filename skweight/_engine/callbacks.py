"""What is called back while a model trains: schedule, clipping, early stopping, progress, and the user's own."""

from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler, PassthroughScoring
from transformers import get_linear_schedule_with_warmup

from skweight import _progress


def stopped_early(net):
    """Whether a KeyboardInterrupt is skorch's way to end a training early, and not the user's Ctrl-C."""
    return any(isinstance(part, EarlyStopping) and part.misses_ == part.patience for _, part in net.callbacks_)


class _EarlyStopping(EarlyStopping):
    _LEARNT = ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_")

    def on_epoch_end(self, net, **kwargs):
        # Processes whose losses differ in the last bit must not come to different conclusions.
        net.history.record(self.monitor, net.world.broadcast(net.history[-1, self.monitor]))
        super().on_epoch_end(net, **kwargs)

    def state_dict(self):
        return {name: getattr(self, name) for name in self._LEARNT}

    def load_state_dict(self, state):
        for name in self._LEARNT:
            setattr(self, name, state[name])


class _Schedule(LRScheduler):
    def state_dict(self):
        return self.lr_scheduler_.state_dict()

    def load_state_dict(self, state):
        self.lr_scheduler_.load_state_dict(state)


class _ShownProgress(Callback):
    """Tells what shows the fit how far this training has come."""

    def __init__(self, progress, n_epochs):
        self.progress = progress
        self.n_epochs = n_epochs

    def on_train_begin(self, net, **kwargs):
        self.is_counted = False

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        if not self.is_counted:  # what had been done before an interruption
            self.progress.advance(min(net.n_before_ * net.batch_size, self.n_epochs * len(dataset_train)))
            self.is_counted = True
        self.progress.note(epoch=f"{len(net.history)}/{self.n_epochs}")

    def on_batch_end(self, net, batch=None, training=False, loss=None, **kwargs):
        if training:
            self.progress.note(loss=f"{loss.item():.3f}")
            self.progress.advance(len(batch))

    def on_epoch_end(self, net, **kwargs):
        epoch = net.history[-1]
        self.progress.note(loss=f"{epoch['train_loss']:.3f}")
        if "valid_accuracy" in epoch:
            self.progress.note(accuracy_on_real_rows=f"{epoch['valid_accuracy']:.3f}")
        self.progress.say()


def make_callbacks(parameters, n_rows, *, early_stopping):
    """Schedule, clipping, early stopping, progress, then the user's own."""
    steps = parameters.max_epochs * -(-n_rows // parameters.batch_size)
    schedule = _Schedule(
        policy=get_linear_schedule_with_warmup,
        step_every="batch",
        event_name=None,
        num_warmup_steps=round(parameters.warmup_ratio * steps),
        num_training_steps=steps,
    )
    callbacks = [("schedule", schedule)]
    if parameters.max_grad_norm is not None:
        callbacks.append(("clip_gradients", GradientNormClipping(parameters.max_grad_norm)))
    if early_stopping:
        stop = _EarlyStopping(patience=parameters.n_iter_no_change, threshold=0, load_best=True, sink=_no_sink)
        callbacks += [
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_accuracy", PassthroughScoring("valid_accuracy", lower_is_better=False)),
            ("early_stopping", stop),
        ]
    if (progress := _progress.current()) is not None:
        callbacks.append(("progress", _ShownProgress(progress, parameters.max_epochs)))
    return [*callbacks, *(parameters.callbacks or [])]


def _no_sink(text):
    """Where skorch's messages go: the library does not print."""
