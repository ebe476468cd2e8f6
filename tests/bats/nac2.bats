#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# intune-query and NAC 2.0 against the emulator: discovery, one device, the list and
# its window, answers that are not to be believed.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() { intune_setup_file --fleet 12; }
teardown_file() { emulator_stop; }
setup() {
	intune_setup
	emulator_control 'move amsua0101'
	emulator_control 'window new'
	emulator_control 'window retry-after no'
	emulator_control 'nac2-page-size 100'
}

# field NAME N: a column of the emulator's list of device N
field() { emulator_control list | awk -F '\t' -v n="$2" -v c="$1" '$3 == sprintf("LAPTOP-%04d", n) { print $c; exit }'; }
id_of() { field 1 "$1"; }
mac_of() { field 4 "$1"; }

# state: of the one record that was printed
state() { jq -r '.compliance | .state + " " + .source' <<<"$output"; }

# age SUFFIX SECONDS: makes a file that all processes share look older
age() {
	jq -c --argjson s "$2" 'map_values(if type == "number" and . > 1000000 then . - $s else . end)' \
		"$(token_file "$1")" >"$BATS_TEST_TMPDIR/aged"
	cat "$BATS_TEST_TMPDIR/aged" >"$(token_file "$1")"
}

@test "a device by Intune id and by MAC, wired or not, as far as NAC 2.0 knows it" {
	id=$(id_of 2)
	run -0 --separate-stderr intune-query --source nac2 "$id" "$(mac_of 2)" "$(field 5 2)" "$(id_of 1)"
	assert_eq "$stderr" ""
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" \
		"noncompliant noncompliant noncompliant compliant "
	assert_eq "$(jq -r .compliance.source <<<"$output" | sort -u)" nac2
	assert_eq "$(jq -r .compliance.device.id <<<"$output" | sort | uniq -c | sort -n | awk '{print $1}' | tr '\n' ' ')" "1 3 "
	head -1 <<<"$output" | jq -e --arg id "$id" '.compliance | .managed and .matched_by == "guid" and
		.id_space == "intune" and .device == {id: $id} and .asked == [{by: "guid", value: $id}]'
	sed -n 2p <<<"$output" | jq -e '.compliance | .matched_by == "mac" and .device.wifi_mac == .asked[0].value'
	assert_eq "$(count nac2) $(count get) $(count list) $(count discovery) $(count token)" "4 0 0 1 2"
}

@test "what NAC 2.0 does not know is unregistered; what it cannot be asked is no answer" {
	run -0 --separate-stderr intune-query -s nac2 "$(field 2 1)"
	assert_eq "$(state)" "unregistered nac2"
	run -0 --separate-stderr intune-query -s nac2 0c0000000001
	assert_eq "$(state)" "unregistered nac2"
	run -0 --separate-stderr intune-query -s nac2 020000000001
	assert_eq "$(state)" "unregistered nac2"
	assert_eq "$(count nac2)" 2
	run -65 --separate-stderr intune-query -s nac2 LAPTOP-0001
	assert_eq "$output" ""
	assert_has "$stderr" "LAPTOP-0001: NAC 2.0 takes no names"
	run -65 --separate-stderr intune-query -s nac2 serial:PF2ABC01
	assert_has "$stderr" "serial:PF2ABC01: NAC 2.0 takes no names or serial numbers"
	assert_eq "$(count nac2)" 2
}

@test "every form of the XML says the same" {
	for form in cisco prefix indent declaration cisco+indent+declaration prefix+indent; do
		emulator_control clear-faults
		emulator_control "fault xml:form=$form"
		run -0 --separate-stderr intune-query -s nac2 "$(id_of 2)" "$(mac_of 1)"
		assert_eq "$form $(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "$form noncompliant compliant "
	done
}

@test "every form of an unknown device is unregistered" {
	for form in empty pair nolist unregistered; do
		emulator_control clear-faults
		emulator_control "fault unknown:form=$form"
		run -0 --separate-stderr intune-query -s nac2 4f4f4f4f-1111-4222-8333-444444444444 0c0000000001
		assert_eq "$form $(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "$form unregistered unregistered "
	done
}

@test "an answer that is not about what was asked is none" {
	for fault in wrong-device wrong-device:count=3 leave-out:what=guid leave-out:what=status \
		leave-out:what=register_status; do
		emulator_control clear-faults
		emulator_control "fault $fault"
		run -75 --separate-stderr intune-query -s nac2 "$(id_of 2)"
		assert_eq "$fault $output" "$fault "
		assert_one_line "$stderr"
	done
	for fault in wrong-device wrong-device:count=3 leave-out:what=status; do
		emulator_control clear-faults
		emulator_control "fault $fault"
		run -75 --separate-stderr intune-query -s nac2 "$(mac_of 2)"
		assert_eq "$fault $output" "$fault "
	done
}

@test "an answer to a MAC without one is believed once an invented MAC finds nobody" {
	emulator_control fault leave-out:what=macaddresses
	run -0 --separate-stderr intune-query -s nac2 "$(mac_of 2)" "$(mac_of 1)"
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "noncompliant compliant "
	assert_eq "$(count nac2)" 3
	# a service that does not look at the address
	emulator_control fault wrong-device
	run -75 --separate-stderr intune-query -s nac2 "$(mac_of 2)"
	assert_eq "$output" ""
	assert_has "$stderr" "names a device for any MAC address"
}

@test "a MAC that two devices have is ambiguous" {
	emulator_control "set $(id_of 5) ethernetMacAddress=$(mac_of 2)"
	run -0 --separate-stderr intune-query -s nac2 --newest "$(mac_of 2)"
	assert_eq "$(state)" "ambiguous nac2"
	run -0 --separate-stderr intune-query -s auto "$(mac_of 2)"
	assert_eq "$(state)" "ambiguous nac2"
	emulator_control "set $(id_of 5) ethernetMacAddress=null"
}

@test "broken, cut, foreign and hostile answers are never an answer" {
	for fault in truncate:on=nac2 html:on=nac2 garbage:on=nac2 empty:on=nac2 xml:form=doctype \
		huge:on=nac2,mb=6; do
		emulator_control clear-faults
		emulator_control "fault $fault"
		run -75 --separate-stderr intune-query -s nac2 --deadline 1s "$(id_of 2)" || { echo "$fault"; false; }
		assert_eq "$fault $output" "$fault "
		refute_has "$stderr" 'html>'
	done
	# what breaks on the way is tried again
	emulator_control clear-faults
	emulator_control fault cut:on=nac2,times=1
	emulator_control fault drop:on=nac2,times=1,after=1
	run -0 --separate-stderr intune-query -s nac2 "$(id_of 2)"
	assert_eq "$(state)" "noncompliant nac2"
}

@test "a busy service is given the time it asks for" {
	emulator_control fault busy:seconds=1,times=1
	run -0 --separate-stderr intune-query -s nac2 "$(id_of 2)"
	assert_eq "$(state) $(count nac2)" "noncompliant nac2 2"
	emulator_control fault busy:seconds=3600
	run -75 --separate-stderr intune-query -s nac2 -j 1 "$(id_of 2)" "$(id_of 1)"
	assert_eq "$output $(count nac2)" " 3"
	assert_has "$stderr" "asked again in 3600 s"
	emulator_control clear-faults
	# the next process, by whatever name it calls the tenant, keeps to that, too
	for tenant in "$EMU_TENANT" example.onmicrosoft.com Example.OnMicrosoft.com; do
		conf_set tenant "$tenant"
		run -75 --separate-stderr intune-query -s nac2 "$(id_of 1)"
		assert_has "$stderr" "left alone for"
	done
	assert_eq "$(count nac2)" 3
	rm "$TOKENS"/*.budget
	emulator_control fault status:code=429,retry_after=1,times=1,on=nac2
	run -0 --separate-stderr intune-query -s nac2 "$(id_of 2)"
	assert_eq "$(count early)" 0
}

@test "Intune's token has a file of its own, is renewed at a 401, and needs its role" {
	run -0 intune-query -s nac2 "$(id_of 2)"
	assert_eq "$(jq -r .scope "$TOKENS"/*.token | sort | tr '\n' ' ')" \
		"https://$EMU_HOST/.default https://api.manage.microsoft.com//.default "
	emulator_control expire-tokens
	run -0 --separate-stderr intune-query -s nac2 "$(id_of 2)"
	assert_eq "$(count token) $(count unauthorized)" "3 1"
	rm -rf "$TOKENS"
	emulator_control fault no-roles:after=1
	run -77 --separate-stderr intune-query -s nac2 -j 1 "$(id_of 2)" "$(id_of 1)"
	assert_has "$stderr" get_device_compliance
	# the second record does not knock again
	assert_eq "$(count nac2)" 4
}

@test "the address is discovered once, for 20 processes at the same time, and kept" {
	id=$(id_of 2)
	for i in $(seq 20); do
		intune-query -s nac2 "$id" >"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
	done
	wait
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/err.*)" ""
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | jq -r .compliance.state | sort | uniq -c | xargs)" "20 noncompliant"
	assert_eq "$(count discovery) $(count token) $(count nac2)" "1 2 20"
	assert_eq "$(stat -c %a "$(token_file endpoint)")" 600
	# after hours it is asked for again
	age endpoint 21500
	run -0 intune-query -s nac2 "$id"
	assert_eq "$(count discovery)" 1
	age endpoint 120
	run -0 intune-query -s nac2 "$id"
	assert_eq "$(count discovery)" 2
}

@test "discovery: second page, two of one name, none, not permitted" {
	id=$(id_of 2)
	emulator_control fault endpoint-nextlink
	run -0 --separate-stderr intune-query -s nac2 "$id"
	assert_eq "$stderr $(count discovery)" " 2"
	rm "$TOKENS"/*.endpoint
	emulator_control fault endpoint-duplicate
	run -0 --separate-stderr intune-query -s nac2 "$id"
	assert_has "$stderr" "2 endpoints are called ComplianceRetrievalService: taking the first one allowed, $EMU_URL/amsua0101/"
	assert_eq "$(state)" "noncompliant nac2"
	rm "$TOKENS"/*.endpoint
	emulator_control clear-faults
	emulator_control fault endpoint-missing
	run -78 --separate-stderr intune-query -s nac2 "$id"
	assert_has "$stderr" "do not name a ComplianceRetrievalService"
	emulator_control clear-faults
	emulator_control expire-tokens
	rm -f "$TOKENS"/*.token
	emulator_control fault no-roles
	run -77 --separate-stderr intune-query -s nac2 "$id"
	assert_has "$stderr" Authorization_RequestDenied
	assert_has "$stderr" ServicePrincipalEndpoint.Read.All
	refute_has "$stderr" DeviceManagement
	assert_eq "$(count nac2)" 2
}

@test "a discovery that failed is not tried again by each record" {
	emulator_control fault status:code=403,on=discovery
	seq -f 'cccccccc-0000-4000-8000-%012g' 6 >"$BATS_TEST_TMPDIR/in"
	run -77 --separate-stderr intune-query -s nac2 <"$BATS_TEST_TMPDIR/in"
	assert_eq "$output $(count discovery)" " 1"
	assert_eq "$(grep -c 'discovery of the Compliance Retrieval' <<<"$stderr")" 5
}

@test "no token goes to a host that is not allowed, whatever Graph says or the file" {
	id=$(id_of 2)
	for uri in "http://$EMU_HOST/x" "https://localhost:$EMU_PORT/x" "https://$EMU_HOST@localhost/x" \
		"https://fef.manage.microsoft.com.evil.example/x" "file:///etc/passwd"; do
		emulator_control clear-faults
		emulator_control "fault endpoint-uri:uri=$uri"
		run -78 --separate-stderr intune-query -s nac2 "$id"
		assert_has "$stderr" "$uri"
		assert_has "$stderr" intune_hosts
	done
	assert_eq "$(count nac2) $(count token)" "0 1"
	# by default only Microsoft's own
	emulator_control clear-faults
	conf_set intune_hosts ""
	run -78 --separate-stderr intune-query -s nac2 "$id"
	assert_has "$stderr" "(.manage.microsoft.com)"
	# nor to one that somebody has written into the file
	conf_set intune_hosts "$EMU_HOST"
	run -0 intune-query -s nac2 "$id"
	n=$(count discovery)
	sed -i "s/$EMU_HOST\/amsua/localhost:$EMU_PORT\/amsua/" "$(token_file endpoint)"
	run -0 --separate-stderr intune-query -s nac2 "$id"
	assert_eq "$(count discovery)" $((n + 1))
}

@test "a tenant that was moved is found again: 404, 5xx, no such host" {
	id=$(id_of 2)
	conf_set intune_hosts "$EMU_HOST .invalid"
	run -0 intune-query -s nac2 "$id"
	for old in 404 500 503; do
		age endpoint 60
		n=$(count discovery)
		emulator_control "move unit$old $old"
		run -0 --separate-stderr intune-query -s nac2 "$id"
		assert_eq "$old $(state)" "$old noncompliant nac2"
		assert_eq "$(count discovery)" $((n + 1))
	done
	age endpoint 60
	emulator_control 'move unit9 gone.invalid'
	emulator_control 'move unit9 404'
	sed -i "s,https://$EMU_HOST/,https://gone.invalid/," "$(token_file endpoint)"
	run -0 --separate-stderr intune-query -s nac2 "$id"
	assert_eq "$(state)" "noncompliant nac2"
}

@test "a service that is gone is looked for once, and that it is gone is no answer" {
	id=$(id_of 2)
	run -0 intune-query -s nac2 "$id"
	age endpoint 60
	emulator_control fault status:code=404,on=nac2
	run -69 --separate-stderr intune-query -s nac2 "$id"
	assert_eq "$output $(count discovery) $(count nac2)" " 2 3"
	# the next process, a moment later, does not ask Graph again
	run -69 --separate-stderr intune-query -s nac2 "$id"
	assert_eq "$output $(count discovery) $(count nac2)" " 2 4"
	emulator_control fault status:code=503,on=nac2
	run -69 --separate-stderr intune-query -s nac2 --deadline 1s "$id"
	assert_eq "$output" ""
}

@test "auto: NAC 2.0 finds the MAC, Graph says the rest, nobody lists the tenant" {
	run -0 --separate-stderr intune-query -s auto "$(mac_of 3)" "$(field 5 3)" "$(id_of 3)" LAPTOP-0003
	assert_eq "$(jq -r '.compliance | .state + "/" + .source + "/" + .device.name' <<<"$output" | sort | uniq -c | xargs)" \
		"4 grace/graph/LAPTOP-0003"
	assert_eq "$(count list) $(count batch) $(count nac2)" "1 0 2"
	run -0 --separate-stderr intune-query -s auto 0c0000000001
	assert_eq "$(state)" "unregistered nac2"
	assert_eq "$(count list)" 1
	# an answer without a guid is NAC 2.0's own
	emulator_control fault leave-out:what=guid
	run -0 --separate-stderr intune-query -s auto "$(mac_of 3)"
	assert_eq "$(state)" "compliant nac2"
}

@test "auto: a device is filed also by an address that Graph does not show" {
	id=cccccccc-0000-4000-8000-000000000001
	emulator_control "add {\"id\": \"$id\", \"deviceName\": \"DOCKED\", \"complianceState\": \"compliant\",
		\"wiFiMacAddress\": \"00AA00CC0001\", \"ethernetMacAddress\": \"00AA00CC0002\",
		\"otherMacAddresses\": [\"00AA00CC0003\", \"00AA00CC0004\"]}"
	cache=$BATS_TEST_TMPDIR/store
	intune-query -s auto 00aa00cc0003 | nac-cache -d "$cache" put
	intune-query -s auto 00aa00cc0004 | nac-cache -d "$cache" put
	for mac in 1 2 3 4; do
		run -0 nac-cache -d "$cache" get 00aa00cc000$mac
		assert_eq "$mac $(jq -r '.compliance | .state + " " + .matched_by + " " + .device.name' <<<"$output")" \
			"$mac compliant mac DOCKED"
	done
	# what is known of the device since is said by each of its addresses
	emulator_control "set $id complianceState=noncompliant"
	sleep 1		# of two answers of one second neither is the later one
	intune-query "$id" | nac-cache -d "$cache" put
	run -0 nac-cache -d "$cache" get 00aa00cc0003
	assert_eq "$(jq -r .compliance.state <<<"$output")" noncompliant
	# an export keeps it
	nac-cache -d "$cache" export | nac-cache -d "$cache.2" import
	run -0 nac-cache -d "$cache.2" get 00aa00cc0003
	assert_eq "$(jq -r .compliance.state <<<"$output")" noncompliant
	run -0 nac-cache -d "$cache" check
	# and NAC 2.0 can take it away
	emulator_control "set $id otherMacAddresses=[]"
	intune-query -s auto 00aa00cc0003 | nac-cache -d "$cache" put
	run -0 nac-cache -d "$cache" get 00aa00cc0003
	assert_eq "$(jq -r .compliance.state <<<"$output")" unregistered
	run -0 nac-cache -d "$cache" get 00aa00cc0002
	assert_eq "$(jq -r .compliance.state <<<"$output")" noncompliant
	emulator_control "remove $id"
}

@test "auto: an address that NAC 2.0 lacks does not refute what Graph says of a device" {
	cache=$BATS_TEST_TMPDIR/store
	wired=$(field 5 3)
	intune-query "$(id_of 3)" | nac-cache -d "$cache" put
	emulator_control fault wired-unknown
	run -0 --separate-stderr intune-query -s auto "$wired"
	jq -e '.compliance | .state == "unregistered" and .asked[0].listed' <<<"$output"
	nac-cache -d "$cache" put <<<"$output"
	run -0 nac-cache -d "$cache" get "$wired"
	assert_eq "$(jq -r .compliance.state <<<"$output")" grace
	# who is known to have had it is asked for by its id
	run -0 --separate-stderr intune-query -s auto <<<"$output"
	assert_eq "$(state)" "grace graph"
	assert_has "$stderr" "NAC 2.0 does not know the address of $(id_of 3)"
	nac-cache -d "$cache" get "$wired" >"$BATS_TEST_TMPDIR/rec"
	emulator_control "set $(id_of 3) ethernetMacAddress=00AA00CC0009"
	run -0 --separate-stderr intune-query -s auto <"$BATS_TEST_TMPDIR/rec"
	jq -e '.compliance | .state == "unregistered" and (.asked[0].listed | not)' <<<"$output"
	emulator_control "set $(id_of 3) ethernetMacAddress=${wired//:/}"
}

@test "NAC 2.0 alone: an address that it lacks takes nothing from a device that it knows by its id" {
	id=$(id_of 3) mac=$(field 5 3)
	export NAC_CACHE_DIR=$BATS_TEST_TMPDIR/store
	intune-query "$id" | nac-cache put -q
	nac-cache get "$mac" >"$BATS_TEST_TMPDIR/known"
	emulator_control fault wired-unknown
	run -0 --separate-stderr intune-query -s nac2 "$mac"
	assert_eq "$(jq -c '.compliance | [.state, .source, .asked[0].listed]' <<<"$output")" '["unregistered","nac2",true]'
	nac-cache put -q <<<"$output"
	assert_eq "$(nac-cache get "$mac" | jq -r .compliance.state)" grace
	emulator_control reset-counts
	run -0 --separate-stderr intune-query -s nac2 <"$BATS_TEST_TMPDIR/known"
	assert_has "$stderr" "NAC 2.0 does not know the address of $id"
	assert_eq "$(state) $(count get) $(count list)" "compliant nac2 0 0"
	# Gone is gone, by its word for the id.
	jq -c '.compliance.device.id = "dddddddd-0000-4000-8000-00000000000d"' "$BATS_TEST_TMPDIR/known" >"$BATS_TEST_TMPDIR/gone"
	run -0 --separate-stderr intune-query -s nac2 <"$BATS_TEST_TMPDIR/gone"
	assert_eq "$(jq -c '.compliance | [.state, [.asked[] | .by], .asked[0].listed]' <<<"$output")" \
		'["unregistered",["mac","guid"],null]'
}

@test "auto: when NAC 2.0 cannot be used the tenant is listed, and that is said once" {
	emulator_control fault endpoint-missing
	run -0 --separate-stderr intune-query -s auto -j 1 "$(mac_of 3)" "$(mac_of 2)"
	assert_eq "$(jq -r '.compliance | .state + "/" + .source' <<<"$output" | tr '\n' ' ')" "grace/graph noncompliant/graph "
	assert_one_line "$stderr"
	assert_has "$stderr" "listing the tenant instead"
	assert_eq "$(count discovery) $(count list)" "1 1"
}

@test "auto: after fifty addresses a list is cheaper" {
	for i in $(seq 55); do printf '0c00000000%02x\n' "$i"; done >"$BATS_TEST_TMPDIR/macs"
	run -0 --separate-stderr intune-query -s auto <"$BATS_TEST_TMPDIR/macs"
	assert_eq "$(jq -r '.compliance.source' <<<"$output" | sort | uniq -c | xargs)" "5 graph 50 nac2"
	assert_eq "$(count nac2) $(count list)" "50 1"
}

@test "nac.conf names the source, the option goes before it" {
	conf_set source nac2
	run -0 intune-query "$(id_of 3)"
	assert_eq "$(state)" "compliant nac2"
	run -0 intune-query --source graph "$(id_of 3)"
	assert_eq "$(state)" "grace graph"
	conf_set source nac3
	run -78 --separate-stderr intune-query "$(id_of 3)"
	conf_set source ""
	run -64 --separate-stderr intune-query --source nac3 x
	assert_has "$stderr" 'nac3'
	run -64 --separate-stderr intune-query --all --noncompliant
	run -64 --separate-stderr intune-query --noncompliant x
	run -64 --separate-stderr intune-query --all --source nac2
}

@test "mdminfo: where a user is helped" {
	run -0 --separate-stderr intune-query --mdminfo
	jq -e '.redirect_url == "https://portal.manage.microsoft.com/networkaccesscontrol/index" and
		.api_version == 3 and .query_max_size == 100 and .vendor == "Microsoft" and .messaging_support == false' <<<"$output"
	emulator_control fault html:on=nac2-info
	run -75 --separate-stderr intune-query --mdminfo
	assert_eq "$output" ""
}

@test "the list: its last record says that it is whole, and passes through" {
	run -0 --separate-stderr intune-query --noncompliant
	jq -e --argjson n "$(($(wc -l <<<"$output") - 1))" '.list | .complete and .of == "noncompliant" and
		.count == $n and .began <= .ended' < <(tail -1 <<<"$output")
	run -0 --separate-stderr nac-cache -d "$BATS_TEST_TMPDIR/store" put <<<"$output"
	assert_has "$output" '{"list":'
	emulator_control fault loop-paging
	run -75 --separate-stderr intune-query --noncompliant
	refute_has "$output" '"complete"'
}

@test "the list: page by page, whole or not at all" {
	want=$(emulator_control list | awk -F '\t' '$6 != "compliant" && $6 != "inGracePeriod" { print $1 }' | sort)
	emulator_control nac2-page-size 2
	run -0 --separate-stderr intune-query --noncompliant
	assert_eq "$stderr" ""
	assert_eq "$(jq -r ".compliance.device.id // empty" <<<"$output")" "$want"
	[ "$(count nac2-list)" -eq $((($(wc -l <<<"$want") + 1) / 2)) ]
	jq -se 'all(.[].compliance | select(. != null); .state == "noncompliant" and .managed and .source == "nac2" and
		.matched_by == "guid" and .asked[0].value == .device.id)' <<<"$output"
	for fault in loop-paging compliant-in-list status:code=404,after=1 html:after=1 truncate:after=1; do
		emulator_control clear-faults
		case $fault in *:*) fault=$fault,on=nac2-list ;; esac
		emulator_control "fault $fault"
		run --separate-stderr intune-query --noncompliant --deadline 1s
		assert_eq "$fault $output" "$fault "
		[ "$status" -eq 75 ] || [ "$status" -eq 69 ]
	done
	assert_eq "$(count nac2-503)" 0
}

@test "the window: an hour, then nobody calls into the 503, then the next one" {
	run -0 intune-query --window
	assert_eq "$output" '{"window":"new"}'
	for i in 1 2 3; do run -0 intune-query --noncompliant; done
	assert_eq "$(count nac2-list)" 3
	run -0 intune-query --window
	jq -e '.window == "open" and .seconds > 3400 and .seconds <= 3480' <<<"$output"
	age window 3600
	emulator_control window advance 3600
	run -0 intune-query --window
	jq -e '.window == "closed" and .seconds > 10800 and .seconds < 10980' <<<"$output"
	for i in $(seq 10); do
		intune-query --noncompliant >"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
		pids[i]=$!
	done
	for i in $(seq 10); do
		rc=0
		wait "${pids[i]}" || rc=$?
		assert_eq "$rc $(cat "$BATS_TEST_TMPDIR/out.$i")" "75 "
		assert_has "$(cat "$BATS_TEST_TMPDIR/err.$i")" "closed until $(jq -r .until <<<"$output")"
	done
	assert_eq "$(count nac2-list) $(count nac2-503)" "3 0"
	# one device is always answered
	run -0 intune-query -s nac2 "$(id_of 2)"
	age window 10980
	emulator_control window advance 10980
	run -0 --separate-stderr intune-query --noncompliant
	assert_eq "$(count nac2-list) $(count nac2-503)" "4 0"
	run -0 intune-query --window
	assert_eq "$(jq -r .window <<<"$output")" open
}

@test "a window that somebody else has opened: its 503 is met once, and remembered" {
	for after in no yes; do
		rm -f "$TOKENS"/*.window
		emulator_control reset-counts
		emulator_control window new
		emulator_control "window retry-after $after"
		run -0 intune-query --noncompliant
		rm "$TOKENS"/*.window
		emulator_control window advance 14000
		run -75 --separate-stderr intune-query --noncompliant
		assert_eq "$output" ""
		assert_has "$stderr" "closed until"
		run -75 --separate-stderr intune-query --noncompliant
		assert_eq "$(count nac2-list) $(count nac2-503) $(count early) $(count discovery)" \
			"2 1 0 $([ $after = no ] && echo 1 || echo 0)"
		run -0 intune-query --window
		case $after in
		no) jq -e '.window == "closed" and .seconds > 10800 and .seconds <= 10920' <<<"$output" ;;
		yes) jq -e '.window == "closed" and .seconds > 380 and .seconds <= 401' <<<"$output" ;;
		esac
	done
}

@test "a passing 503 leaves the window as it was, and delays the list for as long as it says" {
	run -0 intune-query --noncompliant
	age window 2400
	emulator_control window advance 2400
	emulator_control fault status:code=503,retry_after=60,times=1,on=nac2-list
	run -75 --separate-stderr intune-query --noncompliant
	run -0 intune-query --window
	jq -e '.window == "closed" and .seconds > 50 and .seconds <= 61' <<<"$output"
	age window 61
	emulator_control window advance 61
	run -0 --separate-stderr intune-query --noncompliant
	# and behind the hour that began with the first call nobody asks
	age window 1200
	emulator_control window advance 1200
	run -75 --separate-stderr intune-query --noncompliant
	assert_has "$stderr" "closed until"
	assert_eq "$(count nac2-list) $(count nac2-503)" "3 0"
}

@test "a 503 to the first call may have opened nothing: then the four hours are the second's" {
	emulator_control fault status:code=503,retry_after=600,times=1,on=nac2-list
	run -75 --separate-stderr intune-query --noncompliant
	age window 601
	run -0 --separate-stderr intune-query --noncompliant
	run -0 intune-query --window
	jq -e '.window == "open" and .seconds < 2900' <<<"$output"
	age window 3000
	emulator_control window advance 3000
	run -75 --separate-stderr intune-query --noncompliant
	age window 10801
	emulator_control window advance 10801
	run -75 --separate-stderr intune-query --noncompliant
	assert_eq "$(count nac2-list) $(count nac2-503)" "2 0"
}

@test "a call that never reached the service opens no window; one that may have does" {
	run -0 intune-query -s nac2 "$(id_of 2)"
	emulator_control fault status:code=403,on=nac2-list
	run -77 --separate-stderr intune-query --noncompliant
	run -0 intune-query --window
	assert_eq "$output" '{"window":"new"}'
	emulator_control clear-faults
	emulator_control fault cut:on=nac2-list
	run -75 --separate-stderr intune-query --noncompliant --deadline 1s
	run -0 intune-query --window
	assert_eq "$(jq -r .window <<<"$output")" open
}

# digest WORD...: the name of a shared file
digest() {
	python3 -c 'import sys
h = 0xcbf29ce484222325
for b in b"".join(w.encode() + b"\0" for w in sys.argv[1:]):
    h = (h ^ b) * 0x100000001b3 & (1 << 64) - 1
print("%016x" % h)' "$@"
}

@test "one tenant has one window, by whatever name it is called" {
	run -0 --separate-stderr intune-query --noncompliant
	conf_set tenant Example.OnMicrosoft.com
	run -0 --separate-stderr intune-query --window
	assert_eq "$output" '{"window":"new"}'
	run -0 --separate-stderr intune-query --noncompliant
	assert_eq "$stderr" ""
	for tenant in example.onmicrosoft.com "$EMU_TENANT" "${EMU_TENANT^^}"; do
		conf_set tenant "$tenant"
		run -0 --separate-stderr intune-query --window
		assert_eq "$(jq -r .window <<<"$output")" open
	done
	assert_eq "$(jq .calls "$(token_file window)")" 2
	# A file of an earlier version, under the name as it was written, goes on.
	for written in example.onmicrosoft.com "${EMU_TENANT^^}"; do
		rm -f "$TOKENS"/*.tenant
		conf_set tenant "$written"
		mv "$(token_file window)" "$TOKENS/$(digest "$EMU_HOST" "$written").window"
		run -0 --separate-stderr intune-query --noncompliant
		conf_set tenant "$EMU_TENANT"
		run -0 --separate-stderr intune-query --window
		assert_eq "$(jq -r .window <<<"$output")" open
		token_file window
	done
	assert_eq "$(jq .calls "$(token_file window)")" 4
	# What says whose name it is cannot be believed: then it is filed by the name.
	conf_set tenant example.onmicrosoft.com
	run -0 intune-query --noncompliant
	echo '{"id":"x"}' >"$(token_file tenant)"
	run -0 --separate-stderr intune-query --window
	assert_eq "$output" '{"window":"new"}'
}

@test "a window file that cannot be believed closes the list; without one it is not asked for" {
	run -0 intune-query --noncompliant
	for text in '' '{' '[]' '{"first":"x"}' '{"first":9999999999,"last":9999999999,"calls":1,"until":0}' \
		'{"first":0,"last":0,"calls":0,"until":9999999999}' '{"first":5,"last":1,"calls":1,"until":0}'; do
		printf %s "$text" >"$(token_file window)"
		run -75 --separate-stderr intune-query --noncompliant
		assert_eq "$text $output" "$text "
		# and it is a date, not for ever
		first=$(grep -o 'until [^:]*:[^:]*:..Z' <<<"$stderr")
		run -75 --separate-stderr intune-query --noncompliant
		assert_eq "$(grep -o 'until [^:]*:[^:]*:..Z' <<<"$stderr")" "$first"
	done
	assert_eq "$(count nac2-list)" 1
	rm "$(token_file window)"
	chmod 777 "$TOKENS"
	run -77 --separate-stderr intune-query --noncompliant
	assert_has "$stderr" "others may not write it"
	assert_eq "$(count nac2-list)" 1
}

@test "an answer of NAC 2.0 that is filed leaves the device the facts that Graph gave" {
	conf_set state_dir "$BATS_TEST_TMPDIR/state"
	mkdir "$BATS_TEST_TMPDIR/state"
	intune-query LAPTOP-0003 "$(id_of 2)" | nac-cache put
	run -0 nac-cache get LAPTOP-0003
	assert_eq "$(jq -r .compliance.state <<<"$output")" grace
	# the wired address of one, the id of the other
	intune-query -s nac2 "$(field 5 3)" "$(id_of 2)" | nac-cache put
	for key in LAPTOP-0003 "$(mac_of 3)" "$(field 5 3)" "$(id_of 3)" "$(field 2 3)"; do
		run -0 nac-cache get "$key"
		jq -e --arg id "$(id_of 3)" '.compliance | .state == "compliant" and
			.device.id == $id and .device.name == "LAPTOP-0003"' <<<"$output"
	done
	jq -e --arg w "$(mac_of 3)" --arg e "$(field 5 3)" '.compliance.device |
		(.wifi_mac | gsub(":"; "") | ascii_upcase) == $w and
		(.ethernet_mac | gsub(":"; "") | ascii_upcase) == $e' <<<"$output"
	intune-query --noncompliant | nac-cache put
	run -0 nac-cache get LAPTOP-0002
	assert_eq "$(jq -r '.compliance | .state + " " + .device.name' <<<"$output")" "noncompliant LAPTOP-0002"
}

@test "killed at any moment, the files of the window and of the address stay whole" {
	intune-query --noncompliant >/dev/null
	n=$(count nac2-503)
	for i in $(seq 40); do
		[ $((i % 4)) -ne 0 ] || age endpoint 30000
		intune-query --noncompliant >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.0$((RANDOM % 60 + 10))"
		kill -9 $pid 2>/dev/null || :
		wait $pid 2>/dev/null || :
		jq -e '.first > 0 and .calls > 0' "$(token_file window)" >/dev/null
		jq -e '.asked > 0' "$(token_file endpoint)" >/dev/null
	done
	run -0 --separate-stderr intune-query --noncompliant
	assert_eq "$stderr $(count nac2-503)" " $n"
}

# service PATH-AND-QUERY [curl option...]: the status, with Intune's token
service() {
	local url="$EMU_URL/amsua0101/TrafficGateway/TrafficRoutingService/ResourceAccess/ComplianceRetrievalService$1"
	shift
	curl -s --cacert "$EMU_CA" -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}\n' \
		-H "Authorization: Bearer $token" -H "Accept: ${accept-application/xml}" "$@" "$url"
}

@test "the emulator insists on the request that Intune wants" {
	token=$(intune-token --scope https://api.manage.microsoft.com//.default)
	id=$(id_of 2)
	good="/cisco/devices/?paging=0&querycriteria=guid&value=$id&filter=all"
	assert_eq "$(service "$good")" 200
	assert_has "$(cat "$BATS_TEST_TMPDIR/body")" "<Attributes><guid>$id</guid><register_status>true</register_status><Compliance><status>false</status>"
	assert_eq "$(service "${good/devices\//devices}")" 404
	assert_eq "$(service "$good&filter=all")" 400
	assert_eq "$(service "${good%&filter=all}")" 400
	assert_eq "$(service "${good/paging=0/paging=1}")" 400
	assert_eq "$(service "${good/criteria=guid/criteria=imei}")" 400
	mac="/cisco/devices/?paging=0&querycriteria=macaddress&filter=all&value="
	assert_eq "$(service "$mac$(mac_of 2)")" 200
	assert_has "$(cat "$BATS_TEST_TMPDIR/body")" "<macaddresses>$(mac_of 2),$(field 5 2)</macaddresses>"
	assert_eq "$(service "$mac$(mac_of 2 | tr A-F a-f | sed 's/../&:/g')")" 400
	assert_eq "$(accept=application/json service "$good")" 406
	assert_eq "$(service "$good" -d x)" 405
	assert_eq "$(service '/ciscoise/mdminfo/?ise_api_version=3')" 200
	assert_eq "$(service '/ciscoise/mdminfo/?ise_api_version=2')" 400
	token=$(intune-token)
	assert_eq "$(service "$good")" 401
}

# skeleton: the XML of an answer without its text, several devices as one
skeleton() {
	sed -E 's/<\?xml[^>]*\?>//; s/>[^<]+</></g' | perl -pe 's{(<device>.*?</device>)\1+}{$1}g; s/\s*$//'
}

@test "the emulator's answers have the structure of those that the service was seen to give" {
	token=$(intune-token --scope https://api.manage.microsoft.com//.default)
	devices="/cisco/devices/?paging=0&filter=all&querycriteria"
	while read -r file query; do
		assert_eq "$(service "$query")" 200
		assert_eq "$(skeleton <"$BATS_TEST_TMPDIR/body")" "$(skeleton <"$NAC_ROOT/tests/golden/nac2/$file.xml")"
	done <<-E
		guid-v3 $devices=guid&value=$(id_of 2)
		noncompliant-v3 $devices=compliance&value=false&deviceidentifier=macaddress
		noncompliant-v3 $devices=compliance&value=false&deviceidentifier=guid
		mdminfo-v3 /ciscoise/mdminfo/?ise_api_version=3
	E
}

@test "the emulator's window runs on a clock that can be hurried" {
	token=$(intune-token --scope https://api.manage.microsoft.com//.default)
	list='/cisco/devices/?paging=0&querycriteria=compliance&value=false&deviceidentifier=macaddress&filter=all'
	assert_eq "$(emulator_control window)" new
	assert_eq "$(service "$list") $(service "$list")" "200 200"
	emulator_control window advance 3601
	emulator_control window retry-after yes
	assert_eq "$(service "$list" -D "$BATS_TEST_TMPDIR/head")" 503
	grep -qiE '^retry-after: 10[0-9]{3}' "$BATS_TEST_TMPDIR/head"
	assert_eq "$(emulator_control window | cut -d ' ' -f 1)" closed
	emulator_control window speed 36000
	for _ in $(seq 100); do
		[ "$(emulator_control window)" = new ] && break
		sleep 0.1
	done
	emulator_control window speed 1
	assert_eq "$(service "$list") $(count nac2-503)" "200 1"
}

@test "20 processes that open the window at once are one window" {
	intune-query -s nac2 "$(id_of 2)" >/dev/null
	for i in $(seq 20); do
		intune-query --noncompliant >"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
	done
	wait
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/err.*)" ""
	assert_eq "$(jq -r .compliance.device.id "$BATS_TEST_TMPDIR"/out.* | sort | uniq -c | awk '{print $1}' | sort -u)" 20
	assert_eq "$(jq .calls "$(token_file window)") $(count nac2-list) $(count nac2-503)" "20 20 0"
}
