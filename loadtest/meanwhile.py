"""What reads feel of work in the background: HMGET at a fixed rate, without it and while it is done."""

import dataclasses
import random
import subprocess

from replay import Stream, histogram, replay, write_requests
from resp import encode
from servers import BenchError
from workload import FEATURES_READ

READS_PER_S = 5_000
CONNECTIONS = 50
KEYS = 20_000         # distinct reads
SLICE_S = 1           # reads are sent for so long, again and again while the work goes on


@dataclasses.dataclass
class Reads:
    idle: object          # histogram, µs: with nothing to do beside
    busy: object          # the same meanwhile
    is_load_late: bool


def read_meanwhile(asofd, folder, view, entities, commands, idle_s):
    """Reads of random entities of the view, `idle_s` seconds before each of the commands (words of `asof`) and as long as it
    runs; only slices that lie within one count as such."""
    draw = random.Random(KEYS)
    path = write_requests(folder / "reads", [
        (encode("HMGET", f"{view}:{draw.randrange(entities):012d}", *FEATURES_READ), 1) for _ in range(KEYS)])
    stream = Stream("reads", "load", path, READS_PER_S, CONNECTIONS)
    reads = Reads(histogram(), histogram(), False)

    def slice_into(latencies):
        outcome = replay(asofd, SLICE_S, [stream])["reads"]
        latencies.add(outcome.latencies)
        reads.is_load_late |= outcome.is_load_late

    slice_into(histogram())  # to warm up
    for words in commands:
        for _ in range(idle_s):
            slice_into(reads.idle)
        _read_during(asofd, words, slice_into, reads.busy)
    if reads.busy.get_total_count() == 0:
        raise BenchError(f"asof {words[0]} took less than {SLICE_S} s: too little to tell what reads feel of it")
    return reads


def _read_during(asofd, words, slice_into, latencies):
    command = subprocess.Popen(asofd.asof_command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while command.poll() is None:
            slice_of = histogram()
            slice_into(slice_of)
            if command.poll() is None:
                latencies.add(slice_of)
        if command.returncode != 0:
            raise asofd.failed(f"asof {words[0]}: {command.stderr.read().strip()}")
    finally:
        command.kill()
        command.communicate()
