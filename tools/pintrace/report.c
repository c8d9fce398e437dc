// SPDX-License-Identifier: GPL-2.0
/*
 * Who holds the pins: as text, as JSON, or as folded stacks.
 */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <jansson.h>

#include "pintrace.h"

#define CHAIN_FRAMES 2
#define CHAIN_LEN 256
#define NAME_LEN 128
#define WHERE_LEN 256

/* Rows that are the same for the reader. */
struct line {
	struct row r;
	char function[NAME_LEN];
	char chain[CHAIN_LEN];
	char where[WHERE_LEN]; /* the cgroup */
	unsigned int nr; /* threads or processes merged */
};

struct paper {
	FILE *out;
	const struct options *opt;
	const struct trace *trace;
	const struct symbols *symbols;
	struct books *books;
	struct line *line;
	size_t nr;
};

static const char *frame_name(const struct paper *p, const struct row *row,
			      unsigned int i)
{
	return symbols_find(p->symbols, row->frame[i], row->o.since_ns);
}

static void format_frame(const struct paper *p, const struct row *row,
			 unsigned int i, char *buf, size_t size)
{
	const char *name = frame_name(p, row, i);

	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "0x%llx", (unsigned long long)row->frame[i]);
}

static void cut_frames(struct row *row, unsigned int n)
{
	memmove(row->frame, row->frame + n,
		(row->nr_frames - n) * sizeof(*row->frame));
	row->nr_frames -= n;
}

/* The hook's own frames come first, then the entry point or its caller. */
static unsigned int first_frame(const struct paper *p, const struct line *l)
{
	unsigned int i, first = 0;
	const char *name;

	for (i = 0; i < l->r.nr_frames; i++) {
		name = frame_name(p, &l->r, i);
		if (name && !strcmp(name, l->function))
			return i + 1;
		if (first == i && (!name || !strncmp(name, "bpf_", 4)))
			first = i + 1;
	}
	return first;
}

/* Where the entry point itself is not to be seen: on the way from it. */
static bool is_internal(const char *name)
{
	static const char *const internal[] = {
		"try_grab_", "follow_",	 "gup_",  "__gup_",
		"__get_user_pages", "internal_get_user_pages",
	};
	size_t i;

	for (i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
		if (!strncmp(name, internal[i], strlen(internal[i])))
			return true;
	}
	return trace_is_entry(name);
}

/* Leave the callers of the function that pinned. */
static void trim_stack(const struct paper *p, struct line *l)
{
	unsigned int i = l->r.nr_frames, first;
	const char *name;

	snprintf(l->function, sizeof(l->function), "%s",
		 trace_entry(l->r.o.key.entry));
	/* No hook there: it is the outermost one in the stack. */
	while (!l->function[0] && i > 0) {
		name = frame_name(p, &l->r, --i);
		if (name && is_internal(name))
			snprintf(l->function, sizeof(l->function), "%s", name);
	}
	first = first_frame(p, l);
	if (!l->function[0] && first < l->r.nr_frames)
		format_frame(p, &l->r, first++, l->function,
			     sizeof(l->function));
	cut_frames(&l->r, first);
}

/* What every stack ends with says nothing. */
static bool is_generic(const char *name)
{
	static const char *const generic[] = {
		"entry_SYSCALL", "do_syscall_64", "x64_sys_call",
		"ret_from_fork", "kthread",	  "el0",
		"do_el0_svc",	 "invoke_syscall",
	};
	size_t i;

	for (i = 0; i < sizeof(generic) / sizeof(generic[0]); i++) {
		if (!strncmp(name, generic[i], strlen(generic[i])))
			return true;
	}
	return false;
}

static void append(char *buf, size_t size, const char *separator,
		   const char *text)
{
	size_t len = strlen(buf);

	snprintf(buf + len, size - len, "%s%s", len ? separator : "", text);
}

/* pin_user_pages_fast < io_pin_pages < ... < __x64_sys_io_uring_register */
static void make_chain(const struct paper *p, struct line *l)
{
	unsigned int i, last = l->r.nr_frames;
	char name[NAME_LEN];

	while (last > 0) {
		format_frame(p, &l->r, last - 1, name, sizeof(name));
		if (!is_generic(name))
			break;
		last--;
	}
	snprintf(l->chain, sizeof(l->chain), "%s", l->function);
	for (i = 0; i < last; i++) {
		if (i == CHAIN_FRAMES && last > CHAIN_FRAMES + 1) {
			append(l->chain, sizeof(l->chain), " < ", "...");
			i = last - 1;
		}
		format_frame(p, &l->r, i, name, sizeof(name));
		append(l->chain, sizeof(l->chain), " < ", name);
	}
	if (!l->chain[0])
		append(l->chain, sizeof(l->chain), "", "(stack not recorded)");
}

static const char *special_name(size_t id)
{
	return id == OWNER_SHARED ? "(several owners of one folio)" :
				    "(table of owners full: --owners)";
}

static ino_t wanted_cgroup;
static char *found_cgroup;

static int match_cgroup(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	if (type != FTW_D || st->st_ino != wanted_cgroup)
		return 0;
	snprintf(found_cgroup, WHERE_LEN, "%s",
		 path + strlen("/sys/fs/cgroup"));
	return 1;
}

/* On 64-bit kernels the id of a cgroup is its inode number. */
static void name_cgroup(struct line *l)
{
	wanted_cgroup = l->r.o.key.cgroup;
	found_cgroup = l->where;
	if (nftw("/sys/fs/cgroup", match_cgroup, 16, FTW_PHYS | FTW_MOUNT) != 1)
		snprintf(l->where, sizeof(l->where), "cgroup %llu",
			 (unsigned long long)l->r.o.key.cgroup);
	else if (!l->where[0])
		append(l->where, sizeof(l->where), "", "/");
}

static bool same_line(const struct options *opt, const struct line *a,
		      const struct line *b)
{
	if (strcmp(a->chain, b->chain))
		return false;
	if (opt->by_cgroup)
		return a->r.o.key.cgroup == b->r.o.key.cgroup;
	return a->r.o.key.tgid == b->r.o.key.tgid &&
	       a->r.o.key.tid == b->r.o.key.tid &&
	       !strcmp(a->r.o.comm, b->r.o.comm);
}

static void merge(struct line *into, const struct line *from)
{
	int i;

	into->r.o.acquired += from->r.o.acquired;
	into->r.o.uncounted += from->r.o.uncounted;
	into->r.o.released += from->r.o.released;
	into->r.o.released_by_thread += from->r.o.released_by_thread;
	into->r.o.released_by_other += from->r.o.released_by_other;
	into->r.outstanding += from->r.outstanding;
	if (from->r.oldest_ns > into->r.oldest_ns)
		into->r.oldest_ns = from->r.oldest_ns;
	for (i = 0; i < AGES; i++)
		into->r.age[i] += from->r.age[i];
	into->r.gone &= from->r.gone;
	into->nr++;
}

static int by_pins(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->r.outstanding != y->r.outstanding)
		return x->r.outstanding < y->r.outstanding ? 1 : -1;
	if (x->r.o.acquired != y->r.o.acquired)
		return x->r.o.acquired < y->r.o.acquired ? 1 : -1;
	return (x->r.o.key.tid > y->r.o.key.tid) -
	       (x->r.o.key.tid < y->r.o.key.tid);
}

static bool is_used(const struct row *r)
{
	return r->o.acquired || r->o.uncounted || r->o.released;
}

static bool make_lines(struct paper *p)
{
	struct line *l;
	size_t id, i;

	p->line = calloc(p->books->nr_rows ?: 1, sizeof(*p->line));
	if (!p->line)
		return false;
	for (id = OWNER_SHARED; id < p->books->nr_rows; id++) {
		if (!is_used(&p->books->row[id]))
			continue;
		l = &p->line[p->nr];
		memset(l, 0, sizeof(*l));
		l->r = p->books->row[id];
		l->nr = 1;
		if (id < OWNER_FIRST) {
			append(l->chain, sizeof(l->chain), "",
			       special_name(id));
		} else {
			trim_stack(p, l);
			make_chain(p, l);
		}
		/* With the stacks, each of them is a line. */
		for (i = 0; i < p->nr && !p->opt->stacks; i++) {
			if (same_line(p->opt, &p->line[i], l))
				break;
		}
		if (i < p->nr && !p->opt->stacks)
			merge(&p->line[i], l);
		else
			p->nr++;
	}
	for (i = 0; i < p->nr && p->opt->by_cgroup; i++)
		name_cgroup(&p->line[i]);
	qsort(p->line, p->nr, sizeof(*p->line), by_pins);
	while (p->opt->held && p->nr && p->line[p->nr - 1].r.outstanding <= 0)
		p->nr--;
	return true;
}

static int64_t outside(uint64_t low, uint64_t high, uint64_t seen)
{
	if ((int64_t)(seen - low) < 0)
		return low - seen;
	if ((int64_t)(seen - high) > 0)
		return (int64_t)(high - seen);
	return 0;
}

void unattributed(const struct totals *base, const struct totals *now,
		  int64_t *acquired, int64_t *released)
{
	*acquired = outside(now->before.acquired - base->after.acquired,
			    now->after.acquired - base->before.acquired,
			    now->seen.acquired - base->seen.acquired);
	*released = outside(now->before.released - base->after.released,
			    now->after.released - base->before.released,
			    now->seen.released - base->seen.released);
}

uint64_t lost_events(const struct totals *base, const struct totals *now)
{
	return now->trouble.lost_full + now->trouble.lost_race +
	       now->trouble.lost_uncounted - base->trouble.lost_full -
	       base->trouble.lost_race - base->trouble.lost_uncounted;
}

static const char *format_age(uint64_t ns, char *buf, size_t size)
{
	if (!ns)
		snprintf(buf, size, "-");
	else if (ns < NSEC_PER_SEC)
		snprintf(buf, size, "%.1f ms", (double)ns / NSEC_PER_MSEC);
	else if (ns < 600 * NSEC_PER_SEC)
		snprintf(buf, size, "%.1f s", (double)ns / NSEC_PER_SEC);
	else
		snprintf(buf, size, "%.0f min",
			 (double)ns / (60 * NSEC_PER_SEC));
	return buf;
}

static void text_stack(const struct paper *p, const struct line *l)
{
	unsigned int i;
	char name[NAME_LEN];

	fprintf(p->out, "%16s%s\n", "", l->function[0] ? l->function : l->chain);
	for (i = 0; i < l->r.nr_frames; i++) {
		format_frame(p, &l->r, i, name, sizeof(name));
		fprintf(p->out, "%16s%s\n", "", name);
	}
}

static void text_line(const struct paper *p, const struct line *l)
{
	char age[32];

	if (p->opt->by_cgroup)
		fprintf(p->out, "%-32s", l->where);
	else
		fprintf(p->out, "%7u %7u %-16s", l->r.o.key.tgid,
			l->r.o.key.tid, l->r.o.comm);
	fprintf(p->out, " %11lld %11llu %11llu %11llu %10s  %s%s\n",
		(long long)l->r.outstanding,
		(unsigned long long)(l->r.o.acquired + l->r.o.uncounted),
		(unsigned long long)l->r.o.released,
		(unsigned long long)(l->r.o.released_by_thread +
				     l->r.o.released_by_other),
		format_age(l->r.oldest_ns, age, sizeof(age)),
		p->opt->stacks ? "" : l->chain,
		l->r.gone && l->r.outstanding ? "  [process gone]" : "");
	if (p->opt->stacks)
		text_stack(p, l);
}

static void text_lines(const struct paper *p)
{
	size_t i;

	if (!p->nr) {
		fprintf(p->out, "No pin %s.\n",
			p->opt->held ? "is outstanding" : "was taken");
		return;
	}
	if (p->opt->by_cgroup)
		fprintf(p->out, "%-32s", "CGROUP");
	else
		fprintf(p->out, "%7s %7s %-16s", "PID", "TID", "COMM");
	fprintf(p->out, " %11s %11s %11s %11s %10s  %s\n", "OUTSTANDING",
		"ACQUIRED", "RELEASED", "ELSEWHERE", "OLDEST", "TAKEN BY");
	for (i = 0; i < p->nr && i < p->opt->top; i++)
		text_line(p, &p->line[i]);
	if (i < p->nr)
		fprintf(p->out, "... and %zu more (--top)\n", p->nr - i);
}

static void text_ages(const struct paper *p)
{
	int i;

	if (!p->books->folios)
		return;
	fprintf(p->out, "\nHeld for, in pages:");
	for (i = 0; i < AGES; i++) {
		if (p->books->age[i])
			fprintf(p->out, "  %s: %llu", age_name[i],
				(unsigned long long)p->books->age[i]);
	}
	fputc('\n', p->out);
}

struct sums {
	struct pin_count seen, kernel;
	int64_t missed_acquired, missed_released, before;
	uint64_t uncounted, others, unmatched, guessed, lost;
	uint64_t unnamed, unfollowed, no_stack, walked;
	double seconds;
};

static void sum_up(const struct paper *p, struct sums *s)
{
	const struct totals *base = trace_base(p->trace);
	const struct totals *now = &p->books->totals;

	s->seen.acquired = now->seen.acquired - base->seen.acquired;
	s->seen.released = now->seen.released - base->seen.released;
	s->kernel.acquired = now->after.acquired - base->after.acquired;
	s->kernel.released = now->after.released - base->after.released;
	unattributed(base, now, &s->missed_acquired, &s->missed_released);
	s->before = pin_outstanding(&base->after);
	s->uncounted = now->uncounted - base->uncounted;
	s->others = now->others_acquired - base->others_acquired;
	s->unmatched = now->trouble.unmatched - base->trouble.unmatched;
	s->guessed = now->trouble.guessed - base->trouble.guessed;
	s->unnamed = now->trouble.unnamed - base->trouble.unnamed;
	s->unfollowed = now->trouble.unfollowed - base->trouble.unfollowed;
	s->no_stack = now->trouble.no_stack - base->trouble.no_stack;
	s->walked = now->trouble.walked - base->trouble.walked;
	s->lost = lost_events(base, now);
	s->seconds = (double)(now->ns - base->ns) / NSEC_PER_SEC;
}

static void text_sum(const struct paper *p, const char *name,
		     const struct pin_count *n)
{
	fprintf(p->out, "%-22s %11lld %11llu %11llu\n", name,
		(long long)pin_outstanding(n), (unsigned long long)n->acquired,
		(unsigned long long)n->released);
}

/* Each only if there is something to say. */
static void text_notes(const struct paper *p, const struct sums *s)
{
	FILE *out = p->out;

	if (s->before)
		fprintf(out,
			"before: %lld pages were outstanding by the kernel's counters when the trace began.\n",
			(long long)s->before);
	if (trace_before(p->trace))
		before_text(out, trace_before(p->trace), p->opt->top);
	if (s->others)
		fprintf(out,
			"others: %llu pages of the acquired ones were taken by those not selected.\n",
			(unsigned long long)s->others);
	if (s->unmatched)
		fprintf(out, "released, not booked: %llu pages%s.\n",
			(unsigned long long)s->unmatched,
			s->others ? ": taken before, or by those not selected" :
				    ": taken before the trace began");
	if (s->uncounted)
		fprintf(out,
			"folio_add_pin: %llu more pages were taken by a function that does not count them as acquired;\n"
			"  their release is counted, so that the kernel's outstanding is this much too low for good.\n",
			(unsigned long long)s->uncounted);
	if (s->guessed)
		fprintf(out,
			"guessed: %llu pages of folios with several owners were released by none of them; the oldest was credited.\n",
			(unsigned long long)s->guessed);
	if (s->unnamed)
		fprintf(out,
			"owners: the table was full %llu times: raise --owners.\n",
			(unsigned long long)s->unnamed);
	if (s->unfollowed)
		fprintf(out,
			"children: %llu processes of the command were not followed: too many.\n",
			(unsigned long long)s->unfollowed);
	if (s->no_stack)
		fprintf(out,
			"stacks: %llu were not recorded: raise --max-stacks.\n",
			(unsigned long long)s->no_stack);
	if (s->lost)
		fprintf(out,
			"LOST: %llu pages acquired were not booked: the map of folios was full (raise --folios) or busy.\n",
			(unsigned long long)s->lost);
}

static void text_sums(const struct paper *p)
{
	struct sums s;

	sum_up(p, &s);
	fprintf(p->out, "\n%-22s %11s %11s %11s  pages in %.1f s\n", "",
		"OUTSTANDING", "ACQUIRED", "RELEASED", s.seconds);
	text_sum(p, "traced", &s.seen);
	text_sum(p, "kernel's counters", &s.kernel);
	fprintf(p->out, "%-22s %11lld %11lld %11lld\n", "unattributed",
		(long long)(s.missed_acquired - s.missed_released),
		(long long)s.missed_acquired, (long long)s.missed_released);
	fprintf(p->out, "%-22s %11s %11.0f %11.0f\n", "per second", "",
		s.seen.acquired / s.seconds, s.seen.released / s.seconds);
	text_notes(p, &s);
}

static void report_text(const struct paper *p, const struct verdict *v)
{
	struct utsname name;

	uname(&name);
	fprintf(p->out, "pintrace on Linux %s\n", name.release);
	if (p->opt->verbose)
		fprintf(p->out, "hooks: %s\n", trace_hooks(p->trace));
	fputc('\n', p->out);
	text_lines(p);
	text_ages(p);
	text_sums(p);
	if (v)
		fprintf(p->out, "%s: %s\n", v->word, v->text);
}

static void put(json_t *obj, const char *key, int64_t value)
{
	json_object_set_new(obj, key, json_integer(value));
}

/* comm may hold any bytes. */
static void put_string(json_t *obj, const char *key, const char *value)
{
	json_t *string = json_string(value);

	json_object_set_new(obj, key, string ?: json_string("?"));
}

static json_t *json_ages(const uint64_t *age)
{
	json_t *obj = json_object();
	int i;

	for (i = 0; i < AGES; i++)
		put(obj, age_name[i], age[i]);
	return obj;
}

static json_t *json_stack(const struct paper *p, const struct line *l)
{
	json_t *list = json_array();
	unsigned int i;
	char name[NAME_LEN];

	json_array_append_new(list, json_string(l->function));
	for (i = 0; i < l->r.nr_frames; i++) {
		format_frame(p, &l->r, i, name, sizeof(name));
		json_array_append_new(list, json_string(name));
	}
	return list;
}

static json_t *json_line(const struct paper *p, const struct line *l)
{
	json_t *obj = json_object();

	if (p->opt->by_cgroup)
		put_string(obj, "cgroup", l->where);
	put(obj, "pid", l->r.o.key.tgid);
	put(obj, "tid", l->r.o.key.tid);
	put_string(obj, "comm", l->r.o.comm);
	put_string(obj, "function", l->function);
	put_string(obj, "taken_by", l->chain);
	put(obj, "outstanding", l->r.outstanding);
	put(obj, "acquired", l->r.o.acquired);
	put(obj, "acquired_uncounted", l->r.o.uncounted);
	put(obj, "released", l->r.o.released);
	put(obj, "released_by_other_thread", l->r.o.released_by_thread);
	put(obj, "released_by_other", l->r.o.released_by_other);
	json_object_set_new(obj, "oldest_s",
			    json_real((double)l->r.oldest_ns / NSEC_PER_SEC));
	json_object_set_new(obj, "gone", json_boolean(l->r.gone));
	json_object_set_new(obj, "ages", json_ages(l->r.age));
	if (p->opt->stacks)
		json_object_set_new(obj, "stack", json_stack(p, l));
	return obj;
}

static void json_count(json_t *obj, const char *key, int64_t acquired,
		       int64_t released)
{
	json_t *n = json_object();

	put(n, "acquired", acquired);
	put(n, "released", released);
	put(n, "outstanding", acquired - released);
	json_object_set_new(obj, key, n);
}

static void json_sums(const struct paper *p, json_t *obj)
{
	struct sums s;

	sum_up(p, &s);
	json_object_set_new(obj, "seconds", json_real(s.seconds));
	json_count(obj, "traced", s.seen.acquired, s.seen.released);
	json_count(obj, "kernel", s.kernel.acquired, s.kernel.released);
	json_count(obj, "unattributed", s.missed_acquired, s.missed_released);
	put(obj, "before", s.before);
	if (trace_before(p->trace))
		json_object_set_new(obj, "before_pages",
				    before_json(trace_before(p->trace)));
	put(obj, "others_acquired", s.others);
	put(obj, "released_not_booked", s.unmatched);
	put(obj, "acquired_uncounted", s.uncounted);
	put(obj, "guessed", s.guessed);
	put(obj, "owners_full", s.unnamed);
	put(obj, "children_not_followed", s.unfollowed);
	put(obj, "stacks_not_recorded", s.no_stack);
	put(obj, "stacks_walked", s.walked);
	put(obj, "lost", s.lost);
}

static void report_json(const struct paper *p, const struct verdict *v)
{
	json_t *obj = json_object(), *list = json_array();
	struct utsname name;
	size_t i;

	uname(&name);
	put_string(obj, "release", name.release);
	put_string(obj, "hooks", trace_hooks(p->trace));
	json_sums(p, obj);
	put(obj, "folios", p->books->folios);
	json_object_set_new(obj, "ages", json_ages(p->books->age));
	for (i = 0; i < p->nr && i < p->opt->top; i++)
		json_array_append_new(list, json_line(p, &p->line[i]));
	json_object_set_new(obj, "owners", list);
	put(obj, "owners_left_out", p->nr - i);
	if (v) {
		put_string(obj, "verdict", v->word);
		put_string(obj, "verdict_text", v->text);
	}
	json_dumpf(obj, p->out, JSON_COMPACT | JSON_REAL_PRECISION(12));
	fputc('\n', p->out);
	json_decref(obj);
}

/* One line a stack, outermost first, as flamegraph.pl takes it. */
static void report_folded(const struct paper *p)
{
	const struct line *l;
	unsigned int f;
	char name[NAME_LEN];
	int64_t pages;
	size_t i;

	for (i = 0; i < p->nr; i++) {
		l = &p->line[i];
		pages = p->opt->folded_acquired ?
				(int64_t)(l->r.o.acquired + l->r.o.uncounted) :
				l->r.outstanding;
		if (pages <= 0)
			continue;
		fprintf(p->out, "%s-%u/%u", l->r.o.comm, l->r.o.key.tgid,
			l->r.o.key.tid);
		for (f = l->r.nr_frames; f > 0; f--) {
			format_frame(p, &l->r, f - 1, name, sizeof(name));
			fprintf(p->out, ";%s", name);
		}
		fprintf(p->out, ";%s %lld\n",
			l->function[0] ? l->function : l->chain,
			(long long)pages);
	}
}

void report(FILE *out, const struct options *opt, const struct trace *t,
	    const struct symbols *s, struct books *b, const struct verdict *v)
{
	struct paper p = { .out = out, .opt = opt, .trace = t, .symbols = s,
			   .books = b };

	if (!make_lines(&p))
		fprintf(stderr, "pintrace: out of memory\n");
	else if (opt->format == FORMAT_JSON)
		report_json(&p, v);
	else if (opt->format == FORMAT_FOLDED)
		report_folded(&p);
	else
		report_text(&p, v);
	free(p.line);
}
