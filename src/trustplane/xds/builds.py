"""Which Envoys are given rules: those on which every known way round them has been tried.

An older one might leave out a word of a rule that it does not know, or read a header as builds before 2026 did
(CVE-2026-26308). It is told nothing, so it lets nobody in, and whoever looks sees why.
"""

from __future__ import annotations

from trustplane.fault import Refused

OLDEST = (1, 39)  # tests/scenarios/policy/test_bypass_corpus.py runs on it


def require_tried(build: tuple[int, ...] | None) -> None:
    """`build` is what the proxy says of itself: its major and its minor number, and maybe its patch."""
    if build and build >= OLDEST:
        return
    oldest = ".".join(map(str, OLDEST))
    said = "does not say which build it is" if not build else f"is Envoy {build[0]}.{build[1]}"
    raise Refused(
        code="xds-proxy-too-old",
        what=f"the sidecar {said}",
        why=f"what Envoys before {oldest} make of our rules was not tried, so it is given none",
        fix=f"run the sidecar with Envoy {oldest} or newer, such as the one installed with trustplane",
    )
