"""How long a whole fit takes compared with cross-entropy, broken down as in the paper's table of computational time.

    python -m benchmarks.speed.whole_fit --data TASK_FOLDER --synthetic NAME --encoder FOLDER --rows 8000 --epochs 5

"build QC" and "build DC" are the training of the quality and the diversity checker, "precalculate weights" their passes
over the synthetic rows, with reading the texts and loading the models, or the experts of an opinion pool; "training" is
that of the classifier itself.
Times are those of one call of ``fit`` for each line, tokenising included; accuracy is that on ``test.csv``.
"""

import json
import time

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.common import add_training, load, machine, new_parser, parse, table, task_name, write_json
from skweight import DIMPClassifier, IMPClassifier, OpinionPoolClassifier
from skweight.baselines import CrossEntropyClassifier

PARTS = ("build QC", "build DC", "precalculate weights", "training", "total")


def seconds_of(checker):
    return sum(epoch["seconds"] for epoch in getattr(checker, "history_", []))


def measure(classifier, task, X, y, real):
    """Fit a classifier: seconds by part, and scores on the test rows."""
    started = time.perf_counter()
    classifier.fit(X, y, **real)
    total = time.perf_counter() - started
    parts = {
        "build QC": seconds_of(getattr(classifier, "quality_checker_", None)),
        "build DC": seconds_of(getattr(classifier, "diversity_checker_", None)),
        "training": seconds_of(classifier),
    }
    predicted = classifier.predict(task.test_X)
    return {
        **parts,
        "precalculate weights": total - sum(parts.values()),
        "total": total,
        "accuracy": float(np.mean(predicted == np.array(task.test_y))),
        "macro-F1": float(f1_score(task.test_y, predicted, average="macro")),
    }


def result_table(results):
    """Write seconds by part, the total as a multiple of cross-entropy's, and scores in percent."""
    rows = []
    plain = results.get("cross-entropy")
    for name, result in results.items():
        cells = [f"{result[part]:.0f}" for part in PARTS]
        scores = [f"{100 * result[score]:.1f}" for score in ("accuracy", "macro-F1")]
        ratio = f"{result['total'] / plain['total']:.2f}x" if plain else ""
        rows.append([name, *cells, ratio, *scores])
    return table(["method", *(f"{part}, s" for part in PARTS), "of cross-entropy", "accuracy", "macro-F1"], rows)


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=8000, epochs=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of the methods to run; all by default")
    parser.add_argument("--json", help="also write the figures here")
    args = parse(parser)
    task, X, y = load(args)
    settings = {"max_epochs": args.epochs, "random_state": args.seed}
    real = {"real_X": task.real_X, "real_y": task.real_y}
    # The first fit of a process is slower (pages, threads): that counts for none of the methods.
    CrossEntropyClassifier(args.encoder, max_epochs=1).fit(X[:256], y[:256])
    contenders = {
        "cross-entropy": CrossEntropyClassifier(args.encoder, **settings),
        "opinion pool": OpinionPoolClassifier(args.encoder, **settings),
        "DIMP": DIMPClassifier(args.encoder, **settings),
        "IMP, diversity_checker='fast'": IMPClassifier(args.encoder, diversity_checker="fast", **settings),
        "IMP": IMPClassifier(args.encoder, **settings),
    }
    results = {}
    for name, classifier in contenders.items():
        if args.only and name not in args.only:
            continue
        results[name] = measure(classifier, task, X, y, {} if name == "cross-entropy" else real)
        print(name, json.dumps(results[name]), flush=True)
    print(f"\n{task_name(args)}: {len(X)} synthetic, {len(task.real_X)} real rows, ", end="")
    print(f"{args.epochs} epochs, seed {args.seed}; {machine()}\n")
    print(result_table(results))
    write_json(args.json, args=vars(args), machine=machine(), **results)


if __name__ == "__main__":
    main()
