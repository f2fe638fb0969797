"""Each record of Kafka counts once, whatever dies and whenever: at random moments, in the middle of a commit, while a
full disk refuses commits. What a topic holds is read by a second, real client, and the oracle says what the
features of that must be.

ASOF_LONG=1 is for the forms that take long."""

import json
import os
import pathlib
import random
import resource
import subprocess
import threading
import time

import pytest
import yaml

import oracle
from conftest import EXAMPLES, StartFailed
from kafka_world import Feeder, Message, read_topics
from questions import ask, check, sample_moments
from test_disk import limit_files
from test_kafka import catch_up, counts, dead_letters, lag_of, plain, plain_definitions

IS_LONG = bool(os.environ.get("ASOF_LONG"))
CUTS = 100 if IS_LONG else 12
CUT_NUMBER_MAX = 3            # of the writes of one life, the one that is cut
CUT_PERCENTS = (0, 50, 99, 100)
LIFE_MAX_S = 4                # of a server that comes to no such write
RECORDS_A_CUT = 400
LIMIT_BYTES = 16 * 1024       # of a file: less than one commit of many records takes
FULL_RECORDS = 8000
REFUSED = "what Kafka brought is not written"


@pytest.fixture(scope="module")
def cut_write(tmp_path_factory):
    """The library that ends a process in the middle of a write."""
    path = tmp_path_factory.mktemp("cut") / "cut_write.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", str(path),
                    str(pathlib.Path(__file__).with_name("cut_write.c"))], check=True)
    return path


def live_until_a_cut(server, library, draw, monkeypatch):
    """Starts the server, which is killed within one of its first commits, or as it starts. Whether it was."""
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("CUT_WRITE_NUMBER", str(draw.randrange(1, CUT_NUMBER_MAX + 1)))
        patch.setenv("CUT_WRITE_PERCENT", str(draw.choice(CUT_PERCENTS)))
        try:
            server.start()
        except StartFailed:
            return True
    try:
        server.process.wait(LIFE_MAX_S)
        server.process.stdout.close()
        return True
    except subprocess.TimeoutExpired:
        server.kill()
        return False


def test_a_commit_that_is_cut_in_its_middle_counts_whole_or_not_at_all(server, kafka, cut_write, draw, monkeypatch):
    """Events have no id here: what is read again and had counted would count twice."""
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    feeder = Feeder(kafka, draw, f"feeder {topic}", abort_share=0.2)
    server.stop()
    values, cuts = 0, 0
    for _ in range(CUTS):
        feeder.feed(topic, [plain(value) for value in range(values, values + RECORDS_A_CUT)], RECORDS_A_CUT)
        values += RECORDS_A_CUT
        cuts += live_until_a_cut(server, cut_write, draw, monkeypatch)

    server.start()
    kafka.wait_for_transactions(topic)
    catch_up(server, kafka, {"plain": topic})

    records = [json.loads(record.value)["v"] for record in kafka.records(topic)]
    assert set(records) == set(range(values))
    assert counts(server) == (len(records), sum(records))
    assert dead_letters(server, "plain") == []
    assert cuts > CUTS / 2
    server.restart()
    assert counts(server) == (len(records), sum(records))


def test_a_full_disk_keeps_everything_for_later(server, kafka):
    """The limit on the size of files stands for the full disk, as in test_disk.py. Dead letters are in the same
    commit, so they wait, too."""
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    limit_files(server, LIMIT_BYTES)
    messages = []
    for value in range(FULL_RECORDS):
        messages += [plain(value)] + [b"{"] * (value % 100 == 0)
    kafka.produce(topic, messages)

    server.wait_for(lambda: REFUSED in server.log())
    time.sleep(1.5)  # it has tried again by then
    assert counts(server)[0] < FULL_RECORDS
    assert sum(place["lag"] for place in lag_of(server, "plain")["partitions"]) > 0
    limit_files(server, resource.RLIM_INFINITY)

    catch_up(server, kafka, {"plain": topic})
    expected = (FULL_RECORDS, sum(range(FULL_RECORDS)))
    assert counts(server) == expected
    dead = dead_letters(server, "plain")
    assert len(dead) == FULL_RECORDS // 100
    assert len({(letter["partition"], letter["offset"]) for letter in dead}) == len(dead)
    server.restart()
    assert counts(server) == expected
    assert dead_letters(server, "plain") == dead


def test_a_server_that_dies_while_the_disk_is_full_goes_on_where_it_was(server, kafka):
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    limit_files(server, LIMIT_BYTES)
    kafka.produce(topic, [Message(plain(value)) for value in range(FULL_RECORDS)])
    server.wait_for(lambda: REFUSED in server.log())

    server.kill()
    server.start()

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (FULL_RECORDS, sum(range(FULL_RECORDS)))


# Whatever is killed

EVENTS = 500_000 if IS_LONG else 20_000
# A server that is cut is killed first, to be started anew with what cuts it: together 50 kills, or 10.
SERVER_KILLS, SERVER_CUTS, BROKER_KILLS = (20, 15, 5) if IS_LONG else (4, 3, 1)
LIFE_S = (0.05, 2.5)  # of a server, before it is killed: too short to connect, and long enough to catch up
MOMENTS = 5
# The departures once more, without their ids: what its producer sent twice counts twice.
NAMELESS = """
sources:
  nameless:
    fields: {at: timestamp, origin: string, dep_delay: int, flight_id: string}
    event_time: at
    clock: event
views:
  nameless_airports:
    source: nameless
    entity: airport
    features:
      departures: {count: '*', over: forever}
      delays: {count: dep_delay, over: forever}
      delay_sum: {sum: dep_delay, over: forever}
      delay_sum_7d: {sum: dep_delay, over: 7d}
      latest: {last_n: flight_id, over: last(50)}
"""


def flight_lines(flights, source, count):
    with open(flights / f"{source}.ndjson", encoding="utf-8") as file:
        return [line.rstrip("\n") for line, _ in zip(file, range(count))]


def flight_definitions(kafka, topics):
    """The texts of examples/flights, their sources reading the topics, and the nameless departures."""
    texts = [path.read_text() for path in sorted((EXAMPLES / "flights").glob("*.yaml"))] + [NAMELESS]
    return [read_topics(text, kafka.address, {source: topic for source, topic in topics.items()
                                              if source in (yaml.safe_load(text).get("sources") or {})})
            for text in texts]


def start_feeding(kafka, draw, topics, flights, seconds):
    """A thread for each topic that feeds it with flights for about so long: with repeats, by transactions."""
    feeders, threads, fed = [], [], {}
    for source in ("departures", "arrivals"):
        own = random.Random(draw.random())
        lines = flight_lines(flights, source, EVENTS // 2)
        fed[source] = lines
        size_max = max(1, len(lines) // 200)
        pause_s = seconds / 400
        feeder = Feeder(kafka, own, f"feeder {topics[source]}", pause_s=(0, 2 * pause_s))
        again = lines[:len(lines) // 50]  # what it sent long ago, once more
        feeders.append(feeder)
        threads.append(threading.Thread(target=feeder.feed, args=(topics[source], lines + again, size_max)))
    for thread in threads:
        thread.start()
    return feeders, threads, fed


def questions_of(judge, moments, draw):
    """{view: pairs}: every entity of every view, at so many moments each."""
    questions = {}
    for name, view in judge.views.items():
        questions[name] = [oracle.Pair(entity, *moment) for entity, _ in judge.entities(name)
                           for moment in sample_moments(view, judge.times(name, entity), moments, draw)]
    return questions


def kill_and_start(victim, server, kafka, cut_write, draw, monkeypatch):
    if victim == "broker":
        kafka.kill()
        time.sleep(draw.uniform(0, 1))
        kafka.start()
        return
    server.kill()
    if victim == "cut server":
        live_until_a_cut(server, cut_write, draw, monkeypatch)
    server.start()


def test_every_event_counts_once_whatever_is_killed(make_server, kafka, flights, cut_write, draw, monkeypatch):
    topics = {"departures": kafka.new_topic("departures"), "arrivals": kafka.new_topic("arrivals")}
    topics["nameless"] = topics["departures"]
    texts = flight_definitions(kafka, topics)
    server = make_server("killed").start()
    for number, text in enumerate(texts):
        (server.data.parent / f"{number}.yaml").write_text(text)
    server.asof("apply", *(str(server.data.parent / f"{number}.yaml") for number in range(len(texts))))

    kills = ["server"] * SERVER_KILLS + ["cut server"] * SERVER_CUTS + ["broker"] * BROKER_KILLS
    draw.shuffle(kills)
    feeders, threads, fed = start_feeding(kafka, draw, topics, flights, len(kills) * sum(LIFE_S) / 2)
    for number, victim in enumerate(kills):
        time.sleep(draw.uniform(*LIFE_S))
        if number == len(kills) // 2:
            kafka.add_partitions(topics["arrivals"], 6)
        kill_and_start(victim, server, kafka, cut_write, draw, monkeypatch)
    for thread in threads:
        thread.join()
    for topic in topics.values():
        kafka.wait_for_transactions(topic)
    catch_up(server, kafka, topics)

    records = {source: kafka.records(topic) for source, topic in topics.items()}
    assert all({record.value.decode() for record in records[source]} == set(lines) for source, lines in fed.items())
    assert sum(feeder.aborted for feeder in feeders) > 0
    judge = oracle.Oracle(texts)
    for source in topics:
        judge.load(source, (record.value.decode() for record in records[source]))
    questions = questions_of(judge, MOMENTS, draw)
    replies = ask(server, questions)
    check(replies, questions, {view: judge.answer(view, pairs) for view, pairs in questions.items()})
    assert all(dead_letters(server, source) == [] for source in topics)
    server.restart()
    assert ask(server, questions) == replies

    calm = make_server("calm").start()
    calm.asof("apply", *(str(server.data.parent / f"{number}.yaml") for number in range(len(texts))))
    catch_up(calm, kafka, topics)
    assert ask(calm, questions) == replies
