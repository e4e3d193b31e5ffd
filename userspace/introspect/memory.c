// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

#define CACHE_FRAMES 8192u		/* a power of two; 32 MiB */
#define TICKS_PER_CLOCK 64u
#define CACHE_LINE 64u
#define STRETCH (1u << 20)

struct frame_cache {
	struct {
		uint64_t gpa;
		uint32_t generation;
	} tag[CACHE_FRAMES];
	uint8_t data[CACHE_FRAMES][FRAME_SIZE];
};

uint64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

/* ---- the module's guest descriptor ---- */

static int guest_read(struct guest_memory *mem, struct kvm_warden_segment *segments, uint32_t n)
{
	struct kvm_warden_read call = {
		.segments = (uintptr_t)segments,
		.count = n,
	};

	while (ioctl(mem->fd, KVM_WARDEN_READ, &call) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int guest_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs)
{
	struct kvm_warden_regs regs = { .vcpu = vcpu, .flags = ret_regs->flags };

	if (ioctl(mem->fd, KVM_WARDEN_REGS, &regs) < 0)
		return -errno;
	*ret_regs = regs;
	return 0;
}

static void guest_close(struct guest_memory *mem)
{
	close(mem->fd);
}

static const struct guest_memory_ops guest_ops = { guest_read, guest_registers, guest_close };

static bool same_slots(const struct guest_memory *mem, const struct kvm_warden_memslot *slots,
		       uint32_t n)
{
	if (mem->nranges != n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct window *w = mem->places[i].window;

		if (mem->ranges[i].gpa != slots[i].gpa || mem->ranges[i].size != slots[i].size ||
		    (w && w->lost))
			return false;
	}
	return true;
}

static void close_windows(struct guest_memory *mem)
{
	for (uint32_t i = 0; i < mem->nranges; i++) {
		struct window *w = mem->places[i].window;

		/* A file has one for all its ranges. */
		if (w && (i + 1 == mem->nranges || mem->places[i + 1].window != w))
			window_close(w);
	}
	mem->nranges = mem->last = 0;
}

/* What cannot be mapped is read. */
static struct window *map_slot(int guest, const struct kvm_warden_memslot *slot)
{
	struct kvm_warden_map call = { .gpa = slot->gpa, .size = slot->size };
	autofd int fd = -1;

	if (!(slot->flags & KVM_WARDEN_SLOT_MAPPABLE))
		return NULL;
	fd = ioctl(guest, KVM_WARDEN_MAP, &call);
	return fd < 0 ? NULL : window_open(fd, slot->size);
}

int memory_update_ranges(struct guest_memory *mem)
{
	autofree struct kvm_warden_memslot *slots = NULL;
	struct kvm_warden_memslots call = { .count = KVM_WARDEN_MAX_SLOTS };
	uint32_t n;

	if (mem->ops != &guest_ops)
		return 0;
	slots = calloc(KVM_WARDEN_MAX_SLOTS, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	call.slots = (uintptr_t)slots;
	if (ioctl(mem->fd, KVM_WARDEN_MEMSLOTS, &call) < 0) {
		int error = errno;

		/* Its level is off, or it is gone: mappings would show it all the same. */
		close_windows(mem);
		return -error;
	}
	n = MIN(call.count, KVM_WARDEN_MAX_SLOTS);
	if (same_slots(mem, slots, n))
		return 0;
	close_windows(mem);
	for (uint32_t i = 0; i < n; i++) {
		mem->ranges[i] = (struct memory_range){ slots[i].gpa, slots[i].size };
		mem->places[i] = (struct memory_place){ 0, map_slot(mem->fd, &slots[i]) };
	}
	mem->nranges = n;
	return 0;
}

/* ---- the budget, and where an address lies ---- */

static bool spent(struct guest_memory *mem)
{
	if (!mem->expired && mem->deadline_ns && ++mem->ticks % TICKS_PER_CLOCK == 0)
		mem->expired = clock_now_ns() > mem->deadline_ns;
	return mem->expired;
}

/* The range that holds gpa, or -1. */
static int range_of(struct guest_memory *mem, uint64_t gpa)
{
	uint32_t i = mem->last;

	if (i < mem->nranges && gpa - mem->ranges[i].gpa < mem->ranges[i].size)
		return i;
	for (i = 0; i < mem->nranges; i++)
		if (gpa - mem->ranges[i].gpa < mem->ranges[i].size) {
			mem->last = i;
			return i;
		}
	return -1;
}

/* The window that has all len bytes, *ret_at its first; or NULL. */
static const struct window *window_at(struct guest_memory *mem, uint64_t gpa, size_t len,
				      const uint8_t **ret_at)
{
	int i = range_of(mem, gpa);
	const struct window *w = i < 0 ? NULL : mem->places[i].window;
	uint64_t at = i < 0 ? 0 : gpa - mem->ranges[i].gpa;

	if (!w || w->lost || len > mem->ranges[i].size - at)
		return NULL;
	*ret_at = w->start + mem->places[i].offset + at;
	return w;
}

const uint8_t *memory_at(struct guest_memory *mem, uint64_t gpa, size_t len)
{
	const uint8_t *at = NULL;

	if (!spent(mem) && window_at(mem, gpa, len, &at))
		mem->touched += len;
	return at;
}

void memory_prefetch(struct guest_memory *mem, uint64_t gpa, size_t len)
{
	const uint8_t *at;

	if (!window_at(mem, gpa, len, &at))
		return;
	for (size_t i = 0; i < len; i += CACHE_LINE)
		__builtin_prefetch(at + i);
}

bool memory_holds(struct guest_memory *mem, uint64_t gpa)
{
	const uint8_t *at;

	return window_at(mem, gpa, 1, &at);
}

/* ---- a file ---- */

static void file_read_segment(struct guest_memory *mem, struct kvm_warden_segment *s)
{
	s->done = 0;
	s->error = 0;
	while (s->done < s->len) {
		uint64_t gpa = s->gpa + s->done;
		int i = gpa < s->gpa ? -1 : range_of(mem, gpa);
		uint64_t at = i < 0 ? 0 : gpa - mem->ranges[i].gpa;
		ssize_t n;

		if (i < 0) {
			s->error = -ENXIO;
			return;
		}
		n = pread(mem->fd, (uint8_t *)(uintptr_t)s->buf + s->done,
			  MIN((uint64_t)(s->len - s->done), mem->ranges[i].size - at),
			  mem->places[i].offset + at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->error = -ENODATA;
			return;
		}
		s->done += n;
	}
}

static int file_read(struct guest_memory *mem, struct kvm_warden_segment *segments, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		file_read_segment(mem, &segments[i]);
	return 0;
}

static int file_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs)
{
	if (vcpu >= mem->nfixed)
		return -ENXIO;
	*ret_regs = mem->fixed[vcpu];
	return 0;
}

static void file_close(struct guest_memory *mem)
{
	free(mem->fixed);
	close(mem->fd);
}

static const struct guest_memory_ops file_ops = { file_read, file_registers, file_close };

/* A look at a hole of a file on tmpfs would fill it. */
uint64_t memory_next(const struct guest_memory *mem, uint32_t range, uint64_t at)
{
	uint64_t size = mem->ranges[range].size, from = mem->places[range].offset + at;
	off_t data = mem->ops == &file_ops && at < size ?
		     lseek(mem->fd, from, SEEK_DATA) : (off_t)from;

	if (data < 0)
		return errno == ENXIO ? size : at;
	return at + ((uint64_t)data - from) / FRAME_SIZE * FRAME_SIZE;
}

/* ---- opening and closing ---- */

int memory_open_ops(struct guest_memory *mem, const struct guest_memory_ops *ops)
{
	static uint64_t opened;

	memset(mem, 0, sizeof(*mem));
	mem->id = ++opened;
	mem->fd = -1;
	mem->ops = ops;
	mem->generation = 1;
	mem->cache = mmap(NULL, sizeof(*mem->cache), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem->cache == MAP_FAILED) {
		mem->cache = NULL;
		return -ENOMEM;
	}
	return 0;
}

int memory_open_guest(struct guest_memory *mem, int fd)
{
	int r = memory_open_ops(mem, &guest_ops);

	if (r)
		return r;
	mem->fd = fd;
	mem->live = true;
	return memory_update_ranges(mem);
}

/* Ranges that end behind the file's end are cut. */
static void take_ranges(struct guest_memory *mem, const struct memory_range *ranges,
			const uint64_t *offsets, uint32_t n, uint64_t size)
{
	struct window *window = size ? window_open(mem->fd, size) : NULL;

	for (uint32_t i = 0; i < n && mem->nranges < KVM_WARDEN_MAX_SLOTS; i++) {
		if (offsets[i] >= size || !ranges[i].size)
			continue;
		mem->places[mem->nranges] = (struct memory_place){ offsets[i], window };
		mem->ranges[mem->nranges++] = (struct memory_range){
			ranges[i].gpa, MIN(ranges[i].size, size - offsets[i]),
		};
	}
	if (window && !mem->nranges)
		window_close(window);
}

int memory_open_file(struct guest_memory *mem, int fd, const struct memory_range *ranges,
		     const uint64_t *offsets, uint32_t n)
{
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	r = memory_open_ops(mem, &file_ops);
	if (r)
		return r;
	mem->fd = fd;
	take_ranges(mem, ranges, offsets, n, st.st_size);
	return 0;
}

int memory_set_registers(struct guest_memory *mem, const struct kvm_warden_regs *regs, uint32_t n)
{
	struct kvm_warden_regs *copy = calloc(MAX(n, 1u), sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, regs, n * sizeof(*copy));
	free(mem->fixed);
	mem->fixed = copy;
	mem->nfixed = n;
	return 0;
}

void memory_close(struct guest_memory *mem)
{
	close_windows(mem);
	if (mem->cache)
		munmap(mem->cache, sizeof(*mem->cache));
	mem->cache = NULL;
	if (mem->ops && mem->ops->close)
		mem->ops->close(mem);
	mem->ops = NULL;
}

/* ---- budget and cache ---- */

void memory_refresh(struct guest_memory *mem)
{
	/* 0 is the generation of frames never filled. */
	if (++mem->generation == 0) {
		memset(mem->cache->tag, 0, sizeof(mem->cache->tag));
		mem->generation = 1;
	}
}

void memory_set_budget(struct guest_memory *mem, uint64_t milliseconds)
{
	mem->deadline_ns = milliseconds ? clock_now_ns() + milliseconds * 1000000u : 0;
	mem->expired = false;
	mem->ticks = 0;
}

static int back_end_read(struct guest_memory *mem, struct kvm_warden_segment *segments, uint32_t n)
{
	int r = mem->ops->read(mem, segments, n);

	mem->calls++;
	for (uint32_t i = 0; !r && i < n; i++)
		mem->bytes += segments[i].done;
	return r;
}

static int fill_frame(struct guest_memory *mem, uint64_t frame, uint32_t slot)
{
	struct kvm_warden_segment s = {
		.gpa = frame,
		.buf = (uintptr_t)mem->cache->data[slot],
		.len = FRAME_SIZE,
	};
	int r;

	mem->cache->tag[slot].generation = 0;
	r = back_end_read(mem, &s, 1);
	if (r)
		return r;
	if (s.done != FRAME_SIZE)
		return s.error ? s.error : -ENXIO;
	mem->cache->tag[slot].gpa = frame;
	mem->cache->tag[slot].generation = mem->generation;
	return 0;
}

static int cached_frame(struct guest_memory *mem, uint64_t frame, const uint8_t **ret_data)
{
	uint32_t slot = (frame / FRAME_SIZE * 0x9E3779B97F4A7C15ull) >> 51;

	if (mem->cache->tag[slot].generation != mem->generation ||
	    mem->cache->tag[slot].gpa != frame) {
		int r = fill_frame(mem, frame, slot);

		if (r)
			return r;
	}
	*ret_data = mem->cache->data[slot];
	return 0;
}

_Static_assert(CACHE_FRAMES == 1u << (64 - 51), "the hash of cached_frame yields a slot");

/* False: not mapped, or taken away meanwhile. */
static bool copy_mapped(struct guest_memory *mem, uint64_t gpa, void *buf, size_t len)
{
	const uint8_t *at;
	const struct window *w = window_at(mem, gpa, len, &at);

	if (!w)
		return false;
	/* Most reads are of one pointer: a load, and no call. */
	if (len == sizeof(uint64_t))
		memcpy(buf, at, sizeof(uint64_t));
	else
		memcpy(buf, at, len);
	mem->touched += len;
	return !w->lost;
}

int memory_read(struct guest_memory *mem, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *out = buf;

	if (spent(mem))
		return -ETIME;
	if (gpa + len < gpa)
		return -ENXIO;
	if (copy_mapped(mem, gpa, buf, len))
		return 0;
	while (len) {
		size_t at = gpa & FRAME_MASK, chunk = MIN(len, FRAME_SIZE - at);
		const uint8_t *data;
		int r = cached_frame(mem, gpa - at, &data);

		if (r)
			return r;
		memcpy(out, data + at, chunk);
		out += chunk;
		gpa += chunk;
		len -= chunk;
	}
	return 0;
}

/* ---- long reads ---- */

static int read_batch(struct guest_memory *mem, const uint64_t *gpas, size_t n,
		      uint8_t *buf, bool *present)
{
	struct kvm_warden_segment segments[KVM_WARDEN_MAX_SEGMENTS];
	uint16_t index[KVM_WARDEN_MAX_SEGMENTS];
	uint32_t count = 0;
	int r;

	for (size_t i = 0; i < n; i++) {
		present[i] = false;
		if (gpas[i] == NO_FRAME)
			continue;
		present[i] = copy_mapped(mem, gpas[i], buf + i * FRAME_SIZE, FRAME_SIZE);
		if (present[i])
			continue;
		index[count] = i;
		segments[count++] = (struct kvm_warden_segment){
			.gpa = gpas[i], .buf = (uintptr_t)(buf + i * FRAME_SIZE), .len = FRAME_SIZE,
		};
	}
	r = count ? back_end_read(mem, segments, count) : 0;
	if (r)
		return r;
	for (uint32_t i = 0; i < count; i++)
		present[index[i]] = segments[i].done == FRAME_SIZE;
	for (size_t i = 0; i < n; i++)
		if (!present[i])
			memset(buf + i * FRAME_SIZE, 0, FRAME_SIZE);
	return 0;
}

int memory_read_frames(struct guest_memory *mem, const uint64_t *gpas, size_t n,
		       uint8_t *buf, bool *present)
{
	for (size_t at = 0; at < n; at += KVM_WARDEN_MAX_SEGMENTS) {
		size_t batch = MIN(n - at, (size_t)KVM_WARDEN_MAX_SEGMENTS);
		int r;

		mem->ticks |= TICKS_PER_CLOCK - 1;
		if (spent(mem))
			return -ETIME;
		r = read_batch(mem, gpas + at, batch, buf + at * FRAME_SIZE, present + at);
		if (r)
			return r;
	}
	return 0;
}

/* One frame of a stretch that cannot be read: zero it and go on behind it. */
static size_t skip_frame(uint64_t gpa, uint8_t *buf, size_t len, uint64_t *missing)
{
	size_t chunk = MIN(len, FRAME_SIZE - (gpa & FRAME_MASK));

	memset(buf, 0, chunk);
	*missing += chunk;
	return chunk;
}

int memory_read_stretch(struct guest_memory *mem, uint64_t gpa, uint8_t *buf,
			size_t len, uint64_t *missing)
{
	while (len) {
		struct kvm_warden_segment s = {
			.gpa = gpa, .buf = (uintptr_t)buf, .len = MIN(len, (size_t)STRETCH),
		};
		size_t chunk;
		int r;

		if (spent(mem))
			return -ETIME;
		r = copy_mapped(mem, gpa, buf, s.len) ? (s.done = s.len, 0) :
							back_end_read(mem, &s, 1);
		if (r)
			return r;
		chunk = MIN(s.done, s.len);
		if (chunk < s.len)
			chunk += skip_frame(gpa + chunk, buf + chunk, len - chunk, missing);
		buf += chunk;
		gpa += chunk;
		len -= chunk;
	}
	return 0;
}

static int read_registers(struct guest_memory *mem, uint32_t vcpu, uint32_t flags,
			  struct kvm_warden_regs *ret_regs)
{
	ret_regs->flags = flags;
	return mem->ops->registers ? mem->ops->registers(mem, vcpu, ret_regs) : -ENXIO;
}

int memory_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs)
{
	return read_registers(mem, vcpu, 0, ret_regs);
}

int memory_registers_fresh(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs)
{
	return read_registers(mem, vcpu, KVM_WARDEN_REGS_FRESH, ret_regs);
}

uint64_t memory_end(const struct guest_memory *mem)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < mem->nranges; i++)
		end = MAX(end, mem->ranges[i].gpa + mem->ranges[i].size);
	return end;
}
