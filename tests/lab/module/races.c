// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * races: a VMM that changes its memslots, gains vCPUs, exits or is killed while
 * its guest is read, mapped and frozen.  Each answer is a right one, and all of
 * it comes to an end.  Prints TAP.
 */
#include "memvm.h"

static uint8_t buf[HIGH_SIZE];

/* ---- memslots ---- */

/*
 * Bytes of the slot, whole, or nothing: never what lies there after it.  For 5 s, or
 * until it has been met often enough on a slow host.
 */
static void test_slots_churn(enum ram kind, const char *name)
{
	uint64_t began = now_us(), reads = 0, there = 0, odd = 0, maps = 0, mapped = 0;
	struct vm vm;

	start_vm(&vm, kind, false);
	tell(&vm, CHURN);
	while (now_us() < began + 5000000 ||
	       (now_us() < began + 120000000 &&
		(there <= 10 || (kind == MEMFD && mapped <= 10) || vm.shared->changes <= 10))) {
		struct kvm_warden_segment s = read_at(vm.guest, HIGH_GPA, buf, HIGH_SIZE, 0);
		int memory;

		reads++;
		there += s.done > 0;
		odd += s.error && s.error != -ENXIO && s.error != -ENODATA;
		for (size_t i = 0; i < s.done; i += 64)
			if (buf[i] != pattern(i) && !(kind == MEMFD && i >= 0x1000 && i < 0x2000))
				odd++;
		memory = open_memory(vm.guest, HIGH_GPA, HIGH_SIZE);
		maps++;
		if (memory >= 0) {
			uint8_t *map = map_memory(memory, HIGH_SIZE, 0);

			odd += map == MAP_FAILED || map[0x3000] != pattern(0x3000);
			mapped++;
			munmap(map, HIGH_SIZE);
			close(memory);
		} else {
			odd += memory != -ENXIO && memory != -EOPNOTSUPP;
		}
	}
	check(!odd && there > 10 && (kind != MEMFD || mapped > 10) && vm.shared->changes > 10,
	      "%s: a slot that came and went %llu times: %llu of %llu reads had it, %llu of %llu maps, %llu odd",
	      name, (unsigned long long)vm.shared->changes, (unsigned long long)there,
	      (unsigned long long)reads, (unsigned long long)mapped, (unsigned long long)maps,
	      (unsigned long long)odd);
	end_vm(&vm);
}

/* ---- threads that do one thing until they are told to stop ---- */

struct busy {
	struct vm *vm;
	volatile bool stop;
	uint64_t rounds, odd;
	pthread_t thread;
};

static bool right(int error, const int *list)
{
	for (; *list; list++)
		if (error == *list)
			return true;
	return !error;
}

static void *read_on(void *arg)
{
	static const int rights[] = { ENODEV, ENXIO, ENODATA, EDQUOT, 0 };
	static uint8_t mine[64 * PAGE];
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++) {
		uint32_t fault = busy->rounds & 1 ? KVM_WARDEN_READ_FAULT : 0;
		struct kvm_warden_segment s =
			read_at(busy->vm->guest, TOUCHED - sizeof(mine) / 2, mine, sizeof(mine), fault);

		busy->odd += !right(s.error < -10000 ? -s.error - 10000 : -s.error, rights);
	}
	return NULL;
}

static void *map_on(void *arg)
{
	static const int rights[] = { ENODEV, 0 };
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++) {
		int memory = open_memory(busy->vm->guest, 0, TOUCHED);
		uint8_t *map = memory < 0 ? MAP_FAILED : map_memory(memory, TOUCHED, 0);

		if (map != MAP_FAILED) {
			busy->odd += map[0x3000] != pattern(0x3000);
			munmap(map, TOUCHED);
		} else {
			busy->odd += !right(memory < 0 ? -memory : errno, rights);
		}
		if (memory >= 0)
			close(memory);
	}
	return NULL;
}

static void *freeze_on(void *arg)
{
	static const int rights[] = { ENODEV, EBUSY, ENOENT, EALREADY, 0 };
	struct kvm_warden_freeze request;
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++) {
		busy->odd += !right(freeze(busy->vm->guest, 20, &request), rights);
		usleep(2000);
		busy->odd += !right(thaw(busy->vm->guest), rights);
		usleep(10000);
	}
	return NULL;
}

static void *contain_on(void *arg)
{
	static const int rights[] = { ENOENT, 0 };
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++) {
		busy->odd += !right(contain(busy->vm->id, 50), rights);
		usleep(5000);
		busy->odd += !right(release(busy->vm->id), rights);
		usleep(5000);
	}
	return NULL;
}

static void *look_on(void *arg)
{
	static const int rights[] = { ENODEV, ENXIO, 0 };
	struct busy *busy = arg;

	for (; !busy->stop; busy->rounds++) {
		struct kvm_warden_regs regs = { .vcpu = busy->rounds % 8 };
		struct kvm_warden_guest_info info;

		busy->odd += !right(result(ioctl(busy->vm->guest, KVM_WARDEN_REGS, &regs)), rights);
		busy->odd += !right(result(ioctl(busy->vm->guest, KVM_WARDEN_GUEST_INFO, &info)), rights);
	}
	return NULL;
}

static void *(*const all[])(void *) = { read_on, map_on, freeze_on, contain_on, look_on };
#define ALL (sizeof(all) / sizeof(all[0]))

static void begin_all(struct busy *busy, struct vm *vm)
{
	for (size_t i = 0; i < ALL; i++) {
		busy[i] = (struct busy){ .vm = vm };
		pthread_create(&busy[i].thread, NULL, all[i], &busy[i]);
	}
}

/* How many answers were odd. */
static uint64_t end_all(struct busy *busy, uint64_t *rounds)
{
	uint64_t odd = 0;

	for (size_t i = 0; i < ALL; i++)
		busy[i].stop = true;
	for (size_t i = 0; i < ALL; i++) {
		pthread_join(busy[i].thread, NULL);
		odd += busy[i].odd;
		*rounds += busy[i].rounds;
	}
	return odd;
}

/* ---- the VM's end ---- */

enum end { KILLED, CLOSES, EXITS };

static const char *const ends[] = {
	[KILLED] = "killed", [CLOSES] = "that close their VM", [EXITS] = "that exit, frozen for long,",
};

/* For longer than its VMM will be there: by an fd of its own, once none of the others does. */
static int freeze_for_long(struct vm *vm)
{
	struct kvm_warden_freeze request;
	uint64_t until = now_us() + 10000000;
	int guest = open_guest(vm->id);

	while (now_us() < until && freeze(guest, 500, &request))
		usleep(1000);
	return guest;
}

static bool is_frozen(struct vm *vm)
{
	struct kvm_warden_guest_info info = { 0 };

	return !ioctl(vm->guest, KVM_WARDEN_GUEST_INFO, &info) && info.flags & KVM_WARDEN_GUEST_FROZEN;
}

/* All of its threads exit, those of the vCPUs where they are parked.  Was it so? */
static bool exit_while_frozen(struct vm *vm)
{
	int guest = freeze_for_long(vm), status;
	char order = EXIT;
	bool frozen = is_frozen(vm) && write(vm->orders, &order, 1) == 1;

	frozen = waitpid(vm->pid, &status, 0) == vm->pid && WIFEXITED(status) && frozen;
	close(guest);
	return frozen;
}

static bool end_as(struct vm *vm, enum end how)
{
	switch (how) {
	case KILLED: return !kill(vm->pid, SIGKILL);
	case CLOSES: return tell(vm, CLOSE);
	case EXITS: return exit_while_frozen(vm);
	}
	return false;
}

/* The VMM ends at another moment each time; its memory and the guest go with it. */
static void test_ends(enum end how, int times)
{
	uint64_t odd = 0, rounds = 0;
	int stayed = 0, ended = 0;

	for (int i = 0; i < times; i++) {
		struct busy busy[ALL];
		struct pollfd p;
		struct vm vm;

		start_vm(&vm, MEMFD, false);
		begin_all(busy, &vm);
		usleep(20000 + 7919 * i % 60000);
		ended += end_as(&vm, how);
		p = (struct pollfd){ .fd = vm.guest };
		stayed += poll(&p, 1, 10000) != 1;
		odd += end_all(busy, &rounds);
		end_vm(&vm);
	}
	check(!odd && !stayed && ended == times && rounds > (uint64_t)times,
	      "%d VMMs %s while read, mapped, frozen and contained (%llu rounds, %llu odd, %d stayed)",
	      ended, ends[how], (unsigned long long)rounds, (unsigned long long)odd, stayed);
}

/* ---- vCPUs that come ---- */

static void test_hotplug(void)
{
	uint64_t odd, rounds = 0;
	struct kvm_warden_guest_info info;
	struct busy busy[ALL];
	bool added = true;
	struct vm vm;

	start_vm(&vm, MEMFD, false);
	begin_all(busy, &vm);
	for (int i = 1; i < 8; i++) {
		added = added && tell(&vm, ADD_VCPU);
		usleep(100000);
	}
	odd = end_all(busy, &rounds);
	for (int i = 0; i < 100 && !(find_guest(vm.pid, &info) && info.vcpus == 8); i++)
		usleep(50000);
	check(added && !odd && info.vcpus == 8 && !(info.flags & (KVM_WARDEN_GUEST_CONTAINED | KVM_WARDEN_GUEST_FROZEN)),
	      "seven vCPUs that come meanwhile are the guest's (%u; %llu rounds, %llu odd)",
	      info.vcpus, (unsigned long long)rounds, (unsigned long long)odd);
	end_vm(&vm);
}

int main(void)
{
	setlinebuf(stdout);
	open_control();
	test_slots_churn(ANONYMOUS, "anonymous");
	test_slots_churn(MEMFD, "memfd");
	test_ends(KILLED, 20);
	test_ends(CLOSES, 20);
	test_ends(EXITS, 20);
	test_hotplug();
	printf("1..%d\n", tests);
	return failures != 0;
}
