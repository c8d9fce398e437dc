/* SPDX-License-Identifier: GPL-2.0 */
/* What the options of several tools mean. */
#ifndef PIN_CHOOSE_H
#define PIN_CHOOSE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Which of @nr names the comma-separated patterns of @list match; "all" and
 * "none" are what they say. 0, or -EINVAL and in @why which one matches nothing.
 */
int pin_choose(const char *list, const char *(*name)(unsigned int i), unsigned int nr,
	       bool *chosen, char *why);

/* A number with ms, s, m, min, h or d, or of seconds: false if it is none. */
bool pin_parse_time(const char *text, uint64_t *ns);

#endif
