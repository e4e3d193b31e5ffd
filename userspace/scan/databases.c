// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files are loaded one by one, not by cl_load of the folder: only so can a
 * refusal name its file, and may a file be empty.  The order is that of
 * libclamav for a folder: what ignores signatures before those it ignores,
 * then the daily set, then certificates, then the rest.
 */
#include "scan/databases.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"
#include "scan/content.h"
#include "scan/scanner.h"

#define MAX_DATABASES 1024

struct database {
	char *name;
	off_t size;
};

struct folder {
	int fd;
	size_t count;
	bool no_memory;			/* to list it */
	struct database file[MAX_DATABASES];
};

/* A loader's: there may be more of it the next time, and the broker has it tried again. */
static void check_memory(bool missing)
{
	if (missing)
		fatal("too little memory for the databases");
}

static void refuse(struct m_database *info, const char *file, const char *why)
{
	char text[2 * TEXT_WHY];

	snprintf(text, sizeof(text), "%s: %s", file, why);
	info->ready = 0;
	text_escape(info->why, sizeof(info->why), text, strlen(text));
}

static const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name ? dot + 1 : "";
}

static bool is_database(const char *name)
{
	static const char *const known[] = {
		"cat", "cbc", "cdb", "cfg", "cld", "crb", "cud", "cvd", "db", "fp",
		"ftm", "gdb", "hdb", "hdu", "hsb", "hsu", "idb", "ign", "ign2",
		"imp", "ioc", "ldb", "ldu", "mdb", "mdu", "msb", "msu", "ndb",
		"ndu", "pdb", "pwdb", "sdb", "sfp", "wdb", "yar", "yara", "zmd",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcasecmp(extension(name), known[i]))
			return true;
	return false;
}

static int rank(const char *name)
{
	if (!strncasecmp(extension(name), "ign", 3))
		return 0;
	if (!strncasecmp(name, "daily.", 6))
		return 1;
	return strcasecmp(extension(name), "crb") ? 3 : 2;
}

static int compare(const void *a, const void *b)
{
	const struct database *x = a, *y = b;
	int by_rank = rank(x->name) - rank(y->name);

	return by_rank ? by_rank : strcmp(x->name, y->name);
}

static void folder_release(struct folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		free(folder->file[i].name);
	folder->count = 0;
	if (folder->fd >= 0)
		close(folder->fd);
}

/* False and *ret_why if this file of the folder cannot be taken. */
static bool folder_add(struct folder *folder, const char *name, const char **ret_why)
{
	struct stat st;

	if (fstatat(folder->fd, name, &st, 0)) {
		*ret_why = strerror(errno);
		return false;
	}
	if (!S_ISREG(st.st_mode) || folder->count == MAX_DATABASES) {
		*ret_why = S_ISREG(st.st_mode) ? "one file too many" : "not a file";
		return false;
	}
	folder->file[folder->count].size = st.st_size;
	folder->file[folder->count].name = strdup(name);
	*ret_why = "no memory";
	folder->no_memory = !folder->file[folder->count].name;
	return !folder->no_memory && ++folder->count;
}

static bool folder_list(struct folder *folder, const char *path, struct m_database *info)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	const char *why = "";
	bool good = true;

	folder->count = 0;
	folder->no_memory = false;
	folder->fd = dir ? fcntl(dirfd(dir), F_DUPFD_CLOEXEC, 0) : -1;
	if (folder->fd < 0) {
		folder->no_memory = errno == ENOMEM;
		refuse(info, "folder", strerror(errno));
		return false;
	}
	while (good && (e = readdir(dir)))
		if (is_database(e->d_name) && !(good = folder_add(folder, e->d_name, &why)))
			refuse(info, e->d_name, why);
	closedir(dir);
	qsort(folder->file, folder->count, sizeof(folder->file[0]), compare);
	return good;
}

/* One file's bytes, as hashed into the epoch and into a copy. */
static int copy_bytes(crypto_generichash_state *state, int from, int to, uint64_t size)
{
	static uint8_t block[256 << 10];
	uint64_t copied = 0;
	ssize_t n;

	while (copied <= size && (n = read(from, block, sizeof(block))) > 0) {
		crypto_generichash_update(state, block, n);
		if (write(to, block, n) != n)
			return -ENOSPC;
		copied += n;
	}
	if (n < 0)
		return -errno;
	return copied == size ? 0 : -ESTALE;
}

/*
 * What is loaded is a copy where nobody else writes, made while it is hashed:
 * the folder's file may change under the loader, between one look and the next.
 */
static int copy_file(crypto_generichash_state *state, int folder, const struct database *file,
		     const char *copy)
{
	uint64_t size = file->size;
	autofd int from = openat(folder, file->name, O_RDONLY | O_CLOEXEC), to = -1;

	if (from < 0)
		return -errno;
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	crypto_generichash_update(state, (const uint8_t *)file->name, strlen(file->name) + 1);
	crypto_generichash_update(state, (const uint8_t *)&size, sizeof(size));
	return copy_bytes(state, from, to, size);
}

/* libclamav's last complaint says more than its error code. */
static char last_message[TEXT_WHY];
/* A file that it had no memory for, it may call malformed. */
static bool no_memory;

static void on_message(enum cl_msg severity, const char *full, const char *text, void *context)
{
	size_t len = strcspn(text, "\n");

	if (severity != CL_MSG_INFO_VERBOSE && (strstr(text, "allocat") || strstr(text, "memory")))
		no_memory = true;
	/* "Can't load FILE" follows the reason and repeats what we say. */
	if (severity != CL_MSG_ERROR || !strncmp(text, "Can't load", 10))
		return;
	len = MIN(len, sizeof(last_message) - 1);
	memcpy(last_message, text, len);
	last_message[len] = '\0';
}

static bool load_copy(struct cl_engine *engine, const struct database *file, const char *copy,
		      struct m_database *info)
{
	unsigned signatures = 0;
	cl_error_t r;

	if (!file->size)		/* libclamav calls it malformed */
		return true;
	last_message[0] = '\0';
	no_memory = false;
	r = cl_load(copy, engine, &signatures, CL_DB_STDOPT);
	check_memory(r == CL_EMEM || (r != CL_SUCCESS && no_memory));
	if (r != CL_SUCCESS)
		refuse(info, file->name, last_message[0] ? last_message : cl_strerror(r));
	info->signatures += signatures;
	return r == CL_SUCCESS;
}

static bool load_file(struct cl_engine *engine, const struct folder *folder,
		      const struct database *file, const char *copies,
		      crypto_generichash_state *state, struct m_database *info)
{
	char copy[PATH_MAX + 256];
	bool good;
	int r;

	snprintf(copy, sizeof(copy), "%s/%s", copies, file->name);
	r = copy_file(state, folder->fd, file, copy);
	check_memory(r == -ENOMEM || r == -ENOSPC);	/* the copy is in a tmpfs */
	if (r)
		refuse(info, file->name, r == -ESTALE ? "it changes while it is read" : strerror(-r));
	good = !r && load_copy(engine, file, copy, info);
	unlink(copy);
	return good;
}

/* The epoch: equal only for the same names and bytes. */
static bool load_files(struct cl_engine *engine, const struct folder *folder, const char *copies,
		       struct m_database *info)
{
	crypto_generichash_state state;
	uint8_t hash[HASH_BYTES];

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	for (size_t i = 0; i < folder->count; i++)
		if (!load_file(engine, folder, &folder->file[i], copies, &state, info))
			return false;
	crypto_generichash_final(&state, hash, sizeof(hash));
	hex_encode(info->epoch, hash, sizeof(hash));
	return true;
}

/* One file's copy at a time: beside the engine, the memory of the largest. */
static bool load_folder(struct cl_engine *engine, const struct folder *folder, const char *tmpdir,
			struct m_database *info)
{
	char copies[256];
	bool good;

	snprintf(copies, sizeof(copies), "%s/load.XXXXXX", tmpdir);
	if (!mkdtemp(copies)) {
		check_memory(errno == ENOMEM);
		refuse(info, tmpdir, strerror(errno));
		return false;
	}
	good = load_files(engine, folder, copies, info);
	rmdir(copies);
	return good;
}

static bool configure(struct cl_engine *engine, const char *tmpdir, uint32_t scan_seconds)
{
	static const struct { enum cl_engine_field field; long long value; } limits[] = {
		/* It ignores scan options and is keyed by MD5; ours does not. */
		{ CL_ENGINE_DISABLE_CACHE, 1 },
		{ CL_ENGINE_MAX_FILESIZE, CONTENT_FILE_MAX },
		{ CL_ENGINE_MAX_SCANSIZE, 2 * CONTENT_FILE_MAX },
		{ CL_ENGINE_PCRE_MAX_FILESIZE, CONTENT_FILE_MAX },
		/* No executable memory in the jail, so no JIT. */
		{ CL_ENGINE_BYTECODE_MODE, CL_BYTECODE_MODE_INTERPRETER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (cl_engine_set_num(engine, limits[i].field, limits[i].value))
			return false;
	if (cl_engine_set_num(engine, CL_ENGINE_MAX_SCANTIME, scan_seconds * 1000ll) ||
	    cl_engine_set_str(engine, CL_ENGINE_TMPDIR, tmpdir))
		return false;
	scanner_prepare(engine);
	return true;
}

static struct cl_engine *build(const struct folder *folder, const char *tmpdir,
			       uint32_t scan_seconds, struct m_database *info)
{
	struct cl_engine *engine = cl_engine_new();

	if (engine && configure(engine, tmpdir, scan_seconds) &&
	    load_folder(engine, folder, tmpdir, info)) {
		cl_error_t r = cl_engine_compile(engine);

		check_memory(r == CL_EMEM);
		if (r == CL_SUCCESS)
			return engine;
		refuse(info, "all", cl_strerror(r));
	}
	if (engine)
		cl_engine_free(engine);
	if (!info->why[0])
		refuse(info, "libclamav", "no engine");
	return NULL;
}

void databases_engine_name(char ret_name[TEXT_NAME])
{
	snprintf(ret_name, TEXT_NAME, "libclamav %s", cl_retver());
}

struct cl_engine *databases_load(const char *path, const char *tmpdir,
				 uint32_t scan_seconds, struct m_database *ret_info)
{
	struct folder *folder = malloc(sizeof(*folder));
	struct cl_engine *engine = NULL;

	memset(ret_info, 0, sizeof(*ret_info));
	databases_engine_name(ret_info->engine);
	if (!folder)
		return NULL;
	cl_set_clcb_msg(on_message);
	if (folder_list(folder, path, ret_info))
		engine = build(folder, tmpdir, scan_seconds, ret_info);
	check_memory(folder->no_memory);
	ret_info->ready = engine != NULL;
	if (engine && !folder->count)
		snprintf(ret_info->why, TEXT_WHY, "no database file: nothing can be found");
	else if (engine && !ret_info->signatures)
		snprintf(ret_info->why, TEXT_WHY, "no signature: nothing can be found");
	folder_release(folder);
	free(folder);
	return engine;
}

static void look_at(crypto_generichash_state *state, int folder, const char *name)
{
	struct stat st = { 0 };
	uint64_t signs[4];

	fstatat(folder, name, &st, 0);
	signs[0] = st.st_ino;
	signs[1] = st.st_size;
	signs[2] = st.st_mtim.tv_sec * 1000000000ull + st.st_mtim.tv_nsec;
	signs[3] = st.st_ctim.tv_sec * 1000000000ull + st.st_ctim.tv_nsec;
	crypto_generichash_update(state, (const uint8_t *)name, strlen(name) + 1);
	crypto_generichash_update(state, (const uint8_t *)signs, sizeof(signs));
}

uint64_t databases_look(const char *path)
{
	struct folder *folder = malloc(sizeof(*folder));
	struct m_database info = { 0 };
	crypto_generichash_state state;
	uint64_t look = 0;

	if (!folder)
		return 0;
	crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES_MIN);
	if (folder_list(folder, path, &info)) {
		uint8_t hash[crypto_generichash_BYTES_MIN];

		for (size_t i = 0; i < folder->count; i++)
			look_at(&state, folder->fd, folder->file[i].name);
		crypto_generichash_final(&state, hash, sizeof(hash));
		memcpy(&look, hash, sizeof(look));
	}
	folder_release(folder);
	free(folder);
	return look;
}
