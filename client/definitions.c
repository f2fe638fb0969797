#include "definitions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"

enum { READ_SIZE = 64 * 1024 };

static enum status read_whole(int fd, const char *name, struct arena *arena, struct bytes *out,
                              struct error *err)
{
    struct buffer text = {0};
    enum status status = STATUS_OK;
    ssize_t size = 1;
    while (status == STATUS_OK && size > 0) {
        size = read(fd, buffer_reserve(&text, READ_SIZE), READ_SIZE);
        if (size < 0)
            status = error_set(err, STATUS_IO, "read %s: %s", name, error_errno());
        else
            buffer_added(&text, (size_t)size);
        if (text.size > DEFINITIONS_FILE_SIZE_MAX)
            status = error_set(err, STATUS_LIMIT, "%s is larger than %d bytes", name,
                               (int)DEFINITIONS_FILE_SIZE_MAX);
    }
    if (status == STATUS_OK)
        *out = arena_copy(arena, buffer_bytes(&text));
    buffer_fini(&text);
    return status;
}

static enum status add_file(struct definitions *definitions, const char *path, struct arena *arena,
                            struct error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    const char *name = is_input ? "standard input" : path;
    if (definitions->files_count == DEFINITIONS_FILES_MAX)
        return error_set(err, STATUS_LIMIT, "more than %d files", (int)DEFINITIONS_FILES_MAX);

    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, STATUS_IO, "open %s: %s", path, error_errno());
    struct bytes *words = &definitions->words[definitions->files_count * 2];
    words[0] = arena_copy(arena, bytes_of_text(name));
    enum status status = read_whole(fd, name, arena, &words[1], err);
    definitions->files_count += status == STATUS_OK;
    if (!is_input)
        close(fd);
    return status;
}

static int is_definition(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot != NULL &&
           (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* Bytewise, not by the locale: the same order on every machine. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum status add_directory(struct definitions *definitions, const char *path,
                                 struct arena *arena, struct error *err)
{
    struct dirent **entries = NULL;
    size_t path_size = strlen(path);
    while (path_size > 1 && path[path_size - 1] == '/')
        path_size--;

    int count = scandir(path, &entries, is_definition, compare_names);
    if (count < 0)
        return error_set(err, STATUS_IO, "open %s: %s", path, error_errno());
    enum status status = STATUS_OK;
    if (count == 0)
        status = error_set(err, STATUS_INVALID, "%s has no *.yaml or *.yml file", path);
    for (int i = 0; i < count; i++) {
        struct bytes file =
            arena_format(arena, "%.*s/%s", (int)path_size, path, entries[i]->d_name);
        if (status == STATUS_OK)
            status = add_file(definitions, file.data, arena, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

enum status definitions_read(const char *const *paths, size_t paths_count, struct arena *arena,
                             struct definitions *out, struct error *err)
{
    enum status status = STATUS_OK;
    out->words = ARENA_NEW_ARRAY(arena, 2 * DEFINITIONS_FILES_MAX, struct bytes);
    out->files_count = 0;
    for (size_t i = 0; i < paths_count && status == STATUS_OK; i++) {
        struct stat info;
        bool is_directory = stat(paths[i], &info) == 0 && S_ISDIR(info.st_mode);
        if (is_directory)
            status = add_directory(out, paths[i], arena, err);
        else
            status = add_file(out, paths[i], arena, err);
    }
    return status;
}
