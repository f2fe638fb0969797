"""Read after write: from the acknowledgement of a push on one connection to its value read on another,
while others push at a fixed rate. The rate is an open loop: a call is due at its time, however late the
answers to earlier ones are."""

import dataclasses
import gc
import multiprocessing
import os
import select
import signal
import time

import workload
from measure import percentile
from resp import encode
from servers import Asofd, BenchError

EVENTS_PER_CALL = 10
PROBES_PER_S = 200
PROBE_ENTITIES = 100
PROBE_FIRST = 500_000_000_000    # cards that the background does not touch
PROBE_NUMBER = 900_000_000_000   # of their event ids
FEATURE = "payments_1d"
CALLS_IN_FLIGHT_MAX = 1_000      # beyond these the rate is not held
RATE_HELD = 0.95
DRAIN_S = 20
STALE_MAX_S = 5
BACKGROUND_NICE = 19             # it shares its CPU with the prober, whose time is what is measured


@dataclasses.dataclass
class RateResult:
    """Latencies at one rate of events; rate 0 is an otherwise idle server."""

    rate: int
    reached: float         # events/s acknowledged, background only
    probes: int
    stale: int             # first reads that did not show the acknowledged event; must be 0
    read_p50_ms: float     # acknowledgement to new value
    read_p99_ms: float
    push_p50_ms: float     # due time of the probe's push to its acknowledgement
    push_p99_ms: float

    @property
    def is_held(self):
        return self.reached >= self.rate * RATE_HELD


def measure(folder, rates, seconds, entities, say):
    """Measures each rate for so many seconds, one after the other, on one server."""
    results = []
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        prober = _Prober(asofd)
        for index, rate in enumerate((0, *rates)):
            say(f"read after write at {rate:,} events/s")
            results.append(_at_rate(asofd, prober, rate, index, seconds, entities))
    return results


def _at_rate(asofd, prober, rate, index, seconds, entities):
    if rate == 0:
        return RateResult(0, 0.0, *prober.run(seconds))
    ours, theirs = multiprocessing.Pipe()
    background = multiprocessing.Process(target=_background, daemon=True,
                                         args=(asofd, rate, seconds, entities, index + 1, theirs))
    background.start()
    theirs.close()
    try:
        ours.recv()  # its events are made; the clock of both starts now
        measured = prober.run(seconds)
        reached = ours.recv()
    except EOFError as error:
        raise asofd.failed("the process that pushes in the background ended") from error
    finally:
        background.kill()
        background.join()
    if isinstance(reached, str):
        raise asofd.failed(reached)
    return RateResult(rate, reached, *measured)


def _background(asofd, rate, seconds, entities, seed, out):
    """In a process of its own: pushes at the rate, and sends events/s acknowledged, or what went wrong."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends it
    os.nice(BACKGROUND_NICE)
    now_ms = int(time.time() * 1000)
    stream = workload.stream(int(rate * seconds), entities, now_ms, now_ms + int(seconds * 1000), seed=100 + seed)
    calls = [encode("ASOF.PUSH", workload.SOURCE, *batch) for batch in workload.batches(stream, EVENTS_PER_CALL)]
    gc.disable()
    with asofd.client() as client:
        out.send("ready")
        try:
            out.send(_push_at_rate(client, calls, rate / EVENTS_PER_CALL))
        except (OSError, AssertionError, RuntimeError) as error:
            out.send(f"pushing in the background: {error}")


def _push_at_rate(client, calls, calls_per_s):
    """Sends each call when it is due; returns the events/s that were acknowledged."""
    start_s = time.monotonic()
    sent = answered = events = 0
    while answered < len(calls):
        due = min(len(calls), int((time.monotonic() - start_s) * calls_per_s) + 1, answered + CALLS_IN_FLIGHT_MAX)
        if due > sent:
            client.send(b"".join(calls[sent:due]))
            sent = due
        wait_s = max(0.0, start_s + sent / calls_per_s - time.monotonic()) if sent < len(calls) else DRAIN_S
        if not select.select([client.socket], [], [], wait_s)[0]:
            if sent == len(calls):
                raise RuntimeError(f"no answer for {DRAIN_S} s")
            continue
        reply = client.read()
        while True:
            if not isinstance(reply, int):
                raise RuntimeError(f"a push was answered {reply!r}")
            answered += 1
            events += reply
            if client.reader.is_at_end():
                break
            reply = client.read()
    return events / (time.monotonic() - start_s)


class _Prober:
    """Pushes one event, and reads it on the other connection as soon as it is acknowledged."""

    def __init__(self, asofd):
        self.writer = asofd.client()
        self.reader = asofd.client()
        self.pushed = 0

    def run(self, seconds):
        """probes, stale, read p50, read p99, push p50, push p99 (ms) of probes at their times."""
        reads_ms, pushes_ms, stale = [], [], 0
        gc.collect()
        gc.disable()
        start_s = time.monotonic()
        for i in range(int(seconds * PROBES_PER_S)):
            due_s = start_s + i / PROBES_PER_S
            now_s = time.monotonic()
            if now_s > start_s + 2 * seconds:
                break  # the server is far behind; what was measured says so
            time.sleep(max(0.0, due_s - now_s))
            acknowledged_s, read_s, is_stale = self._probe()
            pushes_ms.append((acknowledged_s - due_s) * 1e3)
            reads_ms.append((read_s - acknowledged_s) * 1e3)
            stale += is_stale
        gc.enable()
        return (len(reads_ms), stale, percentile(reads_ms, 50), percentile(reads_ms, 99),
                percentile(pushes_ms, 50), percentile(pushes_ms, 99))

    def _probe(self):
        """When the push was acknowledged, when its value was read, and whether the first read missed it."""
        entity = PROBE_FIRST + self.pushed % PROBE_ENTITIES
        expected = self.pushed // PROBE_ENTITIES + 1
        event = workload.event(PROBE_NUMBER + self.pushed, int(time.time() * 1000), entity, _Ones)
        self.pushed += 1
        self.writer.call("ASOF.PUSH", workload.SOURCE, event)
        acknowledged_s = time.monotonic()
        is_stale = False
        while int(self.reader.call("HGET", workload.key(entity), FEATURE)) < expected:
            is_stale = True
            if time.monotonic() > acknowledged_s + STALE_MAX_S:
                raise BenchError(f"an acknowledged event of {workload.key(entity)} is not read after {STALE_MAX_S} s")
        return acknowledged_s, time.monotonic(), is_stale


class _Ones:
    """Draws the same values for each probe."""

    @staticmethod
    def getrandbits(_):
        return 1
