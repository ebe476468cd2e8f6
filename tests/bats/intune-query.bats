#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # inner shells expand what is theirs; bats sets stderr
# intune-query against the emulator: every way to find a device, every way to fail.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

A=aaaaaaaa-0000-4000-8000-000000000001
EA=eeeeeeee-0000-4000-8000-000000000001
BOTH=bbbbbbbb-0000-4000-8000-000000000002
NONE=dddddddd-0000-4000-8000-00000000000d

device() {
	jq -nc --arg id "$1" --arg e "$2" --arg n "$3" --arg w "$4" --arg l "$5" '{id: $id,
		azureADDeviceId: $e, deviceName: $n, wiFiMacAddress: $w, ethernetMacAddress: $l}'
}

setup_file() {
	intune_setup_file --fleet 60 --page-size 25
	emulator_control "add $(device $A $EA PC-ALPHA 00AA00000001 00AA00000011)"
	emulator_control "add $(device $BOTH eeeeeeee-0000-4000-8000-000000000002 "O'Brien's Mac & 1+1" \
		00AA00000002 00AA00000002)"
	emulator_control "add $(device bbbbbbbb-0000-4000-8000-000000000003 \
		eeeeeeee-0000-4000-8000-000000000003 TWIN 00AA00000003 00AA00000033)"
	emulator_control "add $(device bbbbbbbb-0000-4000-8000-000000000004 \
		eeeeeeee-0000-4000-8000-000000000003 TWIN 00AA00000004 00AA00000003)"
	emulator_control set bbbbbbbb-0000-4000-8000-000000000003 lastSyncDateTime=2026-11-01T00:00:00Z
	emulator_control set bbbbbbbb-0000-4000-8000-000000000004 lastSyncDateTime=2026-11-02T00:00:00Z \
		complianceState=noncompliant
	emulator_control "add $(device bbbbbbbb-0000-4000-8000-000000000005 \
		eeeeeeee-0000-4000-8000-000000000005 fq.corp.example 00AA00000005 null)"
	for n in $(seq 100 140); do
		emulator_control "add $(device "bbbbbbbb-0000-4000-8000-000000000$n" \
			"eeeeeeee-0000-4000-8000-000000000$n" "PC-$n" "00AA00000$n" "00AA00001$n")"
	done >/dev/null
}
teardown_file() { emulator_stop; }
setup() {
	intune_setup
	# What most tests do not ask about: a token without a request of its own.
	export TOKENS=$BATS_FILE_TMPDIR/tokens
	conf
	rm -rf "$TOKENS"
}

# state_of JSON
state_of() { json_get "$1" .compliance.state; }

@test "an ambiguous answer names the devices that match" {
	run -0 --separate-stderr intune-query TWIN
	jq -e '.compliance | .state == "ambiguous" and (.candidates | sort) ==
		["bbbbbbbb-0000-4000-8000-000000000003", "bbbbbbbb-0000-4000-8000-000000000004"]' <<<"$output"
	run -0 --separate-stderr intune-query --newest TWIN
	jq -e '.compliance | has("candidates") | not' <<<"$output"
}

@test "nobody is unregistered of whom nobody was asked" {
	for order in mac serial name 'serial mac'; do
		run -65 --separate-stderr intune-query -m "$order" $A
		assert_eq "$output" ""
		assert_has "$stderr" "$A: holds nothing that the match order"
	done
	run -65 --separate-stderr intune-query -m guid PC-ALPHA
	run -65 --separate-stderr intune-query -m guid 00:aa:00:00:00:01
	run -65 --separate-stderr intune-query -m guid serial:PF2ABC01
	run -65 --separate-stderr intune-query -m mac \
		"{\"identity\":{\"mac\":\"02:00:00:00:00:01\",\"guid\":[{\"value\":\"$A\",\"found\":\"cn\"}]}}"
	assert_eq "$output" ""
	# these match nothing, whoever is asked
	run -0 --separate-stderr intune-query -m guid 02:00:00:00:00:01
	jq -e '.compliance | .state == "unregistered" and (.asked == null or .asked == [])' <<<"$output"
	run -0 --separate-stderr intune-query serial:0
	assert_eq "$(jq -r .compliance.state <<<"$output")" unregistered
	assert_eq "$(count get) $(count list)" "0 0"
}

@test "by Intune id: one GET, every fact, the Ethernet address too" {
	run -0 --separate-stderr intune-query $A
	assert_eq "$stderr" ""
	assert_eq "$(json_get "$output" '.compliance | [.state, .matched_by, .id_space, .source, .managed | tostring] | join(" ")')" \
		"compliant guid intune graph true"
	assert_eq "$(json_get "$output" '.compliance.device | [.id, .entra_id, .name, .wifi_mac, .ethernet_mac] | join(" ")')" \
		"$A $EA PC-ALPHA 00:aa:00:00:00:01 00:aa:00:00:00:11"
	assert_eq "$(json_get "$output" '.compliance.asked[0] | "\(.by) \(.value)"')" "guid $A"
	assert_eq "$(count get) $(count list)" "1 0"
}

@test "by Entra id, in capitals" {
	run -0 --separate-stderr intune-query "${EA^^}"
	assert_eq "$(json_get "$output" '.compliance | [.state, .matched_by, .id_space, .device.id] | join(" ")')" \
		"compliant guid entra $A"
	assert_eq "$(count get) $(count list)" "1 1"
}

@test "each of Graph's seven states" {
	number=1
	for state in compliant noncompliant grace unknown conflict error configmanager; do
		run -0 --separate-stderr intune-query LAPTOP-000$number
		assert_eq "$(state_of "$output")" $state
		assert_eq "$(json_get "$output" .compliance.managed)" true
		number=$((number + 1))
	done
	run -0 intune-query LAPTOP-0003
	[[ $(json_get "$output" .compliance.device.grace_until) > 2026-11 ]]
	run -0 intune-query LAPTOP-0008
	assert_eq "$(json_get "$output" .compliance.device.management_state)" retirePending
}

@test "a state nobody knew yet is error, with a warning; our own words are no states of Graph's" {
	for word in quarantined unregistered pending; do
		emulator_control set $A complianceState=$word
		run -0 --separate-stderr intune-query $A
		assert_eq "$(state_of "$output")" error
		assert_has "$stderr" "\"$word\""
	done
	emulator_control set $A complianceState=compliant
}

@test "by name, without regard to case, quotes and all" {
	run -0 --separate-stderr intune-query pc-alpha "o'brien's mac & 1+1"
	assert_eq "$(jq -r '.compliance | "\(.matched_by) \(.device.id)"' <<<"$output")" \
		"name $A"$'\n'"name $BOTH"
	assert_eq "$(json_get "$(tail -1 <<<"$output")" '.compliance.asked[0].value')" "o'brien's mac & 1+1"
}

@test "a full name is asked for short and whole" {
	run -0 --separate-stderr intune-query PC-ALPHA.corp.example fq.corp.example
	assert_eq "$(jq -r .compliance.device.name <<<"$output")" "PC-ALPHA"$'\n'"fq.corp.example"
	assert_eq "$(head -1 <<<"$output" | jq -c '[.compliance.asked[].value]')" \
		'["pc-alpha","pc-alpha.corp.example"]'
}

@test "the names of a filter's neighbours do not match: no part, no wildcard, no injection" {
	for name in PC-ALPH PC-ALPHAA "' or deviceName eq 'PC-ALPHA" "PC-ALPHA' or 1 eq 1" 'PC-*' '%' "'"; do
		run -0 --separate-stderr intune-query "$name"
		assert_eq "$(state_of "$output")" unregistered
	done
	assert_eq "$(emulator_control log | grep -c '"status": 400' || :)" 0
}

@test "unregistered only when nothing matches, with all that was asked" {
	rec='{"identity":{"guid":[{"value":"'$NONE'"}],"name":[{"value":"Nobody"}],"mac":"00:bb:00:00:00:01"},"x":1}'
	run -0 --separate-stderr intune-query "$rec"
	assert_eq "$(state_of "$output")" unregistered
	assert_eq "$(json_get "$output" '.compliance | [.managed, .matched_by | tostring] | join(" ")')" "false none"
	assert_eq "$(json_get "$output" '[.compliance.asked[] | "\(.by) \(.value)"] | join(", ")')" \
		"guid $NONE, name nobody, mac 00:bb:00:00:00:01"
	assert_eq "$(json_get "$output" .x)" 1
	assert_eq "$(json_get "$output" '.compliance.device')" null
}

@test "the order of identifiers is a choice" {
	rec='{"identity":{"guid":[{"value":"'$A'"}],"name":[{"value":"PC-100"}],"mac":"00:aa:00:00:01:01"}}'
	run -0 intune-query "$rec"
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "guid PC-ALPHA"
	run -0 intune-query -m 'name,guid' "$rec"
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "name PC-100"
	run -0 intune-query --match-order 'mac name guid' "$rec"
	assert_eq "$(json_get "$output" '.compliance | "\(.matched_by) \(.device.name)"')" "mac PC-101"
	for words in '' 'guid guid' 'serials' 'guid name mac guid'; do
		run -64 --separate-stderr intune-query -m "$words" "$rec"
	done
}

@test "the name of another device is not asked for once the GUID has matched" {
	run -0 intune-query '{"identity":{"guid":[{"value":"'$A'"}],"name":[{"value":"PC-100"}]}}'
	assert_eq "$(json_get "$output" '.compliance.asked | length')" 1
	assert_eq "$(count list)" 0
}

@test "the same name, Entra id or MAC twice: ambiguous, or the newest when told so" {
	for id in TWIN eeeeeeee-0000-4000-8000-000000000003 00:aa:00:00:00:03; do
		run -0 --separate-stderr intune-query $id
		assert_eq "$(state_of "$output")" ambiguous
		assert_eq "$(json_get "$output" .compliance.device)" null
		run -0 --separate-stderr intune-query --newest $id
		assert_eq "$(state_of "$output")" noncompliant
		assert_has "$stderr" "2 devices match"
		assert_has "$stderr" bbbbbbbb-0000-4000-8000-000000000004
	done
}

@test "a certificate that names two devices is ambiguous without asking" {
	run -0 --separate-stderr intune-query '{"identity":{"ambiguous":true,"guid":[{"value":"'$A'"}]}}'
	assert_eq "$(state_of "$output")" ambiguous
	assert_eq "$(count get) $(count list) $(count token)" "0 0 0"
}

@test "by Wi-Fi and by Ethernet address, in every form, from one listing" {
	printf '%s\n' 00:aa:00:00:00:01 00-AA-00-00-00-11 00aa.0000.0102 00AA00001103 00:aa:00:00:00:02 \
		>"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r '.compliance | "\(.matched_by) \(.device.name)"' <<<"$output" | tr '\n' ';')" \
		"mac PC-ALPHA;mac PC-ALPHA;mac PC-102;mac PC-103;mac O'Brien's Mac & 1+1;"
	# 106 devices: 5 pages of 25, 6 batches of 20, and one GET for each answer.
	assert_eq "$(count list) $(count batch) $(count item) $(count get)" "5 6 106 5"
}

@test "--no-wired asks for no Ethernet address" {
	run -0 intune-query --no-wired 00:aa:00:00:00:01 00:aa:00:00:00:11
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "compliant unregistered "
	assert_eq "$(count batch)" 0
}

@test "a random MAC matches nothing and is not asked for, nor is one of no station" {
	emulator_control set PC-110 wiFiMacAddress=02AA00000110
	run -0 --separate-stderr intune-query -v 02:aa:00:00:01:10 ff:ff:ff:ff:ff:ff
	assert_eq "$(jq -r '.compliance | "\(.state) \(.asked)"' <<<"$output" | tr '\n' ';')" \
		"unregistered null;unregistered null;"
	assert_has "$stderr" "random address"
	assert_eq "$(count list)" 0
	emulator_control set PC-110 wiFiMacAddress=00AA00000110
}

@test "a device that changed its MAC since the listing, or went, is no match" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	intune-query <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	pid=$!
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo 00:aa:00:00:01:20 >&7
	for _ in $(seq 100); do [ -s "$BATS_TEST_TMPDIR/out" ] && break; sleep 0.05; done
	emulator_control set PC-121 wiFiMacAddress=00AA00999121
	emulator_control remove PC-122
	printf '%s\n' 00:aa:00:00:01:21 00:aa:00:00:01:22 >&7
	exec 7>&-
	wait $pid
	assert_eq "$(jq -r .compliance.state "$BATS_TEST_TMPDIR/out" | tr '\n' ' ')" \
		"compliant unregistered unregistered "
	emulator_control set PC-121 wiFiMacAddress=00AA00000121
	emulator_control "add $(device bbbbbbbb-0000-4000-8000-000000000122 \
		eeeeeeee-0000-4000-8000-000000000122 PC-122 00AA00000122 00AA00001122)"
}

@test "a stream is answered line by line, as it comes" {
	mkfifo "$BATS_TEST_TMPDIR/in"
	intune-query <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	exec 7>"$BATS_TEST_TMPDIR/in"
	for n in 1 2 3; do
		echo PC-ALPHA >&7
		for _ in $(seq 100); do
			[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq $n ] && break
			sleep 0.05
		done
		assert_eq "$(wc -l <"$BATS_TEST_TMPDIR/out")" $n
	done
	exec 7>&-
	wait $pid
	assert_eq "$(count token)" 1
	assert_eq "$(count connections)" 1
}

@test "--all: every device once and a last record; 75 and why when the list is not whole" {
	run -0 --separate-stderr intune-query --all
	assert_eq "$(jq -r '.compliance.device.id // empty' <<<"$output" | sort -u | wc -l)" 106
	assert_eq "$(jq -c 'select(.list) | [.list.complete, .list.count, .list.full, .list.why]' <<<"$output")" \
		'[true,106,true,null]'
	assert_eq "$stderr" ""
	for fault in foreign-nextlink:host=127.0.0.1:1 loop-nextlink status:on=list,code=500,after=2 \
		truncate:on=list,after=2 wrong-types:field=@odata.nextLink status:on=list,code=404,after=1; do
		emulator_control clear-faults
		emulator_control fault "$fault"
		run -75 --separate-stderr intune-query --all --deadline 1
		[ "$(wc -l <<<"$output")" -lt 107 ]
		assert_has "$stderr" "not the whole tenant"
		last=$(tail -1 <<<"$output")
		assert_eq "$(json_get "$last" .list.complete)" false
		assert_eq "$(json_get "$last" .list.count)" "$(($(wc -l <<<"$output") - 1))"
		[ -n "$(json_get "$last" .list.why)" ]
	done
	emulator_control clear-faults
	emulator_control set $A complianceState:=7
	run -75 --separate-stderr intune-query --all
	assert_eq "$(wc -l <<<"$output")" 106
	assert_has "$stderr" "complianceState is no string: left out"
	assert_has "$(tail -1 <<<"$output")" '"complete":false,"why":"1 devices could not be read"'
	emulator_control set $A complianceState=compliant
	run -64 --separate-stderr intune-query --all $A
	run -64 --separate-stderr intune-query --since last $A
}

@test "--all: the link may stand behind the devices; one page or three at a time, it is the same list" {
	run -0 --separate-stderr intune-query --all
	whole=$(jq -c 'del(.compliance.checked, .compliance.age, .list.began, .list.ended)' <<<"$output")
	emulator_control fault late-nextlink
	for jobs in 1 16; do
		run -0 --separate-stderr intune-query --all --jobs "$jobs"
		assert_eq "$(jq -c 'del(.compliance.checked, .compliance.age, .list.began, .list.ended)' <<<"$output")" "$whole"
		assert_eq "$stderr" ""
	done
	emulator_control fault loop-nextlink
	run -75 --separate-stderr intune-query --all
	assert_has "$stderr" "goes round in circles"
	emulator_control clear-faults
	emulator_control fault loop-nextlink
	for jobs in 1 16; do
		run -75 --separate-stderr intune-query --all --jobs "$jobs"
		assert_has "$stderr" "goes round in circles"
	done
}

@test "--all notices a list that has shrunk, once; and one shorter than Graph says" {
	run -0 intune-query --all
	for n in $(seq 100 140); do
		emulator_control fault "missing-device:device=PC-$n"
	done
	run -75 --separate-stderr intune-query --all
	assert_has "$(tail -1 <<<"$output")" '"why":"the list has shrunk from 106 devices to 65;'
	run -0 --separate-stderr intune-query --all
	assert_has "$(tail -1 <<<"$output")" '"complete":true,"count":65'
	emulator_control clear-faults
	emulator_control page-size 1000
	emulator_control fault cut-list:items=3
	run -75 --separate-stderr intune-query --all
	assert_has "$(tail -1 <<<"$output")" '"why":"Graph speaks of 106 devices and has sent 103"'
	emulator_control clear-faults
	emulator_control page-size 25
}

@test "--all: of a small tenant nothing is left: that is noticed, once" {
	# shellcheck disable=SC2030,SC2034 # for this test alone
	local EMU_DIR=$BATS_TEST_TMPDIR/small EMU_HOST EMU_CA EMU_SECRET_FILE
	emulator_start --token-limit 0 --fleet 3
	conf
	run -0 intune-query --all
	for id in $(jq -r '.compliance.device.id // empty' <<<"$output"); do emulator_control "remove $id"; done
	run -75 --separate-stderr intune-query --all
	assert_has "$output" '"why":"the list has shrunk from 3 devices to 0;'
	run -0 --separate-stderr intune-query --all
	assert_has "$output" '"complete":true,"count":0'
	emulator_stop
}

@test "--since last lists all once a day unless told otherwise" {
	run -0 intune-query --all
	run -0 --separate-stderr intune-query --all --since last
	jq -e 'select(.list) | .list.full | not' <<<"$output"
	jq -c '.full -= 86400' "$(token_file list)" >"$BATS_TEST_TMPDIR/aged"
	cat "$BATS_TEST_TMPDIR/aged" >"$(token_file list)"
	run -0 --separate-stderr intune-query --all --since last --full-every 2d
	jq -e 'select(.list) | .list.full | not' <<<"$output"
	run -0 --separate-stderr intune-query --all --since last
	jq -e 'select(.list) | .list.full' <<<"$output"
}

@test "a 404 that does not say that the thing is not found is no answer" {
	for code in UnknownError ServiceUnavailable NotFoundAnything BadGateway; do
		emulator_control clear-faults
		emulator_control fault status:on=get,code=404,error=$code
		run -75 --separate-stderr intune-query $A
		assert_eq "$output" ""
		assert_has "$stderr" "HTTP 404 $code"
	done
	for code in ResourceNotFound NotFound; do
		emulator_control clear-faults
		emulator_control fault status:on=get,code=404,error=$code
		run -0 --separate-stderr intune-query $A
		assert_eq "$(state_of "$output")" unregistered
	done
}

@test "--all: a device that is listed twice is printed once; empty pages do not go on for ever" {
	emulator_control fault repeat-page:times=1,after=1
	run -0 --separate-stderr intune-query --all
	assert_eq "$(jq -r '.compliance.device.id // empty' <<<"$output" | sort | uniq -d)" ""
	assert_eq "$(jq -r 'select(.list) | .list.count' <<<"$output")" 106
	assert_has "$stderr" "listed more than once"
	emulator_control clear-faults
	emulator_control fault empty-page
	run -75 --separate-stderr intune-query --all
	assert_has "$stderr" "goes on with empty pages"
	assert_eq "$(count list)" 8
}

@test "--since asks for what synced since, checks it, and a full run comes round" {
	emulator_control set PC-100 lastSyncDateTime=2030-01-01T00:00:00Z
	emulator_control set PC-101 lastSyncDateTime=2030-01-01T00:00:01.5Z
	run -0 --separate-stderr intune-query --all --since 2030-01-01T00:00:00Z
	assert_eq "$(jq -r '.compliance.device.name // empty' <<<"$output" | sort | xargs)" "PC-100 PC-101"
	assert_has "$(tail -1 <<<"$output")" '"count":2,"full":false,"since":"2030-01-01T00:00:00Z"'
	assert_eq "$(count list)" 1
	run -0 --separate-stderr intune-query --all --since 2030-01-01T00:00:01Z
	assert_eq "$(jq -r '.compliance.device.name // empty' <<<"$output")" "PC-101"
	emulator_control fault ignore-filter
	run -0 --separate-stderr intune-query --all --since 2030-01-01T00:00:00Z
	assert_eq "$(jq -r '.compliance.device.name // empty' <<<"$output" | sort | xargs)" "PC-100 PC-101"
	assert_has "$stderr" "ignored the filter on lastSyncDateTime and sent 104"
	emulator_control clear-faults
	# No full run yet: then it is one, and the next is not.
	run -0 --separate-stderr intune-query --all --since last --full-every 1d
	assert_has "$(tail -1 <<<"$output")" '"count":106,"full":true'
	run -0 --separate-stderr intune-query --all --since last --full-every 1d
	assert_has "$(tail -1 <<<"$output")" '"full":false'
	# Its file says it was long ago, or is damaged.
	sed -i 's/"full":[0-9]*/"full":1000000000/' "$TOKENS"/*.list
	run -0 --separate-stderr intune-query --all --since last --full-every 1d
	assert_has "$(tail -1 <<<"$output")" '"full":true'
	echo '{"full"' >"$(token_file list)"
	run -0 --separate-stderr intune-query --all --since last --full-every 1d
	assert_has "$(tail -1 <<<"$output")" '"full":true'
	assert_has "$stderr" "not trusted"
}

@test "--all --wired: every Ethernet address, from batches" {
	run -0 --separate-stderr intune-query --all --wired
	assert_eq "$(jq -r 'select(.compliance.device.name == "PC-105") | .compliance.device.ethernet_mac' <<<"$output")" \
		00:aa:00:00:11:05
	assert_eq "$(count item) $(count list)" "106 5"
	emulator_control fault status:on=item,code=500,device=PC-130
	run -75 --separate-stderr intune-query --all --wired --deadline 1
	assert_has "$(tail -1 <<<"$output")" '"why":"Ethernet addresses are missing: '
	assert_eq "$(jq -r '.compliance.device.id // empty' <<<"$output" | sort -u | wc -l)" 106
}

# on_terminal COMMAND: what a terminal shows of it
on_terminal() { TERM=${TERM:-vt100} script -qec "$1" /dev/null </dev/null; }

@test "progress is drawn on a terminal, and nowhere else: a list, records, MAC addresses" {
	bar='\[#*\.+\], [0-9]+ a second'
	export IDS="$A $EA $BOTH" FILE=$BATS_TEST_TMPDIR/ids
	printf '%s\n' $A $EA $BOTH >"$FILE"
	while IFS='|' read -r fault drawn command; do
		rm -rf "$TOKENS"
		emulator_control clear-faults
		# How many there are is known of the last list.
		[[ $command != *again* ]] || intune-query --all >/dev/null
		emulator_control fault "slow:on=$fault,seconds=0.3"
		run -0 on_terminal "$command 2>&1 >/dev/null"
		grep -qE "$drawn" <<<"$output" || { echo "$command: $output lacks: $drawn"; return 1; }
		# It is gone at the end, and did not say anything else.
		[[ $output == *$'\r\e[K' ]]
		refute_has "$output" intune-query
		run -0 --separate-stderr sh -c "$command"
		assert_eq "$stderr" ""
		run -0 on_terminal "TERM=dumb; export TERM; $command 2>&1 >/dev/null"
		assert_eq "$output" ""
	done <<-E
		list|[0-9]+ devices, [0-9]+ a second|intune-query --all
		list|[0-9]+ of 106 devices $bar|: again; intune-query --all
		get|[12] of 3 records $bar|intune-query --jobs 1 \$IDS
		get|[12] of [3-9] records $bar|intune-query --jobs 1 <\$FILE
		get|[12] records, [0-9]+ a second|cat \$FILE | intune-query --jobs 1
		list|[0-9]+ devices listed, [0-9]+ a second|intune-query --no-wired 00:aa:00:00:00:01
		batch|[0-9]+ of 106 Ethernet addresses $bar|intune-query 00:aa:00:00:00:11
	E
	# Who types the records has no line drawn between them.
	emulator_control clear-faults
	emulator_control fault "slow:on=get,seconds=0.3"
	run -0 script -qec "intune-query --jobs 1 2>&1 >/dev/null" /dev/null <<<"$A"$'\n'"$EA"$'\n\x04'
	refute_has "$output" "a second"
	# On the same terminal each record has its line alone.
	run -0 on_terminal "intune-query --jobs 1 $A $EA $BOTH"
	assert_eq "$(tr -d '\r' <<<"$output" | sed 's/.*\x1b\[K//' | jq -r .compliance.device.id | wc -l)" 3
}

@test "an ignored filter lets no stranger in" {
	emulator_control fault ignore-filter
	run -0 --separate-stderr intune-query PC-ALPHA
	assert_eq "$(json_get "$output" .compliance.device.id)" $A
	assert_has "$stderr" "ignored a filter"
	run -0 --separate-stderr intune-query Nobody $NONE serial:ZZ9NOBODY
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "unregistered unregistered unregistered "
}

@test "a nextLink to another host gets no token and no answer" {
	# shellcheck disable=SC2153 # lib_emulator sets it
	# shellcheck disable=SC2031 # another test's is its own
	EMU_DIR_1=$EMU_DIR EMU_HOST_1=$EMU_HOST
	EMU_DIR=$BATS_TEST_TMPDIR/other emulator_start
	other=$EMU_HOST
	EMU_DIR=$EMU_DIR_1
	for host in "$other" "$EMU_HOST_1@$other" "http://$EMU_HOST_1"; do
		emulator_control clear-faults
		emulator_control fault "foreign-nextlink:host=$host"
		run -75 --separate-stderr intune-query 00:bb:00:00:00:01
		assert_eq "$output" ""
		assert_has "$stderr" "another host"
	done
	EMU_DIR=$BATS_TEST_TMPDIR/other
	assert_eq "$(emulator_control count connections)" 0
	emulator_stop
	EMU_DIR=$EMU_DIR_1
}

@test "odd case in a nextLink is still our host" {
	emulator_control fault odd-nextlink
	# shellcheck disable=SC2153 # set by emulator_start
	conf_set graph "localhost:$EMU_PORT"
	run -0 --separate-stderr intune-query 00:aa:00:00:00:01
	assert_eq "$(state_of "$output")" compliant
}

@test "a MAC is not unregistered when a page, a batch or the end of the list is missing" {
	for fault in loop-nextlink status:on=list,code=500,after=1 status:on=batch,code=503 \
		status:on=item,code=500,device=PC-130 status:on=item,code=403,device=PC-130 \
		truncate:on=list,after=1 html:on=batch wrong-types:on=batch,field=responses \
		wrong-types:on=list,field=value; do
		emulator_control clear-faults
		emulator_control fault "$fault"
		run --separate-stderr intune-query --deadline 1 00:bb:00:00:00:01
		[ "$status" -eq 75 ] || [ "$status" -eq 77 ]
		assert_eq "$output" ""
		assert_one_line "$stderr"
	done
}

@test "throttled items of a batch are asked again by themselves" {
	emulator_control fault batch-429:items=3,times=1,retry_after=1
	run -0 --separate-stderr intune-query 00:aa:00:00:00:11
	assert_eq "$(json_get "$output" .compliance.device.name)" PC-ALPHA
	assert_eq "$(count item) $(count batch) $(count early)" "109 7 0"
	emulator_control fault batch-429:items=20,times=1
	run -0 --separate-stderr intune-query 00:aa:00:00:00:11
	assert_eq "$(json_get "$output" .compliance.device.name)" PC-ALPHA
}

@test "429, 503 and 504 with Retry-After in seconds or as a date are not repeated early" {
	for fault in code=429,retry_after=1 code=503,retry_after=1 code=504,retry_after_date=1 \
		code=408,retry_after=1 code=509,retry_after=1; do
		emulator_control clear-faults
		emulator_control fault "status:on=get,times=1,$fault"
		run -0 --separate-stderr intune-query $A
		assert_eq "$(state_of "$output")" compliant
	done
	assert_eq "$(count early)" 0
	assert_eq "$(count get)" 10
}

@test "without Retry-After it backs off, and gives up at the deadline" {
	emulator_control fault status:on=get,code=503,times=3
	run -0 --separate-stderr intune-query $A
	assert_eq "$(count get)" 4
	emulator_control fault status:on=get,code=429
	run -75 --separate-stderr intune-query --deadline 1 $A
	assert_eq "$output" ""
	assert_one_line "$stderr"
	assert_has "$stderr" "HTTP 429"
	assert_has "$stderr" "gave up after"
}

@test "a Retry-After beyond the deadline fails at once, and the next records do not ask" {
	emulator_control fault status:on=get,code=429,retry_after=300
	run -75 --separate-stderr intune-query $A $BOTH $EA
	assert_eq "$output" ""
	assert_eq "$(count get)" 1
	assert_eq "$(count early)" 0
	assert_eq "$(wc -l <<<"$stderr")" 3
}

@test "one 401 makes one new token, shared with the others" {
	run -0 --separate-stderr intune-query $A
	assert_eq "$(count token)" 1
	emulator_control expire-tokens
	for i in 1 2 3 4 5 6 7 8; do
		intune-query $A >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
	done
	wait
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | jq -r .compliance.state | sort | uniq -c | xargs)" "8 compliant"
	assert_eq "$(count token)" 2
}

@test "401 again and again: 77, and no hail of token requests" {
	emulator_control fault status:on=get,code=401
	run -77 --separate-stderr intune-query $A $A $A $A $A
	assert_eq "$output" ""
	assert_eq "$(wc -l <<<"$stderr")" 5
	assert_has "$stderr" "HTTP 401"
	assert_eq "$(count token)" 2
}

@test "a 401 of Intune's own, not Graph's: one new token, then 77, and what it said" {
	emulator_control fault status:on=get,code=401,error=UnknownError
	run -77 --separate-stderr intune-query $A
	assert_eq "$output" ""
	assert_has "$stderr" "HTTP 401 UnknownError: {\"ErrorCode\":\"Forbidden\""
	assert_eq "$(count get) $(count token)" "2 2"
}

@test "403 says which permission is missing" {
	emulator_control fault status:code=403,on=get
	run -77 --separate-stderr intune-query $A
	assert_has "$stderr" DeviceManagementManagedDevices.Read.All
	assert_has "$stderr" request-id
	assert_one_line "$stderr"
}

@test "a wrong secret fails every record with one request" {
	echo wrong-secret-here >"$BATS_TEST_TMPDIR/secret"
	chmod 600 "$BATS_TEST_TMPDIR/secret"
	run -77 --separate-stderr intune-query --client-secret-file "$BATS_TEST_TMPDIR/secret" $A $A $A
	assert_eq "$(count token)" 1
	assert_eq "$(wc -l <<<"$stderr")" 3
	refute_has "$stderr" wrong-secret
}

@test "Graph down: 69, nothing is passed on, and it works again when it is back" {
	run -0 intune-query $A
	emulator_control down
	run -69 --separate-stderr intune-query $A PC-ALPHA 00:aa:00:00:00:01
	assert_eq "$output" ""
	assert_eq "$(wc -l <<<"$stderr")" 3
	emulator_control up
	run -0 --separate-stderr intune-query $A
	assert_eq "$(state_of "$output")" compliant
}

@test "a bad answer is never an answer: 75 and a clear line, for each way to ask" {
	while read -r fault ids; do
		emulator_control clear-faults
		emulator_control fault "$fault"
		for id in $ids; do
			run -75 --separate-stderr intune-query --deadline 1 "$id" || { echo "$fault $id"; false; }
			assert_eq "$output" ""
			assert_one_line "$stderr"
		done
	done <<-E
		truncate:on=get+list $A $NONE PC-ALPHA
		html:on=get+list $A $NONE PC-ALPHA
		garbage:on=get+list $A PC-ALPHA
		empty:on=get+list $A PC-ALPHA
		huge:on=get,mb=20 $A
		wrong-types:on=get+list,field=root $A PC-ALPHA
		wrong-types:on=get+list,field=id $A PC-ALPHA
		wrong-types:on=get+list,field=complianceState $A PC-ALPHA
		wrong-types:on=list,field=azureADDeviceId $EA PC-ALPHA
		wrong-types:on=list,field=value $EA $NONE Nobody
	E
}

@test "a 404 of something in between is not Intune's" {
	# No JSON with status 404: what a proxy or a wrong path gives.
	run -0 intune-query $NONE
	assert_eq "$(state_of "$output")" unregistered
	for fault in empty garbage truncate wrong-types:field=error; do
		emulator_control clear-faults
		emulator_control fault status:on=get,code=404
		emulator_control fault "$fault"
		run -75 --separate-stderr intune-query --deadline 1 $NONE
		assert_eq "$output" ""
		assert_has "$stderr" "HTTP 404, and no answer of Graph's"
	done
}

@test "cut connections and slow answers are tried again, then 75" {
	for fault in cut:on=get,times=1 drop:on=get,times=1 slow:on=get,seconds=3,times=1; do
		emulator_control clear-faults
		emulator_control fault "$fault"
		run -0 --separate-stderr intune-query --timeout 1 $A
		assert_eq "$(state_of "$output")" compliant
	done
	emulator_control fault cut:on=get
	run -75 --separate-stderr intune-query --deadline 1 $A
	assert_eq "$output" ""
}

@test "no trust, no answer: 69" {
	run -0 intune-query $A
	for cert in wrong-name expired untrusted; do
		emulator_control clear-faults
		emulator_control fault tls:cert=$cert
		run -69 --separate-stderr intune-query $A
		assert_eq "$output" ""
	done
}

@test "bad lines are named one by one, 65, and the others are answered" {
	{
		printf '%s\n' $A '{"broken' '[1]' '{"identity":{"mac":7}}' '{"identity":{"guid":"x"}}' \
			'{"identity":{}}' '{}' $'\x01\x02\xff' '' '{"a":1,"a":2}'
		head -c 10000000 /dev/zero | tr '\0' x
		printf '\n{"identity":{"name":[{"value":"PC-ALPHA"}]},"keep":{"n":[1,2]}}'
	} >"$BATS_TEST_TMPDIR/in"
	run -65 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "compliant compliant "
	assert_eq "$(tail -1 <<<"$output" | jq -c .keep)" '{"n":[1,2]}'
	for n in 2 3 4 5 6 7 8 10 11; do assert_has "$stderr" "intune-query: <stdin>:$n: "; done
	assert_eq "$(wc -l <<<"$stderr")" 9
	refute_has "$stderr" $'\x01'
}

@test "a failing record does not stop the next" {
	emulator_control fault status:on=get,code=500,device=$A
	run -75 --separate-stderr intune-query --deadline 0 $A $BOTH
	assert_eq "$(jq -r .compliance.device.id <<<"$output")" $BOTH
	assert_has "$stderr" "$A: "
}

@test "a closed output is an error: 74" {
	run -74 --separate-stderr bash -c "intune-query $A >/dev/full"
	run -74 --separate-stderr bash -c "intune-query --all >/dev/full"
}

@test "missing settings: 78; a secret others may read: 77; and nothing is asked" {
	conf_set tenant ""
	run -78 --separate-stderr intune-query $A
	assert_has "$stderr" "tenant is not set"
	conf
	install -m 644 "$EMU_SECRET_FILE" "$BATS_TEST_TMPDIR/secret"
	run -77 --separate-stderr intune-query --client-secret-file "$BATS_TEST_TMPDIR/secret" $A
	for o in '--deadline x' '--deadline 2h' '--inventory-age soon' '--nonsense'; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr intune-query $o $A
	done
	assert_eq "$(count token)" 0
}

@test "neither secret nor token is in any output at -vv" {
	secret=$(cat "$EMU_SECRET_FILE")
	emulator_control fault status:on=get,code=401,times=1
	run -0 --separate-stderr intune-query -vv $A $EA PC-ALPHA 00:aa:00:00:00:11
	token=$(jq -r .access_token "$(token_file token)")
	[ ${#token} -gt 1000 ]
	for word in "$secret" "$token" eyJ client_secret Bearer; do
		refute_has "$output$stderr" "$word"
	done
	assert_has "$stderr" "GET https://$EMU_HOST/v1.0/deviceManagement/managedDevices/$A"
	emulator_control fault status:on=get,code=500
	run -75 --separate-stderr intune-query -vv --deadline 1 $A
	refute_has "$stderr" eyJ
}

@test "every request carries Accept and a client-request-id of its own" {
	run -0 intune-query $A PC-ALPHA
	log=$(emulator_control log | jq -c 'select(.kind != "token") | .headers')
	assert_eq "$(jq -r '.Accept' <<<"$log" | sort -u)" application/json
	assert_eq "$(jq -r '."client-request-id"' <<<"$log" | sort -u | grep -c .)" 2
}

@test "the examples of the manual page work" {
	n=0
	while read -r line; do
		run -0 bash -c "set -o pipefail; ${line/nac-cache put/nac-cache -d $BATS_TEST_TMPDIR/s put}"
		[ -n "$output" ]
		n=$((n + 1))
	done < <(sed -n 's/^\.Dl \$ //p' "$NAC_ROOT/man/intune-query.1")
	[ $n -eq 7 ]
}
