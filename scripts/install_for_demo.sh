#!/usr/bin/env bash
# Installs wscore, editable, and as many peers as can be had. Usage: install_for_demo.sh PYTHON
# Fails, after saying what is missing, when not all could be installed; the demonstration runs
# all the same, at the worst on the pure twin from this folder.
set -euo pipefail
python=$1

install() { # says why in one line
    local said
    said=$("$python" -m pip --disable-pip-version-check install --quiet --retries 1 "$@" 2>&1) ||
        { sed -n "s/^.*ERROR: /wscore: pip: /p" <<<"$said" | head -n 1 >&2 && return 1; }
}

install --editable '.[peers]' && exit 0

if ! install --editable .; then
    echo "wscore: nothing could be installed; what is in this folder runs as it is" >&2
    exit 1
fi

# One peer that cannot be had must not keep the others away.
"$python" - <<'PEERS' | while read -r peer; do
import re
from importlib.metadata import requires

for requirement in requires("wscore-engine"):
    if 'extra == "peers"' in requirement:
        print(re.sub(r'(;| and) extra == "peers"$', "", requirement))
PEERS
    install "$peer" || echo "wscore: going on without $peer" >&2
done
exit 1
