// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process's mappings tell of its program. */
#include "test_introspect_kernel.h"


#include "introspect/suspicious.h"

#define CODE_VA 0x400000ull
#define OVERLAYFS 0x794c7630u
#define EXT4 0xef53u

static uint64_t mount, root, below, upper, proxy[2];
static struct task container;
static char told[8][TEXT_NAME];
static unsigned n;

static uint64_t inode_of(uint64_t file) { return get64(file + k.at.file_f_inode.at); }

static uint64_t make_proxy(void)
{
	uint64_t p = make(64);

	set(p, k.at.nsproxy_mnt_ns, make(64));
	return p;
}

/* A process of a container, whose program is a file on an overlay: its pages are of one below. */
static int setup(void **state)
{
	uint64_t overlay, mm;

	make_checked_guest();
	root = make_dentry("/", 0);
	mount = make_mount(root, 0, root);
	overlay = make_file(mount, make_dentry("prog", root), 5000, OVERLAYFS);
	below = make_file(mount, make_dentry("prog", root), 5000, EXT4);
	upper = make_dentry("prog", root);
	set(upper, k.at.dentry_inode, inode_of(below));
	put64(inode_of(overlay) + k.at.inode_size.size - DIRECT, upper);
	mm = make(512);
	set(mm, k.at.mm_struct_start_code, CODE_VA);
	for (unsigned i = 0; i < 2; i++)
		proxy[i] = make_proxy();
	set(checked_task[0], k.at.task_struct_nsproxy, proxy[0]);
	k.symbol[SYM_INIT_TASK].address = checked_task[0];
	container = (struct task){ .pid = 77, .va = make(TASK_SIZE), .mm = mm, .exe_file = overlay };
	set(container.va, k.at.task_struct_nsproxy, proxy[1]);
	return 0;
}

static int on_sign(void *ctx, const struct m_sign *m)
{
	assert_true(n < 8);
	memcpy(told[n++], m->name, sizeof(m->name));
	return 0;
}

/* What is told of it, when it runs that file. */
static unsigned tell(uint64_t file)
{
	struct vma v = { .start = CODE_VA, .end = CODE_VA + 0x1000, .flags = VM_READ | VM_EXEC, .file = file };
	static struct guest_file f;
	struct code_signs s;

	n = 0;
	memory_refresh(&mem);
	code_signs_begin(&s, &k, &container);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	code_signs_vma(&s, &v, &f);
	assert_int_equal(code_signs_tell(&s, on_sign, NULL), 0);
	return n;
}

static void a_program_written_into_a_container_is_told(void **state)
{
	assert_int_equal(tell(below), 1);
	assert_string_equal(told[0], "Code.Overlay");
}

static void a_program_of_the_image_is_not(void **state)
{
	put64(inode_of(container.exe_file) + k.at.inode_size.size - DIRECT, 0);
	assert_int_equal(tell(below), 0);
	/* Nor one below whose name was written over since: what runs is the image's. */
	put64(inode_of(container.exe_file) + k.at.inode_size.size - DIRECT, upper);
	set(upper, k.at.dentry_inode, make(64));
	assert_int_equal(tell(below), 0);
}

static void a_system_that_is_an_overlay_as_a_whole_is_none(void **state)
{
	set(container.va, k.at.task_struct_nsproxy, proxy[0]);
	assert_int_equal(tell(below), 0);
	/* What cannot be read is not taken for another. */
	set(container.va, k.at.task_struct_nsproxy, 7);
	assert_int_equal(tell(below), 0);
}

static void what_lies_about_its_layer_is_no_finding(void **state)
{
	const uint64_t at = inode_of(container.exe_file) + k.at.inode_size.size - DIRECT;

	put64(at, DIRECT + RAM_SIZE);
	assert_int_equal(tell(below), 0);
	put64(at, DIRECT + RAM_SIZE - 4);
	assert_int_equal(tell(below), 0);
	put64(at, UINT64_MAX);
	assert_int_equal(tell(below), 0);
	put64(at, inode_of(container.exe_file));
	assert_int_equal(tell(below), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_program_written_into_a_container_is_told), T(a_program_of_the_image_is_not),
		T(a_system_that_is_an_overlay_as_a_whole_is_none),
		T(what_lies_about_its_layer_is_no_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
