#include "export/snapshot.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/time_text.h"
#include "export/table.h"
#include "model/entity.h"
#include "query/census.h"
#include "registry/meaning.h"

enum { ROW_CHUNK_SIZE = 16 * 1024, TELL_ROWS = 1024 };

struct snapshot {
    struct export_job *job;           /* borrowed */
    const struct snapshot_spec *spec; /* borrowed */
    struct query *query;              /* the job's */
    struct target target;
    struct moment moment;
    int64_t t_us;
    struct census *census; /* owned, as the next two */
    struct arena *row;     /* of one row */
    struct table table;
    uint64_t rows;
    bool is_ended;
};

/* ---- what is asked ---- */

static enum status find_target(struct snapshot *snapshot, struct error *err)
{
    const struct snapshot_spec *spec = snapshot->spec;
    char shown[NAME_SIZE_MAX + 16];
    struct bytes name;
    uint32_t number;
    if (!query_split_version(spec->view, &name, &number))
        return error_set(err, STATUS_INVALID, "'%s' is no view: name it as view or view@2",
                         bytes_to_text(spec->view, shown, sizeof(shown)));
    enum status status = query_find_view(snapshot->query, name, number, &snapshot->target, err);
    if (status != STATUS_OK)
        return status;
    if (spec->has_at && !time_is_valid(spec->at_us))
        return error_set(err, STATUS_INVALID, "the moment lies outside the years 1 to 9999");
    snapshot->moment = (struct moment){.is_now = !spec->has_at, .t_us = spec->at_us};
    snapshot->t_us = spec->has_at ? spec->at_us : query_now_us(snapshot->query, &snapshot->target);
    export_job_set_subject(snapshot->job,
                           arena_format(export_job_arena(snapshot->job), "%.*s@%u",
                                        BYTES_ARGS(name), snapshot->target.view->version));
    return STATUS_OK;
}

/* ---- columns ---- */

static enum status add_columns(struct snapshot *snapshot, struct error *err)
{
    const struct view_definition *view = snapshot->target.view;
    struct table *table = &snapshot->table;
    const struct type text = {.kind = VALUE_STRING};
    enum status status = STATUS_OK;
    table_init(table, export_job_arena(snapshot->job), TABLE_COLUMNS_MAX);
    for (size_t i = 0; i < view->keys_count && status == STATUS_OK; i++) {
        const struct field_definition *key = &view->fields[view->key_fields[i]];
        status = table_add(table, key->name, key->type, err);
    }
    for (size_t i = 0; i < view->features_count && status == STATUS_OK; i++) {
        const struct feature_definition *feature = &view->features[i];
        status = table_add(table, feature->name, feature->type, err);
        if (status == STATUS_OK && snapshot->spec->with_statuses)
            status = table_add(
                table, arena_format(table->arena, "%.*s__status", BYTES_ARGS(feature->name)), text,
                err);
    }
    if (status == STATUS_OK && snapshot->spec->output.hash_buckets > 0)
        status = table_add(table, bytes_of_text(TABLE_BUCKET_COLUMN),
                           (struct type){.kind = VALUE_INT}, err);
    return status;
}

static enum status check_output(const struct snapshot *snapshot, struct error *err)
{
    const struct export_output *output = &snapshot->spec->output;
    const struct table *table = &snapshot->table;
    size_t partitions = output->partition_by_count + (output->hash_buckets > 0);
    if (partitions > 0 && output->server_path.size == 0)
        return error_set(err, STATUS_INVALID,
                         "partitions are files in a directory: name a path on the server");
    if (output->partition_by_count > EXPORT_PARTITION_KEYS_MAX ||
        output->hash_buckets > EXPORT_BUCKETS_MAX)
        return error_set(err, STATUS_LIMIT,
                         "a snapshot can be partitioned by %d columns and into %d buckets at most",
                         EXPORT_PARTITION_KEYS_MAX, EXPORT_BUCKETS_MAX);
    if (partitions >= table->columns_count)
        return error_set(err, STATUS_INVALID, "a column must be left that is not a partition");
    for (size_t i = 0; i < output->partition_by_count; i++) {
        char shown[NAME_SIZE_MAX + 1];
        ssize_t column = table_find(table, output->partition_by[i]);
        if (column < 0 || table->columns[column].type.is_list)
            return error_set(err, STATUS_INVALID,
                             "partition-by: there is no column '%s', or it has lists",
                             bytes_to_text(output->partition_by[i], shown, sizeof(shown)));
        bool is_again = output->hash_buckets > 0 && (size_t)column == table->columns_count - 1;
        for (size_t j = 0; j < i; j++)
            is_again |= table_find(table, output->partition_by[j]) == column;
        if (is_again)
            return error_set(err, STATUS_INVALID, "partition-by: '%s' is there twice",
                             bytes_to_text(output->partition_by[i], shown, sizeof(shown)));
    }
    return STATUS_OK;
}

static void note_metadata(struct snapshot *snapshot)
{
    const struct view_definition *view = snapshot->target.view;
    struct arena *arena = snapshot->table.arena;
    char text[TIME_TEXT_SIZE];
    struct buffer meaning = {0};
    view_append_meaning(view, &meaning);
    XXH128_hash_t hash = XXH3_128bits(buffer_bytes(&meaning).data, meaning.size);
    buffer_fini(&meaning);
    table_note(&snapshot->table, "asof.view", view->name);
    table_note(&snapshot->table, "asof.version", arena_format(arena, "%u", view->version));
    table_note(&snapshot->table, "asof.at", bytes_of(text, time_format(snapshot->t_us, text)));
    table_note(&snapshot->table, "asof.at_us",
               arena_format(arena, "%lld", (long long)snapshot->t_us));
    table_note(&snapshot->table, "asof.definition_hash",
               arena_format(arena, "%016llx%016llx", (unsigned long long)hash.high64,
                            (unsigned long long)hash.low64));
}

/* ---- rows ---- */

/* The range of hashes that the entity lies in. */
static int64_t bucket_of(struct bytes entity, uint32_t buckets)
{
    uint64_t hash = XXH3_64bits(entity.data, entity.size);
    return (int64_t)(((hash >> 32) * buckets) >> 32);
}

static enum status put_row(struct snapshot *snapshot, struct duck_sheet *sheet, size_t row,
                           struct bytes entity, const struct answer *answer, struct error *err)
{
    const struct view_definition *view = snapshot->target.view;
    struct value keys[ENTITY_KEYS_MAX];
    size_t column = 0;
    if (!entity_values(view, entity, snapshot->row, keys))
        return error_set(err, STATUS_CORRUPT, "the key of a stored event is none of its view");
    for (size_t i = 0; i < view->keys_count; i++)
        duck_put(sheet, column++, row, &keys[i]);
    for (size_t i = 0; i < answer->count; i++) {
        duck_put(sheet, column++, row, &answer->values[i]);
        if (!snapshot->spec->with_statuses)
            continue;
        struct value status = value_text(bytes_of_text(feature_status_name(answer->statuses[i])));
        duck_put(sheet, column++, row, &status);
    }
    if (snapshot->spec->output.hash_buckets > 0) {
        struct value bucket = value_int(bucket_of(entity, snapshot->spec->output.hash_buckets));
        duck_put(sheet, column++, row, &bucket);
    }
    return STATUS_OK;
}

/* All is read: others need not wait for the state any more. */
static enum status end_reading(struct snapshot *snapshot, struct error *err)
{
    snapshot->is_ended = true;
    census_close(&snapshot->census);
    enum status status = export_job_check_version(snapshot->job, &snapshot->target, err);
    export_job_end_query(snapshot->job);
    return status;
}

static enum status fill(void *context, struct duck_sheet *sheet, size_t *count, struct error *err)
{
    struct snapshot *snapshot = context;
    enum status status = STATUS_OK;
    *count = 0;
    while (*count < DUCK_ROWS_MAX && !snapshot->is_ended && status == STATUS_OK) {
        struct bytes entity;
        struct answer answer;
        status = export_job_check(snapshot->job, err);
        if (status == STATUS_OK)
            status = census_next(snapshot->census, snapshot->row, &entity, &answer, err);
        if (status == STATUS_OK)
            status = put_row(snapshot, sheet, (*count)++, entity, &answer, err);
        else if (status == STATUS_NOT_FOUND)
            status = end_reading(snapshot, err);
        else if (status == STATUS_AGAIN)
            status = STATUS_OK;
        if (status == STATUS_OK && *count % TELL_ROWS == 0)
            export_job_tell(snapshot->job, "reading", snapshot->rows + *count, 0);
    }
    snapshot->rows += *count;
    return status;
}

/* ---- the job ---- */

static enum status prepare(struct snapshot *snapshot, struct error *err)
{
    enum status status = export_job_query(snapshot->job, &snapshot->query, err);
    if (status == STATUS_OK)
        status = find_target(snapshot, err);
    if (status == STATUS_OK)
        status = add_columns(snapshot, err);
    if (status == STATUS_OK)
        status = check_output(snapshot, err);
    if (status == STATUS_OK)
        status = census_open(snapshot->query, &snapshot->target, snapshot->moment,
                             &snapshot->census, err);
    return status;
}

enum status snapshot_run(struct export_job *job, struct error *err)
{
    struct snapshot snapshot = {.job = job, .spec = export_job_spec(job)};
    struct place *place = NULL;
    enum status status = prepare(&snapshot, err);
    snapshot.row = arena_create(ROW_CHUNK_SIZE);
    if (status == STATUS_OK)
        status = export_job_place(job, &snapshot.spec->output, &place, err);
    if (status == STATUS_OK) {
        note_metadata(&snapshot);
        status =
            table_write(&snapshot.table, job, place, &snapshot.spec->output, fill, &snapshot, err);
    }
    if (status == STATUS_OK)
        export_job_tell(job, "writing", snapshot.rows, snapshot.rows);
    if (status == STATUS_OK)
        status = export_job_finish(job, snapshot.rows, err);
    census_close(&snapshot.census);
    arena_destroy(&snapshot.row);
    table_fini(&snapshot.table);
    return status;
}
