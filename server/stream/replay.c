/* Replay: a source of Kafka is read again, into new versions of its views; the rest is their
 * fill. */
#include "base/endian.h"
#include "stream/kafka_fill.h"

enum status stream_replay(struct stream *stream, struct bytes source, int64_t from_us,
                          bool is_promoting, struct arena *arena, struct registry_plan *plan,
                          struct error *err)
{
    enum status status = stream_commit(stream, err);
    if (status == STATUS_OK)
        status = stream_prepare(stream, err);
    if (status == STATUS_OK)
        status = registry_plan_replay(stream->registry, source, is_promoting, arena, plan, err);
    if (status != STATUS_OK)
        return status;
    size_t count = plan->rows_count + plan->changes_count;
    struct registry_row *rows = ARENA_NEW_ARRAY(arena, count, struct registry_row);
    memcpy(rows, plan->rows, plan->rows_count * sizeof(*rows));
    for (size_t i = 0; i < plan->changes_count; i++) {
        uint32_t table_id = stream->registry->next_id + (uint32_t)i;
        char *from = arena_allocate(arena, FILL_FROM_SIZE);
        be64_write_signed(from, from_us);
        rows[plan->rows_count + i] = (struct registry_row){
            .key = kafka_fill_from_key(arena, table_id), .value = bytes_of(from, FILL_FROM_SIZE)};
    }
    plan->rows = rows;
    plan->rows_count = count;
    return stream_write_definitions(stream, plan, err);
}
