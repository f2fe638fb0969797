#!/usr/bin/env python3
"""Serves the delay model over HTTP. Each answer says how long each stage took.

    ./serve.py --model delay.model --port 8000
    curl -d '{"origin": "JFK", "dest": "LAX", "carrier": "B6", "flight": 23, "tailnum": "N590JB"}' localhost:8000/predict

`"at"`, an RFC 3339 time, asks for the features of a past moment.
"""

import argparse
import http.server
import json
import pickle
import time

import asof
from threadpoolctl import threadpool_limits

import flights as data

FEATURES_MS = 25  # the stage's share of the 100 ms that an answer may take


class Stages:
    """Stage by stage, the milliseconds that one answer took."""

    def __init__(self):
        self.ms = {}
        self._since = time.perf_counter()

    def ended(self, stage):
        now = time.perf_counter()
        self.ms[stage] = round((now - self._since) * 1000, 3)
        self._since = now


class Handler(http.server.BaseHTTPRequestHandler):
    """One request after the other of a connection. The server has the client and the model."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        stages = Stages()
        try:
            flight = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            keys = {key: [flight[key]] for key in data.KEYS}
        except (ValueError, KeyError, TypeError) as error:
            return self.reply(400, {"error": f"not a flight: {error}"})
        stages.ended("request")
        try:
            row = self.server.features.get(data.SERVICE, keys, at=flight.get("at"), exclusive="at" in flight,
                                           timeout=self.server.features_timeout).to_matrix()
        except asof.DeadlineExceeded as error:
            return self.reply(504, {"error": str(error)})
        except (TypeError, ValueError, OverflowError) as error:  # asof.InvalidArgument, too
            return self.reply(400, {"error": f"not a flight: {error}"})
        except asof.Error as error:
            return self.reply(503, {"error": str(error)})
        stages.ended("features")
        late = float(self.server.model.predict_proba(row)[0, 1])
        stages.ended("model")
        self.reply(200, {"late": late}, stages)

    def reply(self, code, answer, stages=None):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if stages is not None:
            stages.ended("reply")
            self.send_header("Server-Timing", ", ".join(f"{stage};dur={ms}" for stage, ms in stages.ms.items()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests are not logged."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="HOST:PORT of RPC (default: ASOF_SERVER, else 127.0.0.1:6391)")
    parser.add_argument("--model", default="delay.model")
    parser.add_argument("--port", type=int, default=8000, help="0 takes any free one")
    parser.add_argument("--features-ms", type=float, default=FEATURES_MS, help="how long reading features may take")
    options = parser.parse_args()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    server.features = asof.Client(options.server)
    server.features.is_serving()  # connects
    server.features_timeout = options.features_ms / 1000
    threadpool_limits(1)  # one row is no work for several threads
    with open(options.model, "rb") as file:
        server.model = pickle.load(file)
    print(f"serving on http://127.0.0.1:{server.server_port}/predict", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
