// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/memory.h"

#include <errno.h>
#include <fcntl.h>
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
	struct kvm_warden_regs regs = { .vcpu = vcpu };

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

int memory_update_ranges(struct guest_memory *mem)
{
	autofree struct kvm_warden_memslot *slots = NULL;
	struct kvm_warden_memslots call = { .count = KVM_WARDEN_MAX_SLOTS };

	if (mem->ops != &guest_ops)
		return 0;
	slots = calloc(KVM_WARDEN_MAX_SLOTS, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	call.slots = (uintptr_t)slots;
	if (ioctl(mem->fd, KVM_WARDEN_MEMSLOTS, &call) < 0)
		return -errno;
	mem->nranges = MIN(call.count, KVM_WARDEN_MAX_SLOTS);
	for (uint32_t i = 0; i < mem->nranges; i++)
		mem->ranges[i] = (struct memory_range){ slots[i].gpa, slots[i].size };
	return 0;
}

/* ---- a file of RAM ---- */

static uint64_t file_offset(const struct guest_memory *mem, uint64_t gpa)
{
	if (!mem->hole_end || gpa < mem->hole_start)
		return gpa;
	if (gpa < mem->hole_end)
		return UINT64_MAX;
	return gpa - mem->hole_end + mem->hole_start;
}

static void file_read_segment(const struct guest_memory *mem, struct kvm_warden_segment *s)
{
	s->done = 0;
	s->error = 0;
	while (s->done < s->len) {
		uint64_t gpa = s->gpa + s->done, at = file_offset(mem, gpa);
		uint32_t chunk = MIN(s->len - s->done, FRAME_SIZE - (uint32_t)(gpa & FRAME_MASK));

		if (gpa < s->gpa || at >= mem->map_size || mem->map_size - at < chunk) {
			s->error = -ENXIO;
			return;
		}
		memcpy((uint8_t *)(uintptr_t)s->buf + s->done, mem->map + at, chunk);
		s->done += chunk;
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
	if (!mem->have_fixed || vcpu)
		return -ENXIO;
	*ret_regs = mem->fixed;
	return 0;
}

static void file_close(struct guest_memory *mem)
{
	munmap(mem->map, mem->map_size);
}

static const struct guest_memory_ops file_ops = { file_read, file_registers, file_close };

static void file_ranges(struct guest_memory *mem)
{
	uint64_t low = mem->hole_end ? MIN(mem->map_size, mem->hole_start) : mem->map_size;

	mem->ranges[0] = (struct memory_range){ 0, low };
	mem->nranges = 1;
	if (mem->map_size > low) {
		mem->ranges[1] = (struct memory_range){ mem->hole_end, mem->map_size - low };
		mem->nranges = 2;
	}
}

/* ---- opening and closing ---- */

int memory_open_ops(struct guest_memory *mem, const struct guest_memory_ops *ops)
{
	memset(mem, 0, sizeof(*mem));
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
	return memory_update_ranges(mem);
}

int memory_open_file(struct guest_memory *mem, const char *path, uint64_t hole_start,
		     uint64_t hole_end, const struct kvm_warden_regs *regs)
{
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = memory_open_ops(mem, &file_ops);
	if (r) {
		munmap(map, st.st_size);
		return r;
	}
	mem->map = map;
	mem->map_size = st.st_size;
	mem->hole_start = hole_start;
	mem->hole_end = hole_end;
	if (regs) {
		mem->fixed = *regs;
		mem->have_fixed = true;
	}
	file_ranges(mem);
	return 0;
}

void memory_close(struct guest_memory *mem)
{
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

static bool spent(struct guest_memory *mem)
{
	if (!mem->expired && mem->deadline_ns && ++mem->ticks % TICKS_PER_CLOCK == 0)
		mem->expired = clock_now_ns() > mem->deadline_ns;
	return mem->expired;
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

int memory_read(struct guest_memory *mem, uint64_t gpa, void *buf, size_t len)
{
	uint8_t *out = buf;

	if (spent(mem))
		return -ETIME;
	if (gpa + len < gpa)
		return -ENXIO;
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
		r = back_end_read(mem, &s, 1);
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

int memory_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs)
{
	return mem->ops->registers ? mem->ops->registers(mem, vcpu, ret_regs) : -ENXIO;
}

uint64_t memory_end(const struct guest_memory *mem)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < mem->nranges; i++)
		end = MAX(end, mem->ranges[i].gpa + mem->ranges[i].size);
	return end;
}
