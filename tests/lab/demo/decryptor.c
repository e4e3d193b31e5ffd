// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A victim whose file is harmless: it decrypts the signature into anonymous
 * memory behind a few instructions, makes that executable, and runs there.
 */
#include <err.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "demo.h"

static const volatile char secret[] = SECRET_SLOT;
static const volatile char key[] = KEY_SLOT;

/* nanosleep(rdi, NULL) for ever; rdi is kept in rbx. */
static const unsigned char loop[] = {
	0x53,				/* push rbx */
	0x48, 0x89, 0xfb,		/* mov rbx, rdi */
	0x48, 0x89, 0xdf,		/* again: mov rdi, rbx */
	0x31, 0xf6,			/* xor esi, esi */
	0xb8, 0x23, 0x00, 0x00, 0x00,	/* mov eax, SYS_nanosleep */
	0x0f, 0x05,			/* syscall */
	0xeb, 0xf2,			/* jmp again */
};

int main(void)
{
	static struct timespec { long s, ns; } pause = { 0, 500000000 };
	unsigned char *code = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *at;

	if (code == MAP_FAILED)
		err(1, "mmap");
	memcpy(code, loop, sizeof(loop));
	/* Across the border of the two pages. */
	at = code + 4096 - SIGNATURE_BYTES / 2;
	for (unsigned int i = 0; i < SIGNATURE_BYTES; i++)
		at[i] = secret[i] ^ key[i];
	if (mprotect(code, 2 * 4096, PROT_READ | PROT_EXEC))
		err(1, "mprotect");
	((void (*)(struct timespec *))code)(&pause);
	return 0;
}
