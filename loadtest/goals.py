"""The goals that asof is measured against, and what the numbers say about each."""

import dataclasses
import enum

from measure import Spread

COST_EVENTS_SMALL = 100
FRESH_MS = 1


class Verdict(enum.Enum):
    REACHED = "reached"
    MISSED = "not reached"
    UNMEASURED = "not measured yet"


@dataclasses.dataclass
class Goal:
    what: str
    goal: str
    measured: str
    verdict: Verdict


def judge(results):
    """All goals, in order. `results` is a report.Results; what it lacks is not measured."""
    return [*_reads(results.reads), _memory(results.reads), _push(results.pushes), _freshness(results.freshness),
            _window_cost(results.window_costs), *_unmeasured()]


def _verdict(is_reached):
    return Verdict.REACHED if is_reached else Verdict.MISSED


def _reads(reads):
    for result in reads.pipelines:
        what = f"hot HMGET, pipeline {result.pipeline}, against redis-server ({reads.entities:,} entities)"
        rate = f"{result.ratio.text('{:.2f}')}× requests/s"
        if result.pipeline > 1:
            yield Goal(what, "≥ 1.5× requests/s", rate, _verdict(result.ratio.median >= 1.5))
        else:
            yield Goal(what, "≥ 0.95× requests/s at ≤ 0.8× CPU", f"{rate}, {result.cpu_ratio.text('{:.2f}')}× CPU",
                       _verdict(result.ratio.median >= 0.95 and result.cpu_ratio.median <= 0.8))


def _memory(reads):
    ratio = reads.asofd_entity_bytes / reads.redis_entity_bytes
    return Goal(f"memory per entity, against redis-server ({reads.entities:,} entities)", "≤ 1.0×", f"{ratio:.2f}×",
                _verdict(ratio <= 1.0))


def _push(rounds):
    """A run that ends before a write buffer is full is faster than what it stands for: it proves nothing reached."""
    rate = Spread.of([result.events_per_cpu_s for result in rounds])
    verdict, measured = _verdict(rate.median >= 100_000), rate.text("{:,.0f}")
    if verdict is Verdict.REACHED and any(result.flushed_files == 0 for result in rounds):
        verdict, measured = Verdict.UNMEASURED, f"{measured}, too few events to tell"
    return Goal("ASOF.PUSH, 100 events a call, fsync, with a full compaction", "≥ 100,000 events per CPU second",
                measured, verdict)


def _freshness(rates):
    """Where an idle server already needs longer than the goal, it is the machine that was measured, not asofd."""
    idle, fastest = rates[0], max(rates, key=lambda result: result.rate)
    measured = (f"{fastest.read_p99_ms:.2f} ms at {fastest.reached:,.0f} events/s; idle server {idle.read_p99_ms:.2f} ms, "
                f"{fastest.stale} stale")
    verdict = _verdict(fastest.is_held and fastest.stale == 0 and fastest.read_p99_ms < FRESH_MS)
    if verdict is Verdict.MISSED and fastest.stale == 0 and idle.read_p99_ms >= FRESH_MS:
        verdict, measured = Verdict.UNMEASURED, f"{measured}: the machine is too busy to tell"
    return Goal(f"read after write, p99, at {fastest.rate:,} events/s", "< 1 ms", measured, verdict)


def _window_cost(costs):
    """Cost over events only grows, so a smaller entity than the goal's can show that it is missed, not more.
    Of both states the one with the smaller ratio decides."""
    small, large = next(cost for cost in costs if cost.events == COST_EVENTS_SMALL), costs[-1]
    ratio = min(large.pushed_cpu_us.median / small.pushed_cpu_us.median,
                large.flushed_cpu_us.median / small.flushed_cpu_us.median)
    return Goal("1,000,000 events in a 7-day window, against 100", "≤ 5×", f"{ratio:.0f}× at {large.events:,} events",
                Verdict.MISSED if ratio > 5 else Verdict.UNMEASURED)


def _unmeasured():
    for what, goal in (("point in time, in block cache", "≥ 50,000 rows of 10 features a second and core"),
                       ("start after kill -9 with 1,000,000 entities", "≤ 2 s"),
                       ("HMGET p99 while 20,000 events/s are pushed, against as many HSETs", "≤ 1×")):
        yield Goal(what, goal, "", Verdict.UNMEASURED)
