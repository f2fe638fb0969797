"""History from a Parquet file by `asof backfill`, against pushes of as skewed events in the same round, each into an
empty server; and what reads feel of a second file. CPU is counted until the server is quiet, of pushes with a full
compaction: that brings them where the events of a backfill lie at once, in the last level."""

import dataclasses
import time

import duckdb

import pushes
import workload
from meanwhile import Reads, read_meanwhile
from measure import Spread
from offline_data import make_stream
from offline_peers import TIMEOUT_S
from servers import Asofd

SPAN_MS = pushes.STREAM_SPAN_MS


@dataclasses.dataclass
class Round:
    wall_s: float         # of the command, which sends the file
    cpu_run_s: float      # server CPU in that time
    cpu_quiet_s: float    # server CPU until it was quiet
    pushed: pushes.PushesResult


@dataclasses.dataclass
class BackfillResult:
    events: int
    entities: int
    file_bytes: int
    rounds: list          # of Round
    speed: Spread         # events/s, to that of pushes in the same round
    cpu_speed: Spread     # events per CPU second, to that of pushes with a full compaction
    reads: Reads          # meanwhile


def measure(folder, events, push_events, entities, rounds, idle_s, say):
    """BenchError where a row is not counted."""
    last_ms = int(time.time() * 1000)
    newer, older = (make_stream(folder / f"{name}.parquet", events, entities, last_ms - (i + 1) * SPAN_MS, last_ms - i * SPAN_MS, i)
                    for i, name in enumerate(("newer", "older")))
    measured = []
    for number in range(rounds):
        say(f"backfill of {events:,} events, round {number + 1} of {rounds}")
        pushed, filled = (folder / f"{name}-{number}" for name in ("pushed", "filled"))
        pushed.mkdir()
        filled.mkdir()
        measured.append(_round(filled, newer, pushes.measure(pushed, push_events, entities, 1, say)[0]))
    say("HMGET while a file is backfilled")
    with Asofd(filled) as asofd:
        asofd.wait_quiet()
        reads = read_meanwhile(asofd, folder, workload.VIEW, entities, [_words(older)], idle_s)
        _check(asofd, newer, older)
    return BackfillResult(
        events, entities, newer.stat().st_size, measured,
        Spread.of([events / at.wall_s / at.pushed.events_per_s for at in measured]),
        Spread.of([events / at.cpu_quiet_s / at.pushed.events_per_cpu_s for at in measured]), reads)


def _words(path):
    return "backfill", workload.VIEW, "--from", path


def _round(folder, path, pushed):
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        asofd.wait_quiet()
        cpu_s, start_s = asofd.cpu_s(), time.monotonic()
        asofd.asof(*_words(path), timeout_s=TIMEOUT_S)
        result = Round(time.monotonic() - start_s, asofd.cpu_s() - cpu_s, 0.0, pushed)
        asofd.wait_quiet()
        result.cpu_quiet_s = asofd.cpu_s() - cpu_s
        _check(asofd, path)
        return result


def _check(asofd, *paths):
    """Holds what the server counts of the busiest entity against the files."""
    busiest = workload.key(0).partition(":")[2]
    expected = sum(duckdb.execute("SELECT count(*) FROM read_parquet($1) WHERE card = $2", [str(path), busiest]).fetchone()[0]
                   for path in paths)
    with asofd.client() as client:
        counted = int(client.call("HGET", workload.key(0), "payments_7d"))
    if counted != expected:
        raise asofd.failed(f"the files have {expected} events of {workload.key(0)}, {counted} are counted")
