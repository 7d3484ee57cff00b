#!/usr/bin/env python3
"""Makes a table, bench.json and bench.svg of what scripts/bench.sh measured: table.py RAW_FOLDER OUT_FOLDER

RAW_FOLDER has a folder for each round, with step_bench's JSON and the peers' lines. A time is the median of all
measurements, followed by half of their interquartile range; a ratio is the median of the rounds' ratios.
"""
import json
import math
import os
import pathlib
import statistics
import sys
from collections import defaultdict

UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}
OURS = {
    "handwritten": "hand-written",
    "products": "its matrix products",
    "xgrad": "xgrad",
    "xgrad_packed": "xgrad, packed",
    "xgrad_replayed": "xgrad, replayed",
}
PEER_FORMS = {"module": "modules", "unrolled": "unrolled cells"}


class Results:
    """samples[workload][program]: a list of seconds for each round; context: what the programs say of themselves."""

    def __init__(self, raw):
        self.context, self.losses = {}, defaultdict(set)
        self.samples = defaultdict(lambda: defaultdict(list))
        for folder in sorted(raw.iterdir(), key=lambda path: int(path.name)):
            found = defaultdict(list)
            for file in folder.glob("*.json"):
                self.read_step_bench(json.loads(file.read_text()), found)
            peers = folder / "peers.jsonl"
            for line in peers.read_text().splitlines() if peers.exists() else []:
                line = json.loads(line)
                found[line["workload"], line["program"]] += line["samples"]
                if "blas" in line:
                    self.context[line["program"].rpartition(" ")[0]] = line["blas"]
            for (workload, program), seconds in found.items():
                self.samples[workload][program].append(seconds)
        self.check_losses()

    def read_step_bench(self, report, found):
        self.context.update(report["context"])
        for run in report["benchmarks"]:
            if run["run_type"] == "iteration":
                _, workload, program = run["run_name"].split("/")
                found[workload, program].append(run["real_time"] * UNITS[run["time_unit"]])
                if "loss" in run:
                    self.losses[workload].add(run["loss"])

    def check_losses(self):
        for workload, losses in self.losses.items():
            if not max(losses) <= min(losses) * (1 + 1e-5):
                sys.exit(f"table: {workload}: the programs differ in the loss of their first step: {sorted(losses)}")

    def workloads(self):
        order = "hello floyd medium_rnn medium_lstm medium_gru large_rnn large_lstm".split()
        return [workload for workload in order if workload in self.samples]

    def peers(self):
        """Such as "PyTorch 1.13.0", without the form."""
        programs = {program for by_program in self.samples.values() for program in by_program}
        return sorted({program.rpartition(" ")[0] for program in programs} - {""})

    def time(self, workload, program):
        """Median and half the interquartile range, in seconds."""
        seconds = [sample for round_ in self.samples[workload][program] for sample in round_]
        if not seconds:
            return None
        quartiles = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
        return statistics.median(seconds), (quartiles[2] - quartiles[0]) / 2

    def medians(self, workload, program):
        """Of each round."""
        return [statistics.median(seconds) for seconds in self.samples[workload][program]]

    def ratio(self, workload, above, below):
        """Median over the rounds; of several programs in `above` the fastest counts."""
        fastest = map(min, zip(*filter(None, (self.medians(workload, program) for program in above))))
        ratios = [time / divisor for time, divisor in zip(fastest, self.medians(workload, below))]
        return statistics.median(ratios) if ratios else None


def programs(results):
    """Key and label of each, in the table's order."""
    yield from OURS.items()
    for peer in results.peers():
        for form, label in PEER_FORMS.items():
            yield f"{peer} {form}", f"{peer}, {label}"


def ratios(results):
    """Label, programs above the line, program below it."""
    yield "products ÷ hand-written", ["products"], "handwritten"
    yield "xgrad ÷ hand-written", ["xgrad"], "handwritten"
    yield "xgrad, packed ÷ hand-written", ["xgrad_packed"], "handwritten"
    yield "xgrad, replayed ÷ hand-written", ["xgrad_replayed"], "handwritten"
    for peer in results.peers():
        forms = [f"{peer} {form}" for form in PEER_FORMS]
        yield f"{peer} at its best ÷ xgrad", forms, "xgrad"
        yield f"{peer} at its best ÷ xgrad, packed", forms, "xgrad_packed"
        yield f"{peer} at its best ÷ xgrad, replayed", forms, "xgrad_replayed"


def three_digits(value):
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def time_text(seconds):
    unit = "s" if seconds >= 1 else "ms" if seconds >= 1e-3 else "µs"
    return f"{three_digits(seconds / UNITS[unit.replace('µ', 'u')])} {unit}"


def cell(time):
    return f"{time_text(time[0])} ±{100 * time[1] / time[0]:.0f} %" if time else "–"


def table(results):
    workloads = results.workloads()
    rows = [["", *(workload.replace("_", " ") for workload in workloads)]]
    for program, label in programs(results):
        rows.append([label, *(cell(results.time(workload, program)) for workload in workloads)])
    for label, above, below in ratios(results):
        values = [results.ratio(workload, above, below) for workload in workloads]
        rows.append([label, *("–" if value is None else three_digits(value) for value in values)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows
    )


def machine(results):
    """What the figures depend on, by name."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")]
    context = results.context
    return {
        "processor": models[0] if models else os.uname().machine,
        "cores": os.cpu_count(),
        "instruction set": context.get("simd"),
        "compiler": context.get("compiler"),
        "BLAS": context.get("blas"),
        "threads": context.get("threads"),
        **{f"BLAS of {peer}": context[peer] for peer in results.peers() if peer in context},
        "rounds": max(len(rounds) for by_program in results.samples.values() for rounds in by_program.values()),
    }


def as_json(results):
    def measured(workload, program):
        median, spread = results.time(workload, program)
        return {"seconds": median, "spread": spread, "rounds": results.samples[workload][program]}

    return {
        "machine": machine(results),
        "workloads": {
            workload: {
                "times": {
                    program: measured(workload, program)
                    for program, _ in programs(results)
                    if results.time(workload, program)
                },
                "ratios": {label: results.ratio(workload, above, below) for label, above, below in ratios(results)},
            }
            for workload in results.workloads()
        },
    }


def svg(results):
    """Bars of times, for each workload on a scale of its own."""
    ours = ["#777777", "#1b6ca8", "#4fa3d9", "#8fcbe8"]
    colours = ours + ["#c0561f", "#e39a6b", "#5b7f2b", "#9dbb6d", "#7a4f9a", "#b394cc"]
    shown = [(key, label) for key, label in programs(results) if key != "products"]
    left, width, bar, y = 190, 480, 15, 48
    title = "Time of one training step, and its ratio to the hand-written one"
    lines = [f'<text x="10" y="22" font-size="14">{title}</text>']
    for workload in results.workloads():
        times = {key: results.time(workload, key) for key, _ in shown}
        longest = max(time[0] for time in times.values() if time)
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{workload.replace("_", " ")}</text>')
        y += 6
        for (key, label), colour in zip(shown, colours):
            if times[key]:
                end = left + width * times[key][0] / longest
                words = f"{time_text(times[key][0])} · {three_digits(results.ratio(workload, [key], 'handwritten'))}"
                lines += [
                    f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{label}</text>',
                    f'<rect x="{left}" y="{y + 1}" width="{end - left:.1f}" height="{bar - 3}" fill="{colour}"/>',
                    f'<text x="{end + 6:.1f}" y="{y + 11}">{words}</text>',
                ]
                y += bar
        y += 26
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 110} {y - 14}" '
        'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n'
    )
    return head + "\n".join(lines) + "\n</svg>\n"


def main():
    raw, out = map(pathlib.Path, sys.argv[1:])
    results = Results(raw)
    for name, value in machine(results).items():
        print(f"{name}: {value}")
    print()
    print(table(results))
    (out / "bench.json").write_text(json.dumps(as_json(results), indent=1, ensure_ascii=False) + "\n")
    (out / "bench.svg").write_text(svg(results))
    print(f"\nwritten: {out / 'bench.json'}, {out / 'bench.svg'}")


main()
