// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/pins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "channel/pinfile.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define FILE_NAME (TEXT_NAME + 16)

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static const char *file_of(const char *name, const char *suffix)
{
	static char file[2][FILE_NAME];
	static unsigned turn;
	char *out = file[turn++ % 2];

	snprintf(out, FILE_NAME, "%s.%s", name, suffix);
	return out;
}

/* ---- looking up ---- */

struct pin *pins_find(const struct pins *pins, const uint8_t key[WIRE_KEY])
{
	for (size_t i = 0; i < PINS_MAX; i++) {
		struct pin *p = &pins->pin[i];

		if (p->used && (!memcmp(p->key, key, WIRE_KEY) ||
				(p->has_next && !memcmp(p->next, key, WIRE_KEY))))
			return p;
	}
	return NULL;
}

struct pin *pins_named(const struct pins *pins, const char *name)
{
	for (size_t i = 0; i < PINS_MAX; i++)
		if (pins->pin[i].used && !strcmp(pins->pin[i].name, name))
			return &pins->pin[i];
	return NULL;
}

bool pins_is_revoked(const struct pins *pins, const uint8_t key[WIRE_KEY])
{
	for (size_t i = 0; i < pins->nrevoked; i++)
		if (!memcmp(pins->revoked[i].key, key, WIRE_KEY))
			return true;
	return false;
}

/* By both clocks: neither a clock set back nor a reboot makes it longer. */
static bool is_over(const struct invite *v)
{
	return clock_ns(CLOCK_REALTIME) >= v->until_wall ||
	       (v->until_boot && clock_ns(CLOCK_BOOTTIME) >= v->until_boot);
}

static int drop_invite(struct pins *pins, struct invite *v)
{
	int r = pinfile_remove(pins->dir, file_of(v->name, "invited"));

	if (r && r != -ENOENT)
		log_warn("%s.invited: cannot be removed: %s", v->name, strerror(-r));
	else
		*v = pins->invite[--pins->ninvites];
	return r == -ENOENT ? 0 : r;
}

bool pins_invites(struct pins *pins)
{
	bool open = false;

	for (size_t i = pins->ninvites; i-- > 0;) {
		if (is_over(&pins->invite[i]))
			drop_invite(pins, &pins->invite[i]);
		else
			open = true;
	}
	return open;
}

static struct invite *invite_named(struct pins *pins, const char *name)
{
	for (size_t i = 0; i < pins->ninvites; i++)
		if (!strcmp(pins->invite[i].name, name))
			return &pins->invite[i];
	return NULL;
}

struct invite *pins_invite_of(struct pins *pins, const uint8_t token_key[WIRE_KEY])
{
	for (size_t i = 0; i < pins->ninvites; i++)
		if (!sodium_memcmp(pins->invite[i].key, token_key, WIRE_KEY) &&
		    !is_over(&pins->invite[i]))
			return &pins->invite[i];
	return NULL;
}

/* ---- changing: the disk first ---- */

static int write_key(const struct pins *pins, const char *file, const uint8_t key[WIRE_KEY])
{
	char hex[2 * WIRE_KEY + 1];

	hex_encode(hex, key, WIRE_KEY);
	return pinfile_write(pins->dir, file, hex);
}

int pins_invite(struct pins *pins, const char *name, const uint8_t token_key[WIRE_KEY],
		uint32_t seconds)
{
	struct invite v = { .since_wall = clock_ns(CLOCK_REALTIME) }, *old = invite_named(pins, name);
	char line[PINFILE_LINE], hex[2 * WIRE_KEY + 1];
	int r;

	pins_invites(pins);
	old = invite_named(pins, name);
	if (!old && pins->ninvites == INVITES_MAX)
		return -ENOSPC;
	snprintf(v.name, sizeof(v.name), "%s", name);
	memcpy(v.key, token_key, WIRE_KEY);
	v.until_wall = v.since_wall + seconds * 1000000000ull;
	v.until_boot = clock_ns(CLOCK_BOOTTIME) + seconds * 1000000000ull;
	hex_encode(hex, token_key, WIRE_KEY);
	snprintf(line, sizeof(line), "%s %llu %llu %s", hex, (unsigned long long)v.until_wall,
		 (unsigned long long)v.until_boot, pins->boot);
	r = pinfile_write(pins->dir, file_of(name, "invited"), line);
	if (!r)
		*(old ? old : &pins->invite[pins->ninvites++]) = v;
	return r;
}

int pins_uninvite(struct pins *pins, const char *name)
{
	struct invite *v = invite_named(pins, name);

	return v ? drop_invite(pins, v) : -ENOENT;
}

static struct pin *free_place(const struct pins *pins)
{
	for (size_t i = 0; i < PINS_MAX; i++)
		if (!pins->pin[i].used)
			return &pins->pin[i];
	return NULL;
}

int pins_pin(struct pins *pins, const char *name, const uint8_t key[WIRE_KEY],
	     struct pin **ret_pin)
{
	struct pin *p = free_place(pins);
	int r = p ? write_key(pins, file_of(name, "pub"), key) : -ENOSPC;

	if (r)
		return r;
	*p = (struct pin){ .used = true, .since_wall = clock_ns(CLOCK_REALTIME) };
	snprintf(p->name, sizeof(p->name), "%s", name);
	memcpy(p->key, key, WIRE_KEY);
	*ret_pin = p;
	return 0;
}

/* In memory whatever the disk says: it is refused at once, at least until a restart. */
static int revoke_key(struct pins *pins, const char *name, const uint8_t key[WIRE_KEY])
{
	struct revoked *v = &pins->revoked[pins->nrevoked];
	char hex[2 * WIRE_KEY + 1];

	if (pins_is_revoked(pins, key))
		return 0;
	if (pins->nrevoked == REVOKED_MAX) {
		log_warn("more than %d revoked keys: %s is unpinned alone", REVOKED_MAX, name);
		return 0;
	}
	pins->nrevoked++;
	snprintf(v->name, sizeof(v->name), "%s", name);
	memcpy(v->key, key, WIRE_KEY);
	v->since_wall = clock_ns(CLOCK_REALTIME);
	hex_encode(hex, key, WIRE_KEY);
	return pinfile_write(pins->dir, file_of(hex, "revoked"), name);
}

/*
 * What is both revoked and pinned, after a fall in between, counts as revoked.
 * On a full disk its pin still goes: no key is let in because of that.
 */
int pins_revoke(struct pins *pins, struct pin *pin)
{
	int r = revoke_key(pins, pin->name, pin->key), next = 0, pub;

	if (pin->has_next) {
		next = revoke_key(pins, pin->name, pin->next);
		pinfile_remove(pins->dir, file_of(pin->name, "next"));
	}
	pub = pinfile_remove(pins->dir, file_of(pin->name, "pub"));
	pin->used = false;
	if (r || next)
		return r ? r : next;
	return pub == -ENOENT ? 0 : pub;
}

int pins_set_next(struct pins *pins, struct pin *pin, const uint8_t key[WIRE_KEY])
{
	int r = write_key(pins, file_of(pin->name, "next"), key);

	if (r)
		return r;
	memcpy(pin->next, key, WIRE_KEY);
	pin->has_next = true;
	return 0;
}

int pins_promote(struct pins *pins, struct pin *pin)
{
	int r = pinfile_rename(pins->dir, file_of(pin->name, "next"), file_of(pin->name, "pub"));

	if (r)
		return r;
	memcpy(pin->key, pin->next, WIRE_KEY);
	pin->has_next = false;
	pin->since_wall = clock_ns(CLOCK_REALTIME);
	return 0;
}

/* ---- the folder ---- */

/* NAME of NAME.suffix; false: not such a file, or no name to show. */
static bool name_of(const char *file, const char *suffix, char *name, size_t size)
{
	size_t len = strlen(file), tail = strlen(suffix) + 1;

	if (file[0] == '.' || len <= tail || len - tail >= size || file[len - tail] != '.' ||
	    strcmp(file + len - tail + 1, suffix) || !text_is_printable(file))
		return false;
	memcpy(name, file, len - tail);
	name[len - tail] = '\0';
	return true;
}

static uint64_t written_at(const struct pins *pins, const char *file)
{
	struct stat st;

	if (fstatat(pins->dir, file, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return st.st_mtim.tv_sec * 1000000000ull + st.st_mtim.tv_nsec;
}

static int read_key(const struct pins *pins, const char *file, uint8_t key[WIRE_KEY])
{
	char line[PINFILE_LINE];
	int r = pinfile_read(pins->dir, file, line);

	return r ? r : hex_decode(key, line, WIRE_KEY) ? 0 : -EINVAL;
}

/* One identity is one agent: a key under two names would let the two fight. */
static const char *add_pin(struct pins *pins, const char *file, const char *name)
{
	struct pin *p = free_place(pins);
	struct pin pin = { .used = true, .since_wall = written_at(pins, file) };

	if (read_key(pins, file, pin.key))
		return "no key";
	if (pins_is_revoked(pins, pin.key))
		return "its key is revoked";
	if (pins_find(pins, pin.key))
		return "another agent has the same key";
	if (!p)
		return "too many agents";
	snprintf(pin.name, sizeof(pin.name), "%s", name);
	*p = pin;
	return NULL;
}

static const char *add_next(struct pins *pins, const char *file, const char *name)
{
	struct pin *p = pins_named(pins, name);
	uint8_t key[WIRE_KEY];

	if (!p)
		return "no such agent is pinned";
	if (read_key(pins, file, key))
		return "no key";
	if (pins_is_revoked(pins, key) || pins_find(pins, key))
		return "its key is revoked or another agent's";
	memcpy(p->next, key, WIRE_KEY);
	p->has_next = true;
	return NULL;
}

static const char *add_revoked(struct pins *pins, const char *file, const char *hex)
{
	struct revoked *v = &pins->revoked[pins->nrevoked];
	char line[PINFILE_LINE];

	if (pins->nrevoked == REVOKED_MAX)
		return "too many of them";
	if (!hex_decode(v->key, hex, WIRE_KEY) || pinfile_read(pins->dir, file, line) ||
	    !text_is_printable(line))
		return "no revoked key";
	snprintf(v->name, sizeof(v->name), "%.*s", TEXT_NAME - 1, line);
	v->since_wall = written_at(pins, file);
	pins->nrevoked++;
	return NULL;
}

/* hex, until_wall, until_boot, boot */
static const char *add_invite(struct pins *pins, const char *file, const char *name)
{
	struct invite v = { .since_wall = written_at(pins, file) };
	char line[PINFILE_LINE], *word[4] = { NULL }, *save = NULL;

	if (pinfile_read(pins->dir, file, line))
		return "cannot be read";
	for (int i = 0; i < 4; i++) {
		word[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!word[i])
			return "no invitation";
	}
	if (!hex_decode(v.key, word[0], WIRE_KEY) ||
	    !parse_u64(word[1], UINT64_MAX, &v.until_wall) ||
	    !parse_u64(word[2], UINT64_MAX, &v.until_boot))
		return "no invitation";
	if (pins_named(pins, name))
		return "that agent is pinned";	/* a fall before it was removed */
	if (pins->ninvites == INVITES_MAX)
		return "too many of them";
	if (strcmp(word[3], pins->boot))
		v.until_boot = 0;
	snprintf(v.name, sizeof(v.name), "%s", name);
	pins->invite[pins->ninvites++] = v;
	return NULL;
}

typedef const char *adder(struct pins *pins, const char *file, const char *name);

/* Every file of one kind. */
static void load_kind(struct pins *pins, const char *suffix, size_t size, adder *add)
{
	int fd = openat(pins->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char name[2 * WIRE_KEY + 1];
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *why;

		if (!name_of(entry->d_name, suffix, name, size))
			continue;
		why = add(pins, entry->d_name, name);
		if (why)
			log_warn("%s: %s: skipped", entry->d_name, why);
	}
	if (dir)
		closedir(dir);
}

static void read_boot_id(char *out, size_t size)
{
	autofd int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (!out[0])
		snprintf(out, size, "unknown");
}

void pins_load(int dir, struct pins *ret_pins)
{
	struct pins *p = ret_pins;
	size_t n = 0;

	*p = (struct pins){ .dir = dir, .pin = calloc(PINS_MAX, sizeof(*p->pin)),
			    .invite = calloc(INVITES_MAX, sizeof(*p->invite)),
			    .revoked = calloc(REVOKED_MAX, sizeof(*p->revoked)) };
	if (!p->pin || !p->invite || !p->revoked)
		fatal("out of memory");
	read_boot_id(p->boot, sizeof(p->boot));
	load_kind(p, "revoked", 2 * WIRE_KEY + 1, add_revoked);
	load_kind(p, "pub", TEXT_NAME, add_pin);
	load_kind(p, "next", TEXT_NAME, add_next);
	load_kind(p, "invited", TEXT_NAME, add_invite);
	for (size_t i = 0; i < PINS_MAX; i++)
		n += p->pin[i].used;
	log_info("%zu agents are pinned, %zu invited, %zu keys revoked", n, p->ninvites,
		 p->nrevoked);
}
