"""Paths, patterns and headers as a policy may write them: with one spelling, and none that a proxy would change.

A rule is applied to what the proxy makes of a path, never to what was sent. So a literal that no normalised path can
contain would never match, and is refused with the reason.
"""

from __future__ import annotations

import re

from trustplane.fault import Place, Refused
from trustplane.policy.tree import ANYTHING, Anything, HeaderIs, Path
from trustplane.registry.fields import nearest
from trustplane.registry.findings import shown
from trustplane.registry.model import MAX_PATH_CHARACTERS
from trustplane.registry.service_file import DATA_CLASSES

# Envoy refuses a regular expression whose compiled program has more than 100 instructions, and then has no rules.
MAX_LITERAL_BETWEEN_WILDCARDS = 48
MAX_WILDCARDS = 4

_PATH_TEXT = re.compile(r"[A-Za-z0-9._~!$&'()+,=:@/-]*")
_HEADER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]{0,254}[!-~])?")
# Set, changed or removed by the proxies themselves, or not a header that arrives as it was sent.
_NOT_THE_CALLERS = re.compile(
    r"(x-envoy-.*|x-forwarded-.*|x-http-method.*|x-method-override|x-original-url|x-rewrite-url|x-request-id|host|"
    r"connection|transfer-encoding|te|upgrade|keep-alive|proxy-.*|content-length|expect|cookie)"
)


def path(value: str, place: Place) -> str:
    _check_path_text((value,), place)
    if not value.startswith("/"):
        raise _never(value, "a path starts with a slash", place)
    return value


def pattern(parts: tuple[str, ...], place: Place) -> Path | Anything:
    """Of `like`. A wildcard stands for any text, slashes included."""
    merged = (parts[0], *(part for part in parts[1:-1] if part), parts[-1]) if len(parts) > 1 else parts
    written = "*".join(merged)
    if written == "*":
        return ANYTHING
    _check_path_text(merged, place)
    if merged[0] and not merged[0].startswith("/"):
        raise _never(written, "a path starts with a slash", place)
    inner, wildcards = sum(map(len, merged)), len(merged) - 1
    by_regex = wildcards > 1 and (wildcards > 2 or merged[0] != "" or merged[-1] != "")
    if by_regex and (inner > MAX_LITERAL_BETWEEN_WILDCARDS or wildcards > MAX_WILDCARDS):
        raise Refused(
            code="policy-pattern-too-long",
            what=f"{shown(written)} has {inner} characters and {wildcards} wildcards",
            why="it becomes a regular expression, and a proxy refuses a long one together with every other rule",
            fix=f"use at most {MAX_LITERAL_BETWEEN_WILDCARDS} characters and {MAX_WILDCARDS} wildcards, or only one",
            place=place,
        )
    return Path(merged)


def header_name(name: str, place: Place) -> str:
    if not _HEADER_NAME.fullmatch(name) or _NOT_THE_CALLERS.fullmatch(name):
        raise Refused(
            code="policy-bad-header",
            what=f"{shown(name)} is not a header that a rule may ask for",
            why="names are lower-case letters, digits and inner dashes, and what proxies set, remove or rewrite is not "
            "the caller's",
            fix='write for example context.headers["x-team"]',
            place=place,
        )
    return name


def header(name: str, value: str, place: Place) -> HeaderIs:
    if not _HEADER_VALUE.fullmatch(value) or "," in value:
        raise Refused(
            code="policy-bad-header",
            what=f"{shown(value)!r} is not one value of a header",
            why="a value is 1 to 256 printable ASCII characters, without space around it and without a comma: proxies "
            "join and split lines at commas",
            fix='write for example context.headers["x-team"].contains("payments")',
            place=place,
        )
    return HeaderIs(header_name(name, place), value)


def data_class(value: str, place: Place) -> str:
    if value not in DATA_CLASSES:
        raise Refused(
            code="policy-unknown-name",
            what=f"{shown(value)} is no class of data{nearest(value, DATA_CLASSES)}",
            why="a rule about a name that nobody has would look as if it had an effect",
            fix=f"use one of {', '.join(sorted(DATA_CLASSES))}",
            place=place,
        )
    return value


def _check_path_text(parts: tuple[str, ...], place: Place) -> None:
    written = "*".join(parts)
    if len(written) > MAX_PATH_CHARACTERS:
        raise _never(written, f"a path in a rule has at most {MAX_PATH_CHARACTERS} characters", place)
    for part in parts:
        if not _PATH_TEXT.fullmatch(part):
            raise _never(
                written,
                "proxies refuse, decode or cut off control characters, percent-encoding, ; ? # and \\, and services "
                "read them in different ways",
                place,
            )
        if "//" in part:
            raise _never(written, "proxies merge slashes before they look at a path", place)
    segments = written.replace("*", "x").split("/")
    if "." in segments or ".." in segments:
        raise _never(written, "proxies resolve dot segments before they look at a path", place)


def _never(value: str, why: str, place: Place) -> Refused:
    return Refused(
        code="policy-path-never-matches",
        what=f"{shown(value)!r} can never be the path of a request",
        why=why,
        fix='write the path as the service sees it, such as "/charge" or like "/orders/*"',
        place=place,
    )
