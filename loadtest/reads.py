"""Hot reads: HMGET of ten features at asofd, and of the same rows kept as hashes at redis-server; and the
memory that the rows take."""

import dataclasses
import pathlib
import time

import workload
from measure import Spread, redis_benchmark, requests_for
from servers import Asofd, BenchError, Redis

PIPELINES = (64, 16, 1)
CONNECTIONS = 50
EVENTS_PER_PUSH = 500
PUSHES_IN_FLIGHT = 8
ROWS_PER_TURN = 200


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


@dataclasses.dataclass
class ReadsResult:
    entities: int
    rounds: int
    asofd_entity_bytes: float  # growth of RSS per entity, each read once
    redis_entity_bytes: float
    pipelines: list
    commands: list             # one redis-benchmark command a server


def measure(folder, entities, rounds, run_s, say):
    """Loads both servers with the same rows, then runs A B A B `rounds` times at each pipeline depth, each
    run about `run_s` seconds. BenchError where a row is not as it must be."""
    with Asofd(_folder(folder, "asofd")) as asofd, Redis(_folder(folder, "redis")) as redis:
        asofd.apply(workload.DEFINITIONS)
        asofd_before, redis_before = asofd.rss_bytes(), redis.rss_bytes()
        say(f"loading {entities:,} entities into both")
        push_all(asofd, workload.history(entities, int(time.time() * 1000)))
        _copy_rows(asofd, redis, entities)
        result = ReadsResult(entities, rounds, (asofd.rss_bytes() - asofd_before) / entities,
                             (redis.rss_bytes() - redis_before) / entities, [], [])
        for pipeline in PIPELINES:
            say(f"HMGET at pipeline {pipeline}, {rounds} rounds")
            result.pipelines.append(_compare(asofd, redis, pipeline, entities, rounds, run_s, result.commands))
        return result


def push_all(asofd, events):
    """Pushes all events, several pushes in flight. BenchError where one is not acknowledged."""
    pushes = [("ASOF.PUSH", workload.SOURCE, *batch) for batch in workload.batches(events, EVENTS_PER_PUSH)]
    with asofd.client() as client:
        for some in workload.batches(pushes, PUSHES_IN_FLIGHT):
            for push, reply in zip(some, client.pipeline(some)):
                if reply != len(push) - 2:
                    raise asofd.failed(f"a push of {len(push) - 2} events was answered {reply!r}")


def _folder(parent, name):
    folder = pathlib.Path(parent) / name
    folder.mkdir()
    return folder


def _copy_rows(asofd, redis, entities):
    """Reads each row of asofd once and keeps it as a hash in redis-server. All events of an entity must count
    in its longest window."""
    with asofd.client() as source, redis.client() as target:
        for some in workload.batches(range(entities), ROWS_PER_TURN):
            rows = source.pipeline([("HGETALL", workload.key(entity)) for entity in some])
            for entity, row in zip(some, rows):
                values = dict(zip(row[::2], row[1::2])) if isinstance(row, list) else {}
                if int(values.get(b"payments_7d", 0)) != workload.EVENTS_PER_ENTITY:
                    raise BenchError(f"{workload.key(entity)} has not {workload.EVENTS_PER_ENTITY} events: {row!r}")
            for reply in target.pipeline([("HSET", workload.key(entity), *row) for entity, row in zip(some, rows)]):
                if not isinstance(reply, int):
                    raise redis.failed(f"HSET was answered {reply!r}")


def _compare(asofd, redis, pipeline, entities, rounds, run_s, commands):
    """A B A B at one depth. Both run about as long, so the faster one answers more requests."""
    words = ["HMGET", f"{workload.VIEW}:__rand_int__", *workload.FEATURES_READ]
    options = {"pipeline": pipeline, "connections": CONNECTIONS, "keys": entities}
    counts = {peer: requests_for(peer, words, run_s, CONNECTIONS * pipeline, **options) for peer in (asofd, redis)}
    runs = {asofd: [], redis: []}
    for _ in range(rounds):
        for peer in (asofd, redis):
            runs[peer].append(redis_benchmark(peer, words, counts[peer], **options))
    commands.extend(runs[peer][-1].command for peer in (asofd, redis))
    ours, theirs = runs[asofd], runs[redis]

    def spread(attribute, some):
        return Spread.of([getattr(run, attribute) for run in some])

    def ratio(attribute):
        return Spread.of([getattr(a, attribute) / getattr(b, attribute) for a, b in zip(ours, theirs)])

    return PipelineResult(
        pipeline, spread("requests_per_s", ours), spread("requests_per_s", theirs), ratio("requests_per_s"),
        spread("cpu_us", ours), spread("cpu_us", theirs), ratio("cpu_us"),
        spread("p99_ms", ours), spread("p99_ms", theirs), spread("load_busy", ours), spread("load_busy", theirs))
