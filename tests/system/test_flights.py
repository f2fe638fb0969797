"""The server against the oracle on the demo's real data, however the events were pushed, before and after
a restart and a compaction."""

import random
import shutil

import pytest

import oracle
from conftest import EXAMPLES, Server
from questions import SEED, ask, check, sample_pairs

SOURCES = ("departures", "arrivals")
# How many (entity, T) pairs of each view: most where the entities are many.
PAIRS = {"airport_departures": 800, "gate_departures": 4500, "carrier_departures": 1500,
         "flight_number_departures": 6000, "plane_arrivals": 6200, "route_arrivals": 4500, "carrier_arrivals": 1500}
PAIRS_MIN = 20_000


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
    questions = {name: sample_pairs(judge, view, PAIRS[name], draw) for name, view in judge.views.items()}
    assert sum(map(len, questions.values())) >= PAIRS_MIN
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


def test_flights_are_the_same_after_a_compaction(flight_server, flight_truth):
    flight_server.compact()

    check_flights(flight_server, flight_truth)
