"""kill -9 at random moments under load: what was acknowledged is there, nothing counts twice, and no
manual step is needed."""

import json
import threading
import time

from conftest import StartFailed
from resp import Closed, Error

KILLS = 30
LIFE_S = (0.02, 0.5)  # how long a server lives before it is killed
BATCH_MAX = 20

DEFINITIONS = """
sources:
  named:
    fields: {id: string, at: timestamp_us, k: string, v: int}
    event_time: at
    event_id: id
    clock: event
  nameless:
    fields: {at: timestamp_us, k: string, v: int}
    event_time: at
    clock: event
entities:
  thing: {keys: [k]}
views:
  named_things:
    source: named
    entity: thing
    features:
      events: {count: '*', over: forever}
      total: {sum: v, over: forever}
      values: {count_distinct: v, over: last(1000)}
      newest: {max: v, over: forever}
  nameless_things:
    source: nameless
    entity: thing
    features:
      events: {count: '*', over: forever}
      total: {sum: v, over: forever}
      values: {count_distinct: v, over: last(1000)}
      newest: {max: v, over: forever}
"""


class Producer:
    """Pushes numbered events, one push at a time; knows which were acknowledged and which push may
    or may not have been taken when the server died."""

    def __init__(self, name, source, draw, resends, sequences=False):
        self.name = name
        self.source = source
        self.draw = draw
        self.resends = resends      # the unacknowledged push goes out again; must not count twice
        self.sequences = sequences  # told apart by PRODUCER name sequence instead of event ids
        self.values = []            # acknowledged, or known to be there
        self.unsettled = []         # of the push without a reply
        self.next_value = 1
        self.sequence = 0

    def event(self, value):
        event = {"id": f"{self.name}-{value}", "at": value * 1000 - value % 7 * 5000, "k": self.name, "v": value}
        if self.source == "nameless":
            del event["id"]
        return json.dumps(event)

    def run(self, server):
        """Pushes until the server is gone."""
        try:
            with server.client() as client:
                while True:
                    self.push(client)
        except (Closed, OSError):
            pass

    def push(self, client):
        if not self.unsettled:
            size = self.draw.randrange(1, BATCH_MAX)
            self.unsettled = list(range(self.next_value, self.next_value + size))
            self.next_value += size
            self.sequence += 1
        words = ["PRODUCER", self.name, self.sequence] if self.sequences else []
        count = client.call("ASOF.PUSH", self.source, *words, *map(self.event, self.unsettled))
        assert count == len(self.unsettled)
        self.settle(True)

    def settle(self, is_there):
        if is_there:
            self.values += self.unsettled
        self.unsettled = []

    def check(self, client):
        """All acknowledged events are there once, and of the last push all or none."""
        words = "events", "total", "values", "newest"
        told = [int(text or 0) for text in client.call("HMGET", f"{self.source}_things:{self.name}", *words)]
        expected = [self.expect(self.values), self.expect(self.values + self.unsettled)]
        assert told in expected, f"{self.name}: {told}, not one of {expected}"
        if not self.resends:
            self.settle(told != expected[0])

    @staticmethod
    def expect(values):
        # last(1000) looks at the latest by time, which jumbles a few: by then all values differ anyway.
        return [len(values), sum(values), min(len(values), 1000), max(values, default=0)]


def producers(draw):
    return [Producer("ids_resent", "named", draw, resends=True), Producer("ids", "named", draw, resends=False),
            Producer("plain", "nameless", draw, resends=False),
            Producer("sequences", "nameless", draw, resends=True, sequences=True)]


def run_until_killed(server, workers, seconds):
    threads = [threading.Thread(target=worker.run, args=(server,)) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    for thread in threads:
        thread.join()


def test_kill_9_takes_nothing_back_and_counts_nothing_twice(server, draw):
    server.apply(DEFINITIONS)
    workers = producers(draw)
    for kill in range(KILLS):
        run_until_killed(server, workers, draw.uniform(*LIFE_S))
        server.start()
        with server.client() as client:
            for worker in workers:
                worker.check(client)
    assert all(worker.values for worker in workers)
    with server.client() as client:
        for worker in workers:
            if worker.unsettled:
                worker.push(client)
        server.restart()
    with server.client() as client:
        for worker in workers:
            worker.check(client)


def test_a_server_killed_while_it_starts_starts_again(server, draw):
    server.apply(DEFINITIONS)
    worker = Producer("ids", "named", draw, resends=False)
    with server.client() as client:
        for _ in range(50):
            worker.push(client)
    server.kill()
    for _ in range(5):
        killer = threading.Timer(draw.uniform(0, 0.1), lambda: server.process and server.process.kill())
        killer.start()
        try:
            server.start()
            server.kill()
        except StartFailed:
            server.process.stdout.close()
        killer.join()
    server.start()
    with server.client() as client:
        worker.check(client)


def test_asof_push_ends_with_exact_counts_across_kills(server, draw, tmp_path):
    server.apply(DEFINITIONS)
    count, entities = 150_000, 7
    path = tmp_path / "events.ndjson"
    with open(path, "w") as file:
        for value in range(count):
            file.write(json.dumps({"at": value * 1000, "k": f"k{value % entities}", "v": value}) + "\n")
    done = []
    pushing = threading.Thread(target=lambda: done.append(
        server.asof("push", "nameless", str(path), "--batch", "100", check=False)))

    pushing.start()
    kills = 0
    while pushing.is_alive() and kills < 8:
        time.sleep(draw.uniform(0.05, 0.3))
        server.kill()
        kills += 1
        server.start()
    pushing.join()

    assert done[0].returncode == 0, done[0].stderr
    with server.client() as client:
        for entity in range(entities):
            values = range(entity, count, entities)
            told = client.call("HMGET", f"nameless_things:k{entity}", "events", "total")
            assert [int(text) for text in told] == [len(values), sum(values)]
    assert kills > 1


def test_an_acknowledged_event_is_seen_by_the_next_read_on_any_connection(server, draw):
    server.apply(DEFINITIONS)
    worker = Producer("ids", "named", draw, resends=False)
    with server.client() as writer, server.client() as reader:
        for _ in range(200):
            worker.push(writer)
            assert int(reader.call("HGET", "named_things:ids", "events")) == len(worker.values)


def test_a_push_is_taken_whole_or_not_at_all(server):
    server.apply(DEFINITIONS)
    good = [json.dumps({"id": str(i), "at": i, "k": "a", "v": i}) for i in range(10)]

    with server.client() as client:
        (reply,) = client.pipeline([("ASOF.PUSH", "named", *good, '{"id":"bad","at":1,"k":"a","v":"x"}')])
        assert isinstance(reply, Error) and str(reply).startswith("REFUSED event 11: ")
        assert client.call("HGET", "named_things:a", "events") == b"0"
        assert client.call("ASOF.PUSH", "named", *good) == 10
        assert client.call("HGET", "named_things:a", "events") == b"10"
