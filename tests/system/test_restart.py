"""Restarts, clean ones and kill -9, change no answer: every entity of every view of the demo is asked, now and as of
the past, by several connections at once, of a server that has little in memory, while events that it has already are pushed
again. ASOF_LONG=1 takes more events and more restarts, some minutes."""

import itertools
import os
import threading

import pytest

import oracle
from conftest import EXAMPLES
from questions import ask, check, sample_pairs
from resp import Closed

IS_LONG = bool(os.environ.get("ASOF_LONG"))
SOURCES = ("departures", "arrivals")
EVENTS = 60_000 if IS_LONG else 4000  # of each source, the first of the year
RESTARTS = 60 if IS_LONG else 3
KILLS_WHILE_PUSHING = 3
CONNECTIONS = 4
PIPELINE = 60
PAIRS = 150  # of each view, that are held against the oracle
HOT_BYTES = ("0", "1MiB", "64MiB")


def first_events(flights, source):
    with open(flights / f"{source}.ndjson", encoding="utf-8") as file:
        return list(itertools.islice(file, EVENTS))


def write_twice(lines, path, draw):
    """A file with all lines twice, in any order."""
    lines = lines * 2
    draw.shuffle(lines)
    path.write_text("".join(lines))
    return path


def push_through_kills(server, paths, draw):
    for source, path in paths.items():
        done = []
        pushing = threading.Thread(target=lambda: done.append(
            server.asof("push", source, str(path), "--batch", "100", check=False)))
        pushing.start()
        for _ in range(KILLS_WHILE_PUSHING):
            pushing.join(draw.uniform(0.1, 0.5))
            server.kill()
            server.start("--write-buffer-bytes", "1MiB")
        pushing.join()
        assert done[0].returncode == 0, done[0].stderr


def make_questions(judge, draw):
    questions = []
    for view in judge.views:
        for entity, _ in judge.entities(view):
            key = f"{view}:{entity}"
            moment = draw.choice(judge.times(view, entity)) + draw.choice((-1, 0, 1, draw.randrange(10**12)))
            questions += [("ASOF.GET", key), ("ASOF.GET", key, "AT", moment), ("HGETALL", key)]
    return questions


def answers_of(server, questions):
    """{question: reply}, asked by one connection."""
    with server.client() as client:
        return {question: reply for start in range(0, len(questions), PIPELINE)
                for question, reply in zip(questions[start:start + PIPELINE],
                                           client.pipeline(questions[start:start + PIPELINE]))}


def ask_at_once(server, expected, draw):
    """Asks everything, shared among connections; returns what was answered otherwise."""
    questions = list(expected)
    draw.shuffle(questions)
    wrong = []

    def compare(share):
        try:
            answers = answers_of(server, share)
        except (Closed, OSError) as error:
            wrong.append(("a connection", error, None))
            return
        wrong.extend((question, answer, expected[question]) for question, answer in answers.items()
                     if answer != expected[question])

    threads = [threading.Thread(target=compare, args=(questions[i::CONNECTIONS],)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def push_again(server, lines, is_enough):
    """Pushes what the server has until it is enough."""
    with server.client() as client:
        for start in itertools.cycle(range(0, len(lines) - 100, 100)):
            if is_enough.is_set():
                return
            assert client.call("ASOF.PUSH", "departures", *lines[start:start + 100]) == 100


def restart(server, draw):
    if draw.random() < 0.5:
        server.stop()
    else:
        server.kill()
    server.start("--block-cache-bytes", "1MiB", "--hot-bytes", draw.choice(HOT_BYTES),
                 "--workers", str(draw.randint(1, 3)), "--readers", str(draw.randint(1, 3)))


@pytest.fixture
def world(make_server, flights, tmp_path, draw):
    """A server with the demo's views and no events, the oracle with all, and files that have each of them twice."""
    server = make_server().start("--write-buffer-bytes", "1MiB")
    server.asof("apply", str(EXAMPLES / "flights"))
    judge = oracle.Oracle([path.read_text() for path in sorted((EXAMPLES / "flights").glob("*.yaml"))])
    paths = {}
    for source in SOURCES:
        lines = first_events(flights, source)
        judge.load(source, lines)
        paths[source] = write_twice(lines, tmp_path / f"{source}.ndjson", draw)
    return server, judge, paths


def test_no_restart_changes_an_answer(world, draw):
    server, judge, paths = world
    push_through_kills(server, paths, draw)
    pairs = {name: sample_pairs(judge, view, PAIRS, draw) for name, view in judge.views.items()}
    truth = {view: judge.answer(view, pairs[view]) for view in pairs}
    check(ask(server, pairs), pairs, truth)
    expected = answers_of(server, make_questions(judge, draw))
    lines = paths["departures"].read_text().splitlines()

    for i in range(RESTARTS):
        restart(server, draw)
        is_enough = threading.Event()
        pushing = threading.Thread(target=push_again, args=(server, lines, is_enough))
        pushing.start()
        wrong = ask_at_once(server, expected, draw) + ask_at_once(server, expected, draw)
        is_enough.set()
        pushing.join()
        assert not wrong, f"restart {i + 1}: {len(wrong)} of {len(expected)} differ, the first: {wrong[0]}"

    server.compact()
    assert ask_at_once(server, expected, draw) == []
    check(ask(server, pairs), pairs, truth)
