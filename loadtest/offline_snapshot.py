"""A snapshot of a view with many entities against DuckDB's COPY of the finished table, and what reads feel of it."""

import dataclasses
import random
import subprocess

from measure import Spread
from offline_data import DEFINITIONS, POPULATION, make_population
from offline_peers import TIMEOUT_S, Side, check_same, run_duckdb, run_export
from replay import Stream, histogram, replay, write_requests
from resp import encode
from servers import ASOF, LOAD_CPU, SERVER_CPU, Asofd, BenchError
from workload import FEATURES_READ

EVENTS_EACH = 2       # of an entity
READS_PER_S = 5_000
CONNECTIONS = 50
KEYS = 20_000         # distinct reads
SLICE_S = 1           # reads are sent for so long, again and again while the export runs
OURS = "asof export snapshot"
THEIRS = "DuckDB, COPY of the finished table, "


@dataclasses.dataclass
class Reads:
    idle: object          # histogram, µs: with nothing to do beside
    busy: object          # the same while snapshots were exported
    is_load_late: bool


@dataclasses.dataclass
class SnapshotResult:
    entities: int
    rounds: int
    file_bytes: int
    sides: dict           # name: Side
    speed: Spread         # of a round, our speed to DuckDB's, each with one CPU
    reads: Reads


def measure(folder, size, say):
    """BenchError where the file does not have each entity, or DuckDB writes another table than it was given."""
    entities, rounds = size["population"], size["offline_rounds"]
    say(f"a snapshot of {entities:,} entities")
    events, exports = make_population(folder, entities, EVENTS_EACH), folder / "exports"
    exports.mkdir()
    with Asofd(folder, "--export-dirs", str(exports)) as asofd:
        asofd.apply(DEFINITIONS)
        asofd.asof("backfill", POPULATION, "--from", events, timeout_s=TIMEOUT_S)
    with Asofd(folder, "--export-dirs", str(exports)) as asofd:
        asofd.wait_quiet()
        runs = _run_rounds(asofd, exports, entities, rounds, say)
        reads = _read_meanwhile(asofd, folder, exports, entities, size, say)
    sides = {name: Side.of(some, entities) for name, some in runs.items()}
    speed = Spread.of([theirs.wall_s / ours.wall_s for ours, theirs in zip(runs[OURS], runs[THEIRS + "1 CPU"])])
    return SnapshotResult(entities, rounds, (exports / "asof.parquet").stat().st_size, sides, speed, reads)


def _snapshot_words(exports):
    return "snapshot", POPULATION, "--on-server", "--out", str(exports / "asof.parquet")


def _run_rounds(asofd, exports, entities, rounds, say):
    """Both take turns: {name: [Took]}. Both write a file of the machine themselves."""
    ours, theirs = exports / "asof.parquet", exports / "duckdb.parquet"
    runs = {}
    for number in range(rounds):
        say(f"snapshot, round {number + 1} of {rounds}")
        runs.setdefault(OURS, []).append(run_export(asofd, *_snapshot_words(exports)))
        for cpus, name in (((SERVER_CPU,), "1 CPU"), ((SERVER_CPU, LOAD_CPU), "2 CPUs")):
            took = run_duckdb([f"CREATE TABLE finished AS FROM '{ours}'",
                               f"COPY finished TO '{theirs}' (FORMAT parquet, COMPRESSION zstd)"], cpus)
            runs.setdefault(THEIRS + name, []).append(took)
        rows = check_same(ours, theirs, "card")
        if rows != entities:
            raise BenchError(f"the snapshot has {rows:,} of {entities:,} entities")
    return runs


def _read_meanwhile(asofd, folder, exports, entities, size, say):
    """Reads at a fixed rate without exports and with one; only slices that lie within an export count as such."""
    say("HMGET while a snapshot is exported")
    draw = random.Random(KEYS)
    path = write_requests(folder / "reads", [
        (encode("HMGET", f"{POPULATION}:{draw.randrange(entities):012d}", *FEATURES_READ), 1) for _ in range(KEYS)])
    stream = Stream("reads", "load", path, READS_PER_S, CONNECTIONS)
    reads = Reads(histogram(), histogram(), False)

    def slice_into(latencies):
        outcome = replay(asofd, SLICE_S, [stream])["reads"]
        latencies.add(outcome.latencies)
        reads.is_load_late |= outcome.is_load_late

    slice_into(histogram())  # to warm up
    for _ in range(size["offline_rounds"]):
        for _ in range(size["snapshot_idle_s"]):
            slice_into(reads.idle)
        _read_during_export(asofd, exports, slice_into, reads.busy)
    if reads.busy.get_total_count() == 0:
        raise BenchError(f"a snapshot took less than {SLICE_S} s: too few entities to tell what reads feel of it")
    return reads


def _read_during_export(asofd, exports, slice_into, latencies):
    export = subprocess.Popen([ASOF, "--server", f"127.0.0.1:{asofd.rpc_port}", "export", *_snapshot_words(exports)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while export.poll() is None:
            slice_of = histogram()
            slice_into(slice_of)
            if export.poll() is None:
                latencies.add(slice_of)
        if export.returncode != 0:
            raise asofd.failed(f"export: {export.stderr.read().strip()}")
    finally:
        export.kill()
        export.communicate()
