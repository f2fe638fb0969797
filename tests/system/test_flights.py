"""The server against the oracle on the demo's real data, however the events were pushed, before and after
a restart and a compaction; and training sets against both."""

import json
import os
import random
import shutil

import duckdb
import pytest

import oracle
import tables
from conftest import EXAMPLES, Server
from questions import SEED, ask, check, sample_pairs
from resp import Got, decode

SOURCES = ("departures", "arrivals")
# How many (entity, T) pairs of each view: most where the entities are many.
PAIRS = {"airport_departures": 800, "gate_departures": 4500, "carrier_departures": 1500,
         "flight_number_departures": 6000, "plane_arrivals": 6200, "route_arrivals": 4500, "carrier_arrivals": 1500}
PAIRS_MIN = 20_000
LONG = os.environ.get("ASOF_LONG") == "1"
TIMES_MORE = 2 if LONG else 1


@pytest.fixture(scope="module")
def flight_truth(flights):
    """(questions, answers) of the demo's views."""
    print(f"ASOF_SEED={SEED}")
    draw = random.Random(SEED)
    judge = oracle.Oracle([path.read_text() for path in sorted((EXAMPLES / "flights").glob("*.yaml"))])
    for source in SOURCES:
        with open(flights / f"{source}.ndjson", encoding="utf-8") as lines:
            judge.load(source, lines)
    assert set(judge.views) == set(PAIRS)
    questions = {name: sample_pairs(judge, view, PAIRS[name] * TIMES_MORE, draw) for name, view in judge.views.items()}
    assert sum(map(len, questions.values())) >= PAIRS_MIN * TIMES_MORE
    return questions, {view: judge.answer(view, pairs) for view, pairs in questions.items()}


def shuffled(path, target, times):
    """Writes the file's lines in random order, each as often as said."""
    with open(path, encoding="utf-8") as file:
        lines = file.readlines() * times
    random.Random(SEED).shuffle(lines)
    with open(target, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return target


ORDERS = {"sorted": None, "shuffled": 1, "twice": 2}  # how often each event is in the shuffled file


@pytest.fixture(scope="module", params=ORDERS)
def flight_server(request, flights, tmp_path_factory):
    """The demo's views, with the events pushed in order, in any order, and each twice in any order."""
    folder = tmp_path_factory.mktemp(request.param)
    server = Server(folder).start()
    server.asof("apply", str(EXAMPLES / "flights"))
    for source in SOURCES:
        path = flights / f"{source}.ndjson"
        if times := ORDERS[request.param]:
            path = shuffled(path, folder / f"{source}.ndjson", times)
        server.asof("push", source, str(path))
    yield server
    if server.is_alive():
        server.stop()
    shutil.rmtree(folder)


checked = {}  # the replies that were held against the oracle, by view: those of the sorted push


def check_flights(server, truth):
    """The first replies are the oracle's, all others the same to the bit."""
    questions, answers = truth
    replies = ask(server, questions)
    if not checked:
        check(replies, questions, answers)
        checked.update(replies)
    if replies != checked:
        check(replies, questions, answers)  # says where
    different = [view for view in questions if replies[view] != checked[view]]
    assert not different, f"{different} do not answer as they did after the sorted push"


def test_flights_are_the_oracles_in_any_order_of_arrival(flight_server, flight_truth):
    check_flights(flight_server, flight_truth)


def test_flights_are_the_same_after_a_restart(flight_server, flight_truth):
    flight_server.restart()

    check_flights(flight_server, flight_truth)


KEYS = {"airport_departures": ["origin"], "gate_departures": ["origin", "carrier"], "carrier_departures": ["carrier"],
        "flight_number_departures": ["carrier", "flight"], "plane_arrivals": ["tailnum"],
        "route_arrivals": ["origin", "dest"], "carrier_arrivals": ["carrier"]}


def write_labels(path, questions, is_exclusive):
    """A row for each pair, the views' among each other: its view, its number there, its moment and keys; the rest is NULL."""
    rows = [{"view": view, "number": number, "event_timestamp": pair.t_us,
             **dict(zip(KEYS[view], pair.entity.split("|"), strict=True))}
            for view, pairs in questions.items() for number, pair in enumerate(pairs) if pair.exclusive == is_exclusive]
    random.Random(SEED).shuffle(rows)
    # The first has all columns: they shall come in one order, whichever row is the first.
    blank = dict.fromkeys(["view", "number", "event_timestamp", *sorted({key for keys in KEYS.values() for key in keys})])
    path.write_text("".join(json.dumps(blank | row) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


def test_training_sets_are_what_reads_say(request, flight_server, flight_truth, tmp_path):
    """All views and entities in one call; reads were the oracle's. What was pushed shuffled came late, and this is after a restart."""
    if request.node.callspec.params["flight_server"] != "shuffled" and not LONG:
        pytest.skip("ASOF_LONG=1 makes them of the other orders, too")
    questions, _ = flight_truth
    replies = {view: list(map(Got, decode(checked[view]))) for view in questions}
    connection = duckdb.connect()
    for is_exclusive in (False, True):
        rows = write_labels(tmp_path / "labels.ndjson", questions, is_exclusive)
        path = tmp_path / "set.parquet"
        flight_server.asof("export", "training", "--labels", str(tmp_path / "labels.ndjson"), "--features",
                           ",".join(f"{view}.*" for view in questions), "--out", str(path), "--statuses", "--full-names",
                           *(["--exclusive"] if is_exclusive else []))
        assert connection.execute(f"SELECT count(*) FROM '{path}'").fetchall() == [(rows,)]
        for view, pairs in questions.items():
            check_set(connection, path, view, [(number, replies[view][number]) for number, pair in enumerate(pairs)
                                               if pair.exclusive == is_exclusive])


def check_set(connection, path, view, asked):
    """The set's rows of the view's pairs, (number, reply), and that rows without its keys have nothing of it."""
    names = [name for name, _, _ in asked[0][1].features]
    columns = tables.columns_of(names, f"{view}__")
    made = tables.select(connection, path, ["number", *columns], f"WHERE view = '{view}' ORDER BY number")
    assert [row[0] for row in made] == [number for number, _ in asked]
    wrong = [f"{view} at {got.at}, {told}" for row, (_, got) in zip(made, asked, strict=True)
             for told in tables.differences(got.features, row[1:])]
    assert not wrong, f"{len(wrong)} differ, the first of them:\n" + "\n".join(wrong[:40])
    missing = " OR ".join(f"{key} IS NULL" for key in KEYS[view])
    statuses = connection.execute(f"SELECT DISTINCT \"{columns[1]}\" FROM '{path}' WHERE {missing}").fetchall()
    assert statuses == [("not_found",)]


def test_flights_are_the_same_after_a_compaction(flight_server, flight_truth):
    flight_server.compact()

    check_flights(flight_server, flight_truth)
