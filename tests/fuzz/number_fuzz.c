/* Texts of numbers, times, durations and patterns: whatever the bytes, the parsers keep to their
 * contracts, and what they took reads back from what is written of it. For libFuzzer. */
#include "base/check.h"
#include "base/glob.h"
#include "base/number.h"
#include "base/time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_numbers(struct bytes text)
{
    char out[NUMBER_TEXT_SIZE];
    int64_t integer;
    int64_t again;
    double real;
    enum number_result as_int = number_parse_int(text, &integer);
    if (as_int == NUMBER_OK) {
        size_t size = number_format_int(integer, out);
        CHECK(number_parse_int(bytes_of(out, size), &again) == NUMBER_OK && again == integer);
        CHECK(number_parse_floor(text, 0, &again) == NUMBER_OK && again == integer);
    }
    for (unsigned digits = 0; digits <= DECIMAL_DIGITS_MAX; digits++) {
        enum number_result result = number_parse_decimal(text, digits, &integer);
        CHECK((result == NUMBER_MALFORMED) == (as_int == NUMBER_MALFORMED));
        if (result != NUMBER_OK)
            continue;
        size_t size = number_format_decimal(integer, digits, out);
        CHECK(number_parse_decimal(bytes_of(out, size), digits, &again) == NUMBER_OK);
        CHECK(again == integer);
    }
    for (int shift = -3; shift <= 6; shift++)
        CHECK((number_parse_floor(text, shift, &integer) == NUMBER_MALFORMED) ==
              (as_int == NUMBER_MALFORMED));
    enum number_result as_double = number_parse_double(text, &real);
    CHECK((as_double == NUMBER_MALFORMED) == (as_int == NUMBER_MALFORMED));
    if (as_double == NUMBER_OK) {
        double real_again;
        size_t size = number_format_double(real, out);
        CHECK(number_parse_double(bytes_of(out, size), &real_again) == NUMBER_OK);
        CHECK(memcmp(&real_again, &real, sizeof(real)) == 0);
    }
}

static void check_times(struct bytes text)
{
    int64_t time_us;
    int64_t again_us;
    if (time_parse(text, &time_us)) {
        char out[TIME_TEXT_SIZE];
        CHECK(time_is_valid(time_us));
        CHECK(time_parse(bytes_of(out, time_format(time_us, out)), &again_us));
        CHECK(again_us == time_us);
    }
    if (duration_parse(text, &time_us)) {
        char out[DURATION_TEXT_SIZE];
        CHECK(time_us > 0);
        CHECK(duration_parse(bytes_of(out, duration_format(time_us, out)), &again_us));
        CHECK(again_us == time_us);
    }
}

/* Any bits as a double and as a time, and any bytes as a pattern over the rest. */
static void check_bits(struct bytes bytes)
{
    uint64_t bits;
    if (bytes.size < sizeof(bits))
        return;
    memcpy(&bits, bytes.data, sizeof(bits));
    char time_text[TIME_TEXT_SIZE];
    char duration_text[DURATION_TEXT_SIZE];
    CHECK(time_format((int64_t)bits, time_text) < TIME_TEXT_SIZE);
    CHECK(duration_format((int64_t)bits, duration_text) < DURATION_TEXT_SIZE);

    double real;
    memcpy(&real, &bits, sizeof(real));
    if (real - real == 0) { /* finite */
        char out[NUMBER_TEXT_SIZE];
        double again;
        size_t size = number_format_double(real, out);
        CHECK(number_parse_double(bytes_of(out, size), &again) == NUMBER_OK);
        CHECK(again == real);
    }
    size_t pattern_size = bits % (bytes.size - sizeof(bits) + 1);
    struct bytes rest = bytes_after(bytes, sizeof(bits));
    (void)glob_match(bytes_of(rest.data, pattern_size), bytes_after(rest, pattern_size));
    CHECK(glob_match(bytes_of("*", 1), rest));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    check_numbers(text);
    check_times(text);
    check_bits(text);
    return 0;
}
