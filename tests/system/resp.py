"""A client of the Redis protocol that hides nothing: raw bytes in, raw bytes out, both versions."""

import secrets
import socket


class Error(Exception):
    """An error reply; its text begins with the code."""


class Closed(Exception):
    """The server closed the connection."""


def encode(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class Reader:
    """Replies out of bytes; more() brings further ones, b"" at the end."""

    def __init__(self, more=lambda: b"", buffer=b""):
        self.more = more
        self.buffer = buffer
        self.position = 0

    def _fill(self):
        data = self.more()
        if not data:
            raise Closed("end of stream")
        self.buffer = self.buffer[self.position:] + data
        self.position = 0

    def _line(self):
        while (end := self.buffer.find(b"\r\n", self.position)) < 0:
            self._fill()
        line = self.buffer[self.position:end]
        self.position = end + 2
        return line

    def _bulk(self, size):
        while len(self.buffer) - self.position < size + 2:
            self._fill()
        data = self.buffer[self.position:self.position + size]
        assert self.buffer[self.position + size:self.position + size + 2] == b"\r\n"
        self.position += size + 2
        return data

    def is_at_end(self):
        return self.position == len(self.buffer)

    def read(self):
        """The next reply: bytes, int, float, bool, None, list, dict or Error (returned, not raised)."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$" or kind == b"=":
            data = None if rest == b"-1" else self._bulk(int(rest))
            return data[4:] if kind == b"=" else data
        if kind == b"*" or kind == b"~" or kind == b">":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"%":
            return {_hashable(self.read()): self.read() for _ in range(int(rest))}
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return Error(rest.decode())
        if kind == b"_":
            return None
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        raise AssertionError(f"no reply begins like {line[:80]!r}")


def decode(data):
    """All replies in the bytes."""
    reader = Reader(buffer=data)
    replies = []
    while not reader.is_at_end():
        replies.append(reader.read())
    return replies


class Client:
    def __init__(self, host, port, timeout_s=120, version=2):
        self.socket = socket.create_connection((host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self._receive)
        if version == 3:
            self.call("HELLO", 3)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _receive(self):
        try:
            return self.socket.recv(1 << 20)
        except ConnectionError as error:
            raise Closed(str(error)) from error

    def read(self):
        return self.reader.read()

    def call(self, *words):
        """One command, one reply; an error reply is raised."""
        self.send(encode(*words))
        reply = self.read()
        if isinstance(reply, Error):
            raise reply
        return reply

    def pipeline(self, commands):
        """All commands at once; the replies, errors among them."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read() for _ in commands]

    def pipeline_raw(self, commands):
        """All commands at once; the bytes of the replies as they came."""
        assert self.reader.is_at_end()
        mark = b"$16\r\n%s\r\n" % secrets.token_hex(8).encode()
        self.send(b"".join(encode(*command) for command in commands) + encode("ECHO", mark[5:-2]))
        pieces = bytearray()
        while not pieces.endswith(mark):
            data = self._receive()
            if not data:
                raise Closed("end of stream")
            pieces += data
        return bytes(pieces[:-len(mark)])

    def is_closed(self, timeout_s=10):
        """Whether the server ends the connection (what it still says is thrown away)."""
        self.socket.settimeout(timeout_s)
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


def _hashable(key):
    return tuple(key) if isinstance(key, list) else key


class Got:
    """A reply of ASOF.GET, from either version's shape."""

    def __init__(self, reply):
        if isinstance(reply, list):
            reply = dict(zip(reply[::2], reply[1::2]))
        self.view = reply[b"view"].decode()
        self.at = int(reply[b"at"])
        self.event_time = None if reply[b"event_time"] is None else int(reply[b"event_time"])
        flat = reply[b"features"]
        self.features = [(name.decode(), None if value is None else value.decode(), status.decode())
                         for name, value, status in zip(flat[::3], flat[1::3], flat[2::3])]
        self.values = {name: value for name, value, _ in self.features}
        self.statuses = {name: status for name, _, status in self.features}
