"""Runs the examples in README.md and docs/.

    <!-- example: NAME -->      stands before a code block that is run
    ```yaml                     is applied to the example's server
    ```console                  lines `$ command` are run, what stands below them is what they print;
                                `...` stands for any text
    ```ndjson FILE              is written to a file that later commands of the example read

Blocks of one file with one name share a server."""

import os
import pathlib
import re
import subprocess

import pytest

from conftest import ASOF, ROOT

BLOCK = re.compile(r"<!-- example: (\S+) -->\n```(\w+) ?(\S*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples():
    found = {}
    for path in FILES:
        for name, kind, file, text in BLOCK.findall(path.read_text()):
            found.setdefault((path.relative_to(ROOT), name), []).append((kind, file, text))
    return found


def run_commands(text, folder, environment):
    for command, expected in COMMANDS.findall(text):
        done = subprocess.run(["script", "-qec", command, "/dev/null"] if "redis-cli" in command else
                              ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
                              timeout=60)
        printed = (done.stdout + done.stderr).replace("\r\n", "\n")
        pattern = ".*".join(re.escape(piece) for piece in expected.rstrip().split("..."))
        assert re.fullmatch(pattern, "\n".join(line.rstrip() for line in printed.rstrip().split("\n")), re.DOTALL), \
            f"$ {command}\n{printed}\n--- the document says\n{expected}"


@pytest.mark.parametrize("document, name", examples())
def test_an_example_does_what_it_says(document, name, server, tmp_path):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "asof").symlink_to(ASOF)
    (bin_folder / "redis-cli").write_text(f'#!/bin/sh\nexec /usr/bin/redis-cli -p {server.port} "$@"\n')
    (bin_folder / "redis-cli").chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "ASOF_SERVER": server.address,
                   "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
    folder = tmp_path / "example"
    folder.mkdir()
    for kind, file, text in examples()[(document, name)]:
        if kind == "yaml":
            (folder / (file or f"{name}.yaml")).write_text(text)
            server.apply(text)
        elif kind == "console":
            run_commands(text, folder, environment)
        else:
            (folder / file).write_text(text)


def test_there_are_examples():
    assert {pathlib.Path("docs/windows.md"), pathlib.Path("docs/definitions.md"), pathlib.Path("docs/redis.md"),
            pathlib.Path("docs/commands.md")} <= {document for document, _ in examples()}
