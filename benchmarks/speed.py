"""Training and prediction speed of skweight and of what one would use instead, on the same rows in one run.

    python benchmarks/speed.py --data TASK_FOLDER --synthetic NAME --encoder FOLDER --json speed.json

Contenders for training, each from loading the model to its last step:

- "padded recipe": Hugging Face Trainer, every text padded to 128 tokens, float32, the quality checker run again inside
  every step, as in the published code of DIMP-Loss;
- "Trainer at its best": dynamic padding, batches grouped by length, fused AdamW, bfloat16 where the processor has it;
- "skorch recipe": skorch's documented way with ``HuggingfacePretrainedTokenizer`` and ``NeuralNetClassifier``;
- "skweight cross-entropy" and "skweight DIMP" (its checker is fitted beforehand, its pass over the rows is timed).

For prediction: ``transformers.pipeline`` with the best of several batch sizes, on texts in their order and sorted by
length, and ``predict_proba``. Repeats are interleaved; a ratio is taken within a repeat. Tokens are those of the texts,
padding not counted.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
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


class PaddedDIMPTrainer(transformers.Trainer):
    """DIMP-Loss with the checker inside the step."""

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        """Return the mean DIMP-Loss of a batch."""
        labels = inputs.pop("labels")
        logits = model(**inputs).logits
        with torch.no_grad():
            quality = self.checker(**inputs).logits.softmax(1).gather(1, labels[:, None])[:, 0]
        own = logits.softmax(1).gather(1, labels[:, None])[:, 0]
        cross_entropy = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        return (quality / own.detach() * cross_entropy).mean()


def trainer_seconds(args, X, target, n_classes, *, best, checker=None):
    started = time.perf_counter()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.encoder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(args.encoder, num_labels=n_classes)
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            folder,
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
        kind = transformers.Trainer if checker is None else PaddedDIMPTrainer
        collator = transformers.DataCollatorWithPadding(tokenizer)
        trainer = kind(model, settings, train_dataset=Rows(encoded, target), data_collator=collator)
        if checker is not None:
            trainer.checker = checker.to(args.device)
        trainer.train()
        return time.perf_counter() - started


def skorch_seconds(args, X, target, n_classes):
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
    started = time.perf_counter()
    Pipeline([("tokenizer", tokenizer), ("net", net)]).fit(X, target)
    return time.perf_counter() - started


def fit_seconds(classifier, X, y):
    started = time.perf_counter()
    classifier.fit(X, y)
    return time.perf_counter() - started


def pipeline_seconds(classify, X, batch_size, by_length):
    order = sorted(range(len(X)), key=lambda i: -len(X[i])) if by_length else range(len(X))
    started = time.perf_counter()
    classify([X[i] for i in order], batch_size=batch_size, truncation=True, max_length=MAX_LENGTH, top_k=None)
    return time.perf_counter() - started


def predict_seconds(classifier, X):
    started = time.perf_counter()
    classifier.predict_proba(X)
    return time.perf_counter() - started


def interleave(contenders, repeats):
    """Seconds of each contender in each repeat, one warm-up first."""
    seconds = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, run in contenders.items():
            taken = run()
            if repeat:
                seconds[name].append(taken)
                print(f"repeat {repeat}: {name} {taken:.2f} s", flush=True)
    return seconds


def table(seconds, n_tokens, reference):
    lines = [f"| contender | seconds | tokens/s | {reference} is faster by |", "|---|---|---|---|"]
    for name, taken in seconds.items():
        ratios = [other / own for other, own in zip(taken, seconds[reference], strict=True)]
        cells = [
            f"{statistics.median(taken):.2f} ({min(taken):.2f}-{max(taken):.2f})",
            f"{n_tokens / statistics.median(taken):.0f}",
            "" if name == reference else f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
        ]
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
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of the contenders for training to run; all by default")
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
    settings = {
        "max_epochs": args.epochs,
        "lr": 5e-5,
        "max_length": MAX_LENGTH,
        "device": args.device,
        "random_state": 0,
    }
    checker = CrossEntropyClassifier(args.encoder, **settings).fit(task.real_X, task.real_y)
    n_tokens = int(sum(map(len, checker.tokenizer_(X, truncation=True, max_length=MAX_LENGTH)["input_ids"])))
    dimp = DIMPClassifier(args.encoder, quality_checker=FrozenEstimator(checker), **settings)

    training = {
        "padded recipe": lambda: trainer_seconds(args, X, target, len(classes), best=False, checker=checker.module_),
        "Trainer at its best": lambda: trainer_seconds(args, X, target, len(classes), best=True),
        "skorch recipe": lambda: skorch_seconds(args, X, target, len(classes)),
        "skweight cross-entropy": lambda: fit_seconds(CrossEntropyClassifier(args.encoder, **settings), X, y),
        "skweight DIMP": lambda: fit_seconds(dimp, X, y),
    }
    training = {name: run for name, run in training.items() if not args.only or name in args.only}
    classify = transformers.pipeline(
        "text-classification", model=checker.module_, tokenizer=checker.tokenizer_, device=args.device
    )
    best = min(
        ((size, by_length) for size in (1, 8, 32) for by_length in (False, True)),
        key=lambda setting: pipeline_seconds(classify, X, *setting),
    )
    name = f"pipeline, batch_size={best[0]}{', sorted by length' * best[1]}"
    prediction = {
        name: lambda: pipeline_seconds(classify, X, *best),
        "predict_proba": lambda: predict_seconds(checker, X),
    }
    seconds = {"training": interleave(training, args.repeats), "prediction": interleave(prediction, args.repeats)}
    texts = f"{len(X)} texts, {n_tokens} tokens, {args.epochs} epochs"
    machine = f"{platform.machine()}, {args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"\n{Path(args.data).name} ({args.synthetic}): {texts}; {machine}, medians of {args.repeats}\n")
    if "skweight cross-entropy" in training:
        print(table(seconds["training"], args.epochs * n_tokens, "skweight cross-entropy"), "\n")
    print(table(seconds["prediction"], n_tokens, "predict_proba"))
    # Six (training) and two (prediction) operations for each token and parameter outside of the embedding matrices.
    weights = sum(p.numel() for n, p in checker.module_.named_parameters() if "embeddings" not in n)
    peak = matmul_gflops(args.device)
    train = statistics.median(seconds["training"].get("skweight cross-entropy", [np.nan]))
    predict = statistics.median(seconds["prediction"]["predict_proba"])
    train_gflops = 6 * weights * args.epochs * n_tokens / train / 1e9
    predict_gflops = 2 * weights * n_tokens / predict / 1e9
    print(
        f"\nMatrix product, float32: {peak:.0f} GFLOP/s; {weights / 1e6:.2f} M parameters outside of embeddings. ",
        end="",
    )
    print(f"Training: {train_gflops:.0f} GFLOP/s ({train_gflops / peak:.0%}), loading the model included; ", end="")
    print(f"prediction: {predict_gflops:.0f} GFLOP/s ({predict_gflops / peak:.0%}), tokenising included.")
    if args.json:
        Path(args.json).write_text(json.dumps({"args": vars(args), "tokens": n_tokens, **seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
