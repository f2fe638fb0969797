"""Types survive: what a server writes to Parquet, read back by pyarrow, pandas, DuckDB, Polars and Spark: training sets, snapshots
and raw events have the schema and the values that they should, NULLs and lists and all of Unicode among them.

Spark needs Java and takes its time: it reads with ASOF_LONG=1 (`make test-all`)."""

import datetime
import decimal
import json
import os

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest

from conftest import Server

LONG = os.environ.get("ASOF_LONG") == "1"
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
US = datetime.timedelta(microseconds=1)
D = decimal.Decimal

DEFINITIONS = """
sources:
  things:
    fields: {id: string, ts: timestamp_us, who: string, flag: bool, n: int, x: double, money: decimal(2), text: string,
             seen: timestamp}
    event_time: ts
    event_id: id
    clock: event
entities:
  who: {keys: [who]}
views:
  all_types:
    source: things
    entity: who
    features:
      flag: {last: flag, over: forever}
      n: {sum: n, over: forever}
      x: {avg: x, over: forever}
      money: {sum: money, over: forever}
      text: {last: text, over: forever}
      seen: {max: seen, over: forever}
      flags: {last_n: flag, over: last(3)}
      ns: {last_n: n, over: last(3)}
      xs: {last_n: x, over: last(3)}
      amounts: {last_n: money, over: last(3)}
      texts: {last_n: text, over: last(3)}
      moments: {last_n: seen, over: last(3)}
"""
START_US = 1769860800_123456
SEEN = datetime.datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
OLD = datetime.datetime(1, 1, 1, tzinfo=UTC)
NEW = datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
TEXT = "naïve ☃ 🂡 \u0000 \"quoted\", a|b\n"
NAMES = ["it's \"q\", 1|2", "zoë 🂡"]
NOTHING = "ß"  # who has one event, without values; behind the others in the order of the bytes
LARGE = 2**53 + 1  # no double


def text_of(moment):
    return moment.isoformat().replace("+00:00", "Z")


def thing(number, who, **rest):
    return {"id": str(number), "ts": START_US + number, "who": who} | rest


EVENTS = [
    thing(0, NAMES[1], flag=True, n=LARGE, x=0.1, money="12345678901234.56", text=TEXT, seen=text_of(SEEN)),
    thing(1, NAMES[1], flag=None, n=None, x=None, money=None, text=None, seen=None),
    thing(2, NAMES[0], flag=False, n=-(2**63), x=-5e-324, money="-9999999999999999.99", text="", seen=text_of(OLD)),
    thing(3, NAMES[0], x=1.7976931348623157e308, seen=text_of(NEW)),
    thing(4, NOTHING),
]

# What a file has: {column: (type, values)}. A type is a name, or [a name]: a list of it.
FEATURES = {
    "flag": ("bool", [False, True, None]), "n": ("int", [-(2**63), LARGE, None]),
    "x": ("double", [8.988465674311579e307, 0.1, None]),
    "money": ("decimal", [D("-9999999999999999.99"), D("12345678901234.56"), None]), "text": ("string", ["", TEXT, None]),
    "seen": ("timestamp", [NEW, SEEN, None]), "flags": (["bool"], [[False], [True], None]), "ns": (["int"], [[-(2**63)], [LARGE], None]),
    "xs": (["double"], [[1.7976931348623157e308, -5e-324], [0.1], None]),
    "amounts": (["decimal"], [[D("-9999999999999999.99")], [D("12345678901234.56")], None]),
    "texts": (["string"], [[""], [TEXT], None]), "moments": (["timestamp"], [[NEW, OLD], [SEEN], None]),
}
WHO = [*NAMES, NOTHING]


def of_events(name):
    return [event.get(name) for event in EVENTS]


RAW = {
    "id": ("string", of_events("id")),
    "ts": ("timestamp", [SEEN + number * US for number in range(len(EVENTS))]),
    "who": ("string", of_events("who")), "flag": ("bool", of_events("flag")), "n": ("int", of_events("n")),
    "x": ("double", of_events("x")), "money": ("decimal", [text and D(text) for text in of_events("money")]),
    "text": ("string", of_events("text")), "seen": ("timestamp", [SEEN, None, OLD, NEW, None]),
}
# Label columns come out as they went in. `flag` is one of a feature's name, too.
LABELS = {
    "who": ("string", [*WHO, None, "nobody"]), "label": ("bool", [True, None, False, True, None]),
    "at": ("timestamp", [SEEN + datetime.timedelta(days=1)] * 5), "prices": (["decimal"], [[D("0.01"), None], [], None, None, [None]]),
    "flag": ("string", [TEXT, None, "", "ü", "x"]), "weight": ("double", [0.1, -0.0, None, 5e-324, 1e300]),
    "count": ("int", [LARGE, None, 0, -1, 1]),
}
TYPES = {"bool": pyarrow.bool_(), "int": pyarrow.int64(), "double": pyarrow.float64(), "decimal": pyarrow.decimal128(18, 2),
         "string": pyarrow.string(), "timestamp": pyarrow.timestamp("us", tz="UTC")}


def without_entity(values):
    """Of a feature, where the key is NULL or nobody's."""
    return [*values, None, None]


EXPECTED = {
    "training": {**LABELS, **{name if name != "flag" else "all_types__flag": (kind, without_entity(values))
                              for name, (kind, values) in FEATURES.items()}},
    "snapshot": {"who": ("string", WHO), **FEATURES},
    "events": RAW,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{what: path}"""
    folder = tmp_path_factory.mktemp("types")
    server = Server(folder).start()
    server.apply(DEFINITIONS)
    server.asof("push", "things", input="\n".join(map(json.dumps, EVENTS)))
    labels = pyarrow.table({name: pyarrow.array(values, pyarrow.list_(TYPES[kind[0]]) if isinstance(kind, list) else TYPES[kind])
                            for name, (kind, values) in LABELS.items()})
    pyarrow.parquet.write_table(labels, folder / "labels.parquet")
    paths = {what: folder / f"{what}.parquet" for what in EXPECTED}
    words = {"training": ["--labels", str(folder / "labels.parquet"), "--features", "all_types.*", "--time-column", "at"],
             "snapshot": ["all_types"], "events": ["things"]}
    for what, path in paths.items():
        server.asof("export", what, *words[what], "--out", str(path))
    server.stop()
    return paths


# ---- readers: (the types by name, the values) of all columns, as this file names and holds them ----

def in_utc(value):
    """A moment of Python in UTC; in lists, too."""
    if isinstance(value, list):
        return [in_utc(item) for item in value]
    return value.astimezone(UTC) if isinstance(value, datetime.datetime) else value


def in_utc_all(table):
    return {name: in_utc(values) for name, values in table.items()}


def named(types, name_of, item_of):
    """Types of a library by the names of this file."""
    def name(kind):
        item = item_of(kind)
        return name_of[str(kind)] if item is None else [name(item)]
    return {column: name(kind) for column, kind in types.items()}


def read_pyarrow(path):
    table = pyarrow.parquet.read_table(path)
    types = named({field.name: field.type for field in table.schema}, {str(kind): name for name, kind in TYPES.items()},
                  lambda kind: kind.value_type if pyarrow.types.is_list(kind) else None)
    return types, in_utc_all(table.to_pydict())


def read_pandas(path):
    """By its nullable types: by NumPy's, integers with NULLs become doubles in pandas."""
    frame = pandas.read_parquet(path, dtype_backend="pyarrow")
    types = named({name: kind.pyarrow_dtype for name, kind in frame.dtypes.items()}, {str(kind): name for name, kind in TYPES.items()},
                  lambda kind: kind.value_type if pyarrow.types.is_list(kind) else None)
    return types, {name: [plain(value) for value in frame[name]] for name in frame}


def plain(value):
    """What a frame of pandas has, as Python."""
    if value is None or value is pandas.NA:
        return None
    if isinstance(value, datetime.datetime):
        return (value.to_pydatetime() if isinstance(value, pandas.Timestamp) else value).astimezone(UTC)
    return [plain(item) for item in value] if hasattr(value, "__len__") and not isinstance(value, str) else value


def read_duckdb(path):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    types = {name: str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM '{path}'").fetchall()}
    names = {"BOOLEAN": "bool", "BIGINT": "int", "DOUBLE": "double", "DECIMAL(18,2)": "decimal", "VARCHAR": "string",
             "TIMESTAMP WITH TIME ZONE": "timestamp"}
    values = connection.sql(f"FROM '{path}'").to_arrow_table().to_pydict()
    return named(types, names, lambda kind: kind[:-2] if kind.endswith("[]") else None), in_utc_all(values)


def read_polars(path):
    frame = polars.read_parquet(path)
    names = {"Boolean": "bool", "Int64": "int", "Float64": "double", "Decimal(precision=18, scale=2)": "decimal", "String": "string",
             "Datetime(time_unit='us', time_zone='UTC')": "timestamp"}
    types = named(dict(frame.schema), names, lambda kind: kind.inner if isinstance(kind, polars.List) else None)
    return types, in_utc_all(frame.to_dict(as_series=False))


def read_spark(path):
    """Moments as microseconds: Spark's Python would make local times of them, and none of the first and the last day."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    frame = session.read.parquet(str(path))
    names = {"boolean": "bool", "bigint": "int", "double": "double", "decimal(18,2)": "decimal", "string": "string",
             "timestamp": "timestamp"}
    types = dict(frame.dtypes)
    sql = {"timestamp": "unix_micros(`{0}`) AS `{0}`", "array<timestamp>": "transform(`{0}`, t -> unix_micros(t)) AS `{0}`"}
    rows = frame.selectExpr(*(sql.get(kind, "`{0}`").format(name) for name, kind in types.items())).collect()

    def value(name, read):
        if isinstance(read, list):
            return [value(name, item) for item in read]
        return EPOCH + US * read if "timestamp" in types[name] and read is not None else read

    return (named(types, names, lambda kind: kind[len("array<"):-1] if kind.startswith("array<") else None),
            {name: [value(name, row[name]) for row in rows] for name in types})


READERS = {"pyarrow": read_pyarrow, "pandas": read_pandas, "duckdb": read_duckdb, "polars": read_polars, "spark": read_spark}


@pytest.mark.parametrize("what", EXPECTED)
@pytest.mark.parametrize("reader", [pytest.param(name, marks=pytest.mark.skipif(
    name == "spark" and not LONG, reason="ASOF_LONG=1 runs it")) for name in READERS])
def test_types_and_values_survive(files, reader, what):
    expected = EXPECTED[what]

    types, values = READERS[reader](files[what])

    assert list(types) == [*expected, *(["asof_sequence"] if what == "events" else [])], "the order of the columns"
    assert {name: types[name] for name in expected} == {name: kind for name, (kind, _) in expected.items()}
    order = range(len(values["who"])) if what != "snapshot" else sorted(range(len(WHO)), key=lambda row: values["who"][row])
    for name, (_, true) in expected.items():
        assert [repr(values[name][row]) for row in order] == [repr(value) for value in true], name


@pytest.mark.parametrize("what", EXPECTED)
def test_columns_are_of_the_parquet_types_that_the_docs_tell(files, what):
    """As Parquet says it itself: that moments are UTC is a flag of the file, not a guess of its reader."""
    schema = pyarrow.parquet.ParquetFile(files[what]).schema
    logical = {"bool": "None", "int": "Int(bitWidth=64, isSigned=true)", "double": "None", "decimal": "Decimal(precision=18, scale=2)",
               "string": "String", "timestamp": "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds"}
    kinds = {name: kind[0] if isinstance(kind, list) else kind for name, (kind, _) in EXPECTED[what].items()}
    for column in map(schema.column, range(len(schema))):
        if name := column.path.split(".")[0] if column.path.split(".")[0] in kinds else None:
            told = str(column.logical_type)
            assert told.startswith(logical[kinds[name]]) or (kinds[name] == "int" and told == "None"), (name, told)
