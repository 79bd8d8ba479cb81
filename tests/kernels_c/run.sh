#!/usr/bin/env bash
# Checks the kernels without Python. Usage: run.sh native|neon|old-cpus|sanitize|zig
#   native    every kernel of this machine
#   neon      the NEON kernel: cross-compiled and emulated, or natively on AArch64
#   old-cpus  the choice of kernel and the kernel on emulated x86-64 CPUs, oldest first
#   sanitize  as native, under AddressSanitizer and UndefinedBehaviorSanitizer
#   zig       all kernels as they are in wheels, by the compiler of these, which ZIG names; those
#             for AArch64 are emulated, with glibc of the root that scripts/debian_root.sh makes
# Debian packages: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/kernels_c
warnings=(-Wall -Wextra -Werror)
mkdir -p "$out"

need() {
    command -v "$1" >/dev/null || { echo "$0: $1 is missing (Debian: $2)" >&2; exit 1; }
}

compile() { # compiler, name of the program, further flags
    "$1" "${warnings[@]}" "${@:3}" -o "$out/$2" tests/kernels_c/check_kernels.c wscore/_kernels/*.c
}

native() {
    compile "${CC:-cc}" native -O3
    "$out/native"
}

neon() {
    if [ "$(uname -m)" = aarch64 ]; then
        compile "${CC:-cc}" neon -O3
        "$out/neon" neon
        return
    fi
    need aarch64-linux-gnu-gcc "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    need qemu-aarch64-static qemu-user-static
    compile aarch64-linux-gnu-gcc neon -O3 -static
    qemu-aarch64-static "$out/neon" neon
}

old_cpus() {
    need qemu-x86_64-static qemu-user-static
    compile "${CC:-cc}" old-cpus -O3 -static
    local pair
    for pair in qemu64:sse2 Nehalem:ssse3 SandyBridge:ssse3 Haswell:avx2; do
        echo "${pair%:*}, has to choose ${pair#*:}"
        # What the emulator lacks of that CPU is none of our business, and it says so at length.
        qemu-x86_64-static -cpu "${pair%:*}" "$out/old-cpus" "${pair#*:}" 2>"$out/qemu.log" ||
            { cat "$out/qemu.log"; exit 1; }
    done
}

sanitize() {
    compile "${CC:-cc}" sanitize -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
    "$out/sanitize"
}

zig() {
    need qemu-aarch64-static qemu-user-static
    local target
    for target in x86_64-linux-gnu.2.17 x86_64-linux-musl; do
        ZIG_TARGET=$target compile scripts/wheels/zig-cc "$target" -O3
        echo "$target" && "$out/$target"
    done
    for target in aarch64-linux-gnu.2.17 aarch64-linux-musl; do
        ZIG_TARGET=$target compile scripts/wheels/zig-cc "$target" -O3
        echo "$target" && qemu-aarch64-static -L build/roots/bookworm-arm64 "$out/$target" neon
    done
}

case "${1:-}" in
native | neon | sanitize | zig) "$1" ;;
old-cpus) old_cpus ;;
*) sed -n '2,9p' "$0"; exit 2 ;;
esac
