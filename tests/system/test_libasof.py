"""libasof, as its users have it: installed, found by pkg-config, compiled into programs in C and C++."""

import os
import pathlib
import random
import socket
import struct
import subprocess
import threading
import time

import pytest

from conftest import ASOFD, ROOT
from rpc_world import ANSWER, FAILED, Light, Rpc, messages, request
from test_rpc import DEFINITIONS, KEYS, random_event, resp_key, same_scalar

PART, DONE = 7, 8
BUILD = pathlib.Path(ASOFD).absolute().parent
SANITIZER = BUILD.name.removeprefix("san-").replace("-", ",") if BUILD.name.startswith("san-") else None
COUNTS = """
sources:
  walls: {fields: {at: timestamp_us, k: string}, event_time: at}
entities:
  thing: {keys: [k]}
views:
  walls: {source: walls, entity: thing, features: {events: {count: '*', over: forever}}}
  asked:
    kind: on_demand
    entity: thing
    request: {more: double}
    features: {sum: walls.events + request.more}
"""


class Programs:
    """What was compiled against an installed libasof."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = folder / "installed"
        subprocess.run(["make", "-s", "-C", str(ROOT), "install-libasof", f"BUILD={BUILD}", f"PREFIX={self.prefix}"],
                       check=True, stdout=subprocess.DEVNULL)
        self.environment = os.environ | {"PKG_CONFIG_PATH": str(self.prefix / "lib/pkgconfig"),
                                         "LD_LIBRARY_PATH": str(self.prefix / "lib")}
        self.driver = self.compile(ROOT / "tests/system/libasof_driver.c")
        self.event = self.compile(ROOT / "tests/system/libasof_event.cpp", "-levent_core", compiler="g++")

    def flags(self, *words):
        return subprocess.run(["pkg-config", *words, "libasof"], env=self.environment, check=True, capture_output=True,
                              text=True).stdout.split()

    def compile(self, source, *libraries, compiler="gcc"):
        program = self.folder / source.stem
        sanitizer = [f"-fsanitize={SANITIZER}"] if SANITIZER else []
        subprocess.run([compiler, "-g", "-O1", "-Wall", "-Wextra", "-Werror", *sanitizer, *self.flags("--cflags"),
                        str(source), "-o", str(program), *self.flags("--libs"), *libraries, "-lpthread"], check=True)
        return program

    def start(self, program, address, *words, **environment):
        return subprocess.Popen([program, address, *map(str, words)], env=self.environment | environment, text=True, errors="replace",
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, address, *words, program=None, **environment):
        return finished(self.start(program or self.driver, address, *words, **environment))


def finished(process):
    """What it printed. Its memory was right: a sanitizer says so on standard error."""
    said, complaints = process.communicate(timeout=120)
    assert not complaints, complaints
    return said.strip()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return Programs(tmp_path_factory.mktemp("libasof"))


def address(server):
    return f"127.0.0.1:{server.rpc_port}"


def start_counts(server):
    """Entity eN of walls.events has the count N."""
    server.restart("--rpc-port", str(server.rpc_port), "--workers", "2")
    server.apply(COUNTS)
    with Rpc(server.rpc_port) as rpc:
        events = [b'{"at": 1000, "k": "e%d"}' % number for number in range(10) for _ in range(number)]
        assert rpc.push("walls", *events) == 45
    return server


# ---- the same answers ----


def request_lines(features, keys, at_us=(), exclusive=False, end="."):
    lines = [f"feature {feature}" for feature in features]
    for name, values in keys.items():
        if values and isinstance(values[0], int):
            lines.append(f"ints {name} " + " ".join(map(str, values)))
        else:
            lines.append(f"strings {name} " + " ".join("x" + value.encode().hex() for value in values))
    if at_us:
        lines.append("at T " + " ".join(map(str, at_us)))
    return "\n".join(lines + ["exclusive"] * exclusive + ["event_times", end]) + "\n"


def answer_lines(answer):
    """What the driver prints of such an answer."""
    lines = []
    for column in answer.columns:
        view = answer.views[column.view]
        lines.append(f"column {column.feature} {view.view} {view.version} {column.kind} {column.digits} "
                     f"{int(column.is_list)}")
        lines.append(" ".join(["statuses", *map(str, column.statuses or [messages.STATUS_PRESENT] * answer.rows)]))
        lines.append(" ".join(["sizes", *map(str, column.sizes)]))
        values = ["x" + struct.pack("<d", value).hex() for value in column.doubles]
        values += map(str, column.integers)
        values += ["x" + value.encode().hex() for value in column.strings]
        lines.append(" ".join(["values", *values]))
        lines.append(" ".join(["at", *map(str, view.at_us)]))
        lines.append(" ".join(["event_times", *map(str, view.event_times_us)]))
    return lines + ["."]


@pytest.fixture(scope="module")
def typed(module_server):
    import json
    draw = random.Random(7)
    module_server.restart("--rpc-port", "0", "--workers", "2")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        assert rpc.push("events", *(json.dumps(random_event(draw, number)).encode() for number in range(400))) == 400
        yield module_server, rpc


def random_question(draw):
    rows = draw.choice([1, 1, 2, 7, 40])
    features = draw.choice([["things.*"], ["things@1.d_avg", "things.last_s", "things.m_sum"], ["both.*"], ["pairs.*"],
                            ["things.last_d", "pairs.s_first", "computed.twice", "things.last_i"]])
    at_count = draw.choice([0, 1, rows])
    return {"features": features,
            "keys": {"k": [draw.choice(KEYS) for _ in range(rows)], "n": [draw.randrange(-2, 3) for _ in range(rows)]},
            "at_us": [draw.randrange(1_000_000, 1_250_000) for _ in range(at_count)], "exclusive": draw.random() < 0.3}


def test_answers_are_those_of_grpc_to_the_bit(typed, programs, draw):
    server, rpc = typed
    questions = [random_question(draw) for _ in range(60)]
    process = programs.start(programs.driver, address(server), "get")
    said, complaints = process.communicate("".join(request_lines(**question) for question in questions), timeout=120)
    assert not complaints, complaints
    answers = [rpc.get(question["features"], question["keys"], at_us=question["at_us"], exclusive=question["exclusive"],
                       with_event_times=True) for question in questions]
    assert [line.rstrip() for line in said.splitlines()] == [line.rstrip() for answer in answers
                                                             for line in answer_lines(answer)]


def test_answers_are_those_of_the_redis_protocol(typed, programs):
    server, rpc = typed
    features = [f"things.{name}" for name in ("i_max", "d_avg", "m_last", "s_last", "b_last", "t_min", "idle")]
    process = programs.start(programs.driver, address(server), "get")
    said, _ = process.communicate(request_lines(features, {"k": KEYS}), timeout=120)
    lines = said.splitlines()
    for index, feature in enumerate(features):
        _, name, _, _, kind, digits, _ = lines[6 * index].split()
        statuses = list(map(int, lines[6 * index + 1].split()[1:]))
        values = lines[6 * index + 3].split(" ")[1:]
        assert name == feature and len(values) == len(statuses) == len(KEYS)
        for key, status, value in zip(KEYS, statuses, values):
            item = server.call("HGET", resp_key("things", key), feature.split(".")[1])
            assert (item is None) == bool(status & messages.STATUS_NO_VALUE)
            if item is not None:
                raw = bytes.fromhex(value[1:]) if value.startswith("x") else None
                value = int(value) if raw is None else struct.unpack("<d", raw)[0] if int(kind) == 3 else raw.decode()
                assert same_scalar(int(kind), int(digits), value, item)


def test_a_stream_of_chunks_is_that_of_grpc(typed, programs, draw):
    server, rpc = typed
    question = {"features": ["things.*"], "keys": {"k": [draw.choice(KEYS) for _ in range(50)]}, "at_us": [1_150_000]}
    process = programs.start(programs.driver, address(server), "get")
    said, complaints = process.communicate(
        request_lines(**question, end="...") + request_lines(["things.x"], {"k": ["a"]}, end="..."), timeout=120)
    assert not complaints, complaints
    chunks = rpc.store.GetFeaturesStream(request(question["features"], question["keys"], at_us=question["at_us"],
                                                 with_event_times=True, chunk_rows=7), timeout=60)
    expected = [line for chunk in chunks for line in [f"chunk {chunk.rows}", *answer_lines(chunk)[:-1]]] + ["."]
    lines = [line.rstrip() for line in said.splitlines()]
    assert lines[:-2] == [line.rstrip() for line in expected] and lines.count("chunk 7") == 7
    assert lines[-2].startswith("NOT_FOUND: ") and lines[-1] == "."


def test_mistakes_come_with_a_code_and_a_sentence(typed, programs):
    server, _ = typed
    questions = [({"features": ["nosuch.x"], "keys": {"k": ["a"]}}, "NOT_FOUND: "),
                 ({"features": ["things.i_sum"], "keys": {"x": ["a"]}}, "INVALID_ARGUMENT: "),
                 ({"features": ["things.i_sum"], "keys": {"k": ["a"] * 10001}}, "RESOURCE_EXHAUSTED: "),
                 ({"features": ["things.i_sum"], "keys": {"k": ["a", "b"], "n": [1]}}, "INVALID_ARGUMENT: "),
                 ({"features": ["things.i_sum"], "keys": {"k": ["a", "b"]}, "at_us": [1, 2, 3]}, "INVALID_ARGUMENT: ")]
    process = programs.start(programs.driver, address(server), "get")
    said, _ = process.communicate("".join(request_lines(**question) for question, _ in questions), timeout=120)
    for line, (_, expected) in zip(said.splitlines()[::2], questions, strict=True):
        assert line.startswith(expected) and len(line) > len(expected) + 10, line


# ---- many calls, and a server that goes and comes ----


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    from conftest import Server
    server = start_counts(Server(tmp_path_factory.mktemp("counting")).start())
    yield server
    if server.is_alive():
        server.stop()


def test_eight_threads_share_a_client(counting, programs):
    said = programs.run(address(counting), "load", "walls.events", "k", 8, 1000)
    assert said.startswith("done 8000 failed 0 "), said
    print(said)


def test_a_loop_of_libevent_in_cpp(counting, programs):
    said = programs.run(address(counting), "walls.events", "k", 5000, 64, program=programs.event)
    assert said.startswith("ended 5000 cancelled 50 failed 0 left 0 "), said
    print(said)


@pytest.mark.parametrize("way", ["killed", "drained"])
def test_reads_survive_a_restart(counting, programs, way):
    load = programs.start(programs.driver, address(counting), "load", "walls.events", "k", 4, -4, TIMEOUT_MS="60000")
    loop = programs.start(programs.event, address(counting), "walls.events", "k", 30000, 16)
    time.sleep(0.7)
    counting.kill() if way == "killed" else counting.stop()
    time.sleep(0.3)
    counting.start("--rpc-port", str(counting.rpc_port), "--workers", "2")
    said = finished(load)
    assert " failed 0 " in said and int(said.split()[1]) > 100, said
    said = finished(loop)
    assert " failed 0 left 0 " in said, said


def test_pushes_count_once_over_a_kill(server, programs):
    start_counts(server)
    pushing = programs.start(programs.driver, address(server), "push", "walls", 400, 5, TIMEOUT_MS="60000")
    time.sleep(0.4)
    server.kill()
    server.start("--rpc-port", str(server.rpc_port))
    assert finished(pushing) == "pushed"
    assert server.call("HGET", "walls:p", "events") == b"2000"


def test_pushes_over_a_stream(counting, programs):
    before = int(counting.call("HGET", "walls:p", "events"))
    assert programs.run(address(counting), "push_stream", "walls", 50) == "arrival 1 events 50"
    assert int(counting.call("HGET", "walls:p", "events")) == before + 50
    said = programs.run(address(counting), "push_stream", "nosuch", 5)
    assert "NOT_FOUND: " in said and "arrival 3 events 0" in said


def test_values_of_requests(counting, programs):
    question = "feature asked.sum\nstrings k x6533 x6534\n"
    asked = [("value_doubles more 0.5", "3.5 4.5"), ("value_doubles more 0.5 0.25", "3.5 4.25"),
             ("value_ints more 5 null", "8.0 0.0")]
    process = programs.start(programs.driver, address(counting), "get")
    said, _ = process.communicate("".join(f"{question}{values}\n.\n" for values, _ in asked), timeout=60)
    lines = [line.split() for line in said.splitlines() if line.startswith("values")]
    assert [" ".join(str(struct.unpack("<d", bytes.fromhex(value[1:]))[0]) for value in line[1:])
            for line in lines] == [expected for _, expected in asked], said


def test_pushes_of_columns(counting, programs):
    assert programs.run(address(counting), "push_columns", "walls") == "pushed 3"
    assert [counting.call("HGET", f"walls:{key}", "events") for key in "qr"] == [b"1", b"1"]


def test_a_client_stays_with_its_process(counting, programs):
    assert programs.run(address(counting), "fork") == "forked"


def test_nobody_there(programs):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{unused.getsockname()[1]}"
        assert programs.run(free, "check", RETRIES="-1").startswith("UNAVAILABLE: no server at 127.0.0.1:")
    for wrong in ("", ":", "host:", "host:0", "host:99999", "a b/c", "[::1", "asof://"):
        assert programs.run(wrong, "check").startswith("INVALID_ARGUMENT: server '"), wrong


def test_other_ports_of_the_server(server, programs):
    server.restart("--rpc-port", "0", "--http-port", "0")
    said = programs.run(f"127.0.0.1:{server.http_port}", "check", TIMEOUT_MS="2000")
    assert said.startswith("INVALID_ARGUMENT: ") and "speaks HTTP" in said
    said = programs.run(f"127.0.0.1:{server.port}", "check", TIMEOUT_MS="2000")
    assert said.startswith("INVALID_ARGUMENT: ") and "speaks the Redis protocol: give the RPC port" in said


# ---- a server that lies ----


class Liar:
    """Answers each call of a connection as `answer` says: a function of (call's number, kind, body) to bytes, None to
    close."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        light = Light.__new__(Light)
        light.socket, light.buffer = connection, b""
        try:
            while True:
                size, call, kind = struct.unpack(">IIB", light._take(9))
                reply = self.answer(call, kind, light._take(size - 5))
                if reply is None:
                    break
                connection.sendall(reply)
        except (EOFError, OSError):
            pass
        connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def frame(call, kind, body, size=None):
    return struct.pack(">IIB", len(body) + 5 if size is None else size, call, kind) + body


def answered(body):
    return lambda call, kind, message: frame(call, ANSWER, body)


def test_a_deadline_holds_without_a_server_that_answers(programs):
    with Liar(lambda call, kind, body: b"") as liar:
        code, took, _ = programs.run(liar.address, "call", 7, 200).split(" ", 2)
        assert code == "DEADLINE_EXCEEDED" and 0.19 < float(took) < 1


def test_a_call_is_told_how_long_it_may_take(programs):
    seen = []

    def answer(call, kind, body):
        seen.append((kind, body[0], struct.unpack(">I", body[1:5])[0]))
        return frame(call, ANSWER, b"\x08\x01")

    with Liar(answer) as liar:
        assert programs.run(liar.address, "call", 7, 5000).endswith("x0801")
        assert programs.run(liar.address, "call", 7, -1).endswith("x0801")
    assert seen[0][:2] == (1, 7) and 4000 < seen[0][2] <= 5000 and seen[1] == (1, 7, 0)


def test_cancels_end_calls_at_once(programs):
    cancelled = []

    def answer(call, kind, body):
        cancelled.append(kind)
        return b""

    with Liar(answer) as liar:
        assert float(programs.run(liar.address, "cancel", 12)) < 3  # of 20 s that they would have
        deadline = time.monotonic() + 10
        while cancelled.count(2) < 12 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert cancelled.count(1) == cancelled.count(2) == 12


LIES = {
    "a frame of nothing": lambda call, kind, body: struct.pack(">II", 0, call),
    "no such kind": lambda call, kind, body: frame(call, 99, b""),
    "a client's kind": lambda call, kind, body: frame(call, 1, b"\x01\0\0\0\0"),
    "a frame of 4 GiB": lambda call, kind, body: frame(call, ANSWER, b"x" * 100, size=2**32 - 1),
    "done with a body": lambda call, kind, body: frame(call, DONE, b"x"),
    "failed without a code": lambda call, kind, body: frame(call, FAILED, b""),
    "a part where one answer is due": lambda call, kind, body: frame(call, PART, b"x"),
}


@pytest.mark.parametrize("lie", LIES)
def test_frames_that_are_none(programs, lie):
    with Liar(LIES[lie]) as liar:
        said = programs.run(liar.address, "call", 7, 5000)
        assert said.startswith("INTERNAL "), said


def test_an_answer_that_breaks_off(programs):
    broken = iter([frame(0, ANSWER, b"x" * 50, size=10**6)])

    def answer(call, kind, body):
        head = next(broken, None)
        return None if head is None else struct.pack(">I", 10**6) + struct.pack(">I", call) + head[8:]

    with Liar(answer) as liar:
        said = programs.run(liar.address, "call", 7, 300)
        assert said.startswith("DEADLINE_EXCEEDED "), said


def test_a_large_answer_and_one_too_large(programs):
    large = b"y" * 5_000_000
    with Liar(answered(large)) as liar:
        said = programs.run(liar.address, "call", 7, 20000)
        assert said.startswith("OK ") and said.endswith("x" + large.hex())
    with Liar(answered(bytes(64 * 1024 * 1024 + 1))) as liar:
        assert programs.run(liar.address, "call", 7, 20000).startswith("RESOURCE_EXHAUSTED ")


def test_codes_and_texts_that_are_none(programs):
    with Liar(lambda call, kind, body: frame(call, FAILED, b"\xee\x1b[31m\xff\0end")) as liar:
        code, _, text = programs.run(liar.address, "call", 7, 5000).split(" ", 2)
        assert code == "UNKNOWN" and "\x1b" not in text and text.endswith("end")


def test_unavailable_is_tried_again_and_invalid_is_not(programs):
    for code, expected in ((14, 4), (3, 1)):
        calls = []

        def answer(call, kind, body):
            calls.append(call)
            return frame(call, FAILED, bytes([code]) + b"no")

        with Liar(answer) as liar:
            programs.run(liar.address, "check", RETRIES="3")
        assert len(calls) == expected


def test_answers_that_are_no_features(programs, draw):
    question = request(["v.f"], {"k": ["a"]})
    right = messages.GetFeaturesResponse(rows=1, views=[messages.ViewAnswer(view="v", version=1, at_us=[5])], columns=[
        messages.Column(feature="v.f", kind=messages.KIND_DOUBLE, doubles=[1.5])]).SerializeToString()
    assert question.features == ["v.f"]
    bodies = [right] + [mutated(right, draw) for _ in range(300)]
    bodies.append(messages.GetFeaturesResponse(rows=2**32 - 1).SerializeToString())
    left = iter(bodies)
    with Liar(lambda call, kind, body: frame(call, ANSWER, next(left))) as liar:
        process = programs.start(programs.driver, liar.address, "get")
        said, complaints = process.communicate(request_lines(["v.f"], {"k": ["a"]}) * len(bodies), timeout=120)
    assert not complaints, complaints
    assert said.startswith("column v.f v 1 3 0 0\n") and said.split("\n").count(".") >= len(bodies)
    assert "INTERNAL: the answer is no GetFeaturesResponse" in said


def mutated(body, draw):
    body = bytearray(body)
    for _ in range(draw.randrange(1, 4)):
        body[draw.randrange(len(body))] = draw.randrange(256)
    return bytes(body[:draw.randrange(1, len(body) + 1)])


def test_streams_take_parts_in_pieces_and_end(programs):
    parts = [b"", b"a", b"b" * 100_000, b"c" * 3_000_000, b"d" * 70_000]

    def answer(call, kind, body):
        return b"".join(frame(call, PART, part) for part in parts) + frame(call, DONE, b"")

    with Liar(answer) as liar:
        said = programs.run(liar.address, "stream", 8, -1)
        assert said.startswith(" ".join(str(len(part)) for part in parts) + " arrival 1 "), said
    with Liar(lambda call, kind, body: frame(call, PART, b"abc") + frame(call, FAILED, b"\x05gone")) as liar:
        said = programs.run(liar.address, "stream", 8, -1)
        assert said.startswith("3 arrival 3 ") and said.endswith("NOT_FOUND: gone")
    with Liar(lambda call, kind, body: b"") as liar:
        said = programs.run(liar.address, "stream", 8, 150)
        assert said.startswith("arrival 2 ") and 0.14 < float(said.split()[2]) < 1, said
    with Liar(lambda call, kind, body: None) as liar:
        assert "UNAVAILABLE: " in programs.run(liar.address, "stream", 8, -1)


# ---- the guide's programs ----


def c_blocks(path):
    blocks = path.read_text().split("```c\n")[1:]
    return [block.split("```")[0] for block in blocks]


def test_the_example_of_the_guide_is_that_of_the_library(counting, programs):
    assert c_blocks(ROOT / "docs/c.md")[0] == (ROOT / "client/libasof/example.c").read_text()
    example = programs.compile(ROOT / "client/libasof/example.c")
    assert programs.run(address(counting), "walls.events", "k", "e3", "nobody", program=example) == "e3 3\nnobody 0"


def test_every_other_block_of_the_guide_compiles(programs, tmp_path):
    for number, block in enumerate(c_blocks(ROOT / "docs/c.md")[1:]):
        source = tmp_path / f"block_{number}.c"
        source.write_text("#include <asof.h>\n#include <event2/event.h>\n#include <stdio.h>\n" + block)
        subprocess.run(["gcc", "-Wall", "-Werror", *programs.flags("--cflags"), "-fsyntax-only", str(source)], check=True)


def test_only_its_own_names_are_seen(programs):
    for name, words in (("libasof.so", ["-D"]), ("libasof.a", ["-g"])):
        said = subprocess.run(["nm", *words, "--defined-only", str(programs.prefix / "lib" / name)], check=True,
                              capture_output=True, text=True).stdout
        names = [line.split()[2] for line in said.splitlines() if len(line.split()) == 3]
        assert len(names) > 60 and all(name.startswith("asof_") for name in names), names
