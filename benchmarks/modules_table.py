#!/usr/bin/env python3
"""Runs modules_bench and pytorch_modules.py in turn, and prints medians side by side: of one thread its processor time,
which a busy machine changes least, of several the time that passed.

Usage: modules_table.py [--threads N] [--rounds N] [--seconds S] MODULES_BENCH [PYTHON...], each Python with a PyTorch.
"""
import argparse
import json
import statistics
import subprocess
from pathlib import Path

PEER = Path(__file__).parent / "pytorch_modules.py"


def ours(program, threads, seconds):
    command = [program, "--benchmark_format=json", f"--benchmark_min_time={seconds}"]
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    return {b["name"]: b["cpu_time" if threads == 1 else "real_time"] for b in result["benchmarks"]}


def theirs(python, threads, seconds):
    command = [python, PEER, "--threads", str(threads), "--seconds", str(seconds)]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return rows[0]["peer"], {row["name"]: row["microseconds"] for row in rows}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("program")
    parser.add_argument("pythons", nargs="*")
    arguments = parser.parse_args()
    times = {}
    for _ in range(arguments.rounds):
        times.setdefault("xgrad", []).append(ours(arguments.program, arguments.threads, arguments.seconds))
        for python in arguments.pythons:
            peer, row = theirs(python, arguments.threads, arguments.seconds)
            times.setdefault(peer, []).append(row)
    peers = list(times)
    print(f"{'milliseconds':22}" + "".join(f"{peer:>22}" for peer in peers))
    for name in times["xgrad"][0]:
        medians = [statistics.median(run[name] for run in times[peer]) / 1000 for peer in peers]
        ratios = [f" ({m / medians[0]:5.2f})" for m in medians]
        print(f"{name:22}" + "".join(f"{m:14.3f}{r}" for m, r in zip(medians, ratios)))


if __name__ == "__main__":
    main()
