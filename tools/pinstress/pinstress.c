// SPDX-License-Identifier: GPL-2.0
/* Stress and soak with a ledger: does the kernel keep its books on pins? */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "chaos.h"
#include "lock.h"
#include "options.h"
#include "pinstress.h"
#include "scratch.h"
#include "select.h"

#define POOL_PER_WORKER	4	/* hugetlb pages on each node */

static char scratch_dir[256];

#define ECHO_NS		(500 * MSEC)

static void on_signal(int sig)
{
	static uint64_t first_ns;
	uint64_t now = pin_now_ns();

	/* Who asks twice does not want to wait; but timeout(1) always does. */
	if (interrupted && now - first_ns > ECHO_NS)
		_exit(128 + sig);
	if (!interrupted)
		first_ns = now;
	interrupted = sig;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Workers get some before they can have a handler. */
	signal(SIGUSR1, SIG_IGN);
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "pinstress: %s: %s\n", what, strerror(-err));
	return EXIT_INCONCLUSIVE;
}

static void lock_machine(struct run *r)
{
	if (pin_lock_machine(false) != -EAGAIN)
		return;
	report_event(r, "waiting for another run to end (%s)", pin_lock_path());
	while (pin_lock_machine(true) == -EINTR && !interrupted)
		;
}

static int open_counters(struct run *r)
{
	int err = pin_counters_open(&r->counters);

	if (err == -ENOENT)
		fprintf(stderr, "pinstress: no /proc/vmstat: mount -t proc none /proc\n");
	else if (err == -EOPNOTSUPP)
		fprintf(stderr, "pinstress: this kernel does not count pins: Linux 5.7 and later do\n");
	else if (err)
		return complain("/proc/vmstat", err);
	return err ? EXIT_INCONCLUSIVE : 0;
}

static int check_node(struct run *r)
{
	const int wanted = r->opt->node;

	if (wanted == NODE_SPREAD)
		return 0;
	for (int i = 0; i < r->counters.nr_nodes; i++) {
		if (r->counters.node_id[i] == wanted)
			return 0;
	}
	fprintf(stderr, "pinstress: --numa: there is no node %d here\n", wanted);
	return EXIT_USAGE;
}

/* Files of workers go into a folder that is removed however we end. */
static void prepare_machine(struct run *r)
{
	char why[PIN_WHY_LEN], path[512];

	if (!pin_scratch_dir(scratch_dir, sizeof(scratch_dir), why))
		setenv("TMPDIR", scratch_dir, 1);
	else
		*scratch_dir = '\0';
	if (r->kernel.pmd_size &&
	    pin_scratch_hugepages(r->kernel.pmd_size, POOL_PER_WORKER * r->opt->jobs, why))
		report_event(r, "hugetlb pages: %s", why);
	/* Off by default; where it cannot be set, that memory is left out. */
	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/transparent_hugepage/hugepages-%ldkB/enabled",
		 16 * r->kernel.page_size / 1024);
	pin_scratch_setting(path, "madvise", why);
}

/* Workers that were killed left files there whose names they were to remove. */
static void empty_scratch_dir(void)
{
	DIR *d = *scratch_dir ? opendir(scratch_dir) : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
}

static int set_up(struct run *r)
{
	int err;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	err = pin_scratch_start();
	if (err)
		return complain("cannot start a process", err);
	lock_machine(r);
	err = pin_kernel_init(&r->kernel, &r->counters);
	if (err)
		return complain("cannot tell which kernel this is", err);
	prepare_machine(r);
	return 0;
}

static int run(struct run *r)
{
	int ret = chaos_select(r);

	if (!ret)
		ret = select_work(r);
	if (ret)
		return ret;
	r->ledger = ledger_new(r->opt->jobs);
	if (!r->ledger)
		return complain("the ledger", -errno);
	if (pin_klog_open(&r->klog))
		report_event(r, "the kernel log cannot be watched: root reads /dev/kmsg");
	take_baseline(r);
	if (!r->opt->resume && r->opt->results)
		ret = soak_open(r->opt);
	if (!ret)
		ret = soak_continue(r);
	if (ret)
		return ret;
	report_start(r);
	return coordinate(r);
}

int main(int argc, char **argv)
{
	static struct options opt;
	static struct run r;
	int ret;

	parse_options(&opt, argc, argv);
	r.opt = &opt;
	if (opt.replay) {
		int err = job_load(&opt, opt.replay);

		if (err && err != -EINVAL)
			fprintf(stderr, "pinstress: %s: %s\n", opt.replay, strerror(-err));
		else if (err)
			fprintf(stderr, "pinstress: %s is no job\n", opt.replay);
		if (err)
			return EXIT_USAGE;
	}
	report_open(&r);
	ret = opt.resume ? soak_resume(&opt, &r) : 0;
	if (!ret)
		ret = open_counters(&r);
	if (!ret)
		ret = check_node(&r);
	if (ret)
		return ret;
	catch_signals();
	ret = set_up(&r);
	if (!ret)
		ret = opt.list ? list_all(&r) : run(&r);
	empty_scratch_dir();
	pin_scratch_end();
	return ret;
}
