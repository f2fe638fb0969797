"""Questions about views, each an entity and a moment, asked of a server and held against the oracle's
answers: every value, status, T and event time.

The seed of the sampled moments is fixed (ASOF_SEED takes another) and printed by who samples."""

import os

import oracle
from resp import Error, Got, decode

SEED = int(os.environ.get("ASOF_SEED", 2013))
PIPELINE = 100
HOUR_US = 3600 * 10**6
DAY_US = 24 * HOUR_US


def edges(window, t_us, draw):
    """A moment at which the window's selection changes, near the event at t_us."""
    if window.kind == "tumbling":
        start = (t_us - window.offset) // window.size * window.size + window.offset
        return draw.choice((start, start + window.size))
    if window.kind == "hopping":
        # The tail lets t_us go when T - size reaches the next step.
        return (t_us // window.step + 1) * window.step + window.size
    return t_us + window.size  # for last(n) and forever: the event itself


def sample_moments(view, times, count, draw):
    """Moments around an entity's events: at them, at the edges of their windows, before and after all."""
    windows = sorted({feature.window for feature in view.features}, key=repr)
    for _ in range(count):
        t_us = draw.choice(times) if times else draw.randrange(10**15)
        kind = draw.random()
        if kind < 0.15:
            moment = t_us
        elif kind < 0.70:
            moment = edges(draw.choice(windows), t_us, draw) + draw.choice((0, 0, 1, -1))
        elif kind < 0.80:
            moment = t_us + draw.choice((-1, 1))
        elif kind < 0.92:
            moment = t_us + draw.randrange(-DAY_US, 2 * DAY_US)
        else:
            first, last = (times[0], times[-1]) if times else (t_us, t_us)
            moment = draw.choice((first - 1, first - DAY_US, last + HOUR_US, last + 400 * DAY_US))
        yield moment, draw.random() < 0.25


def sample_pairs(judge, view, count, draw):
    """Pairs of the view: entities by the square root of their events, so that neither few nor many win."""
    entities = judge.entities(view.name)
    weights = [events**0.5 for _, events in entities]
    chosen = draw.choices([entity for entity, _ in entities] + ["nobody"] if len(view.keys) == 1
                          else [entity for entity, _ in entities],
                          weights + [max(weights) / 10] if len(view.keys) == 1 else weights, k=count)
    pairs = []
    for entity in sorted(set(chosen)):
        times = judge.times(view.name, entity)
        pairs += [oracle.Pair(entity, *moment) for moment in sample_moments(view, times, chosen.count(entity), draw)]
    return pairs


def commands(view, pairs):
    return [("ASOF.GET", f"{view}:{pair.entity}", "AT", pair.t_us, *(["EXCLUSIVE"] if pair.exclusive else []))
            for pair in pairs]


def ask(server, questions):
    """Replies to all questions, {view: pairs}, as {view: bytes}."""
    replies = {}
    with server.client() as client:
        for view, pairs in questions.items():
            words = commands(view, pairs)
            replies[view] = b"".join(client.pipeline_raw(words[start:start + PIPELINE])
                                     for start in range(0, len(words), PIPELINE))
    return replies


def check(replies, questions, answers):
    """Every value, status, T and event time is the oracle's."""
    wrong = []
    for view, pairs in questions.items():
        for pair, reply, answer in zip(pairs, decode(replies[view]), answers[view], strict=True):
            if isinstance(reply, Error):
                wrong.append(f"{view} {pair}: {reply}")
                continue
            got = Got(reply)
            assert got.view == f"{view}@1" and got.at == pair.t_us
            if got.event_time != answer.event_time:
                wrong.append(f"{view} {pair}: event time {got.event_time}, not {answer.event_time}")
            wrong += [f"{view} {pair}: {told}, not {true}" for told, true
                      in zip(got.features, answer.features, strict=True) if told != true]
    assert not wrong, f"{len(wrong)} differ, the first of them:\n" + "\n".join(wrong[:40])
