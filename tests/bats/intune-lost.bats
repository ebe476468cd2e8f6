#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Devices that a list lacks, and what becomes of them in the store: nothing, without
# Graph's word about each.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() {
	intune_setup_file --fleet 0 --page-size 25
	for n in $(seq 100 159); do
		emulator_control "add $(jq -nc --arg n "$n" '{id: "bbbbbbbb-0000-4000-8000-000000000\($n)",
			deviceName: "PC-\($n)", complianceState: "compliant", serialNumber: null,
			wiFiMacAddress: "00AA00000\($n)", ethernetMacAddress: "00AA00001\($n)"}')"
	done >/dev/null
}
teardown_file() { emulator_stop; }
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	intune_setup
	conf "state_dir = $BATS_TEST_TMPDIR/state"
	intune-query --all --wired | nac-cache put -q
	emulator_control reset-counts
}

id() { echo "bbbbbbbb-0000-4000-8000-000000000$1"; }
wifi() { echo "00:aa:00:00:0${1:0:1}:${1:1}"; }
wired() { echo "00:aa:00:00:1${1:0:1}:${1:1}"; }

# lose N...: the list lacks them
lose() {
	local n
	for n; do emulator_control fault "missing-device:device=PC-$n"; done
}

# stored KEY...: what the store says of each
stored() { nac-cache get "$@" | jq -r .compliance.state | xargs; }

@test "a list that is short twice is believed to be whole, and still takes nothing away" {
	nac-cache export >before
	# shellcheck disable=SC2046 # words
	lose $(seq 120 159)
	run -75 bash -c 'set -o pipefail; intune-query --all | tee list | nac-cache put -q'
	assert_has "$(tail -1 list)" '"complete":false'
	run -0 bash -c 'set -o pipefail; intune-query --all | tee list | nac-cache put -q'
	assert_has "$(tail -1 list)" '"complete":true,"count":20'
	assert_eq "$(stored "$(id 100)" "$(id 159)" PC-159 "$(wifi 159)" "$(wired 159)")" \
		"compliant compliant compliant compliant compliant"
	nac-cache export >after
	assert_eq "$(wc -l <after)" "$(wc -l <before)"
	assert_eq "$(grep -c unregistered after || :)" 0
	run -0 nac-cache check
}

@test "a MAC whose known device the list lacks: asked for by its id, and still there" {
	lose 130 131
	run -0 --separate-stderr bash -c "set -o pipefail
		nac-cache get $(wifi 130) $(wired 131) | intune-query | tee out | nac-cache put -q"
	assert_eq "$(jq -r '.compliance | "\(.state) \(.matched_by) \(.source) \(.device.name)"' out | tr '\n' ';')" \
		"compliant mac graph PC-130;compliant mac graph PC-131;"
	assert_has "$stderr" "the list of all devices lacks bbbbbbbb-0000-4000-8000-000000000"
	assert_one_line "$stderr"
	assert_eq "$(count get)" 2
	assert_eq "$(stored "$(wifi 130)" "$(wired 131)")" "compliant compliant"
}

@test "a MAC of which nothing is known but that the list lacks it takes nothing from a stored device" {
	lose 130
	run -0 --separate-stderr intune-query "$(wifi 130)" 00:aa:00:00:09:99
	assert_eq "$(jq -c '.compliance | [.state, .asked]' <<<"$output")" \
		'["unregistered",[{"by":"mac","value":"00:aa:00:00:01:30","listed":true}]]
["unregistered",[{"by":"mac","value":"00:aa:00:00:09:99","listed":true}]]'
	nac-cache put -q <<<"$output"
	assert_eq "$(stored "$(wifi 130)" "$(id 130)" PC-130)" "compliant compliant compliant"
	# Nobody's address is: and known as such.
	assert_eq "$(stored 00:aa:00:00:09:99)" unregistered
	# An export, too, says whose word it was.
	nac-cache export >a
	assert_eq "$(jq -c 'select(.compliance.asked) | .compliance.asked' a)" \
		'[{"by":"mac","value":"00:aa:00:00:09:99","listed":true}]'
	run -0 bash -c 'nac-cache -d s2 import -q <a && nac-cache -d s2 export >b && cmp a b'
	run -0 nac-cache check
	# What is not known of this address proves nothing about it.
	rec=$(nac-cache get "$(wifi 131)" | jq -c --arg m "$(wifi 130)" '.identity.mac = $m')
	run -0 intune-query "$rec" '{"identity":{"mac":"'"$(wifi 130)"'"},"compliance":{"device":7}}'
	assert_eq "$(jq -c .compliance.asked[0].listed <<<"$output" | xargs)" "true true"
	nac-cache put -q <<<"$output"
	assert_eq "$(stored "$(wifi 130)")" compliant
}

@test "a device that is gone, by Graph's own word for its id, is unregistered at once" {
	emulator_control remove PC-140
	nac-cache get "$(wifi 140)" | intune-query >out
	assert_eq "$(jq -c '.compliance | [.state, .asked]' out)" \
		'["unregistered",[{"by":"mac","value":"00:aa:00:00:01:40"},{"by":"guid","value":"'"$(id 140)"'"}]]'
	nac-cache put -q <out
	assert_eq "$(stored "$(wifi 140)" "$(id 140)" "$(wired 140)")" "unregistered unregistered unregistered"
	run -0 nac-cache check
}

@test "a device that has another address now keeps all but the old one" {
	emulator_control set PC-141 wiFiMacAddress=00AA00999141
	nac-cache get "$(wifi 141)" | intune-query >out
	assert_eq "$(jq -c '.compliance | [.state, .asked]' out)" \
		'["unregistered",[{"by":"mac","value":"00:aa:00:00:01:41"}]]'
	nac-cache put -q <out
	assert_eq "$(stored "$(wifi 141)" "$(id 141)" "$(wired 141)")" "unregistered compliant compliant"
}

@test "a list whose end is not to be had is no answer, known device or not" {
	emulator_control fault status:on=list,code=500,after=1
	run -75 --separate-stderr bash -c "nac-cache get $(wifi 150) | intune-query --deadline 0"
	assert_eq "$output" ""
	emulator_control clear-faults
	lose 150
	emulator_control fault status:on=get,code=500
	run -75 --separate-stderr bash -c "nac-cache get $(wifi 150) | intune-query --deadline 0"
	assert_eq "$output" ""
}
