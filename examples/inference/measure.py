#!/usr/bin/env python3
"""Asks a running serve.py about real flights, and prints how long the stages of its answers took.

    ./measure.py --flights build/flights/departures.ndjson --url http://127.0.0.1:8000/predict
"""

import argparse
import http.client
import json
import time
import urllib.parse

import flights as data

BUDGET_MS = 100
STAGES = ("request", "features", "model", "reply")  # a quarter of the budget each
WARM_UP = 20


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def ask(connection, path, flight):
    """(the answer, ms of each stage and of the whole call); None where the features did not come in their time."""
    body = {key: flight[key] for key in data.KEYS} | {"at": data.moment(flight).isoformat()}
    began = time.perf_counter()
    connection.request("POST", path, json.dumps(body))
    response = connection.getresponse()
    answer = json.loads(response.read())
    whole_ms = (time.perf_counter() - began) * 1000
    if response.status == 504:
        return None
    if response.status != 200:
        raise SystemExit(f"{response.status}: {answer['error']}")
    timing = dict(part.split(";dur=") for part in response.headers["Server-Timing"].split(", "))
    return answer, {stage: float(ms) for stage, ms in timing.items()} | {"whole call": whole_ms}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000/predict")
    parser.add_argument("--flights", required=True, help="departures.ndjson")
    parser.add_argument("--from", type=int, default=40_000, dest="first", help="the first flight that is asked about")
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()

    url = urllib.parse.urlsplit(options.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    flights = data.read_flights(options.flights, options.first, WARM_UP + options.count)
    told = [ask(connection, url.path, flight) for flight in flights][WARM_UP:]
    flights = [flight for flight, answer in zip(flights[WARM_UP:], told) if answer is not None]
    late = told.count(None)
    told = [answer for answer in told if answer is not None]
    if not told:
        raise SystemExit(f"none of {late} flights got its features in time")
    print(f"{'':12}{'p50 ms':>10}{'p99 ms':>10}{'budget ms':>12}")
    for stage in (*STAGES, "whole call"):
        taken = [ms[stage] for _, ms in told]
        budget = BUDGET_MS if stage == "whole call" else BUDGET_MS // len(STAGES)
        print(f"{stage:12}{percentile(taken, 0.5):>10.3f}{percentile(taken, 0.99):>10.3f}{budget:>12}")
    right = sum((answer["late"] > 0.5) == data.is_late(flight) for (answer, _), flight in zip(told, flights))
    print(f"{len(told)} flights, {right / len(told):.0%} predicted rightly; {late} without features within their budget")


if __name__ == "__main__":
    main()
