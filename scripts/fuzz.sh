#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and libFuzzer's counters, apart from the usual one, and
# fuzzes it: coverage of the C code guides atheris, too. Needs clang, and atheris in the environment.
# Usage: fuzz.sh PYTHON [arguments of tests.fuzz]
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
cc=${CC:-clang}
command -v "$cc" >/dev/null || { echo "$0: no $cc" >&2; exit 1; }
"$python" -c 'import atheris' || { echo "$0: pip install '.[fuzz]'" >&2; exit 1; }
base=$PWD/build/fuzz-build

CC=$cc LDSHARED="$cc -shared" WSCORE_BUILD=require \
    CFLAGS="-g -fno-omit-frame-pointer -fsanitize=address,fuzzer-no-link" \
    LDFLAGS="-fsanitize=address,fuzzer-no-link" \
    "$python" setup.py --quiet build --build-base "$base" --build-lib "$base/lib"

exec env WSCORE_BACKEND=compiled "$python" -m tests.fuzz --build "$base/lib" "$@"
