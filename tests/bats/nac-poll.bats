#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# The poll and the out-of-band look-up, whole: emulated Intune at one end, a real
# CoA listener (FreeRADIUS) at the other, radius-hook run as FreeRADIUS runs it.

load test_helper
load lib_emulator
load lib_poll

setup_file() { poll_setup_file; }
setup() { poll_setup; }
teardown() { poll_teardown; }

@test "a change of compliance is one CoA, and the client's next visit ends elsewhere" {
	fleet 3
	assert_eq "$(visit "$(device 1)" 1)" 750
	emulator_control "set $(device 1) complianceState=noncompliant"
	run -0 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "compliant -> noncompliant"
	assert_has "$output" "3 clients due, 3 answered, 1 change; CoA: 1 ack"
	assert_eq "$(coas)" 1
	assert_has "$(radius_coa_log "$dir")" "session-1"
	[ -s "$store/poll.stamp" ]
	# The session is known to be gone: the next poll does not ask the NAS again.
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" 1
	assert_eq "$(visit "$(device 1)" 1)" 1
	emulator_control "set $(device 1) complianceState=compliant"
	run -0 nac-poll --older-than 0s --quiet
	assert_eq "$output" ""
	assert_eq "$(coas)" 2
	assert_eq "$(visit "$(device 1)" 1)" 750
}

@test "every stage looks devices up in the order that the rules say" {
	# By its name client 1 is device 1, by its MAC address device 2.
	emulator_control "set $(device 1) complianceState=noncompliant managementState=managed"
	emulator_control "set $(device 2) complianceState=compliant managementState=managed wiFiMacAddress=001B2C3D4E01"
	sed -i 's/^match-order .*/match-order mac name guid/' "$dir/site.rules"
	assert_eq "$(visit "$(device 1)" 1)" 1
	run -0 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "pending -> compliant"
	assert_eq "$(visit "$(device 1)" 1)" 750
	assert_eq "$(nac-cache list --clients | jq -r .compliance.matched_by)" mac
	run -0 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "1 clients due, 1 answered, 0 change; CoA: none"
	sed -i 's/^match-order .*/match-order sideways/' "$dir/site.rules"
	# The last good rules go on deciding, and it is said; without any nothing is asked.
	run -0 --separate-stderr nac-poll
	assert_has "$stderr" "site.rules:14:13: "
	assert_has "$stderr" "sideways"
	assert_has "$stderr" "the last good rules"
	rm "$store"/*.good
	run -78 --separate-stderr nac-poll
	assert_has "$stderr" "sideways"
}

@test "nobody due: nothing asked, nothing sent, stamp renewed" {
	fleet 2
	emulator_control reset-counts
	run -0 --separate-stderr nac-poll --older-than 1h
	assert_eq "$output" ""
	assert_eq "$(emulator_control count get)" 0
	[ -s "$store/poll.stamp" ]
}

@test "--dry-run shows the change, stores nothing, sends nothing, leaves no stamp" {
	fleet 2
	emulator_control "set $(device 2) complianceState=noncompliant"
	run -0 --separate-stderr nac-poll -n --older-than 0s
	assert_has "$output" "compliant -> noncompliant"
	assert_has "$output" "dry-run"
	assert_eq "$(coas)" 0
	[ ! -e "$store/poll.stamp" ]
	assert_eq "$(nac-cache get "$(device 2)" | jq -r .compliance.state)" compliant
}

@test "Intune down: 69 or 75, the stamp stays, the answers stay, and nothing is sent" {
	fleet 2
	emulator_control down
	run --separate-stderr nac-poll --older-than 0s
	[ "$status" -eq 69 ] || [ "$status" -eq 75 ]
	[ ! -e "$store/poll.stamp" ]
	assert_eq "$(coas)" 0
	assert_eq "$(visit "$(device 1)" 1)" 750
	emulator_control up
	run -0 --separate-stderr nac-poll --older-than 0s
	[ -s "$store/poll.stamp" ]
}

@test "a NAS that is silent: 75, and the change is owed until it answers" {
	fleet 1
	emulator_control "set $(device 1) complianceState=noncompliant"
	sed -i 's/ port [0-9]*/ port 9/' "$dir/nas"
	printf '%s\n' 'wrong' >"$dir/other"
	run -75 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "silent"
	[ ! -e "$store/poll.stamp" ]
	sed -i "s/ port 9/ port $RADIUS_COA_PORT/" "$dir/nas"
	run -0 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "1 ack"
	assert_eq "$(coas)" 1
}

# crowd N: N more clients, like the one there is, have never been answered.
crowd() {
	visit "$(device 1)" 1 >/dev/null
	python3 - "$store/journal.ndjson" "$1" <<-'END'
		import json, sys
		line = json.loads(open(sys.argv[1]).read().splitlines()[-1])
		with open(sys.argv[1], "a") as f:
		    for i in range(int(sys.argv[2])):
		        line["identity"]["name"] = [{"value": "CROWD-%05d" % i, "found": "cn"}]
		        line["identity"].pop("fqdn", None)
		        line["identity"]["mac"] = "00:1b:2d:00:%02x:%02x" % (i >> 8, i & 255)
		        line["session"]["calling"] = "00-1B-2D-00-%02X-%02X" % (i >> 8, i & 255)
		        line["session"]["acct_session_id"] = "crowd-%d" % i
		        f.write(json.dumps(line, separators=(",", ":")) + "\n")
	END
}

@test "intune-query ends at once, with more clients due than a pipe takes: its status, and --status has it" {
	crowd 600
	[ "$(nac-cache due | wc -c)" -gt 100000 ]
	chmod 644 "$EMU_SECRET_FILE"
	run -77 --separate-stderr nac-poll
	refute_has "$stderr" "cannot be written"
	refute_has "$stderr" "nothing was stored or sent"
	run -1 nac-poll --status
	assert_has "$output" "last run:  poll"
	assert_has "$output" "exit status 77"
	assert_has "$output" "601 clients due, 0 answered"
	assert_has "$output" "failed:    intune-query (77)"
}

@test "answers that cannot be written: 74, nothing stored or sent, and --status tells" {
	fleet 1
	emulator_control "set $(device 1) complianceState=noncompliant"
	mkdir "$dir/bin"
	printf '#!/bin/sh\ncat >/dev/null\nexit 1\n' >"$dir/bin/tee"
	chmod +x "$dir/bin/tee"
	run -74 --separate-stderr env PATH="$dir/bin:$PATH" nac-poll --older-than 0s
	assert_one_line "$stderr"
	assert_has "$stderr" "nothing was stored or sent"
	assert_eq "$(coas)" 0
	run -1 nac-poll --status
	assert_has "$output" "exit status 74"
	assert_has "$output" "failed:    $store/poll.work.poll: cannot be written"
}

@test "nac.conf is read as the other programs read it: blanks, carriage returns, an order of its own" {
	fleet 1
	sed -i 's/^state_dir = \(.*\)/\t  state_dir =\t\1  \r/' "$INTUNE_NAC_CONF"
	printf '  coa_journal\t= %s \r\n # poll_interval = 1s\npoll_interval = 1h30m\r\n' "$dir/other.journal" >>"$INTUNE_NAC_CONF"
	assert_eq "$(nac-cache settings)" "$(printf '%s\n' "state_dir = $store" "journal = $store/journal.ndjson" \
		"poll_interval = 5400s" "coa_journal = $dir/other.journal")"
	emulator_control "set $(device 1) complianceState=noncompliant"
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" 1
	[ -s "$dir/other.journal" ] && [ -s "$store/poll.stamp" ]
	echo 'poll_intervall = 2h' >>"$INTUNE_NAC_CONF"
	run -78 --separate-stderr nac-poll
	assert_one_line "$stderr"
	assert_has "$stderr" "did you mean poll_interval?"
}

@test "the disk is full when the answers are there: one line, nothing stored, and the next poll has it all" {
	fleet 2
	emulator_control "set $(device 1) complianceState=noncompliant"
	# Full for this one file, as root writes everywhere else.
	mkdir "$dir/bin"
	cat >"$dir/bin/cat" <<-END
		#!/bin/bash
		[ "\$(readlink /proc/\$\$/fd/1)" != "$store/poll.sending.new" ] || exec $(command -v cat) >/dev/full
		exec $(command -v cat) "\$@"
	END
	chmod +x "$dir/bin/cat"
	run -74 --separate-stderr env PATH="$dir/bin:$PATH" nac-poll --older-than 0s
	assert_eq "$stderr" "nac-poll: $store/poll.sending: No space left on device; nothing was stored or sent"
	assert_eq "$(coas)" 0
	assert_eq "$(nac-cache get "$(device 1)" | jq -r .compliance.state)" compliant
	[ ! -e "$store/poll.sending" ] && [ ! -e "$store/poll.sending.new" ]
	run -1 nac-poll --status
	assert_has "$output" "No space left on device"
	run -0 --separate-stderr nac-poll --older-than 0s --verbose
	assert_has "$output" "CoA: 1 ack"
	assert_eq "$(coas)" 1
}

@test "on a terminal a poll and a replay show how far they are; in a pipe they do not" {
	crowd 400
	run script -qec "nac-poll --dry-run --older-than 0s >/dev/null" /dev/null
	# How many there will be is told by the size of what is due.
	grep -qE " of (39|40)[0-9] records \[[#.]+\], [0-9]+ a second, .* left" <<<"$output"
	nac-poll --dry-run --older-than 0s >"$dir/out" 2>"$dir/err" || :
	[ ! -s "$dir/err" ] || ! grep -q $'\r' "$dir/err"
	for i in $(seq 60); do cat "$store/journal.ndjson"; done >"$dir/decisions"
	run script -qec "(head -n 12000 '$dir/decisions'; sleep 1; tail -n +12001 '$dir/decisions') | nac-decide --replay --with '$dir/site.rules' >/dev/null" /dev/null
	[[ $output == *$'\r'*lines* ]]
	nac-decide --replay "$dir/decisions" --with "$dir/site.rules" >"$dir/out" 2>"$dir/err"
	[ ! -s "$dir/err" ]
}

@test "two polls at once: the second leaves with 75" {
	exec 7>"$store/poll.lock"
	flock -n 7
	run -75 --separate-stderr nac-poll
	assert_one_line "$stderr"
	assert_has "$stderr" "another poll is running"
	exec 7>&-
}

@test "--max-change lets a real mass change through" {
	fleet 20
	for i in $(seq 1 20); do echo "set $(device "$i") complianceState=noncompliant"; done | emulator_control - >/dev/null
	run -0 --separate-stderr nac-poll --older-than 0s --max-change 100
	assert_eq "$(coas)" 20
}

@test "--follow looks a new client up at once and sends its CoA; SIGTERM ends it with 0" {
	emulator_control "set $(device 7) complianceState=compliant managementState=managed"
	nac-poll --follow 2>"$dir/follow.log" 3>&- &
	follow=$!
	assert_eq "$(visit "$(device 7)" 7)" 1
	one_coa() { [ "$(coas)" -ge 1 ]; }
	wait_until 20 one_coa || { cat "$dir/follow.log"; false; }
	assert_eq "$(visit "$(device 7)" 7)" 750
	kill "$follow"
	wait "$follow"
	follow=''
}

@test "wrong options: 64, one line and a hint" {
	run -64 --separate-stderr nac-poll --older-than soon
	assert_has "$stderr" "nac-poll: soon: is no span of time"
	run -64 --separate-stderr nac-poll --max-change 101
	assert_has "$stderr" "is no percentage"
	run -64 --separate-stderr nac-poll now
	run -64 --separate-stderr nac-poll --frob
	rm -rf "$store"
	run -78 --separate-stderr nac-poll
	assert_has "$stderr" "$store: the state folder"
}

@test "the EXAMPLES of nac-poll(8)" {
	fleet 1
	run -0 nac-poll --dry-run --older-than 0s
	run -0 nac-poll --verbose
	run -0 nac-poll --status
	assert_has "$output" "last run:  poll"
	assert_has "$output" "next:      0 of 1 clients are due now; the next 20"
	# Changes as they come: the pipes of the page, with what stands in for logger and mail.
	fleet 3
	emulator_control "set $(device 2) complianceState=noncompliant"
	assert_eq "$(nac-cache due --older-than 0s | intune-query | nac-cache put --changed | tee -a "$dir/changes" |
		jq -r '"\(.compliance.device.name) \(.was.state) \(.compliance.state)"')" \
		"$(device 2) compliant noncompliant"
	assert_eq "$(nac-cache list --clients | nac-decide --changed |
		jq -r 'select(.decision.was.vlan == "750") | "\(.session.user)"')" "host/$(device 2)"
	assert_eq "$(wc -l <"$dir/changes")" 1
}

@test "--status: 1 before the first poll, after a failure, and when the last good one is long ago" {
	run -1 nac-poll --status
	assert_has "$output" "last run:  never"
	fleet 1
	run -0 nac-poll
	run -0 nac-poll --status
	run -1 faketime -f +5h nac-poll --status
	assert_has "$output" "too long ago"
	emulator_control down
	run nac-poll --older-than 0s
	run -1 nac-poll --status
	assert_has "$output" "failed:    intune-query"
	run -64 --separate-stderr nac-poll --status --follow
}

@test "a poll that is killed before its CoA leaves is made good by the next, and nobody is told twice" {
	fleet 3
	emulator_control "set $(device 1) complianceState=noncompliant"
	emulator_control "set $(device 2) complianceState=noncompliant"
	# coa-send is killed with the first CoA acknowledged, and its parent, too.
	mkdir "$dir/bin"
	cat >"$dir/bin/coa-send" <<-END
		#!/bin/bash
		case \$1 in --owed) exec $(command -v coa-send) --owed ;; esac
		head -n 1 | $(command -v coa-send) >/dev/null
		kill -9 \$PPID
	END
	chmod +x "$dir/bin/coa-send"
	echo "coa_journal = $dir/coa.journal" >>"$INTUNE_NAC_CONF"
	run -137 env PATH="$dir/bin:$PATH" nac-poll --older-than 0s
	assert_eq "$(coas)" 1
	[ -s "$store/poll.sending" ]
	run -1 nac-poll --status
	run -0 --separate-stderr nac-poll --verbose
	assert_has "$output" "CoA: 2 ack"
	assert_eq "$(coas)" 2
	[ ! -e "$store/poll.sending" ]
	run -0 --separate-stderr nac-poll --older-than 0s
	assert_eq "$(coas)" 2
}
