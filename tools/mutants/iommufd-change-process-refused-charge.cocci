// SPDX-License-Identifier: GPL-2.0
// what: iommufd: when a process is to take over the mappings of another one
//   and is refused for RLIMIT_MEMLOCK, it is forgotten what the first one is
//   charged for: that is never given back.
// kind: S
// files: drivers/iommu/iommufd/ioas.c
// versions: 7.3-
// needs: no-iommu
// counter: balanced
// vm: VmPin, or the user's locked memory, after the mapping is gone
// log: WARN of iommufd's own count, if only a part is unmapped
// tests: iommufd_test
// functions: iommufd_ioas_change_process charge_current
//   iopt_pages_update_pinned

@@
expression E;
symbol rc, out;
@@
 iommufd_ioas_change_process(...)
 {
 <...
 	rc = charge_current(E);
+	if (rc)
+		goto out;
 ...>
 }
