# SPDX-License-Identifier: GPL-2.0-or-later
# warden-qmp without its main.c.
QMP_SRCS := $(addprefix userspace/qmp/,acts.c jail.c qmp.c stream.c)
QMP_LIBS := -ljansson
