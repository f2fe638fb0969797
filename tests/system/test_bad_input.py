"""What is wrong gets a clear error: no crash, no leak, no effect on other connections."""

import json
import pathlib
import random
import socket
import subprocess
import time

import pytest

from conftest import ASOFD, START_TIMEOUT_S, StartFailed
from resp import Closed, Error, encode

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_us, k: string, n: int, i: int, d: double, m: decimal(2), s: string,
             b: bool, t: timestamp}
    event_time: at
    event_id: id
    clock: event
  walls:
    fields: {at: timestamp, k: string}
    event_time: at
entities:
  thing: {keys: [k]}
  pair: {keys: [k, n]}
views:
  things:
    source: events
    entity: thing
    features: {events: {count: '*', over: forever}, sum_m: {sum: m, over: forever}}
  pairs:
    source: events
    entity: pair
    features: {events: {count: '*', over: forever}}
  wall_things:
    source: walls
    entity: thing
    features: {events: {count: '*', over: forever}}
"""
GOOD = {"id": "good", "at": 1000, "k": "canary", "m": 12.5}


@pytest.fixture(scope="module")
def steady_server(module_server):
    """A server with one good event, which every test finds unchanged."""
    module_server.apply(DEFINITIONS)
    assert module_server.call("ASOF.PUSH", "events", json.dumps(GOOD)) == 1
    return module_server


@pytest.fixture
def steady(steady_server):
    """The server; afterwards it lives, and a connection opened before goes on."""
    process = steady_server.process
    with steady_server.client() as canary:
        canary.call("PING")
        yield steady_server
        assert process.poll() is None, steady_server.log()
        assert canary.call("HMGET", "things:canary", "events", "sum_m") == [b"1", b"12.5"]
    assert steady_server.call("PING") == b"PONG"


# RESP


def bulk_of(size):
    return b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % size + b"x" * size + b"\r\n"


BROKEN_REQUESTS = {
    "multibulk_length_not_a_number": (b"*abc\r\n", "Protocol error: invalid multibulk length"),
    "multibulk_length_beyond_64_bits": (b"*18446744073709551617\r\n", "Protocol error: invalid multibulk length"),
    "multibulk_length_huge": (b"*2147483648\r\n", "Protocol error: invalid multibulk length"),
    "not_a_bulk": (b"*1\r\n:5\r\n", "Protocol error: expected '$', got ':'"),
    "nested": (b"*1\r\n*1\r\n", "Protocol error: expected '$', got '*'"),
    "bulk_length_negative": (b"*1\r\n$-10\r\n", "Protocol error: invalid bulk length"),
    "bulk_length_not_a_number": (b"*1\r\n$blabla\r\n", "Protocol error: invalid bulk length"),
    "bulk_length_beyond_64_bits": (b"*1\r\n$99999999999999999999\r\n", "Protocol error: invalid bulk length"),
    "bulk_too_long": (b"*1\r\n$2000000000\r\n", "Protocol error: invalid bulk length"),
    "unbalanced_quotes": (b'set "a"b c\r\n', "Protocol error: unbalanced quotes in request"),
    "endless_line": (b"a" * (1 << 18), "Protocol error: too big inline request"),
    "endless_count": (b"*" + b"1" * (1 << 18), "Protocol error: too big mbulk count string"),
}


@pytest.mark.parametrize("name", BROKEN_REQUESTS)
def test_broken_resp_is_answered_and_the_connection_closed(steady, name):
    data, text = BROKEN_REQUESTS[name]
    with steady.client() as client:
        try:
            client.send(data)
        except ConnectionError:
            pass  # the server may close before all was sent
        try:
            reply = client.read()
            assert isinstance(reply, Error) and text in str(reply)
        except Closed:
            assert len(data) > 1 << 16  # a reset overtakes the reply where bytes are left unread
        assert client.is_closed()


@pytest.mark.parametrize("data", [b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_http_is_shown_the_door(steady, data):
    with steady.client() as client:
        client.send(data)
        assert client.is_closed()


@pytest.mark.parametrize("data", [b"*3\r\n$4\r\nHGET\r\n", b"*1\r\n$4\r\nPI", b"*", b"PIN", b"*1000000\r\n", b"*2\r\n$9000000\r\nx"])
def test_a_truncated_request_waits_and_harms_nobody(steady, data):
    with steady.client() as client:
        client.send(data)
        steady.call("PING")


def test_a_request_in_single_bytes_is_understood(steady):
    with steady.client() as client:
        for byte in encode("HGET", "things:canary", "events"):
            client.send(bytes([byte]))
        assert client.read() == b"1"


def test_empty_and_strange_requests_leave_the_connection_open(steady):
    with steady.client() as client:
        client.send(b"\r\n\r\n*0\r\n*-1\r\n\n")
        assert client.call("PING") == b"PONG"
        for words in ([""], ["NO_SUCH_COMMAND", "x" * 1000], ["HGET"], ["PING", "a", "b", "c"], ["HELLO", "4"],
                      ["SELECT", "16"], ["SCAN", "abc"], ["\x00\r\n+OK\r\n"], ["ASOF.AT", "yesterday"], ["ASOF.PUSH", "events"],
                      ["ASOF.GET", "things:canary", "AT"], ["ASOF.GET", "things:canary", "AT", "99999999999999999999"],
                      ["ASOF.AT", "10000-01-01T00:00:00Z"], ["HGET", "pairs:a|x", "events"], ["HGET", "pairs:a", "events"]):
            (reply,) = client.pipeline([words])
            assert isinstance(reply, Error), words
        assert client.call("PING") == b"PONG"


def test_an_error_text_never_breaks_the_framing(steady):
    with steady.client() as client:
        replies = client.pipeline([("NO\r\n+SUCH\r\n",), ("HGET", "things:canary", "a\r\n:1\r\nb"), ("PING",)])
        assert [type(reply) for reply in replies[:2]] == [Error, Error]
        assert replies[2] == b"PONG"


def test_an_argument_beyond_the_limit_is_refused(steady):
    with steady.client() as client:
        client.send(b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % (512 << 20))
        assert isinstance(client.read(), Error)
        assert client.is_closed()
    with steady.client() as client:
        client.send(bulk_of(1 << 20))
        assert len(client.read()) == 1 << 20


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes(steady, seed):
    draw = random.Random(seed)
    for _ in range(25):
        with steady.client() as client:
            if seed % 2:
                data = draw.randbytes(draw.randrange(1, 5000))
            else:  # a good request with some bytes changed
                data = bytearray(encode("ASOF.GET", "things:canary", "AT", "now") * 3)
                for _ in range(draw.randrange(1, 6)):
                    data[draw.randrange(len(data))] = draw.choice(b"*$\r\n0123456789-\x00\xff")
            try:
                client.send(bytes(data))
                client.socket.shutdown(socket.SHUT_WR)
                client.is_closed()
            except OSError:
                pass


def test_a_client_that_never_reads_stops_nobody(steady):
    with steady.client() as client:
        client.socket.setblocking(False)
        request = encode("COMMAND", "DOCS") * 10
        deadline = time.monotonic() + 2
        try:
            while time.monotonic() < deadline:
                client.socket.send(request)
        except (BlockingIOError, ConnectionError):
            pass
        started = time.monotonic()
        assert steady.call("HGET", "things:canary", "events") == b"1"
        assert time.monotonic() - started < 5


def test_many_connections_come_and_go(steady):
    clients = [steady.client() for _ in range(300)]
    for client in clients[::2]:
        client.close()
    assert all(client.call("PING") == b"PONG" for client in clients[1::2])
    for client in clients[1::2]:
        client.close()


# Events


def event(**fields):
    return json.dumps({"id": "x", "at": 1000, "k": "canary"} | fields)


def nested(depth):
    return '{"id":"x","at":1000,"k":"canary","z":' + "[" * depth + "]" * depth + "}"


BAD_EVENTS = {
    "not_json": ("{", "JSON"),
    "empty": ("", "JSON"),
    "a_list": ("[]", "object"),
    "a_number": ("7", "object"),
    "two_objects": (event() + event(), "JSON"),
    "trailing_comma": ('{"id":"x","at":1000,"k":"canary",}', "JSON"),
    "single_quotes": ("{'id':'x'}", "JSON"),
    "comment": ('{"id":"x","at":1000,"k":"canary"} // late', "JSON"),
    "nan": ('{"id":"x","at":1000,"k":"canary","d":NaN}', "JSON"),
    "infinity": ('{"id":"x","at":1000,"k":"canary","d":Infinity}', "JSON"),
    "leading_zero": ('{"id":"x","at":1000,"k":"canary","i":01}', ""),
    "leading_plus": ('{"id":"x","at":1000,"k":"canary","i":+1}', "JSON"),
    "double_too_large": ('{"id":"x","at":1000,"k":"canary","d":1e400}', "'d'"),
    "int_beyond_64_bits": ('{"id":"x","at":1000,"k":"canary","i":9223372036854775808}', "'i'"),
    "int_far_beyond_64_bits": ('{"id":"x","at":1000,"k":"canary","i":1' + "0" * 400 + "}", "'i'"),
    "int_with_exponent_bomb": ('{"id":"x","at":1000,"k":"canary","i":1e999999999}', "'i'"),
    "int_with_fraction": (event(i=1.5), "'i'"),
    "int_as_text": (event(i="7"), "'i'"),
    "bool_as_number": (event(b=1), "'b'"),
    "string_as_number": (event(s=1), "'s'"),
    "string_as_object": (event(s={"a": 1}), "'s'"),
    "decimal_with_too_many_digits": (event(m=1.234), "'m'"),
    "decimal_with_19_digits": ('{"id":"x","at":1000,"k":"canary","m":12345678901234567.89}', "'m'"),
    "time_without_zone": (event(t="2026-01-31T12:00:00"), "'t'"),
    "time_that_is_no_date": (event(t="2026-02-30T12:00:00Z"), "'t'"),
    "event_time_missing": ('{"id":"x","k":"canary"}', "'at'"),
    "event_time_null": (event(at=None), "'at'"),
    "event_time_in_year_10000": (event(at=253402300800000000), "'at'"),
    "event_time_as_text": (event(at="1000"), "'at'"),
    "event_id_missing": ('{"at":1000,"k":"canary"}', "'id'"),
    "event_id_null": (event(id=None), "'id'"),
    "duplicate_key": ('{"id":"x","at":1000,"k":"canary","k":"b"}', "twice"),
    "duplicate_key_escaped": ('{"id":"x","at":1000,"k":"canary","\\u006b":"b"}', "twice"),
    "duplicate_unknown_key": ('{"id":"x","at":1000,"k":"canary","z":1,"z":1}', "twice"),
    "invalid_utf8": (b'{"id":"x","at":1000,"k":"canary","s":"\xff\xfe"}', "UTF-8"),
    "overlong_utf8": (b'{"id":"x","at":1000,"k":"canary","s":"\xc0\xaf"}', "UTF-8"),
    "surrogate_in_utf8": (b'{"id":"x","at":1000,"k":"canary","s":"\xed\xa0\x80"}', "UTF-8"),
    "half_a_surrogate_pair": ('{"id":"x","at":1000,"k":"canary","s":"\\ud800"}', "surrogate"),
    "control_character": ('{"id":"x","at":1000,"k":"canary","s":"a\nb"}', "JSON"),
    "deep": (nested(1000), "nested"),
    "very_deep": (nested(200_000), "nested"),
    "never_closed": ('{"id":' * 1000, ""),
    "many_keys": ("{" + ",".join(f'"f{i}":1' for i in range(5000)) + "}", "keys"),
    "long_string": (event(s="x" * (64 * 1024 + 1)), "'s'"),
    "huge": (event(z="x" * (2 << 20)), "bytes"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_a_bad_event_is_refused_with_its_index_and_the_reason(steady, name):
    text, reason = BAD_EVENTS[name]
    with steady.client() as client:
        (reply,) = client.pipeline([("ASOF.PUSH", "events", event(id="first"), text, event(id="third"))])
        assert isinstance(reply, Error) and str(reply).startswith("REFUSED event 2: "), reply
        assert reason in str(reply) and len(str(reply)) < 1000


GOOD_EVENTS = {
    "int_written_as_decimal": ('"i":7.0', None), "int_with_exponent": ('"i":7e2', None),
    "smallest_int": ('"i":-9223372036854775808', None), "decimal_with_zeros": ('"m":1.500', b"1.5"),
    "decimal_as_text": ('"m":"-0.25"', b"-0.25"), "decimal_of_18_digits": ('"m":9999999999999999.99', b"9999999999999999.99"),
    "decimal_with_exponent": ('"m":125e-2', b"1.25"), "unknown_field": ('"zzz":{"a":[1,2,{"b":null}]}', None),
    "smallest_double": ('"d":5e-324', None), "double_below_that": ('"d":1e-400', None), "minus_zero": ('"d":-0.0', None),
    "longest_string": ('"s":"' + "x" * 64 * 1024 + '"', None), "zero_in_a_string": ('"s":"a\\u0000b"', None),
    "a_surrogate_pair": ('"s":"\\ud83d\\ude00"', None), "nulls": ('"i":null,"d":null,"b":null,"t":null', None),
}


@pytest.mark.parametrize("name", GOOD_EVENTS)
def test_an_odd_but_good_event_is_taken(steady, name):
    fields, sum_m = GOOD_EVENTS[name]
    with steady.client() as client:
        assert client.call("ASOF.PUSH", "events", f'{{"id":"x","at":2000,"k":"{name}",{fields}}}') == 1
        assert client.call("HMGET", f"things:{name}", "events", "sum_m") == [b"1", sum_m]


def test_a_null_key_belongs_to_no_entity(steady):
    with steady.client() as client:
        assert client.call("ASOF.PUSH", "events", event(id="keyless", k=None, n=1)) == 1
        assert client.call("ASOF.PUSH", "events", event(id="half", k="half", n=None)) == 1
        assert client.call("HGET", "things:half", "events") == b"1"
        assert b"stream_events_null_key_total:" in client.call("INFO", "asof")


def test_an_event_too_far_ahead_of_the_wall_clock_is_refused(steady):
    at = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    with steady.client() as client:
        ahead, = client.pipeline([("ASOF.PUSH", "walls", json.dumps({"at": at(2 * 3600), "k": "a"}))])
        assert isinstance(ahead, Error) and str(ahead).startswith("REFUSED event 1: ") and "ahead" in str(ahead)
        assert client.call("ASOF.PUSH", "walls", json.dumps({"at": at(1800), "k": "a"})) == 1
        assert client.call("HGET", "wall_things:a", "events") == b"0"


def test_xadd_refuses_what_a_push_refuses(steady):
    with steady.client() as client:
        for words in (["id", "x", "at", "soon", "k", "canary"], ["id", "x", "k", "canary"], ["id", "x", "at"],
                      ["id", "x", "at", "1000", "k", "canary", "k", "b"], ["id", "x", "at", "1000", "k", b"\xff"]):
            (reply,) = client.pipeline([("XADD", "events", "*", *words)])
            assert isinstance(reply, Error), words
        (reply,) = client.pipeline([("XADD", "no_such_source", "*", "a", "b")])
        assert isinstance(reply, Error) and str(reply).startswith("NOTFOUND")


# Definitions


def spoilt(old, new):
    assert DEFINITIONS.count(old) >= 1, old
    return DEFINITIONS.replace(old, new, 1)


# What is wrong, and what the message must hold besides file, line and column.
BAD_DEFINITIONS = {
    "not_yaml": ("sources: [", ""),
    "a_list": ("- sources", ""),
    "a_tab": ("sources:\n\tevents: {}", ""),
    "unknown_section": ("sorces: {}", "did you mean 'sources'"),
    "key_twice": (spoilt("id: string, at", "id: string, id: string, at"), "id"),
    "unknown_source_key": (spoilt("event_id: id", "event_idd: id"), "did you mean 'event_id'"),
    "unknown_type": (spoilt("n: int", "n: integer"), "integer"),
    "decimal_of_19_digits": (spoilt("decimal(2)", "decimal(19)"), "decimal"),
    "event_time_missing": (spoilt("    event_time: at\n", ""), "event_time"),
    "event_time_is_no_timestamp": (spoilt("event_time: at", "event_time: k"), "'k'"),
    "event_time_is_no_field": (spoilt("event_time: at", "event_time: att"), "did you mean 'at'"),
    "unknown_clock": (spoilt("clock: event", "clock: evnt"), "event"),
    "bad_name": (spoilt("  things:", "  Things:"), "Things"),
    "name_too_long": (spoilt("  things:", f"  {'x' * 65}:"), "64"),
    "unknown_source": (spoilt("source: events", "source: evants"), "did you mean 'events'"),
    "unknown_entity": (spoilt("entity: thing", "entity: thin"), "did you mean 'thing'"),
    "no_features": (spoilt("features: {events: {count: '*', over: forever}}", "features: {}"), "feature"),
    "unknown_field": (spoilt("sum_m: {sum: m,", "sum_m: {sum: mm,"), "mm"),
    "unknown_aggregation": (spoilt("{sum: m,", "{summ: m,"), "did you mean 'sum'"),
    "two_aggregations": (spoilt("{sum: m,", "{sum: m, avg: m,"), "avg"),
    "no_window": (spoilt("{sum: m, over: forever}", "{sum: m}"), "over"),
    "bad_duration": (spoilt("{sum: m, over: forever}", "{sum: m, over: 5 minutes}"), "5 minutes"),
    "zero_duration": (spoilt("{sum: m, over: forever}", "{sum: m, over: 0s}"), "0s"),
    "bad_window": (spoilt("{sum: m, over: forever}", "{sum: m, over: tumbling(5m}"), "tumbling"),
    "offset_as_long_as_size": (spoilt("{sum: m, over: forever}", "{sum: m, over: 'tumbling(1h, offset 1h)'}"), "offset"),
    "last_of_nothing": (spoilt("{sum: m, over: forever}", "{sum: m, over: last(0)}"), "last"),
    "last_of_too_many": (spoilt("{sum: m, over: forever}", "{sum: m, over: last(1001)}"), "1000"),
    "last_n_over_a_duration": (spoilt("{sum: m, over: forever}", "{last_n: m, over: 5m}"), "last"),
    "duration_over_no_session": (spoilt("{sum: m, over: forever}", "{duration: true, over: 5m}"), "session"),
    "sum_of_text": (spoilt("{sum: m,", "{sum: s,"), "sum"),
    "default_of_wrong_type": (spoilt("{sum: m, over", "{sum: m, default: lots, over"), "lots"),
    "default_with_too_many_digits": (spoilt("{sum: m, over", "{sum: m, default: 0.123, over"), "0.123"),
    "sql_syntax": (spoilt("{sum: m,", "{sum: m +,"), ""),
    "sql_subquery": (spoilt("{sum: m,", "{sum: (SELECT 1),"), ""),
    "sql_function_not_allowed": (spoilt("{sum: m,", "{sum: random(),"), "random"),
    "sql_file_access": (spoilt("{sum: m,", "{sum: \"readfile('/etc/passwd')\","), "readfile"),
    "sql_aggregate": (spoilt("{sum: m,", "{sum: avg(m),"), ""),
    "sql_unknown_field": (spoilt("{sum: m,", "{sum: mm + 1,"), "mm"),
    "sql_statement": (spoilt("{sum: m,", "{sum: m; DROP TABLE x,"), ""),
    "sql_deep": (spoilt("{sum: m,", "{sum: " + "(" * 1500 + "m" + ")" * 1500 + ","), ""),
    "sql_long": (spoilt("{sum: m,", "{sum: " + "+".join(["m"] * 4000) + ","), ""),
    "where_unknown_field": (spoilt("    entity: thing\n    features: {events", "    entity: thing\n    where: kk = 'a'\n    features: {events"), "kk"),
    "entity_key_not_in_source": (spoilt("pair: {keys: [k, n]}", "pair: {keys: [k, no]}"), "no"),
    "entity_key_of_wrong_type": (spoilt("pair: {keys: [k, n]}", "pair: {keys: [k, d]}"), "d"),
    "entity_without_keys": (spoilt("pair: {keys: [k, n]}", "pair: {keys: []}"), "key"),
    "kafka": (spoilt("    clock: event\n", "    clock: event\n    kafka: {brokers: b, topic: t, properties: {plugin.library.paths: x.so}}\n"), "plugin.library.paths"),
    "batch_view": (spoilt("  pairs:\n", "  pairs:\n    kind: batch\n"), "batch"),
    "services": (DEFINITIONS + "services: {a: {features: [things.evnts]}}\n", "evnts"),
    "alias_bomb": ("sources:\n  s:\n    fields:\n      f: &a0 [x, x]\n" + "".join(
        f"      f{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)), ""),
    "alias_of_itself": ("sources: &a {events: *a}", ""),
    "deep_yaml": ("sources: " + "{a: " * 3000 + "1" + "}" * 3000, ""),
    "nul_byte": ("sources:\n  a\0b: {}", ""),
    "invalid_utf8": (b"sources:\n  \xff\xfe: {}", ""),
}


@pytest.mark.parametrize("name", BAD_DEFINITIONS)
def test_a_mistake_in_a_definition_is_told_with_its_place(steady, name):
    text, hint = BAD_DEFINITIONS[name]
    with steady.client() as client:
        before = client.call("ASOF.LIST")
        (reply,) = client.pipeline([("ASOF.APPLY", "dir/wrong.yaml", text)])
        assert isinstance(reply, Error), reply
        # "ERR dir/wrong.yaml:LINE:COLUMN: sentence"
        place, _, sentence = str(reply).partition(": ")
        file, line, column = place.removeprefix("ERR ").rsplit(":", 2)
        lines = text.count(b"\n" if isinstance(text, bytes) else "\n") + 1
        assert file == "dir/wrong.yaml" and 1 <= int(line) <= lines + 1 and int(column) >= 1
        assert hint in sentence and len(sentence) > 10
        assert client.call("ASOF.LIST") == before


def test_the_place_of_a_mistake_is_exact(steady):
    text = DEFINITIONS.replace("{sum: m,", "{sum: amont,")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "amont" in each)
    column = text.splitlines()[line - 1].index("amont") + 1
    with steady.client() as client:
        (reply,) = client.pipeline([("ASOF.APPLY", "wrong.yaml", text)])
        assert str(reply).startswith(f"ERR wrong.yaml:{line}:{column}: ")


def test_asof_apply_prints_the_mistake_and_exits_with_1(steady, tmp_path):
    (tmp_path / "good.yaml").write_text("entities: {other: {keys: [k]}}\n")
    (tmp_path / "wrong.yaml").write_text("entities:\n  another: {key: [k]}\n")
    done = steady.asof("apply", str(tmp_path), check=False)
    assert done.returncode == 1 and f"{tmp_path / 'wrong.yaml'}:2:13: " in done.stderr and "'keys'" in done.stderr
    assert steady.asof("describe", "other", check=False).returncode == 3  # nothing of the good file


# The process


def fails_to_start(server, *options):
    with pytest.raises(StartFailed) as failed:
        server.start(*options)
    assert failed.value.code in (1, 2)
    assert "Sanitizer" not in failed.value.said
    return failed.value.said


def test_a_newer_format_is_refused_and_left_alone(make_server):
    server = make_server()
    server.start().stop()
    (server.data / "FORMAT").write_text("asof data format 999\n")
    before = sorted((path.name, path.stat().st_size) for path in server.data.iterdir() if path.name != "LOCK")
    assert "999" in fails_to_start(server)
    assert before == sorted((path.name, path.stat().st_size) for path in server.data.iterdir() if path.name != "LOCK")
    (server.data / "FORMAT").write_text("asof data format 3\n")
    server.start()


@pytest.mark.parametrize("text", ["", "asof data format", "asof data format x\n", "something else\n", "\0\0\0"])
def test_a_damaged_format_file_is_refused(make_server, text):
    server = make_server()
    server.start().stop()
    (server.data / "FORMAT").write_text(text)
    assert "FORMAT" in fails_to_start(server)


def test_a_second_server_on_the_same_data_is_refused(make_server):
    first = make_server("first").start()
    second = make_server("second")
    second.data = first.data
    said = fails_to_start(second)
    assert str(first.data) in said and "in use" in said
    assert first.call("PING") == b"PONG"
    first.kill()
    second.start()  # the lock died with its owner


def test_a_taken_port_is_refused(make_server):
    first = make_server("first").start()
    second = make_server("second")
    second.port = first.port
    said = fails_to_start(second)
    assert str(first.port) in said and "--resp-port" in said
    second.port = 0
    second.start()


def test_a_data_directory_that_is_a_file_is_refused(make_server):
    server = make_server()
    server.data.write_text("precious")
    assert "is a file" in fails_to_start(server)
    assert server.data.read_text() == "precious"


def test_a_directory_of_something_else_is_refused(make_server):
    server = make_server()
    server.data.mkdir()
    (server.data / "thesis.tex").write_text("precious")
    assert "no data directory" in fails_to_start(server)
    assert [path.name for path in server.data.iterdir()] == ["thesis.tex"]


def test_a_path_that_cannot_be_written_is_refused(make_server):
    server = make_server()
    server.data = pathlib.Path("/proc/asof-data")
    assert "/proc/asof-data" in fails_to_start(server)
    server.data = server.log_path.parent / "missing" / "data"
    assert "No such file" in fails_to_start(server)


def test_a_public_address_is_refused_unless_allowed(make_server):
    server = make_server()
    said = fails_to_start(server, "--listen", "0.0.0.0")
    assert "--allow-unauthenticated" in said
    server.start("--listen", "0.0.0.0", "--allow-unauthenticated")


@pytest.mark.parametrize("options,words", [
    (["--resp-prot", "1"], "did you mean 'resp-port'"), (["--resp-port", "70000"], "65535"), (["--resp-port", "x"], "resp-port"),
    (["--data"], "--data"), (["--config", "/no/such/file"], "/no/such/file"), (["--write-buffer-bytes", "1"], "65536"),
    (["--listen", "nowhere.invalid", "--allow-unauthenticated"], "nowhere.invalid"), (["--log-level", "loud"], "loud")])
def test_wrong_options_are_told(options, words, tmp_path):
    done = subprocess.run([ASOFD, "--data", str(tmp_path / "data"), *options], capture_output=True, text=True,
                          timeout=START_TIMEOUT_S)
    assert done.returncode in (1, 2) and words in done.stderr and done.stdout == ""
    assert len(done.stderr.splitlines()) <= 2


def test_sigterm_stops_it_while_clients_are_connected(make_server):
    server = make_server().start()
    with server.client() as idle, server.client() as half:
        idle.call("PING")
        half.send(b"*3\r\n$4\r\nHGET\r\n")
        server.stop()
        assert idle.is_closed() and half.is_closed()
