#include "base/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KIB = 1024 };

static uint64_t read_resident_bytes(void)
{
    unsigned long long total;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_descriptors(void)
{
    uint64_t count = 0;
    DIR *entries = opendir("/proc/self/fd");
    struct dirent *entry;
    if (entries == NULL)
        return 0;
    while ((entry = readdir(entries)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count - 1; /* without the one that was open to count */
}

static uint64_t microseconds_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000 * 1000 + (uint64_t)time.tv_usec;
}

struct process_figures process_read(void)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return (struct process_figures){
        .resident_bytes = read_resident_bytes(),
        .resident_max_bytes = (uint64_t)usage.ru_maxrss * KIB,
        .user_us = microseconds_of(usage.ru_utime),
        .system_us = microseconds_of(usage.ru_stime),
        .descriptors = count_descriptors(),
        .descriptors_max = limit.rlim_cur,
    };
}
