#!/usr/bin/env bash
# Builds CPython for musl on x86-64, of which there is no binary in Debian or on PyPI: sources of
# Debian's bookworm, compiled by zig into build/roots/musl. With it come zlib, libffi and OpenSSL,
# and musl's loader, so that it needs nothing of the machine.
# Usage: musl_python.sh BUILD_PYTHON   BUILD_PYTHON: a CPython 3.11; the variable ZIG: the program
set -euo pipefail
cd "$(dirname "$0")/../.."

build_python=$1
root=$PWD/build/roots/musl
if [ -e "$root/.made" ]; then exit 0; fi

# Sources, and the package of the loader ----------------------------------------------------------

work=$PWD/build/musl
rm -rf "$root" "$work"
mkdir -p "$root/deps" "$work/apt/lists/partial"
mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Codename: bookworm' |
    grep -m 1 .)
printf 'deb %s bookworm main\ndeb-src %s bookworm main\n' "$mirror" "$mirror" >"$work/apt/sources.list"
apt() {
    apt-get -qq -o APT::Sandbox::User=root \
        -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt" "$@"
}
cd "$work"
apt update
apt --download-only source python3.11 zlib libffi openssl
apt download musl
dpkg-deb -x musl_*.deb "$root"
for archive in *.orig.tar.*; do
    case $archive in *.asc) ;; *) tar -xf "$archive" ;; esac
done

# Compilation -------------------------------------------------------------------------------------

export ZIG_TARGET=x86_64-linux-musl
export CC="$OLDPWD/scripts/wheels/zig-cc" AR="$ZIG ar" RANLIB="$ZIG ranlib"
export CFLAGS="-O2 -g0 -fPIC -Wno-date-time" CPPFLAGS="-I$root/deps/include"
loader=$(echo "$root"/lib/ld-musl-*.so.1)
export LDFLAGS="-L$root/deps/lib -L$root/deps/lib64 -dynamic -Wl,--dynamic-linker=$loader"
jobs=$(nproc)

(cd zlib-* && ./configure --static --prefix="$root/deps" && make -j "$jobs" install)
(cd libffi-* && ./configure --host=x86_64-linux-musl --disable-shared --disable-docs \
    --disable-exec-static-tramp --disable-multi-os-directory --prefix="$root/deps" &&
    make -j "$jobs" install)
(cd openssl-* && ./Configure linux-x86_64 no-shared no-tests no-module no-engine \
    no-legacy no-aria no-camellia no-cmp no-cms no-dsa no-sm2 no-sm4 no-srp no-ts \
    --prefix="$root/deps" --openssldir=/etc/ssl && make -j "$jobs" build_libs && make install_dev)

# Newer than the loader of bookworm, or not to be asked of a program for another machine.
export ac_cv_func_preadv2=no ac_cv_func_pwritev2=no ac_cv_func_statx=no
export ac_cv_buggy_getaddrinfo=no ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no
cd Python-3.11*
# It is from the machine that builds that configure takes musl for the names of extensions.
PKG_CONFIG=false ./configure --prefix="$root" --build=x86_64-build-linux-musl \
    --host=x86_64-linux-musl READELF="$(command -v readelf)" --with-build-python="$build_python" \
    --with-openssl="$root/deps" --with-ensurepip=no --disable-test-modules --disable-shared
make -j "$jobs"
make install
# setup.py would take the headers of the machine's own libffi, which are for glibc.
"$CC" -shared $CFLAGS -std=c11 -w -DHAVE_FFI_PREP_CIF_VAR -DHAVE_FFI_PREP_CLOSURE_LOC \
    -DHAVE_FFI_CLOSURE_ALLOC -I. -IInclude -IInclude/internal -I"$root/deps/include" \
    Modules/_ctypes/{_ctypes,callbacks,callproc,cfield,stgdict}.c "$root/deps/lib/libffi.a" \
    -o "$root/lib/python3.11/lib-dynload/_ctypes.cpython-311-x86_64-linux-musl.so"
rm -r "$work"
touch "$root/.made"
