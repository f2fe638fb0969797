/* Requests that repeat. A model server sends HMGET with the same fields for one entity after the
 * other: such requests are recognised by their bytes (protocol/resp_shape.h), with the view and the
 * features found before, as long as the same definitions are in force. Several are answered
 * together, so that their rows come from memory at the same time.
 *
 * Only what a finished row answers is answered here, and only with what the ordinary way would say;
 * everything else is left to that. */
#include <stdlib.h>

#include "app/resp_call.h"
#include "model/entity.h"
#include "protocol/resp_shape.h"

enum {
    REPEATS_MAX = 8,             /* that are remembered; the least recently used goes */
    REPEAT_SIZE_MAX = 16 * 1024, /* bytes of one */
    REPEAT_FIELDS_MAX = 128,
    REPEAT_LEARN_EVERY = 16, /* where fields change all the time, learning must not cost */
    GROUP_MAX = 16,          /* requests that are answered together */
};

struct resp_repeat {
    struct resp_shape shape;
    struct buffer name;      /* owned: "view:" or "view@2:", at the start of the key */
    uint64_t catalog_number; /* of the definitions that all below hangs on */
    struct target target;    /* without an entity */
    uint32_t *features;      /* owned */
    size_t features_count;
    uint64_t used; /* larger: more recently; 0: free */
};

struct resp_repeats {
    struct resp_repeat rows[REPEATS_MAX];
    struct resp_repeat *latest; /* borrowed: the last that matched, or NULL */
    uint64_t clock;
    uint64_t unlearned; /* requests that came the ordinary way */
    size_t group_size;  /* of the next group: twice as many while rows answer them all, 1 after a
                           miss */
};

struct resp_repeats *resp_repeats_create(void)
{
    struct resp_repeats *repeats = calloc(1, sizeof(*repeats));
    CHECK(repeats != NULL);
    repeats->group_size = 1;
    return repeats;
}

void resp_repeats_destroy(struct resp_repeats **repeats)
{
    if (*repeats == NULL)
        return;
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct resp_repeat *repeat = &(*repeats)->rows[i];
        resp_shape_fini(&repeat->shape);
        buffer_fini(&repeat->name);
        free(repeat->features);
    }
    free(*repeats);
    *repeats = NULL;
}

/* ---- learning ---- */

/* The row of the same shape and view, or else the least recently used. */
static struct resp_repeat *choose_row(struct resp_repeats *repeats, const struct resp_shape *shape,
                                      struct bytes name)
{
    struct resp_repeat *oldest = &repeats->rows[0];
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct resp_repeat *row = &repeats->rows[i];
        if (row->used > 0 && resp_shape_equal(&row->shape, shape) &&
            bytes_equal(buffer_bytes(&row->name), name))
            return row;
        if (row->used < oldest->used)
            oldest = row;
    }
    return oldest;
}

void resp_repeat_learn(struct resp_call *call, const struct target *target,
                       const uint32_t *features, size_t count)
{
    bool has_row = target->plan != NULL; /* of its own; not a derived view's */
    if (call->door == NULL || !has_row || count > REPEAT_FIELDS_MAX)
        return;
    struct resp_repeats *repeats = call->door->repeats;
    struct bytes key = resp_call_argument(call, 1);
    const char *colon = memchr(key.data, ':', key.size);
    if (++repeats->unlearned % REPEAT_LEARN_EVERY != 0 || colon == NULL)
        return;
    struct bytes name = bytes_of(key.data, (size_t)(colon - key.data) + 1);
    struct resp_shape shape = {0};
    resp_shape_set(&shape, call->arguments, call->count);
    if (resp_shape_size(&shape) > REPEAT_SIZE_MAX) {
        resp_shape_fini(&shape);
        return;
    }
    struct resp_repeat *row = choose_row(repeats, &shape, name);
    resp_shape_fini(&row->shape);
    row->shape = shape; /* moved */
    row->name.start = row->name.size = 0;
    buffer_append(&row->name, name);
    row->catalog_number = query_catalog_number(call->door->options.query);
    row->target = *target;
    row->features = reallocarray(row->features, count, sizeof(*features));
    CHECK(row->features != NULL);
    memcpy(row->features, features, count * sizeof(*features));
    row->features_count = count;
    row->used = ++repeats->clock;
}

/* ---- answering ---- */

/* One request of a group. */
struct repeated {
    struct target target;
    size_t end;     /* behind its bytes in the input */
    uint64_t place; /* of its row, once that was fetched */
};

/* Whether nothing but the bytes decides what a read of this session says. */
static bool session_may_repeat(const struct resp_session *session)
{
    const struct resp_parser *parser = &session->parser;
    bool is_between = parser->is_done || (parser->offset == 0 && parser->scanned == 0);
    return is_between && session->owed_count == 0 && !session->multi.is_open &&
           session->moment.is_now && !session->moment.is_exclusive;
}

/* Takes the request at the front of input, if it is one of these. */
static bool take_request(const struct resp_repeat *repeat, struct bytes input, struct arena *arena,
                         struct repeated *request)
{
    struct bytes key;
    struct error err;
    struct bytes name = buffer_bytes(&repeat->name);
    if (!resp_shape_match(&repeat->shape, input, &key, &request->end) ||
        !bytes_start_with(key, name))
        return false;
    request->target = repeat->target;
    return entity_parse(repeat->target.view, bytes_after(key, name.size), arena,
                        &request->target.entity, &err) == STATUS_OK;
}

/* The row whose requests are at the front of input, with the first of them, or NULL. */
static struct resp_repeat *find_row(struct resp_door *door, struct bytes input,
                                    struct repeated *first)
{
    struct resp_repeats *repeats = door->repeats;
    uint64_t number = query_catalog_number(door->options.query);
    struct resp_repeat *latest = repeats->latest;
    if (latest != NULL && latest->catalog_number == number &&
        take_request(latest, input, door->arena, first))
        return latest;
    for (size_t i = 0; i < REPEATS_MAX; i++) {
        struct resp_repeat *row = &repeats->rows[i];
        if (row->used > 0 && row != latest && row->catalog_number == number &&
            take_request(row, input, door->arena, first)) {
            repeats->latest = row;
            row->used = ++repeats->clock;
            return row;
        }
    }
    return NULL;
}

/* Takes the requests behind the first that repeat it, and has their rows fetched. */
static size_t take_group(struct resp_door *door, const struct resp_repeat *repeat,
                         struct bytes input, struct repeated group[GROUP_MAX])
{
    struct query *query = door->options.query;
    size_t count = 1;
    for (; count < door->repeats->group_size; count++) {
        size_t begin = group[count - 1].end;
        if (!take_request(repeat, bytes_after(input, begin), door->arena, &group[count]))
            break;
        group[count].end += begin;
        if (count == 1)
            group[0].place = query_prefetch_place(query, &group[0].target);
        group[count].place = query_prefetch_place(query, &group[count].target);
    }
    for (size_t i = 0; i < count && count > 1; i++)
        query_prefetch_row(query, group[i].place);
    return count;
}

/* Answers one request; false: no row does. */
static bool answer_request(struct resp_session *session, const struct resp_repeat *repeat,
                           const struct target *target, int64_t now_us)
{
    struct resp_door *door = session->door;
    struct text_answer answer;
    const struct resp_writer writer = {.out = session->output, .version = session->version};
    if (!query_peek_texts(door->options.query, target, repeat->features, repeat->features_count,
                          now_us, door->arena, &answer))
        return false;
    resp_read_count(&door->counters, &answer);
    door->counters.commands_total++;
    door->counters.repeats_total++;
    resp_write_texts(writer, answer.texts, answer.count);
    return true;
}

size_t resp_repeat_answer(struct resp_session *session, struct bytes input)
{
    struct resp_door *door = session->door;
    struct repeated group[GROUP_MAX];
    size_t taken = 0;
    if (door->repeats->clock == 0 || !session_may_repeat(session))
        return 0;
    query_refresh(door->options.query);
    arena_reset(door->arena);
    const struct resp_repeat *repeat = find_row(door, input, &group[0]);
    if (repeat == NULL)
        return 0;
    size_t count = take_group(door, repeat, input, group);
    int64_t now_us = query_now_us(door->options.query, &repeat->target);
    for (size_t i = 0; i < count && resp_session_is_ready(session); i++) {
        if (!answer_request(session, repeat, &group[i].target, now_us))
            break;
        taken = group[i].end;
    }
    if (taken > 0) {
        session->last_command = "hmget";
        session->is_rehearsed = false;
    }
    size_t next_size = taken == group[count - 1].end ? 2 * door->repeats->group_size : 1;
    door->repeats->group_size = next_size < GROUP_MAX ? next_size : GROUP_MAX;
    return taken;
}
