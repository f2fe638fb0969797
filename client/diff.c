/* asof diff. The entities of the left version are walked through once and those with the smallest
 * hashes kept: a sample that does not depend on how keys are spread. Then both versions are read
 * for them, some at a time, all as of the T that the first answer names. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/number.h"
#include "base/time_text.h"
#include "command.h"
#include "entities.h"
#include "output.h"
#include "protocol/protobuf.h"
#include "text.h"
#include "tree.h"

enum {
    ARENA_CHUNK_SIZE = 64 * 1024,
    EXAMINED_MAX = 1000 * 1000, /* entities that the sample is taken from */
    ASKED_ENTITIES = 16,        /* of one request: the server reads each twice, and others wait */
    NUMBER_SIZE = 32,
};

/* Of DiffRequest in registry.proto. */
enum { DIFF_FROM = 1, DIFF_TO = 2, DIFF_ENTITIES = 3, DIFF_AT_US = 4, DIFF_HAS_AT = 5 };

struct picked {
    uint64_t hash;
    struct bytes entity; /* owned, malloc */
};

/* The entities with the smallest hashes; the first of them has the largest: a heap. */
struct sample {
    struct picked *picked; /* owned */
    size_t count;
    size_t count_max;
    uint64_t examined;
};

/* What all answers say together of one feature. */
struct feature {
    char *name; /* owned, as the texts below */
    uint64_t differing;
    uint64_t measured;
    double apart_sum;
    double apart_max;
    char *entity;
    char *left;
    char *right;
};

struct diff {
    const struct run *run;
    struct remote *remote;
    struct sample sample;
    int64_t at_us; /* what was asked, then the T of the first answer if it has one */
    bool has_at;
    uint64_t compared;
    uint64_t only_left;
    uint64_t only_right;
    struct feature *features; /* owned */
    size_t features_count;
    struct buffer missing[2]; /* features of one version only, by name; owned */
};

/* ---- the sample ---- */

/* FNV-1a, with its bits mixed once more: neighbouring keys lie far apart. */
static uint64_t hash_of(struct bytes entity)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < entity.size; i++)
        hash = (hash ^ (unsigned char)entity.data[i]) * 0x100000001b3U;
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdU;
    return hash ^ hash >> 33;
}

static void heap_sink(struct sample *sample, size_t index)
{
    for (size_t child = 2 * index + 1; child < sample->count; child = 2 * index + 1) {
        if (child + 1 < sample->count &&
            sample->picked[child + 1].hash > sample->picked[child].hash)
            child++;
        if (sample->picked[child].hash <= sample->picked[index].hash)
            return;
        struct picked moved = sample->picked[index];
        sample->picked[index] = sample->picked[child];
        sample->picked[child] = moved;
        index = child;
    }
}

static struct picked picked_make(uint64_t hash, struct bytes entity)
{
    char *copy = malloc(entity.size + 1);
    CHECK(copy != NULL);
    memcpy(copy, entity.data, entity.size);
    return (struct picked){.hash = hash, .entity = bytes_of(copy, entity.size)};
}

static void picked_free(struct picked *picked)
{
    union {
        const char *constant;
        char *memory;
    } text = {.constant = picked->entity.data};
    free(text.memory);
}

static void sample_see(struct sample *sample, struct bytes entity)
{
    uint64_t hash = hash_of(entity);
    sample->examined++;
    if (sample->count < sample->count_max) {
        sample->picked[sample->count++] = picked_make(hash, entity);
        if (sample->count == sample->count_max)
            for (size_t i = sample->count / 2 + 1; i > 0; i--)
                heap_sink(sample, i - 1);
    } else if (hash < sample->picked[0].hash) {
        picked_free(&sample->picked[0]);
        sample->picked[0] = picked_make(hash, entity);
        heap_sink(sample, 0);
    }
}

/* Sees a page of entities; leaves in after what to go on with, empty at the end. */
static enum status sample_page(struct diff *diff, struct buffer *after, struct error *err)
{
    struct asof_message *answer = NULL;
    struct entities_page page;
    enum status status = entities_ask(diff->remote, diff->run->words[0], buffer_bytes(after), NULL,
                                      &answer, &page, err);
    buffer_reset(after, SIZE_MAX);
    struct bytes entity;
    while (status == STATUS_OK && entities_next(&page, &entity))
        sample_see(&diff->sample, entity);
    if (status == STATUS_OK)
        buffer_append(after, page.after);
    asof_message_destroy(&answer);
    return status;
}

static enum status take_sample(struct diff *diff, struct error *err)
{
    struct buffer after = {0};
    enum status status;
    do {
        status = sample_page(diff, &after, err);
    } while (status == STATUS_OK && after.size > 0 && diff->sample.examined < EXAMINED_MAX);
    buffer_fini(&after);
    return status;
}

/* ---- answers ---- */

static double number_of(yajl_val object, const char *name)
{
    yajl_val value = tree_member(object, name);
    return YAJL_IS_NUMBER(value) ? strtod(YAJL_GET_NUMBER(value), NULL) : 0;
}

/* The text, or "-" for null. */
static void text_keep(char **kept, yajl_val object, const char *name)
{
    yajl_val value = tree_member(object, name);
    free(*kept);
    *kept = strdup(YAJL_IS_STRING(value) ? YAJL_GET_STRING(value) : "-");
    CHECK(*kept != NULL);
}

static void add_feature(struct feature *feature, yajl_val answer)
{
    double apart_max = number_of(answer, "apart_max");
    uint64_t differing = (uint64_t)tree_number(answer, "differing");
    bool is_first = feature->differing == 0 && differing > 0;
    if (is_first || apart_max > feature->apart_max) {
        text_keep(&feature->entity, answer, "entity");
        text_keep(&feature->left, answer, "left");
        text_keep(&feature->right, answer, "right");
    }
    feature->differing += differing;
    feature->measured += (uint64_t)tree_number(answer, "measured");
    feature->apart_sum += number_of(answer, "apart_sum");
    feature->apart_max = apart_max > feature->apart_max ? apart_max : feature->apart_max;
}

/* The first answer tells which features there are, and the T of all. */
static void begin_answers(struct diff *diff, yajl_val root, yajl_val answer)
{
    diff->has_at =
        YAJL_IS_NUMBER(tree_member(root, "at")); /* else each source has a T of its own */
    if (diff->has_at)
        diff->at_us = tree_number(root, "at");
    diff->features_count = tree_count(answer, "features");
    diff->features = calloc(diff->features_count + 1, sizeof(*diff->features));
    CHECK(diff->features != NULL);
    for (size_t i = 0; i < diff->features_count; i++)
        text_keep(&diff->features[i].name, tree_item(answer, "features", i), "name");
    tree_append_joined(answer, "features_left", &diff->missing[0]);
    tree_append_joined(answer, "features_right", &diff->missing[1]);
}

static enum status add_answer(struct diff *diff, struct bytes reply, struct error *err)
{
    yajl_val root = NULL;
    enum status status = tree_parse(reply, &root, err);
    yajl_val answer = status == STATUS_OK ? tree_member(root, "diff") : NULL;
    if (diff->features == NULL && status == STATUS_OK)
        begin_answers(diff, root, answer);
    if (status == STATUS_OK && tree_count(answer, "features") != diff->features_count)
        status = error_set(err, STATUS_CORRUPT, "the server's answers do not fit each other");
    for (size_t i = 0; status == STATUS_OK && i < diff->features_count; i++)
        add_feature(&diff->features[i], tree_item(answer, "features", i));
    diff->compared += (uint64_t)tree_number(answer, "compared");
    diff->only_left += (uint64_t)tree_number(answer, "only_left");
    diff->only_right += (uint64_t)tree_number(answer, "only_right");
    yajl_tree_free(root);
    return status;
}

/* Asks for the entities of the sample from first on, and moves it behind them. */
static enum status compare_some(struct diff *diff, size_t *first, struct error *err)
{
    struct buffer request = {0};
    struct buffer reply = {0};
    protobuf_append_bytes(&request, DIFF_FROM, bytes_of_text(diff->run->words[0]));
    protobuf_append_bytes(&request, DIFF_TO, bytes_of_text(diff->run->words[1]));
    for (size_t i = 0; i < ASKED_ENTITIES && *first < diff->sample.count; i++)
        protobuf_append_item(&request, DIFF_ENTITIES, diff->sample.picked[(*first)++].entity);
    protobuf_append_integer(&request, DIFF_AT_US, (uint64_t)diff->at_us);
    protobuf_append_integer(&request, DIFF_HAS_AT, diff->has_at);
    enum status status = remote_ask(diff->remote, ASOF_METHOD_DIFF, buffer_bytes(&request),
                                    REMOTE_ONLY_FIELD, &reply, err);
    buffer_fini(&request);
    if (status == STATUS_OK)
        status = add_answer(diff, buffer_bytes(&reply), err);
    buffer_fini(&reply);
    return status;
}

/* ---- printing ---- */

static void append_number(struct buffer *out, double number)
{
    char text[NUMBER_SIZE];
    snprintf(text, sizeof(text), "%.6g", number);
    buffer_append_text(out, text);
}

static void add_row(const struct diff *diff, const struct feature *feature, struct table *table)
{
    struct buffer cell = {0};
    table_add_text(table, feature->name);
    buffer_format(&cell, "%" PRIu64, feature->differing);
    table_add(table, buffer_bytes(&cell));
    buffer_reset(&cell, SIZE_MAX);
    buffer_format(
        &cell, "%.1f %%",
        diff->compared == 0 ? 0 : 100.0 * (double)feature->differing / (double)diff->compared);
    table_add(table, buffer_bytes(&cell));
    buffer_reset(&cell, SIZE_MAX);
    if (feature->measured > 0)
        append_number(&cell, feature->apart_sum / (double)feature->measured);
    table_add(table, buffer_bytes(&cell));
    buffer_reset(&cell, SIZE_MAX);
    if (feature->measured > 0)
        append_number(&cell, feature->apart_max);
    table_add(table, buffer_bytes(&cell));
    buffer_reset(&cell, SIZE_MAX);
    if (feature->differing > 0)
        buffer_format(&cell, "%s: %s, %s", feature->entity, feature->left, feature->right);
    table_add(table, buffer_bytes(&cell));
    buffer_fini(&cell);
}

static void print_table(const struct diff *diff)
{
    static const struct table_column columns[] = {{"FEATURE", false}, {"DIFFER", true},
                                                  {"SHARE", true},    {"MEAN", true},
                                                  {"MAX", true},      {"EXAMPLE", false}};
    char at[TIME_TEXT_SIZE];
    struct table *table = table_create(columns, COUNT_OF(columns));
    for (size_t i = 0; i < diff->features_count; i++)
        add_row(diff, &diff->features[i], table);
    output_table(diff->run, table, 0);
    table_destroy(&table);
    if (diff->has_at)
        time_format(time_is_valid(diff->at_us) ? diff->at_us : 0, at);
    printf("%" PRIu64 " entities of %" PRIu64 " compared%s%s\n", diff->compared,
           diff->sample.examined, diff->has_at ? " as of " : "", diff->has_at ? at : "");
    if (diff->only_left + diff->only_right > 0)
        printf("%" PRIu64 " only in %s, %" PRIu64 " only in %s\n", diff->only_left,
               diff->run->words[0], diff->only_right, diff->run->words[1]);
    for (size_t i = 0; i < 2; i++)
        if (diff->missing[i].size > 0)
            printf("only %s has: %.*s\n", diff->run->words[i],
                   BYTES_ARGS(buffer_bytes(&diff->missing[i])));
}

static void json_feature(const struct feature *feature, struct buffer *out)
{
    buffer_append_text(out, "{\"name\":");
    text_append_json(out, bytes_of_text(feature->name));
    buffer_format(out, ",\"differing\":%" PRIu64 ",\"measured\":%" PRIu64 ",\"apart_mean\":",
                  feature->differing, feature->measured);
    append_number(out, feature->measured > 0 ? feature->apart_sum / (double)feature->measured : 0);
    buffer_append_text(out, ",\"apart_max\":");
    append_number(out, feature->apart_max);
    if (feature->differing > 0) {
        buffer_append_text(out, ",\"entity\":");
        text_append_json(out, bytes_of_text(feature->entity));
        buffer_append_text(out, ",\"left\":");
        text_append_json(out, bytes_of_text(feature->left));
        buffer_append_text(out, ",\"right\":");
        text_append_json(out, bytes_of_text(feature->right));
    }
    buffer_append_byte(out, '}');
}

static void print_json(const struct diff *diff)
{
    struct buffer out = {0};
    char at[NUMBER_SIZE] = "null";
    if (diff->has_at)
        snprintf(at, sizeof(at), "%" PRId64, diff->at_us);
    buffer_append_text(&out, "{\"left\":");
    text_append_json(&out, bytes_of_text(diff->run->words[0]));
    buffer_append_text(&out, ",\"right\":");
    text_append_json(&out, bytes_of_text(diff->run->words[1]));
    buffer_format(&out,
                  ",\"at\":%s,\"entities\":%" PRIu64 ",\"compared\":%" PRIu64
                  ",\"only_left\":%" PRIu64 ",\"only_right\":%" PRIu64 ",\"features\":[",
                  at, diff->sample.examined, diff->compared, diff->only_left, diff->only_right);
    for (size_t i = 0; i < diff->features_count; i++) {
        if (i > 0)
            buffer_append_byte(&out, ',');
        json_feature(&diff->features[i], &out);
    }
    buffer_append_text(&out, "]}");
    output_line(buffer_bytes(&out));
    buffer_fini(&out);
}

static void diff_fini(struct diff *diff)
{
    for (size_t i = 0; i < diff->sample.count; i++)
        picked_free(&diff->sample.picked[i]);
    free(diff->sample.picked);
    for (size_t i = 0; i < diff->features_count; i++) {
        free(diff->features[i].name);
        free(diff->features[i].entity);
        free(diff->features[i].left);
        free(diff->features[i].right);
    }
    free(diff->features);
    buffer_fini(&diff->missing[0]);
    buffer_fini(&diff->missing[1]);
    remote_close(&diff->remote);
}

enum exit_code command_diff(const struct run *run, struct error *err)
{
    struct diff diff = {.run = run, .sample = {.count_max = (size_t)run->options->sample}};
    size_t first = 0;
    diff.sample.picked = calloc(diff.sample.count_max, sizeof(*diff.sample.picked));
    CHECK(diff.sample.picked != NULL);
    if (option_time("--at", run->options->at, &diff.has_at, &diff.at_us, err) != STATUS_OK) {
        diff_fini(&diff);
        return EXIT_USAGE;
    }
    enum status status = remote_open(run->options->server, &diff.remote, err);
    if (status == STATUS_OK)
        status = take_sample(&diff, err);
    while (status == STATUS_OK && first < diff.sample.count)
        status = compare_some(&diff, &first, err);
    if (status == STATUS_OK && run->options->is_json)
        print_json(&diff);
    else if (status == STATUS_OK && diff.features == NULL)
        printf("%s has no entities yet\n", run->words[0]);
    else if (status == STATUS_OK)
        print_table(&diff);
    diff_fini(&diff);
    return exit_of(status);
}
