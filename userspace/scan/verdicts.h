/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verdict cache: each content once, over all guests.  What was not scanned
 * is never remembered.
 */
#ifndef WARDEN_SCAN_VERDICTS_H
#define WARDEN_SCAN_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"

struct verdicts;

struct verdict_key {
	uint8_t hash[HASH_BYTES];
	uint32_t profile;
	const char *epoch, *engine;	/* as in m_database */
};

/* NULL without memory. */
struct verdicts *verdicts_new(uint32_t capacity);
void verdicts_free(struct verdicts *v);

/* Fills verdict and name of *ret_verdict, or returns false. */
bool verdicts_find(struct verdicts *v, const struct verdict_key *key,
		   struct m_verdict *ret_verdict);

/* Replaces the one found least recently when full. */
void verdicts_add(struct verdicts *v, const struct verdict_key *key,
		  const struct m_verdict *verdict);

uint32_t verdicts_count(const struct verdicts *v);

#endif
