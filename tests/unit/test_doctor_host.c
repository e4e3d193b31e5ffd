// SPDX-License-Identifier: GPL-2.0-or-later
/* What wardenctl doctor says of a host's kernel and module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/doctor.h"
#include "lib/util.h"

#define RELEASE "6.12.99-amd64"
#define UPDATES "/lib/modules/" RELEASE "/updates/"

/* ---- the host ---- */

static const char *release = RELEASE, *module_file, *module_state;

int __wrap_uname(struct utsname *name);
int __wrap_access(const char *path, int mode);
FILE *__wrap_fopen(const char *path, const char *mode);

int __wrap_uname(struct utsname *name)
{
	*name = (struct utsname){ .machine = "x86_64" };
	snprintf(name->release, sizeof(name->release), "%s", release);
	return 0;
}

int __wrap_access(const char *path, int mode)
{
	return module_file && !strcmp(path, module_file) ? 0 : -1;
}

/* A module that has a state is loaded. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	const char *text = strstr(path, "/version") ? WARDEN_VERSION : module_state;

	if (module_state)
		return fmemopen((char *)text, strlen(text), "r");
	errno = ENOENT;
	return NULL;
}

/* ---- what is said: the last line ---- */

static enum health health;
static char said[512], mend[512];

void report(struct doctor *d, enum health h, const char *check, const char *what_to_do,
	    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	snprintf(mend, sizeof(mend), "%s", what_to_do);
	health = h;
}

static enum health kernel_is(const char *name)
{
	release = name;
	check_kernel(NULL);
	release = RELEASE;
	return health;
}

static void each_series_that_was_tried(void **state)
{
	assert_int_equal(kernel_is("6.1.0-56-amd64"), OK);
	assert_int_equal(kernel_is("6.12.117+deb12-amd64"), OK);
	assert_int_equal(kernel_is("7.2+deb14-amd64"), OK);
	assert_int_equal(kernel_is("6.10.1-amd64"), WARN);
	assert_non_null(strstr(said, "6.1, 6.12 and 7.2"));
	assert_int_equal(kernel_is("7.20.1"), WARN);
	assert_int_equal(kernel_is("6.2.16-20-pve"), WARN);
}

static void assert_both_ways(void)
{
	assert_int_equal(health, FAIL);
	assert_non_null(strstr(mend, "make install"));
	assert_non_null(strstr(mend, "dkms install --force kvm-warden/" WARDEN_VERSION));
}

static void a_module_is_looked_for_where_it_is_installed(void **state)
{
	static const char *const files[] = {
		UPDATES "kvm_warden.ko", UPDATES "dkms/kvm_warden.ko",
		UPDATES "dkms/kvm_warden.ko.xz", UPDATES "dkms/kvm_warden.ko.zst",
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		module_file = files[i];
		check_module(NULL);
		assert_string_equal(mend, "modprobe kvm_warden");
	}
	module_file = "/lib/modules/6.1.0-1-amd64/updates/dkms/kvm_warden.ko";
	check_module(NULL);
	assert_both_ways();
	module_file = NULL;
}

static void a_module_for_another_build(void **state)
{
	module_state = "refused: kvm has build-id 00, this module was built for 01: rebuild it for the"
		       " running kernel\n";
	check_module(NULL);
	assert_both_ways();
	module_state = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_series_that_was_tried),
		cmocka_unit_test(a_module_is_looked_for_where_it_is_installed),
		cmocka_unit_test(a_module_for_another_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
