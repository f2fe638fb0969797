"""The Offline service: results come whole, in pieces, with their hash; uploads are kept until the job reads them; what
is not wanted any more ends."""

import hashlib
import io
import json
import threading
import time

import grpc
import pyarrow.parquet
import pytest

from rpc_world import DONE, FAILED, PART, Light, Rpc, failure, messages, offline_messages

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_us, k: string, i: int, s: string}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
views:
  things:
    source: events
    entity: thing
    features: {count: {count: '*', over: forever}, i_sum: {sum: i, over: 1h}, s_last: {last: s, over: forever}}
services:
  model: {features: [things.i_sum, things.s_last]}
"""
EXPORT_TRAINING, EXPORT_SNAPSHOT, EXPORT_EVENTS, LIST_JOBS = 19, 20, 21, 23
FROM_US = 1_700_000_000_000_000
KEYS = 20_000


@pytest.fixture(scope="module")
def server(module_server, tmp_path_factory):
    module_server.exports = tmp_path_factory.mktemp("exports")
    module_server.restart("--rpc-port", "0", "--export-dirs", str(module_server.exports))
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        for first in range(0, KEYS, 10_000):
            numbers = range(first, first + 10_000)
            rpc.store.Push(messages.PushRequest(source="events", columns=[
                messages.EventColumn(field="id", ints=numbers), messages.EventColumn(field="k", ints=numbers),
                messages.EventColumn(field="at", ints=[FROM_US + number for number in numbers]),
                messages.EventColumn(field="i", ints=numbers),
                messages.EventColumn(field="s", strings=[hashlib.sha256(str(number).encode()).hexdigest() for number in numbers])]))
    return module_server


@pytest.fixture
def rpc(server):
    with Rpc(server.rpc_port) as rpc:
        yield rpc


def whole(responses):
    """The file that came, and the last message."""
    file, done = b"", None
    for response in responses:
        assert done is None
        file += response.piece
        assert len(response.piece) <= 1 << 20
        done = response.done if response.HasField("done") else None
    assert done.bytes == len(file) and done.sha256 == hashlib.sha256(file).digest()
    return file, done


def table(file):
    return pyarrow.parquet.read_table(io.BytesIO(file))


def training(spec, *pieces):
    yield offline_messages.ExportTrainingRequest(spec=spec)
    for piece in pieces:
        yield offline_messages.ExportTrainingRequest(labels=piece)


def label_lines(count):
    return b"".join(json.dumps({"k": str(number % KEYS), "event_timestamp": "2030-01-01T00:00:00Z", "label": number}).encode() + b"\n"
                    for number in range(count))


SPEC = {"features": ["things.count", "things.s_last"], "labels_format": offline_messages.FILE_FORMAT_NDJSON}


def test_a_snapshot_comes_in_pieces_with_its_hash(rpc, server):
    asked = offline_messages.ExportSnapshotRequest(view="things")
    file, done = whole(rpc.offline.ExportSnapshot(asked, timeout=60))
    rows = table(file).to_pydict()
    assert done.rows == KEYS and sorted(rows["i_sum"]) == list(range(KEYS)) and len(file) > 1 << 19
    with Light(server.rpc_port) as light:
        light.send(7, EXPORT_SNAPSHOT, asked.SerializeToString())
        parts = []
        while (frame := light.receive_frame())[1] == PART:
            parts.append(offline_messages.ExportResponse.FromString(frame[2]))
        assert frame[1] == DONE and table(whole(parts)[0]).num_rows == KEYS


def test_a_result_may_stay_on_the_server(rpc, server):
    path = server.exports / "things.csv"
    responses = list(rpc.offline.ExportSnapshot(offline_messages.ExportSnapshotRequest(
        view="things", output=offline_messages.Output(server_path=str(path)))))
    assert not any(response.piece for response in responses)
    assert responses[-1].done.path == str(path) and responses[-1].done.rows == KEYS
    assert len(path.read_text().splitlines()) == KEYS + 1


def test_events_come_as_they_were_accepted(rpc):
    file, done = whole(rpc.offline.ExportEvents(offline_messages.ExportEventsRequest(
        source="events", from_us=FROM_US + 10, to_us=FROM_US + 20)))
    assert done.rows == 10 and table(file).to_pydict()["i"] == list(range(10, 20))


@pytest.mark.parametrize("piece_size", [1, 100, 1 << 20])
def test_labels_are_sent_in_pieces_of_any_size(rpc, piece_size):
    labels = label_lines(20 if piece_size == 1 else 30_000)
    pieces = [labels[i:i + piece_size] for i in range(0, len(labels), piece_size)][:40_000]
    count = b"".join(pieces).count(b"\n")
    pieces = [b"".join(pieces)[:0]] + pieces
    if piece_size == 100:
        pieces.append(labels[len(b"".join(pieces)):])
        count = 30_000
    file, done = whole(rpc.offline.ExportTraining(training(offline_messages.TrainingSpec(**SPEC), *pieces), timeout=60))
    rows = table(file).to_pydict()
    assert done.rows == count and rows["label"] == list(range(count)) and set(rows["count"]) == {1}


@pytest.mark.parametrize("memory_bytes", [64 << 20, 2**64 - 1])
def test_memory_may_be_asked_for(rpc, memory_bytes):
    spec = offline_messages.TrainingSpec(memory_bytes=memory_bytes, **SPEC)
    file, done = whole(rpc.offline.ExportTraining(training(spec, label_lines(100)), timeout=60))
    assert done.rows == 100 and table(file).to_pydict()["label"] == list(range(100))


def test_what_is_received_is_told_meanwhile(rpc, server):
    go_on = threading.Event()
    labels = label_lines(1_000)

    def slowly():
        yield from training(offline_messages.TrainingSpec(**SPEC), labels)
        assert go_on.wait(60)

    responses = rpc.offline.ExportTraining(slowly(), timeout=60)
    told = next(responses).progress
    while told.bytes_done == 0:
        told = next(responses).progress
    assert (told.phase, told.bytes_done, told.rows_done) == ("receiving", len(labels), 0) and told.seconds_left < 0
    go_on.set()
    file, done = whole(responses)
    assert done.rows == 1_000


def test_labels_may_lie_on_the_server(rpc, server):
    (server.exports / "labels.ndjson").write_bytes(label_lines(5))
    spec = offline_messages.TrainingSpec(service="model", labels_server_path=str(server.exports / "labels.ndjson"))
    file, done = whole(rpc.offline.ExportTraining(training(spec), timeout=60))
    assert done.rows == 5 and table(file).to_pydict()["label"] == list(range(5))


@pytest.mark.parametrize("messages_, code, text", [
    ([], 3, "the call has no message"),
    ([offline_messages.ExportTrainingRequest(labels=b"x")], 3, "the first message has the spec"),
    (list(training(offline_messages.TrainingSpec(**SPEC))), 3, "no labels were sent"),
    (list(training(offline_messages.TrainingSpec(memory_bytes=(64 << 20) - 1, **SPEC))), 3, "67108864 or more, got 67108863"),
    (list(training(offline_messages.TrainingSpec(**SPEC))) * 2, 3, "the first message has the spec"),
    (list(training(offline_messages.TrainingSpec(**SPEC), b"x" * ((1 << 20) + 1))), 8, "a piece has at most 1048576 bytes"),
    (list(training(offline_messages.TrainingSpec(labels_server_path="/etc/passwd", **SPEC))), 3, "--export-dirs"),
    (list(training(offline_messages.TrainingSpec(labels_server_path="/etc/passwd", **SPEC), b"x")), 3, "were sent"),
    (list(training(offline_messages.TrainingSpec(**SPEC | {"features": ["nothing.x"]}), label_lines(1))), 5, "nothing"),
    (list(training(offline_messages.TrainingSpec(**SPEC), b"{broken")), 3, ""),
])
def test_what_is_wrong_is_told(rpc, messages_, code, text):
    error = failure(lambda: list(rpc.offline.ExportTraining(iter(messages_), timeout=60)))
    assert error.code().value[0] == code and text in error.details()


def test_a_view_that_is_not_there_is_told(rpc, server):
    error = failure(lambda: list(rpc.offline.ExportSnapshot(offline_messages.ExportSnapshotRequest(view="thongs"))))
    assert error.code() == grpc.StatusCode.NOT_FOUND and "thongs" in error.details()
    with Light(server.rpc_port) as light:
        light.send(7, EXPORT_SNAPSHOT, offline_messages.ExportSnapshotRequest(view="thongs").SerializeToString())
        call, kind, body = light.receive_frame()
        assert kind == FAILED and body[1:].decode() == error.details()


@pytest.mark.parametrize("how", ["cancel", "leave", "deadline"])
def test_an_export_that_is_not_wanted_any_more_leaves_nothing(rpc, server, how):
    def slowly():
        yield from training(offline_messages.TrainingSpec(**SPEC), label_lines(1_000))
        time.sleep(1 if how == "deadline" else 0.2)

    call = rpc.offline.ExportTraining(slowly(), timeout=0.3 if how == "deadline" else 60)
    if how == "deadline":
        assert failure(lambda: list(call)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    elif how == "cancel":
        call.cancel()
    else:
        rpc.channel.close()
    with Light(server.rpc_port) as light:
        light.send(7, EXPORT_SNAPSHOT, offline_messages.ExportSnapshotRequest(view="things").SerializeToString())
    server.wait_for(lambda: server.info("rpc_calls") == 0 and server.info("export_running") == 0)
    assert not list((server.data / "spool").iterdir())


def test_jobs_are_listed(rpc, server):
    whole(rpc.offline.ExportEvents(offline_messages.ExportEventsRequest(source="events", from_us=FROM_US, to_us=FROM_US + 1)))
    jobs = json.loads(rpc.offline.ListJobs(offline_messages.ListJobsRequest()).json)["jobs"]
    assert any(job["kind"] == "events" for job in jobs)


def test_a_stop_ends_exports_and_their_peers_are_told(module_server):
    server = module_server
    with Rpc(server.rpc_port) as rpc:
        go_on = threading.Event()

        def waiting():
            yield from training(offline_messages.TrainingSpec(**SPEC), b"{}")
            go_on.wait(60)

        call = rpc.offline.ExportTraining(waiting(), timeout=60)
        server.wait_for(lambda: server.info("rpc_calls") == 1)
        began = time.monotonic()
        server.process.terminate()
        assert failure(lambda: list(call)).code() == grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(20) == 0 and time.monotonic() - began < 4
        go_on.set()
    server.start()
