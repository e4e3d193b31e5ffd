#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# generate.sh VMLINUX MODULES_DIR HEADERS OUT: all that the module must know of its
# target kernel, as OUT (generated.h).  No OUT is left if the kernel is refused.
set -euo pipefail

vmlinux=$1 modules=$2 headers=$3 out=$4
here=$(dirname "$0")
trap 'rm -f "$out.new"' EXIT

# Debian's header tree includes a part that its flavours share.
common=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$headers/Makefile")
# Both, so that all that a kernel lacks is told at once.
status=0
"$here/facts.sh" "$vmlinux" "$modules" >"$out.new" || status=1
# shellcheck disable=SC2086
"$here/probe.sh" "$headers" $common >>"$out.new" || status=1
[ $status = 0 ] || exit 1
mv "$out.new" "$out"
