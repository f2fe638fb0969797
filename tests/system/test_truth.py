"""The server against the oracle: every value, status and event time, on the demo's real data and on
a synthetic stream, however the events were pushed, before and after a restart and a compaction.

The seed of the sampled moments is fixed (ASOF_SEED takes another) and printed."""

import os
import random
import shutil

import pytest

import oracle
import synthetic
from conftest import EXAMPLES, Server
from resp import Error, Got, decode

SEED = int(os.environ.get("ASOF_SEED", 2013))
PIPELINE = 100
HOUR_US = 3600 * 10**6
DAY_US = 24 * HOUR_US
SOURCES = ("departures", "arrivals")
# How many (entity, T) pairs of each view: most where the entities are many.
PAIRS = {"airport_departures": 800, "gate_departures": 4500, "carrier_departures": 1500,
         "flight_number_departures": 6000, "plane_arrivals": 6200, "route_arrivals": 4500, "carrier_arrivals": 1500}
PAIRS_MIN = 20_000


def edges(window, t_us, draw):
    """A moment at which the window's selection changes, near the event at t_us."""
    if window.kind == "tumbling":
        start = (t_us - window.offset) // window.size * window.size + window.offset
        return draw.choice((start, start + window.size))
    if window.kind == "hopping":
        # The tail lets t_us go when T - size reaches the next step.
        return (t_us // window.step + 1) * window.step + window.size
    return t_us + window.size  # for last(n) and forever: the event itself


def sample_moments(view, times, count, draw):
    """Moments around an entity's events: at them, at the edges of their windows, before and after all."""
    windows = sorted({feature.window for feature in view.features}, key=repr)
    for _ in range(count):
        t_us = draw.choice(times) if times else draw.randrange(10**15)
        kind = draw.random()
        if kind < 0.15:
            moment = t_us
        elif kind < 0.70:
            moment = edges(draw.choice(windows), t_us, draw) + draw.choice((0, 0, 1, -1))
        elif kind < 0.80:
            moment = t_us + draw.choice((-1, 1))
        elif kind < 0.92:
            moment = t_us + draw.randrange(-DAY_US, 2 * DAY_US)
        else:
            first, last = (times[0], times[-1]) if times else (t_us, t_us)
            moment = draw.choice((first - 1, first - DAY_US, last + HOUR_US, last + 400 * DAY_US))
        yield moment, draw.random() < 0.25


def sample_pairs(judge, view, count, draw):
    """Pairs of the view: entities by the square root of their events, so that neither few nor many win."""
    entities = judge.entities(view.name)
    weights = [events**0.5 for _, events in entities]
    chosen = draw.choices([entity for entity, _ in entities] + ["nobody"] if len(view.keys) == 1
                          else [entity for entity, _ in entities],
                          weights + [max(weights) / 10] if len(view.keys) == 1 else weights, k=count)
    pairs = []
    for entity in sorted(set(chosen)):
        times = judge.times(view.name, entity)
        pairs += [oracle.Pair(entity, *moment) for moment in sample_moments(view, times, chosen.count(entity), draw)]
    return pairs


def commands(view, pairs):
    return [("ASOF.GET", f"{view}:{pair.entity}", "AT", pair.t_us, *(["EXCLUSIVE"] if pair.exclusive else []))
            for pair in pairs]


def ask(server, questions):
    """Replies to all questions, {view: pairs}, as {view: bytes}."""
    replies = {}
    with server.client() as client:
        for view, pairs in questions.items():
            words = commands(view, pairs)
            replies[view] = b"".join(client.pipeline_raw(words[start:start + PIPELINE])
                                     for start in range(0, len(words), PIPELINE))
    return replies


def check(replies, questions, answers):
    """Every value, status, T and event time is the oracle's."""
    wrong = []
    for view, pairs in questions.items():
        for pair, reply, answer in zip(pairs, decode(replies[view]), answers[view], strict=True):
            if isinstance(reply, Error):
                wrong.append(f"{view} {pair}: {reply}")
                continue
            got = Got(reply)
            assert got.view == f"{view}@1" and got.at == pair.t_us
            if got.event_time != answer.event_time:
                wrong.append(f"{view} {pair}: event time {got.event_time}, not {answer.event_time}")
            wrong += [f"{view} {pair}: {told}, not {true}" for told, true
                      in zip(got.features, answer.features, strict=True) if told != true]
    assert not wrong, f"{len(wrong)} differ, the first of them:\n" + "\n".join(wrong[:40])


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


# The synthetic stream


def push_in_pieces(server, lines, draw):
    with server.client() as client:
        rest = list(lines)
        while rest:
            size = draw.randrange(1, 40)
            assert client.call("ASOF.PUSH", "things", *rest[:size]) == len(rest[:size])
            rest = rest[size:]


@pytest.mark.parametrize("seed", range(3))
def test_every_aggregation_over_every_window(make_server, seed):
    draw = random.Random(f"{SEED} {seed}")
    lines = synthetic.Stream(seed + SEED, 400).lines()
    judge = oracle.Oracle([synthetic.definitions()])
    judge.load("things", lines)
    questions = {name: sample_pairs(judge, view, 120, draw) for name, view in judge.views.items()}
    answers = {view: judge.answer(view, pairs) for view, pairs in questions.items()}
    first = None
    for order in ("arrival", "shuffled"):
        server = make_server(order).start()
        server.apply(synthetic.definitions())
        if order == "shuffled":
            lines = lines * 2
            draw.shuffle(lines)
        push_in_pieces(server, lines, draw)

        replies = ask(server, questions)

        check(replies, questions, answers)
        first = first or replies
        assert replies == first
        server.restart()
        assert ask(server, questions) == first
        server.compact()
        assert ask(server, questions) == first
        server.stop()


def test_features_asked_alone_are_the_same(make_server):
    draw = random.Random(SEED)
    server = make_server().start()
    server.apply(synthetic.definitions())
    push_in_pieces(server, synthetic.Stream(SEED, 200).lines(), draw)
    views = oracle.parse_definitions([synthetic.definitions()])[1]
    with server.client() as client:
        for view in views.values():
            for _ in range(10):
                key = f"{view.name}:{draw.choice(('a', 'b'))}" if len(view.keys) == 1 else f"{view.name}:x|7"
                at = draw.randrange(-50, 150) * 1_000_000
                whole = Got(client.call("ASOF.GET", key, "AT", at))
                names = draw.choices(view.features, k=5)
                some = Got(client.call("ASOF.GET", key, "AT", at, "FIELDS", *(feature.name for feature in names)))
                assert some.features == [(f.name, whole.values[f.name], whole.statuses[f.name]) for f in names]
                assert some.event_time == whole.event_time
                client.call("ASOF.AT", at)
                texts = client.call("HMGET", key, *(feature.name for feature in names))
                assert [None if text is None else text.decode() for text in texts] == [value for _, value, _ in some.features]


def test_a_definition_applied_after_the_events_gives_the_same(make_server):
    draw = random.Random(SEED)
    lines = synthetic.Stream(SEED, 300).lines()
    text = synthetic.definitions()
    head = text[:text.index("  things_w250ms:")] + "  other: {source: things, entity: thing, features: {c: {count: '*', over: 1s}}}\n"
    judge = oracle.Oracle([text])
    judge.load("things", lines)
    questions = {name: sample_pairs(judge, view, 60, draw) for name, view in judge.views.items()}
    answers = {view: judge.answer(view, pairs) for view, pairs in questions.items()}
    server = make_server().start()
    server.apply(head)
    push_in_pieces(server, lines, draw)

    server.apply(text)

    check(ask(server, questions), questions, answers)
