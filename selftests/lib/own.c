// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "own.h"

const volatile struct pin_own *pin_own_map(void)
{
	const char *fd = getenv(PIN_OWN_ENV);
	void *map;

	if (!fd)
		return NULL;
	map = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, atoi(fd), 0);
	return map == MAP_FAILED ? NULL : map;
}
