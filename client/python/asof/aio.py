"""The client of asyncio: one connection that many calls share, woken by the running loop."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Optional, TypeVar

from . import arguments, registry, times, training
from ._native import Loop
from .answer import Features
from .client import Client, server_address
from .registry import Changes, Definitions, Operation

T = TypeVar("T")

CALLS_MAX = 1024  # under way at once; others wait for their turn


class AsyncClient:
    """`Client` for asyncio; of one event loop, the first that awaits a call of it.

        async with asof.AsyncClient("127.0.0.1:6391") as client:
            answer = await client.get("fraud", {"card": ["c42"]}, timeout=0.1)

    A call whose task is cancelled is cancelled at the server, too. The name of the server's host is resolved when the client
    is made, which may take a moment.
    """

    def __init__(self, address: Optional[str] = None, *, timeout: float = 10.0, connect_timeout: float = 2.0,
                 retries: int = 20):
        self.address = server_address(address)
        self._native = Loop(self.address, arguments.timeout_ms(connect_timeout), arguments.timeout_ms(timeout), retries or -1)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._places = asyncio.Semaphore(CALLS_MAX)

    async def close(self) -> None:
        """Ends calls under way, with asof.Cancelled, and closes the connection."""
        if self._loop is not None:
            self._loop.remove_reader(self._native.fileno())
            self._loop = None
        self._native.close()

    def __del__(self) -> None:
        """One that is forgotten would leave its connection to the loop for ever. No call is under way, as calls hold it."""
        loop = getattr(self, "_loop", None)
        if loop is None or loop.is_closed():
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
        native = self._native
        descriptor = native.fileno()

        def release() -> None:
            loop.remove_reader(descriptor)
            native.close()

        loop.call_soon_threadsafe(release)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]], value: Optional[BaseException],
                        traceback: Optional[TracebackType]) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<asof.AsyncClient {self.address}>"

    async def _await(self, begin: Callable[..., int], *words: Any) -> Any:
        """Begins a call and waits for its end."""
        loop = asyncio.get_running_loop()
        if self._loop is None and self._native.fileno() >= 0:
            loop.add_reader(self._native.fileno(), self._native.process)
            self._loop = loop
        elif self._loop is not loop and self._loop is not None:
            raise RuntimeError("an AsyncClient belongs to the event loop that first used it")
        async with self._places:
            future: asyncio.Future[Any] = loop.create_future()
            number = begin(*words, _setter(future))
            try:
                return await future
            except asyncio.CancelledError:
                self._native.cancel(number)
                raise

    async def get(self, features: arguments.Names, entities: Any, *, at: Any = None, exclusive: bool = False,
                  request: Optional[Mapping[str, Any]] = None, event_times: bool = False, statuses: bool = True,
                  timeout: Optional[float] = None) -> Features:
        """As Client.get."""
        keys = arguments.key_columns(entities)
        native = await self._await(self._native.get, arguments.feature_names(features), keys, times.moments(at),
                                   arguments.request_values(request), exclusive, event_times, statuses,
                                   arguments.timeout_ms(timeout))
        return Features(native, keys)

    async def get_stream(self, features: arguments.Names, entities: Any, **options: Any) -> AsyncIterator[Features]:
        """As Client.get_stream; each stream has a connection of its own, and waits in a thread."""
        client = Client(self.address)
        chunks = await asyncio.to_thread(client._open_chunks, features, entities, **options)
        try:
            while (answer := await asyncio.to_thread(chunks.receive)) is not None:
                yield answer
        finally:
            chunks.close()

    async def push(self, source: str, events: Any, *, producer: str = "", sequence: int = 0,
                   timeout: Optional[float] = None) -> int:
        """As Client.push; tried again after a broken connection only with a producer and a sequence."""
        texts, columns = arguments.events(events)
        return await self._await(self._native.push, source, texts, columns, producer, sequence,
                                 arguments.timeout_ms(timeout))

    async def _run(self, operation: Operation[T], timeout: Optional[float]) -> T:
        message = await self._await(self._native.call, operation.method, operation.request, operation.is_repeatable,
                                    arguments.timeout_ms(timeout))
        return operation.decode(message)

    async def plan(self, definitions: Definitions, *, timeout: Optional[float] = None) -> Changes:
        """As Client.plan."""
        return await self._run(registry.plan(definitions), timeout)

    async def apply(self, definitions: Definitions, *, promote: bool = False,
                    timeout: Optional[float] = None) -> Changes:
        """As Client.apply."""
        return await self._run(registry.apply(definitions, promote), timeout)

    async def list(self, *, timeout: Optional[float] = None) -> Any:
        """As Client.list."""
        return await self._run(registry.list_(), timeout)

    async def describe(self, name: str, *, timeout: Optional[float] = None) -> Any:
        """As Client.describe."""
        return await self._run(registry.describe(name), timeout)

    async def promote(self, name: str, *, force: bool = False, timeout: Optional[float] = None) -> str:
        """As Client.promote."""
        return await self._run(registry.promote(name, force), timeout)

    async def rollback(self, name: str, *, timeout: Optional[float] = None) -> str:
        """As Client.rollback."""
        return await self._run(registry.rollback(name), timeout)

    async def drop(self, name: str, *, timeout: Optional[float] = None) -> str:
        """As Client.drop."""
        return await self._run(registry.drop(name), timeout)

    async def diff(self, first: str, second: str, *, entities: Iterable[str] = (), at: Optional[times.Moment] = None,
                   timeout: Optional[float] = None) -> Any:
        """As Client.diff."""
        return await self._run(registry.diff(first, second, entities, at), timeout)

    async def fills(self, *, timeout: Optional[float] = None) -> Any:
        """As Client.fills."""
        return await self._run(registry.fills(), timeout)

    async def entities(self, view: str, *, match: str = "", page: int = 1000,
                       timeout: Optional[float] = None) -> AsyncIterator[str]:
        """As Client.entities."""
        after = ""
        while True:
            found, after = await self._run(registry.entities(view, after, page, match), timeout)
            for entity in found:
                yield entity
            if not after:
                return

    async def is_serving(self, *, timeout: Optional[float] = None) -> bool:
        """As Client.is_serving."""
        return await self._run(registry.is_serving(), timeout)

    async def training_set(self, labels: training.Table, features: arguments.Names, **options: Any) -> training.Table:
        """As Client.training_set, in a thread of its own."""

        def read() -> training.Table:
            with Client(self.address) as client:
                return client.training_set(labels, features, **options)

        return await asyncio.to_thread(read)


def _setter(future: asyncio.Future[Any]) -> Callable[[Any, Optional[Exception]], None]:
    """What is called at the end of a call. The future may be cancelled by then."""

    def done(answer: Any, error: Optional[Exception]) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)

    return done
