// SPDX-License-Identifier: GPL-2.0-or-later
/* A process's own files: its descriptors, and one of all by its path. */
#include "test_introspect_kernel.h"

#include "introspect/ownfiles.h"
#include "introspect/overlay.h"

#define EXT4 0xef53u
#define FDS 8

static struct task task;
static struct guest_file f;
static uint64_t root, mount, exe, array, table;

static uint64_t file_of(const char *name, uint64_t pages)
{
	uint64_t file = make_file(mount, make_dentry(name, root), pages * 4096, EXT4);

	set(mapping_of(file), k.at.address_space_nrpages, pages);
	return file;
}

static void give_fd(unsigned fd, uint64_t file)
{
	put64(array - DIRECT + 8 * fd, file);
}

static int setup(void **state)
{
	uint64_t files;

	assert_int_equal(guest_setup(NULL), 0);
	check_layout(&k.at);
	root = make_dentry("/", 0);
	mount = make_mount(root, 0, root);
	exe = file_of("prog", 3);
	task = (struct task){ .pid = 7, .va = make(TASK_SIZE), .exe_file = exe };
	task.thread = task.va;
	files = make(64);
	table = make(64);
	array = make(8 * FDS);
	set(task.va, k.at.task_struct_files, files);
	set(files, k.at.files_struct_fdt, table);
	set(table, k.at.fdtable_max_fds, FDS);
	set(table, k.at.fdtable_fd, array);
	return 0;
}

static int count(void *ctx, uint32_t fd, uint64_t file)
{
	*(uint32_t *)ctx |= 1u << fd % 32;
	return 0;
}

static void test_descriptors(void **state)
{
	uint32_t seen = 0;

	give_fd(1, exe);
	give_fd(5, exe);
	assert_int_equal(descriptors_walk(&k, &task, count, &seen), 0);
	assert_int_equal(seen, 1 << 1 | 1 << 5);
	/* No table: it ends.  One that claims more than there can be is no whole one. */
	set(table, k.at.fdtable_max_fds, UINT32_MAX);
	memory_refresh(&mem);
	assert_int_not_equal(descriptors_walk(&k, &task, count, &seen), 0);
	set(table, k.at.fdtable_fd, 0x1234);
	memory_refresh(&mem);
	assert_int_equal(descriptors_walk(&k, &task, count, &seen), -EFAULT);
	set(task.va, k.at.task_struct_files, 0);
	memory_refresh(&mem);
	assert_int_equal(descriptors_walk(&k, &task, count, &seen), 0);
}

static void test_by_path(void **state)
{
	uint64_t gone = file_of("go\\ne", 2), dentry;

	memcpy(&dentry, ram + (gone - DIRECT) + k.at.file_dentry.at, 8);
	set(dentry, k.at.dentry_hash_pprev, 0);
	give_fd(3, gone);
	assert_int_equal(process_file(&k, &task, NULL, &f), 0);
	assert_string_equal(f.path, "/prog");
	assert_int_equal(process_file(&k, &task, "/prog", &f), 0);
	/* Raw; as it is told; as maps tells it. */
	assert_int_equal(process_file(&k, &task, "/go\\ne", &f), 0);
	assert_int_equal(process_file(&k, &task, "/go\\x5cne", &f), 0);
	assert_int_equal(process_file(&k, &task, "/go\\x5cne (deleted)", &f), 0);
	assert_int_equal(f.nrpages, 2);
	assert_int_equal(process_file(&k, &task, "/prog (deleted)", &f), -ENOENT);
	assert_int_equal(process_file(&k, &task, "/pro", &f), -ENOENT);
	assert_int_equal(process_file(&k, &task, "/program", &f), -ENOENT);
	/* One that cannot be read may be the one. */
	give_fd(4, 0x1234);
	memory_refresh(&mem);
	assert_int_not_equal(process_file(&k, &task, "/program", &f), 0);
	assert_int_not_equal(process_file(&k, &task, "/program", &f), -ENOENT);
	assert_int_equal(process_file(&k, &task, "/prog", &f), 0);
}

static void test_one_with_pages_comes_first(void **state)
{
	give_fd(3, file_of("same", 0));
	give_fd(4, file_of("same", 9));
	assert_int_equal(process_file(&k, &task, "/same", &f), 0);
	assert_int_equal(f.nrpages, 9);
}

/* Its program is exactly that, though another of its name has pages. */
static void test_program_without_pages(void **state)
{
	set(mapping_of(exe), k.at.address_space_nrpages, 0);
	give_fd(3, file_of("prog", 9));
	assert_int_equal(process_file(&k, &task, NULL, &f), 0);
	assert_int_equal(f.nrpages, 0);
	task.exe_file = 0;
	assert_int_equal(process_file(&k, &task, NULL, &f), -ENOENT);
}

/* On an overlay: the pages are those of the file in the layer that is written to. */
static void test_program_on_an_overlay(void **state)
{
	uint64_t overlay = make_file(mount, make_dentry("prog", root), 3 * 4096, OVERLAYFS_MAGIC);
	uint64_t upper = make_dentry("prog", root), below = get64(exe + k.at.file_f_inode.at);

	set(upper, k.at.dentry_inode, below);
	set(below, k.at.inode_i_mapping, mapping_of(exe));
	put64(get64(overlay + k.at.file_f_inode.at) + k.at.inode_size.size - DIRECT, upper);
	task.exe_file = overlay;
	assert_int_equal(process_file(&k, &task, NULL, &f), 0);
	assert_int_equal(f.mapping, mapping_of(exe));
	assert_int_equal(f.nrpages, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_descriptors), T(test_by_path), T(test_one_with_pages_comes_first),
		T(test_program_without_pages), T(test_program_on_an_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
