"""Who is measured: fateshare, the floor, and those who do the same or a part of it, each as its own documentation
would have it, set up so that the end of one member ends all."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
from typing import Callable

PEERS = pathlib.Path(__file__).resolve().parents[2] / "target" / "peers"

# What stands in for a supervisor in a container with an init: a shell that waits for the first end.
WAIT_N = """#!/bin/bash
for ((i = 0; i < $1; i++)); do "$2" "$3" & done
wait -n
code=$?
kill $(jobs -p) 2>/dev/null
wait
exit $code
"""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One that starts members."""

    name: str
    command: Callable[[pathlib.Path, int, str], list[str]]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    version: str = ""
    # What to call as another kind of user of it is no fault of it.
    modes: tuple[str, ...] = ("pid1", "ordinary")
    note: str = ""


def fateshare(name, binary, *options, environment=None):
    def command(folder, count, records):
        return [binary, "run", str(write_spec(folder, count, records)), *options]

    return Subject(name, command, environment or {})


def write_spec(folder, count, records):
    """A launch spec with `count` members, as lists, so that no shell is between."""
    words = [str(folder / "member"), records]
    spec = {"main": {"name": "m0", "command": words}}
    if count > 1:
        spec["sidecars"] = [{"name": f"m{number}", "command": words} for number in range(1, count)]
    path = folder / f"{count}.yml"
    path.write_text(json.dumps(spec, indent=1))  # JSON is YAML
    return path


FLOOR = Subject("floor", lambda folder, count, records: [str(folder / "floor"), str(count), str(folder / "member"), records])


# What relayed output costs by itself: two pipes for each member.
PIPED = Subject(
    "floor, pipes", lambda folder, count, records: [str(folder / "floor"), "-p", str(count), str(folder / "member"), records]
)


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def with_bash(*init):
    def command(folder, count, records):
        return [*init, script(folder / "wait-n", WAIT_N), str(count), str(folder / "member"), records]

    return command


def fresh(folder, name):
    path = folder / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def s6(folder, count, records):
    services = fresh(folder, "s6")
    for number in range(count):
        script(services / f"m{number}" / "run", f"#!/bin/sh\nexec {folder}/member {records}\n")
        script(services / f"m{number}" / "finish", f"#!/bin/sh\nexec s6-svscanctl -t {services}\n")
    return ["s6-svscan", str(services)]


def runit(folder, count, records):
    services = fresh(folder, "runit")
    # The parent of this script is runsv, its parent is runsvdir, which SIGHUP tells to stop all.
    end = "#!/bin/sh\nread -r _ _ _ runsvdir _ < /proc/$PPID/stat\nkill -HUP $runsvdir\n"
    for number in range(count):
        script(services / f"m{number}" / "run", f"#!/bin/sh\nexec {folder}/member {records}\n")
        script(services / f"m{number}" / "finish", end)
    return ["runsvdir", str(services)]


def supervisord(folder, count, records):
    home = fresh(folder, "supervisord")
    end = "#!/bin/sh\necho READY\nread -r _\nkill -TERM $PPID\nexec sleep 60\n"
    text = f"[supervisord]\nnodaemon=true\nuser=root\nlogfile={home}/log\npidfile={home}/pid\nchildlogdir={home}\n"
    for number in range(count):
        text += f"[program:m{number}]\ncommand={folder}/member {records}\nautorestart=false\nstartsecs=0\n"
    text += f"[eventlistener:end]\ncommand={script(home / 'end', end)}\n"
    text += "events=PROCESS_STATE_EXITED,PROCESS_STATE_FATAL\n"
    (home / "conf").write_text(text)
    return ["supervisord", "-c", str(home / "conf")]


def horust(folder, count, records):
    services = fresh(folder, "horust")
    for number in range(count):
        text = f'command = "{folder}/member {records}"\n[restart]\nstrategy = "never"\n'
        (services / f"m{number}.toml").write_text(text + '[failure]\nstrategy = "shutdown"\n')
    return [str(PEERS / "bin/horust"), "--services-path", str(services)]


def honcho(folder, count, records):
    lines = (f"m{number}: exec {folder}/member {records}\n" for number in range(count))
    (folder / "Procfile").write_text("".join(lines))
    return [str(PEERS / "venv/bin/honcho"), "-f", str(folder / "Procfile"), "start"]


def circus(folder, count, records):
    home = fresh(folder, "circus")
    (home / "ends.py").write_text(
        "import os, signal\n\n\ndef end(*_, **__):\n    os.kill(os.getpid(), signal.SIGTERM)\n    return True\n"
    )
    ends = f"ipc://{home}"
    text = f"[circus]\nendpoint = {ends}/end\npubsub_endpoint = {ends}/sub\n"
    for number in range(count):
        text += f"[watcher:m{number}]\ncmd = {folder}/member {records}\nrespawn = false\nhooks.after_stop = ends.end\n"
    (home / "ini").write_text(text)
    return ["env", f"PYTHONPATH={home}", str(PEERS / "venv/bin/circusd"), str(home / "ini")]


def concurrently(folder, count, records):
    members = [f"{folder}/member {records}"] * count
    return [str(PEERS / "node_modules/.bin/concurrently"), "--kill-others", *members]


def package(name):
    """The version that Debian's package has."""
    asked = subprocess.run(["dpkg-query", "-Wf", "${Version}", name], capture_output=True, text=True)
    return asked.stdout.split("-")[0].split("+")[0] if asked.returncode == 0 else ""


def said(*words):
    """The last word that a program says about its version."""
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=20)
    except OSError:
        return ""
    return (asked.stdout or asked.stderr).split()[-1].lstrip("v")


def crate(name):
    try:
        listed = json.loads((PEERS / ".crates2.json").read_text())["installs"]
    except OSError:
        return ""
    return next((key.split()[1] for key in listed if key.startswith(name + " ")), "")


def peers():
    """Everybody that is installed, and the names of those who are not."""
    venv, node = PEERS / "venv/bin", PEERS / "node_modules/.bin"
    every = [
        ("bash", "bash", Subject("bash, wait -n", with_bash(), version=package("bash"))),
        ("tini", "tini", Subject("tini + bash", with_bash("tini", "--"), version=package("tini"))),
        ("dumb-init", "dumb-init", Subject("dumb-init + bash", with_bash("dumb-init"), version=package("dumb-init"))),
        ("catatonit", "catatonit", Subject("catatonit + bash", with_bash("catatonit", "--"), version=package("catatonit"))),
        ("pid1", PEERS / "bin/pid1", Subject("pid1 + bash", with_bash(str(PEERS / "bin/pid1")), version=crate("pid1-exe"))),
        ("s6", "s6-svscan", Subject("s6", s6, version=package("s6"))),
        ("runit", "runsvdir", Subject("runit", runit, version=package("runit"))),
        ("supervisord", "supervisord", Subject("supervisord", supervisord, version=package("supervisor"))),
        ("horust", PEERS / "bin/horust", Subject("horust", horust, version=crate("horust"))),
        ("honcho", venv / "honcho", Subject("honcho", honcho, version=said(venv / "honcho", "version"))),
        ("circus", venv / "circusd", Subject("circus", circus, version=said(venv / "circusd", "--version"))),
        ("concurrently", node / "concurrently", Subject("concurrently", concurrently, version=said(node / "concurrently", "--version"))),
    ]
    there = [subject for _, program, subject in every if shutil.which(str(program))]
    return there, [name for name, program, _ in every if not shutil.which(str(program))]


def all_of(binary):
    """The floor and fateshare in both its ways."""
    binary = os.fspath(binary)
    raw = fateshare("fateshare", binary)
    text = fateshare("fateshare, text", binary, environment={"FATESHARE_LOG_FORMAT": "text"})
    return [FLOOR, raw, text]
