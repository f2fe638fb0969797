"""Random requests on the demo's data over RPC: both framings answer with the same bytes, in whole and in chunks, and these
say what the Redis protocol says and what the oracle says, of every type, status, T and version."""

import datetime
import itertools
import json
import random

import pytest

import oracle
from conftest import EXAMPLES
from questions import SEED
from rpc_world import DONE, NO_EVENT_TIME, PART, Light, Rpc, columns, messages, request
from test_rpc import compare, same_value

EVENTS = 8_000  # of each stream: ten days
REQUESTS = 60
DAY_US = 86_400 * 10**6
FIRST_US = 1_356_998_400 * 10**6  # 2013-01-01
LAST_US = FIRST_US + 10 * DAY_US
# What the demo's views do not have: lists, an overflow, T that is too old, rows that expire, request values, two versions.
MORE = """
views:
  plane_news:
    source: arrivals
    entity: plane
    features: {dests: {last_n: dest, over: last(3)}, flights: {last_n: flight, over: last(4)}, moments: {last_n: departed_at, over: last(2)},
               distances: {last_n: 'flight / 3.0', over: last(3)}, huge: {sum: flight * 9000000000000000, over: 3d, type: int}}
  airport_lately:
    source: departures
    entity: airport
    history: 2d
    features: {departures: {count: '*', over: 1h}, colds: {last_n: temp, over: last(3)}, cancels: {last_n: cancelled, over: last(3)}}
  airport_today:
    source: departures
    entity: airport
    features: {cold: {min: temp, over: %s, default: -1.25}, cancelled: {last: cancelled, over: 1d}}
  plane_papers:
    kind: batch
    entity: plane
    ttl: 3d
    features: {owner: string, seats: int, price: decimal(2), is_leased: bool, checked: timestamp}
  airport_asked:
    kind: on_demand
    entity: airport
    request: {fare: decimal(2), days: int}
    features: {share: request.fare / airport_departures.delay_avg_7d, cold: airport_today.cold * request.days}
services:
  airport_model: {features: [airport_departures.delay_avg_1h, airport_today.cold, airport_departures.carriers_1h]}
"""
ON_DEMAND = "airport_asked"
BATCH = "plane_papers"
STATUSES = {"present", "null", "not_found", "overflow", "out_of_history", "expired"}


def lines_of(flights, source):
    with open(flights / f"{source}.ndjson", encoding="utf-8") as file:
        return list(itertools.islice(file, EVENTS))


def papers(planes, draw):
    """Writes to the batch view, in the days of the flights."""
    for plane in planes:
        for _ in range(draw.randrange(3)):
            moment = datetime.datetime.fromtimestamp(draw.randrange(FIRST_US, LAST_US) // 10**6, datetime.timezone.utc)
            row = {"owner": draw.choice(["A", "ü\0", ""]), "seats": draw.randrange(-2**63, 2**63), "price": draw.randrange(10**9) / 100,
                   "is_leased": draw.random() < 0.5, "checked": moment.isoformat()}
            some = {name: value for name, value in row.items() if draw.random() < 0.7}
            yield json.dumps({"tailnum": plane, "event_timestamp": moment.isoformat()} | some).encode()


class World:
    def __init__(self, server, flights):
        self.server = server
        self.draw = random.Random(SEED)
        self.judge = oracle.Oracle([path.read_text() for path in sorted((EXAMPLES / "flights").glob("*.yaml"))])
        server.asof("apply", str(EXAMPLES / "flights"))
        server.apply(MORE % "6h")
        for source in ("departures", "arrivals"):
            lines = lines_of(flights, source)
            self.judge.load(source, lines)
            server.asof("push", source, "-", input="".join(lines))
            if source == "departures":
                server.apply(MORE % "7h")  # and so a second version, filled while nothing comes
        departures = [json.loads(line) for line in lines_of(flights, "departures")]
        self.rows = [{key: event[key] for key in ("origin", "dest", "carrier", "flight", "tailnum")}
                     for event in departures if event["tailnum"]]
        self.rows += [{"origin": "XXX", "dest": "", "carrier": "ü|\\", "flight": -2**63, "tailnum": "nobody"}] * 200
        self.rpc = Rpc(server.rpc_port)
        self.rpc.push(BATCH, *papers(sorted({row["tailnum"] for row in self.rows})[:400], self.draw))
        listed = json.loads(server.asof("list", "--json").stdout)
        self.names = [f"{view['name']}{version}.{feature['name']}" for view in self._described(listed)
                      for feature in view["features"] for version in self._versions(view["name"])]
        self.keys = {view["name"]: view["keys"] for view in self._described(listed)}

    def _described(self, listed):
        for view in listed["views"] + listed["services"]:
            yield json.loads(self.server.asof("describe", view["name"], "--json").stdout)

    def _versions(self, view):
        return ["", "@1", "@2"] if view == "airport_today" else ["", "@1"]

    def question(self):
        """One request, its rows, and what it asks of on-demand views as words of ASOF.GET."""
        draw = self.draw
        features = draw.choices(self.names, k=draw.choice([1, 5, 30])) + draw.choice(
            [[], ["airport_model"], ["plane_arrivals.*"], ["plane_news", "airport_lately"]])
        rows = draw.choices(self.rows, k=draw.choice([1, 1, 5, 40]))
        keys = {name: [row[name] for row in rows] for name in rows[0]}
        if draw.random() < 0.3:
            keys["flight"] = [str(flight) for flight in keys["flight"]]
        moment = lambda: draw.randrange(FIRST_US - DAY_US, LAST_US + 5 * DAY_US)  # noqa: E731
        is_wall = any(name.startswith(BATCH) for name in features)  # the one view whose now is the clock's
        at = draw.choice([[moment()] if is_wall else [], [moment()], [moment() for _ in rows]])
        values, words = [], []
        if any(name.startswith(ON_DEMAND) for name in features):
            fare, days = draw.randrange(10**6), [draw.randrange(-9, 9) for _ in rows]
            values = [messages.RequestColumn(name="fare", strings=[f"{fare / 100:.2f}"])]
            values += [messages.RequestColumn(name="days", ints=days)] if any(".cold" in name for name in features) else []
            words = [["SET", "fare", f"{fare / 100:.2f}", "days", day] for day in days]
            if len(values) == 1:
                words = [some[:3] for some in words]
        return request(features, keys, at_us=at, exclusive=draw.random() < 0.3, with_event_times=True, request=values), rows, words

    def key_of(self, view, row):
        """The entity of a row as Redis keys have it."""
        keys = [str(row[key]) for key in self.keys[view.split("@")[0]]]
        return keys[0] if len(keys) == 1 else "|".join(key.replace("\\", "\\\\").replace("|", "\\|") for key in keys)


@pytest.fixture(scope="module")
def world(module_server, flights):
    print(f"ASOF_SEED={SEED}")
    module_server.restart("--rpc-port", "0")
    world = World(module_server, flights)
    yield world
    world.rpc.channel.close()


def raw(rpc, method, message):
    """Messages of the answer over gRPC, as bytes."""
    call = rpc.channel.unary_stream(f"/asof.v1.FeatureStore/{method}", request_serializer=lambda asked: asked.SerializeToString(),
                                    response_deserializer=bytes)
    return list(call(message, timeout=60))


def light_parts(light, message):
    light.send(5, 8, message.SerializeToString())
    parts = []
    while (frame := light.receive_frame())[1] == PART:
        parts.append(frame[2])
    assert frame == (5, DONE, b"")
    return parts


def cells(parts):
    """{(column, row): (value, status)} of an answer in parts."""
    found, first = {}, 0
    for part in map(messages.GetFeaturesResponse.FromString, parts):
        for number, column in enumerate(columns(part)):
            found |= {(number, first + row): (value, status)
                      for row, (value, status) in enumerate(zip(column.values, column.statuses, strict=True))}
        first += part.rows
    return found


def test_both_framings_answer_with_the_same_bytes_in_whole_and_in_chunks(world):
    with Light(world.server.rpc_port) as light:
        for _ in range(REQUESTS):
            message, _, _ = world.question()
            [whole] = raw(world.rpc, "GetFeatures", message)
            assert light.call(1, message) == whole
            message.chunk_rows = world.draw.randrange(1, 20)
            parts = raw(world.rpc, "GetFeaturesStream", message)
            assert light_parts(light, message) == parts
            assert cells(parts) == cells([whole])


def test_random_requests_get_what_the_redis_protocol_tells(world):
    statuses, kinds = set(), set()
    with world.server.client() as client:
        for _ in range(REQUESTS):
            message, rows, words = world.question()
            answer = world.rpc.store.GetFeatures(message, timeout=60)
            found = columns(answer)
            statuses.update(status for column in found for status in column.statuses)
            kinds.update((column.kind, column.is_list) for column in found)
            for number, row in enumerate(rows):
                at = message.at_us[number if len(message.at_us) > 1 else 0] if message.at_us else None
                compare(client, answer, number, lambda view: f"{view}:{world.key_of(view, row)}", at, message.exclusive,
                        lambda view: words[number] if view == ON_DEMAND else [])
    assert statuses == STATUSES
    assert kinds >= {(kind, is_list) for kind in range(1, 7) for is_list in (False, True)}


def test_random_requests_get_what_the_oracle_tells(world):
    asked = {view: [] for view in world.judge.views}  # (pair, [(column, row)])
    while sum(map(len, asked.values())) < 1000:
        message, rows, _ = world.question()
        if not message.at_us:
            continue
        found = columns(world.rpc.store.GetFeatures(message, timeout=60))
        for number, row in enumerate(rows):
            at_us = message.at_us[number if len(message.at_us) > 1 else 0]
            for view in {column.view.view for column in found} & set(asked):
                pair = oracle.Pair(world.key_of(view, row), at_us, message.exclusive)
                asked[view].append((pair, number, [column for column in found if column.view.view == view]))
    for view, questions in asked.items():
        for (pair, row, group), truth in zip(questions, world.judge.answer(view, [pair for pair, _, _ in questions]), strict=True):
            true = {name: (text, status) for name, text, status in truth.features}
            event_time = group[0].view.event_times_us[row]
            assert (None if event_time == NO_EVENT_TIME else event_time) == truth.event_time, (view, pair)
            for column in group:
                text, status = true[column.name.split(".", 1)[1]]
                value = column.values[row]
                is_same = text == str(value) if isinstance(text, oracle.Estimate) else same_value(column, value, text)
                assert column.statuses[row] == status and is_same, (column.name, pair, value, text)
