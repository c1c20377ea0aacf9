"""Where a trust domain publishes its bundle, and how whoever fetches it knows the endpoint (SPIFFE Federation §5).

URL, profile and trust domain name are stated each for itself and never concluded from one another (§5.1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from trustplane.fault import Refused

MAX_URL_CHARACTERS = 2048
HTTPS_PORT = 443

_AUTHORITY = re.compile(
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_TARGET = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_SCHEME = "https://"


class EndpointProfile(Enum):
    """`https_web`: known by a certificate of a public authority; `https_spiffe`: by its SPIFFE ID."""

    HTTPS_WEB = "https_web"
    HTTPS_SPIFFE = "https_spiffe"


@dataclass(frozen=True, slots=True, order=True)
class EndpointUrl:
    """§5.2.1.1, §5.2.2.1: https, without user information; the same holds for where a redirect leads."""

    text: str
    host: str = field(init=False)  # an IPv6 address without its brackets
    port: int = field(init=False)
    target: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.text) > MAX_URL_CHARACTERS:
            raise _refuse(self.text, f"it has {len(self.text)} characters, and at most {MAX_URL_CHARACTERS} are read")
        if not self.text.startswith(_SCHEME):
            raise _refuse(self.text, "the scheme of a bundle endpoint is https, in lower case (SPIFFE Federation §5.2)")
        rest = self.text.removeprefix(_SCHEME)
        cut = next((at for at, one in enumerate(rest) if one in "/?#\\"), len(rest))
        authority, target = rest[:cut], rest[cut:]
        if "@" in authority:
            raise _refuse(self.text, "user information must not be in it (SPIFFE Federation §5.2)")
        found = _AUTHORITY.fullmatch(authority)
        port = int((found and found["port"]) or HTTPS_PORT)
        if not found or not 0 < port <= 65535:
            raise _refuse(self.text, "it has no host, or a port that is none")
        if not _TARGET.fullmatch(target):
            raise _refuse(self.text, "it has a fragment, or characters that a URL writes percent-encoded")
        object.__setattr__(self, "host", found["host"].strip("[]"))
        object.__setattr__(self, "port", port)
        object.__setattr__(self, "target", target if target.startswith("/") else f"/{target}")

    def __str__(self) -> str:
        return self.text


def _refuse(text: str, why: str) -> Refused:
    return Refused(
        code="bad-endpoint-url",
        what=f"{text!r:.300} is not the URL of a bundle endpoint",
        why=why,
        fix="write for example https://trust.partner.example/bundle",
    )
