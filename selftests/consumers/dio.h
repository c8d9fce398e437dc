/* SPDX-License-Identifier: GPL-2.0 */
/* What the direct I/O consumers share. */
#ifndef PIN_DIO_H
#define PIN_DIO_H

#include <sys/uio.h>

#include "consumer.h"

/* How iov_iter_extract_pages() asks: @write if the device writes to memory. */
struct pin_access pin_dio_access(bool write);

/* 0 if direct I/O in @dir always pins: ext2 to ext4 and xfs. Or why not. */
int pin_dio_plain(const char *dir, char *why);

/* 0, or why there is no direct I/O on the file system at hand. */
int pin_dio_probe(const struct pin_kernel *k, char *why);

/*
 * An O_DIRECT file of at least @len bytes, blocks written and in one extent,
 * already unlinked, on the file system at hand: descriptor, or -errno and a
 * reason in @why.
 */
int pin_dio_file(size_t len, char *why);

/* The smallest piece of memory that O_DIRECT on @fd takes, in bytes. */
size_t pin_dio_block(int fd);

/*
 * A limit of the queue of the block device @fd, or of the one that has the file
 * @fd: of a partition, the whole device's. By its name in sysfs; 0 if there is
 * none.
 */
long long pin_dio_queue(int fd, const char *attribute);

/* Foretell one transfer of op->mem. */
void pin_dio_predict(const struct pin_op *op, bool write, struct pin_predict *p);

/* Foretell one transfer of the @nr pieces @iov, which make up op->mem. */
void pin_dio_predict_pieces(const struct pin_op *op, bool write,
			    const struct iovec *iov, unsigned int nr,
			    struct pin_predict *p);

/* Open and close for consumers whose priv is just such a file. */
int pin_dio_open(struct pin_op *op);
void pin_dio_close(struct pin_op *op);

#endif
