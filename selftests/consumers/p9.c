// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O on a file of 9P, which is that of fs/netfs since 6.8: the server gives it
 * errors, or parts of what was asked for, as no host does that a guest could ask. It
 * speaks 9P2000.L over a socket, as much of it as it takes to open one file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "p9.h"
#include "scratch.h"

#define MSIZE		65536	/* bytes of a message; 5.10 has no more */
#define HEADER		7	/* size, type, tag */
#define FIDS		64	/* more than are in use at a time */
#define SIZE		(1u << 30)
#define BASIC		0x7ff	/* P9_STATS_BASIC */
#define IS_DIRECTORY	0x80	/* QTDIR */
#define LOOK_MS		1

/* The kernel's, in include/net/9p/9p.h; an answer has the number of its request + 1. */
enum message {
	LERROR = 6,
	LOPEN = 12,
	GETATTR = 24,
	VERSION = 100,
	ATTACH = 104,
	FLUSH = 108,
	WALK = 110,
	READ = 116,
	WRITE = 118,
	CLUNK = 120,
};

struct server {
	enum pin_answer does;
	struct pin_p9_talk *talk;	/* or NULL */
	bool file[FIDS];	/* what it names is the file, not the root */
	unsigned char request[MSIZE];
	unsigned char answer[MSIZE];
	size_t len;		/* of the answer */
	unsigned char kept[MSIZE];	/* an answer */
	size_t kept_len;	/* 0: none */
};

static uint64_t get(const unsigned char *p, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | p[bytes];
	return value;
}

static void set(unsigned char *p, uint64_t value, unsigned int bytes)
{
	for (; bytes--; value >>= 8)
		*p++ = value;
}

static void put(struct server *s, uint64_t value, unsigned int bytes)
{
	set(s->answer + s->len, value, bytes);
	s->len += bytes;
}

static void put_qid(struct server *s, bool file)
{
	put(s, file ? 0 : IS_DIRECTORY, 1);
	put(s, 0, 4);
	put(s, file ? 2 : 1, 8);
}

static void put_attr(struct server *s, bool file)
{
	put(s, BASIC, 8);
	put_qid(s, file);
	put(s, file ? S_IFREG | 0600 : S_IFDIR | 0700, 4);
	put(s, getuid(), 4);
	put(s, getgid(), 4);
	put(s, 1, 8);		/* links */
	put(s, 0, 8);		/* of a device */
	put(s, file ? SIZE : 0, 8);
	put(s, 4096, 8);
	put(s, file ? SIZE / 512 : 0, 8);
	/* Four times, generation and version. */
	for (int i = 0; i < 10; i++)
		put(s, 0, 8);
}

/* The bytes of @asked that it has to do, or -errno. */
static long part_of(const struct server *s, uint64_t pos, uint32_t asked)
{
	switch (s->does) {
	case PIN_ENDS:
		_exit(0);
	case PIN_REFUSES:
		return -EIO;
	case PIN_REFUSES_LATER:
		return pos ? -EIO : (long)asked;
	case PIN_HALVES:
		return (asked + 1) / 2;
	default:
		return asked;
	}
}

/* Reads and writes: 0 or -errno. */
static int transfer(struct server *s, bool write)
{
	const unsigned char *arg = s->request + HEADER, *data = arg + 16;
	const long n = part_of(s, get(arg + 4, 8), get(arg + 12, 4));

	if (n < 0)
		return n;
	put(s, n, 4);
	for (long i = 0; i < n && write; i++) {
		if (data[i] != PIN_P9_BYTE)
			return -EILSEQ;
	}
	if (!write) {
		memset(s->answer + s->len, PIN_P9_BYTE, n);
		s->len += n;
	}
	return 0;
}

static int do_request(struct server *s, enum message type, size_t len)
{
	const unsigned char *arg = s->request + HEADER;
	const unsigned int fid = get(arg, 4) % FIDS;
	const bool file = s->file[fid];

	switch (type) {
	case VERSION:		/* what the client has said */
		memcpy(s->answer + HEADER, arg, len - HEADER);
		s->len = len;
		return 0;
	case ATTACH:
		s->file[fid] = false;
		put_qid(s, false);
		return 0;
	case WALK:		/* all names are those of the file */
		s->file[get(arg + 4, 4) % FIDS] = file || get(arg + 8, 2);
		put(s, get(arg + 8, 2) ? 1 : 0, 2);
		if (get(arg + 8, 2))
			put_qid(s, true);
		return 0;
	case GETATTR:
		put_attr(s, file);
		return 0;
	case LOPEN:
		put_qid(s, file);
		put(s, PIN_P9_REQUEST, 4);
		return 0;
	case READ:
	case WRITE:
		return transfer(s, type == WRITE);
	case FLUSH:		/* what it has not answered it never will */
		s->kept_len = 0;
		return 0;
	case CLUNK:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static bool receive(unsigned char *p, size_t len)
{
	return recv(0, p, len, MSG_WAITALL) == (ssize_t)len;
}

static bool send_to_client(const unsigned char *p, size_t len)
{
	return send(0, p, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Until there is a request, or it is told to go on. */
static void await(struct server *s)
{
	struct pollfd client = { .events = POLLIN };

	while (s->kept_len && !poll(&client, 1, LOOK_MS)) {
		if (!s->talk->go_on)
			continue;
		send_to_client(s->kept, s->kept_len);
		s->kept_len = 0;
	}
}

/* Is the answer to be kept back, once or for ever? */
static bool keeps(struct server *s, enum message type)
{
	if ((type != READ && type != WRITE) ||
	    (s->does != PIN_IS_MUTE && s->does != PIN_KEEPS_ONE) ||
	    (s->does == PIN_KEEPS_ONE && !get(s->request + HEADER + 4, 8)))
		return false;
	if (s->does == PIN_KEEPS_ONE) {
		s->does = PIN_DOES_ALL;
		memcpy(s->kept, s->answer, s->len);
		s->kept_len = s->len;
	}
	s->talk->asked = true;
	return true;
}

static void serve(void *arg)
{
	struct server *s = arg;
	unsigned int type;
	size_t len;
	int err;

	for (;;) {
		await(s);
		if (!receive(s->request, HEADER))
			return;
		len = get(s->request, 4);
		type = s->request[4];
		if (len <= HEADER || len > MSIZE || !receive(s->request + HEADER, len - HEADER))
			return;
		s->len = HEADER;
		err = do_request(s, type, len);
		s->answer[4] = (err ? LERROR : type) + 1;
		if (err) {
			s->len = HEADER;
			put(s, -err, 4);
		}
		set(s->answer, s->len, 4);
		memcpy(s->answer + 5, s->request + 5, 2);
		if (!keeps(s, type) && !send_to_client(s->answer, s->len))
			return;
	}
}

static int open_file(int sock)
{
	char fd[16];
	const char *const options[][2] = {
		{ "source", "pin" }, { "trans", "fd" }, { "rfdno", fd }, { "wfdno", fd },
		{ "version", "9p2000.L" }, { "access", "any" }, { "msize", "65536" },
	};
	int root, file;

	snprintf(fd, sizeof(fd), "%d", sock);
	root = pin_server_fs("9p", options, sizeof(options) / sizeof(options[0]));
	if (root < 0)
		return root;
	file = openat(root, "file", O_RDWR | O_DIRECT | O_CLOEXEC);
	if (file < 0)
		file = -errno;
	close(root);
	return file;
}

int pin_p9_file(enum pin_answer answer, struct pin_p9_server *server, char *why)
{
	struct server *s;
	int pair[2], file;
	pid_t pid;

	file = pin_scratch_module("9p", "9P_FS", NULL, why);
	/* Before 5.17 that was all. */
	if (file >= 0)
		(void)pin_scratch_module("9pnet_fd", "NET_9P_FD", NULL, why);
	if (file < 0)
		return file;
	s = calloc(1, sizeof(*s));
	if (!s || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		free(s);
		return pin_why(why, -errno, "a server of 9P: %s", strerror(errno));
	}
	s->does = answer;
	s->talk = server ? server->talk : NULL;
	pid = pin_server_start(pair[1], serve, s);
	free(s);
	close(pair[1]);
	file = pid < 0 ? pid : open_file(pair[0]);
	close(pair[0]);
	if (file < 0)
		pin_why(why, file, "9P over a socket: %s: kernel options 9P_FS and NET_9P_FD, and root",
			strerror(-file));
	if (file < 0 && pid > 0)
		waitpid(pid, NULL, 0);
	if (server)
		server->pid = pid;
	return file;
}
