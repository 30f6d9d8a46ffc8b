/* A member that says when it started, waits, says when it was told to stop, and stops. */
#include <signal.h>
#include <sys/prctl.h>

#include "record.h"

static void told(int signal) {
    (void)signal;
    note('T', 0);
    _exit(0);
}

int main(void) {
    /* The floor does not do this for its members, and an aborted run must leave nothing. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, told);
    note('S', 0);
    for (;;)
        pause();
}
