/* Any bytes as a CSV file: finding records and splitting them must not crash, must agree with each
 * other however the file is cut, and a row must become JSON or a sentence. The first byte of the
 * input is the size of the pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "base/check.h"
#include "csv_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The size of the record at the front, found piece by piece. */
static size_t record_size(struct bytes file, size_t piece, bool *is_open)
{
    struct csv_scanner scanner = {0};
    size_t at = 0;
    while (at < file.size) {
        struct bytes rest = bytes_after(file, at);
        size_t found = 0;
        rest.size = rest.size < piece ? rest.size : piece;
        if (csv_scan(&scanner, rest, &found)) {
            *is_open = false;
            return at + found;
        }
        at += rest.size;
    }
    *is_open = csv_is_open(&scanner);
    return file.size;
}

static void check_record(struct bytes text, bool is_open, struct csv_record *record,
                         const struct csv_columns *columns)
{
    struct buffer scratch = {0};
    struct buffer json = {0};
    struct error err = {{0}};
    enum status status = csv_split(text, &scratch, record, &err);
    CHECK((status == STATUS_OK) == (err.text[0] == '\0'));
    CHECK(!is_open || status != STATUS_OK);
    if (status == STATUS_OK) {
        CHECK(record->count >= 1);
        CHECK(record->count <= CSV_FIELDS_MAX);
        status = csv_event_append(columns, record, &json, &err);
        CHECK((status == STATUS_OK) == (json.size > 0));
        CHECK(bytes_are_utf8(buffer_bytes(&json)));
    }
    buffer_fini(&scratch);
    buffer_fini(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct csv_column columns[] = {
        {{"\"a\":", 4}, {"a", 1}, CSV_CELL_TEXT},
        {{"\"b\":", 4}, {"b", 1}, CSV_CELL_NUMBER},
        {{"\"c\":", 4}, {"c", 1}, CSV_CELL_BOOL},
    };
    static struct csv_record record;
    if (size == 0)
        return 0;
    size_t piece = data[0] > 0 ? data[0] : 1;
    struct bytes file = bytes_of(data + 1, size - 1);

    while (file.size > 0) {
        bool is_open = false;
        bool is_open_whole = false;
        size_t record_end = record_size(file, piece, &is_open);
        CHECK(record_end == record_size(file, file.size, &is_open_whole));
        CHECK(is_open == is_open_whole);
        /* As many columns as the row has, where there are so many. */
        struct bytes text = bytes_of(file.data, record_end);
        struct csv_columns expected = {.columns = columns, .count = 1 + piece % 3};
        check_record(text, is_open, &record, &expected);
        file = bytes_after(file, record_end);
    }
    return 0;
}
