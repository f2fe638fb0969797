/* Answers of ASOF.GET: typed JSON, texts for people, replies that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <hiredis/hiredis.h>

#include "lookup.h"

static const char description_text[] =
    "{\"features\":[{\"name\":\"n\",\"type\":\"int\"},{\"name\":\"d\",\"type\":\"decimal(2)\"},"
    "{\"name\":\"s\",\"type\":\"string\"},{\"name\":\"b\",\"type\":\"bool\"},"
    "{\"name\":\"t\",\"type\":\"timestamp\"},{\"name\":\"l\",\"type\":\"list of string\"}]}";

/* What came on the wire, as hiredis hands it out. */
static redisReply *reply_of(const char *wire)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    assert_int_equal(redisReaderFeed(reader, wire, strlen(wire)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static enum status read_wire(const char *wire, struct buffer *json, struct buffer *texts)
{
    struct arena *arena = arena_create(1024);
    struct error err = {{0}};
    struct lookup lookup;
    yajl_val description;
    redisReply *reply = reply_of(wire);
    assert_int_equal(tree_parse(bytes_of_text(description_text), &description, &err), STATUS_OK);

    enum status status = lookup_read(reply, description, arena, &lookup, &err);
    if (status == STATUS_OK) {
        lookup_append_json(&lookup, bytes_of_text("c42"), json);
        for (size_t i = 0; i < lookup.features_count; i++) {
            lookup_append_text(&lookup.features[i], texts);
            buffer_append_byte(texts, ';');
        }
    }
    freeReplyObject(reply);
    yajl_tree_free(description);
    arena_destroy(&arena);
    return status;
}

#define HEAD "*8\r\n+view\r\n+v@2\r\n+at\r\n:1000000\r\n+event_time\r\n:-1\r\n+features\r\n"

static void values_are_typed_in_json_and_digits_stay(void **state)
{
    (void)state;
    struct buffer json = {0};
    struct buffer texts = {0};

    enum status status = read_wire(
        HEAD "*21\r\n+n\r\n+9223372036854775807\r\n+present\r\n+d\r\n+1234567890123456.78\r\n"
             "+present\r\n+s\r\n+12\r\n+present\r\n+b\r\n+0\r\n+present\r\n+t\r\n+1500000\r\n"
             "+present\r\n+l\r\n+[\"a\",\"b\"]\r\n+present\r\n+n\r\n$-1\r\n+overflow\r\n",
        &json, &texts);

    assert_int_equal(status, STATUS_OK);
    buffer_append_byte(&json, '\0');
    assert_string_equal(
        buffer_bytes(&json).data,
        "{\"view\":\"v@2\",\"entity\":\"c42\",\"at\":1000000,\"event_time\":-1,\"features\":{"
        "\"n\":{\"value\":9223372036854775807,\"status\":\"present\"},"
        "\"d\":{\"value\":1234567890123456.78,\"status\":\"present\"},"
        "\"s\":{\"value\":\"12\",\"status\":\"present\"},"
        "\"b\":{\"value\":false,\"status\":\"present\"},"
        "\"t\":{\"value\":1500000,\"status\":\"present\"},"
        "\"l\":{\"value\":[\"a\",\"b\"],\"status\":\"present\"},"
        "\"n\":{\"value\":null,\"status\":\"overflow\"}}}");
    buffer_append_byte(&texts, '\0');
    assert_string_equal(buffer_bytes(&texts).data,
                        "9223372036854775807;1234567890123456.78;12;false;"
                        "1970-01-01T00:00:01.500Z;[\"a\",\"b\"];overflow;");
    buffer_fini(&json);
    buffer_fini(&texts);
}

static void an_entity_without_events_has_no_event_time(void **state)
{
    (void)state;
    struct buffer json = {0};
    struct buffer texts = {0};

    enum status status = read_wire("*8\r\n+view\r\n+v@2\r\n+at\r\n$1\r\n5\r\n+event_time\r\n$-1\r\n"
                                   "+features\r\n*3\r\n+s\r\n$-1\r\n+not_found\r\n",
                                   &json, &texts);

    assert_int_equal(status, STATUS_OK);
    assert_true(bytes_equal_text(
        buffer_bytes(&json), "{\"view\":\"v@2\",\"entity\":\"c42\",\"at\":5,\"event_time\":null,"
                             "\"features\":{\"s\":{\"value\":null,\"status\":\"not_found\"}}}"));
    assert_true(bytes_equal_text(buffer_bytes(&texts), "-;"));
    buffer_fini(&json);
    buffer_fini(&texts);
}

static void a_reply_of_another_shape_is_not_understood(void **state)
{
    (void)state;
    static const char *const wires[] = {
        "+OK\r\n",
        "$-1\r\n",
        ":7\r\n",
        "*0\r\n",
        "*1\r\n+view\r\n",
        "*2\r\n+view\r\n+v@2\r\n",
        "*4\r\n+view\r\n+v@2\r\n+at\r\n+soon\r\n",
        HEAD "+none\r\n",
        HEAD "*2\r\n+n\r\n+1\r\n",
        HEAD "*3\r\n+n\r\n*0\r\n+present\r\n",
        "*6\r\n+view\r\n+v@2\r\n+at\r\n:9223372036854775807\r\n+features\r\n*0\r\n",
    };
    for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++) {
        struct buffer json = {0};
        struct buffer texts = {0};

        assert_int_equal(read_wire(wires[i], &json, &texts), STATUS_CORRUPT);
        assert_int_equal(json.size, 0);
        buffer_fini(&texts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_typed_in_json_and_digits_stay),
        cmocka_unit_test(an_entity_without_events_has_no_event_time),
        cmocka_unit_test(a_reply_of_another_shape_is_not_understood),
    };
    return cmocka_run_group_tests_name("client_lookup", tests, NULL, NULL);
}
