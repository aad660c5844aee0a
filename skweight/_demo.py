"""The demo: what weighting does to LLM-written film reviews, measured on critics' sentences labelled by people."""

import time

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, f1_score

from skweight import DIMPClassifier, IMPClassifier
from skweight._report import extreme_rows, write_weights
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.inspection import WeightDisplay

_TRAINING = {"max_epochs": 2, "lr": 2e-4, "verbose": 1}


def run(out, *, seed=0):
    """Train four classifiers, print what came out, and write a picture and the weights into `out`."""
    encoder = minilm_folder()
    reviews = load_film_reviews()
    people = fetch_film_sentences(random_state=seed)
    print(f"Synthetic: {len(reviews.X)} film reviews, written and labelled by a language model")
    test_size = len(people.test_y)
    print(f"Real:      {len(people.real_X)} critics' sentences, labelled by people, and {test_size} more to test on")
    print("Encoder:   all-MiniLM-L6-v2", flush=True)
    training = {**_TRAINING, "random_state": seed}

    def fit(classifier):
        start = time.perf_counter()
        classifier.fit(reviews.X, reviews.y, real_X=people.real_X, real_y=people.real_y)
        return classifier, time.perf_counter() - start

    # The quality checker is a model of the real rows alone, the diversity checker one of the synthetic rows alone: both
    # are baselines too. They are fitted once, and their seconds counted wherever they are used.
    dimp, dimp_seconds = fit(DIMPClassifier(encoder, **training))
    real_only = dimp.quality_checker_
    real_only_seconds = sum(epoch["seconds"] for epoch in real_only.history_)
    plain, plain_seconds = fit(CrossEntropyClassifier(encoder, **training))
    checkers = {"quality_checker": FrozenEstimator(real_only), "diversity_checker": FrozenEstimator(plain)}
    imp, imp_seconds = fit(IMPClassifier(encoder, **checkers, **training))
    models = {
        "real rows only": (real_only, real_only_seconds),
        "cross-entropy": (plain, plain_seconds),
        "IMP": (imp, real_only_seconds + plain_seconds + imp_seconds),
        "DIMP": (dimp, dimp_seconds),
    }

    scores = {}
    print(f"\n{'trained on':<44} {'accuracy':>8} {'macro-F1':>8} {'seconds':>8}")
    for name, (model, seconds) in models.items():
        predicted = model.predict(people.test_X)
        scores[name] = accuracy_score(people.test_y, predicted)
        f1 = f1_score(people.test_y, predicted, average="macro")
        print(f"{_ROWS[name]:<44} {scores[name]:>8.3f} {f1:>8.3f} {seconds:>8.0f}")
    error = np.sqrt(0.25 / test_size)
    print(f"One seed; differences below {2 * error:.2f} are within the noise of {test_size} test rows.\n")

    print(f"{'mean weight of a synthetic row':<32} {'rows':>5} {'IMP':>7} {'DIMP':>7}")
    dimp_mean = {row["group"]: row["mean_weight"] for row in _display(dimp, reviews).table()}
    for row in _display(imp, reviews).table():
        kind = row["group"]
        print(f"{kind:<32} {row['rows']:>5} {row['mean_weight']:>7.3f} {dimp_mean[kind]:>7.3f}")
    print("\nIMP, rows as the language model labelled them:")
    print(extreme_rows(reviews.X, reviews.y, imp.sample_weight_, kinds=reviews.kind))

    out.mkdir(parents=True, exist_ok=True)
    write_weights(out / "weights.csv", reviews.X, reviews.y.tolist(), imp)
    _draw(out / "demo.png", scores, error, imp, reviews)
    print(f"\nWritten: {out / 'demo.png'}, {out / 'weights.csv'}")


_ROWS = {
    "real rows only": "300 real rows alone (the quality checker)",
    "cross-entropy": "LLM-written rows, cross-entropy",
    "IMP": "LLM-written rows, IMP-Loss",
    "DIMP": "LLM-written rows, DIMP-Loss",
}


def _display(classifier, reviews):
    return WeightDisplay.from_estimator(classifier, groups=np.char.replace(reviews.kind, "_", " "))


def _draw(path, scores, error, imp, reviews):
    import matplotlib

    matplotlib.use("Agg")  # a file, never a window
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    names = list(scores)[::-1]
    colours = ["#0072B2" if name in ("IMP", "DIMP") else "#999999" for name in names]
    left.barh(names, [scores[name] for name in names], xerr=error, color=colours, error_kw={"capsize": 3})
    for i, name in enumerate(names):
        left.text(scores[name] + error + 0.005, i, f"{scores[name]:.3f}", va="center")
    left.set_xlim(0.5, max(scores.values()) + error + 0.05)  # from the accuracy of a coin
    left.set_xlabel("accuracy on real film reviews (bar: one standard error)")
    left.set_title("Accuracy by what the classifier was trained on")
    _display(imp, reviews).plot(right)
    right.set_title("What IMP-Loss made of them")
    right.set_xlabel("weight of a row (diamond: mean)")
    figure.savefig(path, dpi=120, metadata={"Title": "skweight demo: accuracy by method, IMP weights by kind of row"})
    plt.close(figure)
