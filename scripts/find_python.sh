#!/usr/bin/env bash
# Prints the path of a CPython, found by name on PATH or under pyenv; fails if there is none.
# Usage: find_python.sh VERSION   VERSION: such as 3.12
set -euo pipefail

# A shim of pyenv may stand for a version that is not there: ask it.
ask='import sys; print(sys.executable); sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])'
for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if found=$("$candidate" -c "$ask" "$1" 2>/dev/null); then
        echo "$found"
        exit
    fi
done
exit 1
