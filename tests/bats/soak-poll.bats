#!/usr/bin/env bats
# tests/soak-poll for a few rounds: a poll, a --follow, and logins, each with something
# killed in it.

load test_helper

@test "killed at random, nothing is lost and nobody is told twice" {
	run -0 env ROUNDS=3 BIN="$(dirname "$(command -v nac-decide)")" "$NAC_ROOT/tests/soak-poll"
	assert_has "$output" "ok - 3 rounds"
	assert_has "$output" "everything whole"
	assert_has "$output" "nac-serve 1"
}
