"""Batch views of a source that reads Kafka: a topic of upserts, whose records without a value delete."""

import json
import time

import pytest

from kafka_world import Message
from resp import Got
from test_kafka import catch_up

DEFINITIONS = """\
sources:
  limits:
    kafka: {{brokers: "{brokers}", topic: {topic}}}
    fields: {{card: string, shop: int, at: timestamp_ms, segment: string, credit: int}}
    event_time: at
    clock: wall
entities:
  card: {{keys: [card]}}
  place: {{keys: [card, shop]}}
views:
  profile:
    kind: batch
    source: limits
    entity: card
    features: {{segment: string, credit: int}}
  placed:
    kind: batch
    source: limits
    entity: place
    features: {{credit: int}}
  seen:
    source: limits
    entity: card
    features: {{n: {{count: '*', over: forever}}}}
"""


@pytest.fixture
def topic(server, kafka):
    name = kafka.new_topic(partitions=1)
    server.apply(DEFINITIONS.format(brokers=kafka.address, topic=name))
    return name


def upsert(at_ms, card, key=None, **features):
    return Message(json.dumps({"card": card, "at": at_ms, **features}), key=key or card, timestamp_ms=at_ms)


def tombstone(at_ms, key):
    return Message(None, key=key, timestamp_ms=at_ms)


def test_upserts_keep_what_they_do_not_name_and_tombstones_delete(server, kafka, topic):
    now_ms = int(time.time() * 1000)
    first_ms = now_ms - 60_000
    kafka.produce(topic, [
        upsert(first_ms, "c1", segment="gold", credit=5), upsert(first_ms + 1000, "c1", credit=7),
        upsert(first_ms + 2000, "c2", segment="silver", credit=1), upsert(first_ms + 3000, "c2", segment=None),
        tombstone(first_ms + 4000, "c1"), upsert(first_ms + 500, "c1", segment="late"),
        upsert(first_ms + 5000, "c3", shop=8, credit=3), tombstone(first_ms + 6000, '{"card": "c3", "shop": 8}'),
        upsert(first_ms + 7000, "c1", segment="back"), tombstone(first_ms + 8000, None)])
    catch_up(server, kafka, {"limits": topic})
    with server.client() as client:
        def at(key, after_ms):
            return Got(client.call("ASOF.GET", key, "AT", (first_ms + after_ms) * 1000)).values

        assert client.call("HMGET", "profile:c1", "segment", "credit") == [b"back", None]
        assert client.call("HMGET", "profile:c2", "segment", "credit") == [None, b"1"]
        assert at("profile:c1", 0) == {"segment": "gold", "credit": "5"}
        assert at("profile:c1", 3999) == {"segment": "late", "credit": "7"}
        assert at("profile:c1", 4000) == {"segment": None, "credit": None}
        assert at("placed:c3|8", 5999) == {"credit": "3"}
        assert at("placed:c3|8", 6000) == {"credit": None} and client.call("EXISTS", "placed:c3|8", "profile:c3") == 0
        assert client.call("HGET", "seen:c1", "n") == b"4"  # a deletion is no event of a stream view
        assert json.loads(client.call("ASOF.DLQ", "LIST", "limits"))["count"] == 0
    server.kill()
    server.start()
    assert server.call("HMGET", "profile:c1", "segment", "credit") == [b"back", None]


def test_a_tombstone_whose_key_says_nothing_is_a_dead_letter(server, kafka, topic):
    now_ms = int(time.time() * 1000)
    kafka.produce(topic, [tombstone(now_ms, '{"card": "c1"'), tombstone(now_ms, '{"card": 7}'),
                          upsert(now_ms, "c9", segment="good")])
    catch_up(server, kafka, {"limits": topic})
    assert server.call("HGET", "profile:c9", "segment") == b"good"
    letters = json.loads(server.call("ASOF.DLQ", "LIST", "limits"))
    assert letters["count"] == 2
    assert all("key of a record without a value" in letter["error"] for letter in letters["letters"])
