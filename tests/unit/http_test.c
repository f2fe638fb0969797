/* HTTP: what is a request, what is refused, and how replies look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/http.h"

#define HOST "Host: a\r\n"

static enum http_result parse(struct bytes input, struct http_request *request, size_t *consumed,
                              unsigned *code)
{
    struct http_refusal refusal = {0};
    *consumed = 0;
    enum http_result result = http_parse(input, request, consumed, &refusal);
    *code = refusal.code;
    assert_int_equal(result == HTTP_REFUSED, refusal.code != 0);
    assert_int_equal(result == HTTP_REFUSED, refusal.sentence != NULL);
    return result;
}

static void requests_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http_method method;
        const char *path;
        const char *query;
        bool has_body;
        bool is_kept;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/", "", false, true},
        {"GET /readyz?verbose&x=1 HTTP/1.1\nHost:a\n\n", HTTP_GET, "/readyz", "verbose&x=1", false,
         true},
        {"\r\n\nHEAD /a HTTP/1.1\r\n" HOST "\r\n", HTTP_HEAD, "/a", "", false, true},
        {"GET http://h:1/m?q HTTP/1.1\r\n" HOST "\r\n", HTTP_GET, "/m", "q", false, true},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", HTTP_OTHER, "*", "", false, true},
        {"get / HTTP/1.1\r\n" HOST "\r\n", HTTP_OTHER, "/", "", false, true},
        {"GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", "", false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", HTTP_GET, "/", "", false, true},
        {"GET / HTTP/1.1\r\n" HOST "connection: x , CLOSE\r\n\r\n", HTTP_GET, "/", "", false,
         false},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", HTTP_GET, "/", "", false, true},
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n", HTTP_OTHER, "/a", "", true,
         false},
        {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", HTTP_GET, "/", "", true,
         false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request request;
        size_t consumed;
        unsigned code;
        struct bytes input = bytes_of_text(cases[i].text);

        assert_int_equal(parse(input, &request, &consumed, &code), HTTP_COMPLETE);

        assert_int_equal(consumed, input.size);
        assert_int_equal(request.method, cases[i].method);
        assert_true(bytes_equal_text(request.path, cases[i].path));
        assert_true(bytes_equal_text(request.query, cases[i].query));
        assert_int_equal(request.has_body, cases[i].has_body);
        assert_int_equal(request.is_kept, cases[i].is_kept);
        for (size_t size = 0; size < input.size; size++)
            assert_int_equal(parse(bytes_of(input.data, size), &request, &consumed, &code),
                             HTTP_PARTIAL);
    }
}

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned code;
    } cases[] = {
        {"\x16\x03\x01 tls\n", 400},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"GET / HTTP/1.10\r\n\r\n", 505},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET http://host HTTP/1.1\r\n" HOST "\r\n", 400},
        {"G(T / HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "a : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "a: \rb\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
        {"*3\r\n$4\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request request;
        size_t consumed;
        unsigned code;
        assert_int_equal(parse(bytes_of_text(cases[i].text), &request, &consumed, &code),
                         HTTP_REFUSED);
        assert_int_equal(code, cases[i].code);
    }
}

/* "GET / ..." with a header that makes the whole head `size` bytes. */
static void append_request_of(struct buffer *out, size_t size)
{
    static const char begin[] = "GET / HTTP/1.1\r\n" HOST "X: ";
    buffer_append_text(out, begin);
    while (out->size < size - 4)
        buffer_append_byte(out, 'x');
    buffer_append_text(out, "\r\n\r\n");
}

static void a_head_has_a_largest_size(void **state)
{
    (void)state;
    struct http_request request;
    size_t consumed;
    unsigned code;
    struct buffer fits = {0};
    struct buffer too_long = {0};
    append_request_of(&fits, HTTP_HEAD_SIZE_MAX);
    append_request_of(&too_long, HTTP_HEAD_SIZE_MAX + 1);

    assert_int_equal(parse(buffer_bytes(&fits), &request, &consumed, &code), HTTP_COMPLETE);
    assert_int_equal(parse(buffer_bytes(&too_long), &request, &consumed, &code), HTTP_REFUSED);

    assert_int_equal(code, 431);
    buffer_fini(&fits);
    buffer_fini(&too_long);
}

static void a_query_is_words(void **state)
{
    (void)state;
    assert_true(http_query_has(bytes_of_text("verbose"), "verbose"));
    assert_true(http_query_has(bytes_of_text("a=verboses&verbose=1"), "verbose"));
    assert_false(http_query_has(bytes_of_text(""), "verbose"));
    assert_false(http_query_has(bytes_of_text("a=verbose&verbosely"), "verbose"));
}

static void a_reply_says_what_it_holds(void **state)
{
    (void)state;
    struct buffer out = {0};
    struct http_reply reply = {.code = 503,
                               .content_type = "text/plain",
                               .body = bytes_of_text("no\n"),
                               .now_us = INT64_C(784111777000000)};

    http_write(&reply, &out);
    reply = (struct http_reply){.code = 405,
                                .content_type = "text/plain",
                                .body = bytes_of_text("no\n"),
                                .is_head = true,
                                .is_kept = true};
    http_write(&reply, &out);

    buffer_append_byte(&out, '\0');
    assert_string_equal(buffer_bytes(&out).data,
                        "HTTP/1.1 503 Service Unavailable\r\n"
                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\n"
                        "Content-Length: 3\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
                        "no\n"
                        "HTTP/1.1 405 Method Not Allowed\r\n"
                        "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
                        "Content-Length: 3\r\nCache-Control: no-store\r\nAllow: GET, HEAD\r\n"
                        "Connection: keep-alive\r\n\r\n");
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_apart),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(a_head_has_a_largest_size),
        cmocka_unit_test(a_query_is_words),
        cmocka_unit_test(a_reply_says_what_it_holds),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
