// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "introspect/files.h"
#include "lib/util.h"

void check_pause(unsigned milliseconds)
{
	const struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

void check_exe(const struct kernel *k, uint64_t file, char *out, size_t size)
{
	struct guest_file f;

	out[0] = '\0';
	if (file_read_info(k, file, &f) == 0)
		text_escape(out, size, f.path, strlen(f.path));
}

void check_add_why(struct m_checked *m, const char *format, ...)
{
	size_t at = strlen(m->why);
	va_list args;

	if (at && at + 3 < sizeof(m->why)) {
		strcat(m->why, "; ");
		at += 2;
	}
	va_start(args, format);
	vsnprintf(m->why + at, sizeof(m->why) - at, format, args);
	va_end(args);
}

void check_list_views(uint32_t views, int n, const char *(*name)(int view), char *out, size_t size)
{
	out[0] = '\0';
	for (int view = 0; view < n; view++)
		if (views >> view & 1)
			snprintf(out + strlen(out), size - strlen(out), "%s%s",
				 out[0] ? ", " : "", name(view));
}

const char *check_problem(int error)
{
	switch (error) {
	case -ENOENT:
		return "this kernel has none that is known";
	case -ELOOP:
	case -EPROTO:
	case -EFAULT:
		return "it kept changing, or does not hold together";
	case -E2BIG:
		return "more than the limit";
	case -ENODATA:
		return "part of it is not resident";
	case -ESTALE:
		return "a vCPU has not run since this kernel was found";
	case -ETIME:
		return "time was up";
	case -ENODEV:
		return "the guest is gone";
	case -ENOMEM:
		return "no memory";
	default:
		return "it could not be read";
	}
}

void check_failed(const struct introspector *in, struct m_checked *m, int error)
{
	m->status = m->signs ? CHECK_DIFFERS : CHECK_INCOMPLETE;
	check_add_why(m, "%s", check_problem(in->gone ? -ENODEV : in->mem->expired ? -ETIME : error));
}

/* SYSTEM_RUNNING: its code is patched and its init memory freed. */
bool check_booted(const struct kernel *k, struct m_checked *m)
{
	uint64_t at = k->symbol[SYM_SYSTEM_STATE].address;
	uint32_t state = 0;

	if (!at || virt_read(&k->as, at, &state, sizeof(state)) || state == k->at.system_running)
		return true;
	m->status = CHECK_INCOMPLETE;
	check_add_why(m, "the guest starts, or ends");
	return false;
}

int check_all(struct introspector *in, uint32_t checks, const struct check_sink *sink,
	      int (*done)(void *ctx, const struct m_checked *checked))
{
	static int (*const all[])(struct introspector *in, const struct check_sink *sink,
				  struct m_checked *ret_checked) = {
		check_processes, check_modules, check_kernel,
	};
	int r = 0;

	for (size_t i = 0; !r && !in->gone && i < ARRAY_SIZE(all); i++) {
		struct m_checked m;

		if (!(checks >> i & 1))
			continue;
		r = all[i](in, sink, &m);
		if (!r)
			r = done(sink->ctx, &m);
	}
	return r;
}
