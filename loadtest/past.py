"""Point in time: ten features of a random entity as of a random moment of its history, all blocks in the cache."""

import bisect
import collections
import dataclasses
import json
import random

import workload
from measure import Spread
from replay import Stream, replay, write_requests
from resp import Got, encode

IN_FLIGHT = 16     # on each connection
CONNECTIONS = 8
CHECKED = 500      # answers that are held against the events
CACHE = ("--block-cache-bytes", "1GiB")  # all that is read fits


@dataclasses.dataclass
class PastResult:
    entities: int
    rounds: int
    rows_per_cpu_s: Spread
    rows_per_s: Spread
    cpu_us: Spread       # the server's, per row


def measure(pair, folder, rounds, run_s, say):
    """Starts asofd anew, so that all events are in sorted files, reads until the cache is warm, then measures.
    BenchError where an answer does not count the events that were there by its T."""
    say(f"point in time, {rounds} rounds")
    questions = _questions(pair)
    path = write_requests(folder / "past", [(encode(*_words(*question)), 1) for question in questions])
    stream = Stream("past", "full", path, IN_FLIGHT, CONNECTIONS)
    pair.restart_asofd(*CACHE)
    _check(pair, questions[:CHECKED])
    replay(pair.asofd, run_s, [stream])
    cpu_us, rows_per_s = [], []
    for _ in range(rounds):
        before_s = pair.asofd.cpu_s()
        outcome = replay(pair.asofd, run_s, [stream])["past"]
        cpu_us.append((pair.asofd.cpu_s() - before_s) / outcome.answered * 1e6)
        rows_per_s.append(outcome.per_s)
    pair.restart_asofd()
    return PastResult(pair.entities, rounds, Spread.of([1e6 / cost for cost in cpu_us]), Spread.of(rows_per_s),
                      Spread.of(cpu_us))


def _questions(pair):
    """(entity, T): T at random from the oldest possible event to the moment of loading."""
    draw = random.Random(workload.SEED)
    last_us, span_us = pair.loaded_ms * 1000, workload.AGE_MAX_MS * 1000
    return [(entity, last_us - draw.randrange(span_us)) for entity in pair.some_entities(workload.SEED + 1)]


def _words(entity, t_us):
    return "ASOF.GET", workload.key(entity), "AT", t_us, "FIELDS", *workload.FEATURES_READ


def _check(pair, questions):
    """No event is as old as the longest window: it must count all events by T."""
    times_ms = collections.defaultdict(list)
    for event in workload.history(pair.entities, pair.loaded_ms):
        fields = json.loads(event)
        times_ms[int(fields["card"])].append(fields["ts"])
    with pair.asofd.client() as client:
        for entity, t_us in questions:
            got = Got(client.call(*_words(entity, t_us)))
            expected = bisect.bisect_right(sorted(times_ms[entity]), t_us / 1000)
            if got.values["payments_7d"] != str(expected):
                raise pair.asofd.failed(f"{workload.key(entity)} has {expected} events by {t_us}, counted are {got.values}")
