/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINSTRESS_SELECT_H
#define PINSTRESS_SELECT_H

#include <stdbool.h>

struct run;

/*
 * pin_choose() for @option: 0, or EXIT_USAGE after saying why.
 */
int select_names(const char *option, const char *list,
		 const char *(*name)(unsigned int i), unsigned int nr, bool *selected);

/*
 * What is left out of an explicit list is said with the reason, what is left
 * out of "all" by its name only.
 */
struct left_out {
	const char *what, *list;
	unsigned int nr;
	char names[1024];
};

void leave_out(struct run *r, struct left_out *lo, const char *name, const char *why);
void left_out_end(struct run *r, const struct left_out *lo);

/*
 * Consumers and memory kinds that are asked for and that work here. In a
 * process of its own, as some probes pin. 0 or an exit code.
 */
int select_work(struct run *r);

/* --list: everything there is, and why something cannot be had here. */
int list_all(struct run *r);

#endif
