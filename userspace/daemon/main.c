// SPDX-License-Identifier: GPL-2.0-or-later
/* wardend: the small privileged parent.  It parses nothing a guest wrote. */
#include <getopt.h>
#include <linux/kvm_warden.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sysexits.h>
#include <systemd/sd-event.h>

#include "daemon/acts.h"
#include "daemon/bpf.h"
#include "daemon/device.h"
#include "daemon/guard.h"
#include "daemon/guests.h"
#include "daemon/health.h"
#include "daemon/integrity.h"
#include "daemon/roles.h"
#include "daemon/spawn.h"
#include "daemon/start.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define REFRESH_US 250000ull
#define NAMES_US 10000ull
#define REPORT_EVERY 4		/* refreshes */

struct daemon {
	struct config config;
	const char *config_path;
	sd_event *loop;
	struct guests *guests;
	struct roles *roles;
	struct acts *acts;
	struct bpf *bpf;
	char bpf_why[TEXT_WHY];
	sd_event_source *ring;
	struct guard *guard;
	sd_event_source *guard_ring;
	int engine;		/* -1: down */
	int device;
	struct m_module_state module;
	struct integrity *integrity;
	unsigned int ticks;
	sd_event_source *names;	/* while VMMs are asked for them */
};

/* ---- events ---- */

/* The first MSR write of a kind is a moment to look at the host's own code. */
static int on_event(void *arg, const struct kvm_warden_event *event)
{
	struct daemon *d = arg;
	char cause[TEXT_NAME];

	if (event->type == KVM_WARDEN_EVENT_MSR_WRITE) {
		snprintf(cause, sizeof(cause), "guest %llu: first write of MSR 0x%llx",
			 (unsigned long long)event->guest, (unsigned long long)event->value);
		integrity_after_guest(d->integrity, cause);
	}
	return guests_event(d->guests, event);
}

/* Nothing of those guests is looked at before. */
static void await_names(struct daemon *d)
{
	if (!guests_asking(d->guests) || sd_event_source_get_enabled(d->names, NULL) > 0)
		return;
	sd_event_source_set_time_relative(d->names, NAMES_US);
	sd_event_source_set_enabled(d->names, SD_EVENT_ONESHOT);
}

static int on_names(sd_event_source *source, uint64_t when, void *arg)
{
	struct daemon *d = arg;

	guests_name(d->guests);
	await_names(d);
	return 0;
}

static int on_ring(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct daemon *d = arg;

	roles_watch_engine(d->roles);
	/* A full batch the engine did not take waits; so does the ring. */
	if (guests_flush(d->guests))
		bpf_drain(d->bpf);
	/* Not taken: the timer tries again, without spinning on a readable ring. */
	if (!guests_flush(d->guests))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	await_names(d);
	roles_watch_engine(d->roles);
	return 0;
}

static int on_guard_ring(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct daemon *d = arg;

	if (revents)
		integrity_after_guest(d->integrity, "a finding of the guard");
	guard_collect(d->guard);
	/* Of whom it is, the engine is told first. */
	guests_meet(d->guests);
	await_names(d);
	/* As above. */
	if (!guard_send(d->guard, d->engine))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static void get_cids_state(const struct daemon *d, struct m_cids_state *ret)
{
	const char *why = d->bpf ? bpf_cids_why(d->bpf) : d->bpf_why;

	*ret = (struct m_cids_state){ .on = !why[0] };
	text_escape(ret->why, sizeof(ret->why), why, strlen(why));
}

static void look_for_cids(struct daemon *d)
{
	struct m_cids_state state;

	if (!d->bpf || !bpf_look_for_cids(d->bpf))
		return;
	get_cids_state(d, &state);
	roles_tell_engine(d->roles, &msg_cids_state, 0, &state, -1);
}

/* Someone switches it off, KVM goes and comes, or is another build: that is no reason to end. */
static void look_at_module(struct daemon *d)
{
	struct m_module_state now;

	device_state(d->device, &now);
	if (now.attached == d->module.attached && !strcmp(now.state, d->module.state))
		return;
	d->module = now;
	if (now.attached)
		log_info("the module is attached to KVM");
	else
		log_warn("no guest is watched, the module is not attached to KVM: %s; wardenctl doctor"
			 " says what to do", now.state);
	roles_tell_engine(d->roles, &msg_module_state, 0, &now, -1);
}

static int on_tick(sd_event_source *source, uint64_t when, void *arg)
{
	struct daemon *d = arg;

	roles_watch_engine(d->roles);
	guests_refresh(d->guests);
	await_names(d);
	if (++d->ticks % REPORT_EVERY == 0) {
		/* They say the same, and more, the next time. */
		if (d->engine < 0 || msg_has_room(d->engine)) {
			guests_report(d->guests);
			guard_report(d->guard, d->roles);
		}
		look_for_cids(d);
		look_at_module(d);
		health_beat(guests_count(d->guests), d->bpf, d->module.attached ? NULL : d->module.state,
			    roles_engine_state(d->roles));
	}
	roles_watch_engine(d->roles);
	if (d->ring) {
		sd_event_source_set_enabled(d->ring, SD_EVENT_ON);
		on_ring(d->ring, -1, 0, d);
	}
	if (d->guard_ring) {
		sd_event_source_set_enabled(d->guard_ring, SD_EVENT_ON);
		on_guard_ring(d->guard_ring, -1, 0, d);
	}
	sd_event_source_set_time_relative(source, REFRESH_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static void start_bpf(struct daemon *d)
{
	if (!d->config.bpf) {
		strcpy(d->bpf_why, "switched off in the configuration");
	} else {
		d->bpf = bpf_start(&d->config, on_event, d, d->bpf_why, sizeof(d->bpf_why));
		if (!d->bpf)
			log_err("no events: %s: guests are seen by sweeps alone", d->bpf_why);
	}
	guests_set_bpf(d->guests, d->bpf);
	if (d->bpf && sd_event_add_io(d->loop, &d->ring, bpf_fd(d->bpf), EPOLLIN, on_ring, d) < 0)
		fatal("cannot wait for the ring buffer");
}

/* False: its profile is refused. */
static bool start_guard(struct daemon *d)
{
	d->guard = guard_start(&d->config);
	if (!d->guard)
		return false;
	guests_set_guard(d->guests, d->guard);
	if (guard_fd(d->guard) >= 0 &&
	    sd_event_add_io(d->loop, &d->guard_ring, guard_fd(d->guard), EPOLLIN, on_guard_ring, d) < 0)
		fatal("cannot wait for the guard's ring buffer");
	return true;
}

/* ---- the engine starts, or starts again ---- */

static void on_engine_up(void *arg, int sock)
{
	struct daemon *d = arg;
	struct m_role_state message = { .state = d->bpf ? ROLE_UP : ROLE_DOWN, .role = "bpf" };
	struct m_guard_state guard;
	struct m_cids_state cids;

	d->engine = sock;
	guard_state(d->guard, &guard);
	get_cids_state(d, &cids);
	text_escape(message.why, sizeof(message.why), d->bpf_why, strlen(d->bpf_why));
	/* The first messages: there is room for them. */
	if (msg_post(sock, &msg_role_state, 0, &message, -1) ||
	    msg_post(sock, &msg_guard_state, 0, &guard, -1) ||
	    msg_post(sock, &msg_cids_state, 0, &cids, -1) ||
	    msg_post(sock, &msg_module_state, 0, &d->module, -1))
		log_warn("warden-engine does not take word of BPF and the module");
	guests_engine_up(d->guests, sock);
	/* What one before was told, this one does not know. */
	integrity_soon(d->integrity, "a new engine");
}

static void on_engine_down(void *arg)
{
	struct daemon *d = arg;

	d->engine = -1;
	guests_engine_down(d->guests);
	guard_engine_down(d->guard);
	acts_forget(d->acts);
}

/* ---- what it asks for ---- */

static bool on_engine_asks(void *arg, const struct msg *m)
{
	struct daemon *d = arg;

	if (m->type == M_GUARD_TAKEN) {
		if (!guard_taken(d->guard, m))
			return false;
		if (d->guard_ring)
			sd_event_source_set_enabled(d->guard_ring, SD_EVENT_ON);
		return true;
	}
	if (m->type == M_GUARD_JUDGED)
		return guard_judged(d->guard, m);
	if (m->type != M_TAKEN) {
		if (!acts_take(d->acts, m))
			return false;
		/* A guest's level may be another by now. */
		guests_refresh(d->guests);
		return true;
	}
	if (!guests_taken(d->guests, m))
		return false;
	/* There is room again for what waits in the ring. */
	if (d->ring)
		sd_event_source_set_enabled(d->ring, SD_EVENT_ON);
	return true;
}

static void on_acted(void *arg, uint64_t id, const struct m_acted *acted)
{
	struct daemon *d = arg;

	roles_tell_engine(d->roles, &msg_acted, id, acted, -1);
}

static bool on_find_vmm(void *arg, uint64_t guest, struct vmm *ret_vmm)
{
	struct daemon *d = arg;

	return guests_find_vmm(d->guests, guest, ret_vmm);
}

static void on_introspector_up(void *arg, uint64_t guest, int sock)
{
	struct daemon *d = arg;

	guests_introspector_up(d->guests, guest, sock);
}

/* ---- start ---- */

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Who is used to it asks for its files to be read again; nobody shall end the watch by that. */
static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	log_warn("SIGHUP: the configuration, the policy and the profile are read at a start alone:"
		 " systemctl restart wardend");
	return 0;
}

static void make_loop(struct daemon *d)
{
	if (sd_event_default(&d->loop) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGTERM, NULL, NULL) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGINT, NULL, NULL) < 0 ||
	    sd_event_add_signal(d->loop, NULL, SIGHUP, on_hangup, NULL) < 0 ||
	    sd_event_add_time_relative(d->loop, NULL, CLOCK_MONOTONIC, 0, 0, on_tick, d) < 0 ||
	    sd_event_add_time_relative(d->loop, &d->names, CLOCK_MONOTONIC, 0, NAMES_US / 10,
				       on_names, d) < 0)
		fatal("cannot make an event loop");
}

static void usage(FILE *out)
{
	fputs("usage: wardend [--config FILE | --version]\n"
	      "Watches the KVM guests of this host.  See wardend.conf(5).\n", out);
}

static const char *parse_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	const char *config = CONFIG_DEFAULT_PATH;
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (c == 'c') {
			config = optarg;
			continue;
		}
		if (c == 'V')
			puts("wardend " WARDEN_VERSION);
		else
			usage(c == 'h' ? stdout : stderr);
		exit(c == '?' ? 2 : 0);
	}
	if (optind < argc) {
		usage(stderr);
		exit(2);
	}
	return config;
}

int main(int argc, char **argv)
{
	static struct daemon d = { .engine = -1 };
	int kcore, status;

	log_open("wardend", false);
	d.config_path = parse_options(argc, argv);
	if (config_load(d.config_path, &d.config))
		return EX_CONFIG;
	log_open("wardend", d.config.debug);
	block_signals();
	start_raise_file_limit();
	start_alone(&d.config);
	start_find_roles(&d.config);
	if (spawn_hold(d.config.libexec_dir))
		return 1;	/* an installation may be under way */
	kcore = integrity_open_kernel(&d.config);
	start_drop_privileges(&d.config);
	d.device = device_open();
	if (d.device < 0)
		return EX_UNAVAILABLE;	/* wardend.service does not try again */
	make_loop(&d);
	d.guests = guests_new(d.device, &d.config);
	d.acts = acts_new(d.loop, d.device, &d.config, d.config_path, &(struct acts_hooks){
		.arg = &d, .find = on_find_vmm, .answer = on_acted,
	});
	start_bpf(&d);
	if (!start_guard(&d))
		return EX_CONFIG;
	d.roles = roles_new(d.loop, d.config.libexec_dir, d.config_path, &(struct roles_hooks){
		.arg = &d, .engine_up = on_engine_up, .engine_down = on_engine_down,
		.engine_asks = on_engine_asks, .introspector_up = on_introspector_up,
	});
	guests_set_roles(d.guests, d.roles);
	d.integrity = integrity_new(d.loop, d.device, kcore, &d.config, d.config_path, d.roles);
	look_at_module(&d);
	if (roles_start(d.roles))
		return 1;
	log_info("watching");
	health_ready();
	status = sd_event_loop(d.loop);
	health_stopping();
	integrity_free(d.integrity);
	acts_free(d.acts);
	roles_free(d.roles);
	bpf_stop(d.bpf);
	guard_stop(d.guard);
	guests_free(d.guests);
	return status < 0 ? 1 : status;
}
