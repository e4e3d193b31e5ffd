// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in the guest: one process for each thing that is suspicious, named after
 * it, and some that look so and are not.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul
#define SELF "/proc/self/exe"

/* for (;;) nanosleep(rdi, NULL); */
static const unsigned char loop[] = {
	0x53, 0x48, 0x89, 0xfb, 0x48, 0x89, 0xdf, 0x31, 0xf6, 0xb8, 0x23, 0x00, 0x00, 0x00,
	0x0f, 0x05, 0xeb, 0xf2,
};

static void rest(void)
{
	for (;;)
		sleep(1000);
}

static void *map(size_t size, int prot)
{
	void *at = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	memset(at, 0x90, size);
	return at;
}

static void copy(const char *to)
{
	int in = open(SELF, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) || sendfile(out, in, NULL, st.st_size) != st.st_size)
		err(1, "%s", to);
	close(in);
	close(out);
}

static void become(const char *path, const char *role)
{
	execl(path, path, role, NULL);
	err(1, "%s", path);
}

static void do_rwx(void) { map(4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC); }

static void do_anon(void) { mprotect(map(4 * PAGE, PROT_READ | PROT_WRITE), 4 * PAGE, PROT_READ | PROT_EXEC); }

/* In a huge page, if the kernel gives one. */
static void do_huge(void)
{
	char *at = mmap(NULL, 4ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	at = (char *)(((unsigned long)at + (2ul << 20) - 1) & ~((2ul << 20) - 1));
	madvise(at, 2ul << 20, MADV_HUGEPAGE);
	memset(at, 0x90, 2ul << 20);
	mprotect(at, 2ul << 20, PROT_READ | PROT_EXEC);
}

static void do_patched(void)
{
	unsigned char *at = (unsigned char *)((unsigned long)do_anon & ~(PAGE - 1));

	if (mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
		err(1, "mprotect");
	at[17] ^= 0x55;
	mprotect(at, PAGE, PROT_READ | PROT_EXEC);
}

/* A debugger's breakpoint is none. */
static void do_breakpoint(void)
{
	unsigned char *at = (unsigned char *)((unsigned long)do_anon & ~(PAGE - 1));

	if (mprotect(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC))
		err(1, "mprotect");
	at[17] = 0xcc;
	mprotect(at, PAGE, PROT_READ | PROT_EXEC);
}

static void do_traced(void) { ptrace(PTRACE_TRACEME, 0, 0, 0); }

/* Its own code goes, and other memory comes there; it runs on elsewhere. */
static void do_hollow(void)
{
	static struct timespec pause = { 1000, 0 };
	unsigned char *code = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	unsigned long start = (unsigned long)do_anon & ~0xffffful;
	/* mmap(start, size, RX, PRIVATE|ANONYMOUS|FIXED, -1, 0), then the loop. */
	static const unsigned char hollow[] = {
		0x57,				/* push rdi */
		0x48, 0x89, 0xf7,		/* mov rdi, rsi */
		0x48, 0x89, 0xd6,		/* mov rsi, rdx */
		0xba, 0x05, 0, 0, 0,		/* mov edx, 5 */
		0x41, 0xba, 0x32, 0, 0, 0,	/* mov r10d, 0x32 */
		0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,	/* mov r8, -1 */
		0x45, 0x31, 0xc9,		/* xor r9d, r9d */
		0xb8, 0x09, 0, 0, 0,		/* mov eax, SYS_mmap */
		0x0f, 0x05, 0x5f,		/* syscall; pop rdi */
	};
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long lo = 0, hi = 0, low, high;
	char line[512], flags[8];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &low, &high, flags) == 3 && flags[2] == 'x' &&
		    (unsigned long)do_anon >= low && (unsigned long)do_anon < high) {
			lo = low;
			hi = high;
		}
	(void)start;
	memcpy(code, hollow, sizeof(hollow));
	memcpy(code + sizeof(hollow), loop, sizeof(loop));
	((void (*)(void *, unsigned long, unsigned long))code)(&pause, lo, hi - lo);
}

static int idle_thread(void *nothing)
{
	prctl(PR_SET_NAME, "worker");
	rest();
	return 0;
}

static void start_thread(void)
{
	char *stack = map(65536, PROT_READ | PROT_WRITE);

	clone(idle_thread, stack + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
	      CLONE_THREAD, NULL);
}

/* The first thread ends: an old way to hide. */
static void do_headless(void)
{
	do_anon();
	start_thread();
	syscall(SYS_exit, 0);
}

static void do_nothing(void) { }

/* ---- its own truth, for who looks from outside ---- */

static void say_file(FILE *out, const char *key, const char *path)
{
	FILE *in = fopen(path, "r");
	char line[512];

	while (in && fgets(line, sizeof(line), in))
		fprintf(out, "TRUTH %s %s", key, line);
	if (in)
		fclose(in);
}

static void say_links(FILE *out, const char *key, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[300], to[300];

	while (d && (e = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%.200s", dir, e->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		if (n < 0 || !strncmp(to, "/proc", 5))
			continue;
		to[n] = '\0';
		fprintf(out, "TRUTH %s %s %s\n", key, e->d_name, to);
	}
	if (d)
		closedir(d);
}

static void say_truth(FILE *out)
{
	say_file(out, "status", "/proc/self/status");
	say_file(out, "cgroup", "/proc/self/cgroup");
	say_file(out, "maps", "/proc/self/maps");
	say_links(out, "fd", "/proc/self/fd");
	fprintf(out, "TRUTH end\n");
	fflush(out);
	rest();
}

/* In a cgroup, pid and UTS namespace of its own, with files of all kinds. */
static void do_facts(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777) };
	int tcp = socket(AF_INET, SOCK_STREAM, 0), p[2];
	FILE *f, *out = fopen("/dev/ttyS0", "w");

	if (!out || setvbuf(out, NULL, _IOFBF, 65536))
		err(1, "serial line");

	mkdir("/sys/fs/cgroup/pod-4711", 0755);
	f = fopen("/sys/fs/cgroup/pod-4711/cgroup.procs", "w");
	if (f) {
		fprintf(f, "0");
		fclose(f);
	}
	unshare(CLONE_NEWPID | CLONE_NEWUTS);
	if (fork())
		rest();
	prctl(PR_SET_NAME, "facts");
	open("/init", O_RDONLY);
	if (bind(tcp, (struct sockaddr *)&a, sizeof(a)) || listen(tcp, 1) || pipe(p))
		err(1, "socket");
	socket(AF_UNIX, SOCK_DGRAM, 0);
	eventfd(0, 0);
	/* Afterwards that is not its own to read. */
	say_links(out, "ns", "/proc/self/ns");
	if (setregid(7, 8) || setreuid(1000, 1001))
		err(1, "ids");
	start_thread();
	sleep(1);
	say_truth(out);
}

/* What a miner does: a CPU, and no end. */
static void do_miner(void)
{
	for (volatile unsigned long i = 0;; i++)
		;
}

/* What a compiler does: much of a CPU too, but each process is soon over. */
static void do_make(void)
{
	for (;;) {
		if (!fork()) {
			prctl(PR_SET_NAME, "cc1");
			for (volatile unsigned long i = 0; i < 30000000; i++)
				;
			_exit(0);
		}
		wait(NULL);
	}
}

static void go_memfd(void)
{
	int fd = memfd_create("payload", 0), in = open(SELF, O_RDONLY);
	struct stat st;
	char *argv[] = { "x", "=memfd", NULL }, *none[] = { NULL }, path[32];

	fstat(in, &st);
	sendfile(fd, in, NULL, st.st_size);
	fexecve(fd, argv, none);
	/* 5.10 wants a path. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	execve(path, argv, none);
	err(1, "memfd");
}

static void go_deleted(void) { copy("/gone"); become("/gone", "=deleted"); }
static void do_deleted(void) { unlink("/gone"); }
static void go_replaced(void) { copy("/upgraded"); become("/upgraded", "=replaced"); }
static void do_replaced(void) { copy("/upgraded.new"); rename("/upgraded.new", "/upgraded"); }

/* Two programs, each of which executes the other: every second one is given the same mm. */
static void go_restless(void) { copy("/one"); copy("/two"); become("/one", "=restless"); }

static void do_restless(void)
{
	char self[8] = "";

	usleep(20000);
	if (readlink(SELF, self, sizeof(self) - 1) < 0)
		err(1, SELF);
	become(strcmp(self, "/one") ? "/one" : "/two", "=restless");
}

/* Says that its code began elsewhere, which takes no privilege. */
static void do_moved(void)
{
	FILE *f = fopen("/proc/self/stat", "r");
	unsigned long field[53] = { 0 };
	char rest_of[2048], *at;

	if (!f || !fgets(rest_of, sizeof(rest_of), f) || !(at = strrchr(rest_of, ')')))
		err(1, "stat");
	fclose(f);
	at += 4;
	for (int i = 4; i < 53; i++)
		field[i] = strtoul(at, &at, 10);
	struct prctl_mm_map map = {
		.start_code = 0x10000, .end_code = 0x11000, .start_data = field[45], .end_data = field[46],
		.start_brk = field[47], .brk = (unsigned long)sbrk(0), .start_stack = field[28],
		.arg_start = field[48], .arg_end = field[49], .env_start = field[50], .env_end = field[51],
		.exe_fd = -1,
	};

	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0))
		err(1, "PR_SET_MM_MAP");
}

static void go_moved(void) { copy("/run/moved"); become("/run/moved", "=moved"); }
static void go_tmpfs(void) { copy("/run/dropped"); become("/run/dropped", "=tmpfs"); }

static void go_preload(void)
{
	char *argv[] = { "x", "=preload", NULL };
	char *env[] = { "A=b", "LD_PRELOAD=/usr/lib/libjemalloc.so:/home/x/.evil.so", NULL };

	execve(SELF, argv, env);
}

static void go_jemalloc(void)
{
	char *argv[] = { "x", "=jemalloc", NULL };
	char *env[] = { "LD_PRELOAD=/usr/lib/libjemalloc.so", NULL };

	execve(SELF, argv, env);
}

/* As Node.js does: a file of root's, on a disk (ramfs is none of the places to drop into). */
static void go_node(void) { copy("/jit/node"); become("/jit/node", "=node"); }

/* A container: a root on an overlay, in mounts of its own. */
static void enter_container(void)
{
	mkdir("/pod", 0755);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("pod", "/pod", "tmpfs", 0, NULL) ||
	    mkdir("/pod/image", 0755) || mkdir("/pod/upper", 0755) || mkdir("/pod/work", 0755) ||
	    mkdir("/pod/root", 0755))
		err(1, "pod");
	copy("/pod/image/program");
	if (mount("pod", "/pod/root", "overlay", 0,
		  "lowerdir=/pod/image,upperdir=/pod/upper,workdir=/pod/work"))
		err(1, "overlay");
}

static void go_image(void) { enter_container(); become("/pod/root/program", "=image"); }
static void go_overlay(void) { enter_container(); copy("/pod/root/new"); become("/pod/root/new", "=overlay"); }

static const struct role {
	const char *name;
	void (*first)(void);	/* becomes another program */
	void (*act)(void);
} roles[] = {
	{ "rwx", NULL, do_rwx }, { "anon", NULL, do_anon }, { "huge", NULL, do_huge },
	{ "patched", NULL, do_patched }, { "breakpoint", NULL, do_breakpoint },
	{ "traced", NULL, do_traced }, { "hollow", NULL, do_hollow },
	{ "memfd", go_memfd, do_nothing }, { "deleted", go_deleted, do_deleted },
	{ "replaced", go_replaced, do_replaced }, { "tmpfs", go_tmpfs, do_nothing },
	{ "moved", go_moved, do_moved }, { "headless", NULL, do_headless },
	{ "restless", go_restless, do_restless },
	{ "preload", go_preload, do_nothing }, { "jemalloc", go_jemalloc, do_nothing },
	{ "node", go_node, do_rwx },
	{ "image", go_image, do_nothing }, { "overlay", go_overlay, do_nothing },
	{ "plain", NULL, do_nothing }, { "facts-outer", NULL, do_facts },
	{ "miner", NULL, do_miner }, { "make", NULL, do_make },
};

#define ROLES (sizeof(roles) / sizeof(*roles))

static void play(const char *name)
{
	for (size_t i = 0; i < ROLES; i++) {
		if (strcmp(roles[i].name, name))
			continue;
		prctl(PR_SET_NAME, name);
		roles[i].act();
		rest();
	}
	errx(1, "%s: no such role", name);
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '=')
		play(argv[1] + 1);
	/* The initrd's root is whoever's who made it. */
	chmod("/", 0755);
	mkdir("/jit", 0755);
	if (mount("jit", "/jit", "ramfs", 0, NULL))
		err(1, "ramfs");
	for (size_t i = 0; i < ROLES; i++) {
		if (fork())
			continue;
		if (roles[i].first)
			roles[i].first();
		play(roles[i].name);
	}
	for (;;)
		wait(NULL);
}
