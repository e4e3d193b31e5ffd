// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From a vCPU's registers to a kernel with types and symbols.  Whatever fails
 * has a reason that an operator can read.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/image.h"
#include "introspect/inuse.h"
#include "introspect/known.h"
#include "introspect/vcpus.h"
#include "lib/util.h"

#define MAX_VCPUS 64u
#define MIN_RODATA (1ull << 20)
#define MAX_RODATA (96ull << 20)	/* of one run, and of all of them */
#define PAGE_OFFSET_4 0xffff888000000000ull
#define VMEMMAP_4 0xffffea0000000000ull

static const char *const symbol_names[SYM_COUNT] = {
	[SYM_LINUX_BANNER] = "linux_banner",
	[SYM_INIT_TASK] = "init_task",
	[SYM_INIT_MM] = "init_mm",
	[SYM_START_BTF] = "__start_BTF",
	[SYM_PAGE_OFFSET_BASE] = "page_offset_base",
	[SYM_VMEMMAP_BASE] = "vmemmap_base",
	[SYM_VDSO_64] = "vdso_image_64",
	[SYM_VDSO_32] = "vdso_image_32",
	[SYM_VDSO_X32] = "vdso_image_x32",
	[SYM_SPECIAL_MAPPING] = "special_mapping_vmops",
	[SYM_START_NOTES] = "__start_notes",
	[SYM_STOP_NOTES] = "__stop_notes",
	[SYM_SAVED_COMMAND_LINE] = "saved_command_line",
	[SYM_MODULES] = "modules",
	[SYM_TK_CORE] = "tk_core",
	[SYM_TIMEKEEPER_DATA] = "timekeeper_data",
	[SYM_MAX_PFN] = "max_pfn",
#define X(id, name) [id] = name,
	CHECK_SYMBOLS(X)
#undef X
};

struct attempt {
	struct guest_memory *mem;
	struct kernel *k;
	struct image_map map;
	int error;			/* of the last page tables that could not be read */
	uint64_t missing;		/* bytes of the image not resident */
	size_t btf_len;
	char *why;
};

static enum discovery fail(struct attempt *a, enum discovery d, const char *text)
{
	snprintf(a->why, WHY_SIZE, "%s", text);
	return d;
}

/* An error of the guest's memory, as an outcome. */
static enum discovery fail_errno(struct attempt *a, int error, const char *step)
{
	snprintf(a->why, WHY_SIZE, "%s: %s", step, strerror(-error));
	if (error == -ENODEV)
		return DISCOVERY_GONE;
	if (error == -EPERM)
		return fail(a, DISCOVERY_NEVER, "the guest's memory is encrypted");
	return DISCOVERY_NOT_YET;
}

/* ---- the page tables ---- */

static void try_root(struct attempt *a, const struct kvm_warden_regs *regs, uint64_t root)
{
	struct address_space as = {
		a->mem, &a->k->tlb, root, regs->cr4 & CR4_LA57 ? 5 : 4,
	};
	struct image_map map;
	int r = image_map_read(&as, &map);

	if (r || map.mapped <= a->map.mapped) {
		a->error = r ? r : a->error;
		image_map_free(&map);
		return;
	}
	image_map_free(&a->map);
	a->map = map;
	a->k->as = as;
}

/* KPTI's user tables (bit 12 set) map a sliver of the kernel: the better root wins. */
static void try_vcpu(struct attempt *a, const struct kvm_warden_regs *regs)
{
	uint64_t root = regs->cr3 & PTE_ADDRESS;
	uint64_t text;

	try_root(a, regs, root);
	if (root & KPTI_USER_BIT)
		try_root(a, regs, root & ~KPTI_USER_BIT);
	if (a->map.mapped < MIN_IMAGE)
		return;
	text = image_text(&a->k->as, &a->map, regs->idtr);
	a->k->text_base = text;
}

static bool long_mode(const struct kvm_warden_regs *regs)
{
	return vcpu_long_mode(regs) && regs->cr3;
}

/*
 * A guest that reboots leaves its old kernel in memory until the next one
 * overwrites it; meanwhile its vCPUs are in firmware, without long mode.
 */
bool kernel_runs(struct guest_memory *mem)
{
	struct kvm_warden_regs regs;
	uint32_t vcpu = 0;

	for (; vcpu < MAX_VCPUS && memory_registers(mem, vcpu, &regs) == 0; vcpu++)
		if ((regs.flags & KVM_WARDEN_REGS_GUEST_MODE) || long_mode(&regs))
			return true;
	return vcpu == 0;
}

/* Another kernel's system-call entry: Windows, a BSD, a hypervisor. */
static bool foreign(const struct kvm_warden_regs *regs)
{
	return regs->lstar && (regs->lstar < IMAGE_LOW);
}

static enum discovery find_image(struct attempt *a)
{
	bool any = false, paging = false, nested = false, other = false;

	for (uint32_t vcpu = 0; vcpu < MAX_VCPUS && !a->k->text_base; vcpu++) {
		struct kvm_warden_regs regs;
		int r = memory_registers(a->mem, vcpu, &regs);

		if (r == -ENODEV || r == -EPERM)
			return fail_errno(a, r, "registers");
		if (r)
			break;
		any = true;
		if (regs.flags & KVM_WARDEN_REGS_GUEST_MODE) {
			nested = true;
			continue;
		}
		if (!long_mode(&regs))
			continue;
		paging = true;
		other = other || foreign(&regs);
		try_vcpu(a, &regs);
	}
	if (a->k->text_base)
		return DISCOVERY_READY;
	if (!any)
		return fail(a, DISCOVERY_NOT_YET, "no registers yet: no vCPU has exited");
	if (other)
		return fail(a, DISCOVERY_NEVER, "not Linux: its system-call entry is elsewhere");
	if (!paging)
		return fail(a, DISCOVERY_NOT_YET, nested ?
			    "the guest runs a guest of its own" :
			    "no Linux kernel found: firmware or a boot loader runs");
	if (a->error)
		return fail_errno(a, a->error, "the kernel's page tables");
	return fail(a, DISCOVERY_NOT_YET, "no Linux kernel found: nothing mapped where its image lies "
		    "(UEFI firmware, a boot loader, or another system)");
}

/* ---- types and symbols ---- */

static bool holds_rodata(const struct attempt *a, const struct run *run)
{
	uint64_t size = run->end - run->start;

	return run->nx && !run->write && size >= MIN_RODATA && size <= MAX_RODATA &&
	       run->start > a->k->text_base;
}

static bool holds_image(const struct attempt *a, const struct run *run)
{
	uint64_t size = run->end - run->start;

	return size >= MIN_RODATA && size <= MAX_RODATA;
}

static int use_btf(struct attempt *a, const uint8_t *bytes, const struct run *run)
{
	uint64_t started = clock_now_ns();
	size_t at, len;
	struct btf *btf = btf_find(bytes, run->end - run->start, &at, &len);
	int r;

	if (!btf)
		return 0;
	r = layout_resolve(btf, &a->k->at, a->why, WHY_SIZE);
	btf__free(btf);
	if (!r) {
		a->k->btf_va = run->start + at;
		a->btf_len = len;
		a->k->rodata_start = run->start;
		a->k->rodata_end = run->end;
	}
	a->k->btf_us += (clock_now_ns() - started) / 1000;
	return r;
}

/* Until the image is protected its text is known from its beginning alone. */
static void use_kallsyms(struct attempt *a, const uint8_t *bytes, const struct run *run,
			 const char **why)
{
	const uint64_t texts[] = { a->k->text_base, run->start }, started = clock_now_ns();

	a->k->symbols_start = run->start;
	a->k->symbols_end = run->end;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (kallsyms_resolve(bytes, run->end - run->start, run->start, texts[i],
				     a->k->symbol, SYM_COUNT, &a->k->kallsyms, why))
			continue;
		a->k->text_base = texts[i];
		break;
	}
	a->k->kallsyms_us += (clock_now_ns() - started) / 1000;
}

/* Where both lie in one piece, as they do in every kernel that is up. */
static void remember(const struct attempt *a, const uint8_t *bytes, const struct run *run)
{
	const struct known_image image = { bytes, run->start, run->end - run->start };

	if (a->k->kallsyms.nsyms && a->k->btf_va >= run->start && a->k->btf_va < run->end &&
	    run->nx && !run->write)
		known_add(a->k, &image, a->btf_len);
}

/* Reads the runs that fit and looks for both tables in each. */
static enum discovery search_runs(struct attempt *a,
				  bool (*fits)(const struct attempt *, const struct run *),
				  const char **kallsyms_why)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < a->map.runs; i++) {
		const struct run *run = &a->map.run[i];
		autofree uint8_t *bytes = NULL;
		int r;

		if (!fits(a, run) || total + (run->end - run->start) > MAX_RODATA)
			continue;
		total += run->end - run->start;
		bytes = image_read(a->mem, &a->map, run, &a->missing, &r);
		if (!bytes)
			return fail_errno(a, r, "reading the kernel's image");
		if (!a->k->btf_va && use_btf(a, bytes, run))
			return DISCOVERY_NEVER;
		if (!a->k->kallsyms.nsyms) {
			use_kallsyms(a, bytes, run, kallsyms_why);
			remember(a, bytes, run);
		}
	}
	a->k->image_bytes += total;
	return DISCOVERY_READY;
}

static enum discovery find_tables(struct attempt *a)
{
	const char *kallsyms_why = "kallsyms: no read-only data";
	enum discovery d;

	for (size_t i = 0; i < SYM_COUNT; i++)
		a->k->symbol[i] = (struct symbol){ symbol_names[i], 0 };
	a->k->known = known_find(a->k, &a->map);
	if (a->k->known)
		return DISCOVERY_READY;
	d = search_runs(a, holds_rodata, &kallsyms_why);
	if (d == DISCOVERY_READY && (!a->k->btf_va || !a->k->kallsyms.nsyms)) {
		/* Early boot, or rodata=off: the image is still in one piece. */
		image_merge(&a->map);
		d = search_runs(a, holds_image, &kallsyms_why);
	}
	if (d != DISCOVERY_READY)
		return d;
	if (!a->k->btf_va)
		snprintf(a->why, WHY_SIZE, "no BTF in the kernel's image (%lu KiB of it not resident)",
			 (unsigned long)(a->missing >> 10));
	else if (!a->k->kallsyms.nsyms)
		snprintf(a->why, WHY_SIZE, "%s", kallsyms_why);
	else
		return DISCOVERY_READY;
	return DISCOVERY_NOT_YET;
}

static enum discovery check_symbols(struct attempt *a)
{
	const struct symbol *s = a->k->symbol;

	for (size_t i = 0; i <= SYM_INIT_MM; i++)
		if (!kernel_pointer(a->k, s[i].address)) {
			snprintf(a->why, WHY_SIZE, "kallsyms has no usable %s", s[i].name);
			return DISCOVERY_NEVER;
		}
	if (s[SYM_START_BTF].address && s[SYM_START_BTF].address != a->k->btf_va)
		return fail(a, DISCOVERY_NEVER, "kallsyms and BTF contradict each other");
	if (a->k->as.levels == 5 && (!s[SYM_PAGE_OFFSET_BASE].address || !s[SYM_VMEMMAP_BASE].address))
		return fail(a, DISCOVERY_NEVER, "kallsyms has no vmemmap_base");
	return DISCOVERY_READY;
}

/* ---- the anchors ---- */

bool kernel_pointer(const struct kernel *k, uint64_t va)
{
	return va >> (12 + 9 * k->as.levels - 1) ==
	       UINT64_MAX >> (12 + 9 * k->as.levels - 1);
}

bool kernel_text(const struct kernel *k, uint64_t va)
{
	return va >= k->symbol[SYM_STEXT].address && va < k->symbol[SYM_ETEXT].address;
}

int kernel_member(const struct kernel *k, uint64_t base, struct field f, uint64_t *ret_value)
{
	uint64_t v = 0;
	int r;

	if (f.size == 0 || !kernel_pointer(k, base))
		return -EFAULT;
	r = virt_read(&k->as, base + f.at, &v, MIN(f.size, (uint32_t)sizeof(v)));
	if (!r)
		*ret_value = v;
	return r;
}

uint64_t kernel_page_frame(const struct kernel *k, uint64_t page)
{
	uint64_t pfn = (page - k->vmemmap) / k->at.page_size.size;

	if (page < k->vmemmap || (page - k->vmemmap) % k->at.page_size.size ||
	    pfn >= memory_end(k->mem) / FRAME_SIZE)
		return NO_FRAME;
	return pfn * FRAME_SIZE;
}

/* Leaves the process whose tables were found: it may exit at any time. */
static int use_init_mm(struct kernel *k)
{
	uint64_t pgd, root;
	int r = kernel_member(k, k->symbol[SYM_INIT_MM].address, k->at.mm_struct_pgd, &pgd);

	if (!r)
		r = virt_to_phys(&k->as, pgd, &root);
	if (!r)
		k->as.root = root;
	return r;
}

static int read_base(const struct kernel *k, enum kernel_symbol s, uint64_t fallback, uint64_t *ret)
{
	*ret = fallback;
	return k->symbol[s].address ? virt_read_u64(&k->as, k->symbol[s].address, ret) : 0;
}

/*
 * What lies elsewhere than in the read-only part of the kernel's image is not
 * what the kernel came with, whatever the guest says, and is no exception.
 */
static bool in_rodata(const struct kernel *k, uint64_t va, uint64_t size)
{
	return va >= k->rodata_start && va < k->rodata_end && size <= k->rodata_end - va;
}

static void find_vdso(struct kernel *k)
{
	for (int i = 0; i < MAX_VDSO; i++) {
		uint64_t image = k->symbol[SYM_VDSO_64 + i].address, data, size, pa;

		k->vdso[i] = (struct memory_range){ 0 };
		if (!image || kernel_member(k, image, k->at.vdso_image_data, &data) ||
		    kernel_member(k, image, k->at.vdso_image_length, &size) ||
		    size > 16 * FRAME_SIZE || !in_rodata(k, data, size) ||
		    virt_to_phys(&k->as, data, &pa))
			continue;
		/* The image's pages lie side by side: it is part of the kernel's own. */
		k->vdso[i] = (struct memory_range){ pa, size };
	}
}

static int read_anchors(struct kernel *k)
{
	int r = use_init_mm(k);

	if (!r)
		r = read_base(k, SYM_PAGE_OFFSET_BASE, PAGE_OFFSET_4, &k->page_offset);
	if (!r)
		r = read_base(k, SYM_VMEMMAP_BASE, VMEMMAP_4, &k->vmemmap);
	if (r)
		return r;
	if (!kernel_pointer(k, k->page_offset) || !kernel_pointer(k, k->vmemmap))
		return -EFAULT;
	find_vdso(k);
	return 0;
}

static int read_banner(const struct kernel *k, char *banner)
{
	int r = virt_read_text(&k->as, k->symbol[SYM_LINUX_BANNER].address, banner, BANNER_SIZE);

	if (r < 0)
		return r;
	return strncmp(banner, "Linux version ", 14) ? -ENOENT : 0;
}

int kernel_revalidate(struct kernel *k)
{
	char banner[BANNER_SIZE] = "";
	uint64_t task;
	int r = kernel_runs(k->mem) ? kernel_in_use(k) : -ESTALE;

	if (!r)
		r = read_banner(k, banner);
	if (r)
		return r;
	if (strcmp(banner, k->banner))
		return -ESTALE;
	r = read_anchors(k);
	return r ? r : kernel_member(k, k->symbol[SYM_INIT_TASK].address,
				     k->at.task_struct_tasks, &task);
}

static enum discovery discover(struct attempt *a)
{
	enum discovery d = find_image(a);
	int r;

	if (d == DISCOVERY_READY)
		d = find_tables(a);
	if (d == DISCOVERY_READY)
		d = check_symbols(a);
	if (d != DISCOVERY_READY)
		return d;
	r = read_anchors(a->k);
	if (r)
		return fail_errno(a, r, "the kernel's anchors");
	r = read_banner(a->k, a->k->banner);
	return r ? fail_errno(a, r, "the kernel's banner") : DISCOVERY_READY;
}

enum discovery kernel_discover(struct guest_memory *mem, struct kernel *ret_kernel, char *why)
{
	struct attempt a = { .mem = mem, .k = ret_kernel, .why = why };
	uint64_t started = clock_now_ns();
	enum discovery d;

	memset(ret_kernel, 0, sizeof(*ret_kernel));
	ret_kernel->mem = mem;
	why[0] = '\0';
	memory_refresh(mem);
	d = discover(&a);
	image_map_free(&a.map);
	ret_kernel->found_ns = clock_now_ns();
	ret_kernel->discovery_us = (ret_kernel->found_ns - started) / 1000;
	return d;
}
