/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of interrupts (IDT) as the processor reads it: AMD64, volume 2, 8.9. */
#ifndef WARDEN_GATES_H
#define WARDEN_GATES_H

#include <stdbool.h>
#include <stdint.h>

#define GATES 256u
#define GATE_PRESENT 0x8000u

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

static inline bool gate_is_present(const struct gate *g)
{
	return g->attributes & GATE_PRESENT;
}

/* Where it leads. */
static inline uint64_t gate_target(const struct gate *g)
{
	return (uint64_t)g->high << 32 | (uint32_t)g->middle << 16 | g->low;
}

#endif
