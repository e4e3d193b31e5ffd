#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# probe.sh HEADERS...: prints the KW_HAVE_* defines for these header folders.
set -euo pipefail

# The declaration of a function in a header, on one line.
declaration() {
	local header=$1 function=$2 dir
	shift 2
	for dir in "$@"; do
		[ -e "$dir/$header" ] || continue
		tr '\n' ' ' <"$dir/$header" | grep -o "$function([^;{]*[;{]" | head -n 1 && return
	done
	echo "probe.sh: no $function in $header: unsupported kernel" >&2
	exit 1
}

gup=$(declaration include/linux/mm.h get_user_pages_remote "$@")
[[ $gup != *vmas* ]] || echo "#define KW_HAVE_GUP_REMOTE_VMAS 1"

for dir in "$@"; do
	header=$dir/arch/x86/include/asm/kvm_host.h
	[ -e "$header" ] || continue
	! grep -q '^	unsigned long rip;' "$header" || echo "#define KW_HAVE_ARCH_RIP 1"
done
