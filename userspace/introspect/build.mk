# SPDX-License-Identifier: GPL-2.0-or-later
# Everything of the introspector but the two programs' own main files, and what it shares (text/).
INTROSPECT_SRCS = $(addprefix userspace/introspect/, \
	addresses.c beacon.c btf.c bzimage.c check.c clock.c content.c contents.c dentries.c discover.c dump.c elfdump.c entries.c extract.c \
	facts.c files.c filesyms.c firstsight.c find.c image.c inodes.c inspection.c introspector.c inuse.c \
	jail.c kallsyms.c kernelcheck.c kernelfiles.c kerneltell.c known.c lists.c look.c mappings.c memory.c modset.c \
	modules.c modviews.c notes.c objects.c orphans.c overlay.c owners.c ownfiles.c pagecache.c pagetable.c passing.c post.c preload.c \
	pristine.c probes.c process.c rest.c roots.c serve.c \
	sites.c slabs.c suspicious.c symbols.c tasks.c taskviews.c tracers.c trampoline.c usage.c vcpus.c views.c vmas.c \
	vmcoreinfo.c vmlinux.c watches.c window.c xarray.c) $(TEXT_SRCS)
INTROSPECT_LIBS = $(TEXT_LIBS) -lbpf -lsodium
