"""Starts servers for the tests. ASOFD and ASOF name the binaries (default: build/), ASOF_FLIGHTS the
folder of the demo's data (default: build/flights, made where it is missing)."""

import os
import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from resp import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
ASOFD = os.environ.get("ASOFD", str(ROOT / "build/asofd"))
ASOF = os.environ.get("ASOF", str(ROOT / "build/asof"))
EXAMPLES = ROOT / "examples"
START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 120
READY = re.compile(r"asofd ready resp=(\S+):(\d+) rpc=(?:off|\S+:(\d+)) http=(?:off|\S+:(\d+)) data=(.*)\n")
SANITIZER_REPORT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error:")


class StartFailed(Exception):
    """The server ended before it was ready: its exit code, and what it said."""

    def __init__(self, code, said):
        super().__init__(f"exit code {code}: {said}")
        self.code = code
        self.said = said


class Server:
    """One asofd. Its data directory outlives it, so it can be started again."""

    def __init__(self, folder):
        self.data = pathlib.Path(folder) / "data"
        self.log_path = pathlib.Path(folder) / "asofd.log"
        self.process = None
        self.port = 0  # any free one at the first start, the same one ever after
        self.rpc_port = 0  # the same of the RPC door, which the command uses
        self.http_port = 0  # the same of the HTTP door

    def start(self, *options):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [ASOFD, "--data", str(self.data), "--resp-port", str(self.port), "--rpc-port",
                 str(self.rpc_port), "--http-port", "off",
                 *options], stdout=subprocess.PIPE, stderr=log, text=True)
        line = self._ready_line()
        match = READY.fullmatch(line)
        if match is None:
            self.process.kill()
            code = self.process.wait()
            raise StartFailed(code, line + self.log())
        self.host, self.port = match[1], int(match[2])
        self.rpc_port = int(match[3] or self.rpc_port)
        self.http_port = int(match[4] or 0)
        assert match[5] == str(self.data)
        return self

    def _ready_line(self):
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT_S)
        assert readable, f"not ready after {START_TIMEOUT_S} s: {self.log()}"
        line = self.process.stdout.readline()
        if not line:
            raise StartFailed(self.process.wait(STOP_TIMEOUT_S), self.log())
        return line

    def log(self):
        return self.log_path.read_text(errors="replace")

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Asks it to stop; fails the test if it does not do so cleanly."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_TIMEOUT_S)
        self.process.stdout.close()
        assert code == 0, f"exit code {code}: {self.log()}"
        assert not SANITIZER_REPORT.search(self.log()), self.log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def restart(self, *options):
        self.stop()
        return self.start(*options)

    def compact(self):
        """Stops it, rewrites the whole database and starts it again."""
        self.stop()
        subprocess.run([ASOFD, "--data", str(self.data), "--compact"], check=True, stdout=subprocess.DEVNULL)
        return self.start()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def rpc_address(self):
        return f"{self.host}:{self.rpc_port}"

    def client(self, version=2, timeout_s=120):
        return Client(self.host, self.port, timeout_s, version)

    def call(self, *words):
        with self.client() as client:
            return client.call(*words)

    def info(self, name):
        """A figure of INFO that is a whole number."""
        return int(re.search(rf"^{name}:(\d+)", self.call("INFO").decode(), re.MULTILINE)[1])

    def asof(self, *words, input=None, check=True, timeout_s=600):
        return asof("--server", self.rpc_address, *words, input=input, check=check, timeout_s=timeout_s)

    def apply(self, text, name="definitions.yaml"):
        """Registers definitions and waits until their views are shown."""
        path = self.data.parent / name
        path.write_text(text)
        self.asof("apply", str(path), "--promote")

    def wait_for(self, is_done, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not is_done():
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.02)


def asof(*words, input=None, check=True, timeout_s=600):
    """Runs the asof command; fails the test where it fails, unless check is False."""
    done = subprocess.run([ASOF, *words], input=input, capture_output=True, text=True, timeout=timeout_s)
    assert not check or done.returncode == 0, f"asof {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture
def make_server(tmp_path):
    """A function that makes a server (not started) in a folder of its own."""
    servers = []

    def make(name="server"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        servers.append(Server(folder))
        return servers[-1]

    yield make
    for server in servers:
        if server.is_alive():
            server.stop()


@pytest.fixture
def server(make_server):
    return make_server().start()


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    """One server for the tests of a file that leave no trace in each other's way."""
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    if server.is_alive():
        server.stop()


@pytest.fixture(scope="session")
def flights():
    """The folder with departures.ndjson and arrivals.ndjson."""
    folder = pathlib.Path(os.environ.get("ASOF_FLIGHTS", ROOT / "build/flights"))
    subprocess.run([sys.executable, str(ROOT / "tools/flights.py"), "--cache", str(ROOT / "build/cache"), "--out",
                    str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A Kafka broker, from the first test that needs one to the end of all."""
    import kafka_world  # its client library is not needed by those who run one test of Redis

    world = kafka_world.Kafka(tmp_path_factory.mktemp("kafka")).start()
    yield world
    world.stop()


@pytest.fixture
def draw():
    """A random generator whose seed is printed; ASOF_SEED repeats a run."""
    seed = int(os.environ.get("ASOF_SEED", random.randrange(10**9)))
    print(f"ASOF_SEED={seed}")
    return random.Random(seed)
