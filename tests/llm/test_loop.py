"""Two rounds of rows, the second as the weights of the first say, against one round of as many."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skweight.llm import plan

MODELS = ("sound", "half junk")


class World:
    """Two classes in 40 columns, and two models, of which one labels half of its rows at random."""

    def __init__(self, seed):
        self.rng = np.random.RandomState(seed)
        self.direction = self.rng.randn(40) * 0.5
        self.real, self.test = self.draw(300), self.draw(3000)

    def draw(self, n):
        X = self.rng.randn(n, 40)
        return X, (X @ self.direction + self.rng.logistic(size=n) > 0).astype(int)

    def write(self, numbers):
        X, y, rows = [], [], []
        for model, n in numbers.items():
            own_X, own_y = self.draw(n)
            if model == "half junk":
                junk = self.rng.rand(n) < 0.5
                own_y[junk] = self.rng.randint(2, size=junk.sum())
            X, y = [*X, own_X], [*y, own_y]
            rows += [{"label": label, "model": model} for label in own_y]
        return np.concatenate(X), np.concatenate(y), rows


class Checked:
    """What plan reads of a classifier with a quality checker."""

    def __init__(self, X, y, real):
        self.quality_proba_ = LogisticRegression(C=0.1).fit(*real).predict_proba(X)[np.arange(len(y)), y]
        self.sample_weight_ = self.quality_proba_


def accuracy(world, *parts):
    X, y = (np.concatenate(columns) for columns in zip(*(part[:2] for part in parts), strict=True))
    return LogisticRegression(C=0.1).fit(X, y).score(*world.test)


@pytest.fixture(scope="module")
def runs():
    """By seed: accuracy after one round, after two, and how the second was split."""
    found = []
    for seed in range(5):
        world = World(seed)
        one = accuracy(world, world.write(dict.fromkeys(MODELS, 300)))
        world = World(seed)
        first = world.write(dict.fromkeys(MODELS, 150))
        split = plan(Checked(*first[:2], world.real), first[2]).split(300, "model")
        found.append((one, accuracy(world, first, world.write(split)), split))
    return found


def test_two_rounds_of_the_loop_beat_one_round_of_as_many_rows(runs):
    assert np.mean([two - one for one, two, _ in runs]) > 0.01


def test_the_second_round_is_asked_of_the_sound_model(runs):
    assert all(split["sound"] > 150 for _, _, split in runs)
