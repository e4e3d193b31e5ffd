#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# vmlinux.sh VMLINUZ OUT: the vmlinux in a bzImage, with the kernel's BTF.
set -euo pipefail

image=$1 out=$2

die() { echo "vmlinux.sh: $image: $*" >&2; exit 1; }

number() { od -An -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
magic() { od -An -tx1 -N 4 "$1" | tr -d ' \n'; }

# Its boot header says where the compressed kernel is.
[ -r "$image" ] || die "cannot be read"
[ "$(number 514 4)" = 1400005704 ] || die "is no bzImage"	# "HdrS"
sectors=$(number 497 1) offset=$(number 584 4) length=$(number 588 4)
[ "$sectors" != 0 ] || sectors=4

# What follows the stream is its length: the tools call that garbage.
dd if="$image" of="$out.packed" bs=1M iflag=skip_bytes,count_bytes status=none \
	skip=$(((sectors + 1) * 512 + offset)) count="$length"
case $(magic "$out.packed") in
fd377a58) xz -dc --single-stream "$out.packed" >"$out" 2>/dev/null || true ;;
28b52ffd) zstd -dcq "$out.packed" >"$out" 2>/dev/null || true ;;
1f8b*) gzip -dc "$out.packed" >"$out" 2>/dev/null || true ;;
*) rm "$out.packed"; die "is compressed in a way that is not known here" ;;
esac
rm "$out.packed"
[ "$(magic "$out")" = 7f454c46 ] || die "has no vmlinux in it"
