#!/usr/bin/env bats
# Random rules and records: nac-decide and a reference evaluator agree.  `make
# property` runs a hundred thousand cases, this is a part of them.

load test_helper

@test "3000 random cases are decided as the reference evaluator does" {
	run -0 "$NAC_ROOT/tests/property-policy" --cases 3000 --seed "${PROPERTY_SEED:-1}"
	assert_has "$output" "ok 1 - 3000 cases"
}

@test "the reference is asked: an answer that differs is found" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/nac-decide" <<-END
		#!/bin/bash
		"$(command -v nac-decide)" "\$@" | sed 's/"action":"deny"/"action":"allow"/'
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/nac-decide"
	PATH="$BATS_TEST_TMPDIR/bin:$PATH" run -1 "$NAC_ROOT/tests/property-policy" --cases 1000 --seed 1
	assert_has "$output" "not ok 1"
}

@test "the reference is asked: an order of the reply that differs is found" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/nac-decide" <<-END
		#!/bin/bash
		"$(command -v nac-decide)" "\$@" | jq -c '.decision.reply |= reverse'
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/nac-decide"
	PATH="$BATS_TEST_TMPDIR/bin:$PATH" run -1 "$NAC_ROOT/tests/property-policy" --cases 1000 --seed 1
	assert_has "$output" "not ok 1"
}
