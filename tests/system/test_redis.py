"""The Redis door as clients see it: redis-py in both protocol versions, redis-cli, and INTERFACE's
semantics one by one."""

import json
import shutil
import subprocess

import pytest
import redis

from conftest import Server
from resp import Error, Got, encode

DEFINITIONS = """
sources:
  payments:
    fields: {txn: string, ts: timestamp_ms, card: string, shop: string, till: int, amount: decimal(2), ratio: double,
             merchant: string, ok: bool, seen: timestamp, count: int}
    event_time: ts
    event_id: txn
    clock: event
entities:
  card: {keys: [card]}
  till: {keys: [shop, till]}
views:
  card_payments:
    source: payments
    entity: card
    features:
      payments_5m:  {count: '*', over: 5m}
      amount_1h:    {sum: amount, over: 1h, default: 0.50}
      amount_avg:   {avg: amount, over: last(3)}
      ratio_max:    {max: ratio, over: 1h}
      merchant:     {last: merchant, over: forever}
      ok:           {last: ok, over: forever}
      seen:         {max: seen, over: forever}
      amounts:      {last_n: amount, over: last(5)}
      merchants:    {last_n: merchant, over: last(5)}
      count_sum:    {sum: count, over: forever}
  till_payments:
    source: payments
    entity: till
    features:
      payments_1m: {count: '*', over: 1m}
  short:
    source: payments
    entity: card
    features:
      payments_1m: {count: '*', over: 1m}
      payments_1h: {count: '*', over: 1h}
"""
T0_MS = 1_700_000_000_000
EVENTS = [
    {"txn": "t1", "ts": T0_MS, "card": "c1", "shop": "acme", "till": 7, "amount": 12.34, "ratio": 0.1, "merchant": "a\"ü",
     "ok": True, "seen": "2026-01-31T12:00:00.000001Z", "count": 3},
    {"txn": "t2", "ts": T0_MS + 60_000, "card": "c1", "shop": "a|b", "till": -1, "amount": 10, "ratio": 1e21, "merchant": "m",
     "ok": False},
    {"txn": "t3", "ts": T0_MS + 120_000, "card": "c2", "shop": "back\\slash", "till": 0, "count": 2**63 - 1},
    {"txn": "t4", "ts": T0_MS + 180_000, "card": "c2", "count": 1},
    {"txn": "t5", "ts": T0_MS + 3_600_000, "card": "c3", "shop": "acme", "till": 7},
]
NOW_US = (T0_MS + 3_600_000) * 1000
T2_US = (T0_MS + 60_000) * 1000


@pytest.fixture(scope="module")
def shop(module_server):
    """A server with the events above; `now` is the time of the last one."""
    module_server.apply(DEFINITIONS)
    assert module_server.call("ASOF.PUSH", "payments", *map(json.dumps, EVENTS)) == len(EVENTS)
    return module_server


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(shop, request):
    with shop.client(request.param) as client:
        client.version = request.param
        yield client


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def py(shop, request):
    with redis.Redis(shop.host, shop.port, protocol=request.param, decode_responses=True) as py:
        yield py


# Reading


def test_hget_and_hmget_answer_values_and_nil(client):
    assert client.call("HGET", "card_payments:c1", "merchant") == b"m"
    assert client.call("HMGET", "card_payments:c1", "payments_5m", "amount_avg") == [b"0", b"11.17"]
    assert client.call("HMGET", "card_payments:c3", "ratio_max", "payments_5m", "amounts") == [None, b"1", None]
    assert client.call("HMGET", "card_payments:c1", "ok", "ok") == [b"0", b"0"]


def test_hget_of_an_entity_without_events_is_the_empty_set(client):
    assert client.call("HMGET", "card_payments:nobody", "payments_5m", "amount_1h", "merchant", "amounts") == [
        b"0", b"0.5", None, None]


def test_hgetall_leaves_out_null_and_keeps_the_order_of_the_features(client):
    reply = client.call("HGETALL", "card_payments:c3")
    pairs = list(reply.items()) if client.version == 3 else list(zip(reply[::2], reply[1::2]))
    # last_n over events whose amounts are all NULL is NULL; amount_1h has its default.
    assert pairs == [(b"payments_5m", b"1"), (b"amount_1h", b"0.5")]


def test_hgetall_of_what_is_not_found_is_empty(client):
    empty = {} if client.version == 3 else []
    assert client.call("HGETALL", "card_payments:nobody") == empty
    assert client.call("HGETALL", "no_such_view:c1") == empty
    assert client.call("HGETALL", "no colon") == empty


def test_hkeys_hvals_hlen_hexists_agree_with_hgetall(client):
    key = "card_payments:c3"
    assert client.call("HKEYS", key) == [b"payments_5m", b"amount_1h"]
    assert client.call("HVALS", key) == [b"1", b"0.5"]
    assert client.call("HLEN", key) == 2
    assert [client.call("HEXISTS", key, name) for name in ("amount_1h", "merchant", "no_such")] == [1, 0, 0]
    assert client.call("HSCAN", key, 0) == [b"0", [b"payments_5m", b"1", b"amount_1h", b"0.5"]]
    assert client.call("HSCAN", key, 0, "MATCH", "pay*") == [b"0", [b"payments_5m", b"1"]]
    for command in (["HKEYS"], ["HVALS"]):
        assert client.call(*command, "card_payments:nobody") == []
    assert client.call("HLEN", "card_payments:nobody") == 0
    assert client.call("HEXISTS", "card_payments:nobody", "payments_5m") == 0
    assert client.call("HSCAN", "card_payments:nobody", 0) == [b"0", []]


def test_exists_and_type_know_only_what_is_found(client):
    # c1's newest event is an hour before now, less a minute: in the window of an hour, not in that of a minute.
    assert client.call("EXISTS", "short:c1", "short:c1", "short:nobody", "nothing", "short:c3") == 3
    assert client.call("TYPE", "short:c1") == b"hash"
    assert client.call("TYPE", "short:nobody") == b"none"
    assert client.call("EXISTS", "till_payments:a\\|b|-1") == 0  # its events are older than all windows
    client.call("ASOF.AT", T2_US)
    assert client.call("EXISTS", "till_payments:a\\|b|-1", "short:c3") == 1


def test_an_unknown_feature_is_an_error_that_lists_the_features(client):
    for words in (["HGET", "short:c1", "payments_2m"], ["HMGET", "short:c1", "payments_1m", "payments_2m"],
                  ["HGET", "short:nobody", "payments_2m"], ["ASOF.GET", "short:c1", "FIELDS", "payments_2m"]):
        (reply,) = client.pipeline([words])
        assert isinstance(reply, Error)
        assert "'payments_2m'" in str(reply) and "payments_1m" in str(reply) and "payments_1h" in str(reply)


def test_a_key_outside_all_views_is_a_missing_key(client):
    assert client.call("HGET", "nothing:a", "b") is None
    assert client.call("HMGET", "nothing:a", "b", "c") == [None, None]
    assert client.call("HLEN", "nothing:a") == 0
    assert client.call("HEXISTS", "nothing:a", "b") == 0
    assert client.call("TYPE", "nothing:a") == b"none"
    assert client.call("ASOF.GET", "nothing:a") is None
    assert client.call("HSCAN", "nothing:a", 0) == [b"0", []]
    assert client.call("HGET", "card_payments@9:c1", "ok") is None


def test_composite_keys_join_by_a_bar_with_escapes(client):
    client.call("ASOF.AT", T2_US + 60_000_000)
    assert client.call("HGET", "till_payments:acme|7", "payments_1m") == b"0"
    assert client.call("HGET", "till_payments:a\\|b|-1", "payments_1m") == b"0"
    assert client.call("HGET", "till_payments:back\\\\slash|0", "payments_1m") == b"1"
    client.call("ASOF.AT", T2_US)
    assert client.call("HGET", "till_payments:a\\|b|-1", "payments_1m") == b"1"
    for wrong in ("a|b|-1", "acme", "acme|seven", "acme|7.5", "acme|99999999999999999999", "acme|7|", "acme\\"):
        (reply,) = client.pipeline([("HGET", f"till_payments:{wrong}", "payments_1m")])
        assert isinstance(reply, Error), wrong


def test_a_single_key_stands_as_it_is(shop):
    for name in ("a|b", "a\\b", "a:b", "a@1", "", "ü", "with space"):
        event = {"txn": f"single {name}", "ts": T0_MS, "card": name}
        assert shop.call("ASOF.PUSH", "payments", json.dumps(event)) == 1
        with shop.client() as client:
            client.call("ASOF.AT", T0_MS * 1000)
            assert client.call("HGET", f"short:{name}", "payments_1m") == b"1"


def test_a_pinned_version_reads_like_the_view(client):
    assert client.call("HGET", "card_payments@1:c1", "merchant") == b"m"
    assert Got(client.call("ASOF.GET", "card_payments@1:c1")).view == "card_payments@1"


# Values


def test_values_are_written_as_interface_says(client):
    now = client.call("HMGET", "card_payments:c1", "amount_avg", "ok", "seen", "amounts", "merchants", "count_sum")
    assert now[:4] == [b"11.17", b"0", b"1769860800000001", b"[10,12.34]"]
    assert json.loads(now[4]) == ["m", 'a"ü']
    assert now[5] == b"3"
    client.call("ASOF.AT", T0_MS * 1000)
    assert client.call("HMGET", "card_payments:c1", "ok", "ratio_max", "amount_1h") == [b"1", b"0.1", b"12.34"]
    client.call("ASOF.AT", T2_US)
    assert client.call("HMGET", "card_payments:c1", "ratio_max", "amount_1h") == [b"1e+21", b"22.34"]


def test_an_overflow_is_nil_and_has_its_status(client):
    before = int(info(client)["resp_overflows_total"])
    assert client.call("HGET", "card_payments:c2", "count_sum") is None
    got = Got(client.call("ASOF.GET", "card_payments:c2", "FIELDS", "count_sum"))
    assert got.features == [("count_sum", None, "overflow")]
    assert int(info(client)["resp_overflows_total"]) == before + 2


def info(client):
    return dict(line.split(":", 1) for line in client.call("INFO", "asof").decode().splitlines() if ":" in line)


# Moments


def test_asof_at_holds_for_the_connection_until_now(client, shop):
    assert client.call("ASOF.AT", "2023-11-14T22:13:20Z") == b"OK"
    assert client.call("HGET", "card_payments:c1", "payments_5m") == b"1"
    assert client.call("HGET", "card_payments:c1", "merchant").decode() == 'a"ü'
    assert shop.call("HGET", "card_payments:c1", "merchant") == b"m"  # another connection
    assert client.call("ASOF.AT", "2023-11-14T23:14:20+01:00", "EXCLUSIVE") == b"OK"  # t2, without itself
    assert client.call("HGET", "card_payments:c1", "payments_5m") == b"1"
    assert client.call("ASOF.AT", T2_US) == b"OK"
    assert client.call("HGET", "card_payments:c1", "payments_5m") == b"2"
    assert client.call("ASOF.AT", "now") == b"OK"
    assert client.call("HGET", "card_payments:c1", "payments_5m") == b"0"


def test_asof_at_before_all_events_is_the_empty_set(client):
    client.call("ASOF.AT", "0001-01-01T00:00:00Z")
    assert client.call("HGET", "card_payments:c1", "payments_5m") == b"0"
    assert client.call("EXISTS", "card_payments:c1") == 0


def test_asof_get_tells_everything(client):
    reply = client.call("ASOF.GET", "card_payments:c1", "AT", T2_US, "FIELDS", "payments_5m", "seen")
    if client.version == 3:
        assert isinstance(reply, dict) and list(reply) == [b"view", b"at", b"event_time", b"features"]
        assert reply[b"at"] == T2_US and reply[b"event_time"] == T2_US
    else:
        assert isinstance(reply, list) and reply[::2] == [b"view", b"at", b"event_time", b"features"]
    got = Got(reply)
    assert (got.view, got.at, got.event_time) == ("card_payments@1", T2_US, T2_US)
    assert got.features == [("payments_5m", "2", "present"), ("seen", "1769860800000001", "present")]


def test_asof_get_exclusive_is_the_lookup_a_microsecond_before(client):
    got = Got(client.call("ASOF.GET", "card_payments:c1", "AT", T2_US, "EXCLUSIVE", "FIELDS", "payments_5m"))
    before = Got(client.call("ASOF.GET", "card_payments:c1", "AT", T2_US - 1, "FIELDS", "payments_5m"))
    assert (got.features, got.event_time) == (before.features, before.event_time) == (
        [("payments_5m", "1", "present")], T0_MS * 1000)
    assert got.at == T2_US


def test_asof_get_without_at_is_now(client):
    got = Got(client.call("ASOF.GET", "short:c3"))
    assert got.at == got.event_time == NOW_US
    assert got.features == [("payments_1m", "1", "present"), ("payments_1h", "1", "present")]
    assert Got(client.call("ASOF.GET", "short:c3", "AT", "now")).features == got.features
    client.call("ASOF.AT", T0_MS * 1000)
    assert Got(client.call("ASOF.GET", "short:c3")).at == T0_MS * 1000
    assert Got(client.call("ASOF.GET", "short:c3", "AT", "now")).at == NOW_US


def test_asof_get_statuses(client):
    got = Got(client.call("ASOF.GET", "card_payments:nobody"))
    assert got.event_time is None and set(got.statuses.values()) == {"not_found"}
    assert got.values["payments_5m"] == "0" and got.values["amount_1h"] == "0.5" and got.values["merchant"] is None
    got = Got(client.call("ASOF.GET", "card_payments:c3"))
    assert got.statuses["amount_1h"] == "null" and got.values["amount_1h"] == "0.5"
    assert got.statuses["payments_5m"] == "present"


def test_asof_get_of_some_fields_has_the_status_of_the_whole_view(client):
    # The newest event of c1 lies in the window of an hour, so the one of a minute is empty but found.
    got = Got(client.call("ASOF.GET", "short:c1", "FIELDS", "payments_1m"))
    assert got.features == [("payments_1m", "0", "present")] and got.event_time == T2_US


# Pushing


def test_xadd_answers_an_id_and_the_event_is_seen(client):
    card = f"xadd{client.version}"
    first = client.call("XADD", "payments", "*", "txn", f"{card}-1", "ts", T0_MS + 123, "card", card, "amount", "12.34",
                        "ok", "true", "ratio", "2.5", "seen", "2026-01-31T12:00:00Z")
    second = client.call("XADD", "payments", "*", "txn", f"{card}-2", "ts", T0_MS + 123, "card", card)
    assert first.startswith(b"%d-" % (T0_MS + 123)) and second.startswith(b"%d-" % (T0_MS + 123)) and first != second
    client.call("ASOF.AT", (T0_MS + 123) * 1000)
    assert client.call("HMGET", f"card_payments:{card}", "payments_5m", "amount_1h", "ok", "ratio_max") == [
        b"2", b"12.34", b"1", b"2.5"]


def test_an_event_that_is_pushed_again_counts_once_and_is_acknowledged(client):
    event = json.dumps({"txn": "again", "ts": T0_MS, "card": f"again{client.version}"})
    assert client.call("ASOF.PUSH", "payments", event, event) == 2
    assert client.call("ASOF.PUSH", "payments", event) == 1
    client.call("ASOF.AT", T0_MS * 1000)
    assert client.call("HGET", f"short:again{client.version}", "payments_1m") == b"1"


def test_a_late_event_counts_for_every_moment_after_it(client):
    card = f"late{client.version}"
    client.call("ASOF.PUSH", "payments", json.dumps({"txn": card, "ts": T0_MS - 3_600_000_000, "card": card}))
    got = Got(client.call("ASOF.GET", f"short:{card}", "AT", (T0_MS - 3_600_000_000) * 1000))
    assert got.values == {"payments_1m": "1", "payments_1h": "1"}
    assert Got(client.call("ASOF.GET", f"short:{card}")).statuses["payments_1m"] == "not_found"


def test_a_push_to_no_source_is_an_error(client):
    for words in (["ASOF.PUSH", "nothing", "{}"], ["XADD", "nothing", "*", "a", "b"]):
        (reply,) = client.pipeline([words])
        assert isinstance(reply, Error) and str(reply).startswith("NOTFOUND") and "nothing" in str(reply)


def test_a_producers_repeated_sequence_counts_once(shop):
    events = [json.dumps({"txn": f"seq{i}", "ts": T0_MS, "card": "sequence"}) for i in range(4)]
    with shop.client() as client:
        assert client.call("ASOF.PUSH", "payments", "PRODUCER", "p", 1, *events[:2]) == 2
        assert client.call("ASOF.PUSH", "payments", "PRODUCER", "p", 1, *events[2:]) == 2  # the sequence decides
        client.call("ASOF.AT", T0_MS * 1000)
        assert client.call("HGET", "short:sequence", "payments_1m") == b"2"
        assert client.call("ASOF.PUSH", "payments", "PRODUCER", "p", 2, *events[2:]) == 2
        assert client.call("HGET", "short:sequence", "payments_1m") == b"4"


def test_replies_of_a_pipeline_stand_in_the_order_of_its_requests(client):
    card = f"order{client.version}"
    commands, expected = [("ASOF.AT", T0_MS * 1000)], [b"OK"]
    for i in range(200):
        commands += [("ASOF.PUSH", "payments", json.dumps({"txn": f"{card}{i}", "ts": T0_MS, "card": card})),
                     ("HGET", f"short:{card}", "payments_1m"), ("ECHO", i)]
        expected += [1, b"%d" % (i + 1), b"%d" % i]
    assert client.pipeline(commands) == expected


# SCAN


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A server with many entities."""
    server = Server(tmp_path_factory.mktemp("crowd")).start()
    server.apply(DEFINITIONS)
    server.call("ASOF.PUSH", "payments", *[json.dumps(
        {"txn": str(i), "ts": T0_MS, "card": f"c{i}", "shop": "a|b", "till": i}) for i in range(1000)])
    yield server
    server.stop()


ALL_KEYS = {f"{view}:c{i}" for view in ("card_payments", "short") for i in range(1000)} | {
    f"till_payments:a\\|b|{i}" for i in range(1000)}


def walk(client, *options):
    keys, cursor = [], b"0"
    while True:
        cursor, found = client.call("SCAN", cursor, *options)
        keys += [key.decode() for key in found]
        if cursor == b"0":
            return keys


@pytest.mark.parametrize("count", [1, 7, 100, 5000])
def test_scan_walks_all_entities_that_are_found(crowd, count):
    with crowd.client() as client:
        keys = walk(client, "COUNT", count)
        assert len(keys) == len(ALL_KEYS) and set(keys) == ALL_KEYS


def test_scan_matches_patterns(crowd):
    with crowd.client() as client:
        assert set(walk(client, "MATCH", "short:c99?", "COUNT", 100)) == {f"short:c99{i}" for i in range(10)}
        assert set(walk(client, "MATCH", "*[|]99[89]", "COUNT", 500)) == {"till_payments:a\\|b|998", "till_payments:a\\|b|999"}
        assert walk(client, "MATCH", "nothing*", "COUNT", 1000) == []
        assert walk(client, "TYPE", "string") == []
        assert len(walk(client, "TYPE", "hash", "COUNT", 1000)) == len(ALL_KEYS)


def test_scan_knows_only_who_is_found_at_the_moment(crowd):
    with crowd.client() as client:
        client.call("ASOF.AT", (T0_MS + 120_000) * 1000)  # past the minute of till_payments
        assert not any(key.startswith("till_payments") for key in walk(client, "COUNT", 1000))
        client.call("ASOF.AT", T0_MS * 1000 - 1)
        assert walk(client, "COUNT", 1000) == []


def test_every_scanned_key_can_be_read(crowd):
    with crowd.client() as client:
        keys = walk(client, "COUNT", 1000)
        assert client.call("EXISTS", *keys[1000:2000]) == 1000
        assert all(client.pipeline([("HLEN", key) for key in keys[::50]]))


# Clients


def test_redis_py_reads_and_writes(py):
    assert py.ping() and py.echo("x") == "x"
    assert py.hget("card_payments:c1", "merchant") == "m"
    assert py.hmget("card_payments:c3", ["payments_5m", "ratio_max"]) == ["1", None]
    assert py.hgetall("card_payments:c3") == {"payments_5m": "1", "amount_1h": "0.5"}
    assert py.hkeys("card_payments:c3") == ["payments_5m", "amount_1h"] and py.hlen("card_payments:c3") == 2
    assert py.hexists("card_payments:c3", "amount_1h") and not py.hexists("card_payments:c3", "merchant")
    assert py.exists("short:c1") == 1 and py.type("short:c1") == "hash"
    assert dict(py.hscan_iter("card_payments:c3")) == {"payments_5m": "1", "amount_1h": "0.5"}
    assert "short:c3" in set(py.scan_iter(match="short:*", count=3))
    assert py.xadd("payments", {"txn": "py", "ts": T0_MS, "card": "py"}).startswith(str(T0_MS))
    assert py.info()["redis_version"]
    with pytest.raises(redis.ResponseError, match="payments_2m"):
        py.hget("short:c1", "payments_2m")


def test_redis_py_pipelines_with_and_without_a_transaction(py):
    for transaction in (True, False):
        pipe = py.pipeline(transaction=transaction)
        pipe.hget("card_payments:c1", "merchant").hmget("short:c3", ["payments_1m"]).exists("short:nobody")
        assert pipe.execute() == ["m", ["1"], 0]


def test_redis_py_names_its_connection_and_goes_by_url(shop):
    with redis.Redis.from_url(f"redis://{shop.address}/0?client_name=model&health_check_interval=1") as py:
        assert py.client_getname() in ("model", b"model")
        assert py.hget("short:c3", "payments_1m") == b"1"


def test_a_push_inside_a_transaction_is_refused_and_reads_go_on(client):
    assert client.call("MULTI") == b"OK"
    assert client.call("HGET", "card_payments:c1", "merchant") == b"QUEUED"
    (reply,) = client.pipeline([("XADD", "payments", "*", "txn", "multi", "ts", T0_MS, "card", "multi")])
    assert isinstance(reply, Error)
    (reply,) = client.pipeline([("EXEC",)])
    assert isinstance(reply, Error) and str(reply).startswith("EXECABORT")
    assert client.call("HGET", "card_payments:c1", "merchant") == b"m"


def redis_cli(shop, *words, input=None):
    done = subprocess.run([shutil.which("redis-cli"), "-h", shop.host, "-p", str(shop.port), *words], input=input,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_redis_cli_reads(shop):
    assert redis_cli(shop, "HGET", "card_payments:c1", "merchant") == "m\n"
    assert redis_cli(shop, "-3", "--no-raw", "HGETALL", "card_payments:c3") == (
        '1# "payments_5m" => "1"\n2# "amount_1h" => "0.5"\n')
    assert redis_cli(shop, "--no-raw", "HGETALL", "card_payments:c3") == (
        '1) "payments_5m"\n2) "1"\n3) "amount_1h"\n4) "0.5"\n')
    assert redis_cli(shop, input="PING\nASOF.AT 2023-11-14T22:13:20Z\nHGET short:c1 payments_1m\n") == "PONG\nOK\n1\n"
    assert redis_cli(shop, "-n", "0", "PING") == "PONG\n"


def test_redis_cli_scans_and_looks_around(crowd):
    assert set(redis_cli(crowd, "--scan").split()) == ALL_KEYS
    assert len(redis_cli(crowd, "--scan", "--pattern", "short:c1*").split()) == 111
    assert "redis_version:" in redis_cli(crowd, "INFO")
    assert "hmget" in redis_cli(crowd, "COMMAND", "DOCS", "HMGET").lower()


def test_what_is_not_offered_says_so(client):
    for words in (["SET", "a", "b"], ["STRLEN", "a"], ["HSET", "card_payments:c1", "ok", "1"], ["DEL", "card_payments:c1"],
                  ["KEYS", "*"], ["FLUSHALL"], ["EVAL", "return 1", "0"], ["SUBSCRIBE", "a"], ["CONFIG", "SET", "a", "b"]):
        (reply,) = client.pipeline([words])
        assert isinstance(reply, Error), words
    assert client.call("PING") == b"PONG"


def test_one_connection_does_not_hold_up_the_others(server):
    server.apply("""
sources:
  s: {fields: {ts: timestamp_us, k: string}, event_time: ts, clock: event}
entities:
  k: {keys: [k]}
views:
  v: {source: s, entity: k, features: {n: {count: '*', over: forever}}}
""")
    with server.client() as busy, server.client() as other:
        for first in range(0, 50_000, 10_000):
            busy.call("ASOF.PUSH", "s", *('{"ts":%d,"k":"hot"}' % i for i in range(first, first + 10_000)))
        reads = 100
        busy.call("ASOF.AT", 49_999)  # reads as of the past are walked each time
        busy.send(encode("HMGET", "v:hot", "n") * reads)
        before = [other.call("PING") for _ in range(3)]
        assert before == [b"PONG"] * 3
        busy.socket.setblocking(False)
        try:
            answered = len(busy.socket.recv(1 << 20))
        except BlockingIOError:
            answered = 0
        busy.socket.setblocking(True)
        assert answered < reads * len("*1\r\n$5\r\n50000\r\n")  # the other had its turn while these were not yet done


def test_a_key_of_another_kind_is_what_redis_makes_of_it(server):
    assert server.call("GET", "zz") is None
    assert server.call("MGET", "zz", "a:b") == [None, None]
