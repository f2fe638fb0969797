#include "result_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

enum { MODE_OF_FILES = 0666 };

/* "out/.train.parquet.XXXXXX" for "out/train.parquet". */
static char *temporary_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - path) + 1;
    size_t size = strlen(path) + sizeof("..XXXXXX");
    char *name = malloc(size);
    CHECK(name != NULL);
    snprintf(name, size, "%.*s.%s.XXXXXX", folder, path, path + folder);
    return name;
}

bool result_file_is_output(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
}

static enum status open_stream(struct result_file *file, struct error *err)
{
    file->fd = result_file_is_output(file->path) ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                                 : open(file->path, O_WRONLY | O_CLOEXEC);
    return file->fd >= 0 ? STATUS_OK
                         : error_set(err, STATUS_IO, "open %s: %s", file->path, error_errno());
}

static enum status open_temporary(struct result_file *file, struct error *err)
{
    file->target = realpath(file->path, NULL);
    if (file->target == NULL)
        file->target = strdup(file->path);
    CHECK(file->target != NULL);
    file->temporary = temporary_name(file->target);
    file->fd = mkostemp(file->temporary, O_CLOEXEC);
    if (file->fd >= 0)
        return STATUS_OK;
    error_set(err, STATUS_IO, "create %s: %s", file->path, error_errno());
    free(file->temporary);
    file->temporary = NULL;
    return STATUS_IO;
}

enum status result_file_open(struct result_file *file, const char *path, struct error *err)
{
    struct stat info;
    *file = (struct result_file){.path = path, .fd = -1};
    sha256_init(&file->hash);
    bool is_there = stat(path, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode))
        return error_set(err, STATUS_IO, "%s is a directory", path);
    if (result_file_is_output(path) || (is_there && !S_ISREG(info.st_mode)))
        return open_stream(file, err);
    return open_temporary(file, err);
}

enum status result_file_write(struct result_file *file, struct bytes bytes, struct error *err)
{
    sha256_add(&file->hash, bytes);
    file->size_bytes += bytes.size;
    while (bytes.size > 0) {
        ssize_t written = write(file->fd, bytes.data, bytes.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return error_set(err, STATUS_IO, "write %s: %s", file->path, error_errno());
        bytes = bytes_after(bytes, (size_t)written);
    }
    return STATUS_OK;
}

/* The name lasts once the directory is on the disk, too. */
static enum status sync_folder(const struct result_file *file, struct error *err)
{
    char *copy = strdup(file->target);
    CHECK(copy != NULL);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (!is_synced)
        error_set(err, STATUS_IO, "sync the directory of %s: %s", file->path, error_errno());
    if (fd >= 0)
        close(fd);
    free(copy);
    return is_synced ? STATUS_OK : STATUS_IO;
}

static enum status check(struct result_file *file, uint64_t size_bytes, struct bytes digest,
                         struct error *err)
{
    unsigned char ours[SHA256_SIZE];
    sha256_finish(&file->hash, ours);
    bool is_same = file->size_bytes == size_bytes &&
                   (digest.size == 0 || bytes_equal(digest, bytes_of(ours, sizeof(ours))));
    if (is_same)
        return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, "%s: what arrived is not what the server sent%s",
                     file->path, file->target == NULL ? "" : "; nothing was written");
}

enum status result_file_keep(struct result_file *file, uint64_t size_bytes, struct bytes digest,
                             struct error *err)
{
    mode_t mask = umask(0);
    umask(mask);
    enum status status = check(file, size_bytes, digest, err);
    if (status != STATUS_OK || file->target == NULL)
        return status;
    if (fchmod(file->fd, MODE_OF_FILES & ~mask) != 0 || fsync(file->fd) != 0 ||
        rename(file->temporary, file->target) != 0)
        return error_set(err, STATUS_IO, "write %s: %s", file->path, error_errno());
    free(file->temporary);
    file->temporary = NULL;
    return sync_folder(file, err);
}

void result_file_close(struct result_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary != NULL)
        unlink(file->temporary);
    free(file->temporary);
    free(file->target);
    sha256_fini(&file->hash);
    *file = (struct result_file){.fd = -1};
}
