"""History from files: a view that was backfilled answers as one that was streamed, and as the oracle, to the bit,
however its events came, how often, and whatever was killed meanwhile."""

import concurrent.futures
import csv
import datetime
import decimal
import functools
import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time

import pyarrow
import pyarrow.parquet
import pytest
import yaml

import oracle
from conftest import ASOF, EXAMPLES, Server
from questions import SEED, ask, check, sample_pairs
from rpc_world import Rpc, columns

LONG = os.environ.get("ASOF_LONG") == "1"
EVENTS = 40_000 if LONG else 8_000  # of the demo's arrivals
KILLS = 20 if LONG else 3
PAIRS = {"plane_arrivals": 400, "route_arrivals": 300, "carrier_arrivals": 150}
VIEWS = tuple(PAIRS)
LABELS = 50_000 if LONG else 2_000


def definitions(with_ids=True):
    text = "\n".join((EXAMPLES / "flights" / name).read_text() for name in ("sources.yaml", "entities.yaml", "arrivals.yaml"))
    return text if with_ids else text.replace("event_id: flight_id", "")


@pytest.fixture(scope="module")
def lines(flights):
    with open(flights / "arrivals.ndjson", encoding="utf-8") as file:
        return list(itertools.islice(file, EVENTS))


class Truth:
    """Questions, and what a server answers to which all events were pushed: the oracle's answers."""

    def __init__(self, folder, lines, with_ids):
        judge = oracle.Oracle([definitions(with_ids)])
        judge.load("arrivals", lines)
        draw = random.Random(SEED)
        self.questions = {name: sample_pairs(judge, judge.views[name], count, draw) for name, count in PAIRS.items()}
        answers = {view: judge.answer(view, pairs) for view, pairs in self.questions.items()}
        server = Server(folder).start()
        server.apply(definitions(with_ids))
        server.asof("push", "arrivals", write_ndjson(folder / "all.ndjson", lines))
        self.replies = ask(server, self.questions)
        check(self.replies, self.questions, answers)
        server.stop()

    def check(self, server):
        assert ask(server, self.questions) == self.replies


@pytest.fixture(scope="module")
def truth(lines, tmp_path_factory):
    print(f"ASOF_SEED={SEED}")
    return Truth(tmp_path_factory.mktemp("streamed"), lines, True)


@pytest.fixture(scope="module")
def truth_without_ids(lines, tmp_path_factory):
    return Truth(tmp_path_factory.mktemp("streamed"), lines, False)


# ---- files ----

ARROW = {"string": pyarrow.string(), "int": pyarrow.int64(), "bool": pyarrow.bool_(), "double": pyarrow.float64(),
         "timestamp": pyarrow.timestamp("us", tz="UTC"), "timestamp_ms": pyarrow.timestamp("ms"),
         "decimal(3)": pyarrow.decimal128(18, 3)}


@functools.cache
def schema():
    fields = yaml.safe_load((EXAMPLES / "flights" / "sources.yaml").read_text())["sources"]["arrivals"]["fields"]
    return pyarrow.schema([(name, ARROW[type_]) for name, type_ in fields.items()])


def typed(value, type_):
    if value is None:
        return None
    if pyarrow.types.is_decimal(type_):
        return decimal.Decimal(repr(value))
    if pyarrow.types.is_timestamp(type_) and isinstance(value, str):
        return datetime.datetime.fromisoformat(value)
    return value


def write_parquet(path, lines):
    rows = [json.loads(line) for line in lines]
    pyarrow.parquet.write_table(pyarrow.table(
        {field.name: [typed(row.get(field.name), field.type) for row in rows] for field in schema()}, schema()), path)
    return str(path)


def write_csv(path, lines):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(schema().names)
        for row in map(json.loads, lines):
            texts = {True: "true", False: "false", None: ""}
            writer.writerow([texts[row.get(name)] if isinstance(row.get(name), (bool, type(None))) else row[name]
                             for name in schema().names])
    return str(path)


def write_ndjson(path, lines):
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


WRITERS = {"parquet": write_parquet, "csv": write_csv, "ndjson": write_ndjson}


def write(folder, name, lines):
    return WRITERS[name.rpartition(".")[2]](folder / name, lines)


def backfill(server, view, files, *words):
    """What the command says, as JSON."""
    return json.loads(server.asof("backfill", view, "--json", "--from", *files, *words).stdout)


def fill(server, files, *words):
    for view in VIEWS:
        backfill(server, view, files, *words)


def time_us(line):
    return round(datetime.datetime.fromisoformat(json.loads(line)["at"]).timestamp()) * 10**6


# ---- the same as streamed ----

def only_files(server, folder, lines):
    fill(server, [write(folder, "all.parquet", lines)])


def files_of_all_formats(server, folder, lines):
    """In any order of rows and files, with rows that are in two of them."""
    lines = random.Random(SEED).sample(lines, len(lines))
    third = len(lines) // 3
    fill(server, [write(folder, "a.csv", lines[:third + 100]), write(folder, "b.parquet", lines[third:2 * third + 100]),
                  write(folder, "c.ndjson", lines[2 * third:])])


def half_and_half(server, folder, lines):
    """The stream has the second half and a piece of the first, before the files come; reads keep what they found."""
    half = len(lines) // 2
    server.asof("push", "arrivals", write_ndjson(folder / "pushed.ndjson", lines[half - 1000:]))
    for view in VIEWS:
        with server.client() as client:
            client.pipeline([("HGETALL", f"{view}:{entity}") for entity in entities(server, view)])
    fill(server, [write(folder, "first.parquet", lines[:half + 1000])])


def every_other(server, folder, lines):
    """Rows of the file lie between those of the stream, which go on coming while it is taken: all of these are late."""
    pushed = write_ndjson(folder / "pushed.ndjson", lines[1::2])
    server.asof("push", "arrivals", write_ndjson(folder / "newest.ndjson", lines[-1:]))
    pushing = threading.Thread(target=server.asof, args=("push", "arrivals", pushed))
    pushing.start()
    fill(server, [write(folder, "even.parquet", lines[::2])])
    pushing.join()


def entities(server, view):
    return [json.loads(line)["entity"] if line.startswith("{") else line
            for line in server.asof("entities", view).stdout.splitlines()]


@pytest.mark.parametrize("way", [only_files, files_of_all_formats, half_and_half, every_other],
                         ids=lambda way: way.__name__)
def test_a_backfilled_view_is_as_a_streamed_one(make_server, tmp_path, lines, truth, way):
    server = make_server().start()
    server.apply(definitions())

    way(server, tmp_path, lines)

    truth.check(server)
    server.restart()
    truth.check(server)
    if way is half_and_half:
        server.compact()
        truth.check(server)


@pytest.mark.parametrize("has_stream", [False, True])
def test_rows_without_ids_are_told_apart_by_file_and_row(make_server, tmp_path, lines, truth_without_ids, has_stream):
    server = make_server().start()
    server.apply(definitions(with_ids=False))
    until_us = time_us(lines[len(lines) // 2]) if has_stream else time_us(lines[-1]) + 10**6
    file = write(tmp_path, "all.parquet", lines)
    if has_stream:
        server.asof("push", "arrivals", write_ndjson(
            tmp_path / "pushed.ndjson", [line for line in lines if time_us(line) >= until_us]))

    refused = server.asof("backfill", VIEWS[0], "--from", file, check=False)
    fill(server, [file], "--until", str(until_us))
    again = backfill(server, VIEWS[0], [file], "--until", str(until_us))

    assert refused.returncode == 1 and "--until" in refused.stderr
    assert again["files_known"] == 1
    truth_without_ids.check(server)


def test_two_commands_at_once_take_each_row_once(make_server, tmp_path, lines, truth_without_ids):
    server = make_server().start("--export-threads", "2")
    server.apply(definitions(with_ids=False))
    half = len(lines) // 2
    while time_us(lines[half]) == time_us(lines[half - 1]):
        half += 1
    files = [write(tmp_path, "first.parquet", lines[:half]), write(tmp_path, "second.csv", lines[half:])]
    until = ("--until", str(time_us(lines[-1]) + 10**6))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for view in VIEWS:
            list(pool.map(lambda some: backfill(server, view, some, *until), [files, files[1:], files[:1], files]))
    truth_without_ids.check(server)


# ---- killed ----

@pytest.mark.parametrize("with_ids", [True, False])
def test_what_was_killed_goes_on_and_counts_once(make_server, tmp_path, lines, truth, truth_without_ids, draw, with_ids):
    server = make_server().start()
    server.apply(definitions(with_ids))
    cuts = sorted({0, len(lines), *(cut for cut in range(0, len(lines), len(lines) // 4)
                                    if cut == 0 or time_us(lines[cut]) != time_us(lines[cut - 1]))})
    files = [write(tmp_path, f"{i}.parquet", lines[first:last]) for i, (first, last) in enumerate(itertools.pairwise(cuts))]
    until = () if with_ids else ("--until", str(time_us(lines[-1]) + 10**6))
    began = time.monotonic()
    backfill(server, VIEWS[2], files, *until)
    whole_s = time.monotonic() - began
    for _ in range(KILLS):
        view = draw.choice(VIEWS[:2])
        command = subprocess.Popen([ASOF, "--server", server.rpc_address, "backfill", view, "--from", *files, *until],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(draw.uniform(0, 1.5 * whole_s))
        server.process.send_signal(signal.SIGKILL)
        said = command.communicate(timeout=60)
        assert command.returncode in (0, 4), said
        server.kill()
        server.start()
        assert not any((server.data / "spool").iterdir())

    fill(server, files, *until)
    again = [backfill(server, view, files, *until) for view in VIEWS]

    assert all(done["files_known"] == len(files) and done["rows"] == len(lines) for done in again)
    (truth if with_ids else truth_without_ids).check(server)


# ---- what follows from it ----

def test_a_training_set_of_a_backfilled_view_is_what_reads_answer(make_server, tmp_path, lines, draw):
    server = make_server().start()
    server.apply(definitions())
    half = len(lines) // 2
    server.asof("push", "arrivals", write_ndjson(tmp_path / "pushed.ndjson", lines[half:]))
    backfill(server, "plane_arrivals", [write(tmp_path, "first.parquet", lines[:half])])
    chosen = [(json.loads(line)["tailnum"], time_us(line) + draw.choice((-1, 0, 0, 1, 10**9, 86400 * 10**6)))
              for line in draw.choices(lines, k=LABELS)]
    chosen = [(plane, at_us) for plane, at_us in chosen if plane is not None and at_us <= time_us(lines[-1])]
    labels = tmp_path / "labels.ndjson"
    labels.write_text("".join(json.dumps({"tailnum": plane, "event_timestamp": datetime.datetime.fromtimestamp(
        at_us // 10**6, datetime.timezone.utc).strftime(f"%Y-%m-%dT%H:%M:%S.{at_us % 10**6:06}Z")}) + "\n"
        for plane, at_us in chosen))

    server.asof("export", "training", "--labels", str(labels), "--features", "plane_arrivals.*", "--statuses",
                "--out", str(tmp_path / "set.parquet"))

    rows = pyarrow.parquet.read_table(tmp_path / "set.parquet").to_pydict()
    names = [name for name in rows if name + "__status" in rows]
    assert len(names) == 17
    with Rpc(server.rpc_port) as rpc:
        answer = rpc.get([f"plane_arrivals.{name}" for name in names], {"tailnum": [plane for plane, _ in chosen]},
                         at_us=[at_us for _, at_us in chosen])
    for name, column in zip(names, columns(answer), strict=True):
        assert rows[name + "__status"] == column.statuses, name
        assert [plain(value, column) for value in rows[name]] == column.values, name
    with server.client() as client:  # and HMGET as of a few of these moments, as texts
        for i in draw.sample(range(len(chosen)), 100):
            client.call("ASOF.AT", chosen[i][1])
            count, dest = client.call("HMGET", f"plane_arrivals:{chosen[i][0]}", "flights_1d", "last_dest")
            assert (int(count), dest.decode() if dest else None) == (rows["flights_1d"][i], rows["last_dest"][i])


def plain(value, column):
    """A value of Parquet as RPC has it."""
    if isinstance(value, decimal.Decimal):
        return int(value.scaleb(column.digits))
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)
    return value


def test_rows_behind_the_horizon_are_late_and_late_events_still_count(make_server, tmp_path):
    server = make_server().start()
    server.apply("""
sources:
  rides: {fields: {id: string, at: timestamp_s, k: string}, event_time: at, event_id: id, clock: event}
entities:
  k: {keys: [k]}
views:
  recent: {source: rides, entity: k, history: 1h, features: {count: {count: '*', over: 1h}, ever: {count: '*', over: forever}}}
""")
    (tmp_path / "old.csv").write_text("id,at,k\n" + "".join(f"o{i},{i},a\n" for i in range(100)))
    (tmp_path / "new.csv").write_text("id,at,k\n" + "".join(f"n{i},{99_000 + i},a\n" for i in range(100)) + "n200,99000,\n")

    first = backfill(server, "recent", [str(tmp_path / "old.csv")])
    server.call("ASOF.PUSH", "rides", '{"id":"p","at":100000,"k":"a"}')
    server.wait_for(lambda: server.call("HGET", "recent:a", "ever") == b"101")
    late = backfill(server, "recent", [str(tmp_path / "old.csv"), str(tmp_path / "new.csv")])
    server.call("ASOF.PUSH", "rides", '{"id":"n5","at":99005,"k":"a"}', '{"id":"q","at":99999,"k":"a"}')

    assert (first["rows"], first["taken"]) == (100, 100)
    assert (late["rows"], late["taken"], late["skipped"], late["files_known"]) == (201, 200, 1, 1)
    assert server.call("HMGET", "recent:a", "count", "ever") == [b"102", b"202"]
    (tmp_path / "older.csv").write_text("id,at,k\n" + "".join(f"x{i},{i},a\n" for i in range(50)))
    server.wait_for(lambda: backfill(server, "recent", [write_again(tmp_path / "older.csv")])["taken"] == 0)
    assert server.call("HGET", "recent:a", "count") == b"102"


def write_again(path):
    """The same rows as another file."""
    path.write_text(path.read_text() + "\n")
    return str(path)


def test_reads_and_pushes_go_on_meanwhile(make_server, tmp_path, lines):
    server = make_server().start()
    server.apply(definitions())
    file = write(tmp_path, "all.parquet", lines)
    carrier, counts, pushed = json.loads(lines[0])["carrier"], [], 0
    command = subprocess.Popen([ASOF, "--server", server.rpc_address, "backfill", "carrier_arrivals", "--from", file])
    with server.client() as client:
        client.call("ASOF.AT", time_us(lines[-1]) + 1)
        while command.poll() is None:
            counts.append(int(client.call("HGET", f"carrier_arrivals:{carrier}", "arrivals_30m")))
            pushed += client.call("ASOF.PUSH", "arrivals", json.dumps(
                {"flight_id": f"new{pushed}", "at": "2014-06-01T00:00:00Z", "carrier": carrier}))
        client.call("ASOF.AT", "now")
        assert int(client.call("HGET", f"carrier_arrivals:{carrier}", "arrivals_30m")) == pushed > 0
    assert command.returncode == 0 and counts == sorted(counts)


# ---- what can't be taken ----

@pytest.mark.parametrize("name, text, message", [
    ("wrong.csv", "flight_id,at,tailnum\na,2013-01-01T00:00:00Z,N1\nb,yesterday,N1\n", "row 2: column 'at': expected"),
    ("wrong.ndjson", '{"flight_id":"a","at":"2013-01-01T00:00:00Z","tailnum":"N1"}\n{"flight_id":\n', "row 2: "),
    ("wrong.csv", "flight_id,at,tailnum\na,2013-01-01T00:00:00Z,N1\n,2013-01-01T00:00:00Z,N1\n", "row 2: "),
    ("wrong.csv", "flight_id,tailnum\na,N1\n", "there is no column 'at'"),
    ("wrong.parquet", "flight_id,at\n", "wrong.parquet"),
])
def test_a_wrong_file_is_named_and_nothing_of_it_is_taken(make_server, tmp_path, name, text, message):
    server = make_server().start()
    server.apply(definitions())
    (tmp_path / "good.csv").write_text("flight_id,at,tailnum\ng,2013-01-01T00:00:00Z,N1\n")
    (tmp_path / name).write_text(text)

    done = server.asof("backfill", "plane_arrivals", "--from", str(tmp_path / "good.csv"), str(tmp_path / name), check=False)

    assert done.returncode == 1 and f"file '{name}'" in done.stderr and message in done.stderr
    assert not any((server.data / "spool").iterdir())
    with server.client() as client:
        client.call("ASOF.AT", "2013-01-01T12:00:00Z")
        assert client.call("HGET", "plane_arrivals:N1", "dests_ever") == b"0"
        assert client.call("HGET", "plane_arrivals:N1", "flights_1d") == b"1"


def test_files_of_the_server_are_read_where_it_may(make_server, tmp_path, lines):
    folder = tmp_path / "files"
    folder.mkdir()
    inside, outside = write(folder, "some.parquet", lines[:100]), write(tmp_path, "some.parquet", lines[:100])
    os.symlink(outside, folder / "link.parquet")
    server = make_server().start("--export-dirs", str(folder))
    server.apply(definitions())

    done = backfill(server, "carrier_arrivals", [inside], "--on-server")

    assert done["taken"] == 100
    for path in (outside, str(folder / "link.parquet"), str(folder / ".." / "some.parquet"), str(folder / "none.parquet")):
        refused = server.asof("backfill", "carrier_arrivals", "--on-server", "--from", path, check=False)
        assert refused.returncode in (1, 3), refused


def test_an_interrupt_ends_it_and_leaves_nothing(make_server, tmp_path, lines):
    server = make_server().start()
    server.apply(definitions())
    many = [line.replace('"flight_id":"', f'"flight_id":"{i}') for i in range(6) for line in lines]
    file = write_ndjson(tmp_path / "many.ndjson", many)
    command = subprocess.Popen([ASOF, "--server", server.rpc_address, "backfill", "route_arrivals", "--from", file],
                               stderr=subprocess.PIPE, text=True)
    server.wait_for(lambda: b"export_running:1" in server.call("INFO", "asof"))
    command.send_signal(signal.SIGINT)

    said = command.communicate(timeout=20)[1]

    assert command.returncode == 1 and "interrupted" in said and "counts once" in said
    server.wait_for(lambda: b"export_running:0" in server.call("INFO", "asof"))
    assert not any((server.data / "spool").iterdir())
    assert backfill(server, "route_arrivals", [file])["rows"] == len(many)
