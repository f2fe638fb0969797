#include "features/sql_text.h"

#include <ctype.h>

#include "base/suggest.h"
#include "model/reference.h"

/* Deterministic scalar functions. min and max are SQLite's scalar ones (two arguments or more). */
static const char *const functions[] = {
    "abs",      "acos",   "asin",    "atan",   "atan2",   "ceil",  "ceiling", "char",
    "coalesce", "cos",    "degrees", "exp",    "floor",   "hex",   "ifnull",  "iif",
    "instr",    "length", "ln",      "log",    "log10",   "log2",  "lower",   "ltrim",
    "max",      "min",    "mod",     "nullif", "pi",      "pow",   "power",   "radians",
    "replace",  "round",  "rtrim",   "sign",   "sin",     "sqrt",  "substr",  "substring",
    "tan",      "trim",   "trunc",   "typeof", "unicode", "upper", NULL};

static const char *const keywords[] = {
    "and",    "as",   "between", "case",    "else", "end", "escape", "false", "glob", "in", "is",
    "isnull", "like", "not",     "notnull", "null", "or",  "then",   "true",  "when", NULL};

static const char *const cast_types[] = {"int", "integer", "numeric", "real", "text", NULL};

static const char *const operators[] = {"||", "<<", ">>", "<=", ">=", "<>", "!=", "==", "+", "-",
                                        "*",  "/",  "%",  "&",  "|",  "~",  "<",  ">",  "=", NULL};

struct translation {
    struct bytes text;
    size_t at; /* of the token that is being read */
    const struct field_definition *fields;
    size_t fields_count;
    bool *used;
    expression_name_fn take; /* of every name, in place of a look at fields; or NULL */
    void *context;
    struct buffer *out;
    struct bytes word; /* the last token, where it was a word that passed as it is; else empty */
    size_t depth;      /* open parentheses */
    struct error *err;
};

static bool list_has(const char *const *list, struct bytes word)
{
    for (; *list != NULL; list++)
        if (bytes_equal_nocase(word, *list))
            return true;
    return false;
}

bool sql_text_function_is_allowed(struct bytes name)
{
    return list_has(functions, name) || bytes_equal_nocase(name, "like") ||
           bytes_equal_nocase(name, "glob") || bytes_equal_nocase(name, "cast");
}

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

/* The first byte at or behind position that is no space; 0 at the end. */
static char next_visible(struct bytes text, size_t position)
{
    while (position < text.size && isspace((unsigned char)text.data[position]))
        position++;
    return position < text.size ? text.data[position] : '\0';
}

static void put(struct translation *translation, struct bytes token)
{
    buffer_append(translation->out, token);
    buffer_append_byte(translation->out, ' ');
}

/* The word in lower case: SQL takes names in any case of letters. Longer ones are no names. */
static struct bytes lower_word(struct bytes word, char lower[REFERENCE_SIZE_MAX])
{
    size_t size = word.size <= REFERENCE_SIZE_MAX ? word.size : 0;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)tolower((unsigned char)word.data[i]);
    return bytes_of(lower, size);
}

static enum status refuse_field(struct translation *translation, struct bytes word)
{
    struct suggest suggest = {.name = word};
    for (size_t i = 0; i < translation->fields_count; i++)
        suggest_consider(&suggest, translation->fields[i].name);
    char hint[SUGGEST_TEXT_SIZE];
    return error_set(translation->err, STATUS_INVALID, "unknown field '%.*s'%s", BYTES_ARGS(word),
                     suggest_text(&suggest, hint));
}

static enum status refuse_function(struct translation *translation, struct bytes word)
{
    struct suggest suggest = {.name = word};
    for (size_t i = 0; functions[i] != NULL; i++)
        suggest_consider(&suggest, bytes_of_text(functions[i]));
    char hint[SUGGEST_TEXT_SIZE];
    return error_set(translation->err, STATUS_INVALID, "function %.*s() is not available here%s",
                     BYTES_ARGS(word), suggest_text(&suggest, hint));
}

static const char *affinity_name(enum value_kind kind)
{
    if (kind == VALUE_STRING)
        return "TEXT";
    return kind == VALUE_DOUBLE || kind == VALUE_DECIMAL ? "REAL" : "INTEGER";
}

static enum status take_field(struct translation *translation, struct bytes word)
{
    char lower[REFERENCE_SIZE_MAX];
    struct bytes name = lower_word(word, lower);
    if (translation->take != NULL && name.size > 0) {
        put(translation, bytes_of_text("NULL"));
        return translation->take(translation->context, name, translation->at, translation->err);
    }
    ssize_t field = field_find(translation->fields, translation->fields_count, word);
    if (field < 0)
        field = field_find(translation->fields, translation->fields_count, name);
    if (field < 0)
        return refuse_field(translation, word);
    translation->used[field] = true;
    buffer_format(translation->out, "CAST(?%zd AS %s) ", field + 1,
                  affinity_name(translation->fields[field].type.kind));
    return STATUS_OK;
}

/* DISTINCT and FROM are words of SQL only in IS [NOT] DISTINCT FROM; elsewhere they may be fields.
 */
static bool is_keyword(const struct translation *translation, struct bytes word)
{
    if (bytes_equal_nocase(translation->word, "as"))
        return list_has(cast_types, word);
    if (bytes_equal_nocase(word, "distinct"))
        return bytes_equal_nocase(translation->word, "is") ||
               bytes_equal_nocase(translation->word, "not");
    if (bytes_equal_nocase(word, "from"))
        return bytes_equal_nocase(translation->word, "distinct");
    return list_has(keywords, word);
}

/* Behind the word that begins at start. */
static size_t word_end(struct bytes text, size_t start)
{
    while (start < text.size && is_word_byte(text.data[start]))
        start++;
    return start;
}

/* Behind "view.feature" or "view@2.feature", whose first word ends at end; end where it is a word.
 */
static size_t reference_end(struct bytes text, size_t end)
{
    size_t point = end < text.size && text.data[end] == '@' ? word_end(text, end + 1) : end;
    size_t last = point < text.size && text.data[point] == '.' ? word_end(text, point + 1) : point;
    return last > point + 1 ? last : end;
}

static enum status take_word(struct translation *translation, size_t *end)
{
    struct bytes text = translation->text;
    size_t start = translation->at;
    size_t end_of_word = word_end(text, start);
    *end = reference_end(text, end_of_word);
    if (*end > end_of_word) {
        translation->word = bytes_of(NULL, 0);
        return take_field(translation, bytes_of(text.data + start, *end - start));
    }
    struct bytes word = bytes_of(text.data + start, *end - start);
    bool is_called = next_visible(text, *end) == '(';

    bool passes = is_keyword(translation, word) ||
                  (is_called && (list_has(functions, word) || bytes_equal_nocase(word, "cast")));
    if (passes) {
        put(translation, word);
        translation->word = word;
        return STATUS_OK;
    }
    translation->word = bytes_of(NULL, 0);
    if (is_called)
        return refuse_function(translation, word);
    return take_field(translation, word);
}

/* A run up to its closing quote; a doubled quote within stands for one. */
static enum status take_quoted(struct translation *translation, size_t *end)
{
    struct bytes text = translation->text;
    char quote = text.data[translation->at];
    size_t i = translation->at + 1;
    while (i < text.size &&
           (text.data[i] != quote || (i + 1 < text.size && text.data[i + 1] == quote)))
        i += text.data[i] == quote ? 2 : 1;
    if (i >= text.size)
        return error_set(translation->err, STATUS_INVALID, "a quote %c is never closed", quote);
    *end = i + 1;

    translation->word = bytes_of(NULL, 0);
    if (quote == '"')
        return take_field(translation,
                          bytes_of(text.data + translation->at + 1, i - translation->at - 1));
    put(translation, bytes_of(text.data + translation->at, *end - translation->at));
    return STATUS_OK;
}

/* A number as SQLite reads it; what is wrong with it, SQLite says. */
static enum status take_number(struct translation *translation, size_t *end)
{
    struct bytes text = translation->text;
    size_t i = translation->at;
    while (i < text.size) {
        bool is_sign = (text.data[i] == '+' || text.data[i] == '-') &&
                       (text.data[i - 1] == 'e' || text.data[i - 1] == 'E');
        if (!is_word_byte(text.data[i]) && text.data[i] != '.' && !(i > translation->at && is_sign))
            break;
        i++;
    }
    *end = i;
    translation->word = bytes_of(NULL, 0);
    put(translation, bytes_of(text.data + translation->at, i - translation->at));
    return STATUS_OK;
}

static enum status take_parenthesis(struct translation *translation)
{
    char byte = translation->text.data[translation->at];
    if (byte == '(' && ++translation->depth > SQL_DEPTH_MAX)
        return error_set(translation->err, STATUS_INVALID, "more than %d nested parentheses",
                         SQL_DEPTH_MAX);
    if (byte != '(' && translation->depth == 0)
        return error_set(translation->err, STATUS_INVALID, "a '%c' outside of parentheses", byte);
    if (byte == ')')
        translation->depth--;
    translation->word = bytes_of(NULL, 0);
    put(translation, bytes_of(&byte, 1));
    return STATUS_OK;
}

static enum status take_operator(struct translation *translation, size_t *end)
{
    struct bytes left = bytes_after(translation->text, translation->at);
    bool is_comment =
        bytes_start_with(left, bytes_of_text("--")) || bytes_start_with(left, bytes_of_text("/*"));
    bool is_arrow = bytes_start_with(left, bytes_of_text("->"));
    for (size_t i = 0; operators[i] != NULL && !is_comment && !is_arrow; i++) {
        struct bytes operator= bytes_of_text(operators[i]);
        if (!bytes_start_with(left, operator))
            continue;
        *end = translation->at + operator.size;
        translation->word = bytes_of(NULL, 0);
        put(translation, operator);
        return STATUS_OK;
    }
    char shown[4];
    return error_set(
        translation->err, STATUS_INVALID,
        "'%s' can't stand in an expression; it is SQL over fields: operators, CASE, "
        "CAST and functions",
        bytes_to_text(bytes_of(left.data, is_comment || is_arrow ? 2 : 1), shown, sizeof(shown)));
}

static enum status take_token(struct translation *translation, size_t *end)
{
    char byte = translation->text.data[translation->at];
    struct bytes behind = bytes_after(translation->text, translation->at + 1);
    *end = translation->at + 1;
    if (isspace((unsigned char)byte))
        return STATUS_OK;
    if (byte == '\'' || byte == '"')
        return take_quoted(translation, end);
    if (isdigit((unsigned char)byte) ||
        (byte == '.' && behind.size > 0 && isdigit((unsigned char)behind.data[0])))
        return take_number(translation, end);
    if ((byte == 'x' || byte == 'X') && behind.size > 0 && behind.data[0] == '\'')
        return error_set(translation->err, STATUS_INVALID, "blobs can't stand in an expression");
    if (is_word_byte(byte))
        return take_word(translation, end);
    if (byte == '(' || byte == ')' || byte == ',')
        return take_parenthesis(translation);
    return take_operator(translation, end);
}

static enum status translate(struct translation *translation, size_t *error_offset)
{
    struct bytes expression = translation->text;
    struct error *err = translation->err;
    *error_offset = 0;
    if (expression.size > EXPRESSION_SIZE_MAX)
        return error_set(err, STATUS_INVALID, "an expression has at most %d bytes",
                         EXPRESSION_SIZE_MAX);
    if (memchr(expression.data, '\0', expression.size) != NULL)
        return error_set(err, STATUS_INVALID, "a NUL byte can't stand in an expression");
    if (next_visible(expression, 0) == '\0')
        return error_set(err, STATUS_INVALID, "an empty expression");

    while (translation->at < expression.size) {
        size_t end;
        enum status status = take_token(translation, &end);
        if (status != STATUS_OK) {
            *error_offset = translation->at;
            return status;
        }
        translation->at = end;
    }
    *error_offset = expression.size;
    if (translation->depth > 0)
        return error_set(err, STATUS_INVALID, "a '(' is never closed");
    return STATUS_OK;
}

enum status sql_text_translate(struct bytes expression, const struct field_definition *fields,
                               size_t fields_count, bool *used, struct buffer *out,
                               size_t *error_offset, struct error *err)
{
    struct translation translation = {.text = expression,
                                      .fields = fields,
                                      .fields_count = fields_count,
                                      .used = used,
                                      .out = out,
                                      .err = err};
    return translate(&translation, error_offset);
}

enum status sql_text_names(struct bytes expression, expression_name_fn take, void *context,
                           size_t *error_offset, struct error *err)
{
    struct buffer unused = {0};
    struct translation translation = {
        .text = expression, .take = take, .context = context, .out = &unused, .err = err};
    enum status status = translate(&translation, error_offset);
    buffer_fini(&unused);
    return status;
}
