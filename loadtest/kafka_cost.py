"""Events of a topic to durable features, exactly once: what asofd and Kafka Streams use for one, and how many they
do in a second."""

import dataclasses
import json
import time

import workload
from kafka_log import BUSIEST, FEATURES, place_of
from kafka_streams import Streams
from measure import Spread
from servers import Asofd, BenchError

POLL_S = 0.1
CATCH_UP_S = 600
WARM_UP_MAX_S = 180
PARTS = 4             # of a run of Kafka Streams: they tell whether it still becomes faster
READS_AT_ONCE = 500


@dataclasses.dataclass
class StreamsCost:
    warm_up_s: float       # that were left out: starting, and compiling what runs often
    warm_up_events: int
    events: int            # of the seconds behind them
    wall_s: float
    cpu_us: Spread         # of an event, over parts of that time
    per_s: Spread          # events


@dataclasses.dataclass
class AsofdCost:
    """One whole topic, read by an empty server."""

    events: int
    wall_s: float          # until the last event was in the database
    cpu_s: float           # until it was quiet again
    cpu_read_s: float      # of reading all features of each entity, once
    cpu_compact_s: float   # of a compaction of everything

    @property
    def cpu_us(self):
        """With the reads: features are evaluated then."""
        return (self.cpu_s + self.cpu_read_s) / self.events * 1e6

    @property
    def per_s(self):
        return self.events / self.wall_s


def measure_streams(log, topic, folder, warm_up_events, run_s, say):
    """A StreamsCost: over run_s, once it has done so many events. BenchError where it does not count what it has read."""
    say(f"Kafka Streams: {warm_up_events:,} events, then {run_s:.0f} s")
    ends = log.ends(topic)
    with Streams(folder, log, topic) as streams:
        start_s = time.monotonic()
        marks = [_mark(streams, ends, warm_up_events, start_s + WARM_UP_MAX_S)]
        for _ in range(PARTS):
            marks.append(_mark(streams, ends, sum(ends.values()), time.monotonic() + run_s / PARTS))
        counted = streams.end()
        expected = log.busiest_before(topic, streams.committed()[place_of(BUSIEST)])
    if counted != expected:
        raise BenchError(f"kafka-streams: {expected} events of the busiest entity were read, {counted} are counted")
    parts = [(b.events - a.events, b.at_s - a.at_s, b.cpu_s - a.cpu_s) for a, b in zip(marks, marks[1:]) if b.events > a.events]
    if not parts:
        raise streams.failed(f"took no event in {run_s:.0f} s")
    return StreamsCost(marks[0].at_s - start_s, marks[0].events, marks[-1].events - marks[0].events,
                       marks[-1].at_s - marks[0].at_s, Spread.of([cpu_s / events * 1e6 for events, _, cpu_s in parts]),
                       Spread.of([events / took_s for events, took_s, _ in parts]))


@dataclasses.dataclass
class _Mark:
    events: int  # that were committed
    at_s: float
    cpu_s: float


def _mark(streams, ends, events, until_s):
    """How far it is once it has come to so many events, or to the end, or until then."""
    while True:
        streams.check()
        committed = streams.committed()
        done = sum(committed.values())
        if done >= events or committed == ends or time.monotonic() >= until_s:
            return _Mark(done, time.monotonic(), streams.cpu_s())
        time.sleep(POLL_S)


def measure_asofd(log, topic, folder, entities, is_exact, say):
    """An AsofdCost. BenchError where the busiest entity does not count all of its events."""
    say(f"asofd, {'sliding' if is_exact else 'hopping'} windows")
    events = sum(log.ends(topic).values())
    with Asofd(folder) as asofd:
        asofd.wait_quiet()
        start_s, cpu_s = time.monotonic(), asofd.cpu_s()
        asofd.apply(log.definitions(topic, folder, is_exact))
        catch_up(asofd, log, topic)
        wall_s = time.monotonic() - start_s
        asofd.wait_quiet()
        quiet_cpu_s = asofd.cpu_s()
        read_all(asofd, entities)
        result = AsofdCost(events, wall_s, quiet_cpu_s - cpu_s, asofd.cpu_s() - quiet_cpu_s, 0.0)
        _check_busiest(asofd, log, topic)
        result.cpu_compact_s = asofd.compact()
        return result


def catch_up(asofd, log, topic):
    """Waits until all that the topic holds by now is in the database."""
    ends = log.ends(topic)
    deadline = time.monotonic() + CATCH_UP_S
    with asofd.client() as client:
        while position(client) != ends:
            if time.monotonic() > deadline:
                raise asofd.failed(f"not caught up after {CATCH_UP_S} s")
            time.sleep(POLL_S)


def position(client):
    """{partition: how far asofd is in it}; what is before that is in its database."""
    (told,) = json.loads(client.call("ASOF.LAG", workload.SOURCE))
    return {place["partition"]: max(0, place["next_offset"] or 0) for place in told["partitions"]}


def read_all(asofd, entities):
    with asofd.client() as client:
        for batch in workload.batches(range(entities), READS_AT_ONCE):
            client.pipeline([("HMGET", workload.key(entity), *FEATURES) for entity in batch])


def _check_busiest(asofd, log, topic):
    with asofd.client() as client:
        counted = int(client.call("HGET", workload.key(BUSIEST), "session_payments"))
    expected = len(log.busiest_offsets[topic])
    if counted != expected:
        raise asofd.failed(f"{expected} events of the busiest entity are in the topic, {counted} are counted")
