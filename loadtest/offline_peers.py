"""What training sets and snapshots are compared with: DuckDB and Feast, each run in a process of its own; and how much
asofd takes for the same."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import duckdb

from measure import Spread
from servers import LOAD_CPU, SERVER_CPU, BenchError

PEERS = pathlib.Path(__file__).with_name("peers")
TIMEOUT_S = 600
DIFFERENCE_MAX = 1e-9  # of two doubles, to the larger: sums in another order


@dataclasses.dataclass
class Took:
    """What one run took. Of asofd, CPU and memory are the server's."""

    wall_s: float
    cpu_s: float
    rest_bytes: int  # RSS before
    peak_bytes: int  # RSS at most

    @property
    def growth_bytes(self):
        return self.peak_bytes - self.rest_bytes


@dataclasses.dataclass
class Side:
    """One way to do it, over all rounds."""

    wall_s: Spread
    cpu_s: Spread
    rest_bytes: Spread
    peak_bytes: Spread
    growth_bytes: Spread
    rows_per_s: Spread

    @classmethod
    def of(cls, runs, rows):
        spreads = {name: Spread.of([getattr(run, name) for run in runs])
                   for name in ("wall_s", "cpu_s", "rest_bytes", "peak_bytes", "growth_bytes")}
        return cls(**spreads, rows_per_s=Spread.of([rows / run.wall_s for run in runs]))


def run_export(asofd, *words):
    """`asof export` with these words; the client is on the load's CPU."""
    asofd.reset_peak()
    rest_bytes, cpu_s, start_s = asofd.rss_bytes(), asofd.cpu_s(), time.monotonic()
    asofd.asof("export", *words, timeout_s=TIMEOUT_S)
    return Took(time.monotonic() - start_s, asofd.cpu_s() - cpu_s, rest_bytes, asofd.peak_bytes())


def run_duckdb(statements, cpus):
    """The statements by DuckDB with a thread on each of the CPUs; of the last one, what it took."""
    answer = _run_peer(["duckdb/run.py"], cpus, json.dumps({"threads": len(cpus), "statements": statements}))
    return Took(**answer)


def run_feast(store, folder, rows, labels, count, out):
    """A Took and Feast's version; on both CPUs."""
    folder.mkdir()
    answer = _run_peer(["feast/history.py", store, folder, rows, labels, count, out], (SERVER_CPU, LOAD_CPU), "")
    if answer.pop("rows") != count:
        raise BenchError(f"Feast's store {store} did not answer each of {count} labels")
    version = answer.pop("version")
    return Took(**answer), version


def _run_peer(words, cpus, text):
    command = ["taskset", "-c", ",".join(map(str, cpus)), sys.executable, str(PEERS / words[0]), *map(str, words[1:])]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise BenchError(f"{words[0]}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def check_same(ours, theirs, key):
    """Both files have the same rows of the same columns, found by the key; BenchError where they do not. Doubles may differ
    by DIFFERENCE_MAX, all else not at all. How many rows they have."""
    with duckdb.connect() as database:
        columns = [(name, kind) for name, kind, *_ in database.execute(f"DESCRIBE FROM '{ours}'").fetchall()]
        differs = " OR ".join(_difference(name, kind) for name, kind in columns if name != key)
        found = database.execute(
            f"SELECT count(*), count(a.{key}), count(b.{key}), count(*) FILTER ({differs}) "
            f"FROM '{ours}' a FULL JOIN '{theirs}' b USING ({key})").fetchone()
    rows, in_ours, in_theirs, different = found
    if rows == 0 or in_ours != rows or in_theirs != rows or different > 0:
        raise BenchError(f"{os.path.basename(ours)} and {os.path.basename(theirs)} differ: of {rows} rows {rows - in_ours} and "
                         f"{rows - in_theirs} are missing, {different} are different")
    return rows


def _difference(name, kind):
    if kind != "DOUBLE":
        return f"a.{name} IS DISTINCT FROM b.{name}"
    return (f"(a.{name} IS NULL) <> (b.{name} IS NULL) OR "
            f"abs(a.{name} - b.{name}) > {DIFFERENCE_MAX} * greatest(abs(a.{name}), abs(b.{name}))")
