"""docs/benchmarks.md: the machine, the versions, the commands and the numbers of one run."""

import dataclasses
import datetime
import os
import pathlib
import platform
import re
import subprocess

import freshness
import goals
import pushes
import reads
import window_cost
from measure import REDIS_BENCHMARK, Spread
from servers import ASOFD, LOAD_CPU, REDIS_SERVER, ROOT, SERVER_CPU

INTRODUCTION = f"""\
Written by `make bench`; each run writes it anew. Each server is pinned to CPU {SERVER_CPU}, all load to CPU {LOAD_CPU}.
CPU is the server's, user and system, all threads (`/proc/PID/stat`). The view is
[loadtest/payments.yaml](../loadtest/payments.yaml): 20 features over five windows, one of them a session."""


@dataclasses.dataclass
class Results:
    """All that one run measured."""

    started: datetime.datetime
    took_s: float
    arguments: list
    load_before: float  # the machine's load average of one minute, before anything was started
    reads: reads.ReadsResult
    pushes: list        # of pushes.PushesResult, one a round
    freshness: list     # of freshness.RateResult
    window_costs: list  # of window_cost.WindowCost


def render(results):
    """The whole document."""
    judged = goals.judge(results)
    parts = ["# Benchmarks", INTRODUCTION, _goals(judged), _reads(results.reads), _memory(results.reads),
             _pushes(results.pushes), _freshness(results.freshness), _window_costs(results.window_costs),
             _commands(results), _machine(results)]
    return "\n\n".join(parts) + "\n"


def _table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _goals(judged):
    missed = [goal for goal in judged if goal.verdict is goals.Verdict.MISSED]
    unmeasured = [goal for goal in judged if goal.verdict is goals.Verdict.UNMEASURED]
    reached = len(judged) - len(missed) - len(unmeasured)
    rows = [[goal.what, goal.goal, goal.measured, goal.verdict.value] for goal in judged]
    return (f"## Goals\n\nOf {len(judged)} goals {reached} are reached, {len(missed)} are not, and {len(unmeasured)} "
            f"are not measured yet.\n\n{_table(['what', 'goal', 'measured', ''], rows)}")


def _reads(result):
    rows = []
    for at in result.pipelines:
        rows.append([str(at.pipeline), at.asofd_per_s.text("{:,.0f}"), at.redis_per_s.text("{:,.0f}"),
                     at.ratio.text("{:.2f}"), at.asofd_cpu_us.text("{:.2f}"), at.redis_cpu_us.text("{:.2f}"),
                     at.cpu_ratio.text("{:.2f}")])
    load = [[str(at.pipeline), at.asofd_p99_ms.text("{:.2f}"), at.redis_p99_ms.text("{:.2f}"),
             at.asofd_load_busy.text("{:.2f}"), at.redis_load_busy.text("{:.2f}")] for at in result.pipelines]
    return (f"## Hot reads\n\nHMGET of 10 of the 20 features of a random entity; {result.entities:,} entities of 10 events. "
            f"redis-server has the same rows as hashes. {reads.CONNECTIONS} connections, A B A B in {result.rounds} rounds; "
            "medians, least and greatest of the rounds; a ratio is asofd to redis-server of the same round.\n\n"
            + _table(["pipeline", "asofd, requests/s", "redis-server, requests/s", "ratio", "asofd, CPU µs a request",
                      "redis-server, CPU µs a request", "ratio"], rows)
            + "\n\nLatency as redis-benchmark sees it, and the part of its CPU that it used: near 1.00 it is the load that "
            "limits.\n\n" + _table(["pipeline", "asofd, p99 ms", "redis-server, p99 ms", "load busy, asofd",
                                    "load busy, redis-server"], load))


def _memory(result):
    rows = [["asofd", f"{result.asofd_entity_bytes:,.0f}"], ["redis-server", f"{result.redis_entity_bytes:,.0f}"]]
    return (f"## Memory\n\nGrowth of RSS from the empty server, over {result.entities:,} entities; asofd with all events "
            "loaded and each row read once. Its write buffers and caches are in it, so few entities make it look worse.\n\n"
            + _table(["server", "bytes an entity"], rows))


def _pushes(rounds):
    def over(value, pattern="{:,.0f}"):
        return Spread.of([value(result) for result in rounds]).text(pattern)

    rows = [["events a round", over(lambda at: at.events)],
            ["bytes an event, JSON", over(lambda at: at.event_bytes)],
            ["events per CPU second, with a full compaction", over(lambda at: at.events_per_cpu_s)],
            ["events per CPU second, until quiet", over(lambda at: at.events / at.cpu_quiet_s)],
            ["events per CPU second, while pushing", over(lambda at: at.events / at.cpu_push_s)],
            ["events/s", over(lambda at: at.events_per_s)],
            ["sorted files flushed", over(lambda at: at.flushed_files)],
            ["bytes written to disk before that compaction, an event", over(lambda at: at.written_bytes / at.events)],
            ["growth of RSS, MiB", over(lambda at: at.rss_growth_bytes / 2**20)]]
    return (f"## Pushes\n\n`ASOF.PUSH` of {pushes.EVENTS_PER_CALL} events a call, `durability: fsync`, {pushes.CONNECTIONS} "
            "connections with one call in flight each, keys skewed by Zipf's law; median, least and greatest of "
            f"{len(rounds)} rounds. A round is too short for RocksDB to come to a compaction of all levels, so that of "
            "the whole database (`asofd --compact`) is added.\n\n" + _table(["what", "measured"], rows))


def _freshness(results):
    rows = [[f"{at.rate:,}", f"{at.reached:,.0f}" + ("" if at.is_held else " (not held)"), f"{at.read_p50_ms:.3f}",
             f"{at.read_p99_ms:.3f}", f"{at.push_p50_ms:.3f}", f"{at.push_p99_ms:.3f}", str(at.probes), str(at.stale)]
            for at in results]
    return ("## Read after write\n\nA push of one event on one connection; from its acknowledgement to its value read on "
            f"another, while others push {freshness.EVENTS_PER_CALL} events a call at a fixed rate. "
            f"{freshness.PROBES_PER_S} such pushes a second, each timed from the moment it was due. The client's own "
            "time is in it. *Stale* are first reads that missed the acknowledged event; there must be none.\n\n"
            + _table(["events/s", "reached", "ack to value, p50 ms", "p99 ms", "push to ack, p50 ms", "p99 ms", "probes",
                      "stale"], rows))


def _window_costs(costs):
    rows = [[f"{cost.events:,}", cost.pushed_cpu_us.text("{:,.1f}"), cost.flushed_cpu_us.text("{:,.1f}")]
            for cost in costs]
    return ("## Cost over events in the window\n\nThe same HMGET of one entity whose events lie evenly over six days; "
            f"one connection, pipeline {window_cost.PIPELINE}, median of {window_cost.REPEATS} runs. As pushed, the events are in RocksDB's "
            "write buffer; after a restart, in sorted files.\n\n"
            + _table(["events", "CPU µs a read, as pushed", "CPU µs a read, after a restart"], rows))


def _commands(results):
    def shown(command):
        text = " ".join(word or "''" for word in command)
        return re.sub(r"-p \d+", "-p PORT", text)

    peers = ["asofd --data DIR --resp-port PORT --rpc-port off --http-port off",
             "redis-server --port PORT --bind 127.0.0.1 --save '' --appendonly no --dir DIR"]
    lines = [*peers, *(shown(command) for command in results.reads.commands)]
    return ("## Commands\n\n`" + " ".join(["loadtest/bench.py", *results.arguments]) + "` ran, for asofd and redis-server "
            "in turn:\n\n    " + "\n    ".join(lines))


def _machine(results):
    kernel = platform.uname()
    model, memory_kib = _proc("cpuinfo", r"model name\s*: (.*)"), int(_proc("meminfo", r"MemTotal:\s*([0-9]+)"))
    rows = [["date", results.started.strftime("%Y-%m-%d %H:%M UTC")], ["took", f"{results.took_s:.0f} s"],
            ["asof", f"{_first_line([ASOFD, '--version'])}, commit {_commit()}"],
            ["redis-server", _first_line([REDIS_SERVER, "--version"])],
            ["redis-benchmark", _first_line([REDIS_BENCHMARK, "--version"])],
            ["CPU", f"{model}, {os.cpu_count()} CPUs"],
            ["memory", f"{memory_kib / 2**20:.1f} GiB"],
            ["kernel", f"{kernel.system} {kernel.release}"],
            ["load average before", f"{results.load_before:.2f}"]]
    return "## Machine\n\n" + "\n".join(f"- {name}: {value}" for name, value in rows)


def _first_line(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _proc(name, pattern):
    match = re.search(pattern, pathlib.Path("/proc", name).read_text())
    return match[1] if match else "0"


def _commit():
    """The commit that the server was built from, as far as that can be known."""
    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()

    if not pathlib.Path(ASOFD).resolve().is_relative_to(ROOT):
        return "unknown (built elsewhere)"
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (
        ", with changes" if git("status", "--porcelain", "--", "server") else "")
