#!/usr/bin/env bash
# Make .venv and install the project into it: ./devops/setup.sh [EXTRA,EXTRA]. Does nothing when all is in place.
# PYTHON says with which Python. With uv, TORCH=cpu or TORCH=default says which build of torch; left out, what the machine needs.
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
install() { # uv where it is there: it takes a fraction of the time
  if command -v uv >/dev/null; then
    uv pip install --quiet --python .venv/bin/python -c constraints.txt "$@"
  else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"
  fi
}
build() { # on Linux the default build brings gigabytes of CUDA, which a machine without a GPU does not need
  if [ "$(uname)" = Linux ] && ! command -v nvidia-smi >/dev/null; then echo cpu; else echo default; fi
}
install_torch() { # uv knows where each build is; pip takes the one of the index that it is set to
  if [ "$with" = uv ] && [ "$torch" = cpu ]; then
    install --torch-backend cpu torch 2>/dev/null && return
    echo "    the CPU build cannot be reached; taking the default one" >&2
  fi
  install torch
}

with="$(command -v uv >/dev/null && echo uv || echo pip)"
torch="${TORCH:-$([ "$with" = uv ] && build || echo default)}"
echo "Setting up .venv with $with (once; a minute or two, longer where the network is slow)" >&2
[ -x .venv/bin/python ] || stage "an environment of its own" "$python" -m venv .venv
stage "torch ($torch build), by far the largest download" install_torch
packages=(-e ".[$extras]")
case ",$extras," in *,dev,*) packages+=(-e plugins/hydra-protein-sweeper) ;; esac # the tests try it as it is installed
stage "the other packages: $extras" install "${packages[@]}"
.venv/bin/python -m compileall -q metta_sweep >/dev/null || true
echo "$want" >"$own"
