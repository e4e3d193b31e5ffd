/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code objects of one guest and what is known of each, so that a content is
 * sent once.  A sweep hashes every object again; a look trusts the cheap signs
 * (size, times, pages in the cache) of an object hashed before, so a change
 * they do not show is seen by the next sweep.
 */
#ifndef WARDEN_OBJECTS_H
#define WARDEN_OBJECTS_H

#include "introspect/content.h"
#include "introspect/files.h"

#define OBJECT_SLOTS 16384u

/* Cheap signs of a change.  The time of the last change (ctime) is of files at rest alone. */
struct object_signs {
	uint64_t size, mtime_sec, mtime_nsec, nrpages;
	uint64_t ctime_sec, ctime_nsec;
};

struct object {
	uint64_t owner, place;		/* mapping and inode number; or mm and address */
	struct object_signs signs;
	uint8_t hash[CONTENT_HASH_BYTES];
	uint64_t id;			/* 0: nothing of it was resident */
	uint64_t said_size;		/* with it */
	uint32_t sweep;			/* hashed in */
	uint32_t used;			/* last sweep that met it */
	bool torn;			/* pages moved while it was copied: not all of it was sent */
	struct exe_identity *identity;	/* made when first asked for */
};

struct object_table {
	struct object **slot;
	uint32_t slots, count;
	uint32_t sweep;			/* number of the sweep under way or last */
	bool sweeping, resend;
	uint64_t next_id;
	struct content_reader content;
};

/* Where the pages of an object come from; the map arrives empty. */
struct object_source {
	uint64_t owner, place;
	struct object_signs signs;
	uint32_t kind;			/* enum object_kind */
	const char *path;		/* printable */
	uint64_t content_size;		/* bytes of the object sent, at most MAX_FILE_PAGES pages */
	/*
	 * The size it has in truth, said of an object whose end is not sent: more
	 * than any scanner takes, so it is never held for scanned.  cut tells,
	 * once filled, whether that is so; NULL: by the two sizes.
	 */
	uint64_t full_size;
	const bool *cut;
	int (*fill)(const struct kernel *k, const void *ctx, struct page_map *map);
	const void *ctx;
	bool want_identity;
};

struct object_sink {
	int (*send)(void *ctx, const struct m_object *object, int fd);
	void *ctx;
};

int objects_init(struct object_table *t, struct guest_memory *mem);
int objects_init_slots(struct object_table *t, struct guest_memory *mem, uint32_t slots);
void objects_free(struct object_table *t);

/* Everything known is forgotten (another kernel runs); ids go on. */
void objects_forget(struct object_table *t);

void objects_sweep_begin(struct object_table *t, bool resend);
/* Objects no task had in this sweep are dropped. */
void objects_sweep_end(struct object_table *t, bool complete);

/* The same without a hash of what has not changed by its signs. */
void objects_pass_begin(struct object_table *t);

/* NULL: that object is not known, or not as it is by these signs.  As object_get, but no use of it. */
struct object *object_known(struct object_table *t, uint64_t owner, uint64_t place,
			    const struct object_signs *signs);

/*
 * The object of a source, sent if its content is new.  *ret_object stays valid
 * until the table drops it (end of a sweep, or a full table).  0 or -errno.
 */
int object_get(struct object_table *t, const struct kernel *k, const struct object_source *source,
	       const struct object_sink *sink, struct object **ret_object);

#endif
