"""A trust repository's files as they are sent to a server."""

from __future__ import annotations

from pathlib import Path

from trustplane.cli.output import WrongInput
from trustplane.host.repository_files import read_directory


def repository_text(directory: Path) -> dict[str, str]:
    return {path: _text(path, content) for path, content in read_directory(directory).items()}


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise WrongInput(
            code="not-text",
            what=f"{path} is not UTF-8 text",
            why=f"byte {error.start} is no part of a character",
            fix="save the file as UTF-8",
        ) from error
