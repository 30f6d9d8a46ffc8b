/* One thing that happened, and when: what the programs here write to descriptor 1, whole, as a pipe takes
 * small writes. measure.py reads them. */
#include <stdint.h>
#include <time.h>
#include <unistd.h>

struct record {
    int32_t what; /* 'P' the supervisor's pid, 'X' its exec, 'S' a member started, 'T' a member was told, 'E' the end */
    int32_t number; /* P: the pid; E: the wait status */
    int64_t nanoseconds; /* CLOCK_MONOTONIC */
};

static inline void note(int what, int number) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct record record = {what, number, now.tv_sec * INT64_C(1000000000) + now.tv_nsec};
    if (write(1, &record, sizeof record) != sizeof record)
        _exit(1);
}
