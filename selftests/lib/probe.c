// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "probe.h"

struct probe {
	bool wanted;
	int err;
	char why[PIN_WHY_LEN];
};

static struct probe *probes;	/* by position in pin_consumers */

static struct probe *probe_of(const struct pin_consumer *c)
{
	unsigned int i = 0;

	if (!probes)
		probes = calloc(pin_nr_consumers, sizeof(*probes));
	if (!probes)
		abort();
	while (pin_consumers[i] != c)
		i++;
	return &probes[i];
}

void pin_probe_want(const struct pin_consumer *c)
{
	probe_of(c)->wanted = true;
}

void pin_probe_all(struct pin_suite *s)
{
	for (unsigned int i = 0; i < pin_nr_consumers; i++) {
		const struct pin_consumer *c = pin_consumers[i];
		struct probe *p = probe_of(c);

		if (c->probe && p->wanted)
			p->err = c->probe(pin_suite_kernel(s), p->why);
	}
}

const char *pin_probe_failed(const struct pin_consumer *c)
{
	const struct probe *p = probe_of(c);

	if (!p->err)
		return NULL;
	return *p->why ? p->why : strerror(-p->err);
}

bool pin_probe_passed(struct pin_audit *au, const struct pin_consumer *c)
{
	const char *why = pin_probe_failed(c);

	if (why)
		pin_audit_skip(au, "%s", why);
	return !why && !pin_audit_avoid(au, c->name, "*");
}
