"""Starts and stops the peers: asofd and redis-server, each on a free port, with all its data in a folder of
the caller's, pinned to SERVER_CPU. Says what a running one has used: CPU, memory, bytes written.

A peer dies with the driver, however that ends. ASOFD, ASOF and REDIS_SERVER name the binaries."""

import os
import pathlib
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests/system"))  # the tests' client of the Redis protocol
from resp import Client  # noqa: E402

ASOFD = os.environ.get("ASOFD", str(ROOT / "build/asofd"))
ASOF = os.environ.get("ASOF", str(ROOT / "build/asof"))
FLOOR = os.environ.get("FLOOR", str(ROOT / "build/floor"))
GRPCPP_CONSTANT = os.environ.get("GRPCPP_CONSTANT", str(ROOT / "build/grpcpp_constant"))
REDIS_SERVER = os.environ.get("REDIS_SERVER", "redis-server")
SERVER_CPU, LOAD_CPU = 0, 1
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
COMPACT_TIMEOUT_S = 120
QUIET_S = 1.5          # a server that used no CPU for so long has ended its compactions
QUIET_CPU_S = 0.02     # what an idle server's timers may use meanwhile
QUIET_TIMEOUT_S = 60
CLOCK_OF_ALL_THREADS = 2  # of a process, as clock_getcpuclockid(3) makes the clock's number
READY = re.compile(r"asofd ready resp=\S+:(\d+) rpc=(?:\S+:(\d+)|off) ")


class BenchError(Exception):
    """The benchmark can't go on; the text says why and what would help."""


def require(binary, hint):
    """Fails with the hint where there is no such program."""
    if shutil.which(binary) is None:
        raise BenchError(f"{binary} is not there: {hint}")


def pin_driver():
    """Puts this process and what it starts onto the load's CPU. BenchError on a machine with one."""
    if not {SERVER_CPU, LOAD_CPU} <= os.sched_getaffinity(0):
        raise BenchError(f"CPUs {SERVER_CPU} and {LOAD_CPU} are needed, one for the server and one for the load")
    os.sched_setaffinity(0, {LOAD_CPU})


def children_cpu_s():
    """CPU time of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Peer:
    """One server process. A context manager: it is stopped at the end of the block.
    Subclasses set `name` and `command`, and start the process in __init__ by _spawn()."""

    name = ""

    def _spawn(self, command, folder, **streams):
        self.command = command
        self.log_path = pathlib.Path(folder) / f"{self.name}.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(SERVER_CPU), *command],
                stdin=subprocess.DEVNULL, stderr=log, start_new_session=True, **{"stdout": log, **streams})
        self.pid = self.process.pid  # setpriv and taskset become the server

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    def stop(self):
        """Asks it to end; kills it where it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self):
        """Ends it as a crash does: by kill -9."""
        self.process.kill()
        self.process.wait()

    def failed(self, what):
        """A BenchError about this server, with the end of its log."""
        said = self.log_path.read_text(errors="replace")[-2000:]
        return BenchError(f"{self.name}: {what}: {said or 'it said nothing'}")

    def client(self):
        return Client("127.0.0.1", self.port)

    def cpu_s(self):
        """CPU time used so far, by all threads, user and system; exact, where /proc counts ticks."""
        return time.clock_gettime(~self.pid << 3 | CLOCK_OF_ALL_THREADS)

    def rss_bytes(self):
        return self._memory_bytes("VmRSS")

    def reset_peak(self):
        """From here on peak_bytes() counts anew."""
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_bytes(self):
        """The most that rss_bytes() was."""
        return self._memory_bytes("VmHWM")

    def _memory_bytes(self, name):
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) * 1024

    def written_bytes(self):
        """Bytes it sent to the disk so far."""
        text = pathlib.Path(f"/proc/{self.pid}/io").read_text()
        return int(re.search(r"^write_bytes: (\d+)", text, re.M)[1])

    def wait_quiet(self):
        """Returns once its background work is done. BenchError after QUIET_TIMEOUT_S."""
        deadline = time.monotonic() + QUIET_TIMEOUT_S
        while time.monotonic() < deadline:
            before_s = self.cpu_s()
            time.sleep(QUIET_S)
            if self.cpu_s() - before_s <= QUIET_CPU_S:
                return
        raise self.failed(f"not quiet after {QUIET_TIMEOUT_S} s")


class Asofd(Peer):
    """asofd with its default options, but for those that are given. Its database is in the folder: empty at first,
    kept for the next one there."""

    name = "asofd"

    def __init__(self, folder, *options):
        self.data = pathlib.Path(folder) / "data"
        command = [ASOFD, "--data", str(self.data), "--resp-port", "0", "--rpc-port", "0", "--http-port", "off",
                   *options]
        self._spawn(command, folder, stdout=subprocess.PIPE, text=True)
        try:
            self.port, self.rpc_port = self._ready_ports()
        except BaseException:
            self.stop()
            raise

    def _ready_ports(self):
        """Of the Redis protocol, and of RPC (0 where that door is closed)."""
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT_S)
        match = READY.match(self.process.stdout.readline()) if readable else None
        if match is None:
            raise self.failed("did not start")
        return int(match[1]), int(match[2] or 0)

    def stop(self):
        super().stop()
        self.process.stdout.close()

    def sorted_files(self):
        """How many sorted files it has: 0 while all that was pushed is still in the write buffers."""
        return sum(1 for _ in self.data.rglob("*.sst"))

    def log_bytes(self):
        """The size of its write-ahead logs: about what a start after a crash reads again."""
        return sum(path.stat().st_size for path in self.data.rglob("*.log"))

    def compact(self):
        """Stops it and compacts the whole database; returns the CPU time of that, in seconds."""
        self.stop()
        before_s = children_cpu_s()
        done = subprocess.run([ASOFD, "--data", str(self.data), "--compact"], capture_output=True, text=True,
                              timeout=COMPACT_TIMEOUT_S)
        if done.returncode != 0:
            raise self.failed(f"--compact: {done.stderr.strip()}")
        return children_cpu_s() - before_s

    def apply(self, path):
        """Registers the definitions of a file and waits until their views are shown."""
        self.asof("apply", path)

    def asof(self, *words, timeout_s=START_TIMEOUT_S):
        """Runs the command `asof` on it."""
        done = subprocess.run([ASOF, "--server", f"127.0.0.1:{self.rpc_port}", *map(str, words)],
                              capture_output=True, text=True, timeout=timeout_s)
        if done.returncode != 0:
            raise self.failed(f"asof {words[0]}: {done.stderr.strip()}")


class Constant(Peer):
    """A server that answers each request with the same bytes. Subclasses set `binary`, too."""

    binary = ""

    def __init__(self, folder, reply):
        path = pathlib.Path(folder) / f"{self.name}.reply"
        path.write_bytes(reply)
        self._spawn([self.binary, str(path)], folder, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            self.stop()
            raise self.failed("did not start")
        self.port = int(line.split()[1])

    def stop(self):
        super().stop()
        self.process.stdout.close()


class Floor(Constant):
    """A loop (floor.c): what sockets alone cost."""

    name, binary = "floor", FLOOR


class Grpcpp(Constant):
    """grpc++'s callback server (peers/grpcpp): what gRPC's own library costs."""

    name, binary = "grpcpp", GRPCPP_CONSTANT


class Redis(Peer):
    """redis-server with its default options, but nothing saved to disk."""

    name = "redis-server"

    def __init__(self, folder):
        with socket.socket() as probe:  # it takes no port 0: the kernel is asked for a free one
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._spawn([REDIS_SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                     "--dir", str(folder)], folder)
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.client() as client:
                    if client.call("PING") == b"PONG":
                        return
            except ConnectionError:
                time.sleep(0.05)
        raise self.failed("did not start")
