// SPDX-License-Identifier: GPL-2.0
/*
 * Pins that were there before the trace: their owners are not known, but with
 * the helper module which pages they are, and which processes map these.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "helper.h"
#include "pintrace.h"

#define MAX_COUNTS 256
#define MAX_FOLIOS (1 << 20)
#define CHUNK 4096
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN ((1ull << 55) - 1)

struct mapper {
	pid_t pid;
	char comm[COMM_LEN];
	uint64_t pages;
};

struct before {
	struct pin_helper_scan_count count[MAX_COUNTS];
	unsigned int nr_counts;
	struct pin_helper_page *folio; /* by pfn */
	unsigned int nr_folios;
	bool all; /* false: there are more than are listed */
	struct mapper *mapper;
	unsigned int nr_mappers;
};

static const char *const kind_name[PIN_HELPER_KINDS] = {
	[PIN_HELPER_KIND_HUGETLB] = "hugetlb",
	[PIN_HELPER_KIND_ANON_LARGE] = "anon, large folios",
	[PIN_HELPER_KIND_ANON] = "anon",
	[PIN_HELPER_KIND_SHMEM] = "shmem",
	[PIN_HELPER_KIND_FILE] = "file",
	[PIN_HELPER_KIND_OTHER] = "other",
};

static int scan(struct before *b, int helper)
{
	uint64_t first = 0;

	b->all = true;
	for (;;) {
		struct pin_helper_scan arg = {
			.flags = b->all ? PIN_HELPER_SCAN_LIST : 0,
			.first_pfn = first,
			.counts = (uintptr_t)b->count,
			.counts_room = MAX_COUNTS,
			.counts_used = b->nr_counts,
			.list = (uintptr_t)(b->folio + b->nr_folios),
			.list_room = MAX_FOLIOS - b->nr_folios,
		};
		int err = pin_helper_scan(helper, &arg);

		if (err)
			return err;
		b->nr_counts = arg.counts_used;
		b->nr_folios += arg.list_used;
		b->all = b->nr_folios < MAX_FOLIOS &&
			 b->nr_counts < MAX_COUNTS;
		if (arg.done || b->nr_counts == MAX_COUNTS)
			return 0;
		first = arg.next_pfn;
	}
}

static int by_pfn(const void *a, const void *b)
{
	const struct pin_helper_page *one = a, *other = b;

	return one->pfn < other->pfn ? -1 : one->pfn > other->pfn;
}

static uint64_t head_of(const struct pin_helper_page *page)
{
	return page->pfn - page->index;
}

static bool is_pinned(const struct before *b, uint64_t pfn)
{
	unsigned int lo = 0, hi = b->nr_folios;

	/* The last one that begins at or before it. */
	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;

		if (head_of(&b->folio[mid]) <= pfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && pfn - head_of(&b->folio[lo - 1]) <
			     1ull << b->folio[lo - 1].order;
}

static uint64_t pinned_in(const struct before *b, int pagemap, uint64_t start,
			  uint64_t end)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t entry[CHUNK], found = 0, n;
	ssize_t got, i;

	for (; start < end; start += n * page) {
		n = (end - start) / page;
		if (n > CHUNK)
			n = CHUNK;
		got = pread(pagemap, entry, n * sizeof(entry[0]),
			    start / page * sizeof(entry[0]));
		if (got <= 0)
			break;
		for (i = 0; i < got / (ssize_t)sizeof(entry[0]); i++)
			found += (entry[i] & PAGEMAP_PRESENT) &&
				 is_pinned(b, entry[i] & PAGEMAP_PFN);
	}
	return found;
}

static uint64_t pinned_of(const struct before *b, pid_t pid)
{
	char path[64], line[4400];
	unsigned long start, end;
	uint64_t found = 0;
	FILE *maps;
	int pagemap;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			found += pinned_in(b, pagemap, start, end);
	}
	if (maps)
		fclose(maps);
	close(pagemap);
	return found;
}

static void read_comm(pid_t pid, char *comm)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(comm, COMM_LEN, f))
		snprintf(comm, COMM_LEN, "?");
	comm[strcspn(comm, "\n")] = '\0';
	if (f)
		fclose(f);
}

static int most_first(const void *a, const void *b)
{
	const struct mapper *one = a, *other = b;

	return one->pages > other->pages ? -1 : one->pages < other->pages;
}

static void find_mappers(struct before *b)
{
	struct mapper *more, one;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	while (b->nr_folios && proc && (entry = readdir(proc))) {
		one.pid = atoi(entry->d_name);
		if (one.pid <= 0)
			continue;
		one.pages = pinned_of(b, one.pid);
		if (!one.pages)
			continue;
		more = realloc(b->mapper, (b->nr_mappers + 1) * sizeof(*more));
		if (!more)
			break;
		read_comm(one.pid, one.comm);
		b->mapper = more;
		b->mapper[b->nr_mappers++] = one;
	}
	if (proc)
		closedir(proc);
	if (b->nr_mappers)
		qsort(b->mapper, b->nr_mappers, sizeof(*b->mapper), most_first);
}

struct before *before_look(void)
{
	char why[PIN_WHY_LEN];
	int helper = pin_helper_open(why);
	struct before *b;
	int err = -ENOMEM;

	if (helper < 0)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (b)
		b->folio = calloc(MAX_FOLIOS, sizeof(*b->folio));
	if (b && b->folio)
		err = scan(b, helper);
	close(helper);
	if (err) {
		before_free(b);
		return NULL;
	}
	qsort(b->folio, b->nr_folios, sizeof(*b->folio), by_pfn);
	find_mappers(b);
	return b;
}

void before_free(struct before *b)
{
	if (!b)
		return;
	free(b->folio);
	free(b->mapper);
	free(b);
}

/* /proc/zoneinfo has all zones of a node in the order of their numbers. */
static void zone_name(const struct pin_helper_scan_count *c, char *name,
		      size_t len)
{
	char line[256], zone[32];
	FILE *f = fopen("/proc/zoneinfo", "re");
	int node, at = 0;

	snprintf(name, len, "zone %u", c->zone);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %d, zone %31s", &node, zone) != 2 ||
		    node != c->node || at++ != c->zone)
			continue;
		snprintf(name, len, "%s", zone);
		break;
	}
	if (f)
		fclose(f);
}

static const char *name_of(unsigned int kind)
{
	return kind < PIN_HELPER_KINDS ? kind_name[kind] : "?";
}

void before_text(FILE *out, const struct before *b, unsigned int top)
{
	unsigned int i;
	char zone[32];

	fprintf(out, "  By the helper module, pages that were pinned then:\n");
	for (i = 0; i < b->nr_counts; i++) {
		zone_name(&b->count[i], zone, sizeof(zone));
		fprintf(out, "  %11llu  node %d, %s, %s\n",
			(unsigned long long)b->count[i].pages, b->count[i].node,
			zone, name_of(b->count[i].kind));
	}
	if (!b->nr_counts)
		fprintf(out, "            0\n");
	for (i = 0; i < b->nr_mappers && i < top; i++)
		fprintf(out, "  %11llu  mapped by process %d, %s\n",
			(unsigned long long)b->mapper[i].pages, b->mapper[i].pid,
			b->mapper[i].comm);
	if (!b->all)
		fprintf(out, "  (there are more than are listed here)\n");
}

json_t *before_json(const struct before *b)
{
	json_t *pinned = json_array(), *mapped = json_array(), *one;
	unsigned int i;
	char zone[32];

	for (i = 0; i < b->nr_counts; i++) {
		const struct pin_helper_scan_count *c = &b->count[i];

		zone_name(c, zone, sizeof(zone));
		one = json_pack("{s:I, s:I, s:i, s:s, s:s}", "pages",
				(json_int_t)c->pages, "folios",
				(json_int_t)c->folios, "node", c->node, "zone",
				zone, "kind", name_of(c->kind));
		json_array_append_new(pinned, one);
	}
	for (i = 0; i < b->nr_mappers; i++) {
		const struct mapper *m = &b->mapper[i];

		one = json_pack("{s:i, s:s, s:I}", "pid", m->pid, "comm",
				m->comm, "pages", (json_int_t)m->pages);
		json_array_append_new(mapped, one);
	}
	return json_pack("{s:o, s:o, s:b}", "pinned", pinned, "mapped_by",
			 mapped, "all", b->all);
}
