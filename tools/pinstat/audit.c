// SPDX-License-Identifier: GPL-2.0
/*
 * `pinstat -- CMD`: run CMD, drain, compare what was acquired and released.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pinstat.h"

#define QUIET_NS (200 * NSEC_PER_MSEC)
#define SAMPLE_NS (10 * NSEC_PER_MSEC)
#define ECHO_NS (200 * NSEC_PER_MSEC)
#define MAX_SURVIVORS 16

enum verdict {
	V_BALANCED,
	V_LEAK,
	V_OVER_RELEASE,
	V_NODE_IMBALANCE,
	V_INCONCLUSIVE,
};

static const char *const verdict_text[] = {
	[V_BALANCED] = "BALANCED",
	[V_LEAK] = "LEAK",
	[V_OVER_RELEASE] = "OVER-RELEASE",
	[V_NODE_IMBALANCE] = "NODE-IMBALANCE",
	[V_INCONCLUSIVE] = "INCONCLUSIVE",
};

struct survivor {
	pid_t pid;
	char comm[64];
};

struct audit {
	const struct options *opt;
	const struct pin_counters *c;
	sigset_t signals; /* blocked, taken by take_signals() */
	sigset_t old_mask;
	struct sigaction old_chld;

	pid_t pid; /* 0 once CMD is reaped */
	pid_t cmd_pid;
	int wait_status;
	uint64_t start_ns;
	uint64_t end_ns;
	bool cut_short; /* a signal ended the drain */

	struct pin_snapshot base;
	struct pin_snapshot final;
	int read_err;
	int64_t peak;
	uint64_t samples;
	uint64_t settled_ns; /* first reading of the final state */
	uint64_t noise_before; /* pins/s, 0: quiet */
	uint64_t noise_after;

	struct survivor survivor[MAX_SURVIVORS];
	unsigned int nr_survivors; /* may exceed MAX_SURVIVORS */

	enum verdict verdict;
	char reason[MAX_SURVIVORS * 64 + 128];
	const char *note;
};

static bool same_counts(const struct pin_counters *c,
			const struct pin_snapshot *a,
			const struct pin_snapshot *b)
{
	return !memcmp(&a->total, &b->total, sizeof(a->total)) &&
	       !memcmp(a->node, b->node, c->nr_nodes * sizeof(a->node[0]));
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/*
 * Orphaned descendants come to us as well (subreaper): collect them all, or
 * they would look alive.
 */
static void reap(struct audit *a)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != a->pid)
			continue;
		a->end_ns = pin_now_ns();
		a->wait_status = status;
		a->pid = 0;
	}
}

/* Sleep @ns, or less if a signal arrives. */
static void take_signals(struct audit *a, uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NSEC_PER_SEC,
		.tv_nsec = ns % NSEC_PER_SEC,
	};
	siginfo_t info;
	int sig;

	sig = sigtimedwait(&a->signals, &info, &ts);
	if (sig < 0)
		return;
	if (sig == SIGCHLD) {
		reap(a);
		return;
	}
	/* What the terminal sends has reached CMD already: it is in our group. */
	if (a->pid && info.si_code <= 0)
		kill(a->pid, sig);
	/* timeout(1) signals twice: the echo of what ended CMD is no new wish. */
	if (!a->pid && pin_now_ns() - a->end_ns > ECHO_NS)
		a->cut_short = true;
}

struct rest {
	struct pin_snapshot last;
	struct pin_snapshot window; /* start of the window for the rate */
	uint64_t changed_ns;
	double rate;
};

static void rest_start(struct rest *r, const struct pin_snapshot *s)
{
	r->last = *s;
	r->window = *s;
	r->changed_ns = s->ns;
	r->rate = 0;
}

static double pin_rate(const struct pin_snapshot *from,
		       const struct pin_snapshot *to)
{
	struct pin_count d = count_delta(&from->total, &to->total);
	uint64_t pins = d.acquired > d.released ? d.acquired : d.released;

	if (to->ns == from->ns)
		return 0;
	return (double)pins * NSEC_PER_SEC / (to->ns - from->ns);
}

/* How long a look without any change makes the machine quiet. */
static uint64_t quiet_ns(const struct audit *a)
{
	if (pin_counters_exact(a->c) || a->c->settle_ns < QUIET_NS)
		return QUIET_NS;
	return a->c->settle_ns;
}

/* Returns true when the counters have not moved for a quiet window. */
static bool rest_update(const struct audit *a, struct rest *r,
			const struct pin_snapshot *s)
{
	uint64_t quiet = quiet_ns(a);

	if (!same_counts(a->c, s, &r->last))
		r->changed_ns = s->ns;
	r->last = *s;
	if (s->ns - r->window.ns >= quiet) {
		r->rate = pin_rate(&r->window, s);
		r->window = *s;
	}
	return s->ns - r->changed_ns >= quiet;
}

/* Pins a second while the machine was not quiet; never 0. */
static uint64_t rest_rate(const struct rest *r)
{
	uint64_t rate = r->rate ?: pin_rate(&r->window, &r->last);

	return rate ?: 1;
}

static int take_baseline(struct audit *a)
{
	uint64_t quiet = quiet_ns(a), deadline;
	struct rest r;
	int err;

	err = pin_counters_read(a->c, &a->base);
	if (err)
		return err;
	rest_start(&r, &a->base);
	deadline = a->base.ns + quiet + a->opt->quiet_wait_ns;
	if (!pin_counters_exact(a->c))
		deadline += quiet;
	do {
		pin_sleep_ns(quiet / 10);
		err = pin_counters_read(a->c, &a->base);
		if (err)
			return err;
		if (rest_update(a, &r, &a->base))
			return 0;
	} while (a->base.ns < deadline);
	a->noise_before = rest_rate(&r);
	return 0;
}

/* Returns 0, or the exit status for a command that could not be started. */
static int start_cmd(struct audit *a)
{
	char **cmd = a->opt->cmd;
	int fds[2], err = 0;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC)) {
		fprintf(stderr, "pinstat: pipe: %s\n", strerror(errno));
		return EXIT_NOEXEC;
	}
	a->start_ns = pin_now_ns();
	a->pid = fork();
	if (a->pid < 0) {
		a->pid = 0;
		fprintf(stderr, "pinstat: fork: %s\n", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return EXIT_NOEXEC;
	}
	if (!a->pid) {
		sigaction(SIGCHLD, &a->old_chld, NULL);
		sigprocmask(SIG_SETMASK, &a->old_mask, NULL);
		execvp(cmd[0], cmd);
		err = errno;
		n = write(fds[1], &err, sizeof(err));
		_exit(n < 0 ? EXIT_USAGE : EXIT_NOEXEC);
	}
	a->cmd_pid = a->pid;
	close(fds[1]);
	do {
		n = read(fds[0], &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	close(fds[0]);
	if (n != sizeof(err))
		return 0;
	waitpid(a->pid, NULL, 0);
	a->pid = 0;
	fprintf(stderr, "pinstat: %s: %s\n", cmd[0], strerror(err));
	return err == ENOENT || err == ENOTDIR ? EXIT_NOTFOUND : EXIT_NOEXEC;
}

static void note_peak(struct audit *a, const struct pin_snapshot *s)
{
	int64_t outstanding =
		pin_outstanding(&s->total) - pin_outstanding(&a->base.total);

	if (outstanding > a->peak)
		a->peak = outstanding;
	a->samples++;
}

/*
 * A flush costs this thread about 0.1 ms and each CPU some 10 us, and more on
 * a big machine: pace it by its own cost, to stay under 1 % of one CPU.
 */
static void watch_cmd(struct audit *a)
{
	uint64_t cpu, now, next = 0;
	struct pin_snapshot s;

	while (a->pid) {
		now = pin_now_ns();
		/* Signals wake us early. */
		if (now < next) {
			take_signals(a, next - now);
			continue;
		}
		cpu = thread_cpu_ns();
		if (!pin_counters_read(a->c, &s))
			note_peak(a, &s);
		cpu = thread_cpu_ns() - cpu;
		next = pin_now_ns() +
		       (150 * cpu > SAMPLE_NS ? 150 * cpu : SAMPLE_NS);
	}
}

static bool totals_balanced(const struct audit *a)
{
	struct pin_count d = count_delta(&a->base.total, &a->final.total);

	return d.acquired == d.released;
}

/*
 * Wait until the balance holds for a quiet window, which also is the look for
 * foreign traffic after the run. Late releases of CMD and foreign ones look
 * the same, so go on while there is time.
 */
static int drain(struct audit *a)
{
	uint64_t quiet = quiet_ns(a);
	uint64_t deadline = a->end_ns + a->opt->drain_ns;
	uint64_t now, pause;
	bool balanced, resting;
	struct rest r;
	int err;

	if (!pin_counters_exact(a->c))
		deadline += quiet;
	err = pin_counters_read(a->c, &a->final);
	if (err)
		return err;
	rest_start(&r, &a->final);
	for (;;) {
		balanced = totals_balanced(a);
		/* What is late to go is a part of the peak. */
		if (!balanced)
			note_peak(a, &a->final);
		resting = rest_update(a, &r, &a->final);
		a->settled_ns = r.changed_ns;
		now = pin_now_ns();
		if (resting && (balanced || now >= deadline))
			return 0;
		if (a->cut_short || now >= deadline + 2 * quiet)
			break;

		pause = (now - a->end_ns) / 16;
		if (pause < NSEC_PER_MSEC)
			pause = NSEC_PER_MSEC;
		if (pause > quiet / 10)
			pause = quiet / 10;
		take_signals(a, pause);
		err = pin_counters_read(a->c, &a->final);
		if (err)
			return err;
	}
	if (!a->cut_short)
		a->noise_after = rest_rate(&r);
	return 0;
}

/* Parent of @pid; 0 if it is gone, dead or not to be seen. */
static pid_t parent_of(pid_t pid, char *comm, size_t size)
{
	char path[32], buf[512], *open_par, *close_par, state;
	int fd, ppid, threads;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	open_par = strchr(buf, '(');
	close_par = strrchr(buf, ')');
	if (!open_par || !close_par ||
	    sscanf(close_par + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d",
		   &state, &ppid, &threads) != 3)
		return 0;
	/* Only the first thread may have ended. */
	if ((state == 'Z' || state == 'X') && threads <= 1)
		return 0;
	*close_par = '\0';
	snprintf(comm, size, "%s", open_par + 1);
	return ppid;
}

static bool is_descendant(pid_t pid)
{
	char comm[64];
	int depth;

	/* Bounded: the tree changes while it is walked. */
	for (depth = 0; pid > 1 && depth < 1000; depth++) {
		pid = parent_of(pid, comm, sizeof(comm));
		if (pid == getpid())
			return true;
	}
	return false;
}

static void find_survivors(struct audit *a)
{
	struct survivor *s, unnamed;
	struct dirent *entry;
	DIR *dir;

	reap(a);
	if (waitpid(-1, NULL, WNOHANG) < 0)
		return;
	dir = opendir("/proc");
	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || !is_descendant(pid))
			continue;
		s = a->nr_survivors < MAX_SURVIVORS ?
			    &a->survivor[a->nr_survivors] :
			    &unnamed;
		s->pid = pid;
		if (parent_of(pid, s->comm, sizeof(s->comm)))
			a->nr_survivors++;
	}
	if (dir)
		closedir(dir);
	/* hidepid, or the /proc of another pid namespace */
	if (!a->nr_survivors && !waitpid(-1, NULL, WNOHANG)) {
		a->nr_survivors = 1;
		a->survivor[0].pid = 0;
		snprintf(a->survivor[0].comm, sizeof(a->survivor[0].comm),
			 "not visible in /proc");
	}
}

/* Make @text safe for a terminal and for JSON. */
static const char *printable(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; *text && n + 5 < size; text++) {
		unsigned char ch = *text;

		if (isascii(ch) && isprint(ch))
			buf[n++] = ch;
		else
			n += snprintf(buf + n, size - n, "\\x%02x", ch);
	}
	buf[n] = '\0';
	return buf;
}

static void name_survivors(const struct audit *a, char *buf, size_t size)
{
	char comm[4 * sizeof(a->survivor[0].comm) + 8];
	size_t n = 0;
	unsigned int i;

	buf[0] = '\0';
	for (i = 0; i < a->nr_survivors && i < MAX_SURVIVORS && n < size; i++)
		n += snprintf(buf + n, size - n, "%spid %d (%s)", i ? ", " : "",
			      a->survivor[i].pid,
			      printable(a->survivor[i].comm, comm,
					sizeof(comm)));
	if (a->nr_survivors > MAX_SURVIVORS && n < size)
		snprintf(buf + n, size - n, " and %u more",
			 a->nr_survivors - MAX_SURVIVORS);
}

static bool went_backwards(const struct audit *a)
{
	return a->final.total.acquired < a->base.total.acquired ||
	       a->final.total.released < a->base.total.released;
}

static bool nodes_changed(const struct audit *a)
{
	struct pin_counters now;
	bool changed;

	if (pin_counters_open(&now))
		return true;
	changed = now.nr_nodes != a->c->nr_nodes;
	pin_counters_close(&now);
	return changed;
}

/* Only meaningful while the totals agree and nothing moves. */
static bool check_nodes(struct audit *a)
{
	struct pin_count all = count_delta(&a->base.total, &a->final.total);
	struct pin_count sum = { 0 }, d;
	char list[256];
	size_t n = 0;
	int i;

	for (i = 0; i < a->c->nr_nodes; i++) {
		d = count_delta(&a->base.node[i], &a->final.node[i]);
		sum.acquired += d.acquired;
		sum.released += d.released;
		if (d.acquired != d.released && n < sizeof(list))
			n += snprintf(list + n, sizeof(list) - n,
				      "%snode %d %+lld", n ? ", " : "",
				      a->c->node_id[i],
				      (long long)pin_outstanding(&d));
	}
	if (!n && (!a->c->nr_nodes || (sum.acquired == all.acquired &&
				       sum.released == all.released)))
		return true;

	a->verdict = V_NODE_IMBALANCE;
	/* Hot-plug, or more nodes than the library reads. */
	if (a->c->nr_nodes == PIN_MAX_NODES || nodes_changed(a)) {
		a->verdict = V_INCONCLUSIVE;
		snprintf(a->reason, sizeof(a->reason),
			 "not all NUMA nodes could be watched");
	} else if (n) {
		snprintf(a->reason, sizeof(a->reason),
			 "the total is balanced, but %s pages", list);
	} else {
		snprintf(a->reason, sizeof(a->reason),
			 "the nodes sum up to %lld acquired, %lld released",
			 (long long)sum.acquired, (long long)sum.released);
	}
	return false;
}

/* What forbids a verdict, whatever the counters say. */
static bool is_inconclusive(struct audit *a, long long left)
{
	char names[MAX_SURVIVORS * 64];
	size_t size = sizeof(a->reason);
	char *reason = a->reason;

	if (a->read_err) {
		snprintf(reason, size, "the counters cannot be read: %s",
			 strerror(-a->read_err));
	} else if (went_backwards(a)) {
		snprintf(reason, size,
			 "the counters went backwards (32-bit wrap?)");
	} else if (a->noise_before || a->noise_after) {
		snprintf(reason, size,
			 "machine busy, %llu foreign pins/s before, %llu after",
			 (unsigned long long)a->noise_before,
			 (unsigned long long)a->noise_after);
		if (a->nr_survivors && a->noise_after)
			a->note =
				"the pins after the run may be those of descendants";
	} else if (a->cut_short) {
		snprintf(reason, size,
			 "drain interrupted, %+lld pages outstanding", left);
	} else if (left > 0 && a->nr_survivors) {
		name_survivors(a, names, sizeof(names));
		snprintf(reason, size,
			 "%lld pages outstanding, descendants still alive: %s",
			 left, names);
	} else {
		return false;
	}
	a->verdict = V_INCONCLUSIVE;
	return true;
}

static void decide(struct audit *a)
{
	struct pin_count d = count_delta(&a->base.total, &a->final.total);
	long long left = pin_outstanding(&d);
	size_t size = sizeof(a->reason);

	if (is_inconclusive(a, left))
		return;
	if (left) {
		a->note =
			"foreign pins during the run look the same: repeat it on an idle machine";
		a->verdict = left > 0 ? V_LEAK : V_OVER_RELEASE;
		snprintf(a->reason, size,
			 left > 0 ? "%lld pages acquired and not released" :
				    "%lld more pages released than acquired",
			 llabs(left));
		return;
	}
	if (!check_nodes(a))
		return;
	a->verdict = V_BALANCED;
	if (d.acquired)
		snprintf(a->reason, size, "%llu pages acquired and released",
			 (unsigned long long)d.acquired);
	else
		snprintf(a->reason, size, "the command pinned nothing");
	if (a->nr_survivors)
		a->note =
			"descendants are alive: what they pin from now on is not seen";
}

static double msec(uint64_t ns)
{
	return (double)(ns / 1000) / 1000;
}

/* There is a lag only if there was something to release, and only CMD's. */
static bool have_lag(const struct audit *a)
{
	return (a->verdict == V_BALANCED || a->verdict == V_NODE_IMBALANCE) &&
	       a->final.total.acquired != a->base.total.acquired;
}

static void print_cmd(FILE *out, char *const *cmd)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";

	fputs("pinstat:", out);
	for (; *cmd; cmd++) {
		bool quote = !**cmd || (*cmd)[strspn(*cmd, plain)];
		const char *p;

		fputs(quote ? " '" : " ", out);
		for (p = *cmd; *p; p++) {
			if (*p == '\'')
				fputs("'\\''", out);
			else if (iscntrl((unsigned char)*p))
				fprintf(out, "\\x%02x", *p);
			else
				fputc(*p, out);
		}
		if (quote)
			fputc('\'', out);
	}
	fputc('\n', out);
}

static void print_counts(const struct audit *a, FILE *out)
{
	struct pin_count d = count_delta(&a->base.total, &a->final.total);
	const char *unflushed = "", *at_most = "";
	int i;

	if (!pin_counters_exact(a->c)) {
		unflushed = "unflushed ";
		at_most = "at most ";
	}
	fprintf(out, "  acquired     %llu pages\n",
		(unsigned long long)d.acquired);
	fprintf(out, "  released     %llu pages\n",
		(unsigned long long)d.released);
	fprintf(out, "  outstanding  %+lld pages (%lld before the run)\n",
		(long long)pin_outstanding(&d),
		(long long)pin_outstanding(&a->base.total));
	fprintf(out, "  peak         %+lld pages in %llu %ssamples\n",
		(long long)a->peak, (unsigned long long)a->samples, unflushed);
	if (have_lag(a))
		fprintf(out,
			"  lag          %s%.1f ms from the end to balance\n",
			at_most, msec(a->settled_ns - a->end_ns));
	if (!a->opt->nodes && a->verdict != V_NODE_IMBALANCE)
		return;
	for (i = 0; i < a->c->nr_nodes; i++) {
		d = count_delta(&a->base.node[i], &a->final.node[i]);
		fprintf(out,
			"  node %-7d acquired %llu, released %llu, %+lld\n",
			a->c->node_id[i], (unsigned long long)d.acquired,
			(unsigned long long)d.released,
			(long long)pin_outstanding(&d));
	}
}

static void print_text(struct audit *a, FILE *out)
{
	char names[MAX_SURVIVORS * 64];
	int sig = WTERMSIG(a->wait_status);

	print_cmd(out, a->opt->cmd);
	if (WIFSIGNALED(a->wait_status))
		fprintf(out, "  status       killed by signal %d (%s)\n", sig,
			strsignal(sig));
	else
		fprintf(out, "  status       exit %d\n",
			WEXITSTATUS(a->wait_status));
	fprintf(out, "  elapsed      %.3f s\n",
		(double)(a->end_ns - a->start_ns) / NSEC_PER_SEC);
	if (!a->read_err)
		print_counts(a, out);
	fprintf(out, "  noise        %llu pins/s before, %llu after\n",
		(unsigned long long)a->noise_before,
		(unsigned long long)a->noise_after);
	if (!pin_counters_exact(a->c))
		fprintf(out,
			"  method       no flush permitted: waited until nothing moved for %.1f s\n",
			(double)quiet_ns(a) / NSEC_PER_SEC);
	if (a->nr_survivors) {
		name_survivors(a, names, sizeof(names));
		fprintf(out, "  alive        %s\n", names);
	}
	if (a->note)
		fprintf(out, "  note         %s\n", a->note);
	fprintf(out, "%s: %s\n", verdict_text[a->verdict], a->reason);
}

static json_t *json_cmd(char *const *cmd)
{
	json_t *list = json_array(), *word;
	char buf[4096];

	for (; *cmd; cmd++) {
		word = json_string(*cmd);
		/* not UTF-8 */
		if (!word)
			word = json_string(printable(*cmd, buf, sizeof(buf)));
		json_array_append_new(list, word);
	}
	return list;
}

static json_t *json_alive(const struct audit *a)
{
	char comm[4 * sizeof(a->survivor[0].comm) + 8];
	const struct survivor *s = a->survivor;
	json_t *list = json_array(), *one;
	unsigned int i;

	for (i = 0; i < a->nr_survivors && i < MAX_SURVIVORS; i++, s++) {
		one = json_object();
		put_int(one, "pid", s->pid);
		put_string(one, "comm", printable(s->comm, comm, sizeof(comm)));
		json_array_append_new(list, one);
	}
	return list;
}

static void print_json(struct audit *a, FILE *out)
{
	struct pin_count d = count_delta(&a->base.total, &a->final.total);
	json_t *obj = json_object();

	put_string(obj, "type", "audit");
	put_string(obj, "verdict", verdict_text[a->verdict]);
	put_string(obj, "reason", a->reason);
	if (a->note)
		put_string(obj, "note", a->note);
	json_object_set_new(obj, "command", json_cmd(a->opt->cmd));
	put_int(obj, "pid", a->cmd_pid);
	if (WIFSIGNALED(a->wait_status))
		put_int(obj, "signal", WTERMSIG(a->wait_status));
	else
		put_int(obj, "exit_code", WEXITSTATUS(a->wait_status));
	put_real(obj, "seconds", msec(a->end_ns - a->start_ns) / 1000);
	json_object_set_new(obj, "flushed",
			    json_boolean(pin_counters_exact(a->c)));
	if (!a->read_err) {
		put_int(obj, "acquired", d.acquired);
		put_int(obj, "released", d.released);
		put_int(obj, "outstanding", pin_outstanding(&d));
		put_int(obj, "outstanding_before",
			pin_outstanding(&a->base.total));
		put_int(obj, "peak", a->peak);
		put_int(obj, "samples", a->samples);
		if (have_lag(a))
			put_real(obj, "lag_ms",
				 msec(a->settled_ns - a->end_ns));
		if (a->opt->nodes || a->verdict == V_NODE_IMBALANCE)
			json_object_set_new(obj, "nodes",
					    json_nodes(a->c, &a->base,
						       &a->final));
	}
	put_int(obj, "noise_before", a->noise_before);
	put_int(obj, "noise_after", a->noise_after);
	put_int(obj, "alive_count", a->nr_survivors);
	json_object_set_new(obj, "alive", json_alive(a));
	put_json(out, obj);
}

static int exit_status(const struct audit *a)
{
	int own = WIFSIGNALED(a->wait_status) ? 128 + WTERMSIG(a->wait_status) :
						WEXITSTATUS(a->wait_status);

	switch (a->verdict) {
	case V_BALANCED:
		return a->opt->child_status ? own : EXIT_OK;
	case V_INCONCLUSIVE:
		/* A failed CMD must not pass for a skipped one. */
		return a->opt->child_status && own ? own : EXIT_INCONCLUSIVE;
	default:
		return EXIT_FINDING;
	}
}

/*
 * Blocked and taken one by one, so no handler and no race. CMD stays in our
 * process group, with the terminal; what was ignored from the start (nohup)
 * stays ignored.
 */
static void block_signals(struct audit *a)
{
	static const int wanted[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, 0 };
	struct sigaction act;
	int i;

	sigemptyset(&a->signals);
	sigaddset(&a->signals, SIGCHLD);
	for (i = 0; wanted[i]; i++)
		if (!sigaction(wanted[i], NULL, &act) &&
		    act.sa_handler != SIG_IGN)
			sigaddset(&a->signals, wanted[i]);
	sigprocmask(SIG_BLOCK, &a->signals, &a->old_mask);
	/* Ignored SIGCHLD would lose the status. */
	act = (struct sigaction){ .sa_handler = SIG_DFL };
	sigaction(SIGCHLD, &act, &a->old_chld);
}

static FILE *open_output(const struct options *opt)
{
	FILE *out;

	if (!opt->output)
		return opt->json ? stdout : stderr;
	if (!strcmp(opt->output, "-"))
		return stdout;
	out = fopen(opt->output, "we");
	if (!out)
		fprintf(stderr, "pinstat: %s: %s\n", opt->output,
			strerror(errno));
	return out;
}

int audit(const struct options *opt, const struct pin_counters *c)
{
	struct audit a = { .opt = opt, .c = c };
	FILE *out = open_output(opt);
	int status;

	if (!out)
		return EXIT_USAGE;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		fprintf(stderr, "pinstat: PR_SET_CHILD_SUBREAPER: %s\n",
			strerror(errno));
	if (quiet_ns(&a) > 2 * NSEC_PER_SEC)
		fprintf(stderr,
			"pinstat: no flush permitted, vm.stat_interval is long: waiting %.0f s\n",
			(double)quiet_ns(&a) / NSEC_PER_SEC);
	a.read_err = take_baseline(&a);
	if (a.read_err) {
		fprintf(stderr, "pinstat: cannot read the counters: %s\n",
			strerror(-a.read_err));
		return EXIT_INCONCLUSIVE;
	}
	block_signals(&a);
	status = start_cmd(&a);
	if (status)
		return status;
	watch_cmd(&a);
	a.read_err = drain(&a);
	find_survivors(&a);
	decide(&a);
	if (opt->json)
		print_json(&a, out);
	else
		print_text(&a, out);
	status = finish_output(out);
	return status ?: exit_status(&a);
}
