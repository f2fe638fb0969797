#include "migrations/migrations.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "storage/directory.h"
#include "storage/disk.h"

enum {
    FIRST_FORMAT = 1,
    PATH_SIZE = 4096,
    /* Beside what is in the write-ahead logs, which opening writes to sorted files: rows of
     * definitions and files that RocksDB begins. */
    ROOM_BYTES = 16 * 1024 * 1024,
};

static const struct migration {
    int format; /* that it leads to */
    const char *summary;
    enum status (*run)(struct storage *storage, struct error *err);
} migrations[] = {
    {2, "partials and bases may lie beside events", migration_0002_partials},
    {3, "views remember promotions and the numbers they gave", migration_0003_promotions},
};

enum { MIGRATIONS_COUNT = sizeof(migrations) / sizeof(migrations[0]) };

_Static_assert(FIRST_FORMAT + MIGRATIONS_COUNT == STORAGE_FORMAT,
               "there is a step to each format, in their order");

static enum status check_room(const char *directory, struct error *err)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/rocksdb", directory) >= PATH_SIZE)
        return error_set(err, STATUS_LIMIT, "the path of the data directory is too long");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_IO, "open data directory %s: %s", directory, error_errno());
    enum status status = disk_check_room(fd, directory, disk_log_bytes(path) + ROOM_BYTES, err);
    close(fd);
    return status;
}

static enum status take_step(const char *directory, const struct storage_options *options,
                             const struct migration *migration, struct error *err)
{
    struct storage *storage = NULL;
    struct storage_options older = *options;
    older.format = migration->format - 1;
    enum status status = storage_open(directory, &older, &storage, err);
    if (status == STATUS_OK) {
        fault_point("migrate.begun");
        status = migration->run(storage, err);
    }
    if (status == STATUS_OK) {
        fault_point("migrate.written");
        status = directory_write_format(directory, migration->format, err);
        fault_point("migrate.done");
    }
    storage_close(&storage);
    return status;
}

enum status migrations_run(const char *directory, const struct storage_options *options,
                           bool is_dry_run, struct error *err)
{
    int format = 0;
    enum status status = directory_read_format(directory, &format, err);
    if (status == STATUS_OK && format < STORAGE_FORMAT)
        status = check_room(directory, err);
    for (size_t i = 0; i < MIGRATIONS_COUNT && status == STATUS_OK; i++) {
        if (migrations[i].format <= format)
            continue;
        if (!is_dry_run)
            status = take_step(directory, options, &migrations[i], err);
        if (status == STATUS_OK)
            printf("%s: format %d to %d%s: %s\n", directory, migrations[i].format - 1,
                   migrations[i].format, is_dry_run ? " would be taken" : "",
                   migrations[i].summary);
        fflush(stdout);
    }
    if (status == STATUS_OK && format == STORAGE_FORMAT)
        printf("%s: format %d, nothing to do\n", directory, format);
    return status;
}
