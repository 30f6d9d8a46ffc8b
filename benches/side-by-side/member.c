/* A member that says when it started, waits, says when it was told to stop, and stops.
 *
 *     member RECORDS */
#include <signal.h>

#include "record.h"

static void told(int signal) {
    (void)signal;
    note('T', getpid());
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 125;
    open_records(argv[1]);
    signal(SIGTERM, told);
    note('S', getpid());
    for (;;)
        pause();
}
