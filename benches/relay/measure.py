#!/usr/bin/env python3
"""Measures how fast members' output comes through, against `cat` in the same place.

    cargo build --release
    benches/relay/measure.py --fateshare target/release/fateshare

Writers (flood.c) write lines of 100 bytes, a reader (drain.c) takes them from a pipe and looks whether all came, each
whole. Between them is nothing (`direct`), `cat`, or fateshare in one of its formats; they take turns, so that what
disturbs the machine disturbs all. A figure is what the writers wrote, in MB (10^6 bytes) a second from the reader's
first byte to its last: medians, the middle half of the values in brackets, and the ratio to `cat`. Nothing is asserted
but that nothing was lost or torn. It needs Python and a C compiler.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LINE = 100


def compile_programs(folder):
    compiler = os.environ.get("CC", "cc")
    for name in ("flood", "drain"):
        command = [compiler, "-O2", "-Wall", "-Wextra", "-o", folder / name, HERE / f"{name}.c"]
        subprocess.run(command, check=True)


def write_spec(folder, writers, size, kind):
    """The last member waits for the floods, each of which may finish; its end is the group's."""
    flood = [str(folder / "flood"), str(size // writers), kind]
    sidecars = [{"name": f"w{number}", "command": flood, "may_finish": True} for number in range(1, writers)]
    path = folder / f"{writers}-{kind}.yml"
    path.write_text(json.dumps({"main": {"name": "w0", "command": flood}, "sidecars": sidecars}))
    return path


def command(folder, subject, binary, writers, size, kind):
    flood = f"{folder}/flood {size // writers} {kind}"
    floods = "; ".join([f"{flood} &"] * writers).replace("&;", "&") + " wait"
    if subject == "direct":
        return ["/bin/sh", "-c", f"({floods})"]
    if subject == "cat":
        return ["/bin/sh", "-c", f"({floods}) | cat"]
    if writers == 1:
        spec = write_spec(folder, writers, size, kind)
        return [binary, "run", str(spec), "--log-format", subject]
    # Main ends when all floods have: it is a shell that waits for a word of each.
    done = folder / "done"
    member = f"{flood}; echo >> {done}; exec sleep 1000"
    sidecars = [
        {"name": f"w{number}", "command": member, "stop_to": "group"} for number in range(1, writers)
    ]
    main = f"{flood}; echo >> {done}; until [ $(wc -l < {done}) = {writers} ]; do sleep 0.01; done"
    path = folder / f"{writers}-{kind}.yml"
    path.write_text(json.dumps({"main": {"name": "w0", "command": main}, "sidecars": sidecars}))
    done.write_text("")
    return [binary, "run", str(path), "--log-format", subject]


def measure(folder, subject, binary, writers, size, kind):
    """MB a second; stops if a line is missing or torn."""
    words = command(folder, subject, binary, writers, size, kind)
    environment = {**os.environ, "FATESHARE_LOG": "error"}
    with open(folder / "stderr", "w+b") as errors:
        source = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        reader = subprocess.run([folder / "drain"], stdin=source.stdout, stdout=subprocess.PIPE, check=True)
        source.stdout.close()
        source.wait()
    _, lines, odd, nanoseconds = map(int, reader.stdout.split())
    written = size // writers // LINE * writers
    # Writers that share a pipe tear each other's lines by themselves: here only where each has its own.
    if lines != written or (odd and subject in ("text", "json")):
        said = (folder / "stderr").read_text(errors="replace")
        sys.exit(f"{subject}, {writers} writers, {kind}: {lines} of {written} lines came, {odd} torn; it said: {said}")
    return written * LINE / (nanoseconds / 1e9) / 1e6


def figure(values):
    if len(values) < 2:
        return f"{values[0]:.0f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.0f} ({low:.0f}-{high:.0f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fateshare", required=True, metavar="PATH", help="the program to measure, a release build")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind (default %(default)s)")
    parser.add_argument("--size", type=int, default=1 << 30, metavar="BYTES", help="written in each (default 1 GiB)")
    parser.add_argument("--writers", default="1,4", help="how many (default %(default)s)")
    options = parser.parse_args()
    binary = str(pathlib.Path(options.fateshare).resolve(strict=True))
    runs = [("plain", ("direct", "cat", "raw", "text", "json")), ("escaped", ("cat", "json")), ("object", ("cat", "json"))]
    with tempfile.TemporaryDirectory(prefix="relay-") as name:
        folder = pathlib.Path(name)
        compile_programs(folder)
        seen = collections.defaultdict(list)
        for number in range(options.rounds + 1):
            for writers in map(int, options.writers.split(",")):
                for kind, subjects in runs:
                    for subject in subjects:
                        # The first round warms the caches.
                        size = options.size if number else options.size // 16
                        value = measure(folder, subject, binary, writers, size, kind)
                        if number:
                            seen[writers, kind, subject].append(value)
    print(f"{options.rounds} rounds of {options.size} bytes, {len(os.sched_getaffinity(0))} processors\n")
    print("| writers | lines | | MB/s: median (middle half) | to cat |")
    print("| --- | --- | --- | --- | --- |")
    for (writers, kind, subject), values in seen.items():
        ratio = statistics.median(values) / statistics.median(seen[writers, kind, "cat"])
        print(f"| {writers} | {kind} | {subject} | {figure(values)} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
