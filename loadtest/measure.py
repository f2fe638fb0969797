"""Runs redis-benchmark, and makes one number of many."""

import csv
import dataclasses
import os
import statistics
import subprocess
import time

from servers import BenchError, children_cpu_s

REDIS_BENCHMARK = os.environ.get("REDIS_BENCHMARK", "redis-benchmark")
RUN_TIMEOUT_S = 120
CALIBRATION_PART = 10    # a run of this part of the time says how fast a server is
CALIBRATION_GROWTH = 4


@dataclasses.dataclass
class Run:
    """One run of redis-benchmark against one server."""

    requests_per_s: float
    cpu_us: float      # the server's, per request
    p99_ms: float      # as redis-benchmark sees it: from sending the pipeline to its last reply
    load_busy: float   # part of the time that redis-benchmark was on its CPU: near 1, it is the limit
    command: list


@dataclasses.dataclass
class Spread:
    """Median, least and greatest of some measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        return cls(statistics.median(values), min(values), max(values))

    def text(self, pattern):
        """As '1.50 (1.48 to 1.55)', each number by the pattern, such as '{:.2f}'."""
        return f"{pattern.format(self.median)} ({pattern.format(self.low)} to {pattern.format(self.high)})"


def redis_benchmark(peer, words, requests, pipeline=1, connections=50, keys=0):
    """Runs redis-benchmark with one command; `keys` > 0 draws __rand_int__ below it. Any error reply fails it."""
    command = [REDIS_BENCHMARK, "-p", str(peer.port), "-c", str(connections), "-P", str(pipeline), "-n", str(requests),
               *(["-r", str(keys)] if keys else []), "--csv", *words]
    cpu_s, load_s, start_s = peer.cpu_s(), children_cpu_s(), time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise peer.failed(f"{' '.join(command)}: not done after {RUN_TIMEOUT_S} s") from error
    wall_s = time.monotonic() - start_s
    rows = list(csv.reader(done.stdout.splitlines()))
    if done.returncode != 0 or len(rows) != 2 or "rror" in done.stderr:
        raise BenchError(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    result = dict(zip(rows[0], rows[1]))
    return Run(float(result["rps"]), (peer.cpu_s() - cpu_s) / requests * 1e6, float(result["p99_latency_ms"]),
               min(1.0, (children_cpu_s() - load_s) / wall_s), command)


def requests_for(peer, words, seconds, least, **options):
    """How many requests take about that long, at least `least`. Found by runs of growing length, which warm up, too."""
    requests = least
    while True:
        took_s = requests / redis_benchmark(peer, words, requests, **options).requests_per_s  # inf requests/s: below 1 ms
        if took_s >= seconds / CALIBRATION_PART:
            return max(least, int(requests * seconds / took_s))
        requests *= CALIBRATION_GROWTH
