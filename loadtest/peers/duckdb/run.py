#!/usr/bin/env python3
"""DuckDB in a process of its own, as a peer: runs the statements that standard input has as JSON, and says what the last
one took and what memory the process had at most.

    {"threads": 1, "statements": ["CREATE ...", "COPY ..."]}   to   {"wall_s", "cpu_s", "rest_bytes", "peak_bytes"}"""

import json
import pathlib
import re
import resource
import sys
import time

import duckdb


def memory(name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", pathlib.Path("/proc/self/status").read_text(), re.M)[1]) * 1024


def cpu_s():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    asked = json.load(sys.stdin)
    with duckdb.connect(config={"threads": asked["threads"]}) as database:
        database.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        rest_bytes = memory("VmRSS")
        for statement in asked["statements"][:-1]:
            database.execute(statement)
        start_s, start_cpu_s = time.monotonic(), cpu_s()
        database.execute(asked["statements"][-1])
        took = {"wall_s": time.monotonic() - start_s, "cpu_s": cpu_s() - start_cpu_s}
    json.dump({**took, "rest_bytes": rest_bytes, "peak_bytes": memory("VmHWM")}, sys.stdout)


if __name__ == "__main__":
    main()
