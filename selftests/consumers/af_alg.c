// SPDX-License-Identifier: GPL-2.0
/*
 * AF_ALG, the kernel's ciphers by socket: what a hash is sent and what a
 * cipher's result goes to is pinned for the time of the call, up to 16 pages
 * at a time. What a cipher is sent is copied. By a cipher that works in a queue
 * of its own, asynchronously, it is pinned until the cipher has done, not only for
 * the time of the call; there is no such thing any more in 7.3.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "af_alg.h"
#include "pieces.h"
#include "transfer.h"

#define NEEDS		"modules algif_hash, algif_skcipher, algif_aead, aes_generic, cbc, ccm, ctr, sha1_generic"
#define NEEDS_QUEUE	NEEDS ", cryptd"

#ifndef SOL_ALG
#define SOL_ALG		279
#endif

#define KERNEL_PAGES	16	/* ALG_MAX_PAGES: one call of pin_user_pages_fast() */
#define RECV_PAGES	24	/* more than that: two such calls in one recv() */
#define PIPE_PAGES	8
#define KEY_LEN		16
#define MAX_IV		16
#define TAG_LEN		16
#define CCM_LENGTH_BYTES	4	/* of the message's length, in the first block */

struct algorithm {
	const char *type;
	const char *name;
	const char *config;	/* kernel options */
	unsigned int iv_len;
	unsigned int tag_len;	/* result is so much longer than the data */
	unsigned int pages;	/* given to one call; 0: all of the buffer */
	bool write;		/* the memory is written to */
	bool keyed;
	bool queued;		/* by cryptd, and received by aio */
};

static const struct algorithm hash = {
	.type = "hash", .name = "sha1",
	.config = "CRYPTO_USER_API_HASH and CRYPTO_SHA1",
};

static const struct algorithm hash_pipe = {
	.type = "hash", .name = "sha1",
	.config = "CRYPTO_USER_API_HASH and CRYPTO_SHA1",
	.pages = PIPE_PAGES,
};

static const struct algorithm skcipher = {
	.type = "skcipher", .name = "cbc(aes)",
	.config = "CRYPTO_USER_API_SKCIPHER, CRYPTO_CBC and CRYPTO_AES",
	.iv_len = 16, .pages = RECV_PAGES, .write = true, .keyed = true,
};

static const struct algorithm aead = {
	.type = "aead", .name = "ccm(aes)",
	.config = "CRYPTO_USER_API_AEAD, CRYPTO_CCM and CRYPTO_AES",
	.iv_len = 16, .tag_len = TAG_LEN, .pages = RECV_PAGES, .write = true,
	.keyed = true,
};

static const struct algorithm aead_queued = {
	.type = "aead", .name = "ccm(aes)",
	.config = "CRYPTO_USER_API_AEAD, CRYPTO_CRYPTD, CRYPTO_CCM and CRYPTO_AES",
	.iv_len = 16, .tag_len = TAG_LEN, .pages = RECV_PAGES, .write = true,
	.keyed = true, .queued = true,
};

struct alg {
	const struct algorithm *algorithm;
	int tfm, sock;
	int pipe[2];
	size_t chunk;		/* pages: what goes into one call */
	void *plain;		/* what is enciphered */
	aio_context_t aio;
};

/*
 * A descriptor of the algorithm of that name, or -errno: what the kernel can make of
 * what it has it has then.
 */
static int bind_name(const struct algorithm *a, const char *name)
{
	struct sockaddr_alg addr = { .salg_family = AF_ALG };
	int err, fd = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf((char *)addr.salg_type, sizeof(addr.salg_type), "%s", a->type);
	snprintf((char *)addr.salg_name, sizeof(addr.salg_name), "%s", name);
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A line of /proc/crypto that begins with @key: the value goes to @value. */
static bool crypto_line(const char *line, const char *key, char *value)
{
	char its[32];

	return sscanf(line, "%31s : %63s", its, value) == 2 && !strcmp(its, key);
}

/*
 * The same in cryptd's queue. That wants a driver's name, and of one that has no queue of
 * its own: of those there are, or else made of a cipher for a block.
 */
static int bind_queued(const struct algorithm *a)
{
	char line[256], name[64] = "", driver[64] = "", value[64] = "", whole[80] = "";
	char block[64] = "";
	int fd = bind_name(a, a->name);
	FILE *f;

	if (fd < 0)
		return fd;
	close(fd);
	f = fopen("/proc/crypto", "re");
	if (!f)
		return -errno;
	while (!*whole && fgets(line, sizeof(line), f)) {
		if (crypto_line(line, "name", value))
			memcpy(name, value, sizeof(name));
		else if (crypto_line(line, "driver", value))
			memcpy(driver, value, sizeof(driver));
		else if (crypto_line(line, "async", value) && !strcmp(value, "no") &&
			 !strcmp(name, a->name))
			snprintf(whole, sizeof(whole), "cryptd(%s)", driver);
		else if (crypto_line(line, "type", value) && !strcmp(value, "cipher") &&
			 !strcmp(name, "aes"))
			memcpy(block, driver, sizeof(block));
	}
	fclose(f);
	if (!*whole)
		snprintf(whole, sizeof(whole), "cryptd(ccm_base(ctr(%.20s),cbcmac(%.20s)))", block,
			 block);
	return bind_name(a, whole);
}

/* A descriptor of the algorithm with a key, or -errno. */
static int bind_algorithm(const struct algorithm *a, char *why)
{
	static const unsigned char key[KEY_LEN] = "pin accounting";
	int err, fd = a->queued ? bind_queued(a) : bind_name(a, a->name);

	if (fd < 0)
		return pin_why(why, fd, "AF_ALG %s %s%s: %s: kernel options %s; on some kernels also root, and not 2 in /proc/sys/crypto/af_alg_restrict",
			       a->type, a->name, a->queued ? ", queued" : "", strerror(-fd),
			       a->config);
	if ((!a->keyed || !setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, KEY_LEN)) &&
	    (!a->tag_len || !setsockopt(fd, SOL_ALG, ALG_SET_AEAD_AUTHSIZE, NULL, a->tag_len)))
		return fd;
	err = pin_why(why, -errno, "AF_ALG %s: setsockopt: %s", a->name, strerror(errno));
	close(fd);
	return err;
}

static int probe(const struct algorithm *a, char *why)
{
	int fd = bind_algorithm(a, why);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int probe_hash(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(&hash, why);
}

static int probe_skcipher(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(&skcipher, why);
}

static int probe_aead(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(&aead, why);
}

static int probe_aead_queued(const struct pin_kernel *k, char *why)
{
	(void)k;
	return probe(&aead_queued, why);
}

static size_t socket_buffer(int sock, int option)
{
	int size = 0;
	socklen_t len = sizeof(size);

	getsockopt(sock, SOL_SOCKET, option, &size, &len);
	return size;
}

/* Pages that go into one call. */
static size_t chunk_pages(const struct algorithm *a, int sock, long page_size)
{
	const size_t sent = socket_buffer(sock, SO_SNDBUF);
	const size_t received = socket_buffer(sock, SO_RCVBUF);
	const size_t wanted = a->pages ? a->pages : KERNEL_PAGES;
	size_t room;

	/* The kernel rounds up when it hashes; a cipher needs some to spare. */
	if (a->write)
		room = (sent < received ? sent : received) / page_size / 2;
	else
		room = (sent + page_size - 1) / page_size;
	if (!room)
		room = 1;
	return wanted < room ? wanted : room;
}

static void alg_close(struct pin_op *op)
{
	struct alg *a = op->priv;

	if (!a)
		return;
	for (int i = 0; i < 2; i++) {
		if (a->pipe[i] >= 0)
			close(a->pipe[i]);
	}
	if (a->sock >= 0)
		close(a->sock);
	if (a->tfm >= 0)
		close(a->tfm);
	if (a->aio)
		syscall(__NR_io_destroy, a->aio);
	free(a->plain);
	free(a);
	op->priv = NULL;
}

static int alg_open(struct pin_op *op, const struct algorithm *algorithm)
{
	const long ps = op->kernel->page_size;
	struct alg *a = calloc(1, sizeof(*a));
	int err = 0;

	if (!a)
		return pin_why(op->why, -ENOMEM, "out of memory");
	op->priv = a;
	a->algorithm = algorithm;
	a->sock = -1;
	a->pipe[0] = -1;
	a->pipe[1] = -1;
	a->tfm = bind_algorithm(algorithm, op->why);
	if (a->tfm < 0) {
		err = a->tfm;
		goto out;
	}
	a->sock = accept4(a->tfm, NULL, NULL, SOCK_CLOEXEC);
	if (a->sock < 0) {
		err = pin_why(op->why, -errno, "AF_ALG accept: %s", strerror(errno));
		goto out;
	}
	a->chunk = chunk_pages(algorithm, a->sock, ps);
	if (algorithm->write)
		a->plain = calloc(a->chunk, ps);
	if (algorithm->write && !a->plain)
		err = pin_why(op->why, -ENOMEM, "out of memory");
	else if (algorithm == &hash_pipe && pipe2(a->pipe, O_CLOEXEC))
		err = pin_why(op->why, -errno, "pipe: %s", strerror(errno));
	else if (algorithm->queued && syscall(__NR_io_setup, 1, &a->aio))
		err = pin_why(op->why, -errno, "io_setup: %s", strerror(errno));
out:
	if (err)
		alg_close(op);
	return err;
}

static int open_hash(struct pin_op *op)
{
	return alg_open(op, &hash);
}

static int open_skcipher(struct pin_op *op)
{
	return alg_open(op, &skcipher);
}

static int open_aead(struct pin_op *op)
{
	return alg_open(op, &aead);
}

static int open_aead_queued(struct pin_op *op)
{
	return alg_open(op, &aead_queued);
}

static int open_splice(struct pin_op *op)
{
	return alg_open(op, &hash_pipe);
}

static void predict(const struct pin_op *op, struct pin_predict *p)
{
	const struct alg *a = op->priv;
	const struct pin_access access = {
		.write = a->algorithm->write, .fast = true, .file_io = true,
	};

	pin_pieces_predict(op, &access, a->chunk, p);
	/* A hash takes plain references as far as they go. */
	if (!a->algorithm->write && !op->kernel->dio_pins &&
	    op->mem->hole < op->mem->pages)
		p->or_result = pin_pieces_before(op, op->mem->hole, 1);
}

/* Never a pin, but the same memory can be had. */
static void predict_splice(const struct pin_op *op, struct pin_predict *p)
{
	static const struct pin_access access = { .fast = true };
	struct pin_gup g;

	pin_mem_gup(op->mem, &access, &g);
	p->result = op->mem->len;
	if (g.err)
		p->result = pin_pieces_before(op, g.pinned, 1) ?: g.err;
	p->or_result = p->result;
}

/* The digest: without, the socket is not ready for another one. */
static long read_digest(const struct alg *a, long sent)
{
	char digest[64];

	if (sent > 0 && read(a->sock, digest, sizeof(digest)) < 0)
		return -errno;
	return sent;
}

static long hash_send(struct pin_op *op)
{
	const struct alg *a = op->priv;
	ssize_t n = send(a->sock, op->mem->addr, op->mem->len, 0);

	return n < 0 ? -errno : read_digest(a, n);
}

/* @data, to be enciphered or deciphered as @op (ALG_OP_...) says. */
static ssize_t send_to_cipher(int sock, const struct algorithm *a, int op, void *data, size_t len)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int)) +
			   CMSG_SPACE(sizeof(struct af_alg_iv) + MAX_IV)];
	} control = { .space = "" };
	struct iovec iov = { data, len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int)) +
				  CMSG_SPACE(sizeof(struct af_alg_iv) + a->iv_len),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	struct af_alg_iv *iv;

	cmsg->cmsg_level = SOL_ALG;
	cmsg->cmsg_type = ALG_SET_OP;
	cmsg->cmsg_len = CMSG_LEN(sizeof(op));
	memcpy(CMSG_DATA(cmsg), &op, sizeof(op));
	cmsg = CMSG_NXTHDR(&msg, cmsg);
	cmsg->cmsg_level = SOL_ALG;
	cmsg->cmsg_type = ALG_SET_IV;
	cmsg->cmsg_len = CMSG_LEN(sizeof(*iv) + a->iv_len);
	iv = (struct af_alg_iv *)CMSG_DATA(cmsg);
	iv->ivlen = a->iv_len;
	iv->iv[0] = CCM_LENGTH_BYTES - 1;
	return sendmsg(sock, &msg, 0);
}

/* What the cipher makes: bytes or -errno. */
static long receive(const struct algorithm *a, int sock, aio_context_t aio, void *data, size_t len)
{
	const struct iovec iov = { data, len };
	ssize_t n;

	if (a->queued)
		return pin_transfer_aio_by(aio, sock, false, &iov, 1, 0, 0);
	n = recv(sock, data, len, 0);
	return n < 0 ? -errno : n;
}

/* Of @sent bytes of zeros, to be enciphered or deciphered, what comes of @len of the result. */
static int receive_once(const struct algorithm *a, int op, size_t sent, void *data, size_t len,
			long *result, char *why)
{
	const int tfm = bind_algorithm(a, why);
	void *zeros = calloc(1, sent);
	int sock = -1, err = tfm < 0 ? tfm : 0;
	aio_context_t aio = 0;

	if (!err)
		sock = accept4(tfm, NULL, NULL, SOCK_CLOEXEC);
	if (!err && (sock < 0 || !zeros || (a->queued && syscall(__NR_io_setup, 1, &aio)) ||
		     send_to_cipher(sock, a, op, zeros, sent) != (ssize_t)sent))
		err = pin_why(why, -EIO, "AF_ALG %s takes no message of %zu bytes", a->name, sent);
	if (!err)
		*result = receive(a, sock, aio, data, len);
	if (aio)
		syscall(__NR_io_destroy, aio);
	if (sock >= 0)
		close(sock);
	if (tfm >= 0)
		close(tfm);
	free(zeros);
	return err;
}

int pin_alg_wrong_tag(void *data, size_t len, bool queued, long *result, char *why)
{
	return receive_once(queued ? &aead_queued : &aead, ALG_OP_DECRYPT, len + TAG_LEN, data, len,
			    result, why);
}

int pin_alg_short(void *data, long *result, char *why)
{
	return receive_once(&skcipher, ALG_OP_ENCRYPT, 4 * MAX_IV, data, MAX_IV - 1, result, why);
}

/* What was sent and not received would stand before what is sent next. */
static void begin_anew(struct alg *a)
{
	close(a->sock);
	a->sock = accept4(a->tfm, NULL, NULL, SOCK_CLOEXEC);
}

static long encipher(struct pin_op *op, size_t done, size_t len)
{
	struct alg *a = op->priv;
	const ssize_t plain = len - a->algorithm->tag_len;
	long n = send_to_cipher(a->sock, a->algorithm, ALG_OP_ENCRYPT, a->plain, plain);

	/* For the rest recv() would wait for ever. */
	if (n >= 0 && n < plain)
		return -ENOBUFS;
	if (n < 0)
		n = -errno;
	else
		n = receive(a->algorithm, a->sock, a->aio, (char *)op->mem->addr + done, len);
	if (n < 0) {
		begin_anew(a);
		return n;
	}
	return n == (long)len ? 0 : -EIO;
}

static long cipher_recv(struct pin_op *op)
{
	const struct alg *a = op->priv;

	return pin_pieces_transfer(op, a->chunk, encipher);
}

static long splice_send(struct pin_op *op)
{
	const struct alg *a = op->priv;
	size_t done = 0;

	/* Not in whole pieces: a pipe takes what there is. */
	while (done < op->mem->len) {
		struct iovec iov = {
			(char *)op->mem->addr + done, pin_piece(op, done, a->chunk)
		};
		ssize_t n = vmsplice(a->pipe[1], &iov, 1, 0);

		if (n > 0)
			n = splice(a->pipe[0], NULL, a->sock, NULL, n, 0);
		if (n <= 0)
			break;
		done += n;
	}
	return done ? read_digest(a, done) : -errno;
}

const struct pin_consumer pin_consumer_af_alg_aead = {
	.name = "af_alg_aead",
	.help = "AF_ALG: the memory gets what an authenticated cipher makes",
	.path = "aead_recvmsg > af_alg_get_rsgl > extract_iter_to_sg > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.needs = NEEDS,
	.probe = probe_aead,
	.open = open_aead,
	.predict = predict,
	.pin = cipher_recv,
	.close = alg_close,
};

const struct pin_consumer pin_consumer_af_alg_aead_aio = {
	.name = "af_alg_aead_aio",
	.help = "AF_ALG: the memory gets what an authenticated cipher with a queue makes, by aio",
	.path = "aead_recvmsg > af_alg_get_rsgl > extract_iter_to_sg > pin_user_pages_fast; af_alg_async_cb",
	.since = "6.5",
	.doc_case = 1,
	.needs = NEEDS_QUEUE,
	.probe = probe_aead_queued,
	.open = open_aead_queued,
	.predict = predict,
	.pin = cipher_recv,
	.close = alg_close,
};

const struct pin_consumer pin_consumer_af_alg_hash = {
	.name = "af_alg_hash",
	.help = "AF_ALG: the memory is hashed",
	.path = "hash_sendmsg > extract_iter_to_sg > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 5,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe_hash,
	.open = open_hash,
	.predict = predict,
	.pin = hash_send,
	.close = alg_close,
};

const struct pin_consumer pin_consumer_af_alg_skcipher = {
	.name = "af_alg_skcipher",
	.help = "AF_ALG: the memory gets what a cipher makes",
	.path = "skcipher_recvmsg > af_alg_get_rsgl > extract_iter_to_sg > pin_user_pages_fast",
	.since = "6.5",
	.doc_case = 1,
	.needs = NEEDS,
	.probe = probe_skcipher,
	.open = open_skcipher,
	.predict = predict,
	.pin = cipher_recv,
	.close = alg_close,
};

const struct pin_consumer pin_consumer_af_alg_splice = {
	.name = "af_alg_splice",
	.help = "AF_ALG: the memory is hashed by way of a pipe: no pins, never",
	.path = "vmsplice > iov_iter_get_pages2 (references); splice > hash_sendmsg (MSG_SPLICE_PAGES)",
	.since = "never",
	.doc_case = 5,
	.only_read = true,
	.needs = NEEDS,
	.probe = probe_hash,
	.open = open_splice,
	.predict = predict_splice,
	.pin = splice_send,
	.close = alg_close,
};
