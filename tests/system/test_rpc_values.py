"""What comes as columns over RPC: values of the request, events, writes of batch views; and answers without statuses."""

import datetime
import json
import time
import re

import grpc
import pytest

from rpc_world import NO_EVENT_TIME, NO_VALUE, Rpc, columns, failure, messages, request

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_ms, k: string, i: int, d: double, m: decimal(2), s: string, b: bool, t: timestamp,
             n: timestamp_ns}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
views:
  things:
    source: events
    entity: thing
    features: {i: {last: i, over: forever}, d: {last: d, over: forever}, m: {last: m, over: forever},
               s: {last: s, over: forever}, b: {last: b, over: forever}, t: {last: t, over: forever},
               n: {last: n, over: forever}, count: {count: '*', over: forever}, sum: {sum: i, over: forever, default: 0}}
  profile:
    kind: batch
    entity: thing
    features: {segment: string, limit: decimal(2), since: timestamp, ok: bool}
  computed:
    kind: on_demand
    entity: thing
    request: {amount: decimal(2), day: timestamp, word: string, factor: double, flag: bool, whole: int}
    features: {left: profile.limit - request.amount, scaled: request.factor * things.i, word: {expression: "upper(request.word)", type: string},
               flagged: {expression: request.flag, type: bool}, day: {expression: request.day, type: timestamp}, twice: 2 * request.whole}
  other:
    kind: on_demand
    entity: thing
    request: {amount: decimal(2)}
    features: {ratio: request.amount / things.i}
services:
  both: {features: [computed.left, other.ratio, things.i]}
"""
T_MS = 1_700_000_000_000


def push_columns(source, **fields):
    """fields: name -> values, None where there is none."""
    made = []
    for field, values in fields.items():
        kind = next(("strings" if isinstance(value, str) else "doubles" if isinstance(value, float) else "ints"
                     for value in values if value is not None), "ints")
        filler = {"strings": "", "doubles": 0.0, "ints": 0}[kind]
        made.append(messages.EventColumn(
            field=field, **{kind: [filler if value is None else value for value in values]},
            nulls=bytes(value is None for value in values) if None in values else b""))
    return messages.PushRequest(source=source, columns=made)


@pytest.fixture(scope="module")
def server(module_server):
    module_server.restart("--rpc-port", "0")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        assert rpc.store.Push(push_columns(
            "events", id=["a", "b"], at=[T_MS, T_MS + 1], k=["one", "two"], i=[4, None], d=[0.1, 1e300], m=[12.5, None],
            s=["ü\0", ""], b=[1, 0], t=[-1, 1_600_000_000_000_001], n=[1_600_000_000_000_000_000, None], unknown=[7, 8])).events == 2
        assert rpc.store.Push(push_columns("profile", k=["one", "two"], limit=["100.25", None], segment=["gold", "tin"],
                                           since=[T_MS * 1000, None], ok=[None, 1])).events == 2
    return module_server


@pytest.fixture
def rpc(server):
    with Rpc(server.rpc_port) as rpc:
        yield rpc


def values(answer):
    return {column.name.split(".")[1]: column.values for column in columns(answer)}


def test_events_of_columns_are_those_of_json(rpc, server):
    got = rpc.get(["things.*"], {"k": ["one", "two"]})
    assert values(got) == {
        "i": [4, None], "d": [0.1, 1e300], "m": [1250, None], "s": ["ü\0", ""], "b": [1, 0],
        "t": [-1, 1_600_000_000_000_001], "n": [1_600_000_000_000_000, None], "count": [1, 1], "sum": [4, 0]}
    rpc.push("events", json.dumps({"id": "a", "at": T_MS, "k": "three", "i": 4, "d": 0.1, "m": 12.5, "s": "ü\0", "b": True,
                                   "t": "1969-12-31T23:59:59.999999Z", "n": 1_600_000_000_000_000_000}).encode())
    again = values(rpc.get(["things.*"], {"k": ["three"]}))
    assert again == {name: both[:1] for name, both in values(got).items()}
    server.restart("--rpc-port", "0")
    with Rpc(server.rpc_port) as rpc:
        assert values(rpc.get(["things.*"], {"k": ["one", "two"]})) == values(got)


def test_writes_of_columns_happen_now_or_when_they_say(rpc, server):
    assert values(rpc.get(["profile.*"], {"k": ["one", "two"]})) == {
        "segment": ["gold", "tin"], "limit": [10_025, None], "since": [T_MS * 1000, None], "ok": [None, 1]}
    assert values(rpc.get(["profile.segment"], {"k": ["one"]}, at_us=[T_MS * 1000])) == {"segment": [None]}
    rpc.store.Push(push_columns("profile", k=["one"], segment=["was"], event_timestamp=[T_MS * 1000]))
    assert values(rpc.get(["profile.segment"], {"k": ["one"]}, at_us=[T_MS * 1000])) == {"segment": ["was"]}
    assert values(rpc.get(["profile.segment"], {"k": ["one"]})) == {"segment": ["gold"]}
    rpc.push("profile", json.dumps({"k": "one", "ok": False, "event_timestamp":
                                    datetime.datetime.now(datetime.timezone.utc).isoformat()}).encode())
    assert values(rpc.get(["profile.*"], {"k": ["one"]}))["ok"] == [0]
    assert server.call("HGET", "profile:one", "ok") == b"0"


def test_writes_that_name_no_time_happened_when_they_came_also_for_later_versions(make_server):
    server = make_server().start()
    server.apply(DEFINITIONS)
    keys = ["object", "blank", "nested", "empty", "resp", "column"]

    def read(rpc, view):
        answer = rpc.get([f"{view}.*"], {"k": keys}, with_event_times=True)
        return values(answer)["segment"], list(answer.views[0].event_times_us)

    began_us = time.time_ns() // 1000
    with Rpc(server.rpc_port) as rpc:
        rpc.push("profile", *[text.encode() for text in [
            '{"k":"object","segment":"a"}', ' \n{ "segment" : "b", "k": "blank" } ',
            '{"k":"nested","segment":"c","more":{"event_timestamp":1}}', '{"k":"empty","event_deleted":true}', "{}"]])
        assert server.call("ASOF.PUSH", "profile", '{"k":"resp","segment":"e"}') == 1
        rpc.store.Push(push_columns("profile", k=["column"], segment=["f"]))
        ended_us = time.time_ns() // 1000
        first = read(rpc, "profile@1")
        segments, times = first[0], list(first[1])
        assert segments == ["a", "b", "c", None, "e", "f"] and times.pop(3) == NO_EVENT_TIME
        assert all(began_us <= at_us <= ended_us for at_us in times)
        assert "is missing" in failure(lambda: rpc.push("profile", b'{"k":"x","event_timestamp":null}')).details()

        server.apply(DEFINITIONS.replace("kind: batch", "kind: batch\n    ttl: 100d"))
        assert read(rpc, "profile@2") == first
    server.restart()
    with Rpc(server.rpc_port) as rpc:
        assert read(rpc, "profile@2") == first and read(rpc, "profile@1") == first


@pytest.mark.parametrize("push, text", [
    (push_columns("events", id=["a"], at=[T_MS], k=["x"], i=[1.5]), "event 1: field 'i': int can't hold '1.5' exactly"),
    (push_columns("events", id=["a", "b"], at=[T_MS, T_MS], k=["x", "y"], d=[1.0, float("nan")]), "event 2: field 'd'"),
    (push_columns("events", id=["a"], at=[T_MS], k=["x"], d=[float("inf")]), "event 1: field 'd'"),
    (push_columns("events", id=["a"], k=["x"]), "event 1: field 'at', the event time, is missing"),
    (push_columns("events", id=["a"], at=[2**62], k=["x"]), "event 1: field 'at'"),
    (push_columns("profile", k=["x"], since=[2**62]), "event 1: field 'since'"),
    (push_columns("events", id=["a"], k=["x", "y"]), "column 'k' has not as many values as the first"),
    (messages.PushRequest(source="events", json=[b"{}"], columns=[messages.EventColumn(field="k", strings=["x"])]),
     "events are JSON or columns, not both"),
    (push_columns("computed", k=["x"]), "computed"),
])
def test_events_of_columns_are_refused_as_others(rpc, push, text):
    error = failure(lambda: rpc.store.Push(push))
    assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND) and text in error.details()


def test_a_push_of_too_many_cells_is_refused(rpc):
    column = messages.EventColumn(field="k", ints=range(2_000))
    error = failure(lambda: rpc.store.Push(messages.PushRequest(source="events", columns=[column] * 501)))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "at most 1000000 values" in error.details()


# ---- request values ----


def request_columns(**given):
    return [messages.RequestColumn(name=name, **{
        "strings" if isinstance(values[0], str) else "doubles" if isinstance(values[0], float) else "ints": values})
        for name, values in given.items()]


def test_request_values_are_one_for_all_rows_or_one_a_row(rpc, server):
    """The same as over the Redis protocol, where each row says its own."""
    features = ["computed.*", "other.ratio", "both.computed.left", "things.i"]
    keys = ["one", "two", "one", "nobody"]
    got = rpc.get(features, {"k": keys}, request=request_columns(
        amount=["0.25", "1", "20.5", "3"], word=["wörd"], factor=[0.5], whole=[1, 2, 3, 4], day=[T_MS * 1000], flag=[1]))
    whole = values(got)
    assert whole["left"] == [100.0, None, 79.75, None]
    assert whole["ratio"] == [0.0625, None, 5.125, None]
    assert whole["scaled"] == [2.0, None, 2.0, None]
    assert whole["word"] == ["WöRD"] * 4
    assert whole["twice"] == [2.0, 4.0, 6.0, 8.0]
    for row, (key, amount, number) in enumerate(zip(keys, ["0.25", "1", "20.5", "3"], [1, 2, 3, 4])):
        reply = server.call("ASOF.GET", f"computed:{key}", "SET", "amount", amount, "word", "wörd", "factor", "0.5", "whole",
                            str(number), "day", str(T_MS * 1000), "flag", "1")
        flat = reply[reply.index(b"features") + 1]
        theirs = {name.decode(): value for name, value in zip(flat[::3], flat[1::3])}
        for name in ["left", "scaled", "twice"]:
            mine = whole[name][row]
            assert (mine is None and theirs[name] is None) or float(theirs[name]) == mine
    parts = list(rpc.store.GetFeaturesStream(request(features, {"k": keys}, chunk_rows=3, request=request_columns(
        amount=["0.25", "1", "20.5", "3"], word=["wörd"], factor=[0.5], whole=[1, 2, 3, 4], day=[T_MS * 1000], flag=[1]))))
    assert [part.rows for part in parts] == [3, 1]
    assert [value for part in parts for value in values(part)["twice"]] == whole["twice"]
    assert [value for part in parts for value in values(part)["left"]] == whole["left"]


def test_a_request_value_may_be_null(rpc):
    column = messages.RequestColumn(name="whole", ints=[1, 2], nulls=b"\0\1")
    assert values(rpc.get(["computed.twice"], {"k": ["one", "two"]}, request=[column])) == {"twice": [2.0, None]}
    assert values(rpc.get(["computed.twice"], {"k": ["one", "two"]})) == {"twice": [None, None]}


@pytest.mark.parametrize("columns, text", [
    (request_columns(amuont=["1"]), "nothing that is asked takes a request value 'amuont'"),
    (request_columns(whole=["1.5"]), "row 0: request value 'whole': int can't hold '1.5' exactly"),
    (request_columns(whole=[1, 2, 3]), "request column 'whole' has 3 values for 2 rows"),
    (request_columns(factor=[1.0, float("nan")]), "row 1: request value 'factor'"),
    ([messages.RequestColumn(name="whole", ints=[1], strings=["1"])], "has values of several kinds"),
    ([messages.RequestColumn(name="whole", ints=[1], nulls=b"\0\0")], "has nulls for another number"),
    ([messages.RequestColumn(name="whole")], "has 0 values for 2 rows"),
])
def test_a_mistake_in_request_values_is_told(rpc, columns, text):
    error = failure(lambda: rpc.get(["computed.*"], {"k": ["one", "two"]}, request=columns))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and text in error.details()


# ---- without statuses ----


def test_statuses_are_left_out_but_for_what_is_null(rpc):
    asked = (["things.i", "things.count", "things.sum"], {"k": ["one", "two", "nobody"]})
    full = rpc.get(*asked)
    short = rpc.get(*asked, without_statuses=True)
    assert [bytes(column.statuses) for column in short.columns] == [
        bytes([messages.STATUS_PRESENT, NO_VALUE, NO_VALUE]), b"", b""]
    assert [column.integers for column in short.columns] == [column.integers for column in full.columns]
    assert all(column.statuses for column in full.columns)
