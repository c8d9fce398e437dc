/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PINSTAT_H
#define PINSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "counters.h"

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull

enum exit_code {
	EXIT_OK = 0,
	EXIT_FINDING = 1, /* leak, over-release, node imbalance */
	EXIT_USAGE = 2, /* bad option, or output cannot be written */
	EXIT_INCONCLUSIVE = 4, /* kselftest's skip */
	EXIT_NOEXEC = 126,
	EXIT_NOTFOUND = 127,
};

struct options {
	bool live_given; /* name of an option only one mode knows */
	bool audit_given;
	uint64_t interval_ns;
	uint64_t count; /* 0: until interrupted */
	bool by_process;
	bool nodes;
	bool json;
	uint64_t drain_ns;
	uint64_t quiet_wait_ns;
	bool child_status;
	const char *output;
	char **cmd; /* NULL: live table */
};

/* Both return an exit_code; audit() may return the command's own status. */
int audit(const struct options *opt, const struct pin_counters *c);
int finish_output(FILE *out);

void put_string(json_t *obj, const char *key, const char *value);
void put_int(json_t *obj, const char *key, int64_t value);
void put_real(json_t *obj, const char *key, double value);

/* A JSON Lines record; takes over the reference to @obj. */
void put_json(FILE *out, json_t *obj);
json_t *json_nodes(const struct pin_counters *c,
		   const struct pin_snapshot *from,
		   const struct pin_snapshot *to);

static inline struct pin_count count_delta(const struct pin_count *from,
					   const struct pin_count *to)
{
	return (struct pin_count){
		.acquired = to->acquired - from->acquired,
		.released = to->released - from->released,
	};
}

#endif
