#!/usr/bin/env bash
# Makes every run behind docs/results.md, as JSON lines in benchmarks/results, and the tables and figures from them.
#
#   benchmarks/everything.sh DATA SMALL LARGE
#
# DATA: folder of task folders; SMALL, LARGE: encoders (all-MiniLM-L6-v2 and all-mpnet-base-v2 for what is committed).
# It takes most of a day on two cores. Runs that are in the files already are skipped: it can be killed and called again,
# and calls with other seeds (SEEDS="5 9") can share the files. docs/results.md says what is in them.
set -euo pipefail
data=$1 small=$2 large=$3
cd "$(dirname "$0")"
python=${PYTHON:-python}
seeds=${SEEDS:-5}
common=(--data "$data" --epochs 3 --lr 1e-4 --threads "${THREADS:-1}" --cache "${CACHE:-cache}")
tweets=(tweet_sentiment:gpt-4 tweet_sarcasm:gpt-3.5_grounded)
more=(tweet_sentiment:llama-3.1-8b ag_news:mistral-7b)
methods=("real only" cross-entropy class-weighted focal IMP DIMP "w/o diversity checker" pooled distilled)

main() { $python paper.py "${common[@]}" --encoder "$small" --out results/main.jsonl "$@"; }

# shellcheck disable=SC2086  # SEEDS may be two numbers
main --rows 800 --seeds $seeds --tasks "${tweets[@]}" "${more[@]}" --methods "${methods[@]}"
main --rows 400 --seeds $seeds --tasks mrpc:ctrl-supergen --methods "${methods[@]}"
main --rows 800 --seeds 3 --tasks "${tweets[@]}" --methods "Hu et al."
main --rows 800 --seeds 3 --tasks tweet_sentiment:gpt-4 --methods "SunGen, real"
main --rows 800 --seeds 3 --tasks "${tweets[@]}" "${more[@]}" --methods "synthetic, then real" "pooled distilled" "pooled 1:1"
noise=("real only" cross-entropy focal IMP DIMP "Hu et al." "SunGen, real")
# The later --epochs is the one that counts.
for epochs in 3 5; do
    $python noise.py "${common[@]}" --encoder "$small" --seeds 3 --rows 500 --epochs $epochs --task tweet_sentiment \
        --unrelated ag_news --out results/noise.jsonl --methods "${noise[@]}"
done
$python dynamics.py "${common[@]}" --encoder "$small" --seeds 4 --rows 400 --epochs 5 --scored 500 \
    --tasks tweet_sentiment:gpt-4 --out results/dynamics.jsonl
$python checker_size.py "${common[@]}" --encoder "$small" --seeds 3 --rows 400 --tasks tweet_sentiment:gpt-4 \
    --out results/checker_size.jsonl
$python larger.py "${common[@]}" --encoder "$large" --checker-encoder "$small" --seeds 3 --rows 300 --scored 500 \
    --tasks tweet_sentiment:gpt-4 --out results/larger.jsonl
# Seconds are worth something only on an idle machine, and without the cache.
$python paper.py --data "$data" --epochs 3 --lr 1e-4 --threads 2 --encoder "$small" --rows 400 --seeds 1 --scored 200 \
    --tasks tweet_sentiment:gpt-4 --out results/times.jsonl \
    --methods cross-entropy IMP DIMP "IMP, fast diversity checker" distilled "Hu et al." "Ren et al." "SunGen, real" SunGen
$python report.py all results --out ../docs/results_tables.md --figures ../docs/figures
