#!/usr/bin/env python3
"""Counts the instructions of hot reads, cold reads and pushes, and holds them against a recorded budget.

    check_cost.py COST DEFINITIONS FOLDER            compares with budget, beside this file
    check_cost.py COST DEFINITIONS FOLDER --record   writes it

COST is the program of cost.c; FOLDER takes what callgrind counted. Instructions are the same from run to run
to about 0.01 %, whatever else the machine does, so a regression shows where a clock would not show it. Other
compilers and libraries make others: the budget is that of Debian 12.
Exit codes: 0 within the budget, 1 not, or it could not be counted, 2 wrong usage."""

import argparse
import pathlib
import re
import subprocess
import sys

BUDGET = pathlib.Path(__file__).with_name("budget")
MARGIN = 0.05
TIMEOUT_S = 120
HEADER = """\
# Instructions an operation, by callgrind, of the calling thread. Compared by `make check-cost`, which allows
# 5 % more; written by `make record-cost`. A commit that changes it says why.
"""


class CostError(Exception):
    """It could not be counted; the text says why."""


def count(program, definitions, folder):
    """Instructions an operation, by kind, in the order in which they were counted."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("callgrind.out*"):
        old.unlink()
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
               f"--callgrind-out-file={folder / 'callgrind.out'}", f"--log-file={folder / 'valgrind.log'}",
               str(program), str(definitions)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise CostError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    operations = {kind: int(number) for kind, number in (line.split() for line in done.stdout.splitlines())}
    instructions = dict(_read_dump(path) for path in folder.glob("callgrind.out.*"))
    if instructions.keys() != operations.keys() or 0 in instructions.values():
        raise CostError(f"did {operations}, but counted {instructions}")
    return {kind: round(instructions[kind] / operations[kind]) for kind in operations}


def _read_dump(path):
    """The kind and the instructions of one of callgrind's files."""
    text = path.read_text()
    kind = re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.M)
    total = re.search(r"^totals: (\d+)$", text, re.M)
    if kind is None or total is None:
        raise CostError(f"{path} is not as callgrind writes it")
    return kind[1], int(total[1])


def read_budget():
    lines = [line for line in BUDGET.read_text().splitlines() if line and not line.startswith("#")]
    return {kind: int(number) for kind, number in (line.split() for line in lines)}


def compare(counted, budget, folder):
    """Prints each kind beside its budget. Returns whether all hold."""
    if counted.keys() != budget.keys():
        print(f"cost: {BUDGET.name} has {', '.join(budget)}, counted were {', '.join(counted)}: `make record-cost`")
        return False
    has_held = True
    for kind, number in counted.items():
        change = number / budget[kind] - 1
        print(f"cost: {kind} {number:,} instructions, budget {budget[kind]:,} ({change:+.1%})")
        if change > MARGIN:
            has_held = False
            print(f"cost: {kind} costs too much. `callgrind_annotate` with the file of {folder} that names {kind} "
                  "shows where. If it is worth it, `make record-cost` and say why in the commit.")
        elif change < -MARGIN:
            print(f"cost: {kind} got cheaper; `make record-cost` keeps it so.")
    return has_held


def main(arguments):
    parser = argparse.ArgumentParser(description="Holds instructions an operation against a recorded budget.")
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("definitions", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--record", action="store_true", help="write what is counted as the budget")
    options = parser.parse_args(arguments)
    try:
        counted = count(options.program, options.definitions, options.folder)
    except (CostError, OSError, subprocess.TimeoutExpired) as error:
        print(f"cost: {error}", file=sys.stderr)
        return 1
    if options.record:
        BUDGET.write_text(HEADER + "".join(f"{kind} {number}\n" for kind, number in counted.items()))
        print(f"cost: recorded {len(counted)} kinds")
        return 0
    return 0 if compare(counted, read_budget(), options.folder) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
