// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fixed array of entries, chained into hash buckets and into one list by
 * last use.  Guests choose contents, so the tag that names an entry and picks
 * its bucket is a hash with a secret key: nobody can fill one bucket.
 */
#include "scan/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/crypto.h"

#define TAG_BYTES 32
#define NONE UINT32_MAX

struct entry {
	uint8_t tag[TAG_BYTES];
	uint32_t chain;			/* next in the bucket */
	uint32_t newer, older;		/* by last use */
	char *name;			/* of the signature; NULL: clean */
};

struct verdicts {
	uint8_t key[crypto_generichash_KEYBYTES];
	uint32_t capacity, count;
	uint32_t newest, oldest;
	uint32_t *buckets;		/* capacity of them */
	struct entry *entries;
};

struct verdicts *verdicts_new(uint32_t capacity)
{
	struct verdicts *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->capacity = capacity;
	v->newest = v->oldest = NONE;
	v->buckets = malloc(capacity * sizeof(*v->buckets));
	v->entries = calloc(capacity, sizeof(*v->entries));
	if (!v->buckets || !v->entries) {
		verdicts_free(v);
		return NULL;
	}
	memset(v->buckets, 0xff, capacity * sizeof(*v->buckets));
	randombytes_buf(v->key, sizeof(v->key));
	return v;
}

void verdicts_free(struct verdicts *v)
{
	for (uint32_t i = 0; v && i < v->count; i++)
		free(v->entries[i].name);
	if (v) {
		free(v->entries);
		free(v->buckets);
	}
	free(v);
}

static void make_tag(const struct verdicts *v, const struct verdict_key *key,
		     uint8_t tag[TAG_BYTES])
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, v->key, sizeof(v->key), TAG_BYTES);
	crypto_generichash_update(&state, key->hash, sizeof(key->hash));
	crypto_generichash_update(&state, (const uint8_t *)&key->profile, sizeof(key->profile));
	/* With their NULs, so that no two pairs read the same. */
	crypto_generichash_update(&state, (const uint8_t *)key->epoch, strlen(key->epoch) + 1);
	crypto_generichash_update(&state, (const uint8_t *)key->engine, strlen(key->engine) + 1);
	crypto_generichash_final(&state, tag, TAG_BYTES);
}

static uint32_t *bucket_of(struct verdicts *v, const uint8_t tag[TAG_BYTES])
{
	uint32_t n;

	memcpy(&n, tag, sizeof(n));
	return &v->buckets[n % v->capacity];
}

static uint32_t find(struct verdicts *v, const uint8_t tag[TAG_BYTES])
{
	uint32_t i = *bucket_of(v, tag);

	while (i != NONE && memcmp(v->entries[i].tag, tag, TAG_BYTES))
		i = v->entries[i].chain;
	return i;
}

static void list_remove(struct verdicts *v, uint32_t i)
{
	struct entry *e = &v->entries[i];

	*(e->newer == NONE ? &v->newest : &v->entries[e->newer].older) = e->older;
	*(e->older == NONE ? &v->oldest : &v->entries[e->older].newer) = e->newer;
}

static void list_add_newest(struct verdicts *v, uint32_t i)
{
	v->entries[i].newer = NONE;
	v->entries[i].older = v->newest;
	*(v->newest == NONE ? &v->oldest : &v->entries[v->newest].newer) = i;
	v->newest = i;
}

static void chain_remove(struct verdicts *v, uint32_t i)
{
	uint32_t *at = bucket_of(v, v->entries[i].tag);

	while (*at != i)
		at = &v->entries[*at].chain;
	*at = v->entries[i].chain;
}

/* A free entry, at worst the one least recently found. */
static uint32_t take_entry(struct verdicts *v)
{
	uint32_t i = v->oldest;

	if (v->count < v->capacity)
		return v->count++;
	list_remove(v, i);
	chain_remove(v, i);
	free(v->entries[i].name);
	return i;
}

bool verdicts_find(struct verdicts *v, const struct verdict_key *key,
		   struct m_verdict *ret_verdict)
{
	uint8_t tag[TAG_BYTES];
	const char *name;
	uint32_t i;

	make_tag(v, key, tag);
	i = find(v, tag);
	if (i == NONE)
		return false;
	list_remove(v, i);
	list_add_newest(v, i);
	name = v->entries[i].name;
	ret_verdict->verdict = name ? VERDICT_INFECTED : VERDICT_CLEAN;
	strncpy(ret_verdict->name, name ? name : "", sizeof(ret_verdict->name) - 1);
	return true;
}

void verdicts_add(struct verdicts *v, const struct verdict_key *key,
		  const struct m_verdict *verdict)
{
	uint8_t tag[TAG_BYTES];
	char *name = NULL;
	uint32_t i;

	if (verdict->verdict != VERDICT_CLEAN && verdict->verdict != VERDICT_INFECTED)
		return;
	make_tag(v, key, tag);
	if (find(v, tag) != NONE)
		return;
	/* Without memory for the name it is simply not remembered. */
	if (verdict->verdict == VERDICT_INFECTED && !(name = strdup(verdict->name)))
		return;
	i = take_entry(v);
	memcpy(v->entries[i].tag, tag, TAG_BYTES);
	v->entries[i].name = name;
	v->entries[i].chain = *bucket_of(v, tag);
	*bucket_of(v, tag) = i;
	list_add_newest(v, i);
}

uint32_t verdicts_count(const struct verdicts *v)
{
	return v->count;
}
