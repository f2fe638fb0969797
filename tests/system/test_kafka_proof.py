"""Each record of Kafka counts once, though the server ends in the middle of a commit, and though a disk that is full
refuses commits. What dies at random moments is in test_kafka.py."""

import json
import os
import pathlib
import resource
import subprocess
import time

import pytest

from conftest import StartFailed
from kafka_world import Feeder, Message
from test_disk import limit_files
from test_kafka import catch_up, counts, dead_letters, lag_of, plain, plain_definitions

IS_LONG = bool(os.environ.get("ASOF_LONG"))
CUTS = 100 if IS_LONG else 12
CUT_NUMBER_MAX = 3            # of the writes of one life, the one that is cut
CUT_PERCENTS = (0, 50, 99, 100)
LIFE_MAX_S = 4                # of a server that comes to no such write
RECORDS_A_CUT = 400
LIMIT_BYTES = 128 * 1024      # of a file: less than the records take in a log
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
    told = counts(server)
    assert told[0] < FULL_RECORDS
    time.sleep(1.5)  # it has tried again by then
    assert counts(server) == told
    assert sum(place["lag"] for place in lag_of(server, "plain")["partitions"]) > 0
    assert server.log().count(REFUSED) == 1
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
