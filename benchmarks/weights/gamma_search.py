"""Tune gamma on synthetic rows (plain cross-validation) and on real rows (RealKFold), and test both picks on real text.

    python -m benchmarks.weights.gamma_search --data TASK_FOLDER --synthetic NAME --encoder FOLDER --seeds 3

For every gamma: its mean score under ``GridSearchCV(cv=3)`` over the synthetic rows, its mean score under
``RealKFold(3)``, and the accuracy on ``test.csv`` of the classifier that is refitted on everything. With
``--embeddings`` the encoder is frozen: its sentence embeddings go into ``encoder="passthrough"``.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from transformers import AutoModel, AutoTokenizer

from benchmarks.common import add_training, draw, machine, mean_and_deviation, new_parser, parse, table, task_name
from skweight import DIMPClassifier
from skweight.datasets import load_task
from skweight.model_selection import RealKFold, stack_real

GAMMAS = [0.0, 0.5, 1.0, 2.0]


def embed(encoder, texts):
    """Mean of the last hidden states of a frozen encoder, without padding."""
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
    X, y = draw(task.synth_X, task.synth_y, args.rows, seed)
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


def tables(results):
    """Markdown: scores of every gamma, in percent, and what each search picked."""
    scores = {name: 100 * np.array([r[name] for r in results]) for name in ("naive", "real", "test")}
    by_gamma = [
        [f"{gamma:g}", *(mean_and_deviation(values[:, i]) for values in scores.values())]
        for i, gamma in enumerate(GAMMAS)
    ]
    picked, by_search = {}, []
    for name, title in (("naive", "GridSearchCV(cv=3) on synthetic rows"), ("real", "RealKFold(3)")):
        picks = scores[name].argmax(axis=1)
        picked[name] = scores["test"][np.arange(len(picks)), picks]
        by_search.append([title, ", ".join(f"{GAMMAS[i]:g}" for i in picks), mean_and_deviation(picked[name])])
    gain = picked["real"] - picked["naive"]
    return "\n\n".join(
        [
            table(["gamma", "naive search's score", "RealKFold's score", "test accuracy"], by_gamma),
            table(["search", "picked gamma, by seed", "test accuracy of the pick"], by_search),
            f"Difference, paired by seed: {gain.mean():+.1f} ± {gain.std():.1f}; by seed {np.round(gain, 1).tolist()}",
        ]
    )


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=1000, epochs=3)
    parser.add_argument("--lr", type=float, help='of the classifiers; "auto" without it')
    parser.add_argument("--embeddings", action="store_true", help="freeze the encoder and train on its embeddings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", help="also append the figures of every seed here, one line each")
    args = parse(parser)
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
    numbers = f"{args.rows} synthetic, {len(task.real_y)} real, {len(task.test_y)} test rows"
    print(f"\n{task_name(args)}: {numbers}; DIMP, {args.epochs} epochs, {args.seeds} seeds; {machine()}\n")
    print(tables(results))


if __name__ == "__main__":
    main()
