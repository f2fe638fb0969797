"""asof export and asof backfill as a person types them: what is wrong usage, what an interrupt leaves, and
that a file which can't be whole never appears."""

import json
import os
import subprocess

import pytest

from conftest import ASOF, asof


@pytest.mark.parametrize("words, said", [
    (["export", "training", "--out", "t.parquet"], "--labels"),
    (["export", "training", "--labels", "l.csv", "--out", "t.parquet"], "--service NAME or --features"),
    (["export", "training", "--labels", "l.csv", "--service", "a", "--features", "v.f", "--out", "t.parquet"], "--service NAME or"),
    (["export", "training", "--labels", "labels", "--service", "a", "--out", "t.parquet"], "--labels-format"),
    (["export", "training", "--labels", "l.csv", "--service", "a", "--memory", "much", "--out", "t.parquet"], "--memory is a size"),
    (["export", "training", "v", "--labels", "l.csv", "--service", "a", "--out", "t.parquet"], "asof export training --out"),
    (["export", "snapshot", "--out", "s.parquet"], "asof export snapshot VIEW"),
    (["export", "snapshot", "v"], "needs --out"),
    (["export", "snapshot", "v", "--out", "s.txt"], "say --format"),
    (["export", "snapshot", "v", "--out", "s.parquet", "--format", "xml"], "parquet, csv or ndjson"),
    (["export", "snapshot", "v", "--out", "s", "--partition-by", "a"], "--on-server"),
    (["export", "snapshot", "v", "--at", "soon", "--out", "s.parquet"], "--at must be"),
    (["export", "events", "s", "--from", "soon", "--out", "e.parquet"], "--from must be"),
    (["export", "events", "s", "--from", "0", "--to", "0", "--out", "e.parquet"], "--from must lie before"),
    (["export", "snapshot", "v", "--format", "csv", "--on-server", "--out", ""], "needs --out"),
    (["export", "views", "--out", "v.parquet"], "training, snapshot or events"),
    (["backfill", "v"], "--from FILE"), (["backfill", "v", "--from", "log"], "asof apply"),
    (["backfill", "v", "--from", "kafka"], "asof replay"), (["backfill", "v", "--from", "a.parquet", "b.txt"], "b.txt"),
    (["backfill", "v", "--from", "a.csv", "--until", "then"], "--until must be")])
def test_wrong_usage_is_told_before_a_server_is_asked(words, said):
    done = asof("--server", "127.0.0.1:1", *words, check=False)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_result_that_can_not_be_written_or_made_leaves_nothing(server, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    kept = folder / "kept.parquet"
    kept.write_text("as it was")
    for words, code, said in ((["snapshot", "nothing", "--out", str(kept)], (1, 3), "asof: "),
                              (["events", "nothing", "--out", str(kept)], (1, 3), "asof: "),
                              (["snapshot", "v", "--format", "csv", "--out", str(folder)], (1,), "is a directory"),
                              (["snapshot", "v", "--out", str(folder / "no/such.csv")], (1,), "No such file")):
        done = server.asof("export", *words, check=False)
        assert done.returncode in code and said in done.stderr, done
        assert [path.name for path in folder.iterdir()] == ["kept.parquet"]
        assert kept.read_text() == "as it was"


def test_entities_are_listed_as_they_are_typed(server):
    server.apply("""
sources: {sales: {fields: {at: timestamp_us, shop: string, till: int}, event_time: at, clock: event}}
entities: {till: {keys: [shop, till]}}
views: {tills: {source: sales, entity: till, features: {n: {count: '*', over: forever}}}}
""")
    shops = ["acme", "a|b", "ü", "x\ny"]
    events = [json.dumps({"at": number, "shop": shop, "till": number % 600}) for number in range(1, 1202)
              for shop in (shops if number == 7 else ["acme"])]
    server.asof("push", "sales", input="\n".join(events))

    listed = [json.loads(line) for line in server.asof("entities", "tills", "--json").stdout.splitlines()]
    assert len(listed) == len(set(listed)) == 603 and {"a\\|b|7", "ü|7", "x\ny|7", "acme|0"} <= set(listed)
    assert server.asof("entities", "tills", "--match", "*b|7").stdout == "a\\|b|7\n"
    assert "x\\ny|7\n" in server.asof("entities", "tills").stdout
    assert server.asof("get", "tills", *listed[:250], "--json").stdout.count("\n") == 250
    assert server.asof("entities", "nothing", check=False).returncode == 3


def test_the_redis_port_is_told_from_the_rpc_port(server):
    done = asof("--server", server.address, "list", check=False)
    assert done.returncode == 4 and "speaks the Redis protocol" in done.stderr, done.stderr


def test_a_training_set_is_what_get_tells_of_each_label(server, tmp_path):
    server.apply("""
sources: {sales: {fields: {at: timestamp_us, shop: string, amount: int}, event_time: at, clock: event}}
entities: {shop: {keys: [shop]}}
views: {shops: {source: sales, entity: shop, features: {n: {count: '*', over: 10ms}, sum: {sum: amount, over: forever}}}}
""")
    events = [{"at": 1_000_000 + 1_000 * number, "shop": f"s{number % 3}", "amount": number} for number in range(300)]
    server.asof("push", "sales", input="\n".join(map(json.dumps, events)))
    labels, out = tmp_path / "labels.csv", tmp_path / "train.ndjson"
    rows = [(f"s{number % 4}", 1_000_000 + 7_001 * number, number) for number in range(40)]
    labels.write_text("shop,event_timestamp,label\n" + "".join(
        f"{shop},1970-01-01T00:00:{at / 1e6:09.6f}Z,{label}\n" for shop, at, label in rows))

    done = json.loads(server.asof("export", "training", "--labels", str(labels), "--features", "shops.*", "--out", str(out),
                                  "--json").stdout)
    assert done["rows"] == 40 and done["bytes"] == out.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("train", ".train"))) == ["train.ndjson"]
    for (shop, at, label), line in zip(rows, out.read_text().splitlines(), strict=True):
        told = json.loads(server.asof("get", "shops", shop, "--at", str(at), "--json").stdout)["features"]
        made = json.loads(line)
        assert (made["shop"], made["label"]) == (shop, label)
        assert [made["n"], made.get("sum")] == [told["n"]["value"], told["sum"]["value"]], line


SHOPS = """
sources: {sales: {fields: {at: timestamp_us, shop: string, amount: int}, event_time: at, clock: event}}
entities: {shop: {keys: [shop]}}
views: {shops: {source: sales, entity: shop, features: {n: {count: '*', over: forever}}}}
"""


def test_what_is_no_file_is_written_and_never_replaced(server, tmp_path):
    server.apply(SHOPS)
    server.asof("push", "sales", input='{"at": 1, "shop": "a"}')
    snapshot = [ASOF, "--server", server.rpc_address, "export", "snapshot", "shops", "--format", "csv", "--out"]
    made = b"shop,n\na,1\n"
    pipe, device, link, target = (tmp_path / name for name in ("pipe", "device", "link", "target"))

    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        subprocess.run([*snapshot, str(pipe)], check=True, timeout=60)
        assert reader.communicate(timeout=60)[0] == made and pipe.is_fifo()
    for output in ("-", "/dev/stdout"):
        done = subprocess.run([*snapshot, output], capture_output=True, check=True, timeout=60)
        assert done.stdout == made and b"1 rows" in done.stderr
    target.write_text("old")
    link.symlink_to(target)
    subprocess.run([*snapshot, str(link)], check=True, timeout=60)
    assert link.is_symlink() and target.read_bytes() == made
    if os.geteuid() == 0:
        os.mknod(device, 0o20600, os.makedev(1, 7))  # as /dev/full
        done = subprocess.run([*snapshot, str(device)], capture_output=True, timeout=60)
        assert done.returncode == 1 and b"No space left" in done.stderr and device.is_char_device()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_an_export_can_not_do_is_told_in_a_sentence(make_server, tmp_path):
    server = make_server().start("--export-dirs", str(tmp_path))
    server.apply(SHOPS)
    labels = tmp_path / "labels.csv"
    labels.write_text("shop,event_timestamp\na,1\n")
    twice = server.asof("export", "snapshot", "shops", "--on-server", "--out", str(tmp_path / "parts"), "--partition-by",
                        "n,N", "--statuses", check=False)
    assert twice.returncode == 1 and "'N' is there twice" in twice.stderr
    small = server.asof("export", "training", "--labels", str(labels), "--features", "shops.n", "--memory", "1MiB", "--out",
                        str(tmp_path / "set.csv"), check=False)
    assert small.returncode == 1 and "64 MiB of memory at least" in small.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"labels.csv", "server"}
