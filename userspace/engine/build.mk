# SPDX-License-Identifier: GPL-2.0-or-later
# warden-engine: everything but main.c, so that tests can link it.
ENGINE_SRCS := $(addprefix userspace/engine/, \
	acts.c agents.c body.c confirm.c contents.c control.c control_socket.c findings.c guard.c \
	guests.c incident.c \
	handle_channel.c handle_introspect.c handle_parent.c integrity.c inventory.c jail.c journal.c \
	journal_reserve.c journal_start.c journal_verify.c ladder.c limits.c looks.c metrics.c orders.c peers.c policy.c \
	pump.c records.c records_answers.c rest.c routes.c routes_agents.c routes_guest.c \
	routes_journal.c routes_order.c scan_jobs.c scanning.c scans.c sessions.c signs.c usage.c \
	view_explain.c view_findings.c view_guard.c \
	view_guest.c view_integrity.c view_journal.c view_status.c view_tasks.c) \
	userspace/lib/task_json.c
ENGINE_LIBS := -lsystemd -lmicrohttpd -ljansson -lsqlite3 -linih -lseccomp -lsodium
