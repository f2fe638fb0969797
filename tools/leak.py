#!/usr/bin/env python3
"""What a join leaks that is not point-in-time, measured on the demo's flights and drawn (`make leak`).

The question is whether a plane leaves more than 15 minutes late, asked just before it leaves; features are delays of the airport, the
airline, their bank of departures, and the flight's number. A model is trained on labels that were joined in four ways; the last
third of the year says how good it looks by the same join, and how good it is on what a server knows at that moment.
Prints the numbers and writes the picture."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import pyarrow.parquet
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

ROOT = pathlib.Path(__file__).resolve().parents[1]
FEATURES = ("airport_departures.delay_avg_1h,airport_departures.late_share_1h,airport_departures.delay_max_1h,"
            "carrier_departures.delay_avg_1h,carrier_departures.delay_avg_1d,gate_departures.bank_delay_avg,"
            "gate_departures.bank_late,gate_departures.bank_departures,flight_number_departures.delay_avg_10,"
            "flight_number_departures.late_10")
LABELS = 40_000
NULL = -1000.0  # what a model sees of it
TRAINED_PART = 2 / 3  # of the labels, by time
# How labels are joined: what it is called, the column with T, and whether events at T count.
JOINS = [("the newest row", "end_of_year", []), ("the day's table", "end_of_day", []), ("as of T", "at", []),
         ("as of T, exclusive", "at", ["--exclusive"])]
SERVED = JOINS[-1][0]


def write_labels(flights, path):
    """Departures of the year, each n-th, with the moments that joins go by."""
    duckdb.sql(f"""
        COPY (WITH numbered AS (SELECT *, row_number() OVER (ORDER BY "at", flight_id) AS number, count(*) OVER () AS total
                                FROM read_ndjson('{flights}') WHERE NOT cancelled)
              SELECT origin, carrier, flight, dep_delay > 15 AS late, "at"::TIMESTAMP AS "at",
                     date_trunc('day', "at"::TIMESTAMP) + INTERVAL 1 DAY AS end_of_day, max("at"::TIMESTAMP) OVER () AS end_of_year
              FROM numbered WHERE number % (total // {LABELS}) = 0 ORDER BY number)
        TO '{path}' (FORMAT parquet)""")


class Server:
    """asofd with a year of departures, for as long as the block runs."""

    def __init__(self, build, folder, flights):
        self.asof = build / "asof"
        self.process = subprocess.Popen([build / "asofd", "--data", folder / "data", "--resp-port", "0", "--rpc-port", "0", "--http-port",
                                         "off"], stdout=subprocess.PIPE, text=True)
        ready = dict(word.split("=") for word in self.process.stdout.readline().split() if "=" in word)
        self.environment = os.environ | {"ASOF_SERVER": ready["rpc"]}
        self.run("apply", ROOT / "examples/flights")
        self.run("push", "departures", flights)

    def run(self, *words):
        subprocess.run([self.asof, *words], env=self.environment, check=True, stdout=sys.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def measure(build, flights):
    """[(join, the area under the curve as it is evaluated, and as it is served)]"""
    sets = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_labels(flights, folder / "labels.parquet")
        with Server(build, folder, flights) as server:
            for join, column, words in JOINS:
                server.run("export", "training", "--labels", folder / "labels.parquet", "--time-column", column, "--features", FEATURES,
                           "--full-names", "--out", folder / "set.parquet", *words)
                sets[join] = pyarrow.parquet.read_table(folder / "set.parquet").to_pandas()
    names = [feature.replace(".", "__") for feature in FEATURES.split(",")]
    tables = {join: table[names].astype(float).fillna(NULL) for join, table in sets.items()}
    late = sets[SERVED]["late"]
    trained = int(len(late) * TRAINED_PART)
    results = []
    for join, table in tables.items():
        varied = [name for name in names if table[name][:trained].nunique() > 1]
        model = HistGradientBoostingClassifier(random_state=0).fit(table[varied][:trained], late[:trained])

        def area(of):
            return roc_auc_score(late[trained:], model.predict_proba(of[varied][trained:])[:, 1])

        results.append((join, area(table), area(tables[SERVED])))
    return results


# ---- the picture ----

WIDTH, ROW, LEFT, BAR, TOP = 700, 62, 170, 17, 46
GREY, EVALUATED, IN_SERVICE = "#8b949e", "#e0823d", "#2f81f7"
LEAST, MOST = 0.5, 1.0  # a coin; a prophet


def text(x, y, words, color=GREY, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}" text-anchor="{anchor}">{words}</text>'


def draw(results):
    """Bars from a coin's 0.5: readable on dark and light, the same bytes for the same numbers."""
    def x_of(area):
        return LEFT + max(area - LEAST, 0) / (MOST - LEAST) * (WIDTH - LEFT - 50)

    height = TOP + ROW * len(results) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
             text(LEFT, 18, "■ what the evaluation says", EVALUATED), text(LEFT + 220, 18, "■ what it is in service", IN_SERVICE)]
    for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        x = x_of(tick)
        parts += [f'<path d="M{x:.0f} {TOP - 12}V{height - 28}" stroke="{GREY}" stroke-opacity="0.25"/>',
                  text(x, height - 10, f"{tick:.1f}", anchor="middle")]
    for i, (join, evaluated, served) in enumerate(results):
        y = TOP + i * ROW
        parts.append(text(LEFT - 12, y + BAR + 4, join, anchor="end"))
        for area, color, top in ((evaluated, EVALUATED, y), (served, IN_SERVICE, y + BAR + 2)):
            width = x_of(area) - LEFT
            parts += [f'<rect x="{LEFT}" y="{top}" width="{width:.0f}" height="{BAR}" fill="{color}"/>',
                      text(LEFT + width + 6, top + BAR - 4, f"{area:.2f}", color)]
    return "\n".join([*parts, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--flights", type=pathlib.Path, default=ROOT / "build/flights")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "docs/plots/leak.svg")
    options = parser.parse_args()
    results = measure(options.build, options.flights / "departures.ndjson")
    for join, evaluated, served in results:
        print(f"| {join} | {evaluated:.2f} | {served:.2f} |")
    options.out.write_text(draw(results), encoding="utf-8")


if __name__ == "__main__":
    main()
