/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbols that the checks of views and of the kernel want: X(id, name).  None is needed. */
#ifndef WARDEN_CHECK_SYMBOLS_H
#define WARDEN_CHECK_SYMBOLS_H

#define CHECK_SYMBOLS(X) \
	X(SYM_INIT_PID_NS, "init_pid_ns") \
	X(SYM_CSS_SET_TABLE, "css_set_table") \
	X(SYM_TASK_CACHE, "task_struct_cachep") \
	X(SYM_PER_CPU_OFFSET, "__per_cpu_offset") \
	X(SYM_NR_CPU_IDS, "nr_cpu_ids") \
	X(SYM_RUNQUEUES, "runqueues") \
	X(SYM_MODULE_LIST, "modules") \
	X(SYM_MOD_TREE, "mod_tree") \
	X(SYM_MODULE_KSET, "module_kset") \
	X(SYM_PACK_LIST, "pack_list") \
	X(SYM_AREA_LIST, "vmap_area_list") \
	X(SYM_JIT_ALLOC, "bpf_jit_binary_alloc") \
	X(SYM_JIT_ALLOC_EXEC, "bpf_jit_alloc_exec") \
	X(SYM_NODES, "nr_node_ids") \
	X(SYM_NODE_STATES, "node_states") \
	X(SYM_RCU_STATE, "rcu_state") \
	X(SYM_BOOT_ID, "sysctl_bootid") \
	X(SYM_BPF_KALLSYMS, "bpf_kallsyms") \
	X(SYM_FTRACE_OPS, "ftrace_ops_list") \
	X(SYM_FTRACE_END, "ftrace_list_end") \
	X(SYM_FTRACE_PAGES, "ftrace_pages_start") \
	X(SYM_JIFFIES, "jiffies_64") \
	X(SYM_KPROBE_SLOTS, "kprobe_insn_slots") \
	X(SYM_KPROBE_OPTSLOTS, "kprobe_optinsn_slots") \
	X(SYM_KPROBE_TABLE, "kprobe_table") \
	X(SYM_AGGR_PRE_HANDLER, "aggr_pre_handler") \
	X(SYM_PRE_HANDLER_KRETPROBE, "pre_handler_kretprobe") \
	X(SYM_FPROBE_HANDLER, "fprobe_handler") \
	X(SYM_FPROBE_KPROBE_HANDLER, "fprobe_kprobe_handler") \
	X(SYM_KEXEC_IMAGE, "kexec_image") \
	X(SYM_KEXEC_CRASH, "kexec_crash_image") \
	X(SYM_REAL_MODE, "real_mode_header") \
	X(SYM_REAL_BLOB, "real_mode_blob") \
	X(SYM_REAL_BLOB_END, "real_mode_blob_end") \
	X(SYM_STEXT, "_stext") \
	X(SYM_ETEXT, "_etext") \
	X(SYM_SINITTEXT, "_sinittext") \
	X(SYM_EINITTEXT, "_einittext") \
	X(SYM_START_RODATA, "__start_rodata") \
	X(SYM_END_RODATA, "__end_rodata") \
	X(SYM_X64_SYS_CALL, "x64_sys_call") \
	X(SYM_FTRACE_CALLER, "ftrace_caller") \
	X(SYM_FTRACE_REGS_CALLER, "ftrace_regs_caller") \
	X(SYM_FTRACE_GRAPH_CALLER, "ftrace_graph_caller") \
	X(SYM_FTRACE_CALL, "ftrace_call") \
	X(SYM_FTRACE_REGS_CALL, "ftrace_regs_call") \
	X(SYM_FTRACE_CALLER_END, "ftrace_caller_end") \
	X(SYM_FTRACE_REGS_CALLER_END, "ftrace_regs_caller_end") \
	X(SYM_RETURN_THUNK, "__x86_return_thunk") \
	X(SYM_FTRACE_GRAPH_CALL, "ftrace_graph_call") \
	X(SYM_SYS_CALL_TABLE, "sys_call_table") \
	X(SYM_IDT_TABLE, "idt_table") \
	X(SYM_ENTRY_SYSCALL, "entry_SYSCALL_64") \
	X(SYM_SYSTEM_STATE, "system_state") \
	X(SYM_JUMP_START, "__start___jump_table") \
	X(SYM_JUMP_STOP, "__stop___jump_table") \
	X(SYM_CALL_SITES_START, "__start_static_call_sites") \
	X(SYM_CALL_SITES_STOP, "__stop_static_call_sites") \
	X(SYM_TRAMPS_START, "__static_call_text_start") \
	X(SYM_TRAMPS_STOP, "__static_call_text_end") \
	X(SYM_LOCKS_START, "__smp_locks") \
	X(SYM_LOCKS_STOP, "__smp_locks_end") \
	X(SYM_SUPER_BLOCKS, "super_blocks")

#endif
