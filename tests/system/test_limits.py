"""Memory and order under what one machine can be made to hold: connections, pipelines, entities."""

import json
import resource
import threading

import pytest

from resp import encode

DEFINITIONS = """
sources:
  s:
    fields: {id: string, ts: timestamp_us, k: string, n: int}
    event_time: ts
    event_id: id
    clock: event
    durability: os
entities:
  k: {keys: [k]}
views:
  v:
    source: s
    entity: k
    features:
      count: {count: '*', over: forever}
      sum:   {sum: n, over: 1h}
"""
T0 = 1_700_000_000_000_000


def rss_bytes(server):
    with open(f"/proc/{server.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def push(client, count, keys, start=0):
    for first in range(start, start + count, 1000):
        client.call("ASOF.PUSH", "s", *(
            json.dumps({"id": str(i), "ts": T0 + i, "k": f"k{i % keys}", "n": 1}) for i in range(first, first + 1000)))


def test_ten_thousand_connections(make_server):
    """All are served, and an idle one takes little. A process of ours may not have enough descriptors for all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 200)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))
    server = make_server().start("--workers", "2", "--connections-max", str(count + 1))
    server.apply(DEFINITIONS)
    before = rss_bytes(server)
    clients = []
    try:
        for _ in range(count):
            clients.append(server.client())
        for client in clients:
            client.send(encode("HMGET", "v:k1", "count", "sum"))
        for client in clients:
            assert client.read() == [b"0", None]
        assert rss_bytes(server) - before < count * 8192
        with server.client() as client:
            assert client.call("CLIENT", "LIST").count(b"\n") == count + 1
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.wait_for(lambda: server.call("CLIENT", "LIST").count(b"\n") == 1)
    server.stop()


def test_pipelines_of_100_000_commands(make_server):
    """Replies come in order; those that are not read yet hold the requests back instead of growing."""
    server = make_server().start("--workers", "2")
    server.apply(DEFINITIONS)
    with server.client() as client:
        push(client, 10_000, 100)
    before = rss_bytes(server)
    count, clients = 100_000, [server.client() for _ in range(4)]
    request = b"".join(encode("HMGET", f"v:k{i % 100}", "count", "sum") for i in range(count))
    senders = [threading.Thread(target=client.send, args=(request,)) for client in clients]
    for sender in senders:
        sender.start()
    for client in clients:
        for _ in range(count):
            assert client.read() == [b"100", b"100"]
    for client, sender in zip(clients, senders):
        sender.join()
        client.close()
    assert rss_bytes(server) - before < 64 << 20
    server.stop()


@pytest.mark.parametrize("known", [True, False])
def test_many_entities_through_a_small_tier(make_server, draw, known):
    """Finished rows stay within --hot-bytes whatever is asked, of entities that there are or not."""
    hot_bytes, entities = 1 << 20, 50_000
    server = make_server().start("--hot-bytes", str(hot_bytes), "--block-cache-bytes", "1MiB", "--write-buffer-bytes",
                                 "1MiB")
    server.apply(DEFINITIONS)
    with server.client() as client:
        if known:
            push(client, entities, entities)
        words = [("HMGET", f"v:k{i}", "count", "sum") for i in range(entities)]
        expected = [b"1", b"1"] if known else [b"0", None]
        assert client.pipeline(words[:1000]) == [expected] * 1000
        before = rss_bytes(server)
        for first in range(0, entities, 1000):
            assert client.pipeline(words[first:first + 1000]) == [expected] * 1000
        info = dict(line.split(":", 1) for line in client.call("INFO").decode().splitlines() if ":" in line)
        assert int(info["hot_bytes"]) <= hot_bytes
        assert int(info["hot_evictions_total"]) > entities / 2
        assert rss_bytes(server) - before < 2 * hot_bytes + (8 << 20)
    server.stop()
