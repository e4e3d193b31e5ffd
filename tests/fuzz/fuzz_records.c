// SPDX-License-Identifier: GPL-2.0-or-later
/* What decodes is put back byte for byte: one form alone of each record. */
#include "fuzz.h"

static uint8_t again[RECORD_MAX];

static void same(const uint8_t *data, size_t size, size_t n)
{
	must(n == size && !memcmp(data, again, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t texts[] = { WIRE_CLOSE, WIRE_ENROLLED, WIRE_UNROTATED };
	static const uint8_t keys[] = { WIRE_ROTATED, WIRE_SUCCESSOR };
	static struct record_login login;
	static struct record_order order;
	static struct record_result result;
	static struct record_text text;
	static struct record_enrol enrol;
	static struct record_new_key key;
	uint64_t value;

	if (record_get_login(data, size, &login))
		same(data, size, record_put_login(again, &login));
	if (record_get_order(data, size, &order))
		same(data, size, record_put_order(again, &order));
	if (record_get_result(data, size, &result))
		same(data, size, record_put_result(again, &result));
	if (record_get_ping(data, size, WIRE_PING, &value))
		same(data, size, record_put_ping(again, WIRE_PING, value));
	if (record_get_enrol(data, size, &enrol))
		same(data, size, record_put_enrol(again, &enrol));
	for (size_t i = 0; i < sizeof(texts); i++)
		if (record_get_text(data, size, texts[i], &text))
			same(data, size, record_put_text(again, texts[i], text.text));
	for (size_t i = 0; i < sizeof(keys); i++)
		if (record_get_new_key(data, size, keys[i], &key))
			same(data, size, record_put_new_key(again, keys[i], &key));
	must(!record_is_rotate(data, size) || size == 1);
	return 0;
}
