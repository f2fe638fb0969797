#include "storage/event_runs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

enum {
    STREAM_BUFFER_SIZE = 256 * 1024,
    PATH_SIZE_MAX = 4096,
    RECORD_SIZE_MAX = 64 * 1024 * 1024, /* of a key or a row: larger ones were not written by us */
};

/* In front of each event. */
struct record_header {
    uint32_t head_size;
    uint32_t key_size;
    uint32_t row_size;
};

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
    return STATUS_OK;
}

enum status event_runs_put(struct event_runs *runs, const struct sorted_event *event,
                           struct error *err)
{
    const struct record_header header = {.head_size = (uint32_t)event->head_size,
                                         .key_size = (uint32_t)event->key.size,
                                         .row_size = (uint32_t)event->row.size};
    bool is_written =
        fwrite_unlocked(&header, sizeof(header), 1, runs->file) == 1 &&
        fwrite_unlocked(event->key.data, 1, event->key.size, runs->file) == event->key.size &&
        fwrite_unlocked(event->row.data, 1, event->row.size, runs->file) == event->row.size;
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
    struct buffer memory;      /* owned */
};

/* Reads the next event. NOT_FOUND: the run is at its end. */
static enum status reader_next(struct reader *reader, struct error *err)
{
    struct record_header header;
    if (fread_unlocked(&header, sizeof(header), 1, reader->file) != 1)
        return ferror(reader->file) ? run_failed(err) : STATUS_NOT_FOUND;
    if (header.key_size > RECORD_SIZE_MAX || header.row_size > RECORD_SIZE_MAX ||
        header.head_size > header.key_size)
        return error_set(err, STATUS_CORRUPT,
                         "sort events on the disk: what was written is not read");
    size_t size = (size_t)header.key_size + header.row_size;
    reader->memory.start = reader->memory.size = 0;
    char *bytes = buffer_reserve(&reader->memory, size);
    if (fread_unlocked(bytes, 1, size, reader->file) != size)
        return error_set(err, STATUS_CORRUPT,
                         "sort events on the disk: what was written is cut short");
    buffer_added(&reader->memory, size);
    reader->event =
        (struct sorted_event){.key = bytes_of(bytes, header.key_size),
                              .head_size = header.head_size,
                              .row = bytes_of(bytes + header.key_size, header.row_size)};
    return STATUS_OK;
}

/* Whether a's event comes before b's: by key, of the same key that of the later run. */
static bool reader_is_before(const struct reader *a, const struct reader *b)
{
    int order = bytes_compare(a->event.key, b->event.key);
    return order != 0 ? order < 0 : a->number > b->number;
}

/* A heap of the runs that have events, the one whose event is next on top. */
struct heap {
    struct reader *readers[EVENT_SORT_RUNS_MAX];
    size_t count;
};

static void heap_sift(struct heap *heap, size_t at)
{
    struct reader *moved = heap->readers[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < heap->count &&
            reader_is_before(heap->readers[child + 1], heap->readers[child]))
            child++;
        if (child >= heap->count || !reader_is_before(heap->readers[child], moved))
            break;
        heap->readers[at] = heap->readers[child];
        at = child;
    }
    heap->readers[at] = moved;
}

/* Goes to the next event of the run on top. */
static enum status heap_step(struct heap *heap, struct error *err)
{
    enum status status = reader_next(heap->readers[0], err);
    if (status == STATUS_NOT_FOUND) {
        heap->readers[0] = heap->readers[--heap->count];
        status = STATUS_OK;
    }
    if (status == STATUS_OK && heap->count > 0)
        heap_sift(heap, 0);
    return status;
}

static enum status merge(struct heap *heap, struct event_files *files, struct error *err)
{
    struct buffer last = {0};
    enum status status = STATUS_OK;
    while (heap->count > 0 && status == STATUS_OK) {
        const struct sorted_event *event = &heap->readers[0]->event;
        if (!bytes_equal(event->key, buffer_bytes(&last))) {
            status = event_files_put(files, event, err);
            last.start = last.size = 0;
            buffer_append(&last, event->key);
        }
        if (status == STATUS_OK)
            status = heap_step(heap, err);
    }
    buffer_fini(&last);
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
        buffer_fini(&readers[i].memory);
    }
    free(readers);
    return status;
}
