#!/usr/bin/env bash
# Make .venv and install the project into it: ./devops/setup.sh [EXTRA,EXTRA]. Does nothing when all is in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="${1:-report,wandb}" # what the README and the first pages use
python="${PYTHON:-python3}"
own=".venv/.installed-${extras//,/-}"
want="$(cat pyproject.toml constraints.txt | cksum) $PWD"

in_place() { # the extra "dev" holds all others
  for stamp in "$own" .venv/.installed-dev; do
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && return 0
  done
  return 1
}

in_place && exit 0
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "metta_sweep needs Python 3.11 or newer; $python is $("$python" --version 2>&1). Set PYTHON=/path/to/python3.11" >&2
  exit 2
}
exec 9>.setup.lock
flock 9 # two commands started at once: the second waits and finds the work done
in_place && exit 0

stage() { # stage WHAT COMMAND...: say what is being done, and how long it took
  local began=$SECONDS what=$1
  shift
  echo "  $what ..." >&2
  "$@" >&2
  echo "    done in $((SECONDS - began)) s" >&2
}
pip() { .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"; }

echo "Setting up .venv (once; a minute or two, longer where the network is slow)" >&2
[ -x .venv/bin/python ] || stage "an environment of its own" "$python" -m venv .venv
stage "torch, by far the largest download" pip torch
own_too=() # the dev extra has the plugins that the tests try
case ",$extras," in *,dev,*) own_too=(-e plugins/hydra-protein-sweeper) ;; esac
stage "the other packages: $extras" pip -e ".[$extras]" ${own_too[@]+"${own_too[@]}"}
.venv/bin/python -m compileall -q metta_sweep >/dev/null || true
echo "$want" >"$own"
