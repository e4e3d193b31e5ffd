// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ticker: /init of the guest.  One thread counts without a pause, another at
 * each timer tick, in a page that begins with a mark.
 */
#include "ticker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *tick(void *arg)
{
	struct page *page = arg;

	while (!usleep(1000))
		page->ticks++;
	return NULL;
}

int main(void)
{
	struct page *page = aligned_alloc(4096, 4096);
	pthread_t thread;

	memset(page, 0, 4096);
	/* Not in the program's own image: it would be found there. */
	for (unsigned int i = 0; i < sizeof(page->mark); i++)
		page->mark[i] = MARK(i);
	pthread_create(&thread, NULL, tick, page);
	for (;;)
		page->spins++;
}
