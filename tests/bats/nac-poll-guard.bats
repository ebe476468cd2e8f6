#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# The guard of the poll against disasters that have happened, and the way past it.

load test_helper
load lib_emulator
load lib_poll

setup_file() { poll_setup_file; }
setup() { poll_setup; }
teardown() { poll_teardown; }

# all_devices N PROPERTY=VALUE ...: so for the first N devices.
all_devices() {
	local i n=$1
	shift
	for ((i = 1; i <= n; i++)); do echo "set $(device "$i") $*"; done | emulator_control - >/dev/null
}

stored() { nac-cache get "$(device "$1")" | jq -r .compliance.state; }

# Nobody was sent away, and everybody keeps what he had.
untouched() {
	assert_eq "$(coas)" 0
	assert_eq "$(stored 1)" compliant
	assert_eq "$(visit "$(device 1)" 1)" 750
}

@test "everyone noncompliant at once: no CoA, old answers stay in force, and --apply is a person's word" {
	fleet 25
	all_devices 25 complianceState=noncompliant
	run -75 --separate-stderr nac-poll --older-than 0s
	assert_one_line "$stderr"
	assert_has "$stderr" "25 of 25 clients would change, more than guard_share 30 %"
	assert_has "$stderr" "nac-poll --apply $store/poll.held"
	untouched
	assert_eq "$(stat -c %a "$store/poll.held")" 600
	assert_eq "$(head -n 1 "$store/poll.held" | jq -c '.held | [.asked, .changed, .state_dir]')" \
		"[25,25,\"$store\"]"
	assert_eq "$(tail -n +2 "$store/poll.held" | jq -r '"\(.decision.was.vlan) \(.decision.vlan)"' | sort | uniq -c | xargs)" \
		"25 750 1"
	# They were asked about: the next poll leaves them alone, and --status tells.
	emulator_control reset-counts
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "0 clients due"
	assert_eq "$(emulator_control count get)" 0
	run -1 nac-poll --status
	assert_has "$output" "held:  25 changes since"
	assert_has "$output" "more than guard_share 30 %"
	# Nor do they come in by the side door, one login at a time.
	run timeout 2 nac-cache follow --older-than 0s --unless "$store/poll.held"
	assert_eq "$output" ""
	run timeout 2 nac-cache follow --older-than 0s --from-start
	[ "${#lines[@]}" -eq 25 ]
	run -0 --separate-stderr nac-poll --apply "$store/poll.held"
	assert_has "$output" "CoA: 25 ack"
	assert_eq "$(coas)" 25
	assert_eq "$(stored 1)" noncompliant
	[ ! -e "$store/poll.held" ] && [ ! -e "$store/poll.applying" ] && [ -s "$store/poll.applied" ]
	run -0 nac-poll --status
	assert_has "$output" "last run:  apply"
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" 25
}

@test "everyone unregistered: held; when they are back what was held is forgotten" {
	fleet 25
	for i in $(seq 1 25); do emulator_control "show $(device "$i")"; done >"$dir/devices"
	for i in $(seq 1 25); do echo "remove $(device "$i")"; done | emulator_control - >/dev/null
	run -75 --separate-stderr nac-poll --older-than 0s
	assert_has "$stderr" "25 of 25 clients would change"
	untouched
	jq -c . "$dir/devices" | sed 's/^/add /' | emulator_control - >/dev/null
	sed -i 's/^poll_interval.*//' "$INTUNE_NAC_CONF"
	echo 'poll_interval = 1s' >>"$INTUNE_NAC_CONF"
	sleep 1.1
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "25 clients due, 25 answered, 0 change"
	[ ! -e "$store/poll.held" ]
	untouched
}

@test "a list of 4 devices out of 40 makes nobody unregistered" {
	sed -i 's/^match-order .*/match-order mac/' "$dir/site.rules"
	for i in $(seq 1 30); do
		printf 'set %s wiFiMacAddress=001B2C3D4E%02X\n' "$(device "$i")" "$i"
	done | emulator_control - >/dev/null
	fleet 30
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "30 compliant"
	rm -rf "$EMU_DIR"/tokens/*.list
	emulator_control "fault cut-list:items=36"
	run --separate-stderr nac-poll --older-than 0s
	show
	assert_eq "$(coas)" 0
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "30 compliant"
}

@test "429 for an hour: a few requests, no CoA, nothing lost; afterwards it goes on" {
	fleet 25
	all_devices 25 complianceState=noncompliant
	emulator_control "fault status:code=429,retry_after=3600"
	emulator_control reset-counts
	run -75 --separate-stderr nac-poll --older-than 0s
	untouched
	run -75 --separate-stderr nac-poll --older-than 0s
	[ "$(emulator_control count get)" -le 40 ]
	[ ! -e "$store/poll.held" ]
	run -1 nac-poll --status
	assert_has "$output" "failed:    intune-query (75)"
	assert_has "$output" "last good: never"
	# The hour is over: what was noncompliant all the time is a mass change now.
	emulator_control clear-faults
	run -75 --separate-stderr faketime -f +61m nac-poll --older-than 0s
	assert_has "$stderr" "25 of 25 clients would change"
	untouched
	all_devices 25 complianceState=compliant
	emulator_control "set $(device 1) complianceState=noncompliant"
	run -0 --separate-stderr faketime -f +4h nac-poll --verbose
	assert_has "$output" "25 clients due, 25 answered, 1 change; CoA: 1 ack"
	run -0 faketime -f +4h nac-poll --status
}

@test "answers of 200 with nothing in them are no answers: none of the clients was answered" {
	fleet 25
	for on in batch list get; do emulator_control "fault empty:on=$on"; done
	run --separate-stderr nac-poll --older-than 0s
	show
	[ "$status" -ge 69 ]
	run -1 nac-poll --status
	assert_has "$output" "25 clients due, 0 answered, 0 change; CoA: none"
	untouched
	[ ! -e "$store/poll.held" ]
	# An intune-query that answers nobody and finds nothing wrong with that.
	mkdir "$dir/bin"
	printf '#!/bin/sh\ncat >/dev/null\n' >"$dir/bin/intune-query"
	chmod +x "$dir/bin/intune-query"
	run -75 --separate-stderr env PATH="$dir/bin:$PATH" nac-poll --older-than 0s
	assert_eq "$stderr" "nac-poll: none of 25 clients was answered"
	untouched
}

@test "2,000 of 19,000 devices in the list of the whole tenant: said, and nobody loses his answer" {
	sed -n '/^state_dir/,$p' "$INTUNE_NAC_CONF" >"$dir/rest"
	emulator_stop
	emulator_start --fleet 19000 --page-size 1000 --token-limit 0
	cat "$EMU_CONF" "$dir/rest" >"$INTUNE_NAC_CONF"
	run -0 --separate-stderr bash -c 'set -o pipefail; intune-query --all | nac-cache put --quiet'
	states=$(nac-cache stats | jq -c .states)
	assert_eq "$(nac-cache stats | jq .devices)" 19000
	emulator_control "fault cut-list:items=17000"
	intune-query --all >"$dir/short" 2>"$dir/err" || rc=$?
	cat "$dir/err"
	[ "${rc:-0}" -ge 69 ]
	assert_one_line "$(cat "$dir/err")"
	assert_has "$(cat "$dir/err")" "intune-query: --all: not the whole tenant"
	assert_eq "$(tail -n 1 "$dir/short" | jq -c .list.complete)" false
	nac-cache put --changed <"$dir/short" >"$dir/changed"
	assert_eq "$(nac-cache stats | jq -c .states)" "$states"
	assert_eq "$(nac-cache stats | jq .devices)" 19000
}

@test "one site alone, and a fleet that is asked in twelve parts" {
	# 60 clients: 24 of them at one NAS, which is less than 41 % of all.
	echo 'guard_share = 45' >>"$INTUNE_NAC_CONF"
	nac-cache put </dev/null
	make_answers() { # BAD-OF-SITE-1
		for i in $(seq 1 60); do
			site=$((i <= 24 ? 1 : 2))
			printf '{"identity":{"name":[{"value":"d%d","found":"cn"}]},"session":{"seen":"2026-01-01T00:00:00Z","nas_id":"site-%d","nas_ip":"10.0.0.%d","calling":"02-00-00-00-00-%02X"},"compliance":{"state":"%s","checked":"2026-01-02T00:00:00Z"},"decision":{"action":"allow","state":"compliant"}}\n' \
				"$i" "$site" "$site" "$i" "$( ((i <= $1)) && echo noncompliant || echo compliant)"
		done
	}
	make_answers 24 >"$dir/answers"
	jq -c 'select(.compliance.state == "noncompliant") | .decision = {action: "deny", state: "noncompliant", was: .decision}' \
		"$dir/answers" >"$dir/changes"
	weigh() { nac-cache weigh --now 2026-01-02T00:00:10Z --window "$dir/window" "$dir/answers" "$dir/changes"; }
	run -1 weigh
	assert_has "$output" "24 of 24 clients would change"
	assert_has "$output" "site site-1"
	# The same of one NAS of a site that has others.
	rm "$dir/window"
	sed -i 's/"nas_id":"site-[12]"/"nas_id":"campus"/' "$dir/answers" "$dir/changes"
	run -1 weigh
	assert_has "$output" "NAS 10.0.0.1: 24 of 24 clients would change, more than guard_nas_share 50 %"
	refute_has "$output" campus
	sed -i 's/"nas_ip":"10.0.0.[12]"/"nas_ip":"10.0.0.9"/' "$dir/answers" "$dir/changes"
	rm "$dir/window"
	run -0 weigh
	# 12 changes are less than guard_least, twice 12 are not.
	rm "$dir/window"
	make_answers 12 >"$dir/answers"
	head -n 12 "$dir/answers" >"$dir/a" && mv "$dir/a" "$dir/answers"
	jq -c '.decision = {action: "deny", state: "noncompliant", was: .decision}' "$dir/answers" >"$dir/changes"
	# There are more clients than were asked, so this run and the last are one.
	fleet 25
	run -0 weigh
	run -1 weigh
	assert_has "$output" "24 of 24 clients would change"
	assert_has "$output" "with those of the polls before"
}

@test "the limits are numbers: anything else is an error of nac.conf with its place" {
	cp "$INTUNE_NAC_CONF" "$dir/good"
	for line in "guard_share = 0" "guard_site_share = 50%" "guard_nas_share = 101" "guard_least = few" "guard_clock = long"; do
		{ cat "$dir/good"; echo "$line"; } >"$INTUNE_NAC_CONF"
		run -78 --separate-stderr nac-cache list
		assert_has "$stderr" "$INTUNE_NAC_CONF:$(wc -l <"$INTUNE_NAC_CONF"):"
		assert_has "$stderr" "${line%% *}"
	done
	printf '{nonsense\n' >"$dir/bad"
	cp "$dir/good" "$INTUNE_NAC_CONF"
	run -65 --separate-stderr nac-cache due --except "$dir/bad"
	assert_has "$stderr" "$dir/bad"
	run -65 --separate-stderr nac-cache list --clients --only "$dir/bad"
	run -66 --separate-stderr nac-cache weigh "$dir/none" "$dir/none"
}

@test "first answers are no change: a thousand new devices go through" {
	all_devices 25 complianceState=compliant managementState=managed
	for i in $(seq 1 25); do visit "$(device "$i")" "$i" >/dev/null; done
	run -0 --separate-stderr nac-poll
	assert_eq "$(coas)" 25
}

@test "a clock that has jumped: nothing is stored, sent or asked twice" {
	fleet 3
	emulator_control "set $(device 1) complianceState=noncompliant"
	date -u -d '+1 hour' +%FT%TZ >"$store/poll.stamp"
	run -75 --separate-stderr nac-poll --older-than 0s
	assert_one_line "$stderr"
	assert_has "$stderr" "it was ahead then, and the next poll goes on"
	untouched
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" 1
	# Microsoft's word on the time: when devices were last in touch.
	answer='{"identity":{},"session":{"seen":"2026-01-01T00:00:00Z","nas_ip":"10.0.0.1","calling":"02-00-00-00-00-01"},"compliance":{"state":"compliant","checked":"2026-01-02T00:00:00Z","source":"graph","device":{"id":"5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c001","last_sync":"2026-01-02T00:00:00Z"}},"decision":{"action":"allow","state":"compliant"}}'
	for i in $(seq 1 30); do echo "$answer"; done >"$dir/answers"
	: >"$dir/none"
	run -0 nac-cache weigh --now 2026-01-02T01:00:00Z "$dir/answers" "$dir/none"
	run -1 nac-cache weigh --now 2026-01-01T23:00:00Z "$dir/answers" "$dir/none"
	assert_has "$output" "it is behind"
	# Where no device says what time it is, or a later one, the last poll is believed.
	echo 2026-01-02T12:00:00Z >"$dir/stamp"
	run -1 nac-cache weigh --now 2026-01-02T01:00:00Z --stamp "$dir/stamp" "$dir/none" "$dir/none"
	assert_has "$output" "it has jumped back"
	run -1 nac-cache weigh --now 2026-01-01T23:00:00Z --stamp "$dir/stamp" "$dir/answers" "$dir/none"
	assert_has "$output" "it is behind"
	[ -s "$dir/stamp" ]
	run -1 nac-cache weigh --now 2026-01-02T01:00:00Z --stamp "$dir/stamp" --dry-run "$dir/answers" "$dir/none"
	assert_has "$output" "it was ahead then"
	[ -s "$dir/stamp" ]
	run -1 nac-cache weigh --now 2026-01-02T01:00:00Z --stamp "$dir/stamp" "$dir/answers" "$dir/none"
	[ ! -e "$dir/stamp" ]
	run -1 nac-cache weigh --now 2026-01-06T00:00:00Z "$dir/answers" "$dir/none"
	assert_has "$output" "it may have jumped ahead"
	# A short list is no reason to believe anything.
	jq -c '.decision.was = .decision' <<<"$answer" >"$dir/change"
	echo '{"list":{"complete":false,"why":"cut"}}' >>"$dir/answers"
	run -0 nac-cache weigh --now 2026-01-02T01:00:00Z "$dir/answers" "$dir/none"
	run -1 nac-cache weigh --now 2026-01-02T01:00:00Z --hold "$dir/held" --pass "$dir/pass" "$dir/answers" "$dir/change"
	assert_has "$output" "the list is not complete"
	[ ! -s "$dir/pass" ] && [ "$(wc -l <"$dir/held")" -eq 2 ]
}

@test "--apply --rate: in parts, which can be stopped and resumed; polls go on between them" {
	fleet 25
	all_devices 25 complianceState=noncompliant
	run -75 --separate-stderr nac-poll --older-than 0s
	nac-poll --apply "$store/poll.held" --rate 10/min 3>&- >"$dir/apply.log" 2>&1 &
	follow=$!
	ten() { [ "$(coas)" -eq 10 ] && [ "$(wc -l <"$store/poll.applying" 2>/dev/null)" -eq 16 ]; }
	wait_until 20 ten
	wait_until 5 flock -n "$store/poll.lock" true
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "0 change"
	run -0 nac-poll --status
	assert_has "$output" "applying:  15 changes since"
	kill "$follow"
	wait "$follow" || [ $? -eq 130 ]
	follow=''
	assert_eq "$(coas)" 10
	run -75 --separate-stderr nac-poll --apply "$store/poll.applied"
	assert_has "$stderr" "another file was applied in part"
	nac-poll --apply "$store/poll.applying" --rate 6/s 3>&- >"$dir/apply.log" 2>&1 &
	follow=$!
	while kill -0 "$follow" 2>/dev/null; do
		run nac-poll
		[ "$status" -eq 0 ] || [ "$status" -eq 75 ]
		[ "$(coas)" -lt 15 ] || run ! nac-poll --apply "$store/poll.applying"
		sleep 0.2
	done
	wait "$follow" || { cat "$dir/apply.log" "$store/poll.status"; false; }
	follow=''
	assert_eq "$(coas)" 25
	assert_eq "$(radius_coa_log "$dir" | sort | uniq -d | wc -l)" 0
	[ ! -e "$store/poll.applying" ]
}

@test "--apply refuses what is stale, foreign or no longer what it was, and says which" {
	fleet 1
	held=$dir/held
	record=$(nac-cache list --clients | jq -c '.compliance.checked = (now | todate) | .decision = (.decision | .was = .)')
	head_line() { jq -nc --arg t "$(date -u -d "$1" +%FT%TZ)" --arg d "$2" '{held: {version: 1, time: $t, state_dir: $d, cause: "x", asked: 1, changed: 1}}'; }
	refused() {
		run -65 --separate-stderr nac-poll --apply "$held"
		assert_has "$stderr" "$1"
		assert_has "$stderr" "nothing was applied"
		[ -e "$held" ] && [ ! -e "$store/poll.applying" ]
	}
	{ head_line '-2 days' "$store"; echo "$record"; } >"$held"
	refused "is 48 h old"
	{ head_line now /elsewhere; echo "$record"; } >"$held"
	refused "is of another store, /elsewhere"
	{ head_line '+1 hour' "$store"; echo "$record"; } >"$held"
	refused "in the future"
	head_line now "$store" >"$held"
	refused "does not hold a change"
	{ head_line now "$store"; echo "$record"; echo hello; } >"$held"
	refused "does not hold a change"
	{ head_line now "$store"; jq -c '.compliance.state = "fine"' <<<"$record"; } >"$held"
	refused "does not hold a change"
	echo "$record" >"$held"
	refused "is no file of what a poll has held"
	run -66 --separate-stderr nac-poll --apply "$dir/nowhere"
	run -64 --separate-stderr nac-poll --rate 5%/h
	{ head_line now "$store"; echo "$record"; } >"$held"
	run -64 --separate-stderr nac-poll --apply "$held" --rate soon
	assert_has "$stderr" "is no rate"
	run -0 --separate-stderr nac-poll --apply "$held"
	assert_has "$(cat "$store/poll.applied")" '"cause":"x"'
}

@test "--redecide: edited rules are applied to everybody seen, nobody is asked, and the guard holds" {
	fleet 3
	emulator_control reset-counts
	sed -i 's/vlan 750/vlan 760/' "$dir/site.rules"
	run -0 --separate-stderr nac-poll --redecide --dry-run
	assert_has "$output" "vlan 750 -> 760"
	assert_eq "$(coas)" 0
	run -0 --separate-stderr nac-poll --redecide --verbose
	assert_has "$output" "3 change; CoA: 3 ack"
	assert_eq "$(coas)" 3
	assert_eq "$(emulator_control count get)$(emulator_control count list)" 00
	fleet 25
	coas=$(coas)
	sed -i 's/vlan 760/vlan 770/' "$dir/site.rules"
	run -75 --separate-stderr nac-poll --redecide
	assert_has "$stderr" "25 of 25 clients would change"
	assert_eq "$(coas)" "$coas"
	[ ! -e "$store/poll.held" ]
	run -1 nac-poll --status
	assert_has "$output" "redecide:  25 changes since"
	# Polls go on, and neither drop what is held here nor are held for it.
	emulator_control "set $(device 1) complianceState=noncompliant"
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" $((coas + 1))
	[ -s "$store/poll.redecide" ]
	visit "$(device 1)" 1 >/dev/null
	# Once more, with what a poll has held beside it: neither replaces the other.
	all_devices 25 complianceState=noncompliant
	run -75 --separate-stderr nac-poll --older-than 0s
	run -75 --separate-stderr nac-poll --redecide
	assert_eq "$(wc -l <"$store/poll.held") $(wc -l <"$store/poll.redecide")" "25 25"
	run -0 --separate-stderr nac-poll --apply "$store/poll.redecide"
	assert_eq "$(coas)" $((coas + 25))
	[ -s "$store/poll.held" ]
}

@test "killed with 25 CoA to send, and then the rules are edited: what was owed is sent, what they make of it is weighed" {
	fleet 25
	all_devices 25 complianceState=noncompliant
	mkdir "$dir/bin"
	# shellcheck disable=SC2016 # for the shell that reads it
	printf '#!/bin/bash\ncase $1 in --owed) exit 0 ;; esac\nkill -9 $PPID\n' >"$dir/bin/coa-send"
	chmod +x "$dir/bin/coa-send"
	run -137 env PATH="$dir/bin:$PATH" nac-poll --older-than 0s --max-change 100
	assert_eq "$(coas) $(wc -l <"$store/poll.sending")" "0 25"
	cp "$store/poll.sending" "$dir/sending"
	cp "$dir/site.rules" "$dir/right"
	sed -i 's/vlan 1$/vlan 666/' "$dir/site.rules"
	run -75 --separate-stderr nac-poll
	assert_has "$stderr" "of those who are owed a CoA"
	assert_has "$stderr" "clients would change, more than guard_share 30 %: held"
	assert_eq "$(coas)" 0
	run -1 nac-poll --status
	assert_has "$output" "held:  "
	cp "$dir/right" "$dir/site.rules"
	# With the right rules they are what was owed, and the guard has seen them.
	rm "$store/poll.held"
	cp "$dir/sending" "$store/poll.sending"
	run -0 --separate-stderr nac-poll --verbose
	assert_eq "$(coas)" 25
	assert_eq "$(radius_coa_log "$dir" | sort -u | wc -l)" 25
}

@test "--follow: a mass change at login is held like any other, and new clients get in" {
	fleet 25
	all_devices 25 complianceState=noncompliant
	emulator_control "set $(device 30) complianceState=compliant managementState=managed"
	nac-poll --follow --older-than 0s 2>"$dir/follow.log" 3>&- &
	follow=$!
	for i in $(seq 1 25); do visit "$(device "$i")" "$i" >/dev/null; done
	held() { [ "$(tail -n +2 "$store/poll.held" 2>/dev/null | wc -l)" -ge 6 ]; }
	wait_until 30 held || { cat "$dir/follow.log"; false; }
	# Fewer than guard_least went through before it was too much.
	n=$(coas)
	[ "$n" -le 19 ]
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" \
		"6 compliant 19 noncompliant"
	assert_has "$(cat "$dir/follow.log")" "more than guard_share 30 %: held; look at $store/poll.held"
	assert_eq "$(head -n 1 "$store/poll.held" | jq -r .held.state_dir)" "$store"
	# A first answer still gets in.
	assert_eq "$(visit "$(device 30)" 30)" 1
	in_30() { [ "$(visit "$(device 30)" 30)" = 750 ]; }
	wait_until 20 in_30 || { cat "$dir/follow.log"; false; }
	kill "$follow"
	wait "$follow" || :
	follow=''
	run -1 nac-poll --status
	assert_has "$output" "held:  6 changes since"
	run -0 --separate-stderr nac-poll --apply "$store/poll.held"
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" \
		"1 compliant 25 noncompliant"
}

@test "a device whose change is held is held with all its network cards, now and in the next poll" {
	# Three devices have a second card, which has never come back for its answer.
	for i in 1 2 3; do visit "$(device $i)" $((100 + i)) >/dev/null; done
	fleet 25
	all_devices 25 complianceState=noncompliant
	run -75 --separate-stderr faketime -f +1h nac-poll --older-than 0s
	assert_has "$stderr" "25 of 25 clients would change"
	untouched
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "28 compliant"
	assert_eq "$(wc -l <"$store/poll.held")" 26
	# Another card comes while that is held.
	nac-cache list --clients | jq -c 'select(.session.nas_port == "1") | {journal: 1} + . |
		.session.calling = "00-1B-2C-3D-4E-F0" | .session.acct_session_id = "late" | .session.seen = (now | todate) |
		.identity.mac = "00:1b:2c:3d:4e:f0" | .decision.state = "pending" | del(.coa)' >"$dir/late"
	[ -s "$dir/late" ]
	cat "$dir/late" >>"$store/journal.ndjson"
	# The answers are old, what is held is not.
	run -0 --separate-stderr faketime -f +125m nac-poll --older-than 2h --verbose
	assert_has "$output" "4 clients due, 4 answered"
	untouched
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "29 compliant"
	run -0 --separate-stderr faketime -f +130m nac-poll --apply "$store/poll.held"
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "29 noncompliant"
}

@test "a poll while the clock was a day ahead: one hold, and everything goes on" {
	fleet 3
	emulator_control "set $(device 1) complianceState=noncompliant"
	run -0 --separate-stderr faketime -f +1d nac-poll --older-than 0s
	assert_eq "$(coas)" 1
	assert_eq "$(visit "$(device 1)" 1)" 1
	emulator_control "set $(device 1) complianceState=compliant"
	run -1 nac-poll --status
	assert_has "$output" "is in the future"
	run -75 --separate-stderr nac-poll --older-than 0s
	assert_has "$stderr" "it was ahead then, and the next poll goes on"
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "3 clients due, 3 answered, 1 change; CoA: 1 ack"
	assert_eq "$(stored 1)" compliant
	assert_eq "$(visit "$(device 1)" 1)" 750
	run -0 nac-poll --status
	refute_has "$output" "future"
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "0 clients due"
}

@test "a poll while the clock is a day behind: held, and the right time goes on" {
	fleet 3
	emulator_control "set $(device 1) complianceState=noncompliant"
	emulator_control "set $(device 2) lastSyncDateTime=$(date -u -d '+1 day' +%FT%TZ)"
	run -75 --separate-stderr nac-poll --older-than 0s
	assert_has "$stderr" "it is behind"
	untouched
	[ ! -e "$store/poll.stamp" ]
	run -0 --separate-stderr faketime -f +1d nac-poll --older-than 0s
	assert_eq "$(coas)" 1
}
