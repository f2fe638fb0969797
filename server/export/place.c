#include "export/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

enum {
    FILE_MODE = 0644,
    DIRECTORY_MODE = 0755,
    FOLDER_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

/* ---- the directories that are allowed ---- */

struct place_dir {
    struct bytes path; /* without '/' at its end; in the text */
    int descriptor;
};

struct place_dirs {
    char *text; /* owned */
    struct place_dir dirs[PLACE_DIRS_MAX];
    size_t count;
};

static enum status add_dir(struct place_dirs *dirs, char *path, struct error *err)
{
    size_t size = strlen(path);
    if (dirs->count == PLACE_DIRS_MAX)
        return error_set(err, STATUS_INVALID, "export-dirs: there can be at most %d",
                         PLACE_DIRS_MAX);
    if (path[0] != '/')
        return error_set(err, STATUS_INVALID,
                         "export-dirs: '%.200s' is no whole path: it must begin with '/'", path);
    int descriptor = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_set(err, STATUS_INVALID, "export-dirs: open %.200s: %s", path, error_errno());
    while (size > 0 && path[size - 1] == '/')
        size--;
    dirs->dirs[dirs->count++] = (struct place_dir){bytes_of(path, size), descriptor};
    return STATUS_OK;
}

enum status place_dirs_open(const char *text, struct place_dirs **out, struct error *err)
{
    struct place_dirs *dirs = calloc(1, sizeof(*dirs));
    enum status status = STATUS_OK;
    char *rest = NULL;
    CHECK(dirs != NULL);
    dirs->text = strdup(text);
    CHECK(dirs->text != NULL);
    for (char *path = strtok_r(dirs->text, ":", &rest); path != NULL && status == STATUS_OK;
         path = strtok_r(NULL, ":", &rest))
        status = add_dir(dirs, path, err);
    if (status != STATUS_OK)
        place_dirs_close(&dirs);
    *out = dirs;
    return status;
}

void place_dirs_close(struct place_dirs **out)
{
    struct place_dirs *dirs = *out;
    if (dirs == NULL)
        return;
    while (dirs->count > 0)
        close(dirs->dirs[--dirs->count].descriptor);
    free(dirs->text);
    free(dirs);
    *out = NULL;
}

/* ---- walking ---- */

/* What a path comes to: a name in a directory that is open. */
struct spot {
    int directory; /* owned */
    char name[NAME_MAX + 1];
    char path[PLACE_PATH_SIZE_MAX + 1]; /* for messages */
};

static const struct place_dir *find_dir(const struct place_dirs *dirs, struct bytes path)
{
    for (size_t i = 0; i < dirs->count; i++) {
        struct bytes dir = dirs->dirs[i].path;
        if (bytes_start_with(path, dir) && path.size > dir.size && path.data[dir.size] == '/')
            return &dirs->dirs[i];
    }
    return NULL;
}

static enum status refuse_path(const struct spot *spot, const char *why, struct error *err)
{
    return error_set(err, STATUS_INVALID, "%.300s: %s", spot->path, why);
}

/* Copies the next name of rest. false: there is none. */
static bool next_name(struct bytes *rest, char name[NAME_MAX + 1], bool *is_long)
{
    while (rest->size > 0 && rest->data[0] == '/')
        *rest = bytes_after(*rest, 1);
    size_t size = 0;
    while (size < rest->size && rest->data[size] != '/')
        size++;
    *is_long = size > NAME_MAX;
    bytes_to_text(bytes_of(rest->data, size), name, NAME_MAX + 1);
    *rest = bytes_after(*rest, size);
    return size > 0;
}

/* Steps from spot->directory into the directory of spot->name. */
static enum status step_into(struct spot *spot, struct error *err)
{
    int next = openat(spot->directory, spot->name, O_RDONLY | FOLDER_FLAGS);
    if (next < 0 && (errno == ELOOP || errno == ENOTDIR))
        return refuse_path(
            spot, "a part of the path is a link, or no directory; links are not followed", err);
    if (next < 0)
        return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "%.300s: the directory '%.200s': %s", spot->path, spot->name,
                         error_errno());
    close(spot->directory);
    spot->directory = next;
    return STATUS_OK;
}

/* Walks to the directory of the last name. */
static enum status walk(struct spot *spot, struct bytes rest, struct error *err)
{
    char name[NAME_MAX + 1];
    bool is_long;
    enum status status = STATUS_OK;
    for (size_t depth = 0; status == STATUS_OK && next_name(&rest, name, &is_long); depth++) {
        if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
            return refuse_path(spot, "'.' and '..' can't be parts of the path", err);
        if (is_long || depth == PLACE_DEPTH_MAX)
            return refuse_path(spot, "the path is too long", err);
        if (depth > 0)
            status = step_into(spot, err);
        memcpy(spot->name, name, sizeof(name));
    }
    if (status == STATUS_OK && spot->name[0] == '\0')
        return refuse_path(spot, "that is the directory itself; name something in it", err);
    return status;
}

/* On success spot->directory is the caller's. */
static enum status find_spot(const struct place_dirs *dirs, struct bytes path, struct spot *spot,
                             struct error *err)
{
    *spot = (struct spot){.directory = -1};
    bytes_to_text(path, spot->path, sizeof(spot->path));
    if (path.size > PLACE_PATH_SIZE_MAX || strlen(spot->path) != path.size ||
        memcmp(spot->path, path.data, path.size) != 0)
        return refuse_path(spot, "the path is too long, or has control characters", err);
    const struct place_dir *dir = find_dir(dirs, path);
    if (dir == NULL)
        return refuse_path(
            spot,
            dirs->count == 0
                ? "the server reads and writes no files: it was started without --export-dirs"
                : "it lies in none of the directories of --export-dirs",
            err);
    spot->directory = fcntl(dir->descriptor, F_DUPFD_CLOEXEC, 0);
    if (spot->directory < 0)
        return error_set(err, STATUS_IO, "%.300s: %s", spot->path, error_errno());
    enum status status = walk(spot, bytes_after(path, dir->path.size), err);
    if (status != STATUS_OK)
        close(spot->directory);
    return status;
}

enum status place_open_input(const struct place_dirs *dirs, struct bytes path, int *descriptor,
                             struct error *err)
{
    struct spot spot;
    struct stat stat;
    enum status status = find_spot(dirs, path, &spot, err);
    if (status != STATUS_OK)
        return status;
    /* O_NONBLOCK: a pipe would wait for who writes. */
    int file = openat(spot.directory, spot.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    close(spot.directory);
    if (file < 0 && errno == ELOOP)
        return refuse_path(&spot, "it is a link; links are not followed", err);
    if (file < 0)
        return error_set(err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%.300s: %s",
                         spot.path, error_errno());
    if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        close(file);
        return refuse_path(&spot, "it is no plain file", err);
    }
    *descriptor = file;
    return STATUS_OK;
}

/* ---- what is written ---- */

enum { SHADOW_SIZE = NAME_MAX + 64 };

struct place {
    struct spot spot; /* directory -1: nameless */
    int descriptor;
    bool is_directory;
    char shadow[SHADOW_SIZE]; /* the name until the commit; empty: it has none */
};

static enum status place_failed(const struct place *place, const char *what, struct error *err)
{
    return error_set(err, STATUS_IO, "%s %.300s: %s", what, place->spot.path, error_errno());
}

/* A name beside the final one that nothing has. */
static void make_shadow(struct place *place)
{
    static atomic_uint counter;
    snprintf(place->shadow, SHADOW_SIZE, ".%.200s.asof-partial-%d-%u", place->spot.name,
             (int)getpid(), atomic_fetch_add(&counter, 1));
}

static int open_shadow_file(int directory, const char *name)
{
    return openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
}

enum status place_open_nameless(int directory, int *descriptor, struct error *err)
{
    static atomic_uint counter;
    char name[64];
    *descriptor = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
    if (*descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        snprintf(name, sizeof(name), "nameless-%u", atomic_fetch_add(&counter, 1));
        *descriptor = open_shadow_file(directory, name);
        if (*descriptor >= 0)
            (void)unlinkat(directory, name, 0);
    }
    return *descriptor >= 0
               ? STATUS_OK
               : error_set(err, STATUS_IO, "make a file in the spool: %s", error_errno());
}

static enum status begin_directory(struct place *place, struct error *err)
{
    struct stat stat;
    if (fstatat(place->spot.directory, place->spot.name, &stat, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse_path(&place->spot, "it is there already; name a directory that is not", err);
    make_shadow(place);
    if (mkdirat(place->spot.directory, place->shadow, DIRECTORY_MODE) != 0) {
        place->shadow[0] = '\0';
        return place_failed(place, "make", err);
    }
    place->descriptor = openat(place->spot.directory, place->shadow, O_RDONLY | FOLDER_FLAGS);
    return place->descriptor >= 0 ? STATUS_OK : place_failed(place, "open", err);
}

/* Where the file system has files without names, a server that dies leaves nothing behind. */
static enum status begin_file(struct place *place, struct error *err)
{
    struct stat stat;
    if (fstatat(place->spot.directory, place->spot.name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(stat.st_mode))
        return refuse_path(&place->spot, "something is there that is no plain file", err);
    place->descriptor =
        openat(place->spot.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);
    if (place->descriptor < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        make_shadow(place);
        place->descriptor = open_shadow_file(place->spot.directory, place->shadow);
        if (place->descriptor < 0)
            place->shadow[0] = '\0';
    }
    return place->descriptor >= 0 ? STATUS_OK : place_failed(place, "write", err);
}

enum status place_begin(const struct place_dirs *dirs, struct bytes path, bool is_directory,
                        struct place **out, struct error *err)
{
    struct place *place = calloc(1, sizeof(*place));
    CHECK(place != NULL);
    place->descriptor = -1;
    place->is_directory = is_directory;
    enum status status = find_spot(dirs, path, &place->spot, err);
    if (status != STATUS_OK)
        place->spot.directory = -1;
    else
        status = is_directory ? begin_directory(place, err) : begin_file(place, err);
    if (status != STATUS_OK)
        place_end(&place);
    *out = place;
    return status;
}

enum status place_begin_nameless(int directory, struct place **out, struct error *err)
{
    struct place *place = calloc(1, sizeof(*place));
    CHECK(place != NULL);
    place->spot.directory = -1;
    enum status status = place_open_nameless(directory, &place->descriptor, err);
    if (status != STATUS_OK)
        place_end(&place);
    *out = place;
    return status;
}

bool place_is_nameless(const struct place *place)
{
    return place->spot.directory < 0;
}

int place_descriptor(const struct place *place)
{
    return place->descriptor;
}

int place_take_descriptor(struct place *place)
{
    int descriptor = place->descriptor;
    place->descriptor = -1;
    return descriptor;
}

/* ---- trees ---- */

/* What to do with an entry of a directory; is_folder: it is one, and what is in it was done. */
typedef int (*entry_fn)(void *context, int directory, const char *name, bool is_folder);

/* Depth first, over directories that are open: a stack instead of calls, as names come from a disk.
 */
static int for_each_entry(int root, entry_fn take, void *context)
{
    DIR *stack[PLACE_DEPTH_MAX];
    char names[PLACE_DEPTH_MAX][NAME_MAX + 1];
    size_t depth = 0;
    int failed = 0;
    int start = openat(root, ".", O_RDONLY | FOLDER_FLAGS);
    if (start < 0 || (stack[depth++] = fdopendir(start)) == NULL)
        return -1;
    while (depth > 0) {
        DIR *at = stack[depth - 1];
        struct dirent *entry = failed != 0 ? NULL : readdir(at);
        if (entry == NULL) {
            closedir(at);
            depth--;
            if (depth > 0 && failed == 0)
                failed = take(context, dirfd(stack[depth - 1]), names[depth], true);
            continue;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int folder = openat(dirfd(at), entry->d_name, O_RDONLY | FOLDER_FLAGS);
        if (folder < 0) {
            failed = take(context, dirfd(at), entry->d_name, false);
        } else if (depth == PLACE_DEPTH_MAX) {
            close(folder);
            failed = -1;
        } else {
            snprintf(names[depth], sizeof(names[depth]), "%s", entry->d_name);
            stack[depth++] = fdopendir(folder);
        }
    }
    return failed;
}

static int remove_entry(void *context, int directory, const char *name, bool is_folder)
{
    (void)context;
    return unlinkat(directory, name, is_folder ? AT_REMOVEDIR : 0);
}

enum status place_empty(int directory, struct error *err)
{
    if (for_each_entry(directory, remove_entry, NULL) != 0)
        return error_set(err, STATUS_IO, "remove what an export left: %s", error_errno());
    return STATUS_OK;
}

/* Has the entry on disk, and adds up what plain files hold. */
static int sync_entry(void *context, int directory, const char *name, bool is_folder)
{
    uint64_t *bytes = context;
    struct stat stat;
    int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return -1;
    int failed = fsync(file) != 0 || fstat(file, &stat) != 0 ? -1 : 0;
    if (failed == 0 && !is_folder)
        *bytes += (uint64_t)stat.st_size;
    close(file);
    return failed;
}

/* ---- the end ---- */

static enum status sync_content(struct place *place, uint64_t *bytes, struct error *err)
{
    struct stat stat;
    *bytes = 0;
    if (place->is_directory && for_each_entry(place->descriptor, sync_entry, bytes) != 0)
        return place_failed(place, "write", err);
    if (fsync(place->descriptor) != 0 || fstat(place->descriptor, &stat) != 0)
        return place_failed(place, "write", err);
    if (!place->is_directory)
        *bytes = (uint64_t)stat.st_size;
    return STATUS_OK;
}

/* Gives the file a name that nobody looks for, as a link can't replace what is there. */
static enum status name_file(struct place *place, struct error *err)
{
    char path[64];
    if (place->shadow[0] != '\0')
        return STATUS_OK;
    make_shadow(place);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", place->descriptor);
    if (linkat(AT_FDCWD, path, place->spot.directory, place->shadow, AT_SYMLINK_FOLLOW) == 0)
        return STATUS_OK;
    place->shadow[0] = '\0';
    return place_failed(place, "name", err);
}

enum status place_commit(struct place *place, uint64_t *bytes, struct error *err)
{
    enum status status;
    if (place_is_nameless(place)) { /* nothing has to outlive a crash */
        struct stat stat;
        int failed = fstat(place->descriptor, &stat);
        *bytes = failed == 0 ? (uint64_t)stat.st_size : 0;
        return failed == 0 ? STATUS_OK : place_failed(place, "read", err);
    }
    status = sync_content(place, bytes, err);
    if (status == STATUS_OK)
        status = name_file(place, err);
    if (status != STATUS_OK)
        return status;
    unsigned flags = place->is_directory ? RENAME_NOREPLACE : 0;
    if (renameat2(place->spot.directory, place->shadow, place->spot.directory, place->spot.name,
                  flags) != 0)
        return place_failed(place, "rename to", err);
    place->shadow[0] = '\0';
    return fsync(place->spot.directory) == 0 ? STATUS_OK : place_failed(place, "write", err);
}

void place_end(struct place **out)
{
    struct place *place = *out;
    struct error ignored;
    if (place == NULL)
        return;
    if (place->shadow[0] != '\0' && place->is_directory && place->descriptor >= 0)
        (void)!place_empty(place->descriptor, &ignored);
    if (place->shadow[0] != '\0')
        (void)unlinkat(place->spot.directory, place->shadow,
                       place->is_directory ? AT_REMOVEDIR : 0);
    if (place->descriptor >= 0)
        close(place->descriptor);
    if (place->spot.directory >= 0)
        close(place->spot.directory);
    free(place);
    *out = NULL;
}
