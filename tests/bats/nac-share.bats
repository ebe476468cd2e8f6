#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Several RADIUS servers share their stores through a real Redis.

load test_helper
load lib_share

setup() {
	dir=$BATS_TEST_TMPDIR
	redis_start
}

teardown() {
	for n in "${!share_pid[@]}"; do share_stop "$n"; done
	redis_stop
}

servers() {
	local n
	for n in 1 2 3; do server_make $n "rules = $dir/site.rules"; done
	cp "$NAC_ROOT/share/rules/default.rules" "$dir/site.rules"
}

@test "what one server is told, all know; what they had before, too" {
	servers
	answers compliant 1 40 | nac-cache -c "$dir/c1" put --quiet
	answers noncompliant 41 50 | nac-cache -c "$dir/c2" put --quiet
	share_start 1 2
	same_stores 1 2
	# A new server first gets the whole state.
	share_start 3
	same_stores 1 2 3
	assert_eq "$(nac-cache -c "$dir/c3" stats | jq -c .states)" '{"compliant":40,"noncompliant":10}'
	answers grace 1 5 | nac-cache -c "$dir/c3" put --quiet
	wait_until 10 is_at 1 5 grace
	same_stores 1 2 3
	# Nothing echoes: each change is in the stream once, and one mark.
	assert_eq "$(redis_cli xlen nac:log)" 56
	sleep 1
	assert_eq "$(redis_cli xlen nac:log)" 56
	for n in 1 2 3; do run -0 nac-cache -c "$dir/c$n" check; done
	assert_eq "$(cat "$dir"/err?)" ""
}

@test "an older answer never replaces a newer one, whoever tells it when" {
	servers
	answers compliant 1 3 2026-11-20T10:00:00Z | nac-cache -c "$dir/c1" put --quiet
	answers noncompliant 1 3 2026-11-20T11:00:00Z | nac-cache -c "$dir/c2" put --quiet
	answers grace 2 2 2026-11-20T12:00:00Z | nac-cache -c "$dir/c3" put --quiet
	# The newest is in Redis first.
	for n in 3 2 1 3 2; do run -0 --separate-stderr nac-cache -c "$dir/c$n" share --once; done
	same_stores 1 2 3
	assert_eq "$(state_at 1 1) $(state_at 1 2) $(state_at 1 3)" "noncompliant grace noncompliant"
	# The same moment, two answers: everywhere the same one.
	answers compliant 9 9 2026-11-20T10:00:00Z | nac-cache -c "$dir/c1" put --quiet
	answers noncompliant 9 9 2026-11-20T10:00:00Z | nac-cache -c "$dir/c2" put --quiet
	for n in 1 2 3 1 2 3 1 2 3; do nac-cache -c "$dir/c$n" share --once; done
	same_stores 1 2 3
}

@test "a client is known on every server, with the server it came to, and its CoA" {
	servers
	share_start 1 2 3
	answers compliant 1 2 | nac-cache -c "$dir/c2" put --quiet
	wait_until 10 is_at 1 1 compliant
	assert_eq "$(visit 1 LAPTOP-1 1)" 750
	assert_eq "$(visit 3 LAPTOP-2 2)" 750
	wait_until 10 has_clients 2 2
	assert_eq "$(nac-cache -c "$dir/c2" list --clients | jq -r '"\(.identity.name[0].value) \(.server)"')" \
		$'LAPTOP-1 radius1\nLAPTOP-2 radius3'
	# Others fold the same lines; it stays one client, and the same record.
	nac-cache -c "$dir/c1" due >/dev/null
	same_stores 1 2 3
	nac-cache -c "$dir/c2" list --clients | head -n 1 |
		jq -c '.coa = {result: "ack", time: "2026-11-20T10:00:00Z"}' |
		nac-cache -c "$dir/c2" put --quiet
	same_stores 1 2 3
	assert_eq "$(nac-cache -c "$dir/c3" list --clients | head -n 1 | jq -c '[.coa.result, .session.ended]')" '["ack",true]'
	# It comes again, elsewhere: that session counts now.
	sleep 1
	visit 2 LAPTOP-1 1 >/dev/null
	wait_until 10 first_client_is 1 '["radius2",null]'
	same_stores 1 2 3
}

@test "Redis is killed: each server goes on by itself, and all catch up without gap or double" {
	redis_stop
	redis_start --appendonly yes --appendfsync always
	servers
	share_start 1 2 3
	answers compliant 1 30 | nac-cache -c "$dir/c1" put --quiet
	same_stores 1 2 3
	redis_kill
	wait_until 10 said 1 "goes on by itself"
	answers noncompliant 1 10 2099-01-01T00:00:00Z 2>/dev/null | nac-cache -c "$dir/c1" put --quiet 2>/dev/null || :
	answers noncompliant 1 10 | nac-cache -c "$dir/c1" put --quiet
	answers grace 11 20 | nac-cache -c "$dir/c2" put --quiet
	# The hook does not notice.
	assert_eq "$(visit 3 LAPTOP-25 7)" 750
	redis_start --appendonly yes --appendfsync always
	same_stores 1 2 3
	assert_eq "$(nac-cache -c "$dir/c3" stats | jq -c '[.states, .clients]')" \
		'[{"compliant":10,"noncompliant":10,"grace":10},1]'
	# Each outage is two lines, however often it was tried again.
	for n in 1 2 3; do
		assert_eq "$(wc -l <"$dir/err$n")" 2
		assert_has "$(tail -n 1 "$dir/err$n")" "is back after"
	done
	assert_eq "$(redis_cli xlen nac:log)" 52
}

@test "Redis has come back empty: all is told again, and nothing is lost" {
	servers
	share_start 1 2
	answers compliant 1 20 | nac-cache -c "$dir/c1" put --quiet
	visit 2 LAPTOP-3 3 >/dev/null
	same_stores 1 2
	redis_kill
	answers grace 1 1 | nac-cache -c "$dir/c2" put --quiet
	redis_start
	wait_until 20 redis_counts hlen nac:dev 20
	same_stores 1 2
	assert_has "$(cat "$dir/err1")" "everything is told again"
	share_start 3
	same_stores 1 2 3
	# So does a FLUSHALL under our feet.
	redis_cli flushall >/dev/null
	answers grace 2 2 | nac-cache -c "$dir/c3" put --quiet
	wait_until 20 redis_counts hlen nac:dev 20
	wait_until 20 is_at 1 2 grace
	same_stores 1 2 3
}

@test "a server that was away until the stream was trimmed gets the whole state again" {
	servers
	echo 'share_stream_max = 1000' | tee -a "$dir/c1" "$dir/c2" >/dev/null
	share_start 1 2
	answers compliant 1 10 | nac-cache -c "$dir/c1" put --quiet
	same_stores 1 2
	share_stop 2
	answers compliant 11 1800 | nac-cache -c "$dir/c1" put --quiet
	wait_until 20 redis_counts hlen nac:dev 1800
	[ "$(redis_cli xlen nac:log)" -lt 1500 ]
	share_start 2
	same_stores 1 2
	assert_eq "$(nac-cache -c "$dir/c2" stats | jq .devices)" 1800
}

@test "share is killed at random moments: every store is whole and all are equal" {
	local i n put states=(compliant noncompliant)
	servers
	share_start 1 2 3
	for ((i = 1; i <= ${ROUNDS:-20}; i++)); do
		n=$((RANDOM % 3 + 1))
		answers "${states[i % 2]}" $((i * 10)) $((i * 10 + 30)) |
			nac-cache -c "$dir/c$((RANDOM % 3 + 1))" put --quiet &
		put=$!
		visit $((RANDOM % 3 + 1)) "LAPTOP-$i" $i >/dev/null
		sleep "0.0$((RANDOM % 10))"
		share_kill $n
		share_start $n
		wait $put
	done 3>&-
	same_stores 1 2 3
	for n in 1 2 3; do
		run -0 --separate-stderr nac-cache -c "$dir/c$n" check
		assert_eq "$(clients_at $n)" "${ROUNDS:-20}"
	done
}

@test "what is no entry of ours is passed over with one line, and the others go on" {
	servers
	share_start 1
	# Only who has this one reads the stream from before the entries below.
	answers compliant 3 3 | nac-cache -c "$dir/c2" put --quiet
	nac-cache -c "$dir/c2" share --once
	wait_until 10 is_at 1 3 compliant
	redis_cli xadd nac:log '*' o evil v 'rubbish' >/dev/null
	redis_cli xadd nac:log '*' o evil >/dev/null
	printf '\001c%096d\001\000x' 0 | redis_cli -x xadd nac:log '*' o evil v >/dev/null
	answers compliant 1 1 | nac-cache -c "$dir/c2" put --quiet
	# One whose clock is years ahead: no later answer would ever replace this one.
	answers compliant 2 2 2030-01-01T00:00:00Z | faketime '2030-01-02' nac-cache -c "$dir/c2" put --quiet
	run -0 nac-cache -c "$dir/c2" share --once
	wait_until 10 is_at 1 1 compliant
	assert_eq "$(state_at 1 2)" pending
	assert_has "$(cat "$dir/err1")" "lies in the future"
	# It does not stand in the way of a true one.
	answers grace 2 2 | nac-cache -c "$dir/c1" put --quiet
	run -0 nac-cache -c "$dir/c3" share --once
	wait_until 10 eval "nac-cache -c $dir/c3 share --once; is_at 3 2 grace"
	assert_has "$(cat "$dir/err1")" "passed over: is"
	refute_has "$(cat "$dir/err1")" "is lost"
	assert_eq "$(nac-cache -c "$dir/c1" stats | jq -c '[.untold, .redis_away]')" '[0,0]'
	# One share for one store.
	run -75 --separate-stderr nac-cache -c "$dir/c1" share --once
	assert_has "$stderr" "another share is running"
	run -0 nac-cache -c "$dir/c1" check
}

@test "pruned on one server: the others keep theirs until they prune, and nobody new gets it" {
	servers
	answers compliant 1 4 "$(date -u -d '-100 days' +%Y-%m-%dT%H:%M:%SZ)" | nac-cache -c "$dir/c1" put --quiet
	answers compliant 5 6 | nac-cache -c "$dir/c1" put --quiet
	share_start 1 2
	same_stores 1 2
	nac-cache -c "$dir/c1" prune --quiet
	wait_until 10 redis_counts hlen nac:dev 2
	assert_eq "$(state_at 2 1)" compliant
	share_start 3
	same_stores 1 3
	nac-cache -c "$dir/c2" prune --quiet
	same_stores 1 2 3
	assert_eq "$(state_at 2 5) $(state_at 3 5)" "compliant compliant"
}

@test "the benchmark ends with three equal stores" {
	redis_stop
	BIN=$(dirname "$(command -v nac-cache)") run -0 --separate-stderr "$NAC_ROOT/bench/share" --devices 1500 --rate 500 --seconds 1
	assert_has "$output" "into an empty server"
	assert_has "$output" "1 to 3"
	assert_has "$output" "ratio"
}
