// SPDX-License-Identifier: GPL-2.0
/* Starts workers, calls checkpoints, ends in good order. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"
#include "coordinator.h"
#include "pinstress.h"

#define TICK_NS		(5 * MSEC)
#define SLOW_TICK_NS	(50 * MSEC)

volatile sig_atomic_t interrupted;

static char crash_text[1024];
static bool crashed;

static int start_worker(struct run *r, unsigned int i)
{
	struct line *l = &r->ledger->line[i];
	pid_t pid;

	/* It must not meet a checkpoint that is over. */
	l->parked = r->ledger->resume;
	l->finished = false;
	pid = fork();
	if (!pid)
		worker_main(r, i);
	if (pid < 0)
		return -errno;
	l->pid = pid;
	return 0;
}

struct line *line_of(struct run *r, pid_t pid)
{
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		if (r->ledger->line[i].pid == pid)
			return &r->ledger->line[i];
	}
	return NULL;
}

static void note_death(struct run *r, const struct line *l, int status)
{
	const char *consumer = l->consumer_id < 0 ? "-" : pin_consumers[l->consumer_id]->name;
	const char *kind = l->kind_id < 0 ? "-" : pin_memkinds[l->kind_id]->name;
	size_t used = strlen(crash_text);

	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	r->deaths++;
	if (l->killed)
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		if (!chaos_effect.starves)
			report_event(r, "process %d was killed, and not by us (out of memory?), in %s on %s",
				     l->pid, consumer, kind);
		return;
	}
	r->crashes++;
	crashed = true;
	snprintf(crash_text + used, sizeof(crash_text) - used,
		 "process %d died of %s %d in %s on %s\n", l->pid,
		 WIFSIGNALED(status) ? "signal" : "exit status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), consumer, kind);
}

void reap_workers(struct run *r)
{
	struct line *l;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		l = line_of(r, pid);
		if (!l)
			continue;	/* an orphan of one, or a chaos actor */
		note_death(r, l, status);
		ledger_close_line(l);
	}
}

bool crashes_since(struct run *r, char *text, size_t len)
{
	bool any = crashed;

	(void)r;
	snprintf(text, len, "%s", crash_text);
	*crash_text = '\0';
	crashed = false;
	return any;
}

static void replace_dead(struct run *r)
{
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		int err = r->ledger->line[i].pid ? 0 : start_worker(r, i);

		if (err)
			report_event(r, "cannot start a process: %s", strerror(-err));
	}
}

static bool all_finished(const struct run *r)
{
	for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
		const struct line *l = &r->ledger->line[i];

		if (!l->pid || !__atomic_load_n(&l->finished, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

/* All workers let go of everything and end. */
static void stop_workers(struct run *r)
{
	uint64_t deadline = pin_now_ns() + 30 * SEC;
	bool any;

	__atomic_store_n(&r->ledger->stop, true, __ATOMIC_RELEASE);
	chaos_stop(r);
	do {
		any = false;
		reap_workers(r);
		for (unsigned int i = 0; i < r->ledger->nr_lines; i++) {
			struct line *l = &r->ledger->line[i];

			if (l->pid <= 0)
				continue;
			any = true;
			if (l->stopped)
				kill(l->pid, SIGCONT);
			l->stopped = false;
			if (pin_now_ns() > deadline && !l->killed) {
				l->killed = true;
				kill(l->pid, SIGKILL);
			}
		}
		if (any)
			pin_sleep_ns(MSEC / 2);
	} while (any && pin_now_ns() < deadline + 30 * SEC);
	/* A line that closed after the barrier may have done more than it kept. */
}

static void on_failure(struct run *r, const struct checkpoint *cp)
{
	char number[32];

	switch (r->opt->on_fail) {
	case ON_FAIL_EXEC:
		snprintf(number, sizeof(number), "%llu", (unsigned long long)cp->n);
		setenv("PINSTRESS_CHECKPOINT", number, 1);
		setenv("PINSTRESS_REASON", cp->reason, 1);
		if (system(r->opt->command))
			report_event(r, "'%s' failed", r->opt->command);
		break;
	case ON_FAIL_PANIC:
		fflush(NULL);
		sync();
		chaos_write("/proc/sys/kernel/sysrq", "1");
		chaos_write("/proc/sysrq-trigger", "c");
		report_event(r, "this kernel cannot be made to panic: /proc/sysrq-trigger takes root and the kernel option MAGIC_SYSRQ");
		break;
	default:
		break;
	}
}

static bool one_checkpoint(struct run *r, uint64_t *n, bool last)
{
	static struct checkpoint cp;

	cp.n = ++*n;
	take_checkpoint(r, &cp, last);
	report_checkpoint(r, &cp);
	if (cp.verdict == V_FAIL)
		on_failure(r, &cp);
	return cp.verdict != V_FAIL;
}

/* User and system time, of children those that have ended, in seconds. */
static double cpu_of(int who)
{
	struct rusage u;

	if (getrusage(who, &u))
		return 0;
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int coordinate(struct run *r)
{
	const struct options *opt = r->opt;
	const double before = cpu_of(RUSAGE_CHILDREN), own = cpu_of(RUSAGE_SELF);
	bool fast = false, go = true;
	uint64_t n = r->checkpoints_before, now;

	r->start_ns = pin_now_ns();
	r->deadline_ns = UINT64_MAX;
	if (opt->duration_ns)
		r->deadline_ns = r->start_ns + opt->duration_ns - r->elapsed_before * 1e9;
	r->ledger->resume = n;
	r->ledger->request = n;
	r->next_checkpoint_ns = r->start_ns + opt->checkpoint_ns;
	for (unsigned int i = 0; i < pin_nr_chaos; i++)
		fast |= chaos_selected(i) && pin_chaos[i]->scope == CHAOS_WORKERS;
	chaos_start(r);
	replace_dead(r);
	while (go && !interrupted) {
		pin_sleep_ns(fast || opt->operations ? TICK_NS : SLOW_TICK_NS);
		reap_workers(r);
		replace_dead(r);
		chaos_tick(r);
		report_progress(r);
		now = pin_now_ns();
		if (now >= r->deadline_ns || (opt->operations && all_finished(r)))
			break;
		if (now < r->next_checkpoint_ns)
			continue;
		go = one_checkpoint(r, &n, false) || opt->on_fail != ON_FAIL_STOP;
		now = pin_now_ns();
		r->next_checkpoint_ns += opt->checkpoint_ns;
		if (r->next_checkpoint_ns < now)
			r->next_checkpoint_ns = now + opt->checkpoint_ns;
	}
	/* Once more with what they hold, and once when all is let go. */
	if (go)
		one_checkpoint(r, &n, false);
	stop_workers(r);
	one_checkpoint(r, &n, true);
	r->end_ns = pin_now_ns();
	r->cpu_s = cpu_of(RUSAGE_CHILDREN) - before;
	r->coordinator_s = cpu_of(RUSAGE_SELF) - own;
	if (r->first_fail && opt->narrow && !interrupted)
		narrow_down(r);
	return report_end(r);
}
