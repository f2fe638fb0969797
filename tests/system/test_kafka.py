"""Sources that read a Kafka topic: the same features by other ways, no bad message stops the stream, what is gone is
told. What a topic holds is read by a second, real client, and the oracle says what the features of that must be.
That each event counts once, whatever dies and whenever, is in test_kafka_proof.py.

ASOF_LONG=1 is for the forms that take long."""

import collections
import json
import os
import random
import time

import pytest

import oracle
import synthetic
from kafka_world import COMPRESSIONS, Kafka, Message, deliver, read_topics, send
from questions import SEED, ask, check, sample_pairs

IS_LONG = bool(os.environ.get("ASOF_LONG"))
CATCH_UP_S = 60

PLAIN_SOURCE = """
  {name}:
    fields: {{at: timestamp_us, k: string, v: int}}
    event_time: at
    clock: event
"""
PLAIN_VIEW = """
  {name}_things:
    source: {name}
    entity: thing
    features:
      events: {{count: '*', over: forever}}
      total: {{sum: v, over: forever}}
      latest: {{last_n: v, over: last(20)}}
"""


def plain_definitions(kafka, topics, options=""):
    """A source for each topic, {source: topic}, whose events have no id, and a view of it: SOURCE_things."""
    sources = "".join(PLAIN_SOURCE.format(name=name) for name in topics)
    views = "".join(PLAIN_VIEW.format(name=name) for name in topics)
    return read_topics(f"sources:{sources}entities:\n  thing: {{keys: [k]}}\nviews:{views}", kafka.address, topics, options)


def plain(value, at=None):
    return json.dumps({"at": value if at is None else at, "k": "a", "v": value})


def lag_of(server, source):
    """What the server tells of a source that reads Kafka."""
    (told,) = json.loads(server.call("ASOF.LAG", source))
    assert told["source"] == source
    return told


def partitions_of(server, source):
    """What it tells of the source's partitions, by (topic, partition)."""
    return {(each["topic"], each["partition"]): each for each in lag_of(server, source)["partitions"]}


def is_caught_up(server, kafka, topics):
    """Whether the offsets that were stored are the ends of the topics."""
    for source, topic in topics.items():
        partitions = partitions_of(server, source)
        for partition, end in kafka.ends(topic).items():
            place = partitions.get((topic, partition))
            if place is None or (place["state"], place["next_offset"]) != ("reading", end):
                return False
    return True


def catch_up(server, kafka, topics):
    Kafka.wait_for(lambda: is_caught_up(server, kafka, topics),
                   lambda: [server.call("ASOF.LAG"), *map(kafka.ends, topics.values())], CATCH_UP_S)


def dead_letters(server, source):
    told = json.loads(server.call("ASOF.DLQ", "LIST", source, "COUNT", 1000, "FULL"))
    assert not told["has_more"] and told["count"] == len(told["letters"])
    return told["letters"]


def counts(server, source="plain"):
    """(events, their sum) of the source's view now."""
    events, total = server.call("HMGET", f"{source}_things:a", "events", "total")
    return int(events), int(total or 0)


# The same events by other ways


def shuffled(lines, draw):
    lines = lines * 2
    draw.shuffle(lines)
    return lines


@pytest.mark.parametrize("seed", range(3 if IS_LONG else 1))
def test_partitions_and_order_of_production_change_no_bit(make_server, kafka, seed):
    draw = random.Random(f"{SEED} {seed}")
    lines = synthetic.Stream(seed + SEED, 300).lines()
    judge = oracle.Oracle([synthetic.definitions()])
    judge.load("things", lines)
    questions = {name: sample_pairs(judge, view, 60, draw) for name, view in judge.views.items()}
    answers = {view: judge.answer(view, pairs) for view, pairs in questions.items()}
    first = None
    for partitions, is_shuffled in ((1, False), (4, False), (16, False), (4, True)):
        topic = kafka.new_topic(partitions=partitions)
        server = make_server(topic).start()
        server.apply(read_topics(synthetic.definitions(), kafka.address, {"things": topic}))
        ordered = shuffled(lines, draw) if is_shuffled else lines
        kafka.produce(topic, [Message(line.encode(), partition=draw.randrange(partitions)) for line in ordered],
                      compression_type=draw.choice(COMPRESSIONS))
        catch_up(server, kafka, {"things": topic})

        replies = ask(server, questions)

        check(replies, questions, answers)
        first = first or replies
        assert replies == first
        server.stop()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_read(server, kafka, compression):
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))

    kafka.produce(topic, [plain(value) for value in range(1000)], compression_type=compression)

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (1000, sum(range(1000)))


def test_events_of_equal_time_stand_in_the_order_of_partition_and_offset(server, kafka):
    topic = kafka.new_topic(partitions=2)
    server.apply(plain_definitions(kafka, {"plain": topic}))

    kafka.produce(topic, [Message(plain(value, at=7), partition=1) for value in range(10)])
    kafka.produce(topic, [Message(plain(value, at=7), partition=0) for value in range(10, 20)])

    catch_up(server, kafka, {"plain": topic})
    order = [*reversed(range(10)), *reversed(range(10, 20))]
    assert json.loads(server.call("HGET", "plain_things:a", "latest")) == order


# Transactions


def test_what_was_aborted_never_counts(server, kafka):
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    producer = kafka.transactional("aborts")
    for number in range(20):
        producer.begin_transaction()
        send(producer, topic, [plain(number)] * 5)
        deliver(producer)
        producer.abort_transaction() if number % 2 else producer.commit_transaction()

    # Each partition ends with the mark of a transaction, which takes an offset and is no message.
    kafka.wait_for_transactions(topic)
    catch_up(server, kafka, {"plain": topic})

    assert counts(server) == (50, 5 * sum(range(0, 20, 2)))
    assert dead_letters(server, "plain") == []


def test_an_open_transaction_is_not_read_before_it_is_committed(server, kafka):
    topic = kafka.new_topic(partitions=1)
    server.apply(plain_definitions(kafka, {"plain": topic}))
    kafka.produce(topic, [plain(1)])
    producer = kafka.transactional("open")
    producer.begin_transaction()
    send(producer, topic, [plain(2)])
    deliver(producer)
    kafka.produce(topic, [plain(3)])
    catch_up(server, kafka, {"plain": topic})

    before = counts(server)
    producer.commit_transaction()
    kafka.wait_for_transactions(topic)
    catch_up(server, kafka, {"plain": topic})

    assert before == (1, 1)
    assert counts(server) == (3, 6)


# Topics come and grow


def test_a_topic_may_be_created_after_the_definition(server, kafka):
    topic = kafka.new_topic()
    kafka.delete_topic(topic)
    server.apply(plain_definitions(kafka, {"plain": topic}))

    kafka.create_topic(topic, 3)
    kafka.produce(topic, [plain(value) for value in range(100)])

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (100, sum(range(100)))


def test_added_partitions_are_read_from_their_beginning(server, kafka):
    topic = kafka.new_topic(partitions=1)
    server.apply(plain_definitions(kafka, {"plain": topic}))
    kafka.produce(topic, [plain(1)] * 10)
    catch_up(server, kafka, {"plain": topic})

    kafka.add_partitions(topic, 4)
    kafka.produce(topic, [Message(plain(1), partition=partition) for partition in range(4)])

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (14, 14)


def test_start_latest_reads_what_comes_after_the_definition(server, kafka):
    topic = kafka.new_topic()
    kafka.produce(topic, [plain(1)] * 100)
    server.apply(plain_definitions(kafka, {"plain": topic}, ", start: latest"))
    catch_up(server, kafka, {"plain": topic})

    kafka.produce(topic, [plain(2)] * 10)

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (10, 20)
    server.restart()
    assert counts(server) == (10, 20)


def test_start_at_a_time_reads_what_the_broker_took_since(server, kafka):
    topic = kafka.new_topic()
    kafka.produce(topic, [Message(plain(value), timestamp_ms=1_700_000_000_000 + value * 1000) for value in range(100)])

    server.apply(plain_definitions(kafka, {"plain": topic}, ", start: 2023-11-14T22:13:50Z"))

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (70, sum(range(30, 100)))


# Poison

POISON = """
sources:
  plain:
    fields: {id: string, at: timestamp_ms, k: string, v: int, m: decimal(2), s: string}
    event_time: at
    event_id: id
entities:
  thing: {keys: [k]}
views:
  plain_things:
    source: plain
    entity: thing
    history: 1d
    features:
      events: {count: '*', over: 1h}
      total: {sum: v, over: 1h}
"""


def poison(now_ms):
    """{what is wrong: the bytes}"""
    good = {"id": "x", "at": now_ms, "k": "a", "v": 1, "m": 1.25, "s": ""}
    text = json.dumps(good)

    def changed(**fields):
        return json.dumps(good | fields).encode()

    def without(name):
        return json.dumps({key: value for key, value in good.items() if key != name}).encode()

    return {
        "empty": b"", "no value": None, "no JSON": b"\x00\x01\xff", "text": b"hello", "truncated": text[:-1].encode(),
        "more behind": text.encode() + b"}", "a list": b"[" + text.encode() + b"]", "a number": b"7",
        "nested": b"[" * 100_000, "not UTF-8": text.replace('"s": ""', '"s": "?"').encode().replace(b"?", b"\xff"),
        "text for a number": changed(v="many"), "a fraction for an int": changed(v=1.5), "beyond 64 bits": changed(v=2**63),
        "an object": changed(v={}), "digits": changed(m=1.125), "duplicate key": text.encode()[:-1] + b', "v": 2}',
        "no time": without("at"), "NULL time": changed(at=None), "time far out": changed(at=10**18),
        "no id": without("id"), "NULL id": changed(id=None), "oversized": changed(s="x" * 70_000),
        "too far ahead": changed(at=now_ms + 2 * 3600 * 1000), "too late": changed(at=now_ms - 3 * 86400 * 1000),
    }


def test_poison_is_listed_and_stops_nothing(server, kafka, draw):
    topic = kafka.new_topic()
    server.apply(read_topics(POISON, kafka.address, {"plain": topic}))
    now_ms = int(time.time() * 1000)
    bad = list(poison(now_ms).items())
    good, null_keys, messages = 0, 0, []
    for number in range(20 * len(bad) if IS_LONG else 8 * len(bad)):
        event = {"id": f"g{number}", "at": now_ms - number, "k": "a", "v": 1}
        if number % 7 == 0:
            event["k"] = None
            null_keys += 1
        else:
            good += 1
        messages.append(Message(json.dumps(event).encode(), key=b"key", headers=[("trace", b"t1")]))
    # The good ones come first: only then is there a horizon, soon after, behind which one is late.
    kafka.produce(topic, messages)
    catch_up(server, kafka, {"plain": topic})

    def is_late_by_now():
        kafka.produce(topic, [Message(dict(bad)["too late"], key=b"too late")])
        catch_up(server, kafka, {"plain": topic})
        return dead_letters(server, "plain")

    server.wait_for(is_late_by_now)
    kafka.produce(topic, [Message(value, key=name.encode(), headers=[("trace", b"t2"), ("none", None)],
                                  partition=draw.randrange(4)) for name, value in bad * 2])
    kafka.produce(topic, [json.dumps({"id": "last", "at": now_ms, "k": "a", "v": 1}).encode()])

    catch_up(server, kafka, {"plain": topic})

    assert counts(server) == (good + 1, good + 1)
    assert f"stream_events_null_key_total:{null_keys}\r\n" in server.call("INFO", "asof").decode()
    dead = dead_letters(server, "plain")
    places = {(record.partition, record.offset): record for record in kafka.records(topic)
              if record.headers != [("trace", b"t1")] and record.key is not None}
    assert collections.Counter(places[letter["partition"], letter["offset"]].key.decode() for letter in dead) == {
        name: 3 if name == "too late" else 2 for name, _ in bad}
    assert all(letter["topic"] == topic and letter["reason"] for letter in dead)
    server.restart()
    assert dead_letters(server, "plain") == dead


# What is gone


@pytest.mark.parametrize("on_gap", ["stop", "skip"])
def test_records_that_were_deleted_unread_are_told(server, kafka, on_gap):
    topics = {"plain": kafka.new_topic(partitions=2), "other": kafka.new_topic()}
    server.apply(plain_definitions(kafka, topics, f", on_gap: {on_gap}"))
    kafka.produce(topics["plain"], [Message(plain(1), partition=0)] * 100)
    catch_up(server, kafka, topics)
    server.stop()
    kafka.produce(topics["plain"], [Message(plain(1), partition=partition) for partition in (0, 1)] * 100)
    kafka.produce(topics["other"], [plain(1)] * 10)
    kafka.delete_records(topics["plain"], {0: 150})

    server.start()

    server.wait_for(lambda: counts(server, "other") == (10, 10))
    if on_gap == "skip":
        catch_up(server, kafka, topics)
        assert counts(server) == (250, 250)  # 50 of 300 are gone
    else:
        server.wait_for(lambda: partitions_of(server, "plain")[topics["plain"], 0]["state"] == "gap")
        server.wait_for(lambda: counts(server) == (200, 200))
        assert partitions_of(server, "plain")[topics["plain"], 0]["next_offset"] == 100
        # Whoever looks at the alarm and decides to go on says so in the definition.
        server.apply(plain_definitions(kafka, topics, ", on_gap: skip"))
        catch_up(server, kafka, topics)
        assert counts(server) == (250, 250)
    assert "not there any more" in server.log()


@pytest.mark.parametrize("is_running", [True, False], ids=["while it runs", "while it is stopped"])
def test_a_topic_that_was_created_again_is_a_new_origin(server, kafka, is_running):
    topic = kafka.new_topic(partitions=2)
    server.apply(plain_definitions(kafka, {"plain": topic}))
    kafka.produce(topic, [Message(plain(1), partition=partition) for partition in (0, 1)] * 50)
    catch_up(server, kafka, {"plain": topic})
    if not is_running:
        server.stop()
    kafka.delete_topic(topic)
    kafka.create_topic(topic, 2)
    kafka.produce(topic, [Message(plain(2), partition=partition) for partition in (0, 1)] * 20)
    if not is_running:
        server.start()

    catch_up(server, kafka, {"plain": topic})

    assert counts(server) == (140, 180)


# A broker that is gone


def test_reads_go_on_without_a_broker_and_it_recovers_by_itself(server, kafka):
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    kafka.produce(topic, [plain(1)] * 100)
    catch_up(server, kafka, {"plain": topic})

    kafka.kill()
    gone_until = time.monotonic() + (30 if IS_LONG else 4)
    slowest = 0
    while time.monotonic() < gone_until:
        started = time.monotonic()
        assert counts(server) == (100, 100)
        slowest = max(slowest, time.monotonic() - started)
    told = lag_of(server, "plain")["error"]
    kafka.start()
    kafka.produce(topic, [plain(1)] * 100)

    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (200, 200)
    assert slowest < 1
    assert told is not None
    server.wait_for(lambda: lag_of(server, "plain")["error"] is None)


def test_a_server_that_starts_without_a_broker_serves_what_it_has(server, kafka):
    topic = kafka.new_topic()
    server.apply(plain_definitions(kafka, {"plain": topic}))
    kafka.produce(topic, [plain(1)] * 100)
    catch_up(server, kafka, {"plain": topic})
    kafka.kill()

    server.restart()

    assert counts(server) == (100, 100)
    kafka.start()
    kafka.produce(topic, [plain(1)] * 100)
    catch_up(server, kafka, {"plain": topic})
    assert counts(server) == (200, 200)
