r"""The paper's study of training dynamics: accuracy after every epoch, over seeds.

What is watched is the classifier (and the diversity checker, which is the cross-entropy row), not the quality checker.

    python benchmarks/dynamics.py --data DIR --tasks tweet_sentiment:gpt-4 --encoder FOLDER --seeds 4 \
        --out results/dynamics.jsonl
"""

import argparse

import numpy as np
from grid import Cell, Lines, add_arguments, configuration, seeds, set_threads
from paper import METHODS
from skorch.callbacks import Callback

from skweight import _net
from skweight._text import tokenize


class Accuracy(Callback):
    """Score a model after each of its epochs."""

    def __init__(self, encoder, max_length, scored, labels):
        self.encoder, self.max_length, self.scored, self.labels = encoder, max_length, scored, labels

    def on_train_begin(self, net, **kwargs):
        """Tokenise what is scored on."""
        tokenizer = _net.load_tokenizer(self.encoder)
        self.tokens = {name: tokenize(X, tokenizer, self.max_length, None) for name, (X, _) in self.scored.items()}

    def on_epoch_end(self, net, **kwargs):
        """Write the accuracies into the history."""
        net.module_.eval()
        for name, (_, y) in self.scored.items():
            predicted = self.labels[_net.predict_logits(net.module_, self.tokens[name]).argmax(1)]
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, seeds=4)
    parser.add_argument("--tasks", nargs="+", required=True, metavar="FOLDER:GENERATOR")
    parser.add_argument("--methods", nargs="+", default=["cross-entropy", "focal", "IMP", "DIMP"], choices=METHODS)
    args = parser.parse_args()
    set_threads(args)
    lines = Lines(args.out)
    for seed in seeds(args):
        for task, _, synthetic in (name.partition(":") for name in args.tasks):
            cell = None
            for method in args.methods:
                config = configuration(args, task, synthetic, method, seed, study="dynamics")
                if lines.has(config):
                    continue
                cell = cell or WatchedCell(args, task, synthetic, seed)
                model, _ = cell.fit(METHODS[method])
                names = ("test_accuracy", "pool_accuracy")
                lines.add(config, {"epochs": [{name: epoch[name] for name in names} for epoch in model.history_]})
                print(task, seed, method, [round(epoch["test_accuracy"], 3) for epoch in model.history_], flush=True)


if __name__ == "__main__":
    main()
