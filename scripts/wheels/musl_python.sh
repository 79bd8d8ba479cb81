#!/usr/bin/env bash
# Builds CPython for musl, of which there is no binary in Debian or on PyPI: sources of Debian's
# bookworm, compiled by zig into build/roots/musl-ARCH. With it come zlib, libffi and OpenSSL, and
# musl's loader, so that nothing of it needs anything of the machine.
# Usage: musl_python.sh ARCH ZIG BUILD_PYTHON   ARCH: x86_64 or aarch64; BUILD_PYTHON: a CPython 3.11
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=$1 zig=$(realpath "$2") build_python=$3
root=$PWD/build/roots/musl-$arch
if [ -e "$root/.made" ]; then exit 0; fi
case $arch in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
*) sed -n 2,5p "$0" && exit 2 ;;
esac

# Sources, and the package of the loader ----------------------------------------------------------

work=$PWD/build/musl-$arch
rm -rf "$root" "$work"
mkdir -p "$root/deps" "$work/apt/lists/partial"
mirror=$(apt-get indextargets --format '$(SITE)' 'Identifier: Packages' 'Codename: bookworm' |
    grep -m 1 .)
printf 'deb %s bookworm main\ndeb-src %s bookworm main\n' "$mirror" "$mirror" >"$work/apt/sources.list"
apt() {
    apt-get -qq -o APT::Architecture="$debian" -o APT::Architectures="$debian" -o APT::Sandbox::User=root \
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

export ZIG=$zig ZIG_TARGET=$arch-linux-musl
export CC="$OLDPWD/scripts/wheels/zig-cc" AR="$zig ar" RANLIB="$zig ranlib"
export CFLAGS="-O2 -g0 -fPIC -I$root/deps/include"
loader=$(echo "$root"/lib/ld-musl-*.so.1)
export LDFLAGS="-L$root/deps/lib -L$root/deps/lib64 -dynamic -Wl,--dynamic-linker=$loader"
jobs=$(nproc)

(cd zlib-* && ./configure --static --prefix="$root/deps" && make -j "$jobs" install)
(cd libffi-* && ./configure --host="$arch-linux-musl" --disable-shared --disable-docs \
    --disable-exec-static-tramp --disable-multi-os-directory --prefix="$root/deps" &&
    make -j "$jobs" install)
(cd openssl-* && ./Configure "linux-$arch" no-shared no-tests no-module no-engine \
    no-legacy no-aria no-camellia no-cmp no-cms no-dsa no-sm2 no-sm4 no-srp no-ts \
    --prefix="$root/deps" --openssldir=/etc/ssl && make -j "$jobs" build_libs && make install_dev)

# Newer than the loader of bookworm, or not to be asked of a program for another machine.
export ac_cv_func_preadv2=no ac_cv_func_pwritev2=no ac_cv_func_statx=no
export ac_cv_buggy_getaddrinfo=no ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no
cd Python-3.11*
PKG_CONFIG=false ./configure --prefix="$root" --build="$(uname -m)-linux-gnu" \
    --host="$arch-linux-musl" READELF="$(command -v readelf)" --with-build-python="$build_python" \
    --with-openssl="$root/deps" --with-ensurepip=no --disable-test-modules --disable-shared
make -j "$jobs"
make install
rm -r "$work"
touch "$root/.made"
