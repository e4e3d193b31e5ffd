# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
# Sourced: the names without which the module does not build, but for those that compat/
# has another form of, and those that any kernel has.  What a name stands for may still
# be another: that the compiler tells.

# refuse RELEASE NAMES: by all that it lacks; a line each, told on one
refuse() { die "$1 lacks ${2//$'\n'/, }: supported are 6.1, 6.12 and 7.2"; }

# Members, by the BTF.
NEEDED_MEMBERS='
kvm mm memslots srcu mmu_lock slots_lock online_vcpus vcpu_array
kvm_vcpu kvm vcpu_idx arch cpu preempt_notifier run mutex stat
kvm_vcpu_stat generic
kvm_vcpu_stat_generic blocking
kvm_vcpu_arch hflags guest_state_protected cr2 cr4 efer
kvm_memory_slot base_gfn npages userspace_addr flags id
task_struct preempt_notifiers files
files_struct file_lock
fdtable fd max_fds open_fds
module notes_attrs tracepoints_ptrs num_tracepoints kp num_kp
mmu_notifier ops
'

# Functions, types and constants, by the headers; and what a kernel may have switched off.
NEEDED_NAMES='
include/linux/kvm_host.h kvm_memslots kvm_for_each_memslot kvm_for_each_memslot_in_gfn_range
include/linux/kvm_host.h __gfn_to_memslot __gfn_to_hva_memslot KVM_MEMSLOT_INVALID
include/linux/kvm_host.h KVM_USER_MEM_SLOTS kvm_memslot_iter
arch/x86/include/asm/kvm_host.h HF_GUEST_MASK
arch/x86/include/asm/kvm_page_track.h kvm_page_track_register_notifier
arch/x86/include/asm/kvm_page_track.h kvm_page_track_unregister_notifier
arch/x86/include/asm/kvm_page_track.h kvm_page_track_notifier_node track_write
arch/x86/include/asm/svm.h vmcb vmcb_save_area exit_code exit_info_1 exit_info_2 lstar idtr
arch/x86/include/asm/svm.h kernel_gs_base cpl
arch/x86/include/asm/vmx.h GUEST_RIP GUEST_CR3 GUEST_IDTR_BASE GUEST_PHYSICAL_ADDRESS HOST_RSP
arch/x86/include/asm/vmx.h VM_EXIT_REASON EXIT_QUALIFICATION VMX_AR_DPL
include/linux/mm.h vma_lookup vma_pages vma_set_file filemap_map_pages folio_page_idx
include/linux/mm.h folio_put_refs
include/linux/mmap_lock.h mmap_read_lock_killable mmap_write_lock_killable
include/linux/mmu_notifier.h __mmu_notifier_register mmu_notifier_unregister
include/linux/pagemap.h filemap_get_folio folio_file_page folio_lock_killable fault_in_writeable
include/linux/sched/mm.h mmget_not_zero mmput_async
include/linux/kthread.h kthread_use_mm kthread_unuse_mm
include/linux/task_work.h task_work_add init_task_work TWA_RESUME
include/linux/fdtable.h files_fdtable rcu_dereference_check_fdtable
include/linux/sched/signal.h for_each_thread fatal_signal_pending
include/linux/anon_inodes.h anon_inode_getfd
include/linux/smp.h smp_send_reschedule kick_all_cpus_sync
include/linux/hashtable.h hash_for_each_possible_rcu_notrace
include/linux/tracepoint.h tracepoint_probe_register tracepoint_probe_unregister
include/linux/tracepoint.h tracepoint_ptr_deref
include/linux/tracepoint.h register_tracepoint_module_notifier tracepoint_synchronize_unregister
include/linux/module.h register_module_notifier symbol_get symbol_put
include/linux/sysfs.h sysfs_chmod_file
'

# Held to our probes' prototypes when the module is built.
NEEDED_TRACEPOINTS='kvm_exit kvm_entry kvm_page_fault kvm_msr kvm_cr'
