# SPDX-License-Identifier: GPL-2.0-or-later
# warden-engine: everything but main.c, so that tests can link it.
ENGINE_SRCS := $(addprefix userspace/engine/, \
	control.c findings.c guests.c handle_introspect.c handle_parent.c \
	inventory.c journal.c journal_start.c journal_verify.c looks.c orders.c peers.c \
	policy.c pump.c records.c scanning.c scans.c views.c)
ENGINE_LIBS := -lsystemd -lmicrohttpd -ljansson -lsqlite3 -linih -lseccomp -lsodium
