#include "base/time_text.h"

#include "base/number.h"

enum {
    DAYS_OF_400_YEARS = 146097,
    DAYS_TO_1970 = 719468, /* from 0000-03-01, where the calendar below begins */
    DATE_SIZE = 10,        /* "2026-01-31" */
    CLOCK_SIZE = 8,        /* "12:00:00" */
    OFFSET_SIZE = 6,       /* "+02:00" */
};

#define DURATION_MAX_US (36525 * US_PER_DAY) /* 100 years */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct date {
    int64_t year;
    unsigned month; /* 1..12 */
    unsigned day;   /* 1..31 */
};

/* Years are taken to begin in March: then the leap day is the last one, and the days before a month
 * are a straight line, (153 * month + 2) / 5. */
static int64_t days_from_date(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = floor_divide(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t month = (date.month + 9) % 12;
    int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_OF_400_YEARS + day_of_era - DAYS_TO_1970;
}

static struct date date_from_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = floor_divide(days, DAYS_OF_400_YEARS);
    int64_t day_of_era = days - era * DAYS_OF_400_YEARS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {
        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
        .day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
    };
    date.year = year_of_era + era * 400 + (date.month <= 2);
    return date;
}

static unsigned days_of_month(int64_t year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads exactly count digits that make at most max. */
static bool read_digits(const char *text, size_t count, unsigned max, unsigned *out)
{
    unsigned value = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = value;
    return value <= max;
}

static bool read_date(const char *text, int64_t *days)
{
    unsigned year;
    unsigned month;
    unsigned day;
    if (!read_digits(text, 4, 9999, &year) || text[4] != '-' ||
        !read_digits(text + 5, 2, 12, &month) || text[7] != '-' ||
        !read_digits(text + 8, 2, 31, &day))
        return false;
    if (month == 0 || day == 0 || day > days_of_month(year, month))
        return false;
    *days = days_from_date((struct date){.year = year, .month = month, .day = day});
    return true;
}

static bool read_clock(const char *text, int64_t *seconds)
{
    unsigned hour;
    unsigned minute;
    unsigned second;
    if (!read_digits(text, 2, 23, &hour) || text[2] != ':' ||
        !read_digits(text + 3, 2, 59, &minute) || text[5] != ':' ||
        !read_digits(text + 6, 2, 60, &second))
        return false;
    *seconds = (int64_t)hour * 3600 + minute * 60 + second;
    return true;
}

/* Takes ".123" from the front, if it is there; digits behind the sixth are cut off. */
static bool take_fraction(struct bytes *text, int64_t *fraction_us)
{
    *fraction_us = 0;
    if (text->size == 0 || text->data[0] != '.')
        return true;
    size_t size = 1;
    int64_t weight = US_PER_SECOND / 10;
    for (; size < text->size && is_digit(text->data[size]); size++) {
        *fraction_us += weight * (text->data[size] - '0');
        weight /= 10;
    }
    *text = bytes_after(*text, size);
    return size > 1;
}

/* Reads all of the text: "Z" or "+02:00". */
static bool read_offset(struct bytes text, int64_t *seconds)
{
    *seconds = 0;
    if (text.size == 1)
        return text.data[0] == 'Z' || text.data[0] == 'z';
    unsigned hours;
    unsigned minutes;
    if (text.size != OFFSET_SIZE || (text.data[0] != '+' && text.data[0] != '-') ||
        !read_digits(text.data + 1, 2, 23, &hours) || text.data[3] != ':' ||
        !read_digits(text.data + 4, 2, 59, &minutes))
        return false;
    *seconds = (int64_t)hours * 3600 + minutes * 60;
    if (text.data[0] == '-')
        *seconds = -*seconds;
    return true;
}

bool time_parse(struct bytes text, int64_t *out_us)
{
    int64_t days;
    int64_t seconds;
    int64_t fraction_us;
    int64_t offset_seconds;
    if (text.size < DATE_SIZE + 1 + CLOCK_SIZE || !read_date(text.data, &days))
        return false;
    char separator = text.data[DATE_SIZE];
    if (separator != 'T' && separator != 't' && separator != ' ')
        return false;
    if (!read_clock(text.data + DATE_SIZE + 1, &seconds))
        return false;
    text = bytes_after(text, DATE_SIZE + 1 + CLOCK_SIZE);
    if (!take_fraction(&text, &fraction_us) || !read_offset(text, &offset_seconds))
        return false;
    int64_t time_us = days * US_PER_DAY + (seconds - offset_seconds) * US_PER_SECOND + fraction_us;
    if (!time_is_valid(time_us))
        return false;
    *out_us = time_us;
    return true;
}

/* Appends the number with zeros in front up to the width. */
static size_t append_padded(int64_t value, size_t width, char *text)
{
    char digits[NUMBER_TEXT_SIZE];
    size_t size = 0;
    if (value < 0) {
        text[size++] = '-';
        value = -value;
    }
    size_t count = number_format_int(value, digits);
    for (; count < width; width--)
        text[size++] = '0';
    memcpy(text + size, digits, count);
    return size + count;
}

size_t time_format(int64_t time_us, char text[TIME_TEXT_SIZE])
{
    int64_t days = floor_divide(time_us, US_PER_DAY);
    int64_t clock_us = time_us % US_PER_DAY;
    clock_us += clock_us < 0 ? US_PER_DAY : 0;
    struct date date = date_from_days(days);
    int64_t seconds = clock_us / US_PER_SECOND;
    int64_t fraction_us = clock_us % US_PER_SECOND;

    size_t size = append_padded(date.year, 4, text);
    const struct {
        char separator;
        int64_t value;
    } parts[] = {
        {'-', date.month},        {'-', date.day},     {'T', seconds / 3600},
        {':', seconds / 60 % 60}, {':', seconds % 60},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text[size++] = parts[i].separator;
        size += append_padded(parts[i].value, 2, text + size);
    }
    if (fraction_us > 0) {
        bool is_ms = fraction_us % US_PER_MS == 0;
        text[size++] = '.';
        size += append_padded(is_ms ? fraction_us / US_PER_MS : fraction_us, is_ms ? 3 : 6,
                              text + size);
    }
    text[size++] = 'Z';
    text[size] = '\0';
    return size;
}

struct duration_unit {
    const char *name;
    int64_t size_us;
};

/* From larger to smaller; microseconds are written but not read. */
static const struct duration_unit duration_units[] = {
    {"w", 7 * US_PER_DAY}, {"d", US_PER_DAY}, {"h", US_PER_HOUR}, {"m", US_PER_MINUTE},
    {"s", US_PER_SECOND},  {"ms", US_PER_MS}, {"us", 1},
};
enum { UNIT_WEEK, UNIT_DAY, UNIT_MICROSECOND = 6, UNITS };

/* Takes "30m" from the front, of a unit at *unit or behind it, and moves *unit behind that. */
static bool take_component(struct bytes *text, size_t *unit, int64_t *sum_us)
{
    int64_t value = 0;
    size_t digits = 0;
    for (; digits < text->size && is_digit(text->data[digits]); digits++) {
        value = value * 10 + (text->data[digits] - '0');
        if (value > DURATION_MAX_US)
            return false;
    }
    *text = bytes_after(*text, digits);
    size_t letters = 0;
    while (letters < text->size && !is_digit(text->data[letters]))
        letters++;
    struct bytes name = bytes_of(text->data, letters);
    *text = bytes_after(*text, letters);

    while (*unit < UNIT_MICROSECOND && !bytes_equal_text(name, duration_units[*unit].name))
        (*unit)++;
    if (digits == 0 || *unit == UNIT_MICROSECOND)
        return false;
    int64_t size_us = duration_units[(*unit)++].size_us;
    if (value > (DURATION_MAX_US - *sum_us) / size_us)
        return false;
    *sum_us += value * size_us;
    return true;
}

bool duration_parse(struct bytes text, int64_t *out_us)
{
    int64_t sum_us = 0;
    size_t unit = 0;
    while (text.size > 0)
        if (!take_component(&text, &unit, &sum_us))
            return false;
    if (sum_us == 0)
        return false;
    *out_us = sum_us;
    return true;
}

/* Weeks are written only where they are shorter: 14 days are "2w", but 7 are "7d" and 90 "90d". */
static bool weeks_are_shorter(int64_t days)
{
    char text[NUMBER_TEXT_SIZE];
    return days % 7 == 0 && number_format_int(days / 7, text) < number_format_int(days, text);
}

size_t duration_format(int64_t duration_us, char text[DURATION_TEXT_SIZE])
{
    size_t size = 0;
    if (duration_us < 0)
        text[size++] = '-';
    if (duration_us == 0)
        size = (size_t)(stpcpy(text, "0s") - text);
    int64_t days = duration_us / US_PER_DAY;
    days = days < 0 ? -days : days;
    for (size_t i = weeks_are_shorter(days) ? UNIT_WEEK : UNIT_DAY; i < UNITS; i++) {
        const struct duration_unit *unit = &duration_units[i];
        int64_t count = duration_us / unit->size_us;
        duration_us %= unit->size_us;
        if (count == 0)
            continue;
        size += number_format_int(count < 0 ? -count : count, text + size);
        size = (size_t)(stpcpy(text + size, unit->name) - text);
    }
    text[size] = '\0';
    return size;
}
