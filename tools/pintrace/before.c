// SPDX-License-Identifier: GPL-2.0
/*
 * The pages that were pinned when the trace began: nobody saw who took them. The
 * helper module's scan of all memory finds them, and which processes have them
 * mapped stands in /proc/PID/pagemap. What pins need not be what maps, but
 * often is: a fixed buffer of io_uring, a region of RDMA.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "memory.h"
#include "pintrace.h"

#define COUNTS 256
#define LIST_STEP 65536
#define MAX_LIST (64 * LIST_STEP)
#define CHUNK 4096 /* entries of pagemap read at a time */
#define MAX_VMA_PAGES (1ull << 24) /* larger mappings are reservations */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN ((1ull << 55) - 1)

static const char *const kind_name[PIN_HELPER_KINDS] = {
	[PIN_HELPER_KIND_HUGETLB] = "hugetlb",
	[PIN_HELPER_KIND_ANON_LARGE] = "anonymous, large folios",
	[PIN_HELPER_KIND_ANON] = "anonymous",
	[PIN_HELPER_KIND_SHMEM] = "shmem",
	[PIN_HELPER_KIND_FILE] = "file",
	[PIN_HELPER_KIND_OTHER] = "other",
};

struct list {
	struct pin_helper_page *page;
	size_t nr;
	size_t room;
};

static bool grow(struct list *l)
{
	struct pin_helper_page *grown;

	if (l->room >= MAX_LIST)
		return false;
	l->room += LIST_STEP;
	grown = realloc(l->page, l->room * sizeof(*grown));
	if (!grown)
		return false;
	l->page = grown;
	return true;
}

/* All memory, in as many calls as it takes. Returns 0 or -errno. */
static int scan(int fd, struct before *b, struct list *l)
{
	static struct pin_helper_scan_count counts[COUNTS];
	struct pin_helper_scan arg = { .counts = (uintptr_t)counts,
				       .counts_room = COUNTS,
				       .end_pfn = UINT64_MAX };
	unsigned int i;
	int err;

	do {
		if (l->nr == l->room && !grow(l)) {
			b->cut = true;
			break;
		}
		arg.flags = PIN_HELPER_SCAN_LIST;
		arg.first_pfn = arg.next_pfn;
		arg.list = (uintptr_t)(l->page + l->nr);
		arg.list_room = l->room - l->nr;
		err = pin_helper_scan(fd, &arg);
		if (err)
			return err;
		l->nr += arg.list_used;
	} while (!arg.done);
	for (i = 0; i < arg.counts_used && b->nr_groups < BEFORE_GROUPS; i++) {
		b->group[b->nr_groups++] = (struct before_group){
			.node = counts[i].node,
			.zone = counts[i].zone,
			.kind = counts[i].kind < PIN_HELPER_KINDS ?
					kind_name[counts[i].kind] :
					"unknown",
			.pages = counts[i].pages,
			.folios = counts[i].folios,
		};
		b->pages += counts[i].pages;
	}
	return 0;
}

static int by_pfn(const void *a, const void *b)
{
	const struct pin_helper_page *x = a, *y = b;

	return (x->pfn > y->pfn) - (x->pfn < y->pfn);
}

static bool is_listed(const struct list *l, uint64_t pfn)
{
	struct pin_helper_page key = { .pfn = pfn };

	return bsearch(&key, l->page, l->nr, sizeof(key), by_pfn);
}

static uint64_t count_mapped(const struct list *l, int pagemap, uint64_t first,
			     uint64_t end)
{
	static uint64_t entry[CHUNK];
	uint64_t found = 0, n;
	ssize_t got, i;

	while (first < end) {
		n = end - first < CHUNK ? end - first : CHUNK;
		got = pread(pagemap, entry, n * 8, first * 8) / 8;
		if (got <= 0)
			break;
		for (i = 0; i < got; i++) {
			if (entry[i] & PAGEMAP_PRESENT &&
			    is_listed(l, entry[i] & PAGEMAP_PFN))
				found++;
		}
		first += got;
	}
	return found;
}

static FILE *open_proc(unsigned int pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return fopen(path, "re");
}

static void find_mapped(struct before *b, const struct list *l, unsigned int pid)
{
	uint64_t page = sysconf(_SC_PAGESIZE), found = 0;
	unsigned long long from, to;
	FILE *maps = open_proc(pid, "maps"), *pagemap = open_proc(pid, "pagemap");
	struct before_process *p;
	char line[4352], mode[8];
	FILE *comm;

	while (maps && pagemap && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %7s", &from, &to, mode) != 3 ||
		    !strncmp(mode, "---", 3) || (to - from) / page > MAX_VMA_PAGES)
			continue;
		found += count_mapped(l, fileno(pagemap), from / page, to / page);
	}
	if (maps)
		fclose(maps);
	if (pagemap)
		fclose(pagemap);
	if (!found || b->nr_processes == BEFORE_PROCESSES)
		return;
	p = &b->process[b->nr_processes++];
	p->pid = pid;
	p->pages = found;
	comm = open_proc(pid, "comm");
	if (comm && fgets(p->comm, sizeof(p->comm), comm))
		p->comm[strcspn(p->comm, "\n")] = '\0';
	if (comm)
		fclose(comm);
}

static void find_processes(struct before *b, const struct list *l)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		if (isdigit(entry->d_name[0]))
			find_mapped(b, l, atoi(entry->d_name));
	}
	if (dir)
		closedir(dir);
}

/* Zones are counted in the order in which /proc/zoneinfo has them. */
static void name_zones(struct before *b)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	char line[256], zone[16];
	unsigned int i = 0, node = 0, n;

	while (f && i < BEFORE_ZONES && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Node %u, zone %15s", &n, zone) != 2)
			continue;
		if (i && n != node)
			break;
		node = n;
		snprintf(b->zone[i++], sizeof(b->zone[0]), "%s", zone);
	}
	if (f)
		fclose(f);
}

void before_scan(struct before *b)
{
	char why[PIN_WHY_LEN];
	int fd = pin_helper_open(why);
	struct list l = { 0 };
	int err;

	memset(b, 0, sizeof(*b));
	if (fd < 0)
		return;
	err = scan(fd, b, &l);
	close(fd);
	if (err) {
		fprintf(stderr, "pintrace: pin_helper's scan: %s\n",
			strerror(-err));
	} else {
		b->scanned = true;
		name_zones(b);
		qsort(l.page, l.nr, sizeof(*l.page), by_pfn);
		if (l.nr)
			find_processes(b, &l);
	}
	free(l.page);
}
