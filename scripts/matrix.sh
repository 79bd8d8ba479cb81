#!/usr/bin/env bash
# Runs the fast tests on every supported CPython, each in an environment and on a copy of the
# sources of its own under build/. Usage: matrix.sh [pytest arguments]
# Interpreters are those of find_python.sh. MATRIX="3.10 3.13" chooses among them;
# MATRIX_REQUIRE=1 fails when one is not found.
set -euo pipefail
cd "$(dirname "$0")/.."

summary=() failed=0
for version in ${MATRIX:-3.10 3.11 3.12 3.13}; do
    if ! python=$(scripts/find_python.sh "$version"); then
        summary+=("$version: not found")
        failed=$((failed + ${MATRIX_REQUIRE:-0}))
        continue
    fi
    echo "== CPython $version: $python"
    place=$PWD/build/matrix/$version
    scripts/copy_sources.sh "$place/wscore"
    if make --no-print-directory -C "$place/wscore" test PYTHON="$python" VENV="$place/venv" \
        PYTEST_ADDOPTS="$*" WSCORE_BUILD=require WSCORE_REQUIRE_COMPILED=1; then
        summary+=("$version: ok")
    else
        summary+=("$version: FAILED")
        failed=$((failed + 1))
    fi
done

echo "== matrix"
printf '%s\n' "${summary[@]}"
[ "$failed" -eq 0 ]
