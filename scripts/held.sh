# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Shared by install and the package's prerm, which is plain sh.

# A guest that we hold would stay so, with nothing left here to let it go.
# refuse_while_guests_are_held WARDENCTL
refuse_while_guests_are_held() {
	guests=$("$1" guests 2>/dev/null) ||
		echo "kvm-warden: warning: wardend does not answer: a guest that it paused or cut off stays so" >&2
	held=$( { grep -lsx 1 /sys/kernel/kvm_warden/guests/*/contained
		echo "$guests" | grep -wE 'contained|paused|cut off'; } || true)
	[ "$held" ] || return 0
	echo "kvm-warden: guests are held; let them go first (wardenctl thaw GUEST):" >&2
	echo "$held" >&2
	exit 1
}
