# SPDX-License-Identifier: GPL-2.0-or-later
# The protocol, which the agent links too (with lib/util.c and lib/crypto.c).
CHANNEL_PROTO_SRCS := $(addprefix userspace/channel/, \
	frames.c handshake.c identity.c link.c proof.c record.c session.c token.c)
# The role warden-channel without its main.c and without the protocol.
CHANNEL_SRCS := $(addprefix userspace/channel/, \
	agents.c conns.c hostkey.c jail.c listener.c orders.c pinfile.c pins.c rate.c serve.c vault.c)
CHANNEL_LIBS := -lsodium -lseccomp -linih
