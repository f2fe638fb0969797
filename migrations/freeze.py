#!/usr/bin/env python3
"""Makes a frozen database of a format: what the test of its migration begins with.

    migrations/freeze.py ASOFD FORMAT.tar.xz [--history]

Run it with the last asofd of a format before the number changes. It starts that server on an empty
directory, defines views in several versions, pushes events, keeps what reads answer, stops the server, and
packs the directory with answers.json. --history: the format knows `history`, so bases and partials are
made, too.
"""

import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/system"))
from resp import Client  # noqa: E402

DEFINITIONS = """
sources:
  clicks:
    description: Clicks.
    fields: {id: string, at: timestamp_s, user: string, shop: int, page: string, price: decimal(2), score: double}
    event_time: at
    event_id: id
    clock: event
entities:
  user: {keys: [user]}
  user_shop: {keys: [user, shop]}
views:
  user_clicks:
    source: clicks
    entity: user
    features:
      clicks:  {count: '*', over: %s}
      spent:   {sum: price, over: forever}
      pages:   {count_distinct: page, over: 1h}
      mean:    {avg: score, over: 30m}
      last5:   {last_n: page, over: last(5)}
      session: {count: '*', over: session(5m)}
  shop_clicks:
    source: clicks
    entity: user_shop
    where: score > 0.25
    features: {clicks: {count: '*', over: 'tumbling(1h)'}, deviation: {stddev: score, over: forever}}
  lone: {source: clicks, entity: user, features: {highest: {max: price, over: 2h}}}
%s
"""
KEPT = "  kept: {source: clicks, entity: user, history: 1h, features: {n: {count: '*', over: forever}, s: {sum: score, over: 10m}}}"
BEGIN_S = 1_700_000_000
EVENTS = 1200
STEP_S = 20
USERS = 2


def event(number):
    return json.dumps({"id": f"e{number}", "at": BEGIN_S + number * STEP_S, "user": f"u{number % USERS}",
                       "shop": number % 3, "page": f"p{number * 7 % 31}", "price": number % 97 + 0.25,
                       "score": number % 11 / 7})


def questions(has_history):
    end_us = (BEGIN_S + EVENTS * STEP_S) * 10**6
    for user in [f"u{number}" for number in range(USERS)] + ["nobody"]:
        for view in ("user_clicks", "user_clicks@1", "user_clicks@2", "lone"):
            for at in ("now", str(end_us - 3600 * 10**6), str(BEGIN_S * 10**6 + 77)):
                yield ["ASOF.GET", f"{view}:{user}", "AT", at]
        for shop in range(3):
            yield ["ASOF.GET", f"shop_clicks:{user}|{shop}"]
        if has_history:
            yield ["ASOF.GET", f"kept:{user}"]
            yield ["ASOF.GET", f"kept:{user}", "AT", str(end_us - 1800 * 10**6)]


def text_of(reply):
    if isinstance(reply, bytes):
        return reply.decode()
    return [text_of(item) for item in reply] if isinstance(reply, list) else reply


def define(client, over, has_history):
    client.call("ASOF.APPLY", "frozen.yaml", DEFINITIONS % (over, KEPT if has_history else ""))
    while json.loads(client.call("ASOF.FILLS")):
        time.sleep(0.01)


def make(asofd, data, has_history):
    process = subprocess.Popen([asofd, "--data", str(data), "--resp-port", "0", "--rpc-port", "off", "--http-port", "off"],
                               stdout=subprocess.PIPE, text=True)
    match = re.search(r"resp=(\S+):(\d+)", process.stdout.readline())
    client = Client(match[1], int(match[2]), 60, 2)
    define(client, "2h", has_history)
    for first in range(0, EVENTS // 2, 300):
        client.call("ASOF.PUSH", "clicks", *map(event, range(first, first + 300)))
    define(client, "3h", has_history)
    for first in range(EVENTS // 2, EVENTS, 300):
        client.call("ASOF.PUSH", "clicks", *map(event, range(first, first + 300)))
    asked = list(questions(has_history))
    for words in asked:
        client.call(*words)  # so that what reads leave behind is there, too
    time.sleep(2)
    answers = [[words, text_of(client.call(*words))] for words in asked]
    process.terminate()
    assert process.wait() == 0
    subprocess.run([asofd, "--data", str(data), "--compact"], check=True)
    return answers


def main():
    asofd, out = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        answers = make(asofd, data, "--history" in sys.argv)
        (pathlib.Path(folder) / "answers.json").write_text(json.dumps(answers))
        for path in [*data.rglob("LOG*"), *data.rglob("LOCK")]:
            path.unlink()  # of no meaning
        with tarfile.open(out, "w:xz") as archive:
            archive.add(data, "data")
            archive.add(pathlib.Path(folder) / "answers.json", "answers.json")


if __name__ == "__main__":
    main()
