"""A Kafka broker for the tests, with real clients: topics, producers of every kind, what a topic holds.

    kafka.create_topic("things", partitions=4)
    kafka.produce("things", [Message(b"..."), ...])
    kafka.records("things")           what a read_committed consumer is given
    kafka.kill(); kafka.start()       the same broker, on its own logs
"""

import collections
import itertools
import sys
import time

from confluent_kafka import (OFFSET_BEGINNING, Consumer, IsolationLevel, KafkaError, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools/kafka"))

import broker as broker_tool  # noqa: E402
from sources import read_topics  # noqa: E402, F401

TIMEOUT_S = 60
REQUEST_TIMEOUT_S = 5
CONSUME_S = 0.2  # what is read together
COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")
CLIENT = {"socket.timeout.ms": 10_000, "reconnect.backoff.max.ms": 500, "log_level": 0}

Message = collections.namedtuple("Message", "value key headers timestamp_ms partition",
                                 defaults=(None, None, None, None))
Record = collections.namedtuple("Record", "partition offset timestamp_ms key value headers")


class Kafka:
    """One broker, and what tests do to it. Topics are named anew by each test: `new_topic`."""

    def __init__(self, folder):
        self.broker = broker_tool.Broker(broker_tool.fetch(ROOT / "build/cache"), folder)
        self.numbers = itertools.count(1)
        self.administration = None

    def start(self):
        self.broker.start()
        return self

    def stop(self):
        self.broker.stop()

    def kill(self):
        self.broker.kill()

    def is_alive(self):
        return self.broker.is_alive()

    @property
    def address(self):
        return self.broker.address

    @property
    def admin(self):
        if self.administration is None:
            self.administration = AdminClient(CLIENT | {"bootstrap.servers": self.address})
        return self.administration

    # Topics

    def new_topic(self, name="things", partitions=4):
        """Creates a topic that no other test has; its name."""
        name = f"{name}.{next(self.numbers)}"
        self.create_topic(name, partitions)
        return name

    def create_topic(self, name, partitions):
        settle(self.admin.create_topics([NewTopic(name, partitions, 1, config={"retention.ms": "-1"})]))
        self.wait_for(lambda: len(self.ends(name)) == partitions, f"topic {name} is not there")

    def delete_topic(self, name):
        settle(self.admin.delete_topics([name]))
        self.wait_for(lambda: self.partitions(name) == [], f"topic {name} is still there")
        self.administration = None  # this one knows leaders of the topic that is gone

    def add_partitions(self, name, total):
        settle(self.admin.create_partitions([NewPartitions(name, total)]))
        self.wait_for(lambda: len(self.ends(name)) == total, f"topic {name} has no {total} partitions")

    def partitions(self, name):
        """The numbers of the topic's partitions that have a leader."""
        topic = self.admin.list_topics(timeout=TIMEOUT_S).topics.get(name)
        if topic is None or topic.error is not None:
            return []
        return sorted(number for number, partition in topic.partitions.items() if partition.leader >= 0)

    def delete_records(self, name, before):
        """Deletes what lies before the offsets: {partition: offset}."""
        settle(self.admin.delete_records([TopicPartition(name, partition, offset)
                                          for partition, offset in before.items()]))

    def ends(self, name, isolation=IsolationLevel.READ_COMMITTED):
        """{partition: the offset that a consumer of that kind comes to}. Asks again with other eyes where
        the client has an old picture of who leads what."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            wanted = {TopicPartition(name, partition): OffsetSpec.latest() for partition in self.partitions(name)}
            found = self.admin.list_offsets(wanted, isolation_level=isolation, request_timeout=REQUEST_TIMEOUT_S)
            try:
                return {place.partition: future.result().offset for place, future in found.items()}
            except KafkaException:
                self.administration = None
                if time.monotonic() > deadline:
                    raise

    def wait_for_transactions(self, name):
        """Waits until all that were ended are: a producer is told before their marks stand in the logs."""
        self.wait_for(lambda: self.ends(name) == self.ends(name, IsolationLevel.READ_UNCOMMITTED),
                      f"a transaction on topic {name} stays open")

    @staticmethod
    def wait_for(is_done, complaint, timeout_s=TIMEOUT_S):
        deadline = time.monotonic() + timeout_s
        while not is_done():
            assert time.monotonic() < deadline, complaint() if callable(complaint) else complaint
            time.sleep(0.05)

    # Producers and consumers

    def producer(self, **properties):
        """A real producer; `compression_type="lz4"` stands for compression.type."""
        named = {name.replace("_", "."): value for name, value in properties.items()}
        return Producer(CLIENT | {"bootstrap.servers": self.address, "enable.idempotence": True, "linger.ms": 5} | named)

    def produce(self, name, messages, **properties):
        """Produces all and waits until the broker has acknowledged each."""
        producer = self.producer(**properties)
        send(producer, name, messages)
        deliver(producer)

    def transactional(self, identity, **properties):
        """A producer that has begun no transaction yet. A second one of the same identity fences the first."""
        producer = self.producer(transactional_id=identity, transaction_timeout_ms=10_000, **properties)
        producer.init_transactions(TIMEOUT_S)
        return producer

    def records(self, name):
        """All records of the topic that were committed, by partition and offset."""
        consumer = Consumer(CLIENT | {"bootstrap.servers": self.address, "group.id": "records",
                                      "enable.auto.commit": False, "enable.partition.eof": True,
                                      "isolation.level": "read_committed"})
        left = set(self.partitions(name))
        consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in left])
        records = []
        while left:
            for message in consumer.consume(1000, CONSUME_S):
                if message.error() is None:
                    records.append(record_of(message))
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    left.discard(message.partition())
                else:
                    raise KafkaException(message.error())
        consumer.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))


def record_of(message):
    return Record(message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(),
                  message.headers())


def settle(futures):
    """Waits for what was asked of the broker; raises what went wrong."""
    for future in futures.values():
        future.result(TIMEOUT_S)


def send(producer, name, messages):
    """Puts messages (or bytes alone) into the producer's queue; raises for what could not be delivered."""
    failures = []

    def on_delivery(error, _):
        if error is not None:
            failures.append(error)

    for message in messages:
        if isinstance(message, (bytes, str)):
            message = Message(message)
        optional = {"partition": message.partition, "timestamp": message.timestamp_ms, "headers": message.headers}
        while True:
            try:
                producer.produce(name, message.value, message.key, on_delivery=on_delivery,
                                 **{word: value for word, value in optional.items() if value is not None})
                break
            except BufferError:
                producer.poll(0.1)
    if failures:
        raise KafkaException(failures[0])


def deliver(producer):
    left = producer.flush(TIMEOUT_S)
    assert left == 0, f"{left} messages were not taken by the broker within {TIMEOUT_S} s"


class Feeder:
    """Feeds lines into topics by transactions, aborted ones among them, and goes on whatever happens to the
    broker. What it can't be sure of it sends again: each line is there, some more than once."""

    def __init__(self, kafka, draw, identity, abort_share=0.1, pause_s=(0, 0)):
        self.kafka = kafka
        self.draw = draw
        self.identity = identity
        self.abort_share = abort_share
        self.pause_s = pause_s
        self.producer = None
        self.aborted = 0   # transactions that were aborted on purpose
        self.repeated = 0  # transactions that were sent again

    def feed(self, name, lines, size_max):
        """Sends the lines in transactions of up to so many."""
        rest = lines
        while rest:
            size = self.draw.randrange(1, size_max + 1)
            if self.draw.random() < self.abort_share:
                self.transact(name, rest[:size], is_kept=False)
            self.transact(name, rest[:size], is_kept=True)
            rest = rest[size:]
            time.sleep(self.draw.uniform(*self.pause_s))

    def transact(self, name, lines, is_kept):
        """One transaction, until it is committed (or aborted, as wanted)."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self.attempt(name, lines, is_kept)
                return
            except KafkaException:
                self.repeated += 1
                self.producer = None  # the next one of this identity ends what this one left open
                if time.monotonic() > deadline:
                    raise

    def attempt(self, name, lines, is_kept):
        if self.producer is None:
            self.producer = self.kafka.transactional(self.identity, compression_type=self.draw.choice(COMPRESSIONS),
                                                     message_timeout_ms=5000)
        self.producer.begin_transaction()
        send(self.producer, name, [line.encode() for line in lines])
        if is_kept:
            self.producer.commit_transaction(TIMEOUT_S)
        else:
            self.producer.flush(TIMEOUT_S)
            self.producer.abort_transaction(TIMEOUT_S)
            self.aborted += 1
