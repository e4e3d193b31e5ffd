// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/objects.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define COPY_ATTEMPTS 3

/* ---- the table: open addressing, nothing removed one by one ---- */

static uint32_t slot_of(const struct object_table *t, uint64_t owner, uint64_t place)
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint64_t key[2] = { owner, place };
	uint32_t slot;

	/* Keyed: the guest chooses owners and places. */
	crypto_shorthash(hash, (const uint8_t *)key, sizeof(key), t->content.key);
	memcpy(&slot, hash, sizeof(slot));
	return slot % t->slots;
}

static struct object **find_slot(struct object_table *t, uint64_t owner, uint64_t place)
{
	uint32_t at = slot_of(t, owner, place);

	while (t->slot[at] && (t->slot[at]->owner != owner || t->slot[at]->place != place))
		at = (at + 1) % t->slots;
	return &t->slot[at];
}

static void object_free(struct object *o)
{
	free(o->identity);
	free(o);
}

/* Rebuilds the table with those last used in this sweep or later. */
static void keep_used_since(struct object_table *t, uint32_t sweep)
{
	const size_t size = t->slots * sizeof(*t->slot);
	struct object **old = malloc(size);
	const bool all = !old;

	if (old)
		memcpy(old, t->slot, size);
	for (uint32_t i = 0; all && i < t->slots; i++)
		if (t->slot[i])
			object_free(t->slot[i]);
	memset(t->slot, 0, size);
	t->count = 0;
	for (uint32_t i = 0; old && i < t->slots; i++) {
		if (!old[i])
			continue;
		if (old[i]->used < sweep) {
			object_free(old[i]);
			continue;
		}
		*find_slot(t, old[i]->owner, old[i]->place) = old[i];
		t->count++;
	}
	free(old);
}

static struct object *new_object(struct object_table *t, const struct object_source *s)
{
	struct object *o;

	/* Full: start afresh.  Objects are then sent again, never skipped. */
	if (t->count >= t->slots / 4 * 3)
		objects_forget(t);
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->owner = s->owner;
	o->place = s->place;
	*find_slot(t, s->owner, s->place) = o;
	t->count++;
	return o;
}

int objects_init_slots(struct object_table *t, struct guest_memory *mem, uint32_t slots)
{
	int r;

	memset(t, 0, sizeof(*t));
	t->next_id = 1;
	t->slot = calloc(slots, sizeof(*t->slot));
	if (!t->slot)
		return -ENOMEM;
	t->slots = slots;
	r = content_init(&t->content, mem);
	if (r)
		objects_free(t);
	return r;
}

int objects_init(struct object_table *t, struct guest_memory *mem)
{
	return objects_init_slots(t, mem, OBJECT_SLOTS);
}

void objects_free(struct object_table *t)
{
	objects_forget(t);
	content_free(&t->content);
	free(t->slot);
	t->slot = NULL;
	t->slots = 0;
}

void objects_forget(struct object_table *t)
{
	for (uint32_t i = 0; i < t->slots; i++) {
		if (t->slot[i])
			object_free(t->slot[i]);
		t->slot[i] = NULL;
	}
	t->count = 0;
}

void objects_sweep_begin(struct object_table *t, bool resend)
{
	t->sweep++;
	t->sweeping = true;
	t->resend = resend;
}

void objects_pass_begin(struct object_table *t)
{
	t->sweep++;
}

void objects_sweep_end(struct object_table *t, bool complete)
{
	t->sweeping = false;
	t->resend = false;
	if (complete)
		keep_used_since(t, t->sweep);
}

/* ---- content ---- */

static bool signs_equal(const struct object_signs *a, const struct object_signs *b)
{
	return a->size == b->size && a->mtime_sec == b->mtime_sec &&
	       a->mtime_nsec == b->mtime_nsec && a->nrpages == b->nrpages &&
	       a->ctime_sec == b->ctime_sec && a->ctime_nsec == b->ctime_nsec;
}

struct object *object_known(struct object_table *t, uint64_t owner, uint64_t place,
			    const struct object_signs *signs)
{
	struct object *o = *find_slot(t, owner, place);

	return o && !o->torn && signs_equal(&o->signs, signs) ? o : NULL;
}

/* Good enough as it is: hashed in this sweep, or unchanged for a look. */
static bool fresh(const struct object_table *t, const struct object *o,
		  const struct object_source *s)
{
	if (t->sweeping)
		return o->sweep == t->sweep;
	/* Memory has no signs of its own: it is hashed at every look. */
	return !o->torn && s->kind != OBJECT_ANON && signs_equal(&o->signs, &s->signs);
}

static int fill_map(const struct kernel *k, const struct object_source *s, struct page_map *map)
{
	int r = page_map_init(map, (s->content_size + FRAME_SIZE - 1) / FRAME_SIZE);

	if (!r)
		r = s->fill(k, s->ctx, map);
	return r;
}

static bool is_moved(const struct page_map *map, const struct page_map *now, uint32_t page)
{
	return map->frame[page] != NO_FRAME && map->frame[page] != now->frame[page];
}

static bool any_moved(const struct page_map *map, const struct page_map *now)
{
	for (uint32_t page = 0; page < map->pages; page++)
		if (is_moved(map, now, page))
			return true;
	return false;
}

/* Takes the pages that moved out of map and of its copy, and hashes what is left. */
static int leave_out(struct object_table *t, const struct object_source *s, struct page_map *map,
		     const struct page_map *now, int copy, uint8_t *hash)
{
	int r = 0;

	for (uint32_t page = 0; !r && page < map->pages; page++)
		if (is_moved(map, now, page)) {
			map->frame[page] = NO_FRAME;
			map->resident--;
			r = content_blank(copy, page, s->content_size);
		}
	return r ? r : content_hash_copy(&t->content, map, s->content_size, copy, hash);
}

/*
 * A copy during which no page moved: the guest runs, and a frame given away
 * while it is copied would show another file's bytes.  Of the last attempt the
 * pages that stayed are kept: *ret_torn.
 */
static int copy_stable(struct object_table *t, const struct kernel *k,
		       const struct object_source *s, struct page_map *map, int *ret_fd,
		       uint8_t *hash, bool *ret_torn)
{
	for (int i = 0;; i++) {
		autofd int fd = content_create(s->content_size);
		struct page_map now = { 0 };
		int r = fd < 0 ? fd : content_pass(&t->content, map, s->content_size, fd, hash);

		if (!r) {
			memory_refresh(k->mem);
			r = fill_map(k, s, &now);
		}
		*ret_torn = !r && any_moved(map, &now);
		if (*ret_torn && i < COPY_ATTEMPTS) {
			page_map_free(map);
			*map = now;
			continue;
		}
		if (*ret_torn)
			r = leave_out(t, s, map, &now, fd, hash);
		page_map_free(&now);
		if (!r)
			r = content_seal(fd);
		if (!r)
			*ret_fd = util_steal_fd(&fd);
		return r;
	}
}

static uint64_t said_size(const struct object_source *s)
{
	bool cut = s->cut ? *s->cut : s->full_size > s->content_size;

	return cut ? s->full_size : s->content_size;
}

/*
 * A file is known to the guest's agent by the very bytes that are scanned: by
 * all of them, or not at all.  A guest's user chooses which pages are resident
 * and, in a mount namespace, what path a file seems to have.  With the infected
 * page left out of the hash, a system's own file could pass for the malware.
 */
static int set_file_identity(struct object_table *t, const struct object_source *s,
			     const struct page_map *map, int fd, struct m_object *m)
{
	struct exe_identity id;
	int r = content_identity(&t->content, map, s->content_size, fd, &id);

	if (r || id.cut)
		return r;
	memcpy(m->file_hash, id.hash, sizeof(m->file_hash));
	memcpy(m->file_ranges.range, id.range, id.ranges * sizeof(*id.range));
	m->file_ranges.len = id.ranges * sizeof(*id.range);
	return 0;
}

static int send_object(struct object_table *t, const struct object_source *s,
		       const struct object_sink *sink, uint64_t id,
		       const struct page_map *map, int fd)
{
	uint64_t bytes = (uint64_t)map->resident * FRAME_SIZE;
	struct m_object m = {
		.object = id,
		.kind = s->kind,
		.size = said_size(s),
		.resident = MIN(bytes, s->content_size),
	};
	int r = s->kind == OBJECT_FILE ? set_file_identity(t, s, map, fd, &m) : 0;

	snprintf(m.path, sizeof(m.path), "%s", s->path);
	return r ? r : sink->send(sink->ctx, &m, fd);
}

static int copy_and_send(struct object_table *t, const struct kernel *k,
			 const struct object_source *s, const struct object_sink *sink,
			 struct object *o, struct page_map *map)
{
	uint8_t hash[CONTENT_HASH_BYTES];
	autofd int fd = -1;
	uint64_t id = 0;
	int r;

	o->torn = false;
	r = map->resident ? copy_stable(t, k, s, map, &fd, hash, &o->torn) : 0;

	/* Here, and still after the copy. */
	if (!r && map->resident) {
		id = o->id && memcmp(hash, o->hash, sizeof(hash)) == 0 &&
		     o->said_size == said_size(s) ? o->id : t->next_id++;
		r = send_object(t, s, sink, id, map, fd);
	}
	if (r)
		return r;
	o->id = id;
	o->said_size = said_size(s);
	if (!id)
		return 0;
	memcpy(o->hash, hash, sizeof(hash));
	return 0;
}

static int make_identity(struct object_table *t, const struct object_source *s,
			 struct object *o, const struct page_map *map)
{
	int r;

	o->identity = calloc(1, sizeof(*o->identity));
	if (!o->identity)
		return -ENOMEM;
	r = content_identity(&t->content, map, s->content_size, -1, o->identity);
	if (r) {
		free(o->identity);
		o->identity = NULL;
	}
	return r == -ENODATA ? 0 : r;
}

static int update(struct object_table *t, const struct kernel *k, const struct object_source *s,
		  const struct object_sink *sink, struct object *o)
{
	struct page_map map = { 0 };
	uint8_t hash[CONTENT_HASH_BYTES];
	bool same = false;
	int r = fill_map(k, s, &map);

	/* What was never sent is copied at once, without hashing it first. */
	if (!r && o->id) {
		r = content_pass(&t->content, &map, s->content_size, -1, hash);
		same = memcmp(hash, o->hash, sizeof(hash)) == 0 &&
		       o->said_size == said_size(s);
	}
	if (!r && !same) {
		free(o->identity);
		o->identity = NULL;
	}
	if (!r && (!same || (t->resend && o->sweep != t->sweep)))
		r = copy_and_send(t, k, s, sink, o, &map);
	if (!r && s->want_identity && !o->identity)
		r = make_identity(t, s, o, &map);
	page_map_free(&map);
	if (r)
		return r;
	o->signs = s->signs;
	o->sweep = t->sweep;
	return 0;
}

int object_get(struct object_table *t, const struct kernel *k, const struct object_source *source,
	       const struct object_sink *sink, struct object **ret_object)
{
	struct object *o = *find_slot(t, source->owner, source->place);
	bool known = o;
	int r = 0;

	if (!o)
		o = new_object(t, source);
	if (!o)
		return -ENOMEM;
	if (!known || !fresh(t, o, source) || (source->want_identity && !o->identity))
		r = update(t, k, source, sink, o);
	if (r) {
		/* Half known is not known: the next look starts over. */
		o->signs = (struct object_signs){ .size = UINT64_MAX };
		o->sweep = 0;
		return r;
	}
	o->used = t->sweep;
	*ret_object = o;
	return 0;
}
