# SPDX-License-Identifier: GPL-2.0-or-later
# The agent, its main.c among it: one static program.  It also needs
# $(CHANNEL_PROTO_SRCS) and of the library util.c, log.c and crypto.c alone.
AGENT_SRCS := $(addprefix userspace/agent/, \
	answer.c filehash.c kill.c main.c process.c serve.c transport.c verbs.c)
AGENT_LIBS := -lsodium
