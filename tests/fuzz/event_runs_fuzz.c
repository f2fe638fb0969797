/* Runs of sorted events on the disk: whatever the bytes, they are merged or refused, and each event
 * lies in memory whole. For libFuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "storage/event_runs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUNS_MAX = 3, PATH_SIZE = 64 };

static enum status take(void *context, const struct sorted_event *event, struct error *err)
{
    unsigned char *sum = context;
    const struct bytes parts[] = {event->entity, event->identity, event->row};
    (void)err;
    CHECK(event->entity.size > 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (size_t j = 0; j < parts[i].size; j++)
            *sum ^= (unsigned char)parts[i].data[j];
    return STATUS_OK;
}

static void write_run(const char *prefix, size_t number, struct bytes bytes)
{
    char path[PATH_SIZE + 16];
    (void)snprintf(path, sizeof(path), "%s-%zu.run", prefix, number);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(bytes.size == 0 || fwrite(bytes.data, bytes.size, 1, file) == 1);
    CHECK(fclose(file) == 0);
}

/* The first byte says how many runs there are; they share the others. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    unsigned char sum = 0;
    if (size == 0)
        return 0;
    char folder[] = "/tmp/asof-fuzz-XXXXXX";
    char prefix[PATH_SIZE];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(prefix, sizeof(prefix), "%s/fuzz", folder);
    struct event_runs runs = {.prefix = bytes_of_text(prefix), .count = 1 + data[0] % RUNS_MAX};
    struct bytes left = bytes_of(data + 1, size - 1);
    for (size_t i = 0; i < runs.count; i++) {
        size_t part = i + 1 == runs.count ? left.size : left.size / (runs.count - i);
        write_run(prefix, i, bytes_of(left.data, part));
        left = bytes_after(left, part);
    }
    enum status status = event_runs_merge(&runs, take, &sum, &err);
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT);
    event_runs_fini(&runs);
    CHECK(rmdir(folder) == 0);
    return 0;
}
