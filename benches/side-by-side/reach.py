"""What is to be reached, and whether it was: a line for each, from the figures of one run."""

import statistics

START = {1: 1.3, 4: 1.2, 16: 1.15, 64: 1.15, 256: 1.1}
# With four members the floor is so short that a fixed cost is allowed, in ms; with many it is a share.
TOLD = {"fateshare": {4: ("+", 0.15), 64: ("x", 1.15), 256: ("x", 1.15)}}
TOLD["fateshare, text"] = {4: ("+", 0.25), 64: ("x", 1.25), 256: ("x", 1.25)}
ENDED = {"fateshare": {4: ("+", 0.25), 64: ("x", 1.2), 256: ("x", 1.2)}}
ENDED["fateshare, text"] = {4: ("+", 0.45), 64: ("x", 1.35), 256: ("x", 1.35)}


class Line:
    """One thing to reach."""

    def __init__(self, what, reach, got, held):
        self.what, self.reach, self.got, self.held = what, reach, got, held


def middle(values):
    return statistics.median(values)


def beside_the_floor(figures, mode):
    """Start, told and ended, as shares of the floor or beyond it."""
    lives = figures["lives"]
    for count, most in START.items():
        if count not in figures["counts"]:
            continue
        got = middle(lives["start", mode, count, "fateshare"]) / middle(lives["start", mode, count, "floor"])
        yield Line(f"start, N = {count}, {mode}", f"floor x {most}", f"x {got:.2f}", got <= most)
    for what, limits in (("told", TOLD), ("ended", ENDED)):
        for name, by_count in limits.items():
            label = "text" if "text" in name else "raw"
            for count, (kind, most) in by_count.items():
                if count not in figures["counts"]:
                    continue
                floor, own = (middle(lives[what, mode, count, one]) for one in ("floor", name))
                got = own - floor if kind == "+" else own / floor
                unit = " ms" if kind == "+" else ""
                line = f"{what}, N = {count}, {label}, {mode}"
                yield Line(line, f"floor {kind} {most}{unit}", f"{kind} {got:.2f}{unit}", got <= most)


def lines(figures):
    """All of them. `figures` is what measure.py has put together; what was left out is left out here."""
    if "lives" in figures:
        for mode in figures["modes"]:
            yield from beside_the_floor(figures, mode)
    for (mode, count, name), (_, calls) in sorted(figures.get("idle", {}).items()):
        if name != "floor" and calls is not None:
            seconds = f"{figures['seconds']:g} s"
            yield Line(f"system calls in {seconds} idle, {count} members, {name}, {mode}", "0", str(calls), calls == 0)
    if "lives" in figures:
        dirty = max(middle(figures["lives"]["dirty", mode, 4, "fateshare"]) for mode in figures["modes"])
        yield Line("private dirty memory, 4 members, raw", "256 KiB", f"{dirty:.0f} KiB", dirty <= 256)
        pss = max(middle(figures["lives"]["PSS", mode, 4, "fateshare"]) for mode in figures["modes"])
        yield Line("PSS, 4 members, raw", "2560 KiB", f"{pss:.0f} KiB", pss < 2560)
    if "flood" in figures:
        dirty, pss = figures["flood"]
        yield Line("private dirty memory, 4 members, text, after a flood", "320 KiB", f"{dirty} KiB", dirty <= 320)
        yield Line("PSS, 4 members, text, after a flood", "2560 KiB", f"{pss} KiB", pss < 2560)
    if "relay" in figures:
        relay = figures["relay"]
        for name, against, least in (("text", "cat", 0.75), ("json", "cat", 0.5), ("raw", "direct", 0.95)):
            got = middle(relay[1, "plain", name]) / middle(relay[1, "plain", against])
            of = "none in between" if against == "direct" else against
            yield Line(f"relay of 100-byte lines, {name}", f"{of} x {least}", f"x {got:.2f}", got >= least)
    if "stalled" in figures:
        most = max(figures["stalled"])
        yield Line("stalled reader: exit after the last end, at most", "260 ms", f"{most:.0f} ms", most <= 260)
    if "orphans" in figures:
        floor = middle(figures["orphans"]["floor"])
        for name in ("fateshare", "fateshare, text"):
            got = middle(figures["orphans"][name]) / floor
            yield Line(f"orphans a second as PID 1, {name}", "floor x 0.9", f"x {got:.2f}", got >= 0.9)
    if "many" in figures:
        many = figures["many"]
        for name in ("fateshare", "fateshare, text"):
            for what in ("start", "ended", "dirty"):
                few, more = (middle(many[what, "ordinary", count, name]) / count for count in (64, 1000))
                label = {"start": "start", "ended": "stop", "dirty": "memory"}[what]
                got = more / few
                yield Line(f"1,000 members, {label} for each, {name}", "that of 64 x 1.3", f"x {got:.2f}", got <= 1.3)
    if "size" in figures:
        size = figures["size"] / 1024
        yield Line("size of the static program", "2560 KiB", f"{size:.0f} KiB", size < 2560)
