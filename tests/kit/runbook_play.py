"""A runbook played: its commands are typed as they stand in it, what it tells people to do by hand is done, and what is
left out is known.

Placeholders such as `<HOST:PORT>` are filled with the values of this fault. Nothing is typed that does not stand in the
runbook, and at the end every command of it was typed, or left for a reason that the test gives.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.kit.mesh import TRUSTPLANE
from trustplane.host.knowledge_files import shipped_runbooks
from trustplane.knowledge.gaps import COMMAND, commands

OVER = "It is over when"
PATIENCE_SECONDS = 90.0
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_PLACE = re.compile(r"<[A-Z:-]+>")


@dataclass(frozen=True, slots=True)
class Said:
    command: str
    code: int
    text: str

    def __contains__(self, words: str) -> bool:
        return words in self.text


class Play:
    """`values` fill placeholders. `environment` says where the sockets are, so that commands need no option for it."""

    def __init__(
        self, slug: str, environment: Mapping[str, str], values: Mapping[str, object], leaves: Mapping[str, str]
    ) -> None:
        self.runbook = next(one for one in shipped_runbooks() if one.slug == slug)
        self.values = {name: str(value) for name, value in values.items()}
        self._environment = environment
        self._leaves = leaves
        self._typed: set[str] = set()
        parts = _HEADING.split(self.runbook.body)
        self._sections = dict(zip(parts[1::2], parts[2::2], strict=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if failed is None:
            untyped = [one for one in commands(self.runbook) if one not in self._typed and one not in self._leaves]
            assert not untyped, f"{self.runbook.slug}: never typed, and no reason given: {untyped}"
            needless = self._leaves.keys() & self._typed
            assert not needless, f"{self.runbook.slug}: typed, though a reason was given not to: {needless}"

    def types(self, section: str, ends: Mapping[str, int] | None = None) -> dict[str, Said]:
        """Every command of the section, in order; each ends with 0 unless `ends` says otherwise."""
        said = {}
        for command in self._commands(section):
            said[command] = self._run(command)
            wanted = (ends or {}).get(command, 0)
            assert said[command].code == wanted, f"{command}: {said[command].code}, not {wanted}\n{said[command].text}"
        return said

    def types_one(self, command: str, ends: int = 0, **values: object) -> Said:
        """One command of the runbook, where a step is for another case than this one."""
        assert command in commands(self.runbook), f"{command} does not stand in {self.runbook.slug}"
        self.values.update({name: str(value) for name, value in values.items()})
        said = self._run(command)
        assert said.code == ends, f"{command}: {said.code}, not {ends}\n{said.text}"
        return said

    def by_hand(self, words: str, does: Callable[[], object]) -> None:
        """What the runbook tells people to do without a command, in its words."""
        assert words in " ".join(self.runbook.body.split()), f"{self.runbook.slug} does not say: {words}"
        does()

    def is_over(self, shows: Callable[[Sequence[Said]], bool] = lambda _: True) -> None:
        """What it says must be seen at the end is seen, typed again and again until it is."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            said = [self._run(command) for command in self._commands(OVER)]
            if all(one.code == 0 for one in said) and shows(said):
                return
            assert time.monotonic() < give_up, "it is not over:\n" + "\n".join(
                f"{one.command}\n{one.text}" for one in said
            )

    def _commands(self, section: str) -> list[str]:
        return list(dict.fromkeys(COMMAND.findall(" ".join(self._sections[section].split()))))

    def _run(self, command: str) -> Said:
        self._typed.add(command)
        words = [self._filled(word) for word in shlex.split(command)[1:]]
        ran = subprocess.run(
            [*TRUSTPLANE, *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **self._environment},
        )
        return Said(command, ran.returncode, ran.stdout + ran.stderr)

    def _filled(self, word: str) -> str:
        return _PLACE.sub(lambda place: self.values[place[0].strip("<>")], word)
