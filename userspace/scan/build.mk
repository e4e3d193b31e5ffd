# SPDX-License-Identifier: GPL-2.0-or-later
# warden-scan: the only program that links libclamav.  main.c is not in the list.
SCAN_SRCS := $(addprefix userspace/scan/,broker.c child.c content.c databases.c jail.c \
	loader.c loaders.c pool.c scanner.c starter.c verdicts.c worker.c)
SCAN_LIBS := -lclamav -lsodium -lseccomp -linih
