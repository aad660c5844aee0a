"""Resumable runs: every method on every task with every seed, one line of a file each.

Seeds come first: after a while every task has all its methods with few seeds, rather than the first task alone with
many.
"""

from functools import partial

from benchmarks.common import new_parser
from benchmarks.paper.cell import Cell
from benchmarks.paper.configuration import PRESETS, configuration
from benchmarks.paper.lines import Lines
from benchmarks.paper.methods import METHODS


def study_parser(description, *, seeds=3, methods=METHODS, default=None, tasks=True):
    """Begin the parser of a study; a study without `tasks` adds its own.

    `methods` are those to choose from, and `default` are the names of those that run if none are chosen.
    """
    parser = new_parser(description, data="folder of task folders")
    if tasks:
        parser.add_argument("--tasks", nargs="+", required=True, metavar="FOLDER:GENERATOR")
    required = {"default": default} if default else {"required": True}
    parser.add_argument("--methods", nargs="+", choices=methods, metavar="METHOD", **required)
    parser.add_argument("--seeds", type=int, nargs="+", default=[seeds], help="how many, or FIRST LAST")
    parser.add_argument("--rows", type=int, default=800, help="synthetic rows, drawn again for each seed")
    parser.add_argument("--real-rows", type=int, help="real rows; all by default")
    parser.add_argument("--scored", type=int, default=1000, help="rows of test.csv and of real_pool.csv to score on")
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--lr", type=float, help="instead of the preset's")
    parser.add_argument("--cache", help="folder to keep the checkers that methods share, for a later call")
    parser.add_argument("--out", required=True, help="file of JSON lines; runs that it holds already are skipped")
    return parser


def places(args):
    """Seed, task and generator of every cell; a task named without a generator has None."""
    seeds = range(*args.seeds) if len(args.seeds) == 1 else range(args.seeds[0], args.seeds[1] + 1)
    for seed in seeds:
        for name in args.tasks:
            task, _, synthetic = name.partition(":")
            yield seed, task, synthetic or None


def run_cell(lines, make_cell, config, methods):
    """Run those of the methods that the file lacks; the cell is made only if there are any."""
    cell = None
    for name, method in methods.items():
        config = config | {"method": name}
        if lines.has(config):
            continue
        cell = cell or make_cell()
        result = cell.measure(method)
        lines.add(config, result)
        where = (config.get(part) for part in ("task", "synthetic", "share", "budget"))
        print(*filter(None, where), f"seed {config['seed']} {name}: {cell.summary(result)}", flush=True)


def run_grid(args, kind=Cell, methods=METHODS, **more):
    """Run the chosen ones of `methods` in cells of a `kind`; `more` goes into the configuration."""
    lines = Lines(args.out)
    chosen = {name: methods[name] for name in args.methods}
    for seed, task, synthetic in places(args):
        config = configuration(args, task, synthetic, None, seed, **more)
        run_cell(lines, partial(kind, args, task, synthetic, seed), config, chosen)
