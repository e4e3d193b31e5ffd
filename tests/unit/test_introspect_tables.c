// SPDX-License-Identifier: GPL-2.0-or-later
/* What page tables have that the kernel does not know of, and by whom they are used. */
#include "test_introspect_checks.h"

/* ---- code of nobody's ---- */

/* In the kernel's half, and what its own tables have in the other; a user's too. */
static void code_anywhere_is_found(void **state)
{
	static const uint64_t places[] = {
		0xffff800000000000, 0xffffc90000000000, 0xfffffe0000000000, 0xfffffffffffff000,
		0x400000,
	};

	put_code();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		map_in(ROOT, places[i], CODE_PA | PTE_PRESENT | (i & 1 ? PTE_USER : 0), 0);
		assert_sign(check(check_modules), "Hidden.Code", "1 pages");
		assert_true(seen.last.address == places[i]);
		map_in(ROOT, places[i], 0, 0);
		assert_clean(check(check_modules));
	}
}

static void what_cannot_be_read_is_not_clean(void **state)
{
	frame_gone = true;
	map_in(ROOT, 0xffffc90000000000, GONE_PA | PTE_PRESENT, 0);
	assert_incomplete(check(check_modules), "1 pages of executable memory, or page tables, could not be read");
	map_in(ROOT, 0xffffc90000000000, 0, 0);
	assert_clean(check(check_modules));
	map_in(ROOT, 0xffffc90000000000, GONE_PA | PTE_PRESENT, 1);
	assert_incomplete(check(check_modules), "1 pages of executable memory, or page tables, could not be read");
	frame_gone = false;
}

/* 1 GiB of it, which no kernel has, is not read; and what lies behind is found all the same. */
static void a_huge_leaf_is_found(void **state)
{
	put_code();
	map_in(ROOT, 0xffffc90000000000, PTE_PRESENT | PTE_LARGE, 2);
	assert_sign(check(check_modules), "Hidden.Code", "262144 pages");
	map_in(ROOT, 0xfffffe0000000000, CODE_PA | PTE_PRESENT, 0);
	assert_int_equal(check(check_modules).signs, 2);
}

/* As KASAN maps its shadow: 2^27 pages by three tables. */
static void a_table_mapped_again_and_again_is_walked_once(void **state)
{
	uint64_t table = make_table(), above;

	for (unsigned i = 0; i < 512; i++)
		put64(table + i * 8, CODE_PA | PTE_PRESENT | PTE_NX);
	for (int level = 0; level < 2; level++, table = above) {
		above = make_table();
		for (unsigned i = 0; i < 512; i++)
			put64(above + i * 8, table | PRESENT_RW);
	}
	for (unsigned i = 300; i < 400; i++)
		put64(ROOT + i * 8, table | PRESENT_RW);
	assert_clean(check(check_modules));
}

/* A pack of BPF's has 2 MiB for each possible node. */
static void a_pack_is_as_large_as_there_are_nodes(void **state)
{
	const uint64_t pack = make(64), place = 0xffffc90000000000;
	const uint64_t nodes = make(8), states = make(128);

	put_code();
	set(pack, k.at.bpf_prog_pack_ptr, place);
	list_append(k.symbol[SYM_PACK_LIST].address, pack);
	map_in(ROOT, place, CODE_PA | PTE_PRESENT | PTE_LARGE, 1);
	map_in(ROOT, place + (2u << 20), CODE_PA | PTE_PRESENT | PTE_LARGE, 1);
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
	set_symbol(SYM_NODES, nodes);
	set_symbol(SYM_NODE_STATES, states);
	put32(nodes - DIRECT, 3);
	put64(states - DIRECT, 5);
	assert_clean(check(check_modules));
	put64(states - DIRECT, 0x11);		/* the fifth is none */
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
}

/* Before that, in memory that its JIT asked for, which says how many pages it has. */
static void without_packs_its_memory_is_who_asked_for_it(void **state)
{
	const uint64_t list = make(16), area = make(64), vm = make(64), place = 0xffffc90000000000;
	const uint64_t jit = IMAGE + 0x100;

	put_code();
	map_in(ROOT, place, CODE_PA | PTE_PRESENT, 0);
	set_symbol(SYM_PACK_LIST, 0);
	assert_incomplete(check(check_modules), "executable memory: BPF's memory: this kernel has none that is known");
	set_symbol(SYM_AREA_LIST, list);
	set_symbol(SYM_JIT_ALLOC, jit);
	list_init(list);
	list_append(list, area);
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
	set(area, k.at.vmap_area_vm, vm);
	set(vm, k.at.vm_struct_addr, place);
	set(vm, k.at.vm_struct_size, 2 * 4096);
	set(vm, k.at.vm_struct_caller, jit + 0x40);
	put32(CODE_PA, 1);
	assert_clean(check(check_modules));
	set(vm, k.at.vm_struct_caller, jit + 0x400);	/* another function's */
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
	set(vm, k.at.vm_struct_caller, jit + 0x40);
	put32(CODE_PA, 3);				/* nothing of BPF's */
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
}

/* Who says that more is its own than its code hides another's. */
static void who_claims_too_much_is_not_clean(void **state)
{
	const char *why = "1 modules, or others, claim code that is not executable, or another's";

	set(checked_module[1], k.at.module_core_text, 60u << 20);
	assert_incomplete(check(check_modules), why);
	set(checked_module[1], k.at.module_core_text, 4096);
	set(checked_module[0], k.at.module_core_at, MODULE_TEXT + 4096);	/* the second one's */
	assert_incomplete(check(check_modules), why);
}

/* ---- page tables in use ---- */

static struct kvm_warden_regs regs_of[2];
static unsigned freshened;

static int give_registers(struct guest_memory *m, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	const bool fresh = ret->flags & KVM_WARDEN_REGS_FRESH;

	if (vcpu >= ARRAY_SIZE(regs_of))
		return -ENXIO;
	freshened += fresh;
	*ret = regs_of[vcpu];
	/* As the module: whether it waits is told to who wants it fresh. */
	if (!fresh)
		ret->flags &= ~(KVM_WARDEN_REGS_HALTED | KVM_WARDEN_REGS_OUTSIDE);
	return 0;
}

static void give_vcpus(void)
{
	static const struct guest_memory_ops with_vcpus = {
		.read = ram_read, .registers = give_registers,
	};

	mem.ops = &with_vcpus;
	for (unsigned i = 0; i < ARRAY_SIZE(regs_of); i++)
		regs_of[i] = (struct kvm_warden_regs){
			.cr0 = 1u << 31, .cr3 = ROOT | 1, .efer = 1u << 10,
			.lstar = IMAGE + 0x100, .idtr = k.symbol[SYM_IDT_TABLE].address,
		};
	set_symbol(SYM_ENTRY_SYSCALL, IMAGE + 0x100);
}

/* With the accessed bits of the CPU's.  At an even frame, as kernels with KPTI have them. */
static uint64_t copy_root(void)
{
	uint64_t root;

	tables = (tables + 0x1fff) & ~0x1fffull;
	root = make_table();
	memcpy(ram + root, ram + ROOT, 4096);
	for (unsigned i = 256; i < 512; i++)
		ram[root + 8 * i] |= ram[root + 8 * i] & PTE_PRESENT ? 0x20 : 0;
	return root;
}

/* Its own tables for that part of the image, page 2 of it elsewhere. */
static uint64_t evil_root(void)
{
	const uint64_t root = copy_root();

	put64(entry_at(root, IMAGE, 3), 0);
	for (unsigned i = 0; i < IMAGE_SIZE / 4096; i++)
		map_in(root, IMAGE + i * 4096, (IMAGE_PA + i * 4096) | PTE_PRESENT |
		       (i * 4096 < TEXT_SIZE ? 0 : PTE_NX), 0);
	map_in(root, IMAGE + 0x2000, CODE_PA | PTE_PRESENT, 0);
	return root;
}

static void other_tables_of_a_vcpu_are_found(void **state)
{
	give_vcpus();
	regs_of[1].cr3 = copy_root();
	assert_clean(check(check_kernel));
	regs_of[1].cr3 = evil_root();
	freshened = 0;
	assert_sign(check(check_kernel), "Kernel.PageTables", "as vCPU 1 at ffffffff81002000");
	assert_true(freshened);
	/* A vCPU that starts has none yet. */
	regs_of[1].efer = 0;
	assert_clean(check(check_kernel));
	/* The same pages by other tables are the same. */
	regs_of[1].efer = 1u << 10;
	map_in(regs_of[1].cr3, IMAGE + 0x2000, (IMAGE_PA + 0x2000) | PTE_PRESENT, 0);
	assert_clean(check(check_kernel));
	/* But not if data became code. */
	map_in(regs_of[1].cr3, IMAGE + TEXT_SIZE, (IMAGE_PA + TEXT_SIZE) | PTE_PRESENT, 0);
	assert_sign(check(check_kernel), "Kernel.PageTables", "at ffffffff81008000");
}

static void other_tables_of_a_process_are_found(void **state)
{
	const uint64_t mm = make(256), root = evil_root();

	set(mm, k.at.mm_struct_pgd, DIRECT + root);
	set(checked_task[1], k.at.task_struct_mm, mm);
	assert_sign(check(check_kernel), "Kernel.PageTables", "as process 2 at ffffffff81002000");
}

/* By what it uses, whatever it says of itself; a thread too, and root 0 is one. */
static void tables_are_not_exempt_by_a_lie(void **state)
{
	const uint64_t mm = make(256), other = make(256), root = evil_root(), t = checked_task[1];

	set(mm, k.at.mm_struct_pgd, DIRECT + root);
	set(t, k.at.task_struct_mm, mm);
	set(t, k.at.task_struct_flags, 0x200000);	/* PF_KTHREAD */
	set(t, k.at.task_struct_cred, 1);
	assert_sign(check(check_kernel), "Kernel.PageTables", "as process 2");
	set(other, k.at.mm_struct_pgd, DIRECT + ROOT);
	set(t, k.at.task_struct_mm, other);
	assert_clean(check(check_kernel));
	/* A second thread with another mm. */
	set(checked_task[2], k.at.task_struct_mm, mm);
	list_append(get64(t + k.at.task_struct_signal.at) + k.at.signal_struct_thread_head.at,
		    make(TASK_SIZE) + k.at.task_struct_thread_node.at);
	set(checked_task[2], k.at.task_struct_mm, 0);
	set(DIRECT + heap - TASK_SIZE, k.at.task_struct_mm, mm);
	assert_sign(check(check_kernel), "Kernel.PageTables", "as process 2");
	memcpy(ram, ram + root, 4096);
	set(DIRECT + heap - TASK_SIZE, k.at.task_struct_mm, 0);
	assert_clean(check(check_kernel));
	give_vcpus();
	regs_of[0].cr3 = 5;
	assert_sign(check(check_kernel), "Kernel.PageTables", "as vCPU 0");
}

/* With KPTI each root has another behind it, for its user's mode, with code of the kernel's. */
static void a_users_tables_are_looked_at(void **state)
{
	const uint64_t mm = make(256), evil = evil_root(), kept = 0xf0000;
	uint64_t users;

	in.kernel.as.root = copy_root();
	map_in(make_table(), IMAGE, IMAGE_PA | PTE_PRESENT, 0);
	set(mm, k.at.mm_struct_pgd, DIRECT + copy_root());
	set(checked_task[1], k.at.task_struct_mm, mm);
	assert_clean(check(check_kernel));
	users = make_table();
	memcpy(ram + users, ram + evil, 4096);
	assert_sign(check(check_kernel), "Kernel.PageTables", "as process 2 at ffffffff81002000");
	/* To wipe the kernel's own, so that none would be looked at, is seen by a vCPU's. */
	memcpy(ram + kept, ram + in.kernel.as.root + 4096, 4096);
	memset(ram + in.kernel.as.root + 4096, 0, 4096);
	give_vcpus();
	regs_of[0].cr3 = regs_of[1].cr3 = users;
	assert_int_equal(check(check_kernel).status, CHECK_DIFFERS);
	memcpy(ram + in.kernel.as.root + 4096, ram + kept, 4096);
	/* All have the same of it, so that it is the kernel's own that is another. */
	memcpy(ram + in.kernel.as.root + 4096, ram + evil, 4096);
	assert_sign(check(check_kernel), "Kernel.PageTables", "as init_mm at ffffffff81002000");
}

static void tables_that_cannot_be_read_are_not_clean(void **state)
{
	const uint64_t root = copy_root();

	give_vcpus();
	frame_gone = true;
	regs_of[1].cr3 = root;
	put64(entry_at(root, IMAGE, 3), GONE_PA | PRESENT_RW);
	assert_incomplete(check(check_kernel), "page tables: part of it is not resident");
	/* It hides nothing behind it. */
	regs_of[1].cr3 = evil_root();
	map_in(regs_of[1].cr3, 0xffff800000000000, CODE_PA | PTE_PRESENT, 0);
	put64(entry_at(regs_of[1].cr3, 0xffff800000000000, 3), GONE_PA | PRESENT_RW);
	assert_int_equal(check(check_kernel).signs, 1);
	frame_gone = false;
}

/* The frame is what counts, and what is no frame is not nothing. */
static void a_root_by_another_address_is_not_clean(void **state)
{
	const uint64_t mm = make(256), root = evil_root();

	set(mm, k.at.mm_struct_pgd, 0xffffffff70000000 + root);
	set(checked_task[1], k.at.task_struct_mm, mm);
	assert_incomplete(check(check_kernel), "page tables: it kept changing, or does not hold together");
	set(checked_task[1], k.at.task_struct_mm, 0xffff900000000000);
	assert_incomplete(check(check_kernel), "page tables: it kept changing, or does not hold together");
	set(checked_task[1], k.at.task_struct_mm, mm);
	set(mm, k.at.mm_struct_pgd, DIRECT + ROOT);
	assert_clean(check(check_kernel));
	/* Nor may a thread be behind a list that is broken. */
	put64(get64(checked_task[1] + k.at.task_struct_signal.at) - DIRECT +
	      k.at.signal_struct_thread_head.at, DIRECT + HEAP_PA);
	assert_incomplete(check(check_kernel), "page tables: it kept changing, or does not hold together");
}

/* What a process has for itself there is data. */
static void tables_may_have_data_of_their_own(void **state)
{
	const uint64_t ldt = 0xffff880000000000, efi = 0xffffff0000000000;
	const uint64_t root = copy_root();

	give_vcpus();
	put_code();
	regs_of[0].cr3 = root;
	map_in(ROOT, ldt, (CODE_PA + 4096) | PTE_PRESENT | PTE_NX, 0);
	put64(entry_at(root, ldt, 3), 0);
	map_in(root, ldt, CODE_PA | PTE_PRESENT | PTE_NX, 0);
	map_in(root, efi, CODE_PA | PTE_PRESENT | PTE_NX, 0);
	assert_clean(check(check_kernel));
	map_in(root, ldt, CODE_PA | PTE_PRESENT, 0);
	assert_sign(check(check_kernel), "Kernel.PageTables", "at ffff880000000000");
	map_in(root, ldt, 0, 0);
	map_in(root, efi, CODE_PA | PTE_PRESENT, 0);
	assert_sign(check(check_kernel), "Kernel.PageTables", "at ffffff0000000000");
}

/* Of a guest that the module shows all registers are known. */
static void no_entry_and_no_table_is_found(void **state)
{
	give_vcpus();
	regs_of[1].lstar = 0;
	regs_of[0].idtr = 0;
	assert_clean(check(check_kernel));
	mem.live = true;
	assert_int_equal(check(check_kernel).signs, 2);
	/* The CPU goes by neither. */
	regs_of[0].cr4 = regs_of[1].cr4 = 1ull << 32;
	assert_clean(check(check_kernel));
	regs_of[0].cr4 = 0;
	regs_of[0].idtr = 0xffffff0000000000;	/* of other tables, at best */
	assert_sign(check(check_kernel), "Kernel.IDTR", "vCPU 0 has ffffff0000000000");
}

static void another_entry_of_system_calls_is_found(void **state)
{
	give_vcpus();
	assert_clean(check(check_kernel));
	regs_of[1].lstar = IMAGE + 0x200;	/* in the kernel's text, but not its entry */
	assert_sign(check(check_kernel), "Kernel.LSTAR", "vCPU 1 has ffffffff81000200, memory of the kernel");
	/* On Intel that is another guest's, until the kernel goes back to its user. */
	strcpy((char *)ram + (checked_module[0] - DIRECT) + k.at.module_title.at, "kvm_intel");
	assert_incomplete(check(check_kernel), "vCPU 1: the guest runs guests, and may have the entry of one's"
			  " system calls in LSTAR");
	strcpy((char *)ram + (checked_module[0] - DIRECT) + k.at.module_title.at, "first");
	/* It may be that of a kernel before, if it has not run since; not so if it has. */
	regs_of[1].flags = KVM_WARDEN_REGS_HALTED;
	regs_of[1].age_ns = 1u << 30;
	in.kernel.found_ns = clock_now_ns();
	assert_incomplete(check(check_kernel), "registers: a vCPU has not run since this kernel was found");
	in.kernel.found_ns = 1;
	assert_int_equal(check(check_kernel).status, CHECK_DIFFERS);
	regs_of[1].flags = KVM_WARDEN_REGS_GUEST_MODE;
	assert_incomplete(check(check_kernel), "1 vCPUs run guests of their own: their registers are not known");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(code_anywhere_is_found),
		T(what_cannot_be_read_is_not_clean),
		T(a_huge_leaf_is_found),
		T(a_table_mapped_again_and_again_is_walked_once),
		T(a_pack_is_as_large_as_there_are_nodes),
		T(without_packs_its_memory_is_who_asked_for_it),
		T(who_claims_too_much_is_not_clean),
		T(other_tables_of_a_vcpu_are_found),
		T(other_tables_of_a_process_are_found),
		T(no_entry_and_no_table_is_found), T(a_users_tables_are_looked_at),
		T(a_root_by_another_address_is_not_clean), T(tables_are_not_exempt_by_a_lie), T(tables_that_cannot_be_read_are_not_clean),
		T(tables_may_have_data_of_their_own),
		T(another_entry_of_system_calls_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
