"""One supervisor with its members, on a stage (stage.c), watched through a FIFO of records (record.h)."""

import array
import contextlib
import fcntl
import itertools
import os
import pathlib
import signal
import struct
import subprocess
import termios
import time

RECORD = struct.Struct("=iiq")
MODES = ("pid1", "ordinary")
LIMIT = 60
NUMBERS = itertools.count()


class Failed(Exception):
    """A supervisor did not do what it was asked to do; the text says what it said."""


def processes_with(word):
    """The processes, by number, that have this word among their arguments, and all these."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode(errors="replace").split("\0")[:-1]
            if word in words:
                found.append((int(path.parent.name), words))
    return sorted(found)


def members_with(word):
    """The members among these."""
    return [pid for pid, words in processes_with(word) if len(words) == 2 and words[0].endswith("/member")]


def family(pid):
    """A process and all below it."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def memory(pids):
    """Private memory written to, and proportional set size, of these together, in KiB.

    Anonymous, because Private_Dirty counts pages of a program file that was built a moment ago, too.
    """
    dirty = pss = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
                key, value, *_ = line.split()
                dirty += int(value) if key == "Anonymous:" else 0
                pss += int(value) if key == "Pss:" else 0
    return dirty, pss


class Run:
    """One supervisor with `count` members, until `close`; a context manager that closes it."""

    def __init__(self, folder, mode, subject, count, command=None, starts=None, stdout=subprocess.DEVNULL):
        self.count = count
        self.name = subject.name
        self.path = folder / f"records-{next(NUMBERS)}"
        os.mkfifo(self.path)
        # Held open for writing too: members come and go.
        self.fifo = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self.errors = open(folder / "stderr", "w+b")
        self.records = []
        words = command or subject.command(folder, count, str(self.path))
        self.stage = subprocess.Popen(
            [folder / "stage", mode, self.path, *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=self.errors,
            cwd=folder,
            env={**os.environ, **subject.environment},
        )
        try:
            # Read nothing before the end: a reader that wakes up would be measured too.
            self.wait_for(2 + (count if starts is None else starts), "not all members started")
            self.pid = next(number for what, number, _ in self.records if chr(what) == "P")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wait_for(self, count, failure, limit=LIMIT):
        """Looks from time to time whether so many records are there, and reads them."""
        end = time.monotonic() + limit
        while self.unread() < count and self.stage.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        if self.unread() < count:
            said = pathlib.Path(self.errors.name).read_text(errors="replace")
            raise Failed(f"{self.name}: {failure} ({self.unread()} of {count}); it said: {said[-2000:] or 'nothing'}")
        self.read(count)

    def unread(self):
        size = array.array("i", [0])
        fcntl.ioctl(self.fifo, termios.FIONREAD, size)
        return size[0] // RECORD.size

    def read(self, count):
        for _ in range(count):
            self.records.append(RECORD.unpack(os.read(self.fifo, RECORD.size)))

    def times(self, kind):
        return [when for what, _, when in self.records if chr(what) == kind]

    def members(self):
        return members_with(str(self.path))

    def supervisors(self):
        """Everything that runs but the members: the supervisor, and what it needs around them."""
        members = set(self.members())
        return [pid for pid in family(self.pid) if pid not in members or pid == self.pid]

    def memory(self):
        return memory(self.supervisors())

    def started(self):
        """Nanoseconds from the exec of the supervisor to the start of the last member."""
        return max(self.times("S")) - self.times("X")[0]

    def strike(self, victim=None):
        """Kills the last member; nanoseconds until all others were told (None if not all were) and until the end,
        and the exit code."""
        victim = victim or self.members()[-1]
        struck = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        os.kill(victim, signal.SIGKILL)
        try:
            self.stage.wait(LIMIT)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name}: it did not end when a member was killed") from None
        # Who ends before its members have heard of it may leave some behind that are still to be told.
        end = time.monotonic() + 0.2
        while self.unread() < self.count and time.monotonic() < end:
            time.sleep(0.01)
        self.read(self.unread())
        told = self.times("T")
        ended, status = next((when, number) for what, number, when in self.records if chr(what) == "E")
        all_told = max(told, default=struck) - struck if len(told) >= self.count - 1 else None
        return all_told, ended - struck, os.waitstatus_to_exitcode(status)

    def close(self):
        """Leaves nothing behind, whatever the supervisor does."""
        if self.stage.poll() is None:
            self.stage.kill()
            self.stage.wait(LIMIT)
        for pid, _ in processes_with(str(self.path)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.close(self.fifo)
        self.errors.close()
        self.path.unlink(missing_ok=True)
