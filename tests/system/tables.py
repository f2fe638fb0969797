"""What files of the server have, held against replies of ASOF.GET: the same values to the bit, and the same statuses."""

import decimal
import json


def select(connection, path, columns, rest=""):
    """Rows of a Parquet file, in its order; moments as microseconds."""
    types = {name: kind for name, kind, *_ in connection.execute(f"DESCRIBE FROM read_parquet('{path}')").fetchall()}

    def sql(name):
        if types[name] == "TIMESTAMP WITH TIME ZONE":
            return f'epoch_us("{name}")'
        if types[name] == "TIMESTAMP WITH TIME ZONE[]":
            return f'list_transform("{name}", lambda moment: epoch_us(moment))'
        return f'"{name}"'

    return connection.execute(f"SELECT {', '.join(map(sql, columns))} FROM read_parquet('{path}') {rest}").fetchall()


def is_same(value, text):
    """Whether a value of a file is what the text of the Redis protocol says."""
    if value is None or text is None:
        return value is None and text is None
    if isinstance(value, list):
        read = json.loads(text, parse_float=str, parse_int=str)
        return len(value) == len(read) and all(map(is_same_item, value, read))
    if isinstance(value, bool):
        return text == str(int(value))
    return is_same_item(value, text)


def is_same_item(value, read):
    if isinstance(value, bool):
        return read is value
    if isinstance(value, float):
        return repr(float(read)) == repr(value)
    if isinstance(value, decimal.Decimal):
        return decimal.Decimal(read) == value
    return str(value) == read


def differences(features, row):
    """What of a row (value, status, value, status, ...) is not what ASOF.GET says: [(name, text, status)] of all features."""
    return [f"{name}: {value} {status}, not {text} {true_status}"
            for (name, text, true_status), value, status in zip(features, row[::2], row[1::2], strict=True)
            if status != true_status or not is_same(value, text)]


def columns_of(features, prefix=""):
    """The names of the columns that differences() takes."""
    return [prefix + name + end for name in features for end in ("", "__status")]
