"""The load of the benchmark (loadtest/replay.c) against a server that does what it is told here."""

import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import pytest

from resp import Closed, Reader, encode

REPLAY = os.environ.get("REPLAY", str(pathlib.Path(__file__).resolve().parents[2] / "build/replay"))
RATE = 200
STALL_S = 0.5


class FakeServer:
    """Answers each request by answer(number of the request, its words), which returns bytes."""

    def __init__(self, answer):
        self.answer = answer
        self.count = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        reader = Reader(lambda: connection.recv(1 << 16))
        try:
            while True:
                words = reader.read()
                with self.lock:
                    self.count += 1
                    connection.sendall(self.answer(self.count, words))
        except (Closed, OSError):
            connection.close()


def run(port, seconds, *streams):
    return subprocess.run([REPLAY, str(port), str(seconds), *streams], capture_output=True, text=True, timeout=60)


@pytest.fixture
def requests(tmp_path):
    data = encode("GET", "k")
    path = tmp_path / "requests"
    path.write_bytes(b"%d 1\n%b" % (len(data), data) * 3)
    return path


def test_requests_that_were_due_while_the_server_stood_still_have_waited(requests):
    def answer(number, _):
        if number == RATE // 4:
            time.sleep(STALL_S)
        return b"$1\r\nv\r\n"

    with FakeServer(answer) as server:
        done = run(server.port, 1, f"load:reads:{requests}:{RATE}:2")

    reads = json.loads(done.stdout)["reads"]
    slow = sum(count for us, count in reads["latencies_us"] if us >= STALL_S / 5 * 1e6)
    assert reads["answered"] == reads["due"] == RATE
    assert sum(count for _, count in reads["latencies_us"]) == RATE
    assert slow >= RATE * STALL_S * 0.75  # a closed loop would have seen two


def test_a_probe_tells_of_reads_that_missed_the_write(tmp_path):
    path = tmp_path / "probes"
    with path.open("wb") as file:
        for number in (1, 2, 3):
            write, read = encode("INCR", "k"), encode("GET", "k")
            file.write(b"%d %d %d\n" % (len(write), len(read), number) + write + read)
    state = {"written": 0, "is_behind": True}

    def answer(_, words):
        if words == [b"INCR", b"k"]:
            state["written"] += 1
            return b":1\r\n"
        shown = state["written"] - (state["written"] == 2 and state["is_behind"])
        state["is_behind"] = state["is_behind"] and state["written"] < 2
        return b"$1\r\n%d\r\n" % shown

    with FakeServer(answer) as server:
        done = run(server.port, 1, f"probe:probe:{path}:3:1")

    probe = json.loads(done.stdout)["probe"]
    assert (probe["answered"], probe["stale"]) == (3, 1)
    assert sum(count for _, count in probe["reads_us"]) == 3


def test_requests_of_a_closed_loop_are_answered_to_the_last(requests):
    with FakeServer(lambda number, words: b"$1\r\nv\r\n") as server:
        done = run(server.port, 0.2, f"full:reads:{requests}:4:2")

    reads = json.loads(done.stdout)["reads"]
    assert reads["answered"] == reads["due"] == server.count > 8


@pytest.mark.parametrize("text, code, says", [
    ("load:reads:{}:200:1", 1, "reads: the server says: ERR no"),
    ("some:reads:{}:200:1", 2, "usage"),
    ("load:reads:{}:0:1", 2, "usage"),
    ("load:reads:/nowhere:200:1", 1, "open /nowhere: No such file"),
])
def test_what_goes_wrong_is_told(requests, text, code, says):
    with FakeServer(lambda number, words: b"-ERR no\r\n") as server:
        done = run(server.port, 0.2, text.format(requests))

    assert done.returncode == code
    assert says in done.stderr


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "requests"
    path.write_bytes(b"9 1\nshort")

    with FakeServer(lambda number, words: b"+OK\r\n") as server:
        done = run(server.port, 0.2, f"load:reads:{path}:10:1")

    assert done.returncode == 1
    assert "does not begin a request" in done.stderr
