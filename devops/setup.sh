#!/usr/bin/env bash
# Make .venv and install the project into it: ./devops/setup.sh [EXTRA,EXTRA]. Does nothing when all is in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extras="${1:-wandb}"
python="${PYTHON:-python3}"
want="$(cat pyproject.toml constraints.txt | cksum) $PWD"

in_place() { # the extra "dev" holds all others
  for stamp in ".venv/.installed-$extras" .venv/.installed-dev; do
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

echo "Setting up .venv (once, about a minute) ..." >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]" >&2
.venv/bin/python -m compileall -q metta_sweep >/dev/null || true
echo "$want" >".venv/.installed-${extras//,/-}"
