#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# facts.sh VMLINUX MODULES_DIR > generated.h
#
# What the module relies on and headers cannot promise, read from the target
# kernel's own BTF: where vcpu_svm keeps its VMCB, the prototypes of the
# tracepoints, the offsets of the KVM structs; and the build-ids that these
# facts belong to, which the module compares before it attaches.
set -euo pipefail

vmlinux=$1 kvm_dir=$2/kernel/arch/x86/kvm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "facts.sh: $*" >&2; exit 1; }

unpack() {
	local name=$1
	if [ -e "$kvm_dir/$name.ko" ]; then cp "$kvm_dir/$name.ko" "$work/"
	elif [ -e "$kvm_dir/$name.ko.xz" ]; then xz -dc "$kvm_dir/$name.ko.xz" >"$work/$name.ko"
	elif [ -e "$kvm_dir/$name.ko.zst" ]; then zstd -dcq "$kvm_dir/$name.ko.zst" >"$work/$name.ko"
	else die "no $name.ko in $kvm_dir: the target kernel needs KVM as modules"
	fi
}

dump() {
	bpftool btf dump -B "$vmlinux" file "$work/$1.ko" format "$2" 2>/dev/null ||
		die "$1.ko: no BTF: the target kernel needs CONFIG_DEBUG_INFO_BTF_MODULES"
}

# offset DUMP STRUCT MEMBER -> bytes, from the largest struct of that name
offset() {
	awk -v want="STRUCT '$2'" -v member="'$3'" '
		/^\[/ { inside = 0; if (index($0, want " ")) { match($0, /size=[0-9]+/);
			size = substr($0, RSTART + 5, RLENGTH - 5) + 0;
			if (size > best) { best = size; inside = 1; found = "" } } }
		inside && $1 == member && match($0, /bits_offset=[0-9]+/) {
			found = substr($0, RSTART + 12, RLENGTH - 12) / 8 }
		END { if (found == "") exit 1; print found }' "$1" ||
		die "BTF of the target kernel has no $2.$3"
}

# The build-id as a C initialiser.
build_id() {
	local hex
	hex=$(LC_ALL=C readelf -n "$work/$1.ko" | sed -n 's/.*Build ID: //p')
	[ ${#hex} = 40 ] || die "$1.ko has no SHA-1 build-id"
	sed 's/../0x&,/g' <<<"$hex"
}

unpack kvm
unpack kvm-amd
bpftool btf dump file "$vmlinux" format raw >"$work/types" || die "$vmlinux: no BTF"
dump kvm raw | grep -v "^$" >>"$work/types"
dump kvm-amd raw >>"$work/types"
dump kvm c >"$work/kvm.h"

echo "/* Made by facts.sh from the BTF of the target kernel. */"
echo "#define FACT_KVM_BUILD_ID { $(build_id kvm) }"
echo "#define FACT_KVM_AMD_BUILD_ID { $(build_id kvm-amd) }"
for member in mm memslots srcu; do
	echo "#define FACT_KVM_${member^^}_OFFSET $(offset "$work/types" kvm $member)"
done
for member in kvm vcpu_idx arch; do
	echo "#define FACT_VCPU_${member^^}_OFFSET $(offset "$work/types" kvm_vcpu $member)"
done
echo "#define FACT_SVM_VMCB_OFFSET $(offset "$work/types" vcpu_svm vmcb)"
for member in dir notes attrs; do
	echo "#define FACT_NOTES_${member^^}_OFFSET $(offset "$work/types" module_notes_attrs $member)"
done
for tracepoint in kvm_exit kvm_entry kvm_page_fault kvm_msr kvm_cr; do
	proto=$(sed -n "s/___[0-9]*//g; s/^typedef void (\*btf_trace_$tracepoint)/typedef void (*fact_trace_$tracepoint)/p" "$work/kvm.h" | head -n 1)
	[ -n "$proto" ] || die "kvm.ko has no tracepoint $tracepoint"
	echo "$proto"
done
