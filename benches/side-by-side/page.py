"""Tables and plots for docs/performance.md, and the page itself, from page.template: its markers are replaced."""

import pathlib
import re
import statistics

import reach

LABELS = {"pid1": "PID 1", "ordinary": "ordinary"}


def figure(values, digits=2):
    """The median, and the middle half of the values in brackets."""
    if not values:
        return "-"
    if len(values) < 2:
        return f"{values[0]:.{digits}f}"
    low, mid, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{mid:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in ruled)


def reaches(runs):
    """What is to be reached, beside what each run got."""
    by_run = [{line.what: line for line in reach.lines(run)} for run in runs]
    rows = [["what", "reach", *(f"run {number}" for number in range(1, len(runs) + 1)), ""]]
    for what, first in by_run[0].items():
        lines = [run[what] for run in by_run if what in run]
        held = sum(line.held for line in lines)
        verdict = "yes" if held == len(lines) else f"**missed in {len(lines) - held} of {len(lines)}**"
        rows.append([what, first.reach, *(line.got for line in lines), verdict])
    return table(rows)


def groups(runs):
    """fateshare and the floor by number of members, all runs' values together."""
    names = ("floor", "fateshare", "floor, pipes", "fateshare, text")
    rows = [["", "", "N", *names, "to the floor", "text to the floor with pipes"]]
    for what in ("start", "told", "ended"):
        for mode in runs[0]["modes"]:
            for count in runs[0]["counts"]:
                if what == "told" and count == 1:
                    continue  # there are no others
                values = [[value for run in runs for value in run["lives"][what, mode, count, name]] for name in names]
                floor, raw, piped, text = map(statistics.median, values)
                ratios = f"{raw / floor:.2f} / {text / floor:.2f}", f"{text / piped:.2f}"
                rows.append([f"{what}, ms", LABELS[mode], str(count), *map(figure, values), *ratios])
    return table(rows)


def peers(runs):
    """Everybody with four members, the fastest first."""
    mode = runs[0]["modes"][0]
    names = runs[0]["peers"]
    rows = [["4 members", "start, ms", "told, ms", "ended, ms", "exit code", "memory, PSS KiB"]]

    def all_of(what, name, mode=mode):
        return [value for run in runs for value in run["peer_lives"].get((what, mode, 4, name), [])]

    def speed(name):
        values = all_of("ended", name)
        return statistics.median(values) if values else float("inf")

    for name in sorted(names, key=speed):
        version = names[name]
        if not all_of("ended", name):
            rows.append([f"{name} {version}".strip(), *["did not"] * 5])
            continue
        codes = sorted(set(all_of("code", name)))
        told = all_of("told", name)
        told = figure(told) if len(told) * 2 > len(all_of("ended", name)) else "not all were"
        cells = [figure(all_of("start", name)), told, figure(all_of("ended", name)), ", ".join(map(str, codes))]
        rows.append([f"{name} {version}".strip(), *cells, f"{statistics.median(all_of('PSS', name)):.0f}"])
    return table(rows)


def relay(runs):
    """Throughput, all runs' values together."""
    rows = [["writers", "lines", "between", "MB/s", "to `cat`"]]
    together = {}
    for run in runs:
        for key, values in run["relay"].items():
            together.setdefault(key, []).extend(values)
    for (writers, kind, name), values in together.items():
        ratio = statistics.median(values) / statistics.median(together[writers, kind, "cat"])
        rows.append([str(writers), kind, name, figure(values, 0), f"{ratio:.2f}"])
    return table(rows)


def idle(runs):
    rows = [["members", "", *(f"{name}: wake-ups / calls" for name in ("floor", "fateshare", "fateshare, text"))]]
    seen = runs[-1]["idle"]
    for count in sorted({count for _, count, _ in seen}):
        for mode in runs[0]["modes"]:
            cells = [seen[mode, count, name] for name in ("floor", "fateshare", "fateshare, text")]
            rows.append([str(count), LABELS[mode], *(f"{woken} / {'-' if calls is None else calls}" for woken, calls in cells)])
    return table(rows)


def many(runs):
    rows = [["for each member", "", "N = 64", "N = 1,000"]]
    labels = {"start": ("start, us", 1000), "ended": ("stop, us", 1000), "dirty": ("memory, KiB", 1)}
    for what, (label, factor) in labels.items():
        for name in ("floor", "fateshare", "fateshare, text"):
            cells = []
            for count in (64, 1000):
                values = [value for run in runs for value in run["many"][what, "ordinary", count, name]]
                cells.append(figure([value * factor / count for value in values], 0 if factor > 1 else 2))
            rows.append([label, name, *cells])
    return table(rows)


def fleet(runs):
    figures = runs[-1]["fleet"]
    rows = [["", "raw", "text"]]
    for key in figures["fateshare"]:
        cells = [figures[name][key] for name in ("fateshare", "fateshare, text")]
        rows.append([key, *(f"{cell:,.0f}" if float(cell).is_integer() or cell >= 100 else f"{cell:.1f}" for cell in cells)])
    return table(rows)


def plots(runs, folder):
    """Three pictures, as SVG that is the same for the same figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fateshare"
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(folder / name, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)

    mode = runs[0]["modes"][0]
    counts = runs[0]["counts"]
    picture, axes = pyplot.subplots(1, 3, figsize=(11, 3.6))
    for axis, what in zip(axes, ("start", "told", "ended")):
        for name, style in (("floor", "k:"), ("fateshare", "C0o-"), ("fateshare, text", "C1s-")):
            shown = [count for count in counts if what != "told" or count > 1]
            values = [
                statistics.median(value for run in runs for value in run["lives"][what, mode, count, name]) for count in shown
            ]
            axis.plot(shown, values, style, label=name, markersize=4)
        axis.set(xscale="log", yscale="log", xlabel="members", ylabel="ms", title=what)
        axis.set_xticks(counts, map(str, counts))
    axes[0].legend(frameon=False)
    save(picture, "groups.svg")

    ended = {}
    for name in runs[0]["peers"]:
        values = [value for run in runs for value in run["peer_lives"].get(("ended", mode, 4, name), [])]
        if values:
            ended[name] = statistics.median(values)
    order = sorted(ended, key=ended.get, reverse=True)
    picture, axis = pyplot.subplots(figsize=(8, 0.32 * len(order) + 1))
    colours = ["C0" if name.startswith("fateshare") else "0.8" if name != "floor" else "0.4" for name in order]
    bars = axis.barh(order, [ended[name] for name in order], color=colours)
    axis.bar_label(bars, [f"{ended[name]:.2f}" if ended[name] < 10 else f"{ended[name]:.0f}" for name in order], padding=3)
    axis.set(xscale="log", title="kill -9 of one of four members until the supervisor has ended, ms (logarithmic)")
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    save(picture, "peers.svg")

    together = {}
    for run in runs:
        for (writers, kind, name), values in run["relay"].items():
            if writers == 1 and kind == "plain":
                together.setdefault(name, []).extend(values)
    picture, axis = pyplot.subplots(figsize=(8, 2.4))
    order = list(reversed(together))
    values = [statistics.median(together[name]) for name in order]
    bars = axis.barh(order, values, color=["0.8" if name in ("cat", "direct") else "C0" for name in order])
    axis.bar_label(bars, [f"{value:.0f}" for value in values], padding=3)
    axis.set(title="lines of 100 bytes through a pipe, MB/s")
    axis.spines[["top", "right"]].set_visible(False)
    save(picture, "relay.svg")


def write(path, runs, about):
    """Puts the tables in the places of their markers, and the plots beside the page."""
    text = pathlib.Path(__file__).with_name("page.template").read_text()
    blocks = {"about": about, "reach": reaches(runs)}
    for name, make, needs in (
        ("groups", groups, "lives"),
        ("peers", peers, "peer_lives"),
        ("relay", relay, "relay"),
        ("idle", idle, "idle"),
        ("many", many, "many"),
        ("fleet", fleet, "fleet"),
    ):
        if needs in runs[-1]:
            blocks[name] = make(runs)
    for name, block in blocks.items():
        if text.count(f"<!-- {name} -->\n") != 1:
            raise SystemExit(f"page.template: no place for {name}: it needs one <!-- {name} -->")
        text = text.replace(f"<!-- {name} -->\n", block + "\n")
    # What was not measured is said, so that no empty place looks like a result.
    path.write_text(re.sub(r"<!-- (\w+) -->\n", r"(\1: not measured in this run)\n", text))
    if "lives" in runs[0] and "peer_lives" in runs[0] and "relay" in runs[0]:
        plots(runs, path.parent / "performance")
