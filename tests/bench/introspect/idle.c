// SPDX-License-Identifier: GPL-2.0-or-later
/* A static program that waits. */
#include <unistd.h>

int main(void)
{
	for (;;)
		pause();
}
