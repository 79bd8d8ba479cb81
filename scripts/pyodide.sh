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
    hypothesis idna pytest pytest-timeout "$place"/dist/*.whl

# What cannot run there: threads, processes, compiled libraries, and a limit of time for real CPUs.
without=(
    -k "not (isal or zlib-ng)"
    --deselect tests/_backend/test_writer_keys.py::test_a_forked_child_does_not_repeat_its_parents_keys
    --deselect tests/protocol/test_deflate.py::test_connections_on_many_threads_do_not_meet_in_the_compressor
    --deselect "tests/protocol/test_deflate_negotiation.py::test_options_that_make_no_sense[options10]"
    --deselect tests/protocol/test_headers.py::test_a_hostile_value_costs_one_pass
)
# Those of connections and of tasks need sockets, and a loop that can be waited for.
[ $# -gt 0 ] || set -- tests/protocol tests/_backend/test_{mask,utf8,header,corpus,docstrings}.py \
    tests/_backend/test_{dispatcher,dispatcher_reads,fanout_compressed,fanout_disturbed}.py \
    tests/_backend/test_{payloads,reader,reader_limits,reader_buffers,rules,spares}.py \
    tests/_backend/test_{writer,writer_attached,writer_encoded,writer_keys}.py
node scripts/pyodide.mjs "$PWD/$pyodide" "$place/site" "$place/sources" "${without[@]}" "$@"
