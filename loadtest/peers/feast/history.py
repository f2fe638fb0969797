#!/usr/bin/env python3
"""Feast's get_historical_features in a process of its own, as a peer: joins labels with rows that were computed before.

    history.py STORE FOLDER ROWS LABELS COUNT OUT

STORE is dask (its file store) or duckdb; of LABELS the first COUNT are taken; the answer goes to OUT. Prints
{"wall_s", "cpu_s", "rest_bytes", "peak_bytes", "rows", "version"}."""

import datetime
import json
import os
import pathlib
import resource
import sys
import time

os.environ["FEAST_USAGE"] = "False"

import feast  # noqa: E402
import pandas  # noqa: E402
import pyarrow.parquet  # noqa: E402
from feast.infra.offline_stores.file_source import FileSource  # noqa: E402
from feast.repo_config import RepoConfig  # noqa: E402
from feast.types import Float64, Int64  # noqa: E402

VIEW, KEY = "card_history", "card"
AGE_MAX = datetime.timedelta(days=31)  # more than the rows span: none is too old


def make_store(kind, folder, rows):
    """The store, and the features of the one view in it: the columns of the rows."""
    names = [name for name in pyarrow.parquet.read_schema(rows).names if name not in (KEY, "event_timestamp")]
    store = feast.FeatureStore(config=RepoConfig(
        project="bench", provider="local", registry=str(folder / "registry.db"), entity_key_serialization_version=3,
        offline_store={"type": kind}, online_store={"type": "sqlite", "path": str(folder / "online.db")}))
    entity = feast.Entity(name=KEY, join_keys=[KEY], value_type=feast.ValueType.STRING)
    schema = [feast.Field(name=name, dtype=Int64 if name.startswith(("payments", "countries")) else Float64)
              for name in names]
    store.apply([entity, feast.FeatureView(name=VIEW, entities=[entity], ttl=AGE_MAX, schema=schema,
                                           source=FileSource(path=rows, timestamp_field="event_timestamp"))])
    return store, [f"{VIEW}:{name}" for name in names]


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def main(kind, folder, rows, labels, count, out):
    store, names = make_store(kind, pathlib.Path(folder), rows)
    frame = pandas.read_parquet(labels).head(int(count))
    (cpu_s, rest_bytes), start_s = usage(), time.monotonic()
    answer = store.get_historical_features(entity_df=frame, features=names).to_df()
    wall_s, (end_cpu_s, peak_bytes) = time.monotonic() - start_s, usage()
    answer.to_parquet(out)
    json.dump({"wall_s": wall_s, "cpu_s": end_cpu_s - cpu_s, "rest_bytes": rest_bytes, "peak_bytes": peak_bytes,
               "rows": len(answer), "version": feast.__version__}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
