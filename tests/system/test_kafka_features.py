"""What a source that reads Kafka has beyond its events: parts of records as fields, freshness and its goal,
dead letters that are produced to a topic."""

import json
import os
import time

import pytest
from confluent_kafka.admin import NewTopic

import test_http as http
from conftest import Server
from kafka_world import Message, deliver, send, settle

IS_LONG = bool(os.environ.get("ASOF_LONG"))
SOURCE = """\
sources:
  things:
    kafka: {{brokers: "{brokers}", topic: {topic}}}
    fields: {fields}
    event_time: {time}
    {options}
entities:
  thing: {{keys: [{key}]}}
views:
  seen:
    source: things
    entity: thing
    features: {features}
"""


class World:
    def __init__(self, kafka, server):
        self.kafka = kafka
        self.server = server

    def apply(self, topic, fields="{ts: timestamp_ms, who: string, n: int}", time="ts", key="who", options="clock: wall",
              features="{n: {count: '*', over: forever}, total: {sum: n, over: forever}}", waits=True):
        path = self.server.data.parent / "definitions.yaml"
        path.write_text(SOURCE.format(brokers=self.kafka.address, topic=topic, fields=fields, time=time, key=key,
                                      options=options, features=features))
        self.server.asof("apply", str(path), *([] if waits else ["--no-wait"]))

    def get(self, entity, *features):
        return self.server.call("HMGET", f"seen:{entity}", *features)

    def wait_for(self, entity, wanted, feature="n"):
        self.server.wait_for(lambda: self.get(entity, feature) == [wanted], 30)

    def lag(self):
        (told,) = json.loads(self.server.call("ASOF.LAG", "things"))
        return told

    def letters(self, *options):
        return json.loads(self.server.call("ASOF.DLQ", "LIST", "things", "FULL", *options))

    def wait_for_letters(self, count):
        self.server.wait_for(lambda: self.letters("COUNT", "1")["count"] == count, 30)


@pytest.fixture
def world(kafka, tmp_path):
    server = Server(tmp_path).start("--http-port", "0")
    yield World(kafka, server)
    if server.is_alive():
        server.stop()


def now_ms():
    return time.time_ns() // 1_000_000


def event(who="a", at_ms=None, **fields):
    return json.dumps({"ts": now_ms() if at_ms is None else at_ms, "who": who, "n": 1, **fields}).encode()


# ---- parts of a record ----

PARTS = '{_key: string, _timestamp: timestamp_ms, "_header.Region": string, "_header.retries": int, n: int}'
PARTS_FEATURES = """{n: {count: '*', over: forever}, total: {sum: n, over: forever}, last_region: {last: "_header.Region", over: forever},
               retries: {sum: "_header.retries", over: forever}, newest: {max: _timestamp, over: forever},
               in_eu: {count: '*', over: forever, where: '"_header.Region" = ''eu'''}}"""


def test_key_headers_and_the_time_of_a_record_are_fields(world):
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic, PARTS, "_timestamp", "_key", "clock: event", PARTS_FEATURES)
    claims = b'{"n": 5, "_key": "forged", "_timestamp": 1, "_header.Region": "us"}'
    world.kafka.produce(topic, [
        Message(b'{"n": 1}', b"a", {"Region": b"eu", "retries": b"2"}, 1_700_000_000_001),
        Message(claims, b"a", [("Region", b"us"), ("Region", b"eu")], 1_700_000_000_002),
        Message(b'{"n": 7}', b"a", None, 1_700_000_000_003),
        Message(b'{"n": 8}', None, {"Region": b"eu"}, 1_700_000_000_004),
        Message(b'{"n": 9}', b"\xff", None, 1_700_000_000_005),
        Message(b'{"n": 9}', b"a", {"retries": b"many"}, 1_700_000_000_006)])
    world.wait_for_letters(2)

    assert world.get("a", "n", "total", "last_region", "retries", "newest", "in_eu") == [
        b"3", b"13", b"eu", b"2", b"1700000000003000", b"2"]
    assert world.get("forged", "n") == [b"0"]
    assert b"stream_events_null_key_total:1" in world.server.call("INFO", "asof")
    assert [letter["reason"] for letter in world.letters()["letters"]] == ["wrong_type", "wrong_type"]
    assert "'_header.retries'" in world.letters()["letters"][1]["error"]


def test_letters_that_are_taken_again_have_their_key_and_headers(world):
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic, PARTS, "_timestamp", "_key", "clock: event", PARTS_FEATURES)
    world.kafka.produce(topic, [Message(b'{"n": "x"}', b"a", {"Region": b"eu"}, 1_700_000_000_001)])
    world.wait_for_letters(1)
    world.apply(topic, PARTS.replace("n: int", "n: string"), "_timestamp", "_key", "clock: event",
                PARTS_FEATURES.replace("sum: n", "last: n"))
    assert json.loads(world.server.call("ASOF.DLQ", "RETRY", "things", "ALL"))["done"] == 1
    world.server.asof("promote", "seen@2")
    world.wait_for("a", b"eu", "last_region")
    assert world.get("a", "total", "newest") == [b"x", b"1700000000001000"]


# ---- freshness ----

def test_freshness_is_told_of_views_and_breaches_of_sources(world):
    topic = world.kafka.new_topic(partitions=2)
    world.apply(topic, options="{clock: wall, ahead_max: none}"[1:-1].replace(", ", "\n    ") + "\n    freshness_slo: 2s")
    world.kafka.produce(topic, [Message(event(), partition=number % 2) for number in range(10)])
    world.wait_for("a", b"10")
    world.server.wait_for(lambda: world.lag()["waiting_seconds"] == 0, 30)

    figures = http.metrics(world.server)
    assert figures['asof_view_append_freshness_seconds_count{view="seen"}'] == 10
    assert figures['asof_view_event_freshness_seconds_count{view="seen"}'] == 10
    assert 0 < figures['asof_view_append_freshness_seconds_sum{view="seen"}'] < 10 * 30
    assert figures['asof_view_append_freshness_seconds_bucket{view="seen",le="86400"}'] == 10
    assert figures['asof_source_freshness_slo_seconds{source="things"}'] == 2
    missed = figures['asof_source_freshness_missed_total{source="things"}']

    time.sleep(2.5)  # idle for longer than the goal
    figures = http.metrics(world.server)
    assert figures['asof_source_freshness_breached{source="things"}'] == 0
    assert figures['asof_source_waiting_seconds{source="things"}'] == 0
    assert world.lag()["is_fresh"] and "things: fresh (freshness_slo 2s)" in world.server.asof("lag").stdout

    late = now_ms() - 60_000
    world.kafka.produce(topic, [Message(event(at_ms=late), timestamp_ms=late, partition=0) for _ in range(3)])
    world.wait_for("a", b"13")
    assert http.metrics(world.server)['asof_source_freshness_missed_total{source="things"}'] == missed + 3


def test_what_can_not_be_read_is_a_breach_until_it_is(world):
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic, options="freshness_slo: 1s")
    world.kafka.produce(topic, [event()])
    world.wait_for("a", b"1")
    world.server.stop()
    world.kafka.produce(topic, [event(), event()])
    world.kafka.delete_records(topic, {0: 2})
    world.server.start("--http-port", "0")
    world.server.wait_for(lambda: not world.lag()["is_fresh"], 30)
    assert world.lag()["partitions"][0]["state"] == "gap"
    figures = http.metrics(world.server)
    assert figures['asof_source_freshness_breached{source="things"}'] == 1
    assert figures['asof_source_waiting_seconds{source="things"}'] > 1
    assert "things: not fresh" in world.server.asof("lag").stdout

    world.apply(topic, options="freshness_slo: 1s\n    on_gap: skip")
    world.wait_for("a", b"2")
    world.server.wait_for(lambda: world.lag()["is_fresh"], 30)
    assert http.metrics(world.server)['asof_source_freshness_breached{source="things"}'] == 0


# ---- dead letters ----

def dead_topic(world, **config):
    name = f"dead.{time.monotonic_ns()}"
    settle(world.kafka.admin.create_topics([NewTopic(name, 2, 1, config=config)]))
    world.kafka.wait_for(lambda: len(world.kafka.ends(name)) == 2, f"topic {name} is not there")
    return name


def test_dead_letters_are_produced_to_their_topic_by_at_least_once(world):
    dead = dead_topic(world, **{"max.message.bytes": "20000"})
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic)
    world.kafka.produce(topic, [Message(b"{", b"k1", {"trace": b"t1"}), event(), Message(None, b"k2"),
                                Message(b'{"n": "' + b"x" * 30_000 + b'"}', b"k3")])
    world.wait_for_letters(3)
    world.apply(topic, options="dead_letters: {topic: %s}" % dead)  # what lay there before is produced, too
    world.server.wait_for(lambda: world.lag()["dead_letter_topic"]["unsent"] == 0, 30)

    records = {record.key: record for record in world.kafka.records(dead)}
    assert sorted(records) == [b"k1", b"k2", b"k3"]
    headers = dict(records[b"k1"].headers)
    assert (records[b"k1"].value, headers["trace"]) == (b"{", b"t1")
    assert headers["asof.reason"] == b"undecodable" and b"not valid JSON" in headers["asof.error"]
    assert (headers["asof.source"], headers["asof.topic"], headers["asof.partition"], headers["asof.offset"]) == (
        b"things", topic.encode(), b"0", b"0")
    assert abs(int(headers["asof.timestamp"]) - now_ms()) < 600_000
    assert records[b"k2"].value is None and dict(records[b"k2"].headers)["asof.offset"] == b"2"
    assert records[b"k3"].value is None and dict(records[b"k3"].headers)["asof.value"] == b"left out"

    world.server.kill()
    world.server.start()
    world.kafka.produce(topic, [f"bad {number}".encode() for number in range(1000)])
    world.wait_for_letters(1003)
    world.server.kill()  # with some of them under way
    world.server.start()
    world.server.wait_for(lambda: world.lag()["dead_letter_topic"]["unsent"] == 0, 30)
    values = {record.value for record in world.kafka.records(dead)}
    assert {f"bad {number}".encode() for number in range(1000)} <= values
    assert world.letters("COUNT", "1")["count"] == 1003  # they stay here, too


def test_a_topic_that_takes_no_dead_letters_holds_up_nothing(world):
    dead = f"dead.{time.monotonic_ns()}"  # not there yet
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic, options="dead_letters: {topic: %s}" % dead)
    world.kafka.produce(topic, [b"{", *(event() for _ in range(100))])
    world.wait_for("a", b"100")
    world.server.wait_for(lambda: world.lag()["dead_letter_topic"]["error"] is not None, 60)
    assert world.lag()["dead_letter_topic"]["unsent"] == 1
    assert f"1 dead letters are not produced to topic {dead}" in world.server.asof("lag").stdout
    world.kafka.produce(topic, [event()])
    world.wait_for("a", b"101")
    world.kafka.create_topic(dead, 1)
    world.server.wait_for(lambda: world.lag()["dead_letter_topic"] == {"topic": dead, "unsent": 0, "error": None}, 60)
    assert [record.value for record in world.kafka.records(dead)][:1] == [b"{"]


def test_dead_letters_are_kept_as_long_as_their_source_says(world):
    topic = world.kafka.new_topic(partitions=1)
    world.apply(topic, options="dead_letters: {retention: 3s}")
    world.kafka.produce(topic, [b"{", b"["])
    world.wait_for_letters(2)
    world.wait_for_letters(0)
    assert b"stream_dead_letters_expired_total:2" in world.server.call("INFO", "asof")
    assert world.letters()["letters"] == []
    world.kafka.produce(topic, [b"}"])
    world.wait_for_letters(1)
    assert [letter["id"] for letter in world.letters()["letters"]] == [3]


# ---- new versions ----

MORE = "{n: {count: '*', over: forever}, total: {sum: n, over: forever}, newest: {max: ts, over: forever}}"
ENTITIES = [f"e{number}" for number in range(7)]


def numbered(numbers, partitions=3):
    return [Message(event(ENTITIES[number % 7], at_ms=1_700_000_000_000 + number, n=number), partition=number % partitions)
            for number in numbers]


def sums(numbers):
    """What the views of these numbers must say of each entity."""
    mine = {entity: [number for number in numbers if ENTITIES[number % 7] == entity] for entity in ENTITIES}
    return {entity: [str(len(some)).encode(), str(sum(some)).encode()] for entity, some in mine.items()}


def told(world, view="seen"):
    return {entity: world.server.call("HMGET", f"{view}:{entity}", "n", "total") for entity in ENTITIES}


def is_live(world, version):
    (view,) = [view for view in json.loads(world.server.asof("list", "--json").stdout)["views"] if view["name"] == "seen"]
    newest = view["versions"][-1]
    return newest["version"] == version and newest["state"] in ("ready", "active")


def test_a_new_version_reads_kafka_again_while_events_come(world):
    topic = world.kafka.new_topic(partitions=3)
    world.kafka.produce(topic, [*numbered(range(2000)), Message(b"{", partition=0)])
    world.apply(topic, options="clock: event")
    world.wait_for_letters(1)
    world.server.wait_for(lambda: told(world) == sums(range(2000)), 30)

    producer = world.kafka.producer()
    send(producer, topic, numbered(range(2000, 2500)))
    producer.poll(0)
    world.apply(topic, options="clock: event", features=MORE, waits=False)
    send(producer, topic, numbered(range(2500, 3000)))
    deliver(producer)
    world.server.wait_for(lambda: is_live(world, 2), 30)
    world.server.wait_for(lambda: told(world, "seen@2") == sums(range(3000)) == told(world, "seen@1"), 30)
    assert world.server.call("HGET", "seen@2:e3", "newest") == str((1_700_000_000_000 + 2_999 - (2_999 - 3) % 7) * 1000).encode()
    assert world.letters()["count"] == 1  # of the old version's reading alone


def test_fills_from_kafka_go_on_together_after_kills(world, draw):
    topic = world.kafka.new_topic(partitions=3)
    twin = "{n: {count: '*', over: forever}, total: {sum: n, over: forever}}\n  twin:\n    source: things\n    entity: thing\n    features: "
    world.kafka.produce(topic, numbered(range(60_000)))
    world.apply(topic, options="clock: event")
    world.server.wait_for(lambda: told(world) == sums(range(60_000)), 60)
    world.apply(topic, options="clock: event", waits=False,
                features=twin.replace("total: {sum: n", "sum: {sum: n") + twin.split("\n")[0])
    middles = 0
    for _ in range(20 if IS_LONG else 4):
        fills = json.loads(world.server.call("ASOF.FILLS"))
        middles += any(0 < fill["events_done"] < fill["events_total"] for fill in fills)
        world.server.kill()
        world.server.start()
        time.sleep(draw.uniform(0, 0.3))
    print("killed in the middle:", middles)
    world.kafka.produce(topic, numbered(range(60_000, 60_100)))
    world.server.wait_for(lambda: not json.loads(world.server.call("ASOF.FILLS")), 60)
    world.server.wait_for(lambda: is_live(world, 2), 60)
    world.server.wait_for(lambda: told(world, "twin") == sums(range(60_100)), 60)
    assert world.server.log().count("a fill from Kafka") == 0


def test_a_fill_begins_where_the_source_did_and_tells_what_is_gone(world):
    topic = world.kafka.new_topic(partitions=1)
    world.kafka.produce(topic, numbered(range(100), 1))
    world.apply(topic, options="clock: event\n    start: latest")
    world.server.wait_for(lambda: world.lag()["partitions"] and world.lag()["partitions"][0]["next_offset"] == 100, 30)
    world.kafka.produce(topic, numbered(range(100, 200), 1))
    world.server.wait_for(lambda: told(world) == sums(range(100, 200)), 30)
    world.apply(topic, options="clock: event\n    start: latest", features=MORE)
    world.server.wait_for(lambda: is_live(world, 2), 30)
    assert told(world, "seen@2") == sums(range(100, 200))

    world.kafka.delete_records(topic, {0: 150})
    world.apply(topic, options="clock: event\n    start: latest", features="{n: {count: '*', over: forever}, total: {sum: n, over: 1d}}")
    world.server.wait_for(lambda: is_live(world, 3), 30)
    assert told(world, "seen@3") == sums(range(150, 200))
    assert "lacks 50 events" in world.server.log()


def test_a_fill_ends_where_its_topic_is_another_one(world):
    topic = world.kafka.new_topic(partitions=1)
    world.kafka.produce(topic, numbered(range(100), 1))
    world.apply(topic, options="clock: event")
    world.server.wait_for(lambda: told(world) == sums(range(100)), 30)
    world.apply(topic, options="clock: event", features=MORE, waits=False)
    world.server.kill()
    world.kafka.delete_topic(topic)
    world.kafka.create_topic(topic, 1)
    world.kafka.produce(topic, numbered(range(1000, 1050), 1))
    world.server.start()
    world.server.wait_for(lambda: is_live(world, 2), 60)
    world.server.wait_for(lambda: told(world, "seen@1") == sums([*range(100), *range(1000, 1050)]), 30)
    counts = {entity: int(count) for entity, (count, _) in told(world, "seen@2").items()}
    assert sum(counts.values()) in (50, 150)  # what was read before the kill is there
    assert "created again" in world.server.log()


def test_a_source_is_replayed_into_new_versions(world):
    topic = world.kafka.new_topic(partitions=2)
    at = 1_700_000_000_000
    old = [record._replace(timestamp_ms=at + number) for number, record in enumerate(numbered(range(100), 2))]
    world.kafka.produce(topic, old)
    world.apply(topic, options="clock: event")
    world.server.wait_for(lambda: told(world) == sums(range(100)), 30)

    said = world.server.asof("replay", "things", "--from", str((at + 40) * 1000)).stdout
    assert "seen@2" in said and "asof promote seen@2" in said
    world.server.wait_for(lambda: is_live(world, 2), 30)
    assert told(world, "seen@2") == sums(range(40, 100)) and told(world) == sums(range(100))
    world.kafka.produce(topic, numbered(range(100, 110), 2))
    world.server.wait_for(lambda: told(world, "seen@2") == sums(range(40, 110)), 30)

    world.server.asof("replay", "things", "--promote")
    world.server.wait_for(lambda: is_live(world, 3), 30)
    assert told(world) == told(world, "seen@3") == sums(range(110))
    world.server.asof("drop", "seen@2")
    world.server.restart()
    assert told(world) == sums(range(110))
    assert world.server.asof("replay", "nothing", check=False).returncode == 3
    with pytest.raises(Exception, match="syntax"):
        world.server.call("ASOF.REPLAY", "things", "SINCE", "earliest")
