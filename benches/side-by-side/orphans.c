/* A member that makes orphans, COUNT of them, and says when the supervisor, PID 1, has reaped the last.
 *
 *     orphans RECORDS COUNT MEMBERS
 *
 * Of several, one makes them. MEMBERS is how many children PID 1 has besides. Then it waits to be told to stop. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "record.h"

/* PID 1's children, those included that nobody has waited for yet. */
static long children(void) {
    char text[65536];
    long words = 0;
    int file = open("/proc/1/task/1/children", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        _exit(1);
    for (ssize_t got; (got = read(file, text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            words += text[i] == ' ';
    close(file);
    return words;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 125;
    open_records(argv[1]);
    long count = atol(argv[2]), members = atol(argv[3]);
    note('S', getpid());
    char once[4096];
    snprintf(once, sizeof once, "%s.maker", argv[1]);
    int mine = open(once, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    while (mine < 0)
        pause();
    note('O', 0);
    for (long made = 0; made < count; made++) {
        pid_t pid = fork();
        if (pid == 0) {
            /* The orphan: its parent is gone at once. */
            pid_t orphan = fork();
            _exit(orphan < 0);
        }
        if (pid < 0) {
            usleep(1000);
            made--;
            continue;
        }
        int status;
        waitpid(pid, &status, 0);
        if (status)
            made--;
    }
    struct timespec moment = {0, 500000};
    while (children() > members)
        nanosleep(&moment, NULL);
    note('R', 0);
    for (;;)
        pause();
}
