"""What the consumer itself promises, step by step: where it begins and goes on, what it does when the log
is not what it was, dead letters, and what it says of all that. Whole streams against the oracle are in
test_kafka.py."""

import json
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from conftest import Server
from kafka_world import Message

DEFINITIONS = """\
sources:
  things:
    fields: {{id: string, ts: timestamp_ms, who: string, n: int}}
    event_time: ts
    {event_id}
    clock: event
    kafka: {{brokers: "{brokers}", topic: {topic}{options}}}
entities:
  who: {{keys: [who]}}
views:
  counts:
    source: things
    entity: who
    features:
      n: {{count: '*', over: forever}}
      total: {{sum: n, over: forever}}
"""

T0 = 1_700_000_000_000


@pytest.fixture
def world(kafka, tmp_path):
    server = Server(tmp_path).start()
    yield World(kafka, server)
    if server.is_alive():
        server.stop()


class World:
    def __init__(self, kafka, server):
        self.kafka = kafka
        self.server = server

    def apply(self, topic, options="", event_id=""):
        self.server.apply(DEFINITIONS.format(brokers=self.kafka.address, topic=topic, event_id=event_id,
                                             options=", " + options if options else ""))

    def produce(self, topic, numbers, **fields):
        self.kafka.produce(topic, [event(number, **fields) for number in numbers])

    def count(self, who="a"):
        return int(self.server.call("HGET", f"counts:{who}", "n"))

    def wait_for_count(self, wanted, who="a"):
        try:
            self.server.wait_for(lambda: self.count(who) >= wanted, 30)
        except AssertionError:
            raise AssertionError(f"{self.count(who)} of {wanted}: {self.lag()} {self.server.log()}") from None
        time.sleep(0.2)  # what would be counted twice comes now
        assert self.count(who) == wanted

    def lag(self):
        return json.loads(self.server.call("ASOF.LAG"))

    def partitions(self):
        return self.lag()[0]["partitions"]

    def wait_until_read(self, topic):
        def is_read():
            places = {place["partition"]: place for place in self.partitions()}
            ends = self.kafka.ends(topic)
            return places.keys() == ends.keys() and all(
                places[number]["next_offset"] == end and places[number]["lag"] == 0 for number, end in ends.items())
        try:
            self.server.wait_for(is_read, 30)
        except AssertionError:
            raise AssertionError(f"{self.lag()} {self.kafka.ends(topic)} {self.server.log()}") from None

    def letters(self, *options):
        return json.loads(self.server.call("ASOF.DLQ", "LIST", "things", *options))


def event(number, who="a", partition=None, **fields):
    text = json.dumps({"id": f"e{number}", "ts": T0 + number, "who": who, "n": 1, **fields})
    return Message(text.encode(), partition=partition)


def test_what_was_there_and_what_comes_counts_once_through_restarts_and_kills(world):
    topic = world.kafka.new_topic()
    world.produce(topic, range(1000))
    world.apply(topic)
    world.wait_for_count(1000)
    world.produce(topic, range(1000, 1500))
    world.wait_for_count(1500)
    world.server.restart()
    world.produce(topic, range(1500, 1600))
    world.wait_for_count(1600)
    world.server.kill()
    world.produce(topic, range(1600, 1700))
    world.server.start()
    world.wait_for_count(1700)
    world.wait_until_read(topic)


def test_a_source_begins_where_its_start_says(world):
    topic = world.kafka.new_topic(partitions=2)
    old = [event(number, partition=number % 2)._replace(timestamp_ms=T0 + number) for number in range(20)]
    world.kafka.produce(topic, old)
    world.apply(topic, 'start: "2023-11-14T22:13:20.010Z"')
    world.wait_for_count(10)
    world.wait_until_read(topic)


def test_latest_takes_only_what_comes_and_all_of_partitions_that_are_added(world):
    topic = world.kafka.new_topic(partitions=1)
    world.produce(topic, range(50))
    world.apply(topic, "start: latest")
    world.server.wait_for(lambda: world.partitions() and world.partitions()[0]["next_offset"] == 50)
    world.kafka.add_partitions(topic, 3)
    world.kafka.produce(topic, [event(number, partition=number % 3) for number in range(50, 80)])
    world.wait_for_count(30)
    world.wait_until_read(topic)


def test_a_topic_that_comes_later_is_waited_for(world):
    world.apply("not.there.yet")
    time.sleep(1)
    world.kafka.create_topic("not.there.yet", 2)
    world.produce("not.there.yet", range(10))
    world.wait_for_count(10)


@pytest.mark.parametrize("again", [3, 300])
def test_a_topic_created_again_is_a_new_origin(world, again):
    """Fewer records than were read before, or more: its offsets are never taken for those of old ones."""
    topic = world.kafka.new_topic(partitions=2)
    world.kafka.produce(topic, [event(number, partition=number % 2) for number in range(100)])
    world.apply(topic)
    world.wait_for_count(100)
    world.kafka.delete_topic(topic)
    world.kafka.create_topic(topic, 2)
    world.kafka.produce(topic, [event(number, partition=number % 2) for number in range(1000, 1000 + again)])
    world.wait_for_count(100 + again)
    world.server.restart()
    world.produce(topic, [5000])
    world.wait_for_count(101 + again)


def test_a_topic_created_again_while_the_server_was_down(world):
    topic = world.kafka.new_topic(partitions=2)
    world.kafka.produce(topic, [event(number, partition=number % 2) for number in range(100)])
    world.apply(topic)
    world.wait_for_count(100)
    world.server.stop()
    world.kafka.delete_topic(topic)
    world.kafka.create_topic(topic, 2)
    world.kafka.produce(topic, [event(number, partition=number % 2) for number in range(1000, 1300)])
    world.server.start()
    world.wait_for_count(400)
    assert "created again" in world.server.log()


@pytest.mark.parametrize("choice", ["stop", "skip"])
def test_records_that_are_gone_before_they_were_read(world, choice):
    topic = world.kafka.new_topic(partitions=2)
    world.kafka.produce(topic, [event(number, partition=0) for number in range(100)])
    world.apply(topic, f"on_gap: {choice}")
    world.wait_for_count(100)
    world.server.stop()
    world.kafka.produce(topic, [event(number, partition=0) for number in range(100, 200)])
    world.kafka.delete_records(topic, {0: 150})
    world.server.start()
    world.kafka.produce(topic, [event(number, partition=1) for number in range(200, 210)])
    if choice == "skip":
        world.wait_for_count(160)
        assert b"stream_kafka_lost_total:50" in world.server.call("INFO", "asof")
    else:
        world.wait_for_count(110)
        assert world.partitions()[0]["state"] == "gap"
        assert "on_gap: skip" in world.server.log()
        world.apply(topic, "on_gap: skip")
        world.wait_for_count(160)


def test_records_that_were_read_may_go(world):
    topic = world.kafka.new_topic(partitions=1)
    world.produce(topic, range(100))
    world.apply(topic)
    world.wait_for_count(100)
    world.server.stop()
    world.kafka.delete_records(topic, {0: 100})
    world.server.start()
    world.produce(topic, range(100, 110))
    world.wait_for_count(110)
    assert world.partitions()[0]["state"] == "reading"


def test_reads_go_on_without_a_broker_and_it_recovers_by_itself(world):
    topic = world.kafka.new_topic()
    world.produce(topic, range(100))
    world.apply(topic)
    world.wait_for_count(100)
    world.kafka.kill()
    world.server.wait_for(lambda: world.lag()[0]["error"] is not None)
    world.server.restart()
    assert world.count() == 100
    world.kafka.start()
    world.produce(topic, range(100, 200))
    world.wait_for_count(200)


def test_what_cannot_be_taken_is_listed_with_its_bytes_and_the_stream_goes_on(world):
    topic = world.kafka.new_topic(partitions=1)
    poison = [
        (Message(b"\xff\xfe", key=b"k1", headers=[("h", b"\x00\x01")], timestamp_ms=T0), "undecodable"),
        (Message(None), "undecodable"),
        (Message(b'{"id": "x", "id": "y"}'), "undecodable"),
        (Message(b'{"ts": 1700000000000, "who": "a", "n": "many"}'), "wrong_type"),
        (Message(b'{"who": "a"}'), "no_event_time"),
        (Message(b'{"ts": 1700000000000, "who": "a", "n": 1}'), "no_event_id"),
        (Message(b'{"id": "%s", "ts": 1700000000000, "who": "a"}' % (b"x" * 2000)), "too_long"),
    ]
    messages = [event(0)]
    for number, (message, _) in enumerate(poison):
        messages += [message, event(1 + number)]
    messages.append(Message(b'{"id": "null", "ts": 1700000000000, "who": null}'))
    world.kafka.produce(topic, messages)
    world.apply(topic, event_id="event_id: id")
    world.wait_for_count(1 + len(poison))
    world.wait_until_read(topic)

    listed = world.letters("FULL")
    assert [letter["reason"] for letter in listed["letters"]] == [reason for _, reason in poison]
    assert listed["count"] == len(poison) and listed["reasons"]["undecodable"] == 3
    first = listed["letters"][0]
    assert (first["topic"], first["partition"], first["offset"], first["timestamp_ms"]) == (topic, 0, 1, T0)
    assert first["value_base64"] == "//4=" and first["key"] == "k1"
    assert first["headers"][0]["name"] == "h" and first["headers"][0]["value"] == "\x00\x01"
    assert listed["letters"][1]["value"] is None
    assert listed["letters"][3]["value"] == poison[3][0].value.decode()

    world.server.restart()
    assert world.letters("FULL")["letters"] == listed["letters"]
    page = world.letters("AFTER", 2, "COUNT", 2)
    assert [letter["id"] for letter in page["letters"]] == [3, 4] and page["has_more"]


def test_letters_are_taken_again_after_the_definition_was_mended_or_dropped(world):
    topic = world.kafka.new_topic(partitions=1)
    world.kafka.produce(topic, [event(0), event(1, n="7"), event(2, n="many"), Message(b"{")])
    world.apply(topic)
    world.wait_until_read(topic)
    assert world.count() == 1
    text = DEFINITIONS.format(brokers=world.kafka.address, topic=topic, event_id="", options="")
    world.server.apply(text.replace("n: int", "n: string").replace("sum: n", "last: n"))
    world.server.wait_for(lambda: world.partitions())

    result = json.loads(world.server.call("ASOF.DLQ", "RETRY", "things", "ALL"))
    assert (result["done"], result["failed"]) == (2, 1)
    assert int(world.server.call("HGET", "counts:a", "n")) == 2  # those of the new version
    assert [letter["id"] for letter in world.letters()["letters"]] == [3]
    assert json.loads(world.server.call("ASOF.DLQ", "DROP", "things", "3"))["done"] == 1
    assert world.letters()["count"] == 0


def test_pushes_to_a_source_of_kafka_are_refused(world):
    topic = world.kafka.new_topic()
    world.apply(topic)
    with pytest.raises(Exception, match="reads Kafka"):
        world.server.call("ASOF.PUSH", "things", '{"ts": 1, "who": "a"}')


def test_asof_shows_lag_and_letters(world):
    topic = world.kafka.new_topic(partitions=1)
    world.kafka.produce(topic, [event(0), Message(b"{", key=b"k"), Message(b"\xff")])
    world.apply(topic)
    world.wait_until_read(topic)
    lag = world.server.asof("lag", "things").stdout
    assert topic in lag and "reading" in lag
    assert world.server.asof("lag", "nothing", check=False).returncode == 3
    assert "undecodable" in world.server.asof("dlq", "things").stdout
    assert "/w==" in world.server.asof("dlq", "things", "--show", "2").stdout
    exported = [json.loads(line) for line in world.server.asof("dlq", "things", "--export").stdout.splitlines()]
    assert [letter["id"] for letter in exported] == [1, 2] and exported[0]["value"] == "{"
    assert world.server.asof("dlq", "things", "--retry").stdout == "0 taken, 2 refused again\n"
    assert world.server.asof("dlq", "things", "--drop", "--show", "2").stdout == "1 dropped\n"
    assert world.server.asof("dlq", "things", "--drop").stdout == "1 dropped\n"


def test_the_offsets_of_a_group_follow_for_tools(world):
    topic = world.kafka.new_topic(partitions=1)
    world.produce(topic, range(10))
    world.apply(topic, "group: asof-mirror")
    world.wait_for_count(10)

    def offset():
        consumer = Consumer({"bootstrap.servers": world.kafka.address, "group.id": "asof-mirror"})
        (place,) = consumer.committed([TopicPartition(topic, 0)], 10)
        consumer.close()
        return place.offset
    world.server.wait_for(lambda: offset() == 10, 30)
