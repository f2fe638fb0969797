#!/usr/bin/env python3
"""One Kafka broker on this machine, for the tests and the demo.

    broker.py fetch --cache build/cache               the jars, by Maven, once; afterwards no network is needed
    broker.py start --cache build/cache --home DIR    starts it, waits until it answers, prints its address
    broker.py stop  --home DIR

DIR holds the broker's logs, so that a broker that was stopped or killed goes on where it was. Its
ports are free ones of the loopback, the same ones at each start. Python's standard library and a
Java runtime do; fetching needs Maven.
"""

import argparse
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
HEAP_MAX = "512m"
START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 60
METADATA_TIMEOUT_S = 5
REPLY_BYTES_MAX = 1 << 20
API_METADATA, API_METADATA_VERSION = 3, 1
CORRELATION = 7


class BrokerError(Exception):
    """The broker can't be fetched or does not start; says what it said."""


def fetch(cache, name="kafka", pom=HERE / "pom.xml"):
    """The folder of the jars (of that name below the cache), filled by Maven where it is not what the pom.xml
    asks for."""
    folder = pathlib.Path(cache).absolute() / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    with open(folder / "lock", "w") as lock:  # two builds may ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists() or done.read_text() != wanted:
            done.unlink(missing_ok=True)
            shutil.rmtree(folder / "jars", ignore_errors=True)
            copy_jars(folder / "jars", pom)
            done.write_text(wanted)
    return folder / "jars"


def copy_jars(target, pom):
    command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies",
               f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise BrokerError(f"Maven could not fetch the jars of {pom}:\n{done.stdout}")


def free_ports(count):
    """Ports of the loopback that nobody has. The system hands odd ones to those who bind and even ones to
    those who connect, so that a client in search of a stopped broker does not take its port."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the broker hung up")
        data += more
    return data


def answers(port):
    """Whether the broker tells clients about itself: a Metadata request that asks for no topic."""
    request = struct.pack(">hhihi", API_METADATA, API_METADATA_VERSION, CORRELATION, -1, 0)
    try:
        with socket.create_connection(("127.0.0.1", port), METADATA_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", receive(connection, 4))
            correlation, brokers = struct.unpack_from(">ii", receive(connection, min(size, REPLY_BYTES_MAX)))
            return correlation == CORRELATION and brokers > 0
    except (OSError, struct.error):
        return False


class Broker:
    """The broker of one folder: format, start, stop, kill, start again."""

    def __init__(self, jars, home):
        self.jars = pathlib.Path(jars).absolute()
        self.home = pathlib.Path(home).absolute()
        self.process = None
        self.port = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def java(self, *words):
        return ["java", f"-Xmx{HEAP_MAX}", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-XX:-UsePerfData", f"-Dlog4j.configuration=file:{HERE / 'log4j.properties'}", *words]

    def environment(self):
        return os.environ | {"CLASSPATH": f"{self.jars}/*"}

    def tool(self, *words):
        done = subprocess.run(self.java("kafka.tools.StorageTool", *words), env=self.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise BrokerError(f"the storage tool of Kafka failed:\n{done.stdout}")
        return done.stdout.split()

    def format(self):
        """Makes the folder of a new broker."""
        self.home.mkdir(parents=True, exist_ok=True)
        port, controller_port = free_ports(2)
        text = (HERE / "server.properties").read_text()
        for word, value in {"port": port, "controller_port": controller_port, "logs": self.home / "logs"}.items():
            text = text.replace("{" + word + "}", str(value))
        properties = self.home / "server.properties"
        properties.write_text(text)
        self.tool("format", "-t", self.tool("random-uuid")[-1], "-c", str(properties))
        (self.home / "port").write_text(str(port))  # last: the folder is whole

    def start(self, is_detached=False):
        """Starts it and waits until it answers. A detached one outlives the caller."""
        if not (self.home / "port").exists():
            shutil.rmtree(self.home, ignore_errors=True)
            self.format()
        self.port = int((self.home / "port").read_text())
        command = self.java("kafka.Kafka", str(self.home / "server.properties"))
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=is_detached)
        self.wait_until_it_answers()
        return self

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(self.port):
            if self.process.poll() is not None:
                raise BrokerError(f"the broker ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"no answer from the broker within {START_TIMEOUT_S} s:\n{self.log()}")
            time.sleep(0.05)

    def log(self):
        return (self.home / "log").read_text(errors="replace")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def end(self, signal_number):
        if self.is_alive():
            self.process.send_signal(signal_number)
            self.process.wait(STOP_TIMEOUT_S)

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)


def start_detached(arguments):
    broker = Broker(fetch(arguments.cache), arguments.home).start(is_detached=True)
    (broker.home / "pid").write_text(str(broker.process.pid))
    print(broker.address)


def is_broker(pid, home):
    """Whether that process is the broker of this folder: a number may be another's by now."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(home / "server.properties").encode() in words


def stop_detached(arguments):
    home = pathlib.Path(arguments.home).absolute()
    if not (home / "pid").exists():
        return
    pid = int((home / "pid").read_text())
    deadline = time.monotonic() + STOP_TIMEOUT_S
    if is_broker(pid, home):
        os.kill(pid, signal.SIGTERM)
    while is_broker(pid, home):
        if time.monotonic() > deadline:
            raise BrokerError(f"the broker (process {pid}) does not stop")
        time.sleep(0.05)
    (home / "pid").unlink()


def main():
    parser = argparse.ArgumentParser(description="One Kafka broker on this machine, for the tests and the demo.")
    commands = parser.add_subparsers(required=True)
    for name, does, options in (("fetch", lambda arguments: fetch(arguments.cache), ("--cache",)),
                                ("start", start_detached, ("--cache", "--home")),
                                ("stop", stop_detached, ("--home",))):
        command = commands.add_parser(name)
        command.set_defaults(does=does)
        for option in options:
            command.add_argument(option, required=True)
    arguments = parser.parse_args()
    try:
        arguments.does(arguments)
    except BrokerError as error:
        sys.exit(f"broker.py: {error}")


if __name__ == "__main__":
    main()
