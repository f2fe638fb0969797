"""What a read costs over the number of events in the entity's longest window."""

import dataclasses
import time

import workload
from measure import Spread, redis_benchmark, requests_for
from reads import push_all
from servers import Asofd

PIPELINE = 16
CONNECTIONS = 1
REPEATS = 3
FIRST_ENTITY = 1_000_000


@dataclasses.dataclass
class WindowCost:
    """The server's CPU per read of ten features of an entity with so many events."""

    events: int
    pushed_cpu_us: Spread   # from the write buffer, as they were pushed
    flushed_cpu_us: Spread  # after a restart, from sorted files


def measure(folder, sizes, run_s, say):
    """A WindowCost for each size. The entity's events lie evenly over six days; nothing is pushed meanwhile."""
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        for size in sizes:
            push_all(asofd, workload.timeline(_entity(size), size, int(time.time() * 1000)))
        if asofd.sorted_files() > 0:
            raise asofd.failed("events were flushed before they were read")
        pushed = [_cost(asofd, size, run_s, say) for size in sizes]
    with Asofd(folder) as asofd:
        if asofd.sorted_files() == 0:
            raise asofd.failed("the restart has flushed nothing")
        flushed = [_cost(asofd, size, run_s, say) for size in sizes]
    return [WindowCost(*row) for row in zip(sizes, pushed, flushed)]


def _entity(size):
    return FIRST_ENTITY * size


def _cost(asofd, size, run_s, say):
    """CPU µs a read, over REPEATS runs. BenchError where not all events are in the window."""
    say(f"reads of an entity with {size:,} events")
    with asofd.client() as client:
        counted = int(client.call("HGET", workload.key(_entity(size)), "payments_7d"))
    if counted != size:
        raise asofd.failed(f"{size} events were pushed, {counted} are counted")
    words = ["HMGET", workload.key(_entity(size)), *workload.FEATURES_READ]
    options = {"pipeline": PIPELINE, "connections": CONNECTIONS}
    requests = requests_for(asofd, words, run_s, PIPELINE, **options)
    return Spread.of([redis_benchmark(asofd, words, requests, **options).cpu_us for _ in range(REPEATS)])
