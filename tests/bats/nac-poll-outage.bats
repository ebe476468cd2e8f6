#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# A day with a long outage of Intune, on a clock that is put forward between polls.

load test_helper
load lib_emulator
load lib_poll

setup_file() { poll_setup_file; }
setup() { poll_setup; }
teardown() { poll_teardown; }

# at MINUTES COMMAND ...: so many minutes from now
at() { faketime -f "+$(($1 * 60))" "${@:2}"; }

# vlans MINUTES: what the clients would be given then, by how many
vlans() {
	at "$1" nac-cache list --clients | at "$1" nac-decide | jq -r .decision.vlan | sort | uniq -c | xargs
}

# poll_at MINUTES: one run of cron's; its status, and its requests into $dir/requests
poll_at() {
	emulator_control reset-counts
	status=0
	at "$1" nac-poll --verbose >"$dir/out" 2>"$dir/err" || status=$?
	emulator_control count | awk -v t="$1" '/^(list|get|item)/ { n += $2 } END { print t, n }' >>"$dir/requests"
}

@test "no name service, then a proxy that is dead, with logins each hour and --follow at work" {
	fleet 6
	cp "$INTUNE_NAC_CONF" "$dir/good.conf"
	sed -i 's/^graph *=.*/graph = graph.invalid/; s/^authority *=.*/authority = login.invalid/' "$INTUNE_NAC_CONF"
	grep -q '^graph = graph.invalid' "$INTUNE_NAC_CONF"
	for t in 180 240 300 360; do
		[ "$t" -ne 300 ] || { cp "$dir/good.conf" "$INTUNE_NAC_CONF"; export https_proxy=http://127.0.0.1:9; }
		faketime -f "+$((t * 60))" nac-poll --follow --older-than 0s 2>>"$dir/follow.log" 3>&- &
		follow=$!
		for i in 1 2 3 4 5 6 7; do visit "$(device "$i")" "$i" >/dev/null; done
		poll_at "$t"
		[ "$status" -eq 69 ] || [ "$status" -eq 75 ]
		# Some by name, the others counted.
		assert_has "$(cat "$dir/err")" "intune-query: "
		[ "$(wc -l <"$dir/err")" -le 8 ]
		kill -0 "$follow"
		# faketime waits for it, and passes no signal on.
		follower=$(pgrep -P "$follow") && kill "${follower:-$follow}"
		wait "$follow"
		follow=''
	done
	unset https_proxy
	assert_eq "$(coas)" 0
	assert_eq "$(nac-cache list --clients | jq -r .compliance.state | sort | uniq -c | xargs)" "6 compliant 1 pending"
	# No line for each try of each login, and nothing that grows beside the journal.
	[ "$(wc -l <"$dir/follow.log")" -le 40 ]
	[ "$(wc -c <"$store/journal.ndjson")" -le $((60 * 2048)) ]
	[ "$(cat "$store"/coa.journal "$store"/poll.* 2>/dev/null | wc -c)" -le 20000 ]
	# The new one gets in with the first poll that can ask.
	emulator_control "set $(device 7) complianceState=compliant managementState=managed"
	poll_at 420
	assert_eq "$status" 0
	assert_eq "$(coas)" 1
	assert_eq "$(vlans 420)" "7 750"
}

@test "24 hours, 8 of them without Intune: nothing piles up, answers age as the rules say, all comes back" {
	sed -i 's/^stale-after.*/stale-after 5h/; s/if compliance is compliant$/& and fresh/' "$dir/site.rules"
	fleet 12
	nac-cache due --summary >/dev/null
	bytes=$(nac-cache stats | jq .bytes)
	# The morning: each client once in two hours.
	for t in 30 60 90 120 150 180 210 240; do poll_at $t; assert_eq "$status" 0; done
	assert_eq "$(vlans 240)" "12 750"
	# No connection, then nothing but 429 for the rest of the working day.
	emulator_control down
	poll_at 300
	[ "$status" -eq 69 ] || [ "$status" -eq 75 ]
	emulator_control up
	emulator_control "fault status:code=429,retry_after=3000"
	emulator_control "set $(device 1) complianceState=noncompliant"
	for t in 360 420 480 540 600 660 720; do
		poll_at $t
		assert_eq "$status" 75
		# One asks whether it is over yet, not everybody.
		[ "$(awk -v t=$t '$1 == t { print $2 }' "$dir/requests")" -le 3 ]
	done
	assert_eq "$(coas)" 0
	assert_eq "$(vlans 420)" "12 750"
	# Five hours after the last answer the rules no longer believe it.
	assert_eq "$(vlans 720)" "12 1"
	run -1 at 720 nac-poll --status
	assert_has "$output" "failed:    intune-query (75)"
	assert_has "$output" "too long ago"
	# Over: nobody has to do anything.
	emulator_control clear-faults
	for t in 780 810 840 870 900 930 960 1080 1200 1320 1440; do poll_at $t; assert_eq "$status" 0; done
	assert_eq "$(coas)" 1
	assert_has "$(radius_coa_log "$dir")" "session-1"
	assert_eq "$(vlans 1440)" "1 1 11 750"
	run -0 at 1440 nac-poll --status
	# All are asked once, and then one by one as before.
	[ "$(awk '$1 == 780 { print $2 }' "$dir/requests")" -le 13 ]
	[ "$(awk '$1 >= 810 && $1 <= 900 && $2 > n { n = $2 } END { print n }' "$dir/requests")" -le 8 ]
	[ "$(nac-cache stats | jq .bytes)" -le $((2 * bytes)) ]
	[ "$(cat "$store"/poll.* | wc -c)" -le 20000 ]
	# No file but those that are always there.
	for f in "$store"/*; do
		case ${f##*/} in
		data.mdb | lock.mdb | journal.ndjson | coa.journal | site.rules.good) ;;
		poll.lock | poll.stamp | poll.status | poll.window) ;;
		*) echo "$f"; false ;;
		esac
	done
}
