"""A batch of features from Python: our client, against Feast's SDK on redis-server with as many features."""

import dataclasses
import datetime
import os
import random
import time

import workload
from measure import Spread
from rpc_pair import FEATURES, KEY, card
from servers import BenchError

BATCH = 100          # entities of a call
FEAST_ENTITIES = 1_000  # that Feast's store holds: writing them takes long
CALLS_KEPT = 50      # distinct calls
PROJECT = "bench"


@dataclasses.dataclass
class PythonResult:
    """Calls a second; a ratio is ours to Feast's of one round."""

    asof: Spread
    asof_ms: Spread
    feast: Spread
    feast_ms: Spread
    feast_without_dict_ms: Spread
    ratio: Spread
    version: str


def measure(pair, folder, rounds, run_s, say):
    """Both answer with a dictionary of lists. BenchError where an answer has not all features of all entities."""
    import asof

    say(f"the same from Python, against Feast, {rounds} rounds")
    feast, store, names = _feast(pair, folder)
    draw = random.Random(workload.SEED)
    entities = [[draw.randrange(min(pair.entities, FEAST_ENTITIES)) for _ in range(BATCH)] for _ in range(CALLS_KEPT)]
    ours = [f"{view}.{name}" for view, some in FEATURES.items() for name in some]
    with asof.Client(f"127.0.0.1:{pair.asofd.rpc_port}") as client:
        calls = {"asof": lambda some: client.get(ours, {KEY: [card(entity) for entity in some]}).to_dict(),
                 "feast": lambda some: _feast_get(store, names, some).to_dict(),
                 "feast without": lambda some: _feast_get(store, names, some)}
        _check(calls["asof"](entities[0]), len(ours) + 1)
        _check(calls["feast"](entities[0]), len(names) + 1)
        took = {name: [] for name in calls}
        for number in range(rounds + 1):
            for name, call in calls.items():
                each_s = _run(call, entities, run_s)
                if number > 0:  # the first is to warm up
                    took[name].append(each_s)

    def rates(name):
        return Spread.of([1 / each_s for each_s in took[name]])

    def times_ms(name):
        return Spread.of([each_s * 1000 for each_s in took[name]])

    return PythonResult(rates("asof"), times_ms("asof"), rates("feast"), times_ms("feast"), times_ms("feast without"),
                        Spread.of([theirs / mine for mine, theirs in zip(took["asof"], took["feast"])]), feast.__version__)


def _run(call, entities, run_s):
    """Seconds a call."""
    count, start_s = 0, time.monotonic()
    while time.monotonic() - start_s < run_s or count == 0:
        call(entities[count % len(entities)])
        count += 1
    return (time.monotonic() - start_s) / count


def _check(answer, columns):
    if len(answer) != columns or any(len(values) != BATCH for values in answer.values()):
        raise BenchError(f"an answer has {len(answer)} columns where {columns} were asked")


# ---- Feast ----

def _feast(pair, folder):
    """Feast with its Redis store on the pair's redis-server (its keys are others than ours), and rows in it."""
    os.environ["FEAST_USAGE"] = "False"
    import feast
    import pandas
    from feast.infra.offline_stores.file_source import FileSource
    from feast.repo_config import RepoConfig
    from feast.types import Float64

    store = feast.FeatureStore(config=RepoConfig(
        project=PROJECT, provider="local", registry=str(folder / "registry.db"), entity_key_serialization_version=3,
        online_store={"type": "redis", "connection_string": f"localhost:{pair.redis.port}"}))
    entity = feast.Entity(name=KEY, join_keys=[KEY], value_type=feast.ValueType.STRING)
    now = datetime.datetime.now(datetime.timezone.utc)
    count = min(pair.entities, FEAST_ENTITIES)
    views = []
    for view, names in FEATURES.items():
        source = FileSource(path=str(folder / f"{view}.parquet"), timestamp_field="event_timestamp")
        frame = pandas.DataFrame({KEY: [card(number) for number in range(count)], "event_timestamp": now,
                                  **{name: [number + 0.25 for number in range(count)] for name in names}})
        frame.to_parquet(folder / f"{view}.parquet")
        views.append((feast.FeatureView(name=view, entities=[entity], schema=[feast.Field(name=name, dtype=Float64)
                                                                              for name in names], source=source), frame))
    store.apply([entity, *(view for view, _ in views)])
    for view, frame in views:
        store.write_to_online_store(view.name, frame)
    return feast, store, [f"{view}:{name}" for view, names in FEATURES.items() for name in names]


def _feast_get(store, names, entities):
    return store.get_online_features(features=names, full_feature_names=True,
                                     entity_rows=[{KEY: card(entity)} for entity in entities])
