// SPDX-License-Identifier: GPL-2.0-or-later
/* A VMM's command line: a name and a CID, or neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/vmm.h"

/* A literal whose arguments end in NUL; the last one by the literal's own. */
#define NAME(args, out) vmm_parse_name(args, sizeof(args), out, sizeof(out))
#define CID(args) vmm_parse_cid(args, sizeof(args))

static void test_names(void **state)
{
	char name[64];

	NAME("qemu\0-name\0guest=web-1,debug-threads=on\0-m\0" "1G", name);
	assert_string_equal(name, "web-1");
	NAME("qemu\0-name\0plain,process=x", name);
	assert_string_equal(name, "plain");
	NAME("qemu\0-name\0debug-threads=on,guest=second", name);
	assert_string_equal(name, "second");
	NAME("qemu\0-m\0" "1G", name);
	assert_string_equal(name, "");
}

static void test_hostile_names(void **state)
{
	char name[16];

	NAME("qemu\0-name\0guest=a\nb\x1b[2J", name);
	assert_string_equal(name, "a\\x0ab\\x1b[2J");
	NAME("qemu\0-name\0guest=a-very-long-name-of-a-guest", name);
	assert_string_equal(name, "a-very-long-...");
	NAME("qemu\0-name", name);
	assert_string_equal(name, "");
	vmm_parse_name("", 0, name, sizeof(name));
	assert_string_equal(name, "");
}

static void test_cids(void **state)
{
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid=3"), 3);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,id=v,guest-cid=4294967294,x=y"), 4294967294u);
	assert_int_equal(CID("qemu\0-device\0virtio-net-pci,guest-cid=3"), 0);
	assert_int_equal(CID("qemu\0-device\0{\"driver\":\"vhost-vsock-pci\",\"id\":\"v\",\"guest-cid\":7,\"x\":1}"), 7);
	assert_int_equal(CID("qemu\0-device\0{\"driver\":\"virtio-net\",\"guest-cid\":7}"), 0);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci"), 0);
	assert_int_equal(CID("qemu\0-name\0vhost-vsock-pci,guest-cid=9"), 0);
	assert_int_equal(CID("qemu\0-device"), 0);
	assert_int_equal(vmm_parse_cid("", 0), 0);
}

static void test_bad_cids(void **state)
{
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid="), 0);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid=-1"), 0);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid=4294967296"), 0);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid=99999999999999999999"), 0);
	assert_int_equal(CID("qemu\0-device\0vhost-vsock-pci,guest-cid=3x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_cids),
		cmocka_unit_test(test_bad_cids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
