"""The server against the oracle on a synthetic stream: every aggregation over every window, in any order of
arrival, before and after a restart and a compaction."""

import random

import pytest

import oracle
import synthetic
from questions import SEED, ask, check, sample_pairs
from resp import Got


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
