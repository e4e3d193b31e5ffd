// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory: what it costs to see a guest's memory, against what the kernel has for
 * another process's and against a plain copy.  Prints a line of JSON a figure.
 *
 * A figure is the median of the ratios of pairs that were measured side by side,
 * in turns: the machine's own ups and downs are in both.
 */
#include "../../lab/module/memvm.h"

#include <sys/uio.h>

#define PAIRS 41
#define SPAN (4u << 20)			/* copied for one measurement */
#define FROM (1u << 20)

/*
 * Both sources lie alike as seen from the copy: an emulated TLB and real caches
 * have slots by address.
 */
#define MAP ((void *)0x100000000000)
#define PLAIN ((void *)0x200000000000)
#define BUF ((void *)0x300000025000)

static uint8_t *buf, *plain;

/* Pages of a file like the guest's, all there. */
static uint8_t *lay(void *at, size_t size, int file)
{
	if (file < 0 || ftruncate(file, size) ||
	    mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE,
		 file, 0) != at)
		err(1, "memory");
	return at;
}

struct target {
	struct vm *vm;
	uint64_t vmm_address;		/* where its RAM is in the VMM */
	uint8_t *map;
	uint32_t piece;
};

typedef void (*copy_fn)(const struct target *t);

static void by_read(const struct target *t)
{
	for (uint32_t at = 0; at < SPAN; at += t->piece)
		if (read_at(t->vm->guest, FROM + at, buf + at, t->piece, 0).done != t->piece)
			errx(1, "a short read at %#x", FROM + at);
}

/* One call for as many pieces as it takes. */
static void by_vector(const struct target *t)
{
	static struct kvm_warden_segment s[KVM_WARDEN_MAX_SEGMENTS];
	struct kvm_warden_read request = { .segments = (uintptr_t)s, .count = SPAN / t->piece };

	for (uint32_t i = 0; i < request.count; i++)
		s[i] = (struct kvm_warden_segment){
			.gpa = FROM + i * t->piece, .buf = (uintptr_t)buf + i * t->piece, .len = t->piece,
		};
	if (ioctl(t->vm->guest, KVM_WARDEN_READ, &request) || s[request.count - 1].done != t->piece)
		errx(1, "a short vectored read");
}

static void by_process_vm(const struct target *t)
{
	for (uint32_t at = 0; at < SPAN; at += t->piece) {
		struct iovec mine = { buf + at, t->piece };
		struct iovec theirs = { (void *)(uintptr_t)(t->vmm_address + FROM + at), t->piece };

		if (process_vm_readv(t->vm->pid, &mine, 1, &theirs, 1, 0) != (ssize_t)t->piece)
			err(1, "process_vm_readv");
	}
}

static void by_process_vm_vector(const struct target *t)
{
	static struct iovec mine[1024], theirs[1024];
	uint32_t n = SPAN / t->piece;

	for (uint32_t i = 0; i < n; i++) {
		mine[i] = (struct iovec){ buf + i * t->piece, t->piece };
		theirs[i] = (struct iovec){ (void *)(uintptr_t)(t->vmm_address + FROM + i * t->piece), t->piece };
	}
	if (process_vm_readv(t->vm->pid, mine, n, theirs, n, 0) != (ssize_t)SPAN)
		err(1, "process_vm_readv");
}

static void by_mapping(const struct target *t)
{
	memcpy(buf, t->map + FROM, SPAN);
}

static void by_memcpy(const struct target *t)
{
	memcpy(buf, plain + FROM, SPAN);
}

/* ---- measuring ---- */

static double seconds(copy_fn copy, const struct target *t)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	copy(t);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* How many times as fast as base copy is. */
static void figure(const char *name, copy_fn copy, copy_fn base, const struct target *t)
{
	double ratios[PAIRS], bases[PAIRS];

	seconds(copy, t);
	seconds(base, t);
	for (int i = 0; i < PAIRS; i++) {
		/* Who comes first finds the cache as the other left it. */
		double first = seconds(i & 1 ? copy : base, t);
		double second = seconds(i & 1 ? base : copy, t);
		double mine = i & 1 ? first : second;

		bases[i] = i & 1 ? second : first;
		ratios[i] = bases[i] / mine;
	}
	qsort(ratios, PAIRS, sizeof(*ratios), compare);
	qsort(bases, PAIRS, sizeof(*bases), compare);
	printf("{\"bench\":\"memory\",\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"ratio\","
	       "\"base\":%.0f,\"base_unit\":\"MB/s\",\"low_quarter\":%.3f,\"high_quarter\":%.3f,\"kernel\":\"%s\"}\n",
	       name, ratios[PAIRS / 2], SPAN / bases[PAIRS / 2] / 1e6, ratios[PAIRS / 4],
	       ratios[PAIRS * 3 / 4], getenv("BENCH_KERNEL") ?: "");
}

int main(void)
{
	struct target t;
	struct vm vm;
	int memory;

	setlinebuf(stdout);
	open_control();
	buf = lay(BUF, SPAN, memfd_create("copy", MFD_CLOEXEC));
	plain = lay(PLAIN, RAM_SIZE, memfd_create("plain", MFD_CLOEXEC));
	start_vm(&vm, MEMFD, false);
	if (contain(vm.id, 0))		/* it runs no more: nothing else does */
		errx(1, "contain");
	t = (struct target){ .vm = &vm, .vmm_address = vm.shared->ram };
	memory = open_memory(vm.guest, 0, RAM_SIZE);
	t.map = mmap(MAP, RAM_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, memory, 0);
	if (t.map != MAP)
		err(1, "mapping");
	memcpy(plain + FROM, t.map + FROM, SPAN);
	t.piece = 1u << 20;
	figure("vectored_read_1m_ratio_to_process_vm_readv", by_read, by_process_vm, &t);
	t.piece = 64u << 10;
	figure("vectored_read_64k_ratio_to_process_vm_readv", by_vector, by_process_vm_vector, &t);
	t.piece = 4096;
	figure("vectored_read_4k_ratio_to_process_vm_readv", by_vector, by_process_vm_vector, &t);
	figure("mmap_reread_ratio_to_memcpy", by_mapping, by_memcpy, &t);
	end_vm(&vm);
	return 0;
}
