"""The asof command: what programs rely on. What people see is in docs/commands.md, whose examples run
in test_docs.py."""

import csv
import io
import json
import subprocess

import pytest

from conftest import ASOF, asof

DEFINITIONS = """
sources:
  sales:
    fields: {id: string, at: timestamp, shop: string, till: int, amount: decimal(2), note: string, paid: bool, rate: double}
    event_time: at
    event_id: id
    clock: event
entities:
  till: {keys: [shop, till]}
views:
  till_sales:
    source: sales
    entity: till
    features:
      sales:  {count: '*', over: forever}
      amount: {sum: amount, over: forever}
      note:   {last: note, over: forever}
      paid:   {last: paid, over: forever}
      rate:   {max: rate, over: forever}
      notes:  {last_n: note, over: last(3)}
      recent: {count: '*', over: 1m}
"""


def sale(number, **fields):
    return {"id": f"s{number}", "at": f"2026-01-31T12:{number // 60:02}:{number % 60:02}Z", "shop": "acme", "till": 7,
            "amount": 1.25} | fields


def ndjson(events):
    return "".join(json.dumps(event) + "\n" for event in events)


@pytest.fixture
def shop(server):
    server.apply(DEFINITIONS)
    return server


def read(server, *features, entity="acme|7"):
    return server.call("HMGET", f"till_sales:{entity}", *features)


def test_push_reads_ndjson_from_standard_input_and_files(shop, tmp_path):
    shop.asof("push", "sales", input=ndjson(map(sale, range(3))))
    shop.asof("push", "sales", "-", input=ndjson(map(sale, range(3, 5))) + "\n\n")
    path = tmp_path / "sales.ndjson"
    path.write_text(ndjson(map(sale, range(2, 9))).rstrip("\n"))  # no newline at the end
    shop.asof("push", "sales", str(path))
    assert read(shop, "sales") == [b"9"]


def test_push_reads_csv(shop, tmp_path):
    rows = [sale(0, note='said "hi",\nleft', paid="true", rate="0.1"), sale(1, note="", paid="", rate=""),
            sale(2, note="ü", paid="false", rate="1e3")]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys() | {"ignored"})
    writer.writeheader()
    for row in rows:
        writer.writerow(row | {"ignored": "x"})
    path = tmp_path / "sales.csv"
    path.write_text(text.getvalue(), newline="")
    shop.asof("push", "sales", str(path))
    assert read(shop, "sales", "amount", "note", "paid", "rate") == [b"3", b"3.75", "ü".encode(), b"0", b"1000"]
    assert json.loads(read(shop, "notes")[0]) == ["ü", 'said "hi",\nleft']


def test_push_stops_at_the_first_bad_event_and_says_where(shop):
    events = ndjson(map(sale, range(50))) + '{"id":"bad"}\n' + ndjson(map(sale, range(50, 60)))
    done = shop.asof("push", "sales", "--batch", "7", "--in-flight", "1", input=events, check=False)
    assert done.returncode == 1 and "standard input:51: " in done.stderr and "'at'" in done.stderr
    assert read(shop, "sales") == [b"50"]


def test_push_writes_rejects_and_goes_on(shop, tmp_path):
    lines = [json.dumps(sale(number)) for number in range(100)]
    bad = {10: '{"id":"x"}', 20: "no json", 99: json.dumps(sale(99, amount=1.234)), 100: "{" * 100}
    for line, text in bad.items():
        lines[line - 1] = text
    rejects = tmp_path / "rejects.ndjson"
    shop.asof("push", "sales", "--rejects", str(rejects), "--batch", "13", input="\n".join(lines) + "\n")
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert sorted((reject["line"], reject["event"]) for reject in told) == sorted(bad.items())
    assert all(reject["reason"] for reject in told)
    assert read(shop, "sales") == [b"96"]


@pytest.mark.parametrize("how", ["name", "link", "standard input"])
def test_push_refuses_to_write_rejects_over_its_input(shop, tmp_path, how):
    path, link = tmp_path / "sales.ndjson", tmp_path / "link"
    text = ndjson(map(sale, range(3)))
    path.write_text(text)
    link.symlink_to(path)
    rejects = link if how == "link" else path
    with path.open() as file:
        words = ["-"] if how == "standard input" else [str(path)]
        done = subprocess.run([ASOF, "--server", shop.rpc_address, "push", "sales", *words, "--rejects", str(rejects)],
                              stdin=file, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--rejects" in done.stderr, done.stderr
    assert path.read_text() == text and read(shop, "sales") == [b"0"]


def test_push_takes_lines_up_to_a_mebibyte_and_says_what_it_cut(shop, tmp_path):
    size = 1024 * 1024
    lines = [json.dumps(sale(number)).ljust(size + extra) for number, extra in enumerate((0, 1))]
    rejects = tmp_path / "rejects.ndjson"
    shop.asof("push", "sales", "--rejects", str(rejects), input="\n".join(lines) + "\n")
    told = json.loads(rejects.read_text())
    assert told["line"] == 2 and told["event"] == lines[1][:4096]
    assert told["reason"] == "longer than 1048576 bytes, only its first 4096 bytes are kept here"
    assert read(shop, "sales") == [b"1"]


@pytest.mark.parametrize("rows", [2, 50_000])
def test_push_refuses_csv_whose_lines_end_in_cr(shop, tmp_path, rows):
    path = tmp_path / "sales.csv"
    path.write_text("id,at,shop,till\r" + "s1,2026-01-31T12:00:00Z,acme,7\r" * rows, newline="")
    done = shop.asof("push", "sales", str(path), check=False)
    assert done.returncode == 1 and "CR" in done.stderr and "LF or CRLF" in done.stderr, done.stderr


def test_get_escapes_the_entity(shop):
    heading = shop.asof("get", "till_sales", "a\x1b[31m\nb|7").stdout.splitlines()[0]
    assert heading.startswith("till_sales@1 of a\\x1b[31m\\nb|7 as of ")


def test_get_of_an_unknown_feature_names_the_nearest(shop):
    done = shop.asof("get", "till_sales", "acme|7", "--features", "sales,amont", check=False)
    assert done.returncode == 3 and "did you mean 'amount'?" in done.stderr


def get_json(server, *options):
    reply = json.loads(server.asof("get", "till_sales", "acme|7", "--json", *options).stdout)
    return reply, {name: feature["value"] for name, feature in reply["features"].items()}


def test_get_json_keeps_types(shop):
    shop.asof("push", "sales", input=ndjson([sale(0, note="a", paid=True, rate=0.1)]))
    reply, values = get_json(shop)
    assert values == {"sales": 1, "amount": 1.25, "note": "a", "paid": True, "rate": 0.1, "notes": ["a"], "recent": 1}
    assert [type(value) for value in values.values()] == [int, float, str, bool, float, list, int]
    assert (reply["view"], reply["entity"], reply["at"]) == ("till_sales@1", "acme|7", 1769860800000000)
    assert reply["event_time"] == reply["at"] and reply["features"]["sales"]["status"] == "present"


def test_get_as_of_a_past_moment(shop):
    shop.asof("push", "sales", input=ndjson(map(sale, range(0, 180, 60))))
    table = shop.asof("get", "till_sales", "acme|7", "--at", "2026-01-31T12:01:00Z", "--features", "sales,recent").stdout
    assert "till_sales@1" in table and "2026-01-31T12:01:00Z" in table
    for options, sales in ((["--at", "2026-01-31T12:01:00Z"], 2), (["--at", "2026-01-31T12:01:00Z", "--exclusive"], 1),
                           (["--at", "1769860800000000"], 1), ([], 3)):
        assert get_json(shop, *options)[1]["sales"] == sales


def test_list_and_describe_tell_what_is_registered(shop):
    listed = json.loads(shop.asof("list", "--json").stdout)
    assert [view["name"] for view in listed["views"]] == ["till_sales"]
    described = json.loads(shop.asof("describe", "till_sales", "--json").stdout)
    assert described["keys"] == ["shop", "till"] and len(described["features"]) == 7
    assert "till_sales" in shop.asof("list").stdout and "recent" in shop.asof("describe", "till_sales").stdout
    for name in ("sales", "till", "till_sales@1"):
        shop.asof("describe", name)


@pytest.mark.parametrize("words,code", [
    (["describe", "nothing"], 3), (["get", "nothing", "a"], 3), (["push", "nothing", "-"], 3), (["get", "till_sales"], 2),
    (["no_such_command"], 2), (["list", "--no-such-option"], 2), (["get", "till_sales", "acme|7", "--at", "soon"], 2),
    (["get", "till_sales", "acme|7", "--features", "nothing"], 3), (["get", "till_sales", "acme"], 1),
    (["apply", "/no/such/file.yaml"], 1), (["push", "sales", "/no/such/file"], 1), (["list"], 0), (["--help"], 0)])
def test_exit_codes(shop, words, code):
    done = shop.asof(*words, input=ndjson([sale(0)]), check=False)
    assert done.returncode == code, done.stderr
    assert code == 0 or (done.stderr.startswith("asof: ") and done.stdout == "")


def test_an_unreachable_server_is_exit_code_4():
    for words in (["list"], ["get", "a", "b"], ["apply", "-"]):
        done = asof("--server", "127.0.0.1:1", *words, input="", check=False)
        assert done.returncode == 4 and "127.0.0.1:1" in done.stderr, done.stderr


@pytest.mark.parametrize("command", "apply plan list describe get push".split())
def test_help_has_examples(command):
    text = asof(command, "--help").stdout
    assert f"Usage: asof {command}" in text and f"\nExamples:\n  asof {command}" in text
