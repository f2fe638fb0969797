"""A disk that takes no more: nothing acknowledged is lost, reads go on, and it mends itself.

The limit on a file's size (RLIMIT_FSIZE) stands for the full disk: write() fails all the same, and it
can be lifted while the server runs, without being root."""

import json
import resource

DEFINITIONS = """
sources:
  s: {fields: {id: string, ts: timestamp_s, k: string, pad: string}, event_time: ts, event_id: id, clock: event}
entities:
  k: {keys: [k]}
views:
  v:
    source: s
    entity: k
    features: {n: {count: '*', over: forever}}
"""
LIMIT_BYTES = 3 * 1024 * 1024
BATCH = 100


def batch(first):
    return [json.dumps({"id": str(i), "ts": i, "k": "a", "pad": f"{i:04d}" * 250})
            for i in range(first, first + BATCH)]


def limit_files(server, size):
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def push_until_refused(server):
    """How many events were acknowledged before a push failed, and how it failed."""
    acknowledged = 0
    with server.client() as client:
        while acknowledged < 100_000:
            [reply] = client.pipeline([("ASOF.PUSH", "s", *batch(acknowledged))])
            if not isinstance(reply, int):
                return acknowledged, str(reply)
            acknowledged += reply
    raise AssertionError("no push was refused")


def count(server):
    return int(server.call("HGET", "v:a", "n"))


def test_a_failed_write_is_refused_and_reads_go_on(server):
    server.apply(DEFINITIONS)
    limit_files(server, LIMIT_BYTES)

    acknowledged, refusal = push_until_refused(server)

    assert refusal.startswith("IOERR it is not known whether this was accepted"), refusal
    assert acknowledged > 0
    assert count(server) == acknowledged
    _, refusal = push_until_refused(server)
    assert refusal.startswith("UNAVAILABLE nothing was accepted"), refusal
    assert count(server) == acknowledged


def test_it_takes_events_again_once_there_is_room(server):
    server.apply(DEFINITIONS)
    limit_files(server, LIMIT_BYTES)
    acknowledged, _ = push_until_refused(server)
    limit_files(server, resource.RLIM_INFINITY)

    def takes_events():
        with server.client() as client:
            return client.pipeline([("ASOF.PUSH", "s", *batch(acknowledged))]) == [BATCH]

    server.wait_for(takes_events)

    assert count(server) == acknowledged + BATCH
    server.restart()
    assert count(server) == acknowledged + BATCH


def test_the_log_has_what_the_views_have_after_a_failed_write(server):
    server.apply(DEFINITIONS.replace(", event_id: id", ""))
    limit_files(server, LIMIT_BYTES)
    acknowledged, _ = push_until_refused(server)
    limit_files(server, resource.RLIM_INFINITY)
    for first in range(acknowledged, acknowledged + 5 * BATCH, BATCH):
        server.wait_for(lambda: server.client().pipeline([("ASOF.PUSH", "s", *batch(first))]) == [BATCH])

    # A view that is made now reads the log; no event of it may have been written over.
    server.apply("views: {w: {source: s, entity: k, features: {n: {count: '*', over: forever}}}}")

    seen = count(server)
    assert seen >= acknowledged + 5 * BATCH
    assert int(server.call("HGET", "w:a", "n")) == seen
    server.restart()
    assert count(server) == seen and int(server.call("HGET", "w:a", "n")) == seen
