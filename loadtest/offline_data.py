"""Files of events and labels that training sets and snapshots are measured on: Parquet, the same in each run."""

import dataclasses
import math
import pathlib

import numpy

import workload

DEFINITIONS = pathlib.Path(__file__).with_name("offline.yaml")
HISTORY = "card_history"        # the view of training sets
POPULATION = "card_payments"    # the view of snapshots
FIRST_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DAY_US = 86_400_000_000
HISTORY_DAYS = 30
SPREAD = 1.0                    # of how active cards are: the sigma of a log-normal distribution
MERCHANTS = 5_000
# Windows and what is asked of them, as SQL says it; the names are those of offline.yaml.
WINDOWS_US = {"1h": 3_600_000_000, "1d": DAY_US, "7d": 7 * DAY_US}
AGGREGATES = {
    "payments_1h": ("count(*)", "1h"), "amount_sum_1h": ("sum(amount)", "1h"), "amount_max_1h": ("max(amount)", "1h"),
    "payments_1d": ("count(*)", "1d"), "amount_sum_1d": ("sum(amount)", "1d"), "amount_avg_1d": ("avg(amount)", "1d"),
    "countries_1d": ("count(DISTINCT country)", "1d"), "payments_7d": ("count(*)", "7d"),
    "amount_avg_7d": ("avg(amount)", "7d"), "amount_stddev_7d": ("stddev_samp(amount)", "7d"),
}
SAFE = "SET TimeZone = 'UTC'; SET enable_progress_bar = false;"


@dataclasses.dataclass
class History:
    """Events of some cards over a month, and labels at moments between them."""

    events: pathlib.Path
    labels: pathlib.Path
    events_count: int
    labels_count: int
    cards: int


def make_history(folder, events, labels, cards):
    """A card's label lies within a day after one of its events; cards are more or less active."""
    draw = numpy.random.Generator(numpy.random.PCG64(workload.SEED))
    weights = draw.lognormal(0, SPREAD, cards)
    some = draw.choice(cards, events, p=weights / weights.sum())
    times_us = numpy.sort(draw.integers(FIRST_US, FIRST_US + HISTORY_DAYS * DAY_US, events))
    events_path = _write_events(folder / "events.parquet", some, times_us, draw)
    picked = draw.choice(events, labels, replace=False)
    moments_us = times_us[picked] + draw.integers(0, DAY_US, labels)
    labels_path = folder / "labels.parquet"
    _write(labels_path, {"number": numpy.arange(labels), "card": some[picked], "moment": moments_us,
                         "fraud": draw.random(labels) < 0.01},
           "number, format('{:012d}', card) AS card, make_timestamptz(moment) AS event_timestamp, fraud")
    return History(events_path, labels_path, events, labels, cards)


def make_population(folder, cards, events_each):
    """Events of many cards, as many of each. Ages are log-uniform, as those of workload.history: every window holds some."""
    draw = numpy.random.Generator(numpy.random.PCG64(workload.SEED))
    some = draw.permutation(numpy.repeat(numpy.arange(cards), events_each))
    ages_ms = numpy.exp(draw.uniform(math.log(workload.AGE_MIN_MS), math.log(workload.AGE_MAX_MS), len(some)))
    times_us = FIRST_US + numpy.sort((workload.AGE_MAX_MS - ages_ms) * 1000).astype(numpy.int64)
    return _write_events(folder / "population.parquet", some, times_us, draw)


def _write_events(path, cards, times_us, draw):
    count = len(cards)
    _write(path, {"number": numpy.arange(count), "moment": times_us, "card": cards,
                  "merchant": draw.integers(0, MERCHANTS, count),
                  "country": numpy.array(workload.COUNTRIES)[draw.integers(0, len(workload.COUNTRIES), count)],
                  "cents": draw.integers(1_000, 15_000, count)},
           "format('t-{:012d}', number) AS txn, make_timestamptz(moment) AS ts, format('{:012d}', card) AS card, "
           "format('merchant-{:04d}', merchant) AS merchant, country, CAST(cents / 100 AS DECIMAL(18, 2)) AS amount")
    return path


def _write(path, columns, select):
    import duckdb
    import pandas

    with duckdb.connect() as database:
        database.execute(SAFE)
        database.register("columns", pandas.DataFrame(columns))
        database.execute(f"COPY (SELECT {select} FROM columns) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
