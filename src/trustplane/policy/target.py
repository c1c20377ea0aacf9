"""From what a client sends as its request target to the path a rule is applied to, as the callee's proxy reads it.

Follows the settings in `xds.http`: an encoded slash is refused, dot segments are resolved, unreserved characters are
decoded, slashes merged, and query and fragment left aside. tests/scenarios/policy compare it with a real Envoy.
"""

from __future__ import annotations

import re

from trustplane.fault import Refused
from trustplane.registry.findings import shown

_UNRESERVED = re.compile(r"%(2[dDeE]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aAeE])")
_TARGET = re.compile(r"/[!-~]*")
_SLASHES = re.compile(r"%(2f|2F|5c|5C)")


def normalised(target: str) -> str:
    path = target.partition("?")[0]
    if not _TARGET.fullmatch(target) or _SLASHES.search(path) or "#" in target or len(target) > 8192:
        raise Refused(
            code="target-refused",
            what=f"a proxy refuses the target {shown(target)!r} before any rule is asked",
            why="a target starts with a slash and has no fragment, encoded slash or backslash, nor more than ASCII",
            fix="write for example /charge",
        )
    decoded = _UNRESERVED.sub(lambda found: chr(int(found[1], 16)), path)
    return re.sub("/{2,}", "/", _without_dots(decoded.replace("\\", "/")))


def is_normal(path: str) -> bool:
    """Whether a proxy hands exactly this path to a rule."""
    try:
        return normalised(path) == path and "?" not in path
    except Refused:
        return False


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    ends_in_folder = segments[-1] in (".", "..")
    return "/" + "/".join([*kept, ""] if ends_in_folder else kept)
