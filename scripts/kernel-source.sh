# SPDX-License-Identifier: GPL-2.0-or-later
# Shared by the scripts that build a kernel of Debian's source: SERIES is set.

find_source_version() {
	apt-cache policy "linux-source-$SERIES" | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'
}

# unpack_source DIR PATTERN...: DIR/source, without what the patterns name.
unpack_source() {
	local dir=$1 pattern exclude=()
	shift
	# Kconfig wants every folder, the build few of their sources.
	for pattern in 'Documentation/*/*' 'sound/*.[ch]' 'drivers/gpu/*.[ch]' 'drivers/media/*.[ch]' \
		'drivers/staging/*.[ch]' 'arch/arm*/*.[chsS]' 'arch/arm*/*.dts*' 'arch/mips/*.[chsS]' \
		'arch/powerpc/*.[chsS]' 'tools/testing/*' "$@"; do
		exclude+=(--exclude="*/$pattern")
	done
	mkdir -p "$dir/package"
	(cd "$dir/package" && apt-get download "linux-source-$SERIES" >../download.log 2>&1) ||
		{ cat "$dir/download.log" >&2; die "cannot download linux-source-$SERIES"; }
	(cd "$dir/package" && sha256sum ./*.deb) >"$dir/packages.sha256"
	dpkg --fsys-tarfile "$dir"/package/*.deb |
		tar -xO "./usr/src/linux-source-$SERIES.tar.xz" |
		tar -xJ -C "$dir" "${exclude[@]}"
	mv "$dir/linux-source-$SERIES" "$dir/source"
	rm -rf "$dir/package"
}

# kbuild here is a build of its own: not a part of the make that called us.
# kbuild DIR ARGUMENT...
kbuild() {
	env -u MAKEFLAGS -u MAKELEVEL nice -n 19 make -s -j2 -C "$1/source" O="$1/build" "${@:2}"
}

# configure DIR CONFIG ARGUMENT...: CONFIG over allnoconfig.
configure() {
	local dir=$1 config=$2
	shift 2
	mkdir -p "$dir/build"
	kbuild "$dir" "$@" KCONFIG_ALLCONFIG="$config" allnoconfig || return
	# A word that this kernel does not know must not be lost in silence.
	grep '^CONFIG_' "$config" | while read -r line; do
		grep -qx "$line" "$dir/build/.config" || die "$config: this kernel has no $line"
	done
}
