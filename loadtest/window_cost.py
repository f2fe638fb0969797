"""What a read costs over the number of events in the entity's longest window, an event pushed before each read."""

import dataclasses
import pathlib
import time

import workload
from measure import Spread
from pair import push_all
from resp import Error
from servers import Asofd

DEFINITIONS = pathlib.Path(__file__).with_name("windows.yaml")
VIEWS = ("exact", "stepped")
FEATURES = ("payments", "amount_sum", "amount_avg", "amount_max", "amount_stddev", "countries")
PAIRS_PER_TURN = 4        # a push and what follows it, sent at once; each push has a commit of its own
EVENTS_A_SIZE = 100_000   # of so many entities as have these together, at least one
GROWTH_MAX = 0.1          # of an entity, by all that is pushed while it is measured
FIRST_ENTITY = 1_000_000  # times the size: the number of a size's first entity


@dataclasses.dataclass
class WindowCost:
    """The server's CPU at entities with so many events, in µs."""

    events: int
    read_us: dict       # view -> Spread: of a read, that of its push taken off
    push_us: Spread     # of a push with its commit and fsync, into both views


def measure(folder, sizes, rounds, run_s, say):
    """A WindowCost for each size. The events of an entity lie evenly over six days."""
    with Asofd(folder) as asofd:
        asofd.apply(DEFINITIONS)
        subjects = [_Entities(asofd, size, rounds) for size in sizes]
        for subject in subjects:
            say(f"loading {len(subject.counts)} entities of {subject.size:,} events")
            subject.load()
        asofd.wait_quiet()
        say(f"reads over events in the window, {rounds} rounds")
        for _ in range(rounds):
            for subject in subjects:
                subject.measure(run_s)
    return [subject.result() for subject in subjects]


class _Entities:
    """The entities of one size, used in turn so that none grows much, and what was measured on them."""

    def __init__(self, asofd, size, rounds):
        self.asofd = asofd
        self.size = size
        self.counts = [size] * max(1, EVENTS_A_SIZE // size)  # events that each has
        self.next = 0                                         # the one to use
        growth = int(size * len(self.counts) * GROWTH_MAX)
        self.pairs_max = max(PAIRS_PER_TURN, growth // (rounds * (1 + len(VIEWS))))  # of one measurement
        self.reads_us = {view: [] for view in VIEWS}
        self.pushes_us = []

    def load(self):
        now_ms = int(time.time() * 1000)
        for i in range(len(self.counts)):
            push_all(self.asofd, workload.timeline(self._number(i), self.size, now_ms))

    def measure(self, run_s):
        """One round: pushes alone, then with a read of either view behind each."""
        push_us = self._cost(run_s, None)
        self.pushes_us.append(push_us)
        for view in VIEWS:
            self.reads_us[view].append(self._cost(run_s, view) - push_us)

    def _number(self, index):
        return FIRST_ENTITY * self.size + index

    def _cost(self, run_s, view):
        """CPU µs of a push and the read (PING without a view) behind it, which waits for its commit."""
        done, start_s, before_s = 0, time.monotonic(), self.asofd.cpu_s()
        with self.asofd.client() as client:
            while done == 0 or (done < self.pairs_max and time.monotonic() < start_s + run_s):
                self._turn(client, view)
                done += PAIRS_PER_TURN
        return (self.asofd.cpu_s() - before_s) / done * 1e6

    def _turn(self, client, view):
        """BenchError where a read does not count all that was pushed, its own push included."""
        commands, expected = [], []
        for _ in range(PAIRS_PER_TURN):
            number = self._number(self.next)
            event = workload.event(number + self.counts[self.next], int(time.time() * 1000), number, workload.Same)
            read = ("PING",) if view is None else ("HMGET", f"{view}:{number:012d}", *FEATURES)
            commands += [("ASOF.PUSH", workload.SOURCE, event), read]
            self.counts[self.next] += 1
            expected.append(self.counts[self.next])
            self.next = (self.next + 1) % len(self.counts)
        replies = client.pipeline(commands)
        for count, pushed, reply in zip(expected, replies[::2], replies[1::2]):
            if pushed != 1 or isinstance(reply, Error) or (view is not None and int(reply[0]) != count):
                raise self.asofd.failed(f"{count} events, but {pushed!r} pushed and {reply!r} read")

    def result(self):
        return WindowCost(self.size, {view: Spread.of(costs) for view, costs in self.reads_us.items()},
                          Spread.of(self.pushes_us))
