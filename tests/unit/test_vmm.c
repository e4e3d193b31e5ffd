// SPDX-License-Identifier: GPL-2.0-or-later
/* A VMM's command line: a name, a CID, monitors, or none of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static char paths[VMM_MONITORS][VMM_PATH];

#define MONITORS(args) vmm_parse_monitors(args, sizeof(args), paths)

static void test_monitors(void **state)
{
	assert_int_equal(MONITORS("qemu\0-qmp\0unix:/run/a.sock,server=on,wait=off"), 1);
	assert_string_equal(paths[0], "/run/a.sock");
	assert_int_equal(MONITORS("qemu\0--qmp-pretty\0unix:/run/b,,c.sock,server"), 1);
	assert_string_equal(paths[0], "/run/b,c.sock");
	assert_int_equal(MONITORS("qemu\0-chardev\0socket,id=m,path=/run/m,server=on\0-mon\0chardev=m,mode=control"), 1);
	assert_string_equal(paths[0], "/run/m");
	assert_int_equal(MONITORS("qemu\0-mon\0m,mode=control\0-chardev\0socket,path=/run/m,id=m"), 1);
	assert_int_equal(MONITORS("qemu\0-qmp\0chardev:m\0-chardev\0socket,id=m,path=/run/m"), 1);
	assert_int_equal(MONITORS("qemu\0-chardev\0{\"id\": \"m\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":"
				  "{\"type\":\"unix\",\"data\":{\"path\":\"/run/j\"}}}}}\0"
				  "-mon\0{\"chardev\":\"m\",\"mode\":\"control\"}"), 1);
	assert_string_equal(paths[0], "/run/j");
	/* Two, and one of them twice. */
	assert_int_equal(MONITORS("qemu\0-qmp\0unix:/a\0-qmp\0unix:/b\0-qmp\0unix:/a"), 2);
}

static void test_no_monitors(void **state)
{
	/* For people, another's, by descriptor, elsewhere, relative. */
	assert_int_equal(MONITORS("qemu\0-monitor\0unix:/run/a.sock,server"), 0);
	assert_int_equal(MONITORS("qemu\0-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=m,mode=readline"), 0);
	assert_int_equal(MONITORS("qemu\0-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=m"), 0);
	assert_int_equal(MONITORS("qemu\0-chardev\0socket,id=x,path=/run/m\0-mon\0chardev=m,mode=control"), 0);
	assert_int_equal(MONITORS("qemu\0-chardev\0socket,id=m,fd=22,server=on\0-mon\0chardev=m,mode=control"), 0);
	assert_int_equal(MONITORS("qemu\0-qmp\0tcp:localhost:4444"), 0);
	assert_int_equal(MONITORS("qemu\0-qmp\0unix:run/a.sock"), 0);
	assert_int_equal(MONITORS("qemu\0-qmp\0unix:"), 0);
	assert_int_equal(MONITORS("qemu\0-qmp"), 0);
	assert_int_equal(vmm_parse_monitors("", 0, paths), 0);
}

static void test_hostile_monitors(void **state)
{
	static char many[4096], longest[512];
	size_t used = 0;

	for (int i = 0; i < 100; i++)
		used += sprintf(many + used, "-qmp%cunix:/m%d", 0, i) + 1;
	assert_int_equal(vmm_parse_monitors(many, used, paths), VMM_MONITORS);
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, "-qmp\0unix:/", 11);
	assert_int_equal(vmm_parse_monitors(longest, sizeof(longest), paths), 0);
	assert_int_equal(MONITORS("-chardev\0{\"id\":\"m\",\"path\":\"/a\\\"b\"}\0-qmp\0chardev:m"), 0);
	assert_int_equal(MONITORS("-chardev\0{\"id\":\"m\",\"path\":\"/a\0-qmp\0chardev:m"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_cids),
		cmocka_unit_test(test_bad_cids),
		cmocka_unit_test(test_monitors),
		cmocka_unit_test(test_no_monitors),
		cmocka_unit_test(test_hostile_monitors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
