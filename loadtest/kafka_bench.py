"""The subject `kafka`: events of a topic to features, against Kafka Streams and against our own sliding windows; how
soon they are read; what reads take while asofd catches up."""

import dataclasses

from confluent_kafka import KafkaException

import kafka_cost
import kafka_reads
from kafka_log import BrokerError, Log
from servers import BenchError, require

TOPIC = "payments"
SEED = 800  # of the topic's events


@dataclasses.dataclass
class KafkaResult:
    entities: int
    events: int          # of the topic
    streams: object      # kafka_cost.StreamsCost
    hopping: list        # of kafka_cost.AsofdCost, one a round
    exact: list
    freshness: object    # kafka_reads.Freshness
    catch_up: object     # kafka_reads.CatchUp


def measure(folder, size, say):
    """All of it with one broker. `size` is of bench.py: entities, and what begins with kafka_."""
    require("java", "install Debian's package default-jre-headless")
    try:
        return _measure(folder, size, say)
    except (BrokerError, KafkaException) as error:
        raise BenchError(f"kafka: {error}") from error


def _measure(folder, size, say):
    entities, events = size["entities"], size["kafka_events"]

    def place(name):
        path = folder / name
        path.mkdir()
        return path

    say(f"a broker, and a topic of {events:,} events")
    with Log(folder) as log:
        log.create(TOPIC)
        log.fill(TOPIC, events, entities, SEED)
        hopping, exact = [], []
        for number in range(size["kafka_rounds"]):
            for results, is_exact in ((hopping, False), (exact, True)):
                path = place(f"{'exact' if is_exact else 'hopping'}{number}")
                results.append(kafka_cost.measure_asofd(log, TOPIC, path, entities, is_exact, say))
        streams = kafka_cost.measure_streams(log, TOPIC, place("streams"), size["kafka_warm_up_events"], size["kafka_run_s"],
                                             say)
        freshness = kafka_reads.measure_freshness(log, "fresh", place("fresh"), entities, size["kafka_fresh_s"], say)
        catch_up = kafka_reads.measure_catch_up(log, "waiting", place("waiting"), entities, size["kafka_waiting_events"],
                                                size["kafka_idle_s"], say)
    return KafkaResult(entities, events, streams, hopping, exact, freshness, catch_up)
