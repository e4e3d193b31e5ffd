#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# probe.sh HEADERS...: prints the KW_HAVE_* defines for these header folders, and
# refuses a kernel in which none of the forms that we know is found.
set -euo pipefail

. "$(dirname "$0")/needs.sh"

die() { echo "probe.sh: unsupported kernel: $*" >&2; exit 1; }

# The first of the folders that has a file.
find_file() {
	local file=$1 dir
	shift
	for dir in "$@"; do
		[ ! -e "$dir/$file" ] || { echo "$dir/$file"; return; }
	done
	die "its headers have no $file"
}

# The declaration of a function in a header, on one line.
declaration() {
	local function=$1 header=$2
	tr '\n' ' ' <"$header" | grep -o "$function([^;{]*[;{]" | head -n 1 ||
		die "no $function in $header"
}

# The needed names that their headers lack.
lacking_names() {
	local header file name names
	while read -r header names; do
		file=$(find_file "$header" "$@") || exit
		for name in $names; do grep -qw -- "$name" "$file" || echo "$name"; done
	done < <(grep . <<<"$NEEDED_NAMES")
}

config=$(find_file include/generated/autoconf.h "$@")
release=$(find_file include/generated/utsrelease.h "$@")
mm=$(find_file include/linux/mm.h "$@")
hugetlb=$(find_file include/linux/hugetlb.h "$@")
kvm=$(find_file arch/x86/include/asm/kvm_host.h "$@")
svm=$(find_file arch/x86/include/asm/svm.h "$@")
track=$(find_file arch/x86/include/asm/kvm_page_track.h "$@")

# What runs inside a probe allocates and takes locks that sleep there.
! grep -q '^#define CONFIG_PREEMPT_RT 1' "$config" || die "CONFIG_PREEMPT_RT"
for option in TRACEPOINTS PREEMPT_NOTIFIERS MODULE_UNLOAD SYSFS; do
	grep -q "^#define CONFIG_$option 1" "$config" || die "no CONFIG_$option"
done

lacking=$(lacking_names "$@")
[ -z "$lacking" ] || refuse "$(sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' "$release")" "$lacking"

gup=$(declaration get_user_pages_remote "$mm")
[[ $gup != *vmas* ]] || echo "#define KW_HAVE_GUP_REMOTE_VMAS 1"

! grep -qw vm_flags_mod "$mm" || echo "#define KW_HAVE_VM_FLAGS_MOD 1"
! grep -qw follow_hugetlb_page "$hugetlb" || echo "#define KW_HAVE_FOLLOW_HUGETLB_PAGE 1"

if grep -q '^	unsigned long rip;' "$kvm"; then
	echo "#define KW_HAVE_ARCH_RIP 1"
elif ! grep -q 'VCPU_REGS_RIP' "$kvm"; then
	die "no RIP of a vCPU in $kvm"
fi

kvm_host=$(find_file include/linux/kvm_host.h "$@")
! grep -qw kvm_memslot_is_gmem_only "$kvm_host" || echo "#define KW_HAVE_GMEM_ONLY 1"

if grep -q 'SVM_MISC_ENABLE_SEV\>' "$svm"; then
	echo "#define KW_HAVE_SVM_MISC_CTL 1"
elif ! grep -q 'SVM_NESTED_CTL_SEV_ENABLE\>' "$svm"; then
	die "no SEV bit of the VMCB in $svm"
fi

# From 6.5 on pages are tracked by number, and a region that goes is announced.
if grep -q kvm_write_track_add_gfn "$track"; then
	echo "#define KW_HAVE_WRITE_TRACK_GFN 1"
elif ! grep -q kvm_slot_page_track_add_page "$track"; then
	die "no page tracking in $track"
fi

# From 6.12 on KVM lets go of what it shadows before it gives up; a page that is
# tracked from outside is not among that.
! grep -q __kvm_mmu_unprotect_gfn_and_retry "$kvm" || echo "#define KW_EMULATION_FAILURE_ENDS_VM 1"
