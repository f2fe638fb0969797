"""What is pushed and what is read: the view of payments.yaml and events for it.

All of it comes from a fixed seed and the wall clock, so two runs push the same events at the same ages.
Cards are named by 12 digits, as redis-benchmark writes its __rand_int__."""

import math
import pathlib
import random

DEFINITIONS = pathlib.Path(__file__).with_name("payments.yaml")
SOURCE = "payments"
VIEW = "card_payments"
# The ten of the twenty features that are read, two of each window.
FEATURES_READ = ("payments_5m", "amount_sum_5m", "payments_1h", "amount_avg_1h", "payments_1d", "countries_1d",
                 "payments_7d", "amount_avg_7d", "session_payments", "session_seconds")
EVENTS_PER_ENTITY = 10
AGE_MIN_MS, AGE_MAX_MS = 1_000, 6 * 86_400_000  # all stay in the 7-day window while the benchmark runs
SEED = 4
COUNTRIES = ("DE", "FR", "US", "GB", "PL", "NL", "IT", "ES")


def key(entity):
    """The Redis key of an entity's row: of a view at asofd, of a hash at redis-server."""
    return f"{VIEW}:{entity:012d}"


def event(number, time_ms, entity, draw):
    """One event as JSON, about 155 bytes. `number` makes its id,
    `draw` (a random.Random) its values."""
    bits = draw.getrandbits(48)
    return (b'{"txn":"t-%012d","ts":%d,"card":"%012d","merchant":"merchant-%04d","country":"%s",'
            b'"amount":%d.%02d,"status":"authorised","mcc":%04d}'
            % (number, time_ms, entity, bits % 5000, COUNTRIES[bits >> 13 & 7].encode(),
               10 + (bits >> 16) % 140, (bits >> 24) % 100, 1000 + (bits >> 32) % 9000))


def history(entities, now_ms):
    """EVENTS_PER_ENTITY events of each entity, by time. Ages are log-uniform: every window holds some."""
    draw = random.Random(SEED)
    low, high = math.log(AGE_MIN_MS), math.log(AGE_MAX_MS)
    moments = sorted((now_ms - int(math.exp(draw.uniform(low, high))), entity)
                     for entity in range(entities) for _ in range(EVENTS_PER_ENTITY))
    return [event(number, time_ms, entity, draw) for number, (time_ms, entity) in enumerate(moments)]


def stream(count, entities, first_ms, last_ms, seed=SEED):
    """`count` events by time between two moments, keys skewed as Zipf's law (exponent 1) over the entities.
    Streams of different seeds share no event id."""
    draw = random.Random(seed)
    total, cumulated = 0.0, []
    for rank in range(1, entities + 1):
        total += 1 / rank
        cumulated.append(total)
    picked = draw.choices(range(entities), cum_weights=cumulated, k=count)
    step_ms = (last_ms - first_ms) / count
    return [event(seed * 10**9 + i, first_ms + int(i * step_ms), entity, draw) for i, entity in enumerate(picked)]


def timeline(entity, count, now_ms):
    """`count` events of one entity, evenly over the last six days, by time."""
    draw = random.Random(entity)
    return [event(entity + i, now_ms - AGE_MAX_MS + AGE_MAX_MS * i // count, entity, draw) for i in range(count)]


def batches(items, size):
    """The items in lists of at most `size`."""
    return [items[i:i + size] for i in range(0, len(items), size)]


class Same:
    """Draws the same values for each event."""

    @staticmethod
    def getrandbits(_):
        return 1
