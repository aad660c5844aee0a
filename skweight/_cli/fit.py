"""The command ``fit``: train on CSV files and save the model."""

import difflib
import pkgutil
import time
from dataclasses import dataclass
from pathlib import Path

from skweight._cli.arguments import LABEL_OPTION, TEXT_OPTION, add_overwrite, add_tables
from skweight._cli.outputs import check_save_folder, same_file
from skweight._cli.terminal import show
from skweight.exceptions import warn

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
    parser.add_argument("--drop-bad-rows", action="store_true", help="leave out rows with a missing text or label")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument(LABEL_OPTION, default="label", metavar="COLUMN", help="column of the labels")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep checkpoints in DIR.checkpoints until the model is saved, and go on from those of an interrupted run",
    )
    add_overwrite(parser)
    add_tables(parser)


def run(args):
    """Train a classifier, save it, and show its extreme weights and its scores."""
    # Imported here, as they are slow: --help must not wait for them.
    from skweight._cli.weights_table import extreme_rows, write_weights
    from skweight._storage import kept_until_done

    if args.method == "hu" and args.epochs < 2:
        raise ValueError("--method hu needs at least --epochs 2: it learns no weights in the first.")
    encoder = _encoder(args.encoder)
    _check_files(args, encoder)
    synthetic, real = _read(args.synthetic, args), _read(args.real, args)
    test = _read(args.test, args) if args.test else None
    _check_fits(real, synthetic)
    if test:
        _check_fits(test, synthetic)
        _warn_of_leaks(test, synthetic, real)
    show(f"{len(synthetic.X)} synthetic rows, {len(real.X)} real rows, classes: {', '.join(synthetic.labels)}")
    classifier = _classifier(args, encoder)
    start = time.perf_counter()
    X, y = synthetic.arguments()
    real_X, real_y = real.arguments()
    with kept_until_done():
        classifier.fit(X, y, real_X=real_X, real_y=real_y)
        seconds = time.perf_counter() - start
        # Saved before anything is shown or scored: whatever fails then, the training was not for nothing.
        classifier.save_pretrained(args.save)
        write_weights(args.save / "weights.csv", synthetic.X, synthetic.y, classifier, raw=args.raw)
    show(f"Trained in {seconds:.0f} s. Model and weights.csv saved in {args.save}.")
    show(f"Use it: python -m skweight predict {args.save} TEXTS.csv")
    show()
    if hasattr(classifier, "scores_"):
        _print_experts(classifier)
        show()
    what = "probabilities of the label" if args.method == "opinion-pool" else "weights"
    columns = (synthetic.X, synthetic.y, classifier.sample_weight_)
    for line in extreme_rows(*([column[i] for i in synthetic.complete] for column in columns), what=what):
        show(line)
    if test:
        show()
        _print_scores(classifier, test)


# -- before the training ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """Rows of a file, as they are there. An empty field is a missing value, as CSV has no other way to say so."""

    path: Path
    X: list
    y: list

    @property
    def complete(self):
        """Which rows have all their texts and a label."""
        return [i for i, row in enumerate(zip(self.X, self.y, strict=True)) if all(map(_is_filled, row))]

    @property
    def labels(self):
        return sorted({self.y[i] for i in self.complete})

    @property
    def is_paired(self):
        return isinstance(self.X[0], tuple)

    def arguments(self):
        """Return texts and labels as `fit` takes them, where an empty text in a list would be allowed."""
        return tuple([value if _is_filled(value) else None for value in column] for column in (self.X, self.y))


def _is_filled(value):
    return "" not in value if isinstance(value, tuple) else bool(value)


def _encoder(name):
    from skweight.datasets import minilm_folder

    return minilm_folder() if name == "minilm" else name


def _check_files(args, encoder):
    """Check that the files are different ones, and that none is overwritten."""
    read = {"the synthetic rows": args.synthetic, "--real": args.real, "--test": args.test}
    read = {name: path for name, path in read.items() if path}
    names = list(read)
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            if same_file(read[name], read[other]):
                raise ValueError(f"{read[other]} ({other}) is the same file as {read[name]} ({name}).")
    check_save_folder(args.save, read={**read, "the encoder": Path(encoder)}, overwrite=args.overwrite)


def _read(path, args):
    from skweight._rows.values import name_rows
    from skweight.datasets._tables import read_rows

    options = {"text_option": TEXT_OPTION, "label_option": LABEL_OPTION}
    X, y = read_rows(path, args.text_column, args.label_column, raw=args.raw, **options)
    if not X:
        raise ValueError(f"{path} has no rows.")
    table = _Table(path, X, y)
    missing = sorted(set(range(len(X))) - set(table.complete))
    if len(missing) == len(X) or (missing and not args.drop_bad_rows):
        raise ValueError(
            f"{path}: {name_rows(missing)} of {len(X)} without a text or a label. Fill them in, or leave such rows out "
            "with --drop-bad-rows."
        )
    return table


def _check_fits(rows, synthetic):
    """Check that the labels of a table are those of the synthetic rows, and its texts are single where theirs are."""
    if rows.is_paired != synthetic.is_paired:
        raise ValueError(f"{rows.path} and {synthetic.path} must both hold single texts or both hold pairs of texts.")
    unknown = sorted(set(rows.labels) - set(synthetic.labels))
    if unknown:
        named = ", ".join(_with_nearest(label, synthetic.labels) for label in unknown[:5])
        raise ValueError(
            f"{rows.path} has labels that {synthetic.path} does not have: {named}{', …' if unknown[5:] else ''}; "
            f"those are {synthetic.labels}."
        )


def _with_nearest(label, known):
    plain = {each.strip().casefold(): each for each in known}
    nearest = difflib.get_close_matches(label.strip().casefold(), plain, n=1)
    return f"{label!r} (near {plain[nearest[0]]!r})" if nearest else repr(label)


def _warn_of_leaks(test, synthetic, real):
    seen = {*synthetic.X, *real.X}
    texts = [test.X[i] for i in test.complete]
    known = sum(text in seen for text in texts)
    if known:
        warn(
            f"SKW031: {known} of the {len(texts)} texts of --test are also among those to train on, which makes the "
            "scores look better than they are."
        )


def _classifier(args, encoder):
    name, params = _METHODS[args.method]
    return pkgutil.resolve_name(name)(
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


def _checkpoints(folder):
    """Return the folder beside the model's, which nothing that is saved there replaces."""
    return folder.with_name(f"{folder.name}.checkpoints")


# -- after it ---------------------------------------------------------------------------------------------------------


def _print_experts(classifier):
    """Print how good the experts of a pool are on real rows that they have not seen, and which of them teaches."""
    show(f"{'on real rows, cross-fitted':<28} {'accuracy':>15} {'log-loss':>15} {'exponent':>9}")
    exponents = dict(zip(classifier.experts_, classifier.coef_, strict=True))
    for name, score in classifier.scores_.items():
        figures = "".join(f"{score[kind]:>8.3f} ± {score[kind + '_se']:.3f}" for kind in ("accuracy", "log_loss"))
        exponent = f" {exponents[name]:>9.2f}" if name in exponents else ""
        show(f"{name if name == 'pool' else f'{name} expert':<28} {figures}{exponent}")
    teacher = "The pool" if classifier.teacher_ == "pool" else f"The {classifier.teacher_} expert"
    show(f"{teacher} teaches the encoder.")


def _print_scores(classifier, test):
    from sklearn.metrics import accuracy_score, f1_score

    X, y = ([column[i] for i in test.complete] for column in (test.X, test.y))
    predicted = classifier.predict(X)
    accuracy, f1 = accuracy_score(y, predicted), f1_score(y, predicted, average="macro", zero_division=0)
    show(f"{test.path}: accuracy {accuracy:.3f}, macro-F1 {f1:.3f} on {len(y)} rows")
    only = set(predicted.tolist())
    if len(only) == 1 < len(set(y)):
        warn(f"SKW046: the label of all {len(y)} rows of --test is predicted as {only.pop()!r}: nothing was learnt.")
