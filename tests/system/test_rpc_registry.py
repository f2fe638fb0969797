"""The methods of Registry and Operations: an unmodified gRPC client gets what the Redis protocol's commands
tell, in both framings, and mistakes have a code and a sentence."""

import json

import grpc
import pytest

import test_versions as versions
from kafka_world import Message
from rpc_world import Light, Rpc, operations_messages, registry_messages

LETTERS = operations_messages.DeadLettersRequest
KAFKA_SOURCE = """
sources:
  things:
    kafka: {{brokers: "{brokers}", topic: {topic}}}
    fields: {{ts: timestamp_ms, who: string, n: int}}
    event_time: ts
entities:
  thing: {{keys: [who]}}
views:
  seen:
    source: things
    entity: thing
    features: {{n: {{count: '*', over: forever}}}}
"""


@pytest.fixture
def world(make_server):
    """A server with two versions of user_clicks, the first of them active."""
    server = make_server().start("--rpc-port", "0")
    versions.apply(server, 0)
    versions.push(server, range(100))
    versions.apply(server, 50)
    with Rpc(server.rpc_port) as rpc:
        yield server, rpc


def refused(call, *arguments, **named):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, timeout=60, **named)
    return caught.value.code(), caught.value.details()


def named(name):
    return registry_messages.NameRequest(name=name)


def promotion(name, **options):
    return registry_messages.PromoteRequest(name=name, **options)


def test_versions_are_promoted_rolled_back_and_dropped(world):
    server, rpc = world
    registry = rpc.registry

    assert registry.Promote(promotion("user_clicks@2")).version == "user_clicks@2"
    assert versions.states(server) == {1: "ready", 2: "active"}
    assert versions.is_right(server, 2, 100, 50)
    assert registry.Rollback(named("user_clicks")).version == "user_clicks@1"
    assert versions.states(server) == {1: "active", 2: "ready"}
    assert refused(registry.Drop, named("user_clicks@1"))[0] == grpc.StatusCode.INVALID_ARGUMENT
    assert registry.Drop(named("user_clicks@2")).version == "user_clicks@2"
    server.wait_for(lambda: versions.states(server) == {1: "active"})
    assert server.call("HMGET", "user_clicks@2:u1", "clicks") == [None]


@pytest.mark.parametrize("number, request_of", [(10, promotion), (12, named)])
@pytest.mark.parametrize("name, code, words", [
    ("user_clicks", grpc.StatusCode.INVALID_ARGUMENT, "no version of a view"),
    ("user_clicks@0", grpc.StatusCode.INVALID_ARGUMENT, "no version of a view"),
    ("user_clicks@99999999999", grpc.StatusCode.INVALID_ARGUMENT, "no version of a view"),
    ("user_clicks@9", grpc.StatusCode.NOT_FOUND, "user_clicks"),
    ("nothing@1", grpc.StatusCode.NOT_FOUND, "nothing"),
    ("", grpc.StatusCode.INVALID_ARGUMENT, "no version of a view")])
def test_a_wrong_name_is_refused_in_both_framings(module_rpc, number, request_of, name, code, words):
    server, rpc = module_rpc
    call = rpc.registry.Promote if number == 10 else rpc.registry.Drop

    told_code, told = refused(call, request_of(name))

    assert told_code == code and words in told
    with Light(server.rpc_port) as light:
        assert light.call(number, request_of(name)) == (code.value[0], told)


@pytest.fixture(scope="module")
def module_rpc(tmp_path_factory):
    from conftest import Server

    server = Server(tmp_path_factory.mktemp("server")).start("--rpc-port", "0")
    versions.apply(server, 0)
    versions.push(server, range(5000))
    versions.apply(server, 2500)
    with Rpc(server.rpc_port) as rpc:
        yield server, rpc
    server.stop()


def test_a_plan_and_an_apply_tell_the_same_json_as_the_commands(world, tmp_path):
    server, rpc = world
    text = versions.SOURCE + versions.VIEW % 70
    request = registry_messages.PlanRequest(files=[registry_messages.DefinitionFile(name="a.yaml", text=text)])

    assert rpc.registry.Plan(request).json.encode() == server.call("ASOF.PLAN", "a.yaml", text)
    answer = rpc.registry.Apply(request)
    applied = {change["name"]: change for change in json.loads(answer.json)["changes"]}
    assert applied["user_clicks"]["version"] == 3 and applied["user_clicks"]["backfill"]["events"] == 100
    assert [change.name for change in answer.changes] == list(applied)
    server.wait_for(lambda: versions.is_settled(server))
    assert json.loads(rpc.registry.Fills(registry_messages.FillsRequest()).json) == []


def test_fills_are_told_while_they_run(world):
    server, rpc = world
    versions.push(server, range(100, 200_000), batch=20_000)
    versions.apply(server, 7, "--no-wait")

    seen = []
    while told := json.loads(rpc.registry.Fills(registry_messages.FillsRequest()).json):
        seen.append(told)
    assert seen, "the fill was over before it was asked for"
    for fill in (told[0] for told in seen):
        assert (fill["view"], fill["version"]) == ("user_clicks", 3)
        assert 0 <= fill["events_done"] <= fill["events_total"] == 200_000


def test_a_lineage_is_described(world):
    server, rpc = world
    for words, lineage in ((("user_clicks",), False), (("user_clicks", "LINEAGE"), True)):
        answer = rpc.registry.Describe(registry_messages.DescribeRequest(name="user_clicks", lineage=lineage))
        assert answer.json.encode() == server.call("ASOF.DESCRIBE", *words)


def test_a_diff_is_the_same_as_over_the_redis_protocol(module_rpc):
    server, rpc = module_rpc
    users = [f"u{user}" for user in range(versions.USERS)] + ["nobody"]
    sides = {"from": "user_clicks@1", "to": "user_clicks@2"}
    for at in (None, 2600, 1):
        when = {} if at is None else {"at_us": at, "has_at": True}
        answer = rpc.registry.Diff(registry_messages.DiffRequest(**sides, entities=users, **when))
        words = () if at is None else ("AT", at)
        assert answer.json.encode() == server.call("ASOF.DIFF", *sides.values(), *words, *users)
    told = json.loads(answer.json)
    assert told["at"] == 1 and told["diff"]["compared"] >= 1


@pytest.mark.parametrize("request_of", [
    {"entities": []}, {"entities": ["u1"] * 65}, {"to": "user_clicks", "entities": ["u1"]},
    {"entities": ["u1"], "at_us": 2**62, "has_at": True}])
def test_a_diff_of_nonsense_is_refused(module_rpc, request_of):
    _, rpc = module_rpc
    request = registry_messages.DiffRequest(**({"from": "user_clicks@1", "to": "user_clicks@2"} | request_of))
    code, _ = refused(rpc.registry.Diff, request)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


def pages(rpc, **request):
    """The pages of the list of a view's entities."""
    after = ""
    while True:
        answer = rpc.operations.Entities(operations_messages.EntitiesRequest(view="user_clicks", after=after, **request))
        yield list(answer.entities)
        after = answer.after
        if not after:
            return


def test_entities_are_listed_page_by_page_and_by_a_pattern(module_rpc):
    server, rpc = module_rpc
    wanted = [entity.decode() for entity in server.call("ASOF.ENTITIES", "user_clicks")]
    assert wanted == [f"u{user}" for user in range(versions.USERS)]

    assert list(pages(rpc)) == [wanted]
    assert list(pages(rpc, count=3)) == [wanted[:3], wanted[3:6], wanted[6:]]
    assert sum(pages(rpc, count=2, match="*[35]"), []) == ["u3", "u5"]
    for request, code in (({"count": 1001}, "RESOURCE_EXHAUSTED"), ({"match": "x" * 1025}, "RESOURCE_EXHAUSTED"),
                          ({"view": "nothing"}, "NOT_FOUND")):
        request = operations_messages.EntitiesRequest(**({"view": "user_clicks"} | request))
        assert refused(rpc.operations.Entities, request)[0] == grpc.StatusCode[code]


def test_what_is_only_of_kafka_is_refused_for_other_sources(module_rpc):
    _, rpc = module_rpc
    operations = rpc.operations
    assert operations.Lag(operations_messages.LagRequest()).json == "[]"
    for call, request in ((operations.Lag, operations_messages.LagRequest(source="nothing")),
                          (operations.Replay, operations_messages.ReplayRequest(source="clicks", **{"from": "earliest"})),
                          (operations.Replay, operations_messages.ReplayRequest(source="clicks", **{"from": "soon"})),
                          (operations.DeadLetters, LETTERS(source="nothing", action=LETTERS.ACTION_LIST)),
                          (operations.DeadLetters, LETTERS(source="clicks")),
                          (operations.DeadLetters, LETTERS(source="clicks", action=77))):
        assert refused(call, request)[0] in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT), request
    assert refused(operations.DeadLetters, LETTERS(source="clicks", action=1, letters=[1] * 501))[0] == \
        grpc.StatusCode.RESOURCE_EXHAUSTED


def test_kafka_is_watched_mended_and_read_again(make_server, kafka):
    server = make_server().start("--rpc-port", "0")
    topic = kafka.new_topic("registry", 1)
    kafka.produce(topic, [Message(b'{"ts":%d,"who":"a","n":%s}' % (number, b'"x"' if number < 6 else b"1"))
                          for number in range(1, 10)])
    server.apply(KAFKA_SOURCE.format(brokers=kafka.address, topic=topic))
    server.wait_for(lambda: server.call("HMGET", "seen:a", "n") == [b"4"])

    with Rpc(server.rpc_port) as rpc:
        def letters(action, **options):
            return json.loads(rpc.operations.DeadLetters(LETTERS(source="things", action=action, **options)).json)

        (lag,) = json.loads(rpc.operations.Lag(operations_messages.LagRequest(source="things")).json)
        assert lag["partitions"][0]["next_offset"] == 9
        assert letters(LETTERS.ACTION_LIST, full=True) == json.loads(server.call("ASOF.DLQ", "LIST", "things", "FULL"))
        first = letters(LETTERS.ACTION_LIST, count=2)["letters"]
        assert [letter["id"] for letter in letters(LETTERS.ACTION_LIST, after=first[1]["id"])["letters"]] == [3, 4, 5]
        assert [letter["id"] for letter in letters(LETTERS.ACTION_LIST, letters=[4])["letters"]] == [4]
        assert letters(LETTERS.ACTION_RETRY, letters=[1, 2])["failed"] == 2
        assert letters(LETTERS.ACTION_DROP, letters=[3])["done"] == 1
        assert letters(LETTERS.ACTION_DROP, after=1)["done"] == 3
        assert letters(LETTERS.ACTION_DROP)["done"] == 1
        assert letters(LETTERS.ACTION_LIST)["count"] == 0

        request = operations_messages.ReplayRequest(source="things", promote=True, **{"from": "earliest"})
        (change,) = json.loads(rpc.operations.Replay(request).json)["changes"]
        assert (change["name"], change["version"]) == ("seen", 2)
        server.wait_for(lambda: json.loads(server.call("ASOF.DESCRIBE", "seen"))["version"] == 2)
        assert server.call("HMGET", "seen:a", "n") == [b"4"]
