// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-inspect: the introspector over a file of guest RAM, for development
 * and tests.  Prints JSON lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "introspect/look.h"
#include "introspect/vmas.h"
#include "lib/log.h"
#include "lib/util.h"

#define GIB (1ull << 30)

static const char usage[] =
	"usage: warden-inspect --cr3 X --cr4 X [--idtr X] [OPTION]... RAM\n"
	"  --cr3, --cr4, --idtr X  a vCPU's registers, in hexadecimal\n"
	"  --hole                  RAM above 2 GiB starts at 4 GiB (q35)\n"
	"  --look CR3              that process alone (hexadecimal)\n"
	"  --probe PID:START       does that process still live?\n"
	"  --repeat N              sweep N times\n"
	"  --resend                send objects again in repeated sweeps\n"
	"  --out DIR               write each object to DIR/ID\n"
	"  --quiet                 print summaries alone\n";

struct options {
	const char *ram, *out;
	struct kvm_warden_regs regs;
	uint64_t look, probe_start;
	uint32_t probe_pid, repeat;
	bool hole, have_look, have_probe, resend, quiet;
};

struct output {
	const struct options *o;
	struct introspector *in;
	struct task_list tasks;
};

/* Texts are printable ASCII: quotes and backslashes remain. */
static void put_text(const char *name, const char *text)
{
	printf(",\"%s\":\"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void put_hash(const char *name, const uint8_t *hash)
{
	char hex[2 * HASH_BYTES + 1];

	hex_encode(hex, hash, HASH_BYTES);
	put_text(name, hex);
}

static int count_vma(void *ctx, const struct vma *v)
{
	(*(uint32_t *)ctx)++;
	return 0;
}

/* The mappings of the process with these page tables, for comparison with /proc. */
static uint32_t count_vmas(const struct output *out, uint64_t pgd)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < out->tasks.n; i++) {
		struct task t;

		if (task_read(&out->in->kernel, out->tasks.va[i], &t) || !t.mm || t.pgd != pgd)
			continue;
		vmas_walk(&out->in->kernel, t.mm, count_vma, &n);
		break;
	}
	return n;
}

static int print_task(void *ctx, const struct m_task *t)
{
	const struct output *out = ctx;

	if (out->o->quiet)
		return 0;
	printf("{\"task\":%u,\"ppid\":%u,\"uid\":%u,\"flags\":%u,\"start_ns\":%" PRIu64
	       ",\"cr3\":\"%" PRIx64 "\",\"vmas\":%u",
	       t->pid, t->ppid, t->uid, t->flags, t->start_ns, t->cr3,
	       t->cr3 ? count_vmas(out, t->cr3) : 0);
	put_text("comm", t->comm);
	put_text("exe", t->exe);
	put_text("argv", t->argv);
	if (t->exe_ranges.len)
		put_hash("exe_hash", t->exe_hash);
	printf(",\"exe_ranges\":[");
	for (size_t i = 0; i < t->exe_ranges.len / sizeof(struct exe_range); i++)
		printf("%s[%u,%u]", i ? "," : "", t->exe_ranges.range[i].first_page,
		       t->exe_ranges.range[i].pages);
	printf("]}\n");
	return 0;
}

static int write_object(const char *dir, uint64_t id, const uint8_t *bytes, size_t size)
{
	char path[4096];
	autofile FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/%" PRIu64, dir, id);
	f = fopen(path, "we");
	if (!f || fwrite(bytes, 1, size, f) != size)
		fatal("%s: %s", path, strerror(errno));
	return 0;
}

static int print_object(void *ctx, const struct m_object *m, int fd)
{
	const struct output *out = ctx;
	uint8_t hash[HASH_BYTES];
	struct stat st;
	uint8_t *bytes;

	if (out->o->quiet && !out->o->out)
		return 0;
	if (fstat(fd, &st))
		fatal("an object: %s", strerror(errno));
	bytes = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		fatal("an object of %" PRIu64 " bytes: %s", m->size, strerror(errno));
	crypto_generichash(hash, sizeof(hash), bytes, st.st_size, NULL, 0);
	printf("{\"object\":%" PRIu64 ",\"kind\":%u,\"size\":%" PRIu64 ",\"resident\":%" PRIu64,
	       m->object, m->kind, m->size, m->resident);
	put_text("path", m->path);
	put_hash("blake2b", hash);
	printf("}\n");
	if (out->o->out)
		write_object(out->o->out, m->object, bytes, st.st_size);
	munmap(bytes, st.st_size);
	return 0;
}

static int print_use(void *ctx, const struct m_uses *u)
{
	const struct output *out = ctx;

	if (!out->o->quiet)
		printf("{\"uses\":%u,\"start_ns\":%" PRIu64 ",\"object\":%" PRIu64
		       ",\"gva\":\"%" PRIx64 "\"}\n", u->pid, u->start_ns, u->object, u->gva);
	return 0;
}

static void print_kernel(const struct introspector *in)
{
	const struct kernel *k = &in->kernel;

	printf("{\"kernel\":%u", in->state.state);
	put_text("release", in->state.release);
	put_text("banner", in->state.banner);
	put_text("why", in->state.why);
	printf(",\"text\":\"%" PRIx64 "\",\"levels\":%u,\"symbols\":%u", k->text_base,
	       k->as.levels, k->kallsyms.nsyms);
	put_text("kallsyms", k->kallsyms.layout ? k->kallsyms.layout : "");
	printf(",\"discovery_us\":%" PRIu64 ",\"btf_us\":%" PRIu64 ",\"kallsyms_us\":%" PRIu64
	       ",\"image_bytes\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"bytes\":%" PRIu64 "}\n",
	       k->discovery_us, k->btf_us, k->kallsyms_us, k->image_bytes,
	       in->mem->calls, in->mem->bytes);
}

static void print_done(const struct introspector *in, const struct m_done *d)
{
	printf("{\"done\":%u,\"tasks\":%u,\"objects\":%u,\"elapsed_us\":%" PRIu64
	       ",\"reads\":%" PRIu64 ",\"bytes\":%" PRIu64, d->status, d->tasks, d->objects,
	       d->elapsed_us, in->mem->calls, in->mem->bytes);
	put_text("why", d->why);
	printf("}\n");
}

static void run(struct introspector *in, const struct options *o)
{
	struct output out = { .o = o, .in = in };
	const struct look_sink sink = { print_task, print_object, print_use, &out };
	struct m_done done;
	bool changed;

	for (uint32_t i = 0; i < o->repeat && introspector_ready(in, &changed); i++) {
		in->mem->calls = in->mem->bytes = 0;
		if (!o->quiet)
			task_list_read(&in->kernel, &out.tasks);
		if (o->have_look)
			look_at_cr3(in, o->look, &sink, &done);
		else
			look_at_all(in, o->resend, &sink, &done);
		task_list_free(&out.tasks);
		print_done(in, &done);
	}
	if (o->have_probe) {
		struct m_probed p;

		probe_task(in, o->probe_pid, o->probe_start, &p);
		printf("{\"probed\":%u,\"state\":%u", p.pid, p.state);
		put_text("why", p.why);
		printf("}\n");
	}
}

/* ---- command line ---- */

static const struct option long_options[] = {
	{ "cr3", required_argument, NULL, '3' }, { "cr4", required_argument, NULL, '4' },
	{ "idtr", required_argument, NULL, 'i' }, { "hole", no_argument, NULL, 'h' },
	{ "look", required_argument, NULL, 'l' }, { "probe", required_argument, NULL, 'p' },
	{ "repeat", required_argument, NULL, 'n' }, { "resend", no_argument, NULL, 'r' },
	{ "out", required_argument, NULL, 'o' }, { "quiet", no_argument, NULL, 'q' },
	{ 0 },
};

static bool parse_option(struct options *o, int option)
{
	switch (option) {
	case '3': o->regs.cr3 = strtoull(optarg, NULL, 16); return true;
	case '4': o->regs.cr4 = strtoull(optarg, NULL, 16); return true;
	case 'i': o->regs.idtr = strtoull(optarg, NULL, 16); return true;
	case 'h': o->hole = true; return true;
	case 'l': o->look = strtoull(optarg, NULL, 16); o->have_look = true; return true;
	case 'p':
		o->have_probe = true;
		return sscanf(optarg, "%u:%" SCNu64, &o->probe_pid, &o->probe_start) == 2;
	case 'n': o->repeat = strtoul(optarg, NULL, 10); return true;
	case 'r': o->resend = true; return true;
	case 'o': o->out = optarg; return true;
	case 'q': o->quiet = true; return true;
	default: return false;
	}
}

static bool parse(int argc, char **argv, struct options *o)
{
	int option;

	*o = (struct options){ .repeat = 1 };
	/* A vCPU that runs a 64-bit kernel. */
	o->regs.cr0 = 1ull << 31;
	o->regs.efer = 1ull << 10;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) >= 0)
		if (!parse_option(o, option))
			return false;
	if (optind != argc - 1)
		return false;
	o->ram = argv[optind];
	return true;
}

int main(int argc, char **argv)
{
	static struct guest_memory mem;
	static struct introspector in;
	struct options o;
	bool changed, ready;
	int r;

	log_open("warden-inspect", false);
	if (!parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	r = memory_open_file(&mem, o.ram, o.hole ? 2 * GIB : 0, o.hole ? 4 * GIB : 0,
			     o.regs.cr3 ? &o.regs : NULL);
	if (r)
		fatal("%s: %s", o.ram, strerror(-r));
	r = introspector_init(&in, &mem);
	if (r)
		fatal("start: %s", strerror(-r));
	ready = introspector_ready(&in, &changed);
	print_kernel(&in);
	if (ready)
		run(&in, &o);
	introspector_free(&in);
	memory_close(&mem);
	return ready ? 0 : 1;
}
