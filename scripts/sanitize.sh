#!/usr/bin/env bash
# Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer, apart from the usual
# one, and runs the tests of the compiled code on it. Usage: sanitize.sh PYTHON
# The tests of the kernels go through all of them; those of the reader and the writer run once on
# each, or with SANITIZE=short on the best and the plainest one.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cc=${CC:-gcc}
base=$PWD/build/sanitize
library=$("$cc" -print-file-name=libasan.so)
[ -e "$library" ] || { echo "$0: $cc has no AddressSanitizer library" >&2; exit 1; }

tests/kernels_c/run.sh sanitize

rm -rf "$base"
CC=$cc WSCORE_BUILD=require \
    CFLAGS="-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all" \
    LDFLAGS="-fsanitize=address,undefined" \
    "$python" setup.py --quiet build --build-base "$base" --build-lib "$base/lib"

# Python keeps small objects in pools of its own, where an overrun would go unseen; and it frees
# little at its end, which is not ours to mend.
export LD_PRELOAD=$library PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0
export UBSAN_OPTIONS=print_stacktrace=1
export WSCORE_BACKEND=compiled WSCORE_REQUIRE_COMPILED=1
export PYTHONPATH=$base/lib

run() {
    # Not `python -m`, nor the pythonpath of pyproject.toml: both would find the usual build first.
    # The pure twin, a parameter of most tests, has no memory of its own to overrun. A sanitizer
    # reports to the file descriptor, which pytest must not keep to itself. It needs much memory, so
    # it cannot run under a limit, nor tell what a test takes.
    "$(dirname "$python")/pytest" -o pythonpath="$base/lib tests" -p no:cacheprovider -q \
        -k "not [python and not test_limited and not only_announced" --capture=sys --timeout=900 "$@"
}

# From elsewhere than this folder, for the same reason.
kernels=$(cd "$base" && "$python" - <<'CHECK'
import pathlib
import wscore._speedups as built

assert b"__asan_init" in pathlib.Path(built.__file__).read_bytes(), built.__file__
print(*built.kernels())
CHECK
)
[ "${SANITIZE:-}" = short ] && kernels="${kernels%% *} ${kernels##* }"

run tests/_backend/test_{mask,utf8,header,upgrade}.py
run tests/_backend/test_{dispatcher_reads,interrupted,interrupted_reader,no_memory,payloads,reader_buffers,spares,threads}.py \
    tests/_backend/test_fanout{,_compressed,_disturbed}.py \
    tests/_backend/test_writer_{attached,encoded,keys,socket}.py tests/_backend/test_tls_records.py
# What connections do on our own transports, and within TLS; in short, the coroutines.
connections=tests/aio/connection
[ "${SANITIZE:-}" = short ] && connections=$(echo $connections/test_awaitables{,_dropped,_misused,_used}.py)
# shellcheck disable=SC2086 # one word for each file
run $connections tests/aio/test_reactor.py tests/aio/server/test_sockets.py
run tests/_backend/test_{acceptor,reactor}.py \
    tests/_backend/test_socket_transport{,_disturbed,_ending,_loops,_model,_no_memory,_writing}.py
for kernel in $kernels; do
    echo "reader and writer on $kernel"
    WSCORE_KERNEL=$kernel run tests/_backend/test_{reader,writer,corpus}.py
done
