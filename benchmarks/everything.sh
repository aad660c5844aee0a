#!/usr/bin/env bash
# Makes every run behind docs/results.md, as JSON lines in benchmarks/results, and the tables and figures from them.
#
#   benchmarks/everything.sh DATA SMALL LARGE
#
# DATA: folder of task folders; SMALL, LARGE: encoders (all-MiniLM-L6-v2 and all-mpnet-base-v2 for what is committed).
# Paths are relative to the root of the repository. It takes many hours on two cores. Runs that are in the files already
# are skipped: it can be killed and called again, and calls with other seeds (SEEDS="5 9") can share the files.
# docs/results.md says what is in them.
set -euo pipefail
data=$1 small=$2 large=$3
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
results=benchmarks/results
seeds=${SEEDS:-5}
common=(--data "$data" --epochs 3 --lr 1e-4 --threads "${THREADS:-1}" --cache "${CACHE:-benchmarks/cache}")
tweets=(tweet_sentiment:gpt-4 tweet_sarcasm:gpt-3.5_grounded)
more=(tweet_sentiment:llama-3.1-8b ag_news:mistral-7b)
methods=("real only" cross-entropy class-weighted focal IMP DIMP "w/o diversity checker" pooled distilled)

run() { $python -m "benchmarks.paper.$1" "${@:2}"; }
main() { run main_comparison "${common[@]}" --encoder "$small" --out $results/main.jsonl "$@"; }

# shellcheck disable=SC2086  # SEEDS may be two numbers
main --rows 800 --seeds $seeds --tasks "${tweets[@]}" "${more[@]}" --methods "${methods[@]}"
main --rows 400 --seeds $seeds --tasks mrpc:ctrl-supergen --methods "${methods[@]}"
main --rows 800 --seeds 3 --tasks tweet_sentiment:gpt-4 --methods "Hu et al." "SunGen, real"
main --rows 800 --seeds 3 --tasks "${tweets[@]}" --methods "Hu et al., published look-ahead"
main --rows 800 --seeds 3 --tasks "${tweets[@]}" "${more[@]}" --methods "pooled distilled"
main --rows 800 --seeds 1 --tasks "${tweets[@]}" "${more[@]}" --methods "synthetic, then real"

# From here on the last --epochs is the one that counts.
noise() {
    run noise "${common[@]}" --encoder "$small" --rows 500 --task tweet_sentiment --unrelated ag_news \
        --out $results/noise.jsonl "$@"
}
learnt=("Hu et al." "Hu et al., published look-ahead" "SunGen, real")
noise --seeds 3 --epochs 3 --methods "real only" cross-entropy focal IMP DIMP "${learnt[@]}"
noise --seeds 1 --epochs 5 --methods "real only" cross-entropy focal IMP DIMP "${learnt[@]}" \
    "Ren et al., all real rows" "Hu et al., all real rows, published look-ahead"
run dynamics "${common[@]}" --encoder "$small" --seeds 4 --rows 400 --epochs 5 --scored 500 \
    --tasks tweet_sentiment:gpt-4 --out $results/dynamics.jsonl
for epochs in 3 5; do
    run checker_size "${common[@]}" --encoder "$small" --seeds 2 --rows 400 --epochs $epochs \
        --tasks tweet_sentiment:gpt-4 --out $results/checker_size.jsonl
done
run larger "${common[@]}" --encoder "$large" --checker-encoder "$small" --seeds 2 --rows 300 --scored 500 \
    --tasks tweet_sentiment:gpt-4 --out $results/larger.jsonl
# Seconds are worth something only on an idle machine, and without the cache.
run main_comparison --data "$data" --epochs 5 --lr 1e-4 --threads 2 --encoder "$small" --rows 300 --seeds 1 \
    --scored 100 --tasks tweet_sentiment:gpt-4 --out $results/times.jsonl \
    --methods cross-entropy IMP DIMP "IMP, fast diversity checker" "Hu et al." "SunGen, real" SunGen
# Whether the opinion pool is ever worse; docs/never_worse.md has its tables. Committed are compressed files (gzip -n).
study() { $python -m benchmarks.never_worse "$1" --data "$data" --encoder "$small" --cache "${CACHE:-benchmarks/cache}" "${@:2}"; }
for prior in real balanced; do
    study frozen --prior $prior --out $results/frozen_$prior.jsonl
done
study finetuned --precision bf16 --scored 500 --threads "${THREADS:-1}" --probabilities benchmarks/probabilities \
    --out $results/finetuned.jsonl --cells ag_news:synthetic_{gemma-2-9b,mistral-7b} clinc35_intents:synthetic_gpt-3.5 \
    fiqa_sentiment:synthetic_gpt-4o mrpc:synthetic_ctrl-fewgen sst2:synthetic_ctrl-fewgen tweet_sarcasm:synthetic_gpt-3.5_simple \
    tweet_sentiment:synthetic_{gpt-4,llama-2-70b,llama-3.1-8b,mistral-7b,gemma-2-9b}
# Whether an audit is right, and whether it ranks files as trained models do; docs/guide/audit.md has the tables.
cache="${CACHE:-benchmarks/cache}"
audited() { $python -m benchmarks.audit.coverage --data "$data" --encoder "$small" --cache "$cache" --out $results/verdict.jsonl "$@"; }
audited --draws 200 --cells tweet_sentiment:llama-3.1-8b sst2:ctrl-fewgen ag_news:mistral-7b
audited --draws 100 --cells mrpc:ctrl-fewgen ag_news:gemma-2-9b tweet_sentiment:gpt-4
$python -m benchmarks.audit.ranking --data "$data" --task tweet_sentiment --encoder "$small" \
    --trained $results/finetuned.jsonl --out $results/ranking.jsonl
run report all $results --out docs/results_tables.md --figures docs/figures
