/* Ends a process in the middle of a write: loaded before its libraries (LD_PRELOAD), for tests of
 * crashes.
 *
 *     CUT_WRITE_NUMBER=7     of the writes to files whose names end in .log, the one that is cut
 *     CUT_WRITE_PERCENT=50   how much of it reaches the file, before the process is killed as by
 * kill -9 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { LINK_SIZE = 32, PATH_SIZE = 4096 };

typedef ssize_t (*write_fn)(int file, const void *data, size_t size);

static atomic_long writes_count;

static bool is_log(int file)
{
    char link[LINK_SIZE];
    char path[PATH_SIZE];
    static const char ending[] = ".log";
    snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof(path));
    const ssize_t ending_size = sizeof(ending) - 1;
    return size > ending_size &&
           memcmp(path + size - ending_size, ending, (size_t)ending_size) == 0;
}

static long number_of(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? atol(text) : 0;
}

ssize_t write(int file, const void *data, size_t size)
{
    write_fn real = (write_fn)dlsym(RTLD_NEXT, "write");
    if (is_log(file) && atomic_fetch_add(&writes_count, 1) + 1 == number_of("CUT_WRITE_NUMBER")) {
        size_t part = size * (size_t)number_of("CUT_WRITE_PERCENT") / 100;
        if (part > 0 && real(file, data, part) < 0)
            perror("cut_write");
        kill(getpid(), SIGKILL);
    }
    return real(file, data, size);
}
