/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results for machines: one JSON object per test and line, written with
 * jansson. Built without it, the same calls do nothing and pin_record_open()
 * says so.
 */
#ifndef PIN_RECORD_H
#define PIN_RECORD_H

#include <stdint.h>

#include "consumer.h"
#include "counters.h"

struct pin_record;	/* one test's object; NULL: not recording */

/* Append to @path. Returns 0 or a negative errno (-EOPNOTSUPP: no jansson). */
int pin_record_open(const char *path);
/* Returns -EIO if anything could not be written. */
int pin_record_close(void);

struct pin_record *pin_record_start(void);
void pin_record_step(struct pin_record *r, const char *what,
		     const struct pin_predict *want, long result,
		     const struct pin_count *moved, uint64_t lag_ns);
void pin_record_text(struct pin_record *r, const char *key, const char *text);
void pin_record_number(struct pin_record *r, const char *key, int64_t n);
/* Write the object, or drop it if @keep is false; frees it. */
void pin_record_end(struct pin_record *r, bool keep);

#endif
