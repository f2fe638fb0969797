"""Training sets: labels go up as Parquet, and come back with a column for each feature as of the moment of each label."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Optional, TypeVar

from . import arguments, wire
from ._native import Client as NativeClient
from ._native import Stream
from .errors import DataLoss, Internal

if TYPE_CHECKING:
    import pandas
    import pyarrow

Table = TypeVar("Table", "pandas.DataFrame", "pyarrow.Table")

METHOD = 19  # Offline.ExportTraining, as docs/rpc.md has it
PIECE_SIZE = 512 * 1024  # of at most 1 MiB that a message may have
IN_MEMORY_SIZE = 64 * 1024 * 1024  # of a file; what is larger goes to disk meanwhile
_PARQUET = 1

Progress = Callable[[str, int, int], Any]
"""Told (phase, rows done, rows in all or 0) a few times a second."""


def specification(features: arguments.Names, time_column: str, exclusive: bool, full_names: bool, statuses: bool) -> bytes:
    """The first message: a TrainingSpec."""
    spec = b"".join(wire.item(2, name) for name in arguments.feature_names(features))
    spec += wire.text(3, time_column) + wire.integer(4, exclusive) + wire.integer(5, full_names)
    return wire.item(1, spec + wire.integer(6, statuses) + wire.integer(7, _PARQUET))


def _arrow_of(labels: Any, time_column: str) -> pyarrow.Table:
    import pyarrow

    if isinstance(labels, pyarrow.Table):
        table = labels
    elif hasattr(labels, "dtypes") and hasattr(labels, "columns"):
        table = pyarrow.Table.from_pandas(labels, preserve_index=False)
    else:
        raise TypeError(f"labels are a pandas DataFrame or a pyarrow Table, not {type(labels).__name__}")
    if time_column not in table.column_names:
        raise ValueError(f"the labels have no column {time_column!r}; they have {', '.join(map(str, table.column_names))}")
    return table.replace_schema_metadata(None)  # pandas' own, which would not know of the new columns


def _write(table: pyarrow.Table) -> IO[bytes]:
    import pyarrow.parquet

    file = tempfile.SpooledTemporaryFile(IN_MEMORY_SIZE)
    pyarrow.parquet.write_table(table, file, compression="zstd")
    file.seek(0)
    return file


def _send(stream: Stream, file: IO[bytes]) -> None:
    with file:
        while piece := file.read(PIECE_SIZE):
            stream.send(wire.item(2, piece))
    stream.end()


def _check(done: bytes, size: int, digest: bytes) -> None:
    """The end of the result says how many bytes it has, and their hash."""
    if wire.last(done, 2, 0) != size or wire.last(done, 4, b"") not in (b"", digest):
        raise DataLoss("the training set is not what the server sent: its hash differs")


def _receive(stream: Stream, file: IO[bytes], progress: Optional[Progress]) -> None:
    digest = hashlib.sha256()
    size = 0
    while (message := stream.receive()) is not None:
        for told in wire.messages(message, 1):
            if progress is not None:
                progress(wire.last_text(told, 1), wire.last(told, 2, 0), wire.last(told, 3, 0))
        for piece in wire.messages(message, 2):
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        for done in wire.messages(message, 3):
            _check(done, size, digest.digest())
            return
    raise Internal("the training set has no end")


def training_set(native: NativeClient, labels: Table, spec: bytes, time_column: str, timeout_ms: int,
                 progress: Optional[Progress]) -> Table:
    """The labels with their features, of the type that they have."""
    import pyarrow.parquet

    table = _arrow_of(labels, time_column)
    stream = native.stream(METHOD, spec, timeout_ms)
    try:
        _send(stream, _write(table))
        with tempfile.SpooledTemporaryFile(IN_MEMORY_SIZE) as file:
            _receive(stream, file, progress)
            file.seek(0)
            result = pyarrow.parquet.read_table(file)
    finally:
        stream.close()
    if isinstance(labels, pyarrow.Table):
        return result
    frame = result.to_pandas()
    frame.index = labels.index
    return frame
