"""Room for descriptors: every connection through a relay takes four, and the usual soft limit is 1,024."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> None:
    """To the hard limit, which a process may always do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
