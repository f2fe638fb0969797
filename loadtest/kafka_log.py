"""A broker with topics of payments: what asofd and Kafka Streams read. It runs on the load's CPU."""

import bisect
import os
import re
import sys
import time

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

import workload
from servers import LOAD_CPU, ROOT, SERVER_CPU, BenchError

sys.path.append(str(ROOT / "tools/kafka"))
from broker import Broker, BrokerError, fetch  # noqa: E402, F401
from sources import read_topics  # noqa: E402

CACHE = ROOT / "build/cache"
DEFINITIONS = ROOT / "loadtest/kafka.yaml"
FEATURES = ("payments_5m", "amount_avg_1h", "session_payments")
PARTITIONS = 4
TIMEOUT_S = 60
RETRY_S = 0.2
CHUNK_EVENTS = 100_000       # that are made at once
SPAN_MS = 3_600_000          # the events of a topic are of its last hour
BUSIEST = 0                  # of the entities, by Zipf's law
CARD = re.compile(rb'"card":"(\d{12})"')
CLIENT = {"log_level": 0}


class Log:
    """The broker, and what was put into its topics. A context manager."""

    def __init__(self, folder):
        self.broker = Broker(fetch(CACHE), folder / "broker")
        self.busiest_offsets = {}  # topic: where the busiest entity's events stand in its partition

    def __enter__(self):
        self.broker.start()
        self.admin = self._admin()
        return self

    def __exit__(self, *exception):
        self.broker.stop()

    def _admin(self):
        return AdminClient(CLIENT | {"bootstrap.servers": self.address})

    @property
    def address(self):
        return self.broker.address

    def definitions(self, topic, folder, is_exact=False):
        """A file of the definitions whose source reads the topic; exact ones have no steps."""
        text = read_topics(DEFINITIONS.read_text(), self.address, {workload.SOURCE: topic})
        path = folder / f"{topic}.{'exact' if is_exact else 'hopping'}.yaml"
        path.write_text(re.sub(r" step \w+", "", text) if is_exact else text)
        return path

    def create(self, topic):
        (future,) = self.admin.create_topics([NewTopic(topic, PARTITIONS, 1, config={"retention.ms": "-1"})]).values()
        future.result(TIMEOUT_S)
        self.busiest_offsets[topic] = []

    def fill(self, topic, events, entities, seed):
        """Produces so many events by time, keyed by the entity, skewed over entities; compressed as is common."""
        os.sched_setaffinity(0, {SERVER_CPU, LOAD_CPU})  # nothing is measured meanwhile
        try:
            producer = self.producer(**{"linger.ms": 50, "compression.type": "lz4"})
            last_ms = int(time.time() * 1000)
            for done in range(0, events, CHUNK_EVENTS):
                size = min(CHUNK_EVENTS, events - done)
                first_ms, next_ms = (last_ms - SPAN_MS + SPAN_MS * at // events for at in (done, done + size))
                chunk = workload.stream(size, entities, first_ms, next_ms, seed * 1000 + done // CHUNK_EVENTS)
                self._produce(producer, topic, chunk)
            if producer.flush(TIMEOUT_S) > 0:
                raise BenchError(f"the broker did not take {events:,} events within {TIMEOUT_S} s")
        finally:
            os.sched_setaffinity(0, {LOAD_CPU})

    def producer(self, **properties):
        return Producer(CLIENT | {"bootstrap.servers": self.address, "enable.idempotence": True} | properties)

    def _produce(self, producer, topic, events):
        offset = self.ends(topic)[place_of(BUSIEST)] if events else 0
        for event in events:
            card = CARD.search(event)[1]
            partition = place_of(int(card))
            while True:
                try:
                    producer.produce(topic, event, card, partition)
                    break
                except BufferError:
                    producer.poll(0.05)
            if partition == place_of(BUSIEST):
                if int(card) == BUSIEST:
                    self.busiest_offsets[topic].append(offset)
                offset += 1
        producer.flush(TIMEOUT_S)

    def busiest_before(self, topic, offset):
        """How many events the busiest entity has before that offset of its partition."""
        return bisect.bisect_left(self.busiest_offsets[topic], offset)

    def ends(self, topic):
        """{partition: offset behind its last record}. A topic that was just created has leaders a moment later, and a
        client with an old picture of them asks the wrong one: it is asked anew with another one."""
        wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(PARTITIONS)}
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return {place.partition: future.result(TIMEOUT_S).offset
                        for place, future in self.admin.list_offsets(wanted).items()}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)
                self.admin = self._admin()


def place_of(entity):
    """The partition of an entity's events."""
    return entity % PARTITIONS
