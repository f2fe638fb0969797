#include "export/duck_library.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the header describes that this was compiled with. */
#define DUCK_LIBRARY_VERSION "v1.4."

/* The one library of the process: dlclose would not unload it, and DuckDB keeps statics. */
static pthread_mutex_t library_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static struct duck_functions library;
static bool library_is_open;

static void *open_beside_program(char tried[ERROR_TEXT_SIZE])
{
    static const char *const places[] = {"", "../", "../lib/asof/"};
    char program[PATH_MAX];
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    program[size < 0 ? 0 : size] = '\0';
    char *slash = strrchr(program, '/');
    if (slash == NULL)
        return NULL;
    slash[1] = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (snprintf(path, sizeof(path), "%s%slibduckdb.so", program, places[i]) >=
            (int)sizeof(path))
            continue;
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (handle != NULL)
            return handle;
        snprintf(tried, ERROR_TEXT_SIZE, "%s", dlerror());
    }
    return NULL;
}

static enum status find_functions(void *handle, struct error *err)
{
#define DUCK_FIND(name)                                                                            \
    *(void **)&library.name = dlsym(handle, "duckdb_" #name);                                      \
    if (library.name == NULL)                                                                      \
        return error_set(err, STATUS_UNAVAILABLE, "libduckdb.so has no function duckdb_" #name);
    DUCK_FUNCTIONS(DUCK_FIND)
#undef DUCK_FIND
    const char *version = library.library_version();
    if (strncmp(version, DUCK_LIBRARY_VERSION, strlen(DUCK_LIBRARY_VERSION)) != 0)
        return error_set(err, STATUS_UNAVAILABLE, "libduckdb.so is of version %.32s, needed is %sx",
                         version, DUCK_LIBRARY_VERSION);
    return STATUS_OK;
}

static enum status open_library(const char *path, struct error *err)
{
    char tried[ERROR_TEXT_SIZE] = "";
    bool is_named = path != NULL && path[0] != '\0';
    void *handle = is_named ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : open_beside_program(tried);
    if (handle == NULL)
        return error_set(err, STATUS_UNAVAILABLE,
                         "exports need libduckdb.so, beside asofd, in ../lib/asof, or where "
                         "--duckdb-library says (`make setup` fetches it): %s",
                         is_named ? dlerror() : tried);
    enum status status = find_functions(handle, err);
    if (status != STATUS_OK)
        dlclose(handle);
    return status;
}

enum status duck_library_open(const char *path, const struct duck_functions **out,
                              struct error *err)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&library_mutex);
    if (!library_is_open)
        status = open_library(path, err);
    library_is_open = status == STATUS_OK;
    pthread_mutex_unlock(&library_mutex);
    *out = status == STATUS_OK ? &library : NULL;
    return status;
}

const struct duck_functions *duck_library(void)
{
    return &library;
}
