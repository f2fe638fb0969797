#!/usr/bin/env python3
"""The demo with Kafka: a real broker, asofd reading two topics of it, and flights that are produced while
one looks. Run by `make demo-kafka`; stops all that it started.

First it produces what flew out of New York until the morning of 8 February 2013, as fast as the broker
takes it, so that asofd has to catch up; then it plays the day of the blizzard Nemo: for half a minute at 10
times the speed at which it went, the rest of it faster, as at 10 the day would take 1.5 hours.
ASOF_DEMO_SPEED=10 plays all of it so.
"""

import argparse
import bisect
import collections
import datetime as dt
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import redis
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/kafka"))

from broker import Broker, BrokerError, fetch  # noqa: E402
from sources import read_topics  # noqa: E402

SOURCES = ("departures", "arrivals")
PARTITIONS = 4
PLAY_FROM = "2013-02-08T12:00:00Z"   # seven in the morning in New York
PLAY_UNTIL = "2013-02-09T03:00:00Z"
SPEED = 10
SLOW_S = 30                           # for so long, and then
SPEED_OF_THE_REST = 1500              # 15 hours in 36 seconds
TICK_S = 0.02
LOOK_S = 0.002                        # between two looks at how far it is
MARKS_MAX = 1000                      # moments of production that were not read yet
SHOW_S = 0.25
SHOW_PIPED_S = 5                      # between two pictures where nothing can be drawn over
READY_TIMEOUT_S = 60
CATCH_UP_TIMEOUT_S = 120
LAG_COLUMNS = ("source", "partitions", "read up to", "lag", "behind", "produced to read")
FEATURES = {
    "airport_departures": (("JFK", "EWR", "LGA"),
                           ("departures_1h", "delay_avg_1h", "late_share_1h", "cancelled_today", "visibility_last")),
    "carrier_departures": (("B6", "UA"), ("departures_1d", "cancelled_1d", "delay_avg_1h", "planes_1d")),
}


class Failed(Exception):
    """The demo can't go on; says why."""


def moment(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


# What it starts


class Server:
    """asofd with a data directory of its own."""

    def __init__(self, build, home):
        self.build = build
        self.log = home / "asofd.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [build / "asofd", "--data", home / "data", "--resp-port", "0", "--rpc-port", "0", "--http-port", "off"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.ready = self.process.stdout.readline()
        match = re.match(r"asofd ready resp=(\S+):(\d+) rpc=\S+:(\d+) ", self.ready)
        if match is None:
            raise Failed(f"asofd did not start:\n{self.log.read_text()}")
        self.host, self.port, self.rpc_port = match[1], int(match[2]), int(match[3])

    def asof(self, *words):
        done = subprocess.run([self.build / "asof", "--server", f"{self.host}:{self.rpc_port}", *words],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(done.stdout + done.stderr)
        return done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait()


def create_topics(address):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    topics = [NewTopic(f"flights.{source}", PARTITIONS, 1) for source in SOURCES]
    for future in admin.create_topics(topics).values():
        future.result(READY_TIMEOUT_S)


def write_definitions(home, address):
    """examples/flights, with sources that read the topics."""
    folder = home / "definitions"
    shutil.copytree(ROOT / "examples/flights", folder)
    path = folder / "sources.yaml"
    path.write_text(read_topics(path.read_text(), address, {source: f"flights.{source}" for source in SOURCES}))
    return folder


# What it produces


class Flights(threading.Thread):
    """Produces both streams in the order of their times: a past at once, then a day, slowly at first."""

    def __init__(self, folder, address, speed_of_the_rest):
        super().__init__(daemon=True)
        self.producer = Producer({"bootstrap.servers": address, "linger.ms": 2, "compression.type": "lz4",
                                  "log_level": 0})
        self.speed = SPEED
        self.speed_of_the_rest = speed_of_the_rest
        self.events = sorted(self.read(folder), key=lambda event: event[0])
        self.times = [event[0] for event in self.events]
        self.produced = dict.fromkeys(SOURCES, 0)
        self.marks = {source: collections.deque(maxlen=MARKS_MAX) for source in SOURCES}  # of (produced by then, when)
        self.is_past_produced = threading.Event()
        self.may_play = threading.Event()
        self.clock = moment(PLAY_FROM)
        self.error = None

    @staticmethod
    def read(folder):
        for source in SOURCES:
            with open(folder / f"{source}.ndjson", encoding="utf-8") as lines:
                for line in lines:
                    event = json.loads(line)
                    if event["at"] > PLAY_UNTIL:  # sorted by time
                        break
                    yield event["at"], source, event["flight_id"], line.rstrip("\n")

    def run(self):
        try:
            sent = self.send(0, bisect.bisect_right(self.times, PLAY_FROM))
            self.producer.flush()
            self.is_past_produced.set()
            self.may_play.wait()
            self.play(sent)
        except Exception as error:  # told by who watches
            self.error = error

    def send(self, first, end):
        for _, source, key, line in self.events[first:end]:
            while True:
                try:
                    self.producer.produce(f"flights.{source}", line, key)
                    break
                except BufferError:
                    self.producer.poll(TICK_S)
            self.produced[source] += 1
        self.producer.poll(0)
        for source in {source for _, source, _, _ in self.events[first:end]}:
            self.marks[source].append((self.produced[source], time.monotonic()))
        return end

    def play(self, sent):
        sent = self.play_at(SPEED, sent, SLOW_S)
        self.play_at(self.speed_of_the_rest, sent)
        self.producer.flush()

    def play_at(self, speed, sent, seconds=float("inf")):
        self.speed, first, started, passed = speed, self.clock, time.monotonic(), 0
        while self.clock < moment(PLAY_UNTIL) and passed < seconds:
            passed = time.monotonic() - started
            self.clock = min(first + dt.timedelta(seconds=passed * speed), moment(PLAY_UNTIL))
            now = self.clock.strftime("%Y-%m-%dT%H:%M:%SZ")
            sent = self.send(sent, bisect.bisect_right(self.times, now))
            time.sleep(TICK_S)
        return sent


# What it shows


class Screen:
    """Pictures of several lines: each over the one before on a terminal, else one below the other."""

    def __init__(self):
        self.is_terminal = sys.stdout.isatty()
        self.is_colored = self.is_terminal and not os.environ.get("NO_COLOR")
        self.height = 0
        self.drawn = 0.0

    def bold(self, text):
        return f"\033[1m{text}\033[0m" if self.is_colored else text

    def title(self, text):
        self.height = 0
        print(f"\n{self.bold(text)}", flush=True)

    def is_due(self):
        return time.monotonic() - self.drawn >= (SHOW_S if self.is_terminal else SHOW_PIPED_S)

    def draw(self, lines, is_last=False):
        if not is_last and not self.is_due():
            return
        self.drawn = time.monotonic()
        if self.is_terminal:
            width = shutil.get_terminal_size().columns
            lines = [line[:width] for line in lines]  # a line that wraps would be two to go back over
            print(f"\033[{self.height}F" if self.height else "", end="")
        elif self.height:
            print()
        end = "\033[K\n" if self.is_terminal else "\n"
        print(end.join(lines), end=end, flush=True)
        self.height = len(lines)


def table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(text.ljust(width) if index == 0 else text.rjust(width)
                      for index, (text, width) in enumerate(zip(row, widths))) for row in rows]


def lag_of(client):
    return json.loads(client.execute_command("ASOF.LAG"))


class Freshness:
    """How long ago what was read last had been produced, for each source."""

    def __init__(self, flights):
        self.flights = flights
        self.seconds = {}

    def look(self, sources):
        for source in sources:
            read = sum(each["next_offset"] or 0 for each in source["partitions"])
            marks = self.flights.marks[source["source"]]
            while marks and marks[0][0] <= read:
                self.seconds[source["source"]] = time.monotonic() - marks.popleft()[1]

    def text(self, source):
        return f"{self.seconds[source] * 1000:.0f} ms" if source in self.seconds else "-"


def lag_lines(sources, freshness):
    """One line a source, of what `asof lag` tells of each partition."""
    rows = [LAG_COLUMNS]
    for source in sources:
        name, partitions = source["source"], source["partitions"]
        read, lag = (sum(each[column] or 0 for each in partitions) for column in ("next_offset", "lag"))
        seconds = max((each["lag_seconds"] or 0 for each in partitions), default=0)
        rows.append((name, str(len(partitions)), f"{read:,}", f"{lag:,}", f"{seconds:.1f} s", freshness.text(name)))
    return table(rows)


def feature_lines(client):
    lines = []
    for view, (entities, features) in FEATURES.items():
        rows = [(view, *features)]
        for entity in entities:
            values = client.hmget(f"{view}:{entity}", features)
            rows.append((entity, *("-" if value is None else value.decode()[:7] for value in values)))
        lines += ["", *table(rows)]
    return lines


def watch_catching_up(screen, client, flights, freshness):
    deadline = time.monotonic() + CATCH_UP_TIMEOUT_S
    while True:
        is_produced = flights.is_past_produced.is_set()
        sources = lag_of(client)
        read = sum(each["next_offset"] or 0 for source in sources for each in source["partitions"])
        is_last = is_produced and read == sum(flights.produced.values())
        freshness.look(sources)
        screen.draw(lag_lines(sources, freshness), is_last)
        if is_last:
            return
        if flights.error or time.monotonic() > deadline:
            raise Failed(f"not caught up: {flights.error or 'it takes too long'}")
        time.sleep(TICK_S)


def watch_playing(screen, client, flights, freshness):
    """Looks often, so that it sees soon what was read, and draws now and then."""
    flights.may_play.set()
    is_last = False
    while not is_last:
        is_last = not flights.is_alive()
        sources = lag_of(client)
        freshness.look(sources)
        if is_last or screen.is_due():
            local = flights.clock.astimezone(dt.timezone(dt.timedelta(hours=-5)))
            lines = [f"New York, {local:%d %B %Y %H:%M}, at {flights.speed} times its speed", *lag_lines(sources, freshness), *feature_lines(client)]
            screen.draw(lines, is_last)
        time.sleep(LOOK_S)
    if flights.error:
        raise Failed(f"the flights can't be produced: {flights.error}")


def show(screen, server, broker, flights, definitions):
    screen.title("1. asofd reads two topics of a broker")
    print(f"broker {broker.address}\n{server.ready.split(' data=')[0]}")
    print(server.asof("apply", str(definitions)).rstrip())
    client = redis.Redis(server.host, server.port)
    screen.title("2. It catches up with what flew until the morning of 8 February 2013")
    flights.start()
    watch_catching_up(screen, client, flights, Freshness(flights))
    screen.title("3. The day of the blizzard Nemo: lag, freshness, and features of now")
    watch_playing(screen, client, flights, Freshness(flights))


def main():
    parser = argparse.ArgumentParser(description="The demo with Kafka.")
    parser.add_argument("build", type=pathlib.Path)
    build = parser.parse_args().build.absolute()
    home = build / "demo-kafka"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    screen, broker, server = Screen(), None, None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        broker = Broker(fetch(build / "cache"), home / "broker").start()
        create_topics(broker.address)
        server = Server(build, home)
        flights = Flights(build / "flights", broker.address, int(os.environ.get("ASOF_DEMO_SPEED", SPEED_OF_THE_REST)))
        show(screen, server, broker, flights, write_definitions(home, broker.address))
    except (BrokerError, Failed, KafkaException, redis.RedisError, OSError) as error:
        sys.exit(f"demo_kafka.py: {error}")
    except KeyboardInterrupt:
        print()
    finally:
        for each in (server, broker):
            if each is not None:
                each.stop()
    screen.title("Done; the broker and the server were stopped.")


if __name__ == "__main__":
    main()
