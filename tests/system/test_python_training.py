"""asof.training_set: what goes up and what comes back, over streams as proto/asof/v1/offline.proto has them. The other side is
a few lines that speak the light frame, so that it can fail in ways that a server does not."""

import hashlib
import io
import socket
import struct
import threading

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from python_client import asof
from rpc_world import offline_messages
from test_rpc import DEFINITIONS, KEYS, random_event

CALL, FAILED, MESSAGE, END, PART, DONE = 1, 4, 5, 6, 7, 8
EXPORT_TRAINING = 19
PIECE_SIZE_MAX = 1024 * 1024


class Exporter:
    """Takes one call of ExportTraining and answers it by a function of (spec, labels) that gives answers, or (code, text)."""

    def __init__(self, answer):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.answer = answer
        self.spec = None
        self.labels = b""
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        connection, _ = self.listener.accept()
        try:
            self.serve(connection)
        except ConnectionError:
            pass  # the client closed it while something was on its way

    def serve(self, connection):
        with connection, connection.makefile("rb") as file:
            while head := file.read(9):
                size, call, kind = struct.unpack(">IIB", head)
                body = file.read(size - 5)
                if kind == CALL:
                    assert body[0] == EXPORT_TRAINING
                    self.spec = offline_messages.ExportTrainingRequest.FromString(body[5:]).spec
                elif kind == MESSAGE:
                    assert len(body) <= PIECE_SIZE_MAX
                    self.labels += offline_messages.ExportTrainingRequest.FromString(body).labels
                elif kind == END:
                    self.send_all(connection, call)

    def send_all(self, connection, call):
        for answer in self.answer(self.spec, self.labels):
            if isinstance(answer, tuple):
                body, kind = bytes([answer[0]]) + answer[1].encode(), FAILED
            else:
                body, kind = answer.SerializeToString(), PART
            connection.sendall(struct.pack(">IIB", len(body) + 5, call, kind) + body)
            if kind == FAILED:
                return
        connection.sendall(struct.pack(">IIB", 5, call, DONE))


def response(**part):
    return offline_messages.ExportResponse(**part)


def with_a_feature(_, labels):
    """The labels, and a column that says which row it is."""
    table = pyarrow.parquet.read_table(io.BytesIO(labels))
    table = table.append_column("row", pyarrow.array(range(len(table))))
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    data = file.getvalue()
    yield response(progress=offline_messages.ExportProgress(phase="reading", rows_done=1, rows_total=len(table)))
    for start in range(0, len(data), 1000):
        yield response(piece=data[start:start + 1000])
    yield response(done=offline_messages.ExportDone(rows=len(table), bytes=len(data), sha256=hashlib.sha256(data).digest()))


LABELS = pandas.DataFrame({"card": ["c1", None, "c1"], "amount": [1, 2, 3], "event_timestamp": pandas.to_datetime(
    ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00.000001Z", "2025-01-01T00:00:00Z"], format="ISO8601")}, index=[7, 3, 5])


def test_a_frame_comes_back_as_a_frame_in_its_order():
    exporter = Exporter(with_a_feature)
    told = []
    train = asof.training_set(LABELS, "fraud", server=exporter.address, exclusive=True, statuses=True,
                              progress=lambda *words: told.append(words))
    assert isinstance(train, pandas.DataFrame) and list(train.index) == [7, 3, 5]
    assert train["row"].tolist() == [0, 1, 2] and train["amount"].tolist() == [1, 2, 3]
    assert (train["event_timestamp"] == LABELS["event_timestamp"]).all()
    spec = exporter.spec
    assert spec.features == ["fraud.*"] and not spec.service and spec.time_column == "event_timestamp"
    assert spec.exclusive and spec.with_statuses and not spec.full_names
    assert spec.labels_format == offline_messages.FILE_FORMAT_PARQUET
    assert told == [("reading", 1, 3)]


def test_an_arrow_table_comes_back_as_one():
    exporter = Exporter(with_a_feature)
    labels = pyarrow.table({"k": range(300_000), "at": pyarrow.array([0] * 300_000, pyarrow.timestamp("us", tz="UTC"))})
    with asof.Client(exporter.address) as client:
        train = client.training_set(labels, ["v.a", "v@2.b"], time_column="at", full_names=True)
    assert train.drop(["row"]) == labels and train["row"].to_pylist() == list(range(300_000))
    assert list(exporter.spec.features) == ["v.a", "v@2.b"] and exporter.spec.full_names


def test_a_failure_of_the_server_is_told_by_its_class():
    exporter = Exporter(lambda *_: [(5, "no view 'v'")])
    with pytest.raises(asof.NotFound, match="no view 'v'"):
        asof.training_set(LABELS, "v.a", server=exporter.address)


@pytest.mark.parametrize("spoil,error", [
    (lambda answers: answers[:-1], asof.Internal),
    (lambda answers: [*answers[:1], *answers[2:]], asof.DataLoss),
    (lambda answers: [*answers[:-1], response(done=offline_messages.ExportDone(bytes=answers[-1].done.bytes, sha256=b"x" * 32))],
     asof.DataLoss),
], ids=["no_end", "a_piece_is_missing", "another_hash"])
def test_a_result_that_is_not_whole_is_no_result(spoil, error):
    exporter = Exporter(lambda *words: spoil(list(with_a_feature(*words))))
    with pytest.raises(error):
        asof.training_set(LABELS, "v.a", server=exporter.address)


def test_labels_without_a_time_are_a_mistake_before_anything_is_sent():
    with pytest.raises(ValueError, match="no column 'at'; they have card, amount, event_timestamp"):
        asof.training_set(LABELS, "v.a", server="127.0.0.1:1", time_column="at")
    with pytest.raises(TypeError, match="DataFrame"):
        asof.training_set([1, 2], "v.a", server="127.0.0.1:1")


# ---- of a server ----


def test_a_training_set_has_what_reads_at_each_label_tell(server, draw):
    server.apply(DEFINITIONS)
    with asof.Client(server.rpc_address, timeout=60) as client:
        client.push("events", [random_event(draw, number) for number in range(400)])
        rows = 700
        moments = [draw.randrange(990_000, 1_250_000) for _ in range(rows)]
        labels = pandas.DataFrame({
            "k": draw.choices(KEYS, k=rows), "n": draw.choices(range(-2, 3), k=rows), "label": range(rows),
            "event_timestamp": pandas.to_datetime(moments, unit="us", utc=True)})
        features = ["things.i_max", "things.d_avg", "things.m_last", "things.s_last", "things.b_last", "things.t_min",
                    "things.last_d", "things.session", "things.idle"]
        for exclusive in [False, True]:
            train = client.training_set(pyarrow.Table.from_pandas(labels, preserve_index=False), features,
                                        exclusive=exclusive, full_names=True)
            told = client.get(features, {"k": labels["k"]}, at=moments, exclusive=exclusive)
            assert train["label"].to_pylist() == list(range(rows))
            for column in told.columns:
                assert train[column.feature.replace(".", "__")].to_pylist() == column.values, column
        frame = client.training_set(labels.set_index("label", drop=False), "both")
        assert isinstance(frame, pandas.DataFrame) and list(frame.index) == list(range(rows))
        assert frame["k"].tolist() == labels["k"].tolist()
        with pytest.raises(asof.NotFound, match="no view 'thongs'"):
            client.training_set(labels, ["thongs.x"])
