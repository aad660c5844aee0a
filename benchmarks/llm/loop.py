"""Whether rows pay that are asked for by the weights of those before: two generators, one of them poor.

    python -m benchmarks.llm.loop --data DATA/tweet_sentiment --encoder MINILM --cache FOLDER \
        --generators gpt-4 llama-3.1-8b --rows 600 --seeds 20

Generators are files of synthetic rows, from which rows are drawn. One round takes all rows from both in equal parts.
Two rounds take half of the rows so, weight them, and split the other half as ``skweight.llm.plan`` says. A softmax
regression on features of the encoder as it is, fitted on all these rows with and without weights, is scored on the real
rows that were not drawn. Without --data the generators are simulated: see ``Simulated``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.common import machine, mean_and_deviation, new_parser, parse, table
from benchmarks.never_worse.frozen import Embedder
from skweight import cross_fit_proba, importance_weights
from skweight._weights import class_proba
from skweight.llm import plan

N_REAL = 300


class Files:
    """Rows of files, each drawn once."""

    def __init__(self, args, seed):
        embedder, folder = Embedder(args.encoder, args.cache), Path(args.data)
        real = [embedder.load(folder / name) for name in ("real_train.csv", "real_pool.csv")]
        X, y = (np.concatenate(parts) for parts in zip(*real, strict=True))
        self.rng = np.random.RandomState(seed)
        order = self.rng.permutation(len(y))
        self.real, self.scored = ((X[rows], y[rows]) for rows in (order[:N_REAL], order[N_REAL:]))
        self.files = {name: embedder.load(folder / f"synthetic_{name}.csv") for name in args.generators}
        self.orders = {name: self.rng.permutation(len(y)).tolist() for name, (_, y) in self.files.items()}

    def write(self, name, n):
        """Let a generator write `n` rows."""
        rows = [self.orders[name].pop() for _ in range(n)]
        X, y = self.files[name]
        return X[rows], y[rows]


class Simulated:
    """Two classes in 40 columns; the generator "half junk" labels half of its rows at random."""

    def __init__(self, args, seed):
        self.rng = np.random.RandomState(seed)
        self.direction = self.rng.randn(40) * 0.5
        self.real, self.scored = self.draw(N_REAL), self.draw(5000)

    def draw(self, n):
        """Draw rows whose labels are right."""
        X = self.rng.randn(n, 40)
        return X, (X @ self.direction + self.rng.logistic(size=n) > 0).astype(int).astype(str)

    def write(self, name, n):
        """Let a generator write `n` rows."""
        X, y = self.draw(n)
        if name == "half junk":
            junk = self.rng.rand(n) < 0.5
            y[junk] = self.rng.randint(2, size=junk.sum()).astype(str)
        return X, y


@dataclass
class Weighted:
    """What a fitted IMPClassifier has, from regressions: quality on the real rows, diversity cross-fitted."""

    sample_weight_: np.ndarray
    quality_proba_: np.ndarray

    @classmethod
    def of(cls, X, y, real):
        """Weight generated rows."""
        expert = LogisticRegression(C=0.1, max_iter=500)
        classes = np.unique(y)
        own = np.arange(len(y)), np.searchsorted(classes, y)
        quality = np.nan_to_num(class_proba(expert.fit(*real), X, classes))[own]
        return cls(importance_weights(quality, cross_fit_proba(expert, X, y, random_state=0)[own], clip=10.0), quality)


def score(X, y, task):
    """Accuracy of a regression on the rows, without and with their weights."""
    weights = Weighted.of(X, y, task.real).sample_weight_
    models = [LogisticRegression(C=0.1, max_iter=500).fit(X, y, sample_weight=w) for w in (None, weights)]
    return np.array([model.score(*task.scored) for model in models])


def write(task, numbers):
    """Let each generator write its number of rows: features, labels, and a line of provenance for each."""
    parts = {name: task.write(name, n) for name, n in numbers.items() if n}
    X, y = (np.concatenate(columns) for columns in zip(*parts.values(), strict=True))
    return X, y, [{"label": label, "model": name} for name, (_, own) in parts.items() for label in own]


def compare(make_task, names, n_rows):
    """Accuracies after one round and after two, and the share of the second that came from the first generator."""
    task = make_task()
    one = score(*write(task, dict.fromkeys(names, n_rows // 2))[:2], task)
    task = make_task()
    X, y, rows = write(task, dict.fromkeys(names, n_rows // 4))
    numbers = plan(Weighted.of(X, y, task.real), rows).split(n_rows // 2, "model")
    more_X, more_y, _ = write(task, numbers)
    two = score(np.concatenate([X, more_X]), np.concatenate([y, more_y]), task)
    return one, two, numbers[names[0]] / (n_rows // 2)


def main():
    parser = new_parser(__doc__, data=None)
    parser.set_defaults(encoder=None)
    for action in parser._actions:
        action.required = False
    parser.add_argument("--data", help="folder of a task")
    parser.add_argument("--cache", default="cache", help="folder for embeddings")
    parser.add_argument("--generators", nargs=2, default=["gpt-4", "llama-3.1-8b"], help="the better one first")
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=20)
    args = parse(parser)
    names = args.generators if args.data else ["sound", "half junk"]
    kind = Files if args.data else Simulated
    found = [compare(lambda seed=seed: kind(args, seed), names, args.rows) for seed in range(args.seeds)]
    one, two, share = (np.array(column) for column in zip(*found, strict=True))
    rows = []
    for i, name in enumerate(["without weights", "with weights"]):
        gain = 100 * (two - one)[:, i]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        rows.append(
            [name, *(mean_and_deviation(100 * acc[:, i]) for acc in (one, two)), f"{gain.mean():+.2f} ± {error:.2f}"]
        )
        print(f"{name}, gains by seed:", *(f"{one_gain:+.1f}" for one_gain in gain))
    print(table(["trained", "one round", "two rounds", "gain, points ± standard error"], rows))
    print(f"Share of {names[0]} in the second round: {mean_and_deviation(share, 2)}")
    print(machine())


if __name__ == "__main__":
    main()
