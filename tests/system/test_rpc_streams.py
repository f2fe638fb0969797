"""Streams of RPC: large answers in chunks, pushes one after the other, over gRPC and over the light frame; peers
that are slow, that leave, that run out of time; the stop of the server."""

import json
import socket
import struct
import threading
import time

import grpc
import pytest

from rpc_world import DONE, FAILED, PART, Light, Rpc, columns, failure, light_call, light_frame, messages, request

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_us, k: string, i: int, s: string}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
views:
  things:
    source: events
    entity: thing
    features:
      events: {count: '*', over: 10ms}
      i_sum: {sum: i, over: forever}
      s_last: {last: s, over: forever}
      last_i: {last_n: i, over: last(3)}
      idle: {time_since_last: true, over: forever}
"""
GET_FEATURES, GET_FEATURES_STREAM, PUSH, PUSH_STREAM = 1, 8, 2, 9
KEYS = [f"key {number}" for number in range(2_000)]
NEWEST_US = 1_000_000 + 5_000


def event(number, key, at_us, text="text " * 10):
    return json.dumps({"id": f"e{number}", "at": at_us, "k": key, "i": number, "s": text}).encode()


@pytest.fixture(scope="module")
def server(module_server):
    module_server.restart("--rpc-port", "0", "--workers", "2")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        events = [event(number, KEYS[number * 7 % 1_900], 1_000_000 + number) for number in range(NEWEST_US - 1_000_000 + 1)]
        assert rpc.push("events", *events) == len(events)
    return module_server


@pytest.fixture
def rpc(server):
    with Rpc(server.rpc_port) as rpc:
        yield rpc


def joined(parts):
    """The columns of all chunks as those of one answer: name -> values, statuses."""
    whole = {}
    for part in parts:
        for column in columns(part):
            values, statuses = whole.setdefault(column.name, ([], []))
            values += column.values
            statuses += column.statuses
    return whole


def light_parts(light, call=7):
    """The messages of an answer that is a stream, and the failure that ended it, if one did."""
    parts = []
    while True:
        of, kind, body = light.receive_frame()
        assert of == call
        if kind == DONE:
            return parts, None
        if kind == FAILED:
            return parts, (body[0], body[1:].decode())
        assert kind == PART
        parts.append(body)


# ---- answers in chunks ----


@pytest.mark.parametrize("rest", [{}, {"chunk_rows": 1_000}, {"at_us": [1_002_000]}, {"at_us": "each"},
                                  {"exclusive": True, "with_event_times": True}])
def test_chunks_together_are_the_answer(rpc, server, rest):
    if rest.get("at_us") == "each":
        rest = {"at_us": [1_000_000 + 3 * number for number in range(len(KEYS))]}
    asked = request(["things.*"], {"k": KEYS}, **rest)
    whole = rpc.get(["things.*"], {"k": KEYS}, **{name: value for name, value in rest.items() if name != "chunk_rows"})

    parts = list(rpc.store.GetFeaturesStream(asked, timeout=60))

    assert joined(parts) == joined([whole])
    assert sum(part.rows for part in parts) == len(KEYS) and len(parts) > 1
    if "chunk_rows" in rest:
        assert {part.rows for part in parts} == {1_000}
    times = [time for part in parts for time in part.views[0].event_times_us]
    assert times == list(whole.views[0].event_times_us)
    with Light(server.rpc_port) as light:
        light.send(7, GET_FEATURES_STREAM, asked.SerializeToString())
        bodies, failed = light_parts(light)
        assert failed is None
        assert joined(messages.GetFeaturesResponse.FromString(body) for body in bodies) == joined([whole])


def test_a_million_rows_have_one_now(rpc):
    """Events that come meanwhile move the clock, but not the now of the answer."""
    rows = 300_000
    asked = request(["things.idle", "things.i_sum"], {"k": KEYS * (rows // len(KEYS))})
    stop = threading.Event()

    def push():
        number = 10_000_000
        while not stop.is_set():
            number += 1
            rpc.push("events", event(number, "another", NEWEST_US + number - 10_000_000))

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        parts = list(rpc.store.GetFeaturesStream(asked, timeout=60))
    finally:
        stop.set()
        pusher.join()
    assert sum(part.rows for part in parts) == rows
    assert len({tuple(part.views[0].at_us) for part in parts}) == 1
    first = joined(parts[:1])
    values = joined(parts)["things.idle"][0]
    assert values[:len(KEYS)] * (rows // len(KEYS)) == values
    assert first["things.idle"][0] == values[:parts[0].rows]
    assert max(part.ByteSize() for part in parts) < 4 << 20


@pytest.mark.parametrize("change, code, text", [
    ({"features": ["things.nothing"]}, grpc.StatusCode.NOT_FOUND, "has no feature 'nothing'"),
    ({"features": []}, grpc.StatusCode.INVALID_ARGUMENT, "names no feature"),
    ({"chunk_rows": 10_001}, grpc.StatusCode.RESOURCE_EXHAUSTED, "at most 10000 rows"),
    ({"keys": {"k": ["a"] * 1_000_001}}, grpc.StatusCode.RESOURCE_EXHAUSTED, "at most 1000000 rows"),
    ({"keys": {"k": ["a", "b"], "n": [1]}}, grpc.StatusCode.INVALID_ARGUMENT, "has 1 values, the first has 2"),
    ({"at_us": [1, 2, 3]}, grpc.StatusCode.INVALID_ARGUMENT, "at_us has 3 values"),
])
def test_a_mistake_ends_the_stream_with_a_sentence(rpc, server, change, code, text):
    asked = request(**{"features": ["things.i_sum"], "keys": {"k": ["a", "b"]}} | change)
    error = failure(lambda: list(rpc.store.GetFeaturesStream(asked, timeout=60)))
    assert error.code() == code and text in error.details()
    with Light(server.rpc_port) as light:
        light.send(7, GET_FEATURES_STREAM, asked.SerializeToString())
        parts, failed = light_parts(light)
        assert parts == [] and failed == (code.value[0], error.details())


def slow_reader(server, asked):
    """A light connection that asks and takes nothing yet; small buffers on its side."""
    light = Light.__new__(Light)
    light.buffer = b""
    light.socket = socket.socket()
    light.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    light.socket.settimeout(60)
    light.socket.connect(("127.0.0.1", server.rpc_port))
    light.send(7, GET_FEATURES_STREAM, asked.SerializeToString())
    return light


def wait_until_still(server, name):
    """Waits until a counter does not move for a while, and returns it."""
    last, since = None, time.monotonic()
    while time.monotonic() - since < 0.4:
        if (value := server.info(name)) != last:
            last, since = value, time.monotonic()
        time.sleep(0.02)
    return last


def test_no_more_chunks_are_made_than_a_slow_reader_takes(rpc, server):
    rows = 400_000
    asked = request(["things.s_last", "things.i_sum"], {"k": KEYS * (rows // len(KEYS))})
    size = sum(part.ByteSize() for part in rpc.store.GetFeaturesStream(asked, timeout=60))
    assert size > 16 << 20
    before = server.info("rpc_calls_read_total")
    with slow_reader(server, asked) as light:
        stopped = wait_until_still(server, "rpc_calls_read_total") - before
        assert stopped < 45  # of 256 KiB: 1 MiB waits, and what buffers of the kernel take
        parts, failed = light_parts(light)
        assert failed is None
        assert sum(messages.GetFeaturesResponse.FromString(part).rows for part in parts) == rows
    before = server.info("rpc_calls_read_total")
    answer = rpc.store.GetFeaturesStream(asked, timeout=60)
    next(answer)
    assert wait_until_still(server, "rpc_calls_read_total") - before < 60
    assert sum(part.rows for part in answer) > rows - 10_000


def test_others_are_answered_while_streams_wait_for_their_readers(rpc, server):
    asked = request(["things.*"], {"k": KEYS * 200})
    slow = [slow_reader(server, asked) for _ in range(20)]
    took_s = []
    for _ in range(50):
        began = time.monotonic()
        assert rpc.get(["things.i_sum"], {"k": ["key 7"]}).rows == 1
        took_s.append(time.monotonic() - began)
    for light in slow:
        light.socket.close()
    assert sorted(took_s)[25] < 0.1
    server.wait_for(lambda: server.info("rpc_calls") == 0)


DEADLINE_S = 3  # long enough for the first chunk, whatever else the machine does


@pytest.mark.parametrize("how", ["deadline", "cancel", "leave"])
def test_a_stream_that_is_not_wanted_any_more_is_not_gone_on_with(rpc, server, how):
    asked = request(["things.*"], {"k": KEYS * 500})
    answer = rpc.store.GetFeaturesStream(asked, timeout=DEADLINE_S if how == "deadline" else 60)
    next(answer)
    if how == "deadline":
        time.sleep(DEADLINE_S)
        error = failure(lambda: list(answer))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    elif how == "cancel":
        answer.cancel()
    else:
        rpc.channel.close()
    server.wait_for(lambda: server.info("rpc_calls") == 0)
    with Light(server.rpc_port) as light:
        light.send(7, GET_FEATURES_STREAM, asked.SerializeToString(), DEADLINE_S * 1000 if how == "deadline" else 0)
        assert light.receive_frame()[1] == PART
        if how == "deadline":
            time.sleep(DEADLINE_S)
            assert light_parts(light)[1][0] == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
        elif how == "cancel":
            light.cancel(7)
        else:
            light.socket.close()
        server.wait_for(lambda: server.info("rpc_calls") == 0)


def test_definitions_that_change_meanwhile_end_the_stream(rpc, server):
    asked = request(["things.*"], {"k": KEYS * 200})
    answer = rpc.store.GetFeaturesStream(asked, timeout=60)
    next(answer)
    wait_until_still(server, "rpc_calls_read_total")
    server.apply(DEFINITIONS.replace("views:", "  pair: {keys: [k, i]}\nviews:"))
    error = failure(lambda: list(answer))
    assert error.code() == grpc.StatusCode.UNAVAILABLE and "definitions changed" in error.details()


# ---- pushes ----


def test_each_push_of_a_stream_is_answered_in_its_turn(rpc, server):
    pushes = [messages.PushRequest(source="events", json=[event(20_000_000 + 10 * number + i, "pushed", 1_000_000)
                                                          for i in range(number % 3 + 1)]) for number in range(200)]
    counts = [len(push.json) for push in pushes]
    assert [answer.events for answer in rpc.store.PushStream(iter(pushes), timeout=60)] == counts
    with Light(server.rpc_port) as light:
        light.send(7, PUSH_STREAM, pushes[0].SerializeToString())
        for push in pushes[1:]:
            light.send_message(7, push.SerializeToString())
        light.end(7)
        parts, failed = light_parts(light)
        assert failed is None
        assert [messages.PushResponse.FromString(part).events for part in parts] == counts


def test_a_push_that_is_refused_ends_the_stream(rpc, server):
    good = messages.PushRequest(source="events", json=[event(1, "pushed", 1_000_000)])
    bad = messages.PushRequest(source="events", json=[b"{}"])
    with Light(server.rpc_port) as light:
        light.send(7, PUSH_STREAM, good.SerializeToString())
        for push in [good, bad, good, good]:
            light.send_message(7, push.SerializeToString())
        light.end(7)
        parts, failed = light_parts(light)
        assert len(parts) == 2 and failed[0] == grpc.StatusCode.INVALID_ARGUMENT.value[0] and "event 1" in failed[1]
        assert light.call(PUSH, good) == messages.PushResponse(events=1).SerializeToString()


def test_who_pushes_faster_than_it_is_stored_is_stopped_by_its_connection(server):
    """16 MiB of messages behind one that is being written: the door holds at most one of them and a read."""
    push = messages.PushRequest(source="events", json=[event(30_000_000 + i, "pushed", 1_000_000, "t" * 60_000)
                                                       for i in range(20)]).SerializeToString()
    with Light(server.rpc_port) as light:
        light.send(7, PUSH_STREAM, push)
        for _ in range(19):
            light.send_message(7, push)
        light.end(7)
        parts, failed = light_parts(light)
        assert failed is None and len(parts) == 20


def test_messages_of_no_stream_are_harmless(server):
    """Of a call that is not there they are ignored; a call that takes one message fails with a second."""
    get = request(["things.i_sum"], {"k": ["a"]}).SerializeToString()
    with Light(server.rpc_port) as light:
        light.send_message(9, b"any")
        light.end(9)
        light.cancel(9)
        assert light.call(GET_FEATURES, request(["things.i_sum"], {"k": ["a"]}))
        light.socket.sendall(light_call(7, GET_FEATURES_STREAM, get) + light_frame(7, 5, get))
        parts, failed = light_parts(light)
        assert failed is None or (failed[0] == 3 and "takes one message" in failed[1])


@pytest.mark.parametrize("data", [struct.pack(">IIB", 6, 1, 6) + b"x", struct.pack(">IIB", 5, 1, 7),
                                  struct.pack(">IIB", 5, 1, 8), struct.pack(">IIB", 2**31, 1, 5)])
def test_frames_that_clients_do_not_send_end_the_connection(server, data):
    with Light(server.rpc_port) as light:
        light.socket.sendall(data)
        assert light.socket.recv(1) == b""


def test_a_stop_ends_idle_streams_at_once_and_lets_answers_finish(module_server):
    server = module_server
    with Rpc(server.rpc_port) as rpc, Light(server.rpc_port) as light:
        asked = request(["things.*"], {"k": KEYS * 20})
        push = messages.PushRequest(source="events", json=[event(1, "pushed", 1_000_000)])
        waiting = threading.Event()

        def pushes():
            yield push
            waiting.wait(60)

        stream = rpc.store.PushStream(pushes(), timeout=60)
        assert next(stream).events == 1
        light.send(7, PUSH_STREAM, push.SerializeToString())
        assert light.receive_frame()[1] == PART
        answer = rpc.store.GetFeaturesStream(asked, timeout=60)
        rows = next(answer).rows
        began = time.monotonic()
        server.process.terminate()
        rows += sum(part.rows for part in answer)
        assert rows == len(KEYS) * 20
        assert light_parts(light) == ([], (14, "the server is stopping"))
        assert failure(lambda: next(stream)).code() == grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(20) == 0
        assert time.monotonic() - began < 4
        waiting.set()
    server.start()
