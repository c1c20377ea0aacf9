"""Runs every generator in this folder and fails if anything in the tree is no longer what it was.

A generator is a script named `generate_*`, `write_*` or `remake_*`; a new one is taken up by being there. The tree is
compared with itself, before and after, so that work not yet committed can be checked too; what had drifted is left
regenerated, ready to be looked at and committed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GENERATORS = ("generate_*.py", "write_*.py", "remake_*.py")


def main() -> int:
    generators = sorted(script for pattern in GENERATORS for script in (ROOT / "scripts").glob(pattern))
    before = _tree()
    for script in generators:
        subprocess.run([sys.executable, script], cwd=ROOT, check=True)
    after = _tree()
    drifted = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if not drifted:
        print(f"ok: nothing drifted ({', '.join(script.stem for script in generators)})")
        return 0
    print("FAILED: these files had drifted from what generates them; they are now as they should be, commit them")
    print("\n".join(f"  {path}" for path in drifted), flush=True)
    subprocess.run(["git", "--no-pager", "diff", "--", *drifted], cwd=ROOT, check=False)
    return 1


def _tree() -> dict[str, str]:
    """Digests of all files git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    paths = (Path(name) for name in listed.split("\0") if name)
    return {
        str(path): hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in paths if (ROOT / path).is_file()
    }


if __name__ == "__main__":
    sys.exit(main())
