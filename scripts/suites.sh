# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced after common.sh: a Debian suite that this machine's apt does not use, by
# an apt configuration of our own in the cache.  Nothing there is ever installed;
# its lists are verified as the machine's are, and come from the same mirror.
KEYRING=${KVM_WARDEN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}

# apt in a suite: "own" is what the machine's apt sees.
in_suite() {
	local suite=$1
	shift
	if [ "$suite" = own ]; then "$@"; else APT_CONFIG=$CACHE/apt/$suite/apt.conf "$@"; fi
}

# The mirror that this machine's own Debian comes from.
machine_mirror() {
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
		sed -n 's/^Debian|Debian|//p' | head -n 1
}

make_suite() {
	local suite=$1 dir=$CACHE/apt/$1 mirror
	mirror=$(machine_mirror)
	[ -n "$mirror" ] || die "this machine's apt has no Debian mirror: cannot look into $suite"
	[ -e "$KEYRING" ] || die "no $KEYRING: apt-get install debian-archive-keyring"
	mkdir -p "$dir"/{sources,lists/partial,cache/archives/partial}
	: >"$dir/status"
	cat >"$dir/sources/debian.sources" <<-END
	Types: deb
	URIs: $mirror
	Suites: $suite
	Components: main
	Signed-By: $KEYRING
	END
	cat >"$dir/apt.conf" <<-END
	Dir::Etc::SourceList "/dev/null";
	Dir::Etc::SourceParts "$dir/sources";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "/dev/null";
	Dir::State::Lists "$dir/lists";
	Dir::State::status "$dir/status";
	Dir::Cache "$dir/cache";
	APT::Sandbox::User "root";
	END
}

# A suite's lists anew; the status tells whether they came and their signature holds.
update_suite() {
	local suite=$1 log=$CACHE/apt-$1.log
	[ "$suite" = own ] || make_suite "$suite"
	in_suite "$suite" apt-get -o APT::Update::Error-Mode=any update >"$log" 2>&1 && return
	say "apt-get update of $suite failed: $(grep -m 1 '^[EW]:' "$log" || echo "see $log")"
	! grep -qE 'NO_PUBKEY|EXPKEYSIG|not signed|REVKEYSIG' "$log" ||
		say "this machine's debian-archive-keyring does not know the key that signed $suite: upgrade that package"
	return 1
}

# Lists that are a day old are looked at anew; without a network the old ones do.
ready_suite() {
	local suite=$1 lists=$CACHE/apt/$1/lists
	[ "$suite" != own ] || return 0
	[ -z "$(find "$lists" -maxdepth 1 -name '*_InRelease' -mtime -1 2>/dev/null)" ] || return 0
	update_suite "$suite" || [ -n "$(find "$lists" -maxdepth 1 -name '*_Packages*' 2>/dev/null)" ]
}

# unpack_packages SUITE DIR PACKAGE...: them and what they need into DIR/root, whose
# bin and lib are links as Debian's are; DIR/packages.sha256 says what came.
unpack_packages() {
	local suite=$1 dir=$2 archives=$2/cache deb name
	shift 2
	mkdir -p "$archives/partial" "$dir/root"/usr/{bin,sbin,lib,lib64}
	in_suite "$suite" apt-get -y --no-install-recommends --download-only \
		-o "Dir::Cache::archives=$archives" install "$@" >"$dir/download.log" 2>&1 ||
		return 1
	(cd "$archives" && sha256sum ./*.deb) >"$dir/packages.sha256"
	for name in bin sbin lib lib64; do ln -sfn usr/$name "$dir/root/$name"; done
	for deb in "$archives"/*.deb; do
		dpkg --fsys-tarfile "$deb" | tar -x --keep-directory-symlink --exclude=./usr/share/{doc,man,locale} -C "$dir/root"
	done
	rm -rf "$archives"
}
