/* Any bytes into the HTTP parser: a request lies within what was consumed, and is the same whether
 * its bytes came at once or one by one. */
#include <stdint.h>

#include "base/check.h"
#include "protocol/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(struct bytes part, struct bytes whole)
{
    if (part.size > 0)
        CHECK(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

/* Of a prefix it says PARTIAL, or at once what it says of the whole. */
static void compare_prefixes(struct bytes input, enum http_result result, size_t consumed)
{
    for (size_t i = 0; i < input.size; i++) {
        struct http_request request;
        struct http_refusal refusal;
        size_t taken = 0;
        enum http_result of_prefix =
            http_parse(bytes_of(input.data, i), &request, &taken, &refusal);
        if (of_prefix == HTTP_PARTIAL)
            continue;
        CHECK(of_prefix == result);
        CHECK(result == HTTP_REFUSED || taken == consumed);
        return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct http_request request;
    struct http_refusal refusal = {0};
    size_t consumed = 0;
    enum http_result result = http_parse(input, &request, &consumed, &refusal);
    if (result == HTTP_COMPLETE) {
        struct bytes head = bytes_of(data, consumed);
        CHECK(consumed > 0 && consumed <= size && consumed <= HTTP_HEAD_SIZE_MAX);
        check_within(request.path, head);
        check_within(request.query, head);
        CHECK(!request.has_body || !request.is_kept);
        (void)http_query_has(request.query, "verbose");
    }
    CHECK(result != HTTP_PARTIAL || size < HTTP_HEAD_SIZE_MAX);
    CHECK((result == HTTP_REFUSED) == (refusal.sentence != NULL));
    compare_prefixes(input, result, consumed);
    return 0;
}
