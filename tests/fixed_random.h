/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsodium's random numbers, the same in each run: call fixed_random_start
 * before sodium_init, and fixed_random_reset to begin anew.  Draw n (from 0)
 * is randombytes_buf_deterministic with the seed BLAKE2b-256(u64 n).
 */
#ifndef WARDEN_TEST_FIXED_RANDOM_H
#define WARDEN_TEST_FIXED_RANDOM_H

#include <sodium.h>

static uint64_t fixed_random_draw;

static const char *fixed_random_name(void)
{
	return "fixed";
}

static void fixed_random_buf(void *const out, const size_t n)
{
	unsigned char seed[randombytes_SEEDBYTES], draw[8];

	for (int i = 0; i < 8; i++)
		draw[i] = fixed_random_draw >> (8 * i);
	fixed_random_draw++;
	crypto_generichash(seed, sizeof(seed), draw, sizeof(draw), NULL, 0);
	randombytes_buf_deterministic(out, n, seed);
}

static uint32_t fixed_random_word(void)
{
	uint32_t word;

	fixed_random_buf(&word, sizeof(word));
	return word;
}

static inline void fixed_random_reset(void)
{
	fixed_random_draw = 0;
}

static inline void fixed_random_start(void)
{
	static randombytes_implementation fixed = {
		.implementation_name = fixed_random_name,
		.random = fixed_random_word,
		.buf = fixed_random_buf,
	};

	randombytes_set_implementation(&fixed);
}

#endif
