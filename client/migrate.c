/* asof migrate. What knows the data on disk is asofd, so that one of the same folder does it, or
 * one of the PATH. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

enum { EXEC_FAILED = 127 };

/* The asofd beside this program, else its name alone. */
static void find_server(char path[PATH_MAX])
{
    static const char name[] = "asofd";
    ssize_t size = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(path, '/');
    bool has_room = slash != NULL && (size_t)(slash + 1 - path) + sizeof(name) <= PATH_MAX;
    if (has_room)
        memcpy(slash + 1, name, sizeof(name));
    if (!has_room || access(path, X_OK) != 0)
        memcpy(path, name, sizeof(name));
}

static enum exit_code wait_for(pid_t child, struct error *err)
{
    int ended = 0;
    while (waitpid(child, &ended, 0) < 0)
        if (errno != EINTR) {
            error_set(err, STATUS_IO, "wait for asofd: %s", error_errno());
            return EXIT_FAILED;
        }
    if (WIFEXITED(ended) && WEXITSTATUS(ended) != EXEC_FAILED)
        return (enum exit_code)WEXITSTATUS(ended); /* which has said why */
    error_set(err, STATUS_IO,
              WIFEXITED(ended) ? "there is no asofd beside asof or on the PATH"
                               : "asofd was killed; run it again");
    return EXIT_FAILED;
}

enum exit_code command_migrate(const struct run *run, struct error *err)
{
    char path[PATH_MAX];
    if (run->options->data == NULL) {
        error_set(err, STATUS_INVALID, "migrate needs --data DIR");
        return EXIT_USAGE;
    }
    find_server(path);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execlp(path, path, "--data", run->options->data, "--migrate",
               run->options->is_dry_run ? "--dry-run" : NULL, (char *)NULL);
        _exit(EXEC_FAILED);
    }
    if (child < 0) {
        error_set(err, STATUS_IO, "start asofd: %s", error_errno());
        return EXIT_FAILED;
    }
    return wait_for(child, err);
}
