"""What a read answers: a column for each feature, with a status for each value.

Numbers stay where the answer's bytes are: `Column.numbers`, and with numpy and pyarrow the arrays of columns in which
nothing is missing, are views of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from . import times
from ._native import Answer as NativeAnswer
from ._native import Column as NativeColumn

if TYPE_CHECKING:
    import numpy
    import pandas
    import pyarrow

KINDS = ("", "bool", "int", "double", "decimal", "string", "timestamp")
_BOOL, _INT, _DOUBLE, _DECIMAL, _STRING, _TIMESTAMP = range(1, 7)

STATUSES = ("", "out_of_history", "overflow", "expired", "not_found", "null", "present")
_PRESENT = 6
_NO_VALUE = 128
_NO_EVENT_TIME = -2**63


class View:
    """One version of a view that was read."""

    def __init__(self, name: str, version: int, at: memoryview, event_times: Optional[memoryview]):
        self.name = name
        self.version = version
        self.at_us = at
        """T in microseconds since 1970: one for all rows, or one a row."""
        self.event_times_us = event_times
        """Of the newest event of each row's entity by T, where they were asked for; the least int64 where there is none."""

    @property
    def at(self) -> Union[datetime.datetime, list[datetime.datetime]]:
        """T as datetimes in UTC: one, or one a row."""
        moments = [times.to_datetime(us) for us in self.at_us]
        return moments[0] if len(moments) == 1 else moments

    @property
    def event_times(self) -> Optional[list[Optional[datetime.datetime]]]:
        """The times of the newest events as datetimes in UTC, None where there is none; None if they were not asked for."""
        if self.event_times_us is None:
            return None
        return [None if us == _NO_EVENT_TIME else times.to_datetime(us) for us in self.event_times_us]

    def __repr__(self) -> str:
        return f"<asof.View {self.name}@{self.version}>"


class Column:
    """The values of one feature, one a row."""

    def __init__(self, native: NativeColumn, view: View):
        self._native = native
        self.view = view
        self.feature: str = native.feature
        """`view.feature`, without a version."""
        self.kind: str = KINDS[native.kind]
        """bool, int, double, decimal, string or timestamp; of the items, if it is a list."""
        self.digits: int = native.digits
        """Behind the point, of decimals."""
        self.is_list: bool = native.is_list

    def __len__(self) -> int:
        return len(self._native)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, row: int) -> Any:
        return self.values[row]

    def __repr__(self) -> str:
        return f"<asof.Column {self.feature} {'list of ' if self.is_list else ''}{self.kind}, {len(self)} rows>"

    @property
    def values(self) -> list[Any]:
        """Python's objects: bool, int, float, decimal.Decimal, str, datetime in UTC, lists of these; None where there is no
        value."""
        return self._native.values()

    @property
    def numbers(self) -> Optional[memoryview]:
        """The numbers as they came, without a copy: doubles, or int64 of bools, ints, decimals (the value times
        10^digits) and timestamps (microseconds). 0 where there is no value. None of strings."""
        return self._native.numbers

    @property
    def status_codes(self) -> bytes:
        """A byte a row: proto/asof/v1's Status, plus 128 where there is no value."""
        return self._native.statuses or bytes([_PRESENT]) * len(self)

    @property
    def statuses(self) -> list[str]:
        """`present`, `null`, `not_found`, `expired`, `overflow` or `out_of_history`, one a row."""
        return [STATUSES[code & ~_NO_VALUE] for code in self.status_codes]

    @property
    def missing(self) -> Optional[bytes]:
        """A byte a row, 1 where there is no value; None if there is one everywhere."""
        return self._native.missing()

    def to_numpy(self) -> numpy.ndarray:
        """An array: float64 of doubles and decimals (the nearest double), int64, bool, datetime64[us], objects of strings and
        lists. No value is NaN, NaT or None; ints and bools become a masked array where values are missing."""
        import numpy

        missing = self.missing
        if self.is_list or self.kind == "string":
            return numpy.fromiter(self.values, dtype=object, count=len(self))
        array = numpy.frombuffer(self.numbers, dtype=numpy.float64 if self.kind == "double" else numpy.int64)
        mask = None if missing is None else numpy.frombuffer(missing, dtype=bool)
        if self.kind == "decimal":
            array = _nearest_doubles(array, self.digits)
        elif self.kind == "bool":
            array = array.astype(bool)
        elif self.kind == "timestamp":
            array = array.view("datetime64[us]")
        if mask is None:
            return array
        if self.kind in ("bool", "int"):
            return numpy.ma.masked_array(array, mask=mask)
        array = array.copy()
        array[mask] = numpy.datetime64("NaT") if self.kind == "timestamp" else numpy.nan
        return array

    def to_arrow(self) -> pyarrow.Array:
        """An Arrow array with the exact type: bool, int64, double, decimal128(18, digits), string, timestamp[us, UTC], or a
        list of these; null where there is no value."""
        import pyarrow

        kind = self._arrow_type()
        if self.is_list or self.kind in ("bool", "decimal", "string"):
            return pyarrow.array(self.values, type=kind)
        valid = self._native.validity()
        return pyarrow.Array.from_buffers(
            kind, len(self), [None if valid is None else pyarrow.py_buffer(valid), pyarrow.py_buffer(self.numbers)])

    def _arrow_type(self) -> pyarrow.DataType:
        import pyarrow

        kind = {"bool": pyarrow.bool_, "int": pyarrow.int64, "double": pyarrow.float64, "string": pyarrow.string,
                "decimal": lambda: pyarrow.decimal128(18, self.digits),
                "timestamp": lambda: pyarrow.timestamp("us", tz="UTC")}[self.kind]()
        return pyarrow.list_(kind) if self.is_list else kind

    def to_pandas(self) -> pandas.Series:
        """A column for a DataFrame: float64, int64, bool, datetime64[us, UTC]; Int64 and boolean where ints and bools are
        missing; objects of decimals, strings and lists."""
        import pandas

        if self.is_list or self.kind in ("decimal", "string"):
            return pandas.Series(self.values, dtype=object)
        array = self.to_numpy()
        if self.kind == "timestamp":
            return pandas.Series(array).dt.tz_localize("UTC")
        if self.kind in ("bool", "int") and self.missing is not None:
            integers = pandas.arrays.BooleanArray if self.kind == "bool" else pandas.arrays.IntegerArray
            return pandas.Series(integers(array.data.copy(), array.mask.copy()))
        return pandas.Series(array)


def _nearest_doubles(scaled: numpy.ndarray, digits: int) -> numpy.ndarray:
    """Both are exact doubles below 2^53 and 10^22, so that one division rounds once; of what is larger the text is parsed."""
    import numpy

    doubles = scaled / numpy.float64(10**digits)
    for row in numpy.flatnonzero(abs(scaled) > 2**53):
        doubles[row] = float(f"{scaled[row]}e-{digits}")
    return doubles


def _name_with_version(column: Column) -> str:
    view, feature = column.feature.split(".", 1)
    return f"{view}@{column.view.version}.{feature}"


class Features:
    """The answer to a read: a row for each entity, a column for each feature."""

    def __init__(self, native: NativeAnswer, keys: Mapping[str, Any]):
        self.rows: int = native.rows
        self.views: list[View] = [View(*view) for view in native.views]
        """What Column.view is one of: the versions that were read, and T."""
        self.columns: list[Column] = [Column(column, self.views[column.view]) for column in native.columns]
        """In the order of the request."""
        self._keys = keys
        self._by_name: Optional[dict[str, Column]] = None

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"<asof.Features {self.rows} rows of {len(self.columns)} features>"

    def __getitem__(self, name: str) -> Column:
        """The column of `view.feature`; of `view@2.feature`, if that version was read."""
        found = self._named().get(name)
        for column in self.columns if found is None else ():
            if name in (column.feature, _name_with_version(column)):
                found = column
        if found is None:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.names)}")
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._named()

    def _named(self) -> dict[str, Column]:
        """Columns by name. One feature of two versions of a view has the versions in its names."""
        if self._by_name is None:
            versions: dict[str, set[int]] = {}
            for column in self.columns:
                versions.setdefault(column.feature, set()).add(column.view.version)
            self._by_name = {column.feature if len(versions[column.feature]) == 1 else _name_with_version(column): column
                             for column in self.columns}
        return self._by_name

    @property
    def names(self) -> list[str]:
        """Of the columns: `view.feature`; `view@2.feature` where two versions of a view were read."""
        return list(self._named())

    @property
    def versions(self) -> dict[str, Union[int, list[int]]]:
        """The version of each view that was read; a list, where there is more than one."""
        versions: dict[str, list[int]] = {}
        for view in self.views:
            if view.version not in versions.setdefault(view.name, []):
                versions[view.name].append(view.version)
        return {name: found[0] if len(found) == 1 else found for name, found in versions.items()}

    @property
    def statuses(self) -> dict[str, list[str]]:
        """The statuses of each column, one a row."""
        return {name: column.statuses for name, column in self._named().items()}

    def _table(self, convert: str, keys: bool, statuses: bool) -> dict[str, Any]:
        table: dict[str, Any] = dict(self._keys) if keys else {}
        for name, column in self._named().items():
            table[name] = column.values if convert == "" else getattr(column, convert)()
            if statuses:
                table[f"{name}__status"] = column.statuses
        return table

    def to_dict(self, keys: bool = True, statuses: bool = False) -> dict[str, list[Any]]:
        """Lists by name: the keys of the entities, each feature, and with `statuses` a list NAME__status of each."""
        return {name: values if isinstance(values, list) else list(values)
                for name, values in self._table("", keys, statuses).items()}

    def to_numpy(self) -> dict[str, numpy.ndarray]:
        """An array for each feature, as Column.to_numpy has it."""
        return self._table("to_numpy", False, False)

    def to_matrix(self) -> numpy.ndarray:
        """What a model takes: float64, a row for each entity, a column for each bool, int, double and decimal in the order of
        `names`; NaN where there is no value. A feature of another kind is a mistake."""
        import numpy

        matrix = numpy.empty((self.rows, len(self._named())))
        for index, (name, column) in enumerate(self._named().items()):
            if column.is_list or column.kind in ("string", "timestamp"):
                raise TypeError(f"{name} is no number: read it by itself, or leave it out")
            array = column.to_numpy()
            if isinstance(array, numpy.ma.MaskedArray):
                array = array.astype(numpy.float64).filled(numpy.nan)
            matrix[:, index] = array
        return matrix

    def to_pandas(self, keys: bool = True, statuses: bool = False) -> pandas.DataFrame:
        """A DataFrame: the keys, the features as Column.to_pandas has them, and with `statuses` a column NAME__status of each."""
        import pandas

        return pandas.DataFrame(self._table("to_pandas", keys, statuses))

    def to_arrow(self, keys: bool = True, statuses: bool = False) -> pyarrow.Table:
        """A table with the exact types: the keys, the features, and with `statuses` a column NAME__status of each."""
        import pyarrow

        return pyarrow.table(self._table("to_arrow", keys, statuses))
