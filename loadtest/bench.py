#!/usr/bin/env python3
"""The benchmark: measures asofd, and redis-server, Kafka Streams, DuckDB and Feast beside it, and writes
docs/benchmarks.md, its plots, and the goals in README.md.

Starts and stops all servers itself, in a temporary directory that is removed at the end, also after Ctrl-C.
Exit codes: 0 measured (whether or not goals are reached), 1 could not, 2 wrong usage, 130 interrupted."""

import argparse
import datetime
import os
import pathlib
import re
import signal
import sys
import tempfile
import time

import freshness
import kafka_bench
import latency
import offline_bench
import past
import plots
import pushes
import reads
import report
import restart
import rpc_bench
import window_cost
from measure import REDIS_BENCHMARK
from pair import Pair
from replay import REPLAY
from rpc_load import RPC_LOAD
from servers import ASOF, ASOFD, GRPCPP_CONSTANT, REDIS_SERVER, ROOT, BenchError, pin_driver, require

# In this order. Those of a pair share both servers; `mixed` is the last of them as it writes to both.
PAIR_SUBJECTS = ("reads", "latency", "past", "mixed")
SUBJECTS = (*PAIR_SUBJECTS, "rpc", "pushes", "freshness", "window", "restart", "kafka", "offline")
EVENT_RATES = (1_000, 10_000)
# Of a full run and of --quick. Times are of one run of one server.
FULL = {"entities": 10_000, "rounds": 5, "read_run_s": 2.0, "read_rates": (5_000, 10_000, 20_000, 40_000, 80_000),
        "rate_rounds": 3, "rate_run_s": 2.0, "mixed_run_s": 5.0, "past_run_s": 2.0, "push_events": 1_000_000,
        "push_rounds": 3, "fresh_run_s": 10, "sizes": (100, 1_000, 10_000, 100_000, 1_000_000), "cost_rounds": 3,
        "cost_run_s": 1.0, "restart_entities": 1_000_000, "restart_rounds": 3,
        "kafka_events": 1_000_000, "kafka_rounds": 3, "kafka_warm_up_events": 100_000, "kafka_run_s": 60, "kafka_fresh_s": 20,
        "kafka_waiting_events": 5_000_000, "kafka_idle_s": 5,
        "labels": 100_000, "history_events": 1_000_000, "history_cards": 10_000, "offline_rounds": 3,
        "population": 1_000_000, "snapshot_idle_s": 5}
QUICK = {"entities": 2_000, "rounds": 2, "read_run_s": 0.5, "read_rates": (5_000, 20_000), "rate_rounds": 2,
         "rate_run_s": 1.0, "mixed_run_s": 2.0, "past_run_s": 0.5, "push_events": 100_000, "push_rounds": 1,
         "fresh_run_s": 3, "sizes": (100, 10_000), "cost_rounds": 2, "cost_run_s": 0.3, "restart_entities": 50_000,
         "restart_rounds": 2, "kafka_events": 200_000, "kafka_rounds": 1, "kafka_warm_up_events": 10_000, "kafka_run_s": 12,
         "kafka_fresh_s": 5, "kafka_waiting_events": 500_000, "kafka_idle_s": 2,
         "labels": 10_000, "history_events": 100_000, "history_cards": 1_000, "offline_rounds": 1,
         "population": 200_000, "snapshot_idle_s": 2}


def parse(arguments):
    parser = argparse.ArgumentParser(description="Measures asofd and redis-server; writes docs/benchmarks.md.")
    parser.add_argument("--quick", action="store_true", help="some two minutes, rough; writes no file without --out")
    parser.add_argument("--entities", type=int, help=f"for reads and keys of pushes [{FULL['entities']}]")
    parser.add_argument("--rounds", type=int, help=f"A B A B so many times, of reads and mixed [{FULL['rounds']}]")
    parser.add_argument("--only", action="append", choices=SUBJECTS, metavar="SUBJECT",
                        help=f"one of {', '.join(SUBJECTS)}; may be repeated; writes no file without --out")
    parser.add_argument("--out", type=pathlib.Path,
                        help="where the document goes, with plots/ beside it [docs/benchmarks.md, and README.md]")
    options = parser.parse_args(arguments)
    for name, low, high in (("entities", 1, 10_000_000), ("rounds", 1, 1000)):
        value = getattr(options, name)
        if value is not None and not low <= value <= high:
            parser.error(f"--{name} must be {low} to {high}, got {value}")
    return options


class Bench:
    """One run: its sizes, its folder, and the subjects by name."""

    def __init__(self, options, folder):
        self.size = dict(QUICK if options.quick else FULL)
        self.size.update({name: getattr(options, name) for name in ("entities", "rounds")
                          if getattr(options, name) is not None})
        self.wanted = options.only or SUBJECTS
        self.folder = folder
        self.start_s = time.monotonic()

    def say(self, text):
        print(f"[{time.monotonic() - self.start_s:4.0f} s] {text}", file=sys.stderr, flush=True)

    def _subfolder(self, name):
        path = self.folder / name
        path.mkdir()
        return path

    def run(self, results):
        """Measures what is wanted, one subject after the other; nothing else of ours runs meanwhile."""
        size, say = self.size, self.say
        self._run_pair(results)
        alone = {
            "rpc": lambda folder: rpc_bench.measure(folder, size["entities"], size["rounds"], size["past_run_s"], say),
            "pushes": lambda folder: pushes.measure(folder, size["push_events"], size["entities"], size["push_rounds"], say),
            "freshness": lambda folder: freshness.measure(folder, EVENT_RATES, size["fresh_run_s"], size["entities"], say),
            "window": lambda folder: window_cost.measure(folder, size["sizes"], size["cost_rounds"], size["cost_run_s"], say),
            "restart": lambda folder: restart.measure(folder, size["restart_entities"], size["restart_rounds"], say),
            "kafka": lambda folder: kafka_bench.measure(folder, size, say),
            "offline": lambda folder: offline_bench.measure(folder, size, say),
        }
        for name, measure in alone.items():
            if name in self.wanted:
                setattr(results, name, measure(self._subfolder(name)))
        results.took_s = time.monotonic() - self.start_s

    def _run_pair(self, results):
        """The subjects that compare both servers on the same rows."""
        size, say = self.size, self.say
        if not set(PAIR_SUBJECTS) & set(self.wanted):
            return
        with Pair(self._subfolder("pair"), size["entities"], say) as pair:
            subjects = {
                "reads": lambda: reads.measure(pair, self._subfolder("reads"), size["rounds"], size["read_run_s"], say),
                "latency": lambda: latency.measure(pair, self._subfolder("latency"), size["read_rates"],
                                                   size["rate_rounds"], size["rate_run_s"], say),
                "past": lambda: past.measure(pair, self._subfolder("past"), size["rounds"], size["past_run_s"], say),
                "mixed": lambda: latency.measure_mixed(pair, self._subfolder("mixed"), size["rounds"],
                                                       size["mixed_run_s"], say),
            }
            for name in PAIR_SUBJECTS:
                if name in self.wanted:
                    setattr(results, name, subjects[name]())


def _shown(arguments):
    """The arguments as a document may show them: without places on this machine."""
    shown = re.sub(r"(--out[= ])\S+", r"\1FILE", " ".join(arguments))
    return shown.split()


def write(results, out, is_default):
    """The document and its plots; with the default place also README.md."""
    out.write_text(report.render(results))
    plots.draw(results, out.parent / "plots")
    if is_default:
        report.update_readme(results, ROOT / "README.md")
    print(f"bench: written to {out}", file=sys.stderr)


def main(arguments):
    options = parse(arguments)
    is_whole = not options.quick and options.only is None
    out = options.out or (ROOT / "docs/benchmarks.md" if is_whole else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = report.Results(datetime.datetime.now(datetime.timezone.utc), _shown(arguments), os.getloadavg()[0])
    try:
        for binary in (ASOFD, ASOF, REPLAY, RPC_LOAD, GRPCPP_CONSTANT):
            require(binary, "run make bench")
        require(REDIS_SERVER, "install Debian's package redis-server")
        require(REDIS_BENCHMARK, "install Debian's package redis-tools")
        pin_driver()
        with tempfile.TemporaryDirectory(prefix="asof-bench-") as folder:
            Bench(options, pathlib.Path(folder)).run(results)
        print(report.render(results))
        if out is not None:
            write(results, out, options.out is None)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
