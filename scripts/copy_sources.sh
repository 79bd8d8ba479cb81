#!/usr/bin/env bash
# Copies the sources, without what was built from them, and newer than what was made of an earlier
# copy: an editable install builds into the sources, where others may be running.
# Usage: copy_sources.sh DIRECTORY
set -euo pipefail
target=$(realpath -m "$1")
cd "$(dirname "$0")/.."

rm -rf "$target"
mkdir -p "$target"
tar -c --exclude-vcs --exclude=./build --exclude=./dist --exclude='./.venv*' --exclude=./.peers \
    --exclude=__pycache__ --exclude='.*_cache' --exclude='*.egg-info' \
    --exclude='_speedups.*.so' --exclude=_speedups.c . | tar -x -m -C "$target"
