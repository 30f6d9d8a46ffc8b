#!/usr/bin/env python3
"""Measures fateshare beside those who do the same or a part of it, in turns, in one run on one machine.

    benches/side-by-side/install.sh
    cargo build --release
    benches/side-by-side/measure.py --fateshare target/release/fateshare

All run the same members (member.c), as PID 1 of a fresh PID namespace (for which this script must be root) and as an
ordinary process, in turns, so that what disturbs the machine disturbs all. floor.c is the least a supervisor can do.
Tables show medians, the middle half of the values in brackets. Nothing is asserted; what is to be reached stands beside
what was. `--page docs/performance.md` writes the tables there, and draws the plots (for which it needs matplotlib:
target/peers/venv/bin/python3 has it). It needs a C compiler with a static libc, and to count system calls strace.
"""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "relay")]
sys.dont_write_bytecode = True

import measures
import page
import scene
import subjects

PARTS = ("lives", "peers", "idle", "flood", "relay", "stalled", "orphans", "many", "fleet")


def compile_programs(folder):
    compiler = os.environ.get("CC", "cc")
    relay = HERE.parent / "relay"
    for path in (*(HERE / f"{name}.c" for name in ("floor", "member", "stage", "orphans")), relay / "flood.c", relay / "drain.c"):
        flags = ["-O2", "-static", "-s", "-Wall", "-Wextra"]
        subprocess.run([compiler, *flags, "-o", folder / path.stem, path], check=True)


def through(folder, binary, rounds, size):
    """Throughput of the relay: lists of MB/s by (writers, kind of lines, what is between)."""
    import importlib.util

    known = importlib.util.spec_from_file_location("relay", HERE.parent / "relay" / "measure.py")
    relay = importlib.util.module_from_spec(known)
    known.loader.exec_module(relay)
    seen = collections.defaultdict(list)
    for number in range(rounds + 1):
        for kind, names in (("plain", ("direct", "cat", "raw", "text", "json")), ("object", ("cat", "json"))):
            for name in names:
                value = relay.measure(folder, name, binary, 1, size if number else size // 16, kind)
                if number:
                    seen[1, kind, name].append(value)
    return seen


def one_run(folder, options, modes):
    """Everything once: what reach.py and page.py read."""
    every = subjects.all_of(options.fateshare)
    counts = [int(count) for count in options.members.split(",")]
    parts = set(options.parts.split(","))
    figures = {"modes": modes, "counts": counts, "seconds": options.idle, "size": os.stat(options.fateshare).st_size}

    def say(what):
        print(f"{datetime.datetime.now():%H:%M:%S} {what}", file=sys.stderr)

    if "lives" in parts:
        say("groups of " + options.members)
        figures["lives"], _ = measures.lives(folder, [*every, subjects.PIPED], counts, modes, options.rounds)
    if "peers" in parts:
        there, missing = subjects.peers()
        if missing:
            print(f"not installed: {', '.join(missing)} (see install.sh)", file=sys.stderr)
        say(f"{len(there)} others")
        figures["peers"] = {subject.name: subject.version for subject in (*every, *there)}
        figures["peer_lives"], _ = measures.lives(folder, [*every, *there], [4], modes[:1], max(3, options.rounds // 4))
    if "many" in parts:
        say("1,000 members")
        figures["many"], _ = measures.lives(folder, every, [64, 1000], ["ordinary"], max(3, options.rounds // 4))
    if "idle" in parts:
        say("idle")
        figures["idle"] = measures.idle(folder, every, modes, [4, 256], options.idle)
    if "flood" in parts:
        figures["flood"] = measures.after_a_flood(folder, every[2], 200_000_000)
    if "stalled" in parts:
        figures["stalled"] = measures.stalled_reader(folder, every[2], 5)
    if "orphans" in parts and "pid1" in modes:
        say("20,000 orphans")
        figures["orphans"] = measures.orphans(folder, every, 20_000, 3)
    if "relay" in parts:
        say("relay")
        figures["relay"] = through(folder, str(options.fateshare), max(3, options.rounds // 3), 1 << 29)
    if "fleet" in parts:
        say("500 groups")
        figures["fleet"] = {one.name: measures.fleet(folder, one, 500, 3, 30) for one in every[1:]}
    return figures


def about(options, runs):
    """Where and how this was measured."""
    processor = next(
        (line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "processor"
    )
    kernel = os.uname().release.partition("-")[0]
    version = subprocess.run([options.fateshare, "--version"], capture_output=True, text=True).stdout.strip()
    return (
        f"{datetime.date.today()}, {version}, {len(runs)} runs of {options.rounds} rounds; "
        f"{len(os.sched_getaffinity(0))} x {processor}, Linux {kernel}. "
        f"Times are medians, the middle half of the values in brackets."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fateshare", required=True, type=pathlib.Path, metavar="PATH", help="a release build, static to be fair")
    parser.add_argument("--runs", type=int, default=1, help="how often everything (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=15, help="lives of each kind in a run (default %(default)s)")
    parser.add_argument("--members", default="1,4,16,64,256", help="group sizes (default %(default)s)")
    parser.add_argument("--idle", type=float, default=10, metavar="SECONDS", help="(default %(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="what to measure (default %(default)s)")
    parser.add_argument("--page", type=pathlib.Path, metavar="PATH", help="write the tables there")
    parser.add_argument("--keep", type=pathlib.Path, metavar="PATH", help="keep the figures there; read them if they are there")
    options = parser.parse_args()
    options.fateshare = options.fateshare.resolve(strict=True)
    modes = list(scene.MODES if os.geteuid() == 0 else scene.MODES[1:])
    if len(modes) == 1:
        print("not root: nothing is measured as PID 1", file=sys.stderr)
    if options.keep and options.keep.exists():
        runs = pickle.loads(options.keep.read_bytes())
    else:
        with tempfile.TemporaryDirectory(prefix="side-by-side-") as name:
            folder = pathlib.Path(name)
            compile_programs(folder)
            runs = [one_run(folder, options, modes) for _ in range(options.runs)]
        if options.keep:
            options.keep.write_bytes(pickle.dumps(runs))
    if options.page:
        page.write(options.page, runs, about(options, runs))
    print(page.reaches(runs))
    for make, needs in (
        (page.groups, "lives"),
        (page.peers, "peer_lives"),
        (page.relay, "relay"),
        (page.idle, "idle"),
        (page.many, "many"),
        (page.fleet, "fleet"),
    ):
        if needs in runs[-1]:
            print("\n" + make(runs))


if __name__ == "__main__":
    main()
