#!/usr/bin/env bash
# Everything that can be said about the code without running it: format, lint, types, import contracts. One line for
# each that holds, the tool's own words for each that does not, and all of them in one run.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
holds() {
    local name=$1 words
    shift
    if words=$("$@" 2>&1); then
        echo "ok: $name"
    else
        printf 'FAILED: %s (%s)\n%s\n' "$name" "$*" "$words"
        failed=1
    fi
}

holds "lock agrees with pyproject.toml" .tools/bin/uv lock --check --offline
holds "format" .venv/bin/ruff format --check --quiet .
holds "lint" .venv/bin/ruff check --quiet .
holds "types" .venv/bin/mypy
holds "import contracts" .venv/bin/lint-imports
exit $failed
