// SPDX-License-Identifier: GPL-2.0-or-later
/* Paths over mounts, deleted files, memfds, and names made to do harm. */
#include "test_introspect_guest.h"

#include "introspect/files.h"
#include "lib/util.h"

#define TMPFS 0x01021994u
#define EXT4 0xef53u

static struct guest_file f;

static void test_path_over_mounts(void **state)
{
	uint64_t root = make_dentry("/", 0), mnt = make_dentry("mnt", root);
	uint64_t top = make_mount(root, 0, root);
	uint64_t root2 = make_dentry("/", 0), m2 = make_mount(root2, top, mnt);
	uint64_t dir = make_dentry("dir", root2), prog = make_dentry("prog", dir);

	assert_int_equal(file_read_info(&k, make_file(m2, prog, 1234, EXT4), &f), 0);
	assert_string_equal(f.path, "/mnt/dir/prog");
	assert_int_equal(f.size, 1234);
	assert_int_equal(f.ino, 4711);
	assert_false(f.deleted || f.memfd);
}

static void test_deleted(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root);
	uint64_t prog = make_dentry("gone", root);
	uint64_t file = make_file(top, prog, 1, EXT4);

	set(prog, k.at.dentry_hash_pprev, 0);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	assert_true(f.deleted);
	assert_string_equal(f.path, "/gone");
}

static void set_nlink(uint64_t file, uint64_t n)
{
	uint64_t inode;

	memcpy(&inode, ram + (mapping_of(file) - DIRECT), 8);
	set(inode, k.at.inode_i_nlink, n);
}

static void test_memfd_and_its_imitation(void **state)
{
	uint64_t d = make_dentry("memfd:evil", 0), mount = make_mount(d, 0, d);
	uint64_t file, root = make_dentry("/", 0), named = make_dentry("memfd:evil", root);

	/* The kernel's own tmpfs: the dentry is a root of its own kind. */
	mount = make_mount(root, 0, root);
	file = make_file(mount, d, 1, TMPFS);
	set_nlink(file, 0);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	assert_true(f.memfd && !f.deleted);
	assert_string_equal(f.path, "/memfd:evil");
	/* A file that lies about its name, on a disk. */
	file = make_file(mount, named, 1, EXT4);
	set_nlink(file, 0);
	memory_refresh(&mem);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	assert_true(f.deleted && !f.memfd);
}

static void test_parents_in_a_ring(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root);
	uint64_t a = make_dentry("a", root), b = make_dentry("b", a);

	set(a, k.at.dentry_d_parent, b);
	assert_int_equal(file_read_info(&k, make_file(top, b, 1, EXT4), &f), 0);
	assert_true(strlen(f.path) < sizeof(f.path));
}

static void test_mounts_in_a_ring(void **state)
{
	uint64_t root = make_dentry("/", 0), m1 = make_mount(root, 0, root);
	uint64_t m2 = make_mount(root, m1, root);

	set(m1, k.at.mount_mnt_parent, m2);
	assert_int_equal(file_read_info(&k, make_file(m1, root, 1, EXT4), &f), 0);
	assert_string_equal(f.path, "");
}

static void test_longest_path_is_cut(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root), d = root;
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	for (int i = 0; i < 40; i++)
		d = make_dentry(name, d);
	assert_int_equal(file_read_info(&k, make_file(top, d, 1, EXT4), &f), 0);
	assert_true(strlen(f.path) < sizeof(f.path));
	assert_true(strlen(f.path) > sizeof(f.path) - 300);
}

static void test_bad_pointers(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root);
	uint64_t file = make_file(top, make_dentry("x", root), 1, EXT4);

	for (unsigned at = 0; at < 32; at += 8) {
		uint64_t saved;

		memcpy(&saved, ram + (file - DIRECT) + at, 8);
		for (uint64_t evil = 0; evil < 3; evil++) {
			put64(file - DIRECT + at, evil == 0 ? 0 : evil == 1 ? 0x1000 : UINT64_MAX);
			memory_refresh(&mem);
			if (at != 8)
				assert_int_not_equal(file_read_info(&k, file, &f), 0);
		}
		put64(file - DIRECT + at, saved);
	}
	memory_refresh(&mem);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	assert_int_not_equal(file_read_info(&k, 0, &f), 0);
}

static void test_negative_size(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root);

	assert_int_equal(file_read_info(&k, make_file(top, root, UINT64_MAX, EXT4), &f), -EPROTO);
}

static void test_hostile_name_is_escaped(void **state)
{
	uint64_t root = make_dentry("/", 0), top = make_mount(root, 0, root);
	uint64_t d = make_dentry("a\n\x1b[2J\"\\\xff", root);
	char text[64];

	assert_int_equal(file_read_info(&k, make_file(top, d, 1, EXT4), &f), 0);
	text_escape(text, sizeof(text), f.path, strlen(f.path));
	assert_true(text_is_printable(text));
	assert_string_equal(text, "/a\\x0a\\x1b[2J\"\\x5c\\xff");
}

#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_path_over_mounts), T(test_deleted), T(test_memfd_and_its_imitation),
		T(test_parents_in_a_ring), T(test_mounts_in_a_ring), T(test_longest_path_is_cut),
		T(test_bad_pointers), T(test_negative_size), T(test_hostile_name_is_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
