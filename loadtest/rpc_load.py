"""A closed loop of calls, by the program of rpc_load.c."""

import dataclasses
import json
import os
import struct
import subprocess

from hdrh.histogram import HdrHistogram

from replay import histogram, percentile_ms
from servers import ROOT, BenchError

RPC_LOAD = os.environ.get("RPC_LOAD", str(ROOT / "build/rpc_load"))
TIMEOUT_S = 120  # beyond the time of the run


@dataclasses.dataclass
class Calls:
    """What became of one run."""

    seconds: float
    answered: int
    cpu_us: float            # the server's, a call
    latencies: HdrHistogram  # µs, from sending a call to all of its answer

    @property
    def per_s(self):
        return self.answered / self.seconds

    @property
    def p99_ms(self):
        return percentile_ms(self.latencies, 99)


def write_calls(path, requests, replies=1):
    """Writes messages; of the Redis protocol: batches of commands, each answered by so many replies."""
    with open(path, "wb") as file:
        for request in requests:
            file.write(struct.pack(">II", len(request), replies) + request)
    return path


def read_answers(path):
    """What rpc_load kept of answers, in the order of their requests."""
    data, answers = path.read_bytes(), []
    while data:
        size, = struct.unpack(">I", data[:4])
        answers.append(data[4:4 + size])
        data = data[4 + size:]
    return answers


def run_calls(peer, kind, port, path, seconds, in_flight, connections, kept=None, kept_count=0):
    """Runs `kind` (light, grpc, resp) against the port of a peer. A failed call is a BenchError."""
    command = [RPC_LOAD, kind, str(port), str(seconds), str(in_flight), str(connections), str(path),
               *([str(kept), str(kept_count)] if kept else [])]
    before_s = peer.cpu_s()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise peer.failed(f"{' '.join(command)}: not done after {seconds + TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise BenchError(f"{peer.name}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    return Calls(told["seconds"], told["answered"], (peer.cpu_s() - before_s) / told["answered"] * 1e6,
                 histogram(told["latencies_us"]))
