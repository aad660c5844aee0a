"""The command ``predict``: label the texts of a file of any size, or of many files, with a saved model."""

import glob
import os
import sys
from contextlib import contextmanager
from pathlib import Path

from skweight import _progress
from skweight._cli.arguments import add_engine, add_overwrite, add_tables, engine_options, many_files_options
from skweight._cli.outputs import check_new, check_writable, same_file, show_written
from skweight._cli.resume import describe, open_run_folder
from skweight._cli.terminal import results_stream, show, visible
from skweight._saved import load_model, text_columns


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.epilog = (
        "Repeat a call that was interrupted: it goes on where it was. Several inputs, a folder or a pattern need --out "
        "DIR, and give a Parquet file for each file."
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="folder that `fit --save` wrote")
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="texts: CSV, TSV, JSON lines, JSON or Parquet, also gzipped; one file, or several, folders and quoted "
        'patterns, as "in/**/*.parquet"',
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE_OR_DIR",
        help="of one file: write here, .csv or .parquet, instead of to the screen as CSV; of more: folder to write to",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column of the input to copy into the output; once for each column",
    )
    parser.add_argument("--chunk-rows", type=int, default=10_000, help="rows in memory at a time")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="of one file: begin anew, not where an earlier run of the same command was stopped",
    )
    parser.add_argument("--fill-missing", action="store_true", help="take a missing text for an empty one")
    add_overwrite(parser)
    add_tables(parser)
    add_engine(parser.add_argument_group("several files"))


def run(args):
    """Predict a file into another one or onto the screen, or many files into a folder."""
    if args.chunk_rows < 1:
        raise ValueError(f"--chunk-rows must be at least 1, got {args.chunk_rows}.")
    if len(args.inputs) > 1 or _is_many(args.inputs[0]):
        _predict_many(args)
    else:
        _predict_one(args, Path(args.inputs[0]))


def _is_many(given):
    """Whether an input is a folder or a pattern, even if it stands for one file."""
    return os.path.isdir(given) or (glob.has_magic(given) and not os.path.exists(given))


def _predict_many(args):
    from skweight.scale import predict

    what = "Several inputs, a folder or a pattern"
    if args.out is None:
        raise ValueError(f"{what} are predicted into a folder: name it with --out.")
    if not args.out.is_dir() and (args.out.exists() or args.out.suffix.lower() in (".csv", ".parquet")):
        raise ValueError(f"{what} are predicted into a folder, and --out {args.out} names a file.")
    if args.restart:
        raise ValueError(
            "--restart is for one file. Without it, files that are finished stay, and --overwrite replaces those that "
            "were made of something else; to begin anew, write to another folder."
        )
    predicted = predict(args.inputs, args.out, args.model, batch_rows=args.chunk_rows, **many_files_options(args))
    show_written(predicted, args.out)
    for label, n_rows in predicted.n_of_class.items():
        show(f"  {label}: {n_rows} rows")


def _predict_one(args, path):
    from skweight.datasets._input import Input  # slow to import, and --help must not wait for it

    if engine_options(args):
        raise ValueError(
            "--engine, --workers, --threads and --precision are for several files: name several inputs, a folder or a "
            "pattern, and a folder with --out."
        )
    how = {"raw": args.raw, "encoding": args.encoding, "fill": args.fill_missing}
    source = Input(path, args.text_column, args.keep, remembered=text_columns(args.model), **how)
    if args.out is None:
        _write_csv(results_stream(), source, load_model(args.model), args.chunk_rows)
    else:
        how = {"chunk_rows": args.chunk_rows, "restart": args.restart, "overwrite": args.overwrite}
        n_rows = _predict_file(args.model, source, args.out, **how)
        show(f"{n_rows} rows written to {args.out}")


def _write_csv(file, source, classifier, chunk_rows):
    """Write the predictions to an open file, chunk by chunk."""
    from skweight._cli.predictions_table import CsvOutput

    # As `ls` does it with names: a terminal would obey what another program has to get as it is.
    output = CsvOutput(source, classifier.classes_, shown=visible if file.isatty() else str)
    output.write_header(file)
    for chunk, proba in _predicted(source.chunks(chunk_rows), classifier):
        output.write(file, chunk, proba)
        file.flush()


def _predict_file(model, source, out, *, chunk_rows, restart, overwrite):
    """Write the predictions into the file `out`, from where an earlier run of the same command was stopped.

    Parameters
    ----------
    model : Path
        Folder that `save_pretrained` wrote.
    source : Input
    out : Path
        Replaced when all is done, and untouched until then.
    chunk_rows : int
        May differ from what it was in the run that was stopped.
    restart : bool
        Whether finished rows of an earlier run are discarded.
    overwrite : bool
        Whether `out` may be there. A run that is gone on with has been asked already.

    Returns
    -------
    n_rows : int
    """
    from skweight._cli.predictions_table import output_class
    from skweight._storage.files import naming

    out = Path(os.path.realpath(out))  # renaming must not replace a link
    create_output = output_class(out)
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder.")
    if same_file(out, source.path):
        raise ValueError(f"{out} is the input. Write somewhere else.")
    out.parent.mkdir(parents=True, exist_ok=True)
    check_writable(out.parent)
    with naming(out), open_run_folder(out) as folder:
        check_new(out, overwrite=overwrite or (folder.is_begun() and not restart))
        classifier = load_model(model)
        output = create_output(source, classifier.classes_)
        state = source.state()
        manifest = describe(source, state, model)
        if folder.resume(manifest, restart=restart):
            show(f"resuming: {folder.n_done} of {folder.n_rows} rows done", file=sys.stderr)
        else:
            # A row that cannot be read should be known of now, and not after the hours that the rows before it take.
            folder.start(manifest, sum(len(chunk.texts) for chunk in source.chunks(chunk_rows)))
        with _shown(folder) as told:
            for chunk, proba in _predicted(source.chunks(chunk_rows, skip=folder.n_done), classifier):
                with folder.next_part(len(proba), output.suffix) as path, output.open(path) as file:
                    output.write(file, chunk, proba)
                told()
        if folder.n_done != folder.n_rows or source.state() != state:
            raise ValueError(f"{source.path} has changed while it was being read. Add --restart to begin anew.")
        with folder.result() as path, output.open(path) as file:
            output.join(file, folder.parts)
    return folder.n_rows


@contextmanager
def _shown(folder):
    """Show how far a run has come; what it yields is to be called after every chunk."""
    work = _progress.FORWARD * (folder.n_rows - folder.n_done)
    with _progress.shown({"predicting": work}, enabled=True), _progress.stage("predicting"):
        progress = _progress.current()

        def told():
            progress.note(row=f"{folder.n_done}/{folder.n_rows}")
            progress.say()

        yield told


def _predicted(chunks, classifier):
    """Pairs of a chunk and its probabilities."""
    read = []

    def texts():
        for chunk in chunks:
            read.append(chunk)
            yield chunk.texts

    for proba in classifier.predict_proba(texts()):
        yield read.pop(), proba
