# SPDX-License-Identifier: GPL-2.0-or-later
# Everything of the introspector but the two programs' own main files.
INTROSPECT_SRCS := $(addprefix userspace/introspect/, \
	beacon.c btf.c content.c discover.c files.c find.c image.c introspector.c \
	jail.c kallsyms.c look.c mappings.c memory.c objects.c pagecache.c \
	pagetable.c post.c serve.c tasks.c vmas.c)
INTROSPECT_LIBS := -lbpf -lsodium
