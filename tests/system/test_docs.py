"""Runs the examples of docs/ and README.md.

A fenced block belongs to an example when the line before it is `<!-- example: NAME -->`. The blocks of
one NAME in one file share a server and a folder and run in their order:

    ```yaml            is applied
    ```LANGUAGE FILE   is written to FILE
    ```console         `$ command` lines with what they print; a line `...` stands for any lines, `...`
                       inside a line for any text; a command that ends in \\ goes on in the next line
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from conftest import ASOF, EXAMPLES, ROOT
from python_client import FOLDER as PYTHON

FILES = sorted((ROOT / "docs").glob("*.md")) + [path for path in [ROOT / "README.md"] if path.exists()]
MARK = re.compile(r"<!-- example: (\S+) -->")
FENCE = re.compile(r"```(\w+)(?: (\S+))?")
COMMAND_TIMEOUT_S = 60

Block = collections.namedtuple("Block", "line language file text")


def blocks_of(path):
    """{example: [Block]} in the order of the file."""
    examples = collections.defaultdict(list)
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines):
        if not (mark := MARK.fullmatch(line)):
            continue
        fence = FENCE.fullmatch(lines[number + 1])
        assert fence, f"{path.name}:{number + 1}: no fenced block behind the mark of an example"
        end = lines.index("```", number + 2)
        text = "\n".join(lines[number + 2:end]) + "\n"
        examples[mark[1]].append(Block(number + 2, fence[1], fence[2], text))
    return examples


EXAMPLES_OF_DOCS = [(path, name, blocks) for path in FILES for name, blocks in blocks_of(path).items()]


def commands_of(block):
    """(command, expected output) of a console block."""
    commands = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append([line[2:], []])
        elif commands and not commands[-1][1] and commands[-1][0].endswith("\\"):
            commands[-1][0] += "\n" + line
        else:
            commands[-1][1].append(line)
    return commands


def pattern_of(lines):
    """What the output must look like, as a regular expression over its lines."""
    pattern = ""
    for line in lines:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(map(re.escape, line.rstrip().split("..."))) + r"[ ]*\n"
    return re.compile(pattern)


@pytest.fixture
def folder(server, tmp_path):
    """Where the commands run: asof, redis-cli and a python with the package asof are on the PATH and know the server."""
    folder = tmp_path / "folder"
    tools = tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    scripts = {"asof": f'exec {ASOF} "$@"',
               "redis-cli": f'exec {shutil.which("redis-cli")} --no-raw -h {server.host} -p {server.port} "$@"',
               "python": f'PYTHONPATH={PYTHON} exec {sys.executable} "$@"'}
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    os.symlink(EXAMPLES, folder / "examples")
    os.symlink(ROOT / "proto", folder / "proto")
    return folder


def run_command(command, folder, server):
    environment = os.environ | {"PATH": f"{folder.parent / 'tools'}:{os.environ['PATH']}",
                                "ASOF_SERVER": server.rpc_address}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=COMMAND_TIMEOUT_S)
    return done.stdout


@pytest.mark.parametrize("path,name,blocks", EXAMPLES_OF_DOCS,
                         ids=[f"{path.stem}-{name}" for path, name, _ in EXAMPLES_OF_DOCS])
def test_example_does_what_the_docs_say(path, name, blocks, server, folder):
    for block in blocks:
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.language == "yaml":
            server.apply(block.text)
        else:
            assert block.language == "console", f"{path.name}:{block.line}: what to do with {block.language}?"
            for command, expected in commands_of(block):
                output = run_command(command, folder, server)
                if output and not output.endswith("\n"):
                    output += "\n"
                assert pattern_of(expected).fullmatch(output), (
                    f"{path.name}:{block.line}: $ {command}\n{output}\ninstead of\n" + "\n".join(expected))


@pytest.mark.skipif(os.environ.get("ASOF_LONG") != "1", reason="ASOF_LONG=1 runs it")
def test_what_leaks_is_as_the_page_says(flights, tmp_path):
    """Its table and its picture: what tools/leak.py measures. Not to the last digit, as libraries change."""
    def areas(text):
        rows = re.findall(r"^\| (the newest row|the day's table|as of T|as of T, exclusive) \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
        return [float(number) for _, *numbers in rows for number in numbers]

    told = areas((ROOT / "docs/training-sets.md").read_text())
    drawn = [float(number) for number in re.findall(r">(\d\.\d\d)</text>", (ROOT / "docs/plots/leak.svg").read_text())]
    done = subprocess.run([sys.executable, ROOT / "tools/leak.py", "--build", pathlib.Path(ASOF).parent, "--flights", flights, "--out",
                           tmp_path / "leak.svg"], capture_output=True, text=True, check=True)
    assert len(told) == 8 and drawn == told
    assert areas(done.stdout) == pytest.approx(told, abs=0.02)


def test_docs_have_examples():
    assert len(EXAMPLES_OF_DOCS) >= 3
    assert {path.stem for path, _, _ in EXAMPLES_OF_DOCS} >= {"definitions", "windows", "redis"}


def test_example_definitions_apply_together(server):
    server.asof("apply", str(EXAMPLES / "flights"), str(EXAMPLES / "fraud"))
    again = server.asof("apply", str(EXAMPLES / "flights"), str(EXAMPLES / "fraud"), "--json").stdout
    assert '"new"' not in again and '"changed"' not in again
