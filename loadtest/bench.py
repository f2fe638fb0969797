#!/usr/bin/env python3
"""The benchmark: measures asofd, and redis-server beside it, and writes docs/benchmarks.md.

Starts and stops all servers itself, in a temporary directory that is removed at the end, also after Ctrl-C.
Exit codes: 0 measured (whether or not goals are reached), 1 could not, 2 wrong usage, 130 interrupted."""

import argparse
import datetime
import os
import pathlib
import signal
import sys
import tempfile
import time

import freshness
import pushes
import reads
import report
import window_cost
from servers import ASOF, ASOFD, REDIS_SERVER, ROOT, BenchError, pin_driver, require
from measure import REDIS_BENCHMARK

RATES = (1_000, 10_000)
SIZES = (10, 100, 1_000, 10_000)
# Of a full run and of --quick: rounds, seconds a run of redis-benchmark, events pushed and how often, seconds at a rate.
FULL = {"entities": 10_000, "rounds": 5, "read_run_s": 2.0, "cost_run_s": 1.0, "push_events": 1_000_000,
        "push_rounds": 3, "rate_s": 10}
QUICK = {"entities": 2_000, "rounds": 2, "read_run_s": 0.5, "cost_run_s": 0.3, "push_events": 100_000,
         "push_rounds": 1, "rate_s": 3}


def parse(arguments):
    parser = argparse.ArgumentParser(description="Measures asofd and redis-server; writes docs/benchmarks.md.")
    parser.add_argument("--quick", action="store_true", help="under a minute, rough; writes no file without --out")
    parser.add_argument("--entities", type=int, help=f"for reads and keys of pushes [{FULL['entities']}]")
    parser.add_argument("--rounds", type=int, help=f"A B A B so many times [{FULL['rounds']}]")
    parser.add_argument("--out", type=pathlib.Path, help="where the document goes [docs/benchmarks.md]")
    options = parser.parse_args(arguments)
    for name, low, high in (("entities", 1, 10_000_000), ("rounds", 1, 1000)):
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            parser.error(f"--{name} must be {low} to {high}, got {value}")
    return options


def run(options, arguments, folder):
    """Measures everything, one subject after the other; nothing else of ours runs meanwhile."""
    size = dict(QUICK if options.quick else FULL)
    size.update({name: getattr(options, name) for name in ("entities", "rounds") if getattr(options, name) is not None})
    load_before = os.getloadavg()[0]
    started, start_s = datetime.datetime.now(datetime.timezone.utc), time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - start_s:4.0f} s] {text}", file=sys.stderr, flush=True)

    def subfolder(name):
        path = folder / name
        path.mkdir()
        return path

    measured_reads = reads.measure(subfolder("reads"), size["entities"], size["rounds"], size["read_run_s"], say)
    measured_pushes = pushes.measure(subfolder("pushes"), size["push_events"], size["entities"],
                                     size["push_rounds"], say)
    rates = freshness.measure(subfolder("freshness"), RATES, size["rate_s"], size["entities"], say)
    costs = window_cost.measure(subfolder("window_cost"), SIZES, size["cost_run_s"], say)
    return report.Results(started, time.monotonic() - start_s, arguments, load_before, measured_reads, measured_pushes,
                          rates, costs)


def main(arguments):
    options = parse(arguments)
    out = options.out or (None if options.quick else ROOT / "docs/benchmarks.md")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        require(ASOFD, "run make")
        require(ASOF, "run make")
        require(REDIS_SERVER, "install Debian's package redis-server")
        require(REDIS_BENCHMARK, "install Debian's package redis-tools")
        pin_driver()
        with tempfile.TemporaryDirectory(prefix="asof-bench-") as folder:
            text = report.render(run(options, arguments, pathlib.Path(folder)))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    print(text)
    if out is not None:
        out.write_text(text)
        print(f"bench: written to {out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
