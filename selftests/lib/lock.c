// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lock.h"

const char *pin_lock_path(void)
{
	return getenv("PIN_LOCK") ?: "/run/lock/pin-accounting.lock";
}

int pin_lock_machine(bool wait)
{
	static int fd = -1;	/* kept open, and so locked */

	if (fd < 0)
		fd = open(pin_lock_path(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
	if (fd < 0)
		fd = open(pin_lock_path(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0666);
	return flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) ? -errno : 0;
}
