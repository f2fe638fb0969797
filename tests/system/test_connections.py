"""Connections among several workers: the order of replies, the end of a stream, limits of all together."""

import json
import re
import socket
import threading
import time

from resp import Closed, Error, encode
from test_workers import DEFINITIONS, T0, event, in_threads

BUSY_EVENTS = 20_000  # of one entity: reading it as of the past keeps a worker busy for milliseconds


def push_entities(server, keys, events, batch=2000):
    with server.client() as client:
        for start in range(0, events, batch):
            client.call("ASOF.PUSH", "s", *(event(i, f"k{i % keys}") for i in range(start, start + batch)))


def long_transaction(reads=400):
    """Takes its worker a second; 3 + reads replies."""
    return (encode("MULTI") + encode("ASOF.AT", T0 + BUSY_EVENTS - 1) + encode("HGETALL", "v:k0") * reads +
            encode("EXEC"))


def test_what_asks_all_workers_keeps_its_place_among_the_replies(make_server):
    server = make_server().start("--workers", "2")
    server.apply(DEFINITIONS % ("event", "10s"))
    push_entities(server, 1, BUSY_EVENTS)
    clients = [server.client() for _ in range(2)]
    for asking, busy in (clients, clients[::-1]):
        busy.send(long_transaction())
        assert busy.read() == b"OK"  # its worker has begun
        first, second = asking.pipeline([("CLIENT", "LIST"), ("ASOF.PUSH", "s", "{")])
        assert isinstance(first, bytes) and isinstance(second, Error)
        for _ in range(402):
            busy.read()
    for client in clients:
        client.close()
    server.stop()


def test_what_asks_all_workers_is_refused_in_a_transaction(make_server):
    server = make_server().start("--workers", "2")
    with server.client() as client:
        for _ in range(2):
            ok, refused, queued, aborted, pong = client.pipeline(
                [("MULTI",), ("CLIENT", "LIST"), ("PING",), ("EXEC",), ("PING",)])
            assert (ok, queued, pong) == (b"OK", b"QUEUED", b"PONG")
            assert str(refused).startswith("ERR what asks all workers is not offered in a transaction")
            assert str(aborted).startswith("EXECABORT")
    server.stop()


def test_all_workers_are_one_server_to_a_tool(make_server):
    server = make_server().start("--workers", "3")
    run_ids = {re.search(rb"run_id:(\S+)", server.call("INFO", "server"))[1] for _ in range(6)}
    assert len(run_ids) == 1
    server.stop()


def test_who_ends_the_stream_still_gets_all_replies(make_server):
    """As scripts do: printf ... | nc -N."""
    server = make_server().start("--workers", "2")
    server.apply(DEFINITIONS % ("event", "10s"))
    push_entities(server, 1, 4000)
    reads = 60
    for round_number in range(4):
        client = server.client()
        client.send(encode("ASOF.PUSH", "s", event(10_000 + round_number, "a")) * 3 +
                    encode("HGET", "v:a", "count") + encode("CLIENT", "LIST") +
                    encode("ASOF.AT", T0 + 3999) + encode("HGET", "v:k0", "count") * reads)
        client.socket.shutdown(socket.SHUT_WR)
        assert [client.read() for _ in range(4)] == [1, 1, 1, b"%d" % (round_number + 1)]
        assert client.read().startswith(b"id=")
        assert client.read() == b"OK"
        assert [client.read() for _ in range(reads)] == [b"4000"] * reads
        assert client.is_closed()
        client.close()
    server.stop()


def test_it_stops_while_reads_wait_for_the_disk(make_server):
    server = make_server().start()
    server.apply(DEFINITIONS % ("event", "10s"))
    push_entities(server, 3000, 60_000)
    server.stop()

    def read(number):
        turn = 0
        try:
            with server.client() as client:
                while True:
                    client.pipeline([("HGETALL", f"v:k{(turn * 101 + number * 37 + i * 17) % 3000}") for i in range(10)])
                    turn += 1
        except (Closed, ConnectionError):
            assert turn > 0

    for workers in ("1", "2", "2", "2"):
        server.start("--workers", workers, "--readers", "1", "--hot-bytes", "0", "--block-cache-bytes", "1MiB")
        stop = threading.Timer(0.5, server.stop)
        stop.start()
        in_threads(*(lambda n=n: read(n) for n in range(12)))
        stop.join()
        assert server.process.returncode == 0, server.log()


def test_a_long_transaction_of_cold_reads_holds_up_neither_definitions_nor_the_stop(make_server):
    server = make_server().start()
    server.apply(DEFINITIONS % ("event", "10s"))
    push_entities(server, 20, 40_000)
    server.stop()
    server.start("--workers", "2", "--readers", "1", "--hot-bytes", "0", "--block-cache-bytes", "1MiB")
    reads = [("HGETALL", f"v:k{i % 20}") for i in range(9000)]  # as many as take far more than a second
    leavers = []
    for _ in range(12):
        leavers.append(server.client())
        leavers[-1].pipeline([("MULTI",), *reads])
        leavers[-1].send(encode("EXEC"))
    begun = time.monotonic()
    assert server.call("ASOF.APPLY", "more.yaml", "entities: {other: {keys: [n]}}")
    assert time.monotonic() - begun < 6
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 6
    for leaver in leavers:
        leaver.close()


def test_a_long_turn_of_many_connections_holds_up_no_push(make_server):
    """Who applies definitions waits until every worker has let go of the old ones, and pushes wait with it."""
    server = make_server().start("--workers", "2")
    server.apply(DEFINITIONS % ("event", "10s"))
    push_entities(server, 1, BUSY_EVENTS)
    clients = [server.client() for _ in range(128)]
    busy, pushing, applying = clients[::2], clients[1], clients[3]  # these two are of the other worker
    begun = time.monotonic()
    for client in busy:
        client.send(encode("ASOF.AT", T0 + BUSY_EVENTS - 1) + encode("HGETALL", "v:k0") * 2)
    assert busy[0].read() == b"OK"  # the turn has begun
    applying.send(encode("ASOF.APPLY", "more.yaml", "entities: {other: {keys: [n]}}"))
    worst = 0
    for number in range(500):
        sent = time.monotonic()
        assert pushing.call("ASOF.PUSH", "s", event(1_000_000 + number, "z")) == 1
        worst = max(worst, time.monotonic() - sent)
    assert isinstance(applying.read(), bytes)
    for client in busy[1:]:
        assert client.read() == b"OK"
    for client in busy:
        assert all(isinstance(client.read(), list) for _ in range(2))
    assert worst < (time.monotonic() - begun) / 10
    for client in clients:
        client.close()
    server.stop()


def test_a_large_push_is_taken_however_many_workers_there_are(make_server):
    server = make_server().start("--workers", "128")
    server.apply(DEFINITIONS % ("event", "10s"))
    with server.client() as client:
        events = [json.dumps({"id": str(i), "ts": T0 + i, "k": "a", "n": 1, "pad": "x" * 500_000}) for i in range(40)]
        assert client.call("ASOF.PUSH", "s", *events) == 40
    server.stop()
