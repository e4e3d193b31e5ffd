// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process's mappings tell of its program. */
#include "test_introspect_kernel.h"

#include "introspect/suspicious.h"

#define CODE_VA 0x400000ull
#define OVERLAYFS 0x794c7630u
#define EXT4 0xef53u

static uint64_t mount, root, below, upper, systems;
static struct task container;
static char told[8][TEXT_NAME];
static unsigned n, unread;

static uint64_t inode_of(uint64_t file) { return get64(file + k.at.file_f_inode.at); }

/* Process 1 has a root of its own: its inode. */
static void make_system(void)
{
	const uint64_t first = make_task(0, 0), one = make(TASK_SIZE), fs = make(64), top = make_dentry("/", 0);

	systems = make(64);
	put64(first - DIRECT, one + k.at.task_struct_tasks.at);
	set(one, k.at.task_struct_pid, 1);
	set(one, k.at.task_struct_fs, fs);
	set(fs, k.at.fs_struct_root, top);
	set(top, k.at.dentry_inode, systems);
	set(systems, k.at.inode_i_sb, make(64));
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
	make_system();
	container = (struct task){ .pid = 77, .va = make(TASK_SIZE), .mm = mm, .exe_file = overlay };
	container.thread = container.va;
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
	struct preload_roots asked = { 0 };
	static struct code_signs s;

	n = 0;
	memory_refresh(&mem);
	code_signs_begin(&s, &k, &container);
	assert_int_equal(file_read_info(&k, file, &f), 0);
	code_signs_vma(&s, &v, &f);
	assert_int_equal(code_signs_tell(&s, &asked, on_sign, NULL), 0);
	unread = s.unread;
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
	set(systems, k.at.inode_i_sb, get64(inode_of(container.exe_file) + k.at.inode_i_sb.at));
	assert_int_equal(tell(below), 0);
	/* What cannot be read is not taken for another. */
	set(systems, k.at.inode_i_sb, make(64));
	assert_int_equal(tell(below), 1);
	assert_int_equal(unread, 0);
	put64(k.symbol[SYM_INIT_TASK].address - DIRECT, 7);
	assert_int_equal(tell(below), 0);
	assert_int_equal(unread, 1);
}

/* Where its code began is the process's own word (prctl): its file tells as well. */
static void a_program_is_known_by_its_file(void **state)
{
	const uint64_t dropped = make_file(mount, make_dentry("x", make_dentry("run", root)), 5000, 0x01021994);

	container.exe_file = dropped;
	assert_int_equal(tell(dropped), 1);
	set(container.mm, k.at.mm_struct_start_code, 0x100000);
	assert_int_equal(tell(dropped), 1);
	assert_string_equal(told[0], "Code.Tmpfs");
	/* Another file of that name and size is not it. */
	assert_int_equal(tell(below), 0);
	set(container.mm, k.at.mm_struct_start_code, CODE_VA);
	assert_int_equal(tell(below), 1);
	assert_string_equal(told[0], "Process.Hollowed");
}

/* On an overlay an image's file is another's, below, which the overlay's inode does not lead to. */
static void an_images_program_is_not_hollow(void **state)
{
	const uint64_t other = make_file(mount, make_dentry("other", root), 5000, EXT4);

	put64(inode_of(container.exe_file) + k.at.inode_size.size - DIRECT, 0);
	assert_int_equal(tell(below), 0);
	assert_int_equal(tell(other), 1);
	assert_string_equal(told[0], "Process.Hollowed");
}

/*
 * Process 1 between its initramfs and its system: two execs in a row, and the last
 * program is given the mm of the first.
 */
static void a_program_is_not_held_to_the_one_before(void **state)
{
	const uint64_t next = make_file(mount, make_dentry("next", root), 5000, EXT4);
	struct code_signs s;

	container.va = make_task(77, make_task(0, 0));
	set(container.va, k.at.task_struct_mm, container.mm);
	set(container.mm, k.at.mm_struct_pgd, DIRECT + 0x80000);
	set(container.mm, k.at.mm_struct_exe_file, below);
	set(container.mm, k.at.mm_struct_ma_root, make_vma(container.mm, CODE_VA, CODE_VA + 0x1000, VM_READ | VM_EXEC));
	set(heap - 256 + DIRECT, k.at.vm_area_struct_vm_file, next);
	memory_refresh(&mem);
	assert_int_equal(task_read(&k, container.va, &container), 0);
	assert_int_equal(tell(next), 1);
	assert_string_equal(told[0], "Process.Hollowed");
	/* It is confirmed as long as it is that program ... */
	code_signs_begin(&s, &k, &container);
	s.is_hollow = true;
	code_signs_confirm(&s);
	assert_true(s.is_hollow);
	set(container.va, k.at.task_struct_self_exec_id, 1);
	code_signs_confirm(&s);
	assert_false(s.is_hollow);
}

/* Its second thread will do; and a list of threads that is torn may have hidden one. */
static void the_tracer_of_any_thread_is_told(void **state)
{
	const uint64_t signal = make(64), head = signal + k.at.signal_struct_thread_head.at;
	const uint64_t second = make(TASK_SIZE), tracer = make(TASK_SIZE);

	list_init(head);
	list_append(head, container.va + k.at.task_struct_thread_node.at);
	list_append(head, second + k.at.task_struct_thread_node.at);
	set(container.va, k.at.task_struct_signal, signal);
	set(second, k.at.task_struct_parent, tracer);
	set(second, k.at.task_struct_real_parent, container.va);
	assert_int_equal(tell(below), 1);
	set(second, k.at.task_struct_ptrace, 1);
	assert_int_equal(tell(below), 2);
	assert_string_equal(told[1], "Process.Traced");
	assert_int_equal(unread, 0);
	put64(second + k.at.task_struct_thread_node.at + 8 - DIRECT, head);
	assert_int_equal(tell(below), 1);
	assert_int_equal(unread, 1);
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
		T(a_program_is_known_by_its_file), T(an_images_program_is_not_hollow),
		T(a_program_is_not_held_to_the_one_before), T(what_lies_about_its_layer_is_no_finding),
		T(the_tracer_of_any_thread_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
