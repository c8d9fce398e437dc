// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

void pin_nl_begin(struct pin_nl *m, unsigned int type, unsigned int flags,
		  const void *fixed, size_t len)
{
	memset(m, 0, sizeof(*m));
	m->hdr.nlmsg_len = NLMSG_HDRLEN + NLMSG_ALIGN(len);
	m->hdr.nlmsg_type = type;
	m->hdr.nlmsg_flags = NLM_F_REQUEST | flags;
	if (len)
		memcpy(NLMSG_DATA(&m->hdr), fixed, len);
}

void pin_nl_attr(struct pin_nl *m, unsigned int type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->hdr.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	m->hdr.nlmsg_len = NLMSG_ALIGN(m->hdr.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

void pin_nl_string(struct pin_nl *m, unsigned int type, const char *text)
{
	pin_nl_attr(m, type, text, strlen(text) + 1);
}

struct nlattr *pin_nl_nest(struct pin_nl *m, unsigned int type)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->hdr.nlmsg_len));

	pin_nl_attr(m, type | NLA_F_NESTED, NULL, 0);
	return a;
}

void pin_nl_nested(struct pin_nl *m, struct nlattr *nest)
{
	nest->nla_len = (char *)m + m->hdr.nlmsg_len - (char *)nest;
}

const void *pin_nl_find(const void *attrs, const void *end, unsigned int type)
{
	const char *at = attrs;

	while (at + NLA_HDRLEN <= (const char *)end) {
		const struct nlattr *a = (const void *)at;

		if (a->nla_len < NLA_HDRLEN)
			break;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return at + NLA_HDRLEN;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

/* Is it a part of a list, and not the last one? */
static bool goes_on(const void *part, ssize_t len)
{
	const struct nlmsghdr *h = part;
	bool more = false;

	for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len))
		more = h->nlmsg_flags & NLM_F_MULTI && h->nlmsg_type != NLMSG_DONE;
	return more;
}

ssize_t pin_nl_ask(int protocol, const struct pin_nl *m, void *answer, size_t len)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	ssize_t n = -1, got = 0;
	char *part;

	if (fd < 0)
		return -errno;
	if (send(fd, m, m->hdr.nlmsg_len, 0) == (ssize_t)m->hdr.nlmsg_len) {
		do {
			part = (char *)answer + got;
			n = recv(fd, part, len - got, 0);
			got += n > 0 ? n : 0;
		} while (n > 0 && goes_on(part, n));
	}
	if (n < 0)
		got = -errno;
	close(fd);
	return got;
}

int pin_nl_order(int protocol, struct pin_nl *m)
{
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr err;
		char rest[512];
	} answer;
	ssize_t n;

	m->hdr.nlmsg_flags |= NLM_F_ACK;
	n = pin_nl_ask(protocol, m, &answer, sizeof(answer));
	if (n < 0)
		return n;
	if (n < (ssize_t)(NLMSG_HDRLEN + sizeof(answer.err)) ||
	    answer.hdr.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return answer.err.error;
}

int pin_nl_family(const char *name)
{
	const struct genlmsghdr get = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	struct {
		struct nlmsghdr hdr;
		struct genlmsghdr genl;
		char attrs[4096];
	} answer;
	const void *found;
	struct pin_nl m;
	uint16_t family;
	ssize_t n;

	pin_nl_begin(&m, GENL_ID_CTRL, 0, &get, sizeof(get));
	pin_nl_string(&m, CTRL_ATTR_FAMILY_NAME, name);
	n = pin_nl_ask(NETLINK_GENERIC, &m, &answer, sizeof(answer));
	if (n < 0)
		return n;
	if (answer.hdr.nlmsg_type == NLMSG_ERROR)
		return -ENOENT;
	found = pin_nl_find(answer.attrs, (char *)&answer + n, CTRL_ATTR_FAMILY_ID);
	if (!found)
		return -EPROTO;
	memcpy(&family, found, sizeof(family));
	return family;
}
