"""Compare the losses on one task: real rows only, cross-entropy, focal, IMP, DIMP, and IMP without diversity checker.

    python benchmarks/compare.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 5

Within a seed every method shares the random state, the quality checker (which is the "real only" row) and the diversity
checker (which is the cross-entropy row, as in the paper), so differences between methods are paired. Prints mean and
standard deviation over seeds of accuracy and macro-F1 on ``test.csv``, and of the difference to cross-entropy.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, f1_score

from skweight import DIMPClassifier, IMPClassifier, effective_sample_size
from skweight.baselines import CrossEntropyClassifier, FocalClassifier
from skweight.datasets import load_task

METHODS = ("real only", "cross-entropy", "focal", "IMP", "DIMP", "w/o diversity checker")


def run_seed(task, args, seed):
    rng = np.random.RandomState(seed)
    rows = rng.permutation(len(task.synth_X))[: args.rows]
    X, y = [task.synth_X[i] for i in rows], np.array(task.synth_y)[rows]
    training = {"max_epochs": args.epochs, "lr": args.lr, "max_length": args.max_length, "random_state": seed}
    dimp = DIMPClassifier(args.encoder, **training).fit(X, y, real_X=task.real_X, real_y=task.real_y)
    ce = CrossEntropyClassifier(args.encoder, **training).fit(X, y)
    quality, diversity = FrozenEstimator(dimp.quality_checker_), FrozenEstimator(ce)

    def imp(diversity_checker):
        checkers = {"quality_checker": quality, "diversity_checker": diversity_checker}
        return IMPClassifier(args.encoder, **checkers, **training).fit(X, y)

    models = {
        "real only": dimp.quality_checker_,
        "cross-entropy": ce,
        "focal": FocalClassifier(args.encoder, **training).fit(X, y),
        "IMP": imp(diversity),
        "DIMP": dimp,
        "w/o diversity checker": imp("drop"),
    }
    results = {}
    for name, model in models.items():
        predicted = model.predict(task.test_X)
        results[name] = {
            "accuracy": accuracy_score(task.test_y, predicted),
            "macro_f1": f1_score(task.test_y, predicted, average="macro"),
        }
    weighted = models["IMP"]
    results["IMP"] |= {
        "mean_quality": float(weighted.quality_proba_.mean()),
        "mean_diversity": float(weighted.diversity_proba_.mean()),
        "ess_share": effective_sample_size(weighted.sample_weight_) / len(X),
    }
    return results


def table(results):
    """Markdown table: mean ± standard deviation over seeds, differences paired by seed, in points."""
    lines = [
        "| method | accuracy | macro-F1 | accuracy - CE | seeds above CE | seeds above real only |",
        "|---|---|---|---|---|---|",
    ]
    accuracy = {name: 100 * np.array([r[name]["accuracy"] for r in results]) for name in METHODS}
    for name in METHODS:
        f1 = 100 * np.array([r[name]["macro_f1"] for r in results])
        delta = accuracy[name] - accuracy["cross-entropy"]
        above = [int((accuracy[name] > accuracy[other]).sum()) for other in ("cross-entropy", "real only")]
        cells = [
            f"{accuracy[name].mean():.1f} ± {accuracy[name].std():.1f}",
            f"{f1.mean():.1f} ± {f1.std():.1f}",
            "" if name == "cross-entropy" else f"{delta.mean():+.1f} ± {delta.std():.1f}",
            "" if name == "cross-entropy" else f"{above[0]} of {len(results)}",
            "" if name == "real only" else f"{above[1]} of {len(results)}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with real_train.csv, test.csv and synthetic files")
    parser.add_argument("--synthetic", required=True, help="synthetic_NAME.csv, or NAME alone")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3000, help="synthetic rows, drawn anew for each seed")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="also write the figures of every seed here")
    args = parser.parse_args()
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    task = load_task(args.data, args.synthetic)
    task_name = f"{Path(args.data).name} ({args.synthetic})"
    results = []
    for seed in range(args.seeds):
        results.append(run_seed(task, args, seed))
        accuracies = "  ".join(f"{name} {r['accuracy']:.3f}" for name, r in results[-1].items())
        print(f"seed {seed}: {accuracies}", flush=True)
    print(f"\n{task_name}: {min(args.rows, len(task.synth_X))} synthetic, {len(task.real_X)} real, ", end="")
    print(f"{len(task.test_X)} test rows; {args.epochs} epochs, lr {args.lr:g}, {args.seeds} seeds")
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n"
    )
    print(table(results))
    for key in ("mean_quality", "mean_diversity", "ess_share"):
        print(f"IMP {key}: {np.mean([r['IMP'][key] for r in results]):.3f}")
    if args.json:
        Path(args.json).write_text(json.dumps({"args": vars(args), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
