#!/usr/bin/env bash
# install.sh [DIRECTORY]: the Autobahn test suite in a CPython 2.7 environment, .peers/wstest by
# default. Does nothing when these very pins are already there. The interpreter is
# $WSTEST_PYTHON, else python2.7 on PATH, else pyenv's; PYTHON (3.8 or newer) makes the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${1:-.peers/wstest}
stamp=$target/.installed
pins=$(cksum <"tests/conformance/install.sh")

is_cpython27() {
    [ "$("$1" -c 'import platform as p, sys
print(p.python_implementation(), sys.version_info[:2])' 2>/dev/null)" = "('CPython', (2, 7))" ]
}

find_python27() {
    if [ -n "${WSTEST_PYTHON:-}" ]; then
        is_cpython27 "$WSTEST_PYTHON" && echo "$WSTEST_PYTHON" && return
        echo "install.sh: WSTEST_PYTHON=$WSTEST_PYTHON is no CPython 2.7" >&2
        return 1
    fi
    local candidate
    # A pyenv shim may be on PATH without a version behind it, so every candidate is run.
    for candidate in python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
        is_cpython27 "$candidate" && command -v "$candidate" && return
    done
    echo "install.sh: the Autobahn test suite needs CPython 2.7, and there is none:" \
        "set WSTEST_PYTHON, put python2.7 on PATH, or run 'pyenv install 2.7.18'" >&2
    return 1
}

make_environment() {
    # The last virtualenv that can make an environment for Python 2.7.
    "${PYTHON:-python3}" -m venv "$target.virtualenv"
    "$target.virtualenv/bin/python" -m pip install --quiet 'virtualenv<20.22'
    "$target.virtualenv/bin/python" -m virtualenv --quiet --python "$1" "$target"
    rm -rf "$target.virtualenv"
}

install_pins() {
    local pip=("$target/bin/python" -W ignore -m pip --disable-pip-version-check --quiet
        --no-python-version-warning install)
    # The first two lines come first: what follows is built with them, without isolation where
    # a fresh build environment would bring tools that no longer run on 2.7.
    "${pip[@]}" setuptools==44.0.0 wheel==0.36.2 incremental==16.10.1
    "${pip[@]}" 'cffi<1.16' cryptography==3.3.2 pyOpenSSL==19.1.0
    "${pip[@]}" --no-build-isolation Twisted==19.10.0 zope.interface==4.6.0
    "${pip[@]}" txaio==2.1.0 jinja2==2.11.3 markupsafe==1.1.1 Werkzeug==1.0.1 klein==17.10.0 \
        service_identity==18.1.0 unittest2==1.1.0 six==1.16.0
    "${pip[@]}" --no-build-isolation autobahn==0.10.9
    # Without compiled masking and UTF-8 validation the suite itself is the slow side.
    "${pip[@]}" 'cython<3'
    "${pip[@]}" --no-build-isolation wsaccel==0.6.2
    "${pip[@]}" --no-deps autobahntestsuite==0.8.2
}

if [ "$(cat "$stamp" 2>/dev/null)" = "$pins" ]; then
    exit 0
fi
python27=$(find_python27)
echo "installing the Autobahn test suite for $python27 into $target"
rm -rf "$target" "$target.virtualenv"
mkdir -p "$(dirname "$target")"
make_environment "$python27"
install_pins
"$target/bin/wstest" --autobahnversion
echo "$pins" >"$stamp"
