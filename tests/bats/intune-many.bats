#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # inner shells expand what is theirs; bats sets stderr
# intune-query with many records, many processes, and at its limits.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

A=aaaaaaaa-0000-4000-8000-000000000001
EA=eeeeeeee-0000-4000-8000-000000000001
BOTH=bbbbbbbb-0000-4000-8000-000000000002

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


@test "many at a time: each once, in order, with a few requests at once; or as answered" {
	for i in $(seq 5); do for n in $(seq 100 139); do echo "PC-$n"; done; done >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$stderr" ""
	assert_eq "$(jq -r .compliance.device.name <<<"$output")" "$(cat "$BATS_TEST_TMPDIR/in")"
	assert_eq "$(count list) $(count token)" "200 1"
	[ "$(count connections)" -gt 1 ]
	emulator_control fault slow:on=list,seconds=1,times=1
	run -0 --separate-stderr intune-query --unordered --jobs 4 <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.device.name <<<"$output" | sort)" "$(sort "$BATS_TEST_TMPDIR/in")"
	for o in '--jobs 0' '--jobs 257' '--jobs x'; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr intune-query $o PC-100
	done
}

@test "batches are for what a whole list needs, and never for look-ups one by one" {
	seq -f 'bbbbbbbb-0000-4000-8000-000000000%g' 100 139 >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr intune-query --directory <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.device.id <<<"$output")" "$(cat "$BATS_TEST_TMPDIR/in")"
	assert_eq "$(count get) $(count directory) $(count batch)" "40 40 0"
	emulator_control reset-counts
	run -0 --separate-stderr intune-query 00:aa:00:00:01:00
	# 106 devices: six batches of twenty or what is left.
	assert_eq "$(count get) $(count batch) $(count item)" "1 6 106"
}

@test "several MACs at a time share one listing" {
	for n in $(seq 101 120); do printf '00:aa:00:00:0%s:%s\n' "${n:0:1}" "${n:1}"; done >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr intune-query --no-wired <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.device.name <<<"$output" | sed s/PC-// | xargs)" "$(seq 101 120 | xargs)"
	assert_eq "$(count list)" 5
}

@test "while Graph is away records fail at once, are counted, and few requests are made" {
	run -0 intune-query $A
	emulator_control reset-counts
	emulator_control fault drop:on=get
	seq -f 'cccccccc-0000-4000-8000-%012g' 2000 >"$BATS_TEST_TMPDIR/in"
	run -75 --separate-stderr intune-query --deadline 0 <"$BATS_TEST_TMPDIR/in"
	assert_eq "$output" ""
	assert_eq "$(wc -l <<<"$stderr")" 7
	assert_has "$stderr" "1995 records more were not answered"
	[ "$(count get)" -lt 20 ]
	emulator_control clear-faults
	emulator_control fault status:on=get,code=429,retry_after=300
	emulator_control reset-counts
	run -75 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(wc -l <<<"$stderr")" 7
	assert_eq "$(count get) $(count early)" "1 0"
}

@test "an outage of the authority is paid once, by many records and by many processes" {
	conf_set timeout 3s
	emulator_control fault stall:on=token
	seq -f 'cccccccc-0000-4000-8000-%012g' 40 >"$BATS_TEST_TMPDIR/in"
	run -75 --separate-stderr intune-query --deadline 1 <"$BATS_TEST_TMPDIR/in"
	assert_eq "$output" ""
	[ "$(count token)" -le 3 ]
	emulator_control reset-counts
	for i in $(seq 20); do
		intune-query $A >"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
		pids[i]=$!
	done
	for i in $(seq 20); do
		rc=0
		wait "${pids[i]}" || rc=$?
		assert_eq "$rc $(cat "$BATS_TEST_TMPDIR/out.$i")" "75 "
		assert_has "$(cat "$BATS_TEST_TMPDIR/err.$i")" "timed out"
	done
	[ "$(count token)" -le 6 ]
	emulator_control clear-faults
	run -0 --separate-stderr intune-query $A
	assert_eq "$stderr" ""
}

@test "while a new token cannot be had the old one is used, and the authority left alone" {
	run -0 intune-query $A
	jq -c --argjson now "$(date +%s)" '.obtained = $now - 3500 | .expires = $now + 60' \
		"$(token_file token)" >"$BATS_TEST_TMPDIR/aged"
	cat "$BATS_TEST_TMPDIR/aged" >"$(token_file token)"
	emulator_control reset-counts
	emulator_control fault status:code=500,on=token
	seq -f 'PC-%g' 100 139 >"$BATS_TEST_TMPDIR/in"
	run -0 --separate-stderr intune-query -j 1 <"$BATS_TEST_TMPDIR/in"
	assert_has "$stderr" "the old token still works"
	assert_eq "$(wc -l <<<"$output")" 40
	[ "$(count token)" -le 9 ]
}

@test "the last record of a list passes through the other programs, and removes nothing" {
	echo 'allow with vlan 750' >"$BATS_TEST_TMPDIR/r"
	emulator_control fault status:on=list,code=500,after=2
	run -75 --separate-stderr bash -o pipefail -c 'intune-query --all --deadline 1 2>/dev/null |
		nac-cache -d "$BATS_TEST_TMPDIR/s" put | nac-decide -r "$BATS_TEST_TMPDIR/r"'
	assert_eq "$stderr" ""
	assert_has "$(tail -1 <<<"$output")" '{"list":{"complete":false,'
	[ "$(jq -c 'select(.decision)' <<<"$output" | wc -l)" -eq 50 ]
	emulator_control clear-faults
	run -0 --separate-stderr bash -o pipefail -c 'intune-query --all | nac-cache -d "$BATS_TEST_TMPDIR/s" put -q'
	emulator_control fault empty-page
	run --separate-stderr bash -c 'intune-query --all 2>/dev/null | nac-cache -d "$BATS_TEST_TMPDIR/s" put -q'
	assert_eq "$stderr" ""
	assert_eq "$(nac-cache -d "$BATS_TEST_TMPDIR/s" list | jq -r '.compliance.device.id' | sort -u | wc -l)" 106
}

@test "the budget is shared by all processes, batches count by their items, and 0 sets none" {
	# A tenth at once and the rest evenly: 40 requests out of 100 in 20 s take 6 s.
	run -0 intune-query $A
	rm -f "$TOKENS"/*.budget
	start=${EPOCHREALTIME/./}
	for i in 1 2 3 4; do
		seq -f 'PC-1%02g' 1 10 | intune-query --budget 100 >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
	done
	wait
	[ $((${EPOCHREALTIME/./} - start)) -ge 6000000 ]
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | jq -r .compliance.state | sort | uniq -c | xargs)" "40 compliant"
	# What an earlier boot or damage has left stops nobody.
	printf '\377\377\377\377\377\377\377\177' >"$(token_file budget)"
	run -0 intune-query --budget 100 $A
	: >"$(token_file budget)"
	run -0 intune-query --budget 100 $A
	run -0 intune-query --budget 0 $A
	run -64 --separate-stderr intune-query --budget -1 $A
}

@test "Retry-After as a date counts by the server's clock, whatever ours says" {
	run -0 intune-query $A
	rm -f "$TOKENS"/*.budget
	emulator_control reset-counts
	emulator_control fault status:code=429,retry_after_date=2,times=1,on=get
	run -0 --separate-stderr faketime -f +20m intune-query --deadline 30 $A
	assert_eq "$(count get) $(count early)" "2 0"
}

@test "who has read enough of a list does not wait until Graph may be asked again" {
	emulator_control fault status:code=429,retry_after=50,on=list,after=1
	run -74 timeout 30 bash -c 'intune-query --all --deadline 60 >/dev/full'
	assert_eq "$(count early)" 0
}

@test "one tenant has one budget, by whatever name it is called" {
	rm -rf "$TOKENS"
	for tenant in example.onmicrosoft.com "$EMU_TENANT" "${EMU_TENANT^^}" Example.OnMicrosoft.com; do
		conf_set tenant "$tenant"
		run -0 --separate-stderr intune-query $A
	done
	# What Graph tells one of them holds for all.
	emulator_control fault status:code=429,retry_after=60,times=1,on=get
	run -75 --separate-stderr intune-query --deadline 1 $A
	emulator_control reset-counts
	for tenant in "$EMU_TENANT" example.onmicrosoft.com "${EMU_TENANT^^}"; do
		conf_set tenant "$tenant"
		run -75 --separate-stderr intune-query --deadline 1 $A
		assert_has "$stderr" "left alone"
	done
	assert_eq "$(count get)" 0
}

@test "on a full disk the budget is each process's own, also where a file with a hole is left" {
	unshare -m true 2>/dev/null || skip "needs mount namespaces"
	mkdir "$BATS_TEST_TMPDIR/full"
	conf_set token_dir "$BATS_TEST_TMPDIR/full"
	run -0 intune-query $A
	name=$(basename "$BATS_TEST_TMPDIR"/full/*.budget)
	cat >"$BATS_TEST_TMPDIR/script" <<-'SCRIPT'
		mount -t tmpfs -o size=64k,mode=700 none "$1" || exit 99
		[ -z "$2" ] || { (umask 077 && truncate -s 4096 "$1/$2"); }
		cat /dev/zero >"$1/filler" 2>/dev/null
		intune-query "$3"
	SCRIPT
	for left in '' "$name"; do
		run --separate-stderr unshare -m bash "$BATS_TEST_TMPDIR/script" "$BATS_TEST_TMPDIR/full" "$left" $A
		[ "$status" -ne 99 ] || skip "cannot mount a tmpfs"
		assert_eq "$status $(jq -r .compliance.state <<<"$output")" "0 compliant"
		assert_has "$stderr" "without the token cache"
	done
}

@test "what Retry-After has told one process, the next ones keep to without asking" {
	# Each way to ask is silenced by the one before it, in the same tenant.
	while read -r kind first; do
		rm -rf "$TOKENS"
		emulator_control clear-faults
		emulator_control "fault status:on=$kind,code=429,retry_after=30,times=1"
		# shellcheck disable=SC2086 # words
		run -75 --separate-stderr intune-query --deadline 1 $first
		assert_has "$stderr" "HTTP 429"
		emulator_control reset-counts
		for next in "$A" PC-ALPHA 00:aa:00:00:00:11 --all "--directory $A" "--budget 0 $A"; do
			# shellcheck disable=SC2086 # words
			run -75 --separate-stderr intune-query --deadline 1 $next
			assert_eq "$(grep -v '"list":' <<<"$output")" ""
			assert_has "$stderr" "has asked to be left alone for"
		done
		for what in get list next batch directory early; do assert_eq "$what $(count $what)" "$what 0"; done
	done <<-E
		get $A
		list --all
		batch 00:aa:00:00:00:11
	E
	# The same tenant by another name was told, too.
	conf_set tenant example.onmicrosoft.com
	run -75 --separate-stderr intune-query --deadline 1 $A
}

@test "50 processes, no token, 200 throttled: one token request, nobody early, each answered once" {
	emulator_control limit graph 0
	emulator_control list | cut -f1 | sort | head -50 >"$BATS_TEST_TMPDIR/ids"
	while read -r id; do
		emulator_control fault "status:on=get,code=429,retry_after=1,times=4,device=$id"
	done <"$BATS_TEST_TMPDIR/ids"
	while read -r id; do
		intune-query "$id" >"$BATS_TEST_TMPDIR/out.$id" 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
	done <"$BATS_TEST_TMPDIR/ids"
	wait
	assert_eq "$(cat "$BATS_TEST_TMPDIR/err")" ""
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | jq -r .compliance.device.id | sort)" "$(cat "$BATS_TEST_TMPDIR/ids")"
	assert_eq "$(count token)" 1
	emulator_control log >"$BATS_TEST_TMPDIR/log"
	jq -s -e '[.[] | select(.kind == "get")] | group_by(.path)
		| (map(map(select(.status == 429)) | length) | add) == 200
		and all(.[]; . as $r | all(range(1; length); $r[. - 1].status != 429 or $r[.].ms - $r[. - 1].ms >= 1000))' \
		"$BATS_TEST_TMPDIR/log"
	assert_eq "$(emulator_control log | jq -r 'select(.kind == "get" and .status == 200) | .path' | sort | uniq -d)" ""
}

@test "killed at any moment it leaves every file whole" {
	# make soak-kill has all the 200 rounds; half a minute has a good part of them.
	SPAN=30 run -0 "$NAC_ROOT/tests/soak-kill"
	echo "$output"
	assert_has "$output" "everything whole"
}

@test "--directory says whether the account is enabled, of one and of all" {
	emulator_control set PC-111 accountEnabled=false
	run -0 --separate-stderr intune-query --directory PC-111 PC-112
	assert_eq "$(jq -c .compliance.device.account_enabled <<<"$output" | xargs)" "false true"
	assert_eq "$(jq -c .compliance.state <<<"$output" | sort -u)" '"compliant"'
	assert_eq "$(nac-cache -d "$BATS_TEST_TMPDIR/s" put <<<"$output" >/dev/null &&
		nac-cache -d "$BATS_TEST_TMPDIR/s" get PC-111 | jq -c .compliance.device.account_enabled)" false
	run -0 --separate-stderr intune-query PC-111
	assert_eq "$(jq -c .compliance.device.account_enabled <<<"$output")" null
	run -0 --separate-stderr intune-query --all --directory --wired
	assert_eq "$(jq -r 'select(.compliance.device.account_enabled == false) | .compliance.device.name' <<<"$output")" PC-111
	emulator_control fault status:on=directory,code=403
	run -77 --separate-stderr intune-query --directory PC-112
	assert_eq "$output" ""
	emulator_control unset PC-111 accountEnabled
}
