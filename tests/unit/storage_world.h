/* World: a storage in a directory of its own. */
#ifndef ASOF_TESTS_STORAGE_WORLD_H
#define ASOF_TESTS_STORAGE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "model/entity.h"
#include "storage/storage.h"

static const struct storage_options options = {.block_cache_bytes = 1 << 20,
                                               .write_buffer_bytes = 1 << 20};
static const struct storage_reading reading;
static char directory[64];
static struct storage *storage;

static inline int storage_begin(void **state)
{
    (void)state;
    snprintf(directory, sizeof(directory), "/tmp/asof-storage-XXXXXX");
    assert_non_null(mkdtemp(directory));
    struct error err;
    if (storage_open(directory, &options, &storage, &err) != STATUS_OK)
        fail_msg("%s", err.text);
    return 0;
}

static inline int storage_end(void **state)
{
    (void)state;
    char command[128];
    storage_close(&storage);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

static inline void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void reopen(void)
{
    struct error err;
    storage_close(&storage);
    if (storage_open(directory, &options, &storage, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

static inline struct bytes entity_of(struct buffer *memory, const char *name)
{
    buffer_reset(memory, SIZE_MAX);
    entity_append_string(bytes_of_text(name), memory);
    return buffer_bytes(memory);
}

static inline void write_batch(struct batch *batch, bool sync)
{
    struct error err;
    if (storage_write(storage, batch, sync, &err) != STATUS_OK)
        fail_msg("%s", err.text);
}

#endif
