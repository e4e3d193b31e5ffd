/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On top of the guest made by hand: what the checks of views and of the kernel
 * walk.  Three processes in all six views, two modules in three, a kernel image of
 * 64 KiB with every kind of site.
 */
#ifndef TEST_INTROSPECT_KERNEL_H
#define TEST_INTROSPECT_KERNEL_H

#include "introspect/check.h"
#include "test_introspect_guest.h"

#define IMAGE 0xffffffff81000000ull
#define IMAGE_PA (6u << 20)
#define IMAGE_SIZE 0x10000u
#define TEXT_SIZE 0x8000u
#define MODULE_TEXT 0xffffffffc0000000ull
#define SLAB_PA (5u << 20)
#define TASK_SIZE 512u

static uint64_t checked_task[3], checked_module[2];

static inline void check_layout(struct layout *l)
{
#define F(name, offset, bytes) l->name = (struct field){ offset, bytes }
	F(task_struct_pid_links, 128, 64); F(task_struct_children, 192, 16);
	F(task_struct_sibling, 208, 16); F(task_struct_cg_list, 224, 16);
	F(task_struct_usage, 240, 4); F(task_struct_stack, 248, 8); F(task_struct_state, 256, 4);
	F(task_struct_group_node, 264, 16); F(task_struct_runtime, 280, 8);
	F(task_struct_ptrace, 288, 4); F(task_struct_parent, 296, 8);
	F(pid_namespace_idr, 0, 8); F(pid_tasks, 8, 32);
	F(css_set_hlist, 0, 16); F(css_set_tasks, 16, 16); F(css_set_mg_tasks, 32, 16);
	F(css_set_dying_tasks, 48, 16);
	F(slab_slab_cache, 8, 8); F(slab_objects, 16, 4);
	F(kmem_cache_size, 0, 4); F(kmem_cache_flags, 8, 8); F(kmem_cache_red_left_pad, 16, 4);
	F(kmem_cache_oo, 20, 4);
	F(rq_curr, 0, 8); F(rq_idle, 8, 8); F(rq_cfs_tasks, 16, 16);
	F(module_status, 0, 4); F(module_link, 8, 16); F(module_title, 24, 56);
	F(module_core_at, 80, 8); F(module_core_text, 88, 4); F(module_mkobj, 96, 64);
	F(mod_tree_root_root, 8, 16); F(mod_tree_node_mod, 0, 8); F(mod_tree_node_node, 8, 48);
	F(rb_node_right, 8, 8); F(rb_node_left, 16, 8);
	F(kset_list, 0, 16); F(kobject_entry, 8, 16); F(module_kobject_kobj, 0, 48);
	F(module_kobject_mod, 48, 8);
	F(bpf_ksym_start, 0, 8); F(bpf_ksym_end, 8, 8); F(bpf_ksym_lnode, 16, 16);
	F(vmap_area_node, 0, 16); F(vmap_area_vm, 16, 8);
	F(vm_struct_addr, 0, 8); F(vm_struct_size, 8, 8); F(vm_struct_caller, 16, 8);
	F(bpf_prog_pack_ptr, 16, 8); F(rcu_node_gp_seq, 16, 8);
	F(kprobe_insn_cache_pages, 0, 16); F(kprobe_insn_page_insns, 16, 8);
	F(kprobe_hlist, 0, 16); F(kprobe_addr, 16, 8); F(kprobe_opcode, 24, 1);
	F(kprobe_list, 32, 16); F(kprobe_pre_handler, 48, 8); F(kprobe_post_handler, 56, 8);
	F(kretprobe_kp, 0, 64); F(kretprobe_handler, 64, 8); F(kretprobe_entry_handler, 72, 8);
	F(fprobe_ops, 0, 48); F(fprobe_entry_handler, 48, 8); F(fprobe_exit_handler, 56, 8);
	F(optimized_kprobe_copied, 96, 4); F(kimage_control_code_page, 0, 8);
	F(ftrace_ops_func, 0, 8); F(ftrace_ops_next, 8, 8); F(ftrace_ops_trampoline, 16, 8);
	F(ftrace_ops_trampoline_size, 24, 8);
	F(ftrace_page_next, 0, 8); F(ftrace_page_records, 8, 8); F(ftrace_page_index, 16, 4);
	F(dyn_ftrace_size, 0, 16); F(dyn_ftrace_ip, 0, 8);
	F(signal_struct_sum_runtime, 32, 8);
	F(mm_struct_start_code, 64, 8); F(mm_struct_env_start, 72, 8); F(mm_struct_env_end, 80, 8);
	F(mm_struct_rss_stat, 88, 160); F(percpu_counter_size, 0, 40);
	F(percpu_counter_count, 8, 8); F(percpu_counter_counters, 32, 8);
	F(vm_area_struct_anon_vma, 72, 8);
	F(inode_i_uid, 32, 4); F(inode_i_mode, 36, 2);
	F(task_struct_thread_pid, 304, 8); F(task_struct_nsproxy, 312, 8);
	F(task_struct_cgroups, 320, 8); F(task_struct_files, 328, 8);
	F(cred_gid, 8, 4); F(cred_suid, 12, 4); F(cred_sgid, 16, 4); F(cred_euid, 20, 4);
	F(cred_egid, 24, 4); F(cred_fsuid, 28, 4); F(cred_fsgid, 32, 4);
	F(cred_cap_inheritable, 40, 8); F(cred_cap_permitted, 48, 8);
	F(cred_cap_effective, 56, 8); F(cred_cap_bset, 64, 8); F(cred_user_ns, 72, 8);
	F(pid_size, 0, 48); F(pid_level, 0, 4); F(upid_size, 0, 16); F(upid_nr, 0, 4); F(upid_ns, 8, 8);
	F(pid_namespace_inum, 16, 4); F(uts_namespace_inum, 16, 4); F(ipc_namespace_inum, 16, 4);
	F(mnt_namespace_inum, 16, 4); F(net_inum, 16, 4); F(cgroup_namespace_inum, 16, 4);
	F(user_namespace_inum, 16, 4); F(nsproxy_uts_ns, 0, 8); F(nsproxy_ipc_ns, 8, 8);
	F(nsproxy_mnt_ns, 16, 8); F(nsproxy_net_ns, 24, 8); F(nsproxy_cgroup_ns, 32, 8);
	F(css_set_dfl_cgrp, 64, 8); F(cgroup_kn, 0, 8); F(kernfs_node_name, 0, 8);
	F(task_struct_fs, 336, 8); F(fs_struct_root, 8, 8); F(inode_i_mapping, 40, 8); F(inode_size, 0, 48);
	F(kernfs_node_parent, 8, 8); F(files_struct_fdt, 0, 8); F(fdtable_max_fds, 0, 4);
	F(fdtable_fd, 8, 8); F(socket_alloc_vfs_inode, 64, 64); F(socket_sk, 0, 8);
	F(socket_type, 8, 2); F(sock_common_skc_family, 0, 2); F(sock_common_skc_state, 2, 1);
	F(sock_common_skc_daddr, 4, 4); F(sock_common_skc_rcv_saddr, 8, 4);
	F(sock_common_skc_dport, 12, 2); F(sock_common_skc_num, 14, 2);
	F(sock_common_skc_v6_daddr, 16, 16); F(sock_common_skc_v6_rcv_saddr, 32, 16);
	F(sock_sk_protocol, 48, 2); F(unix_sock_addr, 56, 8);
	F(unix_address_len, 4, 4); F(unix_address_size, 0, 8);
	F(dentry_children, 24, 8); F(dentry_sib, 32, 16); F(dentry_inode, 48, 8);
	F(dentry_alias, 56, 16); F(inode_i_sb_list, 64, 16); F(inode_i_dentry, 80, 8);
	F(super_block_s_list, 16, 16); F(super_block_s_inodes, 32, 16); F(super_block_s_type, 48, 8);
	F(super_block_s_id, 56, 32); F(file_system_type_name, 0, 8);
#undef F
}

static inline uint64_t get64(uint64_t va)
{
	uint64_t v;

	memcpy(&v, ram + (va - DIRECT), 8);
	return v;
}

static inline void list_init(uint64_t head)
{
	put64(head - DIRECT, head);
	put64(head - DIRECT + 8, head);
}

static inline void list_append(uint64_t head, uint64_t node)
{
	uint64_t last = get64(head + 8);

	put64(last - DIRECT, node);
	put64(node - DIRECT, head);
	put64(node - DIRECT + 8, last);
	put64(head - DIRECT + 8, node);
}

static inline void list_cut(uint64_t node)
{
	put64(get64(node + 8) - DIRECT, get64(node));
	put64(get64(node) - DIRECT + 8, get64(node + 8));
}

static inline void hlist_append(uint64_t head, uint64_t node)
{
	put64(node - DIRECT, get64(head));
	put64(node - DIRECT + 8, head);
	if (get64(head))
		put64(get64(head) - DIRECT + 8, node);
	put64(head - DIRECT, node);
}

/* A name in a directory, with a file. */
static inline uint64_t add_name(const char *name, uint64_t parent, uint64_t inode)
{
	const uint64_t d = make_dentry(name, parent);

	set(d, k.at.dentry_inode, inode);
	hlist_append(parent + k.at.dentry_children.at, d + k.at.dentry_sib.at);
	return d;
}

/* The kernel's image, executable text and then read-only data, in 4 KiB pages. */
static inline void map_image(void)
{
	const uint64_t pgd = 0x1000, pud = 0x8000, pmd = 0x9000, pt = 0xa000;

	put64(pgd + (IMAGE >> 39 & 511) * 8, pud | PRESENT_RW);
	put64(pud + (IMAGE >> 30 & 511) * 8, pmd | PRESENT_RW);
	put64(pmd + (IMAGE >> 21 & 511) * 8, pt | PRESENT_RW);
	for (unsigned i = 0; i < IMAGE_SIZE / 4096; i++)
		put64(pt + i * 8, (IMAGE_PA + i * 4096) | PTE_PRESENT |
		      (i * 4096 < TEXT_SIZE ? 0 : PTE_NX));
	k.text_base = IMAGE;
}

/* Of modules, BPF and kprobes, one page each. */
static inline void map_modules(void)
{
	const uint64_t pud = 0x8000, pmd = 0xb000, pt = 0xc000;

	put64(pud + (MODULE_TEXT >> 30 & 511) * 8, pmd | PRESENT_RW);
	put64(pmd + (MODULE_TEXT >> 21 & 511) * 8, pt | PRESENT_RW);
	for (unsigned i = 0; i < 5; i++)
		put64(pt + i * 8, ((7u << 20) + i * 4096) | PTE_PRESENT);
}

static inline void image_put(uint32_t at, const void *bytes, size_t n)
{
	memcpy(ram + IMAGE_PA + at, bytes, n);
}

static inline uint64_t make_checked_task(uint32_t pid, uint64_t after, uint64_t slot)
{
	uint64_t t = slot ? slot : make(TASK_SIZE), signal = make(64);
	uint64_t cred = make(64), leader = after ? after : t;

	set(t, k.at.task_struct_pid, pid);
	set(t, k.at.task_struct_tgid, pid);
	set(t, k.at.task_struct_cred, cred);
	set(t, k.at.task_struct_real_parent, leader);
	set(t, k.at.task_struct_parent, leader);
	set(t, k.at.task_struct_start_time, pid * 1000ull);
	set(t, k.at.task_struct_usage, 1);
	set(t, k.at.task_struct_stack, DIRECT + HEAP_PA);
	set(t, k.at.task_struct_signal, signal);
	list_init(signal + k.at.signal_struct_thread_head.at);
	list_append(signal + k.at.signal_struct_thread_head.at, t + k.at.task_struct_thread_node.at);
	list_init(t + k.at.task_struct_children.at);
	if (after)
		list_append(k.symbol[SYM_INIT_TASK].address + k.at.task_struct_tasks.at,
			    t + k.at.task_struct_tasks.at);
	else
		list_init(t + k.at.task_struct_tasks.at);
	return t;
}

static inline void make_tasks(void)
{
	uint64_t root = make_checked_task(0, 0, 0), ns = make(64), node = make_xa_node(0);
	uint64_t table = make(1024), css = make(64), cache = make(64), rq = make(64), cpu = make(64);

	k.symbol[SYM_INIT_TASK].address = root;
	k.symbol[SYM_INIT_PID_NS].address = ns;
	set(ns, k.at.pid_namespace_idr, node | 2);
	k.symbol[SYM_CSS_SET_TABLE].address = table;
	hlist_append(table + 8 * 5, css + k.at.css_set_hlist.at);
	list_init(css + k.at.css_set_tasks.at);
	list_init(css + k.at.css_set_mg_tasks.at);
	list_init(css + k.at.css_set_dying_tasks.at);
	set(cache, k.at.kmem_cache_size, TASK_SIZE);
	k.symbol[SYM_TASK_CACHE].address = make(64);
	put64(k.symbol[SYM_TASK_CACHE].address - DIRECT, cache);
	put64(VMEMMAP_PA + SLAB_PA / 4096 * 64 + 8, cache);
	put32(VMEMMAP_PA + SLAB_PA / 4096 * 64 + 16, 8);
	k.symbol[SYM_RUNQUEUES].address = rq;
	k.symbol[SYM_PER_CPU_OFFSET].address = cpu;
	k.symbol[SYM_NR_CPU_IDS].address = cpu + 8;
	put32(cpu + 8 - DIRECT, 1);
	list_init(rq + k.at.rq_cfs_tasks.at);
	set(rq, k.at.rq_idle, root);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t t = make_checked_task(i + 1, root, DIRECT + SLAB_PA + i * TASK_SIZE);
		uint64_t pid = make(64);

		checked_task[i] = t;
		xa_set(node, i + 1, pid);
		hlist_append(pid + k.at.pid_tasks.at, t + k.at.task_struct_pid_links.at);
		list_append(root + k.at.task_struct_children.at, t + k.at.task_struct_sibling.at);
		list_append(css + k.at.css_set_tasks.at, t + k.at.task_struct_cg_list.at);
	}
	set(rq, k.at.rq_curr, checked_task[0]);
	list_append(rq + k.at.rq_cfs_tasks.at, checked_task[0] + k.at.task_struct_group_node.at);
}

static inline void make_modules(void)
{
	uint64_t list = make(16), tree = make(64), kset = make(64), last = 0;

	list_init(list);
	k.symbol[SYM_MODULE_LIST].address = list;
	k.symbol[SYM_MOD_TREE].address = tree;
	k.symbol[SYM_MODULE_KSET].address = make(8);
	put64(k.symbol[SYM_MODULE_KSET].address - DIRECT, kset);
	list_init(kset);
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t m = make(256), node = make(64);

		checked_module[i] = m;
		strcpy((char *)ram + (m - DIRECT) + k.at.module_title.at, i ? "second" : "first");
		set(m, k.at.module_core_at, MODULE_TEXT + i * 4096);
		set(m, k.at.module_core_text, 4096);
		list_append(list, m + k.at.module_link.at);
		set(m + k.at.module_mkobj.at, k.at.module_kobject_mod, m);
		list_append(kset, m + k.at.module_mkobj.at + k.at.kobject_entry.at);
		set(node, k.at.mod_tree_node_mod, m);
		if (last)
			put64(last - DIRECT + k.at.mod_tree_node_node.at + k.at.rb_node_left.at,
			      node + k.at.mod_tree_node_node.at);
		else
			put64(tree - DIRECT + k.at.mod_tree_root_root.at,
			      node + k.at.mod_tree_node_node.at);
		last = node;
	}
}

static inline void make_owners(void)
{
	static const enum kernel_symbol lists[] = {
		SYM_PACK_LIST, SYM_BPF_KALLSYMS, SYM_KPROBE_SLOTS, SYM_KPROBE_OPTSLOTS,
	};
	uint64_t ksym = make(64), page = make(64), end = make(64), ops = make(64);

	for (size_t i = 0; i < 4; i++) {
		k.symbol[lists[i]].address = make(16);
		list_init(k.symbol[lists[i]].address);
	}
	set(ksym, k.at.bpf_ksym_start, MODULE_TEXT + 0x3000);
	set(ksym, k.at.bpf_ksym_end, MODULE_TEXT + 0x3100);
	list_append(k.symbol[SYM_BPF_KALLSYMS].address, ksym + k.at.bpf_ksym_lnode.at);
	set(page, k.at.kprobe_insn_page_insns, MODULE_TEXT + 0x4000);
	list_append(k.symbol[SYM_KPROBE_SLOTS].address, page);
	k.symbol[SYM_RCU_STATE].address = make(64);
	k.symbol[SYM_FTRACE_OPS].address = make(8);
	k.symbol[SYM_FTRACE_END].address = end;
	put64(k.symbol[SYM_FTRACE_OPS].address - DIRECT, ops);
	set(ops, k.at.ftrace_ops_next, end);
}

static inline void image_branch(uint32_t at, uint8_t opcode, uint64_t to)
{
	int32_t offset = to - (IMAGE + at + 5);

	image_put(at, &opcode, 1);
	image_put(at + 1, &offset, 4);
}

/* On the list of file systems, with no inode yet. */
static inline uint64_t make_file_system(const char *type, const char *id, uint64_t dev)
{
	uint64_t sb = make(128), of = make(16);

	if (!k.symbol[SYM_SUPER_BLOCKS].address) {
		k.symbol[SYM_SUPER_BLOCKS].address = make(16);
		list_init(k.symbol[SYM_SUPER_BLOCKS].address);
	}
	list_append(k.symbol[SYM_SUPER_BLOCKS].address, sb + k.at.super_block_s_list.at);
	list_init(sb + k.at.super_block_s_inodes.at);
	set(of, k.at.file_system_type_name, make_text(type));
	set(sb, k.at.super_block_s_type, of);
	set(sb, k.at.super_block_s_dev, dev);
	strcpy((char *)ram + (sb - DIRECT) + k.at.super_block_s_id.at, id);
	return sb;
}

/* An inode of it that nobody has open, of nrpages pages. */
static inline uint64_t make_resting(uint64_t sb, uint64_t ino, uint32_t mode, uint64_t nrpages)
{
	uint64_t inode = make(128), mapping = make(64);

	list_append(sb + k.at.super_block_s_inodes.at, inode + k.at.inode_i_sb_list.at);
	set(inode, k.at.inode_i_sb, sb);
	set(inode, k.at.inode_i_ino, ino);
	set(inode, k.at.inode_i_mode, mode);
	set(inode, k.at.inode_i_nlink, 1);
	set(inode, k.at.inode_i_size, nrpages * 4096);
	set(inode, k.at.inode_i_mapping, mapping);
	set(mapping, k.at.address_space_host, inode);
	set(mapping, k.at.address_space_nrpages, nrpages);
	return inode;
}

static inline void name_inode(uint64_t inode, uint64_t dentry)
{
	hlist_append(inode + k.at.inode_i_dentry.at, dentry + k.at.dentry_alias.at);
}

static uint64_t checked_probe;

#define PIECE 0x7000u			/* offsets in the image; then in the piece */
#define REGS_PIECE 0x7100u
#define PIECE_LOAD 8u
#define PIECE_CALL 0x14u
#define PIECE_OTHER 0x20u
#define PIECE_SIZE 72u

/* What trampolines are copies of; each has a call that is the same in all of them. */
static inline void make_pieces(void)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x15, 0, 1, 0, 0 }, jne[] = { 0x75, 5 };
	struct symbol *s = k.symbol;

	for (uint32_t at = PIECE; at <= REGS_PIECE; at += REGS_PIECE - PIECE) {
		image_put(at + PIECE_LOAD, load, sizeof(load));
		image_branch(at + PIECE_CALL, 0xe8, IMAGE + 0x100);
		image_branch(at + PIECE_OTHER, 0xe8, IMAGE + 0x200);
	}
	image_put(REGS_PIECE, (uint8_t[]){ 0x9c }, 1);
	image_put(REGS_PIECE + 0x30, jne, sizeof(jne));
	s[SYM_FTRACE_CALLER].address = IMAGE + PIECE;
	s[SYM_FTRACE_CALL].address = IMAGE + PIECE + PIECE_CALL;
	s[SYM_FTRACE_CALLER_END].address = IMAGE + PIECE + PIECE_SIZE;
	s[SYM_FTRACE_REGS_CALLER].address = IMAGE + REGS_PIECE;
	s[SYM_FTRACE_REGS_CALL].address = IMAGE + REGS_PIECE + PIECE_CALL;
	s[SYM_FTRACE_REGS_CALLER_END].address = IMAGE + REGS_PIECE + PIECE_SIZE;
}

static inline void make_image(void)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0, 0 }, lock = 0xf0;
	const uint32_t rodata = TEXT_SIZE;
	uint64_t page = make(64), records = make(64), probes = make(512), probe = make(64);
	int32_t offset;
	struct symbol *s = k.symbol;

	memset(ram + IMAGE_PA, 0x90, TEXT_SIZE);
	s[SYM_STEXT].address = IMAGE;
	s[SYM_ETEXT].address = IMAGE + TEXT_SIZE;
	s[SYM_START_RODATA].address = IMAGE + rodata;
	s[SYM_END_RODATA].address = IMAGE + IMAGE_SIZE;
	s[SYM_SYS_CALL_TABLE].address = IMAGE + rodata + 0x1000;
	for (unsigned i = 0; i < 512; i++)
		put64(IMAGE_PA + rodata + 0x1000 + i * 8, IMAGE + 16 * i);
	s[SYM_IDT_TABLE].address = make(4096);
	/* A static key at 0x200, its jump to 0x280. */
	s[SYM_JUMP_START].address = IMAGE + rodata + 0x3000;
	s[SYM_JUMP_STOP].address = IMAGE + rodata + 0x3010;
	offset = 0x200 - (int32_t)(rodata + 0x3000);
	image_put(rodata + 0x3000, &offset, 4);
	offset = 0x280 - (int32_t)(rodata + 0x3004);
	image_put(rodata + 0x3004, &offset, 4);
	image_put(0x200, nop5, 5);
	/* A static call at 0x300. */
	s[SYM_CALL_SITES_START].address = IMAGE + rodata + 0x3100;
	s[SYM_CALL_SITES_STOP].address = IMAGE + rodata + 0x3108;
	offset = 0x300 - (int32_t)(rodata + 0x3100);
	image_put(rodata + 0x3100, &offset, 4);
	image_put(0x300, nop5, 5);
	/* A lock at 0x400. */
	s[SYM_LOCKS_START].address = IMAGE + rodata + 0x3200;
	s[SYM_LOCKS_STOP].address = IMAGE + rodata + 0x3204;
	offset = 0x400 - (int32_t)(rodata + 0x3200);
	image_put(rodata + 0x3200, &offset, 4);
	image_put(0x400, &lock, 1);
	/* Two functions that can be traced, at 0x500 and 0x600. */
	s[SYM_FTRACE_PAGES].address = make(8);
	put64(s[SYM_FTRACE_PAGES].address - DIRECT, page);
	set(page, k.at.ftrace_page_records, records);
	set(page, k.at.ftrace_page_index, 2);
	put64(records - DIRECT, IMAGE + 0x500);
	put64(records - DIRECT + 16, IMAGE + 0x600);
	image_put(0x500, nop5, 5);
	image_put(0x600, nop5, 5);
	/* A probe at 0x700. */
	s[SYM_KPROBE_TABLE].address = probes;
	hlist_append(probes + 8 * 9, probe);
	set(probe, k.at.kprobe_addr, IMAGE + 0x700);
	set(probe, k.at.kprobe_opcode, 0x90);
	set(probe, k.at.kprobe_pre_handler, IMAGE + 0x100);
	s[SYM_AGGR_PRE_HANDLER].address = IMAGE + 0x140;
	s[SYM_PRE_HANDLER_KRETPROBE].address = IMAGE + 0x150;
	s[SYM_FPROBE_HANDLER].address = IMAGE + 0x160;
	checked_probe = probe;
	make_pieces();
}

#define TRAMPOLINE 0x20000u
#define TRAMPOLINE_PA ((7u << 20) + 0x8000)
#define TRAMPOLINE_SIZE (PIECE_SIZE + 1 + 8)

/* A call in it, as in the piece: its offset there. */
static inline void trampoline_calls_to(uint32_t at, uint8_t opcode, uint64_t to)
{
	int32_t offset = to - (IMAGE + TRAMPOLINE + at + 5);

	ram[TRAMPOLINE_PA + at] = opcode;
	memcpy(ram + TRAMPOLINE_PA + at + 1, &offset, sizeof(offset));
}

/* Code of a tracer's, whose ops lie there, as the kernel makes it. */
static inline void make_trampoline_of(uint32_t piece, uint64_t ops, uint64_t func)
{
	const uint64_t pt = 0xa000, pa = TRAMPOLINE_PA, page = IMAGE + TRAMPOLINE;
	const int32_t to_pointer = TRAMPOLINE_SIZE - 8 - (PIECE_LOAD + 7);

	put64(pt + 0x20 * 8, pa | PTE_PRESENT);
	put64(pt + 0x21 * 8, (pa + 4096) | PTE_PRESENT | PTE_NX);
	memcpy(ram + pa, ram + IMAGE_PA + piece, PIECE_SIZE);
	memcpy(ram + pa + PIECE_LOAD + 3, &to_pointer, 4);
	trampoline_calls_to(PIECE_CALL, 0xe8, func);
	trampoline_calls_to(PIECE_OTHER, 0xe8, IMAGE + 0x200);
	if (piece == REGS_PIECE)
		memcpy(ram + pa + 0x30, (uint8_t[]){ 0x66, 0x90 }, 2);
	ram[pa + PIECE_SIZE] = 0xc3;
	put64(pa + TRAMPOLINE_SIZE - 8, ops);
	ops = ops == page + 4096 ? DIRECT + pa + 4096 : ops;
	set(ops, k.at.ftrace_ops_func, func);
	set(ops, k.at.ftrace_ops_trampoline, page);
	set(ops, k.at.ftrace_ops_trampoline_size, TRAMPOLINE_SIZE);
}

static inline void make_checked_guest(void)
{
	assert_int_equal(guest_setup(NULL), 0);
	check_layout(&k.at);
	k.page_offset = DIRECT;
	map_image();
	map_modules();
	make_tasks();
	make_modules();
	make_owners();
	make_image();
	make_trampoline_of(PIECE, get64(k.symbol[SYM_FTRACE_OPS].address), IMAGE + 0x100);
}

/* The file of a socket with that struct sock. */
static inline uint64_t make_socket(uint64_t mount, uint64_t root, uint64_t sk, unsigned type)
{
	const uint64_t file = make_file(mount, make_dentry("TCP", root), 0, 0x534f434b), socket = make(128);
	const uint64_t inode = socket + k.at.socket_alloc_vfs_inode.at;

	memcpy(ram + (inode - DIRECT), ram + (get64(file + k.at.file_f_inode.at) - DIRECT), 64);
	set(file, k.at.file_f_inode, inode);
	set(mapping_of(file), k.at.address_space_host, inode);
	set(socket, k.at.socket_sk, sk);
	set(socket, k.at.socket_type, type);
	return file;
}

static inline uint64_t make_sock(unsigned family, unsigned protocol, unsigned state)
{
	const uint64_t sk = make(64);

	set(sk, k.at.sock_common_skc_family, family);
	set(sk, k.at.sock_common_skc_state, state);
	set(sk, k.at.sock_sk_protocol, protocol);
	return sk;
}

/* What it is bound to. */
static inline uint64_t make_unix_name(uint64_t sk, const char *name, size_t size)
{
	const uint64_t bound = make(128);

	set(bound, k.at.unix_address_len, size + 2);
	put32(bound - DIRECT + k.at.unix_address_size.size, 1);
	memcpy(ram + (bound - DIRECT) + k.at.unix_address_size.size + 2, name, size);
	set(sk, k.at.unix_sock_addr, bound);
	return bound;
}

#endif
