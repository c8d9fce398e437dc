/* SPDX-License-Identifier: GPL-2.0 */
/* AF_XDP, and what the C library's headers may be too old for. */
#ifndef PIN_XDP_H
#define PIN_XDP_H

#include <linux/if_xdp.h>
#include <sys/socket.h>

#ifndef AF_XDP
#define AF_XDP	44
#endif
#ifndef SOL_XDP
#define SOL_XDP	283
#endif

#endif
