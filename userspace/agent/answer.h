/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_ANSWER_H
#define WARDEN_AGENT_ANSWER_H

#include <stdbool.h>

#include "channel/record.h"

/*
 * Fills status and detail: printable, whatever a guest's path brought in.
 * False, so that a check can end with it.
 */
__attribute__((format(printf, 3, 4)))
bool answer(struct record_result *result, uint32_t status, const char *format, ...);

#endif
