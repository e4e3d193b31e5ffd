// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/record.h"

#include "channel/bytes.h"
#include "lib/util.h"

_Static_assert(RECORD_MAX <= WIRE_RECORD_MAX, "an order fits a frame");
_Static_assert(WIRE_RESULT_BASE + WIRE_DETAIL_MAX <= RECORD_MAX, "so does a result");

static struct writer begin(uint8_t *out, uint8_t type)
{
	struct writer w = { out, out + RECORD_MAX, false };

	put_u8(&w, type);
	return w;
}

static bool is_type(struct reader *r, uint8_t type)
{
	return get_u8(r) == type && !r->bad;
}

size_t record_put_login(uint8_t *out, const struct record_login *login)
{
	struct writer w = begin(out, WIRE_LOGIN);

	put_u64(&w, login->capabilities);
	put_bytes(&w, login->nonce, sizeof(login->nonce));
	return w.at - out;
}

bool record_get_login(const uint8_t *record, size_t len, struct record_login *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_LOGIN))
		return false;
	ret->capabilities = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	return reader_done(&r);
}

size_t record_put_order(uint8_t *out, const struct record_order *order)
{
	struct writer w = begin(out, WIRE_ORDER);

	put_u32(&w, order->verb);
	put_u64(&w, order->order);
	put_bytes(&w, order->nonce, sizeof(order->nonce));
	put_u32(&w, order->pid);
	put_u64(&w, order->start_ns);
	put_bytes(&w, order->exe_hash, sizeof(order->exe_hash));
	put_u32(&w, order->nranges);
	for (uint32_t i = 0; i < order->nranges; i++) {
		put_u32(&w, order->range[i].first_page);
		put_u32(&w, order->range[i].pages);
	}
	return w.at - out;
}

bool record_get_order(const uint8_t *record, size_t len, struct record_order *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_ORDER))
		return false;
	ret->verb = get_u32(&r);
	ret->order = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	ret->pid = get_u32(&r);
	ret->start_ns = get_u64(&r);
	get_bytes(&r, ret->exe_hash, sizeof(ret->exe_hash));
	ret->nranges = get_u32(&r);
	if (r.bad || ret->nranges > WIRE_ORDER_RANGES)
		return false;
	for (uint32_t i = 0; i < ret->nranges; i++) {
		ret->range[i].first_page = get_u32(&r);
		ret->range[i].pages = get_u32(&r);
	}
	return reader_done(&r);
}

size_t record_put_result(uint8_t *out, const struct record_result *result)
{
	struct writer w = begin(out, WIRE_RESULT);
	size_t len = strnlen(result->detail, WIRE_DETAIL_MAX);

	put_u32(&w, result->status);
	put_u64(&w, result->order);
	put_bytes(&w, result->nonce, sizeof(result->nonce));
	put_u8(&w, len);
	put_bytes(&w, result->detail, len);
	return w.at - out;
}

bool record_get_result(const uint8_t *record, size_t len, struct record_result *ret)
{
	struct reader r = { record, record + len, false };
	uint8_t detail_len;

	if (!is_type(&r, WIRE_RESULT))
		return false;
	ret->status = get_u32(&r);
	ret->order = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	detail_len = get_u8(&r);
	get_bytes(&r, ret->detail, detail_len);
	ret->detail[detail_len] = '\0';
	return reader_done(&r) && ret->status >= WIRE_DONE && ret->status <= WIRE_FAILED &&
	       strlen(ret->detail) == detail_len && text_is_printable(ret->detail);
}

size_t record_put_ping(uint8_t *out, uint8_t type, uint64_t value)
{
	struct writer w = begin(out, type);

	put_u64(&w, value);
	return w.at - out;
}

bool record_get_ping(const uint8_t *record, size_t len, uint8_t type, uint64_t *ret_value)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, type))
		return false;
	*ret_value = get_u64(&r);
	return reader_done(&r);
}
