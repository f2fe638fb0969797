"""What goes wrong while a file is made: kill -9 of the server, Ctrl-C, a disk that takes no more. No half file is seen, the reason is
told, nothing is left over, and the same export works afterwards.

The limit on a file's size (RLIMIT_FSIZE) stands for the full disk, as in test_disk.py."""

import contextlib
import os
import re
import resource
import signal
import subprocess
import time

import pyarrow
import pyarrow.parquet
import pytest

from conftest import ASOF, Server
from rpc_world import Rpc, messages

LONG = os.environ.get("ASOF_LONG") == "1"
KILLS = 20 if LONG else 3
ENTITIES = 30_000
PUSH = 10_000
LIMIT_BYTES = 100 * 1024  # less than any of the results
DEFINITIONS = """
sources:
  s: {fields: {id: string, at: timestamp_us, k: string, x: double, text: string}, event_time: at, event_id: id, clock: event}
entities:
  thing: {keys: [k]}
views:
  things:
    source: s
    entity: thing
    features: {n: {count: '*', over: forever}, x_sum: {sum: x, over: 1h}, text: {last: text, over: forever}}
"""
START_US = 1_700_000_000_000_000


def label_table():
    """Labels that come out as several MiB, in no order."""
    rows = range(4 * ENTITIES)
    return pyarrow.table({"k": [f"k{row * 7919 % ENTITIES}" for row in rows],
                          "event_timestamp": pyarrow.array([START_US + row * 6151 % (2 * ENTITIES) for row in rows],
                                                           pyarrow.timestamp("us", tz="UTC")),
                          "label": [f"{row * 2654435761 % 2**32:x}" for row in rows]})


class World:
    """A server with the things, where it may write, and where the command does."""

    def __init__(self, folder):
        self.allowed = folder / "allowed"
        self.mine = folder / "mine"
        self.allowed.mkdir()
        self.mine.mkdir()
        self.labels = folder / "labels.parquet"
        pyarrow.parquet.write_table(label_table(), self.labels)
        self.server = Server(folder)
        self.start()
        self.server.apply(DEFINITIONS)
        with Rpc(self.server.rpc_port) as rpc:
            for start in range(0, ENTITIES, PUSH):
                rows = range(start, start + PUSH)
                rpc.store.Push(messages.PushRequest(source="s", columns=[
                    messages.EventColumn(field="id", ints=rows), messages.EventColumn(field="at", ints=[START_US + row for row in rows]),
                    messages.EventColumn(field="k", strings=[f"k{row}" for row in rows]),
                    messages.EventColumn(field="x", doubles=[row / 7 for row in rows]),
                    messages.EventColumn(field="text", strings=[f"{row * 40503:x}" for row in rows])]))
        self.exports = {
            "training, sent": ["training", *self.training(), "--out", str(self.mine / "train.parquet")],
            "training": ["training", *self.training(), "--out", str(self.allowed / "train.parquet"), "--on-server"],
            "snapshot": ["snapshot", "things", "--out", str(self.allowed / "things.parquet"), "--on-server"],
            "events": ["events", "s", "--out", str(self.mine / "events.parquet")],
        }
        self.results = {name: self.mine / words[-1] for name, words in {
            "training, sent": ["train.parquet"], "events": ["events.parquet"]}.items()}
        self.results |= {"training": self.allowed / "train.parquet", "snapshot": self.allowed / "things.parquet"}

    def training(self):
        return ["--labels", str(self.labels), "--features", "things.*"]

    def start(self):
        self.server.start("--export-dirs", str(self.allowed), "--export-threads", "4")

    def begin(self, words, **rest):
        return subprocess.Popen([ASOF, "--server", self.server.rpc_address, "export", *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **rest)

    def info(self, name):
        return int(re.search(rf"{name}:(\d+)", self.server.call("INFO").decode())[1])

    def wait_until_idle(self):
        self.server.wait_for(lambda: self.info("export_running") == 0 and self.info("export_waiting") == 0)

    def seen(self):
        """What lies where results are, by name."""
        return sorted(path.name for folder in (self.allowed, self.mine) for path in folder.iterdir())

    def spool(self):
        return list((self.server.data / "spool").iterdir())

    def clear(self):
        for path in [*self.allowed.iterdir(), *self.mine.iterdir()]:
            path.unlink()


@pytest.fixture(scope="module")
def module_world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("faults"))
    yield world
    if world.server.is_alive():
        world.server.stop()


@pytest.fixture
def world(module_world):
    module_world.clear()
    return module_world


def end(process):
    """(exit code, what it said)"""
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def make_all(world):
    """All exports side by side: (their tables, the seconds that they took)."""
    began = time.monotonic()
    for name, process in {name: world.begin(words) for name, words in world.exports.items()}.items():
        code, said = end(process)
        assert code == 0, f"{name}: {said}"
    return {name: pyarrow.parquet.read_table(path) for name, path in world.results.items()}, time.monotonic() - began


def test_a_killed_server_leaves_no_half_file(world):
    tables, span_s = make_all(world)
    assert tables["training"].num_rows == 4 * ENTITIES and tables["snapshot"].num_rows == ENTITIES == tables["events"].num_rows
    killed = 0
    for attempt in range(KILLS):
        world.clear()
        running = {name: world.begin(words) for name, words in world.exports.items()}
        time.sleep(span_s * (attempt + 0.5) / KILLS)
        world.server.kill()
        ends = {name: end(process) for name, process in running.items()}
        killed += any(code != 0 for code, _ in ends.values())
        for name, (code, said) in ends.items():
            path = world.results[name]
            # The server may have died between the rename and the answer: then the file is whole, too.
            assert code == 0 or said.startswith("asof: ") and (path.parent == world.allowed or not path.exists()), (name, said)
            if path.exists():
                assert pyarrow.parquet.read_table(path).equals(tables[name]), name
        assert set(world.seen()) <= {path.name for path in world.results.values()}, "something is left over"
        world.start()
        assert world.spool() == []
    assert killed, "all ended before the server was killed"
    again, _ = make_all(world)
    assert all(again[name].equals(tables[name]) for name in tables)
    world.wait_until_idle()
    assert world.spool() == []


@pytest.mark.parametrize("name", ["training, sent", "training", "snapshot", "events"])
def test_an_interrupt_leaves_nothing(world, name):
    """Wherever it comes; a file that was there stays as it was."""
    path = world.results[name]
    interrupted = 0
    for wait_s in (0.05, 0.1, 0.2, 0.02):
        path.write_text("as it was")
        process = world.begin(world.exports[name])
        time.sleep(wait_s)
        process.send_signal(signal.SIGINT)
        code, said = end(process)
        if code == 0:
            continue  # it was done
        interrupted += 1
        assert world.seen() == [path.name] and (path.parent == world.allowed or path.read_text() == "as it was"), said
    world.wait_until_idle()
    assert world.spool() == [] and interrupted


def test_an_interrupt_while_labels_are_typed_leaves_nothing(world):
    world.server.wait_for(lambda: world.info("rpc_calls") == 0)
    process = world.begin(["training", "--labels", "-", "--labels-format", "ndjson", "--features", "things.*", "--out",
                           str(world.mine / "train.parquet")], stdin=subprocess.PIPE)
    world.server.wait_for(lambda: world.info("rpc_calls") > 0)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1 and process.stderr.read() == "asof: interrupted; nothing was written\n"
    process.stdin.close()
    assert world.seen() == []


@contextlib.contextmanager
def full_disk(server):
    def limit(size):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit(LIMIT_BYTES)
    try:
        yield
    finally:
        limit(resource.RLIM_INFINITY)


@pytest.mark.parametrize("name, more", [("training", []), ("training, sent", []), ("training", ["--memory", "64MiB"]), ("snapshot", []),
                                        ("events", [])])
def test_a_full_disk_of_the_server_is_told(world, name, more):
    with full_disk(world.server):
        code, said = end(world.begin([*world.exports[name], *more]))
    assert code != 0 and ("File too large" in said or "No space" in said or "disk" in said), said
    world.wait_until_idle()
    assert world.seen() == [] and world.spool() == []
    code, said = end(world.begin([*world.exports[name], *more]))
    assert code == 0 and world.results[name].exists(), said


def test_a_full_disk_of_the_caller_is_told(world):
    process = world.begin(world.exports["training, sent"], restore_signals=False, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES)))
    code, said = end(process)
    assert code == 1 and "train.parquet: File too large" in said, said
    world.wait_until_idle()
    assert world.seen() == [] and world.spool() == []
