// SPDX-License-Identifier: GPL-2.0-or-later
/* Files at rest: which are told, by what name, and lists made to do harm. */
#include "test_introspect_kernel.h"

#include <sys/stat.h>

#include "introspect/inodes.h"

#define FILES 8

static struct {
	uint32_t n, ends_at;		/* 0: never */
	struct guest_inode file[FILES];
} seen;
static struct inodes_walked walked;
static uint64_t disk, root;

/* What the guest does once so many files were seen. */
static void (*meanwhile)(uint32_t seen);

static int see(void *ctx, const struct guest_inode *inode)
{
	assert_true(seen.n < FILES);
	seen.file[seen.n++] = *inode;
	if (meanwhile)
		meanwhile(seen.n);
	return seen.n == seen.ends_at ? 77 : 0;
}

static int walk(bool all)
{
	memset(&seen, 0, offsetof(typeof(seen), file));
	memory_refresh(&mem);
	return inodes_walk(&k, all, see, NULL, &walked);
}

static int setup(void **state)
{
	int r = guest_setup(NULL);

	check_layout(&k.at);
	k.symbol[SYM_SUPER_BLOCKS].address = 0;
	disk = make_file_system("ext4", "sda1", 8 << 20 | 1);
	root = make_dentry("/", 0);
	return r;
}

static void test_regular_files_with_pages(void **state)
{
	uint64_t dir = make_dentry("sbin", root), file, other = make_file_system("tmpfs", "tmpfs", 24);

	make_resting(disk, 2, S_IFDIR | 0755, 0);
	file = make_resting(disk, 12, S_IFREG | 0755, 3);
	set(file, k.at.inode_i_uid, 1000);
	name_inode(file, make_dentry("tool", dir));
	make_resting(disk, 13, S_IFREG | 0600, 0);
	make_resting(disk, 14, S_IFBLK | 0600, 5);
	make_resting(other, 12, S_IFREG | 0600, 1);
	assert_int_equal(walk(false), 0);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.file[0].path, "/sbin/tool");
	assert_string_equal(seen.file[0].fs, "ext4");
	assert_string_equal(seen.file[0].id, "sda1");
	assert_int_equal(seen.file[0].dev, 8 << 20 | 1);
	assert_int_equal(seen.file[0].ino, 12);
	assert_int_equal(seen.file[0].nrpages, 3);
	assert_int_equal(seen.file[0].size, 3 * 4096);
	assert_int_equal(seen.file[0].uid, 1000);
	assert_int_equal(seen.file[0].mode, S_IFREG | 0755);
	assert_false(seen.file[0].deleted);
	/* Nothing of the one before is said of the next. */
	assert_string_equal(seen.file[1].fs, "tmpfs");
	assert_string_equal(seen.file[1].path, "");
	assert_int_equal(seen.file[1].uid, 0);
	assert_int_equal(walked.super_blocks, 2);
	assert_int_equal(walked.inodes, 5);
	assert_int_equal(walked.files, 2);
	assert_int_equal(walk(true), 0);
	assert_int_equal(seen.n, 3);
}

static void test_names(void **state)
{
	uint64_t two = make_resting(disk, 1, S_IFREG, 1), gone = make_resting(disk, 2, S_IFREG, 1);
	uint64_t cut = make_resting(disk, 3, S_IFREG, 1), old = make_dentry("old", root);
	uint64_t lost = make_dentry("lost", root);

	/* The first was renamed: a dentry that is in no folder any more comes first. */
	set(old, k.at.dentry_hash_pprev, 0);
	name_inode(two, make_dentry("new", root));
	name_inode(two, old);
	set(lost, k.at.dentry_hash_pprev, 0);
	name_inode(gone, lost);
	set(cut, k.at.inode_i_nlink, 0);
	assert_int_equal(walk(false), 0);
	assert_int_equal(seen.n, 3);
	assert_string_equal(seen.file[0].path, "/new");
	assert_false(seen.file[0].deleted);
	assert_string_equal(seen.file[1].path, "/lost");
	/* Network file systems drop the names of files that are there. */
	assert_false(seen.file[1].deleted);
	assert_true(seen.file[2].deleted);
}

/* A folder that is its own grandparent. */
static void test_path_without_end(void **state)
{
	uint64_t a = make_dentry("a", root), b = make_dentry("b", a);

	set(a, k.at.dentry_d_parent, b);
	name_inode(make_resting(disk, 1, S_IFREG, 1), make_dentry("x", b));
	assert_int_equal(walk(false), 0);
	assert_int_equal(seen.n, 1);
	assert_true(strlen(seen.file[0].path) < GUEST_PATH_SIZE);
}

static void test_broken_lists_hide_no_others(void **state)
{
	uint64_t other = make_file_system("xfs", "vda", 1), first, second;

	first = make_resting(disk, 1, S_IFREG, 1);
	second = make_resting(disk, 2, S_IFREG, 1);
	make_resting(other, 3, S_IFREG, 1);
	/* Round without the head. */
	put64(second - DIRECT + k.at.inode_i_sb_list.at, first + k.at.inode_i_sb_list.at);
	assert_int_equal(walk(false), 0);
	assert_int_equal(walked.torn, 1);
	assert_int_equal(seen.n, 3);
	put64(second - DIRECT + k.at.inode_i_sb_list.at, 0x1234);
	assert_int_equal(walk(false), 0);
	assert_int_equal(walked.torn, 1);
	assert_int_equal(seen.file[seen.n - 1].ino, 3);
	/* The list of file systems itself. */
	put64(other - DIRECT + k.at.super_block_s_list.at, disk + k.at.super_block_s_list.at);
	assert_int_equal(walk(false), -ELOOP);
}

static void test_what_cannot_be_read_is_counted(void **state)
{
	uint64_t bad = make_resting(disk, 1, S_IFREG, 1);

	make_resting(disk, 2, S_IFREG, 1);
	set(bad, k.at.inode_i_mapping, 0x1234);
	assert_int_equal(walk(false), 0);
	assert_int_equal(walked.unread, 1);
	assert_int_equal(seen.n, 1);
	set(bad, k.at.inode_i_mapping, 0);
	assert_int_equal(walk(false), 0);
	assert_int_equal(walked.unread, 1);
}

static void test_size_below_zero(void **state)
{
	uint64_t bad = make_resting(disk, 1, S_IFREG, 1);

	set(bad, k.at.inode_i_size, 1ull << 63);
	assert_int_equal(walk(false), 0);
	assert_int_equal(walked.unread, 1);
	assert_int_equal(seen.n, 0);
}

static void test_ends(void **state)
{
	make_resting(disk, 1, S_IFREG, 1);
	make_resting(disk, 2, S_IFREG, 1);
	memset(&seen, 0, offsetof(typeof(seen), file));
	seen.ends_at = 1;
	assert_int_equal(inodes_walk(&k, false, see, NULL, &walked), 77);
	assert_int_equal(seen.n, 1);
	/* Time is up: not the same as nothing there. */
	mem.deadline_ns = 1;
	mem.expired = true;
	seen.n = 0;
	assert_int_equal(inodes_walk(&k, false, see, NULL, &walked), -ETIME);
	k.symbol[SYM_SUPER_BLOCKS].address = 0;
	assert_int_equal(inodes_walk(&k, false, see, NULL, &walked), -ENOENT);
}

/* ---- a guest that runs ---- */

#define MANY 5
static uint64_t many[MANY], late, other_disk;

/* Each in a frame of its own, as frames are read anew at their first use alone. */
static uint64_t far_inode(uint64_t sb, uint64_t ino)
{
	make(8192);
	return make_resting(sb, ino, S_IFREG, 1);
}

static uint64_t link_of(uint64_t inode)
{
	return inode + k.at.inode_i_sb_list.at;
}

static void cut_what_was_seen(uint32_t n)
{
	if (n != 2)
		return;
	list_cut(link_of(many[1]));
	list_init(link_of(many[1]));
}

static void cut_what_comes(uint32_t n)
{
	if (n == 2)
		list_cut(link_of(many[2]));
}

static void put_between(uint32_t n)
{
	const uint64_t before = link_of(many[1]), next = get64(before), node = link_of(late);

	if (n != 2)
		return;
	put64(before - DIRECT, node);
	put64(node - DIRECT, next);
	put64(node - DIRECT + 8, before);
	put64(next - DIRECT + 8, node);
}

/* Its memory is another file system's inode by now, and leads on in that list. */
static void give_away(uint32_t n)
{
	if (n != 1)
		return;
	list_cut(link_of(many[1]));
	list_append(other_disk + k.at.super_block_s_inodes.at, link_of(many[1]));
	set(many[1], k.at.inode_i_sb, other_disk);
}

static void expect_seen(uint32_t n, const char *inos)
{
	assert_int_equal(seen.n, n);
	assert_int_equal(walked.torn, 0);
	for (uint32_t i = 0; i < n; i++)
		if (seen.file[i].ino != (uint64_t)(inos[i] - '0'))
			fail_msg("file %u is %llu", i, (unsigned long long)seen.file[i].ino);
}

static void test_list_that_changes(void **state)
{
	static const struct {
		void (*what)(uint32_t n);
		uint32_t n;
		const char *seen;
	} cases[] = {
		{ cut_what_was_seen, 5, "12345" }, { cut_what_comes, 5, "12345" },
		{ put_between, 6, "129345" }, { give_away, 5, "13452" },
	};

	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		assert_int_equal(setup(NULL), 0);
		other_disk = make_file_system("ext4", "sdb1", 8 << 20 | 17);
		for (int i = 0; i < MANY; i++)
			many[i] = far_inode(disk, i + 1);
		late = far_inode(disk, 9);
		list_cut(link_of(late));
		meanwhile = cases[c].what;
		assert_int_equal(walk(false), 0);
		meanwhile = NULL;
		expect_seen(cases[c].n, cases[c].seen);
		if (c + 1 < sizeof(cases) / sizeof(*cases))
			guest_teardown(NULL);
	}
}

/* Between its links and the rest of it. */
static void test_inode_of_another(void **state)
{
	uint64_t other = make_file_system("ext4", "sdb1", 8 << 20 | 17);

	make_resting(disk, 1, S_IFREG, 1);
	set(make_resting(disk, 2, S_IFREG, 1), k.at.inode_i_sb, other);
	make_resting(disk, 3, S_IFREG, 1);
	assert_int_equal(walk(false), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.file[1].ino, 3);
	assert_int_equal(walked.unread, 1);
}

/* It changes at every node: that ends all the same, and is told. */
static void test_list_that_never_holds(void **state)
{
	for (int i = 0; i < MANY; i++)
		many[i] = far_inode(disk, i + 1);
	put64(link_of(many[3]) - DIRECT + 8, link_of(many[0]));
	assert_int_equal(walk(false), 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(walked.torn, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_regular_files_with_pages, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_path_without_end, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_broken_lists_hide_no_others, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_counted, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_size_below_zero, setup, guest_teardown),
		cmocka_unit_test_teardown(test_list_that_changes, guest_teardown),
		cmocka_unit_test_setup_teardown(test_inode_of_another, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_list_that_never_holds, setup, guest_teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, guest_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
