// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvm and its vendor's module come and go; the hooks are attached only to builds
 * that this module was made for.  Of KVM it knows names of modules and of
 * tracepoints.
 */
#include "attach.h"

#include <linux/ktime.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>
#include <asm/cpufeature.h>
#include <uapi/linux/kvm_warden.h>

#include "compat/compat.h"
#include "compat/notes.h"
#include "exit.h"
#include "hooks.h"
#include "refusal.h"
#include "timings.h"
#include "watch.h"

#define HAS_TYPE(probe, type) __builtin_types_compatible_p(typeof(&(probe)), type)
static_assert(HAS_TYPE(kw_probe_exit_svm, fact_trace_kvm_exit) &&
	      HAS_TYPE(kw_probe_exit_vmx, fact_trace_kvm_exit),
	      "the target's kvm_exit tracepoint has another prototype");
static_assert(HAS_TYPE(kw_probe_entry_svm, fact_trace_kvm_entry) &&
	      HAS_TYPE(kw_probe_entry_vmx, fact_trace_kvm_entry),
	      "the target's kvm_entry tracepoint has another prototype");

/* One of the two modules that drive a CPU's virtualization for kvm. */
struct vendor {
	const char *name;
	unsigned int cpu_feature;
	u8 build_id[KW_BUILD_ID];
	u64 feature;			/* KVM_WARDEN_FEATURE_* */
	const char *needs[2];		/* its parameters that must be on */
	fact_trace_kvm_exit exit;
	fact_trace_kvm_entry entry;
};

/*
 * Without two-dimensional paging the hardware's CR3 is KVM's own; without
 * unrestricted_guest KVM emulates real mode, out of reach of every hook.
 */
static const struct vendor vendors[] = {
#ifdef FACT_HAVE_SVM
	{
		.name = "kvm_amd",
		.cpu_feature = X86_FEATURE_SVM,
		.build_id = FACT_KVM_AMD_BUILD_ID,
		.feature = KVM_WARDEN_FEATURE_SVM,
		.needs = { "npt" },
		.exit = kw_probe_exit_svm,
		.entry = kw_probe_entry_svm,
	},
#endif
#ifdef FACT_HAVE_VMX
	{
		.name = "kvm_intel",
		.cpu_feature = X86_FEATURE_VMX,
		.build_id = FACT_KVM_INTEL_BUILD_ID,
		.feature = KVM_WARDEN_FEATURE_VMX,
		.needs = { "ept", "unrestricted_guest" },
		.exit = kw_probe_exit_vmx,
		.entry = kw_probe_entry_vmx,
	},
#endif
};

/* The one that kvm_exit was attached for last. */
static const struct vendor *vendor = &vendors[0];

enum attach_state { WAITING, ATTACHED, REFUSED, SWITCHED_OFF };

static const u8 kvm_build_id[] = FACT_KVM_BUILD_ID;

#define ENTRY_IDLE msecs_to_jiffies(2000)

/* Guards what is below, and attaching as such. */
static DEFINE_MUTEX(attach_lock);
static struct module *kvm_module;
static struct tracepoint *kvm_exit_tp, *kvm_entry_tp;
static enum attach_state state = WAITING;
static char refusal[256];
static bool switched_on = true;
static unsigned int entry_holders;
static bool entry_attached;
static bool leaving;		/* the module goes: modules may vanish unannounced */

/*
 * Offsets hold for one build of a module alone, and nothing else tells two
 * builds of one release apart: neither vermagic nor symbol versions.
 */
static bool build_is_known(struct module *mod, const u8 *expected)
{
	return kw_build_is_known(mod->name, kw_find_build_id(mod), expected, refusal, sizeof(refusal));
}

/*
 * A loaded module by name; the kobject's reference keeps its memory until
 * kobject_put.  (find_module is not for modules; every module's kobject is in
 * the set that ours is in.)
 */
static struct kobject *find_module_kobject(const char *name, struct module **ret_mod)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, name);

	if (!kobj)
		return NULL;
	*ret_mod = container_of(kobj, struct module_kobject, kobj)->mod;
	if (*ret_mod && (*ret_mod)->state == MODULE_STATE_LIVE)
		return kobj;
	kobject_put(kobj);
	return NULL;
}

/* A parameter of a module, off or on; one that it has not is off. */
static bool is_on(struct module *mod, const char *name)
{
	unsigned int i;

	for (i = 0; i < mod->num_kp; i++)
		if (!strcmp(mod->kp[i].name, name) && mod->kp[i].ops == &param_ops_bool)
			return *(bool *)mod->kp[i].arg;
	return false;
}

static bool has_what_we_need(const struct vendor *v, struct module *mod)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(v->needs) && v->needs[i]; i++) {
		if (is_on(mod, v->needs[i]))
			continue;
		snprintf(refusal, sizeof(refusal),
			 "refused: %s runs with %s off, and its guests cannot be watched so: load it with %s=1, if the CPU can",
			 v->name, v->needs[i], v->needs[i]);
		return false;
	}
	return true;
}

/* The vendor's module that is live, and a reference to its kobject; or NULL. */
static struct kobject *find_vendor(const struct vendor **ret_vendor, struct module **ret_mod)
{
	struct kobject *kobj;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++) {
		kobj = find_module_kobject(vendors[i].name, ret_mod);
		if (kobj) {
			*ret_vendor = &vendors[i];
			return kobj;
		}
	}
	return NULL;
}

static enum attach_state try_attach(void)
{
	const struct vendor *found;
	struct kobject *kobj;
	struct module *mod;
	bool good;
	int r;

	if (!kvm_exit_tp || !kvm_entry_tp || kvm_module->state != MODULE_STATE_LIVE)
		return WAITING;
	kobj = find_vendor(&found, &mod);
	if (!kobj)
		return WAITING;
	WRITE_ONCE(vendor, found);
	good = build_is_known(kvm_module, kvm_build_id) && build_is_known(mod, found->build_id) &&
	       has_what_we_need(found, mod);
	kobject_put(kobj);
	if (!good)
		return REFUSED;
	r = tracepoint_probe_register(kvm_exit_tp, vendor->exit, NULL);
	if (r) {
		snprintf(refusal, sizeof(refusal),
			 "refused: cannot attach to kvm_exit: error %d", r);
		return REFUSED;
	}
	return ATTACHED;
}

/* What this CPU's kvm comes with, as far as this module was built for it. */
static const char *awaited(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		if (boot_cpu_has(vendors[i].cpu_feature))
			return vendors[i].name;
	return "kvm_amd or kvm_intel";
}

static void set_state(enum attach_state new)
{
	if (new == state)
		return;
	state = new;
	if (new == REFUSED)
		pr_err("kvm_warden: %s\n", refusal);
	else if (new == SWITCHED_OFF)
		pr_info("kvm_warden: switched off\n");
	else
		pr_info("kvm_warden: %s kvm and %s\n", new == ATTACHED ? "attached to" : "waiting for",
			new == ATTACHED ? vendor->name : awaited());
}

static void attach_if_possible(void)
{
	lockdep_assert_held(&attach_lock);
	if (state != ATTACHED && switched_on && !leaving)
		set_state(try_attach());
	kw_hooks_apply(state == ATTACHED);
}

void kw_attach_apply_hooks(void)
{
	mutex_lock(&attach_lock);
	kw_hooks_apply(state == ATTACHED);
	mutex_unlock(&attach_lock);
}

/* Afterwards the probe does not run any more. */
static void detach_entry(void)
{
	lockdep_assert_held(&attach_lock);
	if (!entry_attached)
		return;
	tracepoint_probe_unregister(kvm_entry_tp, vendor->entry, NULL);
	tracepoint_synchronize_unregister();
	entry_attached = false;
}

static void detach_exit(void)
{
	u64 begun = ktime_get_ns();

	lockdep_assert_held(&attach_lock);
	if (state != ATTACHED)
		return;
	tracepoint_probe_unregister(kvm_exit_tp, vendor->exit, NULL);
	tracepoint_synchronize_unregister();
	kw_timing_add(KW_TIMING_DETACH, ktime_get_ns() - begun);
}

/* kvm or its vendor's module goes: no VM is left. */
static void detach(void)
{
	kw_hooks_apply(false);
	detach_exit();
	detach_entry();
	set_state(switched_on ? WAITING : SWITCHED_OFF);
}

/* A guest that is contained stays so: the hook that this needs stays as well. */
static void switch_off(void)
{
	kw_hooks_apply(false);
	detach_exit();
	if (!entry_holders)
		detach_entry();
	set_state(SWITCHED_OFF);
}

/*
 * Attaching soon after detaching waits for a grace period: freezes come in
 * rows, so that the hook stays for a moment.
 */
static void entry_idle_fn(struct work_struct *work)
{
	mutex_lock(&attach_lock);
	if (!entry_holders)
		detach_entry();
	mutex_unlock(&attach_lock);
}

static DECLARE_DELAYED_WORK(entry_idle, entry_idle_fn);

int kw_attach_hold_entry(void)
{
	int r = 0;

	mutex_lock(&attach_lock);
	if (state != ATTACHED)
		r = -ESHUTDOWN;
	else if (!entry_attached)
		r = tracepoint_probe_register(kvm_entry_tp, vendor->entry, NULL);
	if (!r) {
		entry_attached = true;
		entry_holders++;
	}
	mutex_unlock(&attach_lock);
	return r;
}

void kw_attach_drop_entry(void)
{
	mutex_lock(&attach_lock);
	if (!--entry_holders && entry_attached)
		mod_delayed_work(system_highpri_wq, &entry_idle, ENTRY_IDLE);
	mutex_unlock(&attach_lock);
}

void kw_attach_describe_entry(unsigned int *holders, bool *attached)
{
	mutex_lock(&attach_lock);
	*holders = entry_holders;
	*attached = entry_attached;
	mutex_unlock(&attach_lock);
}

static void attach_work_fn(struct work_struct *work)
{
	mutex_lock(&attach_lock);
	attach_if_possible();
	mutex_unlock(&attach_lock);
}

static DECLARE_WORK(attach_work, attach_work_fn);

struct tracepoint *kw_attach_tracepoint(struct module *mod, const char *name)
{
	int i;

	for (i = 0; i < mod->num_tracepoints; i++) {
		struct tracepoint *tp = tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);

		if (!strcmp(tp->name, name))
			return tp;
	}
	return NULL;
}

/* kvm comes (replayed for one already loaded) and goes. */
static int on_tracepoints(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = ((struct tp_module *)data)->mod;

	if (strcmp(mod->name, "kvm"))
		return NOTIFY_OK;
	mutex_lock(&attach_lock);
	if (action == MODULE_STATE_COMING) {
		kvm_module = mod;
		kvm_exit_tp = kw_attach_tracepoint(mod, "kvm_exit");
		kvm_entry_tp = kw_attach_tracepoint(mod, "kvm_entry");
		kw_hooks_set_kvm(mod);
	} else if (action == MODULE_STATE_GOING) {
		detach();
		kvm_exit_tp = kvm_entry_tp = NULL;
		kw_hooks_set_kvm(NULL);
		kvm_module = NULL;
	}
	mutex_unlock(&attach_lock);
	return NOTIFY_OK;
}

static bool is_vendor(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		if (!strcmp(name, vendors[i].name))
			return true;
	return false;
}

/*
 * The other vendor's module is told to go as well, after it came in vain: kvm takes
 * one of the two.  The VMs, those that are stopped too, are of the one that was found.
 */
static bool is_found_vendor(const char *name)
{
	lockdep_assert_held(&attach_lock);
	return !strcmp(name, vendor->name);
}

/*
 * The build-ids of a module can be read once it is live.  The vendor's may be
 * exchanged for another build without kvm going away.
 */
static int on_module(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = data;

	if (action == MODULE_STATE_LIVE && (is_vendor(mod->name) || !strcmp(mod->name, "kvm")))
		schedule_work(&attach_work);
	if (action == MODULE_STATE_GOING) {
		mutex_lock(&attach_lock);
		if (is_found_vendor(mod->name))
			detach();
		mutex_unlock(&attach_lock);
	}
	return NOTIFY_OK;
}

static struct notifier_block tracepoints_nb = { .notifier_call = on_tracepoints };
static struct notifier_block module_nb = { .notifier_call = on_module };

int kw_attach_enable(bool on)
{
	mutex_lock(&attach_lock);
	switched_on = on;
	if (on)
		attach_if_possible();
	else
		switch_off();
	mutex_unlock(&attach_lock);
	/* No new one begins; the lock of one that is there comes before ours. */
	return on ? 0 : kw_watch_end_all(KVM_WARDEN_WRITE_OFF);
}

bool kw_attach_enabled(void)
{
	return READ_ONCE(switched_on);
}

bool kw_is_attached(void)
{
	return READ_ONCE(state) == ATTACHED;
}

u64 kw_attach_vendor(void)
{
	return READ_ONCE(vendor)->feature;
}

u64 kw_attach_features(void)
{
	u64 always = KVM_WARDEN_FEATURE_MMAP | KVM_WARDEN_FEATURE_READ_FAULT;

	return always | (kw_is_attached() ? kw_attach_vendor() : 0);
}

ssize_t kw_attach_describe(char *buf, size_t size)
{
	ssize_t n;

	mutex_lock(&attach_lock);
	n = scnprintf(buf, size, "%s%s\n",
		      state == ATTACHED ? "attached" :
		      state == REFUSED ? refusal :
		      state == SWITCHED_OFF && entry_attached ?
			"switched off; stopped guests stay stopped" :
		      state == SWITCHED_OFF ? "switched off" :
		      "waiting for kvm and ",
		      state == WAITING ? awaited() : "");
	mutex_unlock(&attach_lock);
	return n;
}

int kw_attach_init(void)
{
	int r = register_tracepoint_module_notifier(&tracepoints_nb);

	if (r)
		return r;
	r = register_module_notifier(&module_nb);
	if (r) {
		unregister_tracepoint_module_notifier(&tracepoints_nb);
		return r;
	}
	mutex_lock(&attach_lock);
	attach_if_possible();
	mutex_unlock(&attach_lock);
	return 0;
}

void kw_attach_exit(void)
{
	mutex_lock(&attach_lock);
	leaving = true;
	mutex_unlock(&attach_lock);
	unregister_module_notifier(&module_nb);
	cancel_work_sync(&attach_work);
	cancel_delayed_work_sync(&entry_idle);
	/* Replays GOING for a loaded kvm: the probe is detached there. */
	unregister_tracepoint_module_notifier(&tracepoints_nb);
	tracepoint_synchronize_unregister();
}
