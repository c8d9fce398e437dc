#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The suite with the helper module in guests: each page is looked at, and nothing
# is skipped that is not expected. The long programs are left to `make matrix`.
# shellcheck source=tools/check/lib.sh
. "$(dirname "$0")/lib.sh"

pinvm=$BUILD/bin/pinvm
export CACHE BUILD TMPDIR=$TMP
programs=
for name in bad_input case3 case45 counters fork helper_bad_input longterm \
	maybe_dma_pinned node overflow page_view scan teardown uring; do
	programs="$programs --test ${name}_test"
done

if ! have qemu-system-x86_64; then
	skip "guests" "no qemu-system-x86_64: make setup"
	done_testing
fi

# Two guests at a time: more would starve each other on two CPUs.
declare -A pids statuses

# begin NAME COMMAND...
begin() {
	local name=$1

	shift
	"$@" >"$TMP/$name.out" 2>&1 </dev/null &
	pids[$name]=$!
}

await() {
	local name

	for name; do
		wait "${pids[$name]}"
		statuses[$name]=$?
	done
}

# said NAME: what it said, and its exit status.
said() {
	cat "$TMP/$1.out"
	return "${statuses[$1]}"
}

# bash has background jobs ignore SIGINT.
# shellcheck disable=SC2046,SC2317
cleanup() {
	kill $(jobs -p) 2>/dev/null
	wait
}

kernels=
for kernel in 6.1 6.12; do
	if ! kdir=$("$pinvm" kdir "$kernel" 2>"$TMP/why"); then
		skip "the suite on $kernel" "no kernel $kernel: $(tail -n 1 "$TMP/why")"
		continue
	fi
	kmod-helper/build.sh "$kdir" "$TMP/kmod" >"$TMP/log" 2>&1
	module=$(tail -n 1 "$TMP/log")
	kernels="$kernels $kernel"
	# shellcheck disable=SC2086
	begin "$kernel" "$pinvm" suite --kernel "$kernel" --helper "$module" \
		--results "$TMP/$kernel" $programs
done
# shellcheck disable=SC2086
await $kernels
for kernel in $kernels; do
	check "the suite on $kernel" said "$kernel"
	check_equal "page by page on $kernel" true \
		"$(sed -n 's/^ "helper": \(.*\),/\1/p' "$TMP/$kernel/verdict.json")"
done
if [ -n "${kdir:-}" ]; then
	# With memory that can be unplugged: what must leave it, and what holds it.
	begin offlining "$pinvm" suite --kernel 6.12 --helper "$module" \
		--hotplug 512M --results "$TMP/hotplug" --test longterm_test --test pinned_stays_test
	# pinstress there: pages are looked at, and memory that is unplugged.
	# shellcheck disable=SC2086
	for shim in put leak; do
		check build.${shim}_shim ${CC:-cc} -O2 -shared -fPIC -Iselftests/lib \
			-o "$TMP/${shim}_shim.so" tools/check/${shim}_shim.c -ldl
	done
	matrix=$BUILD/selftests/pin_accounting/matrix_test
	cat >"$TMP/stress.sh" <<EOT
#!/bin/sh
insmod /pin_helper.ko allow_faults=1
cd /tmp
stress() {
	$BUILD/bin/pinstress --consumers helper_pin,uring_buffers,process_vm_readv \
		--memory anon,memfd --jobs 2 --hold 2000 --checkpoint 1s --no-narrow "\$@"
	echo "status \$?"
}
echo sound
stress --duration 6s --chaos exec,offline --json
echo once
LD_PRELOAD=/leak_shim.so PIN_LEAK_ONCE=/once.done $matrix 'helper_pin.anon.*'
echo leak
export LD_PRELOAD=/leak_shim.so PIN_LEAK_FOR_GOOD=1
PIN_LEAK_EVERY=1 $matrix --attribute process_vm_readv.anon.return
echo "status \$?"
PIN_LEAK_EVERY=50 $BUILD/bin/pinstress --consumers process_vm_readv --memory anon --jobs 1 \
	--duration 20s --checkpoint 1s --drain 1s --attribute
echo "status \$?"
echo put
export LD_PRELOAD=/put_shim.so PIN_PUT_EVERY=2
stress --duration 20s
EOT
	chmod +x "$TMP/stress.sh"
	begin stress "$pinvm" run --kernel 6.12 --hotplug 512M --copy "$module:/pin_helper.ko" \
		--copy "$TMP/put_shim.so:/put_shim.so" --copy "$TMP/leak_shim.so:/leak_shim.so" \
		--copy "$BUILD/bin/pinstress" --copy "$BUILD/bin/pintrace" --copy "$matrix" \
		-- "$TMP/stress.sh"
	await offlining stress
	check "long-term pins and offlining" said offlining
	output=$(said stress)
	check_match "pinstress: sound" 'status 0' "$(echo "$output" | sed '/^once/,$d')"
	once=$(echo "$output" | sed '1,/^once/d;/^leak/,$d')
	check_match "a pin too many, once: is said" \
		'# once, then not again: helper_pin.* predicted \+64 acquired .* measured \+65 .*' "$once"
	check_match "a pin too many, once: the account closes" 'ok [0-9]+ account.total' "$once"
	leak=$(echo "$output" | sed '1,/^leak/d;/^put/,$d')
	check_match "a test: who took what leaks" \
		'.*attribute: +ph_take' "${leak%%status*}"
	check_match "pinstress: who took what leaks" \
		'.*attribute: +ph_take' "${leak#*status}"
	check_match "pinstress: pages are looked at" '.*"pages_viewed":[1-9].*' "$output"
	check_match "pinstress: memory is unplugged" '.*"type":"end".*"offline":[1-9].*' "$output"
	check_match "pinstress: a pin dropped as a reference: exit status" 'status 1' "$output"
	check_match "pinstress: a pin dropped as a reference: is named" \
		'#   page view: .* not as booked: helper_pin on .*' "$output"
	begin skip "$pinvm" suite --kernel 6.12 --helper none --results "$TMP/none" --test node_test \
		--test 'counters_test=node*'
	begin soak "$pinvm" soak --kernel 6.12 --duration 40s --results "$TMP/soak" \
		--pinstress '--chaos all --no-narrow'
	await skip soak
	output=$(said skip)
	check_equal "a skip that is not expected: exit status" 1 $?
	check_match "a skip that is not expected: is named" \
		'UNEXPECTED SKIP node_test:.*no /dev/pin_helper.*' "$output"
	check "a pattern that is the name of a program, too" \
		grep -q '^# ok [0-9]* nodes.node0' "$TMP/none/ktap.log"
	check "pinstress: everything and all chaos" said soak
	check "pinstress: its record comes back" "$BUILD/bin/pinreport" --text "$TMP/soak/run"
fi

# Allocations that fail, and CMA: no distribution's kernel has them.
tree=$CACHE/linux/build-6.12
if [ -e "$tree/.config" ] && grep -q '^CONFIG_FAILSLAB=y' "$tree/.config"; then
	begin fail "$pinvm" run --kernel "$tree" --copy "$BUILD/bin/pinstress" -- \
		"$BUILD/bin/pinstress" --chaos fail --duration 8s --checkpoint 2s --jobs 2 \
		--no-narrow --json
	begin cma "$pinvm" suite --kernel "$tree" --helper --append cma=640M \
		--results "$TMP/cma" --test longterm_test
	await fail cma
	output=$(said fail)
	check_equal "pinstress: allocations fail: exit status" 0 $?
	check_match "pinstress: allocations fail" '.*"type":"end".*"chaos":\{"fail":[1-9].*' "$output"
	check "long-term pins leave CMA" said cma
else
	skip "allocations that fail, CMA" "no kernel with them: pinvm build $tree"
fi
done_testing
