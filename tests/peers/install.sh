#!/bin/sh
# Puts the real programs that tests/peers speaks to below .peers/, pinned by their hashes.
set -eu

python=${PYTHON:-python3}
here=$(dirname "$0")
peers=${COMMONFAB_PEERS:-$here/../../.peers}

# Kubo, as a library in a Python of its own: its dependencies are not ours.
if ! cmp -s "$here/kubo_requirements.txt" "$peers/kubo/requirements.txt"; then
    "$python" -m venv --clear "$peers/kubo"
    "$peers/kubo/bin/python" -m pip install --quiet --require-hashes \
        --requirement "$here/kubo_requirements.txt"
    cp "$here/kubo_requirements.txt" "$peers/kubo/requirements.txt"
fi
echo "The peers are in $peers." >&2
