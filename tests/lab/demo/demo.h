/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What plan.c writes over in the victims' executables, so that each seed makes
 * its own.  Until then the victims carry these harmless texts.
 */
#ifndef DEMO_H
#define DEMO_H

#define SIGNATURE_BYTES 48
#define SIGNATURE_SLOT "kvm-warden demo: the signature of this seed here"

/* Of decryptor.c: the signature under the key, byte by byte. */
#define SECRET_SLOT "kvm-warden demo: the encrypted signature is here"
#define KEY_SLOT "kvm-warden demo: the key for it goes over there."

_Static_assert(sizeof(SIGNATURE_SLOT) == SIGNATURE_BYTES + 1, "slot");
_Static_assert(sizeof(SECRET_SLOT) == SIGNATURE_BYTES + 1, "slot");
_Static_assert(sizeof(KEY_SLOT) == SIGNATURE_BYTES + 1, "slot");

#endif
