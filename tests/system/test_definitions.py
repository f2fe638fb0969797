"""Definitions through their life: planned, applied, changed into versions that are filled before they
are shown, kept over restarts, all or nothing."""

import json
import threading
import time

import pytest

from resp import Closed, Error, Got

SOURCE = """
sources:
  clicks:
    description: Clicks.
    fields: {id: string, at: timestamp_us, user: string, page: string, n: int}
    event_time: at
    event_id: id
    clock: event
"""
ENTITY = """
entities:
  user: {keys: [user]}
"""
VIEW = """
views:
  user_clicks:
    source: clicks
    entity: user
    features:
      clicks: {count: '*', over: forever}
      total:  {sum: n, over: forever}
"""
DEFINITIONS = SOURCE + ENTITY + VIEW
CHANGED = DEFINITIONS.replace("total:  {sum: n, over: forever}", "total:  {sum: n, over: forever, where: n > 10}")
USERS = 5


def click(number):
    return json.dumps({"id": str(number), "at": number, "user": f"u{number % USERS}", "page": "p", "n": number})


def push(server, numbers, batch=1000):
    numbers = list(numbers)
    with server.client() as client:
        for start in range(0, len(numbers), batch):
            client.call("ASOF.PUSH", "clicks", *map(click, numbers[start:start + batch]))


def expected(user, count, where=lambda number: True):
    """(clicks, total) of the user after the first count clicks."""
    numbers = [number for number in range(count) if number % USERS == user]
    return [b"%d" % len(numbers), b"%d" % sum(filter(where, numbers))]


def apply(server, text, *options, name="definitions.yaml", command="apply"):
    """What changed: [(change, noun, name, version)]."""
    path = server.data.parent / name
    path.write_text(text)
    if command == "apply":
        options += ("--promote",)
    changes = json.loads(server.asof(command, str(path), "--json", *options).stdout)["changes"]
    return [(change["change"], change["noun"], change["name"], change["version"]) for change in changes]


def fills(server):
    return json.loads(server.call("ASOF.FILLS"))


def versions(server, view):
    return json.loads(server.call("ASOF.DESCRIBE", view))


def test_new_unchanged_described_changed(server):
    assert apply(server, DEFINITIONS) == [("new", "source", "clicks", 0), ("new", "entity", "user", 0),
                                          ("new", "view", "user_clicks", 1)]
    assert {change for change, *_ in apply(server, DEFINITIONS)} == {"unchanged"}
    respelt = DEFINITIONS.replace("{keys: [user]}", "{keys: ['user']}").replace("total:  {sum: n,", "total: {sum:   n ,")
    assert {change for change, *_ in apply(server, respelt)} == {"unchanged"}
    described = DEFINITIONS.replace("description: Clicks.", "description: Clicks on pages.").replace(
        "    entity: user\n", "    entity: user\n    owner: web@example.com\n    tags: {team: web}\n")
    assert apply(server, described) == [("described", "source", "clicks", 0), ("unchanged", "entity", "user", 0),
                                        ("described", "view", "user_clicks", 1)]
    view = versions(server, "user_clicks")
    assert (view["owner"], view["tags"], view["version"]) == ("web@example.com", {"team": "web"}, 1)
    assert versions(server, "clicks")["description"] == "Clicks on pages."
    assert ("changed", "view", "user_clicks", 2) in apply(server, CHANGED)
    assert ("changed", "view", "user_clicks", 3) in apply(server, DEFINITIONS)  # back again is a new version, too


def test_a_plan_says_the_same_and_changes_nothing(server):
    planned = apply(server, DEFINITIONS, command="plan")
    assert json.loads(server.call("ASOF.LIST")) == {"sources": [], "entities": [], "views": [],
                                                  "services": []}
    assert apply(server, DEFINITIONS) == planned
    before = server.call("ASOF.LIST")
    assert ("changed", "view", "user_clicks", 2) in apply(server, CHANGED, command="plan")
    assert server.call("ASOF.LIST") == before


def test_a_new_view_is_filled_from_the_log(server):
    apply(server, SOURCE)
    push(server, range(3000))

    apply(server, ENTITY + VIEW, name="view.yaml")

    with server.client() as client:
        for user in range(USERS):
            assert client.call("HMGET", f"user_clicks:u{user}", "clicks", "total") == expected(user, 3000)


def test_a_version_is_shown_only_when_it_is_filled(server):
    count = 60_000
    apply(server, DEFINITIONS)
    push(server, range(count))
    second = DEFINITIONS.replace("total:  {sum: n, over: forever}", "total:  {sum: n, over: forever, where: n >= 0}")
    new = VIEW.replace("user_clicks", "new_clicks")

    apply(server, second + new.replace("\nviews:", ""), "--no-wait")

    seen = set()
    with server.client() as client:
        while True:
            got = Got(client.call("ASOF.GET", "user_clicks:u1"))
            assert [got.values[name].encode() for name in ("clicks", "total")] == expected(1, count)
            (reply,) = client.pipeline([("HMGET", "new_clicks:u1", "clicks", "total")])
            if isinstance(reply, Error):
                assert str(reply).startswith("UNAVAILABLE")
            else:
                assert reply == expected(1, count)
            (pinned,) = client.pipeline([("HGET", "user_clicks@2:u1", "clicks")])
            assert pinned == expected(1, count)[0] or str(pinned).startswith("UNAVAILABLE")
            seen.add((got.view, isinstance(reply, Error)))
            if got.view == "user_clicks@2" and not isinstance(reply, Error):
                break
    assert ("user_clicks@1", True) in seen
    assert fills(server) == []


def test_events_that_come_during_a_fill_count_once(server):
    before, during = 30_000, 2_000
    apply(server, DEFINITIONS)
    push(server, range(before))

    apply(server, CHANGED, "--no-wait")
    push(server, range(before, before + during), batch=50)
    push(server, range(before - 500, before + during), batch=500)  # once more
    server.wait_for(lambda: fills(server) == [])

    with server.client() as client:
        for user in range(USERS):
            assert client.call("HMGET", f"user_clicks:u{user}", "clicks", "total") == expected(
                user, before + during, lambda number: number > 10)
            assert client.call("HMGET", f"user_clicks@1:u{user}", "clicks", "total") == expected(user, before + during)


def test_old_versions_go_on(server):
    apply(server, DEFINITIONS)
    push(server, range(100))
    apply(server, CHANGED)
    push(server, range(100, 200))

    with server.client() as client:
        assert client.call("HMGET", "user_clicks@1:u1", "clicks", "total") == expected(1, 200)
        assert client.call("HMGET", "user_clicks@2:u1", "clicks", "total") == expected(1, 200, lambda n: n > 10)
        assert Got(client.call("ASOF.GET", "user_clicks:u1")).view == "user_clicks@2"
        assert client.call("HGET", "user_clicks@3:u1", "clicks") is None


def test_definitions_and_clocks_are_in_force_after_a_restart(server):
    apply(server, DEFINITIONS)
    push(server, range(100))
    apply(server, CHANGED)
    listed = server.call("ASOF.LIST")
    described = server.call("ASOF.DESCRIBE", "user_clicks")
    read = server.call("ASOF.GET", "user_clicks:u1")

    server.restart()

    assert server.call("ASOF.LIST") == listed
    assert server.call("ASOF.DESCRIBE", "user_clicks") == described
    assert server.call("ASOF.GET", "user_clicks:u1") == read
    assert {change for change, *_ in apply(server, CHANGED)} == {"unchanged"}
    push(server, range(100, 110))
    assert server.call("HGET", "user_clicks:u1", "clicks") == expected(1, 110)[0]


def test_a_mistake_in_one_file_applies_nothing_of_any(server, tmp_path):
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "a_source.yaml").write_text(SOURCE)
    (folder / "b_entity.yaml").write_text(ENTITY)
    (folder / "c_view.yaml").write_text(VIEW.replace("sum: n", "sum: m"))

    done = server.asof("apply", str(folder), check=False)

    assert done.returncode == 1 and f"{folder}/c_view.yaml:8:21: " in done.stderr
    assert json.loads(server.call("ASOF.LIST")) == {"sources": [], "entities": [], "views": [],
                                                  "services": []}
    (folder / "c_view.yaml").write_text(VIEW)
    server.asof("apply", str(folder))
    assert [view["name"] for view in json.loads(server.call("ASOF.LIST"))["views"]] == ["user_clicks"]


def test_a_source_that_loses_a_used_field_is_refused(server):
    apply(server, DEFINITIONS)
    with server.client() as client:
        (reply,) = client.pipeline([("ASOF.APPLY", "s.yaml", SOURCE.replace(", n: int", ""))])
        assert isinstance(reply, Error) and "user_clicks" in str(reply) and "'n'" in str(reply)
    assert apply(server, SOURCE.replace("page: string, ", "")) == [("changed", "source", "clicks", 0)]


def test_a_field_that_no_view_uses_makes_no_version(server):
    apply(server, DEFINITIONS)
    changes = apply(server, DEFINITIONS.replace("n: int", "n: int, extra: double"))
    assert ("changed", "source", "clicks", 0) in changes and ("unchanged", "view", "user_clicks", 1) in changes
    assert server.call("ASOF.PUSH", "clicks", '{"id":"1","at":1,"user":"u1","n":1,"extra":0.5}') == 1
    assert server.call("HGET", "user_clicks:u1", "clicks") == b"1"


def test_a_changed_type_makes_a_version_filled_by_the_new_type(server):
    apply(server, DEFINITIONS)
    push(server, range(50))
    assert ("changed", "view", "user_clicks", 2) in apply(server, DEFINITIONS.replace("n: int", "n: decimal(3)"))
    assert server.call("ASOF.PUSH", "clicks", '{"id":"half","at":99,"user":"u1","n":0.5}') == 1
    with server.client() as client:
        assert client.call("HMGET", "user_clicks@1:u1", "total") == expected(1, 50)[1:]
        assert client.call("HMGET", "user_clicks:u1", "clicks", "total") == [b"11", b"%d.5" % int(expected(1, 50)[1])]
        # Version 1 can't hold 0.5, so it is not one of its events.
        assert client.call("HGET", "user_clicks@1:u1", "clicks") == expected(1, 50)[0]
        assert b"stream_events_mismatched_total:1\r\n" in client.call("INFO", "asof")


def test_events_without_an_id_count_as_often_as_they_were_pushed_through_a_fill(server):
    apply(server, DEFINITIONS.replace("    event_id: id\n", ""))
    push(server, range(300))
    push(server, range(300))
    apply(server, CHANGED.replace("    event_id: id\n", ""))
    for key in ("user_clicks:u1", "user_clicks@1:u1"):
        assert server.call("HGET", key, "clicks") == b"120"


def test_definitions_are_in_force_after_kill_9(server):
    apply(server, DEFINITIONS)
    server.kill()
    server.start()
    assert {change for change, *_ in apply(server, DEFINITIONS)} == {"unchanged"}


def test_what_is_unknown_is_not_found(server):
    apply(server, DEFINITIONS)
    with server.client() as client:
        for name in ("user_click", "user_clicks@7"):
            (reply,) = client.pipeline([("ASOF.DESCRIBE", name)])
            assert isinstance(reply, Error) and str(reply).startswith("NOTFOUND") and "user_clicks" in str(reply)


def test_kill_9_during_a_fill(server, draw):
    count = 60_000
    apply(server, DEFINITIONS)
    push(server, range(count))
    apply(server, CHANGED, "--no-wait")
    kills = 0
    while kills < 10:
        time.sleep(draw.uniform(0, 0.08))
        server.kill()
        server.start()
        kills += 1
        if fills(server) == []:
            break
    server.wait_for(lambda: fills(server) == [])
    with server.client() as client:
        for user in range(USERS):
            assert client.call("HMGET", f"user_clicks:u{user}", "clicks", "total") == expected(
                user, count, lambda number: number > 10)
    assert versions(server, "user_clicks")["active"] == 2


def test_kill_9_while_definitions_are_applied(server, draw):
    apply(server, DEFINITIONS)
    push(server, range(500))
    acknowledged = []

    def apply_again_and_again():
        try:
            with server.client() as client:
                for number in range(10**6):
                    text = DEFINITIONS.replace("over: forever}", f"over: {number + 1}s}}", 1)
                    client.call("ASOF.APPLY", "PROMOTE", "a.yaml", text)
                    acknowledged.append(number)
        except (Closed, OSError):
            pass

    for _ in range(3):
        before = len(acknowledged)
        thread = threading.Thread(target=apply_again_and_again)
        thread.start()
        time.sleep(draw.uniform(0.05, 0.3))
        server.kill()
        thread.join()
        server.start()
        server.wait_for(lambda: fills(server) == [])
        view = versions(server, "user_clicks")
        assert len(acknowledged) > before and view["active"] >= len(acknowledged)
        assert server.call("HGET", "user_clicks@1:u1", "clicks") == expected(1, 500)[0]
        assert server.call("HGET", "user_clicks:u1", "total") == expected(1, 500)[1]


def test_applying_while_events_come_loses_none(server):
    apply(server, DEFINITIONS)
    pushing = threading.Thread(target=push, args=(server, range(20_000), 20))
    pushing.start()
    version = 1
    while pushing.is_alive() and version < 6:
        version += 1
        apply(server, DEFINITIONS.replace("over: forever}", f"over: {version}d}}", 1))
    pushing.join()
    server.wait_for(lambda: fills(server) == [])
    with server.client() as client:
        for number in range(1, version + 1):
            assert client.call("HMGET", f"user_clicks@{number}:u3", "clicks", "total") == expected(3, 20_000)
    assert version > 1


@pytest.mark.parametrize("count", [1, 300])
def test_many_views_at_once(server, count):
    views = "views:\n" + "".join(VIEW.replace("\nviews:\n", "").replace("user_clicks", f"view_{i}") for i in range(count))
    changes = apply(server, SOURCE + ENTITY + views)
    assert len(changes) == count + 2
    push(server, range(50))
    assert server.call("HGET", f"view_{count - 1}:u1", "clicks") == expected(1, 50)[0]


def test_now_follows_an_event_time_that_was_corrected(server):
    definitions = """
sources:
  q: {clock: event, fields: {ts: %s, k: string}, event_time: ts}
entities:
  e: {keys: [k]}
views:
  vq: {source: q, entity: e, features: {c: {count: '*', over: 5m}}}
"""
    server.apply(definitions % "timestamp_ms")
    server.call("ASOF.PUSH", "q", '{"ts":1700000000,"k":"a"}')  # they were seconds

    server.apply(definitions % "timestamp_s")

    assert server.call("HGET", "vq:a", "c") == b"1"
    server.restart()
    assert server.call("HGET", "vq:a", "c") == b"1"
    assert server.call("ASOF.GET", "vq:a")[3] == 1700000000000000


def test_more_sources_than_there_may_be_are_refused_and_the_server_lives(server):
    sources = "sources:\n" + "".join(f"  s{i}: {{fields: {{ts: timestamp_s}}, event_time: ts}}\n" for i in range(1001))

    done = server.asof("apply", "-", input=sources, check=False)

    assert done.returncode == 1 and "at most 1000 sources" in done.stderr
    server.restart()
    assert json.loads(server.call("ASOF.LIST"))["sources"] == []


def test_the_log_tells_what_a_fill_had_to_leave_out(server):
    definitions = """
sources:
  s: {clock: event, fields: {ts: timestamp_s, k: string, d: decimal(%d)}, event_time: ts}
entities:
  e: {keys: [k]}
views:
  v: {source: s, entity: e, features: {n: {count: d, over: forever}}}
"""
    server.apply(definitions % 2)
    server.call("ASOF.PUSH", "s", '{"ts":1,"k":"a","d":1.25}', '{"ts":2,"k":"a","d":1.5}')

    server.apply(definitions % 1)

    assert server.call("HGET", "v:a", "n") == b"1" and server.call("HGET", "v@1:a", "n") == b"2"
    assert "view v@2 lacks 1 events of the log that do not fit its definition" in server.log()


def test_retention_deletes_old_raw_events_and_a_fill_says_what_it_lacks(server):
    definitions = """
sources:
  s: {clock: event, retention: 1h, fields: {ts: timestamp_s, k: string}, event_time: ts}
entities:
  e: {keys: [k]}
views:
  v: {source: s, entity: e, features: {n: {count: '*', over: %s}}}
"""
    server.apply(definitions % "forever")
    for ts in range(0, 10 * 3600, 600):
        server.call("ASOF.PUSH", "s", '{"ts":%d,"k":"a"}' % ts)
    time.sleep(1)  # the house is kept a few times a second

    server.apply(definitions % "100d")

    assert server.call("HGET", "v@1:a", "n") == b"60"
    kept = int(server.call("HGET", "v@2:a", "n"))
    assert 6 <= kept <= 8
    assert f"view v@2 lacks {60 - kept} events that are beyond its source's retention" in server.log()
