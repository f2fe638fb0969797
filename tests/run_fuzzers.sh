#!/usr/bin/env bash
# Runs each fuzzer named for the seconds given first; what breaks one is kept in build/fuzz.
set -u
seconds=$1
shift
for fuzzer in "$@"; do
    log=$fuzzer.log
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$fuzzer-" >"$log" 2>&1; then
        tail -40 "$log"
        echo "fuzz: $(basename "$fuzzer") failed; its input is $(ls "$fuzzer"-* 2>/dev/null | head -1)"
        exit 1
    fi
    echo "fuzz: $(basename "$fuzzer") $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs"
done
