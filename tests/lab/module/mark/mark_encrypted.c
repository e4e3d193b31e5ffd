// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives the guests of one VMM the marks of an encrypted guest, as KVM sets them: the
 * bits of the VMCB before it is run, and with SEV-ES the vCPU's own mark.  A CPU that
 * knows no SEV, as the lab's, ignores the bits, so that the guest runs on.
 *
 *   pid	the VMM's process; 0: nobody is marked
 *   kind	"sev", "sev-es", or "protected": the vCPU's own mark alone
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/string.h>

/* AMD's manual, appendix B: offset 0x90 of the control area. */
#define VMCB_NESTED_CTL	0x90
#define SEV		(1ull << 1)
#define SEV_ES		(1ull << 2)

static int pid;
module_param(pid, int, 0600);
static char kind[16] = "sev";
module_param_string(kind, kind, sizeof(kind), 0600);
static unsigned long marked;		/* entries */
module_param(marked, ulong, 0400);

/* vcpu_svm begins with the kvm_vcpu, and the VMCB's address follows. */
static void mark(struct kvm_vcpu *vcpu)
{
	u64 *control = *(void **)(vcpu + 1) + VMCB_NESTED_CTL;
	bool es = strstarts(kind, "sev-es");

	if (strstarts(kind, "sev"))
		*control |= SEV | (es ? SEV_ES : 0);
	if (es || strstarts(kind, "protected"))
		vcpu->arch.guest_state_protected = true;
	marked++;
}

static int before_entry(struct kprobe *probe, struct pt_regs *regs)
{
	if (task_tgid_nr(current) == READ_ONCE(pid))
		mark((struct kvm_vcpu *)regs->di);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "svm_vcpu_run",
	.pre_handler = before_entry,
};

static int __init mark_init(void)
{
	return register_kprobe(&probe);
}

static void __exit mark_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(mark_init);
module_exit(mark_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Test: marks of encrypted guests");
