#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# facts.sh VMLINUX MODULES_DIR > generated.h
#
# What the module relies on and headers cannot promise, read from the target
# kernel's own BTF: where vcpu_svm keeps its VMCB and vcpu_vmx the guest's LSTAR,
# the prototypes of the tracepoints, the offsets of the KVM structs; and the
# build-ids that these facts belong to, which the module compares before it
# attaches.  Of kvm-amd and kvm-intel, one may be missing.  A kernel that lacks
# any of the rest is refused here, by the name of what it lacks.
set -euo pipefail

vmlinux=$1 modules=$2 kvm_dir=$2/kernel/arch/x86/kvm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/needs.sh"

die() { echo "facts.sh: unsupported kernel: $*" >&2; exit 1; }

unpack() {
	local name=$1
	if [ -e "$kvm_dir/$name.ko" ]; then cp "$kvm_dir/$name.ko" "$work/"
	elif [ -e "$kvm_dir/$name.ko.xz" ]; then xz -dc "$kvm_dir/$name.ko.xz" >"$work/$name.ko"
	elif [ -e "$kvm_dir/$name.ko.zst" ]; then zstd -dcq "$kvm_dir/$name.ko.zst" >"$work/$name.ko"
	elif [ -e "$kvm_dir/$name.ko.gz" ]; then gzip -dc "$kvm_dir/$name.ko.gz" >"$work/$name.ko"
	elif grep -qs "/$name\.ko$" "$modules/modules.builtin"; then
		die "$name is built into it: it needs KVM as modules"
	else die "no $name.ko in $kvm_dir: it needs KVM as modules"
	fi
}

# A kernel's or a module's types; $3 is raw or c.
dump() {
	local file=$1 what=$2 format=$3
	shift 3
	bpftool btf dump "$@" file "$file" format "$format" 2>/dev/null |
		grep . || die "$(basename "$file") has no BTF: it needs $what"
}

# offset STRUCT MEMBER -> bytes, from the largest struct of that name
offset() {
	awk -v want="STRUCT '$1'" -v member="'$2'" '
		/^\[/ { inside = 0; if (index($0, want " ")) { match($0, /size=[0-9]+/);
			size = substr($0, RSTART + 5, RLENGTH - 5) + 0;
			if (size > best) { best = size; inside = 1; found = "" } } }
		inside && $1 == member && match($0, /bits_offset=[0-9]+/) {
			found = substr($0, RSTART + 12, RLENGTH - 12) / 8 }
		END { if (found == "") exit 1; print found }' "$work/types"
}

# offsets PREFIX STRUCT MEMBER...: #define FACT_PREFIX_MEMBER_OFFSET for each
offsets() {
	local prefix=$1 struct=$2 member at
	shift 2
	for member in "$@"; do
		at=$(offset "$struct" "$member") || die "its BTF has no $struct.$member"
		echo "#define FACT_${prefix}_${member^^}_OFFSET $at"
	done
}

# size STRUCT -> bytes
size() {
	awk -v want="STRUCT '$1' size=" 'i = index($0, want) { print substr($0, i + length(want)) + 0; found = 1; exit }
		END { exit !found }' "$work/types"
}

# The build-id as a C initialiser.
build_id() {
	local name=$1 hex
	# Its status is about notes that it does not know.
	hex=$({ LC_ALL=C readelf -n "$work/$name.ko" 2>/dev/null || true; } | sed -n 's/.*Build ID: //p')
	[ ${#hex} = 40 ] || die "$name.ko has no SHA-1 build-id"
	hex=$(sed 's/../0x&,/g' <<<"$hex")
	name=${name^^}
	echo "#define FACT_${name//-/_}_BUILD_ID { $hex }"
}

# typedef void (*fact_trace_NAME)(...), as the target has it; nothing if it has none
prototype() {
	sed -n "s/___[0-9]*//g; s/^typedef void (\*btf_trace_$1)/typedef void (*fact_trace_$1)/p" "$work/kvm.h" | head -n 1
}

# The needed members that no struct of that name has, each as STRUCT.MEMBER.
lacking_members() {
	awk '{ gsub("\047", "") }
		FNR == NR { for (i = 2; i <= NF; i++) need[++n] = $1 "." $i; next }
		/^\[/ { struct = $2 == "STRUCT" ? $3 : ""; next }
		struct != "" { has[struct "." $1] }
		END { for (i = 1; i <= n; i++) if (!(need[i] in has)) print need[i] }' \
		<(echo "$NEEDED_MEMBERS") "$work/types"
}

lacking_tracepoints() {
	local name
	for name in $NEEDED_TRACEPOINTS; do [ -n "$(prototype "$name")" ] || echo "tracepoint $name"; done
}

has_module() { compgen -G "$kvm_dir/$1.ko*" >/dev/null; }

svm_facts() {
	echo "#define FACT_HAVE_SVM 1"
	build_id kvm-amd
	offsets SVM vcpu_svm vmcb
}

# The order of the MSRs in vcpu_vmx is that of a list in kvm-intel's text.  Its
# first two, SYSCALL_MASK and LSTAR, are on every CPU with long mode: LSTAR is
# the second in each.
vmx_facts() {
	local start data step
	LC_ALL=C grep -qaP '\x84\x00\x00\xc0\x82\x00\x00\xc0' "$work/kvm-intel.ko" ||
		die "kvm-intel.ko: its list of user-return MSRs does not begin with SYSCALL_MASK, LSTAR"
	start=$(offset vcpu_vmx guest_uret_msrs) || die "its BTF has no vcpu_vmx.guest_uret_msrs"
	data=$(offset vmx_uret_msr data) || die "its BTF has no vmx_uret_msr.data"
	step=$(size vmx_uret_msr) || die "its BTF has no vmx_uret_msr"
	echo "#define FACT_HAVE_VMX 1"
	build_id kvm-intel
	offsets VMX vcpu_vmx vcpu
	echo "#define FACT_VMX_LSTAR_OFFSET $((start + step + data))"
}

has_module kvm-amd || has_module kvm-intel ||
	die "neither kvm-amd.ko nor kvm-intel.ko in $kvm_dir: the target kernel needs KVM as modules"
unpack kvm
dump "$vmlinux" CONFIG_DEBUG_INFO_BTF raw >"$work/types"
dump_module() { dump "$work/$1.ko" CONFIG_DEBUG_INFO_BTF_MODULES "$2" -B "$vmlinux"; }
dump_module kvm raw >>"$work/types"
dump_module kvm c >"$work/kvm.h"
for vendor in kvm-amd kvm-intel; do
	has_module $vendor || continue
	unpack $vendor
	dump_module $vendor raw >>"$work/types"
done

lacking=$(lacking_members && lacking_tracepoints)
[ -z "$lacking" ] || refuse "$(basename "$modules")" "$lacking"
echo "/* Made by facts.sh from the BTF of the target kernel. */"
build_id kvm
offsets KVM kvm mm memslots srcu mmu_lock
offsets VCPU kvm_vcpu kvm vcpu_idx arch cpu preempt_notifier
! has_module kvm-amd || svm_facts
! has_module kvm-intel || vmx_facts
if offset module_notes_attrs grp >/dev/null; then
	echo "#define KW_HAVE_NOTES_GROUP 1"
	offsets NOTES module_notes_attrs grp attrs
else
	offsets NOTES module_notes_attrs dir notes attrs
fi
for tracepoint in $NEEDED_TRACEPOINTS; do prototype "$tracepoint"; done
