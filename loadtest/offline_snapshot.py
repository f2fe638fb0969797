"""A snapshot of a view with many entities against DuckDB's COPY of the finished table, and what reads feel of it."""

import dataclasses

from meanwhile import Reads, read_meanwhile
from measure import Spread
from offline_data import DEFINITIONS, POPULATION, make_population
from offline_peers import TIMEOUT_S, Side, check_same, run_duckdb, run_export
from servers import LOAD_CPU, SERVER_CPU, Asofd, BenchError

EVENTS_EACH = 2       # of an entity
OURS = "asof export snapshot"
THEIRS = "DuckDB, COPY of the finished table, "


@dataclasses.dataclass
class SnapshotResult:
    entities: int
    rounds: int
    file_bytes: int
    sides: dict           # name: Side
    speed: Spread         # of a round, our speed to DuckDB's, each with one CPU
    reads: Reads          # meanwhile


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
        say("HMGET while a snapshot is exported")
        words = ["export", *_snapshot_words(exports)]
        reads = read_meanwhile(asofd, folder, POPULATION, entities, [words] * rounds, size["snapshot_idle_s"])
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
