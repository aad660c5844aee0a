"""Memory and time of tokenising and weighing many rows, and memory of training by batch size.

    python -m benchmarks.speed.memory --encoder FOLDER --rows 1000 10000 100000 1000000 --batch-sizes 8 32 128

Texts are 25 tokens long (words of film reviews in random order, all different). A frozen checker, the encoder's first
layer, gives the probability of each row's label, and those become weights. Each size runs in a process of its own.
Memory is the highest resident memory less that with the model loaded and used once; the texts themselves are counted.
Rows are weighed in slices of at most 100,000, so that the time of the first and the last can be compared. Linux only.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from transformers import AutoTokenizer

from benchmarks.common import new_parser, parse, shallow, table, write_json
from skweight import importance_weights
from skweight._rows.tokens import tokenize
from skweight.baselines import CrossEntropyClassifier
from skweight.datasets import load_film_reviews

SLICE = 100_000
WEIGH_HEADER = [
    "rows",
    "texts, MiB",
    "tokenise, s",
    "weigh in slices, s",
    "per 100,000: first, last, s",
    "peak in slices, MiB",
    "weigh at once, s",
    "peak at once, MiB",
]


def texts(n_rows, tokenizer, n_tokens=25):
    """Texts of that many tokens, [CLS] and [SEP] included."""
    words = sorted({word for text in load_film_reviews().X for word in text.lower().split() if word.isalpha()})
    whole = [word for word in words if len(tokenizer(word)["input_ids"]) == 3]
    rng = np.random.default_rng(0)
    for start in range(0, n_rows, SLICE):
        for row in rng.integers(len(whole), size=(min(SLICE, n_rows - start), n_tokens - 2)):
            yield " ".join([whole[i] for i in row])


def memory(what):
    """Resident memory in MiB: now (VmRSS), or at its highest (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise KeyError(what)


def begin():
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest so far
    return memory("VmRSS")


def weigh(encoder, n_rows):
    films = load_film_reviews()
    checker = CrossEntropyClassifier(encoder, max_epochs=1, random_state=0).fit(films.X[:64], films.y[:64])
    list(texts(10, checker.tokenizer_))
    checker.predict_proba(films.X)
    base = begin()
    X = list(texts(n_rows, checker.tokenizer_))
    y = np.arange(n_rows) % 2
    held = memory("VmRSS") - base
    started = time.perf_counter()
    n_tokens = len(tokenize(X, checker.tokenizer_, 128, ()).ids)
    tokenised = time.perf_counter() - started
    weights, seconds = [], []
    for start in range(0, n_rows, SLICE):
        started = time.perf_counter()
        rows = slice(start, start + SLICE)
        proba = checker.predict_proba(X[rows])
        weights.append(importance_weights(proba[np.arange(len(proba)), y[rows]]))
        seconds.append(time.perf_counter() - started)
    in_slices = memory("VmHWM") - base
    result = {"rows": n_rows, "tokens": n_tokens, "texts_mib": held, "tokenise_s": tokenised, "slices_s": seconds}
    started = time.perf_counter()
    at_once = importance_weights(checker.predict_proba(X)[np.arange(n_rows), y])
    assert np.allclose(at_once, np.concatenate(weights), rtol=1e-4)
    return result | {
        "at_once_s": time.perf_counter() - started,
        "slices_peak_mib": in_slices,
        "at_once_peak_mib": memory("VmHWM") - base,
    }


def train(encoder, batch_size):
    checker = CrossEntropyClassifier(encoder, max_epochs=1, batch_size=batch_size, random_state=0)
    X = list(texts(2 * batch_size, AutoTokenizer.from_pretrained(encoder), n_tokens=100))
    checker.fit(X[:4], [0, 1, 0, 1])
    base = begin()
    checker.fit(X, np.arange(len(X)) % 2)
    return {"batch_size": batch_size, "peak_mib": memory("VmHWM") - base}


def in_a_process(args, encoder, *option):
    """Measure one size in a process of its own, so that the memory of the others does not count."""
    sizes = {"--rows": [], "--batch-sizes": []} | {option[0]: [str(option[1])]}
    command = [sys.executable, "-m", "benchmarks.speed.memory", "--encoder", encoder]
    command += ["--threads", str(args.threads)] if args.threads else []
    for name, values in sizes.items():
        command += [name, *values]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def weigh_row(r):
    """Cells of the table of weighing."""
    ends = f"{r['slices_s'][0]:.1f}, {r['slices_s'][-1]:.1f}" if r["rows"] >= 2 * SLICE else ""
    cells = [r["rows"], f"{r['texts_mib']:.0f}", f"{r['tokenise_s']:.1f}", f"{sum(r['slices_s']):.1f}", ends]
    return [*cells, f"{r['slices_peak_mib']:.0f}", f"{r['at_once_s']:.1f}", f"{r['at_once_peak_mib']:.0f}"]


def main():
    parser = new_parser(__doc__, data=None)
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[8, 32, 128])
    parser.add_argument("--json", help="also write the figures here")
    args = parse(parser)
    if not (args.rows or args.batch_sizes):
        return
    if len(args.rows) + len(args.batch_sizes) == 1:  # the process of one size
        print(json.dumps(weigh(args.encoder, *args.rows) if args.rows else train(args.encoder, *args.batch_sizes)))
        return
    with tempfile.TemporaryDirectory() as folder:
        one_layer = shallow(args.encoder, 0, folder)
        weighed = [in_a_process(args, one_layer, "--rows", n) for n in args.rows]
        trained = [in_a_process(args, args.encoder, "--batch-sizes", n) for n in args.batch_sizes]
    print(table(WEIGH_HEADER, map(weigh_row, weighed)))
    rows = [[r["batch_size"], f"{r['peak_mib']:.0f}"] for r in trained]
    print("\n" + table(["batch size, 100 tokens each", "peak while training, MiB"], rows))
    write_json(args.json, weighed=weighed, trained=trained)


if __name__ == "__main__":
    main()
