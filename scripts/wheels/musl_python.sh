#!/usr/bin/env bash
# Builds CPython for musl, of which there is no binary in Debian or on PyPI: Debian's sources,
# compiled by zig into build/roots/musl-MACHINE. With it come zlib, libffi and OpenSSL, and musl's
# loader, so that it needs nothing of the machine but emulated.sh, if it is for another one.
# Usage: musl_python.sh BUILD_PYTHON MACHINE
#   BUILD_PYTHON   a CPython 3.11; 3.13 has to be of the very same release as Debian's sources
#   MACHINE        x86_64 or aarch64; the variable ZIG: the program
set -euo pipefail
cd "$(dirname "$0")/../.."

build_python=$1 machine=$2
version=3.11
case $machine in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; esac
root=$PWD/build/roots/musl-$machine
deps=$root/deps
mkdir -p "$root"
exec {lock}>"$root.lock" # of those who run at the same time
flock "$lock"

# Sources, and the package of the loader ----------------------------------------------------------

work=$PWD/build/musl-$machine
mirror=$(scripts/debian_mirror.sh)
apt() {
    apt-get -qq -o APT::Sandbox::User=root -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
        -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::State::Status="$work/apt/status" \
        -o Dir::Cache="$work/apt" "$@"
}
sources() { # NAME...: unpacked into $work, where the shell is then
    rm -rf "$work"
    mkdir -p "$work/apt/lists/partial"
    cd "$work"
    printf '%s '"$mirror"' bookworm main\n' deb deb-src >apt/sources.list
    : >apt/status
    apt update
    apt --download-only source "$@"
    local archive
    for archive in *.orig.tar.*; do
        case $archive in *.asc) ;; *) tar -xf "$archive" ;; esac
    done
}

# Compilation -------------------------------------------------------------------------------------

export ZIG_TARGET=$machine-linux-musl
export CC="$PWD/scripts/wheels/zig-cc" AR="$ZIG ar" RANLIB="$ZIG ranlib"
export CFLAGS="-O2 -g0 -fPIC -Wno-date-time" CPPFLAGS="-I$deps/include"
# What is found is what was built here, and nothing of the machine's own.
export PKG_CONFIG_LIBDIR=$deps/lib/pkgconfig
jobs=$(nproc)

libraries() {
    sources zlib libffi openssl
    apt download musl
    dpkg-deb -x musl_*.deb "$root"
    (cd zlib-* && ./configure --static --prefix="$deps" && make -j "$jobs" install)
    (cd libffi-* && ./configure --host="$ZIG_TARGET" --disable-shared --disable-docs \
        --disable-exec-static-tramp --disable-multi-os-directory --prefix="$deps" &&
        make -j "$jobs" install)
    (cd openssl-* && ./Configure "linux-$machine" no-shared no-tests no-module no-engine \
        no-legacy no-aria no-camellia no-cmp no-cms no-dsa no-sm2 no-sm4 no-srp no-ts \
        --prefix="$deps" --libdir=lib --openssldir=/etc/ssl &&
        make -j "$jobs" build_libs && make install_dev)
}

python() {
    sources "python$version"
    cd Python-*
    # Newer than the loader of bookworm, or not to be asked of a program for another machine.
    export ac_cv_func_preadv2=no ac_cv_func_pwritev2=no ac_cv_func_statx=no
    export ac_cv_buggy_getaddrinfo=no ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no
    # It asks the compiler where headers are, and is told where those of the machine are.
    sed -i '/^ *if CROSS_COMPILING:$/,+1s/self.add_cross.*/pass/' setup.py
    local loader
    loader=$(echo "$root"/lib/ld-musl-*.so.1)
    # It is from the machine that builds that configure takes musl for the names of extensions.
    ./configure --prefix="$root" --build=x86_64-build-linux-musl --host="$ZIG_TARGET" \
        LDFLAGS="-L$deps/lib -dynamic -Wl,--dynamic-linker=$loader" \
        READELF="$(command -v readelf)" --with-build-python="$build_python" \
        --with-openssl="$deps" --with-ensurepip=no --disable-test-modules --disable-shared
    make -j "$jobs"
    make altinstall
}

if [ ! -e "$deps/.made" ]; then
    (libraries)
    touch "$deps/.made"
fi
if [ ! -e "$root/.made-$version" ]; then
    (python)
    scripts/emulated.sh "$arch" "$root/bin/python$version" -c 'import asyncio, ctypes, ssl, zlib'
    touch "$root/.made-$version"
fi
rm -rf "$work"
