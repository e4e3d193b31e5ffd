// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The recorded memory of a real guest (tests/fuzz/record), changed where it is looked
 * at.  Each request that the introspector serves is made once of the guest as it is,
 * and the words that it reads are written down; all must be complete, and the checks
 * clean.  An input is one request, and changes of words that are read for it.
 *
 * Input: u8 request, u8 of whom and how, changes (patch.h).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void start(void);

#define FUZZ_START start
#include "answers.h"
#include "fuzz.h"
#include "introspect/beacon.h"
#include "introspect/check.h"
#include "introspect/find.h"
#include "introspect/kerneltell.h"
#include "introspect/known.h"
#include "introspect/mappings.h"
#include "introspect/ownfiles.h"
#include "introspect/process.h"
#include "introspect/usage.h"
#include "patch.h"

#define MAX_VCPUS 8u
#define MAX_PROCESSES 16u
#define READS (1u << 18)	/* what a request may take in place of time, the same on any machine */
#define LINE 128u
#define WHO 15u			/* of the second byte */
#define IN_PLACE 16u		/* its memory lies mapped, as most guests' does, or is read by calls */
#define STILL 32u		/* as a dump */
#define ABSENT 64u		/* the frame of the first change is not resident; by calls alone */

struct process {
	uint32_t pid;
	uint64_t cr3, va;		/* va: its first mapping */
};

static uint8_t *ram;
static size_t ram_size;
static uint64_t absent = NO_FRAME;
static struct kvm_warden_regs registers[MAX_VCPUS];
static uint32_t vcpus;
static struct guest_memory mem;
static struct introspector in, untouched;
static struct process processes[MAX_PROCESSES];
static uint32_t nprocesses;

static void failed(const char *what)
{
	printf("fuzz_recorded: %s\n", what);
	fflush(stdout);
	_exit(1);
}

/* ---- the recording ---- */

static int read_segment(struct kvm_warden_segment *s)
{
	s->done = 0;
	if (s->gpa >= ram_size)
		return -ENXIO;
	s->done = MIN((uint64_t)s->len, ram_size - s->gpa);
	if (absent < s->gpa + s->done && s->gpa < absent + FRAME_SIZE)
		s->done = absent > s->gpa ? absent - s->gpa : 0;
	memcpy((void *)(uintptr_t)s->buf, ram + s->gpa, s->done);
	return s->done == s->len ? 0 : -ENODATA;
}

static int read_ram(struct guest_memory *m, struct kvm_warden_segment *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		s[i].error = read_segment(&s[i]);
	return 0;
}

static int read_registers(struct guest_memory *m, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	if (vcpu >= vcpus)
		return -ENXIO;
	*ret = registers[vcpu];
	return 0;
}

/* A line of QEMU's "info registers -a". */
static void take_registers(const char *line)
{
	struct kvm_warden_regs *r = &registers[vcpus ? vcpus - 1 : 0];
	unsigned long long cr0, cr3, cr4, other;

	if (!strncmp(line, "CPU#", 4) && vcpus < MAX_VCPUS)
		vcpus++;
	else if (sscanf(line, "CR0=%llx CR2=%*x CR3=%llx CR4=%llx", &cr0, &cr3, &cr4) == 3)
		*r = (struct kvm_warden_regs){ .cr0 = cr0, .cr3 = cr3, .cr4 = cr4, .idtr = r->idtr };
	else if (sscanf(line, "IDT= %llx", &other) == 1)
		r->idtr = other;
	else if (sscanf(line, "EFER=%llx", &other) == 1)
		r->efer = other;
}

static FILE *open_recorded(const char *name)
{
	const char *folder = getenv("WARDEN_RECORDING");
	char path[512];
	FILE *f;

	if (!folder)
		failed("WARDEN_RECORDING is not set: tests/fuzz/run sets it");
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		failed("the recording cannot be read");
	return f;
}

/* Copied when it is written to: the file stays as it is. */
static void open_recording(void)
{
	static const struct guest_memory_ops ops = { .read = read_ram, .registers = read_registers };
	FILE *f = open_recorded("registers");
	char line[4096];
	struct stat st;

	while (fgets(line, sizeof(line), f))
		take_registers(line);
	fclose(f);
	f = open_recorded("ram");
	if (fstat(fileno(f), &st) || !vcpus)
		failed("the recording is not whole");
	ram_size = st.st_size;
	ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fileno(f), 0);
	if (ram == MAP_FAILED || memory_open_ops(&mem, &ops))
		failed("no memory");
	fclose(f);
	mem.ranges[0] = (struct memory_range){ 0, ram_size };
	mem.nranges = 1;
}

/* ---- what is read of it ---- */

static uint8_t *was_read;		/* a bit for each word of its memory; NULL: nobody asks */
static struct words {
	uint32_t *word;
	size_t n, room;
} *reading;

static uint32_t reads;
static uint64_t tables, tables_end;	/* the kernel's types and symbols */

static void add_word(struct words *w, uint64_t word)
{
	if (was_read[word / 8] >> word % 8 & 1)
		return;
	was_read[word / 8] |= 1u << word % 8;
	if (w->n == w->room) {
		w->room = w->room ? 2 * w->room : 1024;
		w->word = realloc(w->word, w->room * sizeof(*w->word));
		must(w->word);
	}
	w->word[w->n++] = word;
}

/* Types and symbols are known again by a hash, byte by byte: fuzz_btf and fuzz_kallsyms change them. */
static void note(uint64_t gpa, size_t len)
{
	mem.expired = mem.expired || ++reads > READS;
	if (!reading || !len || gpa >= ram_size || len > ram_size - gpa ||
	    (gpa >= tables && gpa < tables_end))
		return;
	for (uint64_t word = gpa / 8; word <= (gpa + len - 1) / 8; word++)
		add_word(reading, word);
}

int __real_memory_read(struct guest_memory *m, uint64_t gpa, void *buf, size_t len);
int __wrap_memory_read(struct guest_memory *m, uint64_t gpa, void *buf, size_t len);
const uint8_t *__real_memory_at(struct guest_memory *m, uint64_t gpa, size_t len);
const uint8_t *__wrap_memory_at(struct guest_memory *m, uint64_t gpa, size_t len);
int __real_memory_read_frames(struct guest_memory *m, const uint64_t *gpas, size_t n, uint8_t *buf,
			      bool *present);
int __wrap_memory_read_frames(struct guest_memory *m, const uint64_t *gpas, size_t n, uint8_t *buf,
			      bool *present);
int __real_memory_read_stretch(struct guest_memory *m, uint64_t gpa, uint8_t *buf, size_t len,
			       uint64_t *missing);
int __wrap_memory_read_stretch(struct guest_memory *m, uint64_t gpa, uint8_t *buf, size_t len,
			       uint64_t *missing);
void __real_memory_set_budget(struct guest_memory *m, uint64_t milliseconds);
void __wrap_memory_set_budget(struct guest_memory *m, uint64_t milliseconds);
void __wrap_check_pause(unsigned milliseconds);

int __wrap_memory_read(struct guest_memory *m, uint64_t gpa, void *buf, size_t len)
{
	note(gpa, len);
	return __real_memory_read(m, gpa, buf, len);
}

const uint8_t *__wrap_memory_at(struct guest_memory *m, uint64_t gpa, size_t len)
{
	note(gpa, len);
	return __real_memory_at(m, gpa, len);
}

/* Of what is read at large, so that it does not drown the rest, the beginning: an ELF header, some code. */
int __wrap_memory_read_frames(struct guest_memory *m, const uint64_t *gpas, size_t n, uint8_t *buf,
			      bool *present)
{
	for (size_t i = 0; i < n; i++)
		note(gpas[i], LINE);
	return __real_memory_read_frames(m, gpas, n, buf, present);
}

int __wrap_memory_read_stretch(struct guest_memory *m, uint64_t gpa, uint8_t *buf, size_t len,
			       uint64_t *missing)
{
	note(gpa, MIN(len, (size_t)LINE));
	return __real_memory_read_stretch(m, gpa, buf, len, missing);
}

/* Of reads, not of time. */
void __wrap_memory_set_budget(struct guest_memory *m, uint64_t milliseconds)
{
	__real_memory_set_budget(m, 0);
	reads = 0;
}

void __wrap_check_pause(unsigned milliseconds)
{
}

/* ---- requests ---- */

static const struct look_sink look_sink = { take_task, take_object, take_use, NULL };

static void ask_list(const struct process *p, struct m_done *done)
{
	look_list(&in, &look_sink, done);
}

static void ask_look(const struct process *p, struct m_done *done)
{
	look_at_pid(&in, p->pid, 0, true, &look_sink, done);
}

static void ask_cr3(const struct process *p, struct m_done *done)
{
	look_at_cr3(&in, p->cr3, &look_sink, done);
}

static void ask_all(const struct process *p, struct m_done *done)
{
	look_at_all(&in, false, &look_sink, done);
}

static void ask_suspicious(const struct process *p, struct m_done *done)
{
	look_suspicious(&in, p->pid, done);
}

static void ask_suspicious_all(const struct process *p, struct m_done *done)
{
	look_suspicious(&in, 0, done);
}

static void ask_mappings(const struct process *p, struct m_done *done)
{
	mappings_list(&in, p->pid, 0, take_vma, NULL, done);
}

static void ask_process(const struct process *p, struct m_done *done)
{
	const struct m_process ask = { .pid = p->pid, .environment = 1 };

	process_tell(&in, &ask, take_fact, NULL, done);
}

static void ask_kernel(const struct process *p, struct m_done *done)
{
	uint32_t modules = 0;
	const struct kernel_sink sink = { take_kernel_facts, take_module, &modules };

	kernel_tell(&in, &sink, done);
}

static void ask_few(const struct process *p, struct m_done *done)
{
	struct m_beacon beacon = { .pid = p->pid, .gva = p->va };
	struct m_beacon_seen seen;
	struct m_probed probed;

	probe_task(&in, p->pid, 1000, &probed);
	beacon_look(&in, &beacon, &seen);
	must(seen.state == BEACON_ABSENT || seen.state == BEACON_UNKNOWN);
}

/* The last file at rest that was told. */
static void ask_files(const struct process *p, struct m_done *done)
{
	struct taken t = { 0 };
	struct extract x = { .fd = memfd_create("out", MFD_CLOEXEC), .missing = take_missing, .ctx = &t };
	struct inodes_walked walked;

	must(x.fd >= 0);
	memory_set_budget(&mem, LOOK_BUDGET_MS);
	inodes_walk(&in.kernel, false, take_inode, &t, &walked);
	must(t.files == walked.files && walked.files <= walked.inodes);
	if (t.files)
		extracted(&t, &x, t.size, extract_file(&in, t.mapping, t.size, &x));
	close(x.fd);
}

static void ask_memory(const struct process *p, struct m_done *done)
{
	struct taken t = { 0 };
	struct extract x = { .fd = memfd_create("out", MFD_CLOEXEC), .missing = take_missing, .ctx = &t };
	static struct guest_file f;
	struct address_space as;
	struct task task;
	int r;

	must(x.fd >= 0);
	memory_set_budget(&mem, LOOK_BUDGET_MS);
	if (!find_process(&in, p->pid, 0, &task)) {
		/* None has that: all of its files are looked at. */
		r = process_file(&in.kernel, &task, "/none", &f);
		must(r || !strcmp(f.path, "/none"));
		as = task_space(&in.kernel, &task);
		extracted(&t, &x, 0x5000, extract_memory(&as, p->va, 0x5000, &x));
	}
	close(x.fd);
}

/* What is open, or differs, is told as a look would tell it. */
static int on_checked(void *ctx, const struct m_checked *m)
{
	struct m_done *done = ctx;

	take_checked(NULL, m);
	done->status = m->status == CHECK_CLEAN ? DONE_COMPLETE : DONE_INCOMPLETE;
	if (m->status != CHECK_CLEAN)
		snprintf(done->why, sizeof(done->why), "%u signs %s", m->signs, m->why);
	return 0;
}

static void check(uint32_t what, struct m_done *done)
{
	const struct check_sink sink = { take_difference, done };

	check_all(&in, what, &sink, on_checked);
}

static void ask_check_processes(const struct process *p, struct m_done *done)
{
	check(CHECK_PROCESSES, done);
}

static void ask_check_modules(const struct process *p, struct m_done *done)
{
	check(CHECK_MODULES, done);
}

static void ask_check_kernel(const struct process *p, struct m_done *done)
{
	check(CHECK_KERNEL, done);
}

static void discover(bool anew)
{
	struct kernel_seen *const seen = in.kernel_seen;
	bool changed;

	in.kernel_seen = NULL;		/* of another boot it would be freed */
	if (anew)
		in.state.state = 0;
	in.retry_ns = 0;
	if (introspector_ready(&in, &changed))
		must(in.state.release[0] && text_is_printable(in.state.banner));
	else
		must(in.state.why[0]);
	must(text_is_printable(in.state.why) && text_is_printable(in.state.release));
	in.kernel_seen = seen;
}

static void ask_discovery(const struct process *p, struct m_done *done)
{
	discover(true);
}

static void ask_ready(const struct process *p, struct m_done *done)
{
	discover(false);
	if (in.state.state == KERNEL_READY)
		look_list(&in, &look_sink, done);
}

static struct request {
	void (*ask)(const struct process *p, struct m_done *done);
	bool of_one;			/* process */
	struct words words[MAX_PROCESSES];
} requests[] = {
	{ ask_list }, { ask_look, true }, { ask_cr3, true }, { ask_all },
	{ ask_suspicious, true }, { ask_suspicious_all }, { ask_mappings, true },
	{ ask_process, true }, { ask_kernel }, { ask_few, true }, { ask_files },
	{ ask_memory, true }, { ask_ready }, { ask_discovery },
	{ ask_check_processes }, { ask_check_modules }, { ask_check_kernel },
};

static struct m_done ask(const struct request *r, const struct process *p, uint8_t how)
{
	static struct window whole;
	struct m_done done = { .status = DONE_COMPLETE };

	whole = (struct window){ .start = ram, .size = ram_size };
	mem.places[0] = (struct memory_place){ .window = how & IN_PLACE ? &whole : NULL };
	mem.still = how & STILL;
	objects_forget(&in.objects);
	memory_refresh(&mem);
	r->ask(p, &done);
	done_well(&done);
	return done;
}

/* ---- start ---- */

static int first_mapping(void *ctx, const struct m_vma *v)
{
	*(uint64_t *)ctx = v->start;
	return 1;
}

static void find_processes(void)
{
	struct task_list list;
	struct m_done done;
	struct task t;

	if (task_list_read(&in.kernel, &list))
		failed("the list of tasks");
	for (uint32_t i = 0; i < list.n && nprocesses < MAX_PROCESSES; i++) {
		struct process *p = &processes[nprocesses];

		/* Of the kernel's own threads one. */
		if (task_read(&in.kernel, list.va[i], &t) || (!t.mm && t.pid != 2))
			continue;
		*p = (struct process){ .pid = t.pid, .cr3 = t.pgd };
		mappings_list(&in, t.pid, 0, first_mapping, &p->va, &done);
		nprocesses++;
	}
	task_list_free(&list);
}

static void read_once(struct request *r, uint32_t who)
{
	const uint64_t started = clock_now_ns();
	struct words *w = &r->words[who];
	struct m_done done;

	reading = w;
	done = ask(r, &processes[who], IN_PLACE | STILL);
	reading = NULL;
	for (size_t i = 0; i < w->n; i++)
		was_read[w->word[i] / 8] = 0;
	/* The kernel's own thread has no page tables to be found by. */
	if (!w->n || (done.status != DONE_COMPLETE && processes[who].cr3))
		failed(done.why[0] ? done.why : "a request reads nothing of the guest");
	printf("fuzz_recorded: request %td of process %u: %zu words, %u reads, %u ms\n", r - requests,
	       processes[who].pid, w->n, reads, (unsigned)((clock_now_ns() - started) / 1000000));
}

static void start(void)
{
	open_recording();
	must(!introspector_init(&in, &mem));
	in.on_sign = take_sign;
	was_read = calloc(1, ram_size / 64 + 1);
	must(was_read);
	discover(true);
	discover(true);			/* it is known now */
	if (in.state.state != KERNEL_READY || !in.kernel.known)
		failed(in.state.why);
	must(!virt_to_phys(&in.kernel.as, in.kernel.rodata_start, &tables));
	tables_end = tables + (in.kernel.rodata_end - in.kernel.rodata_start);
	for (uint32_t i = 0; i < vcpus; i++)
		registers[i].lstar = in.kernel.symbol[SYM_ENTRY_SYSCALL].address;
	find_processes();
	untouched = in;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		for (uint32_t who = 0; who < (requests[i].of_one ? nprocesses : 1); who++)
			read_once(&requests[i], who);
	untouched = in;
	free(was_read);
	was_read = NULL;
}

/* ---- an input ---- */

/* Pointers that are there, of each kind; the first of those that this request follows. */
static size_t find_bases(const struct words *w, uint64_t *bases, size_t max)
{
	const struct kernel *k = &untouched.kernel;
	const uint64_t fixed[] = {
		k->page_offset, k->vmemmap, k->text_base, k->symbol[SYM_INIT_TASK].address,
		k->as.root | PTE_PRESENT | PTE_WRITE | PTE_USER,
	};
	size_t n = ARRAY_SIZE(fixed);

	memcpy(bases, fixed, sizeof(fixed));
	for (size_t i = 0; i < w->n && n < max; i += w->n / 64 + 1) {
		uint64_t word;

		memcpy(&word, ram + (size_t)w->word[i] * 8, 8);
		if (kernel_pointer(k, word) && word != UINT64_MAX)
			bases[n++] = word;
	}
	return n;
}

/* Kernels that changed guests were taken for push the real one out of those that are known. */
static void restore(void)
{
	static unsigned others;

	others += !in.kernel.known && in.kernel.kallsyms.nsyms;
	in.kernel = untouched.kernel;
	in.state = untouched.state;
	in.boot = untouched.boot;
	in.passing = untouched.passing;
	in.lost = in.seen_anew = in.gone = false;
	if (others < 3)
		return;
	others = 0;
	known_forget();
	discover(true);
	must(in.state.state == KERNEL_READY);
	in.kernel = untouched.kernel;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t bases[14];
	static struct patched patched;
	const struct request *r;
	const struct words *w;
	uint32_t who;

	if (size < 2)
		return 0;
	r = &requests[data[0] % ARRAY_SIZE(requests)];
	who = r->of_one ? (data[1] & WHO) % nprocesses : 0;
	w = &r->words[who];
	patched = (struct patched){
		.bytes = ram, .size = ram_size, .words = w->word, .nwords = w->n,
		.bases = bases, .nbases = find_bases(w, bases, ARRAY_SIZE(bases)),
	};
	patch_apply(&patched, data + 2, size - 2);
	if (data[1] & ABSENT && patched.used)
		absent = patched.undo[0].at & ~(uint64_t)FRAME_MASK;
	ask(r, &processes[who], data[1]);
	absent = NO_FRAME;
	patch_undo(&patched);
	restore();
	return 0;
}
