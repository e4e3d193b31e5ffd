/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small helpers without side effects. */
#ifndef WARDEN_UTIL_H
#define WARDEN_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline void util_free_p(void *p) { free(*(void **)p); }
static inline void util_close_p(int *fd) { if (*fd >= 0) close(*fd); }
static inline void util_fclose_p(FILE **f) { if (*f) fclose(*f); }

/* Released when they leave scope.  An autofd must be initialised (-1). */
#define autofree __attribute__((cleanup(util_free_p)))
#define autofd __attribute__((cleanup(util_close_p)))
#define autofile __attribute__((cleanup(util_fclose_p)))

/* Hand a descriptor out of a scope that owns it. */
static inline int util_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/*
 * To read a file that another process may have leased (fcntl): EWOULDBLOCK then, where fopen
 * waits for up to 45 s.  NULL with errno.
 */
FILE *fopen_at_once(const char *path);

/*
 * Is it a memfd with all those seals (F_SEAL_*)?  Who reads one that another made relies
 * on them: its content and size must not change any more.
 */
bool util_is_sealed(int fd, int seals);

/* Writes 2 * n digits and a NUL. */
void hex_encode(char *out, const void *bytes, size_t n);

/* False unless hex is exactly 2 * n hexadecimal digits. */
bool hex_decode(void *out, const char *hex, size_t n);

/* A decimal number with nothing before or after it, at most max. */
bool parse_u64(const char *text, uint64_t max, uint64_t *ret_value);

/* Decimal, or 0x and hexadecimal. */
bool parse_number(const char *text, uint64_t *ret_value);

/* MAJOR:MINOR:INODE as maps tells it, "08:01:42"; dev as the kernel counts it. */
bool parse_inode(const char *text, uint64_t *ret_dev, uint64_t *ret_ino);

/*
 * Copies len bytes of a guest's or a file's text into out (size bytes, always
 * NUL-terminated) so that it is printable ASCII: every other byte, and the
 * backslash, becomes \xNN.  A text that does not fit is cut and ends in "...".
 */
void text_escape(char *out, size_t size, const void *text, size_t len);

/* True if text holds printable ASCII alone. */
bool text_is_printable(const char *text);

static inline bool text_begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

#endif
