/* What a person sees whose definitions are wrong. Each sentence begins with the place. */
#include "definitions_world.h"

struct mistake_case {
    const char *text;
    const char *sentence;
};

static void check_mistakes(const struct mistake_case *cases, size_t count)
{
    struct world world = world_create();
    for (size_t i = 0; i < count; i++) {
        struct registry_plan plan;
        struct error err = {0};

        enum status status = world_plan(&world, cases[i].text, &plan, &err);

        assert_string_equal(err.text, cases[i].sentence);
        assert_int_equal(status, STATUS_INVALID);
        assert_int_equal(plan.rows_count, 0);
    }
    world_destroy(&world);
}

#define CHECK_MISTAKES(cases) check_mistakes(cases, sizeof(cases) / sizeof((cases)[0]))

static void a_text_that_is_no_yaml(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        {"sources: {payments: ",
         "a.yaml:2:1: this is not YAML: did not find expected node content while parsing a flow "
         "node; mind the indentation, and quote texts that hold ': ' or ' #' or begin with a "
         "special letter"},
        {"a: b\nsources\n\xff",
         "a.yaml:3:1: this is not YAML: invalid leading UTF-8 octet; mind the indentation, and "
         "quote texts that hold ': ' or ' #' or begin with a special letter"},
        {"sources:\n  a: 1\n  b: 2\n  a: 3\n",
         "a.yaml:4:3: 'a' stands here twice, first in line 2; leave one out"},
        {"? [a]\n: b\n", "a.yaml:1:3: found a list or a mapping as a key; a key must be a text"},
        {"sources: !include a.yaml\n",
         "a.yaml:1:10: found a tag of YAML (!...); definitions have none, leave it out"},
        {"sources: &a {payments: *a}\n",
         "a.yaml:1:24: found an alias (*) inside the anchor (&) that it names; write out what is "
         "meant"},
        {"sources: *a\n",
         "a.yaml:1:10: found an alias (*) of an anchor (&) that does not stand before it"},
        {"sources: {a: &x 1, b: &x 2}\n",
         "a.yaml:1:23: found an anchor (&) of a name that another has; rename one"},
    };
    CHECK_MISTAKES(cases);
}

static void a_file_of_another_form(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        {"hello\n", "a.yaml:1:1: found a text; a definition file is a mapping of its keys"},
        {"- a\n", "a.yaml:1:1: found a list; a definition file is a mapping of its keys"},
        {"source: {}\n",
         "a.yaml:1:1: a definition file has no key 'source'; did you mean 'sources'?"},
        {"zebra: {}\n", "a.yaml:1:1: a definition file has no key 'zebra'; the keys are sources, "
                        "entities, views, services"},
        {"sources: [payments]\n",
         "a.yaml:1:10: found a list; sources are a mapping from names to what they are"},
        {"entities: {Card: {keys: [card]}}\n", "a.yaml:1:12: 'Card' cannot name this entity; a "
                                               "name begins with one of a-z, goes on with a-z, "
                                               "0-9 and _, and has at most 64 letters"},
        {CARD "---\n" CARD,
         "a.yaml:3:12: the entity 'card' is there twice, first in 'a.yaml' line 1; leave one out"},
    };
    CHECK_MISTAKES(cases);
}

#define SOURCE(body) "sources:\n  payments:\n" body
#define FIELDS       "    fields: {ts: timestamp, card: string, n: int}\n"

static void a_source_with_a_mistake(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        {"sources: {payments: }\n",
         "a.yaml:1:21: found nothing; a source is a mapping of its keys"},
        {SOURCE("    feilds: {}\n"),
         "a.yaml:3:5: a source has no key 'feilds'; did you mean 'fields'?"},
        {SOURCE("    owner: me\n"),
         "a.yaml:2:3: a source without fields; add fields: {NAME: TYPE, ...}"},
        {SOURCE("    fields: {}\n    event_time: ts\n"),
         "a.yaml:3:13: found no field; fields are a mapping like {ts: timestamp_ms, card: string}"},
        {SOURCE(FIELDS), "a.yaml:2:3: a source without event_time; add event_time: FIELD, a "
                         "timestamp"},
        {SOURCE(FIELDS "    event_time: tss\n"),
         "a.yaml:4:17: event_time names the field 'tss', which is not there; did you mean 'ts'?"},
        {SOURCE(FIELDS "    event_time: card\n"),
         "a.yaml:4:17: event_time names the field 'card' of type string; it must be a timestamp, "
         "like timestamp_ms"},
        {SOURCE(FIELDS "    event_time: ts\n    event_id: transaction\n"),
         "a.yaml:5:15: event_id names the field 'transaction', which is not there; the fields are "
         "ts, card, n"},
        {SOURCE("    fields: {ts: timestamp_sm}\n    event_time: ts\n"),
         "a.yaml:3:18: there is no type 'timestamp_sm'; did you mean 'timestamp_s'?"},
        {SOURCE("    fields: {ts: timestamp, a: decimal}\n    event_time: ts\n"),
         "a.yaml:3:32: 'decimal' is no type; a decimal has its digits after the point, decimal(0) "
         "to decimal(18)"},
        {SOURCE("    fields: {ts: timestamp, a: decimal(19)}\n    event_time: ts\n"),
         "a.yaml:3:32: 'decimal(19)' is no type; a decimal has its digits after the point, "
         "decimal(0) to decimal(18)"},
        {SOURCE("    fields: {ts: timestamp, 'null': int}\n    event_time: ts\n"),
         "a.yaml:3:29: 'null' is a value in SQL; give the field another name"},
        {SOURCE(FIELDS "    event_time: ts\n    clock: walll\n"),
         "a.yaml:5:12: clock does not know 'walll'; did you mean 'wall'?"},
        {SOURCE(FIELDS "    event_time: ts\n    format: avro\n"),
         "a.yaml:5:13: format does not know 'avro'; the words are json"},
        {SOURCE(FIELDS "    event_time: ts\n    durability: none\n"),
         "a.yaml:5:17: durability does not know 'none'; the words are fsync, os"},
        {SOURCE(FIELDS "    event_time: ts\n    retention: 30 days\n"),
         "a.yaml:5:16: '30 days' is no duration; retention takes one like 30d, 1h30m or 250ms, or "
         "forever"},
        {SOURCE(FIELDS "    event_time: ts\n    ahead_max: [1h]\n"),
         "a.yaml:5:16: found a list; ahead_max takes a text"},
        {SOURCE("    tags: [risk]\n"),
         "a.yaml:3:11: found a list; tags are a mapping like {team: risk}"},
        {SOURCE("    tags: {team: {a: b}}\n"), "a.yaml:3:18: found a mapping; a tag takes a text"},
        {SOURCE("    description: {a: b}\n"),
         "a.yaml:3:18: found a mapping; description takes a text"},
    };
    CHECK_MISTAKES(cases);
}

static void a_source_with_a_mistake_about_kafka(void **state)
{
    (void)state;
#define KAFKA(text) SOURCE(FIELDS "    event_time: ts\n" text)
    static const struct mistake_case cases[] = {
        {KAFKA("    kafka: {topic: payments}\n"),
         "a.yaml:5:12: kafka needs brokers and a topic, like {brokers: \"localhost:9092\", topic: "
         "payments}"},
        {KAFKA("    kafka: {brokers: b, topic: 'a b'}\n"),
         "a.yaml:5:32: 'a b' is no name of a topic: letters, digits, '.', '_' and '-', at most "
         "249"},
        {KAFKA("    kafka: {brokers: b, topic: '..'}\n"),
         "a.yaml:5:32: '..' is no name of a topic: letters, digits, '.', '_' and '-', at most 249"},
        {KAFKA("    kafka: {brokers: b, topic: []}\n"), "a.yaml:5:32: found no topic; name one"},
        {KAFKA("    kafka: {brokers: b, topic: [t, t]}\n"),
         "a.yaml:5:36: the topic 't' stands here twice; leave one out"},
        {KAFKA("    kafka: {brokers: b, topic: t, start: yesterday}\n"),
         "a.yaml:5:42: start is earliest, latest or a time like 2026-01-31T12:00:00Z, found "
         "'yesterday'"},
        {KAFKA("    kafka: {brokers: b, topic: t, on_gap: skp}\n"),
         "a.yaml:5:43: on_gap does not know 'skp'; did you mean 'skip'?"},
        {KAFKA("    kafka: {brokers: b, topic: t, start: latest}\n    start: latest\n"),
         "a.yaml:6:12: start stands in kafka: too; leave one out"},
        {KAFKA("    on_gap: stop\n"),
         "a.yaml:5:13: on_gap is for a source that reads Kafka; add kafka:"},
        {KAFKA("    start: latest\n"),
         "a.yaml:5:12: start is for a source that reads Kafka; add kafka:"},
        {KAFKA("    retention: 1d\n    kafka: {brokers: b, topic: t}\n"),
         "a.yaml:5:16: retention is that of the embedded log, and the log of a source that reads "
         "Kafka is Kafka; leave it out"},
        {KAFKA("    kafka: {brokers: b, topic: t, properties: [x]}\n"),
         "a.yaml:5:47: found a list; properties are a mapping like {security.protocol: ssl}"},
        {KAFKA("    kafka: {brokers: b, topic: t, properties: {enable.auto.commit: 'true'}}\n"),
         "a.yaml:5:48: not that one"},
        {SOURCE("    fields: {ts: timestamp, _key: string}\n    event_time: ts\n"),
         "a.yaml:3:29: '_key' is a part of a record of Kafka, and this source is pushed to; add "
         "kafka:"},
        {SOURCE("    fields: {ts: timestamp, _partition: int}\n    event_time: ts\n"),
         "a.yaml:3:29: '_partition' cannot name this field; of a record of Kafka there are _key, "
         "_timestamp and _header.NAME (letters, digits, '_', '-' and '.', at most 64 in all)"},
        {SOURCE("    fields: {ts: timestamp, '_header.a b': int}\n    event_time: ts\n"),
         "a.yaml:3:29: '_header.a b' cannot name this field; of a record of Kafka there are _key, "
         "_timestamp and _header.NAME (letters, digits, '_', '-' and '.', at most 64 in all)"},
        {SOURCE("    fields: {_timestamp: timestamp_us}\n    event_time: _timestamp\n"
                "    kafka: {brokers: b, topic: t}\n"),
         "a.yaml:3:26: _timestamp is a timestamp_ms, as brokers have it, found timestamp_us"},
        {KAFKA("    freshness_slo: soon\n"),
         "a.yaml:5:20: 'soon' is no duration; freshness_slo takes one like 30d, 1h30m or 250ms, or "
         "none"},
        {KAFKA("    dead_letters: {topic: dead}\n"),
         "a.yaml:5:19: dead_letters are for a source that reads Kafka; what is pushed and can't be "
         "taken is refused"},
        {KAFKA("    kafka: {brokers: b, topic: t}\n    dead_letters: {topic: t}\n"),
         "a.yaml:6:27: the source reads 't' itself; dead letters need a topic of their own"},
        {KAFKA("    kafka: {brokers: b, topic: t}\n    dead_letters: {topic: 'a b'}\n"),
         "a.yaml:6:27: 'a b' is no name of a topic: letters, digits, '.', '_' and '-', at most "
         "249"},
    };
#undef KAFKA
    CHECK_MISTAKES(cases);
}

static void an_entity_with_a_mistake(void **state)
{
    (void)state;
    static const struct mistake_case cases[] = {
        {"entities: {card: {}}\n", "a.yaml:1:12: an entity without keys; add keys: [FIELD, ...]"},
        {"entities: {card: {key: [card]}}\n",
         "a.yaml:1:19: an entity has no key 'key'; did you mean 'keys'?"},
        {"entities: {card: {keys: card}}\n",
         "a.yaml:1:25: found a text; keys are a list of fields, like [card]"},
        {"entities: {card: {keys: []}}\n",
         "a.yaml:1:25: found no key; keys are a list of fields, like [card]"},
        {"entities: {card: {keys: [card, card]}}\n",
         "a.yaml:1:32: the key 'card' stands here twice; leave one out"},
    };
    CHECK_MISTAKES(cases);
}

static void a_view_with_a_mistake(void **state)
{
    (void)state;
#define VIEW(body) PAYMENTS CARD "views:\n  v:\n" body
    static const struct mistake_case cases[] = {
        {VIEW("    kind: batch\n    entity: card\n    ttl: 30d\n"),
         "a.yaml:9:3: view 'v' is not complete; add features: {NAME: TYPE}"},
        {VIEW("    kind: steam\n"),
         "a.yaml:10:11: kind does not know 'steam'; did you mean 'stream'?"},
        {VIEW("    ttl: 30d\n"),
         "a.yaml:10:5: found 'ttl'; only batch views have it; add kind: batch"},
        {VIEW("    sauce: payments\n"),
         "a.yaml:10:5: a view has no key 'sauce'; did you mean 'source'?"},
        {VIEW("    entity: card\n"), "a.yaml:9:3: view 'v' is not complete; add source: NAME"},
        {VIEW("    source: payments\n"), "a.yaml:9:3: view 'v' is not complete; add entity: NAME"},
        {VIEW("    source: payments\n    entity: card\n"),
         "a.yaml:9:3: view 'v' is not complete; add features: {NAME: {count: '*', over: 5m}}"},
        {VIEW("    source: payment\n    entity: card\n    features: {a: {count: '*', over: 5m}}\n"),
         "a.yaml:10:13: there is no source 'payment'; did you mean 'payments'?"},
        {VIEW(
             "    source: payments\n    entity: cart\n    features: {a: {count: '*', over: 5m}}\n"),
         "a.yaml:11:13: there is no entity 'cart'; did you mean 'card'?"},
        {VIEW("    source: payments\n    entity: card\n    features: {}\n"),
         "a.yaml:12:15: found no feature; features are a mapping like {payments_5m: {count: '*', "
         "over: 5m}}"},
        {VIEW("    source: payments\n    entity: card\n    history: 90 days\n"
              "    features: {a: {count: '*', over: 5m}}\n"),
         "a.yaml:12:14: '90 days' is no duration; history takes one like 30d, 1h30m or 250ms, or "
         "everything"},
        {VIEW("    source: payments\n    entity: card\n    where: stats = 'x'\n"
              "    features: {a: {count: '*', over: 5m}}\n"),
         "a.yaml:12:12: where: there is no field 'stats'"},
        {"sources: {}\n" CARD "views: {v: {source: a, entity: b, features: {c: {count: '*', over: "
         "5m}}}}\n",
         "a.yaml:3:21: there is no source 'a'; there are no sources yet"},
        {PAYMENTS "entities: {shop: {keys: [merchant]}}\n"
                  "views: {v: {source: payments, entity: shop, features: {c: {count: '*', over: "
                  "5m}}}}\n",
         "a.yaml:8:39: the key 'merchant' of entity 'shop' is no field of source 'payments'; the "
         "fields are txn, ts, card, country, amount, status"},
        {PAYMENTS "entities: {shop: {keys: [amount]}}\n"
                  "views: {v: {source: payments, entity: shop, features: {c: {count: '*', over: "
                  "5m}}}}\n",
         "a.yaml:8:39: the key 'amount' of entity 'shop' is a decimal(2) in source 'payments'; a "
         "key must be a string or an int"},
    };
    CHECK_MISTAKES(cases);
}

static void a_batch_view_with_a_mistake(void **state)
{
    (void)state;
#define BATCH(body)   PAYMENTS CARD "views:\n  v:\n    kind: batch\n" body
#define OF_CARD(body) BATCH("    entity: card\n    features: {" body "}\n")
    static const struct mistake_case cases[] = {
        {BATCH("    entity: card\n    ttl: 30d\n"),
         "a.yaml:9:3: view 'v' is not complete; add features: {NAME: TYPE}"},
        {BATCH("    where: x\n"),
         "a.yaml:11:5: found 'where'; a batch view keeps every write; leave it out"},
        {OF_CARD("a: strin"), "a.yaml:12:19: there is no type 'strin'; did you mean 'string'?"},
        {OF_CARD("a: {over: 5m}"), "a.yaml:12:20: found 'over'; a batch view has no windows: its "
                                   "features are written as they are"},
        {OF_CARD("a: {default: 5}"),
         "a.yaml:12:16: feature 'a' has no type; add type: string, or another one"},
        {OF_CARD("a: [string]"),
         "a.yaml:12:19: found a list; a feature of a batch view is a type, like a: string, or a "
         "mapping like {type: string, default: none}"},
        {OF_CARD("a: {type: int, default: x}"),
         "a.yaml:12:40: the default 'x' is no int, which is the type of this feature"},
        {OF_CARD("card: int"), "a.yaml:12:16: feature 'card' has the name of a key or of what each "
                               "write brings along (event_timestamp, event_deleted); give it "
                               "another one"},
        {OF_CARD("event_deleted: bool"),
         "a.yaml:12:16: feature 'event_deleted' has the name of a key or of what each write brings "
         "along (event_timestamp, event_deleted); give it another one"},
        {BATCH("    entity: card\n    ttl: soon\n    features: {a: int}\n"),
         "a.yaml:12:10: 'soon' is no duration; ttl takes one like 30d, 1h30m or 250ms, or none"},
        {BATCH("    source: payments\n    entity: card\n    features: {statu: string}\n"),
         "a.yaml:13:16: feature 'statu' is no field of source 'payments'; did you mean 'status'?"},
        {BATCH("    source: payments\n    entity: card\n    features: {amount: int}\n"),
         "a.yaml:13:24: feature 'amount' is a field of type decimal(2) in source 'payments'"},
        {PAYMENTS CARD "views:\n  payments: {kind: batch, entity: card, features: {a: int}}\n",
         "a.yaml:9:3: there is a source of the name 'payments', under which this batch view would "
         "take its writes; add source: payments if its events are the writes, else give the view "
         "another name"},
        {"sources: {s: {writes: true, fields: {ts: timestamp}, event_time: ts}}\n",
         "a.yaml:1:15: found 'writes'; asof itself says so of the writes of a batch view; leave it "
         "out"},
    };
#undef OF_CARD
#undef BATCH
    CHECK_MISTAKES(cases);
}

static void a_feature_with_a_mistake(void **state)
{
    (void)state;
#define FEATURE(body) BASE "      f: {" body "}\n"
    static const struct mistake_case cases[] = {
        {BASE "      f: 5\n",
         "a.yaml:13:10: found a text; a feature is a mapping like {count: '*', over: 5m}"},
        {BASE "      F: {count: '*', over: 5m}\n", "a.yaml:13:7: 'F' cannot name this feature; a "
                                                   "name begins with one of a-z, goes on with a-z, "
                                                   "0-9 and _, and has at most 64 letters"},
        {FEATURE("cuont: '*', over: 5m"),
         "a.yaml:13:11: a feature has no key and there is no aggregation 'cuont'; did you mean "
         "'count'?"},
        {FEATURE("median: amount, over: 5m"),
         "a.yaml:13:11: a feature has no key and there is no aggregation 'median'; the "
         "aggregations "
         "and keys are count, sum, avg, max, last, last_n, duration, description, owner, tags, "
         "over, where, default, type"},
        {FEATURE("over: 5m"), "a.yaml:13:7: feature 'f' has no aggregation; the aggregations are "
                              "count, sum, avg, max, last, last_n, duration"},
        {FEATURE("count: '*'"),
         "a.yaml:13:7: feature 'f' has no window; add over: 5m, or last(5), session(30m), forever"},
        {FEATURE("count: '*', sum: amount, over: 5m"),
         "a.yaml:13:23: found a second aggregation 'sum'; a feature has one, make two of it"},
        {FEATURE("sum: amout, over: 5m"),
         "a.yaml:13:16: feature 'f': source 'payments' has no field 'amout'; did you mean "
         "'amount'?"},
        {FEATURE("sum: [amount], over: 5m"),
         "a.yaml:13:16: found a list; an aggregation takes a text"},
        {FEATURE("sum: amount * rate, over: 5m"),
         "a.yaml:13:25: feature 'f', sum: there is no field 'rate'"},
        {FEATURE("sum: 'amount * rate', over: 5m"),
         "a.yaml:13:26: feature 'f', sum: there is no field 'rate'"},
        {FEATURE("sum: '  amount * rate', over: 5m"),
         "a.yaml:13:28: feature 'f', sum: there is no field 'rate'"},
        {FEATURE("sum: \"amount * \\x72ate\", over: 5m"),
         "a.yaml:13:16: feature 'f', sum: there is no field 'rate'"},
        {BASE "      f:\n        over: 5m\n        sum: >\n          amount * rate\n",
         "a.yaml:15:14: feature 'f', sum: there is no field 'rate'"},
        {FEATURE("count: '*', where: country = 'Österreich' and amout > 1, over: 5m"),
         "a.yaml:13:57: feature 'f', where: there is no field 'amout'"},
        {FEATURE("sum: country, over: 5m"), "a.yaml:13:16: feature 'f': sum takes numbers"},
        {FEATURE("last_n: country, over: 5m"),
         "a.yaml:13:34: feature 'f': last_n goes over last(n)"},
        {FEATURE("sum: amount, over: 5 minutes"),
         "a.yaml:13:30: feature 'f', over: '5 minutes' is no window; write one like 5m, 7d step "
         "1h, "
         "tumbling(1d, offset 6h), session(30m), last(5) or forever"},
        {FEATURE("count: '*', over: tumbling(1d, offset 5h)"),
         "a.yaml:13:42: found 'offset 5h)' as a key, as a comma ends a text in {...}; put the text "
         "in quotes, like over: 'tumbling(1d, offset 5h)'"},
        {FEATURE("sum: amount, over: 5m, type: double"),
         "a.yaml:13:40: feature 'f', type: the field 'amount' by itself keeps its type decimal(2); "
         "leave 'type' out, or write an expression"},
        {FEATURE("sum: amount * 2, over: 5m, type: dubble"),
         "a.yaml:13:44: there is no type 'dubble'; did you mean 'double'?"},
        {FEATURE("count: '*', over: 5m, type: int"),
         "a.yaml:13:39: feature 'f', type: there is no expression that it could be the type of; "
         "leave it out"},
        {FEATURE("count: '*', over: 5m, default: 1.5"),
         "a.yaml:13:42: the default '1.5' is no int, which is the type of this feature"},
        {FEATURE("sum: amount, over: 5m, default: 1.505"),
         "a.yaml:13:43: the default '1.505' is no decimal(2), which is the type of this feature"},
        {FEATURE("sum: amount, over: 5m, default: '0'"),
         "a.yaml:13:43: the default '0' is no decimal(2), which is the type of this feature"},
        {FEATURE("sum: amount, over: 5m, default: null"),
         "a.yaml:13:43: found nothing; a default is a value of type decimal(2)"},
        {FEATURE("last_n: country, over: last(3), default: x"),
         "a.yaml:13:52: found a default of a list of string; a list has none, leave it out"},
        {FEATURE("last: ts, over: forever, default: yesterday"),
         "a.yaml:13:45: the default 'yesterday' is no timestamp, which is the type of this "
         "feature"},
        {FEATURE("count: '', over: 5m"),
         "a.yaml:13:18: found an empty text; an aggregation takes a text"},
    };
    CHECK_MISTAKES(cases);
}

static void a_change_that_breaks_a_registered_view(void **state)
{
    (void)state;
    struct world world = world_create();
    struct registry_plan plan;
    struct error err = {0};
    world_apply(&world, BASE "      amount_sum: {sum: amount, over: 5m}\n");

    enum status status = world_plan(&world,
                                    "sources:\n"
                                    "  payments:\n"
                                    "    fields: {txn: string, ts: timestamp_ms, card: string}\n"
                                    "    event_time: ts\n",
                                    &plan, &err);
    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(err.text, "a.yaml:2:3: view 'card_payments' would no longer hold together: "
                                  "feature 'amount_sum': source 'payments' has no field 'amount'; "
                                  "the fields are txn, ts, card");

    status = world_plan(&world, "entities: {card: {keys: [card, bank]}}\n", &plan, &err);
    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(err.text,
                        "a.yaml:1:12: view 'card_payments' would no longer hold together: "
                        "the key 'bank' of entity 'card' is no field of source "
                        "'payments'; the fields are txn, ts, card, country, amount, "
                        "status");
    world_destroy(&world);
}

static void a_definition_that_stands_in_two_files(void **state)
{
    (void)state;
    struct world world = world_create();
    struct registry_plan plan;
    struct error err = {0};
    const struct definition_file files[] = {
        {bytes_of_text("a.yaml"), bytes_of_text(CARD)},
        {bytes_of_text("b.yaml"), bytes_of_text(PAYMENTS CARD)},
    };

    enum status status =
        registry_plan(world.registry, files, 2, fake_checks(), world.arena, &plan, &err);

    assert_int_equal(status, STATUS_INVALID);
    assert_string_equal(err.text,
                        "b.yaml:7:12: the entity 'card' is there twice, first in 'a.yaml' "
                        "line 1; leave one out");
    world_destroy(&world);
}

/* --- limits -------------------------------------------------------------------------------- */

static void check_limit(const struct buffer *text, const char *sentence)
{
    struct world world = world_create();
    const struct definition_file file = {bytes_of_text("a.yaml"), buffer_bytes(text)};
    struct registry_plan plan;
    struct error err = {0};

    enum status status =
        registry_plan(world.registry, &file, 1, fake_checks(), world.arena, &plan, &err);

    assert_string_equal(err.text, sentence);
    assert_int_equal(status, STATUS_LIMIT);
    world_destroy(&world);
}

static void too_many_fields_features_and_keys_are_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, "sources:\n  s:\n    event_time: f0\n    fields:\n");
    for (int i = 0; i <= SOURCE_FIELDS_MAX; i++)
        buffer_format(&text, "      f%d: timestamp\n", i);
    check_limit(&text, "a.yaml:5:7: found 257 fields; a source has at most 256");

    buffer_reset(&text, 0);
    buffer_append_text(&text, BASE);
    for (int i = 0; i <= VIEW_FEATURES_MAX; i++)
        buffer_format(&text, "      f%d: {count: '*', over: 5m}\n", i);
    check_limit(&text, "a.yaml:13:7: found 513 features; a view has at most 512");

    buffer_reset(&text, 0);
    buffer_append_text(&text, "entities: {e: {keys: [a, b, c, d, e, f, g, h, i]}}\n");
    check_limit(&text, "a.yaml:1:22: found 9 keys; an entity has at most 8");
    buffer_fini(&text);
}

static void too_long_texts_are_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, BASE "      f: {over: 5m, sum: 1");
    for (int i = 0; i < EXPRESSION_SIZE_MAX / 2; i++)
        buffer_append_text(&text, "+1");
    buffer_append_text(&text, "}\n");
    check_limit(&text, "a.yaml:13:26: feature 'f', sum has 4097 bytes; an expression has at most "
                       "4096");

    buffer_reset(&text, 0);
    buffer_append_text(&text, "entities: {e: {keys: [a], description: ");
    for (int i = 0; i < 4097; i++)
        buffer_append_byte(&text, 'x');
    buffer_append_text(&text, "}}\n");
    check_limit(&text, "a.yaml:1:40: description has 4097 bytes; at most 4096 are taken");

    buffer_reset(&text, 0);
    for (int i = 0; i <= DEFINITION_FILE_SIZE_MAX; i++)
        buffer_append_byte(&text, '#');
    check_limit(&text, "file 'a.yaml' has 1048577 bytes; at most 1048576 are taken");
    buffer_fini(&text);
}

static void deep_nesting_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const openings[] = {"[", "{", "- ", "? ", "[a: ", "{[", "[{a: "};
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        struct buffer text = {0};
        struct world world = world_create();
        struct registry_plan plan;
        struct error err = {0};
        while (text.size < DEFINITION_FILE_SIZE_MAX - 16)
            buffer_append_text(&text, openings[i]);
        const struct definition_file file = {bytes_of_text("a.yaml"), buffer_bytes(&text)};

        enum status status =
            registry_plan(world.registry, &file, 1, fake_checks(), world.arena, &plan, &err);

        assert_true(status == STATUS_LIMIT || status == STATUS_INVALID);
        assert_memory_equal(err.text, "a.yaml:1:", 9);
        world_destroy(&world);
        buffer_fini(&text);
    }
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    static struct definition_file files[DEFINITION_FILES_MAX + 1];
    struct world world = world_create();
    struct registry_plan plan;
    struct error err = {0};

    enum status status = registry_plan(world.registry, files, DEFINITION_FILES_MAX + 1,
                                       fake_checks(), world.arena, &plan, &err);
    assert_int_equal(status, STATUS_LIMIT);
    assert_string_equal(err.text, "found 1001 files; at most 1000 are taken at a time");

    status = registry_plan(world.registry, files, DEFINITION_FILES_MAX, fake_checks(), world.arena,
                           &plan, &err);
    assert_int_equal(status, STATUS_OK);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_that_is_no_yaml),
        cmocka_unit_test(a_file_of_another_form),
        cmocka_unit_test(a_source_with_a_mistake),
        cmocka_unit_test(a_source_with_a_mistake_about_kafka),
        cmocka_unit_test(an_entity_with_a_mistake),
        cmocka_unit_test(a_view_with_a_mistake),
        cmocka_unit_test(a_batch_view_with_a_mistake),
        cmocka_unit_test(a_feature_with_a_mistake),
        cmocka_unit_test(a_change_that_breaks_a_registered_view),
        cmocka_unit_test(a_definition_that_stands_in_two_files),
        cmocka_unit_test(too_many_fields_features_and_keys_are_refused),
        cmocka_unit_test(too_long_texts_are_refused),
        cmocka_unit_test(deep_nesting_is_refused_at_once),
        cmocka_unit_test(too_many_files_are_refused),
    };
    return cmocka_run_group_tests_name("registry_mistakes", tests, NULL, NULL);
}
