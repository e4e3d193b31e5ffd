# SPDX-License-Identifier: GPL-2.0-or-later
# The agent, its main.c among it: one static program.  It also needs
# $(CHANNEL_PROTO_SRCS) and of the library util.c, log.c and crypto.c alone.
AGENT_SRCS := $(addprefix userspace/agent/, \
	answer.c enrol.c filehash.c item.c keyring.c kill.c main.c meta.c place.c process.c quarantine.c \
	restore.c serve.c store.c target.c transport.c verbs.c)
AGENT_LIBS := -lsodium
