// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: the kernel, KVM and our module. */
#include "cli/doctor.h"

#include <cpuid.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/util.h"

#define SYSFS "/sys/kernel/kvm_warden/"
#define DEVICE "/dev/kvm_warden"
#define BUILD "build and install it for this kernel: make install, or " \
	"dkms install --force kvm-warden/" WARDEN_VERSION

/* The file's first line; "" if there is none. */
static void read_line(char *out, size_t size, const char *path)
{
	autofile FILE *f = fopen(path, "re");

	if (!f || !fgets(out, (int)size, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

static bool is_there(const char *path)
{
	return !access(path, F_OK);
}

static bool is_tried(const char *release)
{
	static const char *const series[] = { "6.1", "6.12", "7.2" };

	for (size_t i = 0; i < ARRAY_SIZE(series); i++) {
		const size_t length = strlen(series[i]);

		if (!strncmp(release, series[i], length) && !isdigit((unsigned char)release[length]))
			return true;
	}
	return false;
}

void check_kernel(struct doctor *d)
{
	struct utsname name;

	uname(&name);
	if (strcmp(name.machine, "x86_64"))
		report(d, FAIL, "kernel", "use an x86_64 host", "%s on %s", name.release, name.machine);
	else if (!is_tried(name.release))
		report(d, WARN, "kernel", "", "%s: tried on Debian's 6.1, 6.12 and 7.2 alone", name.release);
	else
		report(d, OK, "kernel", "", "%s", name.release);
}

/* The module that drives this CPU for KVM, and what to do if it is not there. */
struct vendor {
	const char *module, *sysfs, *load, *wake;
};

static const struct vendor *this_vendor(void)
{
	static const struct vendor amd = {
		"kvm_amd", "/sys/module/kvm_amd", "modprobe kvm_amd",
		"modprobe kvm_amd; if it refuses, switch on SVM in the firmware",
	};
	static const struct vendor intel = {
		"kvm_intel", "/sys/module/kvm_intel", "modprobe kvm_intel",
		"modprobe kvm_intel; if it refuses, switch on VT-x in the firmware",
	};
	const unsigned int vmx = 1u << 5;
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & vmx) ? &intel : &amd;
}

void check_kvm(struct doctor *d)
{
	const struct vendor *vendor = this_vendor();

	if (!is_there("/sys/module/kvm"))
		report(d, FAIL, "kvm", vendor->wake, "not loaded: no guest can run here");
	else if (!is_there(vendor->sysfs))
		report(d, FAIL, "kvm", vendor->wake, "%s is not loaded", vendor->module);
	else
		report(d, OK, "kvm", "", "kvm and %s are loaded", vendor->module);
}

static void check_state(struct doctor *d)
{
	char state[512];

	read_line(state, sizeof(state), SYSFS "state");
	if (!strncmp(state, "attached", 8))
		report(d, OK, "state", "", "%s", state);
	else if (!strncmp(state, "waiting", 7))
		report(d, WARN, "state", this_vendor()->load, "%s", state);
	else if (!strncmp(state, "switched", 8))
		report(d, FAIL, "state", "echo 1 >" SYSFS "enabled", "%s: guests are not watched",
		       state);
	else if (strstr(state, "build-id"))
		report(d, FAIL, "state", BUILD, "%s", state);
	else
		report(d, FAIL, "state", "", "%s", state);
}

/* By make install, or by DKMS, which may pack it. */
static bool is_installed(const char *release)
{
	static const char *const files[] = {
		"kvm_warden.ko", "dkms/kvm_warden.ko",
		"dkms/kvm_warden.ko.xz", "dkms/kvm_warden.ko.zst", "dkms/kvm_warden.ko.gz",
	};
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/lib/modules/%s/updates/%s", release, files[i]);
		if (is_there(path))
			return true;
	}
	return false;
}

void check_module(struct doctor *d)
{
	char version[64];
	struct utsname name;

	uname(&name);
	read_line(version, sizeof(version), SYSFS "version");
	if (!version[0] && is_installed(name.release)) {
		report(d, FAIL, "module", "modprobe kvm_warden", "kvm_warden is not loaded");
		return;
	}
	if (!version[0]) {
		report(d, FAIL, "module", BUILD, "kvm_warden is not loaded, and there is none for %s",
		       name.release);
		return;
	}
	if (strcmp(version, WARDEN_VERSION))
		report(d, WARN, "module", "install both from one release, then load the module anew",
		       "version %s is loaded, this is %s", version, WARDEN_VERSION);
	else
		report(d, OK, "module", "", "kvm_warden %s", version);
	check_state(d);
}

void check_device(struct doctor *d)
{
	struct stat st;

	if (stat(DEVICE, &st))
		report(d, FAIL, "device", "modprobe kvm_warden", DEVICE ": %s", strerror(errno));
	else if (!S_ISCHR(st.st_mode))
		report(d, FAIL, "device", "rm " DEVICE ", then load the module anew",
		       DEVICE " is not a device");
	else if (st.st_uid || st.st_mode & 077)
		report(d, FAIL, "device", "chown root " DEVICE "; chmod 600 " DEVICE,
		       DEVICE ": others than root can read every guest's memory");
	else
		report(d, OK, "device", "", DEVICE ", root alone");
}

void check_btf(struct doctor *d)
{
	if (is_there("/sys/kernel/btf/vmlinux"))
		report(d, OK, "btf", "", "the kernel describes its types");
	else
		report(d, FAIL, "btf", "use a kernel with CONFIG_DEBUG_INFO_BTF",
		       "/sys/kernel/btf/vmlinux is missing: no events");
}
