#!/usr/bin/env bash
# Runs the tests of the pure backend, of the protocol core and of asyncio on PyPy, in an environment
# and on a copy of the sources of its own under build/. Usage: pypy.sh [pytest arguments]
# The libraries that other tests need have no builds for PyPy.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$PWD/build/pypy
scripts/copy_sources.sh "$place/wscore"
[ -e "$place/venv" ] || pypy3 -m venv "$place/venv"
cd "$place/wscore"
export WSCORE_BUILD=skip
"$place/venv/bin/python" -m pip install --quiet --only-binary hypothesis \
    hypothesis pytest pytest-timeout pytest-xdist --editable .
[ $# -gt 0 ] || set -- tests/_backend tests/protocol tests/aio
"$place/venv/bin/python" -m pytest -n "${WORKERS:-auto}" --dist worksteal --timeout=300 "$@"
