"""A stream that no airline would send: all types, ties, duplicates that differ, NULLs, times before
1970, numbers at the ends of their types; and views that hold every aggregation over every window."""

import json
import random

WINDOWS = {
    "w250ms": "250ms", "w3s": "3s", "w10s": "10s",
    "h20s": "20s step 5s", "h7s": "7s step 3s",
    "t10s": "tumbling(10s)", "t10s3": "'tumbling(10s, offset 3s)'", "t1d": "'tumbling(1d, offset 6h)'",
    "s4s": "session(4s)", "s10s": "session(10s)",
    "l1": "last(1)", "l5": "last(5)", "ever": "forever",
}
NUMBERS = ("i", "big", "d", "huge", "m", "wide")
ORDERED = (*NUMBERS, "s", "t")
EXPRESSIONS = {
    "product": ("d * m + i", "double"), "whole": ("i * 2 + 1", "int"), "text": ("lower(s) || '-' || i", "string"),
    "case": ("CASE WHEN b THEN d ELSE -d END", "double"), "null": ("nullif(i, 3)", "int"),
    "cents": ("m * 1.5", "decimal(2)"),
}
CONDITIONS = {"": None, "_if": "d > 0 AND s <> 'b'", "_text": "i > '2' OR s = 5"}

SOURCE = """
sources:
  things:
    fields: {id: string, at: timestamp_us, k: string, part: string, n: int, i: int, big: int, d: double,
             huge: double, m: decimal(3), wide: decimal(18), s: string, b: bool, t: timestamp_ms}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
  piece: {keys: [part, n]}
views:
"""


def aggregations():
    """(name, what stands in the feature) of each aggregation and argument; not the windows."""
    yield "count", "count: '*'"
    yield "count_s", "count: s"
    yield "since_last", "time_since_last: true"
    yield "since_first", "time_since_first: true"
    for argument in NUMBERS:
        for aggregation in ("sum", "avg", "variance", "stddev"):
            yield f"{aggregation}_{argument}", f"{aggregation}: {argument}"
    for argument in ORDERED:
        for aggregation in ("min", "max"):
            yield f"{aggregation}_{argument}", f"{aggregation}: {argument}"
    for argument in (*ORDERED, "b"):
        for aggregation in ("first", "last", "count_distinct"):
            yield f"{aggregation}_{argument}", f"{aggregation}: {argument}"
    for name, (expression, type_) in EXPRESSIONS.items():
        typed = "" if type_ == "double" else f", type: {type_}"
        yield f"last_{name}", f"last: \"{expression}\"{typed}"
        if type_ != "string":
            yield f"sum_{name}", f"sum: \"{expression}\"{typed}"


def features(window, suffix, condition):
    where = f', where: "{condition}"' if condition else ""
    for name, body in aggregations():
        yield f"      {name}{suffix}: {{{body}, over: {WINDOWS[window]}{where}}}"
    if window.startswith("s"):
        yield f"      duration{suffix}: {{duration: true, over: {WINDOWS[window]}{where}}}"
    if window.startswith("l"):
        for argument in (*ORDERED, "b"):
            yield f"      all_{argument}{suffix}: {{last_n: {argument}, over: {WINDOWS[window]}{where}}}"


def definitions():
    """One view for each window, of the single-key entity, and two more of the composite one."""
    lines = [SOURCE]
    for window in WINDOWS:
        lines += [f"  things_{window}:", "    source: things", "    entity: thing", "    features:"]
        for suffix, condition in CONDITIONS.items():
            lines += features(window, suffix, condition)
    for window in ("s4s", "l5"):
        lines += [f"  pieces_{window}:", "    source: things", "    entity: piece", "    where: b OR i > 0",
                  "    features:", *features(window, "", None),
                  "      with_default: {max: i, over: 3s, default: -7}",
                  "      with_default_text: {last: s, over: 3s, default: none}",
                  "      with_default_decimal: {sum: m, over: 3s, default: 0.50}"]
    return "\n".join(lines) + "\n"


class Stream:
    """Events that hit the edges: their times lie on a grid that the windows' sizes share."""

    START_S = -40  # before 1970, where floors must not go toward zero

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        self.events = []
        for number in range(count):
            self.events.append(self.event(number))
            if self.random.random() < 0.1:
                self.events.append(self.twin(self.events[-1]))

    def maybe(self, value):
        return None if self.random.random() < 0.15 else value

    def time(self):
        grid = self.random.choice((250_000, 1_000_000, 1_000_000, 5_000_000))
        seconds = self.random.choice((self.START_S, 0, 30, 1000))
        return seconds * 1_000_000 + self.random.randrange(120_000_000 // grid) * grid + self.random.choice(
            (0, 0, 0, 0, 1, -1))

    def double(self):
        draw = self.random
        return draw.choice((draw.uniform(-10, 10), draw.uniform(-10, 10), 0.1, -0.0, 1e16, -1e16, 1 / 3))

    def event(self, number):
        draw = self.random
        return {
            "id": f"e{number}", "at": self.time(), "k": draw.choice(("a", "a", "b", "ü|\\", "")),
            "part": self.maybe(draw.choice(("x", "y|z", "back\\slash"))), "n": self.maybe(draw.choice((-1, 0, 7))),
            "i": self.maybe(draw.randrange(-3, 6)),
            "big": self.maybe(draw.choice((2**62, -(2**62), 2**63 - 1, -(2**63), 1))),
            "d": self.maybe(self.double()),
            "huge": self.maybe(draw.choice((1.7e308, -1.7e308, 5e-324, 1.0, -1e-300))),
            "m": self.maybe(draw.randrange(-10**6, 10**6) / 1000),
            "wide": self.maybe(draw.choice(("0.999999999999999999", "-0.5", "0.000000000000000001"))),
            "s": self.maybe(draw.choice(("", "a", "b", "B", "é", "z\"\\\n", "10", "5"))),
            "b": self.maybe(draw.random() < 0.5), "t": self.maybe(draw.randrange(-10**6, 10**12)),
        }

    def twin(self, event):
        """The same id once more: as it was, with other fields, of another entity or at another time."""
        changed = dict(event)
        name = self.random.choice(("i", "d", "s", "k", "at", "id"))
        changed[name] = self.event(0)[name] if name != "id" else event["id"]
        return changed

    def lines(self):
        return [event_text(event) for event in self.events]


def event_text(event):
    """JSON in which `wide` is a number with all its digits."""
    text = json.dumps(event, ensure_ascii=False)
    return text if event["wide"] is None else text.replace(f'"{event["wide"]}"', event["wide"])
