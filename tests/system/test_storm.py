"""Everything at once over a disk that fails now and then: pushes that are repeated over two connections,
reads of all kinds, transactions, scans, definitions, clients that leave. What was acknowledged is there,
once, for everybody; what was not is nowhere."""

import json
import os
import resource
import socket
import time

from resp import Error, encode
from test_workers import DEFINITIONS, T0, in_threads

SECONDS = float(os.environ.get("ASOF_STORM_SECONDS", "8"))
WRITERS, KEYS, READERS = 4, 20, 6
FILE_SIZES = (1, 30_000, 300_000, 1_000_000)  # what a file may have while the disk "fails"
SMALL = ("--readers", "2", "--hot-bytes", "2MiB", "--block-cache-bytes", "1MiB", "--write-buffer-bytes", "256KiB")


def limit_files(server, size):
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fields_of(reply):
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


class Storm:
    def __init__(self, server, draw):
        self.server = server
        self.draw = draw
        self.until = time.monotonic() + SECONDS
        self.acknowledged = [[0] * KEYS for _ in range(WRITERS)]
        self.begun = [[0] * KEYS for _ in range(WRITERS)]
        self.refusals = 0

    def is_on(self):
        return time.monotonic() < self.until

    def write(self, writer):
        """Each push goes over two connections at once, until one of them says that it is accepted."""
        clients = [self.server.client() for _ in range(2)]
        number, sequence = writer * 1_000_000_000, 0
        while self.is_on():
            key, count = self.draw.randrange(KEYS), self.draw.randrange(1, 30)
            sequence += 1
            self.begun[writer][key] += count
            events = [json.dumps({"id": str(number + i), "ts": T0 + number % 1_000_000_000 + i, "k": f"{writer}-{key}",
                                  "n": 1, "pad": "x" * 300}) for i in range(count)]
            number += count
            push = encode("ASOF.PUSH", "s", "PRODUCER", f"p{writer}", sequence, *events)
            while not self.is_taken(clients, push, count):
                time.sleep(0.02)
            self.acknowledged[writer][key] += count

    def is_taken(self, clients, push, count):
        for client in clients:
            client.send(push)
        replies = [client.read() for client in clients]
        for reply in replies:
            if isinstance(reply, Error):
                assert str(reply).startswith(("IOERR", "UNAVAILABLE")), reply
                self.refusals += 1
            else:
                assert reply == count
        return count in replies

    def read(self, version):
        client = self.server.client(version=version)
        reads = (self.hmget, self.hmget, self.transaction, self.get, self.scan)
        while self.is_on():
            writer, key = self.draw.randrange(WRITERS), self.draw.randrange(KEYS)
            least = self.acknowledged[writer][key]
            seen = self.draw.choice(reads)(client, f"v:{writer}-{key}", least)
            if seen is not None:
                assert least <= seen <= self.begun[writer][key]

    def hmget(self, client, key, _least):
        reply = client.pipeline([("HMGET", key, "count", "sum")] * self.draw.choice((1, 1, 20)))[-1]
        if isinstance(reply, Error):
            return None
        assert reply[0] == reply[1] or reply == [b"0", None]
        return int(reply[0])

    def transaction(self, client, key, _least):
        words = [("MULTI",), ("HGET", key, "count"), ("HGETALL", key), ("HGET", key, "count"), ("EXEC",)]
        first, whole, again = replies = client.pipeline(words)[-1]
        if any(isinstance(reply, Error) for reply in replies):
            return None
        assert first == again and fields_of(whole).get(b"count", b"0") == first
        return int(first)

    def get(self, client, key, _least):
        [reply] = client.pipeline([("ASOF.GET", key)])
        if isinstance(reply, Error):
            return None
        features = fields_of(reply)[b"features"]
        return int(features[features.index(b"count") + 1])

    def scan(self, client, key, least):
        [reply] = client.pipeline([("SCAN", 0, "COUNT", 200)])
        assert isinstance(reply, Error) or least == 0 or key.encode() in reply[1]

    def leave(self):
        words = (encode("MULTI") + encode("HGETALL", "v:0-1") * 50 + encode("EXEC") + encode("CLIENT", "LIST") +
                 encode("ASOF.FILLS"))
        while self.is_on():
            client = self.server.client()
            client.send(words)
            if self.draw.random() < 0.5:  # a reset, not an end
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if self.draw.random() < 0.5:
                client.socket.shutdown(socket.SHUT_WR)
            client.close()
            time.sleep(0.01)

    def define(self):
        number = 0
        with self.server.client() as client:
            while self.is_on():
                number += 1
                view = "views: {w: {source: s, entity: k, features: {n: {count: '*', over: %ds}}}}" % number
                client.pipeline([("ASOF.APPLY", "w.yaml", view)])
                time.sleep(0.3)

    def fail(self):
        while self.is_on():
            time.sleep(self.draw.uniform(0.3, 1.5))
            limit_files(self.server, self.draw.choice(FILE_SIZES))
            time.sleep(self.draw.uniform(0.1, 1.5))
            limit_files(self.server, resource.RLIM_INFINITY)

    def check(self):
        counts = [[int(self.server.call("HGET", f"v:{w}-{k}", "count")) for k in range(KEYS)] for w in range(WRITERS)]
        assert counts == self.acknowledged


def test_what_was_acknowledged_is_there_once_for_everybody(make_server, draw):
    server = make_server().start("--workers", "4", *SMALL)
    server.apply(DEFINITIONS % ("event", "10s"))
    storm = Storm(server, draw)
    in_threads(*(lambda w=w: storm.write(w) for w in range(WRITERS)),
               *(lambda r=r: storm.read(2 + r % 2) for r in range(READERS)), storm.leave, storm.define, storm.fail)
    assert storm.refusals > 0
    storm.check()
    server.restart("--workers", "2")
    storm.check()
    server.stop()
