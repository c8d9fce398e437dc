// SPDX-License-Identifier: GPL-2.0
/* A worker: takes one step after the other and books each call. */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <numa.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "chaos.h"
#include "page_view.h"
#include "pinstress.h"
#include "proc.h"
#include "scratch.h"

#define MAX_SESSIONS	256
#define RETRIES		50	/* times that a consumer that retries may pin */

/* One consumer at work on one buffer. */
struct session {
	struct pin_op op;
	struct pin_mem mem;
	struct step step;
	struct pin_predict pin, unpin;
	uint64_t slack;		/* that the pin may count more */
	bool pinned;
	struct pin_view *view;	/* of its pages; NULL: not looked at */
};

struct worker {
	struct run *run;
	struct ledger *ledger;
	struct line *line;
	unsigned int number;
	uint64_t share;		/* pins to do, 0: no limit */
	uint64_t pause_ns;	/* between two pins, 0: none */
	bool limited;		/* by RLIMIT_MEMLOCK */
	int helper;		/* /dev/pin_helper, or < 0 */
	int node;		/* memory is bound to, position; -1: nowhere yet */
	unsigned int nr_kept;
	struct session *kept[MAX_SESSIONS];	/* the oldest first */
};

static bool told_to_stop(const struct worker *w)
{
	return __atomic_load_n(&w->ledger->stop, __ATOMIC_ACQUIRE);
}

static void unlike_booked(struct worker *w, const struct session *se, unsigned int wrong,
			  const char *text)
{
	struct line *l = w->line;

	if (wrong && !l->unlike)
		snprintf(l->unlike_text, sizeof(l->unlike_text), "%s on %s: %.400s",
			 se->step.consumer->name, se->step.kind->name, text);
	l->unlike += wrong;
}

/* Before the pin, of what is to stay. */
static void view_open(struct worker *w, struct session *se)
{
	/* Where it is known which pages that will be. */
	if (w->helper >= 0 && !se->step.kind->unseen && !se->pin.issue)
		se->view = pin_view_open(w->helper, 0, se->mem.addr, se->mem.pages);
}

static bool shared_by_ksm(const struct session *se)
{
	for (unsigned int i = 0; i < se->mem.pages; i++) {
		if (pin_view_page(se->view, i)->flags & PIN_HELPER_PAGE_KSM)
			return true;
	}
	return false;
}

static void view_pinned(struct worker *w, struct session *se)
{
	struct pin_view_pins pins = pin_view_foretold(&se->pin, se->op.kernel);
	unsigned int wrong;
	char text[1024];

	if (!se->view)
		return;
	wrong = pin_view_still(se->view, &pins, text, sizeof(text));
	/* A folio that was split just before keeps all pins of the buffer from being made one. */
	if (wrong && pins.per_folio && pins.pins < se->pin.acquired && chaos_effect.loosens) {
		pins.pins = se->pin.acquired;
		pins.per_folio = false;
		wrong = pin_view_still(se->view, &pins, text, sizeof(text));
	}
	/* Others pin these pages as they like. */
	if (!shared_by_ksm(se)) {
		unlike_booked(w, se, wrong, text);
		return;
	}
	pin_view_close(se->view);
	se->view = NULL;
}

/* Nothing but a release takes a pin away, whatever became of the mapping. */
static void view_kept(struct worker *w)
{
	for (unsigned int i = 0; i < w->nr_kept; i++) {
		const struct session *se = w->kept[i];
		char text[1024];

		if (!se->view)
			continue;
		unlike_booked(w, se, pin_view_still(se->view, NULL, text, sizeof(text)), text);
		w->line->done.viewed += se->mem.pages;
	}
}

/* Wait at the barrier, if there is one: no call is in flight. */
static void barrier(struct worker *w)
{
	uint64_t wanted = __atomic_load_n(&w->ledger->request, __ATOMIC_ACQUIRE);

	if (wanted == w->line->parked)
		return;
	view_kept(w);
	__atomic_store_n(&w->line->parked, wanted, __ATOMIC_RELEASE);
	while (__atomic_load_n(&w->ledger->resume, __ATOMIC_ACQUIRE) < wanted && !told_to_stop(w))
		pin_sleep_ns(MSEC / 5);
}

static bool share_is_done(const struct worker *w)
{
	return w->share && w->line->pins_done >= w->share;
}

static void bind_to_node(struct worker *w, unsigned int position)
{
	const struct pin_counters *c = &w->run->counters;
	struct bitmask *nodes;

	if (c->nr_nodes < 2 || w->node == (int)position || numa_available() < 0)
		return;
	nodes = numa_allocate_nodemask();
	numa_bitmask_setbit(nodes, c->node_id[position]);
	numa_set_membind(nodes);
	numa_free_nodemask(nodes);
	w->node = position;
}

static void unfit(struct worker *w, const struct step *s, const char *why)
{
	w->line->done.unfit++;
	snprintf(w->line->unfit_text, sizeof(w->line->unfit_text), "%.40s on %.40s: %.100s",
		 s->consumer->name, s->kind->name, why);
}

static struct session *session_open(struct worker *w, const struct step *s)
{
	struct session *se = calloc(1, sizeof(*se));
	int err;

	if (!se)
		return NULL;
	bind_to_node(w, s->node);
	se->step = *s;
	se->op.consumer = s->consumer;
	se->op.kernel = &w->run->kernel;
	se->op.mem = &se->mem;
	err = pin_mem_alloc(&se->mem, s->kind, se->op.kernel, s->pages);
	if (err) {
		unfit(w, s, se->mem.why);
		free(se);
		return NULL;
	}
	err = s->consumer->open ? s->consumer->open(&se->op) : 0;
	if (err) {
		unfit(w, s, *se->op.why ? se->op.why : strerror(-err));
		pin_mem_free(&se->mem);
		free(se);
		return NULL;
	}
	if (s->kind->arm)
		s->kind->arm(&se->mem);
	return se;
}

/* How much more than predicted a call may count. */
static uint64_t room(const struct session *se, const struct pin_predict *p)
{
	uint64_t slack = p->migrated;

	if (chaos_effect.loosens)
		slack += p->acquired;
	if (se->step.consumer->retries)
		slack += (RETRIES - 1) * p->acquired;
	return slack;
}

static void predict(struct session *se)
{
	const struct pin_consumer *c = se->step.consumer;

	memset(&se->pin, 0, sizeof(se->pin));
	memset(&se->unpin, 0, sizeof(se->unpin));
	c->predict(&se->op, &se->pin);
	se->slack = room(se, &se->pin);
	if (se->pin.result < 0)
		return;
	if (c->predict_unpin) {
		c->predict_unpin(&se->op, &se->pin, &se->unpin);
	} else {
		se->unpin.released = se->pin.acquired - se->pin.released;
		se->unpin.vmpin = -se->pin.vmpin;
	}
}

static void count_operation(struct worker *w, const struct session *se, uint64_t pages)
{
	struct activity *done = &w->line->done;

	done->operations++;
	done->consumer_ops[se->step.consumer_id]++;
	done->consumer_pages[se->step.consumer_id] += pages;
	done->cell[se->step.consumer_id][se->step.kind_id]++;
	w->line->pins_done++;
}

/* Some chaos, rather than the consumer, may be behind an error, or behind half a job. */
static bool excusable(long result, const struct pin_predict *want)
{
	if (result >= 0)
		return (chaos_effect.starves || chaos_effect.interrupts) &&
		       result < want->result;
	/* io_uring cancels what it gets no thread for. */
	return (chaos_effect.starves && (result == -ENOMEM || result == -EAGAIN ||
					 result == -EFAULT || result == -ECANCELED)) ||
	       (chaos_effect.interrupts && (result == -EINTR || result == -EAGAIN));
}

static void wrong_result(struct worker *w, const struct session *se, const char *what,
			 long result, const struct pin_predict *want)
{
	if (!w->line->wrong++)
		snprintf(w->line->wrong_text, sizeof(w->line->wrong_text),
			 "%s of %s on %s, %u pages: returned %ld (%s), predicted %ld (%s)",
			 what, se->step.consumer->name, se->step.kind->name, se->mem.pages,
			 result, result < 0 ? strerror(-result) : "success", want->result,
			 want->result < 0 ? strerror(-want->result) : "success");
}

static bool as_told(long result, const struct pin_predict *want)
{
	return result == want->result || result == want->or_result;
}

/* What an undisturbed call that pins has come to; begun before. */
static void book_pin(struct worker *w, struct session *se, long result)
{
	const struct pin_predict *p = &se->pin;
	uint64_t slack = se->slack;
	struct pin_count moved = { p->acquired, p->released };
	int64_t excused = p->issue ? p->issue_released : 0;
	int64_t vmpin = p->vmpin;

	se->pinned = result >= 0 && se->step.consumer->held;
	if (!as_told(result, p)) {
		/*
		 * Whatever it took, it cannot have kept. RLIMIT_MEMLOCK is
		 * looked at before pinning by some, afterwards by others.
		 */
		if (w->limited && result == -ENOMEM && p->result >= 0)
			w->line->done.refused++;
		else if (!excusable(result, p))
			wrong_result(w, se, "pin", result, p);
		slack += moved.acquired;
		moved = (struct pin_count){ 0, 0 };
		excused = 0;
		vmpin = 0;
		w->line->books.disturbed++;
	}
	ledger_end(w->line, &moved, se->step.kind->any_node, slack, excused, vmpin);
	count_operation(w, se, moved.acquired);
}

static void session_pin(struct worker *w, struct session *se)
{
	ledger_begin(w->line, se->step.node, se->pin.acquired + se->slack);
	book_pin(w, se, se->step.consumer->pin(&se->op));
}

/* Some kernels (6.1) refuse to release while a signal is pending. */
static long release(struct session *se)
{
	long result;

	for (int tries = 0; tries < RETRIES; tries++) {
		result = se->step.consumer->unpin(&se->op);
		if (result != -EINTR || !chaos_effect.interrupts)
			break;
	}
	return result;
}

/*
 * What a release has come to, begun before; without one, closing it is. True
 * if the session is of no use any more.
 */
static bool book_unpin(struct worker *w, struct session *se, long result)
{
	const struct pin_consumer *c = se->step.consumer;
	const struct pin_predict *p = &se->unpin;
	struct pin_count moved = { p->acquired, p->released };
	uint64_t slack = room(se, p);

	if (!c->unpin || !as_told(result, p)) {
		/* Whatever a failed release has left, goes with this. */
		c->close(&se->op);
		se->op.consumer = NULL;
		/* It need not have come to where it pins something itself. */
		slack += p->acquired;
		moved.acquired = 0;
		moved.released -= p->acquired;
	}
	se->pinned = false;
	ledger_end(w->line, &moved, se->step.kind->any_node, slack,
		   p->issue ? p->issue_released : 0, p->vmpin);
	if (!as_told(result, p) && !excusable(result, p))
		wrong_result(w, se, "release", result, p);
	return !se->op.consumer;
}

/* Release what session_pin() took; true if the session is of no use any more. */
static bool session_unpin(struct worker *w, struct session *se)
{
	const struct pin_consumer *c = se->step.consumer;

	if (!se->pinned)
		return !c->unpin && c->held;
	ledger_begin(w->line, se->step.node, se->unpin.acquired + room(se, &se->unpin));
	return book_unpin(w, se, c->unpin ? release(se) : se->unpin.result);
}

/*
 * Both in turn. No checkpoint can come between them, so that one entry in the
 * ledger does for what goes as foretold.
 */
static bool session_cycle(struct worker *w, struct session *se)
{
	const struct pin_predict *p = &se->pin, *u = &se->unpin;
	const struct pin_consumer *c = se->step.consumer;
	const struct pin_count moved = { p->acquired + u->acquired, p->released + u->released };
	const uint64_t slack = se->slack + room(se, u);
	long pinned, result;

	ledger_begin(w->line, se->step.node, moved.acquired + slack);
	pinned = c->pin(&se->op);
	if (!c->held || !c->unpin || pinned < 0 || !as_told(pinned, p) || p->issue || u->issue) {
		book_pin(w, se, pinned);
		return session_unpin(w, se);
	}
	result = release(se);
	if (as_told(result, u)) {
		ledger_end(w->line, &moved, se->step.kind->any_node, slack, 0,
			   p->vmpin + u->vmpin);
		count_operation(w, se, p->acquired);
		return false;
	}
	book_pin(w, se, pinned);
	ledger_begin(w->line, se->step.node, u->acquired + room(se, u));
	return book_unpin(w, se, result);
}

static void session_close(struct worker *w, struct session *se)
{
	session_unpin(w, se);
	if (se->op.consumer && se->op.consumer->close)
		se->op.consumer->close(&se->op);
	pin_view_close(se->view);
	pin_mem_free(&se->mem);
	free(se);
}

static void use(struct worker *w, struct session *se)
{
	const struct pin_predict fine = { .result = 0 };
	long result;

	if (!se->pinned || !se->step.consumer->use)
		return;
	result = se->step.consumer->use(&se->op);
	if (result && !excusable(result, &fine))
		wrong_result(w, se, "use", result, &fine);
}

struct disturber {
	pthread_t thread;
	const struct session *session;
	struct worker *worker;
	bool stop, started;
};

static void *disturb(void *arg)
{
	struct disturber *d = arg;
	const struct step *s = &d->session->step;
	uint64_t state = s->noise;

	while (!__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		pin_chaos[s->beside]->memory(&d->session->mem, draw_number(&state));
		__atomic_fetch_add(&d->worker->line->done.chaos[s->beside], 1, __ATOMIC_RELAXED);
		pin_sleep_ns(draw_number(&state) % (MSEC / 5));
	}
	return NULL;
}

/*
 * Calls whose memory somebody plays with: of each is known only that it gives
 * back what it takes, and about how much that can be.
 */
static void run_disturbed(struct worker *w, struct session *se)
{
	struct disturber d = { .session = se, .worker = w };
	const struct pin_consumer *c = se->step.consumer;
	const struct pin_count none = { 0, 0 };
	uint64_t bound = se->pin.acquired > se->mem.pages ? se->pin.acquired : se->mem.pages;
	bool over = false;

	bound = 2 * bound + 64;
	if (c->retries)
		bound *= RETRIES;
	d.started = !pthread_create(&d.thread, NULL, disturb, &d);
	for (unsigned int i = 0; i < se->step.repeat && !over; i++) {
		long result;

		ledger_begin(w->line, se->step.node, bound);
		result = c->pin(&se->op);
		if (result >= 0 && c->held && c->unpin)
			over = release(se) < 0;
		over |= c->held && !c->unpin;
		if (over) {
			c->close(&se->op);
			se->op.consumer = NULL;
		}
		w->line->books.disturbed++;
		ledger_end(w->line, &none, true, bound, 0, 0);
		count_operation(w, se, 0);
		barrier(w);
		over |= told_to_stop(w) || share_is_done(w);
	}
	__atomic_store_n(&d.stop, true, __ATOMIC_RELEASE);
	if (d.started)
		pthread_join(d.thread, NULL);
}

static void pace(const struct worker *w)
{
	if (w->pause_ns)
		pin_sleep_ns(w->pause_ns);
}

static void run_repeated(struct worker *w, struct session *se)
{
	unsigned int i, repeat = se->step.kind->once ? 1 : se->step.repeat;

	for (i = 0; i < repeat; i++) {
		if (i) {
			if (session_cycle(w, se))
				break;
		} else {
			session_pin(w, se);
			use(w, se);
			if (session_unpin(w, se))
				break;
		}
		barrier(w);
		if (told_to_stop(w) || share_is_done(w))
			break;
		pace(w);
	}
}

static void drop_oldest(struct worker *w)
{
	struct session *se = w->kept[0];

	w->line->kept -= se->mem.pages;
	session_close(w, se);
	w->nr_kept--;
	memmove(w->kept, w->kept + 1, w->nr_kept * sizeof(w->kept[0]));
}

/* Keep as few of the newest as add up to --hold pages. */
static void keep(struct worker *w, struct session *se)
{
	const uint64_t hold = w->run->opt->hold;

	w->kept[w->nr_kept++] = se;
	w->line->kept += se->mem.pages;
	while (w->nr_kept && (w->nr_kept == MAX_SESSIONS ||
			      w->line->kept - w->kept[0]->mem.pages >= hold))
		drop_oldest(w);
}

static void take_step(struct worker *w)
{
	struct line *l = w->line;
	struct session *se;
	struct step s;

	draw_step(w->run, w->number, l->step++, &s);
	l->hash = draw_hash(l->hash, &s);
	l->consumer_id = s.consumer_id;
	l->kind_id = s.kind_id;
	se = session_open(w, &s);
	if (!se) {
		/* It counts, or a run in which nothing fits would never end. */
		l->pins_done++;
		return;
	}
	predict(se);
	if (s.beside >= 0) {
		run_disturbed(w, se);
		session_close(w, se);
		return;
	}
	if (!s.keep || !s.consumer->held || !w->run->opt->hold) {
		run_repeated(w, se);
		session_close(w, se);
		return;
	}
	view_open(w, se);
	session_pin(w, se);
	use(w, se);
	if (!se->pinned) {
		session_close(w, se);
		return;
	}
	view_pinned(w, se);
	if (s.after >= 0) {
		pin_chaos[s.after]->memory(&se->mem, s.noise);
		__atomic_fetch_add(&l->done.chaos[s.after], 1, __ATOMIC_RELAXED);
	}
	keep(w, se);
	pace(w);
}

static void ignore(int sig)
{
	(void)sig;
}

bool worker_fork_inherits;

/* A line of /proc/PID/maps: rings, buffers and devices. */
static bool may_hold_pins(const char *mapping)
{
	return strstr(mapping, "anon_inode:") || strstr(mapping, "dmabuf") ||
	       (strstr(mapping, " /dev/") && !strstr(mapping, "/dev/zero"));
}

/*
 * Some memory has a child process to share pages with. What it inherits of the
 * sessions that are kept would hold their pins after we let go: descriptors
 * and mappings of rings, and sockets.
 */
static void leave_sessions_behind(void)
{
	unsigned long start, end;
	char line[512], path[300], target[64];
	struct dirent *entry;
	ssize_t len;
	FILE *f;
	DIR *d;

	if (worker_fork_inherits)
		return;
	f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (may_hold_pins(line) && sscanf(line, "%lx-%lx", &start, &end) == 2)
			munmap((void *)start, end - start);
	}
	if (f)
		fclose(f);
	d = opendir("/proc/self/fd");
	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		/* By pipes the child says that it is ready; a FUSE server is one, too. */
		if (atoi(entry->d_name) > STDERR_FILENO && strncmp(target, "pipe:", 5) &&
		    strcmp(target, "/dev/fuse"))
			close(atoi(entry->d_name));
	}
	if (d)
		closedir(d);
}

static void set_up_signals(void)
{
	const struct sigaction sa = { .sa_handler = ignore };
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Ctrl-C is the coordinator's to handle: it ends us in good order. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void worker_main(struct run *r, unsigned int number)
{
	const struct options *opt = r->opt;
	struct worker w = {
		.run = r,
		.ledger = r->ledger,
		.line = &r->ledger->line[number],
		.number = number,
		.pause_ns = opt->rate ? SEC / opt->rate : 0,
		.limited = !pin_have_cap(CAP_IPC_LOCK),
		.node = -1,
	};
	char why[PIN_WHY_LEN];

	set_up_signals();
	w.helper = pin_helper_open(why);
	pthread_atfork(NULL, NULL, leave_sessions_behind);
	pin_scratch_disown();
	prctl(PR_SET_NAME, WORKER_NAME);
	if (opt->operations)
		w.share = opt->operations / opt->jobs + (number < opt->operations % opt->jobs);
	while (!told_to_stop(&w) && !share_is_done(&w)) {
		barrier(&w);
		take_step(&w);
	}
	w.line->consumer_id = -1;
	w.line->kind_id = -1;
	__atomic_store_n(&w.line->finished, true, __ATOMIC_RELEASE);
	/* What is kept is for the last checkpoint to see. */
	while (!told_to_stop(&w)) {
		barrier(&w);
		pin_sleep_ns(MSEC / 5);
	}
	while (w.nr_kept)
		drop_oldest(&w);
	_exit(0);
}
