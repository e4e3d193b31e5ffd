/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzzers share: the real code, fixed keys and fixed random numbers. */
#ifndef WARDEN_FUZZ_H
#define WARDEN_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "../fixed_random.h"
#include "channel/link.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A fuzzer that finds this false has found a fault. */
static inline void must(bool holds)
{
	if (!holds)
		abort();
}

static struct identity fuzz_host, fuzz_agent;
static struct host_keys fuzz_hosts = { .n = 1 };

static inline void fuzz_identity(struct identity *id, uint8_t fill)
{
	uint8_t seed[crypto_sign_SEEDBYTES];

	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(id->public, id->secret, seed);
}

/* The keys of tests/unit/test_channel_vectors.c: its session is a seed. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fixed_random_start();
	if (sodium_init() < 0)
		return 1;
	fuzz_identity(&fuzz_host, 0x11);
	fuzz_identity(&fuzz_agent, 0x22);
	memcpy(fuzz_hosts.key[0], fuzz_host.public, WIRE_KEY);
#ifdef FUZZ_START
	FUZZ_START();	/* what takes longer than one input may */
#endif
	return 0;
}

static inline uint8_t fuzz_admit(void *arg, const uint8_t identity[WIRE_KEY])
{
	return memcmp(identity, fuzz_agent.public, WIRE_KEY) ? WIRE_REFUSED_UNKNOWN : 0;
}

#endif
