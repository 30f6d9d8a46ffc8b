/* The least a supervisor can do, as the floor to measure against: vfork and exec, waitpid, kill. Nothing else.
 *
 *     floor N COMMAND [ARG...]
 *
 * starts N copies and reaps whatever ends; when a copy ends, tells all others by SIGTERM, collects all, and exits as
 * the first one did. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[1]) : 0;
    if (count < 1)
        return 125;
    pid_t *pids = calloc(count, sizeof *pids);
    if (!pids)
        return 125;
    for (int i = 0; i < count; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        pids[i] = pid;
    }
    int first = -1, status;
    for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0;) {
        int member = 0;
        for (int i = 0; i < count; i++)
            if (pids[i] == pid) {
                pids[i] = 0;
                member = 1;
            }
        if (!member || first != -1)
            continue;
        first = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        for (int i = 0; i < count; i++)
            if (pids[i] > 0)
                kill(pids[i], SIGTERM);
    }
    return first < 0 ? 125 : first;
}
