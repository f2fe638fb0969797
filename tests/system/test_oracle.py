"""The oracle against a second evaluation in a few lines of Python that follow the windows' table."""

import math
import random
import statistics
from fractions import Fraction

import pytest

import oracle
from synthetic import Stream, definitions

SEEDS = (1, 2)
STEPS_US = (0, 1, -1, 250_000, 3 * 10**6, 4 * 10**6, 10**7, 10**7 + 1)


def select(events, window, t_us):
    """The events that count at T, oldest first; events are (time, id, fields) sorted."""
    past = [event for event in events if event[0] <= t_us]
    if window.kind == "sliding":
        return [event for event in past if event[0] > t_us - window.size]
    if window.kind == "hopping":
        return [event for event in past if event[0] >= (t_us - window.size) // window.step * window.step]
    if window.kind == "tumbling":
        start = (t_us - window.offset) // window.size * window.size + window.offset
        return [event for event in past if event[0] >= start]
    if window.kind == "last":
        return past[-window.count:]
    if window.kind == "session":
        run = []
        for event in reversed(past):
            if (run[-1][0] if run else t_us) - event[0] > window.size:
                break
            run.append(event)
        return run[::-1]
    return past


def aggregate(feature, selected, t_us):
    times = [time for time, _, _ in selected]
    if feature.aggregation == "duration":
        return (times[-1] - times[0]) / 1e6 if times else None
    if feature.aggregation.startswith("time_since"):
        return (t_us - times[-1 if feature.aggregation.endswith("last") else 0]) / 1e6 if times else None
    if feature.argument is None:
        return len(times)
    values = [fields[feature.argument] for _, _, fields in selected if fields[feature.argument] is not None]
    if feature.aggregation == "count":
        return len(values)
    if feature.aggregation == "count_distinct":
        return len(set(values))
    if not values:
        return None
    simple = {"min": min, "max": max, "first": lambda v: v[0], "last": lambda v: v[-1], "last_n": lambda v: v[::-1]}
    if feature.aggregation in simple:
        return simple[feature.aggregation](values)
    exact = [Fraction(value) / 10**feature.argument_type.digits for value in values]
    if feature.aggregation == "sum":
        total = sum(exact)
        return float(total) if feature.argument_type.kind == "double" else total
    if feature.aggregation == "avg":
        return float(sum(exact) / len(exact))
    if len(exact) == 1:
        return None
    variance = float(statistics.variance(exact))
    return variance if feature.aggregation == "variance" else math.sqrt(variance)


def text_of(feature, value):
    """None is NULL; a Fraction is a sum of ints or decimals."""
    if value is None or not isinstance(value, Fraction):
        return value if value is None else oracle.value_text(value, feature.type)
    return oracle.value_text(int(value * 10**feature.type.digits), feature.type)


def plain_features(view):
    """Those whose arguments this file can evaluate: fields with ordinary values, no conditions."""
    return [feature for feature in view.features if feature.where is None and feature.default is None
            and feature.argument in (None, "i", "d", "m", "s", "t", "b")]


def events_of(view, source, lines):
    """entity -> sorted (time, id, fields), each (time, id) once: the greatest by the fields used."""
    used = oracle.used_fields(view)
    timelines = {}
    for line in lines:
        fields = dict(zip(source.fields, oracle.decode_event(line, source)))
        keys = [fields[key] for key in view.keys]
        if None in keys or (view.where and not (fields["b"] or (fields["i"] or 0) > 0)):
            continue
        rank = [(fields[name] is not None, fields[name] if fields[name] is not None else 0)
                if not isinstance(fields[name], str) else (True, fields[name].encode()) for name in used]
        events = timelines.setdefault(oracle.entity_text(keys), {})
        known = events.get((fields["at"], fields["id"]))
        if known is None or rank > known[0]:
            events[fields["at"], fields["id"]] = rank, fields
    return {entity: [(time, identity, fields) for (time, identity), (_, fields) in
                     sorted(events.items(), key=lambda item: (item[0][0], item[0][1].encode()))]
            for entity, events in timelines.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_oracle_agrees_with_a_plain_evaluation(seed):
    judge = oracle.Oracle([definitions()])
    lines = Stream(seed, 150).lines()
    judge.load("things", lines)
    draw = random.Random(seed)
    for view in judge.views.values():
        timelines = events_of(view, judge.sources["things"], lines)
        pairs = []
        for entity, events in timelines.items():
            for _ in range(12):
                t_us = draw.choice(events)[0] + draw.choice(STEPS_US)
                pairs.append(oracle.Pair(entity, t_us, draw.random() < 0.3))
        for pair, answer in zip(pairs, judge.answer(view.name, pairs)):
            t_us = pair.t_us - pair.exclusive
            told = {name: text for name, text, _ in answer.features}
            for feature in plain_features(view):
                value = aggregate(feature, select(timelines[pair.entity], feature.window, t_us), t_us)
                assert told[feature.name] == text_of(feature, value), (view.name, feature.name, pair)


@pytest.mark.parametrize("value,text", [
    (0.1, "0.1"), (100.0, "100"), (1e21, "1e+21"), (123456789012345680000.0, "123456789012345680000"),
    (1.5e-7, "1.5e-7"), (0.000001, "0.000001"), (5e-324, "5e-324"), (-1234.5, "-1234.5"), (1e300, "1e+300")])
def test_doubles_are_printed_as_javascript_does(value, text):
    assert oracle.double_text(value) == text


def test_an_estimate_is_compared_with_tolerance():
    assert oracle.Estimate("2000") == "2050"
    assert oracle.Estimate("2000") != "2100"


def test_statuses_follow_their_order():
    judge = oracle.Oracle(["""
        sources: {s: {fields: {id: string, at: timestamp_us, k: string, v: int}, event_time: at, event_id: id}}
        entities: {e: {keys: [k]}}
        views: {v: {source: s, entity: e, features: {c: {count: '*', over: 5s}, m: {max: v, over: 5s, default: 3},
                                                     o: {sum: v, over: 10s}}}}"""])
    judge.load("s", ['{"id":"1","at":1000000,"k":"a","v":null}', '{"id":"2","at":7000000,"k":"a","v":9223372036854775807}',
                     '{"id":"3","at":8000000,"k":"a","v":1}'])

    answers = judge.answer("v", [oracle.Pair("a", t, False) for t in (999_999, 1_000_000, 8_000_000, 18_000_000)])

    assert [tuple(status for _, _, status in answer.features) for answer in answers] == [
        ("not_found", "not_found", "not_found"), ("present", "null", "null"), ("present", "present", "overflow"),
        ("not_found", "not_found", "not_found")]
    assert [answer.features[1][1] for answer in answers] == ["3", "3", "9223372036854775807", "3"]
    assert [answer.event_time for answer in answers] == [None, 1_000_000, 8_000_000, None]
