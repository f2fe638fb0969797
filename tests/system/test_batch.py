"""Batch views: values written as they are, by HSET, ASOF.SET and pushes, read as of any time. What DuckDB
says of the same writes is what the server must say: of each field the newest write by T."""

import json
import threading
import time

import duckdb
import pytest

from resp import Closed, Error, Got

SECOND_US = 10**6
DAY_US = 86400 * SECOND_US
TTL_US = 2 * DAY_US
FIELDS = {"carrier": "string", "dest": "string", "dep_delay": "int", "temp": "double", "cancelled": "bool",
          "visibility": "decimal(2)"}
WRITES_MAX = 12_000
PAIRS = 1_500

DEFINITIONS = """
entities:
  plane: {keys: [tailnum]}
  leg:   {keys: [origin, dest_airport]}
views:
  plane_profile:
    kind: batch
    entity: plane
    features: {%s}
  plane_fresh:
    kind: batch
    entity: plane
    ttl: 2d
    features: {%s}
  leg_notes:
    kind: batch
    entity: leg
    features: {note: string, level: {type: int, default: 3}}
""" % (", ".join(f"{name}: {kind}" for name, kind in FIELDS.items()),
       ", ".join(f"{name}: {kind}" for name, kind in FIELDS.items()))

CARDS = """
entities:
  card: {keys: [card]}
views:
  card_profile:
    kind: batch
    entity: card
    ttl: 30d
    features: {segment: string, credit_limit: decimal(2), vip: {type: bool, default: false}, since: timestamp}
"""


def time_text(t_us):
    seconds, micros = divmod(t_us, SECOND_US)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def parse_minute(text):
    return int(time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone) * SECOND_US


class Writes:
    """Writes made of real departures: each names some fields, some are NULL, some delete; in any order."""

    def __init__(self, flights, draw, view, number=WRITES_MAX):
        self.view = view
        self.events = []  # in the order in which they are sent
        self.times = {}   # entity -> times of its writes
        lines = open(flights / "departures.ndjson").readlines()[:number]
        for line in lines:
            departure = json.loads(line)
            if departure["tailnum"] is not None:
                self.events.append(self.make(departure, draw))
        for i in range(0, len(self.events), 400):  # late by as much as a few days
            part = self.events[i:i + 400]
            draw.shuffle(part)
            self.events[i:i + 400] = part

    def make(self, departure, draw):
        t_us = parse_minute(departure["at"]) + draw.choice((0, 0, 0, 1, 500_000))
        event = {"tailnum": departure["tailnum"], "event_timestamp": time_text(t_us)}
        if draw.random() < 0.05:
            event["event_deleted"] = True
        for field in FIELDS:
            if draw.random() < 0.5:
                value = departure[field]
                event[field] = round(value, 2) if field == "visibility" and value is not None else value
                if draw.random() < 0.1:
                    event[field] = None
        self.times.setdefault(departure["tailnum"], []).append(t_us)
        return event

    def push(self, server, size=500):
        with server.client() as client:
            for first in range(0, len(self.events), size):
                part = self.events[first:first + size]
                assert client.call("ASOF.PUSH", self.view, *map(json.dumps, part)) == len(part)

    def pairs(self, draw, number):
        """Entities and moments; half of them at the very edges of writes and of their TTL."""
        tails = sorted(self.times)
        pairs = []
        for _ in range(number):
            tail = draw.choice(tails)
            t_us = draw.choice(self.times[tail])
            edge = draw.choice((0, TTL_US, draw.randrange(-5 * DAY_US, 5 * DAY_US)))
            pairs.append((tail, t_us + edge + draw.choice((-1, 0, 1)), draw.random() < 0.3))
        return pairs


def text_of(value):
    """As the Redis protocol shows it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def ask_duckdb(writes, pairs, tmp_path):
    """(pair, field) -> (value, time of its write), for each field that was ever written by T."""
    cells = tmp_path / "cells.ndjson"
    with open(cells, "w") as out:
        for number, event in enumerate(writes.events):
            named = FIELDS if event.get("event_deleted") else [name for name in FIELDS if name in event]
            for field in named:
                out.write(json.dumps({"n": number, "tail": event["tailnum"], "written": event["event_timestamp"], "field": field,
                                      "value": text_of(event.get(field))}) + "\n")
    asked = tmp_path / "asked.ndjson"
    asked.write_text("".join(json.dumps({"pair": i, "tail": tail, "t": t_us - exclusive}) + "\n"
                             for i, (tail, t_us, exclusive) in enumerate(pairs)))
    rows = duckdb.sql(f"""
        with cells as (select n, tail, epoch_us(cast(written as timestamptz)) as us, field, value from read_json('{cells}', columns =
                         {{n: 'BIGINT', tail: 'VARCHAR', written: 'VARCHAR', field: 'VARCHAR', value: 'VARCHAR'}})),
             asked as (select * from read_json('{asked}', columns = {{pair: 'BIGINT', tail: 'VARCHAR', t: 'BIGINT'}}))
        select pair, field, last(value order by us, n), max(us)
        from asked join cells on cells.tail = asked.tail and cells.us <= asked.t group by pair, field""").fetchall()
    return {(pair, field): (value, us) for pair, field, value, us in rows}


def expected_of(answers, number, t_us, ttl_us):
    """Features with statuses, and the event time, of one pair."""
    features = []
    newest = None
    for field in FIELDS:
        value, at = answers.get((number, field), (None, None))
        newest = at if newest is None or (at is not None and at > newest) else newest
        is_expired = value is not None and ttl_us is not None and at <= t_us - ttl_us
        features.append([field, None if is_expired else value, "expired" if is_expired else "null" if value is None
                         else "present"])
    is_found = any(value is not None for _, value, _ in features)
    if not is_found:
        features = [[name, value, "not_found" if status == "null" else status] for name, value, status in features]
    return [tuple(feature) for feature in features], newest if is_found else None


def check_pairs(client, view, pairs, answers, ttl_us):
    replies = client.pipeline([("ASOF.GET", f"{view}:{tail}", "AT", t_us, *(["EXCLUSIVE"] if exclusive else []))
                               for tail, t_us, exclusive in pairs])
    for number, ((tail, t_us, exclusive), reply) in enumerate(zip(pairs, replies)):
        got = Got(reply)
        features, event_time = expected_of(answers, number, t_us - exclusive, ttl_us)
        assert got.features == features, (tail, t_us, exclusive)
        assert got.event_time == event_time, (tail, t_us, exclusive)
        assert got.at == t_us


@pytest.mark.parametrize("view, ttl_us", [("plane_profile", None), ("plane_fresh", TTL_US)])
def test_answers_are_those_of_sql_over_all_writes(server, flights, draw, tmp_path, view, ttl_us):
    server.apply(DEFINITIONS)
    writes = Writes(flights, draw, view)
    writes.push(server)
    pairs = writes.pairs(draw, PAIRS)
    answers = ask_duckdb(writes, pairs, tmp_path)
    with server.client() as client:
        check_pairs(client, view, pairs, answers, ttl_us)
        check_as_hashes(client, view, pairs[:200], answers, ttl_us)
    server.kill()
    server.start()
    with server.client() as client:
        check_pairs(client, view, pairs, answers, ttl_us)


def check_as_hashes(client, view, pairs, answers, ttl_us):
    """The commands of hashes, on a connection that is as of T."""
    for number, (tail, t_us, exclusive) in enumerate(pairs):
        features, event_time = expected_of(answers, number, t_us - exclusive, ttl_us)
        shown = {name: value for name, value, _ in features if value is not None}
        key = f"{view}:{tail}"
        client.call("ASOF.AT", t_us, *(["EXCLUSIVE"] if exclusive else []))
        flat = [word.decode() for word in client.call("HGETALL", key)]
        assert dict(zip(flat[::2], flat[1::2])) == shown
        assert client.call("HLEN", key) == len(shown)
        assert client.call("EXISTS", key) == (event_time is not None)
        assert client.call("TYPE", key) == (b"none" if event_time is None else b"hash")
        values = client.call("HMGET", key, *FIELDS)
        assert [value and value.decode() for value in values] == [value and value for _, value, _ in features]
    client.call("ASOF.AT", "now")


def test_a_new_version_has_all_writes_of_the_older_one(server, flights, draw, tmp_path):
    server.apply(DEFINITIONS)
    writes = Writes(flights, draw, "plane_profile", 4000)
    writes.push(server)
    server.apply(DEFINITIONS.replace("plane_profile:\n    kind: batch", "plane_profile:\n    kind: batch\n    ttl: 2d"))
    pairs = writes.pairs(draw, 400)
    answers = ask_duckdb(writes, pairs, tmp_path)
    with server.client() as client:
        assert Got(client.call("ASOF.GET", "plane_profile:x")).view == "plane_profile@2"
        check_pairs(client, "plane_profile@1", pairs, answers, None)
        check_pairs(client, "plane_profile", pairs, answers, TTL_US)


def test_features_of_the_next_version_are_written_before_it_is_promoted(server):
    server.apply(CARDS)
    server.apply(CARDS.replace("since: timestamp", "since: timestamp, score: int"))
    with server.client() as client:
        assert client.call("HSET", "card_profile:c1", "segment", "gold", "score", "7") == 2
        server.wait_for(lambda: not isinstance(client.pipeline([("HGET", "card_profile@2:c1", "score")])[0], Error))
        assert client.call("HMGET", "card_profile@2:c1", "segment", "score") == [b"gold", b"7"]
        assert client.call("HGETALL", "card_profile@1:c1") == [b"segment", b"gold", b"vip", b"0"]
        assert client.call("DEL", "card_profile:c1") == 1
        assert client.call("EXISTS", "card_profile@1:c1", "card_profile@2:c1") == 0


def test_a_version_that_waits_changes_nothing_for_who_writes(server):
    """What is written has the types of the active version, whatever newer ones have."""
    server.apply(CARDS)
    changed = CARDS.replace("segment: string", "segment: int").replace("credit_limit: decimal(2), ", "")
    server.asof("apply", "-", input=changed)
    with server.client() as client:
        write = ("HSET", "card_profile:c1", "segment", "gold", "credit_limit", "5")
        assert client.pipeline([write]) == [2]
        assert client.call("HMGET", "card_profile:c1", "segment", "credit_limit") == [b"gold", b"5"]
        (refused,) = client.pipeline([("HSET", "card_profile:c1", "credit_limit", "much")])
        assert isinstance(refused, Error) and "field 'credit_limit': expected decimal(2)" in str(refused)
        client.call("ASOF.PROMOTE", "card_profile@2")
        (refused,) = client.pipeline([("HSET", "card_profile:c1", "segment", "gold")])
        assert isinstance(refused, Error) and "field 'segment': expected int, got the text 'gold'" in str(refused)
        assert client.call("HSET", "card_profile:c1", "segment", "7") == 1
        client.call("ASOF.ROLLBACK", "card_profile")
        assert client.call("HGET", "card_profile:c1", "segment") == b"7"
        assert client.pipeline([write]) == [0]
        assert client.call("HGET", "card_profile@2:c1", "segment") == b"7"


def test_a_history_folds_what_lies_beyond_it(server, draw):
    """Values that were written long ago stay; moments before the history are refused."""
    server.apply(DEFINITIONS.replace("plane_profile:\n    kind: batch", "plane_profile:\n    kind: batch\n    history: 20s"))
    plain = {}  # (tail, field) -> [(time, number, value)]
    now_us = int(time.time() * SECOND_US)
    with server.client() as client:
        for number in range(3000):
            tail = f"t{draw.randrange(30)}"
            t_us = now_us - 60 * SECOND_US + number * 20_000 + draw.randrange(2_000_000)
            field = draw.choice(("carrier", "dest"))
            reply = client.pipeline([("ASOF.SET", f"plane_profile:{tail}", "AT", t_us, field, f"v{number}")])[0]
            if not isinstance(reply, Error):
                plain.setdefault((tail, field), []).append((t_us, number, f"v{number}"))
            else:
                assert "late" in str(reply)
        server.wait_for(lambda: b"events_folded_total:0\r\n" not in client.call("INFO"))
        for (tail, field), cells in plain.items():
            for t_us in (now_us - 8 * SECOND_US, now_us):
                known = [cell for cell in cells if cell[0] <= t_us]
                got = Got(client.call("ASOF.GET", f"plane_profile:{tail}", "AT", t_us, "FIELDS", field))
                assert got.values[field] == (max(known)[2] if known else None)
        with pytest.raises(Error, match="OUTOFHISTORY"):
            client.call("ASOF.GET", "plane_profile:t1", "AT", now_us - 600 * SECOND_US)


# ---- by hand ----

@pytest.fixture
def cards(server):
    server.apply(CARDS)
    with server.client() as client:
        yield client


def test_hset_hdel_and_del_answer_as_redis_does(cards):
    call = cards.call
    assert call("HSET", "card_profile:c1", "segment", "gold", "credit_limit", "5000.50") == 2
    assert call("HSET", "card_profile:c1", "segment", "silver", "vip", "1") == 1
    assert call("HMSET", "card_profile:c1", "segment", "bronze", "segment", "gold") == b"OK"
    assert call("HMGET", "card_profile:c1", "segment", "credit_limit", "vip", "since") == [b"gold", b"5000.5", b"1", None]
    assert call("HDEL", "card_profile:c1", "vip", "since", "vip") == 1
    assert call("HGET", "card_profile:c1", "vip") == b"0"  # its default
    assert call("EXISTS", "card_profile:c1") == 1
    assert call("DEL", "card_profile:c1", "card_profile:c1", "card_profile:c2", "nothing") == 1
    assert call("EXISTS", "card_profile:c1") == 0
    assert call("HGETALL", "card_profile:c1") == []
    assert call("UNLINK", "card_profile:c1") == 0
    assert call("SCAN", 0) == [b"0", []]


def test_writes_of_one_pipeline_see_each_other(cards):
    replies = cards.pipeline([("HSET", "card_profile:c1", "segment", "a"), ("HSET", "card_profile:c1", "segment", "b"),
                              ("HSET", "card_profile:c2", "segment", "b"), ("HDEL", "card_profile:c1", "segment"),
                              ("ASOF.PUSH", "card_profile", json.dumps({"card": "c3", "event_timestamp": time_text(
                                  int(time.time() * SECOND_US)), "segment": "x"})),
                              ("DEL", "card_profile:c1", "card_profile:c2", "card_profile:c3")])
    assert replies == [1, 0, 1, 1, 1, 2]


def test_what_is_wrong_is_refused_with_what_would_be_right(cards):
    cases = [
        (("HSET", "card_profile:c1", "segmnt", "x"), "has no feature 'segmnt', only segment, credit_limit, vip, since"),
        (("HSET", "card_profile:c1", "credit_limit", "1.234"), "field 'credit_limit': decimal(2) can't hold '1.234' exactly"),
        (("HSET", "card_profile:c1", "vip", "maybe"), "field 'vip': expected bool, got the text 'maybe'"),
        (("HSET", "card_profile:c1", "segment"), "wrong number of arguments"),
        (("HSET", "card_profile:", "segment", "x"), None),
        (("HSET", "nothing:c1", "segment", "x"), "no view 'nothing'"),
        (("HSET", "card_profile@1:c1", "segment", "x"), "a write goes to all versions"),
        (("HSETNX", "card_profile:c1", "segment", "x"), "use HSET"),
        (("EXPIRE", "card_profile:c1", "10"), "`ttl`"),
        (("ASOF.SET", "card_profile:c1", "AT", "soon", "segment", "x"), "T is now"),
        (("ASOF.SET", "card_profile:c1", "AT", "now", "segment"), "wrong number of arguments"),
        (("ASOF.SET", "card_profile:c1", "AT", "9999-01-01T00:00:00Z", "segment", "x"), "ahead_max"),
    ]
    for words, expected in cases:
        (reply,) = cards.pipeline([words])
        if expected is not None:
            assert isinstance(reply, Error) and expected in str(reply), (words, reply)
    assert cards.call("SCAN", 0)[1] in ([], [b"card_profile:"])


def test_a_write_at_a_time_is_there_from_then_on(cards):
    now_us = int(time.time() * SECOND_US)
    then_us = now_us - 3600 * SECOND_US
    assert cards.call("HSET", "card_profile:c1", "segment", "now") == 1
    assert cards.call("ASOF.SET", "card_profile:c1", "AT", then_us, "segment", "then", "credit_limit", "7") == b"OK"
    assert cards.call("HMGET", "card_profile:c1", "segment", "credit_limit") == [b"now", b"7"]
    got = Got(cards.call("ASOF.GET", "card_profile:c1", "AT", then_us))
    assert (got.values["segment"], got.statuses["segment"], got.event_time) == ("then", "present", then_us)
    got = Got(cards.call("ASOF.GET", "card_profile:c1", "AT", then_us, "EXCLUSIVE"))
    assert (got.values["segment"], got.statuses["segment"], got.event_time) == (None, "not_found", None)
    got = Got(cards.call("ASOF.GET", "card_profile:c1", "AT", then_us + 30 * DAY_US))
    assert (got.statuses["segment"], got.statuses["credit_limit"]) == ("present", "expired")


def test_a_write_ahead_is_not_there_before_its_time(cards):
    """Also for a row that was finished before: it holds until then."""
    cards.call("HSET", "card_profile:c1", "segment", "old")
    at_us = int(time.time() * SECOND_US) + 700_000
    cards.call("ASOF.SET", "card_profile:c1", "AT", at_us, "segment", "new")
    seen = []
    while not seen or seen[-1] == b"old":
        seen.append(cards.call("HGET", "card_profile:c1", "segment"))
        if seen[-1] == b"old":
            assert time.time() * SECOND_US < at_us + SECOND_US
    assert time.time() * SECOND_US >= at_us and seen[0] == b"old" and seen[-1] == b"new"


def test_values_expire_by_themselves_and_ttl_tells_when(server):
    server.apply(CARDS.replace("ttl: 30d", "ttl: 1500ms"))
    with server.client() as client:
        client.call("HSET", "card_profile:c1", "segment", "gold")
        written = time.monotonic()
        assert 0 < client.call("PTTL", "card_profile:c1") <= 1500
        assert client.call("TTL", "card_profile:c2") == -2
        server.wait_for(lambda: client.call("HGET", "card_profile:c1", "segment") is None)
        assert time.monotonic() - written >= 1.4
        assert client.call("EXISTS", "card_profile:c1") == 0 and client.call("PTTL", "card_profile:c1") == -2
        assert Got(client.call("ASOF.GET", "card_profile:c1")).statuses["segment"] == "expired"


def test_a_transaction_reads_one_state_and_refuses_writes(cards):
    cards.call("HSET", "card_profile:c1", "segment", "gold")
    assert cards.pipeline([("MULTI",), ("HGET", "card_profile:c1", "segment"), ("HLEN", "card_profile:c1"), ("EXEC",)])[-1] == [b"gold", 2]
    replies = cards.pipeline([("MULTI",), ("HSET", "card_profile:c1", "segment", "x"), ("EXEC",)])
    assert "can only read" in str(replies[1]) and isinstance(replies[2], Error)


def test_asof_pushes_files_into_a_batch_view(server, tmp_path):
    server.apply(CARDS + """  latest:
    kind: batch
    source: limits
    entity: card
    features: {limit: int}
sources:
  limits: {fields: {card: string, at: timestamp_us, limit: int, who: string}, event_time: at}
""")
    csv = tmp_path / "profiles.csv"
    csv.write_text("card,segment,credit_limit,event_timestamp\n"
                   "c1,gold,10.5,2026-01-01T00:00:00Z\nc1,,20,2026-01-02T00:00:00Z\nc2,\"\",1,2026-01-01T00:00:00Z\n")
    server.asof("push", "card_profile", str(csv))
    server.asof("push", "card_profile", "-", input='{"card":"c2","credit_limit":null,"event_timestamp":"2026-01-03T00:00:00Z"}\n')
    got = server.asof("get", "card_profile", "c1", "c2", "--at", "2026-01-04T00:00:00Z", "--json").stdout
    lines = [json.loads(line) for line in got.splitlines()] if "\n{" in got else json.loads(got)
    assert "gold" in str(lines) and "20" in str(lines)
    with server.client() as client:
        client.call("ASOF.AT", "2026-01-04T00:00:00Z")
        assert client.call("HMGET", "card_profile:c1", "segment", "credit_limit") == [b"gold", b"20"]
        assert client.call("HMGET", "card_profile:c2", "segment", "credit_limit") == [b"", None]
        client.call("ASOF.AT", "now")
        client.call("ASOF.PUSH", "limits", '{"card":"c9","at":1700000000000000,"limit":5}',
                    '{"card":"c9","at":1700000000000001,"who":"me"}', '{"card":"c9","at":1699999999999999,"limit":9}')
        assert client.call("HGET", "latest:c9", "limit") == b"5"
        with pytest.raises(Error, match="takes what is written from source 'limits'"):
            client.call("HSET", "latest:c9", "limit", "7")
    refused = server.asof("push", "latest", "-", input="{}\n", check=False)
    assert refused.returncode == 1 and "source 'limits'" in refused.stderr
    described = server.asof("describe", "card_profile").stdout
    assert "kind" in described and "batch" in described and "30d" in described and "AGGREGATION" not in described
    assert "card_profile" in server.asof("list").stdout


def test_composite_entities_and_what_their_keys_may_hold(server):
    server.apply(DEFINITIONS)
    with server.client() as client:
        for origin, dest in (("JFK", "LAX"), ("a|b", "c\\d"), ("", "x"), ("é", "日本")):
            key = "leg_notes:" + "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in (origin, dest))
            assert client.call("HSET", key, "note", origin + dest) == 1
            assert client.call("HGET", key, "note").decode() == origin + dest
            assert client.call("HDEL", key, "note") == 1
            assert client.call("HGET", key, "note") is None and client.call("HGET", key, "level") == b"3"
        with pytest.raises(Error, match="has 2 keys"):
            client.call("HSET", "leg_notes:JFK", "note", "x")


# ---- kill -9 ----

class Setter(threading.Thread):
    """Counts each of its keys up; remembers what was acknowledged, and what may have been taken."""

    KEYS = 5

    def __init__(self, server, name):
        super().__init__()
        self.server = server
        self.name = name
        self.acknowledged = [0] * self.KEYS
        self.tried = [0] * self.KEYS
        self.is_stopping = False

    def run(self):
        number = max(self.tried)
        try:
            with self.server.client() as client:
                while not self.is_stopping:
                    number += 1
                    for key in range(self.KEYS):
                        self.tried[key] = number
                    replies = client.pipeline([("HSET", f"plane_profile:{self.name}{key}", "dep_delay", number, "dest", f"d{number}")
                                               for key in range(self.KEYS)])
                    for key, reply in enumerate(replies):
                        if not isinstance(reply, Error):
                            self.acknowledged[key] = number
        except (Closed, ConnectionError, OSError):
            pass


def test_kill_9_loses_no_acknowledged_write_and_tears_no_row(server, draw):
    server.apply(DEFINITIONS)
    known = {}
    for _ in range(6):
        setters = [Setter(server, name) for name in ("a", "b")]
        for setter in setters:
            setter.acknowledged, setter.tried = known.get(setter.name, (setter.acknowledged, setter.tried))
            setter.start()
        time.sleep(draw.uniform(0.1, 0.6))
        server.kill()
        for setter in setters:
            setter.is_stopping = True
            setter.join()
        server.start()
        with server.client() as client:
            for setter in setters:
                for key in range(Setter.KEYS):
                    delay, dest = client.call("HMGET", f"plane_profile:{setter.name}{key}", "dep_delay", "dest")
                    number = int(delay or 0)
                    assert setter.acknowledged[key] <= number <= setter.tried[key]
                    assert number == 0 or dest == b"d%d" % number
                    now_us = int(time.time() * SECOND_US)
                    past = Got(client.call("ASOF.GET", f"plane_profile:{setter.name}{key}", "AT", now_us + DAY_US))
                    assert past.values["dep_delay"] == (delay and delay.decode())  # row and writes say the same
                    setter.acknowledged[key] = number
                known[setter.name] = (setter.acknowledged, setter.tried)
    assert sum(map(sum, (acknowledged for acknowledged, _ in known.values()))) > 0
