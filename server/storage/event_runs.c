#include "storage/event_runs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

enum {
    STREAM_BUFFER_SIZE = 256 * 1024,
    PATH_SIZE_MAX = 4096,
    PART_SIZE_MAX = 64 * 1024 * 1024, /* of a record: larger ones were not written by us */
};

/* In front of each record. */
struct record_header {
    int64_t time_us;
    uint32_t entity_size;
    uint32_t identity_size;
    uint32_t row_size;
    uint32_t zero;
};

_Static_assert(sizeof(struct record_header) == 24, "a record's header has no holes");

static FILE *run_open(const struct event_runs *runs, size_t i, const char *mode)
{
    char path[PATH_SIZE_MAX];
    if (snprintf(path, sizeof(path), "%.*s-%zu.run", BYTES_ARGS(runs->prefix), i) >=
        PATH_SIZE_MAX) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    FILE *file = fopen(path, mode);
    if (file != NULL)
        (void)setvbuf(file, NULL, _IOFBF, STREAM_BUFFER_SIZE);
    return file;
}

static enum status run_failed(struct error *err)
{
    return error_set(err, STATUS_IO, "sort events on the disk: %s", error_errno());
}

enum status event_runs_begin(struct event_runs *runs, struct error *err)
{
    CHECK(runs->file == NULL);
    if (runs->count == EVENT_SORT_RUNS_MAX)
        return error_set(
            err, STATUS_LIMIT,
            "the events of one file pass %d times the memory for sorting them; split the "
            "file or give more memory (--export-memory)",
            EVENT_SORT_RUNS_MAX);
    runs->file = run_open(runs, runs->count, "w");
    if (runs->file == NULL)
        return run_failed(err);
    runs->count++;
    runs->entity = (struct bytes){0};
    return STATUS_OK;
}

static bool run_write(FILE *file, struct bytes bytes)
{
    return bytes.size == 0 || fwrite_unlocked(bytes.data, bytes.size, 1, file) == 1;
}

enum status event_runs_put(struct event_runs *runs, const struct sorted_event *event,
                           struct error *err)
{
    bool is_same = runs->entity.data == event->entity.data;
    struct bytes entity = is_same ? (struct bytes){0} : event->entity;
    const struct record_header header = {.time_us = event->time_us,
                                         .entity_size = (uint32_t)entity.size,
                                         .identity_size = (uint32_t)event->identity.size,
                                         .row_size = (uint32_t)event->row.size};
    CHECK(event->entity.size > 0);
    runs->entity = event->entity;
    bool is_written = run_write(runs->file, bytes_of(&header, sizeof(header))) &&
                      run_write(runs->file, entity) && run_write(runs->file, event->identity) &&
                      run_write(runs->file, event->row);
    return is_written ? STATUS_OK : run_failed(err);
}

enum status event_runs_end(struct event_runs *runs, struct error *err)
{
    FILE *file = runs->file;
    runs->file = NULL;
    return fclose(file) == 0 ? STATUS_OK : run_failed(err);
}

void event_runs_fini(struct event_runs *runs)
{
    char path[PATH_SIZE_MAX];
    if (runs->file != NULL)
        (void)fclose(runs->file);
    for (size_t i = 0; i < runs->count; i++)
        if (snprintf(path, sizeof(path), "%.*s-%zu.run", BYTES_ARGS(runs->prefix), i) <
            PATH_SIZE_MAX)
            (void)unlink(path);
    *runs = (struct event_runs){0};
}

/* ---- the merge ---- */

struct reader {
    FILE *file; /* owned */
    size_t number;
    struct sorted_event event; /* in memory */
    struct buffer entity;      /* owned */
    struct buffer memory;      /* owned: identity and row */
};

static enum status refuse_record(struct error *err)
{
    return error_set(err, STATUS_CORRUPT, "sort events on the disk: what was written is not read");
}

static bool read_bytes(struct reader *reader, struct buffer *out, size_t size)
{
    out->start = out->size = 0;
    char *end = buffer_reserve(out, size);
    if (size > 0 && fread_unlocked(end, size, 1, reader->file) != 1)
        return false;
    buffer_added(out, size);
    return true;
}

/* Reads the next event. NOT_FOUND: the run is at its end. */
static enum status reader_next(struct reader *reader, struct error *err)
{
    struct record_header header;
    size_t size = fread_unlocked(&header, 1, sizeof(header), reader->file);
    if (size == 0 && !ferror(reader->file))
        return STATUS_NOT_FOUND;
    if (size != sizeof(header))
        return ferror(reader->file) ? run_failed(err) : refuse_record(err);
    bool is_whole = header.entity_size <= PART_SIZE_MAX && header.identity_size <= PART_SIZE_MAX &&
                    header.row_size <= PART_SIZE_MAX && header.zero == 0 &&
                    (header.entity_size > 0 || reader->entity.size > 0);
    if (is_whole && header.entity_size > 0)
        is_whole = read_bytes(reader, &reader->entity, header.entity_size);
    if (is_whole)
        is_whole =
            read_bytes(reader, &reader->memory, (size_t)header.identity_size + header.row_size);
    if (!is_whole)
        return refuse_record(err);
    struct bytes parts = buffer_bytes(&reader->memory);
    reader->event = (struct sorted_event){.entity = buffer_bytes(&reader->entity),
                                          .time_us = header.time_us,
                                          .identity = bytes_of(parts.data, header.identity_size),
                                          .row = bytes_after(parts, header.identity_size)};
    return STATUS_OK;
}

/* Whether a's event comes before b's: by key, of the same key that of the later run. */
static bool reader_is_before(const struct reader *a, const struct reader *b)
{
    int order = bytes_compare(a->event.entity, b->event.entity);
    if (order == 0 && a->event.time_us != b->event.time_us)
        return a->event.time_us < b->event.time_us;
    if (order == 0)
        order = bytes_compare(a->event.identity, b->event.identity);
    return order != 0 ? order < 0 : a->number > b->number;
}

/* A heap of the runs that have events, the one whose event is next on top. */
struct heap {
    struct reader *readers[EVENT_SORT_RUNS_MAX];
    size_t count;
    size_t second; /* which comes behind the top, as long as only the top goes on; 0: to be found */
};

/* The child that comes first; behind the end, if there is none. */
static size_t heap_child(const struct heap *heap, size_t at)
{
    size_t child = 2 * at + 1;
    bool is_right =
        child + 1 < heap->count && reader_is_before(heap->readers[child + 1], heap->readers[child]);
    return child + is_right;
}

static void heap_sift(struct heap *heap, size_t at)
{
    struct reader *moved = heap->readers[at];
    for (;;) {
        size_t child = heap_child(heap, at);
        if (child >= heap->count || !reader_is_before(heap->readers[child], moved))
            break;
        heap->readers[at] = heap->readers[child];
        at = child;
    }
    heap->readers[at] = moved;
    heap->second = 0;
}

/* Goes to the next event of the run on top. Mostly that is next again, as runs are pieces of a file
 * that is sorted by time: so only the second is compared. */
static enum status heap_step(struct heap *heap, struct error *err)
{
    enum status status = reader_next(heap->readers[0], err);
    if (status == STATUS_NOT_FOUND) {
        heap->readers[0] = heap->readers[--heap->count];
        heap_sift(heap, 0);
        return STATUS_OK;
    }
    if (status != STATUS_OK || heap->count == 1)
        return status;
    if (heap->second == 0)
        heap->second = heap_child(heap, 0);
    if (reader_is_before(heap->readers[heap->second], heap->readers[0]))
        heap_sift(heap, 0);
    return STATUS_OK;
}

static enum status merge(struct heap *heap, struct event_files *files, struct error *err)
{
    enum status status = STATUS_OK;
    while (heap->count > 0 && status == STATUS_OK) {
        status = event_files_put(files, &heap->readers[0]->event, err);
        if (status == STATUS_OK)
            status = heap_step(heap, err);
    }
    return status;
}

enum status event_runs_merge(struct event_runs *runs, struct event_files *files, struct error *err)
{
    struct heap heap = {0};
    enum status status = STATUS_OK;
    struct reader *readers = calloc(runs->count + 1, sizeof(*readers));
    CHECK(readers != NULL);
    for (size_t i = 0; i < runs->count && status == STATUS_OK; i++) {
        readers[i].number = i;
        readers[i].file = run_open(runs, i, "r");
        status = readers[i].file == NULL ? run_failed(err) : reader_next(&readers[i], err);
        if (status == STATUS_OK)
            heap.readers[heap.count++] = &readers[i];
    }
    for (size_t i = heap.count / 2; i > 0; i--)
        heap_sift(&heap, i - 1);
    if (status == STATUS_OK)
        status = merge(&heap, files, err);
    for (size_t i = 0; i < runs->count; i++) {
        if (readers[i].file != NULL)
            (void)fclose(readers[i].file);
        buffer_fini(&readers[i].entity);
        buffer_fini(&readers[i].memory);
    }
    free(readers);
    return status;
}
