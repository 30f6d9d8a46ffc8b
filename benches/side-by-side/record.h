/* One thing that happened, and when: what the programs here write to a FIFO, whole, as it takes small writes.
 * scene.py reads them. */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

struct record {
    int32_t what; /* 'P' the supervisor's pid, 'X' its exec, 'S' a member started, 'T' a member was told, 'E' the end,
                     'O' orphans are about to be made, 'R' the last of them was reaped */
    int32_t number; /* P: the pid; E: the wait status; S, T: the process's pid in its namespace */
    int64_t nanoseconds; /* CLOCK_MONOTONIC */
};

static int records = -1;

static inline void note(int what, int number) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record record = {what, number, now.tv_sec * INT64_C(1000000000) + now.tv_nsec};
    if (write(records, &record, sizeof record) != sizeof record)
        _exit(1);
}

/* By path, because not every supervisor leaves a descriptor open for its members. */
static inline void open_records(const char *path) {
    records = open(path, O_WRONLY | O_CLOEXEC);
    if (records < 0)
        _exit(1);
}
