/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PIN_HELPER_ARGUMENT_H
#define PIN_HELPER_ARGUMENT_H

#include <linux/uaccess.h>

/*
 * The structure at @at, of which @known bytes are known here, goes to @argument; its
 * first member is its size as the caller knows it, and goes to *@size.
 */
static inline int ph_get_argument(void *argument, size_t known, const void __user *at, u32 *size)
{
	if (get_user(*size, (const u32 __user *)at))
		return -EFAULT;
	if (*size < sizeof(u64))
		return -EINVAL;
	if (*size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(argument, known, at, *size);
}

#endif
