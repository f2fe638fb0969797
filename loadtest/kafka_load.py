"""Produces payments into a topic at a fixed rate, evenly: kafka_load.py BROKERS TOPIC RATE SECONDS ENTITIES

A process of its own, so that it takes no time from who measures. Prints how late it was at most, in ms."""

import sys
import time

from confluent_kafka import Producer

import workload
from kafka_log import CLIENT, place_of

TICKS_PER_S = 200
SEED = 700  # of its events: they share no id with others
LINGER_MS = 5


def main(brokers, topic, rate, seconds, entities):
    producer = Producer(CLIENT | {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": LINGER_MS})
    now_ms = int(time.time() * 1000)
    events = workload.stream(rate * seconds, entities, now_ms, now_ms + seconds * 1000, SEED)
    started, late_s = time.monotonic(), 0.0
    for tick, batch in enumerate(workload.batches(events, rate // TICKS_PER_S)):
        wait_s = started + tick / TICKS_PER_S - time.monotonic()
        late_s = max(late_s, -wait_s)
        time.sleep(max(0.0, wait_s))
        for number, event in enumerate(batch):
            producer.produce(topic, event, partition=place_of(number))
        producer.poll(0)
    producer.flush()
    print(f"{late_s * 1000:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
