"""Random calls of all methods over both framings, fed in pieces, reset, cut off and left in any order: others are
answered as before, and nothing stays behind. ASOF_LONG=1 takes some minutes; ASOF_SEED repeats a run."""

import json
import os
import re
import socket
import struct

import pytest

from rpc_world import (CANCEL, DATA, END, END_HEADERS, END_STREAM, HEADERS, MESSAGE, PING, PREFACE, RESET, SETTINGS,
                       WINDOW_UPDATE, Rpc, frame, grpc_headers, grpc_message, grpc_timeout, health_messages, light_call,
                       light_frame, messages, offline_messages, operations_messages, reflection_messages,
                       registry_messages, request)

ROUNDS = 3000 if os.environ.get("ASOF_LONG") else 100
CONNECTIONS = 4  # open at a time
FRAME_MAX = 16_384  # of HTTP/2, where nothing else was agreed
INITIAL_WINDOW_SIZE = 4  # a setting
FROM_US = 1_700_000_000_000_000
KEYS = [f"key {number}" for number in range(2_000)]
DEFINITIONS = """
sources:
  events: {fields: {id: string, at: timestamp_us, k: string, i: int, s: string}, event_time: at, event_id: id, clock: event}
  others: {fields: {at: timestamp_us, k: string, i: int}, event_time: at, clock: event}
entities:
  thing: {keys: [k]}
views:
  things:
    source: events
    entity: thing
    features: {count: {count: '*', over: forever}, i_sum: {sum: i, over: 1h}, s_last: {last: s, over: forever}}
  others:
    source: others
    entity: thing
    features: {count: {count: '*', over: forever}}
services:
  model: {features: [things.i_sum, things.s_last]}
"""
STEADY = request(["things.*"], {"k": KEYS[:100] + ["nobody"]}, at_us=[FROM_US + 10**6])


@pytest.fixture(scope="module")
def server(module_server):
    module_server.restart("--workers", "2")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        rpc.push("events", *(json.dumps({"id": key, "at": FROM_US + number, "k": key, "i": number, "s": key * 20}).encode()
                             for number, key in enumerate(KEYS)))
    return module_server


def calls():
    """(path of gRPC, number of the light frame, messages)."""
    event = json.dumps({"at": FROM_US, "k": "any", "i": 1}).encode()
    push = messages.PushRequest(source="others", json=[event] * 20)
    whole = request(["things.*"], {"k": KEYS}, at_us=[FROM_US + 10**6])
    labels = b"".join(json.dumps({"k": key, "event_timestamp": "2030-01-01T00:00:00Z"}).encode() + b"\n" for key in KEYS)
    training = offline_messages.TrainingSpec(service="model", labels_format=offline_messages.FILE_FORMAT_NDJSON)
    history = b"".join(json.dumps({"at": FROM_US - number, "k": key, "i": number}).encode() + b"\n"
                       for number, key in enumerate(KEYS))
    backfill = offline_messages.BackfillSpec(view="others", until_us=FROM_US, has_until=True)
    reflect = reflection_messages.ServerReflectionRequest(list_services="")
    pieces = [labels[at:at + 30_000] for at in range(0, len(labels), 30_000)]
    made = [
        ("asof.v1.FeatureStore/GetFeatures", 1, [STEADY]),
        ("asof.v1.FeatureStore/GetFeatures", 1, [whole]),
        ("asof.v1.FeatureStore/GetFeatures", 1, [request(["things.nothing"], {"k": ["a"]})]),
        ("asof.v1.FeatureStore/GetFeaturesStream", 8, [whole]),
        ("asof.v1.FeatureStore/GetFeaturesStream", 8, [request(["things.*"] * 5, {"k": KEYS * 5}, chunk_rows=100)]),
        ("asof.v1.FeatureStore/Push", 2, [push]),
        ("asof.v1.FeatureStore/PushStream", 9, [push] * 5),
        ("asof.v1.Registry/List", 5, [registry_messages.ListRequest()]),
        ("asof.v1.Registry/Diff", 13, [registry_messages.DiffRequest(**{"from": "things@1", "to": "things@1", "entities": KEYS[:50]})]),
        ("asof.v1.Registry/Fills", 14, [registry_messages.FillsRequest()]),
        ("asof.v1.Operations/Entities", 15, [operations_messages.EntitiesRequest(view="things", count=500)]),
        ("asof.v1.Offline/ExportTraining", 19, [offline_messages.ExportTrainingRequest(spec=training)] + [
            offline_messages.ExportTrainingRequest(labels=piece) for piece in pieces]),
        ("asof.v1.Offline/ExportSnapshot", 20, [offline_messages.ExportSnapshotRequest(view="things")]),
        ("asof.v1.Offline/ExportEvents", 21, [offline_messages.ExportEventsRequest(source="events")]),
        ("asof.v1.Offline/Backfill", 22, [
            offline_messages.BackfillRequest(spec=backfill),
            offline_messages.BackfillRequest(file=offline_messages.BackfillFile(name="history.ndjson")),
            offline_messages.BackfillRequest(piece=history)]),
        ("asof.v1.Offline/ListJobs", 23, [offline_messages.ListJobsRequest()]),
        ("grpc.health.v1.Health/Check", 7, [health_messages.HealthCheckRequest()]),
        ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", 0, [reflect] * 3),
        ("no.such/Method", 99, [push]),
    ]
    return [(f"/{path}".encode(), number, [message.SerializeToString() for message in sent]) for path, number, sent in made]


def spoil(draw, sent):
    """The messages as they are, mostly; or some left out, doubled, cut or changed."""
    sent = list(sent)
    if draw.random() < 0.8:
        return sent
    at = draw.randrange(len(sent))
    if draw.random() < 0.5 or not sent[at]:
        sent[at:at + 1] = draw.choice([[], sent[at:at + 1] * 2, [b""]])
    else:
        message = bytearray(sent[at][:draw.randrange(1, len(sent[at]) + 1)])
        message[draw.randrange(len(message))] = draw.randrange(256)
        sent[at] = bytes(message)
    return sent


def grpc_frames(draw, made):
    """Frames of calls that are begun, fed, ended and cancelled in any order, some with a deadline."""
    window = draw.choice([[], [struct.pack(">HI", INITIAL_WINDOW_SIZE, draw.choice([0, 100, 100_000, 2**31 - 1]))]])
    yield PREFACE + frame(SETTINGS, 0, 0, b"".join(window))
    if draw.random() < 0.7:
        yield frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30))
    left = {}  # of each call what is still to be sent
    for stream in range(1, 2 * draw.randrange(2, 30), 2):
        path, _, sent = draw.choice(made)
        timeout = grpc_timeout(draw.choice([b"0m", b"1m", b"5m", b"50m", b"10S"])) if draw.random() < 0.4 else b""
        yield frame(HEADERS, END_HEADERS, stream, grpc_headers(path, timeout))
        left[stream] = b"".join(grpc_message(message) for message in spoil(draw, sent))
        for stream in draw.sample(sorted(left), draw.randrange(len(left) + 1)):
            yield from grpc_step(draw, left, stream)
    for stream in sorted(left):
        while left.get(stream):
            yield from grpc_step(draw, left, stream)


def grpc_step(draw, left, stream):
    what = draw.random()
    if what < 0.75:
        size = draw.choice([FRAME_MAX, FRAME_MAX, draw.randrange(1, FRAME_MAX)])
        part, left[stream] = left[stream][:size], left[stream][size:]
        is_last = not left[stream] and draw.random() < 0.9
        yield frame(DATA, END_STREAM if is_last else 0, stream, part)
        if is_last:
            del left[stream]
    elif what < 0.85:
        yield frame(RESET, 0, stream, struct.pack(">I", 8))
        del left[stream]
    elif what < 0.95:
        yield frame(WINDOW_UPDATE, 0, draw.choice([0, stream]), struct.pack(">I", draw.randrange(1, 70_000)))
    else:
        yield frame(PING, 0, 0, b"12345678")


def light_frames(draw, made):
    for _ in range(draw.randrange(1, 30)):
        _, method, sent = draw.choice(made)
        call = draw.randrange(8)  # also one that is in flight
        sent = spoil(draw, sent) or [b""]
        yield light_call(call, method, sent[0], draw.choice([0, 0, 1, 5, 50, 10_000]))
        for message in sent[1:]:
            if draw.random() < 0.9:
                yield light_frame(call, MESSAGE, message)
        what = draw.random()
        if what < 0.6:
            yield light_frame(call, END)
        elif what < 0.8:
            yield light_frame(draw.choice([call, draw.randrange(10)]), CANCEL)


class Peer:
    """A connection that sends what it was made with, takes answers when it likes, and leaves in some way."""

    def __init__(self, draw, port, frames):
        self.draw = draw
        self.frames = frames
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setblocking(False)
        self.unsent = b""
        self.is_reader = draw.random() < 0.7
        self.patience = draw.randrange(1, 200)  # turns, whatever is left to be sent

    def turn(self):
        """Returns whether it goes on."""
        self.patience -= 1
        try:
            if self.is_reader and self.draw.random() < 0.7:
                if not self.socket.recv(1 << 18):
                    return False
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        if len(self.unsent) < 100_000:
            self.unsent += next(self.frames, b"")
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent[:self.draw.choice([7, 1_000, 100_000])]):]
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return self.patience > 0

    def leave(self):
        how = self.draw.randrange(3)
        if how == 0:  # a reset
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == 1:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server was first
        self.socket.close()


def info(server, name):
    return int(re.search(rf"{name}:(\d+)".encode(), server.call("INFO", "asof"))[1])


def test_calls_that_end_in_any_way_harm_nobody(server, draw):
    made = calls()
    peers = []
    process = server.process
    with Rpc(server.rpc_port) as rpc:
        expected = rpc.store.GetFeatures(STEADY, timeout=60)
        for _ in range(ROUNDS):
            while len(peers) < CONNECTIONS:
                kind = draw.choice([grpc_frames, light_frames])
                peers.append(Peer(draw, server.rpc_port, kind(draw, made)))
            for _ in range(draw.randrange(1, 50)):
                for peer in [peer for peer in peers if not peer.turn()]:
                    peer.leave()
                    peers.remove(peer)
            assert rpc.store.GetFeatures(STEADY, timeout=60) == expected
        for peer in peers:
            peer.leave()
        server.wait_for(lambda: info(server, "rpc_connections") == 1 and info(server, "rpc_calls") == 0)
        server.wait_for(lambda: info(server, "export_running") + info(server, "export_waiting") == 0)
        assert rpc.store.GetFeatures(STEADY, timeout=60) == expected
    assert server.process is process and not list((server.data / "spool").iterdir())
    server.restart()  # tells of what a sanitizer found
