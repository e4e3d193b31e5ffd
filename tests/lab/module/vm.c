// SPDX-License-Identifier: GPL-2.0-or-later
/* vm: a VMM whose guest exits for ever. */
#include "../tinyvm.h"

int main(void)
{
	int vm = tiny_vm(), vcpu = tiny_vcpu_at_code(vm, 0);

	tiny_ram_with(vm, 65536, tiny_exits, sizeof(tiny_exits));
	tiny_run(vcpu, 1000);
}
