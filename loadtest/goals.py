"""The goals that asof is measured against, and what the numbers say about each."""

import dataclasses
import enum

import kafka_reads
import window_cost
from latency import EVENTS_PER_S, READS_PER_S_MIXED
from measure import Spread
from replay import percentile_ms

COST_EVENTS_SMALL, COST_EVENTS_LARGE = 100, 1_000_000
FRESH_MS = 1
RESTART_ENTITIES = 1_000_000
# On a quieter machine it could be otherwise: what the machine does to an idle server is not asofd's.
KAFKA_FRESH_MS, KAFKA_WAITING, KAFKA_SLOWEST_MS = 20, 5_000_000, 50
KAFKA_WARM_EVENTS = 50_000
TRAINING_LABELS, TRAINING_EVENTS = 100_000, 1_000_000
SNAPSHOT_ENTITIES, SNAPSHOT_SLOWEST_MS = 1_000_000, 50
BUSY = "the machine is too busy to tell"


class Verdict(enum.Enum):
    REACHED = "reached"
    MISSED = "not reached"
    UNMEASURED = "not measured"


@dataclasses.dataclass
class Goal:
    what: str
    goal: str
    measured: str
    verdict: Verdict


def judge(results):
    """All goals, in order. `results` is a report.Results; what it lacks is not measured."""
    subjects = ((_reads, results.reads), (_memory, results.reads), (_push, results.pushes),
                (_freshness, results.freshness), (_window_cost, results.window), (_past, results.past),
                (_restart, results.restart), (_mixed, results.mixed),
                (_rpc, results.rpc), (_kafka, results.kafka), (_offline, results.offline))
    return [goal for judge_subject, measured in subjects if measured is not None for goal in judge_subject(measured)]


def _verdict(is_reached):
    return Verdict.REACHED if is_reached else Verdict.MISSED


def _reads(reads):
    for result in reads.pipelines:
        what = f"hot HMGET, pipeline {result.pipeline}, against redis-server ({reads.entities:,} entities)"
        rate = f"{result.ratio.text('{:.2f}')}× requests/s"
        if result.pipeline in (64, 16):
            yield Goal(what, "≥ 1.5× requests/s", rate, _verdict(result.ratio.median >= 1.5))
        elif result.pipeline == 1:
            yield Goal(what, "≥ 0.95× requests/s at ≤ 0.8× CPU", f"{rate}, {result.cpu_ratio.text('{:.2f}')}× CPU",
                       _verdict(result.ratio.median >= 0.95 and result.cpu_ratio.median <= 0.8))


def _memory(reads):
    ratio = reads.asofd_entity_bytes / reads.redis_entity_bytes
    yield Goal(f"memory per entity, against redis-server ({reads.entities:,} entities)", "≤ 1.0×", f"{ratio:.2f}×",
               _verdict(ratio <= 1.0))


def _push(rounds):
    """A run that ends before a write buffer is full is faster than what it stands for: it proves nothing reached."""
    rate = Spread.of([result.events_per_cpu_s for result in rounds])
    verdict, measured = _verdict(rate.median >= 100_000), rate.text("{:,.0f}")
    if verdict is Verdict.REACHED and any(result.flushed_files == 0 for result in rounds):
        verdict, measured = Verdict.UNMEASURED, f"{measured}, too few events to tell"
    yield Goal("ASOF.PUSH, 100 events a call, fsync, with a full compaction", "≥ 100,000 events per CPU second",
               measured, verdict)


def _freshness(rates):
    """Where an idle server already needs longer than the goal, it is the machine that was measured, not asofd."""
    idle, fastest = rates[0], max(rates, key=lambda result: result.rate)
    measured = (f"{fastest.read_p99_ms:.2f} ms at {fastest.reached:,.0f} events/s; idle server {idle.read_p99_ms:.2f} ms, "
                f"{fastest.probe.stale} stale")
    verdict = _verdict(fastest.probe.stale == 0 and fastest.is_held and fastest.read_p99_ms < FRESH_MS)
    is_machine_busy = fastest.is_load_late or idle.read_p99_ms >= FRESH_MS
    if verdict is Verdict.MISSED and fastest.probe.stale == 0 and is_machine_busy:
        verdict, measured = Verdict.UNMEASURED, f"{measured}: {BUSY}"
    yield Goal(f"read after write, p99, at {fastest.rate:,} events/s", "< 1 ms", measured, verdict)


def _window_cost(costs):
    """Cost over events only grows, so a smaller entity than the goal's can show that it is missed, not more."""
    small, large = next(cost for cost in costs if cost.events == COST_EVENTS_SMALL), costs[-1]
    for view in window_cost.VIEWS:
        goal = Goal(f"read after a push, {COST_EVENTS_LARGE:,} events in a 7-day window ({view}), against "
                    f"{COST_EVENTS_SMALL}", "≤ 5× CPU", BUSY, Verdict.UNMEASURED)
        if small.read_us[view].low > 0:  # else the noise of the pushes is more than the reads
            ratio = large.read_us[view].median / small.read_us[view].median
            goal.measured = f"{ratio:,.1f}× at {large.events:,} events"
            if ratio > 5 or large.events >= COST_EVENTS_LARGE:
                goal.verdict = _verdict(ratio <= 5)
        yield goal


def _past(past):
    yield Goal("point in time, random T over the history, in block cache", "≥ 50,000 rows of 10 features a CPU second",
               past.rows_per_cpu_s.text("{:,.0f}"), _verdict(past.rows_per_cpu_s.median >= 50_000))


def _restart(restart):
    """The slowest start counts. Fewer entities than the goal's can show that it is missed, not more."""
    verdict = _verdict(restart.ready_s.high <= 2)
    if verdict is Verdict.REACHED and restart.entities < RESTART_ENTITIES:
        verdict = Verdict.UNMEASURED
    yield Goal(f"start after kill -9 with {RESTART_ENTITIES:,} entities", "≤ 2 s to the ready line",
               f"{restart.ready_s.text('{:.2f}')} s with {restart.entities:,}", verdict)


def _mixed(mixed):
    """A server that does not keep up with the rates has lost, whatever its percentiles."""
    ours, theirs = (latency.is_held for latency in (mixed.asofd, mixed.redis))
    measured = (f"{mixed.ratio.text('{:.2f}')}×: {mixed.asofd.p99_ms.text('{:.2f}')} ms, redis-server "
                f"{mixed.redis.p99_ms.text('{:.2f}')} ms")
    verdict = _verdict(ours and mixed.asofd_writes.is_held and mixed.ratio.median <= 1)
    if not theirs or mixed.asofd.is_load_late or mixed.redis.is_load_late:
        verdict, measured = Verdict.UNMEASURED, f"{measured}: {BUSY}"
    yield Goal(f"HMGET p99 at {READS_PER_S_MIXED:,}/s while {EVENTS_PER_S:,} events/s are pushed, against as many HSETs",
               "≤ 1×", measured, verdict)


def _rpc(rpc):
    """Ratios are of the same round."""
    grpc, light = "asofd, gRPC", "asofd, light frame"
    one, batch = rpc.one, rpc.batch
    for what, goal, ratio, limit in (
            ("GetFeatures of 1 entity, 10 features, 16 in flight, gRPC, against grpc++ with a constant answer", "≤ 0.2× CPU",
             one.cpu_ratios[grpc, "grpc++"], 0.2),
            ("the same over the light frame, against HMGET at redis-server", "≤ 0.35× CPU",
             one.cpu_ratios[light, "redis-server"], 0.35),
            ("GetFeatures of 100 entities, 50 features of 5 views, gRPC, against 500 HMGETs at redis-server", "≤ 0.15× CPU",
             batch.cpu_ratios[grpc, "redis-server"], 0.15),
            ("the same, p99 of the whole", "≤ 0.3×", batch.p99_ratios[grpc, "redis-server"], 0.3)):
        yield Goal(what, goal, f"{ratio.text('{:.2f}')}×", _verdict(ratio.median <= limit))
    python = rpc.python
    yield Goal("the same from Python, against Feast's SDK on redis-server", "≥ 20× calls/s",
               f"{python.ratio.text('{:.1f}')}×: {python.asof_ms.text('{:.2f}')} ms, Feast {python.feast_ms.text('{:.1f}')} ms",
               _verdict(python.ratio.median >= 20))
    yield Goal("GetFeatures with a T for each row, 100 rows of 10 features, in block cache", "≥ 50,000 rows a CPU second",
               rpc.past_rows_per_cpu_s.text("{:,.0f}"), _verdict(rpc.past_rows_per_cpu_s.median >= 50_000))


def _kafka(kafka):
    yield from _kafka_costs(kafka)
    yield _kafka_freshness(kafka.freshness)
    yield from _kafka_catch_up(kafka.catch_up)


def _kafka_costs(kafka):
    """Ratios are of medians. A Kafka Streams that has done too few events is still being compiled: it proves nothing."""
    streams = kafka.streams
    hopping, exact = ([result.cpu_us for result in results] for results in (kafka.hopping, kafka.exact))
    cpu_us, rate = Spread.of(hopping), Spread.of([result.per_s for result in kafka.hopping])
    cpu_factor, rate_factor = streams.cpu_us.median / cpu_us.median, rate.median / streams.per_s.median
    for what, goal, measured, is_reached in (
            ("Kafka to features, exactly once, CPU an event, against Kafka Streams", "≤ 1/30",
             f"1/{cpu_factor:.0f}: {cpu_us.text('{:.1f}')} µs, Kafka Streams {streams.cpu_us.text('{:.0f}')} µs",
             cpu_factor >= 30),
            ("the same, events/s", "≥ 20×",
             f"{rate_factor:.0f}×: {rate.text('{:,.0f}')}, Kafka Streams {streams.per_s.text('{:,.0f}')}", rate_factor >= 20)):
        verdict = _verdict(is_reached)
        if is_reached and streams.warm_up_events < KAFKA_WARM_EVENTS:
            verdict, measured = Verdict.UNMEASURED, f"{measured}, not warm"
        yield Goal(what, goal, measured, verdict)
    ratio = Spread.of([ours / hops for ours, hops in zip(exact, hopping)])
    yield Goal("the same, sliding windows against our own hopping ones", "≤ 1.5× CPU", f"{ratio.text('{:.2f}')}×",
               _verdict(ratio.median <= 1.5))


def _kafka_freshness(fresh):
    p99_ms = percentile_ms(fresh.latencies, 99)
    goal = Goal(f"produced to Kafka to read, p99, at {kafka_reads.EVENTS_PER_S:,} events/s", f"≤ {KAFKA_FRESH_MS} ms",
                f"{p99_ms:.1f} ms at {fresh.events_per_s:,.0f} events/s", _verdict(p99_ms <= KAFKA_FRESH_MS))
    if goal.verdict is Verdict.MISSED and fresh.late_ms > KAFKA_FRESH_MS:
        goal.verdict, goal.measured = Verdict.UNMEASURED, f"{goal.measured}: {BUSY}"
    return goal


def _kafka_catch_up(caught):
    """Fewer events than the goal's can show that it is missed, not more."""
    idle_ms, busy_ms = (percentile_ms(latencies, 50) for latencies in (caught.idle, caught.busy))
    slowest_ms = percentile_ms(caught.busy, 100)
    what = f"HMGET while it catches up with {KAFKA_WAITING:,} events of Kafka"
    for aspect, goal, measured, is_reached in (
            ("p50, against an idle server", "≤ 2×", f"{busy_ms / idle_ms:.1f}×: {busy_ms:.3f} ms", busy_ms <= 2 * idle_ms),
            ("the slowest answer", f"≤ {KAFKA_SLOWEST_MS} ms", f"{slowest_ms:.1f} ms", slowest_ms <= KAFKA_SLOWEST_MS)):
        verdict = _verdict(is_reached)
        if caught.is_load_late:
            verdict, measured = Verdict.UNMEASURED, f"{measured}: {BUSY}"
        elif is_reached and caught.waiting < KAFKA_WAITING:
            verdict, measured = Verdict.UNMEASURED, f"{measured} with {caught.waiting:,}"
        yield Goal(f"{what}, {aspect}", goal, measured, verdict)


def _offline(offline):
    yield from _training(offline.training)
    yield from _snapshot(offline.snapshot)


def _training(training):
    """Ratios are of the same round. Fewer labels than the goal's prove nothing: what all have to do first weighs more."""
    is_whole = training.labels >= TRAINING_LABELS and training.events >= TRAINING_EVENTS
    for what, goal, measured, is_reached in (
            (f"training set, {TRAINING_LABELS:,} labels, 10 window features over {TRAINING_EVENTS:,} events, against the faster SQL "
             "of DuckDB, a CPU each", "≥ 1× its speed", f"{training.speed.text('{:.1f}')}×", training.speed.median >= 1),
            ("the same, growth of asofd's memory, against the smallest process of DuckDB", "≤ 0.5×",
             f"{training.memory.text('{:.2f}')}×", training.memory.median <= 0.5),
            ("the same, against Feast's file store, which joins finished rows", "≥ 10× rows/s",
             f"{training.feast_file.text('{:.0f}')}×", training.feast_file.median >= 10),
            ("the same, against Feast's DuckDB store", "≥ 5× rows/s", f"{training.feast_duckdb.text('{:.1f}')}×",
             training.feast_duckdb.median >= 5)):
        verdict = _verdict(is_reached)
        if not is_whole:
            verdict, measured = Verdict.UNMEASURED, f"{measured} with {training.labels:,} labels"
        yield Goal(what, goal, measured, verdict)


def _snapshot(snapshot):
    """Fewer entities than the goal's prove nothing."""
    speed, reads = snapshot.speed, snapshot.reads
    idle_ms, busy_ms = (percentile_ms(latencies, 50) for latencies in (reads.idle, reads.busy))
    idle_slowest_ms, slowest_ms = (percentile_ms(latencies, 100) for latencies in (reads.idle, reads.busy))
    is_machine_busy = reads.is_load_late or idle_slowest_ms > SNAPSHOT_SLOWEST_MS
    for what, goal, measured, is_reached, is_spoiled in (
            (f"snapshot, {SNAPSHOT_ENTITIES:,} entities, 20 features, zstd Parquet, against DuckDB's COPY of the finished table, a CPU "
             "each", "≥ 0.2× its speed", f"{speed.text('{:.2f}')}×", speed.median >= 0.2, False),
            ("HMGET meanwhile, p50, against without", "≤ 2×", f"{busy_ms / idle_ms:.1f}×: {busy_ms:.3f} ms",
             busy_ms <= 2 * idle_ms, is_machine_busy),
            ("HMGET meanwhile, the slowest answer", f"≤ {SNAPSHOT_SLOWEST_MS} ms",
             f"{slowest_ms:.1f} ms; without {idle_slowest_ms:.1f} ms", slowest_ms <= SNAPSHOT_SLOWEST_MS, is_machine_busy)):
        verdict = _verdict(is_reached)
        if is_spoiled:
            verdict, measured = Verdict.UNMEASURED, f"{measured}: {BUSY}"
        elif snapshot.entities < SNAPSHOT_ENTITIES:
            verdict, measured = Verdict.UNMEASURED, f"{measured} with {snapshot.entities:,} entities"
        yield Goal(what, goal, measured, verdict)
