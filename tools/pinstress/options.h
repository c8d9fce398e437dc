/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINSTRESS_OPTIONS_H
#define PINSTRESS_OPTIONS_H

struct options;

/* Does not return on wrong usage. */
void parse_options(struct options *opt, int argc, char **argv);

/* The words of a job file: 0, or -EINVAL after saying what is wrong. */
int parse_job(struct options *opt, int argc, char **argv);

#endif
