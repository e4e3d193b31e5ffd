# SPDX-License-Identifier: GPL-2.0-or-later
# Everything of the introspector but the two programs' own main files.
INTROSPECT_SRCS := $(addprefix userspace/introspect/, \
	beacon.c btf.c content.c discover.c dump.c elfdump.c facts.c files.c find.c image.c \
	inspection.c introspector.c \
	jail.c kallsyms.c known.c look.c mappings.c memory.c modules.c objects.c pagecache.c \
	pagetable.c post.c serve.c symbols.c tasks.c vmas.c vmcoreinfo.c window.c)
INTROSPECT_LIBS := -lbpf -lsodium
