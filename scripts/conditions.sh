#!/usr/bin/env bash
# Runs a command where little is allowed: without a network but for loopback, with a home that is
# read-only, and as a user without rights who owns a copy of this folder. The copy is mounted at the
# path of the original, so its environment is used as it is: nothing is installed or built again.
# Needs Linux and root, which it gives up. Usage: conditions.sh PYTHON command...
set -euo pipefail
cd "$(dirname "$0")/.."

export FOLDER=$PWD HOME=${HOME:-/root} STAGE USER_WITHOUT_RIGHTS=nobody
for tool in unshare setpriv ip; do
    command -v $tool >/dev/null || { echo "$0: no $tool" >&2; exit 1; }
done
[ "$(id -u)" -eq 0 ] || { echo "$0: not root, who alone can become another user" >&2; exit 1; }
INTERPRETER=$("$1" -c 'import sys; print(sys.base_prefix)')
export INTERPRETER
shift

STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
chmod 755 "$STAGE"
mkdir "$STAGE/copy" "$STAGE/interpreter"
# Status 1 only says that something changed meanwhile, as notes of other tests do.
{ tar -c --exclude-vcs --exclude=./build --exclude=./dist --exclude='.*_cache' . || [ $? -eq 1 ]; } |
    tar -x -C "$STAGE/copy"
chown -R "$USER_WITHOUT_RIGHTS" "$STAGE/copy"

cover() { # folder: it is empty from here on
    mount -t tmpfs -o mode=755 nothing "$1"
    covered+=("$1")
}

open_way() { # path: the first folder on the way to it that others may not enter is covered
    local folder=/ rest=${1#/}/
    while [ -n "$rest" ] && [ -e "$folder" ]; do
        if ((!(8#$(stat -c %a "$folder") & 1))); then
            cover "$folder"
            return
        fi
        folder=${folder%/}/${rest%%/*} rest=${rest#*/}
    done
}

inside() { # of namespaces for mounts and for the network: command...
    ip link set lo up
    local covered=() folder
    mount --bind "$INTERPRETER" "$STAGE/interpreter"
    cover "$HOME"
    open_way "$INTERPRETER"
    open_way "$FOLDER"
    if [ ! -e "$INTERPRETER" ]; then
        mkdir -p "$INTERPRETER"
        mount --bind "$STAGE/interpreter" "$INTERPRETER"
    fi
    mkdir -p "$FOLDER"
    mount --bind "$STAGE/copy" "$FOLDER"
    for folder in "${covered[@]}"; do mount -o remount,ro "$folder"; done
    cd "$FOLDER"
    exec setpriv --reuid="$USER_WITHOUT_RIGHTS" --regid="$(id -g "$USER_WITHOUT_RIGHTS")" \
        --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
}

export -f cover open_way inside
unshare --mount --net --propagation private bash -euo pipefail -c 'inside "$@"' inside "$@"
