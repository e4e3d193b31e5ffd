// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: what an administrator set up. */
#include "cli/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "engine/policy.h"
#include "lib/util.h"

#define DATABASE_DAYS 7
#define SPACE_WARN (1024ull << 20)
#define SPACE_FAIL (64ull << 20)

static bool is_member(gid_t wanted)
{
	gid_t groups[1024];
	int n = getgroups(ARRAY_SIZE(groups), groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == wanted)
			return true;
	return getegid() == wanted;
}

void check_group(struct doctor *d)
{
	const struct group *group = d->has_config ? getgrnam(d->config.control_group) : NULL;

	if (!d->has_config)
		return;
	if (!group)
		report(d, WARN, "group", "systemd-sysusers, then systemctl restart wardend",
		       "%s does not exist: root alone may ask", d->config.control_group);
	else if (geteuid() && !is_member(group->gr_gid))
		report(d, FAIL, "group", "usermod -aG GROUP USER, then log in again",
		       "you are neither root nor in %s: wardenctl is not for you",
		       d->config.control_group);
	else
		report(d, OK, "group", "", "%s; you may ask", d->config.control_group);
}

void check_host_key(struct doctor *d)
{
	const char *path = d->config.host_key;
	struct stat st;

	if (!d->has_config)
		return;
	if (stat(path, &st) && errno == ENOENT)
		report(d, d->status ? FAIL : WARN, "host key", "systemctl restart wardend makes it",
		       "%s is missing: agents have nothing to trust", path);
	else if (errno == EACCES)
		report(d, WARN, "host key", "ask as root", "%s: %s", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_mode & 077)
		report(d, FAIL, "host key", "chmod 600 it; if others read it, make a new one and"
		       " enrol every agent again", "%s: others than its owner may read it", path);
	else
		report(d, OK, "host key", "", "%s", path);
}

/* The newest file's time; 0: none. */
static time_t newest_in(const char *path, unsigned *ret_files)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	time_t newest = 0;
	struct stat st;

	*ret_files = 0;
	while (folder && (entry = readdir(folder))) {
		if (fstatat(dirfd(folder), entry->d_name, &st, 0) || !S_ISREG(st.st_mode))
			continue;
		newest = MAX(newest, st.st_mtime);
		++*ret_files;
	}
	if (folder)
		closedir(folder);
	return newest;
}

static void check_loaded(struct doctor *d)
{
	const json_t *database = member(d->status, "database");

	if (!d->status)
		return;
	if (is_true(database, "ready"))
		report(d, OK, "scanner", "", "%lld signatures, %s",
		       (long long)number_of(database, "signatures"), text_of(database, "engine"));
	else
		report(d, FAIL, "scanner", "mend what it names, then systemctl restart wardend",
		       "no database is ready, nothing is scanned: %s", text_of(database, "why"));
}

void check_database(struct doctor *d)
{
	unsigned files;
	time_t newest;
	long days;

	check_loaded(d);
	if (!d->has_config)
		return;
	newest = newest_in(d->config.database, &files);
	days = (time(NULL) - newest) / 86400;
	if (!files)
		report(d, FAIL, "database", "fill it with freshclam, or set [scan] database in"
		       " wardend.conf", "%s has no files", d->config.database);
	else if (days > DATABASE_DAYS)
		report(d, WARN, "database", "does freshclam run? systemctl status clamav-freshclam",
		       "%s: the newest of %u files is %ld days old", d->config.database, files, days);
	else
		report(d, OK, "database", "", "%s: %u files, the newest %ld days old",
		       d->config.database, files, days);
}

void check_policy(struct doctor *d)
{
	static struct policy policy;
	char error[512];

	if (!d->has_config)
		return;
	if (access(d->config.policy, F_OK) && errno == ENOENT)
		report(d, WARN, "policy", "write one: wardend.conf(5)",
		       "%s is missing: findings are reported, nothing is done", d->config.policy);
	else if (policy_load(d->config.policy, &policy, error, sizeof(error)))
		report(d, FAIL, "policy", "correct it: wardend.conf(5)", "%s", error);
	else if (!policy.rules)
		report(d, WARN, "policy", "write a rule: wardend.conf(5)",
		       "%s has no rule: findings are reported, nothing is done", d->config.policy);
	else
		report(d, OK, "policy", "", "%s: %u rules, %u exemptions", d->config.policy,
		       policy.rules, policy.exempts);
}

void check_space(struct doctor *d)
{
	unsigned long long room;
	struct statvfs fs;

	if (!d->has_config)
		return;
	if (statvfs(d->config.state_dir, &fs)) {
		report(d, FAIL, "disk", "systemd-tmpfiles --create", "%s: %s", d->config.state_dir,
		       strerror(errno));
		return;
	}
	room = (unsigned long long)fs.f_bavail * fs.f_frsize;
	report(d, room < SPACE_FAIL ? FAIL : room < SPACE_WARN ? WARN : OK, "disk",
	       room < SPACE_WARN ? "make room: without a journal nothing is answered" : "",
	       "%s: %llu MB free", d->config.state_dir, room >> 20);
}
