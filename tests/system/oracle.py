"""The oracle: every feature value computed a second time, by other means than the server's.

It reads the same definitions and events. SQLite evaluates `where` and expressions; DuckDB selects
what each window holds by joining (entity, T) pairs with events, and aggregates; what must be the
exact result rounded once is computed with integers and fractions. It follows the documented
meaning and nothing of the server: no code, no cleverness, no speed.

    oracle = Oracle(definition_texts)
    oracle.load("departures", lines)
    answers = oracle.answer("airport_departures", [Pair("JFK", t_us, False), ...])
"""

import collections
import dataclasses
import datetime as dt
import decimal
import fractions
import json
import math
import os
import re
import sqlite3
import tempfile

import duckdb
import yaml

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
DECIMAL_MAX = 10**18 - 1
DISTINCT_EXACT_MAX = 1024
DISTINCT_TOLERANCE = 0.03  # of the estimate: almost four times its standard error

DURATION_UNITS = {"ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6,
                  "w": 7 * 86400 * 10**6}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
AGGREGATIONS = ("count sum avg min max stddev variance first last count_distinct time_since_last "
                "time_since_first last_n duration").split()

Pair = collections.namedtuple("Pair", "entity t_us exclusive")
Answer = collections.namedtuple("Answer", "event_time features")  # features: [(name, text or None, status)]


@dataclasses.dataclass(frozen=True)
class Type:
    kind: str  # bool int double decimal string timestamp
    digits: int = 0
    unit: str = ""  # of a timestamp in an event
    is_list: bool = False


@dataclasses.dataclass(frozen=True)
class Window:
    kind: str  # sliding hopping tumbling session last forever
    size: int = 0
    step: int = 0
    offset: int = 0
    count: int = 0


@dataclasses.dataclass
class Feature:
    name: str
    aggregation: str
    argument: str | None  # a field's name or an expression; None: the event itself
    is_field: bool
    argument_type: Type | None
    where: str | None
    window: Window
    type: Type
    default: str | None


@dataclasses.dataclass
class Source:
    name: str
    fields: dict[str, Type]
    event_time: str
    event_id: str | None


@dataclasses.dataclass
class View:
    name: str
    source: Source
    keys: list[str]
    where: str | None
    features: list[Feature]


# Definitions


def parse_duration(text):
    parts = re.findall(r"(\d+)(ms|s|m|h|d|w)", text)
    assert parts and "".join(a + b for a, b in parts) == text, text
    return sum(int(number) * DURATION_UNITS[unit] for number, unit in parts)


def parse_window(text):
    if text == "forever":
        return Window("forever")
    if match := re.fullmatch(r"tumbling\(\s*(\w+)\s*(?:,\s*offset\s+(\w+)\s*)?\)", text):
        offset = parse_duration(match[2]) if match[2] and match[2] != "0s" else 0
        return Window("tumbling", size=parse_duration(match[1]), offset=offset)
    if match := re.fullmatch(r"session\(\s*(\w+)\s*\)", text):
        return Window("session", size=parse_duration(match[1]))
    if match := re.fullmatch(r"last\(\s*(\d+)\s*\)", text):
        return Window("last", count=int(match[1]))
    if match := re.fullmatch(r"(\w+)\s+step\s+(\w+)", text):
        return Window("hopping", size=parse_duration(match[1]), step=parse_duration(match[2]))
    return Window("sliding", size=parse_duration(text))


def parse_type(text):
    if match := re.fullmatch(r"decimal\((\d+)\)", text):
        return Type("decimal", digits=int(match[1]))
    if text.startswith("timestamp"):
        return Type("timestamp", unit=text.removeprefix("timestamp").lstrip("_"))
    assert text in ("bool", "int", "double", "string"), text
    return Type(text)


def result_type(aggregation, argument_type):
    if aggregation in ("count", "count_distinct"):
        return Type("int")
    if aggregation in ("sum", "min", "max", "first", "last"):
        return argument_type
    if aggregation == "last_n":
        return dataclasses.replace(argument_type, is_list=True)
    return Type("double")


def parse_feature(name, spec, source):
    (aggregation,) = set(spec) & set(AGGREGATIONS)
    argument = spec[aggregation]
    if argument in ("*", "true"):
        argument = None
    is_field = argument in source.fields
    argument_type = None
    if argument is not None:
        argument_type = source.fields[argument] if is_field else parse_type(spec.get("type", "double"))
    return Feature(name, aggregation, argument, is_field, argument_type, spec.get("where"),
                   parse_window(spec["over"]), result_type(aggregation, argument_type), spec.get("default"))


def parse_definitions(texts):
    """The views of all files together, by name. BaseLoader leaves every scalar the text it is."""
    merged = {"sources": {}, "entities": {}, "views": {}}
    for text in texts:
        for section, definitions in yaml.load(text, yaml.BaseLoader).items():
            merged[section].update(definitions)
    sources = {name: Source(name, {field: parse_type(type_) for field, type_ in spec["fields"].items()},
                            spec["event_time"], spec.get("event_id"))
               for name, spec in merged["sources"].items()}
    views = {}
    for name, spec in merged["views"].items():
        source = sources[spec["source"]]
        features = [parse_feature(feature, body, source) for feature, body in spec["features"].items()]
        views[name] = View(name, source, merged["entities"][spec["entity"]]["keys"], spec.get("where"), features)
    return sources, views


# Events


def parse_time(text):
    """RFC 3339 to microseconds, floored."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", text)
    offset = "+00:00" if match[4] in "Zz" else match[4]
    moment = dt.datetime.fromisoformat(f"{match[1]}T{match[2]}{offset}")
    return (moment - EPOCH) // dt.timedelta(microseconds=1) + int(((match[3] or "") + "000000")[:6])


def decode_value(value, type_):
    """A JSON value (numbers as Decimal) as int, float or str; a decimal as its scaled int."""
    if value is None:
        return None
    if type_.kind == "bool":
        return int(value)
    if type_.kind == "double":
        return float(value) + 0.0  # -0 is 0
    if type_.kind == "decimal":
        return int(decimal.Decimal(value).scaleb(type_.digits))
    if type_.kind == "timestamp":
        if type_.unit == "":
            return parse_time(value)
        digits = {"s": 6, "ms": 3, "us": 0, "ns": -3}[type_.unit]
        return int(value.scaleb(digits).to_integral_value(decimal.ROUND_FLOOR))
    return int(value) if type_.kind == "int" else value


def decode_event(line, source):
    """The event's fields, in the order of the source."""
    event = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
    return [decode_value(event.get(name), type_) for name, type_ in source.fields.items()]


def entity_text(keys):
    """What stands behind `view:` in a key."""
    texts = [str(key) for key in keys]
    if len(texts) == 1:
        return texts[0]
    return "|".join(text.replace("\\", "\\\\").replace("|", "\\|") for text in texts)


def quoted(name):
    return '"' + name + '"'


class SourceTable:
    """The events of one source in SQLite: a column a field, with the affinity of its type; a
    decimal as the nearest double, and once more, scaled, in `name:scaled`."""

    AFFINITY = {"bool": "INTEGER", "int": "INTEGER", "timestamp": "INTEGER", "double": "REAL", "decimal": "REAL",
                "string": "TEXT"}

    def __init__(self, source, lines):
        self.source = source
        self.database = sqlite3.connect(":memory:")
        columns = [f"{quoted(name)} {self.AFFINITY[type_.kind]}" for name, type_ in source.fields.items()]
        columns += [f"{quoted(name + ':scaled')} INTEGER" for name in self.decimals()]
        self.database.execute(f"CREATE TABLE events ({', '.join(columns)})")
        marks = ", ".join("?" * len(columns))
        self.database.executemany(f"INSERT INTO events VALUES ({marks})",
                                  (self.row(decode_event(line, source)) for line in lines))

    def decimals(self):
        return [name for name, type_ in self.source.fields.items() if type_.kind == "decimal"]

    def row(self, values):
        row, scaled = [], []
        for value, type_ in zip(values, self.source.fields.values()):
            if type_.kind == "decimal":
                scaled.append(value)
                value = None if value is None else value / 10**type_.digits
            row.append(value)
        return row + scaled

    def column(self, name):
        return quoted(name + ":scaled") if self.source.fields[name].kind == "decimal" else quoted(name)

    def select(self, view, fields, expressions, conditions):
        """(keys..., time, id, fields..., expressions..., conditions...) of each event of the view."""
        source = self.source
        keys = [quoted(key) for key in view.keys]
        columns = [*keys, quoted(source.event_time), quoted(source.event_id) if source.event_id else "rowid"]
        columns += [self.column(name) for name in fields]
        columns += [f"({expression})" for expression, _ in expressions]
        columns += [f"({condition}) IS TRUE" for condition in conditions]
        where = [f"{key} IS NOT NULL" for key in keys] + [f"({view.where or 'TRUE'}) IS TRUE"]
        return self.database.execute(f"SELECT {', '.join(columns)} FROM events WHERE {' AND '.join(where)}")


def convert_result(value, type_):
    """What SQLite made of an expression, as the type of the feature's argument."""
    if value is None:
        return None
    if type_.kind == "double":
        return float(value) + 0.0
    if type_.kind == "decimal":
        nearest = decimal.Decimal(value).quantize(decimal.Decimal(1).scaleb(-type_.digits))
        return int(nearest.scaleb(type_.digits))
    return value if type_.kind == "string" else int(value)


# Numbers


def exact_sum(numbers, power=1):
    """The sum of the numbers' powers as a Fraction, without rounding."""
    ratios = [number.as_integer_ratio() for number in numbers]
    common = max(denominator for _, denominator in ratios)  # all are powers of two
    total = sum((numerator * (common // denominator)) ** power for numerator, denominator in ratios)
    return fractions.Fraction(total, common**power)


def nearest_double(exact):
    """The double nearest to a Fraction; infinite where it overflows."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return math.inf


# Texts


def double_text(value):
    """As JavaScript prints it."""
    if value == 0:
        return "0"
    sign, digits, exponent = decimal.Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, digits))
    point = len(digits) + exponent  # the value is 0.DIGITS times ten to this
    if 0 < point <= 21:
        text = digits.ljust(point, "0") if exponent >= 0 else digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        power = point - 1
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{power:+d}"
    return "-" * sign + text


def decimal_text(scaled, digits):
    whole, part = divmod(abs(scaled), 10**digits)
    part = str(part).rjust(digits, "0").rstrip("0") if digits else ""
    return "-" * (scaled < 0) + str(whole) + ("." + part if part else "")


def value_text(value, type_):
    if type_.is_list:
        item = dataclasses.replace(type_, is_list=False)
        return "[" + ",".join(item_text(each, item) for each in value) + "]"
    if type_.kind == "double":
        return double_text(value)
    if type_.kind == "decimal":
        return decimal_text(value, type_.digits)
    return str(value)


def item_text(value, type_):
    if type_.kind == "bool":
        return "true" if value else "false"
    if type_.kind == "string":
        return json.dumps(value, ensure_ascii=False)
    return value_text(value, type_)


def default_text(feature):
    if feature.type.kind in ("int", "timestamp"):
        return str(int(feature.default))
    if feature.type.kind == "double":
        return double_text(float(feature.default))
    if feature.type.kind == "decimal":
        return value_text(int(decimal.Decimal(feature.default).scaleb(feature.type.digits)), feature.type)
    if feature.type.kind == "bool":
        return str(int(feature.default == "true"))
    return feature.default


class Estimate(str):
    """The text of a count_distinct beyond what is counted exactly: compared with tolerance."""

    def __eq__(self, other):
        return other is not None and abs(int(other) - int(self)) <= DISTINCT_TOLERANCE * int(self)

    def __ne__(self, other):
        return not self == other

    __hash__ = None


class StringList(str):
    """JSON of a list of strings: compared by what it says, as a character can be escaped in several ways."""

    def __eq__(self, other):
        return other is not None and json.loads(other) == json.loads(self)

    def __ne__(self, other):
        return not self == other

    __hash__ = None


# The one function, in SQL


def used_fields(view):
    """The names of the fields that the view uses, in the source's order."""
    source = view.source
    texts = [source.event_time, source.event_id or "", view.where or "", *view.keys]
    texts += [text for feature in view.features for text in (feature.argument, feature.where) if text]
    # What stands between quotes is no field.
    words = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", re.sub(r"'[^']*'", "", " ; ".join(texts))))
    return [name for name in source.fields if name in words]


def column_type(type_):
    return {"string": "VARCHAR", "double": "DOUBLE"}.get(type_.kind, "BIGINT")


class ViewTable:
    """The events of one view in DuckDB, in the order of (time, id) within an entity: k counts from 1.
    Columns: f0... the fields that the view uses, e0... its expressions, w0... its conditions."""

    def __init__(self, database, view, source_table):
        self.database = database
        self.view = view
        self.name = "events_" + view.name
        self.fields = used_fields(view)
        self.expressions = list(dict.fromkeys(
            (f.argument, f.argument_type) for f in view.features if f.argument and not f.is_field))
        self.conditions = list(dict.fromkeys(f.where for f in view.features if f.where))
        self.load(source_table.select(view, self.fields, self.expressions, self.conditions))
        self.order()

    def load(self, rows):
        """Makes the table `raw`, through a file: DuckDB takes rows from Python slowly."""
        fields, keys = self.view.source.fields, len(self.view.keys)
        columns = {"entity": "VARCHAR", "time": "BIGINT", "id": "VARCHAR"}
        columns |= {f"f{i}": column_type(fields[name]) for i, name in enumerate(self.fields)}
        columns |= {f"e{i}": column_type(type_) for i, (_, type_) in enumerate(self.expressions)}
        columns |= {f"w{i}": "BIGINT" for i in range(len(self.conditions))}
        first = keys + 2 + len(self.fields)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.ndjson")
            with open(path, "w", encoding="utf-8") as file:
                for row in map(list, rows):
                    for index, (_, type_) in enumerate(self.expressions, first):
                        row[index] = convert_result(row[index], type_)
                    row[keys + 1] = str(row[keys + 1])
                    file.write(json.dumps(dict(zip(columns, [entity_text(row[:keys]), *row[keys:]]))) + "\n")
            self.database.execute(f"CREATE TABLE raw AS SELECT * FROM read_json(?, columns={columns!r}, "
                                  "format='newline_delimited', maximum_object_size=67108864)", [path])

    def order(self):
        """Makes of `raw` the view's table: each event once, counted, with the start of its sessions."""
        id_order = "id" if self.view.source.event_id else "id::BIGINT"
        # Of events of equal entity, time and id one counts: the greatest of them, NULL lowest.
        greatest = ", ".join(f"f{i} DESC NULLS LAST" for i in range(len(self.fields)))
        runs = "".join(f", sum(CASE WHEN time - before <= {gap} THEN 0 ELSE 1 END) OVER "
                       f"(PARTITION BY entity ORDER BY k) AS run{i}" for i, gap in enumerate(self.gaps()))
        starts = "".join(
            f", min(time) OVER (PARTITION BY entity, run{i}) AS start{i}" for i in range(len(self.gaps())))
        self.database.execute(f"""
            CREATE OR REPLACE TABLE {self.name} AS
            WITH ranked AS (SELECT *, row_number() OVER (PARTITION BY entity, time, id ORDER BY {greatest}) AS copy
                            FROM raw),
                 numbered AS (SELECT *, row_number() OVER (PARTITION BY entity ORDER BY time, {id_order}) AS k
                              FROM ranked WHERE copy = 1),
                 gapped AS (SELECT *, lag(time) OVER (PARTITION BY entity ORDER BY k) AS before FROM numbered),
                 sessioned AS (SELECT * {runs} FROM gapped)
            SELECT * {starts} FROM sessioned ORDER BY entity, k""")
        self.database.execute("DROP TABLE raw")

    def columns_of(self, feature):
        """(SQL of the argument or None, SQL of the condition)."""
        argument = None
        if feature.argument is not None:
            argument = (f"e.f{self.fields.index(feature.argument)}" if feature.is_field
                        else f"e.e{self.expressions.index((feature.argument, feature.argument_type))}")
        return argument, f"e.w{self.conditions.index(feature.where)} = 1" if feature.where else "TRUE"

    def gaps(self):
        return sorted({f.window.size for f in self.view.features if f.window.kind == "session"})

    def find_newest(self, pairs):
        """A table `newest`: for each pair the newest event at or before the T that counts."""
        self.database.execute("CREATE OR REPLACE TABLE pairs (pair BIGINT, entity VARCHAR, t BIGINT)")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "pairs.ndjson")
            with open(path, "w", encoding="utf-8") as file:
                for number, pair in enumerate(pairs):
                    t = pair.t_us - 1 if pair.exclusive else pair.t_us
                    file.write(json.dumps({"pair": number, "entity": pair.entity, "t": t}) + "\n")
            self.database.execute("INSERT INTO pairs SELECT * FROM read_json(?, columns={'pair': 'BIGINT', "
                                  "'entity': 'VARCHAR', 't': 'BIGINT'}, format='newline_delimited')", [path])
        starts = "".join(f", any_value(start{i}) AS start{i}" for i in range(len(self.gaps())))
        self.database.execute(f"""
            CREATE OR REPLACE TABLE newest AS
            SELECT p.pair, p.t, e.* FROM pairs p ASOF JOIN
                (SELECT entity, time, max(k) AS k {starts} FROM {self.name} GROUP BY entity, time) e
                ON p.entity = e.entity AND p.t >= e.time""")

    def selection(self, window):
        """The condition on event e for the pair's newest event n that says whether e counts at n.t."""

        def floored(text, size):  # // floors toward zero in DuckDB
            return f"({text}) - ((({text}) % {size}) + {size}) % {size}"

        if window.kind == "sliding":
            return f"e.time > n.t - {window.size}"
        if window.kind == "hopping":
            return f"e.time >= {floored(f'n.t - {window.size}', window.step)}"
        if window.kind == "tumbling":
            return f"e.time >= {floored(f'n.t - {window.offset}', window.size)} + {window.offset}"
        if window.kind == "session":
            start = f"start{self.gaps().index(window.size)}"
            return f"n.t - n.time <= {window.size} AND e.time >= n.{start}"
        if window.kind == "last":
            return f"e.k > n.k - {window.count}"
        return "TRUE"

    def evaluate(self, pairs):
        """Answers in the order of the pairs."""
        self.find_newest(pairs)
        event_times = dict(self.database.execute("SELECT pair, time FROM newest").fetchall())
        results = [[None] * len(self.view.features) for _ in pairs]
        found = set()
        windows = collections.defaultdict(list)
        for index, feature in enumerate(self.view.features):
            windows[feature.window].append((index, feature))
        for window, features in windows.items():
            columns = ", ".join(column for _, feature in features
                                for column in aggregate_columns(feature, *self.columns_of(feature)))
            cursor = self.database.execute(f"""
                SELECT n.pair, any_value(n.t), {columns} FROM newest n JOIN {self.name} e
                ON e.entity = n.entity AND e.k <= n.k AND {self.selection(window)} GROUP BY n.pair""")
            while row := cursor.fetchone():
                found.add(row[0])
                for (index, feature), state in zip(features, zip(*[iter(row[2:])] * STATE_COLUMNS)):
                    results[row[0]][index] = finish(feature, row[1], state)
        return [Answer(event_times[number] if number in found else None,
                       [describe(feature, result, number in found)
                        for feature, result in zip(self.view.features, row)])
                for number, row in enumerate(results)]


STATE_COLUMNS = 3


def aggregate_columns(feature, argument, where):
    """SQL for what finish() needs to know of the selected events: always STATE_COLUMNS columns."""
    condition = f"FILTER ({where}" + (f" AND {argument} IS NOT NULL)" if argument else ")")
    count = f"count(*) {condition}"
    is_double = feature.argument_type is not None and feature.argument_type.kind == "double"
    aggregation = feature.aggregation
    if aggregation in ("sum", "avg", "variance", "stddev"):
        needs_list = is_double or aggregation in ("variance", "stddev")
        total = f"list({argument})" if needs_list else f"sum({argument}::HUGEINT)"
        return [count, f"{total} {condition}", "NULL"]
    if aggregation in ("min", "max"):
        return [count, f"{aggregation}({argument}) {condition}", "NULL"]
    if aggregation in ("first", "last"):
        return [count, f"{'arg_min' if aggregation == 'first' else 'arg_max'}({argument}, e.k) {condition}", "NULL"]
    if aggregation == "count_distinct":
        return [count, f"count(DISTINCT {argument}) {condition}", "NULL"]
    if aggregation == "last_n":
        return [count, f"list({argument} ORDER BY e.k DESC) {condition}", "NULL"]
    return [count, f"min(e.time) {condition}", f"max(e.time) {condition}"]


OVERFLOW = object()


def finish(feature, t_us, state):
    """The value: None is NULL, OVERFLOW what its type can't hold."""
    count, first, second = state
    aggregation = feature.aggregation
    if aggregation == "count":
        return count
    if aggregation == "count_distinct":
        return first
    if count == 0:
        return None
    if aggregation in ("sum", "avg", "variance", "stddev"):
        return finish_number(feature, count, first)
    if aggregation == "time_since_last":
        return (t_us - second) / 10**6
    if aggregation == "time_since_first":
        return (t_us - first) / 10**6
    if aggregation == "duration":
        return (second - first) / 10**6
    return first


def finish_number(feature, count, values):
    type_ = feature.argument_type
    total = exact_sum(values) if isinstance(values, list) else fractions.Fraction(int(values))
    scale = 10**type_.digits if type_.kind == "decimal" else 1
    if feature.aggregation == "sum" and type_.kind != "double":
        limit = (-DECIMAL_MAX, DECIMAL_MAX) if type_.kind == "decimal" else (INT_MIN, INT_MAX)
        return int(total) if limit[0] <= total <= limit[1] else OVERFLOW
    if feature.aggregation == "sum":
        return finite(nearest_double(total))
    if feature.aggregation == "avg":
        return finite(nearest_double(total / count / scale))
    if count == 1:
        return None
    variance = nearest_double((exact_sum(values, 2) - total * total / count) / (count - 1) / scale**2)
    return finite(math.sqrt(variance) if feature.aggregation == "stddev" else variance)


def finite(value):
    return value + 0.0 if math.isfinite(value) else OVERFLOW


def describe(feature, value, is_found):
    """(name, text or None, status) as the server tells it."""
    if value is OVERFLOW:
        return feature.name, None, "overflow"
    if value is None and feature.aggregation in ("count", "count_distinct"):
        value = 0
    status = "not_found" if not is_found else "null" if value is None else "present"
    if value is None:
        return feature.name, None if feature.default is None else default_text(feature), status
    text = value_text(value, feature.type)
    if feature.aggregation == "count_distinct" and value > DISTINCT_EXACT_MAX:
        text = Estimate(text)
    if feature.type == Type("string", is_list=True):
        text = StringList(text)
    return feature.name, text, status


class Oracle:
    def __init__(self, definition_texts):
        self.sources, self.views = parse_definitions(definition_texts)
        self.database = duckdb.connect()
        self.database.execute("SET threads TO 2")
        self.tables = {}

    def load(self, source, lines):
        """Takes all events of a source, as lines of JSON, in the order of arrival."""
        table = SourceTable(self.sources[source], lines)
        for view in self.views.values():
            if view.source.name == source:
                self.tables[view.name] = ViewTable(self.database, view, table)
        table.database.close()

    def answer(self, view, pairs):
        """The Answer to each pair."""
        return self.tables[view].evaluate(pairs)

    def times(self, view, entity):
        """The times of the entity's events in the view, ascending."""
        return [row[0] for row in self.database.execute(
            f"SELECT time FROM {self.tables[view].name} WHERE entity = ? ORDER BY k", [entity]).fetchall()]

    def entities(self, view):
        """(entity, number of events), by name."""
        return self.database.execute(
            f"SELECT entity, count(*) FROM {self.tables[view].name} GROUP BY entity ORDER BY entity").fetchall()
