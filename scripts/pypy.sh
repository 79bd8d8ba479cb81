#!/usr/bin/env bash
# Runs the tests of the pure backend, of the protocol core and of asyncio on PyPy, in an environment
# and on a copy of the sources of its own under build/. Usage: pypy.sh [pytest arguments]
# PyPy has no builds of isal and zlib-ng, nor of cryptography, which tests/aio/test_tls.py needs; other
# tests need more such libraries.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$PWD/build/pypy
scripts/copy_sources.sh "$place/wscore"
[ -e "$place/venv" ] || pypy3 -m venv "$place/venv"
cd "$place/wscore"
export WSCORE_BUILD=skip
"$place/venv/bin/python" -m pip install --quiet --only-binary hypothesis \
    anyio hypothesis idna prometheus-client pytest pytest-timeout pytest-xdist "python-socks[asyncio]" \
    werkzeug --editable .
without=(
    --ignore tests/aio/test_tls.py
    -k "not (isal or zlib-ng)"
    --deselect "tests/protocol/test_deflate_negotiation.py::test_options_that_make_no_sense[options10]"
)
[ $# -gt 0 ] || set -- tests/_backend tests/protocol tests/aio
"$place/venv/bin/python" -m pytest -n "${WORKERS:-auto}" --dist worksteal --timeout=300 \
    "${without[@]}" "$@"
