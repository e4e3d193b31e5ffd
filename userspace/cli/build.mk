# SPDX-License-Identifier: GPL-2.0-or-later
CLI_SRCS := $(addprefix userspace/cli/, \
	main.c http.c print.c status.c guests.c ps.c findings.c journal.c)
CLI_LIBS := -ljansson
