"""Command line: ``python -m skweight demo | fit | predict``."""

import argparse
import sys
import time
from pathlib import Path

# Class and parameters by name on the command line.
_METHODS = {
    "dimp": ("DIMPClassifier", {}),
    "imp": ("IMPClassifier", {}),
    "imp-fast": ("IMPClassifier", {"diversity_checker": "fast"}),
    "cross-entropy": ("CrossEntropyClassifier", {}),
    "focal": ("FocalClassifier", {}),
    "distilled": ("DistilledClassifier", {}),
    "sungen": ("SunGenClassifier", {}),
    "hu": ("HuClassifier", {}),
}


def main(argv=None):
    """Run one command; return the exit status."""
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        # Bad input, a missing file, a missing extra: the message says what to do, a traceback would hide it.
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m skweight", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="see what weighting does, on real film reviews")
    demo.add_argument("--out", type=Path, default=Path("skweight-demo"), help="folder for the picture and the weights")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)

    fit = commands.add_parser("fit", help="train on your own CSV files and save the model")
    fit.add_argument("synthetic", type=Path, help="CSV with the LLM-written rows")
    fit.add_argument("--real", type=Path, required=True, help="CSV with the real rows")
    fit.add_argument("--save", type=Path, required=True, metavar="DIR", help="folder for the model and weights.csv")
    fit.add_argument("--test", type=Path, help="CSV with more real rows to score on")
    fit.add_argument("--method", choices=_METHODS, default="dimp")
    fit.add_argument(
        "--encoder",
        default="google-bert/bert-base-uncased",
        help='hub id or folder; "minilm" takes the one of the demo',
    )
    fit.add_argument(
        "--real-weight", type=float, default=0.0, help="let the real rows join the training, at so many mean weights"
    )
    fit.add_argument("--epochs", type=int, default=5)
    fit.add_argument("--lr", type=float, default=5e-5)
    fit.add_argument("--batch-size", type=int, default=32)
    fit.add_argument("--max-length", type=int, default=128)
    fit.add_argument("--drop-bad-rows", action="store_true", help="leave out rows with a missing text or label")
    fit.add_argument("--seed", type=int, default=0)
    _add_columns(fit)
    fit.add_argument("--label-column", default="label")
    fit.set_defaults(run=_fit)

    predict = commands.add_parser("predict", help="label texts with a saved model")
    predict.add_argument("model", type=Path, metavar="DIR", help="folder that `fit --save` wrote")
    predict.add_argument("texts", type=Path, metavar="INPUT", help="texts, .csv or .parquet")
    predict.add_argument("--out", type=Path, help="write here, .csv or .parquet, instead of to the screen as CSV")
    predict.add_argument(
        "--keep", nargs="+", default=[], metavar="COLUMN", help="columns of the input to copy into the output"
    )
    predict.add_argument("--chunk-rows", type=int, default=10_000, help="rows in memory at a time (default 10000)")
    predict.add_argument(
        "--restart", action="store_true", help="begin anew, not where an earlier run of the same command was stopped"
    )
    _add_columns(predict)
    predict.set_defaults(run=_predict)
    return parser


def _add_columns(parser):
    parser.add_argument(
        "--text-column", nargs="+", metavar="COLUMN", help='default: "text", or "text_a" and "text_b" for pairs'
    )


def _demo(args):
    from skweight._demo import run

    run(args.out, seed=args.seed)


def _fit(args):
    from sklearn.metrics import accuracy_score, f1_score

    from skweight._report import extreme_rows, write_weights
    from skweight.datasets import load_csv, minilm_folder

    if args.method == "hu" and args.epochs < 2:
        raise ValueError("--method hu needs at least --epochs 2: it learns no weights in the first.")
    columns = {"text": args.text_column, "label": args.label_column}
    X, y = load_csv(args.synthetic, **columns)
    real_X, real_y = load_csv(args.real, **columns)
    print(f"{len(X)} synthetic rows, {len(real_X)} real rows, classes: {', '.join(sorted(set(y)))}")
    name, params = _METHODS[args.method]
    classifier = _class(name)(
        minilm_folder() if args.encoder == "minilm" else args.encoder,
        real_weight=args.real_weight,
        max_epochs=args.epochs,
        lr=args.lr,
        batch_size=args.batch_size,
        max_length=args.max_length,
        on_bad_rows="drop" if args.drop_bad_rows else "raise",
        random_state=args.seed,
        verbose=1,
        **params,
    )
    start = time.perf_counter()
    classifier.fit(_none_if_empty(X), _none_if_empty(y), real_X=_none_if_empty(real_X), real_y=_none_if_empty(real_y))
    print(f"Trained in {time.perf_counter() - start:.0f} s.\n")
    print(extreme_rows(X, y, classifier.sample_weight_))
    if args.test:
        test_X, test_y = load_csv(args.test, **columns)
        predicted = classifier.predict(test_X)
        accuracy, f1 = accuracy_score(test_y, predicted), f1_score(test_y, predicted, average="macro")
        print(f"\n{args.test}: accuracy {accuracy:.3f}, macro-F1 {f1:.3f} on {len(test_X)} rows")
    classifier.save_pretrained(args.save)
    write_weights(args.save / "weights.csv", X, y, classifier)
    print(f"\nModel and weights.csv saved in {args.save}. Use it: python -m skweight predict {args.save} TEXTS.csv")


def _none_if_empty(values):
    # An empty CSV field is a missing value; an empty text in a list would be allowed.
    return [None if value == "" or (isinstance(value, tuple) and "" in value) else value for value in values]


def _class(name):
    import skweight

    return getattr(skweight if name in skweight.__all__ else skweight.baselines, name)


def _predict(args):
    from skweight import _stream

    if args.chunk_rows < 1:
        raise ValueError(f"--chunk-rows must be at least 1, got {args.chunk_rows}.")
    source = _stream.open_input(args.texts, args.text_column, args.keep)
    if args.out is None:
        _stream.write_csv(sys.stdout, source, _stream.load_model(args.model), args.chunk_rows)
    else:
        n_rows = _stream.predict_file(
            args.model,
            source,
            args.out,
            chunk_rows=args.chunk_rows,
            restart=args.restart,
            log=lambda line: print(line, file=sys.stderr),
        )
        print(f"{n_rows} rows written to {args.out}")


if __name__ == "__main__":
    sys.exit(main())
