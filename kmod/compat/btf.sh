#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# btf.sh VMLINUX MODULE: gives a module its types (BTF), for bpftrace and BPF programs,
# where kbuild could not because the headers of its kernel have no vmlinux.
set -euo pipefail

vmlinux=$1 module=$2

has_btf() { grep -q ' \.BTF ' <<<"$(readelf -SW "$module")"; }

has_btf && exit
if ! command -v pahole >/dev/null; then
	echo "btf.sh: no pahole: $module has no BTF; all else works (Debian: apt-get install pahole)" >&2
	exit
fi
pahole -J --btf_gen_floats --lang_exclude=rust --btf_base "$vmlinux" "$module"
has_btf
