/* Runs a supervisor and notes when it began and ended.
 *
 *     stage pid1|ordinary RECORDS SUPERVISOR [ARG...]
 *
 * pid1: as the first process of a fresh PID namespace with its own /proc, for which stage must be root. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "record.h"

static int fail(const char *what) {
    perror(what);
    return 125;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 125;
    open_records(argv[2]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int pid1 = strcmp(argv[1], "pid1") == 0;
    if (pid1 && unshare(CLONE_NEWPID | CLONE_NEWNS))
        return fail("unshare");
    int gate[2];
    if (pipe(gate))
        return fail("pipe");
    pid_t pid = fork();
    if (pid < 0)
        return fail("fork");
    if (pid == 0) {
        char byte;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (pid1 && (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("proc", "/proc", "proc", 0, NULL)))
            _exit(fail("mount"));
        if (read(gate[0], &byte, 1) != 1)
            _exit(125);
        close(gate[0]);
        close(gate[1]);
        note('X', 0);
        execvp(argv[3], argv + 3);
        _exit(fail(argv[3]));
    }
    note('P', pid);
    if (write(gate[1], "", 1) != 1)
        return fail("write");
    close(gate[0]);
    close(gate[1]);
    int status;
    if (waitpid(pid, &status, 0) != pid)
        return fail("waitpid");
    note('E', status);
    return 0;
}
