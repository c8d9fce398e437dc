/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels this is built for, 6.1 to 7.3. */
#ifndef PIN_HELPER_VFIO_COMPAT_H
#define PIN_HELPER_VFIO_COMPAT_H

#include <linux/vfio.h>

/* Up to 6.4 it was the driver's to free what VFIO had allocated. */
#ifdef PH_VFIO_FREE_DEVICE
#define PHV_RELEASE	.release = vfio_free_device,
#else
#define PHV_RELEASE
#endif

/* iommufd: since 6.2, and one that detaches since 6.6. */
#ifdef PH_VFIO_BIND_IOMMUFD
#define PHV_BIND				\
	.bind_iommufd = vfio_iommufd_emulated_bind,	\
	.unbind_iommufd = vfio_iommufd_emulated_unbind,	\
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
#else
#define PHV_BIND
#endif
#ifdef PH_VFIO_DETACH_IOAS
#define PHV_DETACH	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
#else
#define PHV_DETACH
#endif

#endif
