#!/usr/bin/env python3
"""Measures fateshare against floor.c, the least a supervisor can do, in one run on one machine.

    cargo build --release
    benches/side-by-side/measure.py --fateshare target/release/fateshare

Both run the same members (member.c) as PID 1 of a fresh PID namespace (for which this script must be root) and as
an ordinary process, in turns, so that what disturbs the machine disturbs both. The table shows medians, the
middle half of the values in brackets, and ratios of the medians. Nothing is asserted. It needs Python, a C
compiler with a static libc, and for the count of system calls strace.

What is measured:
  start       from the exec of the supervisor until the last member runs
  told        from kill -9 of one member until the last of the others got its SIGTERM
  ended       from the same kill until the supervisor has ended
  wake-ups    how often the supervisor ran in 10 idle seconds; without one there can be no system call
  calls       system calls that strace saw in as many seconds, its own arrival excepted
  dirty, PSS  private memory that the supervisor has written to (Anonymous of smaps_rollup, because Private_Dirty
              counts pages of a program file that was built a moment ago, too), and its proportional set size, all
              members running
"""

import argparse
import array
import collections
import fcntl
import json
import os
import pathlib
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = pathlib.Path(__file__).resolve().parent
RECORD = struct.Struct("=iiq")
MODES = ("pid1", "ordinary")
LIMIT = 60


def compile_programs(folder):
    compiler = os.environ.get("CC", "cc")
    for name in ("floor", "member", "stage"):
        subprocess.run(
            [compiler, "-O2", "-static", "-s", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c"],
            check=True,
        )


def write_spec(folder, count):
    """A launch spec with `count` members, as lists, so that no shell is between."""
    command = [str(folder / "member")]
    spec = {"main": {"name": "m0", "command": command}}
    if count > 1:
        spec["sidecars"] = [{"name": f"m{number}", "command": command} for number in range(1, count)]
    path = folder / f"{count}.yml"
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


def fateshare(binary):
    return lambda folder, count: [binary, "run", str(folder / f"{count}.yml")]


def floor(folder, count):
    return [str(folder / "floor"), str(count), str(folder / "member")]


class Run:
    """One supervisor with its members, on stage until `close`."""

    def __init__(self, folder, mode, command, count):
        self.count = count
        self.errors = open(folder / "stderr", "w+b")
        self.records = []
        self.stage = subprocess.Popen(
            [folder / "stage", mode, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        # Look from time to time, and read nothing before the end: a reader that wakes up would be measured too.
        end = time.monotonic() + LIMIT
        while self.unread() < 2 + count and self.stage.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        self.read(min(self.unread(), 2 + count))
        if len(self.times("S")) != count:
            self.stage.kill()
            said = pathlib.Path(self.errors.name).read_text(errors="replace")
            sys.exit(f"{' '.join(map(str, self.stage.args))}: not all members started; it said: {said or 'nothing'}")
        self.pid = next(number for what, number, _ in self.records if chr(what) == "P")

    def unread(self):
        size = array.array("i", [0])
        fcntl.ioctl(self.stage.stdout, termios.FIONREAD, size)
        return size[0] // RECORD.size

    def read(self, count):
        data = b""
        while len(data) < count * RECORD.size:
            more = os.read(self.stage.stdout.fileno(), count * RECORD.size - len(data))
            if not more:
                break
            data += more
        self.records += RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size])

    def times(self, kind):
        return [when for what, _, when in self.records if chr(what) == kind]

    def members(self):
        return pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()

    def memory(self):
        values = {}
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()[1:]:
            key, value, *_ = line.split()
            values[key.rstrip(":")] = int(value)
        return values["Anonymous"], values["Pss"]

    def strike(self):
        """Kills the last member, and returns what followed: nanoseconds until told and until ended."""
        victim = int(self.members()[-1])
        struck = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        os.kill(victim, signal.SIGKILL)
        self.stage.wait(LIMIT)
        self.read(self.count + 1)
        told = self.times("T")
        ended, status = next((when, number) for what, number, when in self.records if chr(what) == "E")
        if len(told) != self.count - 1 or os.waitstatus_to_exitcode(status) != 137:
            print(
                f"{self.stage.args}: {len(told)} of {self.count - 1} told, "
                f"exit {os.waitstatus_to_exitcode(status)}",
                file=sys.stderr,
            )
        return max(told, default=struck) - struck, ended - struck

    def started(self):
        """Nanoseconds from the exec of the supervisor to the start of the last member."""
        return max(self.times("S")) - self.times("X")[0]

    def close(self):
        if self.stage.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.stage.wait(LIMIT)
        self.stage.stdout.close()
        self.errors.close()


def wake_ups(pid):
    """How often the threads of a process gave up the processor, which each wake-up ends with."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def idle(folder, subjects, modes, count, seconds):
    """Lets all supervisors idle at once: first only looked at, then under strace."""
    runs = {
        (name, mode): Run(folder, mode, command(folder, count), count)
        for name, command in subjects.items()
        for mode in modes
    }
    time.sleep(1)
    before = {key: wake_ups(run.pid) for key, run in runs.items()}
    time.sleep(seconds)
    result = {key: [wake_ups(run.pid) - before[key], None] for key, run in runs.items()}
    if shutil.which("strace"):
        traces = {}
        for number, (key, run) in enumerate(runs.items()):
            path = folder / f"trace{number}"
            tracer = subprocess.Popen(
                ["strace", "-f", "-ttt", "-o", path, "-p", str(run.pid)],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            traces[key] = (tracer, path)
        # A tracer's arrival interrupts a waiting call, which then begins again.
        time.sleep(1)
        begin = time.time()
        time.sleep(seconds)
        for key, (tracer, path) in traces.items():
            tracer.send_signal(signal.SIGINT)
            tracer.wait(LIMIT)
            calls = 0
            for line in path.read_text().splitlines():
                _, when, what = line.split(maxsplit=2)
                calls += float(when) >= begin and not what.startswith(("+++", "---"))
            # Nothing at all in the file means that strace could not attach.
            result[key][1] = calls if path.stat().st_size else None
    for run in runs.values():
        run.close()
    return result


def figure(values):
    digits = 0 if all(isinstance(value, int) for value in values) else 2
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    for row in rows:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fateshare", required=True, metavar="PATH", help="the program to measure, a release build")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=PATH", help="another build of it")
    parser.add_argument("--rounds", type=int, default=25, help="runs of each kind (default %(default)s)")
    parser.add_argument("--members", default="1,4,16,64,256", help="group sizes (default %(default)s)")
    parser.add_argument("--idle", type=float, default=10, metavar="SECONDS", help="0 leaves it out")
    options = parser.parse_args()

    builds = {"fateshare": options.fateshare, **dict(item.split("=", 1) for item in options.also)}
    builds = {name: str(pathlib.Path(path).resolve(strict=True)) for name, path in builds.items()}
    subjects = {"floor": floor, **{name: fateshare(path) for name, path in builds.items()}}
    counts = [int(count) for count in options.members.split(",")]
    modes = MODES if os.geteuid() == 0 else MODES[1:]
    if len(modes) == 1:
        print("not root: nothing is measured as PID 1\n")

    with tempfile.TemporaryDirectory(prefix="side-by-side-") as name:
        folder = pathlib.Path(name)
        compile_programs(folder)
        for count in {*counts, 4}:
            write_spec(folder, count)

        seen = collections.defaultdict(list)
        for number in range(options.rounds + 1):
            for count in counts:
                for mode in modes:
                    for subject, command in subjects.items():
                        run = Run(folder, mode, command(folder, count), count)
                        dirty, pss = run.memory()
                        told, ended = run.strike()
                        started = run.started()
                        run.close()
                        if number == 0:
                            continue  # warms the caches
                        for what, value in (
                            ("start, ms", started / 1e6),
                            ("told, ms", told / 1e6),
                            ("ended, ms", ended / 1e6),
                            ("dirty, KiB", dirty),
                            ("PSS, KiB", pss),
                        ):
                            seen[what, mode, count, subject].append(value)
        resting = idle(folder, subjects, modes, 4, options.idle) if options.idle else {}
        sizes = {"floor": (folder / "floor").stat().st_size}

    sizes.update({name: os.stat(path).st_size for name, path in builds.items()})
    processors = len(os.sched_getaffinity(0))
    print(f"{options.rounds} rounds, {processors} processors, Linux {os.uname().release}: median (middle half)\n")
    rows = [["", "mode", "N", *subjects, *(f"{name} / floor" for name in builds)]]
    for what in ("start, ms", "told, ms", "ended, ms", "dirty, KiB", "PSS, KiB"):
        for mode in modes:
            for count in counts:
                if what == "told, ms" and count == 1:
                    continue  # there are no others
                values = {subject: seen[what, mode, count, subject] for subject in subjects}
                middle = {subject: statistics.median(values[subject]) for subject in subjects}
                ratios = [f"{middle[name] / middle['floor']:.2f}" if middle["floor"] else "-" for name in builds]
                rows.append([what, mode, str(count), *map(figure, values.values()), *ratios])
    table(rows)

    rows = [["", "mode", *subjects]]
    for place, what in enumerate(("wake-ups", "calls")):
        for mode in modes if resting else ():
            cells = (resting[subject, mode][place] for subject in subjects)
            rows.append([f"{what} in {options.idle:g} s", mode, *("no strace" if c is None else str(c) for c in cells)])
    rows.append(["size, KiB", "", *(f"{sizes[subject] / 1024:.0f}" for subject in subjects)])
    table(rows)


if __name__ == "__main__":
    main()
