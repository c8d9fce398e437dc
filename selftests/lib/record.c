// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>

#include "record.h"

#ifdef HAVE_JANSSON

#include <jansson.h>

static FILE *out;
static int write_error;

int pin_record_open(const char *path)
{
	out = fopen(path, "ae");
	return out ? 0 : -errno;
}

int pin_record_close(void)
{
	if (out && fclose(out))
		write_error = -EIO;
	out = NULL;
	return write_error;
}

struct pin_record *pin_record_start(void)
{
	return out ? (struct pin_record *)json_object() : NULL;
}

static json_t *json(struct pin_record *r)
{
	return (json_t *)r;
}

void pin_record_step(struct pin_record *r, const char *what,
		     const struct pin_predict *want, long result,
		     const struct pin_count *moved, uint64_t lag_ns)
{
	json_t *steps;

	if (!r)
		return;
	steps = json_object_get(json(r), "steps");
	if (!steps) {
		steps = json_array();
		json_object_set_new(json(r), "steps", steps);
	}
	json_array_append_new(steps,
			      json_pack("{s:s, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:f}",
					"step", what,
					"predicted",
					"acquired", (json_int_t)want->acquired,
					"released", (json_int_t)want->released,
					"result", (json_int_t)want->result,
					"measured",
					"acquired", (json_int_t)moved->acquired,
					"released", (json_int_t)moved->released,
					"result", (json_int_t)result,
					"lag_ms", lag_ns / 1e6));
}

void pin_record_text(struct pin_record *r, const char *key, const char *text)
{
	if (r)
		json_object_set_new(json(r), key, json_string(text));
}

void pin_record_number(struct pin_record *r, const char *key, int64_t n)
{
	if (r)
		json_object_set_new(json(r), key, json_integer(n));
}

void pin_record_end(struct pin_record *r, bool keep)
{
	if (!r)
		return;
	if (keep && (json_dumpf(json(r), out, JSON_COMPACT) || fputc('\n', out) == EOF))
		write_error = -EIO;
	json_decref(json(r));
}

#else

int pin_record_open(const char *path)
{
	return -EOPNOTSUPP;
}

int pin_record_close(void)
{
	return 0;
}

struct pin_record *pin_record_start(void)
{
	return NULL;
}

void pin_record_step(struct pin_record *r, const char *what,
		     const struct pin_predict *want, long result,
		     const struct pin_count *moved, uint64_t lag_ns)
{
}

void pin_record_text(struct pin_record *r, const char *key, const char *text)
{
}

void pin_record_number(struct pin_record *r, const char *key, int64_t n)
{
}

void pin_record_end(struct pin_record *r, bool keep)
{
}

#endif
