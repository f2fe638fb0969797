#!/usr/bin/env bash
# Runs the unit tests named; prints what failed, and a line of sums at the end.
set -u
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for test in "$@"; do
    "$test" >"$log" 2>&1
    code=$?
    passed=$((passed + $(grep -c '^\[       OK \]' "$log")))
    failed=$((failed + $(grep -c '^\[  FAILED  \] [a-z_]*$' "$log") / 2))
    if [ $code -ne 0 ]; then
        echo "$test failed (exit code $code):"
        grep -vE '^\[ (RUN     |      OK) \]' "$log"
        failed=$((failed > 0 ? failed : 1))
    fi
done
echo "unit tests: $passed passed, $failed failed"
[ $failed -eq 0 ]
