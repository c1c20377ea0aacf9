"""What every benchmark says beside its figure: the machine, how busy it was, and the floor it is compared with.

CPU time is what the kernel counts, in all threads of a process; memory is the pages a process wrote and shares with
nobody, because what is shared with other processes comes and goes with them.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_TICKS = os.sysconf("SC_CLK_TCK")
_ECDSA = ec.ECDSA(hashes.SHA256())
_SIGNED_BYTES = 400  # as large as a leaf's body


def small() -> bool:
    """Whether only the program itself is to be tried: few rounds, figures that mean nothing."""
    return "--small" in sys.argv[1:]


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "cryptography": version("cryptography"),
    }


def tell(name: str, figures: Mapping[str, Any], loads: Sequence[float]) -> None:
    """Print the one JSON object of a benchmark. `loads` are load averages: the first from before it began."""
    note = {"load_before": round(loads[0], 2), "load_after": round(loads[-1], 2)}
    rest = {"small": True} if small() else {}
    print(json.dumps({"name": name, **figures, **rest, "load": note, "machine": machine()}))


def load() -> float:
    return os.getloadavg()[0]


def goal(value: float, *, at_least: float | None = None, below: float | None = None) -> dict[str, Any]:
    """A figure, what it should be, and whether it is."""
    met = (at_least is None or value >= at_least) and (below is None or value < below)
    wanted = f">= {at_least:g}" if at_least is not None else f"< {below:g}"
    return {"value": value, "goal": wanted, "met": met}


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Of repeated measurements: the middle, the ends, and how many there were."""
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
        "repeats": len(values),
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


def floor_seconds(count: int) -> float:
    """CPU seconds that one P-256 verification and one signature take here and now, from `count` of each."""
    private = ec.generate_private_key(ec.SECP256R1())
    public, message = private.public_key(), bytes(_SIGNED_BYTES)
    signature = private.sign(message, _ECDSA)
    started = process_time()
    for _ in range(count):
        public.verify(signature, message, _ECDSA)
        private.sign(message, _ECDSA)
    return (process_time() - started) / count


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, in user and kernel mode, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_bytes(pid: int) -> dict[str, int]:
    """What a process wrote and shares with nobody, and all that is resident."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return {"own": sizes["Private_Dirty"] + sizes["Swap"], "rss": sizes["Rss"]}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
