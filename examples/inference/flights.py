"""The flights that the model is made of, and asked about."""

import datetime
import json

SERVICE = "delay"
KEYS = ("origin", "dest", "carrier", "flight", "tailnum")
LATE_MINUTES = 15
BEFORE = datetime.timedelta(minutes=30)  # a prediction is made so long before the schedule


def read_flights(path, first=0, count=None):
    """Flights of departures.ndjson, from number `first` on: those that left and have a plane."""
    flights = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            flight = json.loads(line)
            if not flight["cancelled"] and flight["tailnum"]:
                flights.append(flight)
            if count is not None and len(flights) >= first + count:
                break
    return flights[first:]


def entities(flights):
    """Their keys, a list for each."""
    return {key: [flight[key] for flight in flights] for key in KEYS}


def moment(flight):
    """When its delay is predicted."""
    scheduled = datetime.datetime.fromtimestamp(flight["scheduled_at"] / 1000, datetime.timezone.utc)
    return scheduled - BEFORE


def is_late(flight):
    """The label: what nobody knows at that moment."""
    return flight["dep_delay"] > LATE_MINUTES
