# SPDX-License-Identifier: GPL-2.0-or-later
# The policy is read by its one parser, so that doctor judges as the engine does.
CLI_SRCS := $(addprefix userspace/cli/, \
	main.c args.c http.c print.c table.c orders.c tasks.c \
	status.c guests.c ps.c process.c tree.c maps.c kernel.c contents.c file.c inspect.c inspector.c scan.c findings.c explain.c quarantine.c \
	freeze.c kill.c enrol.c agents.c journal.c level.c metrics.c doctor.c host.c setup.c live.c words.c) \
	userspace/engine/policy.c
CLI_LIBS := -ljansson
