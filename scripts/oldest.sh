#!/usr/bin/env bash
# Runs a command of .venv with the oldest direct dependencies that pyproject.toml allows, in a virtual environment of
# its own: a lower bound nobody runs is a guess.
set -euo pipefail
cd "$(dirname "$0")/.."

export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
oldest=.cache/oldest
.tools/bin/uv venv --quiet --allow-existing --python .venv/bin/python "$oldest"
.tools/bin/uv pip install --quiet --python "$oldest/bin/python" --resolution lowest-direct --group dev hatchling editables
.tools/bin/uv pip install --quiet --python "$oldest/bin/python" --resolution lowest-direct --group dev --editable .
exec "${1/#.venv/$oldest}" "${@:2}"
