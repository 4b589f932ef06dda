#!/usr/bin/env bash
# Install what the SLURM tests start for themselves (slurmctld, slurmd, munged) from Debian's or Ubuntu's packages.
set -euo pipefail
command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v munged >/dev/null && exit 0
[ "$(id -u)" = 0 ] || exec sudo "$0" "$@"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge
