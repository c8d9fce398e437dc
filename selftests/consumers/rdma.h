/* SPDX-License-Identifier: GPL-2.0 */
/* Software RDMA devices, for whoever needs one. */
#ifndef PIN_RDMA_H
#define PIN_RDMA_H

/* A soft-RoCE device @name over network device @netdev, removed at the end. */
int pin_rdma_soft_roce(const char *name, const char *netdev, char *why);

#endif
