"""asofd and redis-server side by side, with the same rows: what reads are compared on."""

import random
import time

import workload
from resp import encode
from servers import Asofd, BenchError, Redis

EVENTS_PER_PUSH = 500
PUSHES_IN_FLIGHT = 8
ROWS_PER_TURN = 200
REQUESTS_MAX = 100_000  # distinct ones in a file of reads
SAMPLE_ROWS = 1_000     # that are kept here, to be written again


class Pair:
    """Both servers, loaded: asofd with events, redis-server with the rows that asofd makes of them, as hashes.
    A context manager. BenchError where a row is not as it must be."""

    def __init__(self, folder, entities, say):
        self.entities = entities
        self.loaded_ms = int(time.time() * 1000)
        self.sample = []  # rows, as HGETALL answers them
        self._folders = [folder / "asofd", folder / "redis"]
        for path in self._folders:
            path.mkdir()
        self.asofd = Asofd(self._folders[0])
        try:
            self.redis = Redis(self._folders[1])
            try:
                self._load(say)
            except BaseException:
                self.redis.stop()
                raise
        except BaseException:
            self.asofd.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.asofd.stop()
        self.redis.stop()

    @property
    def peers(self):
        return self.asofd, self.redis

    def _load(self, say):
        self.asofd.apply(workload.DEFINITIONS)
        before = [peer.rss_bytes() for peer in self.peers]
        say(f"loading {self.entities:,} entities into both")
        push_all(self.asofd, workload.history(self.entities, self.loaded_ms))
        self._copy_rows()
        # Growth of RSS per entity, each row of asofd read once.
        self.asofd_entity_bytes, self.redis_entity_bytes = (
            (peer.rss_bytes() - rss) / self.entities for peer, rss in zip(self.peers, before))

    def _copy_rows(self):
        """Reads each row of asofd once and keeps it as a hash in redis-server. All events of an entity must
        count in its longest window."""
        with self.asofd.client() as source, self.redis.client() as target:
            for some in workload.batches(range(self.entities), ROWS_PER_TURN):
                rows = source.pipeline([("HGETALL", workload.key(entity)) for entity in some])
                for entity, row in zip(some, rows):
                    values = dict(zip(row[::2], row[1::2])) if isinstance(row, list) else {}
                    if int(values.get(b"payments_7d", 0)) != workload.EVENTS_PER_ENTITY:
                        raise BenchError(f"{workload.key(entity)} has not {workload.EVENTS_PER_ENTITY} events: {row!r}")
                for reply in target.pipeline([("HSET", workload.key(entity), *row) for entity, row in zip(some, rows)]):
                    if not isinstance(reply, int):
                        raise self.redis.failed(f"HSET was answered {reply!r}")
                self.sample.extend(rows[:max(0, SAMPLE_ROWS - len(self.sample))])

    def restart_asofd(self, *options):
        """Stops asofd and starts it with the same data: all of it in sorted files, nothing in memory."""
        self.asofd.stop()
        self.asofd = Asofd(self._folders[0], *options)

    def some_entities(self, seed):
        """Entities to read, at random and without end of repeats, at most REQUESTS_MAX."""
        draw = random.Random(seed)
        return [draw.randrange(self.entities) for _ in range(min(REQUESTS_MAX, 10 * self.entities))]

    def reads(self):
        """HMGETs of the ten features, as write_requests takes them."""
        return [(encode("HMGET", workload.key(entity), *workload.FEATURES_READ), 1)
                for entity in self.some_entities(workload.SEED)]


def push_all(asofd, events):
    """Pushes all events, several pushes in flight. BenchError where one is not acknowledged."""
    pushes = [("ASOF.PUSH", workload.SOURCE, *batch) for batch in workload.batches(events, EVENTS_PER_PUSH)]
    with asofd.client() as client:
        for some in workload.batches(pushes, PUSHES_IN_FLIGHT):
            for push, reply in zip(some, client.pipeline(some)):
                if reply != len(push) - 2:
                    raise asofd.failed(f"a push of {len(push) - 2} events was answered {reply!r}")
