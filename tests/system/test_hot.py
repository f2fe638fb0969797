"""Finished rows: a read of now says what the plain walk says, whatever was kept."""

import concurrent.futures
import json
import re
import threading
import time

CLOCKS = """
sources:
  s:
    fields: {id: string, ts: timestamp_us, k: string, n: int, text: string}
    event_time: ts
    event_id: id
    clock: %s
entities:
  k: {keys: [k]}
views:
  v:
    source: s
    entity: k
    features:
      n_50ms:    {sum: n, over: 50ms}
      n_step:    {count: '*', over: 100ms step 20ms, where: n > 3}
      n_today:   {max: n, over: tumbling(40ms)}
      run:       {count: '*', over: session(30ms)}
      texts:     {last_n: text, over: last(3)}
      idle:      {time_since_last: true, over: forever}
      count_ever: {count: '*', over: forever}
      age_90ms:  {time_since_first: n, over: 90ms, where: n > 2, default: -1}
      text_ever: {first: text, over: forever, default: none}
"""
FEATURES = ["n_50ms", "n_step", "n_today", "run", "texts", "text_ever", "count_ever", "idle", "age_90ms"]


def counter(server, name):
    return int(re.search(rf"^hot_{name}:(\d+)", server.call("INFO").decode(), re.MULTILINE)[1])


def assert_now_is_the_plain_answer(client, draw, entities):
    """Some features of an entity, asked as of now, and again as of the T that it answered for."""
    key = f"v:k{draw.randrange(entities)}"
    wanted = draw.sample(FEATURES, draw.randrange(1, len(FEATURES)))
    now = client.call("ASOF.GET", key, "FIELDS", *wanted)
    at = dict(zip(now[::2], now[1::2]))[b"at"]
    plain = client.call("ASOF.GET", key, "AT", at, "FIELDS", *wanted)
    assert now == plain


def test_reads_of_an_event_clock_equal_the_plain_walk(server, draw):
    server.apply(CLOCKS % "event")
    t = 1_700_000_000_000_000
    with server.client() as client:
        for i in range(3000):
            if draw.random() < 0.3:
                t += draw.randrange(0, 15_000)
                late = draw.randrange(0, 60_000) if draw.random() < 0.2 else 0
                client.call("ASOF.PUSH", "s", json.dumps(
                    {"id": str(draw.randrange(2000)), "ts": t - late, "k": f"k{draw.randrange(3)}",
                     "n": draw.randrange(9), "text": "x" * draw.randrange(40)}))
            assert_now_is_the_plain_answer(client, draw, 4)
    assert counter(server, "hits_total") > 500
    assert counter(server, "edge_hits_total") > 10


def test_reads_of_the_wall_clock_equal_the_plain_walk(server, draw):
    server.apply(CLOCKS % "wall")
    with server.client() as client:
        for i in range(3000):
            if draw.random() < 0.05:  # a third of them in the future: they come by themselves
                ts = int(time.time() * 1e6) + draw.randrange(-20_000, 10_000)
                client.call("ASOF.PUSH", "s", json.dumps({"id": str(i), "ts": ts, "k": f"k{draw.randrange(3)}",
                                                          "n": draw.randrange(9), "text": str(i)}))
            assert_now_is_the_plain_answer(client, draw, 4)
    assert counter(server, "hits_total") > 500


def test_an_entity_that_is_read_and_written_needs_the_disk_once(server):
    server.apply(CLOCKS % "event")
    with server.client() as client:
        for i in range(20):
            client.call("ASOF.PUSH", "s", json.dumps({"id": str(i), "ts": 1000 * i, "k": "k0", "n": 1, "text": str(i)}))
            assert client.call("HMGET", "v:k0", "count_ever", "text_ever") == [str(i + 1).encode(), b"0"]
    assert counter(server, "misses_total") == 20
    assert counter(server, "edge_hits_total") == 18  # the first found no row, the second no edges
    assert counter(server, "edges") == 1


def test_a_value_decays_without_an_event_though_its_row_is_kept(server):
    server.apply(CLOCKS % "wall")
    with server.client() as client:
        client.call("XADD", "s", "*", "id", "a", "ts", int(time.time() * 1e6), "k", "k0", "n", 5)
        assert client.call("HMGET", "v:k0", "n_50ms", "run") == [b"5", b"1"]
        assert client.call("HMGET", "v:k0", "n_50ms", "run") == [b"5", b"1"]
        server.wait_for(lambda: client.call("HMGET", "v:k0", "n_50ms", "run") == [None, b"0"], timeout_s=1)


def test_the_rows_of_many_entities_stay_within_their_memory(make_server):
    server = make_server().start("--hot-bytes", "1MiB")
    server.apply(CLOCKS % "event")
    with server.client() as client:
        for first in range(0, 20_000, 1000):
            client.call("ASOF.PUSH", "s", *(json.dumps({"id": str(i), "ts": i, "k": f"k{i}", "n": 1})
                                            for i in range(first, first + 1000)))
        replies = client.pipeline([("HGET", f"v:k{i % 20_000}", "run") for i in range(40_000)])
    assert {reply for reply in replies} == {b"1"}
    assert 0 < counter(server, "bytes") <= 1 << 20
    assert counter(server, "evictions_total") > 10_000


def test_without_memory_for_rows_nothing_is_kept(make_server):
    server = make_server().start("--hot-bytes", "0")
    server.apply(CLOCKS % "event")
    with server.client() as client:
        client.call("XADD", "s", "*", "id", "a", "ts", 1, "k", "k0", "n", 5)
        for _ in range(3):
            assert client.call("HGET", "v:k0", "run") == b"1"
    assert counter(server, "rows") == 0 and counter(server, "hits_total") == 0


def test_an_entity_that_looks_like_another_views_key_hides_no_event(server):
    server.apply("""
sources:
  s: {fields: {id: string, ts: timestamp_us, a: int, b: int, n: int}, event_time: ts, event_id: id, clock: event}
entities:
  pair: {keys: [a, b]}
  b: {keys: [b]}
views:
  x: {source: s, entity: pair, features: {n: {sum: n, over: forever}}}
  y: {source: s, entity: b, features: {n: {sum: n, over: forever}}}
""")
    with server.client() as client:
        for a in range(8):  # one of them is the number of y's table
            for i in range(3):
                client.call("ASOF.PUSH", "s", json.dumps({"id": f"{a}-{i}", "ts": 8 * i + a, "a": a, "b": 42, "n": 1}))
                assert client.call("HGET", "y:42", "n") == str(3 * a + i + 1).encode()


def test_an_acknowledged_event_is_in_every_later_read_of_a_pipeline(make_server):
    """One connection pushes; others, on other workers, read all the time and must never see less than was
    acknowledged before they asked."""
    server = make_server().start("--workers", "3")
    server.apply(CLOCKS % "event")
    acknowledged, is_over, seen = 0, threading.Event(), []

    def read():
        with server.client() as client:
            while not is_over.is_set():
                least = acknowledged
                replies = client.pipeline([("HMGET", "v:k0", "count_ever", "texts")] * 40)
                counts = [int(count) for count, _ in replies]
                if counts[0] < least or counts != sorted(counts):
                    raise AssertionError(f"{counts} after {least} were acknowledged")
                seen.append(counts[-1])

    with concurrent.futures.ThreadPoolExecutor(3) as pool, server.client() as client:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for i in range(600):
                client.call("ASOF.PUSH", "s", json.dumps({"id": str(i), "ts": i, "k": "k0", "n": 1, "text": str(i)}))
                acknowledged = i + 1
        finally:
            is_over.set()
        for reader in readers:
            reader.result()
    assert len(set(seen)) > 20
    assert int(re.search(r"^resp_repeats_total:(\d+)", server.call("INFO").decode(), re.MULTILINE)[1]) > 1000
