#!/usr/bin/env python3
"""Trains the delay model: one call reads the features of many flights, each as of its own moment.

    ./train.py --flights build/flights/departures.ndjson --model delay.model
"""

import argparse
import pickle
import random

import asof
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import flights as data

ROWS_PER_CALL = 2000


def training_rows(client, flights):
    """A row of features for each flight, as of half an hour before its schedule, and without events of that moment."""
    chunks = [flights[start:start + ROWS_PER_CALL] for start in range(0, len(flights), ROWS_PER_CALL)]
    return numpy.concatenate([
        client.get(data.SERVICE, data.entities(chunk), at=[data.moment(flight) for flight in chunk],
                   exclusive=True, timeout=60).to_matrix()
        for chunk in chunks])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", help="HOST:PORT of RPC (default: ASOF_SERVER, else 127.0.0.1:6391)")
    parser.add_argument("--flights", required=True, help="departures.ndjson")
    parser.add_argument("--from", type=int, default=20_000, dest="first", help="the first flight that is taken")
    parser.add_argument("--count", type=int, default=20_000, help="how many flights behind it are drawn from")
    parser.add_argument("--rows", type=int, default=6_000, help="how many of them are taken")
    parser.add_argument("--model", default="delay.model", help="where the model is written")
    options = parser.parse_args()

    flights = data.read_flights(options.flights, options.first, options.count)
    flights = random.Random(1).sample(flights, min(options.rows, len(flights)))
    flights.sort(key=data.moment)
    with asof.Client(options.server) as client:
        rows = training_rows(client, flights)
    labels = numpy.array([data.is_late(flight) for flight in flights])

    held_out = len(rows) // 4  # the last ones: a model is asked about the future
    model = HistGradientBoostingClassifier(max_iter=60, random_state=1)
    model.fit(rows[:-held_out], labels[:-held_out])
    score = roc_auc_score(labels[-held_out:], model.predict_proba(rows[-held_out:])[:, 1])
    with open(options.model, "wb") as file:
        pickle.dump(model, file)
    print(f"{len(rows)} flights, {labels.mean():.0%} late; area under the curve on the last {held_out}: {score:.3f}")


if __name__ == "__main__":
    main()
