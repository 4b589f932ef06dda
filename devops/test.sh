#!/usr/bin/env bash
# Lint, types, tests: ./devops/test.sh [pytest arguments]. -m "not slow" is the quick form, -m long the long form of
# faults, kills and clusters, which is left out by default. COVERAGE=1 takes note of the lines that are run, in every
# process; `.venv/bin/coverage combine -q && .venv/bin/coverage report` shows them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./devops/setup.sh dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# One short test has a real SLURM. It is installed where that can be done; elsewhere the test is skipped and says why.
[ "$(id -u)" != 0 ] || timeout 120 ./devops/install_slurm.sh >/dev/null 2>&1 || echo "SLURM cannot be installed here" >&2
# Hundreds of processes are started: each would compile the package anew where bytecode is not to be kept.
unset PYTHONDONTWRITEBYTECODE
# Four workers on two cores: a third of the time a test waits for a process of its own.
OMP_NUM_THREADS=1 .venv/bin/python ${COVERAGE:+-m coverage run} -m pytest -n 4 --max-worker-restart=0 --dist loadfile --no-loadscope-reorder -m "not long" "$@"
