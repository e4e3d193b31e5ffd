// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks, sweeps and probes over a whole guest made by hand. */
#include "test_introspect_guest.h"

#include <sodium.h>
#include <unistd.h>

#include "introspect/look.h"
#include "introspect/vmas.h"
#include "lib/util.h"

#define PGD1 0x80000u
#define PGD2 0x90000u
#define CODE 0x600000u
#define ANON_VA 0x7f0000000000ull

static struct introspector in;
static struct m_done done;
static struct m_task tasks[16];
static struct m_object objects[16];
static uint64_t contents[16];		/* their bytes sent */
static struct m_uses uses[16];
static unsigned ntasks, nobjects, nuses;
static uint64_t init, prog, victim, prog_mm, mount;
static int refuse;

static void (*meanwhile)(void);		/* what the guest does once a process was told */

static int on_task(void *ctx, const struct m_task *t)
{
	if (meanwhile)
		meanwhile();
	if (ntasks < 16)
		tasks[ntasks] = *t;
	ntasks++;
	return refuse;
}

static int on_object(void *ctx, const struct m_object *o, int fd)
{
	assert_true(nobjects < 16);
	contents[nobjects] = lseek(fd, 0, SEEK_END);
	objects[nobjects++] = *o;
	return 0;
}

static int on_uses(void *ctx, const struct m_uses *u)
{
	assert_true(nuses < 16);
	uses[nuses++] = *u;
	return 0;
}

static const struct look_sink sink = { on_task, on_object, on_uses, NULL };

static uint64_t inode_of(uint64_t file)
{
	uint64_t inode;

	memcpy(&inode, ram + (mapping_of(file) - DIRECT) + k.at.address_space_host.at, 8);
	return inode;
}

static uint64_t give_mm(uint64_t task, uint64_t pgd)
{
	uint64_t mm = make(64);

	set(mm, in.kernel.at.mm_struct_pgd, DIRECT + pgd);
	set(task, in.kernel.at.task_struct_mm, mm);
	return mm;
}

/* One page of anonymous memory at ANON_VA, in frame pa. */
static void map_anon(uint64_t pgd, uint64_t pa)
{
	put64(pgd + (ANON_VA >> 39 & 511) * 8, (pgd + 0x1000) | PRESENT_RW | PTE_USER);
	put64(pgd + 0x1000, (pgd + 0x2000) | PRESENT_RW | PTE_USER);
	put64(pgd + 0x2000, (pgd + 0x3000) | PRESENT_RW | PTE_USER);
	put64(pgd + 0x3000, pa | PRESENT_RW | PTE_USER);
}

static void make_program(void)
{
	uint64_t root = make_dentry("/", 0), file, node = make_xa_node(0);
	uint64_t maple = make(256);

	mount = make_mount(root, 0, root);
	file = make_file(mount, make_dentry("prog", root), 5000, 0xef53);
	memset(ram + CODE, 0x90, 8192);
	xa_set(node, 0, make_page(CODE, UPTODATE));
	xa_set(node, 1, make_page(CODE + 4096, UPTODATE));
	set(mapping_of(file), k.at.address_space_xa_head, node | 2);
	set(mapping_of(file), k.at.address_space_nrpages, 2);
	set(prog_mm, k.at.mm_struct_exe_file, file);
	/* A leaf: [0x400000, 0x402000) of the file, one anonymous page. */
	put64(maple - DIRECT + 8, 0x3fffff);
	put64(maple - DIRECT + 16, 0x401fff);
	put64(maple - DIRECT + 24, ANON_VA - 1);
	put64(maple - DIRECT + 32, ANON_VA + 4095);
	put64(maple - DIRECT + 128 + 8, make_vma(prog_mm, 0x400000, 0x402000, VM_READ | VM_EXEC));
	set(heap - 256 + DIRECT, k.at.vm_area_struct_vm_file, file);
	put64(maple - DIRECT + 128 + 24, make_vma(prog_mm, ANON_VA, ANON_VA + 4096, VM_EXEC));
	set(prog_mm, k.at.mm_struct_ma_root, maple | 1 << 3 | 2);
}

static int setup(void **state)
{
	guest_setup(state);
	ntasks = nobjects = nuses = 0;
	refuse = 0;
	assert_int_equal(introspector_init(&in, &mem), 0);
	in.kernel = k;
	init = make_task(0, 0);
	in.kernel.symbol[SYM_INIT_TASK] = k.symbol[SYM_INIT_TASK];
	prog = make_task(1, init);
	victim = make_task(2, prog);
	prog_mm = give_mm(prog, PGD1);
	map_anon(PGD1, 0x700000);
	memset(ram + 0x700000, 0xcc, 4096);
	make_program();
	return 0;
}

static int teardown(void **state)
{
	introspector_free(&in);
	return guest_teardown(state);
}

static void sweep(bool resend)
{
	ntasks = nobjects = nuses = 0;
	memory_refresh(&mem);
	assert_int_equal(look_at_all(&in, resend, &sink, &done), 0);
}

static void check_program(void)
{
	uint8_t hash[HASH_BYTES];

	crypto_generichash(hash, sizeof(hash), ram + CODE, 5000, NULL, 0);
	assert_string_equal(tasks[0].exe, "/prog");
	assert_memory_equal(tasks[0].exe_hash, hash, sizeof(hash));
	assert_int_equal(tasks[0].exe_ranges.len, sizeof(struct exe_range));
	assert_int_equal(tasks[0].cr3, PGD1);
	assert_int_equal(nobjects, 2);
	assert_int_equal(objects[0].kind, OBJECT_FILE);
	assert_int_equal(objects[0].size, 5000);
	/* The file is known by what its processes are known by. */
	assert_memory_equal(objects[0].file_hash, hash, sizeof(hash));
	assert_int_equal(objects[0].file_ranges.len, sizeof(struct exe_range));
	assert_int_equal(objects[0].file_ranges.range[0].pages, 2);
	assert_int_equal(objects[1].file_ranges.len, 0);
	assert_int_equal(objects[1].kind, OBJECT_ANON);
	assert_string_equal(objects[1].path, "anon 7f0000000000-7f0000001000");
	assert_int_equal(nuses, 2);
	assert_int_equal(uses[0].object, objects[0].object);
	assert_int_equal(uses[1].gva, ANON_VA);
}

static void test_sweep(void **state)
{
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_string_equal(done.why, "");
	assert_int_equal(ntasks, 2);
	check_program();
	sweep(false);
	assert_int_equal(nobjects, 0);
	assert_int_equal(nuses, 2);
	ram[0x700010] ^= 1;
	sweep(false);
	assert_int_equal(nobjects, 1);
	assert_int_equal(objects[0].kind, OBJECT_ANON);
	sweep(true);
	assert_int_equal(nobjects, 2);
}

static void test_look(void **state)
{
	assert_int_equal(look_at_cr3(&in, PGD1 | 0x8000000000000005ull, &sink, &done), 0);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(ntasks, 1);
	check_program();
	assert_int_equal(look_at_cr3(&in, PGD2, &sink, &done), 0);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	assert_int_equal(look_at_cr3(&in, k.as.root, &sink, &done), 0);
	assert_non_null(strstr(done.why, "kernel's own"));
}

static void look_pid(uint32_t pid, uint64_t start_ns, bool resend)
{
	ntasks = nobjects = nuses = 0;
	memory_refresh(&mem);
	assert_int_equal(look_at_pid(&in, pid, start_ns, resend, &sink, &done), 0);
}

static void test_look_pid(void **state)
{
	look_pid(1, 0, false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(ntasks, 1);
	check_program();
	look_pid(1, 1000, false);
	assert_int_equal(nobjects, 0);
	look_pid(1, 1000, true);
	assert_int_equal(nobjects, 2);
	assert_int_equal(nuses, 2);
	/* It was no sweep: what the others have stays known. */
	sweep(false);
	assert_int_equal(nobjects, 0);
	look_pid(1, 1001, true);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	look_pid(77, 0, true);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	assert_string_not_equal(done.why, "");
	assert_int_equal(ntasks, 0);
}

static void test_look_pid_in_a_broken_list(void **state)
{
	put64(victim - DIRECT, prog);
	look_pid(1, 0, false);
	assert_int_equal(done.status, DONE_COMPLETE);
	look_pid(77, 0, false);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "task list"));
}

static void list(void)
{
	ntasks = nobjects = nuses = 0;
	memory_refresh(&mem);
	assert_int_equal(look_list(&in, &sink, &done), 0);
}

/* Who is there, without a byte of code read. */
static void test_list(void **state)
{
	memset(ram + CODE, 0, 8192);
	list();
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(ntasks, 2);
	assert_int_equal(nobjects + nuses, 0);
	assert_int_equal(tasks[0].pid, 1);
	assert_int_equal(tasks[0].start_ns, 1000);
	assert_string_equal(tasks[0].exe, "/prog");
	assert_int_equal(tasks[0].exe_ranges.len, 0);
	/* Nothing counts as looked at by it. */
	sweep(false);
	assert_int_equal(nobjects, 2);
	put64(victim - DIRECT, prog);
	list();
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "task list"));
}

static void test_look_with_user_half(void **state)
{
	assert_int_equal(look_at_cr3(&in, PGD1 | 0x1003, &sink, &done), 0);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(ntasks, 1);
}

static void test_sink_ends_the_look(void **state)
{
	refuse = 1;
	assert_int_equal(look_at_all(&in, false, &sink, &done), 1);
	assert_int_equal(ntasks, 1);
}

static void test_probe(void **state)
{
	struct m_probed p;

	probe_task(&in, 1, 1000, &p);
	assert_int_equal(p.state, PROBE_RUNNING);
	probe_task(&in, 1, 1001, &p);
	assert_int_equal(p.state, PROBE_GONE);
	probe_task(&in, 77, 0, &p);
	assert_int_equal(p.state, PROBE_GONE);
	set(prog, k.at.task_struct_exit_state, 16);
	memory_refresh(&mem);
	probe_task(&in, 1, 1000, &p);
	assert_int_equal(p.state, PROBE_DYING);
}

/* "Gone" is said of a whole list alone. */
static void test_probe_of_a_broken_list(void **state)
{
	struct m_probed p;

	put64(victim - DIRECT, 0x1000);
	probe_task(&in, 77, 0, &p);
	assert_int_equal(p.state, PROBE_UNKNOWN);
	assert_string_not_equal(p.why, "");
	probe_task(&in, 1, 1000, &p);
	assert_int_equal(p.state, PROBE_RUNNING);
}

static void test_broken_list_is_incomplete(void **state)
{
	put64(victim - DIRECT, prog);
	sweep(false);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "task list"));
	assert_int_equal(nobjects, 2);
}

static void test_broken_task_is_incomplete(void **state)
{
	set(victim, k.at.task_struct_cred, 0x4141414141414141);
	sweep(false);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "1 tasks"));
	assert_int_equal(ntasks, 1);
}

static void test_broken_maps_are_incomplete(void **state)
{
	set(prog_mm, k.at.mm_struct_ma_root, 0x4141414141414141);
	sweep(false);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "mappings"));
	assert_int_equal(ntasks, 2);
}

static void test_time_ends_the_sweep(void **state)
{
	in.mem->expired = true;
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);	/* a new budget */
	put64(victim - DIRECT, victim);
	put64(victim - DIRECT + 8, victim);
	sweep(false);
	assert_int_equal(done.status, DONE_INCOMPLETE);
}

static void test_hostile_comm(void **state)
{
	memcpy(ram + (prog - DIRECT) + k.at.task_struct_comm.at, "\xff\x1b]0;x\x07\nabcdefgh", 16);
	sweep(false);
	assert_true(text_is_printable(tasks[0].comm));
	assert_string_equal(tasks[0].comm, "\\xff\\x1b]0;x\\x07\\x0aabcdefgh");
}

/* The kernel's own vDSO frames are no anonymous code; a copy of them is. */
static void test_vdso(void **state)
{
	in.kernel.vdso[0] = (struct memory_range){ 0x700000, 4096 };
	sweep(false);
	assert_int_equal(nobjects, 1);
	assert_int_equal(done.status, DONE_COMPLETE);
	map_anon(PGD1, 0x701000);
	sweep(false);
	assert_int_equal(nobjects, 1);
	assert_int_equal(objects[0].kind, OBJECT_ANON);
}

/* Only what lies in the kernel's read-only image can be its vDSO. */
static void test_vdso_elsewhere(void **state)
{
	uint64_t image = make(64), init_mm = make(64), banner = make(64);

	memcpy(ram + (banner - DIRECT), "Linux version 6", 16);
	strcpy(in.kernel.banner, "Linux version 6");
	set(init_mm, k.at.mm_struct_pgd, DIRECT + 0x1000);
	in.kernel.at.vdso_image_data = (struct field){ 0, 8 };
	in.kernel.at.vdso_image_length = (struct field){ 8, 8 };
	put64(image - DIRECT, DIRECT + 0x700000);
	put64(image - DIRECT + 8, 4096);
	in.kernel.symbol[SYM_LINUX_BANNER].address = banner;
	in.kernel.symbol[SYM_INIT_MM].address = init_mm;
	in.kernel.symbol[SYM_VDSO_64].address = image;
	in.kernel.rodata_start = DIRECT + 0x700000;
	in.kernel.rodata_end = DIRECT + 0x701000;
	assert_int_equal(kernel_revalidate(&in.kernel), 0);
	assert_int_equal(in.kernel.vdso[0].gpa, 0x700000);
	assert_int_equal(in.kernel.vdso[0].size, 4096);
	put64(image - DIRECT + 8, 8192);
	memory_refresh(&mem);
	assert_int_equal(kernel_revalidate(&in.kernel), 0);
	assert_int_equal(in.kernel.vdso[0].size, 0);
	put64(image - DIRECT, DIRECT + 0x6ff000);
	memory_refresh(&mem);
	assert_int_equal(kernel_revalidate(&in.kernel), 0);
	assert_int_equal(in.kernel.vdso[0].size, 0);
}

/* In the middle of an exec, or after it was unmapped, a process has its executable. */
static void test_exe_that_is_not_mapped(void **state)
{
	set(prog_mm, k.at.mm_struct_ma_root, 0);
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(nobjects, 1);
	assert_int_equal(nuses, 1);
	assert_int_equal(uses[0].object, objects[0].object);
	assert_int_equal(uses[0].gva, 0);
}

/* An executable on an overlay: pages and mappings belong to the file beneath. */
static void test_overlay(void **state)
{
	uint64_t root = make_dentry("/", 0), merged = make_mount(root, 0, root);
	uint8_t hash[HASH_BYTES];

	crypto_generichash(hash, sizeof(hash), ram + CODE, 5000, NULL, 0);
	set(prog_mm, k.at.mm_struct_exe_file,
	    make_file(merged, make_dentry("prog", root), 5000, 0x794c7630));
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_memory_equal(tasks[0].exe_hash, hash, sizeof(hash));
	/* Another file of that size is not taken for it. */
	set(prog_mm, k.at.mm_struct_exe_file,
	    make_file(merged, make_dentry("other", root), 5000, 0x794c7630));
	sweep(false);
	assert_int_equal(tasks[0].exe_ranges.len, 0);
}

/* A reserve of a gigabyte with one page in it: sent without its holes. */
static void test_huge_region(void **state)
{
	uint64_t v = make_vma(prog_mm, ANON_VA, ANON_VA + (1ull << 40), VM_EXEC);

	set(prog_mm, k.at.mm_struct_ma_root, v);
	sweep(false);
	assert_int_equal(nobjects, 2);
	assert_int_equal(objects[1].resident, 4096);
}

static void test_endless_tables(void **state)
{
	uint64_t v = make_vma(prog_mm, 0, 1ull << 46, VM_EXEC);

	set(prog_mm, k.at.mm_struct_ma_root, v);
	for (unsigned i = 0; i < 512; i++)
		put64(PGD1 + i * 8, PGD1 | PRESENT_RW | PTE_USER);
	sweep(false);
	assert_int_equal(nobjects, 2);
	/* Told with a size no scanner takes; its content is cut. */
	assert_int_equal(objects[1].size, 1ull << 46);
	assert_true(contents[1] <= (uint64_t)MAX_FILE_PAGES * 4096);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_string_equal(done.why, "");
}

/* A file above the limit says its true size; the sweep is complete all the same. */
static void test_huge_file(void **state)
{
	uint64_t file;

	memcpy(&file, ram + (prog_mm - DIRECT) + k.at.mm_struct_exe_file.at, 8);
	set(inode_of(file), k.at.inode_i_size, ((uint64_t)MAX_FILE_PAGES + 5) * 4096);
	sweep(false);
	assert_int_equal(objects[0].kind, OBJECT_FILE);
	assert_int_equal(objects[0].size, ((uint64_t)MAX_FILE_PAGES + 5) * 4096);
	assert_int_equal(contents[0], (uint64_t)MAX_FILE_PAGES * 4096);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(done.tasks, 2);
	/* Its head is as it was, but it has grown: that is told. */
	set(inode_of(file), k.at.inode_i_size, ((uint64_t)MAX_FILE_PAGES + 6) * 4096);
	sweep(false);
	assert_int_equal(nobjects, 1);
	assert_int_equal(objects[0].size, ((uint64_t)MAX_FILE_PAGES + 6) * 4096);
}

/* MAP_PRIVATE of /dev/zero: a file without pages, and code in the process's own. */
static void test_private_mapping_of_a_file_without_pages(void **state)
{
	uint64_t zero = make_file(mount, make_dentry("zero", make_dentry("/", 0)), 0, 0x01021994);
	uint64_t v = make_vma(prog_mm, ANON_VA, ANON_VA + 4096, VM_EXEC);

	set(v, k.at.vm_area_struct_vm_file, zero);
	set(prog_mm, k.at.mm_struct_ma_root, v);
	sweep(false);
	assert_int_equal(nobjects, 2);
	assert_int_equal(objects[1].kind, OBJECT_ANON);
	assert_int_equal(objects[1].resident, 4096);
	assert_int_equal(uses[0].gva, ANON_VA);
	/* Nor are those of a shared one of DAX, or of a device. */
	set(v, k.at.vm_area_struct_vm_flags, VM_EXEC | VM_SHARED);
	sweep(true);
	assert_int_equal(nobjects, 2);
	assert_int_equal(objects[1].kind, OBJECT_ANON);
}

/* A file of which the first page alone is in the cache, mapped where ANON_VA's page is. */
static uint64_t map_file(uint64_t size, uint64_t flags)
{
	uint64_t file = make_file(mount, make_dentry("own", make_dentry("/", 0)), size, 0xef53);
	uint64_t v = make_vma(prog_mm, ANON_VA, ANON_VA + 4096, flags), node = make_xa_node(0);

	xa_set(node, 0, make_page(0x700000, UPTODATE));
	set(mapping_of(file), k.at.address_space_xa_head, node | 2);
	set(mapping_of(file), k.at.address_space_nrpages, 1);
	set(v, k.at.vm_area_struct_vm_file, file);
	set(prog_mm, k.at.mm_struct_ma_root, v);
	return v;
}

/* It runs what it has changed, also once the file's own page has left the cache. */
static void test_changed_page_of_a_file(void **state)
{
	uint64_t v = map_file(8192, VM_EXEC);

	set(v, k.at.vm_area_struct_vm_pgoff, 1);
	sweep(false);
	assert_int_equal(nobjects, 2);
	in.kernel.at.vm_area_struct_anon_vma = (struct field){ 72, 8 };
	set(v, in.kernel.at.vm_area_struct_anon_vma, DIRECT);
	sweep(true);
	assert_int_equal(nobjects, 3);
	assert_int_equal(objects[2].kind, OBJECT_ANON);
	assert_int_equal(objects[2].resident, 4096);
}

/* And what lies between a file's end and its last page's. */
static void test_code_behind_the_end_of_a_file(void **state)
{
	map_file(1, VM_EXEC | VM_SHARED);
	sweep(false);
	assert_int_equal(nobjects, 3);
	assert_int_equal(objects[2].kind, OBJECT_ANON);
	assert_int_equal(contents[2], 4096);
	memset(ram + 0x700001, 0, 4095);
	sweep(true);
	assert_int_equal(nobjects, 2);
}

static void takes_all_time(void) { in.mem->expired = true; }

/* Who takes all of a sweep's time is the last in the next, which begins behind it. */
static void test_a_sweep_goes_on_where_time_was_up(void **state)
{
	uint32_t hog;

	meanwhile = takes_all_time;
	sweep(false);
	meanwhile = NULL;
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_int_equal(ntasks, 1);
	hog = tasks[0].pid;
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(ntasks, 2);
	assert_int_not_equal(tasks[0].pid, hog);
	sweep(false);
	assert_int_equal(tasks[0].pid, hog);
}

static uint64_t first_task(void)
{
	uint64_t next;

	memcpy(&next, ram + (k.symbol[SYM_INIT_TASK].address - DIRECT), 8);
	return next;
}

static void ends(void) { set(first_task(), k.at.task_struct_mm, 0); }
static void is_anothers(void) { set(first_task(), k.at.task_struct_pid, 77); }

/* The mm of a process that ends, with all that is in it, may be the next one's: nothing is laid to the first. */
static void test_ends_meanwhile(void **state)
{
	meanwhile = ends;
	sweep(false);
	meanwhile = NULL;
	/* Its program, which was its own when that was read. */
	assert_int_equal(nuses, 1);
	assert_int_equal(uses[0].gva, 0);
	assert_int_equal(done.status, DONE_COMPLETE);
}

static void test_task_is_anothers_meanwhile(void **state)
{
	meanwhile = is_anothers;
	sweep(false);
	meanwhile = NULL;
	for (unsigned i = 0; i < nuses; i++)
		assert_true(uses[i].pid != 1 || !uses[i].gva);
}

/* Its first thread has ended, as malware likes it: another has the memory. */
static void test_first_thread_has_ended(void **state)
{
	const uint64_t signal = make(64), thread = make(128);
	const uint64_t head = signal + k.at.signal_struct_thread_head.at;

	put64(head - DIRECT, thread + k.at.task_struct_thread_node.at);
	put64(thread + k.at.task_struct_thread_node.at - DIRECT, head);
	set(prog, k.at.task_struct_signal, signal);
	set(prog, k.at.task_struct_mm, 0);
	set(prog, k.at.task_struct_exit_state, 32);
	set(thread, k.at.task_struct_mm, prog_mm);
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	check_program();
}

#define NEXT_CODE 0x610000u

static bool mm_is_reused;

/* exec: another mm, or the one of two programs ago; another program, one page of it mapped. */
static void executes(void)
{
	uint64_t mm, root, file, node;

	meanwhile = NULL;
	set(first_task(), k.at.task_struct_self_exec_id, 2);
	mm = mm_is_reused ? prog_mm : give_mm(first_task(), PGD2);
	root = make_dentry("/", 0);
	file = make_file(make_mount(root, 0, root), make_dentry("next", root), 4096, 0xef53);
	node = make_xa_node(0);
	memset(ram + NEXT_CODE, 0xc3, 4096);
	xa_set(node, 0, make_page(NEXT_CODE, UPTODATE));
	set(mapping_of(file), k.at.address_space_xa_head, node | 2);
	set(mapping_of(file), k.at.address_space_nrpages, 1);
	set(mm, k.at.mm_struct_exe_file, file);
	set(mm, k.at.mm_struct_ma_root, make_vma(mm, 0x400000, 0x401000, VM_READ | VM_EXEC));
	set(heap - 256 + DIRECT, k.at.vm_area_struct_vm_file, file);
}

/* What a process executes by now is laid to that program, by which an agent is to know it. */
static void executes_meanwhile(bool reused)
{
	uint8_t hash[HASH_BYTES];
	unsigned last = 0;

	mm_is_reused = reused;
	meanwhile = executes;
	sweep(false);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_string_equal(tasks[0].exe, "/prog");
	for (unsigned i = 0; i < ntasks; i++)
		if (tasks[i].pid == 1)
			last = i;
	assert_string_equal(tasks[last].exe, "/next");
	crypto_generichash(hash, sizeof(hash), ram + NEXT_CODE, 4096, NULL, 0);
	assert_memory_equal(tasks[last].exe_hash, hash, sizeof(hash));
	/* The program that it was, as that, and the one that it is. */
	assert_int_equal(nobjects, 2);
	assert_int_equal(nuses, 2);
	assert_string_equal(objects[0].path, "/prog");
	assert_int_equal(uses[0].object, objects[0].object);
	assert_int_equal(uses[0].gva, 0);
	assert_string_equal(objects[1].path, "/next");
	assert_int_equal(uses[1].object, objects[1].object);
	assert_int_equal(uses[1].gva, 0x400000);
	assert_int_equal(done.tasks, ntasks - 1);
}

static void test_executes_meanwhile(void **state) { executes_meanwhile(false); }
static void test_executes_meanwhile_in_the_same_mm(void **state) { executes_meanwhile(true); }

static unsigned nsigns;

static int on_sign(void *ctx, const struct m_sign *m)
{
	nsigns++;
	assert_string_equal(m->name, "Code.Anonymous");
	assert_int_equal(m->pid, 1);
	return 0;
}

static void suspect(uint32_t pid)
{
	nsigns = 0;
	in.on_sign = on_sign;
	memory_refresh(&mem);
	assert_int_equal(look_suspicious(&in, pid, &done), 0);
	/* Nothing is hashed, nor sent. */
	assert_int_equal(nobjects + nuses + ntasks, 0);
}

static void test_suspicious_alone(void **state)
{
	/* Without it no root is known: that is said. */
	suspect(0);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	in.kernel.at.task_struct_fs = (struct field){ 104, 8 };
	suspect(0);
	assert_int_equal(nsigns, 1);
	assert_int_equal(done.status, DONE_COMPLETE);
	assert_int_equal(done.tasks, 2);
	suspect(1);
	assert_int_equal(nsigns, 1);
	suspect(2);
	assert_int_equal(nsigns, 0);
	suspect(3);
	assert_int_equal(done.status, DONE_NOT_FOUND);
	set(prog_mm, k.at.mm_struct_ma_root, 0x1234 | 2);
	suspect(1);
	assert_int_equal(done.status, DONE_INCOMPLETE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sweep), T(test_look), T(test_look_pid), T(test_look_pid_in_a_broken_list),
		T(test_list), T(test_look_with_user_half),
		T(test_sink_ends_the_look), T(test_probe), T(test_probe_of_a_broken_list),
		T(test_broken_list_is_incomplete), T(test_broken_task_is_incomplete),
		T(test_broken_maps_are_incomplete), T(test_time_ends_the_sweep),
		T(test_hostile_comm), T(test_vdso), T(test_vdso_elsewhere), T(test_overlay),
		T(test_exe_that_is_not_mapped), T(test_huge_region), T(test_endless_tables),
		T(test_huge_file), T(test_private_mapping_of_a_file_without_pages),
		T(test_ends_meanwhile), T(test_task_is_anothers_meanwhile), T(test_executes_meanwhile),
		T(test_a_sweep_goes_on_where_time_was_up), T(test_changed_page_of_a_file), T(test_code_behind_the_end_of_a_file),
		T(test_executes_meanwhile_in_the_same_mm), T(test_first_thread_has_ended),
		T(test_suspicious_alone),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
