"""Training and prediction speed of skweight and of what one would use instead, on the same rows in one run.

    python -m benchmarks.speed.speed --data TASK_FOLDER --synthetic NAME --encoder FOLDER --json speed.json

Contenders for training, each from loading the model to its last step:

- "padded DIMP recipe": Hugging Face Trainer, every text padded to 128 tokens, float32, the quality checker run again
  inside every step, as in the published code; "padded IMP recipe": the same with two checkers;
- "Trainer at its best": dynamic padding, batches grouped by length, fused AdamW, bfloat16 where the processor has it;
- "skorch recipe": skorch's documented way with ``HuggingfacePretrainedTokenizer`` and ``NeuralNetClassifier``;
- "SetFit": one pair of texts of each kind for every row, real rows included, then its logistic regression;
- "skweight cross-entropy" and "skweight DIMP" (its checker is fitted beforehand, its pass over the rows is timed).

For prediction: ``transformers.pipeline`` with the best of several batch sizes, on texts in their order and sorted by
length, and ``predict_proba``. Repeats are interleaved; a ratio is taken within a repeat. The number of a repeat is its
seed, and accuracy that on ``test.csv``. Tokens are those of the texts, padding not counted.
"""

import statistics
import time
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
import transformers
from sklearn.frozen import FrozenEstimator

from benchmarks.common import add_training, load, machine, new_parser, parse, table, task_name, write_json
from benchmarks.speed.contenders import (
    MAX_LENGTH,
    train_with_setfit,
    train_with_skorch,
    train_with_skweight,
    train_with_trainer,
)
from skweight import DIMPClassifier, _engine
from skweight.baselines import CrossEntropyClassifier

REFERENCE = "skweight cross-entropy"


def pipeline_seconds(classify, X, batch_size, by_length):
    order = sorted(range(len(X)), key=lambda i: -len(X[i])) if by_length else range(len(X))
    started = time.perf_counter()
    classify([X[i] for i in order], batch_size=batch_size, truncation=True, max_length=MAX_LENGTH, top_k=None)
    return time.perf_counter() - started


def predict_seconds(classifier, X):
    started = time.perf_counter()
    classifier.predict_proba(X)
    return time.perf_counter() - started


def interleave(contenders, repeats, *, warm_up, score=None):
    """Seconds, and accuracy if there is a score, of each contender in each repeat.

    A contender takes the number of the repeat and returns seconds and a function that labels texts; `warm_up` calls
    it once beforehand.
    """
    seconds, accuracy = {name: [] for name in contenders}, {name: [] for name in contenders}
    for run in contenders.values():
        warm_up(run)
    for repeat in range(repeats):
        for name, run in contenders.items():
            taken, predict = run(seed=repeat)
            seconds[name].append(taken)
            if score:
                accuracy[name].append(score(predict))
            shown = f", accuracy {accuracy[name][-1]:.3f}" if score else ""
            print(f"repeat {repeat}: {name} {taken:.2f} s{shown}", flush=True)
    return seconds, accuracy


def speed_table(seconds, n_tokens, reference, accuracy=None):
    """Write a table of medians over repeats, lowest to highest in brackets."""
    rows = []
    for name, taken in seconds.items():
        ratios = [other / own for other, own in zip(taken, seconds[reference], strict=True)]
        cells = [
            f"{statistics.median(taken):.2f} ({min(taken):.2f}-{max(taken):.2f})",
            f"{n_tokens / statistics.median(taken):.0f}",
            "" if name == reference else f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        ]
        if accuracy:
            values = np.array(accuracy[name])
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
            cells.append(f"{100 * values.mean():.1f} ± {100 * error:.1f}")
        rows.append([name, *cells])
    header = ["contender", "seconds", "tokens/s", f"{reference} is faster by", *(["accuracy"] if accuracy else [])]
    return table(header, rows)


def matmul_gflops(device, dtype=torch.float32, size=2048, repeats=10):
    """Measured peak of a square matrix product."""
    a = torch.rand(size, size, device=device, dtype=dtype)
    best = 0.0
    for _ in range(repeats):
        started = time.perf_counter()
        a @ a
        if a.is_cuda:
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best


def count_tokens(classifier, X):
    return int(sum(map(len, classifier.tokenizer_(X, truncation=True, max_length=MAX_LENGTH)["input_ids"])))


def training_contenders(args, checker, X, target, real):
    """Make the contenders for training by name: each takes a seed, and for the warm-up other rows."""
    settings = {"max_epochs": args.epochs, "lr": 5e-5, "max_length": MAX_LENGTH, "device": args.device}
    cross_entropy = CrossEntropyClassifier(args.encoder, **settings)
    dimp = DIMPClassifier(args.encoder, quality_checker=FrozenEstimator(checker), **settings)
    model, n_classes = checker.module_, len(np.unique(target))
    training = {
        "padded DIMP recipe": partial(train_with_trainer, args, best=False, checkers=[model], n_classes=n_classes),
        "padded IMP recipe": partial(train_with_trainer, args, best=False, checkers=[model] * 2, n_classes=n_classes),
        "Trainer at its best": partial(train_with_trainer, args, best=True, n_classes=n_classes),
        "skorch recipe": partial(train_with_skorch, args, n_classes=n_classes),
        "SetFit": partial(train_with_setfit, args, **real),
        REFERENCE: partial(train_with_skweight, cross_entropy),
        "skweight DIMP": partial(train_with_skweight, dimp),
    }
    if args.only is None and find_spec("setfit") is None:
        del training["SetFit"]
    return {
        name: partial(run, X=X, target=target) for name, run in training.items() if not args.only or name in args.only
    }


def prediction_contenders(args, checker, X):
    """Make the contenders for prediction by name; the pipeline's settings are the fastest on 300 of the texts."""
    classify = transformers.pipeline(
        "text-classification", model=checker.module_, tokenizer=checker.tokenizer_, device=args.device
    )
    best = min(
        ((size, by_length) for size in (1, 8, 32) for by_length in (False, True)),
        key=lambda setting: pipeline_seconds(classify, X[:300], *setting),
    )
    return {
        f"pipeline, batch_size={best[0]}{', sorted by length' * best[1]}": lambda seed: (
            pipeline_seconds(classify, X, *best),
            None,
        ),
        "predict_proba": lambda seed: (predict_seconds(checker, X), None),
    }


def utilisation(args, module, works):
    """Yield a line for each of `works`, (name, operations, tokens, seconds, precision): its share of the peak.

    Operations are those for each token and parameter outside of the embedding matrices.
    """
    weights = sum(p.numel() for n, p in module.named_parameters() if "embeddings" not in n)
    for what, operations, tokens, taken, precision in works:
        if taken:
            taken, peak = statistics.median(taken), matmul_gflops(args.device, precision)
            rate = operations * weights * tokens / taken / 1e9
            work = f"{operations} x {weights / 1e6:.2f} M parameters outside of embeddings x {tokens} tokens"
            share = f"{rate / peak:.0%} of the {peak:.0f} of a {precision} matrix product"
            yield f"{what}: {work} / {taken:.2f} s = {rate:.0f} GFLOP/s, {share}"


def main():
    parser = new_parser(__doc__)
    add_training(parser, rows=2000, epochs=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of the contenders for training to run; all by default")
    parser.add_argument("--no-accuracy", action="store_true", help="do not score on test.csv, which takes a while")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", help="also write the figures here")
    args = parse(parser)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    task, X, y = load(args)
    classes, target = np.unique(y, return_inverse=True)
    real_target, test_target = (np.searchsorted(classes, labels) for labels in (task.real_y, task.test_y))
    settings = {"max_epochs": args.epochs, "lr": 5e-5, "max_length": MAX_LENGTH, "device": args.device}
    checker = CrossEntropyClassifier(args.encoder, **settings, random_state=0).fit(task.real_X, real_target)
    training = training_contenders(args, checker, X, target, {"real_X": task.real_X, "real_target": real_target})
    test_X = task.test_X[: args.rows]
    prediction = prediction_contenders(args, checker, test_X)
    predicting, _ = interleave(prediction, args.repeats, warm_up=lambda run: run(seed=0))
    seconds, accuracy = interleave(
        training,
        args.repeats,
        warm_up=lambda run: run(seed=0, X=X[:64], target=target[:64]),
        score=None if args.no_accuracy else lambda predict: float(np.mean(predict(task.test_X) == test_target)),
    )
    n_tokens, n_test_tokens = count_tokens(checker, X), count_tokens(checker, test_X)
    about = machine(args.device)
    print(f"\n{task_name(args)}; {about}, medians of {args.repeats}\n")
    if REFERENCE in training:
        print(f"Training: {len(X)} texts, {n_tokens} tokens, {args.epochs} epochs\n")
        print(speed_table(seconds, args.epochs * n_tokens, REFERENCE, None if args.no_accuracy else accuracy), "\n")
    print(f"Prediction: {len(test_X)} texts, {n_test_tokens} tokens\n")
    print(speed_table(predicting, n_test_tokens, "predict_proba"))
    dtype = _engine.resolve_precision("auto", torch.device(args.device))
    works = (
        ("Training", 6, args.epochs * n_tokens, seconds.get(REFERENCE), dtype),
        ("Prediction", 2, n_test_tokens, predicting["predict_proba"], torch.float32),
    )
    for line in utilisation(args, checker.module_, works):
        print(f"\n{line}")
    measured = {"training": seconds, "accuracy": accuracy, "prediction": predicting}
    tokens = {"tokens": n_tokens, "test_tokens": n_test_tokens}
    write_json(args.json, args=vars(args), machine=about, **tokens, **measured)


if __name__ == "__main__":
    main()
