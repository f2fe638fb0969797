"""Partials: reads of an entity with many events say what the oracle says, while partials of its chunks
are made, deleted by late events and made again, and after the server was killed."""

import json
import re

import oracle
from resp import Got

DEFINITIONS = """
sources:
  clicks:
    fields: {id: string, at: timestamp_us, user: string, n: int, x: double, m: decimal(2), page: string}
    event_time: at
    event_id: id
    clock: event
entities:
  user: {keys: [user]}
views:
  user_clicks:
    source: clicks
    entity: user
    features:
      clicks_30s:   {count: '*', over: 30s}
      sum_10m:      {sum: n, over: 10m}
      avg_2h:       {avg: x, over: 2h}
      deviation_2h: {stddev: x, over: 2h}
      max_1d:       {max: m, over: 1d step 5m}
      pages_1d:     {count_distinct: page, over: 1d step 5m, where: n > 2}
      sum_hour:     {sum: m, over: tumbling(1h)}
      clicks_visit: {count: '*', over: session(20s)}
      visit:        {duration: true, over: session(20s)}
      burst:        {count: n, over: session(1s)}
      last_pages:   {last_n: page, over: last(20)}
      min_500:      {min: page, over: last(500)}
      first_page:   {first: page, over: forever}
      last_n:       {last: n, over: forever, where: x > 50}
      age:          {time_since_first: true, over: forever}
      variance:     {variance: m, over: forever}
"""
START_US = 1_700_000_000_000_000
SECOND_US = 10**6
USERS = ("busy", "busier")
PAGES = ("home", "cart", "", "help", None)


class Clicks:
    """Events of a few users: bursts, pauses, and some that come late; all that was pushed so far."""

    def __init__(self, draw):
        self.draw = draw
        self.now_us = START_US
        self.lines = []

    def events(self, count, late_s=0):
        """JSON lines of the next events, each up to late_s before the newest one."""
        draw, lines = self.draw, []
        for _ in range(count):
            if late_s == 0:
                self.now_us += draw.choice((0, 3_000, 200_000, 900_000)) if draw.random() < 0.999 else 900 * SECOND_US
            number = len(self.lines) + len(lines)
            lines.append(json.dumps({
                "id": f"e{draw.randrange(max(number, 1)) if draw.random() < 0.02 else number}",
                "at": self.now_us - draw.randrange(late_s * SECOND_US + 1), "user": draw.choice(USERS),
                "n": draw.choice((None, 1, 2, 3, 4)), "x": draw.uniform(0, 100), "m": draw.randrange(10**6) / 100,
                "page": draw.choice(PAGES)}))
        return lines

    def push(self, client, count, late_s=0):
        lines = self.events(count, late_s)
        for i in range(0, count, 200):
            assert client.call("ASOF.PUSH", "clicks", *lines[i:i + 200]) == len(lines[i:i + 200])
        self.lines += lines

    def moments(self, count):
        """(T, exclusive): now, and random ones, most of them late in the stream."""
        draw, span_us = self.draw, self.now_us - START_US
        yield self.now_us, False
        for _ in range(count):
            yield self.now_us - int(span_us * draw.random()**3) + draw.choice((0, 0, 1, 30 * SECOND_US)), draw.random() < 0.2


def built(server):
    return int(re.search(r"^stream_partials_built_total:(\d+)", server.call("INFO").decode(), re.MULTILINE)[1])


def wait_until_built(server):
    """Until no more partials are made for a while; returns how many there were."""
    counts = []

    def is_quiet():
        counts.append(built(server))
        return len(counts) > 20 and counts[-20] == counts[-1]

    server.wait_for(is_quiet)
    return counts[-1]


def assert_true_answers(server, clicks, count):
    judge = oracle.Oracle([DEFINITIONS])
    judge.load("clicks", clicks.lines)
    pairs = [oracle.Pair(user, *moment) for user in USERS for moment in clicks.moments(count)]
    answers = judge.answer("user_clicks", pairs)
    with server.client() as client:
        for pair, expected in zip(pairs, answers):
            words = ["EXCLUSIVE"] if pair.exclusive else []
            reply = client.call("ASOF.GET", f"user_clicks:{pair.entity}", "AT", pair.t_us, *words)
            got = Got(reply)
            assert (got.event_time, got.features) == (expected.event_time, expected.features), pair


def test_a_busy_entity_is_read_right_through_late_events_and_restarts(server, draw):
    clicks = Clicks(draw)
    server.apply(DEFINITIONS)
    with server.client() as client:
        clicks.push(client, 6000)
        assert_true_answers(server, clicks, 25)  # while partials are made
        first = wait_until_built(server)
        assert first > 100
        assert_true_answers(server, clicks, 40)

        clicks.push(client, 300, late_s=3600)
        assert_true_answers(server, clicks, 25)  # behind partials that were deleted
        clicks.push(client, 2000)
        clicks.push(client, 300, late_s=600)
        assert wait_until_built(server) > first + 100
        assert_true_answers(server, clicks, 40)

    server.kill()
    server.start()
    with server.client() as client:
        assert_true_answers(server, clicks, 30)
        clicks.push(client, 300, late_s=3600)  # behind partials that the last process made
        assert_true_answers(server, clicks, 40)
        clicks.push(client, 2000)
        assert wait_until_built(server) > 100
        assert_true_answers(server, clicks, 40)
