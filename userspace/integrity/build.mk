# SPDX-License-Identifier: GPL-2.0-or-later
# warden-integrity without its main.c.
INTEGRITY_SRCS := $(addprefix userspace/integrity/,check.c compare.c image.c jail.c live.c module.c \
	relocate.c report.c sites.c symbols.c unpack.c variants.c vmm.c)
INTEGRITY_LIBS := -lelf -llzma -lzstd
