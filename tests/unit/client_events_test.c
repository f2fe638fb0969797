/* Files of events: records, lines, limits, and what is rejected before it is sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <unistd.h>

#include "events.h"

static const struct source_field fields[] = {{{"a", 1}, {"int", 3}}, {{"b", 1}, {"string", 6}}};

/* A file that holds the bytes, to be read from its start. */
static int file_of(struct bytes bytes)
{
    char name[] = "/tmp/client_events_test.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* All events as "LINE:JSON;" and rejections as "LINE!REASON;", ended by NUL. */
static void read_all(struct bytes file, enum events_format format, struct buffer *out)
{
    struct events *events = malloc(sizeof(*events));
    struct error err = {{0}};
    struct event event;
    int fd = file_of(file);

    assert_int_equal(events_init(events, fd, format, fields, 2, &err), STATUS_OK);
    enum status status = events_next(events, &event, &err);
    while (status == STATUS_OK) {
        if (event.rejection != NULL)
            buffer_format(out, "%u!%s;", (unsigned)event.line, event.rejection);
        else
            buffer_format(out, "%u:%.*s;", (unsigned)event.line, BYTES_ARGS(event.json));
        assert_true(event.end_offset <= file.size);
        status = events_next(events, &event, &err);
    }
    assert_int_equal(status, STATUS_NOT_FOUND);
    buffer_append_byte(out, '\0');
    events_fini(events);
    free(events);
    close(fd);
}

static void lines_are_events_and_keep_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        enum events_format format;
        const char *events;
    } cases[] = {
        {"", EVENTS_NDJSON, ""},
        {"{}\n{\"a\":1}\n", EVENTS_NDJSON, "1:{};2:{\"a\":1};"},
        {"\xef\xbb\xbf{}\r\n\r\n  \n{\"a\":1}", EVENTS_NDJSON, "1:{};4:{\"a\":1};"},
        {"a,b\n1,x\n2,y", EVENTS_CSV, "2:{\"a\":1,\"b\":\"x\"};3:{\"a\":2,\"b\":\"y\"};"},
        {"\xef\xbb\xbf"
         "a,b\r\n1,\"x\ny\"\r\n\r\n2,\r\n",
         EVENTS_CSV, "2:{\"a\":1,\"b\":\"x\\u000ay\"};5:{\"a\":2};"},
        {"a,b\n1,x\r2,y\n3,z\n", EVENTS_CSV,
         "2!column 2: a CR outside of quotes that no LF follows; let lines end in LF or CRLF, and "
         "put a cell that holds a CR in quotes;3:{\"a\":3,\"b\":\"z\"};"},
        {"a,b\n1\n2,y\n", EVENTS_CSV,
         "2!1 cells, but the header has 2 columns;3:{\"a\":2,\"b\":\"y\"};"},
        {"a,b\n1,x\n\"2,y\n3,z\n", EVENTS_CSV,
         "2:{\"a\":1,\"b\":\"x\"};3!column 1: the quote that opens is never closed;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer events = {0};

        read_all(bytes_of_text(cases[i].file), cases[i].format, &events);

        assert_string_equal(buffer_bytes(&events).data, cases[i].events);
        buffer_fini(&events);
    }
}

/* A line of size bytes with its newline. */
static void append_line(struct buffer *file, size_t size)
{
    memset(buffer_reserve(file, size), 'x', size);
    buffer_added(file, size);
    file->memory[file->start + file->size - 1] = '\n';
}

static void a_line_beyond_the_limit_is_rejected_and_the_next_is_read(void **state)
{
    (void)state;
    static const size_t sizes[] = {RECORD_SIZE_MAX + 2, RECORD_SIZE_MAX + 3, RECORD_SIZE_MAX + 4,
                                   3 * RECORD_SIZE_MAX + 17, 10 * RECORD_SIZE_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct buffer file = {0};
        struct buffer events = {0};
        buffer_append_text(&file, "{}\n");
        append_line(&file, sizes[i]);
        buffer_append_text(&file, "{}\n");

        read_all(buffer_bytes(&file), EVENTS_NDJSON, &events);

        assert_string_equal(buffer_bytes(&events).data, "1:{};2!longer than 1048576 bytes;3:{};");
        buffer_fini(&file);
        buffer_fini(&events);
    }
}

static void a_line_at_the_limit_is_an_event(void **state)
{
    (void)state;
    static const char *const line_ends[] = {"\n", "\r\n", ""};
    for (size_t i = 0; i < sizeof(line_ends) / sizeof(line_ends[0]); i++) {
        struct buffer file = {0};
        struct buffer events = {0};
        memset(buffer_reserve(&file, RECORD_SIZE_MAX), 'x', RECORD_SIZE_MAX);
        buffer_added(&file, RECORD_SIZE_MAX);
        buffer_append_text(&file, line_ends[i]);

        read_all(buffer_bytes(&file), EVENTS_NDJSON, &events);

        assert_int_equal(events.size, strlen("1:;") + RECORD_SIZE_MAX + 1);
        assert_memory_equal(buffer_bytes(&events).data, "1:xxx", 5);
        buffer_fini(&file);
        buffer_fini(&events);
    }
}

static void a_quote_that_is_never_closed_holds_no_more_than_the_limit(void **state)
{
    (void)state;
    struct buffer file = {0};
    struct buffer events = {0};
    buffer_append_text(&file, "a,b\n\"");
    append_line(&file, 4 * RECORD_SIZE_MAX);
    buffer_append_text(&file, "1,x\n");

    read_all(buffer_bytes(&file), EVENTS_CSV, &events);

    assert_string_equal(buffer_bytes(&events).data,
                        "2!longer than 1048576 bytes (is a quote not closed?);");
    buffer_fini(&file);
    buffer_fini(&events);
}

static void csv_without_a_header_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {"", "1,2\n", "\"a,b\n", "a,b\r1,x\r"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct events *events = malloc(sizeof(*events));
        struct error err = {{0}};
        int fd = file_of(bytes_of_text(files[i]));

        enum status status = events_init(events, fd, EVENTS_CSV, fields, 2, &err);

        assert_int_equal(status, STATUS_INVALID);
        assert_true(err.text[0] != '\0');
        events_fini(events);
        free(events);
        close(fd);
    }
}

static void what_a_pipe_has_not_brought_yet_is_not_waited_for(void **state)
{
    (void)state;
    struct events *events = malloc(sizeof(*events));
    struct error err = {{0}};
    struct event event;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "{}\n{}\n", 6), 6);
    assert_int_equal(events_init(events, ends[0], EVENTS_NDJSON, NULL, 0, &err), STATUS_OK);

    assert_true(events_are_ready(events));
    assert_int_equal(events_next(events, &event, &err), STATUS_OK);
    assert_true(events_are_ready(events));
    assert_int_equal(events_next(events, &event, &err), STATUS_OK);
    assert_false(events_are_ready(events));
    close(ends[1]);
    assert_true(events_are_ready(events));
    assert_int_equal(events_next(events, &event, &err), STATUS_NOT_FOUND);

    events_fini(events);
    free(events);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_events_and_keep_their_numbers),
        cmocka_unit_test(a_line_beyond_the_limit_is_rejected_and_the_next_is_read),
        cmocka_unit_test(a_line_at_the_limit_is_an_event),
        cmocka_unit_test(a_quote_that_is_never_closed_holds_no_more_than_the_limit),
        cmocka_unit_test(csv_without_a_header_is_refused),
        cmocka_unit_test(what_a_pipe_has_not_brought_yet_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("client_events", tests, NULL, NULL);
}
