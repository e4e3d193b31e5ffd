// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/facts.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "introspect/notes.h"
#include "lib/util.h"

#define MAX_NOTES 16384u
#define MAX_LOOKED_AT 256		/* tasks, for one with an address space */
#define USER_ENTRIES 256u		/* of a top table */
#define BOOT_MAX (1ull << 62)

/* ---- BUILD-ID ---- */

static bool take_note(void *ctx, const Elf64_Nhdr *h, const uint8_t *name, const uint8_t *desc)
{
	struct kernel_facts *f = ctx;

	if (h->n_type != NT_GNU_BUILD_ID || h->n_namesz != 4 || memcmp(name, "GNU", 4) ||
	    !h->n_descsz || h->n_descsz > BUILD_ID_MAX)
		return false;
	f->build_id_size = h->n_descsz;
	memcpy(f->build_id, desc, h->n_descsz);
	return true;
}

static void read_build_id(const struct kernel *k, struct kernel_facts *f)
{
	uint64_t start = k->symbol[SYM_START_NOTES].address;
	uint64_t stop = k->symbol[SYM_STOP_NOTES].address;
	uint8_t notes[MAX_NOTES];

	if (start && stop > start && stop - start <= sizeof(notes) &&
	    !virt_read(&k->as, start, notes, stop - start))
		notes_walk(notes, stop - start, take_note, f);
}

/* ---- time ---- */

/*
 * The clock's core: tk_core, until 6.13 or so of a type without a name, then one
 * of several, the first, in timekeeper_data.  In front of it is its sequence
 * count, which is larger in a real-time kernel.
 */
static uint64_t timekeeper(const struct kernel *k)
{
	uint64_t data = k->symbol[SYM_TIMEKEEPER_DATA].address;
	uint64_t core = k->symbol[SYM_TK_CORE].address;
	uint32_t count = MAX(k->at.seqcount_raw_spinlock_whole.size, 1u);
	uint32_t at = k->at.tk_data_timekeeper.size ? k->at.tk_data_timekeeper.at : (count + 7) & ~7u;

	return data ? data + at : core ? core + at : 0;
}

/* What getboottime64() says: the wall clock less the time since boot. */
static void read_boot_time(const struct kernel *k, struct kernel_facts *f)
{
	uint64_t tk = timekeeper(k), real, boot, seconds;

	if (!tk || kernel_member(k, tk, k->at.timekeeper_offs_real, &real) ||
	    kernel_member(k, tk, k->at.timekeeper_offs_boot, &boot) ||
	    kernel_member(k, tk, k->at.timekeeper_xtime_sec, &seconds) ||
	    real <= boot || real - boot > BOOT_MAX || seconds > BOOT_MAX / 1000000000u ||
	    seconds * 1000000000u < real - boot)
		return;
	f->boot_ns = real - boot;
	f->uptime_ns = seconds * 1000000000u - f->boot_ns;
}

/* ---- KPTI ---- */

/* With KPTI the kernel's own tables of a process have NX on all that is the user's. */
static int judge_tables(const struct kernel *k, uint64_t pgd)
{
	uint64_t entries[USER_ENTRIES];
	bool any = false;

	if (!kernel_pointer(k, pgd) || virt_read(&k->as, pgd, entries, sizeof(entries)))
		return -1;
	for (unsigned i = 0; i < USER_ENTRIES; i++) {
		if (!(entries[i] & PTE_PRESENT) || !(entries[i] & PTE_USER))
			continue;
		if (!(entries[i] & PTE_NX))
			return 0;
		any = true;
	}
	return any ? 1 : -1;
}

static int find_kpti(const struct kernel *k)
{
	const uint64_t head = k->symbol[SYM_INIT_TASK].address + k->at.task_struct_tasks.at;
	uint64_t node = head, mm, pgd;
	int kpti = -1;

	for (int i = 0; i < MAX_LOOKED_AT && kpti < 0; i++) {
		if (kernel_member(k, node, (struct field){ 0, 8 }, &node) || node == head)
			break;
		if (!kernel_member(k, node - k->at.task_struct_tasks.at, k->at.task_struct_mm, &mm) &&
		    mm && !kernel_member(k, mm, k->at.mm_struct_pgd, &pgd))
			kpti = judge_tables(k, pgd);
	}
	return kpti;
}

/* ---- all of them ---- */

void kernel_read_facts(const struct kernel *k, struct kernel_facts *ret_facts)
{
	uint64_t line;

	memset(ret_facts, 0, sizeof(*ret_facts));
	read_build_id(k, ret_facts);
	read_boot_time(k, ret_facts);
	ret_facts->kpti = find_kpti(k);
	if (kernel_member(k, k->symbol[SYM_SAVED_COMMAND_LINE].address, (struct field){ 0, 8 }, &line) ||
	    !kernel_pointer(k, line) ||
	    virt_read_text(&k->as, line, ret_facts->command_line, COMMAND_LINE_SIZE) < 0)
		ret_facts->command_line[0] = '\0';
}
