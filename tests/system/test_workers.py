"""Several workers, one writer, readers of the disk: what one connection was told, all others see."""

import json
import re
import threading
import time

from resp import Error, encode

DEFINITIONS = """
sources:
  s:
    fields: {id: string, ts: timestamp_us, k: string, n: int}
    event_time: ts
    event_id: id
    clock: %s
    durability: os
entities:
  k: {keys: [k]}
views:
  v:
    source: s
    entity: k
    features:
      count:  {count: '*', over: forever}
      sum:    {sum: n, over: forever}
      recent: {count: '*', over: %s}
      idle:   {time_since_last: true, over: forever}
"""
T0 = 1_700_000_000_000_000


def event(number, key, n=1, t_us=None):
    return json.dumps({"id": str(number), "ts": T0 + number if t_us is None else t_us, "k": key, "n": n})


def figure(server, name):
    return int(re.search(rf"^{name}:(\d+)", server.call("INFO").decode(), re.MULTILINE)[1])


def in_threads(*functions):
    """Runs them side by side; the first failure fails the test."""
    failures = []

    def run(function):
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_an_acknowledged_event_is_seen_by_every_connection(make_server, draw):
    """Each writer has keys of its own, so it knows what they must read at least, and at most."""
    server = make_server().start("--workers", "4")
    server.apply(DEFINITIONS % ("wall", "10s"))
    seconds, writers, keys = 6, 3, 5
    until = time.monotonic() + seconds
    acknowledged = [[0] * keys for _ in range(writers)]
    begun = [[0] * keys for _ in range(writers)]

    def write(writer):
        number = writer * 1_000_000_000
        with server.client() as client:
            while time.monotonic() < until:
                key = number % keys
                begun[writer][key] += 3
                events = [event(number + i * 1_000_000, f"{writer}-{key}") for i in range(3)]
                assert client.call("ASOF.PUSH", "s", *events) == 3
                acknowledged[writer][key] += 3
                number += 1

    def read(seed):
        reads = 0
        with server.client() as client:
            while time.monotonic() < until:
                writer, key = (reads + seed) % writers, reads % keys
                least = acknowledged[writer][key]
                count, total = client.call("HMGET", f"v:{writer}-{key}", "count", "sum")
                most = begun[writer][key]
                assert count == total or (least == 0 and total is None)
                assert least <= int(count) <= most
                reads += 1

    in_threads(*(lambda w=w: write(w) for w in range(writers)), *(lambda s=s: read(s) for s in range(6)))
    assert sum(map(sum, acknowledged)) == figure(server, "stream_events_accepted_total")
    server.stop()


def test_all_commands_of_an_exec_see_one_state_at_one_moment(make_server):
    server = make_server().start("--workers", "3")
    server.apply(DEFINITIONS % ("wall", "10s"))
    until = time.monotonic() + 5
    seen = set()

    def write():
        number = 0
        with server.client() as client:
            while time.monotonic() < until:
                pair = [event(number + i, key) for i, key in enumerate(("a", "b"))]
                assert client.call("ASOF.PUSH", "s", *pair) == 2
                number += 2
                time.sleep(0.005)  # few enough events that an EXEC has its second even when sanitized

    def read():
        get = ("HMGET", "v:a", "count", "sum", "idle")
        with server.client() as client:
            while time.monotonic() < until:
                client.call("MULTI")
                for words in (get, ("HGET", "v:b", "count"), ("ASOF.GET", "v:a"), get, ("HGET", "v:b", "count")):
                    assert client.call(*words) == b"QUEUED"
                first, b, whole, again, b_again = client.call("EXEC")
                assert first == again and b == b_again == first[0]
                values = whole[whole.index(b"features") + 1]
                assert first[2] == values[values.index(b"idle") + 1]  # to the microsecond
                seen.add(first[0])

    in_threads(write, read, read)
    assert len(seen) > 20
    server.stop()


def test_definitions_are_in_force_everywhere_once_they_are_applied(make_server):
    server = make_server().start("--workers", "4")
    clients = [server.client() for _ in range(8)]
    for round_number in range(1, 20):
        server.apply(DEFINITIONS % ("wall", f"{round_number}s"))
        for client in clients:
            described = json.loads(client.call("ASOF.DESCRIBE", "v"))
            assert described["version"] == round_number
            assert isinstance(client.call("HGETALL", "v:a"), list)
    for client in clients:
        client.close()
    server.stop()


def test_clients_and_cursors_are_known_to_all_workers(make_server):
    server = make_server().start("--workers", "3")
    server.apply(DEFINITIONS % ("event", "10s"))
    clients = [server.client() for _ in range(7)]
    clients[0].call("ASOF.PUSH", "s", *(event(i, f"k{i:03}") for i in range(200)))
    for i, client in enumerate(clients):
        client.call("CLIENT", "SETNAME", f"name{i}")

    for client in clients:
        lines = client.call("CLIENT", "LIST").decode().splitlines()
        assert {f"name{i}" for i in range(7)} <= {re.search(r" name=(\S*)", line)[1] for line in lines}
        ids = [re.match(r"id=(\d+) ", line)[1] for line in lines]
        assert len(set(ids)) == len(ids)

    cursor, found, turn = b"0", [], 0
    while turn == 0 or cursor != b"0":
        cursor, keys = clients[turn % 7].call("SCAN", cursor, "COUNT", "13")
        found += keys
        turn += 1
    assert found == [f"v:k{i:03}".encode() for i in range(200)]
    for client in clients:
        client.close()
    server.stop()


def test_cold_reads_are_right_and_wait_beside_the_worker(make_server, draw):
    """Nothing fits into memory: each read goes to a reader first."""
    server = make_server().start()
    server.apply(DEFINITIONS % ("event", "10s"))
    with server.client() as client:
        for start in range(0, 60_000, 2000):
            client.call("ASOF.PUSH", "s", *(event(i, f"k{i % 3000}", n=i % 7) for i in range(start, start + 2000)))
    server.stop()
    server.start("--workers", "2", "--readers", "2", "--hot-bytes", "0", "--block-cache-bytes", "1MiB")
    expected = {}
    for i in range(60_000):
        count, total = expected.get(i % 3000, (0, 0))
        expected[i % 3000] = (count + 1, total + i % 7)

    def read():
        with server.client() as client:
            for _ in range(15):
                keys = draw.sample(range(3000), 20)
                answers = client.pipeline([("HMGET", f"v:k{key}", "count", "sum") for key in keys])
                assert answers == [[str(x).encode() for x in expected[key]] for key in keys]
                client.call("MULTI")
                client.pipeline([("HGET", f"v:k{key}", "sum") for key in keys])
                assert client.call("EXEC") == [str(expected[key][1]).encode() for key in keys]
                assert client.call("EXISTS", *(f"v:k{key}" for key in keys), "v:none") == 20

    in_threads(read, read, read)
    with server.client() as client:
        cursor, found = b"0", 0
        while cursor != b"0" or found == 0:
            cursor, keys = client.call("SCAN", cursor, "COUNT", "500")
            found += len(keys)
        assert found == 3000
    assert figure(server, "resp_rehearsals_total") > 100
    server.stop()


def test_a_transaction_of_the_past_is_rehearsed_as_of_then(make_server):
    """What lies apart on the disk is read by a reader, as of the moment that the transaction sets."""
    server = make_server().start()
    server.apply(DEFINITIONS % ("event", "10ms"))
    with server.client() as client:
        for start in range(0, 40_000, 2000):
            client.call("ASOF.PUSH", "s", *(event(i, "k") for i in range(start, start + 2000)))
    server.compact()
    with server.client() as client:
        client.pipeline([("MULTI",), ("ASOF.AT", T0 + 20_000), ("HGET", "v:k", "recent"), ("ASOF.AT", "now")])
        past = client.call("EXEC")[1]
        client.call("ASOF.AT", T0 + 20_000)
        assert past == client.call("HGET", "v:k", "recent") == b"10000"
    assert figure(server, "resp_rehearsals_total") > 0
    assert figure(server, "resp_disk_waits_total") == 0
    server.stop()


def test_a_connection_that_is_gone_harms_no_reply_of_others(make_server):
    """Clients that leave with pushes, cold reads and rounds of the doors still on their way."""
    server = make_server().start("--workers", "3", "--hot-bytes", "0", "--block-cache-bytes", "1MiB",
                                 "--write-buffer-bytes", "64KiB")
    server.apply(DEFINITIONS % ("event", "10s"))
    for i in range(150):
        leaver = server.client()
        leaver.send(encode("ASOF.PUSH", "s", *(event(i * 100 + j, f"k{j}") for j in range(100))) +
                    encode("HGETALL", f"v:k{i % 100}") + encode("MULTI") + encode("HGETALL", f"v:k{i % 100}") +
                    encode("EXEC") + encode("CLIENT", "LIST"))
        leaver.close()
    with server.client() as client:
        server.wait_for(lambda: client.call("HGET", "v:k7", "count") == b"150")
        assert client.call("PING") == b"PONG"
    server.stop()


def test_replies_keep_the_order_of_their_requests(make_server, draw):
    """Pushes, reads, mistakes and definitions in one pipeline."""
    server = make_server().start("--workers", "2")
    server.apply(DEFINITIONS % ("event", "10s"))
    words, expected, count = [], [], 0
    for i in range(2000):
        kind = draw.randrange(6)
        if kind <= 2:
            words.append(("ASOF.PUSH", "s", event(i, "k")))
            expected.append(1)
            count += 1
        elif kind == 3:
            words.append(("HGET", "v:k", "count"))
            expected.append(str(count).encode())
        elif kind == 4:
            words.append(draw.choice([("ASOF.PUSH",), ("ASOF.PUSH", "nowhere", "{}"), ("NONSENSE",),
                                      ("ASOF.PUSH", "s", "{")]))
            expected.append(Error)
        else:
            words.append(("ASOF.FILLS",))
            expected.append(b"[]")
    with server.client() as client:
        answers = client.pipeline(words)
    for answer, wanted in zip(answers, expected, strict=True):
        assert isinstance(answer, Error) if wanted is Error else answer == wanted
    server.stop()
