# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts of this folder: where things are, and how to fail.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${KVM_WARDEN_CACHE:-/var/cache/kvm-warden}
ME=$(basename "$0")

say() { printf '%s: %s\n' "$ME" "$*" >&2; }
die() { say "$*"; exit 1; }

need_root() {
	[ "$(id -u)" = 0 ] || die "must run as root: $1"
}

# Waits until fewer than so many of this shell's jobs run.
room_for_job() {
	while [ "$(jobs -rp | wc -l)" -ge "$1" ]; do wait -n || true; done
}

# Runs a command with one holder at a time, so that two makes do not mix.
with_lock() {
	local name=$1; shift
	mkdir -p "$CACHE"
	(flock 9; "$@") 9>"$CACHE/.lock-$name"
}
