"""Ways to fine-tune an encoder, each from loading the model to its last step; ``speed.py`` describes them.

Each returns its seconds, and a function that labels texts.
"""

import tempfile
import time

import numpy as np
import torch
import transformers

from skweight import _engine

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
            bf16=best and _engine.resolve_precision("auto", torch.device(args.device)) == torch.bfloat16,
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
