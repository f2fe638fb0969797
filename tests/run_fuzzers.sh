#!/usr/bin/env bash
# Runs each fuzzer named for some seconds, several at once: JOBS SECONDS FUZZER... What breaks one is
# kept in build/fuzz.
set -u
jobs=$1
export seconds=$2
shift 2

run() {
    local fuzzer=$1 log=$1.log
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$fuzzer-" >"$log" 2>&1; then
        tail -40 "$log"
        echo "fuzz: $(basename "$fuzzer") failed; its input is $(ls "$fuzzer"-* 2>/dev/null | head -1)"
        return 1
    fi
    echo "fuzz: $(basename "$fuzzer") $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs"
}
export -f run
printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" bash -c 'run "$0"'
