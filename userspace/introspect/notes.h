/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notes of an ELF file: its dump's, or its kernel's. */
#ifndef WARDEN_NOTES_H
#define WARDEN_NOTES_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One that lies wholly within len bytes; true ends the walk. */
typedef bool (*note_fn)(void *ctx, const Elf64_Nhdr *h, const uint8_t *name, const uint8_t *desc);

void notes_walk(const uint8_t *p, size_t len, note_fn fn, void *ctx);

#endif
