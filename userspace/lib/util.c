// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

FILE *fopen_at_once(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f && fd >= 0)
		close(fd);
	return f;
}

bool util_is_sealed(int fd, int seals)
{
	int now = fcntl(fd, F_GET_SEALS);

	return now >= 0 && (now & seals) == seals;
}

void hex_encode(char *out, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_decode(void *out, const char *hex, size_t n)
{
	uint8_t *b = out;

	if (strlen(hex) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		b[i] = high << 4 | low;
	}
	return true;
}

bool parse_u64(const char *text, uint64_t max, uint64_t *ret_value)
{
	char *end;
	uint64_t value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > max)
		return false;
	*ret_value = value;
	return true;
}

bool parse_number(const char *text, uint64_t *ret_value)
{
	char *end;
	uint64_t value;

	if (strncmp(text, "0x", 2))
		return parse_u64(text, UINT64_MAX, ret_value);
	errno = 0;
	value = strtoull(text, &end, 16);
	if (errno || *end || !text[2] || strchr("-+ ", text[2]))
		return false;
	*ret_value = value;
	return true;
}

bool parse_inode(const char *text, uint64_t *ret_dev, uint64_t *ret_ino)
{
	unsigned major, minor;
	int at = 0;

	if (sscanf(text, "%3x:%5x:%n", &major, &minor, &at) != 2 || !at ||
	    !parse_u64(text + at, UINT64_MAX, ret_ino))
		return false;
	*ret_dev = (uint64_t)major << 20 | minor;
	return true;
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '\\';
}

void text_escape(char *out, size_t size, const void *text, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = text;
	size_t used = 0, cut = 0;	/* cut: where "..." still fits */

	for (size_t i = 0; i < len; i++) {
		size_t need = is_plain(in[i]) ? 1 : 4;

		if (used + 3 < size)
			cut = used;
		if (used + need >= size) {
			if (size > 3)
				memcpy(out + cut, "...", 4);
			else if (size)
				out[0] = '\0';
			return;
		}
		if (need == 1) {
			out[used] = in[i];
		} else {
			out[used] = '\\';
			out[used + 1] = 'x';
			out[used + 2] = digits[in[i] >> 4];
			out[used + 3] = digits[in[i] & 15];
		}
		used += need;
	}
	if (size)
		out[used] = '\0';
}

bool text_is_printable(const char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}
