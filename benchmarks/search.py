"""Tune gamma on synthetic rows (plain cross-validation) and on real rows (RealKFold), and test both picks on real text.

    python benchmarks/search.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 3

For every gamma: its mean score under ``GridSearchCV(cv=3)`` over the synthetic rows, its mean score under
``RealKFold(3)``, and the accuracy on ``test.csv`` of the classifier that is refitted on everything. With
``--embeddings`` the encoder is frozen: its sentence embeddings go into ``encoder="passthrough"``.
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skweight import DIMPClassifier
from skweight.datasets import load_task
from skweight.model_selection import RealKFold, stack_real

GAMMAS = [0.0, 0.5, 1.0, 2.0]


def embed(encoder, texts):
    """Mean of the last hidden states of a frozen encoder, without padding."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    order = np.argsort([-len(text) for text in texts])
    rows = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    for part in np.array_split(order, -(-len(order) // 64)):
        inputs = tokenizer([texts[i] for i in part], padding=True, truncation=True, max_length=128, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][..., None]
        rows[part] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return rows


def run_seed(task, args, seed):
    rows = np.random.RandomState(seed).permutation(len(task.synth_y))[: args.rows]
    X, y = _take(task.synth_X, rows), np.array(task.synth_y)[rows]
    real = {"real_X": task.real_X, "real_y": task.real_y}
    with tempfile.TemporaryDirectory() as memory:
        clf = DIMPClassifier(
            "passthrough" if args.embeddings else args.encoder,
            max_epochs=args.epochs,
            lr=args.lr or "auto",
            random_state=seed,
            memory=memory,
        )
        settings = {"scoring": "accuracy", "refit": False, "error_score": "raise"}
        wrapped = {name: (values,) for name, values in real.items()}
        naive = GridSearchCV(clf, {"gamma": GAMMAS}, cv=3, **settings).fit(X, y, **wrapped)
        X_all, y_all, is_real = stack_real(X, y, **real)
        folds = RealKFold(3, shuffle=True, random_state=seed, is_real=is_real)
        right = GridSearchCV(clf, {"gamma": GAMMAS}, cv=folds, **settings).fit(X_all, y_all, is_real=is_real)
        test = [
            clone(clf).set_params(gamma=gamma).fit(X, y, **wrapped).score(task.test_X, task.test_y) for gamma in GAMMAS
        ]
    return {
        "seed": seed,
        "naive": naive.cv_results_["mean_test_score"].tolist(),
        "real": right.cv_results_["mean_test_score"].tolist(),
        "test": test,
    }


def _take(X, rows):
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def table(results):
    """Markdown: scores of every gamma, in percent, and what each search picked."""
    lines = ["| gamma | naive search's score | RealKFold's score | test accuracy |", "|---|---|---|---|"]
    scores = {name: 100 * np.array([r[name] for r in results]) for name in ("naive", "real", "test")}
    for i, gamma in enumerate(GAMMAS):
        cells = [f"{values[:, i].mean():.1f} ± {values[:, i].std():.1f}" for values in scores.values()]
        lines.append(f"| {gamma:g} | " + " | ".join(cells) + " |")
    lines += ["", "| search | picked gamma, by seed | test accuracy of the pick |", "|---|---|---|"]
    picked_accuracy = {}
    for name, title in (("naive", "GridSearchCV(cv=3) on synthetic rows"), ("real", "RealKFold(3)")):
        picks = scores[name].argmax(axis=1)
        picked_accuracy[name] = scores["test"][np.arange(len(picks)), picks]
        accuracy = f"{picked_accuracy[name].mean():.1f} ± {picked_accuracy[name].std():.1f}"
        lines.append(f"| {title} | {', '.join(f'{GAMMAS[i]:g}' for i in picks)} | {accuracy} |")
    gain = picked_accuracy["real"] - picked_accuracy["naive"]
    lines += [
        "",
        f"Difference, paired by seed: {gain.mean():+.1f} ± {gain.std():.1f}; by seed {np.round(gain, 1).tolist()}",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with real_train.csv, test.csv and synthetic files")
    parser.add_argument("--synthetic", required=True, help="synthetic_NAME.csv, or NAME alone")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--embeddings", action="store_true", help="freeze the encoder and train on its embeddings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000, help="synthetic rows, drawn anew for each seed")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="also append the figures of every seed here, one line each")
    args = parser.parse_args()
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    task = load_task(args.data, args.synthetic)
    if args.embeddings:
        for name in ("synth_X", "real_X", "test_X"):
            task[name] = embed(args.encoder, task[name])
    results = []
    for seed in range(args.seeds):
        results.append(run_seed(task, args, seed))
        print(results[-1], flush=True)
        if args.json:
            with Path(args.json).open("a") as file:
                file.write(json.dumps({"args": vars(args), **results[-1]}) + "\n")
    print(f"\n{Path(args.data).name} ({args.synthetic}): {args.rows} synthetic, {len(task.real_y)} real, ", end="")
    print(f"{len(task.test_y)} test rows; DIMP, {args.epochs} epochs, {args.seeds} seeds; ", end="")
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(table(results))


if __name__ == "__main__":
    main()
