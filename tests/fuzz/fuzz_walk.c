// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A guest's structures as it likes: tasks, page tables, mappings, files, page
 * caches.  Every request that the introspector serves is made of each.
 */
#include "../unit/test_introspect_kernel.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answers.h"
#include "fuzz.h"
#include "introspect/beacon.h"
#include "introspect/extract.h"
#include "introspect/facts.h"
#include "introspect/find.h"
#include "introspect/inodes.h"
#include "introspect/kerneltell.h"
#include "introspect/mappings.h"
#include "introspect/ownfiles.h"
#include "introspect/process.h"
#include "introspect/rest.h"
#include "introspect/vmas.h"
#include "lib/util.h"
#include "patch.h"

#define PGD 0x80000u
#define CODE 0x600000u
#define ANON_VA 0x7f0000000000ull
#define FOLIO (CODE + 4 * 4096)		/* one of two pages */
#define CODE_PAGES 6u

static struct introspector in;
static struct patched patched;
static uint32_t words[RAM_SIZE / 8];	/* by 8: where changes go */
static size_t nwords;

/* ---- a whole guest: as in tests/unit/test_introspect_look.c, and a list of mappings ---- */

static void map_anon(uint64_t pgd, uint64_t pa)
{
	put64(pgd + (ANON_VA >> 39 & 511) * 8, (pgd + 0x1000) | PRESENT_RW | PTE_USER);
	put64(pgd + 0x1000, (pgd + 0x2000) | PRESENT_RW | PTE_USER);
	put64(pgd + 0x2000, (pgd + 0x3000) | PRESENT_RW | PTE_USER);
	for (unsigned i = 0; i < 4; i++)
		put64(pgd + 0x3000 + i * 8, (pa + i * 4096) | PRESENT_RW | PTE_USER);
}

static uint64_t make_cached_file(uint64_t mount, uint64_t root, const char *name)
{
	uint64_t file = make_file(mount, make_dentry(name, root), 9000, 0x01021994);
	uint64_t node = make_xa_node(6), leaf = make_xa_node(0);

	xa_set(leaf, 0, make_page(CODE, UPTODATE));
	xa_set(leaf, 1, make_page(CODE + 4096, UPTODATE));
	xa_set(leaf, 2, make_folio(FOLIO, 1));	/* more than the file has */
	xa_set(node, 0, leaf | 2);
	set(mapping_of(file), k.at.address_space_xa_head, node | 2);
	set(mapping_of(file), k.at.address_space_nrpages, 3);
	return file;
}

static void make_sockets(uint64_t array)
{
	const uint64_t root = make_dentry("", 0), mount = make_mount(root, 0, root);
	const uint64_t named = make_sock(AF_UNIX, 0, 10), abstract = make_sock(AF_UNIX, 0, 1);

	make_unix_name(named, "/run/x", 7);
	make_unix_name(abstract, "\0a\0b", 4);
	put64(array - DIRECT + 24, make_socket(mount, root, named, SOCK_STREAM));
	put64(array - DIRECT + 32, make_socket(mount, root, abstract, SOCK_DGRAM));
	put64(array - DIRECT + 40, make_socket(mount, root, make_sock(AF_INET6, 6, 1), SOCK_STREAM));
}

/* What process_tell goes through, as far as a task has it. */
static void make_more(uint64_t task, uint64_t file)
{
	uint64_t files = make(64), table = make(64), array = make(64), pid = make(128), ns = make(64);
	uint64_t proxy = make(64), signal = make(64), set_of = make(128), group = make(64), node = make(64);

	set(task, k.at.task_struct_files, files);
	set(files, k.at.files_struct_fdt, table);
	set(table, k.at.fdtable_max_fds, 8);
	set(table, k.at.fdtable_fd, array);
	put64(array - DIRECT + 16, file);
	make_sockets(array);
	set(task, k.at.task_struct_thread_pid, pid);
	set(pid + k.at.pid_size.at + 48, k.at.upid_ns, ns);
	set(task, k.at.task_struct_nsproxy, proxy);
	for (unsigned i = 0; i < 5; i++)
		put64(proxy - DIRECT + 8 * i, ns);
	set(task, k.at.task_struct_signal, signal);
	list_init(signal + k.at.signal_struct_thread_head.at);
	list_append(signal + k.at.signal_struct_thread_head.at, task + k.at.task_struct_thread_node.at);
	set(task, k.at.task_struct_cgroups, set_of);
	set(set_of, k.at.css_set_dfl_cgrp, group);
	set(group, k.at.cgroup_kn, node);
	set(node, k.at.kernfs_node_name, make_text("pod"));
}

static void make_process(uint64_t task, uint64_t file)
{
	uint64_t mm = make(512), maple = make(256), v;

	set(mm, k.at.mm_struct_pgd, DIRECT + PGD);
	set(mm, k.at.mm_struct_exe_file, file);
	set(mm, k.at.mm_struct_arg_start, ANON_VA);
	set(mm, k.at.mm_struct_arg_end, ANON_VA + 64);
	set(mm, k.at.mm_struct_start_code, 0x400000);
	set(mm, k.at.mm_struct_env_start, ANON_VA + 64);
	set(mm, k.at.mm_struct_env_end, ANON_VA + 256);
	set(task, k.at.task_struct_mm, mm);
	make_more(task, file);
	put64(maple - DIRECT + 8, 0x3fffff);
	put64(maple - DIRECT + 16, 0x402fff);
	put64(maple - DIRECT + 24, ANON_VA - 1);
	put64(maple - DIRECT + 32, ANON_VA + 0x3fff);
	v = make_vma(mm, 0x400000, 0x403000, VM_READ | VM_EXEC);
	set(v, k.at.vm_area_struct_vm_file, file);
	set(v, k.at.vm_area_struct_anon_vma, 1);
	put64(maple - DIRECT + 128 + 8, v);
	put64(maple - DIRECT + 128 + 24, make_vma(mm, ANON_VA, ANON_VA + 0x4000, VM_EXEC));
	set(mm, k.at.mm_struct_ma_root, maple | 1 << 3 | 2);
}

/* Process 1 has a root, and all programs begin with what a file there names. */
static void make_preload(uint64_t task, uint64_t file, uint64_t root)
{
	const uint64_t fs = make(64), inode = get64(file + k.at.file_f_inode.at);

	set(task, k.at.task_struct_fs, fs);
	set(fs, k.at.fs_struct_root, root);
	set(root, k.at.dentry_inode, make(64));
	set(inode, k.at.inode_i_mapping, mapping_of(file));
	add_name("ld.so.preload", add_name("etc", root, make(64)), inode);
}

/* Its program is a file on an overlay, and lies in the layer that is written to. */
static void make_container(uint64_t task, uint64_t mount, uint64_t root)
{
	const uint64_t overlay = make_file(mount, make_dentry("prog", root), 9000, 0x794c7630);
	const uint64_t mm = get64(task + k.at.task_struct_mm.at), upper = make_dentry("prog", root);
	const uint64_t file = get64(mm + k.at.mm_struct_exe_file.at);

	set(upper, k.at.dentry_inode, get64(file + k.at.file_f_inode.at));
	put64(get64(overlay + k.at.file_f_inode.at) + k.at.inode_size.size - DIRECT, upper);
	set(mm, k.at.mm_struct_exe_file, overlay);
}

/* Two file systems; on one a file that has the pages of a process's program. */
static void make_files_at_rest(uint64_t root, uint64_t task)
{
	const uint64_t disk = make_file_system("ext4", "sda1", 8 << 20 | 1);
	const uint64_t mm = get64(task + k.at.task_struct_mm.at), file = get64(mm + k.at.mm_struct_exe_file.at);
	const uint64_t inode = make_resting(disk, 12, S_IFREG | 0755, 3);

	make_file_system("tmpfs", "tmpfs", 24);
	set(inode, k.at.inode_i_mapping, mapping_of(file));
	name_inode(inode, make_dentry("tool", make_dentry("bin", root)));
	make_resting(disk, 2, S_IFDIR | 0755, 0);
}

static void make_guest(void)
{
	uint64_t root, mount, last, file;

	must(!guest_setup(NULL));
	check_layout(&k.at);
	root = make_dentry("/", 0);
	mount = make_mount(root, 0, root);
	last = make_task(0, 0);
	map_anon(PGD, 0x700000);
	memset(ram + CODE, 0x90, 3 * 4096);
	for (uint32_t pid = 1; pid < 4; pid++) {
		last = make_task(pid, last);
		heap += 256;	/* what the checks know of a task lies behind */
		file = make_cached_file(mount, root, pid == 3 ? "memfd:x" : "prog");
		make_process(last, file);
		if (pid == 1)
			make_preload(last, file, root);
	}
	make_files_at_rest(root, last);
	make_container(last, mount, root);
	make_facts();
	make_module("ext4", 0xffffffffc0000000ull);
	make_module("loop", 0xffffffffc0100000ull);
	must(!introspector_init(&in, &mem));
	in.kernel = k;
}

static void add_words(uint64_t pa, uint64_t end, bool all)
{
	for (; pa < end; pa += 8)
		if (all || get64(DIRECT + pa))
			words[nwords++] = pa / 8;
}

/* Page tables as far as they are used, all of the heap, and struct pages. */
static void choose_words(void)
{
	add_words(0x1000, HEAP_PA, false);
	add_words(HEAP_PA, heap, true);
	add_words(VMEMMAP_PA + CODE / 4096 * 64, VMEMMAP_PA + (CODE / 4096 + CODE_PAGES) * 64, true);
}

static void start(void)
{
	static const uint64_t bases[] = { DIRECT + HEAP_PA, VMEMMAP, DIRECT, HEAP_PA, PGD | 7 };

	make_guest();
	choose_words();
	patched = (struct patched){
		.bytes = ram, .size = RAM_SIZE, .words = words, .nwords = nwords,
		.bases = bases, .nbases = ARRAY_SIZE(bases),
	};
}

/* ---- what is asked of it ---- */

static int take_rest(void *ctx, const struct m_rest_file *f, int fd)
{
	uint32_t *files = ctx;

	must(fd >= 0 && f->resident <= f->size && f->size <= INT64_MAX && text_is_printable(f->path) &&
	     text_is_printable(f->fs) && f->kind >= OBJECT_FILE && f->kind <= OBJECT_DELETED);
	(*files)++;
	return 0;
}

static bool never_awaited(void *ctx)
{
	return false;
}

/* In parts of one file: each goes on with what the one before it left. */
static void take_files_at_rest(void)
{
	uint32_t files = 0, sent = 0, parts = 0;
	const struct rest_sink sink = { take_rest, never_awaited, &files };
	static struct rest rest;
	struct m_rest ask = { .anew = 1, .files = 1, .bytes = 1 << 20, .milliseconds = 1000 };
	struct m_rested told;

	do {
		rest_look(&in, &rest, &ask, &sink, &told);
		must(told.sent <= 1 && told.status >= REST_MORE && told.status <= REST_UNAVAILABLE);
		sent += told.sent;
		ask.anew = 0;
	} while (told.status == REST_MORE && ++parts < 64);
	must(parts < 64 && sent == files);
}

static void take_contents(void)
{
	const int fd = memfd_create("out", MFD_CLOEXEC);
	struct taken t = { 0 }, m = { 0 };
	struct extract x = { .fd = fd, .missing = take_missing, .ctx = &t };
	struct inodes_walked walked;
	static struct guest_file f;
	struct address_space as;
	struct task task;
	int r;

	must(fd >= 0);
	inodes_walk(&in.kernel, true, take_inode, &t, &walked);
	must(t.files == walked.files && walked.files <= walked.inodes);
	if (t.files)
		extracted(&t, &x, t.size, extract_file(&in, t.mapping, t.size, &x));
	close(fd);
	if (find_process(&in, 1, 0, &task))
		return;
	r = process_file(&in.kernel, &task, "/prog", &f);
	must(r || strlen(f.path) < sizeof(f.path));
	/* None has that: all of its files are looked at. */
	r = process_file(&in.kernel, &task, "/none", &f);
	must(r || !strcmp(f.path, "/none"));
	x = (struct extract){ .fd = memfd_create("out", MFD_CLOEXEC), .missing = take_missing, .ctx = &m };
	must(x.fd >= 0);
	as = task_space(&in.kernel, &task);
	r = extract_memory(&as, ANON_VA - 100, 0x5000, &x);
	extracted(&m, &x, 0x5000, r);
	close(x.fd);
}

static void take_answers(void)
{
	static const struct m_extract asks[] = {
		{ .what = EXTRACT_MEMORY, .pid = 1, .address = ANON_VA - 100, .length = 0x5000 },
		{ .what = EXTRACT_EXE, .pid = 1 },
		{ .what = EXTRACT_OF_PROCESS, .pid = 1, .path = "/prog" },
		{ .what = EXTRACT_AT, .path = "/prog" },
		{ .what = EXTRACT_INODE, .dev = 8 << 20 | 1, .ino = 12 },
	};
	struct m_done done;
	uint32_t files = 0;

	for (size_t i = 0; i < ARRAY_SIZE(asks); i++)
		told_content(&in, &asks[i]);
	files_tell(&in, true, take_file_message, &files, &done);
	done_well(&done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct look_sink sink = { take_task, take_object, take_use, NULL };
	struct m_beacon beacon = { .pid = 1, .gva = ANON_VA };
	struct m_beacon_seen seen;
	const struct m_process process = { .pid = 1, .environment = 1 };
	struct m_probed probed;
	uint32_t modules = 0;
	const struct kernel_sink kernel = { take_kernel_facts, take_module, &modules };
	struct m_done done;

	if (!patched.size)
		start();
	patch_apply(&patched, data, size);
	in.gone = false;
	in.on_sign = take_sign;
	guest_map(size % 2);
	objects_forget(&in.objects);
	memory_refresh(&mem);
	look_at_all(&in, false, &sink, &done);
	done_well(&done);
	look_at_cr3(&in, PGD, &sink, &done);
	done_well(&done);
	look_at_pid(&in, 2, 0, true, &sink, &done);
	done_well(&done);
	look_list(&in, &sink, &done);
	done_well(&done);
	look_suspicious(&in, 0, &done);
	done_well(&done);
	mappings_list(&in, 1, 0, take_vma, NULL, &done);
	done_well(&done);
	process_tell(&in, &process, take_fact, NULL, &done);
	done_well(&done);
	memory_set_budget(&mem, 1000);
	take_contents();
	take_answers();
	take_files_at_rest();
	kernel_tell(&in, &kernel, &done);
	done_well(&done);
	probe_task(&in, 1, 1000, &probed);
	beacon_look(&in, &beacon, &seen);
	must(seen.state == BEACON_ABSENT || seen.state == BEACON_UNKNOWN);
	patch_undo(&patched);
	return 0;
}
