"""What is measured, each by a function that gives figures."""

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import scene
from scene import Failed, Run

TICKS = os.sysconf("SC_CLK_TCK")


def lives(folder, subjects, counts, modes, rounds):
    """Whole lives of groups, in turns: lists of figures by (what, mode, members, name); failures by name.

    start: ms from the exec of the supervisor until the last member runs; told: ms from kill -9 of one member until the
    last of the others got its SIGTERM; ended: ms until the supervisor has ended; dirty and PSS: KiB, all running.
    """
    seen, failures = collections.defaultdict(list), {}
    for number in range(rounds + 1):
        for count in counts:
            for mode in modes:
                for subject in subjects:
                    if (subject.name, mode) in failures:
                        continue
                    try:
                        with Run(folder, mode, subject, count) as run:
                            # With many it takes long, and it does not differ from round to round.
                            dirty, pss = run.memory() if number <= 5 else (None, None)
                            told, ended, code = run.strike()
                            started = run.started()
                    except Failed as failed:
                        failures[subject.name, mode] = str(failed)
                        print(failed, file=sys.stderr)
                        continue
                    if number == 0:
                        continue  # warms the caches
                    told = None if told is None else told / 1e6
                    figures = {"start": started / 1e6, "told": told, "ended": ended / 1e6, "dirty": dirty, "PSS": pss}
                    figures["code"] = code
                    for what, value in figures.items():
                        if value is not None:
                            seen[what, mode, count, subject.name].append(value)
    return seen, failures


def wake_ups(pid):
    """How often the threads of a process gave up the processor, which each wake-up ends with."""
    total = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def idle(folder, subjects, modes, counts, seconds):
    """Lets all idle at once, first only looked at, then under strace: (wake-ups, calls) by (mode, members, name)."""
    with contextlib.ExitStack() as stack:
        runs = {
            (mode, count, subject.name): stack.enter_context(Run(folder, mode, subject, count))
            for count in counts
            for mode in modes
            for subject in subjects
        }
        time.sleep(1)
        before = {key: wake_ups(run.pid) for key, run in runs.items()}
        time.sleep(seconds)
        result = {key: [wake_ups(run.pid) - before[key], None] for key, run in runs.items()}
        if shutil.which("strace"):
            traces = {}
            for number, (key, run) in enumerate(runs.items()):
                path = folder / f"trace{number}"
                words = ["strace", "-f", "-ttt", "-o", path, "-p", str(run.pid)]
                tracer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                traces[key] = (tracer, path)
            # A tracer's arrival interrupts a waiting call, which then begins again.
            time.sleep(1.5)
            begin = time.time()
            time.sleep(seconds)
            end = time.time()
            for key, (tracer, path) in traces.items():
                tracer.send_signal(signal.SIGINT)
                tracer.wait(scene.LIMIT)
                calls = 0
                for line in path.read_text().splitlines():
                    _, when, what = line.split(maxsplit=2)
                    calls += begin <= float(when) <= end and not what.startswith(("+++", "---"))
                # Nothing at all in the file means that strace could not attach.
                result[key][1] = calls if path.stat().st_size else None
    return result


def spec(folder, name, *members):
    path = folder / name
    names = [{"name": f"m{number}", "command": words} for number, words in enumerate(members)]
    path.write_text(json.dumps({"main": names[0], "sidecars": names[1:]}))
    return str(path)


def after_a_flood(folder, subject, size):
    """Dirty memory and PSS in KiB of `text` with four members, of which one has written so many bytes."""
    member = str(folder / "member")

    def command(records):
        flood = ["/bin/sh", "-c", f"{folder}/flood {size} plain; exec {member} {records}"]
        return spec(folder, "flood.yml", *[[member, records]] * 3, flood)

    with Run(folder, "ordinary", swap(subject, command), 4) as run:
        time.sleep(1)
        return run.memory()


def swap(subject, write):
    """The same subject with another spec."""
    def command(folder, count, records):
        words = subject.command(folder, count, records)
        return [*words[:2], write(records), *words[3:]]

    return dataclasses.replace(subject, command=command)


def stalled_reader(folder, subject, rounds):
    """Milliseconds from the last member's end to the supervisor's, when nobody reads what a member floods."""
    member = str(folder / "member")

    def command(records):
        flood = ["/bin/sh", "-c", f"exec {folder}/flood {1 << 40} plain"]
        return spec(folder, "stalled.yml", [member, records], flood, [member, records])

    values = []
    for _ in range(rounds):
        reading, writing = os.pipe()
        try:
            with Run(folder, "ordinary", swap(subject, command), 2, stdout=writing) as run:
                time.sleep(0.3)
                run.strike()
                ended = run.times("E")[0]
                values.append((ended - max(run.times("T"))) / 1e6)
        finally:
            os.close(reading)
            os.close(writing)
    return values


def orphans(folder, subjects, count, rounds):
    """Orphans a second, made by a member and reaped by PID 1: lists by name. None may be left."""
    seen = collections.defaultdict(list)
    for number in range(rounds + 1):
        for subject in subjects:
            made = count if number else count // 10

            def command(folder, members, records, subject=subject, made=made):
                words = subject.command(folder, members, records)
                maker = [str(folder / "orphans"), records, str(made), "2"]
                if subject.name == "floor":
                    return [*words[:2], *maker]
                return [*words[:2], spec(folder, "orphans.yml", maker, maker), *words[3:]]

            with Run(folder, "pid1", dataclasses.replace(subject, command=command), 2, starts=3) as run:
                run.wait_for(1, "orphans were left", 120)
                begun, done = run.times("O")[0], run.times("R")[0]
                if number:
                    seen[subject.name].append(made / ((done - begun) / 1e9))
    return seen


def processor_time(pids):
    """Ticks that these have run."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total


def available():
    """What the host could still give, in KiB."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(text.partition("MemAvailable:")[2].split()[0])


def fleet(folder, subject, groups, members, seconds):
    """Many groups of few idle members on one host: what each costs."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before, begun = available(), time.monotonic()
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(Run(folder, "ordinary", subject, members)) for _ in range(groups)]
        started = time.monotonic() - begun
        time.sleep(3)
        pids = [run.pid for run in runs]
        ticks, woken = processor_time(pids), sum(map(wake_ups, pids))
        time.sleep(seconds)
        dirty, pss = scene.memory(pids)
        figures = {
            "groups": groups,
            "members": members,
            "start of all, s": started,
            "PSS a group, KiB": pss / groups,
            "dirty a group, KiB": dirty / groups,
            "descriptors a group": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids) / groups,
            "threads a group": sum(len(os.listdir(f"/proc/{pid}/task")) for pid in pids) / groups,
            "host, with members, KiB a group": (before - available()) / groups,
            "processor time of all, ms": (processor_time(pids) - ticks) * 1000 / TICKS,
            "wake-ups of all": sum(map(wake_ups, pids)) - woken,
            "seconds": seconds,
        }
        begun = time.monotonic()
        victims = [members[-1] for members in members_of(runs)]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        for run in runs:
            run.stage.wait(scene.LIMIT)
        figures["end of all, s"] = time.monotonic() - begun
        return figures


def members_of(runs):
    """Each run's members: one look at all processes, not one for each."""
    found = {str(run.path): [] for run in runs}
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if len(words) > 1 and words[1].decode() in found:
                found[words[1].decode()].append(int(path.parent.name))
    return [sorted(found[str(run.path)]) for run in runs]
