#!/usr/bin/env bats
# bench/poll with a few clients: each change one CoA, none twice.  No time is judged.

load test_helper

@test "bench/poll asks about every client and sends each change once" {
	command -v nginx >/dev/null || skip "no nginx"
	run -0 env BIN="$(dirname "$(command -v nac-decide)")" "$NAC_ROOT/bench/poll" --clients 300
	assert_has "$output" "300 clients due"
	[[ $output =~ \ ([0-9]+)\ requests\ in\ flight ]]
	[ "${BASH_REMATCH[1]}" -ge 2 ]
	[[ $output =~ memory\ +largest\ ([0-9]+)\ KiB ]]
	[ "${BASH_REMATCH[1]}" -gt 1000 ]
	assert_has "$output" "CoA        3 sent, none twice, none lost"
	run -64 "$NAC_ROOT/bench/poll" --clients 0
}
