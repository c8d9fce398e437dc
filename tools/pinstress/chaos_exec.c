// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "chaos.h"
#include "coordinator.h"

static struct run *the_run;

/* A small one if there is; else pinstress, which says something and ends. */
static const char *const programs[] = { "/bin/true", "/usr/bin/true", "/proc/self/exe" };

/*
 * In a worker, wherever it is: it becomes a program that ends at once, or a
 * child does, which has inherited all that it holds. Only system calls, as in
 * any handler; the child is the coordinator's to reap.
 */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	static char *const argv[] = { (char *)"true", (char *)"--usage", NULL };
	static char *const envp[] = { NULL };
	struct line *l = line_of(the_run, getpid());
	bool itself = info->si_value.sival_int;
	const int err = errno;
	int null;

	(void)sig;
	(void)context;
	if (!l)
		return;
	if (l->consumer_id >= 0 && pin_consumers[l->consumer_id]->exec_hangs)
		itself = false;
	if (!itself && syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)) {
		errno = err;
		return;
	}
	l->killed |= itself;
	null = open("/dev/null", O_WRONLY);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		execve(programs[i], argv, envp);
	_exit(0);
}

static int setup(struct run *r, char *why)
{
	/* Workers inherit it. */
	const struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	(void)why;
	the_run = r;
	return sigaction(SIGUSR2, &sa, NULL) ? -errno : 0;
}

static void act(struct run *r, uint64_t noise)
{
	const union sigval itself = { .sival_int = noise >> 40 & 1 };
	struct line *l = chaos_victim(r, noise);

	if (!l)
		return;
	sigqueue(l->pid, SIGUSR2, itself);
}

const struct pin_chaos pin_chaos_exec = {
	.name = "exec",
	.help = "workers, or children that inherit the pins, execute a program",
	.scope = CHAOS_WORKERS,
	.loosens = true,
	.interrupts = true,
	.kills = true,
	.pause_ms = 300,
	.setup = setup,
	.act = act,
};
