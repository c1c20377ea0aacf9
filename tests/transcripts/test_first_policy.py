"""The walk-through for authors, played from its page: its commands as transcripts, its files as it writes them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.kit.tree import ROOT
from tests.transcripts.playing import play, read
from tests.transcripts.test_transcripts import SHOP, environment

PAGE = ROOT / "docs" / "journeys" / "first-policy.md"
BLOCK = re.compile(r"^```(console|yaml|cedar)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAME = re.compile(r"(?:#|//) (\S+)\n")


@pytest.mark.timeout(300)
def test_the_walk_through_goes_as_its_page_says(tmp_path: Path) -> None:
    shutil.copytree(SHOP, tmp_path / "trust")
    shutil.copytree(SHOP, tmp_path / "main")
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) > 10
    for kind, text in blocks:
        if kind == "console":
            differences = [play(step, tmp_path, environment(tmp_path / "run")) for step in read(text)]
            if any(differences):
                pytest.fail(
                    "the page says otherwise; this is what was said:\n\n" + "\n\n".join(filter(None, differences))
                )
        else:
            name = NAME.match(text)
            assert name is not None, "a file's first line says which it is"
            (tmp_path / name[1]).write_text(text)
