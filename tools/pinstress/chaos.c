// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"
#include "scratch.h"
#include "select.h"

#define PIN_CHAOS(name)	extern const struct pin_chaos pin_chaos_##name;
#include "chaos_registry.h"
#undef PIN_CHAOS

const struct pin_chaos *const pin_chaos[] = {
#define PIN_CHAOS(name)	&pin_chaos_##name,
#include "chaos_registry.h"
#undef PIN_CHAOS
};

const unsigned int pin_nr_chaos = sizeof(pin_chaos) / sizeof(pin_chaos[0]);

struct chaos_effect chaos_effect;

static bool selected[LEDGER_CHAOS];
static pid_t actor[LEDGER_CHAOS];
static uint64_t next_act_ns[LEDGER_CHAOS];

static const char *name_of(unsigned int i)
{
	return pin_chaos[i]->name;
}

bool chaos_selected(unsigned int which)
{
	return selected[which];
}

static void take(struct run *r, unsigned int i, struct left_out *lo)
{
	const struct pin_chaos *c = pin_chaos[i];
	char why[PIN_WHY_LEN] = "";
	int err = c->probe ? c->probe(&r->kernel, why) : 0;

	if (err) {
		leave_out(r, lo, c->name, *why ? why : strerror(-err));
	} else if (c->setup) {
		/* --list does not try that. */
		err = c->setup(r, why);
		if (err)
			report_event(r, "chaos %s left out: %s", c->name,
				     *why ? why : strerror(-err));
	}
	if (err) {
		selected[i] = false;
		return;
	}
	chaos_effect.loosens |= c->loosens;
	chaos_effect.starves |= c->starves;
	chaos_effect.interrupts |= c->interrupts;
	chaos_effect.kills |= c->kills;
	if (c->scope == CHAOS_MEMORY)
		r->choice.memory_chaos[r->choice.nr_memory_chaos++] = i;
}

int chaos_select(struct run *r)
{
	struct left_out lo = { .what = "chaos", .list = r->opt->chaos };
	int err = select_names("--chaos", r->opt->chaos, name_of, pin_nr_chaos, selected);

	for (unsigned int i = 0; !err && i < pin_nr_chaos; i++) {
		if (selected[i])
			take(r, i, &lo);
	}
	left_out_end(r, &lo);
	return err;
}

static uint64_t pause_ns(const struct pin_chaos *c, uint64_t *state)
{
	return draw_number(state) % (2 * c->pause_ms + 1) * MSEC;
}

static void __attribute__((noreturn)) actor_main(struct run *r, unsigned int i)
{
	uint64_t state = r->opt->seed ^ (0xc4a05ull << 32) ^ i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	pin_scratch_disown();
	prctl(PR_SET_NAME, CHAOS_ACTOR);
	while (!__atomic_load_n(&r->ledger->stop, __ATOMIC_ACQUIRE)) {
		pin_chaos[i]->act(r, draw_number(&state));
		__atomic_fetch_add(&r->ledger->machine_chaos[i], 1, __ATOMIC_RELAXED);
		pin_sleep_ns(pause_ns(pin_chaos[i], &state));
	}
	_exit(0);
}

void chaos_start(struct run *r)
{
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (!selected[i] || pin_chaos[i]->scope != CHAOS_MACHINE)
			continue;
		actor[i] = fork();
		if (!actor[i])
			actor_main(r, i);
		if (actor[i] < 0)
			report_event(r, "chaos %s cannot start: %s", name_of(i),
				     strerror(errno));
	}
}

void chaos_tick(struct run *r)
{
	static uint64_t state;
	uint64_t now = pin_now_ns();

	if (!state)
		state = r->opt->seed ^ 0x71c7;
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (!selected[i] || pin_chaos[i]->scope != CHAOS_WORKERS ||
		    now < next_act_ns[i])
			continue;
		if (next_act_ns[i]) {
			pin_chaos[i]->act(r, draw_number(&state));
			r->ledger->machine_chaos[i]++;
		}
		next_act_ns[i] = now + 1 + pause_ns(pin_chaos[i], &state);
	}
}

void chaos_calm(void)
{
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (selected[i] && pin_chaos[i]->calm)
			pin_chaos[i]->calm();
	}
}

void chaos_stop(struct run *r)
{
	(void)r;
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		if (actor[i] <= 0)
			continue;
		kill(actor[i], SIGKILL);
		while (waitpid(actor[i], NULL, 0) < 0 && errno == EINTR)
			;
		actor[i] = 0;
	}
}

char *chaos_range(const struct pin_mem *m, uint64_t noise, size_t *len)
{
	const size_t page = m->kernel->page_size;
	const uintptr_t start = (uintptr_t)m->addr & ~(page - 1);
	unsigned int first = noise % m->pages;
	unsigned int pages = 1 + (noise >> 32) % (m->pages - first);

	/* Every fourth time all of it. */
	if (noise >> 62 == 0) {
		first = 0;
		pages = m->pages;
	}
	*len = pages * page;
	return (char *)start + first * page;
}

struct line *chaos_victim(struct run *r, uint64_t noise)
{
	struct line *l = &r->ledger->line[noise % r->ledger->nr_lines];

	return l->pid > 0 && !l->killed && !l->stopped && !l->finished ? l : NULL;
}

int chaos_write(const char *path, const char *value)
{
	int err = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}
