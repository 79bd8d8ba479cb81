#!/usr/bin/env bash
# Runs the tests of the kernels and of the protocol core on the pure wheel in Pyodide, under
# Node.js. Nothing comes from anywhere but npm and PyPI: Pyodide's own packages are not used.
# Usage: pyodide.sh PYTHON [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

python=$1
shift
place=$PWD/build/pyodide
pip=("$python" -m pip --disable-pip-version-check --quiet)

npm install --silent --prefix .peers/pyodide pyodide
pyodide=.peers/pyodide/node_modules/pyodide
version=$(node -p "require('./$pyodide/pyodide-lock.json').info.python")

scripts/copy_sources.sh "$place/sources"
rm -rf "$place/dist" "$place/site"
WSCORE_BUILD=skip "${pip[@]}" wheel --no-deps --wheel-dir "$place/dist" "$place/sources"
rm -r "$place/sources/wscore" # the tests find the wheel
"${pip[@]}" install --target "$place/site" --python-version "$version" \
    --only-binary :all: --implementation py --abi none --platform any \
    hypothesis pytest pytest-timeout "$place"/dist/*.whl
node scripts/pyodide.mjs "$PWD/$pyodide" "$place/site" "$place/sources" "$@"
