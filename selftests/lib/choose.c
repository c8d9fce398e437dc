// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"
#include "consumer.h"

int pin_choose(const char *list, const char *(*name)(unsigned int i), unsigned int nr,
	       bool *chosen, char *why)
{
	char *copy = strdup(list), *rest = copy, *pattern;
	int ret = 0;

	if (!copy)
		abort();
	memset(chosen, 0, nr * sizeof(*chosen));
	while (!ret && (pattern = strsep(&rest, ","))) {
		bool all = !strcmp(pattern, "all"), any = all || !strcmp(pattern, "none");

		for (unsigned int i = 0; i < nr; i++) {
			if (all || !fnmatch(pattern, name(i), 0)) {
				chosen[i] = true;
				any = true;
			}
		}
		if (!any)
			ret = pin_why(why, -EINVAL, "nothing is called '%s'; --list shows what there is",
				      pattern);
	}
	free(copy);
	return ret;
}

bool pin_parse_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {
		{ "", 1 }, { "s", 1 }, { "ms", 0.001 }, { "m", 60 }, { "min", 60 },
		{ "h", 3600 }, { "d", 86400 },
	};
	char *end;
	double x = strtod(text, &end);

	if (end == text || !(x >= 0) || x > 1e7)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(end, units[i].name)) {
			x *= units[i].seconds;
			*ns = x * 1e9;
			return x <= 1e9;
		}
	}
	return false;
}
