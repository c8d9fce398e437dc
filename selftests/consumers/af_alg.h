/* SPDX-License-Identifier: GPL-2.0 */
/* What tests want of AF_ALG besides. */
#ifndef PIN_AF_ALG_H
#define PIN_AF_ALG_H

#include "consumer.h"

/*
 * Have an authenticated cipher decipher @len bytes into @data whose tag is wrong: what
 * recv() returned, or if it is a cipher with a queue, aio, in *@result. -errno and @why if
 * it cannot be tried here.
 */
int pin_alg_wrong_tag(void *data, size_t len, bool queued, long *result, char *why);

/* The same for a cipher that is to give less than a block of its result. */
int pin_alg_short(void *data, long *result, char *why);

#endif
