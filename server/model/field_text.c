#include "model/field_text.h"

#include "base/number.h"
#include "base/time_text.h"

enum { SHOWN_SIZE = 48 }; /* of a wrong value in a message */

static enum status refuse(const struct field_definition *field, const struct raw_value *raw,
                          struct error *err)
{
    static const char *const kinds[] = {
        [RAW_NULL] = "null",     [RAW_TRUE] = "true",     [RAW_FALSE] = "false",
        [RAW_NUMBER] = "number", [RAW_STRING] = "string", [RAW_NESTED] = "an object or a list",
        [RAW_TEXT] = "text",
    };
    char type[TYPE_TEXT_SIZE];
    char shown[SHOWN_SIZE];
    field_type_name(field, type);
    if (raw->text.size == 0 && raw->kind != RAW_STRING && raw->kind != RAW_TEXT)
        return error_set(err, STATUS_INVALID, "expected %s, got %s", type, kinds[raw->kind]);
    return error_set(err, STATUS_INVALID, "expected %s, got the %s '%s'%s", type, kinds[raw->kind],
                     bytes_to_text(raw->text, shown, sizeof(shown)),
                     raw->text.size >= sizeof(shown) ? "..." : "");
}

static enum status refuse_number(const struct field_definition *field, const struct raw_value *raw,
                                 enum number_result result, struct error *err)
{
    char type[TYPE_TEXT_SIZE];
    char shown[SHOWN_SIZE];
    if (result == NUMBER_MALFORMED)
        return refuse(field, raw, err);
    return error_set(err, STATUS_INVALID, "%s can't hold '%s'%s", field_type_name(field, type),
                     bytes_to_text(raw->text, shown, sizeof(shown)),
                     result == NUMBER_NOT_EXACT ? " exactly" : "");
}

static enum status parse_bool(const struct field_definition *field, const struct raw_value *raw,
                              struct value *out, struct error *err)
{
    bool is_text = raw->kind == RAW_TEXT;
    bool is_true =
        raw->kind == RAW_TRUE ||
        (is_text && (bytes_equal_text(raw->text, "true") || bytes_equal_text(raw->text, "1")));
    bool is_false =
        raw->kind == RAW_FALSE ||
        (is_text && (bytes_equal_text(raw->text, "false") || bytes_equal_text(raw->text, "0")));
    if (!is_true && !is_false)
        return refuse(field, raw, err);
    *out = (struct value){.kind = VALUE_BOOL, .integer = is_true};
    return STATUS_OK;
}

/* int, double, decimal. A decimal may also come as a string, as producers do that fear doubles. */
static enum status parse_number(const struct field_definition *field, const struct raw_value *raw,
                                struct value *out, struct error *err)
{
    bool is_decimal = field->type.kind == VALUE_DECIMAL;
    bool is_number =
        raw->kind == RAW_NUMBER || raw->kind == RAW_TEXT || (is_decimal && raw->kind == RAW_STRING);
    if (!is_number)
        return refuse(field, raw, err);
    *out = (struct value){.kind = field->type.kind, .digits = field->type.digits};
    enum number_result result;
    if (is_decimal)
        result = number_parse_decimal(raw->text, field->type.digits, &out->integer);
    else if (field->type.kind == VALUE_INT)
        result = number_parse_int(raw->text, &out->integer);
    else
        result = number_parse_double(raw->text, &out->real);
    return result == NUMBER_OK ? STATUS_OK : refuse_number(field, raw, result, err);
}

static enum status parse_string(const struct field_definition *field, const struct raw_value *raw,
                                struct arena *arena, struct value *out, struct error *err)
{
    if (raw->kind != RAW_STRING && raw->kind != RAW_TEXT)
        return refuse(field, raw, err);
    if (raw->text.size > VALUE_STRING_SIZE_MAX)
        return error_set(err, STATUS_INVALID, "a string has at most %d bytes, got %zu",
                         VALUE_STRING_SIZE_MAX, raw->text.size);
    if (raw->kind == RAW_TEXT && !bytes_are_utf8(raw->text))
        return error_set(err, STATUS_INVALID, "not valid UTF-8");
    *out = value_text(arena_copy(arena, raw->text));
    return STATUS_OK;
}

static bool parse_unix_time(enum time_unit unit, struct bytes text, int64_t *out)
{
    static const int shifts[] = {[TIME_SECONDS] = 6,
                                 [TIME_MILLISECONDS] = 3,
                                 [TIME_MICROSECONDS] = 0,
                                 [TIME_NANOSECONDS] = -3};
    return number_parse_floor(text, shifts[unit], out) == NUMBER_OK && time_is_valid(*out);
}

static enum status parse_timestamp(const struct field_definition *field,
                                   const struct raw_value *raw, struct value *out,
                                   struct error *err)
{
    bool is_rfc3339 = field->unit == TIME_RFC3339;
    char shown[SHOWN_SIZE];
    *out = (struct value){.kind = VALUE_TIMESTAMP};
    if (raw->kind != RAW_TEXT && raw->kind != (is_rfc3339 ? RAW_STRING : RAW_NUMBER))
        return refuse(field, raw, err);
    if (is_rfc3339 ? time_parse(raw->text, &out->integer)
                   : parse_unix_time(field->unit, raw->text, &out->integer))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID, "expected %s, got '%s'",
                     is_rfc3339 ? "a time as in 2026-01-31T12:00:00Z, with its zone"
                                : "a time since 1970 within the years 1 to 9999",
                     bytes_to_text(raw->text, shown, sizeof(shown)));
}

enum status field_text_parse(const struct field_definition *field, const struct raw_value *raw,
                             struct arena *arena, struct value *out, struct error *err)
{
    *out = value_null();
    if (raw->kind == RAW_NULL)
        return STATUS_OK;
    if (field->type.kind == VALUE_BOOL)
        return parse_bool(field, raw, out, err);
    if (field->type.kind == VALUE_STRING)
        return parse_string(field, raw, arena, out, err);
    if (field->type.kind == VALUE_TIMESTAMP)
        return parse_timestamp(field, raw, out, err);
    return parse_number(field, raw, out, err);
}
