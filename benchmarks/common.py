"""What the scripts share: arguments, the rows of a task, encoders, the machine and the versions, and tables."""

import argparse
import importlib.metadata
import json
import platform
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from skweight.datasets import load_csv, load_task

# Arguments

# What the quality checkers of the studies in benchmarks/results were trained with: the default of their day. The
# package's has become cheaper since (weights/quality_checker.py); their lines are found by this one.
STUDIED_CHECKER = {"max_epochs": 10, "batch_size": 16, "lr": 1e-4}
PACKAGES = ("skweight", "scikit-learn", "skorch", "torch", "transformers")


def new_parser(description, *, data="folder of a task: real_train.csv, real_pool.csv, test.csv and synthetic files"):
    """Begin a parser with the encoder and the number of threads, and with the data unless `data` is None."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data:
        parser.add_argument("--data", required=True, help=data)
    parser.add_argument("--encoder", required=True, help="folder of an encoder")
    parser.add_argument("--threads", type=int)
    return parser


def add_training(parser, *, rows, epochs, lr=None):
    """Add the synthetic rows of a task and how classifiers train on them; no learning rate without a default."""
    parser.add_argument("--synthetic", required=True, help="synthetic_NAME.csv, or NAME alone")
    parser.add_argument("--rows", type=int, default=rows, help="synthetic rows")
    parser.add_argument("--epochs", type=int, default=epochs, help="of the classifiers")
    if lr:
        parser.add_argument("--lr", type=float, default=lr, help="of the classifiers")


def parse(parser):
    """Parse the command line, and apply ``--threads``."""
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    return args


# Rows of a task


def take(X, y, rows):
    """Return some of the rows, their labels as an array."""
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows], np.array(y)[rows]


def draw(X, y, n_rows, seed):
    """Draw `n_rows` rows, or all if there are fewer."""
    return take(X, y, np.random.RandomState(seed).permutation(len(X))[:n_rows])


def load(args, seed=0):
    """Load the task of ``--data`` and ``--synthetic``, and draw ``--rows`` of its synthetic rows: task, X and y."""
    task = load_task(args.data, args.synthetic)
    return task, *draw(task.synth_X, task.synth_y, args.rows, seed)


def load_pool(folder):
    """Real rows that nothing is fitted on, and that choices may be made on."""
    return load_csv(Path(folder) / "real_pool.csv")


# Encoders


def encoder_name(folder):
    """Name a folder of weights, by the package around it if its own name says nothing."""
    folder = Path(folder)
    return folder.parent.name if folder.name == "model" else folder.name


def shallow(encoder, share, folder):
    """Write an encoder of that share of the layers, at least one, below `folder`, and return where."""
    if share == 1:
        return encoder
    path = Path(folder) / f"{share:.2f}"
    if not path.exists():
        model = AutoModel.from_pretrained(encoder)
        depth = max(1, round(share * len(model.encoder.layer)))
        model.encoder.layer = model.encoder.layer[:depth]
        model.config.num_hidden_layers = depth
        model.save_pretrained(path)
        AutoTokenizer.from_pretrained(encoder).save_pretrained(path)
    return str(path)


# What a run was made with


def versions():
    """Versions of what has an influence on the results."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def machine(*more):
    """Processor, `more`, threads and torch's version."""
    return ", ".join([platform.machine(), *more, f"{torch.get_num_threads()} threads", f"torch {torch.__version__}"])


def task_name(args):
    """Task and generator, for a heading."""
    return f"{Path(args.data).name} ({args.synthetic})"


# Output


def table(header, rows):
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def mean_and_deviation(values, digits=1):
    """Mean ± standard deviation (divided by n)."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"


@contextmanager
def json_lines(path):
    """Begin a file of JSON lines: a function that writes one, at once."""
    with open(path, "w", encoding="utf-8") as file:
        yield lambda line: print(json.dumps(line), file=file, flush=True)


def write_json(path, **figures):
    """Write figures to a file, if there is a path."""
    if path:
        Path(path).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
