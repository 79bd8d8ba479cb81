#!/usr/bin/env bash
# Prints where packages of Debian come from: DEBIAN_MIRROR, or where apt has this machine's own.
set -euo pipefail

[ -n "${DEBIAN_MIRROR:-}" ] ||
    DEBIAN_MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages')
head -n 1 <<<"$DEBIAN_MIRROR"
