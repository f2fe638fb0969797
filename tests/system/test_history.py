"""History: what lies beyond it leaves the timelines, and no answer inside it can tell. The oracle knows
all events that a view accepted; the server only what it kept of them."""

import json
import random
import re
import threading
import time

import pytest

import oracle
import synthetic
from resp import Error, Got
from test_durability import Producer, run_until_killed
from questions import ask, check, sample_moments

SECOND_US = 10**6
HISTORY_S = 30
HISTORY_US = HISTORY_S * SECOND_US

SYNTHETIC = "things_w3s", "things_h7s", "things_s4s", "things_l5", "things_ever", "pieces_l5"
MIXED = """
  mixed:
    source: things
    entity: thing
    features:
      n_2s:     {count: '*', over: 2s}
      sum_step: {sum: d, over: 7s step 3s}
      sum_ever: {sum: d, over: forever}
      avg_ever: {avg: i, over: forever, where: "d > 0"}
      s_ever:   {count_distinct: s, over: forever}
      first_s:  {first: s, over: forever}
      last_s:   {last: s, over: forever}
      since:    {time_since_first: true, over: forever}
      run_2s:   {count: '*', over: session(2s)}
      dur_2s:   {duration: true, over: session(2s)}
      run_5s:   {sum: m, over: session(5s)}
      max_run:  {max: s, over: session(5s), where: b}
      last_i:   {last_n: i, over: last(7)}
      sum_5:    {sum: i, over: last(5)}
  others:
    source: things
    entity: piece
    features:
      n_2s:     {count: '*', over: 2s}
      all_i:    {last_n: i, over: last(4)}
  briefs:
    source: things
    entity: piece
    features:
      n_1s:     {count: '*', over: 1s}
      max_step: {max: s, over: 3s step 2s}
      today:    {variance: d, over: 'tumbling(5s, offset 1s)'}
"""


def definitions():
    """All aggregations over some windows of each kind, all with a history."""
    head, *views = re.split(r"\n(?=  (?:things|pieces)_\w+:$)", synthetic.definitions(), flags=re.MULTILINE)
    kept = [view for view in views if view.split(":")[0].strip() in SYNTHETIC]
    return re.sub(r"(?m)^    features:$", f"    history: {HISTORY_S}s\n    features:", "\n".join([head, *kept]) + MIXED)


class Moving(synthetic.Stream):
    """Events whose times go on, some of them late, some far too late."""

    def __init__(self, seed):
        super().__init__(seed, 0)
        self.now_us = 1_700_000_000 * SECOND_US
        self.number = 0

    def time(self):
        self.now_us += self.random.choice((0, 0, 0, 1, 250_000, 500_000, 1_000_000, 4_000_000))
        late = self.random.choice((0, 0, 0, 0, 500_000, 3_000_000, 20_000_000, 60_000_000))
        return self.now_us - self.random.randrange(late + 1)

    def take(self, count):
        events = []
        for _ in range(count):
            self.number += 1
            events.append(self.event(self.number))
            if self.random.random() < 0.1:
                events.append(self.twin(events[-1]))
        return events


def reach_us(view):
    """How far before T the bounded windows of the view look."""
    sizes = {"sliding": lambda w: w.size, "tumbling": lambda w: w.size, "hopping": lambda w: w.size + w.step}
    return max((sizes[f.window.kind](f.window) for f in view.features if f.window.kind in sizes), default=0)


class Model:
    """What the server should accept, and what for which view."""

    def __init__(self, text):
        self.judge = oracle.Oracle([text])
        self.views = self.judge.views
        self.newest = None
        self.lines = {name: [] for name in self.views}
        self.late = 0

    def horizon(self, view):
        return self.newest - HISTORY_US - reach_us(view)

    def is_refused(self, event):
        return self.newest is not None and all(event["at"] <= self.horizon(view) for view in self.views.values())

    def accept(self, events):
        for event in events:
            for name, view in self.views.items():
                if self.newest is not None and event["at"] <= self.horizon(view):
                    self.late += 1
                else:
                    self.lines[name].append(synthetic.event_text(event))
        self.newest = max([event["at"] for event in events] + ([self.newest] if self.newest is not None else []))

    def truth(self, draw, count):
        """(questions, answers) inside the history."""
        questions, answers = {}, {}
        for name, view in self.views.items():
            self.judge.views = {name: view}
            self.judge.load("things", self.lines[name])
            entities = [entity for entity, _ in self.judge.entities(name)]
            questions[name] = [
                oracle.Pair(entity, max(t_us, self.newest - HISTORY_US + exclusive), exclusive)
                for entity in entities
                for t_us, exclusive in sample_moments(view, self.judge.times(name, entity)[-60:], count, draw)]
            answers[name] = self.judge.answer(name, questions[name])
        return questions, answers


def push(client, model, events):
    """Pushes in pieces as the model says: what is late for all views is refused with its number."""
    while events:
        piece = events[:37]
        refused = [number for number, event in enumerate(piece, 1) if model.is_refused(event)]
        (reply,) = client.pipeline([("ASOF.PUSH", "things", *map(synthetic.event_text, piece))])
        if refused:
            assert isinstance(reply, Error) and str(reply).startswith(f"REFUSED event {refused[0]}: event time ")
            assert "is late for every view of source 'things'" in str(reply)
            piece = [event for number, event in enumerate(piece, 1) if number not in refused]
            if piece:
                assert client.call("ASOF.PUSH", "things", *map(synthetic.event_text, piece)) == len(piece)
        else:
            assert reply == len(piece)
        if piece:
            model.accept(piece)
        events = events[37:]


def counter(server, name):
    return int(re.search(rf"^stream_{name}:(\d+)", server.call("INFO").decode(), re.MULTILINE)[1])


def wait_until_folded(server):
    """Until passes have nothing more to do."""
    seen = [None] * 5

    def is_still():
        seen.append((counter(server, "fold_passes_total"), counter(server, "events_folded_total")))
        return len(set(seen[-25:])) == 1 and len(seen) > 25

    server.wait_for(is_still)


def test_no_answer_inside_the_history_changes(server, draw):
    text = definitions()
    server.apply(text)
    model = Model(text)
    stream = Moving(draw.randrange(10**9))
    for _ in range(3):
        with server.client() as client:
            push(client, model, stream.take(300))
        questions, answers = model.truth(draw, 15)
        at_once = ask(server, questions)
        check(at_once, questions, answers)
        wait_until_folded(server)
        assert counter(server, "events_folded_total") > 100
        assert ask(server, questions) == at_once
        server.restart()
        assert ask(server, questions) == at_once
    assert counter(server, "events_late_total") == 0  # since the restart
    server.compact()
    assert ask(server, questions) == at_once
    assert model.late > 0


SPACE = """
sources:
  s:
    fields: {id: string, at: timestamp_us, k: string, v: double, text: string}
    event_time: at
    event_id: id
    clock: event
    durability: os
    retention: 1s
entities:
  thing: {keys: [k]}
views:
  brief:  {source: s, entity: thing, HISTORY features: {n: {count: '*', over: 1s}, m: {max: text, over: 3s}}}
  always: {source: s, entity: thing, HISTORY features: {n: {count: '*', over: forever}, x: {sum: v, over: forever},
                                                         run: {count: '*', over: session(1s)}}}
  latest: {source: s, entity: thing, HISTORY features: {texts: {last_n: text, over: last(3)}}}
"""


def push_many(server, count, entities):
    """Events one millisecond apart; their texts do not compress."""
    draw = random.Random(count)
    with server.client() as client:
        for first in range(0, count, 1000):
            client.call("ASOF.PUSH", "s", *(
                json.dumps({"id": str(i), "at": i * 1000, "k": f"k{draw.randrange(entities)}", "v": i / 8,
                            "text": draw.randbytes(20).hex()}) for i in range(first, first + 1000)))


def ask_all(server, entities, moments):
    """All values of all entities, at moments."""
    with server.client() as client:
        return client.pipeline([("ASOF.GET", f"{view}:k{entity}", "AT", at) for entity in range(entities)
                                for view in ("brief", "always", "latest") for at in moments])


def size_on_disk(server):
    return sum(path.stat().st_size for path in server.data.rglob("*.sst"))


def test_space_comes_back(make_server, draw):
    count, entities = 200_000, 20
    moments = [1000 * (count - 1) - draw.randrange(2 * SECOND_US) for _ in range(20)]
    answers, sizes = [], []
    for name, history in ("everything", ""), ("kept", "history: 2s,"):
        server = make_server(name).start("--write-buffer-bytes", "1MiB")
        server.apply(SPACE.replace("HISTORY", history))
        push_many(server, count, entities)
        if history:
            server.wait_for(lambda: counter(server, "events_folded_total") > 2.8 * count)
            server.wait_for(lambda: size_on_disk(server) < sizes[0] / 5)
        sizes.append(size_on_disk(server))
        assert counter(server, "partials_built_total") > 1000
        answers.append(ask_all(server, entities, moments))
        server.stop()
    assert answers[0] == answers[1]
    print("bytes in sorted files:", sizes)


KILLED = """
sources:
  named:
    fields: {id: string, at: timestamp_us, k: string, v: int}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
views:
""" + "".join(f"""
  {name}:
    source: named
    entity: thing
    {history}
    features:
      events: {{count: '*', over: forever}}
      total: {{sum: v, over: forever}}
      values: {{count_distinct: v, over: last(1000)}}
      newest: {{max: v, over: forever}}
      first: {{first: v, over: forever}}
      run: {{count: '*', over: session(4ms)}}
      run_start: {{min: v, over: session(6ms)}}
      n_20ms: {{count: '*', over: 20ms step 7ms}}
      last_3: {{last_n: v, over: last(3)}}
""" for name, history in (("named_things", "history: 100ms"), ("whole", "")))


def assert_equal_to_whole(client, name, draw):
    """What folds answers as what keeps everything, at moments inside the history."""
    now = Got(client.call("ASOF.GET", f"named_things:{name}")).at
    for _ in range(40):
        at = now - draw.randrange(100_001) + draw.choice((0, 0, 10_000))
        exclusive = ["EXCLUSIVE"] if at > now - 100_000 and draw.random() < 0.3 else []
        folded, whole = (Got(client.call("ASOF.GET", f"{view}:{name}", "AT", at, *exclusive))
                         for view in ("named_things", "whole"))
        assert folded.features == whole.features and folded.event_time == whole.event_time


def test_kill_9_while_it_folds_loses_nothing(server, draw):
    server.apply(KILLED)
    worker = Producer("ids", "named", draw, resends=True)
    folded = 0
    for _ in range(15):
        run_until_killed(server, [worker], draw.uniform(0.1, 0.6))
        server.start()
        with server.client() as client:
            worker.check(client)
            assert_equal_to_whole(client, "ids", draw)
            worker.push(client)
            wait_until_folded(server)
            folded += counter(server, "events_folded_total")
            worker.check(client)
            assert_equal_to_whole(client, "ids", draw)
    assert folded > 500


def test_what_lies_before_the_horizon_is_late_or_out_of_history(server):
    server.apply(KILLED)
    event = {"id": "a", "at": 10**9, "k": "x", "v": 1}
    late = event | {"id": "b", "at": 10**9 - 100_000 - 27_000}
    with server.client() as client:
        assert client.call("ASOF.PUSH", "named", json.dumps(event)) == 1
        # One view keeps everything, so nothing is refused; the other one skips what is late.
        assert client.call("ASOF.PUSH", "named", json.dumps(late | {"at": late["at"] + 1})) == 1
        assert client.call("HMGET", "named_things:x", "events") == [b"2"]
        assert client.call("ASOF.PUSH", "named", json.dumps(late | {"id": "c"})) == 1
        assert client.call("HMGET", "named_things:x", "events") == [b"2"]
        assert client.call("HMGET", "whole:x", "events") == [b"3"]
        assert counter(server, "events_late_total") == 1
        client.call("ASOF.GET", "named_things:x", "AT", 10**9 - 100_000)
        for at, words in ((10**9 - 100_001, ()), (10**9 - 100_000, ("EXCLUSIVE",))):
            with pytest.raises(Error, match="OUTOFHISTORY named_things@1 keeps a history of 100ms"):
                client.call("ASOF.GET", "named_things:x", "AT", at, *words)


def test_a_new_version_takes_from_the_log_what_was_late_for_the_old_one(server):
    server.apply(KILLED)
    with server.client() as client:
        for i, at in enumerate((10**9, 10**6, 10**9 + 1)):
            client.call("ASOF.PUSH", "named", json.dumps({"id": str(i), "at": at, "k": "x", "v": i}))
        assert client.call("HMGET", "named_things:x", "events", "first") == [b"2", b"0"]
        server.apply(KILLED.replace("history: 100ms", "history: 101ms"))
        for _ in range(2):
            assert client.call("HMGET", "named_things:x", "events", "first") == [b"3", b"1"]
            wait_until_folded(server)
        assert counter(server, "events_folded_total") == 0  # last(1000) holds them
        # Its horizon is that of its own history from then on.
        client.call("ASOF.PUSH", "named", json.dumps({"id": "late", "at": 10**6, "k": "x", "v": 9}))
        assert client.call("HMGET", "named_things:x", "events", "first") == [b"3", b"1"]
        assert client.call("HMGET", "whole:x", "events") == [b"4"]


def test_the_horizon_of_a_wall_clock_survives_a_restart(server):
    server.apply("""
sources:
  s: {fields: {at: timestamp_us, k: string}, event_time: at}
entities:
  thing: {keys: [k]}
views:
  v: {source: s, entity: thing, history: 1s, features: {n: {count: '*', over: 1s}}}
""")
    with server.client() as client:
        now = int(time.time() * SECOND_US)
        old = json.dumps({"at": now - 60 * SECOND_US, "k": "x"})
        assert client.call("ASOF.PUSH", "s", old) == 1  # nothing was accepted before: no horizon yet
        assert client.call("ASOF.PUSH", "s", old) == 1  # behind now, but not behind what was accepted
        assert client.call("ASOF.PUSH", "s", json.dumps({"at": now, "k": "x"})) == 1
        for _ in range(2):
            with pytest.raises(Error, match="REFUSED event 2: event time .* is late for every view of source 's'"):
                client.call("ASOF.PUSH", "s", json.dumps({"at": now, "k": "x"}), old)
            server.restart()
            client = server.client()
        client.close()


def read_edge(server, stop, draw, name, seen):
    """Asks at the far end of the history, again and again: what is answered is what keeps everything answers."""
    try:
        with server.client() as client:
            while not stop.is_set():
                now = Got(client.call("ASOF.GET", f"named_things:{name}", "FIELDS", "last_3")).at
                at = now - 100_000 + draw.randrange(8000)
                (folded, whole) = client.pipeline([("ASOF.GET", f"{view}:{name}", "AT", at)
                                                   for view in ("named_things", "whole")])
                if isinstance(folded, Error):
                    assert str(folded).startswith("OUTOFHISTORY"), str(folded)
                    seen["refused"] += 1
                else:
                    assert Got(folded).features == Got(whole).features, at
                    seen["answered"] += 1
    except BaseException as problem:
        seen["problem"] = problem


def test_a_read_at_the_edge_of_the_history_is_right_or_refused(server, draw):
    server.apply(KILLED)
    worker = Producer("ids", "named", draw, resends=True)
    stop, seen = threading.Event(), {"refused": 0, "answered": 0}
    readers = [threading.Thread(target=read_edge, args=(server, stop, draw, "ids", seen)) for _ in range(2)]
    with server.client() as client:
        for _ in range(200):
            worker.push(client)
        for reader in readers:
            reader.start()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and "problem" not in seen:
            worker.push(client)
    stop.set()
    for reader in readers:
        reader.join()
    assert "problem" not in seen, repr(seen["problem"])
    assert seen["answered"] > 20 and counter(server, "events_folded_total") > 1000
