#!/usr/bin/env bats
# bench/policy on a few records: both sides answer, and alike.  No rate is judged.

load test_helper

@test "bench/policy compares nac-decide with jq, evaluates, and replays" {
	run -0 env BIN="$(dirname "$(command -v nac-decide)")" "$NAC_ROOT/bench/policy" --count 300 --jq 120
	assert_has "$output" "decide 50 rules: nac-decide "
	assert_has "$output" "without JSON: "
	[[ $output =~ JSON\ alone:\ [0-9.]+\ ns\ to\ scan\ a\ record,\ [0-9.]+\ ns\ to\ write ]]
	[[ ! $output =~ alone:\ 0.0 ]]
	assert_has "$output" "300 decisions, 5 change; 300 clients; CoAs: 5"
	run -64 "$NAC_ROOT/bench/policy" --count 0
}
