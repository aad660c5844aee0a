"""The command ``fit``: train on files of synthetic and of real rows, and save the model."""

import pkgutil
import shlex
import time
from pathlib import Path

from skweight._cli import checks
from skweight._cli.arguments import add_config, add_labelled_tables, add_overwrite, label_map, read_labelled
from skweight._cli.outputs import check_save_folder
from skweight._cli.terminal import show

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
    parser.add_argument(
        "synthetic", type=Path, help="LLM-written rows: CSV, TSV, JSON lines, JSON or Parquet, also gzipped"
    )
    parser.add_argument("--real", type=Path, required=True, help="real rows, in a file of any of these kinds")
    parser.add_argument("--save", type=Path, required=True, metavar="DIR", help="folder for the model and weights.csv")
    parser.add_argument("--test", type=Path, help="more real rows to score on, with the columns of --real")
    parser.add_argument("--method", choices=_METHODS, default="opinion-pool", help="how the rows are weighted")
    parser.add_argument(
        "--encoder",
        default="google-bert/bert-base-uncased",
        help='hub id or folder; "minilm" takes the one of the demo',
    )
    parser.add_argument(
        "--real-weight",
        type=float,
        help="let the real rows join the training, at so many mean weights (default: 0); for opinion-pool their total, "
        "as a share of the synthetic rows' (default: 0.25)",
    )
    parser.add_argument("--epochs", type=int, default=5, help="passes over the rows")
    parser.add_argument("--lr", type=float, default=5e-5, help="learning rate")
    parser.add_argument("--batch-size", type=int, default=32, help="rows of a training step")
    parser.add_argument(
        "--max-length", type=int, help="tokens of a text that are read (default: 128, or what the encoder takes)"
    )
    parser.add_argument(
        "--missing-real",
        choices=["raise", "warn"],
        default="raise",
        help="what to do about a class without real rows; warn trains on its synthetic rows as they are",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep checkpoints in DIR.checkpoints until the model is saved, and go on from those of an interrupted run",
    )
    add_overwrite(parser)
    add_labelled_tables(parser)
    add_config(parser)


def run(args):
    """Train a classifier, save it, and show its extreme weights and its scores."""
    # Imported here, as they are slow: --help must not wait for them.
    from skweight._cli.scores import show_scores
    from skweight._cli.weights_table import extreme_rows, write_weights
    from skweight._storage import kept_until_done

    if args.method == "hu" and args.epochs < 2:
        raise ValueError("--method hu needs at least --epochs 2: it learns no weights in the first.")
    encoder = encoder_of(args.encoder)
    classifier = _classifier(args, encoder)
    synthetic, real, test = _read_tables(args, encoder, classifier)
    show(f"{len(synthetic.X)} synthetic rows, {len(real.X)} real rows, classes: {', '.join(synthetic.labels)}")
    start = time.perf_counter()
    X, y = synthetic.arguments()
    real_X, real_y = real.arguments()
    with kept_until_done():
        # In tuples, as no cross-validation has cut them: files may have equally many rows.
        classifier.fit(X, y, real_X=(real_X,), real_y=(real_y,))
        seconds = time.perf_counter() - start
        # Saved before anything is shown or scored: whatever fails then, the training was not for nothing.
        classifier.text_columns_ = [synthetic.text_columns, real.text_columns]
        classifier.save_pretrained(args.save)
        write_weights(args.save / "weights.csv", synthetic.X, synthetic.y, classifier, raw=args.raw)
    show(f"Trained in {seconds:.0f} s, and saved.")
    show()
    what = "probabilities of the label" if args.method == "opinion-pool" else "weights"
    columns = (synthetic.X, synthetic.y, classifier.sample_weight_)
    for line in extreme_rows(*([column[i] for i in synthetic.complete] for column in columns), what=what):
        show(line)
    show()
    show_scores(classifier, real, test)
    show()
    show(f"The model is in {args.save}; weights.csv there has the weight of every synthetic row.")
    show(f"Use it: python -m skweight predict {shlex.quote(str(args.save))} TEXTS.csv --out LABELS.csv")


def _read_tables(args, encoder, classifier):
    """Read the files, and refuse whatever the training could not use."""
    files = {"the synthetic rows": args.synthetic, "--real": args.real, "--test": args.test}
    read = {name: path for name, path in files.items() if path}
    checks.check_different(read)
    check_save_folder(args.save, read={**read, "the encoder": Path(encoder)}, overwrite=args.overwrite)
    synthetic = read_labelled(args, args.synthetic, real=False)
    real = read_labelled(args, args.real, real=True)
    test = read_labelled(args, args.test, real=True) if args.test else None
    checks.check_label_map(label_map(args.label_map), [table for table in (synthetic, real, test) if table])
    checks.check_classes(synthetic, real)
    checks.check_fits(real, synthetic)
    if test:
        checks.check_fits(test, synthetic)
        checks.warn_of_leaks(test, synthetic, real)
    if getattr(classifier, "missing_real", "warn") == "raise":
        checks.check_real_of_each_class(real, synthetic)
    return synthetic, real, test


def encoder_of(name):
    """Return the hub id or folder that ``--encoder`` names."""
    from skweight.datasets import minilm_folder

    return minilm_folder() if name == "minilm" else name


def _classifier(args, encoder):
    name, params = _METHODS[args.method]
    kind = pkgutil.resolve_name(name)
    classifier = kind(
        encoder,
        max_epochs=args.epochs,
        lr=args.lr,
        batch_size=args.batch_size,
        max_length=args.max_length or "auto",
        on_bad_rows="drop" if args.drop_bad_rows else "raise",
        random_state=args.seed,
        checkpoint_dir=_checkpoints(args.save) if args.resume else None,
        verbose=1,
        **params,
        **({} if args.real_weight is None else {"real_weight": args.real_weight}),
    )
    if "missing_real" in classifier.get_params(deep=False):
        classifier.set_params(missing_real=args.missing_real)
    return classifier


def _checkpoints(folder):
    """Return the folder beside the model's, which nothing that is saved there replaces."""
    return folder.with_name(f"{folder.name}.checkpoints")
