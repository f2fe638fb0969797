"""What people write, in the shape that requests take: features, keys, values, events, timeouts."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import numbers
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional, Union

from . import times

Names = Union[str, Sequence[str]]
"""A service ("fraud"), a view's features ("payments.*"), one feature, or several of these."""

Named = tuple[tuple[str, Any, Optional[bytes]], ...]
"""Columns: (name, values, a byte of nulls for each value, or None)."""

NO_TIMEOUT = math.inf


def feature_names(features: Names) -> list[str]:
    """The names as requests have them: what has no dot is a service, or a view, of which all is read."""
    names = [features] if isinstance(features, str) else list(features)
    return [name if "." in name else f"{name}.*" for name in names]


def timeout_ms(timeout: Optional[float]) -> int:
    """libasof's: None is the client's own, infinite is none."""
    if timeout is None:
        return 0
    if timeout == NO_TIMEOUT:
        return -1
    if not isinstance(timeout, (numbers.Real, decimal.Decimal)):
        raise TypeError(f"timeout is a number of seconds, not {type(timeout).__name__}")
    if not 0 < timeout < 2**31 / 1000:
        raise ValueError(f"timeout is in seconds, above 0 and at most 24 days (or asof.NO_TIMEOUT), not {timeout}")
    return math.ceil(timeout * 1000)


def _as_list(values: Any) -> Any:
    """A list of Python's objects of what numpy, pandas and pyarrow call a column."""
    for name in ("to_pylist", "tolist"):
        if hasattr(values, name):
            return getattr(values, name)()
    return values


def table_columns(table: Any) -> Optional[dict[str, Any]]:
    """The columns of a DataFrame or an Arrow table by name; None of what is no table."""
    if isinstance(table, Mapping):
        return None
    if hasattr(table, "column_names"):
        return {name: table.column(name) for name in table.column_names}
    if hasattr(table, "columns") and hasattr(table, "dtypes"):
        return {name: table[name] for name in table.columns}
    return None


def key_columns(entities: Any) -> dict[str, Any]:
    """{key: list of str or of int}, of a mapping or a table."""
    columns = table_columns(entities)
    if columns is None:
        columns = entities
    if not isinstance(columns, Mapping):
        raise TypeError('entities are {"key": [values]} or a table')
    for name, values in columns.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            raise TypeError(f'a list of values: {{"{name}": [{values!r}]}}')
    return {name: _as_list(values) for name, values in columns.items()}


# ---- values of requests, fields of events ----


def _is_missing(value: Any) -> bool:
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):  # of pandas, if somebody uses it
        return True
    return bool(value != value)  # NaN and NaT are not equal to themselves


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime.datetime):
        return rfc3339(value)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return repr(value)


def rfc3339(moment: datetime.datetime) -> str:
    """The moment as sources and requests take it, in UTC."""
    return times.to_datetime(times.to_us(moment)).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    """A Python object of a number of numpy's."""
    if isinstance(value, (str, int, float, datetime.datetime, decimal.Decimal)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        return times.to_datetime(times.to_us(value))
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a value is a text, a number, a bool, a datetime or None, not {type(value).__name__}")


def typed_column(values: Iterable[Any]) -> tuple[list[Any], Optional[bytes]]:
    """(values all of one kind, nulls): ints, else doubles, else texts, from which the server makes the field's type."""
    is_times = getattr(getattr(values, "dtype", None), "kind", "") == "M"  # whose lists are of nanoseconds, at times
    found = list(values) if is_times else list(_as_list(values))
    nulls = bytes(map(_is_missing, found))
    present = [_plain(value) for value, is_null in zip(found, nulls) if not is_null]
    kinds = {bool: int}
    of = {kinds.get(type(value), type(value)) for value in present}
    convert: Callable[[Any], Any] = _text
    if not of or of == {int}:
        convert = int
    elif of == {float}:
        convert = float
    filling = "" if convert is _text else convert(0)
    rest = iter(present)
    column = [filling if is_null else convert(next(rest)) for is_null in nulls]
    return column, nulls if any(nulls) else None


def request_values(request: Optional[Mapping[str, Any]]) -> Named:
    """Of on-demand views: one value for all rows, or a list with one a row."""
    columns = []
    for name, values in (request or {}).items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
            values = [values]
        columns.append((name, *typed_column(values)))
    return tuple(columns)


def _json(value: Any) -> str:
    """A decimal keeps its digits, which Python's encoder can't say; a time becomes RFC 3339."""
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        value = rfc3339(value)
    return json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)


def event_json(event: Union[str, bytes, Mapping[str, Any]]) -> bytes:
    """The JSON object of one event; texts are taken as they are."""
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    return f"{{{','.join(f'{_json(name)}:{_json(value)}' for name, value in event.items())}}}".encode()


def events(given: Any) -> tuple[list[bytes], Named]:
    """(events as JSON, columns of events): a list of events, one event, or a table."""
    columns = table_columns(given)
    if columns is not None:
        return [], tuple((name, *typed_column(values)) for name, values in columns.items())
    if isinstance(given, (str, bytes, Mapping)):
        given = [given]
    return [event_json(event) for event in given], ()
