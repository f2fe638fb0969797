"""Start after a crash: kill -9 with many entities stored, then the time to the ready line."""

import dataclasses
import time

import workload
from measure import Spread
from pair import push_all
from servers import Asofd

AGAIN_PART = 5      # between two kills so small a part of the entities gets another event
KEYS_CHECKED = 100


@dataclasses.dataclass
class RestartResult:
    entities: int
    rounds: int
    ready_s: Spread     # start of the process to its ready line
    log_bytes: Spread   # of the write-ahead log when it was killed


def measure(folder, entities, rounds, say):
    """Pushes an event of each entity, kills the server and starts it again; then the same after further events.
    The page cache is warm. BenchError where an acknowledged event is not there."""
    say(f"start after kill -9 with {entities:,} entities")
    ready_s, log_bytes = [], []
    asofd = Asofd(folder)
    try:
        asofd.apply(workload.DEFINITIONS)
        for number in range(rounds):
            count = entities if number == 0 else entities // AGAIN_PART
            push_all(asofd, _events(count, number))
            log_bytes.append(asofd.log_bytes())
            asofd.kill()
            asofd.stop()
            start_s = time.monotonic()
            asofd = Asofd(folder)
            ready_s.append(time.monotonic() - start_s)
            _check(asofd, count, number + 1)
    finally:
        asofd.stop()
    return RestartResult(entities, rounds, Spread.of(ready_s), Spread.of(log_bytes))


def _events(count, number):
    """One event of each of the first `count` entities."""
    now_ms = int(time.time() * 1000)
    return [workload.event(number * 10**9 + entity, now_ms - (entity * 7919) % workload.AGE_MAX_MS, entity, _Bits(entity))
            for entity in range(count)]


class _Bits:
    """Draws what an entity's number makes."""

    def __init__(self, entity):
        self.bits = entity * 2_654_435_761

    def getrandbits(self, count):
        return self.bits & ((1 << count) - 1)


def _check(asofd, count, expected):
    with asofd.client() as client:
        for entity in range(0, count, max(1, count // KEYS_CHECKED)):
            counted = client.call("HGET", workload.key(entity), "payments_7d")
            if int(counted) != expected:
                raise asofd.failed(f"after a kill {workload.key(entity)} has {counted!r} events of {expected}")
