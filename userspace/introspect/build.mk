# SPDX-License-Identifier: GPL-2.0-or-later
# Everything of the introspector but the two programs' own main files.
INTROSPECT_SRCS := userspace/introspect/memory.c userspace/introspect/pagetable.c userspace/introspect/image.c userspace/introspect/btf.c userspace/introspect/kallsyms.c userspace/introspect/discover.c userspace/introspect/tasks.c userspace/introspect/vmas.c userspace/introspect/pagecache.c userspace/introspect/files.c userspace/introspect/content.c userspace/introspect/objects.c userspace/introspect/look.c userspace/introspect/introspector.c userspace/introspect/post.c
INTROSPECT_LIBS := -lbpf -lsodium
