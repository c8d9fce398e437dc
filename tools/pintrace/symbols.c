// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's symbols, from /proc/kallsyms: those of a module while it was
 * there, as another one may be in its place later.
 */
#include <stdlib.h>
#include <string.h>

#include "pintrace.h"

#define FAR 0x100000 /* beyond any function: the address is not its */
#define FAR_FROM_BPF 0x10000
#define MODULE_LEN 64

struct symbol {
	uint64_t addr;
	char *name;
};

struct table {
	struct symbol *sym;
	size_t nr;
	size_t room;
};

struct module {
	char name[MODULE_LEN];
	uint64_t base;
	uint64_t size;
	uint64_t from_ns; /* not there yet */
	uint64_t to_ns; /* there no more; 0: it still is */
	bool seen; /* now */
	bool live; /* its beginning is over */
	bool named; /* its symbols are all known */
	struct table text;
};

struct symbols {
	struct table kernel;
	struct table bpf; /* and whatever else is in brackets and no module */
	struct module *module; /* in the order of their coming */
	size_t nr;
	uint64_t looked_ns;
};

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void sort(struct table *t)
{
	qsort(t->sym, t->nr, sizeof(*t->sym), by_addr);
}

static void add(struct table *t, uint64_t addr, const char *name)
{
	struct symbol *grown;

	if (t->nr == t->room) {
		t->room = t->room ? t->room * 2 : 256;
		grown = realloc(t->sym, t->room * sizeof(*grown));
		if (!grown) {
			t->room = t->nr;
			return;
		}
		t->sym = grown;
	}
	t->sym[t->nr].name = strdup(name);
	if (!t->sym[t->nr].name)
		return;
	t->sym[t->nr++].addr = addr;
}

static void clear(struct table *t)
{
	size_t i;

	for (i = 0; i < t->nr; i++)
		free(t->sym[i].name);
	free(t->sym);
	memset(t, 0, sizeof(*t));
}

/* The module of that name which is there now, or NULL. */
static struct module *find_module(struct symbols *s, const char *name)
{
	size_t i;

	for (i = s->nr; i > 0; i--) {
		if (!s->module[i - 1].to_ns &&
		    !strcmp(s->module[i - 1].name, name))
			return &s->module[i - 1];
	}
	return NULL;
}

/* It is there, and not all of its symbols are known. */
static bool is_nameless(const struct module *m)
{
	return !m->named && !m->to_ns;
}

/* Of modules that are to be named yet; the first time, all others as well. */
static void read_symbols(struct symbols *s)
{
	char line[512], name[256], in[MODULE_LEN], type;
	unsigned long long addr;
	struct module *m;
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t i;
	int n;

	if (!f)
		return;
	for (i = 0; i < s->nr; i++) {
		if (is_nameless(&s->module[i]))
			clear(&s->module[i].text);
	}
	while (fgets(line, sizeof(line), f)) {
		n = sscanf(line, "%llx %c %255s [%63[^]]", &addr, &type, name,
			   in);
		/* Address 0: hidden from us (kptr_restrict). */
		if (n < 3 || !addr || !strchr("tTwW", type))
			continue;
		/* What is before a function is none. */
		if (!strncmp(name, "__pfx_", 6))
			continue;
		m = n == 4 ? find_module(s, in) : NULL;
		if (m && !m->named)
			add(&m->text, addr, name);
		else if (!m && !s->looked_ns)
			add(n == 4 ? &s->bpf : &s->kernel, addr, name);
	}
	fclose(f);
	for (i = 0; i < s->nr; i++) {
		if (!s->module[i].named)
			sort(&s->module[i].text);
	}
	if (!s->looked_ns) {
		sort(&s->kernel);
		sort(&s->bpf);
	}
}

static void add_module(struct symbols *s, const struct module *new)
{
	struct module *grown = realloc(s->module, (s->nr + 1) * sizeof(*grown));

	if (!grown)
		return;
	s->module = grown;
	s->module[s->nr++] = *new;
}

/* Is the list of modules as it was the last time? */
static bool read_modules(struct symbols *s)
{
	unsigned long long base, size;
	char line[4096], state[16];
	bool live, same = true;
	struct module *m;
	FILE *f;
	size_t i;

	for (i = 0; i < s->nr; i++)
		s->module[i].seen = false;
	f = fopen("/proc/modules", "re");
	while (f && fgets(line, sizeof(line), f)) {
		struct module new = { .from_ns = s->looked_ns };

		/* Name, size, references, users, state and address. */
		if (sscanf(line, "%63s %llu %*s %*s %15s %llx", new.name, &size,
			   state, &base) != 4)
			continue;
		live = !strcmp(state, "Live");
		m = find_module(s, new.name);
		if (m && m->base == base) {
			same = same && m->live == live;
			m->live = live;
			m->seen = true;
			continue;
		}
		new.base = base;
		new.size = size;
		new.live = live;
		new.seen = true;
		same = false;
		add_module(s, &new);
	}
	if (f)
		fclose(f);
	for (i = 0; i < s->nr; i++) {
		if (!s->module[i].seen && !s->module[i].to_ns) {
			s->module[i].to_ns = pin_now_ns();
			same = false;
		}
	}
	return same;
}

static bool all_named(const struct symbols *s)
{
	size_t i;

	for (i = 0; i < s->nr; i++) {
		if (is_nameless(&s->module[i]))
			return false;
	}
	return true;
}

void symbols_look(struct symbols *s, uint64_t each_ns)
{
	const uint64_t now = pin_now_ns();
	size_t i;

	if (s->looked_ns && now - s->looked_ns < each_ns)
		return;
	read_modules(s);
	if (!s->looked_ns || !all_named(s)) {
		read_symbols(s);
		/* Symbols are left out of the file if a module goes, or has begun, meanwhile. */
		if (read_modules(s)) {
			for (i = 0; i < s->nr; i++)
				s->module[i].named = s->module[i].live;
		}
	}
	s->looked_ns = now;
}

struct symbols *symbols_load(void)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (s)
		symbols_look(s, 0);
	return s;
}

void symbols_free(struct symbols *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->nr; i++)
		clear(&s->module[i].text);
	free(s->module);
	clear(&s->kernel);
	clear(&s->bpf);
	free(s);
}

/* The last symbol that is not behind the address, nor @far from it. */
static const char *find_in(const struct table *t, uint64_t addr, uint64_t far)
{
	size_t low = 0, high = t->nr, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (t->sym[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low && addr - t->sym[low - 1].addr < far ?
		       t->sym[low - 1].name :
		       NULL;
}

const char *symbols_find(const struct symbols *s, uint64_t addr, uint64_t when)
{
	const struct module *m, *in = NULL;
	size_t i;

	for (i = 0; i < s->nr; i++) {
		m = &s->module[i];
		/* What is not text counts for the size, but is elsewhere. */
		if (addr >= m->base && addr - m->base < m->size &&
		    when >= m->from_ns && (!m->to_ns || when <= m->to_ns) &&
		    (!in || m->base >= in->base))
			in = m;
	}
	if (in)
		return find_in(&in->text, addr, in->size);
	return find_in(&s->bpf, addr, FAR_FROM_BPF) ?:
		       find_in(&s->kernel, addr, FAR);
}
