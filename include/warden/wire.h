/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel between warden-channel on the host and warden-agent in a guest:
 * frames, handshake messages and records.  docs/protocol.md is the
 * specification; this header holds its numbers.  No includes.
 *
 * Every integer on the wire is little-endian.  Fields follow each other
 * without padding; a message of another length than stated is refused.
 */
#ifndef WARDEN_WIRE_H
#define WARDEN_WIRE_H

#define WIRE_PORT 5757			/* default vsock port on the host */
#define WIRE_VERSION_MIN 1		/* versions this code speaks */
#define WIRE_VERSION_MAX 1

/* The agent connects from a port that only the guest's root may bind. */
#define WIRE_PRIVILEGED_PORTS 1024

/* A frame: u32 length of what follows, at least 1. */
#define WIRE_FRAME_HEADER 4
#define WIRE_FRAME_MAX_OPEN 256		/* before authentication */
#define WIRE_FRAME_MAX 65536		/* after it */

#define WIRE_KEY 32			/* Ed25519 and X25519 public keys */
#define WIRE_NONCE 32
#define WIRE_HASH 32			/* BLAKE2b-256 */
#define WIRE_SIGNATURE 64
#define WIRE_TRANSCRIPT 64		/* BLAKE2b-512 over the handshake */
#define WIRE_TOKEN_SECRET 16
#define WIRE_STREAM_HEADER 24		/* of crypto_secretstream_xchacha20poly1305 */
#define WIRE_STREAM_OVERHEAD 17		/* added by it to each record */
#define WIRE_RECORD_MAX (WIRE_FRAME_MAX - WIRE_STREAM_OVERHEAD)

/* ---- handshake: one message a frame, not encrypted ---- */

#define WIRE_HELLO 1	/* agent: u8 type, u8[4] magic, u16 version_min, u16 version_max,
			 * key identity, key ephemeral, nonce */
#define WIRE_HOST 2	/* host: u8 type, u16 version, key identity, key ephemeral,
			 * nonce, signature */
#define WIRE_AGENT 3	/* agent: u8 type, stream header, signature */
#define WIRE_READY 4	/* host: u8 type, stream header, hash */
#define WIRE_REFUSED 5	/* host, instead of HOST: u8 type, u8 reason.  A hint that
			 * nothing authenticates. */

#define WIRE_MAGIC "KWCH"
#define WIRE_HELLO_SIZE (1 + 4 + 2 + 2 + 2 * WIRE_KEY + WIRE_NONCE)
#define WIRE_HOST_SIZE (1 + 2 + 2 * WIRE_KEY + WIRE_NONCE + WIRE_SIGNATURE)
#define WIRE_AGENT_SIZE (1 + WIRE_STREAM_HEADER + WIRE_SIGNATURE)
#define WIRE_READY_SIZE (1 + WIRE_STREAM_HEADER + WIRE_HASH)
#define WIRE_REFUSED_SIZE 2

#define WIRE_REFUSED_VERSION 1		/* no version in common */
#define WIRE_REFUSED_UNKNOWN 2		/* the agent's key is not pinned, nobody is invited */
#define WIRE_REFUSED_REVOKED 3		/* it was, and never will be again */

/* Domain separation: what each hash, signature and key begins with. */
#define WIRE_LABEL_TRANSCRIPT "KVM Warden channel 1: transcript"
#define WIRE_LABEL_HOST "KVM Warden channel 1: host"
#define WIRE_LABEL_AGENT "KVM Warden channel 1: agent"
#define WIRE_LABEL_KEYS "KVM Warden channel 1: keys"
#define WIRE_LABEL_TOKEN "KVM Warden channel 1: token"
#define WIRE_LABEL_ENROL "KVM Warden channel 1: enrol"
#define WIRE_LABEL_ROTATE "KVM Warden channel 1: rotate"
#define WIRE_LABEL_SUCCESSOR "KVM Warden channel 1: successor"
#define WIRE_KDF_CONTEXT "KWCHkeys"
#define WIRE_KDF_TO_AGENT 1
#define WIRE_KDF_TO_HOST 2
#define WIRE_KDF_CONFIRM 3

/* A sender rekeys before it passes either; a receiver cuts at twice the bytes. */
#define WIRE_REKEY_BYTES (16u << 20)
#define WIRE_REKEY_MS (10u * 60 * 1000)

/* ---- records: one a frame, encrypted ---- */

/* A text is u8 len, then len * printable ASCII. */
#define WIRE_LOGIN 1	/* agent, first and once: u8 type, u64 capabilities, nonce,
			 * u32 beacon_pid, u64 beacon_gva, text version */
#define WIRE_ORDER 2	/* host: u8 type, u32 verb, u64 order, nonce, body of the verb */
#define WIRE_RESULT 3	/* agent: u8 type, u32 status, u64 order, nonce, text detail */
#define WIRE_PING 4	/* host: u8 type, u64 value */
#define WIRE_PONG 5	/* agent: u8 type, u64 value of the ping */
#define WIRE_CLOSE 6	/* host, its last record: u8 type, text why */
#define WIRE_ENROL 7	/* agent, before LOGIN: u8 type, key of the token, signature by it */
#define WIRE_ENROLLED 8	/* host, its answer: u8 type, text name */
#define WIRE_ROTATE 9	/* host: u8 type.  Make a new key. */
#define WIRE_ROTATED 10	/* agent: u8 type, key, signature by the old one, by the new one */
#define WIRE_UNROTATED 11	/* agent, instead: u8 type, text why */
#define WIRE_SUCCESSOR 12	/* host: u8 type, key of its own, signature by the old one, by
				 * the new one */

#define WIRE_LOGIN_BASE (1 + 8 + WIRE_NONCE + 4 + 8 + 1)
#define WIRE_ORDER_BASE (1 + 4 + 8 + WIRE_NONCE)
#define WIRE_RESULT_BASE (1 + 4 + 8 + WIRE_NONCE + 1)
#define WIRE_PING_SIZE (1 + 8)
#define WIRE_CLOSE_BASE (1 + 1)
#define WIRE_ENROL_SIZE (1 + WIRE_KEY + WIRE_SIGNATURE)
#define WIRE_ROTATED_SIZE (1 + WIRE_KEY + 2 * WIRE_SIGNATURE)
#define WIRE_RANGES 64
#define WIRE_PATH_MAX 1023
#define WIRE_TEXT_MAX 255
#define WIRE_VERSION_TEXT_MAX 63	/* of LOGIN's version */
#define WIRE_ORDERS_OPEN 8		/* unanswered orders in one session */

/*
 * Verbs: capability n is bit n is verb n.  Bodies; "file" is hash, u32 n,
 * n * (u32 first_page, u32 pages).
 */
#define WIRE_VERB_KILL 1		/* u32 pid, u64 start_ns, file */
#define WIRE_VERB_QUARANTINE 2		/* item, key, u64 size, file, u16 len, len bytes of path */
#define WIRE_VERB_RESTORE 3		/* item, key */

#define WIRE_ITEM 16			/* names a thing in the guest's quarantine */

#define WIRE_DONE 1
#define WIRE_NO_TARGET 2
#define WIRE_MISMATCH 3
#define WIRE_NOT_ALLOWED 4
#define WIRE_FAILED 5

#define WIRE_PAGE 4096			/* of an executable's ranges, on every machine */

/*
 * The agent keeps this on a page of its own, locked in memory, for as long as
 * a session lives.  nonce is the one of its LOGIN: whoever finds it in a
 * guest's memory knows which guest the session belongs to.
 */
#define WIRE_BEACON_MAGIC "KVM-Warden-nonce"	/* 16 bytes, no NUL */

struct wire_beacon {
	unsigned char magic[16];
	unsigned char nonce[WIRE_NONCE];
	unsigned char zero[WIRE_PAGE - 16 - WIRE_NONCE];
};

#endif
