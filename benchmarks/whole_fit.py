"""How long a whole fit takes beside plain cross-entropy, broken down as in the paper's table of computational time.

    python benchmarks/whole_fit.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --rows 8000 --epochs 5

"build QC" and "build DC" are the training of the quality and the diversity checker, "precalculate weights" their passes
over the synthetic rows, with reading the texts and loading the models; "training" is that of the classifier itself.
Times are those of one call of ``fit`` for each line, tokenising included; accuracy is that on ``test.csv``.
"""

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import f1_score

from skweight import DIMPClassifier, IMPClassifier
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_task


def seconds_of(checker):
    return sum(epoch["seconds"] for epoch in getattr(checker, "history_", []))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--synthetic", required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    task = load_task(args.data, args.synthetic)
    rows = np.random.RandomState(0).permutation(len(task.synth_X))[: args.rows]
    X, y = [task.synth_X[i] for i in rows], np.array(task.synth_y)[rows]
    settings = {"max_epochs": args.epochs, "random_state": args.seed}
    real = {"real_X": task.real_X, "real_y": task.real_y}
    # What a first fit takes longer for (pages, threads) is nobody's.
    CrossEntropyClassifier(args.encoder, max_epochs=1).fit(X[:256], y[:256])
    contenders = {
        "cross-entropy": CrossEntropyClassifier(args.encoder, **settings),
        "DIMP": DIMPClassifier(args.encoder, **settings),
        "IMP, diversity_checker='fast'": IMPClassifier(args.encoder, diversity_checker="fast", **settings),
        "IMP": IMPClassifier(args.encoder, **settings),
    }
    results = {}
    for name, classifier in contenders.items():
        if args.only and name not in args.only:
            continue
        started = time.perf_counter()
        classifier.fit(X, y, **({} if name == "cross-entropy" else real))
        total = time.perf_counter() - started
        parts = {
            "build QC": seconds_of(getattr(classifier, "quality_checker_", None)),
            "build DC": seconds_of(getattr(classifier, "diversity_checker_", None)),
            "training": seconds_of(classifier),
        }
        predicted = classifier.predict(task.test_X)
        results[name] = {
            **parts,
            "precalculate weights": total - sum(parts.values()),
            "total": total,
            "accuracy": float(np.mean(predicted == np.array(task.test_y))),
            "macro-F1": float(f1_score(task.test_y, predicted, average="macro")),
        }
        print(name, json.dumps(results[name]), flush=True)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"\n{Path(args.data).name} ({args.synthetic}): {len(X)} synthetic, {len(task.real_X)} real rows, ", end="")
    print(f"{args.epochs} epochs, seed {args.seed}; {machine}\n")
    columns = ["build QC", "build DC", "precalculate weights", "training", "total"]
    print("| method | " + " | ".join(f"{c}, s" for c in columns) + " | of cross-entropy | accuracy | macro-F1 |")
    print("|---" * (len(columns) + 4) + "|")
    for name, result in results.items():
        cells = [f"{result[column]:.0f}" for column in columns]
        if "cross-entropy" in results:
            cells.append(f"{result['total'] / results['cross-entropy']['total']:.2f}x")
        cells += [f"{100 * result['accuracy']:.1f}", f"{100 * result['macro-F1']:.1f}"]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if args.json:
        Path(args.json).write_text(json.dumps({"args": vars(args), "machine": machine, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
