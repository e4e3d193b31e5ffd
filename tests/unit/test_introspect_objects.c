// SPDX-License-Identifier: GPL-2.0-or-later
/* A content is sent once, again when it changed, and never while it moves. */
#include "test_introspect_guest.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <unistd.h>

#include "introspect/objects.h"

#define PAGES 3
#define AT 0x600000u
#define SIZE (PAGES * 4096 - 100)

static struct object_table table;
static struct m_object last;
static uint8_t content[(2 * EXE_MAX_RANGES + 1) * 4096];
static unsigned sent, fills, moves;
static int refuse;

static int setup(void **state)
{
	guest_setup(state);
	assert_int_equal(objects_init(&table, &mem), 0);
	sent = fills = moves = 0;
	refuse = 0;
	for (unsigned i = 0; i < PAGES * 4096; i++)
		ram[AT + i] = i * 13 + i / 4096;
	return 0;
}

static int teardown(void **state)
{
	objects_free(&table);
	return guest_teardown(state);
}

static int receive(void *ctx, const struct m_object *o, int fd)
{
	assert_int_equal(fcntl(fd, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_true(o->size <= sizeof(content));
	assert_int_equal(pread(fd, content, sizeof(content), 0), o->size);
	last = *o;
	sent++;
	return refuse;
}

static const struct object_sink sink = { receive, NULL };

static int fill(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	/* A running guest: the second page moves between two readings. */
	uint64_t second = moves && fills++ < moves && fills % 2 ? AT + 0x10000 : AT + 4096;

	page_map_set(map, 0, AT);
	page_map_set(map, 1, second);
	page_map_set(map, 2, AT + 2 * 4096);
	return 0;
}

static const struct object_source source = {
	.owner = 1, .place = 2,
	.signs = { SIZE, 10, 20, PAGES },
	.kind = OBJECT_FILE,
	.path = "/bin/x",
	.content_size = SIZE,
	.fill = fill,
};

static struct object *get(const struct object_source *s)
{
	struct object *o = NULL;

	memory_refresh(&mem);
	assert_int_equal(object_get(&table, &k, s, &sink, &o), 0);
	return o;
}

static void test_sent_once(void **state)
{
	uint64_t id = get(&source)->id;

	assert_int_equal(sent, 1);
	assert_int_equal(last.object, id);
	assert_int_equal(last.size, SIZE);
	assert_int_equal(last.resident, SIZE);
	assert_memory_equal(content, ram + AT, SIZE);
	assert_int_equal(get(&source)->id, id);
	objects_sweep_begin(&table, false);
	assert_int_equal(get(&source)->id, id);
	objects_sweep_end(&table, true);
	assert_int_equal(sent, 1);
}

/* The identity is of the very bytes sent, whatever the guest has by now. */
static void test_identity_of_what_was_sent(void **state)
{
	uint8_t hash[HASH_BYTES];

	get(&source);
	crypto_generichash(hash, sizeof(hash), content, SIZE, NULL, 0);
	assert_memory_equal(last.file_hash, hash, sizeof(hash));
	assert_int_equal(last.file_ranges.len, sizeof(struct exe_range));
	assert_int_equal(last.file_ranges.range[0].first_page, 0);
	assert_int_equal(last.file_ranges.range[0].pages, PAGES);
	ram[AT + 5000] ^= 1;
	objects_sweep_begin(&table, false);
	get(&source);
	objects_sweep_end(&table, true);
	assert_memory_not_equal(last.file_hash, hash, sizeof(hash));
}

/* Every other page: more stretches than an identity names. */
static int fill_in_stretches(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	for (unsigned page = 0; page < map->pages; page += 2)
		page_map_set(map, page, AT);
	return 0;
}

static void test_no_identity_without_all_that_was_sent(void **state)
{
	struct object_source s = source;

	s.fill = fill_in_stretches;
	s.content_size = s.signs.size = (2 * EXE_MAX_RANGES - 1) * 4096;
	get(&s);
	assert_int_equal(last.file_ranges.len, EXE_MAX_RANGES * sizeof(struct exe_range));
	s.place++;
	s.content_size = s.signs.size = (2 * EXE_MAX_RANGES + 1) * 4096;
	get(&s);
	assert_int_equal(last.file_ranges.len, 0);
}

static void test_memory_has_no_file_identity(void **state)
{
	struct object_source s = source;

	s.kind = OBJECT_ANON;
	get(&s);
	assert_int_equal(last.file_ranges.len, 0);
}

static void test_change_without_signs_is_seen_by_the_sweep(void **state)
{
	uint64_t id = get(&source)->id;

	ram[AT + 5000] ^= 1;
	assert_int_equal(get(&source)->id, id);
	objects_sweep_begin(&table, false);
	assert_int_not_equal(get(&source)->id, id);
	assert_int_equal(sent, 2);
	assert_memory_equal(content, ram + AT, SIZE);
	get(&source);
	objects_sweep_end(&table, true);
	assert_int_equal(sent, 2);
}

static void test_change_with_signs_is_seen_at_once(void **state)
{
	struct object_source s = source;

	get(&s);
	ram[AT] ^= 1;
	s.signs.mtime_nsec++;
	get(&s);
	assert_int_equal(sent, 2);
}

/* Bytes behind the end of the file are no part of it. */
static void test_behind_the_end(void **state)
{
	get(&source);
	ram[AT + SIZE] ^= 1;
	objects_sweep_begin(&table, false);
	get(&source);
	assert_int_equal(sent, 1);
}

static void test_resend(void **state)
{
	uint64_t id = get(&source)->id;

	objects_sweep_begin(&table, true);
	get(&source);
	assert_int_equal(get(&source)->id, id);
	assert_int_equal(sent, 2);
	assert_int_equal(last.object, id);
}

static int fill_gone(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	page_map_set(map, 0, AT);
	page_map_set(map, 1, GONE_PA);
	page_map_set(map, 2, UINT64_MAX - 4095 - 4096);
	return 0;
}

static void test_pages_that_are_not_there(void **state)
{
	struct object_source s = source;

	frame_gone = true;
	memset(ram + GONE_PA, 0x77, 4096);
	s.fill = fill_gone;
	get(&s);
	assert_int_equal(sent, 1);
	assert_int_equal(last.resident, 4096);
	assert_memory_equal(content, ram + AT, 4096);
	for (unsigned i = 4096; i < SIZE; i++)
		assert_int_equal(content[i], 0);
}

static int fill_stable(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	page_map_set(map, 0, AT);
	page_map_set(map, 2, AT + 2 * 4096);
	return 0;
}

/* Its frame may be another file's by the time it is copied. */
static void test_moving_page_is_left_out(void **state)
{
	struct object_source s = source;

	moves = 1000;
	assert_true(get(&source)->torn);
	assert_int_equal(sent, 1);
	assert_int_equal(last.resident, 2 * 4096);
	for (unsigned i = 4096; i < 8192; i++)
		assert_int_equal(content[i], 0);
	assert_memory_equal(content, ram + AT, 4096);
	assert_int_equal(last.file_ranges.len, 2 * sizeof(struct exe_range));
	/* What was kept has the hash that a pass over it has: it is not sent again. */
	s.fill = fill_stable;
	s.signs.nrpages++;
	get(&s);
	assert_int_equal(sent, 1);
	/* And what was left out is asked for again. */
	moves = 0;
	assert_false(get(&source)->torn);
	assert_int_equal(sent, 2);
	assert_memory_equal(content, ram + AT, SIZE);
}

/* All that there is of it, in two places in turn: not sent, and not called seen. */
static int fill_flipping(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	page_map_set(map, 0, fills++ % 2 ? AT + 0x10000 : AT);
	return 0;
}

static void test_payload_that_moves(void **state)
{
	struct object_source s = source;

	s.fill = fill_flipping;
	s.content_size = 4096;
	assert_true(get(&s)->torn);
	assert_int_equal(sent, 0);
}

static void test_page_that_settles(void **state)
{
	moves = 1;
	get(&source);
	assert_int_equal(sent, 1);
	assert_int_equal(last.size, SIZE);
	assert_true(last.resident >= 2 * 4096);
}

static void test_sink_that_fails(void **state)
{
	struct object *o;

	refuse = -EPIPE;
	assert_int_equal(object_get(&table, &k, &source, &sink, &o), -EPIPE);
	refuse = 0;
	get(&source);
	assert_int_equal(sent, 2);
}

static int fill_nothing(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	return 0;
}

static void test_nothing_resident(void **state)
{
	struct object_source s = source;

	s.fill = fill_nothing;
	assert_int_equal(get(&s)->id, 0);
	assert_int_equal(sent, 0);
	s.fill = fill;
	s.signs.nrpages = 9;
	assert_int_not_equal(get(&s)->id, 0);
}

static void test_dropped_after_a_sweep_without_it(void **state)
{
	get(&source);
	objects_sweep_begin(&table, false);
	objects_sweep_end(&table, false);
	assert_int_equal(table.count, 1);
	objects_sweep_begin(&table, false);
	objects_sweep_end(&table, true);
	assert_int_equal(table.count, 0);
	get(&source);
	assert_int_equal(sent, 2);
}

static void test_full_table_starts_afresh(void **state)
{
	struct object_source s = source;

	s.fill = fill_nothing;
	for (uint64_t i = 0; i < 2 * OBJECT_SLOTS; i++) {
		s.place = i;
		get(&s);
		assert_true(table.count < OBJECT_SLOTS);
	}
}

static void test_identity(void **state)
{
	struct object_source s = source;
	uint8_t hash[HASH_BYTES];
	const struct exe_identity *id;

	s.want_identity = true;
	id = get(&s)->identity;
	assert_non_null(id);
	assert_int_equal(id->ranges, 1);
	assert_int_equal(id->range[0].pages, PAGES);
	assert_false(id->partial);
	crypto_generichash(hash, sizeof(hash), ram + AT, SIZE, NULL, 0);
	assert_memory_equal(hash, id->hash, sizeof(hash));
	/* Asked for later, of an object already sent. */
	s.owner = 7;
	s.want_identity = false;
	assert_null(get(&s)->identity);
	s.want_identity = true;
	assert_memory_equal(get(&s)->identity->hash, hash, sizeof(hash));
	assert_int_equal(sent, 2);
}

static int fill_every_other(const struct kernel *kernel, const void *ctx, struct page_map *map)
{
	for (uint32_t i = 0; i < map->pages; i += 2)
		page_map_set(map, i, AT + (i % PAGES) * 4096);
	return 0;
}

static void test_identity_is_bounded(void **state)
{
	struct content_reader reader;
	struct exe_identity id;
	struct page_map map;

	assert_int_equal(content_init(&reader, &mem), 0);
	assert_int_equal(page_map_init(&map, 1000), 0);
	fill_every_other(&k, NULL, &map);
	assert_int_equal(content_identity(&reader, &map, 1000 * 4096, -1, &id), 0);
	assert_int_equal(id.ranges, EXE_MAX_RANGES);
	assert_true(id.partial);
	page_map_free(&map);
	content_free(&reader);
}

static void test_hash_depends_on_place_and_key(void **state)
{
	struct content_reader a, b;
	uint8_t h1[CONTENT_HASH_BYTES], h2[CONTENT_HASH_BYTES], h3[CONTENT_HASH_BYTES];
	struct page_map m1, m2;

	assert_int_equal(content_init(&a, &mem), 0);
	assert_int_equal(content_init(&b, &mem), 0);
	page_map_init(&m1, 4);
	page_map_init(&m2, 4);
	page_map_set(&m1, 1, AT);
	page_map_set(&m2, 2, AT);
	assert_int_equal(content_pass(&a, &m1, 4 * 4096, -1, h1), 0);
	assert_int_equal(content_pass(&a, &m2, 4 * 4096, -1, h2), 0);
	assert_int_equal(content_pass(&b, &m1, 4 * 4096, -1, h3), 0);
	assert_memory_not_equal(h1, h2, sizeof(h1));
	assert_memory_not_equal(h1, h3, sizeof(h1));
	page_map_free(&m1);
	page_map_free(&m2);
	content_free(&a);
	content_free(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sent_once), T(test_identity_of_what_was_sent),
		T(test_no_identity_without_all_that_was_sent),
		T(test_memory_has_no_file_identity), T(test_change_without_signs_is_seen_by_the_sweep),
		T(test_change_with_signs_is_seen_at_once), T(test_behind_the_end),
		T(test_resend), T(test_pages_that_are_not_there), T(test_moving_page_is_left_out),
		T(test_page_that_settles), T(test_payload_that_moves),
		T(test_sink_that_fails), T(test_nothing_resident),
		T(test_dropped_after_a_sweep_without_it), T(test_full_table_starts_afresh),
		T(test_identity), T(test_identity_is_bounded),
		T(test_hash_depends_on_place_and_key),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
