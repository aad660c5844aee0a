"""A program that scores files with one worker: ``python score_until_killed.py FOLDER GATE``."""

import sys

from scale_checkers import WaitingChecker

from skweight.scale import score

if __name__ == "__main__":
    folder, gate = sys.argv[1:]
    score(f"{folder}/in", f"{folder}/out", quality=WaitingChecker(gate), n_workers=1, batch_rows=4)
