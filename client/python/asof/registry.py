"""Definitions: what is applied, listed, promoted. Each operation is a method, its request and how its answer is read, so that
the blocking client and asyncio's share them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, Union

from . import times, wire

T = TypeVar("T")

# Numbers of the methods in the light frame, as docs/rpc.md has them.
PLAN, APPLY, LIST, DESCRIBE, HEALTH = 3, 4, 5, 6, 7
PROMOTE, ROLLBACK, DROP, DIFF, FILLS, ENTITIES = 10, 11, 12, 13, 14, 15

_CHANGES = ("", "new", "changed", "described", "unchanged")


@dataclasses.dataclass(frozen=True)
class Change:
    """What becomes of one definition."""

    kind: str
    """new, changed, described (only description, owner or tags differ) or unchanged."""
    noun: str
    """source, entity, view or service."""
    name: str
    version: int
    """Of a view: the one that it then has; else 0."""
    detail: str
    """One line for people."""


Changes = list[Change]
"""Of `plan` and `apply`: one for each definition. By this name, as clients have a method `list`."""


@dataclasses.dataclass(frozen=True)
class Operation(Generic[T]):
    """One call: what is sent, and what is made of the answer."""

    method: int
    request: bytes
    decode: Callable[[bytes], T]
    is_repeatable: bool = True


Definitions = Union[str, os.PathLike, Iterable[Union[str, os.PathLike]]]
"""YAML text (it has a line break), a path of a file or of a folder, or several of these."""


def _files(definitions: Definitions) -> list[tuple[str, str]]:
    """(name, text) of each file, as `asof apply` takes them."""
    if isinstance(definitions, str) and "\n" in definitions:
        return [("definitions", definitions)]
    if not isinstance(definitions, (str, os.PathLike)):
        return [file for each in definitions for file in _files(each)]
    path = pathlib.Path(definitions)
    if not path.is_dir():
        return [(str(path), path.read_text(encoding="utf-8"))]
    paths = sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml"))
    return [(str(each), each.read_text(encoding="utf-8")) for each in paths]


def _change(message: bytes) -> Change:
    kind = wire.last(message, 1, 0)
    noun, name, detail = (wire.last_text(message, number) for number in (2, 3, 5))
    return Change(_CHANGES[kind] if kind < len(_CHANGES) else "", noun, name, wire.last(message, 4, 0), detail)


def _changes(message: bytes) -> Changes:
    return [_change(each) for each in wire.messages(message, 1)]


def _text(message: bytes) -> str:
    return wire.last_text(message, 1)


def _from_json(message: bytes) -> Any:
    return json.loads(_text(message))


def plan(definitions: Definitions) -> Operation[Changes]:
    request = b"".join(wire.item(1, wire.text(1, name) + wire.text(2, text)) for name, text in _files(definitions))
    return Operation(PLAN, request, _changes)


def apply(definitions: Definitions, promote: bool) -> Operation[Changes]:
    return Operation(APPLY, plan(definitions).request + wire.integer(2, promote), _changes)


def list_() -> Operation[Any]:
    return Operation(LIST, b"", _from_json)


def describe(name: str) -> Operation[Any]:
    return Operation(DESCRIBE, wire.text(1, name), _from_json)


def promote(name: str, force: bool) -> Operation[str]:
    return Operation(PROMOTE, wire.text(1, name) + wire.integer(2, force), _text)


def rollback(name: str) -> Operation[str]:
    return Operation(ROLLBACK, wire.text(1, name), _text, is_repeatable=False)


def drop(name: str) -> Operation[str]:
    return Operation(DROP, wire.text(1, name), _text, is_repeatable=False)


def diff(first: str, second: str, entities: Iterable[str], at: Union[None, times.Moment]) -> Operation[Any]:
    request = wire.text(1, first) + wire.text(2, second) + b"".join(wire.item(3, entity) for entity in entities)
    return Operation(DIFF, request + wire.integer(4, 0 if at is None else times.to_us(at)), _from_json)


def fills() -> Operation[Any]:
    return Operation(FILLS, b"", _from_json)


def entities(view: str, after: str, count: int, match: str) -> Operation[tuple[list[str], str]]:
    request = wire.text(1, view) + wire.text(2, after) + wire.integer(3, count) + wire.text(4, match)

    def decode(message: bytes) -> tuple[list[str], str]:
        return [each.decode(errors="replace") for each in wire.messages(message, 1)], wire.last_text(message, 2)

    return Operation(ENTITIES, request, decode)


def is_serving() -> Operation[bool]:
    return Operation(HEALTH, b"", lambda message: wire.last(message, 1, 0) == 1)
