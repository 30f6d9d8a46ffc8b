/* The least a supervisor can do, as the floor to measure against: vfork and exec, waitpid, kill. Nothing else.
 *
 *     floor [-p] N COMMAND [ARG...]
 *
 * starts N copies and reaps whatever ends; when a copy ends, tells all others by SIGTERM, collects all, and exits as
 * the first one did. With -p each copy has two pipes for its output, which nobody reads: what is the least when output
 * is relayed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int piped = argc > 1 && strcmp(argv[1], "-p") == 0;
    argc -= piped, argv += piped;
    int count = argc > 2 ? atoi(argv[1]) : 0;
    if (count < 1)
        return 125;
    struct rlimit limit;
    if (piped && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    pid_t *pids = calloc(count, sizeof *pids);
    if (!pids)
        return 125;
    for (int i = 0; i < count; i++) {
        int out[2], err[2];
        if (piped && (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)))
            return 125;
        pid_t pid = vfork();
        if (pid == 0) {
            if (piped) {
                dup2(out[1], 1);
                dup2(err[1], 2);
            }
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        if (piped) {
            close(out[1]);
            close(err[1]);
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
