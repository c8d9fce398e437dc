// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's symbols, from /proc/kallsyms.
 */
#include <stdlib.h>
#include <string.h>

#include "pintrace.h"

struct symbol {
	uint64_t addr;
	char *name;
};

struct symbols {
	struct symbol *sym;
	size_t nr;
	size_t room;
};

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static bool add(struct symbols *s, uint64_t addr, const char *name)
{
	struct symbol *grown;

	if (s->nr == s->room) {
		s->room = s->room ? s->room * 2 : 65536;
		grown = realloc(s->sym, s->room * sizeof(*grown));
		if (!grown)
			return false;
		s->sym = grown;
	}
	s->sym[s->nr].name = strdup(name);
	if (!s->sym[s->nr].name)
		return false;
	s->sym[s->nr++].addr = addr;
	return true;
}

struct symbols *symbols_load(void)
{
	struct symbols *s = calloc(1, sizeof(*s));
	unsigned long long addr;
	char line[512], name[256], type;
	FILE *f;

	if (!s)
		return NULL;
	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return s;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %c %255s", &addr, &type, name) != 3)
			continue;
		/* Address 0: hidden from us (kptr_restrict). */
		if (addr && strchr("tTwW", type) && !add(s, addr, name))
			break;
	}
	fclose(f);
	qsort(s->sym, s->nr, sizeof(*s->sym), by_addr);
	return s;
}

void symbols_free(struct symbols *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->nr; i++)
		free(s->sym[i].name);
	free(s->sym);
	free(s);
}

const char *symbols_find(const struct symbols *s, uint64_t addr,
			 uint64_t *offset)
{
	size_t low = 0, high = s ? s->nr : 0, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->sym[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	*offset = addr - s->sym[low - 1].addr;
	return s->sym[low - 1].name;
}
