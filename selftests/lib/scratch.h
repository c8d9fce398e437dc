/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes to the machine that must not outlive the test: huge page pool,
 * sysfs settings, loop and zram devices, mounts, files.
 *
 * A janitor process knows how to undo each of them before it is made. It works
 * when the test program ends, in whatever way: return, signal, crash, SIGKILL.
 */
#ifndef PIN_SCRATCH_H
#define PIN_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"

#define PIN_JANITOR	"pin-janitor"	/* name of the process */

/* Start the janitor: call once, before any of the below. 0 or -errno. */
int pin_scratch_start(void);

/*
 * Undo everything, last change first, and wait for it. False: something of it never
 * returned, which is said on stderr; a process that belongs to nobody is left with it.
 */
bool pin_scratch_end(void);

/* In a child: the janitor is not to wait for us. */
void pin_scratch_disown(void);

/* All below: 0, or a negative errno and the reason with its cure in @why. */

/*
 * Have call(arg) made at the end: 0, or -errno to be called again for some
 * seconds, -ENOENT if there is nothing left to undo.
 */
int pin_scratch_undo(int (*call)(const char *arg), const char *arg, char *why);

/*
 * Load a kernel module (of kernel option @config) with @options (one word each,
 * NULL at the end; or NULL) and unload it at the end. 1: it was there already,
 * and stays. rds_rdma stays in any case, and what it depends on.
 */
int pin_scratch_module(const char *name, const char *config,
		       const char *const *options, char *why);

/* A network device @name that goes nowhere, up, with the IPv4 @address. */
int pin_scratch_link(const char *name, uint32_t address, char *why);

/* Write @value to the sysfs or procfs file @path until the end. */
int pin_scratch_setting(const char *path, const char *value, char *why);

/* The same for good, where there is nothing to be restored: 0 or -errno. */
int pin_write_file(const char *path, const char *value);

/* At least @pages free huge pages of @size bytes on each node. */
int pin_scratch_hugepages(size_t size, unsigned int pages, char *why);

/* The same for the page size that memory kinds use; says so if it fails. */
void pin_scratch_pool(const struct pin_kernel *k, unsigned int pages);

/* A directory of our own on the file system at hand, removed at the end. */
int pin_scratch_dir(char *path, size_t len, char *why);

/* The directory @path, which must be empty in the end: a control group, say. */
int pin_scratch_mkdir(const char *path, char *why);

/* A file of @bytes in @dir, its blocks allocated and written. */
int pin_scratch_file(const char *dir, const char *name, size_t bytes,
		     char *path, size_t len, char *why);

/* The same without blocks: for large images that mkfs writes little of. */
int pin_scratch_sparse_file(const char *dir, const char *name, size_t bytes,
			    char *path, size_t len, char *why);

/* A loop device over @file; its path goes to @dev. */
int pin_scratch_loop(const char *file, bool direct_io, char *dev, size_t len,
		     char *why);

/* A zram device of @bytes that nobody else uses. */
int pin_scratch_zram(size_t bytes, char *dev, size_t len, char *why);

struct pin_scratch_dm {
	const char *type;	/* of the target */
	const char *before;	/* its parameters up to the device below */
	const char *config;	/* kernel option */
};

/* Hands all on as it comes. */
#define PIN_SCRATCH_DM_LINEAR { .type = "linear", .before = "", .config = "BLK_DEV_DM" }

/* Load dm_mod and make the mapped device @name of @bytes over the block device @below. */
int pin_scratch_dm(const char *name, const struct pin_scratch_dm *d, const char *below,
		   size_t bytes, char *dev, size_t len, char *why);

/* Another target for the same device, at once: what is above it does not notice. */
int pin_scratch_dm_replace(const char *name, const struct pin_scratch_dm *d, const char *below,
			   size_t bytes, char *why);

/* Hold up what is sent to it from now on, until it is resumed. */
int pin_scratch_dm_suspend(const char *name, char *why);
int pin_scratch_dm_resume(const char *name, char *why);

/* A zram device as above, in use for swapping. */
int pin_scratch_swap(size_t bytes, char *dev, size_t len, char *why);

#define PIN_MKFS_ARGS	8

/* What several consumers need, and what is made for them when the first asks. */
struct pin_once {
	bool tried;
	int err;
	char why[PIN_WHY_LEN];
};

/* 0, or what make() returned the first time. */
int pin_scratch_once(struct pin_once *once, const struct pin_kernel *k,
		     int (*make)(const struct pin_kernel *k, char *why), char *why);

#define PIN_NODE_LEN	64	/* room for the path of a device that is made for us */

/*
 * Open the first of @nr devices that no other process has, each of which takes
 * one. Their paths are PIN_NODE_LEN bytes apart. Returns a descriptor, and in *@which
 * (unless NULL) whose, or -1 with errno.
 */
int pin_scratch_open_unused(const char *paths, int nr, int flags, int *which);

struct pin_scratch_fs {
	const char *type;	/* as mount(2) has it */
	const char *options;	/* of mount(2), or NULL */
	const char *mkfs;	/* program, NULL: there is one already */
	const char *args[PIN_MKFS_ARGS];
	const char *package;	/* Debian's, that has it */
	const char *config;	/* kernel option */
};

/* A directory that a host shares; what is opened for it is direct, and nothing else. */
#define PIN_SCRATCH_9P {							\
	.type = "9p", .options = "trans=virtio,version=9p2000.L,cache=loose",	\
	.config = "9P_FS",							\
}

/* Its name there, to be mounted as a device is, from PIN_SCRATCH_9P in the environment. */
int pin_scratch_share(char *tag, size_t len, char *why);

/*
 * Make a file system on @dev and mount it on a directory of our own, whose
 * path goes to @dir.
 */
int pin_scratch_mount(const struct pin_scratch_fs *fs, const char *dev, char *dir,
		      size_t len, char *why);

/*
 * Freeze the file system of our own that is mounted on @dir: writes to it wait
 * until it is thawed, by us, or by the janitor after 15 s at the latest.
 */
int pin_scratch_freeze(const char *dir, char *why);
int pin_scratch_thaw(const char *dir);

#endif
