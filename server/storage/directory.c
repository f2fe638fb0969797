#include "storage/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/storage.h"

#define FORMAT_FILE      "FORMAT"
#define FORMAT_TEMPORARY "FORMAT.new"
#define LOCK_FILE        "LOCK"
#define FORMAT_TEXT      "asof data format "

enum { FORMAT_SIZE_MAX = 64, DIRECTORY_MODE = 0700, FILE_MODE = 0600 };

static enum status directory_make(const char *directory, struct error *err)
{
    struct stat info;
    if (mkdir(directory, DIRECTORY_MODE) == 0)
        return STATUS_OK;
    if (errno != EEXIST)
        return error_set(err, STATUS_IO, "make data directory %s: %s", directory, error_errno());
    if (stat(directory, &info) != 0)
        return error_set(err, STATUS_IO, "data directory %s: %s", directory, error_errno());
    if (!S_ISDIR(info.st_mode))
        return error_set(err, STATUS_IO,
                         "data directory %s is a file; give a directory with --data", directory);
    return STATUS_OK;
}

/* Whether the directory holds nothing but what a first start that was cut short leaves. */
static bool directory_is_new(int directory_fd)
{
    bool is_new = true;
    DIR *entries = fdopendir(dup(directory_fd));
    if (entries == NULL)
        return false;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        const char *name = entry->d_name;
        is_new = is_new && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
                            strcmp(name, LOCK_FILE) == 0 || strcmp(name, FORMAT_TEMPORARY) == 0);
    }
    closedir(entries);
    return is_new;
}

static enum status format_write(int directory_fd, const char *directory, int format,
                                struct error *err)
{
    char text[FORMAT_SIZE_MAX];
    int size = snprintf(text, sizeof(text), FORMAT_TEXT "%d\n", format);
    int fd =
        openat(directory_fd, FORMAT_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    bool is_written = fd >= 0 && write(fd, text, (size_t)size) == size && fsync(fd) == 0 &&
                      renameat(directory_fd, FORMAT_TEMPORARY, directory_fd, FORMAT_FILE) == 0 &&
                      fsync(directory_fd) == 0;
    enum status status = STATUS_OK;
    if (!is_written)
        status =
            error_set(err, STATUS_IO, "write %s/" FORMAT_FILE ": %s", directory, error_errno());
    if (fd >= 0)
        close(fd);
    return status;
}

static enum status format_parse(const char *text, const char *directory, int *format,
                                struct error *err)
{
    int read_size = 0;
    if (sscanf(text, FORMAT_TEXT "%d\n%n", format, &read_size) != 1 || *format < 1)
        return error_set(err, STATUS_CORRUPT,
                         "%s/" FORMAT_FILE " can't be read: it should hold \"" FORMAT_TEXT "%d\"",
                         directory, STORAGE_FORMAT);
    if (*format > STORAGE_FORMAT)
        return error_set(err, STATUS_INVALID,
                         "data directory %s has format %d, newer than the %d that this asofd "
                         "knows; run the version of asofd that wrote it, or a newer one",
                         directory, *format, STORAGE_FORMAT);
    return STATUS_OK;
}

/* Reads FORMAT; *is_missing where there is none. */
static enum status format_read(int directory_fd, const char *directory, bool *is_missing,
                               int *format, struct error *err)
{
    char text[FORMAT_SIZE_MAX];
    int fd = openat(directory_fd, FORMAT_FILE, O_RDONLY | O_CLOEXEC);
    *is_missing = fd < 0 && errno == ENOENT;
    if (*is_missing)
        return STATUS_OK;
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    enum status status;
    if (size < 0) {
        status = error_set(err, STATUS_IO, "read %s/" FORMAT_FILE ": %s", directory, error_errno());
    } else {
        text[size] = '\0';
        status = format_parse(text, directory, format, err);
    }
    if (fd >= 0)
        close(fd);
    return status;
}

static enum status lock_take(int directory_fd, const char *directory, int *lock_fd,
                             struct error *err)
{
    char pid[32] = "";
    int fd = openat(directory_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return error_set(err, STATUS_IO, "open %s/" LOCK_FILE ": %s", directory, error_errno());
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t size = read(fd, pid, sizeof(pid) - 1);
        pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
        close(fd);
        return error_set(err, STATUS_UNAVAILABLE,
                         "data directory %s is in use by another asofd (process %s); stop it or "
                         "give another directory with --data",
                         directory, pid);
    }
    int size = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0 || write(fd, pid, (size_t)size) != size) {
        close(fd);
        return error_set(err, STATUS_IO, "write %s/" LOCK_FILE ": %s", directory, error_errno());
    }
    *lock_fd = fd;
    return STATUS_OK;
}

static enum status directory_open(const char *directory, int *directory_fd, struct error *err)
{
    *directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*directory_fd < 0)
        return error_set(err, STATUS_IO, "open data directory %s: %s", directory, error_errno());
    return STATUS_OK;
}

/* Whether the directory can be opened as one of that format, or be made one. */
static enum status format_check(int directory_fd, const char *directory, int wanted,
                                bool *is_missing, struct error *err)
{
    int format = 0;
    enum status status = format_read(directory_fd, directory, is_missing, &format, err);
    if (status == STATUS_OK && *is_missing && !directory_is_new(directory_fd))
        return error_set(err, STATUS_INVALID,
                         "%s holds files but is no data directory of asofd; give an empty or a "
                         "new directory with --data",
                         directory);
    if (status == STATUS_OK && !*is_missing && format != wanted)
        return error_set(
            err, STATUS_INVALID,
            "data directory %s has format %d, and this asofd works on format %d; bring "
            "it there by: asof migrate --data %s",
            directory, format, wanted, directory);
    return status;
}

enum status directory_claim(const char *directory, int format, int *lock_fd, struct error *err)
{
    bool is_missing = false;
    int directory_fd = -1;
    *lock_fd = -1;
    enum status status = directory_make(directory, err);
    if (status == STATUS_OK)
        status = directory_open(directory, &directory_fd, err);
    if (status != STATUS_OK)
        return status;
    status = format_check(directory_fd, directory, format, &is_missing, err);
    if (status == STATUS_OK)
        status = lock_take(directory_fd, directory, lock_fd, err);
    if (status == STATUS_OK && is_missing)
        status = format_write(directory_fd, directory, format, err);
    if (status != STATUS_OK && *lock_fd >= 0) {
        close(*lock_fd);
        *lock_fd = -1;
    }
    close(directory_fd);
    return status;
}

enum status directory_read_format(const char *directory, int *format, struct error *err)
{
    bool is_missing = false;
    int directory_fd = -1;
    enum status status = directory_open(directory, &directory_fd, err);
    if (status != STATUS_OK)
        return status;
    status = format_read(directory_fd, directory, &is_missing, format, err);
    close(directory_fd);
    if (status == STATUS_OK && is_missing)
        return error_set(err, STATUS_NOT_FOUND, "%s is no data directory of asofd", directory);
    return status;
}

enum status directory_write_format(const char *directory, int format, struct error *err)
{
    int directory_fd = -1;
    enum status status = directory_open(directory, &directory_fd, err);
    if (status != STATUS_OK)
        return status;
    status = format_write(directory_fd, directory, format, err);
    close(directory_fd);
    return status;
}
