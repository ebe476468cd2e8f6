#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# intune-query by a device's serial number, against the emulator.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() {
	intune_setup_file --fleet 0
	for n in $(seq 100 106); do
		emulator_control "add $(jq -nc --arg n "$n" '{id: "bbbbbbbb-0000-4000-8000-000000000\($n)",
			deviceName: "PC-\($n)", wiFiMacAddress: "00AA00000\($n)", serialNumber: null}')"
	done >/dev/null
}
teardown_file() { emulator_stop; }
setup() {
	intune_setup
	conf
}

@test "by serial number: asked by a filter, compared, ambiguous when two have it" {
	emulator_control "set PC-100 serialNumber=\"PF2ABC'01\""
	emulator_control set PC-101 serialNumber=PF9TWIN1 lastSyncDateTime=2026-11-01T00:00:00Z
	emulator_control set PC-102 serialNumber=pf9twin1 lastSyncDateTime=2026-11-02T00:00:00Z
	emulator_control 'set PC-103 serialNumber="Default string"'
	run -0 --separate-stderr intune-query "serial:PF2ABC'01" "SERIAL: pf2abc'01 " \
		'{"identity":{"serial":"77","device_serial":"PF2ABC'"'"'01"},"x":1}'
	assert_eq "$(jq -r '.compliance | "\(.state) \(.matched_by) \(.device.name) \(.asked[0].value)"' <<<"$output" | sort -u)" \
		"compliant serial PC-100 pf2abc'01"
	assert_eq "$stderr" ""
	assert_eq "$(count get) $(count list)" "0 3"
	assert_has "$(emulator_control log)" 'serialNumber'
	run -0 --separate-stderr intune-query serial:PF9TWIN1
	assert_eq "$(json_get "$output" '.compliance | "\(.state) \(.matched_by) \(.device)"')" "ambiguous serial null"
	run -0 --separate-stderr intune-query --newest serial:PF9TWIN1
	assert_eq "$(json_get "$output" .compliance.device.name)" PC-102
	assert_has "$stderr" "2 devices match by serial"
	# The word by itself is a name, and so is one that looks like a serial number.
	run -0 intune-query "PF2ABC'01" serial
	assert_eq "$(jq -r '.compliance | "\(.state) \(.asked[0].by)"' <<<"$output" | sort -u)" "unregistered name"
	# A certificate's serial number is no device's.
	run -65 --separate-stderr intune-query '{"identity":{"serial":"PF9TWIN1"}}'
	assert_eq "$output" ""
	for value in '' $'a\tb'; do run -65 --separate-stderr intune-query "serial:$value"; done
}

@test "a serial number that many devices have matches nothing and is not asked for" {
	for serial in 'Default string' 0 'To Be Filled By O.E.M.' None 'System Serial Number' \
	    'Not Specified' ........ 0123456789; do
		emulator_control "set PC-103 serialNumber=\"$serial\""
		run -0 --separate-stderr intune-query "serial:$serial"
		assert_eq "$(json_get "$output" '.compliance | "\(.state) \(.asked)"')" "unregistered null"
		assert_has "$stderr" "no device's own serial number: not asked"
	done
	assert_eq "$(count list)" 0
	# A record that has more to go by is found by that.
	run -0 --separate-stderr intune-query '{"identity":{"device_serial":"None","mac":"00:aa:00:00:01:03"}}'
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "mac PC-103"
}

@test "a serial number that matches nobody: both ways to write it were asked" {
	run -0 intune-query serial:zz9nobody
	assert_eq "$(json_get "$output" '.compliance | "\(.state) \(.asked)"')" \
		'unregistered [{"by":"serial","value":"zz9nobody"}]'
	assert_eq "$(count list)" 2
	run -0 intune-query serial:ZZ9NOBODY
	assert_eq "$(count list)" 3
}

@test "the match order as nac-decide prints it" {
	rec='{"identity":{"device_serial":"PF9TWIN1","mac":"00:aa:00:00:01:05","name":[{"value":"PC-106"}]}}'
	for n in 101 102; do emulator_control set PC-$n serialNumber=PF9TWIN1; done
	emulator_control set PC-102 lastSyncDateTime=2030-01-02T00:00:00Z
	printf '%s\n' 'match-order serial name' 'ambiguous newest' deny >"$BATS_TEST_TMPDIR/rules"
	run -0 --separate-stderr intune-query -m "$(nac-decide -r "$BATS_TEST_TMPDIR/rules" --print match-order)" "$rec"
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "serial PC-102"
	printf '%s\n' 'match-order mac serial' deny >"$BATS_TEST_TMPDIR/rules"
	run -0 --separate-stderr intune-query -m "$(nac-decide -r "$BATS_TEST_TMPDIR/rules" --print match-order)" "$rec"
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "mac PC-105"
	emulator_control set PC-102 lastSyncDateTime=2026-11-02T00:00:00Z
}
