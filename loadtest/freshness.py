"""Read after write: from the acknowledgement of a push on one connection to its value read on another,
while others push at a fixed rate."""

import dataclasses
import time

import workload
from replay import Outcome, Stream, percentile_ms, replay, write_probes, write_requests
from resp import encode
from servers import Asofd

EVENTS_PER_CALL = 10
CONNECTIONS = 8
PROBES_PER_S = 200
PROBE_ENTITIES = 100             # of each rate
PROBE_FIRST = 500_000_000_000    # cards that the background does not touch
PROBE_NUMBER = 900_000_000_000   # of their event ids
FEATURE = "payments_1d"
SEED_EVENTS = 100                # of workload.stream; each rate has events of its own


@dataclasses.dataclass
class RateResult:
    """Latencies at one rate of events; rate 0 is an otherwise idle server."""

    rate: int
    reached: float         # events/s acknowledged, background only
    is_held: bool
    is_load_late: bool     # then the rate was not the one that was asked for
    probe: Outcome

    @property
    def read_p99_ms(self):
        return percentile_ms(self.probe.reads, 99)


def measure(folder, rates, seconds, entities, say):
    """Measures each rate for so many seconds, one after the other, on one server."""
    results = []
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        for index, rate in enumerate((0, *rates)):
            say(f"read after write at {rate:,} events/s")
            results.append(_at_rate(asofd, folder, rate, index, seconds, entities))
    return results


def _at_rate(asofd, folder, rate, index, seconds, entities):
    probes = write_probes(folder / "probes", _probes(index, int(seconds * PROBES_PER_S)))
    streams = [Stream("probe", "probe", probes, PROBES_PER_S)]
    if rate > 0:
        pushes = write_requests(folder / "pushes", _pushes(rate, index, seconds, entities))
        streams.append(Stream("pushes", "load", pushes, rate // EVENTS_PER_CALL, CONNECTIONS))
    outcomes = replay(asofd, seconds, streams)
    probe, pushed = outcomes["probe"], outcomes.get("pushes")
    if probe.answered < probe.due:
        raise asofd.failed("an acknowledged event was never read")
    if pushed is None:
        return RateResult(0, 0.0, True, False, probe)
    return RateResult(rate, pushed.per_s * EVENTS_PER_CALL, pushed.is_held, pushed.is_load_late, probe)


def _pushes(rate, index, seconds, entities):
    now_ms = int(time.time() * 1000)
    stream = workload.stream(int(rate * seconds), entities, now_ms - int(seconds * 1000), now_ms, seed=SEED_EVENTS + index)
    return [(encode("ASOF.PUSH", workload.SOURCE, *batch), 1) for batch in workload.batches(stream, EVENTS_PER_CALL)]


def _probes(index, count):
    """One event each, and the read whose count must show it. Their time has come before they are sent."""
    now_ms = int(time.time() * 1000)
    for i in range(count):
        entity, expected = PROBE_FIRST + index * PROBE_ENTITIES + i % PROBE_ENTITIES, i // PROBE_ENTITIES + 1
        event = workload.event(PROBE_NUMBER + index * count + i, now_ms, entity, workload.Same)
        yield (encode("ASOF.PUSH", workload.SOURCE, event), encode("HGET", workload.key(entity), FEATURE), expected)
