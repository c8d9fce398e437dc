# SPDX-License-Identifier: GPL-2.0
# The libraries we link, for this Makefile and that of the tools: LIB_CFLAGS,
# LIB_LDLIBS, and in LIB_MISSING what could not be found. Static archives come
# first: the machine under test seldom has the shared objects.

PKG_CONFIG ?= $(CROSS_COMPILE)pkg-config

pkg_config = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)
cc_file = $(filter /%,$(shell $(CC) $(USERCFLAGS) -print-file-name=$(1)))

# $(call find_lib,NAME,PACKAGE)
find_lib = $(firstword $(call cc_file,lib$(1).a) \
	$(wildcard $(call pkg_config,--variable=libdir $(2))/lib$(1).a) \
	$(if $(call cc_file,lib$(1).so),-l$(1)))

LIBURING := $(call find_lib,uring,liburing)
LIBNUMA := $(call find_lib,numa,numa)
LIBJANSSON := $(call find_lib,jansson,jansson)

LIB_CFLAGS := $(call pkg_config,--cflags-only-I liburing) \
	$(call pkg_config,--cflags-only-I numa)
LIB_LDLIBS := $(LIBURING) $(LIBNUMA)
LIB_MISSING := $(if $(LIBURING),,liburing-dev) $(if $(LIBNUMA),,libnuma-dev)

# Without jansson the tests still run, but leave no JSON record.
ifneq ($(LIBJANSSON),)
LIB_CFLAGS += -DHAVE_JANSSON $(call pkg_config,--cflags-only-I jansson)
LIB_LDLIBS += $(LIBJANSSON)
endif
LIB_LDLIBS += -lpthread -lrt -lm

# $(call say_missing,PACKAGES)
say_missing = echo 'error: not installed: $(strip $(1)) (names of the Debian packages)' >&2; exit 1
