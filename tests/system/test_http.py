"""The HTTP door: probes, metrics, and whatever may come to a port."""

import concurrent.futures
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from conftest import ROOT, ASOFD
from resp import encode

PROMTOOL = os.environ.get("PROMTOOL", str(ROOT / "build/promtool"))
HEAD_SIZE_MAX = 8 * 1024
CONNECTIONS_MAX = 256
IDLE_MAX_S = 10
DEFINITIONS = """
sources:
  live: {fields: {id: string, ts: timestamp_us, k: string}, event_time: ts, event_id: id}
  replay: {fields: {id: string, ts: timestamp_us, k: string}, event_time: ts, clock: event, durability: os}
entities:
  k: {keys: [k]}
views:
  v: {source: live, entity: k, features: {n: {count: '*', over: forever}}}
  w: {source: replay, entity: k, features: {n: {count: '*', over: forever}}}
"""


@pytest.fixture
def server(make_server):
    return make_server().start("--http-port", "0")


def ask(server, path, method="GET", **options):
    """(code, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
    connection.request(method, path, **options)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, response.headers, body


def send(server, data):
    """What comes back for raw bytes until the server closes."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=60) as peer:
        peer.sendall(data)
        received = b""
        try:
            while piece := peer.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


def metrics(server):
    """{name with labels: value}, of a text that promtool takes without complaint."""
    code, headers, body = ask(server, "/metrics")
    assert code == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    samples = (line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def event(number, key="a", t_us=None):
    return json.dumps({"id": str(number), "ts": time.time_ns() // 1000 if t_us is None else t_us, "k": key})


# ---- probes ----

def test_a_server_that_serves_is_alive_and_ready(server):
    for path in ("/healthz", "/readyz"):
        code, headers, body = ask(server, path)
        assert (code, body) == (200, "ok\n")
        assert headers["Cache-Control"] == "no-store"
    assert ask(server, "/healthz?verbose")[2] == "writer: ok\nworkers: ok\n"
    assert ask(server, "/readyz?verbose")[2] == "writer: ok\nworkers: ok\ndisk: ok\nserving: ok\n"
    code, headers, body = ask(server, "/readyz", "HEAD")
    assert (code, headers["Content-Length"], body) == (200, "3", "")


def test_a_disk_that_refuses_writes_is_not_ready_but_alive(server):
    server.apply(DEFINITIONS)
    pad = "x" * 10_000
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1024 * 1024, resource.RLIM_INFINITY))
    with server.client() as client:
        for i in range(10_000):
            [reply] = client.pipeline([("ASOF.PUSH", "replay", event(f"{i}{pad}", t_us=i))])
            if reply != 1:
                break
    assert str(reply).startswith("IOERR"), reply

    server.wait_for(lambda: ask(server, "/readyz")[0] == 503)

    code, _, body = ask(server, "/readyz")
    assert (code, body) == (503, "disk: a write failed and the database is not yet open again; reads go on\n")
    assert ask(server, "/healthz")[0] == 200
    figures = metrics(server)
    assert (figures["asof_ready"], figures["asof_disk_refuses_writes"]) == (0, 1)
    assert figures["asof_resp_commits_failed_total"] >= 1
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    server.wait_for(lambda: ask(server, "/readyz")[0] == 200)
    assert metrics(server)["asof_disk_refuses_writes"] == 0


def test_a_server_that_stops_says_so_while_it_finishes(server):
    """The pushes that are queued hold up its end long enough to be asked."""
    server.apply(DEFINITIONS)
    pushes = b"".join(encode("ASOF.PUSH", "replay", *(event(i, t_us=i) for i in range(start, start + 50_000)))
                      for start in range(0, 500_000, 50_000))
    with server.client() as client:
        client.send(pushes)
        server.wait_for(lambda: metrics(server)["asof_queued_bytes"] > 10_000_000)
        server.process.send_signal(signal.SIGTERM)
        said = []
        try:
            while True:
                said.append(ask(server, "/readyz")[::2])
                assert ask(server, "/healthz")[0] == 200
        except OSError:
            pass  # it closed the door as its last deed
        assert server.process.wait(120) == 0
    assert (503, "serving: the server is asked to stop\n") in said


def test_probes_are_answered_while_the_only_worker_is_busy(server):
    """An EXEC may take a second of the worker, which then answers nobody else."""
    server.apply(DEFINITIONS)
    with server.client() as client:
        client.call("ASOF.PUSH", "replay", *(event(i, t_us=i) for i in range(50_000)))
        client.send(encode("MULTI") + b"".join(encode("HGETALL", f"w:a{i}") for i in range(9000)) +
                    b"".join(encode("ASOF.GET", "w:a", "AT", str(40_000 + i)) for i in range(900)) + encode("EXEC"))
        slowest = 0
        for _ in range(20):
            began = time.monotonic()
            assert ask(server, "/healthz")[0] == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 5
    assert server.call("PING") == b"PONG"


# ---- metrics ----

def test_metrics_tell_what_info_tells(server):
    server.apply(DEFINITIONS)
    with server.client() as client:
        client.call("ASOF.PUSH", "live", *(event(i) for i in range(10)))
        for i in range(20):
            client.call("ASOF.PUSH", "replay", event(i, t_us=1_000_000 + i))
        assert "refused" in str(client.pipeline([("ASOF.PUSH", "live", "{}")])).lower()
        for _ in range(7):
            client.call("HGET", "v:a", "n")
        client.call("HGET", "v:b", "n")

        before = time.time()
        info = dict(re.findall(r"^(\w+):(\d+)\r?$", client.call("INFO", "asof").decode(), re.MULTILINE))
        figures = metrics(server)

    assert {f"asof_{name}" for name in info} <= set(figures)
    moving = {"hot_bytes", "network_input_bytes_total", "network_output_bytes_total", "resp_commands_total"}
    for name, value in info.items():
        assert name in moving or figures[f"asof_{name}"] == int(value), name
    assert figures["asof_stream_events_accepted_total"] == 30
    assert figures["asof_stream_events_refused_total"] == 1
    assert figures["asof_resp_entities_found_total"] == 7
    assert figures["asof_resp_entities_missed_total"] == 1
    assert figures["asof_hot_hits_total"] + figures["asof_hot_misses_total"] == 8
    assert figures["asof_connections"] == 1
    assert (figures["asof_sources"], figures["asof_views"], figures["asof_fills"]) == (2, 2, 0)

    assert figures['asof_source_events_total{source="live"}'] == 10
    assert figures['asof_source_events_total{source="replay"}'] == 20
    assert figures['asof_source_newest_event_timestamp_seconds{source="replay"}'] == 1.000019
    assert before - 60 < figures['asof_source_newest_event_timestamp_seconds{source="live"}'] <= before
    assert 0 <= figures['asof_source_event_lag_seconds{source="live"}'] < 60
    assert 'asof_source_event_lag_seconds{source="replay"}' not in figures
    assert 0 <= figures['asof_source_idle_seconds{source="replay"}'] < 60

    version = subprocess.run([ASOFD, "--version"], capture_output=True, text=True).stdout.split()[1]
    assert figures[f'asof_build_info{{version="{version}"}}'] == 1
    assert figures["process_resident_memory_bytes"] > 1_000_000
    assert abs(figures["process_start_time_seconds"] + figures["asof_uptime_seconds"] - time.time()) < 60


def test_histograms_count_each_commit_and_each_push(server):
    server.apply(DEFINITIONS)
    with server.client() as client:
        for size in (1, 3, 150):
            client.call("ASOF.PUSH", "live", *(event(f"{size}-{i}") for i in range(size)))
        client.pipeline([("ASOF.PUSH", "live", "{}")])
    figures = metrics(server)

    assert figures["asof_push_duration_seconds_count"] == 3
    assert figures["asof_commit_duration_seconds_count"] == figures["asof_stream_batches_committed_total"] == 3
    assert (figures["asof_commit_events_count"], figures["asof_commit_events_sum"]) == (3, 154)
    at_most = {bound: figures[f'asof_commit_events_bucket{{le="{bound}"}}'] for bound in ("1", "2", "5", "100", "200")}
    assert at_most == {"1": 1, "2": 1, "5": 2, "100": 2, "200": 3}
    assert 0 < figures["asof_commit_duration_seconds_sum"] <= figures["asof_push_duration_seconds_sum"] < 60


def test_counts_of_a_source_go_on_behind_a_restart(server):
    server.apply(DEFINITIONS)
    server.call("ASOF.PUSH", "replay", *(event(i, t_us=i) for i in range(5)))
    server.restart("--http-port", "0")

    figures = metrics(server)

    assert figures['asof_source_events_total{source="replay"}'] == 5
    assert 'asof_source_idle_seconds{source="replay"}' not in figures
    assert figures["asof_stream_events_accepted_total"] == 0


# ---- the door ----

def test_the_door_can_be_closed(make_server):
    server = make_server().start("--http-port", "off")
    assert server.http_port == 0
    assert "asof_workers" not in server.call("INFO", "asof").decode()
    assert b"workers:1" in server.call("INFO", "asof")


def test_a_taken_port_is_refused_with_advice(server, make_server):
    other = make_server("other")
    with pytest.raises(Exception, match="choose another by --http-port"):
        other.start("--http-port", str(server.http_port))


def test_only_get_and_head_of_pages_that_are_there(server):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        code, headers, _ = ask(server, "/metrics", method, body=b"x" * 100_000 if method == "POST" else None)
        assert (code, headers["Allow"]) == (405, "GET, HEAD")
    for path in ("/", "/metrics/", "/METRICS", "/../metrics", "/%6detrics", "/metrics%00", "//metrics"):
        code, _, body = ask(server, path)
        assert code == 404 and "/healthz, /readyz, /metrics" in body
    assert ask(server, "/metrics", body=b"a body")[0] == 413


def test_requests_of_one_connection_are_answered_in_order(server):
    request = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
    answers = send(server, request % b"healthz" + request % b"nowhere" + request % b"readyz?verbose" +
                   b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.0\r\n\r\nGET /behind HTTP/1.1\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"200", b"200", b"200"]
    assert answers.endswith(b"Connection: close\r\n\r\nok\n")


def test_bytes_that_are_no_request_are_refused(server, draw):
    whole = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
    for data, code in [
            (b"*1\r\n$4\r\nPING\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\n\x00", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
            (whole + b"a: b\0c\r\n\r\n", 400), (whole + b" folded\r\n\r\n", 400),
            (whole + b"X: " + b"x" * HEAD_SIZE_MAX + b"\r\n\r\n", 431), (b"G" * 10_000_000, 431),
            (whole + b"x: y\r\n" * 100_000, 431), (whole + b"Content-Length: 99999999999999999999\r\n\r\n", 413)]:
        assert send(server, data).startswith(b"HTTP/1.1 %d " % code), data[:80]
    for _ in range(50):
        answer = send(server, draw.randbytes(draw.randrange(1, 300)) + b"\n\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
    assert ask(server, "/healthz")[0] == 200


def test_many_connections_at_once_are_all_answered(server):
    """Held open, all of them; the one beyond the largest number is told so."""
    def probe(_):
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200 and b"asof_workers 1" in response.read()
        return connection

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        connections = list(pool.map(probe, range(200)))
        connections += pool.map(probe, range(CONNECTIONS_MAX - 200))
    assert ask(server, "/healthz")[0] == 503
    for connection in connections:
        connection.close()
    server.wait_for(lambda: ask(server, "/healthz")[0] == 200)


def test_clients_that_send_slowly_or_nothing_are_closed(server):
    peers = [socket.create_connection(("127.0.0.1", server.http_port), timeout=60) for _ in range(20)]
    began = time.monotonic()
    open_peers = set(peers)
    while open_peers and time.monotonic() < began + 4 * IDLE_MAX_S:
        for i, peer in enumerate(peers):
            if peer not in open_peers:
                continue
            try:
                if i % 2 == 0:
                    peer.send(b"G")  # never a whole line
                peer.settimeout(0.01)
                if peer.recv(1) == b"":
                    open_peers.discard(peer)
            except TimeoutError:
                pass
            except OSError:
                open_peers.discard(peer)
        time.sleep(0.3)
    assert not open_peers
    assert time.monotonic() - began >= IDLE_MAX_S - 1
    assert ask(server, "/healthz")[0] == 200


def test_a_client_that_does_not_read_harms_nobody(server):
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=60) as peer:
        peer.setblocking(False)
        try:
            for _ in range(100_000):
                peer.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        except BlockingIOError:
            pass
        for _ in range(10):
            assert ask(server, "/healthz")[0] == 200
        assert metrics(server)["process_resident_memory_bytes"] < 300_000_000
