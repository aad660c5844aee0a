"""A language model that classifies by a few examples, on rows of ``test.csv``.

OPENAI_BASE_URL=http://localhost:8000/v1 python -m benchmarks.llm.few_shot --data DATA \
        --tasks financial_phrasebank tweet_irony mrpc --model MODEL --rows 100
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score

from benchmarks.common import draw, machine, table
from skweight.baselines import FewShotClassifier
from skweight.datasets import load_csv


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of all tasks")
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--log", help="folder for the answers")
    args = parser.parse_args()
    lines = []
    for task in args.tasks:
        folder = Path(args.data) / task
        X, y = draw(*load_csv(folder / "test.csv"), args.rows, seed=0)
        log = Path(args.log) / f"{task}.jsonl" if args.log else None
        clf = FewShotClassifier(
            args.model, shots=args.shots, concurrency=args.concurrency, timeout=120.0, log=log, random_state=0
        )
        answers = clf.fit(*load_csv(folder / "real_train.csv")).answer(X)
        said = np.array([str(answer["label"]) for answer in answers])
        counts = Counter(answer["status"] for answer in answers)
        lines.append(
            [
                task,
                len(X),
                *(counts[status] for status in ("answered", "abstained", "failed")),
                f"{100 * np.mean(said == y):.1f}",
                f"{100 * f1_score(y, said, average='macro', labels=np.unique(y), zero_division=0):.1f}",
                f"{100 * max(Counter(y).values()) / len(y):.1f}",
            ]
        )
        print(*lines[-1], flush=True)
    print(table(["task", "rows", "answers", "abstentions", "failures", "accuracy", "macro-F1", "largest class"], lines))
    print(machine())


if __name__ == "__main__":
    main()
