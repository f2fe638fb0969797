"""Moments: what people write, as microseconds since 1970-01-01T00:00Z, and back."""

from __future__ import annotations

import datetime
from typing import Any, Union

Moment = Union[int, str, datetime.datetime]
"""Microseconds since 1970, an RFC 3339 text, or a datetime with a time zone."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)


def to_us(moment: Any) -> int:
    """Microseconds since 1970 of a moment; exact, without a detour by floats."""
    if isinstance(moment, bool):
        raise TypeError("a moment is no bool")
    if _is_integer(moment):
        return int(moment)
    if isinstance(moment, str):
        moment = _parsed(moment)
    if isinstance(moment, datetime.datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} has no time zone: say datetime(..., tzinfo=timezone.utc)")
        return (moment - EPOCH) // _MICROSECOND
    if getattr(getattr(moment, "dtype", None), "kind", "") == "M":  # numpy's, which are UTC
        if moment != moment:
            raise ValueError("a moment is missing (NaT)")
        return int(moment.astype("datetime64[us]").astype("int64"))
    raise _no_moment(moment)


def _no_moment(moment: Any) -> TypeError:
    return TypeError(f"a moment is microseconds, RFC 3339 or a datetime with a time zone, not {type(moment).__name__}")


def _is_integer(moment: Any) -> bool:
    """Also numpy's; an array has the methods of its only value, too."""
    return hasattr(moment, "__index__") and getattr(moment, "ndim", 0) == 0


def _parsed(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no RFC 3339 time, such as 2026-01-31T12:00:00Z") from None


def to_datetime(us: int) -> datetime.datetime:
    """The moment in UTC; the years 1 to 9999 are those of the server, too."""
    return EPOCH + datetime.timedelta(microseconds=us)


def moments(at: Any) -> Any:
    """What GetFeatures takes as T: () for now, one for all rows, or one a row.

    A column of datetime64 or of timestamps (numpy, pandas, pyarrow) becomes an array of int64 without a loop.
    """
    if at is None or isinstance(at, str) and at == "now":
        return ()
    if isinstance(at, (str, datetime.datetime)) or _is_integer(at) or getattr(at, "ndim", 1) == 0:
        return (to_us(at),)
    if not hasattr(at, "__iter__"):
        raise _no_moment(at)
    if len(at) == 0:
        raise ValueError("there is no moment in the list: None is now")
    if hasattr(at, "cast") and hasattr(at, "to_numpy"):  # pyarrow's arrays
        at = at.to_numpy(zero_copy_only=False) if not hasattr(at, "chunks") else at.to_numpy()
    elif hasattr(at, "dt") and hasattr(at, "to_numpy"):  # pandas' column of times
        at = at.dt.tz_localize(None).to_numpy() if at.dt.tz is None else at.dt.tz_convert(None).to_numpy()
    elif hasattr(at, "to_numpy"):
        at = at.to_numpy()
    dtype = getattr(at, "dtype", None)
    if dtype is not None and dtype.kind == "M":
        column = at.astype("datetime64[us]")
        if (column != column).any():  # NaT
            raise ValueError("a moment is missing (NaT)")
        return column.astype("int64")
    if dtype is not None and dtype.kind in "iu":
        return at.astype("int64")
    return [to_us(moment) for moment in at]
