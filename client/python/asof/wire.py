"""Protobuf's wire format, for the messages of a call that is not on the way of a read.

So the package needs no protobuf library, whose generated code pins its version. Reads are encoded and decoded in C.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar, Union

from .errors import Internal

Value = TypeVar("Value", int, bytes)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def varint(value: int) -> bytes:
    """A number below 2^64; negative ones as their two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """A field of ints, enums or bools; nothing for 0, as proto3 has it."""
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


def item(number: int, value: Union[str, bytes]) -> bytes:
    """One value of a repeated field, or a message; also an empty one."""
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def text(number: int, value: Union[str, bytes]) -> bytes:
    """A field of a text or of bytes; nothing for an empty one."""
    return item(number, value) if value else b""


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise Internal("the server's message has a number that does not end")


def fields(data: bytes) -> Iterator[tuple[int, Union[int, bytes]]]:
    """(number, value) of each field: an int, or bytes of which the message is still to be made."""
    at = 0
    while at < len(data):
        tag, at = _take_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _take_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _take_varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise Internal(f"the server's message has a field of kind {kind}")
        if size > len(data) - at:
            raise Internal("the server's message has a field that is cut")
        yield number, data[at:at + size]
        at += size


def last(data: bytes, number: int, otherwise: Value) -> Value:
    """The last value of a field, as protobuf has it; `otherwise` where it is not there."""
    found = otherwise
    for each, value in fields(data):
        if each == number and isinstance(value, type(otherwise)):
            found = value
    return found


def last_text(data: bytes, number: int) -> str:
    """The same of a text."""
    return last(data, number, b"").decode(errors="replace")


def messages(data: bytes, number: int) -> list[bytes]:
    """The values of a repeated field of messages or texts."""
    return [value for each, value in fields(data) if each == number and isinstance(value, bytes)]
