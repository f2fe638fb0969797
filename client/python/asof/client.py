"""The blocking client."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Optional, TypeVar

from . import arguments, registry, times, training
from ._native import Client as NativeClient
from ._native import Stream
from .answer import Features
from .registry import Changes, Definitions, Operation

T = TypeVar("T")

DEFAULT_SERVER = "127.0.0.1:6391"


def server_address(address: Optional[str]) -> str:
    """The address given, else ASOF_SERVER, else this machine's."""
    return address or os.environ.get("ASOF_SERVER") or DEFAULT_SERVER


class Chunks:
    """The answers of one stream, each with the keys of its rows."""

    def __init__(self, stream: Stream, keys: Mapping[str, Any]):
        self._stream = stream
        self._keys = keys
        self._row = 0

    def receive(self) -> Optional[Features]:
        """The next; None: that was all."""
        native = self._stream.receive_answer()
        if native is None:
            return None
        rows = slice(self._row, self._row + native.rows)
        self._row = rows.stop
        return Features(native, {name: values[rows] for name, values in self._keys.items()})

    def close(self) -> None:
        """A thread that waits in receive is told asof.Cancelled."""
        self._stream.close()


class Client:
    """Features of a server, for any number of threads.

        client = asof.Client("127.0.0.1:6391")
        answer = client.get("fraud", {"card": ["c42", "c43"]}, timeout=0.1)
        answer.to_dict()

    It connects when it is first used, and again when a connection broke. Reads that fail because the server is away are
    tried again until their timeout. A process that is forked gets connections of its own.

    address: "HOST:PORT"; ASOF_SERVER, else 127.0.0.1:6391, where it is left out.
    timeout: in seconds, of calls that name none; asof.NO_TIMEOUT is none.
    connections: at most so many, shared by all threads.
    retries: how often a call is tried again; 0 is never.
    """

    def __init__(self, address: Optional[str] = None, *, timeout: float = 10.0, connect_timeout: float = 2.0,
                 connections: int = 4, retries: int = 20):
        self.address = server_address(address)
        self._options = (connections, arguments.timeout_ms(connect_timeout), arguments.timeout_ms(timeout), retries or -1)
        self._native = NativeClient(self.address, *self._options)
        _clients.add(self)

    def close(self) -> None:
        """Closes the connections; calls of other threads end first."""
        self._native.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], value: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<asof.Client {self.address}>"

    def _after_fork(self) -> None:
        self._native = NativeClient(self.address, *self._options)

    # ---- reading ----

    def get(self, features: arguments.Names, entities: Any, *, at: Any = None, exclusive: bool = False,
            request: Optional[Mapping[str, Any]] = None, event_times: bool = False, statuses: bool = True,
            timeout: Optional[float] = None) -> Features:
        """Reads features of 1 to 10,000 entities, all in one call.

        features: a service ("fraud"), "view.feature", "view@2.feature", "view.*", or a list of these.
        entities: {"card": ["c42", "c43"]}, with a list for each key, or a DataFrame or Arrow table of the keys.
        at: the moment: None is now; microseconds, RFC 3339 or a datetime with a time zone; or a list with one for each row.
        exclusive: events of the moment itself are not seen, so that a label does not see its own event.
        request: values for on-demand views: {"amount": 12.5}, or a list with one for each row.
        event_times: whether View.event_times is wanted. statuses: whether statuses are.
        timeout: in seconds, of all tries together.
        """
        keys = arguments.key_columns(entities)
        native = self._native.get(arguments.feature_names(features), keys, times.moments(at),
                                  arguments.request_values(request), exclusive, event_times, statuses,
                                  arguments.timeout_ms(timeout))
        return Features(native, keys)

    def get_stream(self, features: arguments.Names, entities: Any, *, at: Any = None, exclusive: bool = False,
                   request: Optional[Mapping[str, Any]] = None, event_times: bool = False, statuses: bool = True,
                   chunk_rows: int = 0, timeout: Optional[float] = arguments.NO_TIMEOUT) -> Iterator[Features]:
        """As `get`, for up to 1,000,000 entities: yields answers of some rows each, in their order. All see one state."""
        chunks = self._open_chunks(features, entities, at=at, exclusive=exclusive, request=request, event_times=event_times,
                                   statuses=statuses, chunk_rows=chunk_rows, timeout=timeout)
        try:
            while (answer := chunks.receive()) is not None:
                yield answer
        finally:
            chunks.close()

    def _open_chunks(self, features: arguments.Names, entities: Any, *, at: Any = None, exclusive: bool = False,
                     request: Optional[Mapping[str, Any]] = None, event_times: bool = False, statuses: bool = True,
                     chunk_rows: int = 0, timeout: Optional[float] = arguments.NO_TIMEOUT) -> Chunks:
        keys = arguments.key_columns(entities)
        stream = self._native.get_stream(arguments.feature_names(features), keys, times.moments(at),
                                         arguments.request_values(request), exclusive, event_times, statuses, chunk_rows,
                                         arguments.timeout_ms(timeout))
        return Chunks(stream, keys)

    # ---- writing ----

    def push(self, source: str, events: Any, *, producer: str = "", sequence: int = 0,
             timeout: Optional[float] = None) -> int:
        """Adds events to a source, or writes to a batch view: all of them, durably, or none. Returns how many there were.

        events: dicts or JSON texts, one or a list, or a DataFrame or Arrow table with a column for each field. Of a dict,
        decimal.Decimal keeps its digits and a datetime becomes RFC 3339, as fields of the type `timestamp` take it.
        producer, sequence: a push whose sequence is not above the last accepted one of that producer changes nothing, so that
        it can be repeated; without them the client does that by itself for its own tries.
        """
        texts, columns = arguments.events(events)
        return self._native.push(source, texts, columns, producer, sequence, arguments.timeout_ms(timeout))

    # ---- definitions ----

    def _run(self, operation: Operation[T], timeout: Optional[float]) -> T:
        return operation.decode(self._native.call(operation.method, operation.request, operation.is_repeatable,
                                                  arguments.timeout_ms(timeout)))

    def plan(self, definitions: Definitions, *, timeout: Optional[float] = None) -> Changes:
        """Says what `apply` would do. definitions: YAML text, a file, a folder, or a list of these."""
        return self._run(registry.plan(definitions), timeout)

    def apply(self, definitions: Definitions, *, promote: bool = False, timeout: Optional[float] = None) -> Changes:
        """Registers definitions: all of them, or nothing. New versions are then filled from the events that are there;
        promote: they become active by themselves once they are."""
        return self._run(registry.apply(definitions, promote), timeout)

    def list(self, *, timeout: Optional[float] = None) -> Any:
        """All definitions in short, as `asof list --json` prints them."""
        return self._run(registry.list_(), timeout)

    def describe(self, name: str, *, timeout: Optional[float] = None) -> Any:
        """One source, entity, view, version or service in full, as `asof describe --json` prints it."""
        return self._run(registry.describe(name), timeout)

    def promote(self, name: str, *, force: bool = False, timeout: Optional[float] = None) -> str:
        """Makes "view@2" the active version, in one step; force: although others that read it are not ready for it."""
        return self._run(registry.promote(name, force), timeout)

    def rollback(self, name: str, *, timeout: Optional[float] = None) -> str:
        """Goes back to the version of the view that was active before."""
        return self._run(registry.rollback(name), timeout)

    def drop(self, name: str, *, timeout: Optional[float] = None) -> str:
        """Drops "view@1" and what is stored for it."""
        return self._run(registry.drop(name), timeout)

    def diff(self, first: str, second: str, *, entities: Iterable[str] = (), at: Optional[times.Moment] = None,
             timeout: Optional[float] = None) -> Any:
        """What two versions mean differently, and how their values differ for some entities."""
        return self._run(registry.diff(first, second, entities, at), timeout)

    def fills(self, *, timeout: Optional[float] = None) -> Any:
        """Which new versions are being filled, and how far that is."""
        return self._run(registry.fills(), timeout)

    def entities(self, view: str, *, match: str = "", page: int = 1000, timeout: Optional[float] = None) -> Iterator[str]:
        """The keys of a view that have something stored, in their order, as they are typed in Redis keys."""
        after = ""
        while True:
            found, after = self._run(registry.entities(view, after, page, match), timeout)
            yield from found
            if not after:
                return

    def is_serving(self, *, timeout: Optional[float] = None) -> bool:
        """Whether the server takes calls; False while it is stopping."""
        return self._run(registry.is_serving(), timeout)

    # ---- training ----

    def training_set(self, labels: training.Table, features: arguments.Names, *, time_column: str = "event_timestamp",
                     exclusive: bool = False, full_names: bool = False, statuses: bool = False,
                     progress: Optional[training.Progress] = None,
                     timeout: Optional[float] = arguments.NO_TIMEOUT) -> training.Table:
        """The labels, in their order, with a column for each feature as of the moment of each label.

        labels: a pandas DataFrame or a pyarrow Table with a column for each key of the entities and a time column, and any
        others. What comes back is of the same type.
        features: as in `get`. Columns are named by their features, `view__feature` with full_names or where two would clash;
        statuses: a column NAME__status for each.
        exclusive: a label does not see events of its own moment. progress: called with (phase, rows done, rows in all).
        """
        spec = training.specification(features, time_column, exclusive, full_names, statuses)
        return training.training_set(self._native, labels, spec, time_column, arguments.timeout_ms(timeout), progress)


def training_set(labels: training.Table, features: arguments.Names, *, server: Optional[str] = None,
                 **options: Any) -> training.Table:
    """`Client.training_set` of the server at that address (ASOF_SERVER, else 127.0.0.1:6391)."""
    with Client(server) as client:
        return client.training_set(labels, features, **options)


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _renew_clients() -> None:
    for client in list(_clients):
        client._after_fork()


os.register_at_fork(after_in_child=_renew_clients)
