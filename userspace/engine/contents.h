/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's bytes on their way to an operator: files rebuilt from its page cache, and its
 * memory.
 *
 * They come from the introspector as a sealed memfd and what is to be known about them as
 * messages.  The HTTP answer is one body with both: a line of JSON (which has no newline
 * in it), then the bytes.  Who takes the bytes has been told before what of them is no
 * content but zeros in its place; there is no second request that could be answered with
 * another guest's, and nothing is kept for one that never comes.
 *
 * So few are under way at once, in all and of one guest, from the question until the
 * answer is taken: a client that stops reading holds one for CONTENT_TAKE_NS at most.
 */
#ifndef WARDEN_ENGINE_CONTENTS_H
#define WARDEN_ENGINE_CONTENTS_H

#include "engine/ask.h"

#define CONTENTS 4u
#define CONTENTS_OF_GUEST 2u
#define CONTENT_TAKE_NS (300 * NS_PER_S)
#define CONTENT_TYPE "application/vnd.kvm-warden.content"

bool contents_asks(const struct ask *a);
/* What is asked for, for the journal. */
void contents_query(const struct ask *a, char *out, size_t size);
/* The introspector has answered; NULL: it is lost.  False: it waits on, for no ticket. */
bool contents_told(struct ask *a, const struct m_done *done, json_t *rows);
/* Has a its bytes, to be sent with the answer? */
bool contents_ready(const struct ask *a);
enum MHD_Result contents_respond(struct ask *a);
/* What a holds is let go. */
void contents_end(struct ask *a);

#endif
