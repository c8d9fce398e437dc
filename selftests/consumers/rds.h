/* SPDX-License-Identifier: GPL-2.0 */
/* What the consumers of RDS share. */
#ifndef PIN_RDS_H
#define PIN_RDS_H

#include "consumer.h"

#ifndef AF_RDS
#define AF_RDS	21
#endif
#ifndef SOL_RDS
#define SOL_RDS	276
#endif

/* Are there RDS sockets? As probe of struct pin_consumer; loads the module. */
int pin_rds_probe(const struct pin_kernel *k, char *why);

/*
 * Until they are acknowledged, messages hold the regions that they have made: @op is
 * one of rds_mr's, and has none of these any more. 0 or -errno.
 */
long pin_rds_settle(struct pin_op *op);

#endif
