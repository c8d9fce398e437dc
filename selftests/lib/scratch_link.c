// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "consumer.h"
#include "netlink.h"
#include "scratch.h"

static int remove_link(const char *name)
{
	struct ifinfomsg info = { .ifi_index = if_nametoindex(name) };
	struct pin_nl m;

	if (!info.ifi_index)
		return -ENOENT;
	pin_nl_begin(&m, RTM_DELLINK, 0, &info, sizeof(info));
	return pin_nl_order(NETLINK_ROUTE, &m);
}

int pin_scratch_link(const char *name, uint32_t address, char *why)
{
	static const char *const none_of_its_own[] = { "numdummies=0", NULL };
	const struct ifinfomsg info = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct ifaddrmsg addr = { .ifa_family = AF_INET, .ifa_prefixlen = 32 };
	uint32_t local = htonl(address);
	struct nlattr *nest;
	struct pin_nl m;
	int err = pin_scratch_module("dummy", "DUMMY", none_of_its_own, why);

	if (err < 0)
		return err;
	err = pin_scratch_undo(remove_link, name, why);
	if (err)
		return err;
	pin_nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	pin_nl_string(&m, IFLA_IFNAME, name);
	nest = pin_nl_nest(&m, IFLA_LINKINFO);
	pin_nl_string(&m, IFLA_INFO_KIND, "dummy");
	pin_nl_nested(&m, nest);
	err = pin_nl_order(NETLINK_ROUTE, &m);
	if (err)
		return pin_why(why, err, "ip link add %s type dummy: %s (kernel option DUMMY)",
			       name, strerror(-err));
	addr.ifa_index = if_nametoindex(name);
	pin_nl_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &addr, sizeof(addr));
	pin_nl_attr(&m, IFA_LOCAL, &local, sizeof(local));
	pin_nl_attr(&m, IFA_ADDRESS, &local, sizeof(local));
	err = pin_nl_order(NETLINK_ROUTE, &m);
	return err ? pin_why(why, err, "ip addr add dev %s: %s", name, strerror(-err)) : 0;
}
