"""Training and prediction speed of skweight and of what one would use instead, on the same rows in one run.

    python benchmarks/speed.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --json speed.json

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

import argparse
import json
import platform
import statistics
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import transformers
from sklearn.frozen import FrozenEstimator

from skweight import DIMPClassifier, _net
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_task

MAX_LENGTH = 128


class Rows(torch.utils.data.Dataset):
    """What the Trainer reads."""

    def __init__(self, encoded, target):
        self.encoded, self.target = encoded, target

    def __len__(self):
        return len(self.target)

    def __getitem__(self, i):
        return {**{name: values[i] for name, values in self.encoded.items()}, "labels": int(self.target[i])}


class PaddedTrainer(transformers.Trainer):
    """DIMP-Loss (one checker), or IMP-Loss (two), with the checkers inside the step."""

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        """Return the mean loss of a batch."""
        labels = inputs.pop("labels")
        logits = model(**inputs).logits
        with torch.no_grad():
            probas = [checker(**inputs).logits.softmax(1) for checker in self.checkers]
        quality, denominator = (*probas, logits.detach().softmax(1))[:2]
        weight = (quality / denominator).gather(1, labels[:, None])[:, 0]
        return (weight * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).mean()


def train_with_trainer(args, X, target, n_classes, *, seed, best, checkers=()):
    """Return seconds, and a function that labels texts."""
    started = time.perf_counter()
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.encoder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(args.encoder, num_labels=n_classes)
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder,
            seed=seed,
            num_train_epochs=args.epochs,
            per_device_train_batch_size=32,
            learning_rate=5e-5,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            use_cpu=args.device == "cpu",
            optim="adamw_torch_fused" if best else "adamw_torch",
            train_sampling_strategy="group_by_length" if best else "random",
            bf16=best and _net.resolve_precision("auto", torch.device(args.device)) == torch.bfloat16,
        )
        encoded = tokenizer(X, truncation=True, max_length=MAX_LENGTH, padding=False if best else "max_length")
        kind = PaddedTrainer if checkers else transformers.Trainer
        collator = transformers.DataCollatorWithPadding(tokenizer)
        trainer = kind(model, settings, train_dataset=Rows(encoded, target), data_collator=collator)
        trainer.checkers = [checker.to(args.device) for checker in checkers]
        trainer.train()
        seconds = time.perf_counter() - started
    model.eval()

    @torch.inference_mode()
    def predict(texts):
        labels = []
        for start in range(0, len(texts), 64):
            batch = tokenizer(
                texts[start : start + 64], truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
            )
            labels.append(model(**batch.to(args.device)).logits.argmax(1).cpu().numpy())
        return np.concatenate(labels)

    return seconds, predict


def train_with_setfit(args, X, target, real_X, real_target, *, seed):
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    started = time.perf_counter()
    model = SetFitModel.from_pretrained(args.encoder, local_files_only=True, device=args.device)
    rows = Dataset.from_dict({"text": [*X, *real_X], "label": np.concatenate([target, real_target]).tolist()})
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, num_epochs=1, num_iterations=1, batch_size=32, max_length=MAX_LENGTH, seed=seed, report_to="none"
        )
        Trainer(model=model, args=settings, train_dataset=rows).train()
    return time.perf_counter() - started, lambda texts: np.asarray(model.predict(texts))


def train_with_skorch(args, X, target, n_classes, *, seed):
    from sklearn.pipeline import Pipeline
    from skorch import NeuralNetClassifier
    from skorch.hf import HuggingfacePretrainedTokenizer

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = transformers.AutoModelForSequenceClassification.from_pretrained(
                args.encoder, num_labels=n_classes
            )

        def forward(self, **inputs):
            return self.bert(**inputs).logits

    net = NeuralNetClassifier(
        Module,
        optimizer=torch.optim.AdamW,
        lr=5e-5,
        max_epochs=args.epochs,
        criterion=torch.nn.CrossEntropyLoss,
        batch_size=32,
        iterator_train__shuffle=True,
        train_split=None,
        device=args.device,
        verbose=0,
    )
    tokenizer = HuggingfacePretrainedTokenizer(args.encoder, max_length=MAX_LENGTH)
    torch.manual_seed(seed)
    started = time.perf_counter()
    pipeline = Pipeline([("tokenizer", tokenizer), ("net", net)]).fit(X, target)
    return time.perf_counter() - started, pipeline.predict


def train_with_skweight(classifier, X, target, *, seed):
    classifier.set_params(random_state=seed)
    started = time.perf_counter()
    classifier.fit(X, target)
    return time.perf_counter() - started, classifier.predict


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


def table(seconds, n_tokens, reference, accuracy=None):
    lines = [f"| contender | seconds | tokens/s | {reference} is faster by |", "|---|---|---|---|"]
    if accuracy:
        lines = [lines[0] + " accuracy |", lines[1] + "---|"]
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
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with real_train.csv, test.csv and synthetic files")
    parser.add_argument("--synthetic", required=True, help="synthetic_NAME.csv, or NAME alone")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of the contenders for training to run; all by default")
    parser.add_argument("--no-accuracy", action="store_true", help="do not score on test.csv, which takes a while")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", help="also write the figures here")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    task = load_task(args.data, args.synthetic)
    rows = np.random.RandomState(0).permutation(len(task.synth_X))[: args.rows]
    X, y = [task.synth_X[i] for i in rows], np.array(task.synth_y)[rows]
    classes, target = np.unique(y, return_inverse=True)
    real_target, test_target = (np.searchsorted(classes, labels) for labels in (task.real_y, task.test_y))
    settings = {"max_epochs": args.epochs, "lr": 5e-5, "max_length": MAX_LENGTH, "device": args.device}
    checker = CrossEntropyClassifier(args.encoder, **settings, random_state=0).fit(task.real_X, real_target)
    n_tokens = int(sum(map(len, checker.tokenizer_(X, truncation=True, max_length=MAX_LENGTH)["input_ids"])))
    cross_entropy = CrossEntropyClassifier(args.encoder, **settings)
    dimp = DIMPClassifier(args.encoder, quality_checker=FrozenEstimator(checker), **settings)

    model, n_classes = checker.module_, len(classes)
    training = {
        "padded DIMP recipe": partial(train_with_trainer, args, best=False, checkers=[model], n_classes=n_classes),
        "padded IMP recipe": partial(train_with_trainer, args, best=False, checkers=[model] * 2, n_classes=n_classes),
        "Trainer at its best": partial(train_with_trainer, args, best=True, n_classes=n_classes),
        "skorch recipe": partial(train_with_skorch, args, n_classes=n_classes),
        "SetFit": partial(train_with_setfit, args, real_X=task.real_X, real_target=real_target),
        "skweight cross-entropy": partial(train_with_skweight, cross_entropy),
        "skweight DIMP": partial(train_with_skweight, dimp),
    }
    if args.only is None and find_spec("setfit") is None:
        del training["SetFit"]
    training = {
        name: partial(run, X=X, target=target) for name, run in training.items() if not args.only or name in args.only
    }
    classify = transformers.pipeline(
        "text-classification", model=checker.module_, tokenizer=checker.tokenizer_, device=args.device
    )
    test_X = task.test_X[: args.rows]
    n_test_tokens = int(sum(map(len, checker.tokenizer_(test_X, truncation=True, max_length=MAX_LENGTH)["input_ids"])))
    best = min(
        ((size, by_length) for size in (1, 8, 32) for by_length in (False, True)),
        key=lambda setting: pipeline_seconds(classify, test_X[:300], *setting),
    )
    name = f"pipeline, batch_size={best[0]}{', sorted by length' * best[1]}"
    prediction = {
        name: lambda seed: (pipeline_seconds(classify, test_X, *best), None),
        "predict_proba": lambda seed: (predict_seconds(checker, test_X), None),
    }
    predicting, _ = interleave(prediction, args.repeats, warm_up=lambda run: run(seed=0))
    seconds, accuracy = interleave(
        training,
        args.repeats,
        warm_up=lambda run: run(seed=0, X=X[:64], target=target[:64]),
        score=None if args.no_accuracy else lambda predict: float(np.mean(predict(task.test_X) == test_target)),
    )
    machine = f"{platform.machine()}, {args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"\n{Path(args.data).name} ({args.synthetic}); {machine}, medians of {args.repeats}\n")
    reference = "skweight cross-entropy"
    if reference in training:
        print(f"Training: {len(X)} texts, {n_tokens} tokens, {args.epochs} epochs\n")
        print(table(seconds, args.epochs * n_tokens, reference, None if args.no_accuracy else accuracy), "\n")
    print(f"Prediction: {len(test_X)} texts, {n_test_tokens} tokens\n")
    print(table(predicting, n_test_tokens, "predict_proba"))
    # Six (training) and two (prediction) operations for each token and parameter outside of the embedding matrices.
    weights = sum(p.numel() for n, p in checker.module_.named_parameters() if "embeddings" not in n)
    dtype = _net.resolve_precision("auto", torch.device(args.device))
    for what, operations, tokens, taken, precision in (
        ("Training", 6, args.epochs * n_tokens, seconds.get(reference), dtype),
        ("Prediction", 2, n_test_tokens, predicting["predict_proba"], torch.float32),
    ):
        if taken:
            taken, peak = statistics.median(taken), matmul_gflops(args.device, precision)
            rate = operations * weights * tokens / taken / 1e9
            work = f"{operations} x {weights / 1e6:.2f} M parameters outside of embeddings x {tokens} tokens"
            share = f"{rate / peak:.0%} of the {peak:.0f} of a {precision} matrix product"
            print(f"\n{what}: {work} / {taken:.2f} s = {rate:.0f} GFLOP/s, {share}")
    if args.json:
        figures = {"training": seconds, "accuracy": accuracy, "prediction": predicting}
        about = {"args": vars(args), "machine": machine, "tokens": n_tokens, "test_tokens": n_test_tokens}
        Path(args.json).write_text(json.dumps({**about, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
