"""asofd and redis-server with the same rows, for what RPC is about: 50 features of five views (rpc.yaml), which
redis-server has as a hash a view and entity."""

import pathlib
import random
import time

import rpc_world
import workload
from pair import ROWS_PER_TURN, push_all
from resp import encode
from servers import Asofd, BenchError, Redis

DEFINITIONS = pathlib.Path(__file__).with_name("rpc.yaml")
KEY = "card"
CACHE = ("--block-cache-bytes", "1GiB")  # all that is read fits
FEATURES = {
    **{f"card_{window}": ("payments", "amount_sum", "amount_avg", "amount_min", "amount_max", "amount_stddev", "countries",
                          "merchants", "big", "big_share") for window in ("1h", "1d", "7d")},
    "card_today": ("payments", "amount_sum", "amount_avg", "amount_min", "amount_max", "first", "countries", "country",
                   "fee", "abroad"),
    "card_latest": ("payments", "amount", "merchant", "country", "first_country", "amount_avg_5", "amount_max_5",
                    "idle_seconds", "known_seconds", "session_payments"),
}
REQUESTS = 20_000   # distinct ones of one entity in a file of calls
BATCHES = 200       # distinct ones of many entities


def card(entity):
    return f"{entity:012d}"


class RpcPair:
    """Both servers, loaded. A context manager. BenchError where a row is not as it must be."""

    def __init__(self, folder, entities, say):
        self.entities = entities
        self._folders = [folder / "asofd", folder / "redis"]
        for path in self._folders:
            path.mkdir()
        self.loaded_ms = int(time.time() * 1000)
        self.asofd = Asofd(self._folders[0], "--rpc-port", "0", *CACHE)
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

    def _load(self, say):
        self.asofd.apply(DEFINITIONS)
        say(f"loading {self.entities:,} entities of five views into both")
        push_all(self.asofd, workload.history(self.entities, self.loaded_ms))
        self._copy_rows()

    def _copy_rows(self):
        with self.asofd.client() as source, self.redis.client() as target:
            for some in workload.batches(range(self.entities), ROWS_PER_TURN):
                keys = [(f"{view}:{card(entity)}", names) for entity in some for view, names in FEATURES.items()]
                rows = source.pipeline([("HMGET", key, *names) for key, names in keys])
                for (key, names), row in zip(keys, rows):
                    if not isinstance(row, list) or (key.startswith("card_7d") and
                                                     int(row[0]) != workload.EVENTS_PER_ENTITY):
                        raise BenchError(f"{key} has not {workload.EVENTS_PER_ENTITY} events: {row!r}")
                puts = [("HSET", key, *(word for pair in zip(names, row) for word in (pair[0], pair[1] or b"")))
                        for (key, names), row in zip(keys, rows)]
                for reply in target.pipeline(puts):
                    if not isinstance(reply, int):
                        raise self.redis.failed(f"HSET was answered {reply!r}")

    def restart_asofd(self):
        """Stops asofd and starts it with the same data: all of it in sorted files, nothing in memory."""
        self.asofd.stop()
        self.asofd = Asofd(self._folders[0], "--rpc-port", "0", *CACHE)

    def draw_entities(self, seed, count, each):
        """`count` lists of `each` random entities."""
        draw = random.Random(seed)
        return [[draw.randrange(self.entities) for _ in range(each)] for _ in range(count)]


def call(views, entities, **rest):
    """The bytes of a GetFeaturesRequest: all features of these views."""
    return rpc_world.request([f"{view}.{name}" for view in views for name in FEATURES[view]],
                             {KEY: [card(entity) for entity in entities]}, **rest).SerializeToString()


def commands(views, entities):
    """The same as HMGETs."""
    return b"".join(encode("HMGET", f"{view}:{card(entity)}", *FEATURES[view]) for entity in entities for view in views)
