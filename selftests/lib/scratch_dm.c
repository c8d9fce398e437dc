// SPDX-License-Identifier: GPL-2.0
/* Mapped block devices, by the ioctls of /dev/mapper/control. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "consumer.h"
#include "scratch.h"

#define CONTROL		"/dev/mapper/control"
#define PARAMS		512

struct order {
	struct dm_ioctl head;
	struct dm_target_spec spec;
	char params[PARAMS];
};

static int dm(unsigned long request, const char *name, struct order *o)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	/* Of what the kernel has always had. */
	o->head.version[0] = DM_VERSION_MAJOR;
	o->head.data_size = sizeof(*o);
	o->head.data_start = offsetof(struct order, spec);
	snprintf(o->head.name, sizeof(o->head.name), "%s", name);
	if (ioctl(fd, request, o))
		err = -errno;
	close(fd);
	return err;
}

static int suspend(const char *name, unsigned int flags)
{
	/* A file system above is not to write what may not arrive. */
	struct order o = { .head.flags = flags | DM_SKIP_LOCKFS_FLAG };

	return dm(DM_DEV_SUSPEND, name, &o);
}

static int remove_device(const char *name)
{
	struct order o = { .head.dev = 0 };
	int err;

	/* Who waits for what is held up there does not let go of it. */
	suspend(name, 0);
	err = dm(DM_DEV_REMOVE, name, &o);
	return err == -ENXIO ? -ENOENT : err;
}

int pin_scratch_dm(const char *name, const struct pin_scratch_dm *d, const char *below,
		   size_t bytes, char *dev, size_t len, char *why)
{
	struct order create = { .head.dev = 0 };
	int err = pin_scratch_module("dm_mod", "BLK_DEV_DM", NULL, why);

	if (err >= 0)
		err = pin_scratch_undo(remove_device, name, why);
	if (err)
		return err;
	err = dm(DM_DEV_CREATE, name, &create);
	if (err)
		return pin_why(why, err, "DM_DEV_CREATE: %s (kernel option BLK_DEV_DM)",
			       strerror(-err));
	err = pin_scratch_dm_replace(name, d, below, bytes, why);
	if (err)
		return err;
	snprintf(dev, len, "/dev/dm-%u", minor(create.head.dev));
	for (int wait = 0; wait < 100 && access(dev, F_OK); wait++)
		usleep(10000);
	return 0;
}

int pin_scratch_dm_replace(const char *name, const struct pin_scratch_dm *d, const char *below,
			   size_t bytes, char *why)
{
	struct order load = { .head.target_count = 1 };
	int err;

	load.spec.length = bytes / 512;
	snprintf(load.spec.target_type, sizeof(load.spec.target_type), "%s", d->type);
	snprintf(load.params, sizeof(load.params), "%s%s 0", d->before, below);
	err = dm(DM_TABLE_LOAD, name, &load);
	if (err)
		return pin_why(why, err, "dmsetup create %s --table \"0 %zu %s %s\": %s (kernel option %s)",
			       name, bytes / 512, d->type, load.params, strerror(-err), d->config);
	/* And the table is in force. */
	return pin_scratch_dm_resume(name, why);
}

int pin_scratch_dm_suspend(const char *name, char *why)
{
	int err = suspend(name, DM_SUSPEND_FLAG);

	return err ? pin_why(why, err, "dmsetup suspend %s: %s", name, strerror(-err)) : 0;
}

int pin_scratch_dm_resume(const char *name, char *why)
{
	int err = suspend(name, 0);

	return err ? pin_why(why, err, "dmsetup resume %s: %s", name, strerror(-err)) : 0;
}
