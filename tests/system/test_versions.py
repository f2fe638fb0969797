"""Versions of a view: filled, promoted, rolled back, compared, dropped, while others read and write; and
with the server killed at every step of it."""

import json
import os
import shutil
import threading
import time

import pytest

from resp import Closed, Error

IS_LONG = os.environ.get("ASOF_LONG") == "1"
SOURCE = """
sources:
  clicks:
    fields: {id: string, at: timestamp_us, user: string, n: int}
    event_time: at
    event_id: id
    clock: event
entities:
  user: {keys: [user]}
"""
VIEW = """
views:
  user_clicks:
    source: clicks
    entity: user
    where: n >= %d
    features:
      clicks: {count: '*', over: forever}
      total:  {sum: n, over: forever}
"""
USERS = 7
SWITCHES = 100 if IS_LONG else 30
SLOWEST_MS = 50 if IS_LONG else 1000  # a machine that does other things, too, stops everybody now and then
SLOWER = 2 if IS_LONG else 10  # the median read, while versions come and go
FAULTS_MAX = 60


def click(number):
    return json.dumps({"id": str(number), "at": number + 1, "user": f"u{number % USERS}", "n": number})


def push(server, numbers, batch=1000):
    numbers = list(numbers)
    with server.client() as client:
        for start in range(0, len(numbers), batch):
            client.call("ASOF.PUSH", "clicks", *map(click, numbers[start:start + batch]))


def expected(user, count, limit):
    """(clicks, total) of the user after the first count clicks, in the version that takes n >= limit."""
    numbers = [number for number in range(limit, count) if number % USERS == user]
    return [b"%d" % len(numbers), b"%d" % sum(numbers) if numbers else None]


def apply(server, limit, *options):
    return server.asof("apply", "-", *options, input=SOURCE + VIEW % limit).stdout


def describe(server):
    return json.loads(server.call("ASOF.DESCRIBE", "user_clicks"))


def states(server):
    return {version["version"]: version["state"] for version in describe(server)["versions"]}


def is_settled(server):
    return set(states(server).values()) <= {"active", "ready"}


def is_right(server, version, count, limit):
    with server.client() as client:
        return all(client.call("HMGET", f"user_clicks@{version}:u{user}", "clicks", "total") ==
                   expected(user, count, limit) for user in range(USERS))


# ---- one step after the other ----


def test_a_later_version_waits_until_it_is_promoted(server):
    apply(server, 0)
    push(server, range(500))
    assert states(server) == {1: "active"}
    planned = server.asof("plan", "-", input=SOURCE + VIEW % 100).stdout
    assert "user_clicks@2: filled from 500 events (" in planned and "asof promote user_clicks@2" in planned

    apply(server, 100)

    assert states(server) == {1: "active", 2: "ready"}
    assert server.call("HGET", "user_clicks:u1", "clicks") == expected(1, 500, 0)[0]
    assert is_right(server, 2, 500, 100)
    assert server.asof("promote", "user_clicks@2").stdout == "user_clicks@2 is active\n"
    assert server.call("HGET", "user_clicks:u1", "clicks") == expected(1, 500, 100)[0]
    assert server.asof("rollback", "user_clicks").stdout == "user_clicks@1 is active again\n"
    assert server.call("HGET", "user_clicks:u1", "clicks") == expected(1, 500, 0)[0]
    assert [(one["version"], one["cause"]) for one in describe(server)["switches"]] == [
        (1, "filled"), (2, "promoted"), (1, "rolled back")]
    assert "2 (ready)" in server.asof("list").stdout
    server.restart()
    assert states(server) == {1: "active", 2: "ready"}
    assert "unchanged" in apply(server, 0) and "unchanged" in apply(server, 100)


def test_what_can_not_be_done_is_refused_with_a_reason(server):
    apply(server, 0)
    push(server, range(10))
    apply(server, 5)
    for words, code, said in [
            (["promote", "user_clicks@3"], 3, "has no version 3"),
            (["promote", "user_clickz@1"], 3, "did you mean 'user_clicks'"),
            (["promote", "user_clicks"], 2, "names no version"),
            (["promote", "user_clicks@0"], 2, "names no version"),
            (["rollback", "user_clicks"], 1, "has no version that was active before"),
            (["rollback", "nothing"], 3, "there is no view"),
            (["drop", "user_clicks@1"], 1, "is the active one"),
            (["drop", "user_clicks@9"], 3, "has no version 9"),
            (["diff", "user_clicks@1", "user_clicks@9"], 3, "has no version 9")]:
        done = server.asof(*words, check=False)
        assert (done.returncode, said in done.stderr) == (code, True), (words, done)
    assert states(server) == {1: "active", 2: "ready"}


def test_a_filling_version_is_promoted_by_force_alone(server):
    count = 60_000
    apply(server, 0)
    push(server, range(count))
    apply(server, 7, "--no-wait")
    with server.client() as client:
        (refused,) = client.pipeline([("ASOF.PROMOTE", "user_clicks@2")])
        assert isinstance(refused, Error) and "still being filled" in str(refused)
        assert "2 (filling" in server.asof("list").stdout
        assert client.call("ASOF.PROMOTE", "user_clicks@2", "FORCE") == b"user_clicks@2"
        assert int(client.call("HGET", "user_clicks:u1", "clicks")) <= int(expected(1, count, 7)[0])
    server.wait_for(lambda: is_settled(server))
    assert states(server) == {1: "ready", 2: "active"} and is_right(server, 2, count, 7)


def test_apply_with_promote_switches_when_it_is_filled_also_after_a_kill(server):
    apply(server, 0)
    push(server, range(30_000))
    apply(server, 9, "--promote", "--no-wait")
    server.kill()
    server.start()
    server.wait_for(lambda: is_settled(server))
    assert states(server) == {1: "ready", 2: "active"} and is_right(server, 2, 30_000, 9)


def test_a_version_takes_events_whether_it_is_active_or_not(server):
    apply(server, 0)
    push(server, range(100))
    apply(server, 50)
    push(server, range(100, 200))
    server.call("ASOF.PROMOTE", "user_clicks@2")
    push(server, range(200, 300))
    assert is_right(server, 1, 300, 0) and is_right(server, 2, 300, 50)


# ---- diff ----


def test_a_diff_says_how_often_and_by_how_much(server):
    apply(server, 0)
    push(server, range(700))
    apply(server, 14)  # of each user two clicks less: user, user + 7
    diff = json.loads(server.asof("diff", "user_clicks@1", "user_clicks@2", "--json").stdout)
    assert (diff["entities"], diff["compared"], diff["at"]) == (USERS, USERS, 700)
    clicks, total = diff["features"]
    assert (clicks["name"], clicks["differing"], clicks["apart_mean"], clicks["apart_max"]) == ("clicks", USERS, 2, 2)
    assert (total["apart_mean"], total["apart_max"], total["entity"]) == (sum(range(14)) / USERS, 19, "u6")
    assert (int(total["left"]) - int(total["right"])) == 19

    early = json.loads(server.asof("diff", "user_clicks@1", "user_clicks@2", "--at", "7", "--json").stdout)
    assert (early["compared"], early["only_left"]) == (USERS, USERS)
    some = json.loads(server.asof("diff", "user_clicks@1", "user_clicks@2", "--sample", "3", "--json").stdout)
    assert (some["entities"], some["compared"]) == (USERS, 3)
    same = json.loads(server.asof("diff", "user_clicks@1", "user_clicks@1", "--json").stdout)
    assert [feature["differing"] for feature in same["features"]] == [0, 0]
    text = server.asof("diff", "user_clicks@1", "user_clicks@2").stdout
    assert "100.0 %" in text and "7 entities of 7 compared" in text


def test_a_diff_of_many_entities_samples_all_of_them(server):
    apply(server, 0)
    with server.client() as client:
        for start in range(0, 3000, 500):
            client.call("ASOF.PUSH", "clicks", *(
                json.dumps({"id": str(i), "at": i + 1, "user": f"user{i}", "n": i}) for i in range(start, start + 500)))
    apply(server, 1500)
    listed = []
    while page := server.call("ASOF.ENTITIES", "user_clicks@1", *(("AFTER", listed[-1]) if listed else ()), "COUNT", 999):
        listed += page
    assert sorted(listed) == sorted(b"user%d" % i for i in range(3000))
    diff = json.loads(server.asof("diff", "user_clicks@1", "user_clicks@2", "--sample", "400", "--json").stdout)
    assert (diff["entities"], diff["compared"]) == (3000, 400)
    assert 140 < diff["features"][0]["differing"] < 260  # half of them, and 6 standard deviations
    assert diff["only_left"] == diff["features"][0]["differing"]


# ---- drop ----


def size_of(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a compaction was faster
        return 0


def size_on_disk(server):
    """Of the sorted files, once compactions leave it as it is for a while."""
    sizes = [0, 1]
    while sizes[-1] != sizes[-2]:
        time.sleep(0.4)
        sizes.append(sum(map(size_of, (server.data / "rocksdb").glob("*.sst"))))
    return sizes[-1]


def test_a_dropped_version_is_gone_and_its_space_comes_back(make_server):
    server = make_server().start("--write-buffer-bytes", "256KiB")
    apply(server, 0)
    push(server, range(60_000))
    before = size_on_disk(server)
    apply(server, 1)
    apply(server, 2)
    full = size_on_disk(server)
    assert full > 2 * before
    server.call("HMGET", "user_clicks@2:u1", "clicks")  # a finished row of it is kept

    for version in (2, 3):
        assert "is dropped" in server.asof("drop", f"user_clicks@{version}").stdout
        with server.client() as client:
            (reply,) = client.pipeline([("HGET", f"user_clicks@{version}:u1", "clicks")])
            assert reply is None
            (reply,) = client.pipeline([("ASOF.PROMOTE", f"user_clicks@{version}")])
            assert str(reply).startswith("NOTFOUND")

    server.wait_for(lambda: states(server) == {1: "active"})
    server.wait_for(lambda: size_on_disk(server) < before + (full - before) / 4)
    assert is_right(server, 1, 60_000, 0)
    push(server, range(60_000, 60_100))
    apply(server, 2)
    assert states(server) == {1: "active", 4: "ready"}, "a number is never given again"
    assert is_right(server, 4, 60_100, 2) and is_right(server, 1, 60_100, 0)


def test_a_filling_version_can_be_dropped(server):
    apply(server, 0)
    push(server, range(60_000))
    apply(server, 5, "--no-wait")
    server.asof("drop", "user_clicks@2")
    server.wait_for(lambda: states(server) == {1: "active"})
    push(server, range(60_000, 60_010))
    assert is_right(server, 1, 60_010, 0)


def test_what_a_service_reads_by_its_number_is_not_dropped(server):
    apply(server, 0)
    apply(server, 5)
    apply(server, 7)
    server.apply("services: {model: {features: [user_clicks@2.clicks, user_clicks.total]}}", name="service.yaml")
    done = server.asof("drop", "user_clicks@2", check=False)
    assert done.returncode == 1 and "is used by service model@1" in done.stderr
    server.asof("drop", "user_clicks@3")
    server.wait_for(lambda: states(server) == {1: "active", 2: "ready"})


# ---- under load ----


class Readers:
    """Clients that read without pause, and look at every answer: it must be one version's, whole."""

    def __init__(self, server, limits, count, threads):
        self.server, self.count = server, count
        self.right = {limit: [expected(user, count, limit) for user in range(USERS)] for limit in limits}
        self.limit_of = {1: limits[0]}  # of each version; told before it can be read
        self.failures, self.times = [], []
        self.stopping = False
        self.threads = [threading.Thread(target=self.read, args=(number,)) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def read(self, number):
        try:
            with self.server.client() as client:
                while not self.stopping:
                    self.read_once(client, number)
                    number += 1
        except Exception as failure:  # told by the main thread
            self.failures.append(repr(failure))

    def read_once(self, client, number):
        user = number % USERS
        begun = time.perf_counter()
        pair = client.call("HMGET", f"user_clicks:u{user}", "clicks", "total")
        self.times.append(time.perf_counter() - begun)
        if pair not in [right[user] for right in self.right.values()]:
            self.failures.append(("mixed", user, pair))
        served = client.call("HMGET", f"model:u{user}", "user_clicks.clicks", "user_clicks.total")
        if served not in [right[user] for right in self.right.values()]:
            self.failures.append(("mixed in a service", user, served))
        if number % 8 == 0:
            self.check_named(user, client.call("ASOF.GET", f"user_clicks:u{user}"))
        if number % 16 == 0:
            replies = client.pipeline([("MULTI",), ("HMGET", f"user_clicks:u{user}", "clicks", "total"),
                                       ("ASOF.GET", f"user_clicks:u{user}"), ("EXEC",)])
            pair, named = replies[-1]
            self.check_named(user, named)
            if pair != [named[7][1], named[7][4]]:
                self.failures.append(("two versions in one transaction", pair, named))

    def check_named(self, user, answer):
        version = int(answer[1].split(b"@")[1])
        right = self.right[self.limit_of[version]][user]
        if [answer[7][1], answer[7][4]] != right:
            self.failures.append(("not its version", answer, right))

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        return sorted(self.times)


def test_readers_never_notice(make_server):
    count = 20_000
    limits = [0, 1000, 2000, 3000]
    server = make_server().start("--workers", "2")
    apply(server, limits[0])
    push(server, range(count))
    server.apply("services: {model: {features: [user_clicks.clicks, user_clicks.total]}}", name="service.yaml")
    readers = Readers(server, limits + [500], count, 2)
    clients = [server.client() for _ in range(4)]
    newest = len(limits)
    try:
        time.sleep(1)
        alone = readers.times[:]
        for version, limit in enumerate(limits[1:], 2):
            readers.limit_of[version] = limit
            apply(server, limit)
        for switch in range(SWITCHES):
            if switch % 3 == 2:
                active = clients[0].call("ASOF.ROLLBACK", "user_clicks")
            else:
                active = clients[0].call("ASOF.PROMOTE", f"user_clicks@{2 + switch * 5 % 3}")
            for client in clients:  # on both workers: all see it at once
                assert client.call("ASOF.GET", "user_clicks:u3")[1] == active
            if switch % 10 == 5:  # another version comes and goes meanwhile
                newest += 1
                readers.limit_of[newest] = 500
                apply(server, 500)
                server.asof("drop", f"user_clicks@{newest}")
    finally:
        times = readers.stop()
        for client in clients:
            client.close()
    assert readers.failures == [] and len(times) > 100
    print(f"{len(times)} reads, p50 {times[len(times) // 2] * 1e6:.0f} us, "
          f"p99 {times[len(times) * 99 // 100] * 1e6:.0f} us, slowest {times[-1] * 1e3:.1f} ms")
    assert times[-1] * 1000 < SLOWEST_MS
    assert times[len(times) // 2] <= SLOWER * sorted(alone)[len(alone) // 2]


# ---- killed at every step ----

COUNT = 1200
OPERATIONS = {
    "apply": (lambda server: apply(server, 200, "--no-wait"), {1: "active", 2: "ready", 3: "ready"}),
    "apply --promote": (lambda server: apply(server, 200, "--no-wait", "--promote"), {1: "ready", 2: "ready", 3: "active"}),
    "promote": (lambda server: server.asof("promote", "user_clicks@2"), {1: "ready", 2: "active"}),
    "rollback": (lambda server: server.asof("rollback", "user_clicks"), {1: "active", 2: "ready"}),
    "drop": (lambda server: server.asof("drop", "user_clicks@2"), {1: "active"}),
}
LIMITS = {1: 0, 2: 100, 3: 200}


def prepare(server, operation):
    apply(server, LIMITS[1])
    push(server, range(COUNT))
    apply(server, LIMITS[2])
    if operation == "rollback":
        server.call("ASOF.PROMOTE", "user_clicks@2")
    server.stop()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_kill_9_at_every_step_leaves_before_or_after(make_server, monkeypatch, operation):
    run, after = OPERATIONS[operation]
    server = make_server().start()
    prepare(server, operation)
    kept = server.data.with_name("kept")
    before = {1: "ready", 2: "active"} if operation == "rollback" else {1: "active", 2: "ready"}
    seen = set()
    for point in range(1, FAULTS_MAX):
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(server.data, kept)
        monkeypatch.setenv("ASOF_FAULT", f":{point}")
        server.start()
        has_died = run_to_the_end(server, run, after)
        monkeypatch.delenv("ASOF_FAULT")
        if not has_died:
            break
        server.process.wait()
        server.process.stdout.close()
        server.start()
        server.wait_for(lambda: is_settled(server))
        state = states(server)
        assert state in (before, after), point
        seen.add(state == after)
        assert all(is_right(server, version, COUNT, LIMITS[version]) for version in state), point
        push(server, range(COUNT, COUNT + 10))
        assert all(is_right(server, version, COUNT + 10, LIMITS[version]) for version in state), point
        server.stop()
        shutil.rmtree(server.data)
        shutil.copytree(kept, server.data)
    assert seen == {False, True} and states(server) == after


def run_to_the_end(server, run, after):
    """Whether the server died before it was at the end of what it was told to do."""
    try:
        run(server)
    except AssertionError:
        pass
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if states(server) == after:
                time.sleep(0.05)  # a last point may lie behind what is seen
                return not server.is_alive()
        except (Closed, OSError):
            server.process.wait()
            return True
        time.sleep(0.005)
    raise AssertionError(f"neither dead nor done: {states(server)}")
