"""A training set: ten window features of labels, by `asof export training`; by DuckDB, which is told in SQL what the windows
mean; and by Feast, which joins rows that were computed before, an easier task."""

import dataclasses

from measure import Spread
from offline_data import AGGREGATES, DEFINITIONS, HISTORY, WINDOWS_US, make_history
from offline_peers import TIMEOUT_S, Side, check_same, run_duckdb, run_export, run_feast
from servers import LOAD_CPU, SERVER_CPU, Asofd

FEAST_FILE_LABELS = 20_000  # for its file store, which takes some 60 KB a label
ASOF = "asof export training"
FORMS = {"range join": "range", "window functions": "window"}
COPY = "(FORMAT parquet, COMPRESSION zstd)"


@dataclasses.dataclass
class TrainingResult:
    labels: int
    events: int
    cards: int
    rounds: int
    sides: dict               # name: Side
    speed: Spread             # of a round, our speed to that of the fastest DuckDB with one CPU
    speed_two: Spread         # the same with two CPUs
    memory: Spread            # our growth to the least whole of a DuckDB with one CPU
    memory_whole: Spread      # the same of our whole
    feast_file_labels: int
    feast_file: Spread        # our rows/s to Feast's
    feast_duckdb: Spread
    feast_version: str


def measure(folder, size, say):
    """BenchError where two of them do not say the same."""
    say(f"a training set of {size['labels']:,} labels over {size['history_events']:,} events")
    history = make_history(folder, size["history_events"], size["labels"], size["history_cards"])
    with Asofd(folder) as asofd:
        asofd.apply(DEFINITIONS)
        asofd.asof("backfill", HISTORY, "--from", history.events, timeout_s=TIMEOUT_S)
    runs = _run_rounds(folder, history, size["offline_rounds"], say)
    feast_runs, version = _run_feast(folder, history, say)
    return _result(history, runs, feast_runs, version)


def _run_rounds(folder, history, rounds, say):
    """All take turns, each as a process that has done nothing yet: {name: [Took]}."""
    runs = {}
    for number in range(rounds):
        say(f"training set, round {number + 1} of {rounds}")
        ours = folder / "asof.parquet"
        with Asofd(folder) as asofd:
            runs.setdefault(ASOF, []).append(run_export(
                asofd, "training", "--labels", history.labels, "--features", f"{HISTORY}.*", "--out", ours))
        for cpus in ((SERVER_CPU,), (SERVER_CPU, LOAD_CPU)):
            for name, form in FORMS.items():
                theirs = folder / "duckdb.parquet"
                took = run_duckdb([f"COPY ({SQL[form](history)}) TO '{theirs}' {COPY}"], cpus)
                runs.setdefault(_name(name, cpus), []).append(took)
                check_same(ours, theirs, "number")
    return runs


def _name(form, cpus):
    return f"DuckDB, {form}, {len(cpus)} CPU{'s' if len(cpus) > 1 else ''}"


def _run_feast(folder, history, say):
    """{store: (Took, labels)} and the version. Rows are joined that DuckDB computed, one as after each event."""
    say("the same by Feast, from rows that are computed before")
    rows, runs = folder / "rows.parquet", {}
    run_duckdb([f"COPY ({_rows_sql(history)}) TO '{rows}' {COPY}"], (SERVER_CPU, LOAD_CPU))
    plain = folder / "plain.parquet"
    for store, count in (("dask", min(FEAST_FILE_LABELS, history.labels_count)), ("duckdb", history.labels_count)):
        answer = folder / f"feast-{store}.parquet"
        runs[store], version = run_feast(store, folder / f"feast-{store}", rows, history.labels, count, answer)
        run_duckdb([f"COPY ({_plain_sql(history, rows, count)}) TO '{plain}' {COPY}"], (SERVER_CPU, LOAD_CPU))
        check_same(answer, plain, "number")
    return runs, version


def _result(history, runs, feast_runs, version):
    labels, counts = history.labels_count, {"dask": min(FEAST_FILE_LABELS, history.labels_count),
                                            "duckdb": history.labels_count}
    sides = {name: Side.of(some, labels) for name, some in runs.items()}
    sides.update({f"Feast, {store} store, 2 CPUs": Side.of([took], counts[store]) for store, took in feast_runs.items()})

    def ratios(ours, theirs, cpus):
        peers = [runs[_name(form, range(cpus))] for form in FORMS]
        return Spread.of([theirs(some) / ours(mine) for mine, *some in zip(runs[ASOF], *peers)])

    def memory(attribute):
        inverse = ratios(lambda run: getattr(run, attribute), lambda some: min(run.peak_bytes for run in some), 1)
        return Spread(1 / inverse.median, 1 / inverse.high, 1 / inverse.low)

    def feast(store):
        per_s = counts[store] / feast_runs[store].wall_s
        return Spread.of([labels / run.wall_s / per_s for run in runs[ASOF]])

    def fastest(some):
        return min(run.wall_s for run in some)

    return TrainingResult(labels, history.events_count, history.cards, len(runs[ASOF]), sides,
                          ratios(lambda run: run.wall_s, fastest, 1), ratios(lambda run: run.wall_s, fastest, 2),
                          memory("growth_bytes"), memory("peak_bytes"), counts["dask"], feast("dask"), feast("duckdb"),
                          version)


# ---- what the windows mean, in SQL ----

def _range_sql(history):
    """Each label with the events of the week before it; the shorter windows filter."""
    columns = ", ".join(
        f"{aggregate.replace('count(*)', 'count(e.ts)')} "
        f"FILTER (WHERE e.ts > l.event_timestamp - {_interval(WINDOWS_US[window])}) AS {name}"
        for name, (aggregate, window) in AGGREGATES.items())
    return (f"WITH f AS (SELECT l.number, {columns} FROM '{history.labels}' l LEFT JOIN '{history.events}' e "
            f"ON e.card = l.card AND e.ts <= l.event_timestamp AND e.ts > l.event_timestamp - "
            f"{_interval(max(WINDOWS_US.values()))} GROUP BY l.number) "
            f"SELECT l.*, f.* EXCLUDE number FROM '{history.labels}' l JOIN f USING (number) ORDER BY number")


def _window_sql(history):
    """Labels and events in one table, in their order; windows over each card."""
    return (f"WITH together AS (SELECT card, ts AS moment, ts, amount, country, NULL AS number FROM '{history.events}' UNION ALL "
            f"SELECT card, event_timestamp, NULL, NULL, NULL, number FROM '{history.labels}'), "
            f"f AS (SELECT number, {_columns('ts')} FROM together WINDOW {_windows('moment')} QUALIFY number IS NOT NULL) "
            f"SELECT l.*, f.* EXCLUDE number FROM '{history.labels}' l JOIN f USING (number) ORDER BY number")


SQL = {"range": _range_sql, "window": _window_sql}


def _rows_sql(history):
    """The features as they are right after each event: what a pipeline would have stored for Feast."""
    columns = ", ".join(f"CAST({name} AS {'BIGINT' if 'count' in aggregate else 'DOUBLE'}) AS {name}"
                        for name, (aggregate, _) in AGGREGATES.items())
    return (f"WITH f AS (SELECT card, ts, {_columns('ts')} FROM '{history.events}' WINDOW {_windows('ts')}) "
            f"SELECT card, ts AS event_timestamp, {columns} FROM f")


def _plain_sql(history, rows, count):
    """What Feast is to answer."""
    return (f"SELECT l.*, r.* EXCLUDE (card, event_timestamp) FROM (FROM '{history.labels}' WHERE number < {count}) l "
            f"ASOF LEFT JOIN '{rows}' r ON r.card = l.card AND r.event_timestamp <= l.event_timestamp")


def _columns(counted):
    return ", ".join(f"{aggregate.replace('count(*)', f'count({counted})')} OVER over_{window} AS {name}"
                     for name, (aggregate, window) in AGGREGATES.items())


def _windows(ordered):
    """An event that is exactly as old as the window does not count."""
    return ", ".join(f"over_{name} AS (PARTITION BY card ORDER BY {ordered} RANGE BETWEEN {_interval(size_us - 1)} PRECEDING "
                     "AND CURRENT ROW)" for name, size_us in WINDOWS_US.items())


def _interval(us):
    return f"INTERVAL '{us} microseconds'"
