"""Reads over RPC: calls of one entity and of a hundred, against grpc++ with a constant answer and redis-server with the
same rows; point in time with a T for each row."""

import dataclasses
import random

import rpc_python
import rpc_world
import workload
from measure import Spread
from resp import Got
from rpc_load import read_answers, run_calls, write_calls
from rpc_pair import BATCHES, FEATURES, REQUESTS, RpcPair, call, card, commands
from servers import BenchError, Grpcpp

CONNECTIONS = 4
IN_FLIGHT = 16       # on each connection
ONE_VIEW = ("card_1d",)
ALL_VIEWS = tuple(FEATURES)
BATCH = 100          # entities of a batch
CHECKED = 50         # answers of each kind whose values are held against the Redis protocol
PAST_ROWS = 100


@dataclasses.dataclass
class Side:
    """One server and framing, over all rounds."""

    cpu_us: Spread
    per_s: Spread
    p99_ms: Spread


@dataclasses.dataclass
class Comparison:
    """Calls of the same content, by the name of server and framing; ratios are of the same round."""

    sides: dict
    cpu_ratios: dict  # (a, b): Spread of a to b
    p99_ratios: dict


@dataclasses.dataclass
class RpcResult:
    entities: int
    rounds: int
    one: Comparison
    batch: Comparison
    past_rows_per_cpu_s: Spread
    python: rpc_python.PythonResult


def measure(folder, entities, rounds, run_s, say):
    """BenchError where a value is not that of the Redis protocol."""
    with RpcPair(folder, entities, say) as pair:
        one = _compare(pair, folder, "1 entity, 10 features", ONE_VIEW, 1, REQUESTS, rounds, run_s, say)
        batch = _compare(pair, folder, f"{BATCH} entities, 50 features", ALL_VIEWS, BATCH, BATCHES, rounds, run_s, say)
        python = rpc_python.measure(pair, folder, rounds, run_s, say)
        past = _past(pair, folder, rounds, run_s, say)
    return RpcResult(entities, rounds, one, batch, past, python)


# ---- calls against grpc++ and redis-server ----

def _compare(pair, folder, what, views, each, count, rounds, run_s, say):
    """A B C D, `rounds` times."""
    say(f"RPC, {what}, {rounds} rounds")
    some = pair.draw_entities(workload.SEED, count, each)
    calls = write_calls(folder / f"calls-{each}", (call(views, entities) for entities in some))
    batches = write_calls(folder / f"commands-{each}", (commands(views, entities) for entities in some), each * len(views))
    answers = _check(pair, folder, calls)
    with Grpcpp(folder, answers[0]) as grpcpp:
        peers = {"asofd, light frame": (pair.asofd, "light", pair.asofd.rpc_port, calls),
                 "asofd, gRPC": (pair.asofd, "grpc", pair.asofd.rpc_port, calls),
                 "grpc++": (grpcpp, "grpc", grpcpp.port, calls),
                 "redis-server": (pair.redis, "resp", pair.redis.port, batches)}
        runs = {name: [] for name in peers}
        for number in range(rounds + 1):
            for name, (peer, kind, port, path) in peers.items():
                run = run_calls(peer, kind, port, path, run_s, IN_FLIGHT, CONNECTIONS)
                if number > 0:  # the first is to warm up
                    runs[name].append(run)
    return _comparison(runs)


def _comparison(runs):
    def spread(name, attribute):
        return Spread.of([getattr(run, attribute) for run in runs[name]])

    def ratios(attribute):
        return {(a, b): Spread.of([getattr(ours, attribute) / getattr(theirs, attribute)
                                   for ours, theirs in zip(runs[a], runs[b])])
                for a in runs for b in runs if a.startswith("asofd") and not b.startswith("asofd")}

    sides = {name: Side(*(spread(name, attribute) for attribute in ("cpu_us", "per_s", "p99_ms"))) for name in runs}
    return Comparison(sides, ratios("cpu_us"), ratios("p99_ms"))


def _check(pair, folder, calls):
    """Holds answers of both framings against ASOF.GET as of their moment, value by value; returns them."""
    for kind in ("light", "grpc"):
        kept = folder / "answers"
        run_calls(pair.asofd, kind, pair.asofd.rpc_port, calls, 0.5, IN_FLIGHT, CONNECTIONS, kept, CHECKED)
        requests, answers = read_requests(calls, CHECKED), read_answers(kept)
        if not any(answers):
            raise pair.asofd.failed(f"no answer to check over {kind}")
        with pair.asofd.client() as client:
            for request, answer in zip(requests, answers):
                if answer:
                    _check_one(pair, client, request, rpc_world.messages.GetFeaturesResponse.FromString(answer))
    return answers


def read_requests(path, count):
    """The first calls of a file that write_calls made."""
    data, requests = path.read_bytes(), []
    while len(requests) < count and data:
        size = int.from_bytes(data[:4], "big")
        requests.append(rpc_world.messages.GetFeaturesRequest.FromString(data[8:8 + size]))
        data = data[8 + size:]
    return requests


def _check_one(pair, client, request, answer):
    columns = {column.name: column for column in rpc_world.columns(answer)}
    at_us = {view.view: view.at_us for view in answer.views}
    for row, entity in enumerate(request.keys[0].strings):
        for view, moments in at_us.items():
            moment = moments[min(row, len(moments) - 1)]
            got = Got(client.call("ASOF.GET", f"{view}:{entity}", "AT", moment, "FIELDS", *FEATURES[view]))
            for name in FEATURES[view]:
                column = columns[f"{view}.{name}"]
                if not _is_same(column.values[row], got.values[name], column.digits) or \
                        column.statuses[row] != got.statuses[name]:
                    raise pair.asofd.failed(f"{view}:{entity} {name} at {moment} is {got.values[name]!r}, RPC says "
                                            f"{column.values[row]!r}")


def _is_same(value, text, digits):
    if value is None or text is None:
        return value is None and text is None
    if isinstance(value, float):
        return value == float(text)
    if isinstance(value, int) and digits:
        whole, _, part = text.lstrip("-").partition(".")
        number = int(whole + part.ljust(digits, "0"))
        return value == (-number if text.startswith("-") else number)
    return str(value) == text


# ---- point in time ----

def _past(pair, folder, rounds, run_s, say):
    """Ten features of a hundred entities, each as of a random moment of its own; all events in sorted files, all blocks in
    the cache."""
    say(f"RPC, one T a row, {rounds} rounds")
    draw = random.Random(workload.SEED)
    last_us, span_us = pair.loaded_ms * 1000, workload.AGE_MAX_MS * 1000
    some = pair.draw_entities(workload.SEED + 1, BATCHES, PAST_ROWS)
    calls = write_calls(folder / "past", (
        call(ONE_VIEW, entities, at_us=[last_us - draw.randrange(span_us) for _ in entities]) for entities in some))
    pair.restart_asofd()
    _check(pair, folder, calls)
    costs = []
    for number in range(rounds + 1):
        run = run_calls(pair.asofd, "light", pair.asofd.rpc_port, calls, run_s, 1, CONNECTIONS)
        if number > 0:
            costs.append(run.cpu_us / PAST_ROWS)
    if not all(costs):
        raise BenchError("point in time used no CPU that could be measured")
    return Spread.of([1e6 / cost for cost in costs])
