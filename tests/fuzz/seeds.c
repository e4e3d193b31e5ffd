// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seeds FOLDER: writes what each fuzzer begins with, made by the real code and
 * from the protocol's test vectors, to FOLDER/NAME/.  Run it at the top.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../elf_dump_image.h"
#include "agent/item.h"
#include "channel/token.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "warden/guard.h"

#define VECTORS "tests/data/protocol-vectors.json"
#define SEED_MAX (1 << 20)

static const char *out;

static void seed(const char *fuzzer, const char *name, const void *bytes, size_t n)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", out, fuzzer);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", out, fuzzer, name);
	f = fopen(path, "w");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* The same with a first byte that chooses. */
static void chosen(const char *fuzzer, const char *name, uint8_t choice, const void *bytes, size_t n)
{
	static uint8_t copy[SEED_MAX];

	copy[0] = choice;
	memcpy(copy + 1, bytes, n);
	seed(fuzzer, name, copy, n + 1);
}

/* Streams of the vectors' session, as they went one after the other. */
static struct stream {
	uint8_t bytes[65536];
	size_t len;
} to_host, to_agent;

static void append(struct stream *s, const uint8_t *bytes, size_t n)
{
	memcpy(s->bytes + s->len, bytes, n);
	s->len += n;
}

static bool is_of_agent(const char *name)
{
	static const char *const names[] = { "HELLO", "AGENT", "ENROL.", "LOGIN", "PONG", "RESULT",
		"ROTATED", "UNROTATED" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static void take(const char *name, const uint8_t *bytes, size_t n)
{
	static const char *const handshake[] = { "HELLO.frame", "AGENT.frame", "HOST.frame",
		"READY.frame" };
	bool frame = strlen(name) > 6 && !strcmp(name + strlen(name) - 6, ".frame");

	for (uint8_t i = 0; i < 4; i++)
		if (!strcmp(name, handshake[i]))
			chosen("handshake", name, i, bytes + 4, n - 4);
	if (frame)
		append(is_of_agent(name) ? &to_host : &to_agent, bytes, n);
	else
		seed("records", name, bytes, n);
}

static void from_vectors(void)
{
	static char line[16384], name[128], hex[16384];
	static uint8_t bytes[8192];
	FILE *f = fopen(VECTORS, "r");

	if (!f) {
		perror(VECTORS);
		exit(1);
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " \"%127[^\"]\": \"%16383[0-9a-f]\"", name, hex) == 2 &&
		    hex_decode(bytes, hex, strlen(hex) / 2))
			take(name, bytes, strlen(hex) / 2);
	fclose(f);
	seed("host", "session", to_host.bytes, to_host.len);
	seed("agent", "session", to_agent.bytes, to_agent.len);
	seed("frames", "session", to_agent.bytes, to_agent.len);
}

static void of_files(void)
{
	static const char hex[] = "2222222222222222222222222222222222222222222222222222222222222222\n";
	static const char invited[] =
		"2222222222222222222222222222222222222222222222222222222222222222 "
		"1893456000000000000 1893456000000000000 5b3c1d2e\n";
	struct token token = { { 1 }, { 2 } };
	char text[TOKEN_TEXT];

	chosen("files", "key", 0, hex, strlen(hex));
	chosen("files", "next", 1, hex, strlen(hex));
	chosen("files", "invited", 2, invited, strlen(invited));
	chosen("files", "revoked", 3, "web1\n", 5);
	token_text(text, &token);
	seed("token", "token", text, strlen(text));
	seed("datagram", "header", "KVWD\1\0\0\0\2\0\0\0\0\0\0\0and more", 24);
	seed("path", "escaped", "/tmp/a\\x0ab \\x5c", 16);
}

static void of_items(void)
{
	static const uint8_t name[WIRE_ITEM] = { 8 }, key[WIRE_KEY] = { 9 };
	static const uint8_t attr[] = { 4, 0, 'u', '.', 'a', 'b', 2, 0, 0, 0, 'x', 'y' };
	static uint8_t bytes[META_MAX];
	static struct meta meta = { .size = 5, .mode = 0755, .path = "/tmp/x", .attrs_len = 12 };
	static struct item item;
	char path[512];
	int fd;

	memcpy(meta.attrs, attr, sizeof(attr));
	seed("meta", "file", bytes, meta_put(bytes, &meta));
	seed("item", "empty", "", 0);
	snprintf(path, sizeof(path), "%s/item/whole", out);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || item_write_begin(&item, fd, name, key, &meta) ||
	    item_write(&item, "hello", 5) || item_write_end(&item)) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static void of_messages(void)
{
	struct m_order order = { .cid = 7, .verb = VERB_QUARANTINE, .size = 9, .path = "/tmp/x" };
	struct m_bound bound = { .cid = 7, .why = "not there" };
	struct m_agent_act act = { .verb = AGENT_ENROL, .name = "web1", .seconds = 60 };
	static struct msg m;

	order.exe_ranges.len = 8;
	msg_encode(&m, &msg_order, 1, &order, -1);
	chosen("messages", "order", 0, m.payload, m.len);
	msg_encode(&m, &msg_bound, 1, &bound, -1);
	chosen("messages", "bound", 1, m.payload, m.len);
	msg_encode(&m, &msg_agent_act, 1, &act, -1);
	chosen("messages", "act", 2, m.payload, m.len);
}

/* Acts of fuzz_session.c: a login, bound, an order and its result, a key, and the end. */
static void of_sessions(void)
{
	static const uint8_t whole[] = { 8, 0, 7, 14, 4, 1, 2, 0, 3, 1, 1, 1, 5, AGENT_ROTATE, 6, 200 };
	static const uint8_t again[] = { 8, 0, 7, 14, 4, 1, 3, 2, 8, 0, 7, 14, 4, 1, 1, 0, 6, 1 };
	static const uint8_t late[] = { 8, 0, 7, 14, 4, 1, 3, 1, 3, 2, 6, 3, 1, 0, 5, AGENT_REVOKE };

	seed("session", "whole", whole, sizeof(whole));
	seed("session", "again", again, sizeof(again));
	seed("session", "late", late, sizeof(late));
}

/* Files of fuzz_pins.c: kind, length, text. */
static void of_pins(void)
{
	static const char key[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0";
	uint8_t files[512];
	size_t n = 0;
	char text[160];

	for (uint8_t kind = 0; kind < 4; kind++) {
		int len = snprintf(text, sizeof(text), kind == 2 ? "%s%u 99999 99999 boot\n" :
				   kind == 3 ? "web\n" : "%s%u\n", key, kind);

		files[n++] = kind;
		files[n++] = len;
		memcpy(files + n, text, len);
		n += len;
	}
	seed("pins", "all", files, n);
}

/* ---- of the parent and the introspector ---- */

static void of_roles(void)
{
	static const struct m_task task = { .pid = 1, .comm = "init", .exe = "/sbin/init", .cr3 = 4096 };
	static const struct m_object object = { .object = 1, .kind = OBJECT_FILE, .path = "/bin/x" };
	static const struct m_vma vma = { .start = 4096, .end = 8192, .path = "[heap]" };
	static const struct m_kernel_facts facts = { .build_id = "00ff", .paging_levels = 4,
		.release = "6.1", .command_line = "quiet" };
	static const struct m_module module = { "loop", 0xffffffffc0000000, 4096, 0 };
	static const struct m_act act = { .guest = 1, .verb = HOST_CONTAIN };
	static struct msg m;

	/* Where each stands in fuzz_roles.c. */
	msg_encode(&m, &msg_act, 1, &act, -1);
	chosen("roles", "act", 6, m.payload, m.len);
	msg_encode(&m, &msg_task, 1, &task, -1);
	chosen("roles", "task", 12, m.payload, m.len);
	msg_encode(&m, &msg_object, 1, &object, -1);
	chosen("roles", "object", 13, m.payload, m.len);
	msg_encode(&m, &msg_vma, 1, &vma, -1);
	chosen("roles", "vma", 20, m.payload, m.len);
	msg_encode(&m, &msg_kernel_facts, 1, &facts, -1);
	chosen("roles", "kernel_facts", 34, m.payload, m.len);
	msg_encode(&m, &msg_module, 1, &module, -1);
	chosen("roles", "module", 35, m.payload, m.len);
}

static void of_vmms(void)
{
	static const char line[] = "qemu\0-name\0guest=web-1,debug-threads=on\0"
		"-device\0vhost-vsock-pci,guest-cid=7\0-qmp\0unix:/run/a,,b.sock,server=on\0"
		"-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=m,mode=control\0"
		"-chardev\0{\"id\":\"j\",\"path\":\"/run/j\"}\0-mon\0{\"chardev\":\"j\",\"mode\":\"control\"}\0"
		"-device\0{\"driver\":\"vhost-vsock-pci\",\"guest-cid\":7}";
	static const char hello[] = "{\"QMP\":{}}\n{\"return\":{},\"id\":1}\n{\"event\":\"STOP\"}\n";
	static const char status[] = "{\"id\":2,\"return\":{\"running\":true,\"status\":\"running\"}}"
		"{\"id\":3,\"return\":{}}{\"id\":4,\"return\":{\"running\":false,\"status\":\"paused\"}}";
	static const char nics[] = "{\"id\":2,\"return\":[{\"name\":\"n\",\"type\":\"child<e1000>\"}]}"
		"{\"id\":3,\"return\":\"net0\"}{\"id\":4,\"return\":[]}{\"id\":5,\"return\":[]}"
		"{\"id\":6,\"error\":{\"desc\":\"no\"}}";
	char text[1024];

	seed("vmm", "qemu", line, sizeof(line));
	snprintf(text, sizeof(text), "%s%s", hello, status);
	chosen("qmp", "pause", 0, text, strlen(text));
	snprintf(text, sizeof(text), "%s%s", hello, nics);
	chosen("qmp", "links", 2, text, strlen(text));
	chosen("qmp", "quit", 4, hello, strlen(hello));
}

static void of_guests(void)
{
	static const uint8_t change[] = { 0, 0, 16, 0, 1, 0 };

	seed("walk", "change", change, sizeof(change));
	/* Its length says which check. */
	seed("views", "processes", change, 6);
	seed("views", "modules", change, 5);
	seed("views", "kernel", change, 4);
	seed("btf", "change", change, sizeof(change));
	for (uint8_t layout = 0; layout < 4; layout++)
		chosen("kallsyms", (const char[]){ 'a' + layout, 0 }, layout, change, sizeof(change));
}

static void of_dumps(void)
{
	static const char page[] = "OSRELEASE=6.1.0-56-amd64\nSYMBOL(swapper_pg_dir)=ffffffff86a10000\n"
		"NUMBER(phys_base)=-4194304\nNUMBER(pgtable_l5_enabled)=0\n";
	static uint8_t image[DUMP_SIZE];

	dump_image(image);
	chosen("dump", "elf", 'e', image, sizeof(image));
	chosen("dump", "vmcoreinfo", 'v', page, strlen(page));
	chosen("dump", "kdump", 'e', "KDUMP   ", 8);
}

static void of_vmms_deeds(void)
{
	struct m_guard_events events = { .events.len = 2 * sizeof(struct warden_guard_event) };
	struct warden_guard_event deeds[2] = {
		{ .guest = 1, .vmm = 2, .pid = 3, .what = GUARD_FILE, .detail = GUARD_READ,
		  .comm = "qemu", .path = "/etc/shadow" },
		{ .guest = 1, .vmm = 2, .pid = 3, .what = GUARD_CONNECT, .detail = 2,
		  .flags = GUARD_ADDRESS, .address = 80, .path = "\x7f\0\0\x01" },
	};
	struct msg m;

	memcpy(events.events.data, deeds, sizeof(deeds));
	if (!msg_encode(&m, &msg_guard_events, 0, &events, -1))
		seed("incident", "two", m.payload, m.len);
}

static void of_configuration(void)
{
	static const char text[] = "# a comment\n[wardend]\nstate_dir = /a\nrun_dir=/b\nlibexec_dir = /c\n"
		"bpf = off\nsweep_seconds = 30\nuid_base = 100000\ndebug = yes\n[scan]\ndatabase = /d\n"
		"workers = 2\nscan_seconds = 9\n[engine]\npolicy = /e\ncontrol_group = warden\n"
		"[channel]\nport = 5757\nhost_key = /f\nagents = /g\norder_seconds = 5\n[vmm]\nqmp = /h/%n\n";

	seed("config", "all", text, strlen(text));
}

/* The file that a unit test takes apart; without it, the fuzzer has no seed of that kind. */
static void of_integrity(void)
{
	static const char names[] = "ffffffff81000000 T a\nffffffffc0000000 t b\t[kvm]\n";
	static const char line[] = "1000-3000 r-xp 00002000 08:01 5    /usr/bin/q\n";
	static uint8_t bytes[SEED_MAX / 2];
	FILE *f = fopen("build/unit/integrity_module.o", "r");

	chosen("integrity", "names", 0, names, strlen(names));
	chosen("integrity", "line", 1, line, strlen(line));
	if (!f)
		return;
	chosen("integrity", "module", 2, bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
}

/*
 * Each request of fuzz_recorded.c, of several processes, read in place and by calls, with
 * few changes and with many: words made of each base, copies of others, bytes.
 */
static void of_recordings(void)
{
	static const uint8_t how[] = { 0x10, 0x35, 0x4a, 0x2f };
	uint8_t bytes[2 + 24 * 6];
	uint32_t number = 1;
	char name[32];

	for (uint8_t request = 0; request < 17; request++)
		for (size_t n = 0; n < ARRAY_SIZE(how); n++) {
			size_t len = 2;

			bytes[0] = request;
			bytes[1] = how[n];
			for (uint32_t change = 0; change < 3u << n; change++) {
				number = number * 1664525 + 1013904223;
				memcpy(bytes + len, &number, 3);
				bytes[len + 3] = change % 5 ? number >> 24 & 0x3f : 14;
				bytes[len + 4] = number >> 8;
				bytes[len + 5] = change % 3 ? 0 : number >> 16 & 3;
				len += 6;
			}
			snprintf(name, sizeof(name), "%u-%zu", request, n);
			seed("recorded", name, bytes, len);
		}
}

/* Changes of tests/vmlinux_image.h: where, what, bytes. */
static void of_kernels(void)
{
	static const uint8_t note[] = { 0x10, 0x08, 0, 0x81, 1, 2 };
	static const uint8_t section[] = { 0x20, 0, 0, 0x87, 0, 0, 0, 0, 0, 0, 0, 0x80 };
	static const uint8_t symbol[] = { 0x00, 0x40, 1, 0x83, 1, 2, 3, 4 };
	static const uint8_t entry[] = { 0x00, 0x31, 0, 0x83, 0xe8, 1, 2, 3 };
	static const uint8_t memory[] = { 1, 0, 1, 0, 0xe8, 0x40, 2, 0, 0xff, 0x80, 2, 0, 0x3e };

	chosen("vmlinux", "elf", 0, "\177ELF\2\1\1", 7);
	chosen("vmlinux", "note", 1, note, sizeof(note));
	chosen("vmlinux", "section", 1, section, sizeof(section));
	chosen("vmlinux", "symbol", 1, symbol, sizeof(symbol));
	chosen("vmlinux", "entry", 1, entry, sizeof(entry));
	chosen("vmlinux", "memory", 2, memory, sizeof(memory));
}

int main(int argc, char **argv)
{
	if (argc != 2 || sodium_init() < 0)
		return 2;
	out = argv[1];
	mkdir(out, 0755);
	from_vectors();
	of_files();
	of_items();
	of_messages();
	of_sessions();
	of_pins();
	of_roles();
	of_vmms();
	of_guests();
	of_recordings();
	of_dumps();
	of_vmms_deeds();
	of_configuration();
	of_integrity();
	of_kernels();
	return 0;
}
