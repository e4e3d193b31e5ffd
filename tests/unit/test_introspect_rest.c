// SPDX-License-Identifier: GPL-2.0-or-later
/* Files at rest: sent once, as far as they are there, in parts, whatever a guest makes of its lists. */
#include "test_introspect_kernel.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "introspect/rest.h"
#include "lib/util.h"

#define AT 0x600000u
#define FILES 400

static struct introspector in;
static struct rest rest;
static struct m_rest ask;
static struct m_rested told;
static struct m_rest_file sent[FILES];
static uint8_t content[8 * 4096];
static off_t length;
static unsigned n;
static uint64_t disk;

static int take(void *ctx, const struct m_rest_file *file, int fd)
{
	assert_true(n < FILES);
	assert_int_equal(fcntl(fd, F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	length = lseek(fd, 0, SEEK_END);
	memset(content, 0, sizeof(content));
	assert_true(pread(fd, content, sizeof(content), 0) >= 0);
	sent[n++] = *file;
	return 0;
}

static int setup(void **state)
{
	int r = guest_setup(NULL);

	check_layout(&k.at);
	k.at.inode_mtime_sec = (struct field){ 96, 8 };
	k.at.inode_ctime_sec = (struct field){ 104, 8 };
	k.at.inode_i_generation = (struct field){ 112, 4 };
	k.symbol[SYM_SUPER_BLOCKS].address = 0;
	disk = make_file_system("ext4", "sda1", 8 << 20 | 1);
	ask = (struct m_rest){ .files = 64, .bytes = 1 << 20, .milliseconds = 60000 };
	memset(&rest, 0, sizeof(rest));
	return r || introspector_init(&in, &mem);
}

static int teardown(void **state)
{
	rest_free(&rest);
	introspector_free(&in);
	return guest_teardown(state);
}

static bool awaited;

static bool is_awaited(void *ctx)
{
	return awaited;
}

static const struct rest_sink sink = { take, is_awaited, NULL };

/* What a part sent. */
static unsigned look(void)
{
	n = 0;
	in.kernel = k;
	assert_int_equal(rest_look(&in, &rest, &ask, &sink, &told), 0);
	assert_int_equal(told.sent, n);
	return n;
}

/* Whole, of so many pages from AT + at on. */
static uint64_t make_whole(uint64_t ino, uint32_t at, unsigned pages)
{
	uint64_t inode = make_resting(disk, ino, S_IFREG | 0644, pages), mapping, leaf = make_xa_node(0);

	for (unsigned i = 0; i < pages; i++)
		xa_set(leaf, i, make_page(AT + at + i * 4096, UPTODATE));
	mapping = get64(inode + k.at.inode_i_mapping.at);
	set(mapping, k.at.address_space_xa_head, leaf | 2);
	return inode;
}

static void test_sent_once_and_when_changed(void **state)
{
	uint64_t inode = make_whole(12, 0, 2);

	memcpy(ram + AT, "#!/bin/sh", 9);
	name_inode(inode, make_dentry("job", make_dentry("etc", make_dentry("/", 0))));
	set(inode, k.at.inode_i_size, 4096 + 10);
	assert_int_equal(look(), 1);
	assert_int_equal(told.status, REST_END);
	assert_string_equal(sent[0].path, "/etc/job");
	assert_string_equal(sent[0].fs, "ext4");
	assert_int_equal(sent[0].kind, OBJECT_FILE);
	assert_int_equal(sent[0].inode, 12);
	assert_int_equal(sent[0].size, 4096 + 10);
	assert_int_equal(sent[0].resident, 4096 + 10);
	assert_int_equal(sent[0].file_ranges.len, sizeof(struct exe_range));
	assert_int_equal(length, 4096 + 10);
	assert_memory_equal(content, ram + AT, 4096 + 10);
	assert_int_equal(look(), 0);
	assert_int_equal(told.unchanged, 1);
	/* Touched, and of the same bytes; then of others, with times and size as they were. */
	set(inode, k.at.inode_mtime_sec, 77);
	assert_int_equal(look(), 0);
	ram[AT + 5]++;
	set(inode, k.at.inode_mtime_sec, 78);
	assert_int_equal(look(), 1);
	/* Removed and put back: at the same place, of the same bytes. */
	set(inode, k.at.inode_i_generation, 3);
	assert_int_equal(look(), 1);
	assert_int_equal(sent[0].generation, 3);
	/* By other signatures all are asked for. */
	ask.anew = 1;
	assert_int_equal(look(), 1);
	ask.anew = 0;
	assert_int_equal(look(), 0);
}

static void test_a_change_of_ctime_alone_is_seen(void **state)
{
	uint64_t inode = make_whole(12, 0, 1);

	assert_int_equal(look(), 1);
	ram[AT + 7]++;
	assert_int_equal(look(), 0);
	set(inode, k.at.inode_ctime_sec, 5);
	assert_int_equal(look(), 1);
}

static void test_as_far_as_it_is_there(void **state)
{
	uint64_t inode = make_whole(12, 0, 1), none = make_resting(disk, 13, S_IFREG, 3);

	set(inode, k.at.inode_i_size, 1ull << 40);
	assert_int_equal(look(), 1);
	assert_int_equal(sent[0].size, 1ull << 40);
	assert_int_equal(sent[0].resident, 4096);
	assert_int_equal(length, 4096);
	/* It says that it has pages, and none is there. */
	assert_int_equal(told.files, 2);
	assert_int_equal(told.unchanged, 1);
	set(none, k.at.inode_i_size, 1ull << 63);
	assert_int_equal(look(), 0);
	assert_int_equal(told.unread, 1);
}

static void test_what_runs_is_left_to_sweeps(void **state)
{
	uint64_t inode = make_whole(12, 0, 1);
	struct object *o = calloc(1, sizeof(*o));

	/* As a sweep has it: in the only slot there is. */
	free(in.objects.slot);
	in.objects.slot = calloc(2, sizeof(*in.objects.slot));
	in.objects.slots = 1;
	in.objects.slot[0] = o;
	*o = (struct object){ .owner = get64(inode + k.at.inode_i_mapping.at), .place = 12, .id = 4,
			      .signs = { .size = 4096, .nrpages = 1 } };
	assert_int_equal(look(), 0);
	assert_int_equal(told.mapped, 1);
	/* It was written to since. */
	o->signs.mtime_sec++;
	assert_int_equal(look(), 1);
	/* Nothing of it was there when it was met. */
	o->signs.mtime_sec--;
	o->id = 0;
	ask.anew = 1;
	assert_int_equal(look(), 1);
}

static void test_parts_go_on_where_they_ended(void **state)
{
	unsigned all = 0, parts = 0;

	for (unsigned i = 0; i < 300; i++)
		make_whole(100 + i, 0, 1);
	ask.files = 32;
	do {
		unsigned got = look();

		for (unsigned i = 0; i < got; i++)
			assert_int_equal(sent[i].inode, 100 + all + i);
		all += got;
		parts++;
		assert_true(got <= 32 && parts < 20);
	} while (told.status == REST_MORE);
	assert_int_equal(all, 300);
	assert_int_equal(parts, 10);
	/* Of bytes too: it ends the file it is at. */
	ask = (struct m_rest){ .anew = 1, .files = 100, .bytes = 3 * 4096, .milliseconds = 60000 };
	assert_int_equal(look(), 3);
	assert_int_equal(told.status, REST_MORE);
	assert_int_equal(told.bytes, 3 * 4096);
}

static void test_nobody_waits_for_it(void **state)
{
	unsigned all = 0;

	for (unsigned i = 0; i < 3; i++)
		make_whole(100 + i, 0, 1);
	for (unsigned i = 0; i < 1500; i++)
		make_resting(disk, 1000 + i, S_IFDIR, 0);
	awaited = true;
	for (unsigned part = 0; part < 3; part++) {
		assert_int_equal(look(), 1);
		assert_int_equal(told.status, REST_MORE);
	}
	/* It gets on all the same. */
	while (told.status == REST_MORE) {
		assert_int_equal(look(), 0);
		assert_true(told.inodes <= 256 && ++all < 10);
	}
	assert_true(all >= 5);
	awaited = false;
}

static void test_the_inode_to_go_on_from_goes(void **state)
{
	uint64_t inode[200];
	unsigned all = 0, again = 0;

	for (unsigned i = 0; i < 200; i++)
		inode[i] = make_whole(100 + i, 0, 1);
	ask.files = 130;
	assert_int_equal(look(), 130);
	/* It, and all of the last: the trail has some of before, and none is told twice. */
	for (unsigned i = 90; i < 130; i++) {
		list_cut(inode[i] + k.at.inode_i_sb_list.at);
		set(inode[i], k.at.inode_i_sb, 0);
	}
	do {
		all += look();
		again += told.unchanged;
	} while (told.status == REST_MORE);
	assert_int_equal(all, 70);
	/* Nor did it begin anew: the one of before is the 64th. */
	assert_int_equal(again, 90 - 64);
	assert_true(rest.whole);
}

static void test_its_file_system_goes(void **state)
{
	uint64_t other = make_file_system("tmpfs", "tmpfs", 24);

	make_whole(1, 0, 1);
	disk = other;
	make_whole(2, 0, 1);
	make_whole(3, 0, 1);
	ask.files = 2;
	assert_int_equal(look(), 2);
	assert_int_equal(told.status, REST_MORE);
	list_cut(other + k.at.super_block_s_list.at);
	assert_int_equal(look(), 0);
	assert_int_equal(told.status, REST_END);
	assert_true(told.why[0] && !rest.whole);
	assert_int_equal(look(), 0);
	assert_int_equal(told.status, REST_END);
	assert_false(told.why[0]);
}

static void test_lists_that_lie_end(void **state)
{
	uint64_t first = make_whole(1, 0, 1), second = make_whole(2, 0, 1);
	unsigned all = 0, parts = 0;

	put64(second - DIRECT + k.at.inode_i_sb_list.at, first + k.at.inode_i_sb_list.at);
	do {
		all += look();
	} while (told.status == REST_MORE && ++parts < 10);
	assert_int_equal(told.status, REST_END);
	assert_int_equal(all, 2);
	assert_int_equal(told.torn, 1);
	assert_false(rest.whole);
	/* Endless ones too. */
	rest.inodes = MAX_INODES - 1;
	rest.place.super_block = disk;
	put64(second - DIRECT + k.at.inode_i_sb_list.at, disk + k.at.super_block_s_inodes.at);
	look();
	assert_int_equal(told.status, REST_END);
	assert_int_equal(told.cut, 1);
}

static void test_no_time_no_files(void **state)
{
	make_whole(1, 0, 1);
	ask.milliseconds = 0;
	assert_int_equal(look(), 0);
	assert_int_equal(told.status, REST_MORE);
	k.at.inode_i_sb_list.size = 0;
	ask.milliseconds = 1000;
	assert_int_equal(look(), 0);
	assert_int_equal(told.status, REST_UNAVAILABLE);
	assert_true(told.why[0]);
}

static void test_names_are_printable(void **state)
{
	name_inode(make_whole(1, 0, 1), make_dentry("a\033[2J\nb", make_dentry("/", 0)));
	assert_int_equal(look(), 1);
	assert_true(text_is_printable(sent[0].path));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(test_##f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sent_once_and_when_changed), T(a_change_of_ctime_alone_is_seen),
		T(as_far_as_it_is_there), T(what_runs_is_left_to_sweeps),
		T(parts_go_on_where_they_ended), T(nobody_waits_for_it),
		T(the_inode_to_go_on_from_goes), T(its_file_system_goes),
		T(lists_that_lie_end), T(no_time_no_files), T(names_are_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
