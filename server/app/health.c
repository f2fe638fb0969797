#include "app/health.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/time_text.h"

/* What is remembered of a thread. */
struct watch {
    uint64_t progress;
    int64_t moved_mono_us; /* when it was first seen to have this progress */
};

struct health {
    struct writer *writer; /* borrowed, as the workers */
    struct worker *const *workers;
    size_t workers_count;
    atomic_bool is_stopping;
    int64_t now_mono_us; /* of the question at hand */
    struct watch writer_watch;
    struct watch worker_watches[WORKERS_MAX];
};

struct health *health_create(struct writer *writer, struct worker *const *workers,
                             size_t workers_count, int64_t now_mono_us)
{
    struct health *health = calloc(1, sizeof(*health));
    CHECK(health != NULL && workers_count <= WORKERS_MAX);
    health->writer = writer;
    health->workers = workers;
    health->workers_count = workers_count;
    health->writer_watch.moved_mono_us = now_mono_us;
    for (size_t i = 0; i < workers_count; i++)
        health->worker_watches[i].moved_mono_us = now_mono_us;
    return health;
}

void health_destroy(struct health **health)
{
    free(*health);
    *health = NULL;
}

void health_note_stopping(struct health *health)
{
    atomic_store(&health->is_stopping, true);
}

/* ---- checks ---- */

static enum status check_moves(struct watch *watch, uint64_t progress, int64_t now_mono_us,
                               struct error *err)
{
    if (progress != watch->progress)
        *watch = (struct watch){.progress = progress, .moved_mono_us = now_mono_us};
    int64_t still_us = now_mono_us - watch->moved_mono_us;
    if (still_us <= HEALTH_STALL_MAX_US)
        return STATUS_OK;
    return error_set(err, STATUS_UNAVAILABLE, "no progress for %lld s",
                     (long long)(still_us / US_PER_SECOND));
}

static enum status check_writer(struct health *health, struct error *err)
{
    if (atomic_load(&health->is_stopping))
        return STATUS_OK; /* it ends, after what is queued */
    return check_moves(&health->writer_watch, writer_progress(health->writer), health->now_mono_us,
                       err);
}

static enum status check_workers(struct health *health, struct error *err)
{
    enum status status = STATUS_OK;
    if (atomic_load(&health->is_stopping))
        return STATUS_OK;
    for (size_t i = 0; i < health->workers_count && status == STATUS_OK; i++) {
        status = check_moves(&health->worker_watches[i], worker_turns(health->workers[i]),
                             health->now_mono_us, err);
        if (status != STATUS_OK)
            error_prefix(err, status, "worker %zu", i + 1);
    }
    return status;
}

static enum status check_disk(struct health *health, struct error *err)
{
    return writer_check_disk(health->writer, err);
}

static enum status check_stopping(struct health *health, struct error *err)
{
    if (atomic_load(&health->is_stopping))
        return error_set(err, STATUS_UNAVAILABLE, "the server is asked to stop");
    return STATUS_OK;
}

/* Whatever else can be broken, such as what a source reads from, is a row more. */
static const struct {
    const char *name;
    enum health_question question; /* the strictest that asks for it */
    enum status (*run)(struct health *health, struct error *err);
} checks[] = {
    {"writer", HEALTH_ALIVE, check_writer},
    {"workers", HEALTH_ALIVE, check_workers},
    {"disk", HEALTH_READY, check_disk},
    {"serving", HEALTH_READY, check_stopping},
};

bool health_ask(struct health *health, enum health_question question, int64_t now_mono_us,
                bool is_verbose, struct buffer *out)
{
    bool is_well = true;
    health->now_mono_us = now_mono_us;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        struct error err = {0};
        if (checks[i].question > question)
            continue;
        enum status status = checks[i].run(health, &err);
        is_well &= status == STATUS_OK;
        if (status != STATUS_OK)
            buffer_format(out, "%s: %s\n", checks[i].name, err.text);
        else if (is_verbose)
            buffer_format(out, "%s: ok\n", checks[i].name);
    }
    if (is_well && !is_verbose)
        buffer_append_text(out, "ok\n");
    return is_well;
}
