"""How often an audit is right: 300 real rows drawn again and again, judged, and compared with all the others.

    python -m benchmarks.audit.coverage --data DATA --cells TASK:SYNTHETIC ... --encoder FOLDER --cache FOLDER \
        --out FILE

The truth of a cell is what its real rows say that were not drawn: the difference in accuracy between the opinion pool
and the real rows alone, both fitted on all 300 drawn rows, on average over the draws. An interval is right if it covers
this. A verdict is wrong if it is "use" where the truth is negative, or "do not use" where the truth is above a point.
Lines are kept in ``--out``: what is there is not run again. What is judged is kept in ``--cache``, so that another
formula for the interval can be tried in a moment. ``--report`` prints the table of a file.
"""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Memory
from scipy import stats
from sklearn.linear_model import LogisticRegression

from benchmarks.common import draw, encoder_name, machine, new_parser, parse, table
from benchmarks.never_worse.frozen import Embedder
from benchmarks.paper.lines import Lines, read_lines
from skweight._audit.comparison import POOL, REAL, Sources, Trial, cross_validate
from skweight._pools import folds
from skweight._verdict import judge

N_REAL = 300
LEVELS = {"confidence": 0.95, "rope": 0.01}


def compare(path, n_synthetic, seed, embedder):
    """Draw real rows and cross-validate on them.

    Returns
    -------
    differences : ndarray of shape (n_repeats, 300)
        Hits of the opinion pool, minus those of the real rows alone.
    y : ndarray of shape (300,)
    seeds : ndarray of int
        Of the folds of each repeat.
    on_others : ndarray of shape (n_others,)
        The same differences on the rows that were not drawn, both fitted on all that were.
    """
    synth_X, synth_y = embedder.load(path)
    files = [embedder.load(path.with_name(name)) for name in ("real_train.csv", "real_pool.csv")]
    X, y = (np.concatenate(parts) for parts in zip(*files, strict=True))
    classes, y = np.unique(y, return_inverse=True)
    rng = np.random.RandomState(10_000 + seed)
    order = rng.permutation(len(X))
    drawn, others = order[:N_REAL], order[N_REAL:]
    synth_X, synth_y = draw(synth_X, synth_y, n_synthetic, seed)
    synth_y, expert = np.searchsorted(classes, synth_y), LogisticRegression(max_iter=500)
    sources = Sources(synth_X, synth_y, X[drawn], y[drawn], len(classes), expert)
    seeds = rng.randint(2**31, size=3)
    trial = Trial(sources, cv=5, seeds=seeds, **LEVELS)
    inner = [drawn[test] for _, test in folds(y[drawn], 5, seed)]
    hits = cross_validate(replace(sources, real_X=X, real_y=y), [others, *inner], scored=[0])
    return trial.hits[POOL] - trial.hits[REAL], y[drawn], seeds, (hits[POOL] - hits[REAL])[others]


def score(differences, y, seeds, on_others):
    """Judge them; beside it, half of the interval with the correction of Nadeau and Bengio (2003)."""
    verdict = judge(differences, y, np.ones(len(y)), **LEVELS).to_dict()
    of_folds = [
        repeat[test].mean() for repeat, seed in zip(differences, seeds, strict=True) for _, test in folds(y, 5, seed)
    ]
    error = np.std(of_folds, ddof=1) * np.sqrt(1 / len(of_folds) + 1 / 4)
    wider = stats.t.ppf(0.975, len(of_folds) - 1) * error
    return {**verdict, "nadeau_bengio": wider, "on_others": float(np.mean(on_others)), "n_others": len(on_others)}


def report(path):
    """Print coverage, and how often each verdict was given and wrong."""
    of_cell = defaultdict(list)
    for line in read_lines([path]):
        of_cell[line["config"]["cell"]].append(line)
    names = ("low", "high", "difference", "nadeau_bengio", "on_others", "decision")
    rows = []
    for cell, results in sorted(of_cell.items()):
        low, high, difference, wider, others, decision = (
            np.array([result[name] for result in results]) for name in names
        )
        truth = others.mean()
        wrong = ((decision == "use") & (truth < 0)) | ((decision == "do not use") & (truth > 0.01))
        rows.append(
            [
                cell,
                len(results),
                f"{100 * truth:+.1f} ± {100 * others.std() / np.sqrt(len(results)):.1f}",
                f"± {50 * np.mean(high - low):.1f}",
                f"{100 * np.mean((low <= truth) & (truth <= high)):.1f} %",
                *(f"{100 * np.mean(decision == name):.1f} %" for name in ("use", "do not use", "cannot tell")),
                f"{100 * wrong.mean():.1f} %",
                f"± {100 * wider.mean():.1f}",
                f"{100 * np.mean(abs(difference - truth) <= wider):.1f} %",
            ]
        )
    header = ["cell", "draws", "truth", "interval", "covers", "use", "do not use", "cannot tell", "wrong"]
    print(table([*header, "Nadeau-Bengio", "covers"], rows))


def main():
    parser = new_parser(__doc__, data="folder of all tasks")
    parser.add_argument("--cells", nargs="+", help="TASK:SYNTHETIC")
    parser.add_argument("--rows", type=int, default=1000, help="synthetic rows")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--cache", help="folder for embeddings")
    parser.add_argument("--out", required=True)
    parser.add_argument("--report", action="store_true", help="print the table of what is there")
    args = parse(parser)
    if not args.report:
        lines, embedder = Lines(args.out), Embedder(args.encoder, args.cache)
        cached = Memory(Path(args.cache) / encoder_name(args.encoder), verbose=0).cache(compare, ignore=["embedder"])
        for seed in range(args.draws):  # all cells of a draw, so that a run that is cut short has some of each
            for cell in args.cells:
                config = {"cell": cell, "seed": seed, "encoder": encoder_name(args.encoder), "rows": args.rows}
                if not lines.has(config):
                    task, _, synthetic = cell.partition(":")
                    path = Path(args.data) / task / f"synthetic_{synthetic}.csv"
                    lines.add(config, score(*cached(path, args.rows, seed, embedder)))
        print(machine())
    report(args.out)


if __name__ == "__main__":
    main()
