"""Exports of snapshots and events over RPC: a snapshot has what reads of each entity answer, though events go on
coming; files read back with their types in other libraries; what is cancelled, killed or not allowed leaves nothing."""

import datetime
import decimal
import hashlib
import io
import itertools
import json
import os
import threading
import time

import duckdb
import grpc
import pandas
import pyarrow.parquet
import pytest

import oracle
import tables
from conftest import EXAMPLES
from resp import Got
from rpc_world import Rpc, messages, offline_messages as offline

LONG = os.environ.get("ASOF_LONG") == "1"
EVENTS = 100_000 if LONG else 20_000  # of each source of the demo, before the snapshots; as many may come meanwhile
KILLS = 20 if LONG else 3
BATCH = 1000
US = datetime.timedelta(microseconds=1)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def us_of(moment):
    return (moment - EPOCH) // US


def collect(parts):
    """(bytes of the file, what done says) of an export; its sha256 is checked."""
    pieces, done = [], None
    for part in parts:
        assert done is None, "something came behind done"
        if part.WhichOneof("part") == "piece":
            pieces.append(part.piece)
        elif part.WhichOneof("part") == "done":
            done = part.done
    data = b"".join(pieces)
    if not done.path:
        assert done.sha256 == hashlib.sha256(data).digest() and done.bytes == len(data)
    return data, done


def snapshot(rpc, view, at_us=None, path="", **rest):
    output = offline.Output(server_path=str(path), **{name: rest.pop(name) for name in list(rest) if name in (
        "format", "partition_by", "hash_buckets")})
    request = offline.ExportSnapshotRequest(view=view, at_us=at_us or 0, has_at=at_us is not None, output=output, **rest)
    return collect(rpc.offline.ExportSnapshot(request, timeout=300))


def table_of(data):
    return pyarrow.parquet.read_table(io.BytesIO(data))


# ---- the demo's data ----

VIEWS = {"airport_departures": ["origin"], "gate_departures": ["origin", "carrier"], "carrier_departures": ["carrier"],
         "flight_number_departures": ["carrier", "flight"], "plane_arrivals": ["tailnum"], "route_arrivals": ["origin", "dest"],
         "carrier_arrivals": ["carrier"]}
PIPELINE = 200


@pytest.fixture(scope="module")
def events(flights):
    """{source: the first EVENTS of it, and as many behind them}. Each has a moment of its own: in the data many share a minute, and a
    read of later would count what came of the same moment behind the cut."""
    def moved(line, number):
        event = json.loads(line)
        event["at"] = event["at"].replace("Z", f".{number:06d}Z")
        return json.dumps(event)

    read = {}
    for source in ("departures", "arrivals"):
        with open(flights / f"{source}.ndjson", encoding="utf-8") as lines:
            moments = [moved(line, number) for number, line in enumerate(itertools.islice(lines, 2 * EVENTS))]
        read[source] = moments[:EVENTS], moments[EVENTS:]
    return read


def time_of(line):
    return us_of(datetime.datetime.fromisoformat(json.loads(line)["at"]))


class Pusher(threading.Thread):
    """Pushes events in their order, batch by batch, until told to stop; then goes on where it was."""

    def __init__(self, port, events):
        super().__init__()
        self.port = port
        self.events = events
        self.pushed = 0
        self.is_stopping = threading.Event()

    def run(self):
        with Rpc(self.port) as rpc:
            for start in range(0, EVENTS, BATCH // 10):
                if self.is_stopping.is_set():
                    return
                for source, (_, later) in self.events.items():
                    self.pushed += rpc.push(source, *map(str.encode, later[start:start + BATCH // 10]))

    def stop(self):
        self.is_stopping.set()
        self.join()
        return self.pushed


def replies_as_of(server, view, at_us):
    """{entity: what ASOF.GET says} of all entities of a view that are not not_found then."""
    entities = [json.loads(line) for line in server.asof("entities", view, "--json").stdout.splitlines()]
    commands = [("ASOF.GET", f"{view}:{entity}", "AT", at_us) for entity in entities]
    with server.client() as client:
        replies = [Got(reply) for start in range(0, len(commands), PIPELINE)
                   for reply in client.pipeline(commands[start:start + PIPELINE])]
    return {entity: got for entity, got in zip(entities, replies, strict=True) if "not_found" not in got.statuses.values()}


def check_snapshot(server, view, data, path):
    """The file has the entities that there are at its T, each once, with the values and statuses of ASOF.GET. Its T."""
    path.write_bytes(data)
    metadata = pyarrow.parquet.read_schema(path).metadata
    assert metadata[b"asof.view"] == view.encode() and metadata[b"asof.version"] == b"1"
    assert len(metadata[b"asof.definition_hash"]) == 32
    at_us = int(metadata[b"asof.at_us"])
    true = replies_as_of(server, view, at_us)
    keys = VIEWS[view]
    names = [name for name, _, _ in next(iter(true.values())).features]
    rows = tables.select(duckdb.connect(), path, keys + tables.columns_of(names))
    entities = [oracle.entity_text(row[:len(keys)]) for row in rows]
    assert len(entities) == len(true) and set(entities) == set(true), (view, at_us)
    wrong = [f"{view}:{entity} at {at_us}, {told}" for entity, row in zip(entities, rows)
             for told in tables.differences(true[entity].features, row[len(keys):])]
    assert not wrong, f"{len(wrong)} differ, the first of them:\n" + "\n".join(wrong[:40])
    return at_us


def test_a_snapshot_equals_reads_of_every_entity_though_events_come(make_server, events, tmp_path):
    """At a moment in the middle of what was there, at the newest of it, and at now."""
    server = make_server().start()
    server.asof("apply", str(EXAMPLES / "flights"))
    for source, (first, _) in events.items():
        server.asof("push", source, input="\n".join(first))
    pusher = Pusher(server.rpc_port, events)
    taken = []
    with Rpc(server.rpc_port) as rpc:
        pusher.start()
        for view in VIEWS:
            first = events["departures" if "departures" in view else "arrivals"][0]
            for at_us in (time_of(first[EVENTS // 2]), time_of(first[-1]), None):
                taken.append((view, at_us, snapshot(rpc, view, at_us, with_statuses=True)[0]))
        pushed = pusher.stop()
        assert pushed > 0, "no events came meanwhile"
    moments = set()
    for view, at_us, data in taken:
        told = check_snapshot(server, view, data, tmp_path / "snapshot.parquet")
        assert at_us in (None, told)
        moments.add(told)
    assert len(moments) > 4, "the clocks stood still while snapshots were taken"


# ---- types ----

DEFINITIONS = """
sources:
  things:
    fields: {id: string, ts: timestamp_us, who: string, flag: bool, n: int, x: double, money: decimal(2), text: string,
             seen: timestamp}
    event_time: ts
    event_id: id
    clock: event
entities:
  who: {keys: [who]}
views:
  all_types:
    source: things
    entity: who
    features:
      flag: {last: flag, over: forever}
      n: {sum: n, over: forever}
      x: {avg: x, over: forever}
      money: {sum: money, over: forever}
      text: {last: text, over: forever}
      seen: {max: seen, over: forever}
      texts: {last_n: text, over: last(3)}
      amounts: {last_n: money, over: last(3)}
  %s: {kind: batch, entity: who, features: {segment: string}}
""" % "profile"
MOMENT = "2026-01-31T12:00:00.123456Z"
SEEN = datetime.datetime.fromisoformat(MOMENT)
THINGS = [
    {"id": "1", "ts": 1769860800000000, "who": "zoë", "flag": True, "n": 2**53 + 1, "x": 0.1, "money": "12345678901234.56",
     "text": "naïve ☃", "seen": MOMENT},
    {"id": "2", "ts": 1769860800000001, "who": "zoë", "flag": None, "n": None, "x": None, "money": "-0.01", "text": None,
     "seen": None},
    {"id": "3", "ts": 1769860800000002, "who": "it's \"quoted\", 1|2", "flag": False},
]
EXPECTED = {
    "who": ["it's \"quoted\", 1|2", "zoë"],
    "flag": [False, True],
    "n": [None, 2**53 + 1],
    "x": [None, 0.1],
    "money": [None, decimal.Decimal("12345678901234.55")],
    "text": [None, "naïve ☃"],
    "seen": [None, SEEN],
    "texts": [None, ["naïve ☃"]],
    "amounts": [None, [decimal.Decimal("-0.01"), decimal.Decimal("12345678901234.56")]],
}


@pytest.fixture
def typed(make_server, tmp_path):
    """A server with values of all types, and a directory that it may write to."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    server = make_server()
    server.start("--export-dirs", str(allowed))
    server.apply(DEFINITIONS)
    with Rpc(server.rpc_port) as rpc:
        rpc.push("things", *(json.dumps(thing).encode() for thing in THINGS))
        yield server, rpc, allowed


def test_csv_and_ndjson(typed):
    _, rpc, _ = typed
    lines = snapshot(rpc, "all_types", format=offline.FILE_FORMAT_NDJSON)[0].decode().splitlines()
    assert [json.loads(line)["who"] for line in lines] == EXPECTED["who"]
    assert json.loads(lines[1])["texts"] == EXPECTED["texts"][1]
    frame = pandas.read_csv(io.BytesIO(snapshot(rpc, "all_types", format=offline.FILE_FORMAT_CSV)[0]), dtype=str)
    assert list(frame["who"]) == EXPECTED["who"] and frame["money"][1] == "12345678901234.55"


def test_events_come_back_typed(typed):
    _, rpc, _ = typed
    data, done = collect(rpc.offline.ExportEvents(offline.ExportEventsRequest(source="things"), timeout=60))
    rows = table_of(data).to_pylist()
    assert done.rows == 3 and [row["asof_sequence"] for row in rows] == sorted(row["asof_sequence"] for row in rows)
    assert rows[0]["money"] == decimal.Decimal("12345678901234.56") and rows[0]["seen"] == SEEN
    assert rows[1]["money"] == decimal.Decimal("-0.01") and rows[1]["flag"] is None
    request = offline.ExportEventsRequest(source="things", from_us=THINGS[1]["ts"], to_us=THINGS[2]["ts"])
    assert [row["id"] for row in table_of(collect(rpc.offline.ExportEvents(request, timeout=60))[0]).to_pylist()] == ["2"]


def test_partitions(typed):
    _, rpc, allowed = typed
    snapshot(rpc, "all_types", path=allowed / "by_flag", partition_by=["flag"])
    snapshot(rpc, "all_types", path=allowed / "by_hash", hash_buckets=3)
    for folder in ("by_flag", "by_hash"):
        files = list((allowed / folder).rglob("*.parquet"))
        assert files and all("=" in file.parent.name for file in files)
        assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{allowed}/{folder}/*/*.parquet')").fetchall() == [(2,)]
    assert {folder.name for folder in (allowed / "by_flag").iterdir()} == {"flag=false", "flag=true"}


# ---- what may not be, or does not end well ----

def refused(rpc, view="all_types", **rest):
    with pytest.raises(grpc.RpcError) as caught:
        snapshot(rpc, view, **rest)
    return caught.value.code(), caught.value.details()


def test_files_stay_in_the_directories_that_are_allowed(typed):
    _, rpc, allowed = typed
    (allowed / "link").symlink_to("/tmp")
    (allowed / "file").write_text("")
    outside = allowed.parent / "x.parquet"
    for path in ("/etc/x.parquet", "relative.parquet", outside, f"{allowed}/../x.parquet", f"{allowed}/link/x.parquet",
                 f"{allowed}/file/x.parquet", f"{allowed}x.parquet", f"{allowed}/./x.parquet", str(allowed)):
        code, words = refused(rpc, path=path)
        assert code == grpc.StatusCode.INVALID_ARGUMENT and words, path
    assert refused(rpc, path=allowed / "missing" / "x.parquet")[0] == grpc.StatusCode.NOT_FOUND
    assert refused(rpc, view="nothing")[0] == grpc.StatusCode.NOT_FOUND
    assert refused(rpc, partition_by=["flag"])[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(entry.name for entry in allowed.iterdir()) == ["file", "link"] and not outside.exists()


def many_entities(rpc, count=40_000):
    for start in range(0, count, 10_000):
        rpc.push("things", *(json.dumps({"id": f"m{i}", "ts": THINGS[2]["ts"] + i, "who": f"many{i}", "n": i}).encode()
                             for i in range(start, start + 10_000)))


def test_what_is_cancelled_leaves_nothing(typed):
    server, rpc, allowed = typed
    many_entities(rpc)
    call = rpc.offline.ExportSnapshot(offline.ExportSnapshotRequest(
        view="all_types", output=offline.Output(server_path=str(allowed / "never.parquet"))), timeout=60)
    next(iter(call))
    call.cancel()

    server.wait_for(lambda: server.info("export_running") == 0 and server.info("export_waiting") == 0)
    assert server.info("export_cancelled_total") + server.info("export_done_total") >= 1
    if server.info("export_cancelled_total"):
        assert list(allowed.iterdir()) == []
    assert list((server.data / "spool").iterdir()) == []


def test_a_kill_leaves_no_half_file(typed):
    server, rpc, allowed = typed
    many_entities(rpc)
    path = allowed / "result.parquet"
    rows = snapshot(rpc, "all_types", path=path)[1].rows
    for attempt in range(KILLS):
        call = rpc.offline.ExportSnapshot(offline.ExportSnapshotRequest(
            view="all_types", output=offline.Output(server_path=str(path))), timeout=60)
        threading.Thread(target=lambda: [None for _ in swallow(call)], daemon=True).start()
        time.sleep(0.02 + 0.5 * attempt / KILLS)
        server.kill()
        assert [entry.name for entry in allowed.iterdir() if not entry.name.startswith(".")] == ["result.parquet"]
        assert pyarrow.parquet.read_metadata(path).num_rows == rows
        server.start("--export-dirs", str(allowed))
        assert list((server.data / "spool").iterdir()) == []
    with Rpc(server.rpc_port) as again:
        assert snapshot(again, "all_types", path=path)[1].rows == rows


def swallow(call):
    try:
        yield from call
    except grpc.RpcError:
        return


def test_reads_go_on_beside_an_export(typed):
    """What HMGET takes while exports run; the bound is wide, as tests share their processors."""
    server, rpc, _ = typed
    many_entities(rpc)
    waits = []
    with server.client() as client:
        exporting = threading.Thread(target=lambda: [snapshot(rpc, "all_types") for _ in range(3)])
        exporting.start()
        while exporting.is_alive():
            began = time.perf_counter()
            client.call("HMGET", "all_types:many7", "n", "x")
            waits.append(time.perf_counter() - began)
        exporting.join()
    waits.sort()
    print(f"HMGET beside an export: p50 {waits[len(waits) // 2] * 1e6:.0f} us, slowest {waits[-1] * 1e3:.1f} ms")
    assert len(waits) > 100 and waits[len(waits) // 2] < 0.01
    assert waits[-1] < 0.5
