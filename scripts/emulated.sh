#!/usr/bin/env bash
# Runs a command where the kernel has QEMU run the programs of another architecture, which it tells
# by their first bytes. Needs root's rights and qemu-user-static, or nothing if it is this machine's
# own architecture.
# Usage: emulated.sh ARCH COMMAND [ARGUMENT]...   ARCH: as Debian calls it
set -euo pipefail

arch=$1 formats=/proc/sys/fs/binfmt_misc
shift
if [ "$arch" = "$(dpkg --print-architecture)" ]; then exec "$@"; fi
# What is mounted in a namespace of its own goes with its processes: nothing is left to unmount.
if [ -z "${IN_NAMESPACE:-}" ]; then
    IN_NAMESPACE=1 exec unshare --mount "$BASH" "$0" "$arch" "$@"
fi
case $arch in
    arm64) machine=aarch64 ;;
    armhf) machine=arm ;;
    ppc64el) machine=ppc64le ;;
    *) machine=$arch ;;
esac
[ -e "$formats/register" ] || mount -t binfmt_misc binfmt_misc "$formats"
[ -e "$formats/qemu-$machine" ] ||
    grep '^:' "/usr/lib/binfmt.d/qemu-$machine.conf" >"$formats/register" ||
    [ -e "$formats/qemu-$machine" ] # somebody else has just told it
export -n IN_NAMESPACE
exec "$@"
