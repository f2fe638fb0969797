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
    events: int
    cpu_us: Spread  # the server's, per read of ten features


def measure(folder, sizes, run_s, say):
    """A WindowCost for each size. The entity's events lie evenly over six days; nothing is pushed meanwhile."""
    costs = []
    with Asofd(folder) as asofd:
        asofd.apply(workload.DEFINITIONS)
        for size in sizes:
            say(f"reads of an entity with {size:,} events")
            entity = FIRST_ENTITY * size
            push_all(asofd, workload.timeline(entity, size, int(time.time() * 1000)))
            words = ["HMGET", workload.key(entity), *workload.FEATURES_READ]
            options = {"pipeline": PIPELINE, "connections": CONNECTIONS}
            requests = requests_for(asofd, words, run_s, PIPELINE, **options)
            runs = [redis_benchmark(asofd, words, requests, **options) for _ in range(REPEATS)]
            costs.append(WindowCost(size, Spread.of([run.cpu_us for run in runs])))
    return costs
