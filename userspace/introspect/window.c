// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/window.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Of this process, which has one thread. */
static struct window *windows;

static struct window *window_of(const void *address)
{
	const uint8_t *at = address;
	struct window *w = windows;

	while (w && !(at >= w->start && at < w->start + w->size))
		w = w->next;
	return w;
}

/* A fault that is none of ours ends the process, as it would have. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	struct window *w = window_of(info->si_addr);
	const int saved = errno;

	if (!w || w->lost ||
	    mmap((void *)w->start, w->size, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		signal(SIGBUS, SIG_DFL);
	else
		w->lost = 1;
	errno = saved;
}

static int catch_bus_errors(void)
{
	const struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	return sigaction(SIGBUS, &action, NULL);
}

struct window *window_open(int fd, size_t size)
{
	struct window *w = calloc(1, sizeof(*w));
	void *start;

	if (!w || catch_bus_errors())
		goto err_free;
	start = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (start == MAP_FAILED)
		goto err_free;
	*w = (struct window){ .start = start, .size = size, .next = windows };
	windows = w;
	return w;

err_free:
	free(w);
	return NULL;
}

void window_close(struct window *w)
{
	struct window **at = &windows;

	while (*at && *at != w)
		at = &(*at)->next;
	if (*at)
		*at = w->next;
	munmap((void *)w->start, w->size);
	free(w);
}
