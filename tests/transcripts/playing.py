"""Transcripts: what a person types and sees, kept as text and played against the real command.

A line `$ trustplane ...` is a command. The lines after it are its output: those that start with `!` came on standard
error, the others on standard output, each stream in its order. `[exit N]` ends it. `<name>` stands for any text within
a line, `<...>` alone for any number of lines of the same stream (and of both, where only one has it). `#` starts a
comment. `< FILE` at the end gives that file as standard input, which is empty otherwise. No shell is involved.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PLACE = re.compile(r"<[a-z ]+>")
_ANY_LINES = "<...>"


@dataclass(frozen=True, slots=True)
class Step:
    command: str
    output: tuple[str, ...]
    errors: tuple[str, ...]
    exit: int


def read(transcript: str) -> list[Step]:
    steps: list[Step] = []
    command, lines = "", list[str]()
    for line in transcript.splitlines():
        if line.startswith("$ "):
            command, lines = line[2:], []
        elif found := re.fullmatch(r"\[exit (\d+)\]", line):
            steps.append(_step(command, lines, int(found[1])))
            command = ""
        elif command:
            lines.append(line)
        elif line and not line.startswith("#"):
            message = f"this belongs to no command: {line}"
            raise ValueError(message)
    return steps


def _step(command: str, lines: list[str], code: int) -> Step:
    errors = [line.removeprefix("!").removeprefix(" ") for line in lines if line.startswith("!")]
    output = [line for line in lines if not line.startswith("!")]
    if _ANY_LINES in output and errors:
        errors.append(_ANY_LINES)
    return Step(command, tuple(output), tuple(errors), code)


def play(step: Step, directory: Path, environment: Mapping[str, str]) -> str:
    """What differs from the transcript, as a person would want to read it; nothing when it is the same."""
    words = shlex.split(step.command)
    if words[0] != "trustplane":
        message = f"only trustplane is played: {step.command}"
        raise ValueError(message)
    given = ""
    if words[-2:-1] == ["<"]:
        given = (directory / words[-1]).read_text()
        words = words[:-2]
    done = subprocess.run(
        [sys.executable, "-m", "trustplane.cli", *words[1:]],
        cwd=directory,
        env=dict(environment),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    same = done.returncode == step.exit and _matches(step.output, done.stdout) and _matches(step.errors, done.stderr)
    shown = f"$ {step.command}\n{done.stdout}{_marked(done.stderr)}[exit {done.returncode}]"
    return "" if same else shown


def _matches(expected: tuple[str, ...], text: str) -> bool:
    lines = [line.rstrip() for line in text.splitlines()]
    pattern = "".join("(.*\n)*" if line == _ANY_LINES else _line(line) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _line(expected: str) -> str:
    literal = [re.escape(part) for part in _PLACE.split(expected.rstrip())]
    return ".+".join(literal)


def _marked(errors: str) -> str:
    return "".join(f"! {line}\n" for line in errors.splitlines())
