"""Ingestion: ASOF.PUSH of 100 events a call, acknowledged after fsync, keys skewed. CPU is counted until the
server is quiet again, and with it that of a full compaction: a run is too short for RocksDB to come to one itself."""

import dataclasses
import select
import time

import workload
from servers import Asofd  # before resp, which it makes known
from resp import encode

EVENTS_PER_CALL = 100
CONNECTIONS = 8            # each with one call in flight
STREAM_SPAN_MS = 3_600_000  # the events are of the last hour
SEND_MAX_S = 60            # what is not sent by then stays out
REPLY_TIMEOUT_S = 30


@dataclasses.dataclass
class PushesResult:
    events: int
    event_bytes: float
    wall_s: float          # first call to last acknowledgement
    cpu_push_s: float      # server CPU in that time
    cpu_quiet_s: float     # server CPU until it was quiet
    cpu_compact_s: float   # of a compaction of everything, with the last flush
    flushed_files: int     # sorted files written until it was quiet; 0: the run was too short to speak for more
    written_bytes: int     # to the disk, until it was quiet
    rss_growth_bytes: int

    @property
    def events_per_s(self):
        return self.events / self.wall_s

    @property
    def events_per_cpu_s(self):
        return self.events / (self.cpu_quiet_s + self.cpu_compact_s)


def measure(folder, events, entities, rounds, say):
    """A PushesResult for each round, each into an empty server."""
    results = []
    for number in range(rounds):
        say(f"pushing {events:,} events")
        round_folder = folder / str(number)
        round_folder.mkdir()
        results.append(_round(round_folder, events, entities))
    return results


def _round(folder, events, entities):
    """Pushes the events. BenchError where a call is refused, or where the busiest entity does not count all
    that was acknowledged."""
    now_ms = int(time.time() * 1000)
    stream = workload.stream(events, entities, now_ms - STREAM_SPAN_MS, now_ms)
    calls = [encode("ASOF.PUSH", workload.SOURCE, *batch) for batch in workload.batches(stream, EVENTS_PER_CALL)]
    event_bytes = sum(map(len, stream)) / len(stream)
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        asofd.wait_quiet()
        cpu_s, written, rss, start_s = asofd.cpu_s(), asofd.written_bytes(), asofd.rss_bytes(), time.monotonic()
        acknowledged = _send(asofd, calls)
        wall_s, cpu_push_s = time.monotonic() - start_s, asofd.cpu_s() - cpu_s
        asofd.wait_quiet()
        result = PushesResult(acknowledged, event_bytes, wall_s, cpu_push_s, asofd.cpu_s() - cpu_s, 0.0,
                              asofd.sorted_files(), asofd.written_bytes() - written, asofd.rss_bytes() - rss)
        _check_busiest(asofd, stream[:acknowledged])
        result.cpu_compact_s = asofd.compact()
        return result


def _check_busiest(asofd, pushed):
    """Holds the count of entity 0, the most frequent one, against the events that were acknowledged."""
    expected = sum(b'"card":"%012d"' % 0 in event for event in pushed)
    with asofd.client() as client:
        counted = int(client.call("HGET", workload.key(0), "payments_7d"))
    if counted != expected:
        raise asofd.failed(f"{expected} events of {workload.key(0)} were acknowledged, {counted} are counted")


def _send(asofd, calls):
    """Sends the calls, one in flight on each connection; returns how many events were acknowledged."""
    deadline = time.monotonic() + SEND_MAX_S
    waiting = iter(calls)
    acknowledged = 0
    clients = {}
    try:
        for _, call in zip(range(CONNECTIONS), waiting):
            client = asofd.client()
            clients[client.socket] = client
            client.send(call)
        busy = set(clients)
        while busy:
            readable, _, _ = select.select(busy, [], [], REPLY_TIMEOUT_S)
            if not readable:
                raise asofd.failed(f"no answer to a push for {REPLY_TIMEOUT_S} s")
            for ready in readable:
                reply = clients[ready].read()
                if not isinstance(reply, int):
                    raise asofd.failed(f"a push was answered {reply!r}")
                acknowledged += reply
                call = next(waiting, None) if time.monotonic() < deadline else None
                if call is None:
                    busy.discard(ready)
                else:
                    clients[ready].send(call)
        return acknowledged
    finally:
        for client in clients.values():
            client.close()
