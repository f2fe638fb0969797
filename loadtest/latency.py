"""Latency of HMGET at fixed rates, at asofd and at redis-server: alone, and while both are written to.

The loop is open: a request is due at its time, and its latency counts from then. So a server that stops for
a moment pays for all requests that were due meanwhile (coordinated omission is corrected)."""

import dataclasses
import random
import time

import workload
from measure import Spread
from replay import Stream, histogram, percentile_ms, replay, write_requests
from resp import encode

CONNECTIONS = 50
READS_PER_S_MIXED = 20_000
EVENTS_PER_S = 20_000
EVENTS_PER_CALL = 10      # of ASOF.PUSH; as many HSETs are sent to redis-server at once
WRITERS = 8
SEED_EVENTS = 300         # of workload.stream; each run has events of its own
WARM_WRITES = 4           # of each entity on the average, before it is measured


@dataclasses.dataclass
class Latency:
    """One server at one rate, over all rounds."""

    rate: int
    p50_ms: Spread
    p99_ms: Spread
    p999_ms: Spread
    per_s: Spread
    is_held: bool        # in each round
    is_load_late: bool   # in any round: then it is the load that was measured
    histogram: object    # of all rounds together, µs


@dataclasses.dataclass
class RateResult:
    rate: int
    asofd: Latency
    redis: Latency


@dataclasses.dataclass
class MixedResult:
    """HMGET while events are pushed to asofd, and as many HSETs sent to redis-server."""

    rounds: int
    asofd: Latency        # of the reads
    redis: Latency
    ratio: Spread         # of p99, asofd to redis-server of one round
    asofd_writes: Latency # of ASOF.PUSH of EVENTS_PER_CALL events
    redis_writes: Latency # of EVENTS_PER_CALL HSETs in one pipeline
    asofd_cpu: Spread     # CPU seconds a second
    redis_cpu: Spread


def measure(pair, folder, rates, rounds, run_s, say):
    """A RateResult for each rate: A B A B `rounds` times, `run_s` seconds each."""
    path = write_requests(folder / "reads", pair.reads())
    results = []
    for rate in rates:
        say(f"HMGET at {rate:,} requests/s, {rounds} rounds")
        outcomes = {peer: [] for peer in pair.peers}
        for _ in range(rounds):
            for peer in pair.peers:
                outcomes[peer].append(replay(peer, run_s, [Stream("reads", "load", path, rate, CONNECTIONS)])["reads"])
        results.append(RateResult(rate, *(_latency(outcomes[peer]) for peer in pair.peers)))
    return results


def _latency(outcomes):
    def percentiles(percent):
        return Spread.of([percentile_ms(outcome.latencies, percent) for outcome in outcomes])

    together = histogram()
    for outcome in outcomes:
        together.add(outcome.latencies)
    return Latency(outcomes[0].rate, percentiles(50), percentiles(99), percentiles(99.9),
                   Spread.of([outcome.per_s for outcome in outcomes]), all(outcome.is_held for outcome in outcomes),
                   any(outcome.is_load_late for outcome in outcomes), together)


def measure_mixed(pair, folder, rounds, run_s, say):
    """Reads and writes at their rates, both over all entities alike: A B A B `rounds` times. Before, the same load
    until most entities were written and read in turn: what either server keeps of such entities is then there."""
    reads = write_requests(folder / "reads", pair.reads())
    hsets = write_requests(folder / "hsets", _hsets(pair))
    outcomes, cpu = {peer: [] for peer in pair.peers}, {peer: [] for peer in pair.peers}

    def run(peer, writes, seconds):
        return replay(peer, seconds, [Stream("reads", "load", reads, READS_PER_S_MIXED, CONNECTIONS),
                                      Stream("writes", "load", writes, EVENTS_PER_S // EVENTS_PER_CALL, WRITERS)])

    warm_s = max(run_s, WARM_WRITES * pair.entities / EVENTS_PER_S)
    say(f"HMGET while {EVENTS_PER_S:,} events/s are written: {warm_s:.0f} s each to warm up")
    for peer, writes in zip(pair.peers, (write_requests(folder / "pushes", _pushes(pair, -1, warm_s)), hsets)):
        run(peer, writes, warm_s)
    for number in range(rounds):
        say(f"HMGET while {EVENTS_PER_S:,} events/s are written, round {number + 1} of {rounds}")
        pushes = write_requests(folder / "pushes", _pushes(pair, number, run_s))
        for peer, writes in zip(pair.peers, (pushes, hsets)):
            before_s = peer.cpu_s()
            outcomes[peer].append(run(peer, writes, run_s))
            cpu[peer].append((peer.cpu_s() - before_s) / run_s)
    p99_ms = {peer: [percentile_ms(outcome["reads"].latencies, 99) for outcome in outcomes[peer]] for peer in pair.peers}
    return MixedResult(rounds, *(_latency([outcome["reads"] for outcome in outcomes[peer]]) for peer in pair.peers),
                       Spread.of([a / b for a, b in zip(p99_ms[pair.asofd], p99_ms[pair.redis])]),
                       *(_latency([outcome["writes"] for outcome in outcomes[peer]]) for peer in pair.peers),
                       *(Spread.of(cpu[peer]) for peer in pair.peers))


def _pushes(pair, number, run_s):
    """Events of now, each entity as likely as any other."""
    draw = random.Random(SEED_EVENTS + number)
    now_ms, count = int(time.time() * 1000), int(EVENTS_PER_S * run_s)
    first = (SEED_EVENTS + number) * 10**9
    events = [workload.event(first + i, now_ms - 1000 + 1000 * i // count, draw.randrange(pair.entities), draw)
              for i in range(count)]
    return [(encode("ASOF.PUSH", workload.SOURCE, *batch), 1) for batch in workload.batches(events, EVENTS_PER_CALL)]


def _hsets(pair):
    """HSETs of whole rows, EVENTS_PER_CALL at once: an event changes most of the features of its entity."""
    draw = random.Random(SEED_EVENTS)
    hsets = [encode("HSET", workload.key(entity), *draw.choice(pair.sample)) for entity in pair.some_entities(SEED_EVENTS)]
    return [(b"".join(batch), len(batch)) for batch in workload.batches(hsets, EVENTS_PER_CALL)]
