/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest made by hand for the introspector's tests: 16 MiB of RAM, page
 * tables, and a kernel whose structures have a layout of our own.
 */
#ifndef TEST_INTROSPECT_GUEST_H
#define TEST_INTROSPECT_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/kernel.h"

#define RAM_SIZE (16u << 20)
#define DIRECT 0xffff888000000000ull
#define VMEMMAP 0xffffea0000000000ull
#define VMEMMAP_PA (8u << 20)
#define HEAP_PA (1u << 20)
#define GONE_PA (15u << 20)		/* one frame that is not resident, if set */
#define PRESENT_RW (PTE_PRESENT | PTE_WRITE)

static uint8_t ram[RAM_SIZE] __attribute__((aligned(4096)));
static struct guest_memory mem;
static struct kernel k;
static uint64_t heap;
static bool frame_gone;

static inline int ram_read(struct guest_memory *m, struct kvm_warden_segment *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		bool gone = frame_gone && s[i].gpa <= GONE_PA && GONE_PA < s[i].gpa + s[i].len;

		s[i].done = 0;
		s[i].error = gone ? -ENODATA : -ENXIO;
		if (s[i].gpa >= RAM_SIZE)
			continue;
		s[i].done = gone ? GONE_PA - s[i].gpa : s[i].len;
		if (s[i].done > RAM_SIZE - s[i].gpa)
			s[i].done = RAM_SIZE - s[i].gpa;
		memcpy((void *)(uintptr_t)s[i].buf, ram + s[i].gpa, s[i].done);
	}
	return 0;
}

static const struct guest_memory_ops ram_ops = { .read = ram_read };

static inline void put64(uint64_t pa, uint64_t v)
{
	assert_true(pa <= RAM_SIZE - 8);
	memcpy(ram + pa, &v, 8);
}

static inline void put32(uint64_t pa, uint32_t v)
{
	assert_true(pa <= RAM_SIZE - 4);
	memcpy(ram + pa, &v, 4);
}

/* A structure of the kernel's: zeroed, aligned to 256; its direct-map address. */
static inline uint64_t make(size_t size)
{
	uint64_t pa = heap;

	heap += (size + 255) & ~255ull;
	assert_true(heap < VMEMMAP_PA);
	memset(ram + pa, 0, size);
	return DIRECT + pa;
}

static inline void set(uint64_t va, struct field f, uint64_t v)
{
	assert_true(va - DIRECT + f.at + f.size <= RAM_SIZE);
	memcpy(ram + (va - DIRECT) + f.at, &v, f.size < 8 ? f.size : 8);
}

static inline uint64_t make_text(const char *text)
{
	uint64_t va = make(strlen(text) + 1);

	memcpy(ram + (va - DIRECT), text, strlen(text) + 1);
	return va;
}

/* Direct map and vmemmap in 2 MiB pages; tables in frames 1 to 5. */
static inline void guest_tables(uint64_t pgd)
{
	uint64_t pud = pgd + 0x1000, pmd = pgd + 0x2000;
	uint64_t pud2 = pgd + 0x3000, pmd2 = pgd + 0x4000;

	put64(pgd + (DIRECT >> 39 & 511) * 8, pud | PRESENT_RW);
	put64(pud, pmd | PRESENT_RW);
	for (unsigned i = 0; i < RAM_SIZE >> 21; i++)
		put64(pmd + i * 8, ((uint64_t)i << 21) | PRESENT_RW | PTE_LARGE | PTE_NX);
	put64(pgd + (VMEMMAP >> 39 & 511) * 8, pud2 | PRESENT_RW);
	put64(pud2, pmd2 | PRESENT_RW);
	put64(pmd2, VMEMMAP_PA | PRESENT_RW | PTE_LARGE | PTE_NX);
}

static inline void guest_layout(struct layout *l)
{
#define F(name, offset, bytes) l->name = (struct field){ offset, bytes }
	F(task_struct_tasks, 0, 16); F(task_struct_pid, 16, 4); F(task_struct_tgid, 20, 4);
	F(task_struct_real_parent, 24, 8); F(task_struct_cred, 32, 8);
	F(task_struct_flags, 40, 4); F(task_struct_exit_state, 44, 4);
	F(task_struct_start_time, 48, 8); F(task_struct_comm, 56, 16); F(task_struct_mm, 72, 8);
	F(task_struct_signal, 80, 8); F(task_struct_thread_node, 88, 16);
	F(task_struct_self_exec_id, 112, 8);
	F(signal_struct_thread_head, 16, 16);
	F(cred_uid, 4, 4);
	F(mm_struct_pgd, 0, 8); F(mm_struct_exe_file, 8, 8); F(mm_struct_arg_start, 16, 8);
	F(mm_struct_arg_end, 24, 8); F(mm_struct_ma_root, 32, 8);
	F(mm_struct_start_brk, 40, 8); F(mm_struct_brk, 48, 8); F(mm_struct_start_stack, 56, 8);
	F(vm_area_struct_size, 0, 128); F(vm_area_struct_vm_start, 0, 8);
	F(vm_area_struct_vm_end, 8, 8); F(vm_area_struct_vm_flags, 16, 8);
	F(vm_area_struct_vm_file, 24, 8); F(vm_area_struct_vm_pgoff, 32, 8);
	F(vm_area_struct_vm_mm, 40, 8); F(vm_area_struct_vm_next, 48, 8);
	F(vm_area_struct_vm_ops, 56, 8); F(vm_area_struct_vm_private_data, 64, 8);
	F(vm_special_mapping_name, 8, 8);
	F(maple_node_size, 0, 256);
	F(maple_range_64_pivot, 8, 120); F(maple_range_64_slot, 128, 128);
	F(maple_arange_64_pivot, 8, 72); F(maple_arange_64_slot, 80, 80);
	l->maple_leaf_64 = 1; l->maple_range_64 = 2; l->maple_arange_64 = 3;
	F(file_f_mapping, 0, 8); F(file_f_inode, 8, 8); F(file_mnt, 16, 8); F(file_dentry, 24, 8);
	F(dentry_d_parent, 0, 8); F(dentry_name, 8, 8); F(dentry_hash_pprev, 16, 8);
	F(mount_mnt, 32, 24); F(mount_mnt_root, 32, 8);
	F(mount_mnt_parent, 0, 8); F(mount_mnt_mountpoint, 8, 8);
	F(inode_i_ino, 0, 8); F(inode_i_size, 8, 8); F(inode_i_nlink, 16, 4); F(inode_i_sb, 24, 8);
	F(super_block_s_magic, 0, 8); F(super_block_s_dev, 8, 4);
	F(address_space_host, 0, 8); F(address_space_xa_head, 8, 8); F(address_space_nrpages, 16, 8);
	F(xa_node_shift, 0, 1); F(xa_node_slots, 8, 512);
	F(page_size, 0, 64); F(page_flags, 0, 8); F(folio_order, 65, 1);
	F(module_state, 0, 4); F(module_list, 8, 16); F(module_name, 24, 56); F(module_mem, 96, 96);
	F(module_memory_whole, 0, 32); F(module_memory_base, 0, 8); F(module_memory_size, 8, 4);
	F(timekeeper_offs_real, 0, 8); F(timekeeper_offs_boot, 8, 8); F(timekeeper_xtime_sec, 16, 8);
	l->pg_head = 16; l->pg_uptodate = 2;
#undef F
}

static inline int guest_setup(void **state)
{
	memset(ram, 0, sizeof(ram));
	frame_gone = false;
	assert_int_equal(memory_open_ops(&mem, &ram_ops), 0);
	mem.ranges[0] = (struct memory_range){ 0, RAM_SIZE };
	mem.nranges = 1;
	heap = HEAP_PA;
	guest_tables(0x1000);
	memset(&k, 0, sizeof(k));
	k.mem = &mem;
	k.as = (struct address_space){ &mem, &k.tlb, 0x1000, 4 };
	k.vmemmap = VMEMMAP;
	guest_layout(&k.at);
	return 0;
}

/* Its memory lies mapped, as most guests' does, or is read by calls. */
static inline void guest_map(bool mapped)
{
	static struct window whole = { .start = ram, .size = sizeof(ram) };

	mem.places[0] = (struct memory_place){ .window = mapped ? &whole : NULL };
}

static inline int guest_teardown(void **state)
{
	memory_close(&mem);
	return 0;
}

/* ---- what guests are made of ---- */

#define UPTODATE (1ull << 2)
#define HEAD (1ull << 16)

/* The struct page of a frame, with these flags. */
static inline uint64_t make_page(uint64_t pa, uint64_t flags)
{
	uint64_t pfn = pa / 4096;

	put64(VMEMMAP_PA + pfn * 64, flags);
	return VMEMMAP + pfn * 64;
}

/* 2^order frames, each with its struct page. */
static inline uint64_t make_folio(uint64_t pa, unsigned order)
{
	uint64_t page = make_page(pa, UPTODATE | HEAD);

	put64(VMEMMAP_PA + (pa / 4096 + 1) * 64, 0);
	ram[VMEMMAP_PA + pa / 4096 * 64 + k.at.folio_order.at] = order;
	return page;
}

static inline uint64_t make_task(uint32_t pid, uint64_t after)
{
	uint64_t t = make(128), cred = make(64), next;

	set(t, k.at.task_struct_pid, pid);
	set(t, k.at.task_struct_tgid, pid);
	set(t, k.at.task_struct_cred, cred);
	set(t, k.at.task_struct_real_parent, after ? after : t);
	set(t, k.at.task_struct_start_time, pid * 1000ull);
	if (!after) {
		put64(t - DIRECT, t);
		put64(t - DIRECT + 8, t);
		k.symbol[SYM_INIT_TASK].address = t;
		return t;
	}
	memcpy(&next, ram + (after - DIRECT), 8);
	put64(t - DIRECT, next);
	put64(t - DIRECT + 8, after);
	put64(after - DIRECT, t);
	put64(next - DIRECT + 8, t);
	return t;
}

static inline uint64_t make_vma(uint64_t mm, uint64_t start, uint64_t end, uint64_t flags)
{
	uint64_t v = make(128);

	set(v, k.at.vm_area_struct_vm_start, start);
	set(v, k.at.vm_area_struct_vm_end, end);
	set(v, k.at.vm_area_struct_vm_flags, flags);
	set(v, k.at.vm_area_struct_vm_mm, mm);
	return v;
}

static inline uint64_t make_dentry(const char *name, uint64_t parent)
{
	uint64_t d = make(64);

	set(d, k.at.dentry_name, make_text(name));
	set(d, k.at.dentry_d_parent, parent ? parent : d);
	set(d, k.at.dentry_hash_pprev, 1);
	return d;
}

static inline uint64_t make_mount(uint64_t root, uint64_t parent, uint64_t mountpoint)
{
	uint64_t m = make(64);

	set(m, k.at.mount_mnt_root, root);
	set(m, k.at.mount_mnt_parent, parent ? parent : m);
	set(m, k.at.mount_mnt_mountpoint, mountpoint);
	return m;
}

/* A file of size bytes with an empty page cache. */
static inline uint64_t make_file(uint64_t mount, uint64_t dentry, uint64_t size, uint64_t magic)
{
	uint64_t f = make(64), mapping = make(64), inode = make(64), sb = make(64);

	set(f, k.at.file_f_mapping, mapping);
	set(f, k.at.file_f_inode, inode);
	set(f, k.at.file_mnt, mount + k.at.mount_mnt.at);
	set(f, k.at.file_dentry, dentry);
	set(mapping, k.at.address_space_host, inode);
	set(inode, k.at.inode_i_ino, 4711);
	set(inode, k.at.inode_i_size, size);
	set(inode, k.at.inode_i_nlink, 1);
	set(inode, k.at.inode_i_sb, sb);
	set(sb, k.at.super_block_s_magic, magic);
	set(sb, k.at.super_block_s_dev, 0xfe00003);	/* 254:3 */
	return f;
}

static inline uint64_t mapping_of(uint64_t file)
{
	uint64_t m;

	memcpy(&m, ram + (file - DIRECT), 8);
	return m;
}

static inline uint64_t make_xa_node(unsigned shift)
{
	uint64_t n = make(1024);

	set(n, k.at.xa_node_shift, shift);
	return n;
}

static inline void xa_set(uint64_t node, unsigned slot, uint64_t entry)
{
	put64(node - DIRECT + 8 + 8 * slot, entry);
}

/* The list of modules, and one at its end: text of 8 KiB and data of 4 KiB at base. */
static inline uint64_t make_module(const char *name, uint64_t base)
{
	uint64_t m = make(256), head, last, node = m + k.at.module_list.at;

	if (!k.symbol[SYM_MODULES].address) {
		head = make(16);
		put64(head - DIRECT, head);
		put64(head - DIRECT + 8, head);
		k.symbol[SYM_MODULES].address = head;
	}
	head = k.symbol[SYM_MODULES].address;
	memcpy(&last, ram + (head - DIRECT) + 8, 8);
	put64(node - DIRECT, head);
	put64(node - DIRECT + 8, last);
	put64(last - DIRECT, node);
	put64(head - DIRECT + 8, node);
	memcpy(ram + (m - DIRECT) + k.at.module_name.at, name, strlen(name) + 1);
	put64(m - DIRECT + k.at.module_mem.at, base);
	put64(m - DIRECT + k.at.module_mem.at + 8, 8192);
	put64(m - DIRECT + k.at.module_mem.at + 32 + 8, 4096);
	return m;
}

/* What kernel_read_facts looks at. */
static inline void make_facts(void)
{
	static const uint32_t note[] = { 4, 20, 3, 0x554e47, 1, 2, 3, 4, 5 };
	uint64_t line = make(8), notes = make(sizeof(note)), tk = make(64);

	put64(line - DIRECT, make_text("console=ttyS0 \x01quiet"));
	memcpy(ram + (notes - DIRECT), note, sizeof(note));
	put64(tk - DIRECT + 8, 1700000000000000000ull + 5);
	put64(tk - DIRECT + 16, 5);
	put64(tk - DIRECT + 24, 1700000000 + 60);
	k.symbol[SYM_SAVED_COMMAND_LINE].address = line;
	k.symbol[SYM_START_NOTES].address = notes;
	k.symbol[SYM_STOP_NOTES].address = notes + sizeof(note);
	k.symbol[SYM_TK_CORE].address = tk;
}

#endif
