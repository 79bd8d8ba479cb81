#!/usr/bin/env bash
# Builds the wheel of one interpreter, in an environment of its own, from an sdist or from a copy of
# the sources.
# Usage: build_wheel.sh PYTHON DIST [SDIST]
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -r "$place"' EXIT
sources=${3:-$place/sources}
[ -n "${3:-}" ] || scripts/copy_sources.sh "$sources"
"$1" -m venv "$place/venv"
rm -rf "$2"
"$place/venv/bin/python" -m pip --disable-pip-version-check wheel --quiet --no-deps \
    --wheel-dir "$2" "$sources"
