"""The command ``fit``: train on CSV files and save the model."""

import pkgutil
import time
from pathlib import Path

from skweight._cli.arguments import add_text_columns

# Class and parameters by name on the command line. Classes are named, as importing them takes seconds.
_METHODS: dict[str, tuple[str, dict]] = {
    "opinion-pool": ("skweight:OpinionPoolClassifier", {}),
    "dimp": ("skweight:DIMPClassifier", {}),
    "imp": ("skweight:IMPClassifier", {}),
    "imp-fast": ("skweight:IMPClassifier", {"diversity_checker": "fast"}),
    "cross-entropy": ("skweight.baselines:CrossEntropyClassifier", {}),
    "focal": ("skweight.baselines:FocalClassifier", {}),
    "distilled": ("skweight.baselines:DistilledClassifier", {}),
    "sungen": ("skweight.baselines:SunGenClassifier", {}),
    "hu": ("skweight.baselines:HuClassifier", {}),
}


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.add_argument("synthetic", type=Path, help="CSV with the LLM-written rows")
    parser.add_argument("--real", type=Path, required=True, help="CSV with the real rows")
    parser.add_argument("--save", type=Path, required=True, metavar="DIR", help="folder for the model and weights.csv")
    parser.add_argument("--test", type=Path, help="CSV with more real rows to score on")
    parser.add_argument("--method", choices=_METHODS, default="opinion-pool")
    parser.add_argument(
        "--encoder",
        default="google-bert/bert-base-uncased",
        help='hub id or folder; "minilm" takes the one of the demo',
    )
    parser.add_argument(
        "--real-weight",
        type=float,
        help="let the real rows join the training, at so many mean weights (default 0); for opinion-pool their total, "
        "as a share of the synthetic rows' (default 0.25)",
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, help="tokens of a text (default 128, or what the encoder takes)")
    parser.add_argument("--drop-bad-rows", action="store_true", help="leave out rows with a missing text or label")
    parser.add_argument("--seed", type=int, default=0)
    add_text_columns(parser)
    parser.add_argument("--label-column", default="label")


def run(args):
    """Train a classifier, show its extreme weights and its scores, and save it."""
    # Imported here, as they are slow: --help must not wait for them.
    from skweight._cli.weights_table import extreme_rows, write_weights
    from skweight.datasets import load_csv

    if args.method == "hu" and args.epochs < 2:
        raise ValueError("--method hu needs at least --epochs 2: it learns no weights in the first.")
    columns = {"text": args.text_column, "label": args.label_column}
    X, y = load_csv(args.synthetic, **columns)
    real_X, real_y = load_csv(args.real, **columns)
    print(f"{len(X)} synthetic rows, {len(real_X)} real rows, classes: {', '.join(sorted(set(y)))}")
    classifier = _classifier(args)
    start = time.perf_counter()
    classifier.fit(_none_if_empty(X), _none_if_empty(y), real_X=_none_if_empty(real_X), real_y=_none_if_empty(real_y))
    print(f"Trained in {time.perf_counter() - start:.0f} s.\n")
    if hasattr(classifier, "scores_"):
        _print_experts(classifier)
    what = "probabilities of the label" if args.method == "opinion-pool" else "weights"
    print(extreme_rows(X, y, classifier.sample_weight_, what=what))
    if args.test:
        _print_scores(classifier, args.test, *load_csv(args.test, **columns))
    classifier.save_pretrained(args.save)
    write_weights(args.save / "weights.csv", X, y, classifier)
    print(f"\nModel and weights.csv saved in {args.save}. Use it: python -m skweight predict {args.save} TEXTS.csv")


def _classifier(args):
    from skweight.datasets import minilm_folder

    name, params = _METHODS[args.method]
    return pkgutil.resolve_name(name)(
        minilm_folder() if args.encoder == "minilm" else args.encoder,
        max_epochs=args.epochs,
        lr=args.lr,
        batch_size=args.batch_size,
        max_length=args.max_length or "auto",
        on_bad_rows="drop" if args.drop_bad_rows else "raise",
        random_state=args.seed,
        verbose=1,
        **params,
        **({} if args.real_weight is None else {"real_weight": args.real_weight}),
    )


def _print_experts(classifier):
    """Print how good the experts of a pool are on real rows that they have not seen, and which of them teaches."""
    print(f"{'on real rows, cross-fitted':<28} {'accuracy':>15} {'log-loss':>15} {'exponent':>9}")
    exponents = dict(zip(classifier.experts_, classifier.coef_, strict=True))
    for name, score in classifier.scores_.items():
        figures = "".join(f"{score[kind]:>8.3f} ± {score[kind + '_se']:.3f}" for kind in ("accuracy", "log_loss"))
        exponent = f" {exponents[name]:>9.2f}" if name in exponents else ""
        print(f"{name if name == 'pool' else f'{name} expert':<28} {figures}{exponent}")
    teacher = "The pool" if classifier.teacher_ == "pool" else f"The {classifier.teacher_} expert"
    print(f"{teacher} teaches the encoder.\n")


def _none_if_empty(values):
    # An empty CSV field is a missing value; an empty text in a list would be allowed.
    return [None if value == "" or (isinstance(value, tuple) and "" in value) else value for value in values]


def _print_scores(classifier, path, X, y):
    from sklearn.metrics import accuracy_score, f1_score

    predicted = classifier.predict(X)
    accuracy, f1 = accuracy_score(y, predicted), f1_score(y, predicted, average="macro")
    print(f"\n{path}: accuracy {accuracy:.3f}, macro-F1 {f1:.3f} on {len(X)} rows")
