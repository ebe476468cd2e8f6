#!/usr/bin/env bats
# bench/eap with a few logins: each gets its VLAN, by either way.  No rate is judged.

load test_helper

@test "bench/eap: full handshakes by exec and by nac-serve, none wrong, each rate beside that of neither" {
	run -0 env BIN="$(dirname "$(command -v nac-serve)")" "$NAC_ROOT/bench/eap" --count 8 --parallel 2 --rounds 1
	for w in "EAP-TLS, 8 logins" "neither " "radius-hook " "nac-serve "; do
		assert_has "$output" "$w"
	done
	assert_eq "$(grep -cE '^(radius-hook|nac-serve) +[0-9]+ a second, ratio [0-9.]+$' <<<"$output")" 2
	run -64 "$NAC_ROOT/bench/eap" --count 0
}
