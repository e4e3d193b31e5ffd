// SPDX-License-Identifier: GPL-2.0-or-later
/* A VMM's command line, each argument ended by NUL. */
#include "daemon/monitor.h"
#include "fuzz.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[TEXT_NAME], paths[VMM_MONITORS][VMM_PATH], path[VMM_PATH];
	char *args = malloc(size + 1);
	unsigned n;

	memcpy(args, data, size);
	args[size] = '\0';		/* as the reader of /proc does */
	vmm_parse_name(args, size, name, sizeof(name));
	must(text_is_printable(name));
	vmm_parse_cid(args, size);
	n = vmm_parse_monitors(args, size, paths);
	must(n <= VMM_MONITORS);
	for (unsigned i = 0; i < n; i++)
		must(paths[i][0] == '/' && strlen(paths[i]) < VMM_PATH);
	if (monitor_expand("/run/%n.sock", name, path))
		must(!strchr(path + strlen("/run/"), '/') && strlen(path) < VMM_PATH);
	free(args);
	return 0;
}
