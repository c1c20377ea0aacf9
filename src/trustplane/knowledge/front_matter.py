"""Markdown with front matter, in two: the YAML between its fences, and the text below."""

from __future__ import annotations

from typing import Final

from trustplane.fault import Place, Refused
from trustplane.registry.findings import shown

FENCE: Final = "---"
MAX_BYTES: Final = 64 * 1024


def parted(file: str, content: bytes) -> tuple[bytes, str]:
    """Front matter whose lines count as they do in the file, and the body."""
    try:
        text = content[: MAX_BYTES + 1].decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        text = ""
    start, fence, rest = text.partition(f"{FENCE}\n")
    front, closing, body = rest.partition(f"\n{FENCE}\n")
    if start or not fence or not closing or len(content) > MAX_BYTES:
        raise Refused(
            code="no-front-matter",
            what=f"{shown(file)} is neither a runbook nor a postmortem",
            why=f"both begin with front matter between lines of {FENCE}, and are at most {MAX_BYTES} bytes of UTF-8",
            fix="start from one that is there: trustplane runbook show unknown --json, or trustplane postmortem new",
            place=Place(shown(file), 1),
        )
    return f"\n{front}\n".encode(), body.strip("\n")
