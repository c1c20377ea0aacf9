#!/usr/bin/env bash
# Brings .venv to what uv.lock says, with nothing but a Python. Does nothing, and needs no network, when it already is.
# Everything downloaded is checked against a hash kept here: uv in scripts/uv.txt, the rest in uv.lock.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

explain() {
    printf 'error[%s]: %s\n  why: %s\n  fix: %s\n' "$@" >&2
    exit 1
}

command -v "$python" >/dev/null ||
    explain python-missing "there is no $python" "trustplane is written in Python" \
        "apt-get install python3 python3-venv   (or: make PYTHON=/path/to/python3.11)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    explain python-too-old "$("$python" --version 2>&1) is too old" "trustplane needs Python 3.11 or later" \
        "install it, then: make PYTHON=/path/to/python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    explain venv-missing "$python cannot make virtual environments" "Debian keeps that part in a package of its own" \
        "apt-get install python3-venv   (or: make PYTHON=/path/to/python3.11)"

# What decides the content of .venv: the lock, what pyproject.toml says about the package, the Python, the place.
wanted=$("$python" - <<'PYTHON'
import hashlib, json, os, pathlib, sys, tomllib

project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
tools = {name: project["tool"].get(name) for name in ("hatch", "uv")}
parts = [project["project"], project["build-system"], tools, sys.executable, sys.version, os.getcwd()]
lock = pathlib.Path("uv.lock").read_bytes() + pathlib.Path("scripts/uv.txt").read_bytes()
print(hashlib.sha256(json.dumps(parts).encode() + lock).hexdigest())
PYTHON
)
stamp=.venv/.made-from
if [[ -x .venv/bin/trustplane && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

# A uv that no longer starts (checkout moved, Python gone) is made anew.
if ! .tools/bin/uv --version 2>/dev/null | grep -qF "uv $(sed -n 's/^uv==\([0-9.]*\).*/\1/p' scripts/uv.txt)"; then
    echo "venv: installing uv into .tools" >&2
    "$python" -m venv --clear .tools
    .tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/uv.txt
fi
echo "venv: bringing .venv to what uv.lock says" >&2
.tools/bin/uv sync --quiet --frozen --python "$("$python" -c 'import sys; print(sys.executable)')"
printf '%s' "$wanted" >"$stamp"
