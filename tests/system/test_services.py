"""On-demand views and services: what they say is what the oracle says of the views that they read, and what
SQLite says of the expressions; now and as of the same moment are the same to the bit; all of an answer is of
one moment and one state; what cannot be is refused with its place."""

import itertools
import json
import sqlite3
import threading
import time

import pytest

import oracle
from conftest import EXAMPLES, Server
from questions import sample_moments
from resp import Error, Got, decode

EVENTS = 20_000
PAIRS = 700
PIPELINE = 100

BASE = """
views:
  airport:
    source: departures
    entity: airport
    features:
      departures_1h:  {count: '*', over: 1h}
      late_1h:        {count: '*', over: 1h, where: dep_delay > 15}
      delay_avg_3h:   {avg: dep_delay, over: 3h}
      delay_sum_1d:   {sum: dep_delay, over: tumbling(1d), default: 0}
      temp_last:      {last: temp, over: 1d}
      plane_last:     {last: tailnum, over: forever}
      quiet_seconds:  {time_since_last: true, over: 1d}
  carrier:
    source: departures
    entity: carrier
    features:
      departures_6h: {count: '*', over: 6h step 1h}
      delay_max_6h:  {max: dep_delay, over: 6h}
      last_delays:   {last_n: dep_delay, over: last(3)}
"""
ENTITIES = "entities:\n  airport: {keys: [origin]}\n  carrier: {keys: [carrier]}\n"
# An expression's names, as the server reads them; SQLite is asked here with a parameter in place of each.
EXPRESSIONS = {
    "late_share": ("airport.late_1h * 1.0 / airport.departures_1h", "double"),
    "delay_more": ("request.delay - airport.delay_avg_3h", "double"),
    "is_cold": ("coalesce(airport.temp_last < request.limit_f, false)", "bool"),
    "where_to": ("coalesce(upper(airport.plane_last), '?') || '>' || request.dest", "string"),
    "rounded": ("round(airport.delay_sum_1d / 7.0) + request.delay", "int"),
    "quiet": ("airport.quiet_seconds / 60", "double"),
    "cents": ("airport.temp_last / 3", "decimal(3)"),
    "plain": ("airport.temp_last", None),
}
REQUEST = {"delay": "int", "dest": "string", "limit_f": "decimal(2)"}
DERIVED = """
views:
  computed:
    kind: on_demand
    entity: airport
    request: {%s}
    features:
%s
services:
  delays:
    features: [airport.departures_1h, carrier.delay_max_6h, computed.late_share, carrier.last_delays,
               airport@1.plane_last, computed.delay_more, airport.quiet_seconds]
  at_airport:
    features: [computed.rounded, airport.departures_1h, airport.delay_avg_3h]
""" % (", ".join(f"{name}: {kind}" for name, kind in REQUEST.items()),
       "\n".join(f"      {name}: {{expression: \"{text}\"{', type: ' + kind if kind else ''}}}"
                 for name, (text, kind) in EXPRESSIONS.items()))
SERVICE = ["airport.departures_1h", "carrier.delay_max_6h", "computed.late_share", "carrier.last_delays",
           "airport@1.plane_last", "computed.delay_more", "airport.quiet_seconds"]
ASKED = {"delay": 12, "dest": "SFO", "limit_f": "40.25"}
SET = [word for name, value in ASKED.items() for word in (name, value)]


def sources():
    return "sources:\n  departures:" + (EXAMPLES / "flights/sources.yaml").read_text().split("  departures:")[1].split(
        "  arrivals:")[0]


@pytest.fixture(scope="module")
def departures(flights):
    with open(flights / "departures.ndjson", encoding="utf-8") as file:
        return list(itertools.islice(file, EVENTS))


@pytest.fixture(scope="module")
def flight_server(tmp_path_factory, departures):
    server = Server(tmp_path_factory.mktemp("services")).start()
    server.apply(sources() + ENTITIES + BASE + "---\n" + DERIVED)
    server.asof("push", "departures", "-", input="".join(departures))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def judge(departures):
    judge = oracle.Oracle([sources(), ENTITIES, BASE])
    judge.load("departures", departures)
    return judge


# ---- the same, computed here ----

AFFINITY = {"int": "INTEGER", "bool": "INTEGER", "double": "REAL", "decimal(2)": "REAL", "string": "TEXT"}
TYPES = {"departures_1h": "int", "late_1h": "int", "delay_avg_3h": "double", "delay_sum_1d": "int",
         "temp_last": "decimal(2)", "plane_last": "string", "quiet_seconds": "double"}


def as_sql(text, kind):
    if text is None:
        return None
    return str(text) if kind == "string" else int(text) if kind in ("int", "bool") else float(text)


def evaluate(database, expression, airport, asked):
    """What SQLite makes of it: `airport` are texts by feature, asked those of the request."""
    values = {f"airport.{name}": as_sql(text, TYPES[name]) for name, text in airport.items()}
    values |= {f"request.{name}": as_sql(asked.get(name), kind) for name, kind in REQUEST.items()}
    kinds = {f"airport.{name}": kind for name, kind in TYPES.items()} | {f"request.{n}": k for n, k in REQUEST.items()}
    used = sorted((name for name in values if name in expression), key=len, reverse=True)
    for number, name in enumerate(used):
        expression = expression.replace(name, f"CAST(?{number + 1} AS {AFFINITY[kinds[name]]})")
    return database.execute(f"SELECT {expression}", [values[name] for name in used]).fetchone()[0]


def check_computed(database, name, told, status, airport, statuses, asked):
    expression, kind = EXPRESSIONS[name]
    used = [feature for feature in airport if f"airport.{feature}" in expression]
    true = evaluate(database, expression, airport, asked)
    if all(statuses[feature] == "not_found" for feature in used):
        assert status == "not_found"
    else:
        assert status == ("null" if true is None else "present"), (name, told, true)
    if true is None:
        assert told is None, (name, told)
    elif kind == "double":
        assert float(told) == float(true), (name, told, true)
    elif kind == "string":
        assert told == true
    elif kind == "decimal(3)":
        assert f"{float(told):.3f}" == f"{true:.3f}"
    elif kind is None:
        assert told == airport["temp_last"]  # to the digit, as it never was a double
    else:
        assert int(told) == int(true), (name, told, true)


def sample(judge, draw, count):
    airports = [entity for entity, _ in judge.entities("airport")] + ["XXX"]
    carriers = [entity for entity, _ in judge.entities("carrier")] + ["nobody"]
    views = list(judge.views.values())
    pairs = []
    for _ in range(count):
        airport, carrier, view = draw.choice(airports), draw.choice(carriers), draw.choice(views)
        entity = airport if view.name == "airport" else carrier
        moment = next(sample_moments(view, judge.times(view.name, entity), 1, draw))
        pairs.append((airport, carrier, *moment))
    return pairs


def read_all(server, commands):
    with server.client() as client:
        return [reply for start in range(0, len(commands), PIPELINE)
                for reply in decode(client.pipeline_raw(commands[start:start + PIPELINE]))]


def refusal(client, *words):
    with pytest.raises(Error) as refused:
        client.call(*words)
    return str(refused.value)


def test_what_is_computed_and_listed_is_what_the_oracle_says(flight_server, judge, draw):
    database = sqlite3.connect(":memory:")
    pairs = sample(judge, draw, PAIRS)
    when = [("AT", t_us, *(["EXCLUSIVE"] if exclusive else [])) for _, _, t_us, exclusive in pairs]
    airports = judge.answer("airport", [oracle.Pair(a, t_us, exclusive) for a, _, t_us, exclusive in pairs])
    carriers = judge.answer("carrier", [oracle.Pair(c, t_us, exclusive) for _, c, t_us, exclusive in pairs])
    computed = read_all(flight_server, [("ASOF.GET", f"computed:{pair[0]}", *moment, "SET", *SET)
                                        for pair, moment in zip(pairs, when)])
    delays = read_all(flight_server, [("ASOF.GET", f"delays:{pair[0]}|{pair[1]}", "SET", *SET, *moment)
                                      for pair, moment in zip(pairs, when)])

    for pair, airport, carrier, one, listed in zip(pairs, airports, carriers, computed, delays, strict=True):
        values = {name: text for name, text, _ in airport.features}
        statuses = {name: status for name, _, status in airport.features}
        got = Got(one)
        assert got.view == "computed@1" and got.at == pair[2] and got.event_time == airport.event_time
        for name, told, status in got.features:
            check_computed(database, name, told, status, values, statuses, ASKED)
        service = Got(listed)
        true = {f"airport.{name}": (text, status) for name, text, status in airport.features}
        true |= {f"carrier.{name}": (text, status) for name, text, status in carrier.features}
        true |= {f"computed.{name}": (text, status) for name, text, status in got.features}
        true["airport@1.plane_last"] = true["airport.plane_last"]
        assert [name for name, _, _ in service.features] == SERVICE
        for name, told, status in service.features:
            assert (told, status) == true[name], (pair, name)


def test_now_is_as_of_now_to_the_bit(flight_server, judge):
    """The second read of a row is of memory; a read as of its T never is."""
    entities = [(a, c) for a, _ in judge.entities("airport") for c, _ in judge.entities("carrier")]
    keys = [f"delays:{a}|{c}" for a, c in entities] + [f"at_airport:{a}" for a, _ in judge.entities("airport")]
    now = read_all(flight_server, [("ASOF.GET", key, "SET", "delay", 3) for key in keys for _ in range(3)])
    at = read_all(flight_server, [("ASOF.GET", key, "AT", Got(reply).at, "SET", "delay", 3)
                                  for key, reply in zip(keys, now[::3])])
    assert now[::3] == now[1::3] == now[2::3] == at
    assert not any(isinstance(reply, Error) for reply in now)


def test_a_service_is_read_as_a_view_is(flight_server):
    with flight_server.client() as client:
        got = Got(client.call("ASOF.GET", "at_airport:JFK"))
        names = [name for name, _, _ in got.features]
        assert names == ["computed.rounded", "airport.departures_1h", "airport.delay_avg_3h"]
        assert got.statuses["computed.rounded"] == "null"  # nobody said request.delay
        shown = {name: value for name, value in got.values.items() if value is not None}
        assert client.call("HMGET", "at_airport:JFK", *names) == [v and v.encode() for v in got.values.values()]
        assert client.call("HGET", "at_airport@1:JFK", names[1]).decode() == got.values[names[1]]
        assert client.call("HKEYS", "at_airport:JFK") == [name.encode() for name in shown]
        assert client.call("HLEN", "at_airport:JFK") == len(shown)
        assert client.call("HEXISTS", "at_airport:JFK", names[1]) == 1
        assert client.call("HEXISTS", "at_airport:JFK", "zebra") == 0
        assert client.call("EXISTS", "at_airport:JFK", "at_airport:XXX", "delays:JFK|UA") == 2
        assert client.call("TYPE", "at_airport:JFK") == b"hash"
        assert client.call("HGETALL", "at_airport:XXX") == []
        assert client.call("HMGET", "delays:JFK|UA", "airport.departures_1h")[0] is not None
        assert "2 keys" in refusal(client, "HGETALL", "delays:JFK")
        assert "only computed.rounded" in refusal(client, "HGET", "at_airport:JFK", "zebra")
        assert "nothing is written" in refusal(client, "HSET", "at_airport:JFK", "a", 1)
        scanned = client.call("SCAN", 0, "COUNT", 1000)[1]
        assert scanned and not any(key.startswith((b"at_airport", b"delays", b"computed")) for key in scanned)


def test_request_values_are_checked(flight_server):
    with flight_server.client() as client:
        for words, sentence in (
                (("computed:JFK", "SET", "delya", 1), "only delay, dest, limit_f; did you mean 'delay'?"),
                (("airport:JFK", "SET", "delay", 1), "takes no request values"),
                (("computed:JFK", "SET", "delay", "1.5"), "request value 'delay': int can't hold '1.5' exactly"),
                (("computed:JFK", "SET", "delay"), "syntax error"),
        ):
            assert sentence in refusal(client, "ASOF.GET", *words), words


FAILURES = """
sources: {numbers: {fields: {ts: timestamp_ms, id: string, i: int, d: double}, event_time: ts, clock: event}}
entities: {id: {keys: [id]}}
views:
  n: {source: numbers, entity: id, features: {i: {last: i, over: forever}, d: {last: d, over: forever},
                                              s: {sum: i, over: forever}}}
  f:
    kind: on_demand
    entity: id
    request: {x: double}
    features:
      divided:  n.i / 0
      modulo:   {expression: n.i % request.x, type: int}
      huge:     n.d * 1e300
      to_int:   {expression: n.d * 1e300, type: int}
      smallest: {expression: abs(n.i), type: int}
      fine:     {expression: n.i, type: string}
      summed:   {expression: "coalesce(n.s, 0)", type: int}
      stands:   {expression: n.i / request.x, default: 7.5}
"""


def test_a_failure_is_a_status_of_its_feature_alone(server):
    server.apply(FAILURES)
    with server.client() as client:
        for i, event in enumerate(({"id": "a", "i": 2, "d": 1e100}, {"id": "b", "i": -2**63, "d": 1e300},
                                   {"id": "b", "i": -2**63, "d": 1e300})):
            client.call("ASOF.PUSH", "numbers", json.dumps({"ts": 1000 + i, **event}))
        a, b = Got(client.call("ASOF.GET", "f:a", "SET", "x", 0)), Got(client.call("ASOF.GET", "f:b"))
    assert a.features == [("divided", None, "null"), ("modulo", None, "null"), ("huge", None, "overflow"), ("to_int", None, "overflow"), ("smallest", "2", "present"), ("fine", "2", "present"),
                          ("summed", "2", "present"), ("stands", "7.5", "null")]
    assert b.statuses["smallest"] == "overflow" and b.statuses["summed"] == "overflow"
    assert b.values["summed"] is None and b.values["fine"] == str(-2**63)


HISTORIES = """
sources: {s: {fields: {ts: timestamp_ms, id: string}, event_time: ts, clock: event}}
entities: {id: {keys: [id]}}
views:
  long:  {source: s, entity: id, features: {n: {count: '*', over: 1h}}}
  short: {source: s, entity: id, history: 1h, features: {n: {count: '*', over: 1h}}}
  sum:   {kind: on_demand, entity: id, features: {n: {expression: long.n + short.n, type: int}}}
services: {both: {features: [long.n, short.n, sum.n]}}
"""


def test_a_view_whose_history_is_too_short_is_named(server):
    server.apply(HISTORIES)
    with server.client() as client:
        client.call("ASOF.PUSH", "s", '{"ts": 100000000, "id": "x"}', '{"ts": 90000000, "id": "x"}')
        assert client.call("HVALS", "both:x") == [b"1", b"1", b"2"]
        assert client.call("TTL", "both:x") == -1
        client.call("ASOF.AT", 90_000_000_000)
        for key in ("both:x", "sum:x"):
            assert refusal(client, "HGETALL", key).startswith("OUTOFHISTORY short@1 keeps a history of 1h")
        assert client.call("HVALS", "long:x") == [b"1"]
        client.call("ASOF.AT", "now")
        client.call("MULTI")
        client.call("HVALS", "both:x")
        client.call("HVALS", "sum:x")
        assert client.call("EXEC") == [[b"1", b"1", b"2"], [b"2"]]


MISTAKES = (
    ("a: n.i + zebra(n.i)", "function zebra() is not available here"),
    ("a: n.i +", "incomplete input"),
    ("a: (SELECT n.i)", "select"),
    ("a: n.i; DROP TABLE x", "';' can't stand in an expression"),
    ("a: count(n.i)", "function count() is not available here"),
    ("a: n.i + random()", "function random() is not available here"),
)


def test_a_bad_expression_fails_at_apply_with_its_place(server):
    server.apply(FAILURES)
    for line, sentence in MISTAKES:
        path = server.data.parent / "bad.yaml"
        path.write_text(f"views:\n  bad:\n    kind: on_demand\n    entity: id\n    features:\n      {line}\n")
        done = server.asof("apply", str(path), check=False)
        assert done.returncode == 1 and f"{path}:6:" in done.stderr and sentence in done.stderr, done.stderr
    assert "bad" not in server.asof("list").stdout


ONE_STATE = """
sources: {pairs: {fields: {ts: timestamp_us, id: string, a: string, b: string}, event_time: ts, event_id: id,
                  durability: os}}
entities: {a: {keys: [a]}, b: {keys: [b]}}
views:
  va: {source: pairs, entity: a, features: {n: {count: '*', over: forever}}}
  vb: {source: pairs, entity: b, features: {n: {count: '*', over: forever}}}
  apart: {kind: on_demand, entity: a, features: {n: va.n, again: va@1.n + 0}}
services:
  both: {features: [va.n, vb.n, apart.n, apart.again]}
"""


def test_all_of_an_answer_is_of_one_state(server):
    """Every event is one more for both views: no answer may have it in one alone."""
    server.apply(ONE_STATE)
    is_over = threading.Event()

    def push():
        with server.client() as client:
            for i in itertools.count():
                if is_over.is_set():
                    break
                client.call("ASOF.PUSH", "pairs", json.dumps(
                    {"ts": time.time_ns() // 1000, "id": f"e{i}", "a": "x", "b": "y"}))

    writer = threading.Thread(target=push)
    writer.start()
    deadline = time.monotonic() + 3
    counts = set()
    with server.client() as client:
        while time.monotonic() < deadline:
            for reply in client.pipeline([("HVALS", "both:x|y")] * 50):
                assert len(set(map(float, reply))) <= 1, reply
                counts.update(reply)
    is_over.set()
    writer.join()
    assert len(counts) > 20


def test_a_name_goes_by_what_is_active_and_a_number_by_what_it_says(server):
    view = "sources: {s: {fields: {ts: timestamp_ms, id: string}, event_time: ts, clock: event}}\n" \
           "entities: {id: {keys: [id]}}\n" \
           "views: {v: {source: s, entity: id, features: {n: {count: '*', over: %s}}}}\n"
    server.apply(view % "1s")
    server.apply("services: {now: {features: [v.n]}, old: {features: [v@1.n]}}\n")
    with server.client() as client:
        client.call("ASOF.PUSH", "s", '{"ts": 1000, "id": "x"}', '{"ts": 5000, "id": "x"}')
        path = server.data.parent / "v.yaml"
        path.write_text(view % "1h")
        server.asof("apply", str(path))
        assert client.call("HVALS", "now:x") == [b"1"]
        server.asof("promote", "v@2")
        assert client.call("HVALS", "now:x") == [b"2"] and client.call("HVALS", "old:x") == [b"1"]
        server.asof("rollback", "v")
        assert client.call("HVALS", "now:x") == [b"1"]
        server.asof("promote", "v@2")
        dropped = server.asof("drop", "v@1", check=False)
        assert dropped.returncode != 0 and "service old@1" in dropped.stderr
        server.restart()
    with server.client() as client:
        assert client.call("HVALS", "now:x") == [b"2"] and client.call("HVALS", "old:x") == [b"1"]
        path.write_text("services: {now: {features: [v.n, v@1.n]}}\n")
        assert "now@2" in server.asof("apply", str(path)).stdout
        assert client.call("HVALS", "now:x") == [b"2"] and client.call("HVALS", "now@2:x") == [b"2", b"1"]


VIEW_OF_IDS = """
sources: {s: {fields: {ts: timestamp_ms, id: string, zone: string}, event_time: ts, clock: event}}
entities: {id: {keys: [id]}, place: {keys: [zone]}}
views: {v: {source: s, entity: %s, features: {%s}}}
"""


def active_of(server, name):
    return json.loads(server.call("ASOF.DESCRIBE", name))["active"]


def test_a_service_becomes_active_no_sooner_than_what_it_reads(server):
    """Both are applied at once to be promoted: the service waits for the fill of the view, a restart in between too."""
    one = "a: {count: '*', over: forever}"
    both = one + ", b: {count_distinct: zone, over: forever}"
    server.apply(VIEW_OF_IDS % ("id", one))
    server.apply("services: {m: {features: [v.a]}}\n")
    with server.client() as client:
        for start in range(0, 20_000, 1000):
            client.call("ASOF.PUSH", "s", *(json.dumps({"ts": n, "id": f"i{n % 9}", "zone": "z"})
                                            for n in range(start, start + 1000)))
        server.asof("apply", "-", "--promote", "--no-wait",
                    input=VIEW_OF_IDS % ("id", both) + "services: {m: {features: [v.a, v.b]}}\n")
        answers = []
        while not answers or len(answers[-1]) == 1:
            answers.append(client.call("HVALS", "m:i1"))
    assert {len(answer) for answer in answers} == {1, 2}
    assert active_of(server, "v") == 2 and active_of(server, "m") == 2


def test_a_promotion_that_takes_something_from_a_service_waits_or_is_refused(server):
    one = "a: {count: '*', over: forever}"
    other = "b: {count: '*', over: forever}"
    server.apply(VIEW_OF_IDS % ("id", one))
    server.apply("services: {m: {features: [v.a]}}\n")
    server.call("ASOF.PUSH", "s", '{"ts": 1000, "id": "x", "zone": "z"}')
    server.apply(VIEW_OF_IDS % ("id", other))  # to be promoted when it is filled
    assert active_of(server, "v") == 1 and server.call("HVALS", "m:x") == [b"1"]
    server.asof("apply", "-", input="services: {m: {features: [v@1.a]}}\n")
    server.asof("promote", "m@2")
    server.wait_for(lambda: active_of(server, "v") == 2)
    assert server.call("HVALS", "m:x") == [b"1"]

    server.apply("services: {k: {features: [v.b]}}\n")
    server.asof("apply", "-", input=VIEW_OF_IDS % ("place", other))
    refused = server.asof("promote", "v@3", check=False)
    assert refused.returncode == 1 and "service k@1 reads v, and the keys of v@3 are others" in refused.stderr
    assert server.call("HVALS", "k:x") == [b"1"]
    server.asof("promote", "v@3", "--force")
    assert server.call("HVALS", "k:z") == [b"1"]


def test_versions_of_a_service_are_compared_as_of_the_clocks_of_its_views(server):
    server.apply(VIEW_OF_IDS % ("id", "a: {count: '*', over: 1h}, b: {count: '*', over: 1s}"))
    server.apply("services: {m: {features: [v.a, v.b]}}\n")
    server.call("ASOF.PUSH", "s", '{"ts": 1000, "id": "x", "zone": "z"}', '{"ts": 5000, "id": "x", "zone": "z"}')
    server.asof("apply", "-", input=VIEW_OF_IDS % ("id", "a: {count: '*', over: 1h}, b: {count: '*', over: 1h}"))
    server.asof("apply", "-", input="services: {m: {features: [v.a, v@2.b, v.b]}}\n")
    told = json.loads(server.asof("diff", "m@1", "m@2", "--json").stdout)
    assert (told["compared"], told["at"]) == (1, None)
    assert [feature["differing"] for feature in told["features"]] == [0, 0]
    assert "as of" not in server.asof("diff", "m@1", "m@2").stdout
    told = json.loads(server.asof("diff", "m@1", "m@2", "--at", "1970-01-01T00:00:02Z", "--json").stdout)
    assert (told["compared"], told["at"]) == (1, 2_000_000)


def test_the_coupon_example(server):
    """More than five expensive products in two minutes, then a coupon: one call says so."""
    server.asof("apply", str(EXAMPLES / "fraud"))
    now_ms = time.time_ns() // 10**6
    views = [("s1", now_ms - 130_000, 500)] + [("s1", now_ms - 1000 * i, 120 + i) for i in range(6)]
    views += [("s2", now_ms - 1000 * i, 99.99) for i in range(8)] + [("s2", now_ms, 100)]
    with server.client() as client:
        client.call("HSET", "customer_profile:u7", "segment", "gold")
        client.call("ASOF.PUSH", "page_views", *(json.dumps(
            {"view": f"v{i}", "ts": ts, "session": session, "customer": "u7", "product": f"p{i}", "price": price})
            for i, (session, ts, price) in enumerate(views)))
        hunter = Got(client.call("ASOF.GET", "coupon_fraud:s1|u7", "SET", "discount", 25))
        buyer = Got(client.call("ASOF.GET", "coupon_fraud:s2|u8", "SET", "discount", 25))
    assert hunter.values == {
        "session_views.high_value_2m": "6", "session_views.products_30m": "7", "customer_profile.segment": "gold",
        "customer_profile.coupons_used": "0", "coupon_check.is_fraud": "1", "coupon_check.discount_share": "0.2"}
    assert buyer.values["session_views.high_value_2m"] == "1" and buyer.values["coupon_check.is_fraud"] == "0"
    assert buyer.statuses["customer_profile.segment"] == "not_found"
    told = json.loads(server.asof("get", "coupon_fraud", "s1|u7", "--set", "discount=25", "--json").stdout)
    assert told["features"]["coupon_check.is_fraud"] == {"value": True, "status": "present"}


def test_lineage(server):
    server.asof("apply", str(EXAMPLES / "fraud"))
    tree = server.asof("describe", "coupon_fraud", "--lineage").stdout
    assert tree.startswith("coupon_fraud@1 (service)\n├─ session_views@1.high_value_2m  <-  page_views (pushed)\n")
    assert tree.endswith("└─ coupon_check@1.discount_share = request.discount / session_views.price_max_2m\n"
                         "   └─ session_views@1.price_max_2m  <-  page_views (pushed)\n")
    lineage = json.loads(server.asof("describe", "coupon_fraud@1", "--lineage", "--json").stdout)
    assert [feature["view"] for feature in lineage["features"]] == 2 * ["session_views@1"] + 2 * [
        "customer_profile@1"] + 2 * ["coupon_check@1"]
    assert lineage["features"][4]["reads"] == [{"name": "high_value_2m", "view": "session_views@1", "kind": "stream",
                                                "source": "page_views", "topic": None}]
    chart = server.asof("describe", "coupon_fraud", "--mermaid").stdout.splitlines()
    assert chart[0] == "flowchart LR" and len(chart) == len(set(chart))
    assert '    source_page_views[("page_views")] --> view_session_views_1["session_views@1"]' in chart
    assert server.asof("describe", "zebra", "--lineage", check=False).returncode == 3
