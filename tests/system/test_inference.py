"""The inference service of examples/inference: trained and served on real flights, with features of the server."""

import json
import os
import re
import select
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from conftest import EXAMPLES
from python_client import FOLDER, asof

EVENTS = 20_000  # of each stream: three weeks
FOLDER_OF_EXAMPLE = EXAMPLES / "inference"
START_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def world(module_server, flights, tmp_path_factory):
    """A server with a month of flights, and a model that was trained on it: (server, model, what train.py said)."""
    folder = tmp_path_factory.mktemp("inference")
    module_server.asof("apply", str(EXAMPLES / "flights"), str(FOLDER_OF_EXAMPLE))
    for source in ["departures", "arrivals"]:
        with open(flights / f"{source}.ndjson", encoding="utf-8") as file:
            module_server.asof("push", source, "-", input="".join(line for line, _ in zip(file, range(EVENTS))))
    model = folder / "delay.model"
    said = run(module_server, "train.py", "--flights", flights / "departures.ndjson", "--from", 6000, "--count", 10_000,
               "--rows", 2000, "--model", model)
    return module_server, model, said


def environment(server):
    return os.environ | {"PYTHONPATH": str(FOLDER), "ASOF_SERVER": server.rpc_address}


def run(server, script, *words):
    done = subprocess.run([sys.executable, FOLDER_OF_EXAMPLE / script, *map(str, words)], env=environment(server),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def url(world):
    """The service, running; patient, as the machine may be busy."""
    server, model, _ = world
    process = subprocess.Popen([sys.executable, FOLDER_OF_EXAMPLE / "serve.py", "--model", model, "--port", "0",
                                "--features-ms", "5000"],
                               env=environment(server), stdout=subprocess.PIPE, text=True)
    try:
        readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
        assert readable
        yield re.search(r"http://\S+", process.stdout.readline())[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def ask(url, flight):
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(flight).encode()), timeout=30) as response:
        return json.loads(response.read())


def test_the_model_tells_late_flights_from_others(world):
    score = float(re.search(r"area under the curve on the last \d+: ([\d.]+)", world[2])[1])
    assert 0.6 < score < 0.95  # above that, it would know what nobody knew


def test_stages_of_real_calls_are_printed(world, url, flights):
    said = run(world[0], "measure.py", "--flights", flights / "departures.ndjson", "--from", 17_000, "--count", 100,
               "--url", url)
    print(said)
    stages = {line.split("  ")[0].strip(): line.split()[-3:] for line in said.splitlines()[1:-1]}
    assert list(stages) == ["request", "features", "model", "reply", "whole call"]
    assert float(stages["features"][0]) < 25 and float(stages["whole call"][0]) < 100
    assert re.search(r"100 flights, \d+% predicted rightly", said)


def test_the_service_answers_what_its_model_makes_of_the_features(world, url):
    import pickle
    server, model_path, _ = world
    flight = {"origin": "JFK", "dest": "LAX", "carrier": "B6", "flight": 23, "tailnum": "N590JB"}
    with asof.Client(server.rpc_address) as client, open(model_path, "rb") as file:
        model = pickle.load(file)
        now = client.get("delay", {key: [value] for key, value in flight.items()})
        past = client.get("delay", {key: [value] for key, value in flight.items()}, at="2013-01-18T18:00:00Z",
                          exclusive=True)
    assert ask(url, flight)["late"] == model.predict_proba(now.to_matrix())[0, 1]
    assert ask(url, flight | {"at": "2013-01-18T18:00:00Z"})["late"] == model.predict_proba(past.to_matrix())[0, 1]


def test_mistakes_are_the_callers(url):
    flight = {"origin": "JFK", "dest": "LAX", "carrier": "B6", "flight": 23, "tailnum": "N1"}
    wrong = [{"flight": "x"}, {"flight": 2.5}, {"flight": 10**30}, {"origin": None}, {"origin": ["JFK"]}, {"at": "x"}, {"at": 5.5}, {"at": []},
             {"at": [1, 2]}, {"at": "2013-01-18T18:00:00"}]
    for body in [{"origin": "JFK"}, [], *(flight | some for some in wrong)]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(url, body)
        assert caught.value.code == 400
