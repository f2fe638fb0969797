#include "query/moments.h"

#include <stdlib.h>

#include "base/check.h"
#include "features/features.h"
#include "features/sweep.h"
#include "query/query_room.h"
#include "storage/forward.h"

enum { ARENA_CHUNK_SIZE = 32 * 1024 };

/* How the entity at hand is answered. */
enum pace {
    PACE_NONE,  /* there is none */
    PACE_SWEEP, /* forward */
    PACE_READ,  /* each moment by itself */
};

struct moments {
    struct query *query; /* borrowed */
    struct target target;
    struct moments_question question;
    int64_t history_from_us;   /* of a stream view: T's that count before this are out of history */
    enum feature_status *lost; /* owned: what they have */
    struct value *nothing;     /* owned: the same */
    struct sweep *sweep;       /* owned; of a stream view, as the next */
    struct forward *forward;   /* owned */
    struct buffer entity;      /* owned: the one at hand */
    enum pace pace;
    struct arena *arena; /* owned: of one answer */
};

struct moments *moments_open(struct query *query, const struct moments_question *question)
{
    struct moments *moments = calloc(1, sizeof(*moments));
    size_t count = question->features_count;
    CHECK(moments != NULL && query_is_pinned(query) && query->snapshot != NULL);
    moments->query = query;
    moments->target = *question->target;
    moments->question = *question;
    moments->history_from_us = question->target->view->kind == VIEW_STREAM
                                   ? query_kept_from_us(query, question->target)
                                   : INT64_MIN; /* reads look by themselves */
    moments->lost = calloc(count + 1, sizeof(*moments->lost));
    moments->nothing = calloc(count + 1, sizeof(*moments->nothing));
    CHECK(moments->lost != NULL && moments->nothing != NULL);
    for (size_t i = 0; i < count; i++)
        moments->lost[i] = FEATURE_OUT_OF_HISTORY;
    moments->arena = arena_create(ARENA_CHUNK_SIZE);
    if (question->target->view->kind != VIEW_STREAM)
        return moments;
    moments->sweep = sweep_create(question->target->plan, question->features, count);
    moments->forward =
        forward_open(query->storage, &query->reading, question->target->version->table_id);
    return moments;
}

void moments_close(struct moments **moments)
{
    struct moments *it = *moments;
    if (it == NULL)
        return;
    sweep_destroy(&it->sweep);
    forward_close(&it->forward);
    buffer_fini(&it->entity);
    arena_destroy(&it->arena);
    free(it->lost);
    free(it->nothing);
    free(it);
    *moments = NULL;
}

static enum status begin_entity(struct moments *moments, struct bytes entity, int64_t counted_us,
                                struct error *err)
{
    const struct target *target = &moments->target;
    bool has_base = target->view->history_us != DURATION_NONE && view_plan_has_base(target->plan);
    struct bytes base;
    moments->pace = PACE_NONE;
    moments->entity.start = moments->entity.size = 0;
    buffer_append(&moments->entity, entity);
    enum status status =
        forward_seek(moments->forward, entity, view_plan_oldest_us(target->plan, counted_us),
                     has_base, &base, err);
    if (status == STATUS_OK)
        status = sweep_begin(moments->sweep, forward_next, moments->forward, base, err);
    if (status == STATUS_OK)
        moments->pace = PACE_SWEEP;
    return status;
}

static enum status read_alone(struct moments *moments, struct bytes entity, int64_t t_us,
                              const struct request *request, struct moments_answer *answer,
                              struct error *err)
{
    struct answer whole;
    struct target target = moments->target;
    const struct moment moment = {.t_us = t_us, .is_exclusive = moments->question.is_exclusive};
    target.entity = entity;
    target.request = request;
    arena_reset(moments->arena);
    enum status status =
        query_read(moments->query, &target, moments->question.features,
                   moments->question.features_count, moment, moments->arena, &whole, err);
    if (status == STATUS_OK)
        *answer = (struct moments_answer){.values = whole.values, .statuses = whole.statuses};
    return status;
}

static enum status read_swept(struct moments *moments, struct bytes entity, int64_t t_us,
                              struct moments_answer *answer, struct error *err)
{
    struct sweep_answer swept;
    int64_t counted_us = t_us - moments->question.is_exclusive;
    bool is_same =
        moments->pace != PACE_NONE && bytes_equal(entity, buffer_bytes(&moments->entity));
    enum status status = is_same ? STATUS_OK : begin_entity(moments, entity, counted_us, err);
    if (status != STATUS_OK)
        return status;
    if (moments->pace == PACE_SWEEP)
        status = sweep_answer(moments->sweep, counted_us, &swept, err);
    if (status == STATUS_LIMIT)
        moments->pace = PACE_READ; /* its windows hold too much to be kept */
    if (moments->pace == PACE_READ)
        return read_alone(moments, entity, t_us, NULL, answer, err);
    if (status == STATUS_OK)
        *answer = (struct moments_answer){.values = swept.values, .statuses = swept.statuses};
    return status;
}

enum status moments_read(struct moments *moments, struct bytes entity, int64_t t_us,
                         const struct request *request, struct moments_answer *answer,
                         struct error *err)
{
    if (t_us - moments->question.is_exclusive < moments->history_from_us) {
        *answer = (struct moments_answer){.values = moments->nothing, .statuses = moments->lost};
        return STATUS_OK;
    }
    return moments->sweep == NULL ? read_alone(moments, entity, t_us, request, answer, err)
                                  : read_swept(moments, entity, t_us, answer, err);
}
