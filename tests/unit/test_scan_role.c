// SPDX-License-Identifier: GPL-2.0-or-later
/* Contents and their verdicts, workers that end, databases that change. */
#include "test_scan_harness.h"

static void test_announces_database(void **state)
{
	struct role r;

	start_with_markers(&r, 1, 30);
	assert_int_equal(r.database.ready, 1);
	assert_int_equal(r.database.signatures, 2);
	assert_int_equal(strlen(r.database.epoch), 2 * HASH_BYTES);
	assert_memory_equal(r.database.engine, "libclamav ", 10);
	assert_string_equal(r.database.why, "");
	stop(&r);
}

/* New signatures count at once; what is refused leaves the old ones at work. */
static void test_database_changes(void **state)
{
	static const char text[] = "some text with " MARKER " in it";
	char db[96], signatures[512];
	struct m_database next;
	struct role r;

	start_with_markers(&r, 1, 30);
	snprintf(db, sizeof(db), "%s/db", r.dir);
	make_signatures(signatures, sizeof(signatures));

	write_file(db, "unit.ndb", "Warden.Test.Other:0:*:00112233445566778899aabbccddeeff\n");
	next = next_database(&r);
	assert_int_equal(next.ready, 1);
	assert_int_equal(next.signatures, 1);
	assert_string_not_equal(next.epoch, r.database.epoch);
	assert_verdict(scan(&r, SCAN_FILE, sealed(text, sizeof(text))), CLEAN);

	write_file(db, "unit.ndb", signatures);
	next = next_database(&r);
	assert_int_equal(next.ready, 1);
	assert_string_equal(next.epoch, r.database.epoch);
	/* Clean by the signatures of before: no verdict of theirs is used. */
	assert_verdict(scan(&r, SCAN_FILE, sealed(text, sizeof(text))), INFECTED);

	write_file(db, "broken.ndb", "this is no signature\n");
	next = next_database(&r);
	assert_int_equal(next.ready, 0);
	assert_memory_equal(next.why, "broken.ndb: ", 12);
	assert_verdict(scan(&r, SCAN_FILE, sealed("another " MARKER, sizeof("another " MARKER))),
		       INFECTED);
	assert_verdict(scan(&r, SCAN_FILE, sealed("nothing of note", 15)), CLEAN);

	write_file(db, "broken.ndb", "");
	next = next_database(&r);
	assert_int_equal(next.ready, 1);
	assert_int_equal(next.signatures, 2);
	stop(&r);
}

/* Under way while the signatures change: it is scanned by the new ones. */
static void test_database_changes_under_way(void **state)
{
	char db[96], signatures[512];
	struct m_verdict v;
	struct role r;
	pid_t worker;

	start_with_markers(&r, 1, 60);
	snprintf(db, sizeof(db), "%s/db", r.dir);
	make_signatures(signatures, sizeof(signatures));
	write_file(db, "unit.ndb", "Warden.Test.Other:0:*:00112233445566778899aabbccddeeff\n");
	assert_int_equal(next_database(&r).ready, 1);
	worker = wait_for_worker(r.pid, 0);
	/* It hangs with the content for as long as the next signatures need. */
	assert_int_equal(kill(worker, SIGSTOP), 0);
	ask(&r, 7, SCAN_FILE, sealed("the " MARKER, sizeof("the " MARKER)));
	write_file(db, "unit.ndb", signatures);
	assert_int_equal(next_database(&r).ready, 1);
	assert_int_equal(kill(worker, SIGCONT), 0);
	assert_int_equal(get_verdict(&r, &v), 7);
	assert_verdict(v, INFECTED);
	stop(&r);
}

static void test_infected_and_clean(void **state)
{
	static const char text[] = "some text with " MARKER " in it";
	uint8_t hash[HASH_BYTES];
	struct m_verdict v;
	struct role r;

	start_with_markers(&r, 2, 30);
	v = scan(&r, SCAN_FILE, sealed(text, sizeof(text)));
	assert_verdict(v, INFECTED);
	hash_content(hash, text, sizeof(text));
	assert_memory_equal(v.hash, hash, sizeof(hash));
	assert_int_equal(v.bytes, sizeof(text));
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(text, sizeof(text))), INFECTED);
	assert_verdict(scan(&r, SCAN_FILE, sealed("nothing of note", 15)), CLEAN);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed("nothing of note", 15)), CLEAN);
	assert_verdict(scan(&r, SCAN_FILE, sealed("", 0)), CLEAN);
	stop(&r);
}

static void test_border_of_pages(void **state)
{
	struct role r;

	start_with_markers(&r, 1, 30);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed_sparse(16 * 4096, 3 * 4096 - 5, MARKER)),
		       INFECTED);
	assert_verdict(scan(&r, SCAN_FILE, sealed_sparse(16 * 4096, 3 * 4096 - 5, MARKER)),
		       INFECTED);
	stop(&r);
}

/* A region larger than one scan: across the border of its parts, too. */
static void test_border_of_parts(void **state)
{
	struct role r;

	start_with_markers(&r, 1, 30);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed_sparse(258ll * MIB, 256ll * MIB - 5, MARKER)),
		       INFECTED);
	stop(&r);
}

/* The hash of a content with holes is that of its bytes. */
static void test_hash_of_holes(void **state)
{
	static uint8_t flat[MIB];
	uint8_t hash[HASH_BYTES];
	struct m_verdict v;
	struct role r;

	start_with_markers(&r, 1, 30);
	v = scan(&r, SCAN_FILE, sealed_sparse(MIB, 500000, "data"));
	assert_verdict(v, CLEAN);
	memcpy(flat + 500000, "data", 4);
	hash_content(hash, flat, sizeof(flat));
	assert_memory_equal(v.hash, hash, sizeof(hash));
	v = scan(&r, SCAN_FILE, sealed(flat, sizeof(flat)));
	assert_verdict(v, CLEAN);
	assert_int_equal(v.cached, 1);
	stop(&r);
}

static void test_refused_contents(void **state)
{
	struct role r;
	int fd, pipes[2];

	start_with_markers(&r, 1, 30);
	fd = open_memfd();
	assert_int_equal(write(fd, MARKER, strlen(MARKER)), strlen(MARKER));
	assert_verdict(scan(&r, SCAN_FILE, fd), VERDICT_NOT_SCANNED, "not sealed");
	assert_verdict(scan(&r, SCAN_FILE, sealed_sparse(256ll * MIB + 1, 0, MARKER)),
		       VERDICT_NOT_SCANNED, "larger than 256 MiB");
	assert_verdict(scan(&r, SCAN_MEMORY, sealed_sparse(1024ll * MIB + 1, 0, NULL)),
		       VERDICT_NOT_SCANNED, "larger than 1024 MiB");
	assert_verdict(scan(&r, SCAN_FILE, sealed("abc", 3)),
		       VERDICT_NOT_SCANNED, "too short for libclamav to look at");
	assert_verdict(scan(&r, SCAN_FILE, open("/etc/passwd", O_RDONLY)),
		       VERDICT_NOT_SCANNED, "not a memfd");
	assert_int_equal(pipe(pipes), 0);
	assert_verdict(scan(&r, SCAN_FILE, pipes[0]), VERDICT_NOT_SCANNED, "not a memfd");
	close(pipes[1]);
	assert_verdict(scan(&r, SCAN_FILE, -1), VERDICT_NOT_SCANNED, "no content");
	assert_verdict(scan(&r, 7, sealed("abcdefgh", 8)), VERDICT_NOT_SCANNED, "unknown profile");
	stop(&r);
}

/* A zip whose one member, deflated, holds the marker. */
static void test_in_archive(void **state)
{
	static const uint8_t zip[] = {
		0x50,0x4b,0x03,0x04,0x14,0x00,0x00,0x00,0x08,0x00,0x00,0x00,0x21,0x00,
		0xee,0xf7,0x42,0x4d,0x27,0x00,0x00,0x00,0x9c,0x00,0x00,0x00,0x01,0x00,
		0x00,0x00,0x61,0x2b,0x48,0xac,0xcc,0xc9,0x4f,0x4c,0x51,0x08,0x77,0x0c,
		0x72,0x71,0xf5,0xd3,0x0d,0xf5,0xf3,0x0c,0xd1,0xf5,0x75,0x0c,0xf2,0x76,
		0x0d,0xd2,0x75,0xf4,0x8b,0x54,0x28,0x80,0x4a,0x17,0x0c,0x84,0x32,0x00,
		0x50,0x4b,0x01,0x02,0x14,0x03,0x14,0x00,0x00,0x00,0x08,0x00,0x00,0x00,
		0x21,0x00,0xee,0xf7,0x42,0x4d,0x27,0x00,0x00,0x00,0x9c,0x00,0x00,0x00,
		0x01,0x00,0x00,0x00,0x00,0x00,0x00,0x00,0x00,0x00,0x00,0x00,0x80,0x01,
		0x00,0x00,0x00,0x00,0x61,0x50,0x4b,0x05,0x06,0x00,0x00,0x00,0x00,0x01,
		0x00,0x01,0x00,0x2f,0x00,0x00,0x00,0x46,0x00,0x00,0x00,0x00,0x00,
	};
	struct role r;

	start_with_markers(&r, 1, 30);
	assert_verdict(scan(&r, SCAN_FILE, sealed(zip, sizeof(zip))), INFECTED);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(zip, sizeof(zip))), CLEAN);
	stop(&r);
}

/*
 * First bytes that make libclamav skip the bytes that follow (music, a page)
 * hide nothing, in contents of more and of less than a block of its count.
 */
static void test_disguised(void **state)
{
	static const char *const disguises[] = { "ID3\3", "<html><head></head><body>" };
	static const size_t sizes[] = { 200, 9000 };
	struct role r;

	start_with_markers(&r, 1, 30);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(disguises); i++) {
		const char *disguise = disguises[i / 2];
		uint8_t data[9000];

		memset(data, ' ', sizeof(data));
		memcpy(data, disguise, strlen(disguise));
		memcpy(data + 100, MARKER, strlen(MARKER));
		assert_verdict(scan(&r, SCAN_FILE, sealed(data, sizes[i % 2])), INFECTED);
		assert_verdict(scan(&r, SCAN_MEMORY, sealed(data, sizes[i % 2])), INFECTED);
		data[100] = 'X';
		assert_verdict(scan(&r, SCAN_FILE, sealed(data, sizes[i % 2])), CLEAN);
		assert_verdict(scan(&r, SCAN_MEMORY, sealed(data, sizes[i % 2])), CLEAN);
	}
	stop(&r);
}

/*
 * Signatures for ELF files match where the content begins with an ELF header:
 * in a file, and in a region of memory that holds the start of one.
 */
static void test_elf_signature(void **state)
{
	uint8_t elf[8192] = {
		0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 62, [20] = 1,
		[24] = 0x78, [26] = 0x40, [32] = 64, [52] = 64, [54] = 56, [56] = 1,
		/* PT_LOAD, readable and executable, from offset 0 at 0x400000 */
		[64] = 1, [68] = 5, [82] = 0x40, [90] = 0x40,
		[97] = 0x20, [105] = 0x20, [113] = 0x10,
	};
	struct role r;

	start_with_markers(&r, 1, 30);
	memcpy(elf + 4096, ELF_MARKER, strlen(ELF_MARKER));
	assert_verdict(scan(&r, SCAN_FILE, sealed(elf, sizeof(elf))),
		       VERDICT_INFECTED, "Warden.Test.Elf.UNOFFICIAL");
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(elf, sizeof(elf))),
		       VERDICT_INFECTED, "Warden.Test.Elf.UNOFFICIAL");
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(elf + 4096, 4096)), CLEAN);
	/* Nor does the type hide the other signatures. */
	memcpy(elf + 4096, MARKER, strlen(MARKER));
	assert_verdict(scan(&r, SCAN_FILE, sealed(elf, sizeof(elf))), INFECTED);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(elf, sizeof(elf))), INFECTED);
	stop(&r);
}

/* By content, and apart for each profile. */
static void test_verdict_cache(void **state)
{
	struct m_verdict v;
	struct role r;

	start_with_markers(&r, 1, 30);
	v = scan(&r, SCAN_FILE, sealed("x" MARKER, 1 + strlen(MARKER)));
	assert_int_equal(v.cached, 0);
	v = scan(&r, SCAN_FILE, sealed("x" MARKER, 1 + strlen(MARKER)));
	assert_verdict(v, INFECTED);
	assert_int_equal(v.cached, 1);
	v = scan(&r, SCAN_MEMORY, sealed("x" MARKER, 1 + strlen(MARKER)));
	assert_int_equal(v.cached, 0);
	stop(&r);
}

static void test_killed_worker(void **state)
{
	struct m_verdict v;
	struct role r;
	pid_t worker;

	start_with_markers(&r, 1, 30);
	worker = wait_for_worker(r.pid, 0);
	kill(worker, SIGSTOP);
	ask(&r, 1, SCAN_FILE, sealed(MARKER, strlen(MARKER)));
	usleep(200000);
	kill(worker, SIGKILL);
	get_verdict(&r, &v);
	assert_verdict(v, VERDICT_NOT_SCANNED, "worker died: signal 9 (SIGKILL)");
	/* Not remembered, and there is another worker. */
	assert_verdict(scan(&r, SCAN_FILE, sealed(MARKER, strlen(MARKER))), INFECTED);
	/* One that dies idle is replaced, too. */
	worker = wait_for_worker(r.pid, 0);
	kill(worker, SIGKILL);
	wait_for_worker(r.pid, worker);
	assert_verdict(scan(&r, SCAN_MEMORY, sealed(MARKER, strlen(MARKER))), INFECTED);
	stop(&r);
}

static void test_hanging_worker(void **state)
{
	struct m_verdict v;
	struct role r;

	start_with_markers(&r, 1, 1);
	kill(wait_for_worker(r.pid, 0), SIGSTOP);
	v = scan(&r, SCAN_FILE, sealed(MARKER, strlen(MARKER)));
	assert_verdict(v, VERDICT_NOT_SCANNED, "worker exceeded 1 s");
	assert_true(v.elapsed_us >= 2500000);
	assert_verdict(scan(&r, SCAN_FILE, sealed(MARKER, strlen(MARKER))), INFECTED);
	stop(&r);
}

static void test_time_limit(void **state)
{
	struct m_verdict v;
	struct role r;

	start_with_markers(&r, 1, 1);
	for (uint32_t profile = SCAN_FILE; profile <= SCAN_MEMORY; profile++) {
		v = scan(&r, profile, sealed_noise(240 * MIB));
		/* Or the watchdog was first: a slow machine. */
		if (strcmp(v.name, "worker exceeded 1 s"))
			assert_verdict(v, VERDICT_NOT_SCANNED, "time limit");
		assert_int_equal(v.verdict, VERDICT_NOT_SCANNED);
	}
	stop(&r);
}

/* As many as the contract allows at once, over two workers. */
static void test_many_outstanding(void **state)
{
	unsigned answered = 0;
	struct role r;

	start_with_markers(&r, 2, 30);
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%u %s", i, i % 2 ? MARKER : "nothing");
		ask(&r, i, SCAN_FILE, sealed(text, strlen(text)));
	}
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		struct m_verdict v;
		uint64_t id = get_verdict(&r, &v);

		assert_in_range(id, 0, SCAN_OUTSTANDING - 1);
		assert_false(answered & 1u << id);
		answered |= 1u << id;
		assert_int_equal(v.verdict, id % 2 ? VERDICT_INFECTED : VERDICT_CLEAN);
	}
	stop(&r);
}

/* The most that the configuration allows are all served. */
static void test_most_workers(void **state)
{
	struct role r;

	start_with_markers(&r, 64, 30);
	for (unsigned i = 0; i < 80; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%u " MARKER, i);
		assert_verdict(scan(&r, SCAN_FILE, sealed(text, strlen(text))), INFECTED);
	}
	stop(&r);
}

/* Recycling by number of scans goes unnoticed. */
static void test_recycled_worker(void **state)
{
	struct role r;
	pid_t first;

	start_with_markers(&r, 1, 30);
	first = wait_for_worker(r.pid, 0);
	for (unsigned i = 0; i < 300; i++) {
		char text[64];

		snprintf(text, sizeof(text), "clean number %u", i);
		assert_verdict(scan(&r, SCAN_MEMORY, sealed(text, strlen(text))), CLEAN);
	}
	assert_int_not_equal(wait_for_worker(r.pid, 0), first);
	stop(&r);
}

static void test_refused_database(void **state)
{
	struct role r;
	char db[96];

	start_with_markers(&r, 1, 30);
	close(r.sock);
	waitpid(r.pid, NULL, 0);
	snprintf(db, sizeof(db), "%s/db", r.dir);
	write_file(db, "broken.ndb", "no signature at all\n");
	start(&r, 1, 30);
	assert_int_equal(r.database.ready, 0);
	assert_memory_equal(r.database.why, "broken.ndb: ", 12);
	assert_verdict(scan(&r, SCAN_FILE, sealed("nothing of note", 15)), VERDICT_NOT_SCANNED,
		       "database refused: broken.ndb: Problem parsing database at line 1");
	stop(&r);
}

static void test_empty_database(void **state)
{
	struct role r;
	char db[96], path[128];

	start_with_markers(&r, 1, 30);
	close(r.sock);
	waitpid(r.pid, NULL, 0);
	snprintf(db, sizeof(db), "%s/db", r.dir);
	snprintf(path, sizeof(path), "%s/unit.ndb", db);
	unlink(path);
	start(&r, 1, 30);
	assert_int_equal(r.database.ready, 1);
	assert_int_equal(r.database.signatures, 0);
	assert_string_equal(r.database.why, "no database file: nothing can be found");
	assert_verdict(scan(&r, SCAN_FILE, sealed(MARKER, strlen(MARKER))), VERDICT_NOT_SCANNED,
		       "no database file: nothing can be found");
	stop(&r);
}

/* Workers end with their broker, however it ends. */
static void test_no_orphans(void **state)
{
	struct role r;
	pid_t worker;

	start_with_markers(&r, 1, 30);
	worker = wait_for_worker(r.pid, 0);
	kill(r.pid, SIGKILL);
	waitpid(r.pid, NULL, 0);
	for (int i = 0; i < 6000 && !kill(worker, 0); i++)
		usleep(10000);
	assert_int_equal(kill(worker, 0), -1);
	close(r.sock);
	remove_dir(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announces_database),
		cmocka_unit_test(test_infected_and_clean),
		cmocka_unit_test(test_border_of_pages),
		cmocka_unit_test(test_border_of_parts),
		cmocka_unit_test(test_hash_of_holes),
		cmocka_unit_test(test_refused_contents),
		cmocka_unit_test(test_in_archive),
		cmocka_unit_test(test_disguised),
		cmocka_unit_test(test_elf_signature),
		cmocka_unit_test(test_verdict_cache),
		cmocka_unit_test(test_killed_worker),
		cmocka_unit_test(test_hanging_worker),
		cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_many_outstanding),
		cmocka_unit_test(test_most_workers),
		cmocka_unit_test(test_recycled_worker),
		cmocka_unit_test(test_refused_database),
		cmocka_unit_test(test_database_changes),
		cmocka_unit_test(test_database_changes_under_way),
		cmocka_unit_test(test_empty_database),
		cmocka_unit_test(test_no_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
