#!/usr/bin/env bats
# tests/soak-poll for a few rounds: polls, a --follow and logins, each with something
# killed in it, and nac-cache share killed beside a poll.

load test_helper

@test "killed at random, nothing is lost and nobody is told twice" {
	run -0 env ROUNDS=6 BIN="$(dirname "$(command -v nac-decide)")" "$NAC_ROOT/tests/soak-poll"
	assert_has "$output" "ok - 6 rounds"
	assert_has "$output" "everything whole"
	assert_has "$output" "nac-serve 1"
	assert_has "$output" "nac-cache-share 1"
}
