#!/usr/bin/env bash
# Renews *.txt of this folder from *.in: the newest releases, with the hashes of all their files, for
# every version of Python and every system.
set -euo pipefail
cd "$(dirname "$0")"

environment=$(mktemp -d)
trap 'rm -r "$environment"' EXIT
"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/python" -m pip --disable-pip-version-check install --quiet uv
for wanted in *.in; do
    "$environment/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.10 \
        --generate-hashes --no-annotate --custom-compile-command "make pins" \
        --output-file "${wanted%.in}.txt" "$wanted"
done
