/* Any bytes as what a server sends to libasof: as an answer, all that can be asked of it lies
 * within it; as a connection's bytes, frames come out the same whether they came at once or in two
 * pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "libasof/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ANSWER_SIZE_MAX = 100 * 1000 };

static uint64_t sum; /* keeps reads from being left out */

static void read_bytes(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum += bytes[i];
}

static void read_column(struct asof_result *result, size_t index)
{
    const struct asof_column *column = asof_result_column(result, index);
    size_t rows = asof_result_rows(result);
    const struct asof_bytes *strings = asof_result_strings(result, index);
    const uint32_t *sizes = asof_result_sizes(result, index);
    size_t items = 0;
    CHECK(column->kind >= ASOF_KIND_BOOL && column->kind <= ASOF_KIND_TIMESTAMP);
    CHECK(asof_result_view(result, column->view) != NULL);
    read_bytes(column->feature.data, column->feature.size);
    for (size_t row = 0; row < rows; row++)
        sum += (uint64_t)asof_column_status(column, row) + asof_column_has_value(column, row);
    for (size_t row = 0; column->is_list && row < rows; row++)
        items += sizes[row];
    CHECK(column->items_count == (column->is_list ? items : rows));
    if (asof_result_doubles(result, index) != NULL)
        read_bytes(asof_result_doubles(result, index), column->items_count * sizeof(double));
    if (asof_result_integers(result, index) != NULL)
        read_bytes(asof_result_integers(result, index), column->items_count * sizeof(int64_t));
    for (size_t i = 0; strings != NULL && i < column->items_count; i++)
        read_bytes(strings[i].data, strings[i].size);
}

static void read_answer(struct bytes bytes)
{
    struct asof_message *message = message_create(bytes);
    struct asof_result *result = NULL;
    uint64_t events;
    sum += (uint64_t)asof_pushed_events(message, &events, NULL);
    if (asof_result_create(&message, &result, NULL) == ASOF_OK) {
        for (size_t i = 0; i < asof_result_columns_count(result); i++)
            read_column(result, i);
        for (size_t i = 0; i < asof_result_views_count(result); i++) {
            const struct asof_view *view = asof_result_view(result, i);
            read_bytes(view->name.data, view->name.size);
            read_bytes(view->at_us, view->at_count * sizeof(int64_t));
            if (view->event_times_us != NULL)
                read_bytes(view->event_times_us, asof_result_rows(result) * sizeof(int64_t));
        }
    }
    asof_result_destroy(&result);
    asof_message_destroy(&message);
}

static uint64_t mixed(uint64_t hash, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Takes what has come; returns a hash of all frames so far. */
static uint64_t take(struct wire *wire, uint64_t hash)
{
    struct arrival arrival;
    while (wire_receive(wire) || wire->large != NULL) {
        bool has_more = false;
        while (wire_next(wire, &arrival)) {
            has_more = true;
            hash = (hash ^ arrival.call ^ arrival.kind ^ arrival.code) * 31;
            if (arrival.kind == LIGHT_FAILED)
                hash = mixed(hash, arrival.text);
            if (arrival.message != NULL)
                hash = mixed(hash, message_bytes(arrival.message));
            asof_message_destroy(&arrival.message);
        }
        if (wire->large != NULL && !has_more && !wire_receive(wire))
            break;
    }
    return hash;
}

static uint64_t read_frames(struct bytes first, struct bytes second)
{
    const struct address address = {.text = "a server"};
    struct wire wire;
    int pair[2];
    uint64_t hash = 7;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    wire_init(&wire, &address, ANSWER_SIZE_MAX);
    wire_adopt(&wire, pair[0]);
    CHECK(write(pair[1], first.data, first.size) == (ssize_t)first.size);
    if (first.size > 0)
        hash = take(&wire, hash);
    if (second.size > 0) {
        CHECK(wire.state == WIRE_BROKEN ||
              write(pair[1], second.data, second.size) == (ssize_t)second.size);
        hash = take(&wire, hash);
    }
    wire_fini(&wire);
    close(pair[1]);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { INPUT_SIZE_MAX = 4096 };
    struct bytes input = bytes_of(data, size < INPUT_SIZE_MAX ? size : INPUT_SIZE_MAX);
    size_t half = input.size / 2;
    read_answer(input);
    uint64_t whole = read_frames(input, bytes_of(NULL, 0));
    CHECK(whole == read_frames(bytes_of(input.data, half), bytes_after(input, half)));
    return 0;
}
