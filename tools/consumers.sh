#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints results/consumers.md: what each consumer says of itself.

dir=$(dirname "$0")/..
cat <<'END'
# Consumers of pins

Printed by `tools/consumers.sh`: what each consumer says of itself (`pinstress --list --json`).
Case is that of Documentation/core-api/pin_user_pages.rst. Pins that are held stay until they
are released; the others are released before the call returns. "Pins since" is the first
version of Linux in which that path takes pins at all. Where each was run, and with what result,
is in [the matrix](matrix.md); those of iommufd and soft-iWARP on a kernel of `pinvm build`.

| consumer | what | case | kernel functions | pins since | held | needs |
|---|---|---|---|---|---|---|
END
"${BUILD:-$dir/build}/bin/pinstress" --list --json | jq -r '
	select(.type == "consumer") |
	[ "`\(.name)`", .help, (.case | tostring), .path, .since,
	  if .held then "yes" else "no" end, .needs // "-" ] |
	"| " + (map(gsub("\\|"; "\\|")) | join(" | ")) + " |"'
cat <<'END'

## What is not driven

Ways to pin that the machines at hand do not have, or that are not worth their price here.
`pinstat -- COMMAND` audits any command where they are; the tests named drive a part.

| way in | kernel functions | why not | where it is |
|---|---|---|---|
| RDMA adapters (mlx5, irdma, hfi1, ...) | ib_umem_get > pin_user_pages_fast | hardware; `rdma_test` and `rdma_*` use soft-RoCE and soft-iWARP | `pinstat -- ib_write_bw -d mlx5_0 --report_gbits` (perftest), and its client |
| RDMA memory windows of type 2, and work that goes through windows | none of their own | they pin nothing more: `rdma_test` opens those of type 2, and binds those of type 1 | the same, `pinstat -- ibv_rc_pingpong` |
| VFIO without an IOMMU; mediated devices of hardware (kvmgt, ap, ccw) | vfio_pin_pages > pin_user_pages_remote, as `vfio_mdev` | VFIO_NOIOMMU is off in Debian's kernels, and pins nothing; hardware | `pinstat -- qemu-system-x86_64 -device vfio-pci,sysfsdev=...` |
| KVM guest memory (control), SEV | hva_to_pfn; sev_pin_memory > pin_user_pages_fast | a guest in an emulated guest; AMD's hardware | `pinstat -- qemu-system-x86_64 -accel kvm ...` |
| userptr of graphics and compute devices | i915_gem_userptr, ivpu, amdxdna, habanalabs: pin_user_pages_fast | hardware | `pinstat -- gem_userptr_blits` (igt-gpu-tools) |
| TLS offload by a network card | references, no pins | hardware | `pinstat -- openssl s_time ...` |
| NFS, direct | references, no pins: +0 +0 measured on 6.1, 6.12 and 7.3 | a server in the guest takes half a minute of each run | `pinstat -- dd if=/mnt/nfs/file of=/dev/null iflag=direct bs=1M` |
| SMB, Ceph, direct | netfs_extract_user_iter, as `dio_target_test 9p.*`; references | a server | the same |
| OrangeFS | orangefs_bufmap_map > pin_user_pages_fast | a server | `pinstat -- pvfs2-client -p pvfs2-client-core` |
| virtiofs, direct | fuse_direct_io, as `fuse_read` | a daemon of the host that shares all memory of the guest | the same, after `mount -t virtiofs` |
| bcachefs, direct | bio_iov_iter_get_pages | no bcachefs-tools in bookworm; Linux 7.3 has it no more | the same, on bcachefs |
| software RAID (md), direct | bio_iov_iter_get_pages, as `dio_target_test dm_*` | one more of the same | the same, on /dev/md0 |
| memory of a device-dax | as that of FS-DAX, but long-term pins are allowed | a namespace has to be made for it; +64 +64 measured for direct I/O | `pinstat -- fio --ioengine=io_uring --iomem=mmapshared:/dev/dax0.0 --direct=1 ...` |
| a memfd that is handed over to the next kernel | memfd_luo_preserve_folios > memfd_pin_folios, as `helper_memfd` | CONFIG_KEXEC_HANDOVER is off in Debian's kernels and here | `pinstat -- liveupdate` (selftests/liveupdate) |
| user_events: the bit by which a tracer is told to begin | user_event_enabler_write > pin_user_pages_remote, a page for a moment | CONFIG_USER_EVENTS is off in Debian's kernels and here | `pinstat -- abi_test` (selftests/user_events) |
| TEE shared memory | register_shm_helper > iov_iter_extract_pages | a secure world | `pinstat -- xtest` (optee-test) |
| Xen gntdev, privcmd | lock_pages > pin_user_pages_fast | Xen | `pinstat -- xl create ...` |
END
