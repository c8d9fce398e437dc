// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "chaos.h"
#include "choose.h"
#include "pinstress.h"
#include "scratch.h"
#include "select.h"

#define PROBE_PAGES	16

/* What a probe found out. */
struct finding {
	int err;
	char why[PIN_WHY_LEN];
};

struct findings {
	struct finding consumer[LEDGER_CONSUMERS], kind[LEDGER_KINDS];
};

int select_names(const char *option, const char *list,
		 const char *(*name)(unsigned int i), unsigned int nr, bool *selected)
{
	char why[PIN_WHY_LEN];

	if (!pin_choose(list, name, nr, selected, why))
		return 0;
	fprintf(stderr, "pinstress: %s: %s\n", option, why);
	return EXIT_USAGE;
}

void leave_out(struct run *r, struct left_out *lo, const char *name, const char *why)
{
	size_t used = strlen(lo->names);

	if (strcmp(lo->list, "all"))
		report_event(r, "%s %s left out: %s", lo->what, name, why);
	else
		snprintf(lo->names + used, sizeof(lo->names) - used, "%s%s",
			 lo->nr++ ? ", " : "", name);
}

void left_out_end(struct run *r, const struct left_out *lo)
{
	if (lo->nr)
		report_event(r, "%s not to be had here: %s (--list says why)", lo->what,
			     lo->names);
}

static const char *consumer_name(unsigned int i)
{
	return pin_consumers[i]->name;
}

static const char *kind_name(unsigned int i)
{
	return pin_memkinds[i]->name;
}

/*
 * Of those that are wanted. In this process, of which workers are made: a probe
 * keeps in variables what it found, devices for example.
 */
static struct findings *probe(const struct run *r, const bool *consumer, const bool *kind)
{
	struct findings *f = calloc(1, sizeof(*f));
	struct pin_mem m;

	if (!f)
		abort();
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];
		const struct pin_known_issue *issue =
			pin_known_untried(&r->kernel, c->name, "*");

		if (!consumer[i])
			continue;
		if (issue && !r->opt->strict)
			f->consumer[i].err = pin_why(f->consumer[i].why, -EUCLEAN, "%s",
						     issue->reason);
		else if (c->confines)
			f->consumer[i].err = pin_why(f->consumer[i].why, -EPERM,
						     "it takes rights from its process for good, which has others to work on");
		else if (c->probe)
			f->consumer[i].err = c->probe(&r->kernel, f->consumer[i].why);
	}
	for (unsigned int i = 0; i < pin_nr_memkinds; i++) {
		if (!kind[i])
			continue;
		f->kind[i].err = pin_mem_alloc(&m, pin_memkinds[i], &r->kernel, PROBE_PAGES);
		if (f->kind[i].err)
			memcpy(f->kind[i].why, m.why, PIN_WHY_LEN);
		else
			pin_mem_free(&m);
	}
	return f;
}

static const char *reason(const struct finding *f)
{
	return *f->why ? f->why : strerror(-f->err);
}

static void choose(struct run *r, const struct findings *f, const bool *consumer,
		   const bool *kind)
{
	struct left_out consumers = { .what = "consumers", .list = r->opt->consumers };
	struct left_out kinds = { .what = "memory", .list = r->opt->memory };
	struct choice *c = &r->choice;

	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		if (!consumer[i])
			continue;
		if (f->consumer[i].err) {
			leave_out(r, &consumers, consumer_name(i), reason(&f->consumer[i]));
			continue;
		}
		c->consumer[c->nr_consumers++] = i;
		if (pin_consumers[i]->held)
			c->held[c->nr_held++] = i;
	}
	for (unsigned int i = 0; i < pin_nr_memkinds; i++) {
		if (!kind[i])
			continue;
		if (f->kind[i].err)
			leave_out(r, &kinds, kind_name(i), reason(&f->kind[i]));
		else
			c->kind[c->nr_kinds++] = i;
	}
	left_out_end(r, &consumers);
	left_out_end(r, &kinds);
}

int select_work(struct run *r)
{
	bool consumer[LEDGER_CONSUMERS], kind[LEDGER_KINDS];
	struct findings *f;
	int err;

	if (pin_nr_memkinds > LEDGER_KINDS || pin_nr_chaos > LEDGER_CHAOS)
		abort();	/* raise them in ledger.h */
	err = select_names("--consumers", r->opt->consumers, consumer_name,
			   pin_nr_consumers, consumer);
	if (!err)
		err = select_names("--memory", r->opt->memory, kind_name, pin_nr_memkinds, kind);
	if (err)
		return err;
	f = probe(r, consumer, kind);
	choose(r, f, consumer, kind);
	free(f);
	if (r->choice.nr_consumers && r->choice.nr_kinds)
		return 0;
	fprintf(stderr, "pinstress: no %s of those asked for can be had here\n",
		r->choice.nr_consumers ? "memory" : "consumer");
	return EXIT_INCONCLUSIVE;
}

static void list_one(const char *what, const char *name, const char *help,
		     const struct finding *f)
{
	printf("%-9s %-20s %s", what, name, help);
	if (f->err)
		printf(" (not here: %s)", reason(f));
	putchar('\n');
}

/* What each consumer says of itself, as JSON Lines: nothing of it depends on the machine. */
static int list_json(void)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];
		json_t *o = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:b, s:s?}",
				      "type", "consumer", "name", c->name, "help", c->help,
				      "case", c->doc_case, "path", c->path, "since", c->since,
				      "held", c->held, "needs", c->needs);

		if (!o || json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER))
			abort();
		json_decref(o);
		putchar('\n');
	}
	return EXIT_BALANCED;
}

int list_all(struct run *r)
{
	static const char *const scope[] = {
		[CHAOS_MEMORY] = "memory", [CHAOS_WORKERS] = "workers",
		[CHAOS_MACHINE] = "machine",
	};
	bool consumer[LEDGER_CONSUMERS], kind[LEDGER_KINDS];
	struct findings *f;

	if (r->opt->json)
		return list_json();
	memset(consumer, true, sizeof(consumer));
	memset(kind, true, sizeof(kind));
	f = probe(r, consumer, kind);
	for (unsigned int i = 0; i < pin_nr_consumers; i++)
		list_one("consumer", consumer_name(i), pin_consumers[i]->help,
			 &f->consumer[i]);
	for (unsigned int i = 0; i < pin_nr_memkinds; i++)
		list_one("memory", kind_name(i), pin_memkinds[i]->help, f ? &f->kind[i] : NULL);
	for (unsigned int i = 0; i < pin_nr_chaos; i++) {
		const struct pin_chaos *c = pin_chaos[i];
		struct finding found = { .err = 0 };
		char help[160];

		if (c->probe)
			found.err = c->probe(&r->kernel, found.why);
		snprintf(help, sizeof(help), "%s: %s", scope[c->scope], c->help);
		list_one("chaos", c->name, help, &found);
	}
	free(f);
	return EXIT_BALANCED;
}
