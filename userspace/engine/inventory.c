// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "engine/clock.h"
#include "lib/crypto.h"
#include "lib/util.h"

#define DEAD_KEPT_NS (60 * NS_PER_S)	/* a late verdict may still name them */
#define EVICT_SEARCH 64			/* how far among the oldest a dead one is sought */

const char *object_state_name(enum object_state state)
{
	static const char *const names[] = {
		[OBJECT_WAITING] = "waiting", [OBJECT_CLEAN] = "clean",
		[OBJECT_INFECTED] = "infected", [OBJECT_NOT_SCANNED] = "not_scanned",
	};

	return names[state];
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static unsigned bucket(const struct inventory *inv, uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ inv->seed) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 29;
	h = (h + b) * 0xbf58476d1ce4e5b9ull;
	h ^= h >> 32;
	return h % INVENTORY_BUCKETS;
}

void inventory_init(struct inventory *inv)
{
	memset(inv, 0, sizeof(*inv));
	TAILQ_INIT(&inv->task_ages);
	TAILQ_INIT(&inv->object_ages);
	randombytes_buf(&inv->seed, sizeof(inv->seed));
}

static void drop_use(struct inventory *inv, struct use *u)
{
	TAILQ_REMOVE(&u->task->uses, u, of_task);
	TAILQ_REMOVE(&u->object->uses, u, of_object);
	u->task->nuses--;
	inv->nuses--;
	free(u->reported);
	free(u);
}

static void drop_task(struct inventory *inv, struct task *t)
{
	struct task **at = &inv->tasks[bucket(inv, t->pid, t->start_ns)];
	struct use *u;

	while ((u = TAILQ_FIRST(&t->uses)))
		drop_use(inv, u);
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	TAILQ_REMOVE(&inv->task_ages, t, by_age);
	inv->ntasks--;
	free(t->exe);
	free(t->argv);
	free(t->ranges);
	free(t);
}

static void drop_object(struct inventory *inv, struct object *o)
{
	struct object **at = &inv->objects[bucket(inv, o->id, 0)];
	struct use *u;

	while ((u = TAILQ_FIRST(&o->uses)))
		drop_use(inv, u);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	TAILQ_REMOVE(&inv->object_ages, o, by_age);
	inv->nobjects--;
	free(o->path);
	free(o->why);
	free(o->ranges);
	free(o);
}

void inventory_free(struct inventory *inv)
{
	struct task *t;

	inventory_forget_objects(inv);
	while ((t = TAILQ_FIRST(&inv->task_ages)))
		drop_task(inv, t);
}

void inventory_forget_objects(struct inventory *inv)
{
	struct object *o;

	while ((o = TAILQ_FIRST(&inv->object_ages)))
		drop_object(inv, o);
	inv->resend_due = false;
}

struct task *inventory_find_task(struct inventory *inv, uint32_t pid, uint64_t start_ns)
{
	struct task *t = inv->tasks[bucket(inv, pid, start_ns)];

	while (t && (t->pid != pid || t->start_ns != start_ns))
		t = t->next;
	return t;
}

struct object *inventory_find_object(struct inventory *inv, uint64_t id)
{
	struct object *o = inv->objects[bucket(inv, id, 0)];

	while (o && o->id != id)
		o = o->next;
	return o;
}

static void make_room_for_task(struct inventory *inv)
{
	struct task *t, *victim = TAILQ_FIRST(&inv->task_ages);
	unsigned seen = 0;

	if (inv->ntasks < INVENTORY_TASKS)
		return;
	TAILQ_FOREACH(t, &inv->task_ages, by_age) {
		if (t->dead) {
			victim = t;
			break;
		}
		if (++seen == EVICT_SEARCH)
			break;
	}
	drop_task(inv, victim);
	inv->evicted_tasks++;
}

static struct task *new_task(struct inventory *inv, uint32_t pid, uint64_t start_ns,
			     uint64_t now)
{
	struct task **head = &inv->tasks[bucket(inv, pid, start_ns)];
	struct task *t;

	make_room_for_task(inv);
	t = must(calloc(1, sizeof(*t)));
	t->pid = pid;
	t->start_ns = start_ns;
	t->first_seen = t->last_seen = now;
	t->exe = must(strdup(""));
	t->argv = must(strdup(""));
	TAILQ_INIT(&t->uses);
	t->next = *head;
	*head = t;
	TAILQ_INSERT_TAIL(&inv->task_ages, t, by_age);
	inv->ntasks++;
	return t;
}

/* Alive as of now: the youngest in the order of ages. */
static void touch_task(struct inventory *inv, struct task *t, uint64_t now)
{
	t->last_seen = now;
	t->dead = false;
	TAILQ_REMOVE(&inv->task_ages, t, by_age);
	TAILQ_INSERT_TAIL(&inv->task_ages, t, by_age);
}

static void replace_text(char **text, const char *by)
{
	if (!strcmp(*text, by))
		return;
	free(*text);
	*text = must(strdup(by));
}

/*
 * An executable of which no page is resident just now has no hash: the one of
 * before is as good, for the program is the same.
 */
static void fill_identity(struct task *t, const struct m_task *m, bool same_program)
{
	if (same_program && !m->exe_ranges.len)
		return;
	memcpy(t->exe_hash, m->exe_hash, sizeof(t->exe_hash));
	free(t->ranges);
	t->ranges = NULL;
	t->nranges = m->exe_ranges.len / sizeof(struct exe_range);
	if (t->nranges) {
		t->ranges = must(malloc(m->exe_ranges.len));
		memcpy(t->ranges, m->exe_ranges.range, m->exe_ranges.len);
	}
}

static bool same_program(const struct task *t, const struct m_task *m)
{
	return !t->stub && t->cr3 == m->cr3 && !strcmp(t->exe, m->exe);
}

static void fill_task(struct task *t, const struct m_task *m)
{
	fill_identity(t, m, same_program(t, m));
	t->ppid = m->ppid;
	t->uid = m->uid;
	t->flags = m->flags;
	t->cr3 = m->cr3;
	memcpy(t->comm, m->comm, sizeof(t->comm));
	replace_text(&t->exe, m->exe);
	replace_text(&t->argv, m->argv);
	t->cpu_used = m->cpu_ns;
	t->rss = m->rss_bytes;
	t->threads = m->threads;
}

/* exec: what the process executed before is no reason to kill what it is now. */
static void outdate_uses(struct task *t)
{
	struct use *u;

	TAILQ_FOREACH(u, &t->uses, of_task)
		u->stale = true;
}

struct task *inventory_task(struct inventory *inv, const struct m_task *m,
			    uint64_t now, bool *ret_new)
{
	struct task *t = inventory_find_task(inv, m->pid, m->start_ns);

	if (t && !t->stub && !same_program(t, m))
		outdate_uses(t);
	*ret_new = !t || !same_program(t, m);
	if (!t)
		t = new_task(inv, m->pid, m->start_ns, now);
	touch_task(inv, t, now);
	fill_task(t, m);
	t->stub = false;
	t->dead = m->flags & TASK_DYING;
	return t;
}

static void make_room_for_object(struct inventory *inv)
{
	struct object *o, *victim = TAILQ_FIRST(&inv->object_ages);
	unsigned seen = 0;

	if (inv->nobjects < INVENTORY_OBJECTS)
		return;
	TAILQ_FOREACH(o, &inv->object_ages, by_age) {
		if (TAILQ_EMPTY(&o->uses)) {
			victim = o;
			break;
		}
		if (++seen == EVICT_SEARCH)
			break;
	}
	drop_object(inv, victim);
	inv->evicted_objects++;
}

static struct object *new_object(struct inventory *inv, uint64_t id)
{
	struct object **head = &inv->objects[bucket(inv, id, 0)];
	struct object *o;

	make_room_for_object(inv);
	o = must(calloc(1, sizeof(*o)));
	o->id = id;
	o->path = must(strdup(""));
	TAILQ_INIT(&o->uses);
	o->next = *head;
	*head = o;
	TAILQ_INSERT_TAIL(&inv->object_ages, o, by_age);
	inv->nobjects++;
	return o;
}

static void set_file(struct object *o, const struct m_object *m)
{
	free(o->ranges);
	o->ranges = NULL;
	o->nranges = m->kind == OBJECT_FILE ? m->file_ranges.len / sizeof(struct exe_range) : 0;
	memcpy(o->file_hash, m->file_hash, HASH_BYTES);
	if (!o->nranges)
		return;
	o->ranges = must(malloc(m->file_ranges.len));
	memcpy(o->ranges, m->file_ranges.range, m->file_ranges.len);
}

struct object *inventory_object(struct inventory *inv, const struct m_object *m)
{
	struct object *o = inventory_find_object(inv, m->object);

	if (!o)
		o = new_object(inv, m->object);
	o->version++;
	o->found = false;
	o->kind = m->kind;
	o->size = m->size;
	o->resident = m->resident;
	replace_text(&o->path, m->path);
	set_file(o, m);
	inventory_set_state(o, OBJECT_WAITING, "");
	TAILQ_REMOVE(&inv->object_ages, o, by_age);
	TAILQ_INSERT_TAIL(&inv->object_ages, o, by_age);
	return o;
}

void inventory_set_state(struct object *o, enum object_state state, const char *why)
{
	o->state = state;
	if (!o->why)
		o->why = must(strdup(why));
	else
		replace_text(&o->why, why);
}

static struct use *find_use(struct task *t, const struct object *o)
{
	struct use *u;

	TAILQ_FOREACH(u, &t->uses, of_task)
		if (u->object == o)
			return u;
	return NULL;
}

static bool is_spare(const struct use *u)
{
	return u->stale || (u->object->state == OBJECT_CLEAN && !u->reported);
}

/* Of a process: what is no reason for anything, else what was shown longest ago. */
static void drop_use_of(struct inventory *inv, struct task *t)
{
	struct use *u, *victim = TAILQ_FIRST(&t->uses);
	unsigned seen = 0;

	TAILQ_FOREACH(u, &t->uses, of_task) {
		if (is_spare(u)) {
			victim = u;
			break;
		}
		if (++seen == EVICT_SEARCH)
			break;
	}
	drop_use(inv, victim);
	inv->evicted_uses++;
}

/*
 * A use that is new is never refused: who fills the table with code that is clean would
 * run what is not, unseen.  What is given up for it is shown again by the next sweep.
 */
static void make_room_for_use(struct inventory *inv, struct task *t)
{
	struct task *other, *most = t;
	unsigned seen = 0;

	if (t->nuses >= INVENTORY_USES_PER_TASK)
		drop_use_of(inv, t);
	if (inv->nuses < INVENTORY_USES)
		return;
	TAILQ_FOREACH(other, &inv->task_ages, by_age) {
		if (other->nuses > most->nuses)
			most = other;
		if (++seen == EVICT_SEARCH && most->nuses)
			break;
	}
	drop_use_of(inv, most);
}

struct use *inventory_use(struct inventory *inv, const struct m_uses *m,
			  enum found_by by, uint64_t t_seen, uint64_t now)
{
	struct object *o = inventory_find_object(inv, m->object);
	struct task *t = inventory_find_task(inv, m->pid, m->start_ns);
	struct use *u;

	if (!o) {
		inv->resend_due = true;
		return NULL;
	}
	if (!t) {
		t = new_task(inv, m->pid, m->start_ns, now);
		t->stub = true;
	}
	u = find_use(t, o);
	if (u) {
		TAILQ_REMOVE(&t->uses, u, of_task);
		TAILQ_INSERT_TAIL(&t->uses, u, of_task);
		u->stale = false;
		u->gva = m->gva;
		return u;
	}
	make_room_for_use(inv, t);
	u = must(calloc(1, sizeof(*u)));
	*u = (struct use){ .task = t, .object = o, .gva = m->gva, .by = by, .t_seen = t_seen };
	TAILQ_INSERT_TAIL(&t->uses, u, of_task);
	TAILQ_INSERT_TAIL(&o->uses, u, of_object);
	t->nuses++;
	inv->nuses++;
	return u;
}

void inventory_swept(struct inventory *inv, uint64_t began, uint64_t now)
{
	struct task *t = TAILQ_FIRST(&inv->task_ages), *next;

	for (; t && t->last_seen < began; t = next) {
		next = TAILQ_NEXT(t, by_age);
		t->dead = true;
		if (now - t->last_seen > DEAD_KEPT_NS)
			drop_task(inv, t);
	}
}
