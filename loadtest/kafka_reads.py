"""Reads of what comes by Kafka: how soon an event is read after it was produced, and how long reads take while
asofd catches up."""

import dataclasses
import random
import subprocess
import sys
import time

import workload
from kafka_cost import catch_up, position, read_all
from kafka_log import FEATURES, PARTITIONS, ROOT, place_of
from replay import Stream, histogram, replay, write_requests
from resp import encode
from servers import Asofd, BenchError

EVENTS_PER_S = 10_000            # beside the probes
PROBES_PER_S = 50
PROBE_ENTITIES = 20
PROBE_FIRST = 600_000_000_000    # cards that nobody else's events are of
PROBE_NUMBER = 950_000_000_000   # of their event ids
PROBE_POLL_S = 0.0005            # between two looks whether it is there
PROBE_TIMEOUT_S = 30
LOAD_TIMEOUT_S = 120             # beyond the time of the run
READS_PER_S = 5_000
CONNECTIONS = 50
SLICE_S = 2                      # reads are sent for so long, again and again while it catches up
SLICES_MAX = 45                  # then enough is known
KEYS = 10_000                    # distinct reads


@dataclasses.dataclass
class Freshness:
    events_per_s: float    # that were produced, probes included
    late_ms: float         # how late the load was at most
    latencies: object      # µs, from produce() to the first read that shows it


@dataclasses.dataclass
class CatchUp:
    waiting: int           # events, when it began
    events: int            # of them that were taken while it was read
    wall_s: float
    idle: object           # µs, of reads with nothing to do beside
    busy: object           # the same while it caught up
    is_load_late: bool


def measure_freshness(log, topic, folder, entities, seconds, say):
    """Freshness at EVENTS_PER_S, on a server that has nothing else."""
    say(f"produced to readable at {EVENTS_PER_S:,} events/s")
    log.create(topic)
    with Asofd(folder) as asofd:
        asofd.apply(log.definitions(topic, folder))
        catch_up(asofd, log, topic)
        load = subprocess.Popen([sys.executable, str(ROOT / "loadtest/kafka_load.py"), log.address, topic, str(EVENTS_PER_S),
                                 str(seconds), str(entities)], stdout=subprocess.PIPE, text=True)
        try:
            _wait_for_events(log, topic)
            start_s, before = time.monotonic(), sum(log.ends(topic).values())
            latencies = _probe(asofd, log, topic, seconds)
            events, took_s = sum(log.ends(topic).values()) - before, time.monotonic() - start_s
            late_ms = float(load.communicate(timeout=seconds + LOAD_TIMEOUT_S)[0] or "inf")
        finally:
            load.kill()
            load.wait()
        catch_up(asofd, log, topic)
    return Freshness(events / took_s, late_ms, latencies)


def _wait_for_events(log, topic):
    deadline = time.monotonic() + LOAD_TIMEOUT_S
    while sum(log.ends(topic).values()) < EVENTS_PER_S // 10:
        if time.monotonic() > deadline:
            raise BenchError(f"nothing was produced within {LOAD_TIMEOUT_S} s")
        time.sleep(0.05)


def _probe(asofd, log, topic, seconds):
    """One event after the other, each read until it counts. The load runs a second longer than this. The first ones, by
    which the producer gets to know the broker, are left out."""
    producer = log.producer(**{"linger.ms": 0})
    latencies, until, number = histogram(), time.monotonic() + seconds - 1, 0
    with asofd.client() as client:
        while time.monotonic() < until:
            started = time.monotonic()
            entity, expected = PROBE_FIRST + number % PROBE_ENTITIES, number // PROBE_ENTITIES + 1
            event = workload.event(PROBE_NUMBER + number, int(time.time() * 1000), entity, workload.Same)
            producer.produce(topic, event, partition=place_of(number))
            producer.poll(0)
            _wait_for_count(asofd, client, entity, expected)
            took_s = time.monotonic() - started
            if number >= PARTITIONS:
                latencies.record_value(int(took_s * 1e6))
            number += 1
            time.sleep(max(0.0, 1 / PROBES_PER_S - took_s))
    return latencies


def _wait_for_count(asofd, client, entity, expected):
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    while int(client.call("HGET", workload.key(entity), "session_payments") or 0) < expected:
        if time.monotonic() > deadline:
            raise asofd.failed(f"an event that was produced is not read after {PROBE_TIMEOUT_S} s")
        time.sleep(PROBE_POLL_S)


def measure_catch_up(log, topic, folder, entities, events, idle_s, say):
    """A CatchUp: asofd has a topic, is stopped, and comes back when `events` more are waiting."""
    say(f"catching up with {events:,} events while it is read")
    log.create(topic)
    log.fill(topic, entities, entities, seed=801)
    reads = write_requests(folder / "reads", _reads(entities))
    with Asofd(folder) as asofd:
        asofd.apply(log.definitions(topic, folder))
        catch_up(asofd, log, topic)
        read_all(asofd, entities)
        asofd.wait_quiet()
        idle = _slice(asofd, reads, idle_s)
    log.fill(topic, events, entities, seed=802)
    with Asofd(folder) as asofd:
        return _read_while_catching_up(asofd, log, topic, reads, events, idle)


def _read_while_catching_up(asofd, log, topic, reads, events, idle):
    """Only reads count that were sent while there was something left to catch up with."""
    ends, busy, wall_s, is_late = log.ends(topic), histogram(), 0.0, idle.is_load_late
    with asofd.client() as client:
        first = last = position(client)
        start_s = time.monotonic()
        for _ in range(SLICES_MAX):
            outcome = _slice(asofd, reads, SLICE_S)
            now = position(client)
            if now == ends:
                break
            busy.add(outcome.latencies)
            is_late |= outcome.is_load_late
            last, wall_s = now, time.monotonic() - start_s
    if busy.get_total_count() == 0:
        raise BenchError(f"asofd caught up with {events:,} events within {SLICE_S} s: too few to tell")
    catch_up(asofd, log, topic)
    return CatchUp(events, sum(last.values()) - sum(first.values()), wall_s, idle.latencies, busy, is_late)


def _slice(asofd, reads, seconds):
    return replay(asofd, seconds, [Stream("reads", "load", reads, READS_PER_S, CONNECTIONS)])["reads"]


def _reads(entities):
    draw = random.Random(KEYS)
    return [(encode("HMGET", workload.key(draw.randrange(entities)), *FEATURES), 1) for _ in range(KEYS)]
