"""RPC: what an unmodified gRPC client and the light frame get, and that it is what the Redis protocol
tells; deadlines, cancelling, many calls; hostile bytes."""

import concurrent.futures
import decimal
import json
import re
import socket
import struct
import threading
import time

import grpc
import pytest

from resp import Error
from rpc_world import (NO_EVENT_TIME, PREFACE, Light, Rpc, columns, failure, frame, grpc_headers, grpc_message, grpc_timeout,
                       health_messages, light_call, messages, reflection_messages, registry_messages, request)

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_us, k: string, n: int, i: int, d: double, m: decimal(3), s: string,
             b: bool, t: timestamp_us}
    event_time: at
    event_id: id
    clock: event
  walls:
    fields: {at: timestamp_us, k: string}
    event_time: at
entities:
  thing: {keys: [k]}
  pair: {keys: [k, n]}
views:
  things:
    source: events
    entity: thing
    features:
      events_10: {count: '*', over: 10ms}
      i_sum: {sum: i, over: forever}
      i_max: {max: i, over: 40ms}
      d_avg: {avg: d, over: 40ms}
      d_sum: {sum: d, over: forever, default: 0.5}
      d_dev: {stddev: d, over: last(4)}
      m_sum: {sum: m, over: 40ms, default: 1.25}
      m_last: {last: m, over: forever}
      s_last: {last: s, over: 40ms}
      b_last: {last: b, over: forever}
      t_min: {min: t, over: forever}
      idle: {time_since_last: true, over: forever}
      last_s: {last_n: s, over: last(3)}
      last_i: {last_n: i, over: last(3)}
      last_d: {last_n: d, over: last(2)}
      last_m: {last_n: m, over: last(2)}
      session: {count: '*', over: session(5ms)}
  pairs:
    source: events
    entity: pair
    history: 60ms
    features: {events: {count: '*', over: 20ms}, s_first: {first: s, over: 20ms}, i_sum: {sum: i, over: 20ms}}
  walls:
    source: walls
    entity: thing
    features: {events: {count: '*', over: forever}}
  computed:
    kind: on_demand
    entity: thing
    features: {twice: 2 * things.i_max}
services:
  both:
    features: [things.i_sum, things.s_last, computed.twice, things.last_s]
"""
KEYS = ["a", "b", "c|d", "e\\f", "ü", "", "nul\0byte", "nobody"]
STRINGS = ["", "x", "ü", "a\0b", '"quoted"', "long " * 50]
EVENTS_FROM_US, EVENTS_TO_US = 1_000_000, 1_200_000


def random_event(draw, number):
    event = {"id": f"e{number}", "at": draw.randrange(EVENTS_FROM_US, EVENTS_TO_US), "k": draw.choice(KEYS[:-1]),
             "n": draw.randrange(-2, 3)}
    fields = {"i": lambda: draw.choice([0, 1, -1, 2**62, -2**63, draw.randrange(-1000, 1000)]),
              "d": lambda: draw.choice([0.1, -0.0, 1e300, 1.5e-300, draw.random(), 1e308]),
              "m": lambda: draw.randrange(-10**6, 10**6) / 1000, "s": lambda: draw.choice(STRINGS),
              "b": lambda: draw.random() < 0.5, "t": lambda: draw.randrange(-10**15, 10**15)}
    return event | {name: make() for name, make in fields.items() if draw.random() < 0.8}


@pytest.fixture(scope="module")
def world(module_server):
    """A server with random events, and a client of its RPC door."""
    import random
    draw = random.Random(11)
    module_server.restart("--rpc-port", "0", "--workers", "2")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        events = [json.dumps(random_event(draw, number)) for number in range(600)]
        newest = json.dumps({"id": "newest", "at": EVENTS_TO_US, "k": "a", "n": 1})
        assert rpc.push("events", *(event.encode() for event in [*events, newest])) == 601
        yield module_server, rpc


@pytest.fixture
def server(world):
    return world[0]


@pytest.fixture
def rpc(world):
    return world[1]


# ---- the same answers as over the Redis protocol ----


def resp_key(view, key, n=None):
    if n is None:
        return f"{view}:{key}"
    escaped = key.replace("\\", "\\\\").replace("|", "\\|")
    return f"{view}:{escaped}|{n}"


def bits(real):
    return struct.pack("<d", real)


def same_scalar(kind, digits, value, item):
    """item: bytes as the Redis protocol tells it, or what JSON makes of it within a list."""
    text = item.decode() if isinstance(item, bytes) else item
    if kind == messages.KIND_DOUBLE:
        return bits(value) == bits(float(text))
    if kind == messages.KIND_DECIMAL:
        return value == int(decimal.Decimal(str(text)).scaleb(digits))
    if kind == messages.KIND_STRING:
        return value == text
    return value == int(text)


def same_value(column, value, text):
    if value is None or text is None:
        return value is None and text is None
    if not column.is_list:
        return same_scalar(column.kind, column.digits, value, text)
    items = json.loads(text, parse_float=decimal.Decimal if column.kind == messages.KIND_DECIMAL else float)
    return len(items) == len(value) and all(
        same_scalar(column.kind, column.digits, one, other) for one, other in zip(value, items))


def compare(client, answer, row, key_of, at_us, exclusive, words_of=lambda view: []):
    """words_of: what ASOF.GET is told of a view besides, such as values of the request."""
    by_view = {}
    for column in columns(answer):
        by_view.setdefault((column.view.view, column.view.version), []).append(column)
    for (view, version), group in by_view.items():
        names = [column.name.split(".", 1)[1] for column in group]
        words = ["ASOF.GET", key_of(f"{view}@{version}"), "AT", "now" if at_us is None else at_us, *words_of(view)]
        statuses = [column.statuses[row] for column in group]
        try:
            told = client.call(*words, *(["EXCLUSIVE"] if exclusive else []), "FIELDS", *names)
        except Error as error:
            assert str(error).startswith("OUTOFHISTORY") and set(statuses) == {"out_of_history"}
            assert {column.values[row] if not column.is_list else None for column in group} == {None}
            continue
        told = dict(zip(told[::2], told[1::2]))
        assert told[b"view"].decode() == f"{view}@{version}"
        asked = group[0].view.at_us
        assert asked[row if len(asked) > 1 else 0] == told[b"at"]
        event_time = group[0].view.event_times_us[row]
        assert (None if event_time == NO_EVENT_TIME else event_time) == told[b"event_time"]
        features = told[b"features"]
        for column, name, text, status in zip(group, features[::3], features[1::3], features[2::3], strict=True):
            assert column.name == f"{view}.{name.decode()}"
            assert column.statuses[row] == status.decode(), (column.name, row)
            assert same_value(column, column.values[row], text), (column.name, row, column.values[row], text)


def test_random_requests_get_what_the_redis_protocol_tells(server, rpc, draw):
    all_names = {"things": ["events_10", "i_sum", "i_max", "d_avg", "d_sum", "d_dev", "m_sum", "m_last", "s_last",
                            "b_last", "t_min", "idle", "last_s", "last_i", "last_d", "last_m", "session"],
                 "pairs": ["events", "s_first", "i_sum"], "computed": ["twice"],
                 "both": ["things.i_sum", "things.s_last", "computed.twice", "things.last_s"]}
    seen = set()
    with server.client() as client:
        for _ in range(150):
            names = [f"{view}{draw.choice(['', '@1'])}.{draw.choice(all_names[view])}"
                     for view in draw.choices(list(all_names), k=draw.randrange(1, 12))]
            names += draw.choice([[], ["pairs.*"], ["things.*"], ["both.*"]])
            rows = draw.choice([1, 1, 3, 40])
            keys = {"k": draw.choices(KEYS, k=rows), "n": draw.choices(range(-3, 4), k=rows)}
            if draw.random() < 0.3:
                keys["n"] = [str(n) for n in keys["n"]]
            at_us = draw.choice([[], [draw.randrange(900_000, 1_300_000)], [draw.randrange(900_000, 1_300_000) for _ in range(rows)]])
            exclusive = draw.random() < 0.3
            answer = rpc.get(names, keys, at_us=at_us, exclusive=exclusive, with_event_times=True)
            assert answer.rows == rows
            seen.update(status for column in columns(answer) for status in column.statuses)
            for row in range(rows):
                def key_of(view):
                    n = keys["n"][row] if view.startswith("pairs") else None
                    return resp_key(view, keys["k"][row], n)
                at = at_us[row if len(at_us) > 1 else 0] if at_us else None
                compare(client, answer, row, key_of, at, exclusive)
    assert seen == {"present", "null", "not_found", "overflow", "out_of_history"}


def test_an_acknowledged_push_is_seen_by_the_next_read(rpc):
    for number in range(20):
        event = {"at": time.time_ns() // 1000, "k": "mine"}
        assert rpc.push("walls", json.dumps(event).encode()) == 1
        [column] = columns(rpc.get(["walls.events"], {"k": ["mine"]}))
        assert column.values == [number + 1]


def test_every_request_of_a_push_stream_is_answered_in_its_turn(rpc):
    def requests():
        for number in range(50):
            event = json.dumps({"at": time.time_ns() // 1000, "k": "stream"}).encode()
            yield messages.PushRequest(source="walls", json=[event] * (number % 3 + 1))
    answers = [answer.events for answer in rpc.store.PushStream(requests(), timeout=60)]
    assert answers == [number % 3 + 1 for number in range(50)]
    [column] = columns(rpc.get(["walls.events"], {"k": ["stream"]}))
    assert column.values == [sum(answers)]


def test_a_push_stream_ends_with_the_first_that_is_refused(rpc):
    good = json.dumps({"at": time.time_ns() // 1000, "k": "refused"}).encode()
    stream = rpc.store.PushStream(iter([messages.PushRequest(source="walls", json=[good]),
                                        messages.PushRequest(source="walls", json=[good, b"{}"]),
                                        messages.PushRequest(source="walls", json=[good])]), timeout=60)
    assert next(stream).events == 1
    error = failure(lambda: next(stream))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "event 2" in error.details()
    [column] = columns(rpc.get(["walls.events"], {"k": ["refused"]}))
    assert column.values == [1]


# ---- definitions, health, reflection ----


def test_definitions_are_planned_applied_listed_and_described(server, rpc):
    text = "views:\n  more:\n    source: walls\n    entity: thing\n    features: {n: {count: '*', over: 1h}}\n"
    files = registry_messages.PlanRequest(files=[registry_messages.DefinitionFile(name="more.yaml", text=text)])
    [change] = rpc.registry.Plan(files, timeout=60).changes
    assert (change.kind, change.noun, change.name, change.version) == (1, "view", "more", 1)
    assert failure(lambda: rpc.get(["more.n"], {"k": ["x"]})).code() == grpc.StatusCode.NOT_FOUND
    assert rpc.registry.Apply(files, timeout=60).changes == [change]
    assert rpc.registry.Apply(files, timeout=60).changes[0].kind == registry_messages.Change.KIND_UNCHANGED
    server.wait_for(lambda: b'"filling"' not in server.call("ASOF.LIST"))
    assert columns(rpc.get(["more.n"], {"k": ["x"]}))[0].values == [0]
    assert rpc.registry.List(registry_messages.ListRequest()).json.encode() == server.call("ASOF.LIST")
    described = rpc.registry.Describe(registry_messages.DescribeRequest(name="more"))
    assert described.json.encode() == server.call("ASOF.DESCRIBE", "more")


def test_health_tells_of_the_server_and_of_its_services(rpc):
    for service in ["", "asof.v1.FeatureStore", "asof.v1.Registry"]:
        answer = rpc.health.Check(health_messages.HealthCheckRequest(service=service), timeout=60)
        assert answer.status == health_messages.HealthCheckResponse.SERVING
    unknown = health_messages.HealthCheckRequest(service="nothing")
    assert failure(lambda: rpc.health.Check(unknown, timeout=60)).code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_tells_what_is_served(rpc, version):
    from google.protobuf import descriptor_pb2
    ask = rpc.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_messages.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_messages.ServerReflectionResponse.FromString)
    Ask = reflection_messages.ServerReflectionRequest
    listed, by_symbol, by_method, by_name, unknown = ask(iter([
        Ask(list_services="*"), Ask(file_containing_symbol="asof.v1.FeatureStore"),
        Ask(file_containing_symbol="asof.v1.Registry.Apply"), Ask(file_by_filename="asof/v1/registry.proto"),
        Ask(file_containing_symbol="asof.v1.Nothing")]), timeout=60)
    assert {service.name for service in listed.list_services_response.service} >= {
        "asof.v1.FeatureStore", "asof.v1.Registry", "grpc.health.v1.Health"}
    [file] = by_symbol.file_descriptor_response.file_descriptor_proto
    assert descriptor_pb2.FileDescriptorProto.FromString(file).name == "asof/v1/feature_store.proto"
    assert by_method.file_descriptor_response == by_name.file_descriptor_response
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_health_is_watched_until_the_server_stops(make_server):
    server = make_server("watched")
    server.start("--rpc-port", "0")
    serving = health_messages.HealthCheckResponse
    with Rpc(server.rpc_port) as rpc:
        watches = [rpc.health.Watch(health_messages.HealthCheckRequest(service=service)) for service in ("", "asof.v1.Registry")]
        unknown = rpc.health.Watch(health_messages.HealthCheckRequest(service="nothing"))
        left = rpc.health.Watch(health_messages.HealthCheckRequest())
        assert [next(watch).status for watch in (*watches, left)] == [serving.SERVING] * 3
        assert next(unknown).status == serving.SERVICE_UNKNOWN
        left.cancel()
        begin = time.monotonic()
        server.stop()
        for watch in watches:
            assert next(watch).status == serving.NOT_SERVING
            assert failure(lambda: next(watch)).code() == grpc.StatusCode.UNAVAILABLE
        assert time.monotonic() - begin < 5


def test_a_read_of_many_values_is_not_the_workers(server, rpc):
    """Others of its loop would wait, though all is in memory."""
    def begun(features, rows):
        before = int(re.search(rb"rpc_calls_read_total:(\d+)", server.call("INFO"))[1])
        assert rpc.get(features, {"k": ["a"] * rows}, at_us=[]).rows == rows
        return int(re.search(rb"rpc_calls_read_total:(\d+)", server.call("INFO"))[1]) - before
    rpc.get(["things.i_sum"], {"k": ["a"]})
    assert begun(["things.i_sum"], 10) == 0
    assert begun(["things.i_sum"] * 100, 1001) == 1
    assert [part.rows for part in rpc.store.GetFeaturesStream(request(["things.i_sum"] * 100, {"k": ["a"] * 2000}, chunk_rows=1500))] == [
        1500, 500]


# ---- mistakes ----

MISTAKES = {
    "no_feature": (dict(features=[], keys={"k": ["a"]}), grpc.StatusCode.INVALID_ARGUMENT, "no feature"),
    "no_entity": (dict(features=["things.i_sum"], keys={}), grpc.StatusCode.INVALID_ARGUMENT, "no entity"),
    "unknown_view": (dict(features=["thongs.i_sum"], keys={"k": ["a"]}), grpc.StatusCode.NOT_FOUND, "no view 'thongs'"),
    "unknown_version": (dict(features=["things@9.i_sum"], keys={"k": ["a"]}), grpc.StatusCode.NOT_FOUND, "no version 9"),
    "bad_version": (dict(features=["things@x.i_sum"], keys={"k": ["a"]}), grpc.StatusCode.INVALID_ARGUMENT, "version"),
    "unknown_feature": (dict(features=["things.i_sun"], keys={"k": ["a"]}), grpc.StatusCode.NOT_FOUND, "i_sum"),
    "no_dot": (dict(features=["thongs"], keys={"k": ["a"]}), grpc.StatusCode.NOT_FOUND, "no view 'thongs'"),
    "no_dot_version": (dict(features=["things@x"], keys={"k": ["a"]}), grpc.StatusCode.INVALID_ARGUMENT, "version"),
    "no_name": (dict(features=[""], keys={"k": ["a"]}), grpc.StatusCode.NOT_FOUND, "no view ''"),
    "key_twice": (dict(features=["things.i_sum"], keys=[messages.KeyColumn(key="k", strings=["a"])] * 2),
                  grpc.StatusCode.INVALID_ARGUMENT, "key column 'k' stands twice"),
    "request_twice": (dict(features=["things.i_sum"], keys={"k": ["a"]},
                           request=[messages.RequestColumn(name="x", ints=[1])] * 2),
                      grpc.StatusCode.INVALID_ARGUMENT, "request column 'x' stands twice"),
    "missing_key": (dict(features=["pairs.events"], keys={"k": ["a"]}), grpc.StatusCode.INVALID_ARGUMENT, "key 'n'"),
    "uneven_keys": (dict(features=["pairs.events"], keys={"k": ["a"], "n": [1, 2]}), grpc.StatusCode.INVALID_ARGUMENT,
                    "key column 'n' has 2"),
    "uneven_times": (dict(features=["things.i_sum"], keys={"k": ["a"] * 3}, at_us=[1, 2]),
                     grpc.StatusCode.INVALID_ARGUMENT, "2 values for 3 rows"),
    "time_out_of_range": (dict(features=["things.i_sum"], keys={"k": ["a"]}, at_us=[2**62]),
                          grpc.StatusCode.INVALID_ARGUMENT, "years 1 to 9999"),
    "int_that_is_none": (dict(features=["pairs.events"], keys={"k": ["a"], "n": ["1.5"]}),
                         grpc.StatusCode.INVALID_ARGUMENT, "is an int"),
    "too_many_rows": (dict(features=["things.i_sum"], keys={"k": ["a"] * 10_001}), grpc.StatusCode.RESOURCE_EXHAUSTED,
                      "10000"),
    "too_many_values": (dict(features=["things.i_sum"] * 200, keys={"k": ["a"] * 6000}),
                        grpc.StatusCode.RESOURCE_EXHAUSTED, "1000000 values"),
    "too_many_features": (dict(features=["things.i_sum"] * 4097, keys={"k": ["a"]}),
                          grpc.StatusCode.RESOURCE_EXHAUSTED, "4096"),
    "long_entity": (dict(features=["things.i_sum"], keys={"k": ["x" * 5000]}), grpc.StatusCode.RESOURCE_EXHAUSTED,
                    "4096"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_a_code_and_a_sentence(rpc, name):
    arguments, code, words = MISTAKES[name]
    error = failure(lambda: rpc.get(**arguments))
    assert error.code() == code and words in error.details(), error.details()


def test_a_message_beyond_ascii_arrives(rpc):
    error = failure(lambda: rpc.push("walls", '{"at": "ü%\n", "k": "x"}'.encode()))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = failure(lambda: rpc.get(["thüngs.x"], {"k": ["a"]}))
    assert "thüngs" in error.details()


def test_an_unknown_method_is_unimplemented(rpc):
    call = rpc.channel.unary_unary("/asof.v1.FeatureStore/Nothing")
    assert failure(lambda: call(b"", timeout=60)).code() == grpc.StatusCode.UNIMPLEMENTED


def test_metadata_up_to_a_limit_are_carried_and_more_is_told(rpc):
    ask = request(["things.i_sum"], {"k": ["a"]})
    rpc.store.GetFeatures(ask, timeout=60, metadata=[("x", "y" * 8000), ("z-bin", bytes(range(256)))])
    for metadata in ([("x", "y" * 17_000)], [(f"name-{number}", "y" * 100) for number in range(200)]):
        error = failure(lambda: rpc.store.GetFeatures(ask, timeout=60, metadata=metadata))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "16384 bytes" in error.details()


def test_a_name_without_a_dot_is_all_of_a_service_or_a_view(rpc):
    for bare in ("both", "both@1", "things", "things@1", "computed"):
        whole = rpc.get([f"{bare}.*"], {"k": ["a", "b"]}, at_us=[EVENTS_TO_US])
        assert rpc.get([bare], {"k": ["a", "b"]}, at_us=[EVENTS_TO_US]) == whole and whole.columns


def test_compressed_messages_are_refused(rpc):
    ask = request(["things.i_sum"], {"k": ["a" * 1000]})
    error = failure(lambda: rpc.store.GetFeatures(ask, timeout=60, compression=grpc.Compression.Gzip))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_message_are_refused(rpc):
    call = rpc.channel.unary_unary("/asof.v1.FeatureStore/GetFeatures")
    for junk in [b"\xff", b"\x0a\xff\xff\xff\xff\x7fx", b"\x1a\x03\xff\xff\xff", b"\x0b", b"\x12\x02\x12\x7f"]:
        assert failure(lambda: call(junk, timeout=60)).code() == grpc.StatusCode.INVALID_ARGUMENT, junk


# ---- load ----


def test_many_parallel_calls_are_all_answered(rpc):
    expected = rpc.get(["things.*"], {"k": KEYS}, at_us=[EVENTS_TO_US]).SerializeToString()
    ask = request(["things.*"], {"k": KEYS}, at_us=[EVENTS_TO_US])
    futures = [rpc.store.GetFeatures.future(ask, timeout=60) for _ in range(1000)]
    assert all(future.result().SerializeToString() == expected for future in futures)


def test_a_large_answer_arrives_whole(rpc):
    keys = {"k": ["a", "b"] * 5000}
    answer = rpc.get(["things.*"] * 5, keys, at_us=[EVENTS_TO_US - 40_000])
    assert len(answer.columns) == 85 and answer.rows == 10_000
    for one, two in zip(answer.columns[:17], answer.columns[68:]):
        assert one == two
    assert answer.ByteSize() > 4_500_000


def test_a_call_with_a_deadline_is_answered_by_then(server):
    """While the writer has much to do, a push that can't be done in time is answered at its deadline."""
    with Rpc(server.rpc_port) as rpc:
        events = [json.dumps({"at": time.time_ns() // 1000, "k": f"k{number}"}).encode() for number in range(20_000)]
        long_push = rpc.store.Push.future(messages.PushRequest(source="walls", json=events), timeout=60)
        with Light(server.rpc_port) as light:
            light.send(1, 2, messages.PushRequest(source="walls", json=events).SerializeToString(), timeout_ms=5)
            call, (code, text) = light.receive()
        assert (call, code) == (1, grpc.StatusCode.DEADLINE_EXCEEDED.value[0]) and "deadline" in text
        error = failure(lambda: rpc.store.Push(messages.PushRequest(source="walls", json=events), timeout=0.01))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert long_push.result().events == 20_000


def test_cancelling_ends_a_call_and_nothing_else(rpc):
    ask = request(["things.*"] * 5, {"k": ["a", "b"] * 5000}, at_us=[EVENTS_TO_US])
    for _ in range(20):
        rpc.store.GetFeatures.future(ask, timeout=60).cancel()
    assert columns(rpc.get(["things.i_sum"], {"k": ["nobody"]}))[0].statuses == ["not_found"]


def test_the_debug_log_has_the_trace_of_a_call_and_nothing_else_that_was_sent(make_server):
    server = make_server().start("--rpc-port", "0", "--log-level", "debug")
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    ask = health_messages.HealthCheckRequest()
    with Rpc(server.rpc_port) as rpc, Light(server.rpc_port) as light:
        rpc.health.Check(ask, timeout=60, metadata=[("traceparent", f"00-{trace}-{parent}-01"), ("secret", "hidden")])
        rpc.health.Check(ask, timeout=60, metadata=[("traceparent", f"00-{trace}-{parent}-01 hidden")])
        failure(lambda: rpc.health.Check(health_messages.HealthCheckRequest(service="hidden"), timeout=60))
        light.call(7, ask)
    server.stop()

    lines = re.findall(r" debug rpc (\S+) (code=\d+) us=\d+(.*)\n", server.log())
    path = "/grpc.health.v1.Health/Check"
    assert sorted(lines) == sorted([(path, "code=0", f" trace={trace} parent={parent}"), (path, "code=0", ""),
                                    (path, "code=5", ""), (path, "code=0", "")])
    assert "hidden" not in server.log()


def test_a_stop_during_load_loses_no_answer(make_server):
    server = make_server().start("--rpc-port", "0", "--workers", "2")
    server.apply(DEFINITIONS)
    counts = {"ok": 0}
    errors = []
    stop = threading.Event()

    def load():
        with Rpc(server.rpc_port) as rpc:
            while not stop.is_set():
                try:
                    rpc.get(["walls.events"], {"k": ["x"]})
                    counts["ok"] += 1
                except grpc.RpcError as error:
                    errors.append((error.code(), error.details()))
                    return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    server.wait_for(lambda: counts["ok"] > 200)
    server.stop()
    stop.set()
    for thread in threads:
        thread.join()
    # Whoever called behind the end was refused before the call left: nothing was lost on the way.
    assert all(code == grpc.StatusCode.UNAVAILABLE and "connect" in text.lower() for code, text in errors), errors


# ---- the light frame ----


def test_the_light_frame_gives_the_same_messages(server, rpc):
    ask = request(["things.*", "pairs.*"], {"k": KEYS, "n": [1] * len(KEYS)}, at_us=[EVENTS_TO_US], with_event_times=True)
    with Light(server.rpc_port) as light:
        assert light.call(1, ask) == rpc.store.GetFeatures(ask).SerializeToString()
        assert light.call(7, health_messages.HealthCheckRequest()) == b"\x08\x01"
        code, text = light.call(1, request(["thongs.x"], {"k": ["a"]}))
        assert code == grpc.StatusCode.NOT_FOUND.value[0] and "thongs" in text
        assert light.call(99, ask)[0] == grpc.StatusCode.UNIMPLEMENTED.value[0]
        event = json.dumps({"at": time.time_ns() // 1000, "k": "light"}).encode()
        assert light.call(2, messages.PushRequest(source="walls", json=[event])) == b"\x08\x01"


def test_many_light_calls_are_in_flight_at_once(server):
    ask = request(["things.i_sum"], {"k": ["a"]}, at_us=[EVENTS_TO_US]).SerializeToString()
    event = json.dumps({"at": time.time_ns() // 1000, "k": "light"}).encode()
    push = messages.PushRequest(source="walls", json=[event]).SerializeToString()
    with Light(server.rpc_port) as light:
        light.socket.sendall(b"".join(light_call(number, 2 if number % 10 == 0 else 1, push if number % 10 == 0 else ask)
                                      for number in range(500)))
        answers = dict(light.receive() for _ in range(500))
    assert sorted(answers) == list(range(500)) and all(isinstance(answer, bytes) for answer in answers.values())


# ---- hostile bytes ----

SETTINGS = frame(4, 0, 0)
STORE = b"/asof.v1.FeatureStore/"
HEADERS = b"\x83\x86\x44\x03/xy\x41\x01a\x5f\x10application/grpc"  # POST http /xy, authority a, content-type
HOSTILE = {
    "nothing_of_ours": b"GET / HTTP/1.1\r\n\r\n",
    "cut_preface": b"PRI * HT",
    "wrong_preface": b"PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n",
    "frame_too_long": PREFACE + SETTINGS + struct.pack(">I", 2**23)[1:] + b"\0\0\0\0\0\1",
    "data_before_headers": PREFACE + SETTINGS + frame(0, 0, 1, b"x"),
    "bad_hpack": PREFACE + SETTINGS + frame(1, 4, 1, b"\xff\xff\xff\xff\xff"),
    "headers_on_stream_0": PREFACE + SETTINGS + frame(1, 5, 0, HEADERS),
    "even_stream": PREFACE + SETTINGS + frame(1, 5, 2, HEADERS),
    "continuations": PREFACE + SETTINGS + frame(1, 0, 1, HEADERS) + frame(9, 0, 1, b"\x00\x01a\x01b") * 5000,
    "pings": PREFACE + SETTINGS + frame(6, 0, 0, b"x" * 8) * 20_000,
    "settings": PREFACE + SETTINGS * 20_000,
    "empty_data": PREFACE + SETTINGS + frame(1, 4, 1, HEADERS) + frame(0, 0, 1) * 20_000,
    "rapid_reset": PREFACE + SETTINGS + b"".join(
        frame(1, 4, stream, HEADERS) + frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 60_001, 2)),
    "large_headers": PREFACE + SETTINGS + frame(1, 4, 1, HEADERS + b"\x00\x01a\x7f\xff\x2f" + b"b" * 6000) * 4,
    "windows_overflow": PREFACE + SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 3,
    "light_size_of_nothing": b"\0\0\0\0" + b"\0" * 10,
    "light_too_long": b"\x7f\xff\xff\xff" + b"\0" * 10,
    "light_bad_kind": struct.pack(">IIB", 5, 1, 99),
    "light_call_too_short": struct.pack(">IIB", 5, 1, 1),
    "light_answer_from_a_client": struct.pack(">IIB", 5, 1, 3),
}


@pytest.fixture
def steady(server, rpc):
    process = server.process
    yield server
    assert server.process is process and server.is_alive()
    assert rpc.get(["things.i_sum"], {"k": ["nobody"]}).rows == 1


def send_and_drain(server, data):
    with socket.create_connection(("127.0.0.1", server.rpc_port), timeout=10) as connection:
        try:
            for start in range(0, len(data), 65536):
                connection.sendall(data[start:start + 65536])
                connection.setblocking(False)
                try:
                    connection.recv(1 << 20)
                except BlockingIOError:
                    pass
                connection.settimeout(10)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass
        except (ConnectionError, BrokenPipeError, TimeoutError):
            pass


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_harm_nobody(steady, name):
    send_and_drain(steady, HOSTILE[name])


def test_random_bytes_harm_nobody(steady, draw):
    good = PREFACE + SETTINGS + frame(1, 4, 1, HEADERS) + frame(0, 1, 1, b"\0\0\0\0\0")
    light = light_call(1, 1, request(["things.i_sum"], {"k": ["a"]}).SerializeToString())
    for _ in range(200):
        data = bytearray(draw.choice([good, light, light * 3]))
        for _ in range(draw.randrange(1, 6)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        send_and_drain(steady, bytes(data))


def frames(connection):
    """Its frames until the end: (kind, flags, stream)."""
    with connection.makefile("rb") as file:
        while len(head := file.read(9)) == 9:
            file.read(int.from_bytes(head[:3], "big"))
            yield head[3], head[4], struct.unpack(">I", head[5:])[0]


HEADERS_THAT_END_STREAM_1 = (1, 5, 1)


@pytest.mark.parametrize("method", [b"PushStream", b"GetFeatures"])
def test_a_peer_that_left_within_a_call_is_forgotten(steady, method):
    """It will not finish what it began: nothing is kept for it."""
    with socket.create_connection(("127.0.0.1", steady.rpc_port), timeout=10) as connection:
        connection.sendall(PREFACE + SETTINGS + frame(1, 4, 1, grpc_headers(STORE + method)) + frame(0, 0, 1, b"\0\0\0\0\x09cut"))
        connection.shutdown(socket.SHUT_WR)
        assert HEADERS_THAT_END_STREAM_1 not in frames(connection)


@pytest.mark.parametrize("method", [b"PushStream", b"GetFeatures"])
def test_a_call_that_never_comes_whole_is_answered_at_its_deadline(steady, method):
    timeout = grpc_timeout(b"100m")
    with socket.create_connection(("127.0.0.1", steady.rpc_port), timeout=10) as connection:
        began = time.monotonic()
        connection.sendall(PREFACE + SETTINGS + frame(1, 4, 1, grpc_headers(STORE + method, timeout)))
        assert HEADERS_THAT_END_STREAM_1 in frames(connection)
        assert 0.09 < time.monotonic() - began < 5


def test_a_stream_that_was_answered_before_still_has_its_deadline(rpc, server):
    """Also between its messages."""
    event = json.dumps({"at": time.time_ns() // 1000, "k": "late"}).encode()
    message = messages.PushRequest(source="walls", json=[event]).SerializeToString()
    body = b"\0" + struct.pack(">I", len(message)) + message
    timeout = grpc_timeout(b"500m")
    with socket.create_connection(("127.0.0.1", server.rpc_port), timeout=10) as connection:
        connection.sendall(PREFACE + SETTINGS + frame(1, 4, 1, grpc_headers(STORE + b"PushStream", timeout)) + frame(0, 0, 1, body))
        taken = frames(connection)
        assert (0, 0, 1) in taken  # the answer to the first
        assert HEADERS_THAT_END_STREAM_1 in taken


def test_reads_that_were_cancelled_are_not_gone_on_with(rpc, server):
    """They hold up no reader, however many they were."""
    ask = request(["things.*"] * 5, {"k": ["a", "b"] * 5000}, at_us=[EVENTS_TO_US])
    began = time.monotonic()
    rpc.store.GetFeatures(ask)
    one_s = time.monotonic() - began
    message = ask.SerializeToString()
    with Light(server.rpc_port) as light:
        for number in range(100):
            light.send(number, 1, message)
            light.cancel(number)
        began = time.monotonic()
        light.send(1000, 1, message)
        while light.receive()[0] != 1000:
            pass
    assert time.monotonic() - began < 20 * one_s + 1


def test_a_peer_with_a_window_of_nothing_holds_up_no_other(steady, rpc):
    """Its answers wait, bounded, and another connection goes on."""
    headers = grpc_headers(STORE + b"GetFeatures")
    message = request(["things.*"], {"k": ["a", "b"] * 500}, at_us=[EVENTS_TO_US]).SerializeToString()
    body = grpc_message(message)
    no_window = frame(4, 0, 0, struct.pack(">HI", 4, 0))
    with socket.create_connection(("127.0.0.1", steady.rpc_port), timeout=10) as connection:
        data = PREFACE + no_window
        for stream in range(1, 60, 2):
            data += frame(1, 4, stream, headers)
            chunks = [body[start:start + 16384] for start in range(0, len(body), 16384)]
            for chunk in chunks:
                data += frame(0, chunk is chunks[-1], stream, chunk)
        connection.sendall(data)
        for _ in range(50):
            rpc.get(["things.i_sum"], {"k": ["a"]}, timeout_s=10)


def test_data_behind_a_cancel_costs_no_other_call(server):
    """Netty sends some now and then: what a cancel overtook."""
    late = frame(1, 4, 1, grpc_headers(b"/asof.v1.FeatureStore/GetFeatures")) + frame(3, 0, 1, struct.pack(">I", 8))
    ping = frame(6, 0, 0, b"8 bytes!")
    with socket.create_connection(("127.0.0.1", server.rpc_port), timeout=60) as peer:
        peer.sendall(PREFACE + frame(4, 0, 0) + late + frame(0, 1, 1, grpc_message(b"")) + ping)
        got = b""
        while ping[:3] + b"\x06\x01" not in got:
            more = peer.recv(1 << 16)
            assert more, got
            got += more
    assert b"stream closed" not in got
