"""gRPC's own client for the tests: code made of proto/ on the fly, and a light-frame client that hides
nothing."""

import pathlib
import socket
import struct
import sys
import tempfile

import grpc
import pytest
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _generate():
    folder = tempfile.mkdtemp(prefix="asof-proto-")
    files = [str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto")]
    code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files])
    assert code == 0
    sys.path.insert(0, folder)
    grpc.__path__.append(folder + "/grpc")  # the packages grpc.health and grpc.reflection lie beside its own


_generate()
from asof.v1 import feature_store_pb2 as messages  # noqa: E402
from asof.v1 import feature_store_pb2_grpc as feature_store  # noqa: E402
from asof.v1 import operations_pb2 as operations_messages  # noqa: E402
from asof.v1 import operations_pb2_grpc as operations  # noqa: E402
from asof.v1 import offline_pb2 as offline_messages  # noqa: E402
from asof.v1 import offline_pb2_grpc as offline  # noqa: E402
from asof.v1 import registry_pb2 as registry_messages  # noqa: E402
from asof.v1 import registry_pb2_grpc as registry  # noqa: E402
from grpc.health.v1 import health_pb2 as health_messages  # noqa: E402
from grpc.health.v1 import health_pb2_grpc as health  # noqa: E402
from grpc.reflection.v1 import reflection_pb2 as reflection_messages  # noqa: E402
from grpc.reflection.v1 import reflection_pb2_grpc as reflection  # noqa: E402

NO_VALUE = messages.STATUS_NO_VALUE
NO_EVENT_TIME = -2**63


class Rpc:
    """A channel to a server's RPC door, with its services."""

    def __init__(self, port, **options):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[
            ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), *options.items()])
        self.store = feature_store.FeatureStoreStub(self.channel)
        self.offline = offline.OfflineStub(self.channel)
        self.registry = registry.RegistryStub(self.channel)
        self.operations = operations.OperationsStub(self.channel)
        self.health = health.HealthStub(self.channel)
        self.reflection = reflection.ServerReflectionStub(self.channel)

    def get(self, features, keys, timeout_s=60, **rest):
        return self.store.GetFeatures(request(features, keys, **rest), timeout=timeout_s)

    def push(self, source, *events, **rest):
        return self.store.Push(messages.PushRequest(source=source, json=events, **rest), timeout=60).events

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()


def request(features, keys, **rest):
    """keys: name -> list of strings or of ints; or columns."""
    columns = keys if isinstance(keys, list) else [
        messages.KeyColumn(key=name, **{"ints" if values and isinstance(values[0], int) else "strings": values})
               for name, values in keys.items()]
    return messages.GetFeaturesRequest(features=features, keys=columns, **rest)


def failure(call):
    """The RpcError that the call must end with."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


class Column:
    """One column of an answer: values (None: there is none), and names of statuses, one a row."""

    def __init__(self, answer, column):
        self.name = column.feature
        self.kind = column.kind
        self.view = answer.views[column.view]
        statuses = column.statuses or bytes([messages.STATUS_PRESENT]) * answer.rows
        assert len(statuses) == answer.rows
        self.statuses = [messages.Status.Name(byte & ~NO_VALUE).removeprefix("STATUS_").lower() for byte in statuses]
        items = {messages.KIND_DOUBLE: column.doubles, messages.KIND_STRING: column.strings}.get(
            column.kind, column.integers)
        assert sum(len(list) for list in (column.doubles, column.strings, column.integers)) == len(items)
        items = list(items)
        if column.is_list:
            assert len(column.sizes) == answer.rows and sum(column.sizes) == len(items)
            items = [[items.pop(0) for _ in range(size)] for size in column.sizes]
        assert len(items) == answer.rows
        self.digits = column.digits
        self.is_list = column.is_list
        for item, byte in zip(items, statuses):
            assert not byte & NO_VALUE or item in (0, "", [])
        self.values = [None if byte & NO_VALUE else item for item, byte in zip(items, statuses)]


def columns(answer):
    return [Column(answer, column) for column in answer.columns]


CALL, CANCEL, ANSWER, FAILED, MESSAGE, END, PART, DONE = range(1, 9)


class Light:
    """A connection of the light frame."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.buffer = b""

    def send(self, call, method, message, timeout_ms=0):
        self.socket.sendall(light_call(call, method, message, timeout_ms))

    def send_message(self, call, message):
        self.socket.sendall(light_frame(call, MESSAGE, message))

    def end(self, call):
        self.socket.sendall(light_frame(call, END))

    def cancel(self, call):
        self.socket.sendall(light_frame(call, CANCEL))

    def _take(self, size):
        while len(self.buffer) < size:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def receive_frame(self):
        """The next frame: (call, kind, body)."""
        size, call, kind = struct.unpack(">IIB", self._take(9))
        return call, kind, self._take(size - 5)

    def receive(self):
        """The next answer: (call, message), or (call, (code, text))."""
        call, kind, body = self.receive_frame()
        if kind == FAILED:
            return call, (body[0], body[1:].decode())
        assert kind == ANSWER
        return call, body

    def call(self, method, message):
        self.send(7, method, message.SerializeToString())
        call, answer = self.receive()
        assert call == 7
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


# HTTP/2 as it is, for what no client of gRPC sends.

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 3, 4, 6, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def grpc_headers(path, extra=b""):
    """The header block of a call of the method: path, authority and content-type, none of them compressed."""
    return b"\x83\x86\x44" + bytes([len(path)]) + path + b"\x41\x01a\x5f\x10application/grpc" + extra


def grpc_timeout(text):
    return b"\x00\x0cgrpc-timeout" + bytes([len(text)]) + text


def grpc_message(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def light_frame(call, kind, body=b""):
    return struct.pack(">IIB", len(body) + 5, call, kind) + body


def light_call(call, method, message, timeout_ms=0):
    return struct.pack(">IIBBI", len(message) + 10, call, CALL, method, timeout_ms) + message
