#!/usr/bin/env bash
# Run, resume or extend a sweep: ./devops/sweep.sh run=NAME ++sweep_params=sweep/FILE [Hydra overrides]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/devops/setup.sh"
exec "$root/.venv/bin/python" -m metta_sweep.sweep_init "$@"
