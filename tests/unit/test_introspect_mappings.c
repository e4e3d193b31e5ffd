// SPDX-License-Identifier: GPL-2.0-or-later
/* A process's map, line by line as its /proc/PID/maps, honest and hostile. */
#include "test_introspect_guest.h"

#include <sodium.h>

#include "introspect/mappings.h"
#include "introspect/vmas.h"

#define PGD 0x80000u
#define TMPFS 0x01021994
#define ANON_INODE 0x09041934
#define STACK 0x7ffd00000000ull

static struct introspector in;
static struct m_done done;
static struct m_vma line[32];
static unsigned lines;
static uint64_t task, mm, root, mount;

static int setup(void **state)
{
	guest_setup(state);
	assert_int_equal(introspector_init(&in, &mem), 0);
	task = make_task(7, make_task(0, 0));
	mm = make(64);
	set(mm, k.at.mm_struct_pgd, DIRECT + PGD);
	set(task, k.at.task_struct_mm, mm);
	root = make_dentry("/", 0);
	mount = make_mount(root, 0, root);
	in.kernel = k;
	return 0;
}

static int teardown(void **state)
{
	introspector_free(&in);
	return guest_teardown(state);
}

static int remember(void *ctx, const struct m_vma *v)
{
	if (lines < 32)
		line[lines] = *v;
	lines++;
	return ctx ? *(int *)ctx : 0;
}

static void maps_of(uint32_t pid, uint64_t start_ns)
{
	lines = 0;
	memory_refresh(&mem);
	assert_int_equal(mappings_list(&in, pid, start_ns, remember, NULL, &done), 0);
}

static uint64_t leaf, slots;

/* A leaf of mappings; each starts where the last one ends or later. */
static void add(uint64_t vma)
{
	uint64_t start, end;

	if (!slots)
		leaf = make(256);
	memcpy(&start, ram + (vma - DIRECT), 8);
	memcpy(&end, ram + (vma - DIRECT) + 8, 8);
	put64(leaf - DIRECT + 8 + 8 * slots++, start - 1);
	put64(leaf - DIRECT + 128 + 8 * slots, vma);
	put64(leaf - DIRECT + 8 + 8 * slots++, end - 1);
	set(mm, k.at.mm_struct_ma_root, leaf | 1 << 3 | 2);
}

static void begin(void)
{
	slots = 0;
}

static uint64_t add_file(uint64_t start, uint64_t flags, uint64_t file, uint64_t pgoff)
{
	uint64_t v = make_vma(mm, start, start + 0x2000, flags);

	set(v, k.at.vm_area_struct_vm_file, file);
	set(v, k.at.vm_area_struct_vm_pgoff, pgoff);
	add(v);
	return v;
}

static uint64_t deleted_file(const char *name, uint64_t magic)
{
	uint64_t d = make_dentry(name, magic == TMPFS ? 0 : root), f, inode;

	f = make_file(mount, d, 4096, magic);
	memcpy(&inode, ram + (f - DIRECT) + k.at.file_f_inode.at, 8);
	set(d, k.at.dentry_hash_pprev, 0);
	set(inode, k.at.inode_i_nlink, 0);
	return f;
}

static void test_files(void **state)
{
	begin();
	add_file(0x400000, VM_READ | VM_EXEC, make_file(mount, make_dentry("prog", root), 4096, 1), 3);
	add_file(0x410000, VM_READ | VM_WRITE, deleted_file("gone", 1), 0);
	add_file(0x420000, VM_READ | VM_SHARED | VM_MAYSHARE, deleted_file("memfd:x y", TMPFS), 0);
	add_file(0x430000, VM_READ | VM_MAYSHARE, deleted_file("[perf_event]", ANON_INODE), 0);
	maps_of(7, 7000);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(lines, 4);
	assert_int_equal(line[0].start, 0x400000);
	assert_int_equal(line[0].end, 0x402000);
	assert_int_equal(line[0].flags, VMA_READ | VMA_EXEC);
	assert_int_equal(line[0].offset, 0x3000);
	assert_int_equal(line[0].major, 254);
	assert_int_equal(line[0].minor, 3);
	assert_int_equal(line[0].inode, 4711);
	assert_string_equal(line[0].path, "/prog");
	assert_string_equal(line[1].path, "/gone (deleted)");
	assert_string_equal(line[2].path, "/memfd:x y (deleted)");
	assert_int_equal(line[2].flags, VMA_READ | VMA_SHARED);
	assert_string_equal(line[3].path, "anon_inode:[perf_event]");
	assert_int_equal(line[3].flags, VMA_READ | VMA_SHARED);
}

/* A device's pages are another inode's; /proc shows the file's own. */
static void test_inode_of_the_file(void **state)
{
	uint64_t f = make_file(mount, make_dentry("sda", root), 4096, 1), inode = make(64);

	set(inode, k.at.inode_i_ino, 42);
	set(f, k.at.file_f_inode, inode);
	begin();
	add_file(0x400000, VM_READ, f, 0);
	maps_of(7, 0);
	assert_int_equal(line[0].inode, 42);
}

static void test_memory(void **state)
{
	uint64_t special = make(64), ops = make(64), vdso;

	in.kernel.symbol[SYM_SPECIAL_MAPPING].address = ops;
	set(special, k.at.vm_special_mapping_name, make_text("[vdso]"));
	set(mm, k.at.mm_struct_start_brk, 0x500000);
	set(mm, k.at.mm_struct_brk, 0x520000);
	set(mm, k.at.mm_struct_start_stack, STACK + 0x1100);
	begin();
	add(make_vma(mm, 0x4ff000, 0x500000, VM_READ));
	add(make_vma(mm, 0x500000, 0x521000, VM_READ | VM_WRITE));
	add(make_vma(mm, 0x521000, 0x522000, VM_READ));
	add(make_vma(mm, STACK, STACK + 0x3000, VM_READ | VM_WRITE));
	vdso = make_vma(mm, STACK + 0x10000, STACK + 0x12000, VM_READ | VM_EXEC);
	set(vdso, k.at.vm_area_struct_vm_ops, ops);
	set(vdso, k.at.vm_area_struct_vm_private_data, special);
	add(vdso);
	maps_of(7, 7000);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(lines, 5);
	assert_string_equal(line[0].path, "");
	assert_string_equal(line[1].path, "[heap]");
	assert_string_equal(line[2].path, "");
	assert_string_equal(line[3].path, "[stack]");
	assert_string_equal(line[4].path, "[vdso]");
	assert_int_equal(line[1].offset | line[1].major | line[1].inode, 0);
	/* Other ops are no special mapping, whatever hangs there. */
	set(vdso, k.at.vm_area_struct_vm_ops, special);
	maps_of(7, 7000);
	assert_string_equal(line[4].path, "");
	/* A name that leads nowhere is no name. */
	set(vdso, k.at.vm_area_struct_vm_ops, ops);
	set(special, k.at.vm_special_mapping_name, 0x4141414141414141);
	maps_of(7, 7000);
	assert_string_equal(line[4].path, "");
	assert_int_equal(done.status, DONE_COMPLETE);
}

static void test_names_are_escaped(void **state)
{
	begin();
	add_file(0x400000, VM_READ, make_file(mount, make_dentry("a\n[heap]\x1b", root), 1, 1), 0);
	maps_of(7, 0);
	assert_string_equal(line[0].path, "/a\\x0a[heap]\\x1b");
}

/* However long a name is, it still says that it is deleted. */
static void test_long_names(void **state)
{
	char part[256];
	uint64_t d = root, f;

	memset(part, 'x', 255);
	part[255] = '\0';
	for (int i = 0; i < 8; i++)
		d = make_dentry(part, d);
	set(d, k.at.dentry_hash_pprev, 0);
	f = make_file(mount, d, 1, 1);
	begin();
	add_file(0x400000, VM_READ, f, 0);
	maps_of(7, 0);
	assert_int_equal(strlen(line[0].path), TEXT_PATH - 1);
	assert_string_equal(line[0].path + TEXT_PATH - 1 - 13, "... (deleted)");
}

static void test_nobody_there(void **state)
{
	maps_of(8, 0);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	assert_int_equal(done.tasks + lines, 0);
	maps_of(7, 7001);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	/* A kernel thread has no mappings: that is all of them. */
	set(task, k.at.task_struct_mm, 0);
	set(task, k.at.task_struct_flags, 0x00200000);
	maps_of(7, 0);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(lines, 0);
}

static void test_broken_is_incomplete(void **state)
{
	begin();
	add(make_vma(mm, 0x400000, 0x401000, VM_READ));
	add(make_vma(make(64), 0x410000, 0x411000, VM_READ));
	maps_of(7, 0);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "mappings"));
	assert_int_equal(lines, 1);	/* once, not for each attempt */
	begin();
	add_file(0x400000, VM_READ, 0x4141414141414141, 0);
	add(make_vma(mm, 0x410000, 0x411000, VM_READ));
	maps_of(7, 0);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "1 mappings' files"));
	assert_int_equal(lines, 2);
	put64(task - DIRECT, 0x1000);
	maps_of(9, 0);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "task list"));
}

static void test_callback_stops(void **state)
{
	int stop = 5;

	begin();
	add(make_vma(mm, 0x400000, 0x401000, VM_READ));
	add(make_vma(mm, 0x410000, 0x411000, VM_READ));
	lines = 0;
	assert_int_equal(mappings_list(&in, 7, 0, remember, &stop, &done), 5);
	assert_int_equal(lines, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_files), T(test_inode_of_the_file), T(test_memory),
		T(test_names_are_escaped), T(test_long_names), T(test_nobody_there),
		T(test_broken_is_incomplete), T(test_callback_stops),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
