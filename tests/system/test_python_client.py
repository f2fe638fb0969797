"""The Python package: what it reads is what the Redis protocol tells, to the bit; its conversions, errors, asyncio."""

import asyncio
import concurrent.futures
import datetime
import decimal
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import numpy
import pandas
import pyarrow
import pytest

import python_client
from python_client import asof
from resp import Error
from test_rpc import DEFINITIONS, EVENTS_TO_US, KEYS, random_event, resp_key

NAMES = {"things": ["events_10", "i_sum", "i_max", "d_avg", "d_sum", "d_dev", "m_sum", "m_last", "s_last", "b_last",
                    "t_min", "idle", "last_s", "last_i", "last_d", "last_m", "session"],
         "pairs": ["events", "s_first", "i_sum"], "computed": ["twice"],
         "both": ["things.i_sum", "things.s_last", "computed.twice", "things.last_s"]}
UTC = datetime.timezone.utc


@pytest.fixture(scope="module")
def world(module_server):
    """A server with random events, and a client of it."""
    draw = random.Random(11)
    module_server.restart("--rpc-port", "0", "--workers", "2")
    with asof.Client(f"127.0.0.1:{module_server.rpc_port}", timeout=60) as client:
        module_server.apply(DEFINITIONS)
        newest = {"id": "newest", "at": EVENTS_TO_US, "k": "a", "n": 1}
        assert client.push("events", [*(random_event(draw, number) for number in range(600)), newest]) == 601
        yield module_server, client


@pytest.fixture
def server(world):
    return world[0]


@pytest.fixture
def client(world):
    return world[1]


@pytest.fixture
def address(server):
    return f"127.0.0.1:{server.rpc_port}"


# ---- the same answers as over the Redis protocol ----


def same_scalar(kind, value, item):
    text = item.decode() if isinstance(item, bytes) else item
    if kind == "double":
        return struct.pack("<d", value) == struct.pack("<d", float(text))
    if kind == "decimal":
        return isinstance(value, decimal.Decimal) and value == decimal.Decimal(str(text))
    if kind == "timestamp":
        epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)
        return (value - epoch) // datetime.timedelta(microseconds=1) == int(text)
    if kind == "bool":
        return isinstance(value, bool) and value == bool(int(text))
    return value == text if kind == "string" else isinstance(value, int) and value == int(text)


def same_value(column, value, text):
    if value is None or text is None:
        return value is None and text is None
    if not column.is_list:
        return same_scalar(column.kind, value, text)
    items = json.loads(text, parse_float=decimal.Decimal if column.kind == "decimal" else float)
    return len(items) == len(value) and all(
        same_scalar(column.kind, one, other) for one, other in zip(value, items))


def compare_row(resp, answer, row, key_of, at, exclusive):
    for view in answer.views:
        group = [column for column in answer.columns if column.view is view]
        words = ["ASOF.GET", key_of(f"{view.name}@{view.version}"), "AT", "now" if at is None else at]
        names = [column.feature.split(".", 1)[1] for column in group]
        try:
            told = resp.call(*words, *(["EXCLUSIVE"] if exclusive else []), "FIELDS", *names)
        except Error as error:
            assert str(error).startswith("OUTOFHISTORY")
            assert {column.statuses[row] for column in group} == {"out_of_history"}
            assert {column.values[row] for column in group} == {None}
            continue
        told = dict(zip(told[::2], told[1::2]))
        assert told[b"view"].decode() == f"{view.name}@{view.version}"
        assert view.at_us[row if len(view.at_us) > 1 else 0] == told[b"at"]
        event_time = view.event_times_us[row]
        assert (None if event_time == -2**63 else event_time) == told[b"event_time"]
        features = told[b"features"]
        for column, name, text, status in zip(group, features[::3], features[1::3], features[2::3], strict=True):
            assert column.feature == f"{view.name}.{name.decode()}"
            assert column.statuses[row] == status.decode()
            assert same_value(column, column.values[row], text), (column, row, column.values[row], text)


def random_read(draw):
    """(features, keys, at, exclusive)"""
    features = [f"{view}{draw.choice(['', '@1'])}.{draw.choice(NAMES[view])}"
                for view in draw.choices(list(NAMES), k=draw.randrange(1, 12))]
    features = list(dict.fromkeys(features + draw.choice([[], ["pairs.*"], ["things.*"], ["both.*"]])))
    rows = draw.choice([1, 1, 3, 40])
    keys = {"k": draw.choices(KEYS, k=rows), "n": draw.choices(range(-3, 4), k=rows)}
    moment = lambda: draw.randrange(900_000, 1_300_000)  # noqa: E731
    at = draw.choice([None, moment(), [moment() for _ in range(rows)]])
    return features, keys, at, draw.random() < 0.3


def check_read(resp, answer, keys, at, exclusive):
    for row in range(answer.rows):
        def key_of(view):
            return resp_key(view, keys["k"][row], keys["n"][row] if view.startswith("pairs") else None)
        compare_row(resp, answer, row, key_of, at[row] if isinstance(at, list) else at, exclusive)


def test_random_reads_get_what_the_redis_protocol_tells(server, client, draw):
    seen = set()
    with server.client() as resp:
        for _ in range(100):
            features, keys, at, exclusive = random_read(draw)
            answer = client.get(features, keys, at=at, exclusive=exclusive, event_times=True)
            check_read(resp, answer, keys, at, exclusive)
            seen.update(status for column in answer.columns for status in column.statuses)
    assert seen == {"present", "null", "not_found", "overflow", "out_of_history"}


def test_random_reads_of_asyncio_get_the_same(server, address, draw):
    async def read():
        async with asof.AsyncClient(address, timeout=60) as client:
            reads = [random_read(draw) for _ in range(30)]
            answers = await asyncio.gather(*(client.get(features, keys, at=at, exclusive=exclusive, event_times=True)
                                             for features, keys, at, exclusive in reads))
            return list(zip(reads, answers))

    with server.client() as resp:
        for (_, keys, at, exclusive), answer in asyncio.run(read()):
            check_read(resp, answer, keys, at, exclusive)


def test_a_stream_of_chunks_has_the_rows_of_one_answer(client):
    keys = {"k": KEYS * 500}
    whole = client.get(["things.i_max", "things.s_last", "things.last_d"], keys).to_dict(statuses=True)
    chunks = [chunk.to_dict(statuses=True) for chunk in client.get_stream(
        ["things.i_max", "things.s_last", "things.last_d"], keys, chunk_rows=300)]
    assert [len(chunk["k"]) for chunk in chunks] == [300] * 13 + [100]
    assert {name: sum((chunk[name] for chunk in chunks), []) for name in whole} == whole


# ---- conversions ----


def test_conversions_have_the_values_of_the_answer(client, draw):
    keys = {"k": KEYS * 5, "n": draw.choices(range(-3, 4), k=len(KEYS) * 5)}
    answer = client.get(["things.*", "pairs.*"], keys, at=EVENTS_TO_US)
    lists = answer.to_dict()
    assert lists["k"] == keys["k"] and list(lists) == ["k", "n", *answer.names]

    table = answer.to_arrow(statuses=True)
    assert table.schema.field("things.m_sum").type == pyarrow.decimal128(18, 3)
    assert table.schema.field("things.t_min").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("things.last_i").type == pyarrow.list_(pyarrow.int64())
    for name, values in lists.items():
        assert table[name].to_pylist() == values
    assert table["things.d_avg__status"].to_pylist() == answer["things.d_avg"].statuses
    table.validate(full=True)

    frame = answer.to_pandas()
    arrays = answer.to_numpy()
    for name, values in lists.items():
        told = [None if value is pandas.NA or value is pandas.NaT or value != value else value for value in frame[name]]
        assert told == values, name
    for name, array in arrays.items():
        column = answer[name]
        if column.kind == "decimal" and not column.is_list:
            values = [None if value is None else float(value) for value in column.values]
        elif column.kind == "timestamp":
            values = [None if value is None else value.replace(tzinfo=None) for value in column.values]
        else:
            values = column.values
        told = [None if value != value else value for value in array.tolist()]
        assert told == values, name
    assert frame["things.b_last"].dtype == "boolean" and frame["things.i_max"].dtype == "Int64"
    assert arrays["things.events_10"].dtype == numpy.int64 and frame["things.events_10"].dtype == "int64"


def test_a_matrix_has_a_row_for_each_entity(client):
    answer = client.get(["things.events_10", "things.d_avg", "things.m_sum", "things.b_last"], {"k": ["a", "nobody", "b"]},
                        at=EVENTS_TO_US)
    matrix = answer.to_matrix()
    assert matrix.shape == (3, 4) and matrix.dtype == numpy.float64
    for index, column in enumerate(answer.columns):
        for row, value in enumerate(column.values):
            assert numpy.isnan(matrix[row, index]) if value is None else matrix[row, index] == float(value)
    with pytest.raises(TypeError, match="things.s_last is no number"):
        client.get("things.s_last", {"k": ["a"]}).to_matrix()


def test_numbers_are_the_answer_itself_and_outlive_it(client):
    answer = client.get(["things.d_avg"], {"k": ["a", "b"]}, at=EVENTS_TO_US)
    values = answer["things.d_avg"].values
    array = answer.to_numpy()["things.d_avg"]
    view = memoryview(answer["things.d_avg"].numbers)
    assert not array.flags.owndata and not array.flags.writeable and view.readonly
    del answer
    assert array.tolist() == values and list(view) == values


def test_large_decimals_become_the_nearest_double(client):
    client.apply("""
sources:
  exact: {fields: {at: timestamp_us, k: string, m: decimal(17)}, event_time: at}
views:
  exact: {source: exact, entity: thing, features: {m: {last: m, over: forever}}}
""")
    texts = ["0.12345678901234567", "9.00719925474099301", "-1.00000000000000011"]
    for number, text in enumerate(texts):
        client.push("exact", {"at": 1000, "k": f"k{number}", "m": decimal.Decimal(text)})
    column = client.get("exact.m", {"k": ["k0", "k1", "k2"]})["exact.m"]
    assert [str(value) for value in column.values] == texts
    assert column.to_numpy().tolist() == [float(text) for text in texts]
    assert column.to_arrow().to_pylist() == column.values


@pytest.mark.parametrize("make", [
    lambda us: [us, us + 1, us + 2],
    lambda us: numpy.array([us, us + 1, us + 2]),
    lambda us: numpy.array([us, us + 1, us + 2], dtype="datetime64[us]"),
    lambda us: pandas.Series(pandas.to_datetime([us, us + 1, us + 2], unit="us", utc=True)),
    lambda us: pandas.to_datetime([us, us + 1, us + 2], unit="us", utc=True),
    lambda us: pyarrow.array([us, us + 1, us + 2], pyarrow.timestamp("us", tz="UTC")),
    lambda us: [datetime.datetime.fromtimestamp(0, UTC) + datetime.timedelta(microseconds=us + each) for each in range(3)],
    lambda us: ["1970-01-01T00:00:01.100000Z", "1970-01-01T01:00:01.100001+01:00", us + 2],
], ids=["ints", "numpy", "datetime64", "pandas", "index", "arrow", "datetimes", "texts"])
def test_moments_are_written_in_many_ways(client, make):
    at = make(1_100_000)
    answer = client.get("things.events_10", {"k": ["a", "b", "a"]}, at=at)
    assert list(answer.views[0].at_us) == [1_100_000, 1_100_001, 1_100_002]
    assert answer.views[0].at[1] == datetime.datetime(1970, 1, 1, 0, 0, 1, 100001, tzinfo=UTC)


def test_a_moment_without_a_zone_is_refused(client):
    with pytest.raises(ValueError, match="no time zone"):
        client.get("things.i_sum", {"k": ["a"]}, at=datetime.datetime(2026, 1, 1))


def test_entities_may_be_tables_and_arrays(client):
    told = client.get("pairs.events", {"k": ["a", "b"], "n": [1, 2]}, at=EVENTS_TO_US).to_dict()
    for entities in [pandas.DataFrame({"k": ["a", "b"], "n": [1, 2]}), pyarrow.table({"k": ["a", "b"], "n": [1, 2]}),
                     {"k": numpy.array(["a", "b"]), "n": numpy.array([1, 2])}, {"k": ("a", "b"), "n": ["1", "2"]}]:
        answer = client.get("pairs.events", entities, at=EVENTS_TO_US)
        assert answer["pairs.events"].values == told["pairs.events"]


def test_two_versions_of_a_view_have_columns_of_their_own(client, server):
    view = "views:\n  twice:\n    source: events\n    entity: thing\n    features: {n: {count: '*', over: %s}}\n"
    client.apply(view % "10ms", promote=True)
    client.apply(view % "forever")
    server.wait_for(lambda: "filling" not in json.dumps(client.list()))
    answer = client.get(["twice@1.n", "twice@2.n"], {"k": ["a"]}, at=EVENTS_TO_US)
    assert answer.names == ["twice@1.n", "twice@2.n"]
    assert answer.versions == {"twice": [1, 2]}
    assert answer["twice@1.n"].values[0] < answer["twice@2.n"].values[0]


def test_request_values_reach_on_demand_views(client):
    client.apply("""
views:
  asked:
    kind: on_demand
    entity: thing
    request: {amount: double, label: string}
    features: {doubled: 2 * request.amount + 0 * things.events_10, label: {expression: request.label, type: string}}
""")
    answer = client.get("asked.*", {"k": ["a", "b"]}, request={"amount": [1.5, None], "label": "ü"})
    assert answer["asked.doubled"].values == [3.0, None] and answer["asked.label"].values == ["ü", "ü"]
    answer = client.get("asked.*", {"k": ["a", "b"]}, request={"amount": [2, decimal.Decimal("2.25")]})
    assert answer["asked.doubled"].values == [4.0, 4.5] and answer["asked.label"].values == [None, None]


# ---- pushes and definitions ----


def test_an_acknowledged_push_is_seen_by_the_next_read(client):
    now = lambda: time.time_ns() // 1000  # noqa: E731
    for number in range(10):
        assert client.push("walls", {"at": now(), "k": "mine"}) == 1
        assert client.get("walls.events", {"k": ["mine"]})["walls.events"].values == [number + 1]
    assert client.push("walls", [json.dumps({"at": now(), "k": "mine"})] * 3) == 3
    assert client.push("walls", pandas.DataFrame({"at": [now()] * 2, "k": ["mine", None]})) == 2
    assert client.push("walls", pyarrow.table({"at": [now()], "k": ["mine"]}), producer="p", sequence=1) == 1
    client.push("walls", pyarrow.table({"at": [now()], "k": ["mine"]}), producer="p", sequence=1)
    assert client.get("walls.events", {"k": ["mine"]})["walls.events"].values == [15]


def test_definitions_are_applied_listed_described_and_versioned(client, server):
    view = "views:\n  life:\n    source: events\n    entity: thing\n    features: {n: {count: '*', over: %s}}\n"
    [change] = client.plan(view % "5ms")
    assert (change.kind, change.noun, change.name, change.version) == ("new", "view", "life", 1)
    assert client.apply(view % "5ms") == [change]
    [change] = client.apply(view % "6ms")
    assert (change.kind, change.version) == ("changed", 2)
    server.wait_for(lambda: "filling" not in json.dumps(client.list()))
    assert client.describe("life")["name"] == "life"
    assert client.get("life.n", {"k": ["a"]}).versions == {"life": 1}
    assert "life" in client.promote("life@2")
    assert client.get("life.n", {"k": ["a"]}).versions == {"life": 2}
    client.rollback("life")
    assert client.get("life.n", {"k": ["a"]}).versions == {"life": 1}
    client.drop("life@2")
    with pytest.raises(asof.NotFound):
        client.get("life@2.n", {"k": ["a"]})
    assert sorted(client.entities("things", page=2)) == sorted({"a", "b", "c|d", "e\\f", "ü", "", "nul\0byte"}) or \
        len(list(client.entities("things", page=2))) >= 5
    assert client.is_serving()


# ---- failures ----

MISTAKES = {
    "unknown_view": (lambda c: c.get("thongs.x", {"k": ["a"]}), asof.NotFound, "no view 'thongs'"),
    "missing_key": (lambda c: c.get("pairs.events", {"k": ["a"]}), asof.InvalidArgument, "key 'n'"),
    "too_many_rows": (lambda c: c.get("things.i_sum", {"k": ["a"] * 10_001}), asof.ResourceExhausted, "10000"),
    "refused_event": (lambda c: c.push("walls", {"k": "a"}), asof.InvalidArgument, "event 1"),
    "bad_definition": (lambda c: c.apply("views:\n  x: 1\n"), asof.InvalidArgument, "definitions:2:6"),
    "text_for_a_list": (lambda c: c.get("things.i_sum", {"k": "a"}), TypeError, "a list of values"),
    "mixed_keys": (lambda c: c.get("things.i_sum", {"k": ["a", 1]}), TypeError, "all str, all int"),
    "no_timeout": (lambda c: c.get("things.i_sum", {"k": ["a"]}, timeout=0), ValueError, "above 0"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_by_a_typed_error(client, name):
    call, kind, text = MISTAKES[name]
    with pytest.raises(kind, match=text) as caught:
        call(client)
    assert not isinstance(caught.value, asof.Error) or isinstance(caught.value, Exception)


def test_errors_are_those_of_python_too():
    assert issubclass(asof.DeadlineExceeded, TimeoutError) and issubclass(asof.Unavailable, ConnectionError)
    assert issubclass(asof.NotFound, LookupError) and issubclass(asof.InvalidArgument, ValueError)
    assert asof.NotFound.code == 5


def test_nobody_there_is_unavailable_within_the_timeout():
    with asof.Client("127.0.0.1:1", retries=0) as client:
        with pytest.raises(asof.Unavailable):
            client.get("things.i_sum", {"k": ["a"]}, timeout=5)


def test_a_deadline_holds_while_the_server_is_stopped(make_server):
    server = make_server("frozen").start("--rpc-port", "0")
    with asof.Client(f"127.0.0.1:{server.rpc_port}") as client:
        assert client.is_serving()
        server.process.send_signal(19)
        try:
            began = time.monotonic()
            with pytest.raises(asof.DeadlineExceeded):
                client.get("things.i_sum", {"k": ["a"]}, timeout=0.1)
            assert 0.09 < time.monotonic() - began < 2

            async def wait():
                async with asof.AsyncClient(client.address) as slow:
                    with pytest.raises(asof.DeadlineExceeded):
                        await slow.get("things.i_sum", {"k": ["a"]}, timeout=0.1)
                    with pytest.raises(asyncio.TimeoutError):
                        await asyncio.wait_for(slow.get("things.i_sum", {"k": ["a"]}, timeout=60), 0.1)
            asyncio.run(wait())
        finally:
            server.process.send_signal(18)


def test_reads_go_on_across_a_restart_of_the_server(make_server):
    server = make_server("restarted").start("--rpc-port", "0")
    server.apply(DEFINITIONS)
    port = server.rpc_port
    failures, answers = [], []
    is_over = threading.Event()

    def read(client):
        while not is_over.is_set():
            try:
                answers.append(client.get("things.events_10", {"k": ["a"]}, timeout=60).rows)
            except asof.Error as error:
                failures.append(error)

    with asof.Client(f"127.0.0.1:{port}", retries=1000) as client:
        threads = [threading.Thread(target=read, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        server.wait_for(lambda: len(answers) > 50)
        server.kill()
        server.start("--rpc-port", str(port))
        before = len(answers)
        server.wait_for(lambda: len(answers) > before + 50)
        is_over.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_a_closed_client_says_so(address):
    client = asof.Client(address)
    client.close()
    with pytest.raises(ValueError, match="closed"):
        client.get("things.i_sum", {"k": ["a"]})


def test_a_forked_process_reads_by_connections_of_its_own(client):
    before = client.get("things.i_max", {"k": ["a"]}, at=EVENTS_TO_US).to_dict()
    child = os.fork()
    if child == 0:
        same = False
        try:
            same = client.get("things.i_max", {"k": ["a"]}, at=EVENTS_TO_US).to_dict() == before
        finally:
            os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.get("things.i_max", {"k": ["a"]}, at=EVENTS_TO_US).to_dict() == before


# ---- many at once ----


def test_asyncio_has_1000_calls_under_way(address, client):
    expected = {key: client.get("things.i_max", {"k": [key]}, at=EVENTS_TO_US)["things.i_max"].values for key in KEYS}

    async def read():
        async with asof.AsyncClient(address, timeout=60) as many:
            keys = [KEYS[number % len(KEYS)] for number in range(1500)]
            answers = await asyncio.gather(*(many.get("things.i_max", {"k": [key]}, at=EVENTS_TO_US) for key in keys))
            for key, answer in zip(keys, answers):
                assert answer["things.i_max"].values == expected[key]
            assert await many.push("walls", {"at": time.time_ns() // 1000, "k": "async"}) == 1
            with pytest.raises(asof.NotFound):
                await many.get("thongs.x", {"k": ["a"]})
            assert (await many.describe("things"))["name"] == "things" and await many.is_serving()

    asyncio.run(read())


def test_threads_share_a_client(client):
    def read(key):
        return key, client.get("things.i_max", {"k": [key]}, at=EVENTS_TO_US)["things.i_max"].values

    expected = dict(map(read, KEYS))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for key, values in pool.map(read, KEYS * 50):
            assert values == expected[key]


LEAKS = """
import asyncio, resource, sys
import asof

def resident_kb():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 1024

def read(client, calls):
    for _ in range(calls):
        answer = client.get(["things.*"], {"k": ["a", "b", "nobody"]}, at=1_200_000, event_times=True)
        answer.to_dict(statuses=True), answer.to_numpy(), answer.views[0].event_times
        try:
            client.get(["things.nothing"], {"k": ["a"]})
        except asof.NotFound:
            pass

async def read_async(address, calls):
    async with asof.AsyncClient(address) as client:
        for _ in range(calls // 100):
            answers = await asyncio.gather(*(client.get(["things.*"], {"k": ["a"]}) for _ in range(100)))
            [answer.to_dict() for answer in answers]

client = asof.Client(sys.argv[1])
read(client, 300), asyncio.run(read_async(sys.argv[1], 300))
before = resident_kb()
read(client, 3500), asyncio.run(read_async(sys.argv[1], 3000))
print(resident_kb() - before)
"""


def test_10000_calls_leak_nothing(address):
    environment = os.environ | {"PYTHONPATH": str(python_client.FOLDER)}
    done = subprocess.run([sys.executable, "-c", LEAKS, address], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1000, f"{done.stdout} kB more"


# ---- the package ----


def test_the_wheel_serves_all_later_versions_of_python():
    [wheel] = (python_client.FOLDER / "wheel").glob("asof-*.whl")
    assert "-cp311-abi3-" in wheel.name
    assert (python_client.FOLDER / "asof/py.typed").exists()


def test_numpy_pandas_and_pyarrow_are_not_loaded_until_they_are_asked_for(address):
    code = ("import sys, asof\n"
            f"asof.Client({address!r}).get('things.i_sum', {{'k': ['a']}}).to_dict()\n"
            "print({'numpy', 'pandas', 'pyarrow', 'google'} & set(sys.modules))\n")
    environment = os.environ | {"PYTHONPATH": str(python_client.FOLDER)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stdout + done.stderr


# ---- what people write ----

MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
NO_MOMENTS = {"float": (1.5, TypeError, "not float"), "date": (MOMENT.date(), TypeError, "not date"), "no list": ([], ValueError, "no moment"),
              "NaT": (numpy.datetime64("NaT"), ValueError, "NaT"), "bool": (True, TypeError, "bool")}


@pytest.mark.parametrize("moment", [numpy.datetime64(1_100_000, "us"), numpy.int64(1_100_000), pandas.Timestamp(1_100_000, unit="us", tz="UTC"),
                                    "1970-01-01T00:00:01.1Z"])
def test_one_moment_may_be_numpys_or_pandas(client, moment):
    assert client.get("things.events_10", {"k": ["a"]}, at=moment).to_dict() == client.get(
        "things.events_10", {"k": ["a"]}, at=1_100_000).to_dict()


@pytest.mark.parametrize("name", NO_MOMENTS)
def test_what_is_no_moment_is_told(client, name):
    moment, kind, text = NO_MOMENTS[name]
    with pytest.raises(kind, match=text):
        client.get("things.events_10", {"k": ["a"]}, at=moment)


def test_now_is_a_moment(client):
    assert client.get("things.events_10", {"k": ["a"]}, at="now").to_dict() == client.get("things.events_10", {"k": ["a"]}).to_dict()


@pytest.mark.parametrize("keys, kind, text", [
    ({"n": 1}, TypeError, r'\{"n": \[1\]\}'), ({"k": "a"}, TypeError, "a list of values"), ({"n": [2**70]}, OverflowError, "n: value 0"),
    ({"k": ["a", None]}, TypeError, "value 1 is NoneType"), ({"k": ["a", 1]}, TypeError, "value 1 is int"), ([{"k": "a"}], TypeError, "entities are")])
def test_keys_that_are_none_are_told(client, keys, kind, text):
    with pytest.raises(kind, match=text):
        client.get("pairs.events", keys)


@pytest.mark.parametrize("timeout, kind", [("1", TypeError), (datetime.timedelta(seconds=1), TypeError), (0, ValueError), (1e10, ValueError),
                                           (float("nan"), ValueError)])
def test_a_timeout_is_a_number_of_seconds(client, timeout, kind):
    with pytest.raises(kind, match="timeout is"):
        client.get("things.i_sum", {"k": ["a"]}, timeout=timeout)


def test_values_of_numpy_and_pandas_are_taken_as_pythons(client):
    from asof import arguments
    missing = pandas.Series([1, None], dtype="Int64"), pandas.Series(["x", None], dtype="string"), pandas.Series([True, None], dtype="boolean")
    assert [arguments.typed_column(column) for column in missing] == [
        ([1, 0], b"\0\1"), (["x", ""], b"\0\1"), ([1, 0], b"\0\1")]
    assert arguments.typed_column([numpy.bool_(True), numpy.bool_(False)]) == ([1, 0], None)
    assert arguments.typed_column([numpy.float32(0.5), numpy.nan]) == ([0.5, 0.0], b"\0\1")
    for unit in ("s", "ms", "us", "ns"):  # numpy makes numbers of some of these, and datetimes of others
        column = numpy.array(["2023-11-14T22:13:20", "NaT"], dtype=f"datetime64[{unit}]")
        assert arguments.typed_column(column) == (["2023-11-14T22:13:20Z", ""], b"\0\1")
    assert arguments.typed_column([decimal.Decimal("1E+2"), 5]) == (["100", "5"], None)


def test_asyncio_has_streams_and_definitions_too(address, client):
    async def read():
        async with asof.AsyncClient(address) as aclient:
            rows = [chunk.to_dict() async for chunk in aclient.get_stream(["things.i_max"], {"k": KEYS * 100}, at=EVENTS_TO_US,
                                                                          chunk_rows=300)]
            return rows, [key async for key in aclient.entities("things", page=2)], await aclient.fills()
    chunks, entities, fills = asyncio.run(read())
    whole = client.get(["things.i_max"], {"k": KEYS * 100}, at=EVENTS_TO_US).to_dict()
    assert {name: sum((chunk[name] for chunk in chunks), []) for name in whole} == whole and len(chunks) == 3
    assert entities == list(client.entities("things")) and fills == client.fills()


def test_a_stream_of_asyncio_that_is_left_ends():
    async def read(address):
        client = asof.AsyncClient(address)
        stream = client.get_stream(["things.i_max"], {"k": ["a"]})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 0.2)
        await stream.aclose()
        await client.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        asyncio.run(read(f"127.0.0.1:{silent.getsockname()[1]}"))  # waits for its threads, too
        assert time.monotonic() - begin < 5


def test_clients_of_asyncio_that_are_forgotten_leave_nothing(address):
    async def read():
        for _ in range(20):
            await asof.AsyncClient(address).get("things.i_sum", {"k": ["a"]})
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        return len(os.listdir("/proc/self/fd"))
    with pytest.warns(ResourceWarning, match="unclosed <asof.AsyncClient"):
        asyncio.run(read())  # what is loaded on the way stays open
        first, second = asyncio.run(read()), asyncio.run(read())
    assert second == first


# ---- Ctrl-C ----

INTERRUPTED = """
import os, signal, sys, threading, time, asof
address, kind = sys.argv[1:]
client = asof.Client(address, connections=1, timeout=60, retries=1000)
def ask(**keys): return client.get("things.i_max", {"k": ["a"]}, timeout=keys.get("timeout", 50))
def told(*_):
    # a handler may use the client whose call it interrupts
    print("handled", client.is_serving() if kind == "handler" else "")
    raise TimeoutError("by the handler")
if kind == "parked":  # another thread reads for all
    threading.Thread(target=lambda: client.get("things.i_max", {"k": ["a"]}, timeout=2.5), daemon=True).start()
    time.sleep(0.5)
if kind in ("raises", "handler"):
    signal.signal(signal.SIGUSR1, told)
number = signal.SIGUSR1 if kind in ("raises", "handler") else signal.SIGINT
threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
begin = time.monotonic()
try:
    if kind == "push":
        client.push("events", [{"id": "x", "at": 1, "k": "a"}], timeout=50)
    elif kind == "stream":
        list(client.get_stream("things.i_max", {"k": ["a"]}, timeout=50))
    elif kind == "call":
        client.list(timeout=50)
    else:
        ask()
except BaseException as error:
    print(type(error).__name__)
print("late" if time.monotonic() - begin > 1.5 else "at once")
sys.stdout.flush()
os._exit(0)
"""


def interrupted(address, kind):
    environment = os.environ | {"PYTHONPATH": str(python_client.FOLDER)}
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, address, kind], env=environment, capture_output=True, text=True,
                          timeout=60)
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize("kind", ["get", "push", "call", "stream", "parked", "raises", "retries"])
def test_ctrl_c_ends_a_call_that_waits(kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        if kind == "retries":
            silent.close()
        words, errors = interrupted(address, kind)
        assert words == (["handled", "TimeoutError"] if kind == "raises" else ["KeyboardInterrupt"]) + ["at", "once"], errors


def test_a_handler_of_a_signal_may_use_the_client(address, server):
    """Meanwhile the interrupted call reads for nobody."""
    server.process.send_signal(signal.SIGSTOP)
    threading.Timer(1.0, server.process.send_signal, (signal.SIGCONT,)).start()
    words, errors = interrupted(address, "handler")
    assert words == ["handled", "True", "TimeoutError", "at", "once"], errors
