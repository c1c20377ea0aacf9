"""What a proxy must make of a request: Cedar's verdict and our tree's, which must be the same."""

from __future__ import annotations

from tests.kit.policies import PAYMENTS
from trustplane.fault import Refused
from trustplane.policy.book import Book
from trustplane.policy.comparison import access_to
from trustplane.policy.oracle import Oracle
from trustplane.policy.rules import probes_of
from trustplane.policy.target import normalised
from trustplane.policy.tree import Headers, Request
from trustplane.spiffe.ids import SpiffeId

MESH_PORT = 20203


def verdict(book: Book, caller: str, method: str, target: str, headers: Headers = ()) -> bool | None:
    """None where a proxy refuses the target before any rule is asked."""
    try:
        path = normalised(target)
    except Refused:
        return None
    lines = tuple((name.lower(), value) for name, value in headers)
    return judged(book, Request(SpiffeId.parse(caller), method, path, lines, MESH_PORT))


def judged(book: Book, request: Request) -> bool:
    service = book.state.services[PAYMENTS]
    probes = probes_of(book.state, service)
    probed = probes is not None and probes.applies(request)
    cedar = Oracle(book.state, service, book.policy_of(PAYMENTS).cedar).decide(request).allowed or probed
    assert access_to(book.state, PAYMENTS).decide(request).allowed is cedar, (cedar, request)
    return cedar
