# SPDX-License-Identifier: GPL-2.0-or-later
# warden-engine: everything but main.c, so that tests can link it.
ENGINE_SRCS := $(addprefix userspace/engine/, \
	acts.c confirm.c control.c findings.c guests.c handle_channel.c handle_introspect.c \
	handle_parent.c inventory.c journal.c journal_start.c journal_verify.c ladder.c \
	limits.c looks.c orders.c peers.c policy.c pump.c records.c records_answers.c \
	scanning.c scans.c sessions.c views.c)
ENGINE_LIBS := -lsystemd -lmicrohttpd -ljansson -lsqlite3 -linih -lseccomp -lsodium
