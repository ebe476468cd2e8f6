#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Several pollers share the work: a real Redis, emulated Intune, and a real CoA
# listener (FreeRADIUS).

load test_helper
load lib_emulator
load lib_share

setup_file() {
	pki_make "$BATS_FILE_TMPDIR"
}

setup() {
	local n
	dir=$BATS_TEST_TMPDIR
	export EMU_DIR=$dir/intune
	redis_start
	cp -R "$BATS_FILE_TMPDIR/certs" "$dir"
	emulator_start --fleet 40
	cp "$NAC_ROOT/share/rules/default.rules" "$dir/site.rules"
	freeradius_start "$dir" /bin/true
	# shellcheck source=/dev/null
	. "$dir/radius.env"
	printf '%s' "$RADIUS_SECRET" >"$dir/nas.secret"
	chmod 600 "$dir/nas.secret"
	echo "nas 127.0.0.1 profile rfc5176 port $RADIUS_COA_PORT secret-file $dir/nas.secret" >"$dir/nas"
	for n in 1 2 3; do
		server_make $n share_lease\ =\ 2s share_patience\ =\ 3s "rules = $dir/site.rules" "nas_file = $dir/nas" \
		    "profiles_dir = $NAC_ROOT/share/profiles" "dictionary = $NAC_ROOT/share/dictionary" \
		    "coa_journal = $dir/s$n/coa.journal"
		cat "$EMU_CONF" >>"$dir/c$n"
		chmod 2770 "$dir/s$n"
		nac-cache -c "$dir/c$n" put </dev/null
	done
}

teardown() {
	[ -z "${follow-}" ] || pid_stop "$follow"
	for n in "${!share_pid[@]}"; do share_stop "$n"; done
	freeradius_stop "$dir"
	emulator_stop
	redis_stop
}

device() { printf 'LAPTOP-%04d' "$1"; }
due() { nac-cache -c "$dir/c$1" due --older-than "${2-0s}"; }
poll() { nac-poll -c "$dir/c$1" --older-than "${2-1h}" --max-change 100; }
coas() { radius_coa_log "$dir" | grep -c . || :; }
# A look-up by name is a list with a filter, alone or as an item of a batch.
asked() { echo $(($(emulator_control count list) + $(emulator_control count item) + $(emulator_control count get))); }

# fleet N: N compliant devices come, one after the other, to the three servers.
fleet() {
	local i
	for ((i = 1; i <= $1; i++)); do
		printf 'set %s complianceState=compliant managementState=managed\n' "$(device "$i")"
	done | emulator_control - >/dev/null
	for ((i = 1; i <= $1; i++)); do visit $((i % 3 + 1)) "$(device "$i")" "$i" >/dev/null; done
	share_start 1 2 3
	for i in 1 2 3; do wait_until 10 has_clients $i "$1"; done
}

@test "nac-poll --dry-run shows all that is due and takes nothing from the other pollers" {
	fleet 6
	run -0 --separate-stderr nac-poll -c "$dir/c1" --dry-run --older-than 1h
	assert_has "$output" "6 clients due"
	redis_cli --raw keys '*' >"$dir/keys"
	[ -s "$dir/keys" ]
	run -1 grep -e ':work$' -e ':pollers$' "$dir/keys"
	# Who comes next is alone, and gets everything.
	assert_eq "$(due 2 1h | wc -l)" 6
}

@test "three pollers at once ask Intune about each client once, and each CoA is one" {
	local n
	fleet 24
	emulator_control reset-counts
	for n in 1 2 3; do poll $n >"$dir/out$n" 2>&1 & pids[n]=$!; done 3>&-
	for n in 1 2 3; do wait "${pids[$n]}" || { cat "$dir/out$n"; false; }; done
	# What was due but another's part at first is taken by whoever comes again.
	sleep 2.1
	for n in 1 2 3; do poll $n; done
	same_stores 1 2 3
	assert_eq "$(nac-cache -c "$dir/c1" stats | jq -c .states)" '{"compliant":24}'
	assert_eq "$(asked)" 24
	# All were quarantined, not known yet: one change of authorization for each.
	assert_eq "$(coas)" 24
	assert_eq "$(radius_coa_log "$dir" | grep -o 'session-[0-9]*' | sort -u | wc -l)" 24
	# And nothing is left over.
	for n in 1 2 3; do poll $n; done
	assert_eq "$(asked) $(coas)" "24 24"
	assert_eq "$(redis_cli hlen nac:offered) $(redis_cli xlen nac:work)" "0 0"
}

@test "the work is split between the pollers that are there; a dead one's is taken over" {
	fleet 12
	# Three have come of late: each gets a third.
	assert_eq "$(due 1 | wc -l)" 12
	redis_cli del nac:work nac:offered nac:pollers >/dev/null
	now=$(($(date +%s) * 1000))
	redis_cli hset nac:pollers radius2 $now radius3 $now >/dev/null
	due 1 >"$dir/one"
	due 2 >"$dir/two"
	assert_eq "$(wc -l <"$dir/one") $(wc -l <"$dir/two")" "4 4"
	assert_eq "$(jq -r .identity.name[0].value "$dir/one" "$dir/two" | sort | uniq -d)" ""
	# The first is dead.  Within the lease its part is nobody else's.
	due 3 >"$dir/three"
	assert_eq "$(wc -l <"$dir/three")" 4
	assert_eq "$(cat "$dir/one" "$dir/two" "$dir/three" | jq -r .identity.name[0].value | sort | uniq -d)" ""
	sleep 2.1
	due 3 >"$dir/again"
	for name in $(jq -r .identity.name[0].value "$dir/one"); do
		assert_has "$(cat "$dir/again")" "\"$name\""
	done
	# The same poller has its own part again at once: its run has ended.
	assert_eq "$(due 3 | wc -l)" 12
}

@test "a poller that dies between answer and CoA: another one sends it, once" {
	fleet 3
	for n in 1 2 3; do poll $n >/dev/null; done
	sleep 2.1; poll 1 >/dev/null
	assert_eq "$(coas)" 3
	for i in 1 2 3; do visit $((i % 3 + 1)) "$(device $i)" $i >/dev/null; done
	wait_until 10 eval "[ \"\$(nac-cache -c $dir/c3 list --clients | jq -s '[.[].decision.state == \"compliant\"] | all')\" = true ]"
	emulator_control "set $(device 1) complianceState=noncompliant"
	# Server 1 asks, stores, and is gone before its CoA.
	redis_cli del nac:pollers >/dev/null
	due 1 0s | INTUNE_NAC_CONF=$dir/c1 intune-query | nac-cache -c "$dir/c1" put --quiet
	wait_until 10 eval "[ \"\$(nac-cache -c $dir/c2 get $(device 1) | jq -r .compliance.state)\" = noncompliant ]"
	assert_eq "$(coas)" 3
	sleep 2.1
	poll 2 >/dev/null
	assert_eq "$(coas)" 4
	assert_has "$(radius_coa_log "$dir" | tail -n 1)" "session-1"
	for n in 1 2 3; do poll $n >/dev/null; done
	assert_eq "$(coas)" 4
}

@test "a new client is looked up by one server, wherever it comes again" {
	emulator_control "set $(device 1) complianceState=compliant managementState=managed"
	share_start 1 2 3
	nac-cache -c "$dir/c1" follow >"$dir/f1" 2>&1 3>&- & f1=$!
	nac-cache -c "$dir/c2" follow >"$dir/f2" 2>&1 3>&- & f2=$!
	visit 1 "$(device 1)" 1 >/dev/null
	wait_until 10 test -s "$dir/f1"
	sleep 1
	visit 2 "$(device 1)" 1 >/dev/null
	wait_until 10 first_client_is 1 '["radius2",null]'
	sleep 0.3
	pid_stop $f1
	pid_stop $f2
	assert_eq "$(wc -l <"$dir/f1") $(wc -l <"$dir/f2")" "1 0"
}

@test "Redis is away: first no work is taken, later each server asks about its own clients" {
	fleet 9
	redis_kill
	run -75 --separate-stderr due 1
	assert_has "$stderr" "no work is taken yet"
	assert_one_line "$stderr"
	sleep 3.1
	for n in 1 2 3; do due $n 2>/dev/null; done >"$dir/all"
	assert_eq "$(wc -l <"$dir/all")" 9
	assert_eq "$(jq -r .identity.name[0].value "$dir/all" | sort -u | wc -l)" 9
	run -0 --separate-stderr due 2
	assert_has "$stderr" "only the clients of this server"
	# The hook answers from its own store all the while.
	assert_eq "$(visit 1 "$(device 1)" 1)" 1
}

@test "a poll that takes longer than the lease keeps its work; one that dies lets go of it" {
	fleet 4
	emulator_control reset-counts
	redis_cli del nac:pollers >/dev/null
	# Each answer takes more than twice the lease.
	emulator_control fault slow:seconds=5,times=2
	poll 1 >"$dir/out1" 2>&1 3>&- & pid=$!
	wait_until 10 are_pending 4
	sleep 3
	assert_eq "$(due 2 1h | wc -l)" 0
	wait $pid || { cat "$dir/out1"; false; }
	same_stores 1 2 3
	for n in 1 2 3; do poll $n >/dev/null; done
	assert_eq "$(asked) $(coas)" "4 4"
	# A poll that is gone holds nothing.
	due 1 >/dev/null
	sleep 2.1
	assert_eq "$(due 2 | wc -l)" 4
}

@test "due --dry-run says what is due, and takes no work, with Redis or without" {
	fleet 3
	run -0 nac-cache -c "$dir/c1" due --dry-run
	assert_eq "$(wc -l <<<"$output")" 3
	run -0 nac-poll -n -c "$dir/c1" --older-than 1h --max-change 100
	assert_eq "$(redis_cli exists nac:work nac:offered nac:pollers)" 0
	assert_eq "$(due 2 1h | wc -l)" 3
	redis_kill
	run -0 nac-cache -c "$dir/c1" due --dry-run
	assert_eq "$(wc -l <<<"$output")" 3
}

@test "what a poll asks about is not looked up by follow of another server, and the other way round" {
	fleet 1
	assert_eq "$(due 1 1h | wc -l)" 1
	nac-cache -c "$dir/c2" follow >"$dir/f2" 2>&1 3>&- & f2=$!
	visit 2 "$(device 1)" 1 >/dev/null
	wait_until 10 first_client_is 2 '["radius2",null]'
	sleep 0.3
	assert_eq "$(wc -l <"$dir/f2")" 0
	# Another one, that nobody has taken.
	visit 2 "$(device 2)" 2 >/dev/null
	wait_until 10 test -s "$dir/f2"
	pid_stop $f2
	[ "$(redis_cli ttl nac:asked:00:1b:2c:3d:4e:02)" -gt 60 ]
	wait_until 10 has_clients 1 2
	refute_has "$(due 1 1h)" "$(device 2)"
	# Its own poll asks, for the follow that has claimed it may have been killed.
	assert_has "$(due 2 1h)" "$(device 2)"
}

are_pending() { [ "$(redis_cli xpending nac:work pollers | head -n 1)" = "$1" ]; }
third_is_at() { [ "$(nac-cache -c "$dir/c2" list --clients | jq -r "select(.identity.name[0].value == \"$(device 3)\").server")" = "$1" ]; }

@test "while one server's poll holds changes back, follow of another lets no change in" {
	fleet 3
	# The third has come to the first server.
	for n in 1 2 3; do poll $n >/dev/null; done
	same_stores 1 2 3
	emulator_control "set $(device 3) complianceState=noncompliant"
	echo '{"held":{}}' >"$dir/s1/poll.held"
	wait_until 10 redis_counts hlen nac:held 1
	# Its answer is an hour old, and would be asked for.
	nac-cache -c "$dir/c2" follow --older-than 0s --unless "$dir/s2/poll.held" >"$dir/f2" 2>&1 3>&- & f2=$!
	visit 2 "$(device 3)" 3 >/dev/null
	wait_until 10 third_is_at radius2
	sleep 0.3
	refute_has "$(cat "$dir/f2")" "$(device 3)"
	rm "$dir/s1/poll.held"
	wait_until 10 redis_counts hlen nac:held 0
	sleep 1
	visit 2 "$(device 3)" 3 >/dev/null
	wait_until 10 grep -q "$(device 3)" "$dir/f2"
	pid_stop $f2
}

@test "a disaster in three parts, each fewer than guard_least: the guards count all servers' changes, and --apply is for all" {
	local i n
	sed -i 's/^share_lease.*/share_lease = 60s/' "$dir"/c[123]
	fleet 36
	# Everybody has the access of the compliant, and an old answer.
	old=$(date -u -d '3 hours ago' +%FT%TZ)
	nac-cache -c "$dir/c1" due --dry-run --older-than 0s | INTUNE_NAC_CONF=$dir/c1 intune-query |
		jq -c ".compliance.checked = \"$old\"" | nac-cache -c "$dir/c1" put --quiet
	same_stores 1 2 3
	for ((i = 1; i <= 36; i++)); do visit $((i % 3 + 1)) "$(device $i)" $i >/dev/null; done
	wait_until 10 eval "[ \"\$(nac-cache -c $dir/c1 list --clients | jq -r .decision.state | sort | uniq -c | xargs)\" = '36 compliant' ]"
	same_stores 1 2 3
	for ((i = 1; i <= 36; i++)); do echo "set $(device $i) complianceState=noncompliant"; done |
		emulator_control - >/dev/null
	now=$(($(date +%s) * 1000))
	redis_cli hset nac:pollers radius1 $now radius2 $now radius3 $now >/dev/null
	run -0 --separate-stderr nac-poll -c "$dir/c1" --older-than 1h
	assert_has "$output" "12 clients due, 12 answered, 12 change"
	run -75 --separate-stderr nac-poll -c "$dir/c2" --older-than 1h
	assert_has "$output" "12 clients due, 12 answered, 12 change"
	assert_one_line "$stderr"
	assert_has "$stderr" "24 of 24 clients would change, more than guard_share 30 %, with those of the polls before and of other servers"
	assert_eq "$(coas)" 12
	assert_eq "$(redis_cli hlen nac:window)" 2
	# It was looked at, and is true: the third counts anew.
	run -0 --separate-stderr nac-poll -c "$dir/c2" --apply "$dir/s2/poll.held"
	assert_eq "$(redis_cli hlen nac:window) $(coas)" "0 24"
	run -0 --separate-stderr nac-poll -c "$dir/c3" --older-than 1h
	assert_has "$output" "12 clients due, 12 answered, 12 change; CoA: 12 ack"
	# Without Redis a poll goes on, and weighs what it knows itself.
	sed -i 's/^share_patience.*/share_patience = 0s/' "$dir/c3"
	redis_kill
	for ((i = 2; i <= 36; i += 3)); do visit 3 "$(device $i)" $i >/dev/null; done
	for ((i = 1; i <= 36; i++)); do echo "set $(device $i) complianceState=compliant"; done |
		emulator_control - >/dev/null
	rm -f "$dir/s3/poll.window"
	run -0 --separate-stderr nac-poll -c "$dir/c3" --older-than 0s
	assert_has "$output" "12 clients due, 12 answered, 12 change; CoA: 12 ack"
	assert_one_line "$stderr"
	assert_has "$stderr" "only the clients of this server are asked about and weighed"
}
