"""Find how long the default quality checker should train.

Fits it on the real rows of a task with several budgets, and scores on other real rows (``real_pool.csv``, never the
test set) the checker itself (accuracy and log-loss: weights are ratios of its probabilities) and the classifiers that
use it.

    python -m benchmarks.weights.quality_checker --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 2
"""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.common import add_training, load, load_pool, mean_and_deviation, new_parser, parse, table, task_name
from skweight import DIMPClassifier, IMPClassifier
from skweight._frozen import FrozenEncoder
from skweight.baselines import CrossEntropyClassifier


def make_checker(budget, encoder, seed):
    """Make an unfitted checker: a regression on what the encoder says as it is, or a fine-tuned encoder."""
    if budget.startswith("frozen"):
        features = FunctionTransformer(FrozenEncoder(encoder).features)
        _, _, C = budget.partition(":")
        return make_pipeline(features, LogisticRegression(C=float(C or 1), max_iter=1000))
    epochs, lr, batch_size = (*budget.split(":"), "16")[:3]
    settings = {"max_epochs": int(epochs), "lr": float(lr), "batch_size": int(batch_size)}
    return CrossEntropyClassifier(encoder, **settings, random_state=seed)


def scores_of(checker, diversity, args, training, rows, pool):
    """Accuracy and log-loss of a quality checker, and the accuracies of IMP and DIMP with it."""
    pool_X, pool_y = pool
    proba = checker.predict_proba(pool_X)
    frozen = {"quality_checker": FrozenEstimator(checker)}
    imp = IMPClassifier(args.encoder, diversity_checker=FrozenEstimator(diversity), **frozen, **training).fit(*rows)
    dimp = DIMPClassifier(args.encoder, **frozen, **training).fit(*rows)
    return [
        accuracy_score(pool_y, checker.classes_[proba.argmax(1)]),
        log_loss(pool_y, proba, labels=checker.classes_),
        imp.score(pool_X, pool_y),
        dimp.score(pool_X, pool_y),
    ]


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=1000, epochs=3, lr=1e-4)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--budgets",
        nargs="+",
        default=["10:1e-4:16", "10:2e-4:32", "frozen"],
        help="EPOCHS:LR:BATCH_SIZE, or frozen:C",
    )
    parser.add_argument("--real", type=int, help="real rows to fit the checker on, from the first; all by default")
    parser.add_argument("--pool", type=int, default=1000, help="rows of real_pool.csv to score on, from the first")
    args = parse(parser)
    pool = [given[: args.pool] for given in load_pool(args.data)]
    scores = {budget: [] for budget in args.budgets}
    plain = []
    for seed in range(args.seeds):
        task, X, y = load(args, seed)
        training = {"max_epochs": args.epochs, "lr": args.lr, "random_state": seed}
        diversity = CrossEntropyClassifier(args.encoder, **training).fit(X, y)
        plain.append(diversity.score(*pool))
        for budget in args.budgets:
            real = [given[: args.real] for given in (task.real_X, task.real_y)]
            checker = make_checker(budget, args.encoder, seed).fit(*real)
            scores[budget].append(scores_of(checker, diversity, args, training, (X, y), pool))
            print(f"seed {seed} {budget}: {np.round(scores[budget][-1], 3)}", flush=True)
    print(f"\n{task_name(args)}, {len(X)} synthetic rows, {args.seeds} seeds; ", end="")
    print(f"cross-entropy on synthetic rows: {np.mean(plain):.3f}\n")
    rows = [
        [budget, *(mean_and_deviation(own, 3) for own in zip(*of_seeds, strict=True))]
        for budget, of_seeds in scores.items()
    ]
    print(table(["checker's epochs:lr", "accuracy", "log-loss", "IMP", "DIMP"], rows))


if __name__ == "__main__":
    main()
