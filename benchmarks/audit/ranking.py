"""Whether an audit ranks the synthetic files of a task as the models do that are trained on them.

    python -m benchmarks.audit.ranking --data DATA --task tweet_sentiment --encoder FOLDER \
        --trained results/finetuned.jsonl --out results/ranking.jsonl

Audits the rows that the runs of ``benchmarks.never_worse finetuned`` were trained on, draw by draw. The score of each
way to train on frozen features is compared with the accuracy of the model that was fine-tuned that way, on ``test.csv``
and on further real rows: Spearman's rank correlation over the files. Lines are kept in ``--out``: what is there is not
run again.
"""

from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from benchmarks.common import encoder_name, machine, new_parser, parse, table, take
from benchmarks.never_worse.rules import draw_rows, right_rows
from benchmarks.paper.lines import Lines, read_lines
from skweight import audit
from skweight._audit.comparison import BOTH, POOL, SYNTHETIC
from skweight.datasets import load_csv

# How each fine-tuned method is called in an audit.
WAYS = {"cross-entropy": SYNTHETIC, "pooled": BOTH, "student": POOL}
SIDES = {"test": "test.csv", "pool": "further real rows"}


def accuracies(path, task, encoder):
    """Accuracies of each trained model of the task by side, by synthetic file, draw and method."""
    return {
        (config["cell"].partition(":")[2], config["draw"], config["method"]): {
            side: right_rows(line[side]).mean() for side in SIDES
        }
        for line in read_lines([path])
        for config in [line["config"]]
        if config["cell"].startswith(f"{task}:") and config["encoder"] == encoder
    }


def judge(folder, name, draw, encoder):
    """Audit the rows of a draw."""
    synth_X, synth_y = load_csv(folder / f"{name}.csv")
    files = [load_csv(folder / part) for part in ("real_train.csv", "real_pool.csv")]
    X, y = files[0][0] + files[1][0], np.r_[files[0][1], files[1][1]]
    rows, real, _ = draw_rows(len(synth_X), y, np.unique(synth_y), draw)
    return audit(*take(synth_X, synth_y, rows), *take(X, y, real), encoder=encoder)


def main():
    parser = new_parser(__doc__, data="folder of all tasks")
    parser.add_argument("--task", required=True)
    parser.add_argument("--trained", required=True, help="lines of benchmarks.never_worse finetuned")
    parser.add_argument("--out", required=True)
    args = parse(parser)
    lines, encoder = Lines(args.out), encoder_name(args.encoder)
    trained = accuracies(args.trained, args.task, encoder)
    names = sorted({name for name, _, method in trained if method in WAYS})
    draws = sorted({draw for _, draw, method in trained if method in WAYS})
    for draw in draws:
        for name in names:
            config = {"task": args.task, "synthetic": name, "draw": draw, "encoder": encoder}
            if not lines.has(config):
                result = judge(Path(args.data) / args.task, name, draw, args.encoder)
                lines.add(config, {"verdict": result.verdict.to_dict(), "scores": result.scores})
    found = {(line["config"]["synthetic"], line["config"]["draw"]): line for line in read_lines([args.out])}
    for method, way in WAYS.items():
        audited = np.array([[score_of(found[name, draw], way) for draw in draws] for name in names])
        columns = {f"audit, {way}": audited}
        for side, what in SIDES.items():
            accuracy = np.array([[trained[name, draw, method][side] for draw in draws] for name in names])
            columns[f"fine-tuned, {what}"] = accuracy
            rho = [f"{spearmanr(*pair)[0]:.2f}" for pair in zip(audited.T, accuracy.T, strict=True)]
            of_means = f"{spearmanr(audited.mean(axis=1), accuracy.mean(axis=1))[0]:.2f}"
            print(f"{method}, {what}: rank correlation {of_means} of means over draws; of each draw", *rho)
        rows = [
            [name, *(" ".join(f"{100 * x:.1f}" for x in column[i]) for column in columns.values())]
            for i, name in enumerate(names)
        ]
        print(table([f"file ({method})", *columns], rows))
    print(machine())


def score_of(line, way):
    """Accuracy of one way to train, as audited."""
    return next(row["score"] for row in line["scores"] if row["name"] == way)


if __name__ == "__main__":
    main()
