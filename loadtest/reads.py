"""Hot reads: HMGET of ten features at asofd, and of the same rows kept as hashes at redis-server; and the
memory that the rows take."""

import dataclasses

import workload
from measure import Spread, redis_benchmark, requests_for
from servers import Floor

PIPELINES = (64, 16, 4, 1)
CONNECTIONS = 50


@dataclasses.dataclass
class PipelineResult:
    """HMGET at one pipeline depth, over all rounds. A ratio is asofd to redis-server of one round."""

    pipeline: int
    asofd_per_s: Spread
    redis_per_s: Spread
    ratio: Spread
    asofd_cpu_us: Spread
    redis_cpu_us: Spread
    cpu_ratio: Spread
    asofd_p99_ms: Spread
    redis_p99_ms: Spread
    asofd_load_busy: Spread
    redis_load_busy: Spread
    floor_per_s: Spread      # a loop that answers with a constant
    floor_cpu_us: Spread


@dataclasses.dataclass
class ReadsResult:
    entities: int
    rounds: int
    asofd_entity_bytes: float  # growth of RSS per entity, each read once
    redis_entity_bytes: float
    pipelines: list
    commands: list             # one redis-benchmark command a server and depth


def measure(pair, folder, rounds, run_s, say):
    """Runs A B A B `rounds` times at each pipeline depth, each run about `run_s` seconds; and the floor beside."""
    result = ReadsResult(pair.entities, rounds, pair.asofd_entity_bytes, pair.redis_entity_bytes, [], [])
    with Floor(folder, _reply(pair)) as floor:
        for pipeline in PIPELINES:
            say(f"HMGET at pipeline {pipeline}, {rounds} rounds")
            result.pipelines.append(_compare(pair, floor, pipeline, rounds, run_s, result.commands))
    return result


def _reply(pair):
    """The bytes of one reply of asofd."""
    with pair.asofd.client() as client:
        return client.pipeline_raw([("HMGET", workload.key(0), *workload.FEATURES_READ)])


def _compare(pair, floor, pipeline, rounds, run_s, commands):
    """A B A B at one depth. All run about as long, so the faster one answers more requests."""
    words = ["HMGET", f"{workload.VIEW}:__rand_int__", *workload.FEATURES_READ]
    options = {"pipeline": pipeline, "connections": CONNECTIONS, "keys": pair.entities}
    peers = (*pair.peers, floor)
    counts = {peer: requests_for(peer, words, run_s, CONNECTIONS * pipeline, **options) for peer in peers}
    runs = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            runs[peer].append(redis_benchmark(peer, words, counts[peer], **options))
    commands.extend(runs[peer][-1].command for peer in pair.peers)
    ours, theirs = runs[pair.asofd], runs[pair.redis]

    def spread(attribute, some):
        return Spread.of([getattr(run, attribute) for run in some])

    def ratio(attribute):
        return Spread.of([getattr(a, attribute) / getattr(b, attribute) for a, b in zip(ours, theirs)])

    return PipelineResult(
        pipeline, spread("requests_per_s", ours), spread("requests_per_s", theirs), ratio("requests_per_s"),
        spread("cpu_us", ours), spread("cpu_us", theirs), ratio("cpu_us"),
        spread("p99_ms", ours), spread("p99_ms", theirs), spread("load_busy", ours), spread("load_busy", theirs),
        spread("requests_per_s", runs[floor]), spread("cpu_us", runs[floor]))
