#!/usr/bin/env bash
# Say what a sweep found: ./summarize_sweep.sh NAME [--format text|markdown|json]
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
"$root/devops/setup.sh"
exec "$root/.venv/bin/python" -m metta_sweep.commands summarize "$@"
