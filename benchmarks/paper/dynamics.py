r"""The paper's study of training dynamics: accuracy after every epoch, over seeds.

What is watched is the classifier (and the diversity checker, which is the cross-entropy row), not the quality checker.

    python -m benchmarks.paper.dynamics --data DIR --tasks tweet_sentiment:gpt-4 --encoder FOLDER --seeds 4 \
        --out benchmarks/results/dynamics.jsonl
"""

import numpy as np
from skorch.callbacks import Callback

from benchmarks.common import parse
from benchmarks.paper.cell import Cell
from benchmarks.paper.grid import run_grid, study_parser
from skweight import _engine
from skweight._rows.tokens import tokenize


class Accuracy(Callback):
    """Score a model after each of its epochs."""

    def __init__(self, encoder, max_length, scored, labels):
        self.encoder, self.max_length, self.scored, self.labels = encoder, max_length, scored, labels

    def on_train_begin(self, net, **kwargs):
        """Tokenise what is scored on."""
        tokenizer = _engine.load_tokenizer(self.encoder)
        self.tokens = {name: tokenize(X, tokenizer, self.max_length, None) for name, (X, _) in self.scored.items()}

    def on_epoch_end(self, net, **kwargs):
        """Write the accuracies into the history."""
        net.module_.eval()
        for name, (_, y) in self.scored.items():
            predicted = self.labels[_engine.predict_logits(net.module_, self.tokens[name]).argmax(1)]
            net.history.record(f"{name}_accuracy", float(np.mean(predicted == y)))
        net.module_.train()


class WatchedCell(Cell):
    """A cell whose models are scored after each epoch; the shared ones too."""

    def __init__(self, args, task, synthetic, seed):
        super().__init__(args, task, synthetic, seed)
        self.training["callbacks"] = [
            Accuracy(self.encoder, self.training["max_length"], self.scored, np.unique(self.y))
        ]

    @property
    def quality_settings(self):
        """Training parameters of the quality checker, which is not watched."""
        return {name: value for name, value in super().quality_settings.items() if name != "callbacks"}

    def measure(self, method):
        """Fit a method: its accuracy after every epoch."""
        model, _ = self.fit(method)
        names = ("test_accuracy", "pool_accuracy")
        return {"epochs": [{name: epoch[name] for name in names} for epoch in model.history_]}

    def summary(self, result):
        """Describe a result on the screen."""
        return "test " + ", ".join(f"{epoch['test_accuracy']:.3f}" for epoch in result["epochs"])


if __name__ == "__main__":
    parser = study_parser(__doc__, seeds=4, default=["cross-entropy", "focal", "IMP", "DIMP"])
    run_grid(parse(parser), WatchedCell, study="dynamics")
