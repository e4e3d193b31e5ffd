/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the guest kernel keeps what: member offsets from its own BTF, resolved
 * once into a struct.
 *
 * LAYOUT_FIELDS is the one list of them: X(struct, name, paths, need).  Paths
 * are alternatives divided by '|' (kernels rename members); a path with dots
 * goes through members that are structs; an empty path is the struct itself.
 */
#ifndef WARDEN_LAYOUT_H
#define WARDEN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "introspect/check_layout.h"

#define LAYOUT_FIELDS(X) \
	X(task_struct, tasks, "tasks", true) \
	X(task_struct, pid, "pid", true) \
	X(task_struct, tgid, "tgid", true) \
	X(task_struct, real_parent, "real_parent", true) \
	X(task_struct, cred, "cred", true) \
	X(task_struct, flags, "flags", true) \
	X(task_struct, exit_state, "exit_state", true) \
	X(task_struct, start_time, "start_boottime|real_start_time", true) \
	X(task_struct, comm, "comm", true) \
	X(task_struct, mm, "mm", true) \
	X(task_struct, self_exec_id, "self_exec_id", false) \
	X(task_struct, signal, "signal", true) \
	X(task_struct, thread_node, "thread_node", true) \
	X(signal_struct, thread_head, "thread_head", true) \
	X(cred, uid, "uid.val", true) \
	X(mm_struct, pgd, "pgd", true) \
	X(mm_struct, exe_file, "exe_file", true) \
	X(mm_struct, arg_start, "arg_start", true) \
	X(mm_struct, arg_end, "arg_end", true) \
	X(mm_struct, ma_root, "mm_mt.ma_root", false) \
	X(mm_struct, mmap, "mmap", false) \
	X(mm_struct, map_count, "map_count", true) \
	X(mm_struct, start_brk, "start_brk", false) \
	X(mm_struct, brk, "brk", false) \
	X(mm_struct, start_stack, "start_stack", false) \
	X(vm_area_struct, size, "", true) \
	X(vm_area_struct, vm_start, "vm_start", true) \
	X(vm_area_struct, vm_end, "vm_end", true) \
	X(vm_area_struct, vm_flags, "vm_flags|flags", true) \
	X(vm_area_struct, vm_file, "vm_file", true) \
	X(vm_area_struct, vm_pgoff, "vm_pgoff", true) \
	X(vm_area_struct, vm_mm, "vm_mm", true) \
	X(vm_area_struct, vm_next, "vm_next", false) \
	X(vm_area_struct, vm_ops, "vm_ops", false) \
	X(vm_area_struct, vm_private_data, "vm_private_data", false) \
	X(vm_special_mapping, name, "name", false) \
	X(maple_node, size, "", false) \
	X(maple_range_64, pivot, "pivot", false) \
	X(maple_range_64, slot, "slot", false) \
	X(maple_arange_64, pivot, "pivot", false) \
	X(maple_arange_64, slot, "slot", false) \
	X(file, f_mapping, "f_mapping", true) \
	X(file, f_inode, "f_inode", true) \
	X(file, mnt, "f_path.mnt", true) \
	X(file, dentry, "f_path.dentry", true) \
	X(dentry, d_parent, "d_parent", true) \
	X(dentry, name, "d_name.name", true) \
	X(dentry, hash_pprev, "d_hash.pprev", true) \
	X(mount, mnt, "mnt", true) \
	X(mount, mnt_root, "mnt.mnt_root", true) \
	X(mount, mnt_parent, "mnt_parent", true) \
	X(mount, mnt_mountpoint, "mnt_mountpoint", true) \
	X(inode, i_ino, "i_ino", true) \
	X(inode, i_size, "i_size", true) \
	X(inode, i_nlink, "i_nlink", true) \
	X(inode, i_sb, "i_sb", true) \
	X(inode, mtime_sec, "i_mtime.tv_sec|__i_mtime.tv_sec|i_mtime_sec", false) \
	X(inode, mtime_nsec, "i_mtime.tv_nsec|__i_mtime.tv_nsec|i_mtime_nsec", false) \
	X(inode, ctime_sec, "i_ctime.tv_sec|__i_ctime.tv_sec|i_ctime_sec", false) \
	X(inode, ctime_nsec, "i_ctime.tv_nsec|__i_ctime.tv_nsec|i_ctime_nsec", false) \
	X(inode, i_generation, "i_generation", false) \
	X(super_block, s_magic, "s_magic", true) \
	X(super_block, s_dev, "s_dev", false) \
	X(address_space, host, "host", true) \
	X(address_space, xa_head, "i_pages.xa_head", true) \
	X(address_space, nrpages, "nrpages", true) \
	X(xa_node, shift, "shift", true) \
	X(xa_node, slots, "slots", true) \
	X(page, size, "", true) \
	X(page, flags, "flags.f|flags", true) \
	X(page, compound_order, "compound_order", false) \
	X(page, slab_cache, "slab_cache", false) \
	X(folio, order, "_folio_order", false) \
	X(folio, flags_1, "_flags_1", false) \
	X(module, list, "list", false) \
	X(module, name, "name", false) \
	X(module, state, "state", false) \
	X(module, mem, "mem", false) \
	X(module, core_base, "core_layout.base", false) \
	X(module, core_size, "core_layout.size", false) \
	X(module, init_size, "init_layout.size", false) \
	X(module_memory, whole, "", false) \
	X(module_memory, base, "base", false) \
	X(module_memory, size, "size", false) \
	X(timekeeper, offs_real, "offs_real", false) \
	X(timekeeper, offs_boot, "offs_boot", false) \
	X(timekeeper, xtime_sec, "xtime_sec", false) \
	X(tk_data, timekeeper, "timekeeper", false) \
	X(seqcount_raw_spinlock, whole, "", false) \
	X(vdso_image, data, "data", false) \
	X(vdso_image, length, "size", false) \
	LAYOUT_CHECK_FIELDS(X)

struct field {
	uint32_t at, size;		/* size 0: this kernel has no such member */
};

struct layout {
#define X(s, n, p, need) struct field s##_##n;
	LAYOUT_FIELDS(X)
#undef X
	unsigned pg_head, pg_uptodate;		/* bits of page.flags */
	unsigned maple_leaf_64, maple_range_64, maple_arange_64;
	unsigned system_running;		/* 2 until 5.15 */
};

struct btf;

/*
 * Finds the BTF of a kernel in len bytes of its image: a header that holds
 * together, types that libbpf parses, a task_struct among them.  NULL if none.
 */
struct btf *btf_find(const uint8_t *image, size_t len, size_t *ret_offset, size_t *ret_len);

/* The offset of the next header at or after from whose bounds hold, or len. */
size_t btf_next_header(const uint8_t *image, size_t len, size_t from, size_t *ret_len);

/*
 * 0; -ENOENT with the name of the member that is missing in why (size bytes);
 * -E2BIG if its types unfold without end.
 */
int layout_resolve(const struct btf *btf, struct layout *ret_layout, char *why, size_t size);

/* One member, by paths as in LAYOUT_FIELDS; size 0 if there is none. */
struct field layout_member(const struct btf *btf, const char *structure, const char *paths);

#endif
