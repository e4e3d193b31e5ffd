// SPDX-License-Identifier: GPL-2.0-or-later
/* Libraries that programs begin with, by /etc/ld.so.preload of their root. */
#include "test_introspect_kernel.h"

#include <errno.h>

#include "introspect/preload.h"

#define LIST_PA 0x300000u
#define UPTODATE (1ull << 2)

static uint64_t file;			/* its dentry */
static struct task one, child;

static uint64_t task_of_root(uint32_t pid, uint64_t parent, uint64_t root)
{
	const uint64_t t = make(TASK_SIZE), fs = make(64);

	set(t, k.at.task_struct_real_parent, parent);
	set(t, k.at.task_struct_fs, fs);
	set(fs, k.at.fs_struct_root, root);
	return t;
}

static void write_list(const char *text)
{
	uint64_t inode = get64(file + k.at.dentry_inode.at);

	memset(ram + LIST_PA, 0x41, 4096);
	memcpy(ram + LIST_PA, text, strlen(text));
	set(inode, k.at.inode_i_size, strlen(text));
}

static int setup(void **state)
{
	uint64_t root, etc, inode, mapping;

	make_checked_guest();
	root = make_dentry("/", 0);
	etc = add_name("etc", root, make(64));
	inode = make(64);
	mapping = make(64);
	set(inode, k.at.inode_i_mapping, mapping);
	set(mapping, k.at.address_space_xa_head, make_page(LIST_PA, UPTODATE));
	add_name("ld.so.conf", etc, make(64));
	file = add_name("ld.so.preload", etc, inode);
	one = (struct task){ .pid = 1, .va = task_of_root(1, checked_task[0], root) };
	one.thread = one.va;
	child = (struct task){ .pid = 7, .va = task_of_root(7, one.va, root) };
	child.thread = child.va;
	return 0;
}

/* The guest goes on, and is looked at anew. */
static int told(const struct task *t, char *library, size_t size)
{
	struct preload_roots asked = { 0 };

	memory_refresh(&mem);
	return preload_by_file(&k, t, &asked, library, size);
}

static void a_list_is_told_once(void **state)
{
	char library[64] = "";

	write_list("/usr/lib/libgood.so\n/dev/shm/.x.so\n");
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_string_equal(library, "/usr/lib/libgood.so /dev/shm/.x.so");
	/* Who has the root of his parent has his list too. */
	assert_int_equal(told(&child, library, sizeof(library)), 0);
	/* Of a container it is another. */
	set(get64(one.va + k.at.task_struct_fs.at), k.at.fs_struct_root, make_dentry("/", 0));
	assert_int_equal(told(&child, library, sizeof(library)), 1);
}

static void an_empty_list_is_none(void **state)
{
	char library[64];

	write_list("");
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	write_list("# was /home/x/lib.so\n \t:\n#");
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	/* Deleted, or known not to be there. */
	write_list("/x.so");
	set(file, k.at.dentry_hash_pprev, 0);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	set(file, k.at.dentry_hash_pprev, 1);
	set(file, k.at.dentry_inode, 0);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
}

/* ld.so goes by the file's length, and takes the last word if no newline is behind it. */
static void what_ends_a_list_for_us_ends_it_for_nobody(void **state)
{
	static const char in_comment[] = "#\0\n/tmp/evil.so\n", last[] = "a.so\0 /tmp/evil.so";
	const uint64_t inode = get64(file + k.at.dentry_inode.at);
	char library[64];

	memcpy(ram + LIST_PA, in_comment, sizeof(in_comment));
	set(inode, k.at.inode_i_size, sizeof(in_comment) - 1);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_string_equal(library, "/tmp/evil.so");
	memcpy(ram + LIST_PA, last, sizeof(last));
	set(inode, k.at.inode_i_size, sizeof(last) - 1);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_string_equal(library, "a.so /tmp/evil.so");
}

/* ld.so follows it; its own inode has no pages, on most file systems. */
static void a_link_is_told(void **state)
{
	const uint64_t inode = get64(file + k.at.dentry_inode.at), etc = get64(file + k.at.dentry_d_parent.at);
	char library[64];

	write_list("");
	set(inode, k.at.inode_i_mode, 0120777);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	set(inode, k.at.inode_i_mode, 0100644);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	set(get64(etc + k.at.dentry_inode.at), k.at.inode_i_mode, 0120777);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
}

/* What a process was started with: entries, each with its zero. */
static bool told_by(const char *entries, size_t len, char *library, size_t size)
{
	const uint64_t pgd = 0x80000, va = 0x7f0000000000, page = 0x310000;
	struct task t = { .pid = 9, .mm = make(512), .pgd = pgd };

	put64(pgd + (va >> 39 & 511) * 8, (pgd + 0x1000) | PRESENT_RW);
	put64(pgd + 0x1000, (pgd + 0x2000) | PRESENT_RW);
	put64(pgd + 0x2000, (pgd + 0x3000) | PRESENT_RW);
	put64(pgd + 0x3000, page | PRESENT_RW);
	memcpy(ram + page, entries, len);
	set(t.mm, k.at.mm_struct_env_start, va);
	set(t.mm, k.at.mm_struct_env_end, va + len);
	memory_refresh(&mem);
	return preload_by_environment(&k, &t, library, size);
}

static void of_two_entries_either_counts(void **state)
{
	static const char last[] = "A=b\0LD_PRELOAD=libgood.so /usr/lib/x.so\0LD_PRELOAD=/tmp/evil.so\0C=d";
	static const char audit[] = "LD_AUDIT=/home/x/a.so\0LD_PRELOAD=";
	static const char good[] = "LD_PRELOAD=/usr/lib/x.so\0XLD_PRELOAD=/tmp/evil.so";
	char library[64];

	assert_true(told_by(last, sizeof(last), library, sizeof(library)));
	assert_string_equal(library, "/tmp/evil.so");
	assert_true(told_by(audit, sizeof(audit), library, sizeof(library)));
	assert_string_equal(library, "/home/x/a.so");
	assert_false(told_by(good, sizeof(good), library, sizeof(library)));
}

/* Thousands of processes may have a root with a great /etc. */
static void a_root_is_asked_once(void **state)
{
	struct preload_roots asked = { 0 };
	char library[64];

	write_list("/x.so");
	assert_int_equal(preload_by_file(&k, &one, &asked, library, sizeof(library)), 1);
	assert_int_equal(preload_by_file(&k, &one, &asked, library, sizeof(library)), 0);
	assert_int_equal(asked.n, 1);
	/* There are more of them than are kept: that is said. */
	asked.n = PRELOAD_ROOTS;
	memory_refresh(&mem);
	set(get64(one.va + k.at.task_struct_fs.at), k.at.fs_struct_root, make_dentry("/", 0));
	assert_int_equal(preload_by_file(&k, &one, &asked, library, sizeof(library)), -E2BIG);
}

/* On an overlay, as a container's root is: its file is in the layer that is written to. */
static void a_list_on_an_overlay_is_read_in_its_upper_layer(void **state)
{
	uint64_t below = get64(file + k.at.dentry_inode.at), inode = make(64), sb = make(64);
	uint64_t upper = make_dentry("ld.so.preload", 0);
	char library[64] = "";

	write_list("/dev/shm/.x.so\n");
	set(sb, k.at.super_block_s_magic, 0x794c7630);
	set(inode, k.at.inode_i_sb, sb);
	set(inode, k.at.inode_i_mapping, make(64));
	set(inode, k.at.inode_i_size, 15);
	set(file, k.at.dentry_inode, inode);
	put64(inode + k.at.inode_size.size - DIRECT, upper);
	set(upper, k.at.dentry_inode, below);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_string_equal(library, "/dev/shm/.x.so");
	/* Of the image, or no such file system's: it has no pages of its own. */
	put64(inode + k.at.inode_size.size - DIRECT, 0);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	put64(inode + k.at.inode_size.size - DIRECT, upper);
	set(upper, k.at.dentry_inode, 7);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
	set(upper, k.at.dentry_inode, below);
	set(sb, k.at.super_block_s_magic, 1);
	assert_int_equal(told(&one, library, sizeof(library)), 0);
}

/* Sizes and lists are the guest's word. */
static void a_list_that_lies_is_bounded(void **state)
{
	char library[64] = "";
	uint64_t inode = get64(file + k.at.dentry_inode.at);

	write_list("/x");
	memset(ram + LIST_PA, '/', 4096);
	set(inode, k.at.inode_i_size, UINT64_MAX);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_int_equal(strlen(library), sizeof(library) - 1);
	/* Behind more lines than there ever are. */
	memset(ram + LIST_PA, '\n', 4096);
	assert_int_equal(told(&one, library, sizeof(library)), 1);
	assert_string_equal(library, "(in a list of more than a page)");
	set(inode, k.at.inode_i_mapping, 1);
	assert_in_range(-told(&one, library, sizeof(library)), 1, 200);
	/* A directory whose list leads round in a circle ends, and is not taken for empty. */
	set(file, k.at.dentry_hash_pprev, 0);
	put64(file + k.at.dentry_sib.at - DIRECT, file + k.at.dentry_sib.at);
	assert_int_equal(told(&one, library, sizeof(library)), -ELOOP);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_list_is_told_once), T(an_empty_list_is_none), T(what_ends_a_list_for_us_ends_it_for_nobody),
		T(a_root_is_asked_once), T(a_link_is_told), T(of_two_entries_either_counts),
		T(a_list_on_an_overlay_is_read_in_its_upper_layer), T(a_list_that_lies_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
