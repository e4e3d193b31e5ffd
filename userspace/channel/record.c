// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/record.h"

#include "channel/bytes.h"
#include "lib/util.h"

_Static_assert(RECORD_MAX <= WIRE_RECORD_MAX, "an order fits a frame");
_Static_assert(WIRE_RESULT_BASE + WIRE_TEXT_MAX <= RECORD_MAX, "so does a result");

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

static void put_text(struct writer *w, const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	put_u8(w, len);
	put_bytes(w, text, len);
}

/* text has room for max bytes and NUL. */
static bool get_text(struct reader *r, char *text, size_t max)
{
	size_t len = get_u8(r);

	if (len > max)
		return false;
	get_bytes(r, text, len);
	text[len] = '\0';
	return !r->bad && strlen(text) == len && text_is_printable(text);
}

size_t record_put_login(uint8_t *out, const struct record_login *login)
{
	struct writer w = begin(out, WIRE_LOGIN);

	put_u64(&w, login->capabilities);
	put_bytes(&w, login->nonce, sizeof(login->nonce));
	put_u32(&w, login->beacon_pid);
	put_u64(&w, login->beacon_gva);
	put_text(&w, login->version, WIRE_VERSION_TEXT_MAX);
	return w.at - out;
}

bool record_get_login(const uint8_t *record, size_t len, struct record_login *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_LOGIN))
		return false;
	ret->capabilities = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	ret->beacon_pid = get_u32(&r);
	ret->beacon_gva = get_u64(&r);
	return get_text(&r, ret->version, WIRE_VERSION_TEXT_MAX) && reader_done(&r);
}

static void put_file(struct writer *w, const struct record_file *file)
{
	put_bytes(w, file->hash, sizeof(file->hash));
	put_u32(w, file->nranges);
	for (uint32_t i = 0; i < file->nranges; i++) {
		put_u32(w, file->range[i].first_page);
		put_u32(w, file->range[i].pages);
	}
}

static bool get_file(struct reader *r, struct record_file *ret)
{
	get_bytes(r, ret->hash, sizeof(ret->hash));
	ret->nranges = get_u32(r);
	if (r->bad || ret->nranges > WIRE_RANGES)
		return false;
	for (uint32_t i = 0; i < ret->nranges; i++) {
		ret->range[i].first_page = get_u32(r);
		ret->range[i].pages = get_u32(r);
	}
	return !r->bad;
}

static void put_path(struct writer *w, const char *path)
{
	size_t len = strnlen(path, WIRE_PATH_MAX);

	put_u16(w, len);
	put_bytes(w, path, len);
}

static bool get_path(struct reader *r, char *path)
{
	size_t len = get_u16(r);

	if (len > WIRE_PATH_MAX)
		return false;
	get_bytes(r, path, len);
	path[len] = '\0';
	return !r->bad && strlen(path) == len;
}

size_t record_put_order(uint8_t *out, const struct record_order *order)
{
	struct writer w = begin(out, WIRE_ORDER);

	put_u32(&w, order->verb);
	put_u64(&w, order->order);
	put_bytes(&w, order->nonce, sizeof(order->nonce));
	switch (order->verb) {
	case WIRE_VERB_KILL:
		put_u32(&w, order->pid);
		put_u64(&w, order->start_ns);
		put_file(&w, &order->file);
		break;
	case WIRE_VERB_QUARANTINE:
		put_bytes(&w, order->item, sizeof(order->item));
		put_bytes(&w, order->key, sizeof(order->key));
		put_u64(&w, order->size);
		put_file(&w, &order->file);
		put_path(&w, order->path);
		break;
	case WIRE_VERB_RESTORE:
		put_bytes(&w, order->item, sizeof(order->item));
		put_bytes(&w, order->key, sizeof(order->key));
		break;
	}
	return w.at - out;
}

static bool get_body(struct reader *r, struct record_order *ret)
{
	switch (ret->verb) {
	case WIRE_VERB_KILL:
		ret->pid = get_u32(r);
		ret->start_ns = get_u64(r);
		return get_file(r, &ret->file);
	case WIRE_VERB_QUARANTINE:
		get_bytes(r, ret->item, sizeof(ret->item));
		get_bytes(r, ret->key, sizeof(ret->key));
		ret->size = get_u64(r);
		return get_file(r, &ret->file) && get_path(r, ret->path);
	case WIRE_VERB_RESTORE:
		get_bytes(r, ret->item, sizeof(ret->item));
		get_bytes(r, ret->key, sizeof(ret->key));
		return true;
	default:
		return false;	/* no host orders what was not offered */
	}
}

bool record_get_order(const uint8_t *record, size_t len, struct record_order *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_ORDER))
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->verb = get_u32(&r);
	ret->order = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	return get_body(&r, ret) && reader_done(&r);
}

size_t record_put_result(uint8_t *out, const struct record_result *result)
{
	struct writer w = begin(out, WIRE_RESULT);

	put_u32(&w, result->status);
	put_u64(&w, result->order);
	put_bytes(&w, result->nonce, sizeof(result->nonce));
	put_text(&w, result->detail, WIRE_TEXT_MAX);
	return w.at - out;
}

bool record_get_result(const uint8_t *record, size_t len, struct record_result *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_RESULT))
		return false;
	ret->status = get_u32(&r);
	ret->order = get_u64(&r);
	get_bytes(&r, ret->nonce, sizeof(ret->nonce));
	return get_text(&r, ret->detail, WIRE_TEXT_MAX) && reader_done(&r) &&
	       ret->status >= WIRE_DONE && ret->status <= WIRE_FAILED;
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

size_t record_put_text(uint8_t *out, uint8_t type, const char *text)
{
	struct writer w = begin(out, type);

	put_text(&w, text, WIRE_TEXT_MAX);
	return w.at - out;
}

bool record_get_text(const uint8_t *record, size_t len, uint8_t type, struct record_text *ret)
{
	struct reader r = { record, record + len, false };

	return is_type(&r, type) && get_text(&r, ret->text, WIRE_TEXT_MAX) && reader_done(&r);
}

size_t record_put_enrol(uint8_t *out, const struct record_enrol *enrol)
{
	struct writer w = begin(out, WIRE_ENROL);

	put_bytes(&w, enrol->key, sizeof(enrol->key));
	put_bytes(&w, enrol->signature, sizeof(enrol->signature));
	return w.at - out;
}

bool record_get_enrol(const uint8_t *record, size_t len, struct record_enrol *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, WIRE_ENROL))
		return false;
	get_bytes(&r, ret->key, sizeof(ret->key));
	get_bytes(&r, ret->signature, sizeof(ret->signature));
	return reader_done(&r);
}

size_t record_put_new_key(uint8_t *out, uint8_t type, const struct record_new_key *new_key)
{
	struct writer w = begin(out, type);

	put_bytes(&w, new_key->key, sizeof(new_key->key));
	put_bytes(&w, new_key->by_old, sizeof(new_key->by_old));
	put_bytes(&w, new_key->by_new, sizeof(new_key->by_new));
	return w.at - out;
}

bool record_get_new_key(const uint8_t *record, size_t len, uint8_t type,
			struct record_new_key *ret)
{
	struct reader r = { record, record + len, false };

	if (!is_type(&r, type))
		return false;
	get_bytes(&r, ret->key, sizeof(ret->key));
	get_bytes(&r, ret->by_old, sizeof(ret->by_old));
	get_bytes(&r, ret->by_new, sizeof(ret->by_new));
	return reader_done(&r);
}

size_t record_put_rotate(uint8_t *out)
{
	struct writer w = begin(out, WIRE_ROTATE);

	return w.at - out;
}

bool record_is_rotate(const uint8_t *record, size_t len)
{
	return len == 1 && record[0] == WIRE_ROTATE;
}
