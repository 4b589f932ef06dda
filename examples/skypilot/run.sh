#!/usr/bin/env bash
# One run as a managed job of SkyPilot: ./run.sh --name=value ... A run that the sweep ends is cancelled there too.
set -euo pipefail
job="$(basename "$METTA_SWEEP_RUN_DIR" | tr '._' '--')"
trap 'sky jobs cancel -y -n "$job"; exit 143' TERM INT
sky jobs launch -y -n "$job" --env ARGS="$*" "$(dirname "$0")/task.yaml" &
wait $!
