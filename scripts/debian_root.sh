#!/usr/bin/env bash
# Runs a command in another Debian: a root of its own that debootstrap makes once, in
# build/roots/SUITE-ARCH. Needs Linux, root's rights, debootstrap, and what emulated.sh needs.
# Usage: debian_root.sh SUITE ARCH "PACKAGES" COMMAND [ARGUMENT]...
# The command starts in /sources, which is this repository, with the variables it would have here;
# only pip's files and folders stay outside. Packages come from where debian_mirror.sh says.
set -euo pipefail
cd "$(dirname "$0")/.."

# Mounts are made in a namespace that ends with its processes: nothing is left to unmount.
if [ -z "${IN_NAMESPACE:-}" ]; then
    exec scripts/emulated.sh "$2" env IN_NAMESPACE=1 \
        unshare --mount --pid --fork --kill-child scripts/debian_root.sh "$@"
fi
export -n IN_NAMESPACE
trap 'exit 130' INT TERM

suite=$1 arch=$2 packages=$3
shift 3
root=$PWD/build/roots/$suite-$arch

bootstrap() { # in memory, where nothing waits for disks, and under another name until it is whole
    local mirror known=/usr/share/debootstrap/scripts memory
    mirror=$(scripts/debian_mirror.sh)
    memory=$(mktemp -d)
    mount -t tmpfs tmpfs "$memory"
    # A suite that is newer than this debootstrap is made like sid. A script's name has to be the
    # suite's.
    ln -s "$known/$([ -e "$known/$suite" ] && echo "$suite" || echo sid)" "$memory/$suite"
    debootstrap --arch="$arch" --variant=minbase --include=ca-certificates \
        "$suite" "$memory/made" "$mirror" "$memory/$suite" >&2
    mkdir "$memory/made/sources"
    # How this machine reaches mirrors. A root that can be made again needs no flushed disks.
    apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' \
        >"$memory/made/etc/apt/apt.conf.d/90machine" || true
    echo force-unsafe-io >"$memory/made/etc/dpkg/dpkg.cfg.d/unsafe-io"
    rm -rf "$root.partial"
    cp -a "$memory/made" "$root.partial"
    umount "$memory"
    rmdir "$memory"
    mv "$root.partial" "$root"
}

mount_all() {
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    mount --bind "$PWD" "$root/sources"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
}

inside() {
    chroot "$root" env --chdir=/sources --unset=VIRTUAL_ENV --unset=PYENV_ROOT \
        --unset=PIP_FIND_LINKS --unset=PIP_EXTRA_INDEX_URL --unset=PIP_CONSTRAINT \
        PIP_CONFIG_FILE=/dev/null PIP_ROOT_USER_ACTION=ignore ${index:+"PIP_INDEX_URL=$index"} \
        HOME=/root TMPDIR=/tmp LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

install_packages() {
    # shellcheck disable=SC2086 # one word for each package
    ! inside dpkg --status $packages >/dev/null 2>&1 || return 0
    inside apt-get update -qq >&2
    # shellcheck disable=SC2086
    inside apt-get install -y -qq --no-install-recommends $packages >&2
}

mkdir -p build/roots
# Another index than pip's own, if this machine has one.
index=${PIP_INDEX_URL:-$(python3 -m pip config get global.index-url 2>/dev/null || true)}
exec {lock}>"$root.lock" # of those who run at the same time
flock "$lock"
[ -d "$root" ] || bootstrap
mount_all
install_packages
exec {lock}>&-
inside "$@"
