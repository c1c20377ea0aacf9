"""Where a sidecar runs, as far as its configuration depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from trustplane.fault import Refused


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a sidecar runs: the loopback address its service uses, the address callers reach it at, and its log."""

    loopback: str
    advertised: str
    access_log: str = "/dev/stdout"

    def __post_init__(self) -> None:
        for address in (self.loopback, self.advertised):
            _check_address(address)
        if not ip_address(self.loopback).is_loopback:
            raise Refused(
                code="not-loopback",
                what=f"{self.loopback} is not a loopback address",
                why="services take requests in the clear there, so it must not be reachable from outside",
                fix="use 127.0.0.1, or leave the setting out",
            )


def _check_address(address: str) -> None:
    try:
        ip_address(address)
    except ValueError as error:
        raise Refused(
            code="bad-address",
            what=f"{address!r:.100} is not an IP address",
            why="listeners are opened on addresses, not on names",
            fix="write an address such as 127.0.0.1 or 10.0.0.7",
        ) from error
