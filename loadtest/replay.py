"""Loads at fixed rates, by the program of replay.c; their latencies as HdrHistograms."""

import dataclasses
import json
import os
import subprocess

from hdrh.histogram import HdrHistogram

from servers import ROOT, BenchError

REPLAY = os.environ.get("REPLAY", str(ROOT / "build/replay"))
LATENCY_MAX_US = 100_000_000
DIGITS = 3           # that a histogram keeps
RATE_HELD = 0.95     # of the requests, in the time that they were due in
LATE_MAX = 0.01      # of the requests: beyond, it was the load that was late
TIMEOUT_S = 120      # beyond the time of the run


@dataclasses.dataclass
class Stream:
    """One load. `path` is a file that write_requests or write_probes made."""

    name: str
    kind: str          # load (open loop), full (closed loop) or probe
    path: str
    rate: int          # requests a second; of full: requests in flight on each connection
    connections: int = 1


@dataclasses.dataclass
class Outcome:
    """What became of one stream."""

    seconds: float       # to the last answer
    due: int             # requests that should have been answered
    answered: int
    late: int            # requests that the load itself sent more than 1 ms after they were due
    stale: int           # probes whose first read did not show the write
    latencies: HdrHistogram  # µs, from when a request was due; what was never answered is in it
    reads: HdrHistogram      # µs, of probes: from the acknowledgement to the read that shows the write
    rate: int

    @property
    def per_s(self):
        return self.answered / self.seconds if self.seconds > 0 else 0.0

    @property
    def is_held(self):
        return self.answered == self.due and self.per_s >= self.rate * RATE_HELD

    @property
    def is_load_late(self):
        return self.late > self.due * LATE_MAX


def histogram(pairs=()):
    """A histogram of (µs, how many)."""
    result = HdrHistogram(1, LATENCY_MAX_US, DIGITS)
    for value_us, count in pairs:
        result.record_value(min(value_us, LATENCY_MAX_US), count)
    return result


def percentile_ms(latencies, percent):
    return latencies.get_value_at_percentile(percent) / 1000


def write_requests(path, requests):
    """Writes (bytes, how many replies they get), each sent as a whole."""
    with open(path, "wb") as file:
        for data, replies in requests:
            file.write(b"%d %d\n" % (len(data), replies) + data)
    return path


def write_probes(path, probes):
    """Writes (write, read, the least number that the read must answer)."""
    with open(path, "wb") as file:
        for write, read, expected in probes:
            file.write(b"%d %d %d\n" % (len(write), len(read), expected) + write + read)
    return path


def replay(peer, seconds, streams):
    """Runs the streams beside each other; an Outcome for each, by name. Any error reply is a BenchError."""
    command = [REPLAY, str(peer.port), str(seconds),
               *(f"{it.kind}:{it.name}:{it.path}:{it.rate}:{it.connections}" for it in streams)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise peer.failed(f"a load at a fixed rate was not done after {seconds + TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise BenchError(f"{peer.name}: {done.stderr.strip()}")
    measured = json.loads(done.stdout)
    return {it.name: _outcome(measured[it.name], it) for it in streams}


def _outcome(measured, stream):
    latencies, reads = histogram(measured.pop("latencies_us")), histogram(measured.pop("reads_us"))
    return Outcome(**measured, latencies=latencies, reads=reads, rate=stream.rate)
