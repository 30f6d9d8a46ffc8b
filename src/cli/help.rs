//! What `--help` says below the options: the environment, the exit codes, and examples.

pub(super) const AFTER_RUN: &str = "\
Environment:
  FATESHARE_SPEC             the launch spec, when none is named
  FATESHARE_LOG              off, error, warn, info or debug: what fateshare itself says on stderr
  FATESHARE_LOG_FORMAT       like --log-format
  NO_COLOR                   set to anything: no colours
  FATESHARE_GRACE_PERIOD     like --grace-period
  FATESHARE_SOCKET           like --socket; members find there where their own group can be asked
  FATESHARE_LISTEN           like --listen
  FATESHARE_REPORT           like --report
  FATESHARE_TERMINATION_LOG  like --termination-log

Exit code:
  the first to end decides: its own code, 128+n for signal n, 69 if a sidecar ended with 0; 69
  too when the main process's health check fails;
  after a stop request it is the main process's; with --recreate it is the last group's;
  127 command not found, 126 not executable,
  125 any other failure of fateshare itself

Examples:
  fateshare run
  fateshare run manifest.yml --recreate --pid1 --log-format cf
  fateshare run --sidecar 'config-server=./config-server --port 8082' -- ./web --port 8080";

pub(super) const AFTER_DRILL: &str = "\
Strikes, each on a fresh group that is healthy:
  kill        SIGKILL to a member
  term        SIGTERM to a member alone
  late        the member is started 3s after all others: no platform promises an order
  freeze      SIGSTOP to the main process: only an http health_check sees that
  platform    a stop request (SIGTERM) to fateshare: everything ends in time, with 0 or 128+signal
  supervisor  SIGKILL to fateshare: nobody survives

A strike passes when all others are told, all is gone in time without SIGKILL, the exit code makes
platforms recreate the container, and the next group becomes healthy. Groups run in a PID namespace
of their own where the system allows it, without a terminal; FATESHARE_REPORT, _LISTEN, _SOCKET and
_TERMINATION_LOG mean nothing here. Where GITHUB_ACTIONS is set, failures are annotations too.

Exit code:
  0 no strike failed, 1 one did, 125 usage error, interrupted, or any other failure of fateshare itself

Examples:
  fateshare drill
  fateshare drill manifest.yml --member config-server --strike late
  fateshare drill --junit drill.xml -- ./web --port 8080";

pub(super) const AFTER_RESOLVE: &str = "\
The launch spec is printed on standard output, with the values of variables and of the environment; the
same input gives the same output. `fateshare resolve FILE | fateshare run -` is `fateshare run FILE`.

Exit code:
  0; 125 when something is wrong with the input, or any other failure of fateshare itself

Examples:
  fateshare resolve manifest.yml --app shop --process worker --vars-file vars.yml
  fateshare resolve manifest.yml --deps-dir deps --procfile Procfile > fateshare.yml";

pub(super) const AFTER_CHECK: &str = "\
Each member is shown with its command, its health check, its memory and what else is special about it.
`sh:` before a command says that the shell executes it and is gone; what runs under a shell that stays
is said. What only this machine lacks (a program, a user, a directory) is a warning: the image may have
it.

Environment:
  FATESHARE_SPEC          the launch spec, when none is named
  FATESHARE_GRACE_PERIOD  like --grace-period

Exit code:
  0 it is valid, 1 it is not, or cannot be read, or is missing; 125 usage error, or standard output cannot be written

Examples:
  fateshare check
  fateshare check fateshare.yml && docker build .";

pub(super) const AFTER_PS: &str = "\
CPU is the share of one processor in all its life, MEM what is there just now of the share that the spec
gives it; both are the member's with all processes below it.

Exit code:
  0; 125 when no group is found, one cannot be asked, or any other failure

Examples:
  fateshare ps
  docker exec CONTAINER /fateshare ps";

pub(super) const AFTER_HEALTH: &str = "\
Healthy is a group whose members all run and whose main process passes its health check, where it has
one; while it starts and while it stops it is not. Ready is one that passes its readiness check, too.

Exit code:
  0 healthy (or ready), 1 anything else: usage errors and several groups that could be meant, too

Examples:
  fateshare health --ready
  HEALTHCHECK --interval=10s CMD [\"/fateshare\", \"health\"]";

pub(super) const AFTER_TIMELINE: &str = "\
A bar for each member on one axis: up to the verdict, and on another scale the teardown behind it.

Exit code:
  0; 125 when the report cannot be read, or any other failure

Examples:
  fateshare run --report report.json && fateshare timeline report.json
  fateshare timeline report.json --html report.html";
