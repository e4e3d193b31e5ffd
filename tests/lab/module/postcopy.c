// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * postcopy: a VM whose pages come in by userfaultfd, as on the destination of a
 * migration.  Reads and mappings leave them alone; a faulting read waits for one,
 * and hinders nobody while it does.  Prints TAP.
 */
#include "memvm.h"

#include <setjmp.h>

static uint8_t buf[1 << 20];

static sigjmp_buf bus;

static void on_bus(int signal)
{
	siglongjmp(bus, 1);
}

static bool is_bus_error(const uint8_t *at)
{
	struct sigaction action = { .sa_handler = on_bus };
	volatile bool error = true;

	sigaction(SIGBUS, &action, NULL);
	if (!sigsetjmp(bus, 1)) {
		*(volatile const uint8_t *)at;
		error = false;
	}
	signal(SIGBUS, SIG_DFL);
	return error;
}

/* ---- a reader that waits ---- */

struct reader {
	pid_t pid;
	int result;		/* a segment, once it is back */
};

static struct reader start_reader(int guest, uint64_t gpa, uint32_t len)
{
	struct reader reader;
	int fds[2];

	if (pipe(fds))
		err(1, "pipe");
	reader.result = fds[0];
	reader.pid = fork();
	if (!reader.pid) {
		struct kvm_warden_segment s = read_at(guest, gpa, buf, len, KVM_WARDEN_READ_FAULT);

		s.reserved = pattern_holds(buf, gpa, s.done);
		_exit(write(fds[1], &s, sizeof(s)) != sizeof(s));
	}
	close(fds[1]);
	return reader;
}

/* 1: it is back, with *ret; 0: it waits still; -1: it ended without a result. */
static int wait_reader(struct reader *reader, int ms, struct kvm_warden_segment *ret)
{
	struct pollfd p = { .fd = reader->result, .events = POLLIN };

	if (poll(&p, 1, ms) != 1)
		return 0;
	return read(reader->result, ret, sizeof(*ret)) == sizeof(*ret) ? 1 : -1;
}

static void end_reader(struct reader *reader)
{
	waitpid(reader->pid, NULL, 0);
	close(reader->result);
}

static bool is_asked(struct vm *vm, uint64_t n)
{
	for (int i = 0; i < 300 && vm->shared->asked < n; i++)
		usleep(10000);
	return vm->shared->asked == n;
}

static bool places(struct vm *vm)
{
	return tell(vm, PLACE) && !vm->shared->placed_error;
}

/* ---- what leaves the missing pages alone ---- */

static void test_resident(struct vm *vm)
{
	uint64_t began = now_us();
	size_t done = 0;

	for (uint64_t at = 0; at < RAM_SIZE; at += PAGE)
		done += read_at(vm->guest, at, buf, PAGE, 0).done;
	check(done == TOUCHED, "a sweep reads what has arrived (%zu bytes, %llu ms)", done,
	      (unsigned long long)(now_us() - began) / 1000);
	check(!vm->shared->asked, "and userfaultfd is asked for nothing");
}

static void test_mapping(struct vm *vm)
{
	int memory = open_memory(vm->guest, 0, RAM_SIZE);
	uint8_t *map = map_memory(memory, RAM_SIZE, 0);
	size_t errors = 0;

	for (uint64_t at = 0; at < RAM_SIZE; at += PAGE)
		errors += is_bus_error(map + at);
	check(errors == (RAM_SIZE - TOUCHED) / PAGE && !vm->shared->asked,
	      "a mapping is SIGBUS where nothing has arrived, and asks for nothing (%zu pages)", errors);
	munmap(map, RAM_SIZE);
	close(memory);
}

/* ---- what waits for one ---- */

static void test_waits(struct vm *vm)
{
	struct reader killed = start_reader(vm->guest, MISSING, PAGE), reader;
	struct kvm_warden_segment s;
	uint64_t began;

	check(is_asked(vm, 1) && vm->shared->asked_at == MISSING && !wait_reader(&killed, 300, &s),
	      "a faulting read asks userfaultfd, and waits");
	began = now_us();
	check(tell(vm, CHANGE_SLOT) && now_us() - began < 2000000,
	      "memslots are added and removed meanwhile (%llu ms)",
	      (unsigned long long)(now_us() - began) / 1000);
	check(read_at(vm->guest, 0x3000, buf, PAGE, 0).done == PAGE, "others read meanwhile");
	began = now_us();
	kill(killed.pid, SIGKILL);
	end_reader(&killed);
	check(now_us() - began < 1000000, "it can be killed");

	reader = start_reader(vm->guest, MISSING, PAGE);
	check(is_asked(vm, 2) && !wait_reader(&reader, 200, &s), "another waits");
	check(places(vm), "its page is placed: nobody else has filled it");
	check(wait_reader(&reader, 5000, &s) == 1 && s.done == PAGE && !s.error && s.reserved,
	      "and it comes back with what was placed");
	end_reader(&reader);
}

static void test_long(struct vm *vm)
{
	uint64_t asked = vm->shared->asked;
	struct reader reader = start_reader(vm->guest, TOUCHED - PAGE, 4 * PAGE);
	struct kvm_warden_segment s;

	for (int i = 1; i <= 3; i++)
		if (!is_asked(vm, asked + i) || !places(vm))
			break;
	check(wait_reader(&reader, 5000, &s) == 1 && s.done == 4 * PAGE && s.reserved,
	      "one that meets three missing pages waits for each");
	end_reader(&reader);
}

/* Nothing that the reader holds keeps the VM. */
static void test_close(struct vm *vm)
{
	struct reader reader = start_reader(vm->guest, MISSING + PAGE, PAGE);
	struct pollfd p = { .fd = vm->guest };
	struct kvm_warden_segment s;

	is_asked(vm, vm->shared->asked + 1);
	usleep(200000);
	tell(vm, CLOSE);
	check(poll(&p, 1, 5000) == 1 && (p.revents & POLLHUP), "the VM can be closed while a read waits");
	check(!wait_reader(&reader, 100, &s) && places(vm) && wait_reader(&reader, 5000, &s) == 1 &&
	      s.error == -ENODEV - 10000, "which then ends with ENODEV");
	end_reader(&reader);
}

static void test_killed(enum ram kind)
{
	struct kvm_warden_segment s;
	struct reader reader;
	struct vm vm;

	start_vm(&vm, kind, false);
	tell(&vm, MISS);
	reader = start_reader(vm.guest, MISSING, PAGE);
	check(is_asked(&vm, 1), "a read waits for a VMM");
	kill_vm(&vm);
	check(wait_reader(&reader, 5000, &s) == 1 && s.error == -ENODEV - 10000,
	      "that is killed: it ends with ENODEV");
	end_reader(&reader);
	forget_vm(&vm);
}

/* ---- the budget ---- */

static void test_budget(void)
{
	uint64_t began = now_us(), taken;
	uint32_t pages = 0, spent = 0, filled;
	struct kvm_warden_segment s = { 0 };
	struct vm vm;

	start_vm(&vm, MEMFD, false);
	for (uint64_t at = TOUCHED; at < RAM_SIZE && !spent; at += 16 * PAGE) {
		s = read_at(vm.guest, at, buf, 16 * PAGE, KVM_WARDEN_READ_FAULT);
		pages += s.done / PAGE;
		spent = s.error == -EDQUOT;
	}
	taken = now_us() - began;
	filled = KVM_WARDEN_FAULT_PAGES * (taken / 900000.0);
	/* A host that is slower than the budget is filled never spends it. */
	if (!spent && pages <= filled)
		printf("# too slow to spend the budget: %u pages in %llu ms\n", pages,
		       (unsigned long long)taken / 1000);
	check((spent ? pages >= KVM_WARDEN_FAULT_PAGES : pages <= filled) &&
	      pages <= KVM_WARDEN_FAULT_PAGES + filled + 1,
	      "faulting reads bring in %u pages in %llu ms, then EDQUOT", pages,
	      (unsigned long long)taken / 1000);
	check(file_pages(vm.memfd) == (long)(TOUCHED / PAGE + pages), "which is what the file grew by");
	s = read_at(vm.guest, 0x3000, buf, PAGE, KVM_WARDEN_READ_FAULT);
	check(s.done == PAGE && !s.error, "what is resident costs nothing");
	usleep(500000);
	s = read_at(vm.guest, RAM_SIZE - PAGE, buf, PAGE, KVM_WARDEN_READ_FAULT);
	check(s.done == PAGE && !s.error && !buf[0] && !buf[PAGE - 1], "time fills it again");
	end_vm(&vm);
}

int main(void)
{
	setlinebuf(stdout);
	open_control();
	for (enum ram kind = ANONYMOUS; kind <= MEMFD; kind++) {
		struct vm vm;

		printf("# %s\n", kind == MEMFD ? "memfd" : "anonymous");
		start_vm(&vm, kind, false);
		tell(&vm, MISS);
		test_resident(&vm);
		if (kind == MEMFD)
			test_mapping(&vm);
		test_waits(&vm);
		test_long(&vm);
		test_close(&vm);
		end_vm(&vm);
		test_killed(kind);
	}
	test_budget();
	printf("1..%d\n", tests);
	return failures != 0;
}
