// SPDX-License-Identifier: GPL-2.0
// what: memfd_pin_folios() fails half way, as a huge page cannot be allocated,
//   and forgets what it pinned until then.
// kind: S
// files: mm/gup.c
// versions: 6.11-
// counter: +folios/+0, -ENOMEM
// tests: matrix_test=udmabuf*,helper_memfd* limits_test=*.udmabuf*,*.helper_memfd
// functions: memfd_pin_folios

@@
@@
 memfd_pin_folios(...)
 {
 <...
-	unpin_folios(...);
 ...>
 }
