// SPDX-License-Identifier: GPL-2.0-or-later
/* A victim whose file carries the signature.  It wakes now and then. */
#include <unistd.h>

#include "demo.h"

static const volatile char signature[] = SIGNATURE_SLOT;

int main(void)
{
	volatile unsigned int sum = 0;

	for (;;) {
		for (unsigned int i = 0; i < SIGNATURE_BYTES; i++)
			sum += signature[i];
		usleep(500000);
	}
}
