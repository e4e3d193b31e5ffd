# SPDX-License-Identifier: GPL-2.0-or-later
# warden-integrity without its main.c, and what it shares (text/).
INTEGRITY_SRCS = $(addprefix userspace/integrity/,check.c jail.c live.c module.c report.c vmm.c) $(TEXT_SRCS)
INTEGRITY_LIBS = $(TEXT_LIBS)
