"""Definitions over their life: applied whole or not at all, kept, versioned, filled from the log."""

import json
import subprocess
import threading
import time

from conftest import ASOF, asof
from resp import Error

SOURCE = """
sources:
  s:
    fields: {id: string, ts: timestamp_s, k: string, n: int}
    event_time: ts
    event_id: id
    clock: event
entities:
  k: {keys: [k], description: A key.}
"""
VIEW = """
views:
  v:
    source: s
    entity: k
    description: %s
    features:
      n_sum: {sum: n, over: %s}
"""
DEFINITIONS = SOURCE + VIEW % ("Sums.", "10s")
LONGER = SOURCE + VIEW % ("Sums.", "1h")


def push(server, count, first=0):
    lines = "".join(json.dumps({"id": str(i), "ts": i, "k": f"k{i % 3}", "n": 1}) + "\n"
                    for i in range(first, first + count))
    server.asof("push", "s", "-", input=lines)


def plan(server, text, command="plan"):
    done = server.asof(command, "-", "--json", input=text)
    return {(change["noun"], change["name"]): (change["change"], change["version"])
            for change in json.loads(done.stdout)["changes"]}


def value(server, key):
    return server.call("HGET", key, "n_sum")


def test_a_plan_changes_nothing(server):
    assert plan(server, DEFINITIONS)[("view", "v")] == ("new", 1)

    assert server.call("HGET", "v:k0", "n_sum") is None
    assert json.loads(server.asof("list", "--json").stdout)["views"] == []


def test_applying_again_changes_nothing(server):
    server.apply(DEFINITIONS)

    assert set(change for change, _ in plan(server, DEFINITIONS, "apply").values()) == {"unchanged"}
    [view] = json.loads(server.asof("list", "--json").stdout)["views"]
    assert view["active"] == 1 and len(view["versions"]) == 1


def test_a_description_makes_no_version(server):
    server.apply(DEFINITIONS)

    changed = SOURCE + VIEW % ("Sums of n.", "10s")
    assert plan(server, changed, "apply")[("view", "v")] == ("described", 1)

    view = json.loads(server.asof("describe", "v", "--json").stdout)
    assert view["description"] == "Sums of n." and view["version"] == 1


def test_a_changed_window_is_a_version_filled_from_the_log(server):
    server.apply(DEFINITIONS)
    push(server, 3000)
    assert value(server, "v:k0") == b"3"

    assert plan(server, LONGER, "apply")[("view", "v")] == ("changed", 2)

    assert value(server, "v:k0") == b"1000"
    assert value(server, "v@2:k0") == b"1000"
    assert value(server, "v@1:k0") == b"3"
    push(server, 3, first=3000)
    assert value(server, "v:k0") == b"1001"
    assert value(server, "v@1:k0") == b"3"
    server.restart()
    assert value(server, "v:k0") == b"1001"
    assert value(server, "v@1:k0") == b"3"


def test_a_new_view_over_an_old_source_sees_its_past(server):
    server.apply(DEFINITIONS)
    push(server, 3000)

    server.apply("views: {w: {source: s, entity: k, features: {n_sum: {sum: n, over: forever}}}}", "w.yaml")

    assert value(server, "w:k1") == b"1000"
    assert server.asof("get", "w", "k1", "--at", "1970-01-01T00:00:10Z", "--json").stdout.count('"value":4')


def test_events_without_an_id_count_once_through_a_fill(server):
    server.apply(DEFINITIONS.replace("    event_id: id\n", ""))
    push(server, 300)
    push(server, 300)

    server.apply(LONGER.replace("    event_id: id\n", ""))

    assert value(server, "v:k0") == b"200"


def test_a_mistake_in_one_file_applies_nothing_of_all(server, tmp_path):
    (tmp_path / "a.yaml").write_text(DEFINITIONS)
    (tmp_path / "b.yaml").write_text("views:\n  w:\n    source: s\n    entity: k\n    features:\n"
                                     "      x: {sum: amont, over: 5m}\n")

    done = server.asof("apply", str(tmp_path), check=False)

    assert done.returncode == 1
    assert f"{tmp_path}/b.yaml:6:16: feature 'x': source 's' has no field 'amont'" in done.stderr
    assert json.loads(server.asof("list", "--json").stdout)["views"] == []


def test_a_field_that_a_view_needs_can_not_go(server):
    server.apply(DEFINITIONS)

    done = server.asof("apply", "-", input=SOURCE.replace(", n: int", ""), check=False)

    assert done.returncode == 1 and "'v'" in done.stderr and "'n'" in done.stderr
    assert plan(server, DEFINITIONS)[("source", "s")] == ("unchanged", 0)


def test_a_field_of_another_type_is_a_new_version_and_the_old_one_stays(server):
    server.apply(DEFINITIONS)
    push(server, 30)

    server.apply(DEFINITIONS.replace("n: int", "n: double"))
    with server.client() as client:
        assert client.call("ASOF.PUSH", "s", '{"id":"x","ts":29,"k":"k0","n":0.5}') == 1

    assert value(server, "v:k0") == b"3.5"
    assert value(server, "v@1:k0") == b"3"  # can't hold 0.5, so it is not one of its events
    assert b"stream_events_mismatched_total:1\r\n" in server.call("INFO")


def test_definitions_are_in_force_after_kill_9(server):
    server.apply(DEFINITIONS)
    server.kill()

    server.start()

    assert plan(server, DEFINITIONS) == {("source", "s"): ("unchanged", 0), ("entity", "k"): ("unchanged", 0),
                                         ("view", "v"): ("unchanged", 1)}


def test_a_fill_that_is_killed_goes_on(server, draw):
    server.apply(DEFINITIONS)
    push(server, 60_000)
    process = subprocess.Popen([ASOF, "--server", server.address, "apply", "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    process.stdin.write(LONGER)
    process.stdin.close()
    server.wait_for(lambda: json.loads(server.call("ASOF.FILLS")))
    for _ in range(3):
        time.sleep(draw.uniform(0, 0.1))
        server.kill()
        server.start()
        if value(server, "v:k0") == b"1200":
            break
        assert value(server, "v:k0") == b"3"  # the old version, until the new one is whole

    server.wait_for(lambda: not json.loads(server.call("ASOF.FILLS")))

    process.terminate()
    process.wait()
    assert value(server, "v:k0") == b"1200"
    assert value(server, "v@1:k0") == b"3"


def test_reads_and_pushes_go_on_during_a_fill(server):
    server.apply(DEFINITIONS)
    push(server, 60_000)
    applied = threading.Thread(target=server.apply, args=(LONGER,))
    applied.start()
    server.wait_for(lambda: json.loads(server.call("ASOF.FILLS")))

    pushed = 0
    while json.loads(server.call("ASOF.FILLS")):
        push(server, 3, first=60_000 + pushed)
        pushed += 3
        assert value(server, "v:k0") in (b"3", b"4", b"1200", b"1201")
    applied.join()

    assert pushed > 0
    assert value(server, "v:k0") in (b"1200", b"1201")
    first_s = 60_000 + pushed - 3600  # not counted by the window of an hour
    assert int(value(server, "v:k0")) == sum(1 for i in range(first_s, 60_000 + pushed) if i % 3 == 0)


def test_a_view_that_is_being_filled_says_so(server):
    server.apply(SOURCE)
    push(server, 60_000)
    applied = threading.Thread(target=server.apply, args=(DEFINITIONS,))
    applied.start()
    server.wait_for(lambda: json.loads(server.call("ASOF.FILLS")))
    try:
        reply = value(server, "v:k0")
        assert reply == b"3"  # it was done in between
    except Error as error:
        assert str(error).startswith("UNAVAILABLE view 'v' is being filled")
    applied.join()
    assert value(server, "v:k0") == b"3"


def test_what_is_unknown_is_not_found(server):
    server.apply(DEFINITIONS)

    done = server.asof("describe", "vv", check=False)
    assert done.returncode == 3 and "'v'" in done.stderr
    assert asof("--server", "127.0.0.1:1", "list", check=False).returncode == 4
    assert asof("aply", check=False).returncode == 2
