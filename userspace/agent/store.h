/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of the items: ITEM (in hex) is one in quarantine, ITEM.restored
 * an empty sign that it has been restored, ITEM.part one that is not finished.
 */
#ifndef WARDEN_AGENT_STORE_H
#define WARDEN_AGENT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "warden/wire.h"

#define STORE_NAME (2 * WIRE_ITEM + sizeof(".restored"))

enum store_kind { STORE_ITEM, STORE_PART, STORE_RESTORED };

void store_name(char out[STORE_NAME], const uint8_t item[WIRE_ITEM], enum store_kind kind);

/*
 * The folder, made if it is missing.  -EPERM: others than root may look into
 * it or change it; other -errno.
 */
int store_open(const char *path);

/* What an agent or an order that died left unfinished, and old signs. */
void store_tidy(const char *path);

/* An empty ITEM.part, locked.  -EBUSY: another order is at work on it. */
int store_begin(int store, const uint8_t item[WIRE_ITEM]);

/* ITEM.part becomes ITEM, on the disk. */
int store_publish(int store, const uint8_t item[WIRE_ITEM], int part);

void store_drop(int store, const uint8_t item[WIRE_ITEM], enum store_kind kind);

/* ITEM for reading, locked: -ENOENT, -EBUSY, other -errno. */
int store_open_item(int store, const uint8_t item[WIRE_ITEM]);

/* Its file is back: the item goes, the sign stays. */
int store_restored(int store, const uint8_t item[WIRE_ITEM]);
bool store_was_restored(int store, const uint8_t item[WIRE_ITEM]);

#endif
