// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp/acts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"

#define MAX_DEVICES 4096	/* objects looked at for a network device */
#define MAX_LINKS 256
#define LINK_NAME 128

static void __attribute__((format(printf, 3, 4)))
say(struct m_acted *acted, enum act_status status, const char *format, ...)
{
	va_list args;

	acted->status = status;
	va_start(args, format);
	vsnprintf(acted->detail, sizeof(acted->detail), format, args);
	va_end(args);
}

/* ---- pause, resume ---- */

struct run_state {
	bool running;
	char status[32];
};

static enum qmp_result query_status(struct qmp *q, struct run_state *ret_state)
{
	json_t *value = NULL;
	enum qmp_result result = qmp_execute(q, "query-status", NULL, &value);
	const char *status = json_string_value(json_object_get(value, "status"));

	if (!result) {
		ret_state->running = json_is_true(json_object_get(value, "running"));
		status = status ? status : "?";
		text_escape(ret_state->status, sizeof(ret_state->status), status, strlen(status));
	}
	json_decref(value);
	return result;
}

/* From these it goes on without anybody's "cont": asleep, it is woken by its own clock. */
static bool goes_on_by_itself(const char *status)
{
	static const char *const states[] = {
		"suspended", "inmigrate", "finish-migrate", "save-vm", "restore-vm", "colo",
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(status, states[i]))
			return true;
	return false;
}

static void set_running(struct qmp *q, bool run, struct m_acted *acted)
{
	struct run_state before = { 0 }, after = { 0 };
	enum qmp_result result = query_status(q, &before);

	if (!result && (before.running != run || goes_on_by_itself(before.status)))
		result = qmp_execute(q, run ? "cont" : "stop", NULL, NULL);
	if (!result)
		result = query_status(q, &after);
	if (result)
		say(acted, ACT_FAILED, "%s", q->why);
	else if (!run && goes_on_by_itself(after.status))
		say(acted, ACT_FAILED, "the VMM took the command, and its guest goes on by itself "
		    "from the state \"%s\"", after.status);
	else if (after.running != run && !goes_on_by_itself(after.status))
		say(acted, ACT_FAILED, "the VMM took the command, and its state is \"%s\"",
		    after.status);
	else
		say(acted, ACT_DONE, "%s (state \"%s\")", run ?
		    before.running ? "was running" : "runs again" :
		    before.running ? "paused by its VMM" : "did not run anyway", after.status);
}

static void pause_guest(struct qmp *q, struct m_acted *acted)
{
	set_running(q, false, acted);
}

static void resume_guest(struct qmp *q, struct m_acted *acted)
{
	set_running(q, true, acted);
}

/* ---- network ---- */

struct links {
	unsigned n, devices;
	unsigned passed_through;	/* the host's own, which may be a network's */
	bool too_many;
	char name[MAX_LINKS][LINK_NAME];
};

static void add_link(struct links *l, const char *name)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->name[i], name))
			return;
	if (l->n == MAX_LINKS || strlen(name) >= LINK_NAME) {
		l->too_many = true;
		return;
	}
	strcpy(l->name[l->n++], name);
}

/* Whatever has a netdev is a network device; most have none, and refuse. */
static enum qmp_result look_at_device(struct qmp *q, struct links *l, const char *folder,
				      const char *name)
{
	json_t *value = NULL;
	char path[512];
	enum qmp_result result;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return QMP_OK;
	result = qmp_execute(q, "qom-get", json_pack("{s:s, s:s}", "path", path,
						     "property", "netdev"), &value);
	if (!result && json_string_length(value))
		add_link(l, json_string_value(value));
	json_decref(value);
	return result == QMP_REFUSED ? QMP_OK : result;
}

static bool is_device(const char *type)
{
	return type && !strncmp(type, "child<", 6) && strcmp(type, "child<irq>") &&
	       strcmp(type, "child<memory-region>");
}

static enum qmp_result look_in_folder(struct qmp *q, struct links *l, const char *folder)
{
	json_t *list = NULL, *item;
	enum qmp_result result = qmp_execute(q, "qom-list", json_pack("{s:s}", "path", folder),
					     &list);
	size_t i;

	if (result)
		return result;
	json_array_foreach(list, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *type = json_string_value(json_object_get(item, "type"));

		if (!name || !is_device(type))
			continue;
		l->passed_through += !strncmp(type, "child<vfio-", 11);
		l->too_many = l->too_many || l->devices++ >= MAX_DEVICES;
		if (l->devices <= MAX_DEVICES && !result)
			result = look_at_device(q, l, folder, name);
	}
	json_decref(list);
	return result;
}

/* Where QEMU keeps devices: those with an id, those without, and its own. */
static enum qmp_result find_links(struct qmp *q, struct links *l)
{
	static const char *const folders[] = {
		"/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached",
	};
	enum qmp_result result = QMP_OK;

	for (size_t i = 0; !result && i < ARRAY_SIZE(folders); i++)
		result = look_in_folder(q, l, folders[i]);
	return result;
}

static void set_links(struct qmp *q, bool up, struct m_acted *acted)
{
	static struct links l;
	enum qmp_result result;
	enum act_status failed;
	unsigned done = 0;

	memset(&l, 0, sizeof(l));
	result = find_links(q, &l);
	/* One that refuses does not spare the others. */
	for (unsigned i = 0; i < l.n && (!result || result == QMP_REFUSED); i++) {
		enum qmp_result r = qmp_execute(q, "set_link", json_pack("{s:s, s:b}",
						"name", l.name[i], "up", up), NULL);

		done += !r;
		result = r ? r : result;
	}
	failed = done ? ACT_PARTLY : ACT_FAILED;
	if (result)
		say(acted, failed, "%u of %u links are %s: %.150s", done, l.n,
		    up ? "up" : "down", q->why);
	else if (l.too_many)
		say(acted, failed, "%u links are %s; the VMM lists more devices than are looked at",
		    done, up ? "up" : "down");
	else if (!up && l.passed_through)
		say(acted, failed, "%u of %u links are down; a device passed through from the host "
		    "(vfio) cannot be cut", done, l.n);
	else if (!up && !l.n)
		say(acted, ACT_FAILED, "there is no link that the VMM could cut");
	else
		say(acted, ACT_DONE, "%u of %u links are %s", done, l.n, up ? "up" : "down");
}

static void cut_links(struct qmp *q, struct m_acted *acted)
{
	set_links(q, false, acted);
}

static void restore_links(struct qmp *q, struct m_acted *acted)
{
	set_links(q, true, acted);
}

/* ---- end ---- */

/* That the process ends is for the parent to see. */
static void quit(struct qmp *q, struct m_acted *acted)
{
	if (qmp_execute(q, "quit", NULL, NULL))
		say(acted, ACT_FAILED, "%s", q->why);
	else
		say(acted, ACT_DONE, "the VMM quits");
}

/* ---- all ---- */

static void (*const acts[])(struct qmp *q, struct m_acted *acted) = {
	[HOST_PAUSE] = pause_guest,
	[HOST_RESUME] = resume_guest,
	[HOST_LINK_DOWN] = cut_links,
	[HOST_LINK_UP] = restore_links,
	[HOST_POWER_OFF] = quit,
};

bool act_is_known(uint32_t verb)
{
	return verb < ARRAY_SIZE(acts) && acts[verb];
}

void act_run(struct qmp *q, uint32_t verb, struct m_acted *ret_acted)
{
	*ret_acted = (struct m_acted){ .status = ACT_FAILED };
	acts[verb](q, ret_acted);
}
