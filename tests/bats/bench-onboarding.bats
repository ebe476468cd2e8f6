#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# The onboarding loop, as bench/onboarding runs it: each device gets its CoA.

load test_helper

@test "bench/onboarding: from the first Access-Accept to the CoA, with FreeRADIUS and the emulator" {
	run -0 --separate-stderr "$NAC_ROOT/bench/onboarding" --count 3
	assert_eq "$stderr" ""
	assert_eq "$(grep -c ' ms median' <<<"$output")" 4
	assert_has "$output" "(3 devices)"
}
