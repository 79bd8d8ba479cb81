#!/usr/bin/env bash
# Builds the wheel of one interpreter, in an environment and from a copy of the sources of its own.
# Usage: build_wheel.sh PYTHON DIST
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -r "$place"' EXIT
scripts/copy_sources.sh "$place/sources"
"$1" -m venv "$place/venv"
rm -rf "$2"
"$place/venv/bin/python" -m pip --disable-pip-version-check wheel --quiet --no-deps \
    --wheel-dir "$2" "$place/sources"
