#include "storage/disk.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    RESERVE_PART = 20,                     /* a twentieth of the disk is kept free, */
    RESERVE_MAX_BYTES = 256 * 1024 * 1024, /* at most so much */
};

uint64_t disk_log_bytes(const char *path)
{
    uint64_t total = 0;
    DIR *entries = opendir(path);
    struct dirent *entry;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        struct stat info;
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".log") == 0 &&
            fstatat(dirfd(entries), entry->d_name, &info, 0) == 0)
            total += (uint64_t)info.st_size;
    }
    if (entries != NULL)
        closedir(entries);
    return total;
}

enum status disk_check_room(int descriptor, const char *path, uint64_t needed_bytes,
                            struct error *err)
{
    struct statvfs disk;
    if (fstatvfs(descriptor, &disk) != 0)
        return error_set(err, STATUS_IO, "%s: %s", path, error_errno());
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t reserve_bytes = (uint64_t)disk.f_blocks * disk.f_frsize / RESERVE_PART;
    if (reserve_bytes > RESERVE_MAX_BYTES)
        reserve_bytes = RESERVE_MAX_BYTES;
    if (free_bytes >= needed_bytes + reserve_bytes)
        return STATUS_OK;
    return error_set(err, STATUS_UNAVAILABLE,
                     "the disk of %s is nearly full: %llu MiB are free, %llu are needed; reads go "
                     "on, make room and push again",
                     path, (unsigned long long)(free_bytes >> 20),
                     (unsigned long long)((needed_bytes + reserve_bytes) >> 20));
}
