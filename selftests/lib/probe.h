/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which consumers can be driven here: asked once, for those that a program
 * needs, and before the books open, as a probe may pin.
 */
#ifndef PIN_PROBE_H
#define PIN_PROBE_H

#include "suite.h"

/* While tests are added: @c is needed by one that is to run. */
void pin_probe_want(const struct pin_consumer *c);

/* Before the first test: ask for all that are wanted. */
void pin_probe_all(struct pin_suite *s);

/* Why @c cannot be driven, or NULL. */
const char *pin_probe_failed(const struct pin_consumer *c);

/* False if @c cannot be driven: the test is skipped then, for that reason. */
bool pin_probe_passed(struct pin_audit *au, const struct pin_consumer *c);

#endif
