# SPDX-License-Identifier: GPL-2.0
# `make help` lists targets and variables.

# Goals named together run one after the other, in their order ("setup
# run_tests"); the recursive makes below still build in parallel.
.NOTPARALLEL:

BUILD ?= build
override BUILD := $(abspath $(BUILD))
RESULTS ?= results
KERNELS ?= 5.10 6.1 6.12 7.3 6.12-arm64-16k running
DURATION ?= 1h
CHAOS ?= none
RUNS ?= 20
INSTALL_PATH ?= $(BUILD)/kselftest_install
FORMAT ?= .tar.xz

CACHE := $(CURDIR)/.cache
ifneq ($(KSRC),)
override KSFT := $(abspath $(KSRC))/tools/testing/selftests
else
KSFT ?= $(CACHE)/kselftest/tools/testing/selftests
override KSFT := $(abspath $(KSFT))
endif

COLLECTION := pin_accounting
SUITE := $(BUILD)/selftests
OUT := $(SUITE)/$(COLLECTION)
TARBALL := $(BUILD)/kselftest-$(COLLECTION)$(FORMAT)

SELFTESTS := $(MAKE) --no-print-directory -C selftests KSFT=$(KSFT) OUTPUT=$(OUT)
TOOLS := $(MAKE) --no-print-directory -C tools KSFT=$(KSFT) OUTPUT=$(BUILD) LIBPIN=$(OUT)/libpin.a
# The scripts replace the shell, so that they get the signals sent to make.
RUN := exec env BUILD='$(BUILD)' CACHE='$(CACHE)' KSFT='$(KSFT)'

# What root made in somebody's clone belongs to the owner of the clone.
hand_back = @if [ "$$(id -u)" -eq 0 ] && [ -e $(1) ]; then chown -hR --reference=Makefile $(1); fi

# $(call lay_out,DIR): the runner and the list of an installed kselftest, so
# that what runs here is what runs on a test farm. Writes only what differs:
# an unprivileged run must be able to use what root has built.
define lay_out
@rsync -rlp --checksum $(KSFT)/run_kselftest.sh $(KSFT)/kselftest $(1)/
+@list=$$($(SELFTESTS) -s COLLECTION=$(COLLECTION) emit_tests) || exit; \
	[ "$$(cat $(1)/kselftest-list.txt 2>/dev/null)" = "$$list" ] || \
	echo "$$list" > $(1)/kselftest-list.txt
endef

all: ## build the selftests and the tools into build/
all: framework
	+@$(SELFTESTS)
	+@$(TOOLS)
	@rsync -rlp --checksum selftests/config selftests/settings $(OUT)/
	$(call lay_out,$(SUITE))
	$(call hand_back,$(BUILD))

setup: ## install what is missing, make the kselftest framework available
	@$(RUN) KSFT_GIVEN='$(filter-out $(CACHE)/%,$(KSFT))' tools/setup/setup.sh
	$(call hand_back,$(CACHE)/kselftest)

run_tests: ## audit the running kernel; TESTS="x_test y_test" runs a subset
run_tests: all
	@$(RUN) RESULTS='$(RESULTS)' tools/run_tests.sh $(TESTS)

kmod: ## build pin_helper.ko, that of VFIO, a fuzzer; KDIR=headers of the kernel it is for
	+@$(MAKE) --no-print-directory -C kmod-helper/fuzz OUTPUT=$(BUILD)/bin
	@kmod-helper/build.sh '$(KDIR)' $(BUILD)/kmod
	$(call hand_back,$(BUILD))

soak: ## stress with a ledger; DURATION=1h, CHAOS=all, KERNEL=7.3-amd64, SOAK="more options"
soak: all
ifdef KERNEL
	@$(RUN) RESULTS='$(RESULTS)' $(BUILD)/bin/pinvm soak --kernel $(KERNEL) \
		--duration $(DURATION) --pinstress '--chaos $(CHAOS) $(SOAK)'
else
	@$(RUN) $(BUILD)/bin/pinstress --duration $(DURATION) --chaos $(CHAOS) \
		--results $(RESULTS)/$(shell date +%Y%m%d-%H%M%S)-soak $(SOAK)
endif

bench: ## what pinstress's books cost, and fio and stress-ng: results/speed.md
bench: all
	@$(RUN) RESULTS='$(RESULTS)' tools/bench.py $(BENCH)
	$(call hand_back,$(RESULTS)/speed.md)

matrix: ## the suite on KERNELS, in guests, and the running one: results/matrix.md
matrix: all
ifneq ($(findstring -arm64,$(KERNELS)),)
	+@cross=$$(CACHE='$(CACHE)' $(BUILD)/bin/pinvm cross arm64) && \
		eval "$(MAKE) --no-print-directory BUILD=$(BUILD)/arm64 $$cross all"
endif
	@$(RUN) RESULTS='$(RESULTS)' $(BUILD)/bin/pinvm matrix $(KERNELS) --helper

bisect_proof: ## let pinbisect find planted bugs (hours): results/bisect.md
bisect_proof: all
	@$(RUN) RESULTS='$(RESULTS)' tools/bisect_proof.py $(PROOF)

trace_proof: ## RUNS=20 of the suite under pintrace beside fio (hours): results/beside.md
trace_proof: all
	@$(RUN) RESULTS='$(RESULTS)' tools/trace_proof.py --runs $(RUNS)
	$(call hand_back,$(RESULTS)/beside.md)
	$(call hand_back,$(RESULTS)/beside.json)

trace_bench: ## what pintrace costs, by consumer and pages: results/trace.md (5 min)
trace_bench: all
	@$(RUN) RESULTS='$(RESULTS)' tools/trace_bench.py $(BENCH)
	$(call hand_back,$(RESULTS)/trace.md)

check: ## the project's own tests; CHECKS="10-style 40-pinreport" runs a subset
check: all
	@$(RUN) tools/check/run.sh $(CHECKS)

install: ## kselftest's layout, with run_kselftest.sh, into INSTALL_PATH
install: framework
	@mkdir -p $(OUT) $(INSTALL_PATH)
	+@$(SELFTESTS) INSTALL_PATH=$(abspath $(INSTALL_PATH))/$(COLLECTION) install
	$(call lay_out,$(abspath $(INSTALL_PATH)))
	$(call hand_back,$(BUILD))

gen_tar: ## the installed suite as build/kselftest-pin_accounting.tar.xz
gen_tar: known_format install
	@tar --sort=name --owner=0 --group=0 --numeric-owner -caf $(TARBALL) -C $(INSTALL_PATH) .
	$(call hand_back,$(TARBALL))
	@echo "Created $(TARBALL)"

known_format:
	@case '$(FORMAT)' in .tar.xz|.tar.gz) ;; *) \
		echo "FORMAT=$(FORMAT): must be .tar.xz or .tar.gz" >&2; exit 2;; esac

clean: ## remove what was built, keep results/ and the cache
	@rm -rf $(addprefix $(BUILD)/,bin check kmod kselftest_install selftests tools)
	@rm -f $(BUILD)/kselftest-$(COLLECTION).tar.*
	@[ ! -d $(BUILD) ] || rmdir --ignore-fail-on-non-empty $(BUILD)

distclean: ## clean, and remove the cache; keep results/
distclean: clean
	@rm -rf $(CACHE)

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z_]*\): ## /\1\t/p' Makefile | expand -t 14 | sed 's/^/  /'
	@echo 'Variables:'
	@echo '  KSRC=DIR         kernel tree whose kselftest framework is used'
	@echo '  KSFT=DIR         the same, naming its tools/testing/selftests'
	@echo '  BUILD=DIR        where to build (build)'
	@echo '  RESULTS=DIR      where run_tests makes its folder (results)'
	@echo '  KDIR=DIR         for kmod (of the running kernel); CC= KMODFLAGS= for its make'
	@echo '  DURATION=TIME    how long soak runs (1h); CHAOS=LIST what disturbs it (none);'
	@echo '                   KERNEL=VERSION in a guest with all devices, not here'
	@echo '  KERNELS="6.1 .." for matrix, as pinvm run --help has them (5.10 6.1 6.12 7.3'
	@echo '                   6.12-arm64-16k running)'
	@echo '  BENCH="--rounds N" for bench and trace_bench: tools/bench.py --help'
	@echo '  PROOF="--jobs N" for bisect_proof, as tools/bisect_proof.py --help has it'
	@echo '  INSTALL_PATH=DIR for install and gen_tar (build/kselftest_install)'
	@echo '  FORMAT=SUFFIX    for gen_tar: .tar.xz (default) or .tar.gz'
	@echo '  LLVM=1 WERROR=1 V=1 USERCFLAGS= USERLDFLAGS=  as for any kselftest'
	@echo 'First: sudo make setup run_tests'

framework:
	@[ -f $(KSFT)/lib.mk ] || { echo 'No kselftest framework in' \
		'$(KSFT): run "sudo make setup", or name a kernel tree by KSRC=.' >&2; exit 1; }
	@mkdir -p $(OUT)

.PHONY: all setup run_tests kmod soak bench matrix bisect_proof trace_proof trace_bench check install gen_tar clean distclean help framework known_format
