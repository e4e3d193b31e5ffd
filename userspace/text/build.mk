# SPDX-License-Identifier: GPL-2.0-or-later
# Code in memory against its file: for the host's modules and for guests' kernels.
TEXT_SRCS := $(addprefix userspace/text/,compare.c image.c relocate.c sites.c symbols.c unpack.c variants.c)
TEXT_LIBS := -lelf -llzma -lzstd -llz4 -lz
