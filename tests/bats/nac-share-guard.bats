#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# What the guards of several servers have counted of late, in a real Redis; the whole
# poll with it is in nac-share-poll.bats.

load test_helper
load lib_share

# 60 clients have been seen, here as on all servers.
setup_file() {
	local dir=$BATS_FILE_TMPDIR i
	mkdir "$dir/s1"
	echo "state_dir = $dir/s1" >"$dir/c1"
	nac-cache -c "$dir/c1" put </dev/null
	for ((i = 1; i <= 60; i++)); do visit 1 "LAPTOP-$i" $i >/dev/null; done
	nac-cache -c "$dir/c1" due --summary >/dev/null
	nac-cache -c "$dir/c1" export >"$dir/clients"
}

setup() {
	local n
	dir=$BATS_TEST_TMPDIR
	redis_start
	for n in 1 2 3; do
		server_make $n
		nac-cache -c "$dir/c$n" import --quiet <"$BATS_FILE_TMPDIR/clients"
	done
}

teardown() {
	[ -z "${stream-}" ] || pid_stop "$stream"
	redis_stop
}

# clients FROM TO STATE: records of clients with that new answer, who had compliant.
clients() {
	seq "$1" "$2" | jq -c --arg state "$3" '{identity: {name: [{value: "d\(.)", found: "cn"}]},
		session: {seen: "2026-01-01T00:00:00Z", nas_id: "site-\(. % 5)", nas_ip: "10.0.0.\(. % 5)",
		calling: "02-00-00-00-00-\(. + 10)"}, compliance: {state: $state, checked: "2026-01-02T00:00:00Z"},
		decision: {action: "allow", state: "compliant"}}'
}

changed() { jq -c '.decision = {action: "deny", state: "noncompliant", was: .decision}'; }

# weigh N FROM TO [OPTION ...]: the poll of server N finds these noncompliant.
weigh() {
	local n=$1
	clients "$2" "$3" noncompliant >"$dir/answers"
	changed <"$dir/answers" >"$dir/changes"
	shift 3
	nac-cache -c "$dir/c$n" weigh --window "$dir/s$n/poll.window" --beside "$dir/s$n/poll.window.follow" \
		"$@" "$dir/answers" "$dir/changes"
}

# stream N: as weigh --stream does, of records on standard input
stream() {
	nac-cache -c "$dir/c$1" weigh --stream --hold "$dir/s$1/poll.held" --window "$dir/s$1/poll.window.follow" \
		--beside "$dir/s$1/poll.window"
}

told() { redis_cli --raw hkeys nac:window | cut -d / -f 1-2 | sort | xargs; }

@test "each guard counts what all servers have changed, and its own once" {
	run -0 weigh 1 1 10
	run -0 weigh 1 11 15
	assert_eq "$(told)" "radius1/poll radius1/poll"
	# Nothing is told by who only looks, or who weighs without a window.
	run -1 weigh 2 16 30 --dry-run
	assert_has "$output" "30 of 30 clients would change"
	assert_has "$output" "and of other servers"
	clients 16 30 noncompliant >"$dir/answers"
	changed <"$dir/answers" >"$dir/changes"
	run -0 nac-cache -c "$dir/c2" weigh "$dir/answers" "$dir/changes"
	assert_eq "$(told)" "radius1/poll radius1/poll"
	[ ! -e "$dir/s2/poll.window" ]
	run -1 weigh 2 16 30
	# What was held is told, too.
	run -1 weigh 3 31 45
	assert_has "$output" "45 of 45"
	assert_eq "$(told)" "radius1/poll radius1/poll radius2/poll radius3/poll"
	# Its own are in the file, and not in there once more.
	run -1 weigh 1 46 49
	assert_has "$output" "49 of 49"
	assert_eq "$(wc -l <"$dir/s1/poll.window")" 3
}

@test "of those who weigh at the same moment the first alone has seen nobody" {
	local n status=()
	for n in 1 2 3; do
		clients $((15 * n - 14)) $((15 * n)) noncompliant >"$dir/answers$n"
		changed <"$dir/answers$n" >"$dir/changes$n"
	done
	for n in 1 2 3; do
		nac-cache -c "$dir/c$n" weigh --window "$dir/s$n/poll.window" "$dir/answers$n" "$dir/changes$n" \
			>"$dir/out$n" 3>&- &
		pids[n]=$!
	done
	for n in 1 2 3; do wait "${pids[$n]}" && status+=(0) || status+=($?); done
	assert_eq "$(printf '%s\n' "${status[@]}" | sort | xargs)" "0 1 1"
	assert_eq "$(grep -ho '[0-9]* of [0-9]* clients' "$dir"/out[123] | sort | xargs)" "30 of 30 clients 45 of 45 clients"
}

@test "Redis away or refusing: one line, and the servers weigh what they know themselves" {
	run -0 weigh 1 1 15
	redis_kill
	run -0 --separate-stderr weigh 2 16 30
	assert_one_line "$stderr"
	assert_has "$stderr" "changes are weighed with those of this server alone"
	run -1 --separate-stderr weigh 1 16 30
	assert_has "$output" "30 of 30 clients would change"
	refute_has "$output" "other servers"
	# due has told of it.
	run -75 nac-cache -c "$dir/c3" due
	run -0 --separate-stderr weigh 3 31 45
	assert_eq "$stderr" ""
	run -69 --separate-stderr nac-cache -c "$dir/c1" weigh --forget --window "$dir/s1/poll.window"
	assert_one_line "$stderr"
	assert_has "$stderr" "the other servers still count"
	[ ! -e "$dir/s1/poll.window" ]
	redis_start
	redis_cli acl setuser default -zadd >/dev/null
	run -0 --separate-stderr weigh 1 1 15
	assert_one_line "$stderr"
	assert_has "$stderr" "changes are weighed with those of this server alone"
}

@test "a user with the rights that nac.conf(5) names may do all of it" {
	redis_cli acl setuser nac on '>secret-of-nac' '~nac:*' resetchannels -@all +@read +@write +@stream +@scripting +@connection +time >/dev/null
	redis_cli acl setuser default off >/dev/null
	printf 'secret-of-nac\n' >"$dir/password"
	chmod 600 "$dir/password"
	printf '%s\n' 'share_user = nac' "share_password_file = $dir/password" | tee -a "$dir/c1" >>"$dir/c2"
	run -0 --separate-stderr weigh 1 1 15
	assert_eq "$stderr" ""
	run -1 --separate-stderr weigh 2 16 30
	assert_eq "$stderr" ""
	run -0 --separate-stderr nac-cache -c "$dir/c2" weigh --forget
	assert_eq "$stderr" ""
	run -0 weigh 2 16 30
}

@test "what a dead server has told does not count behind the window, and goes away" {
	# Two windows and it is gone: the pauses leave time for the programs between them.
	for n in 1 2 3; do echo 'poll_interval = 3s' >>"$dir/c$n"; done
	run -0 weigh 1 1 15
	sleep 3.2
	run -0 weigh 2 16 30
	sleep 3.2
	run -0 weigh 3 31 45
	assert_eq "$(told)" "radius2/poll radius3/poll"
	[ "$(redis_cli pttl nac:window)" -gt 0 ] && [ "$(redis_cli pttl nac:window:when)" -gt 0 ]
}

@test "--forget on one server is for all, with what they have in their files" {
	run -0 weigh 1 1 15
	run -0 weigh 3 16 19
	sleep 1
	run -0 nac-cache -c "$dir/c2" weigh --forget --window "$dir/s2/poll.window"
	assert_eq "$(told)" ""
	run -0 weigh 1 20 34
	assert_eq "$(wc -l <"$dir/s1/poll.window")" 1
	# From there on they count again.
	run -1 weigh 3 35 39
	assert_has "$output" "20 of 20"
}

@test "look-ups between the polls: fewer than guard_least get through on all servers together" {
	local n
	for n in 1 2 3; do
		clients $((15 * n - 14)) $((15 * n)) noncompliant | changed | stream $n >"$dir/out$n" 2>"$dir/err$n"
	done
	assert_eq "$(cat "$dir"/out[123] | wc -l)" 19
	assert_eq "$(tail -qn +2 "$dir"/s[123]/poll.held | wc -l)" 26
	assert_has "$(cat "$dir/err2")" "20 of 20 clients would change"
	# A poll sees them as well, and the other way round.
	run -1 weigh 1 46 46
	assert_has "$output" "46 of 46 clients would change"
	assert_eq "$(told | tr ' ' '\n' | uniq | xargs)" "radius1/follow radius1/poll radius2/follow radius3/follow"
}

@test "who streams forgets as well, in the middle of a part" {
	mkfifo "$dir/in"
	nac-cache -c "$dir/c1" weigh --stream --hold "$dir/s1/poll.held" --window "$dir/s1/poll.window.follow" \
		<"$dir/in" >"$dir/out" 2>"$dir/err" 3>&- &
	stream=$!
	exec 4>"$dir/in"
	out_has() { [ "$(wc -l <"$dir/out")" = "$1" ]; }
	clients 1 15 noncompliant | changed >&4
	wait_until 5 out_has 15
	nac-cache -c "$dir/c2" weigh --forget
	clients 16 34 noncompliant | changed >&4
	wait_until 5 out_has 34
	# The twentieth since then.
	clients 35 35 noncompliant | changed >&4
	wait_until 5 test -s "$dir/s1/poll.held"
	assert_has "$(cat "$dir/err")" "20 of 20 clients would change"
	# Redis comes and goes: one line.
	redis_kill
	clients 36 38 noncompliant | changed >&4
	exec 4>&-
	wait "$stream"
	stream=
	assert_eq "$(grep -c 'of this server alone' "$dir/err")" 1
	assert_eq "$(wc -l <"$dir/s1/poll.window.follow")" 1
	assert_eq "$(jq -c '[.asked, .changed]' "$dir/s1/poll.window.follow")" '[23,23]'
}

# plant LINE: what somebody has put there as another server's.
plant() {
	redis_cli hset nac:window radius9/poll/1 "$1" >/dev/null
	redis_cli zadd nac:window:when "$(($(date +%s) * 1000))" radius9/poll/1 >/dev/null
}

@test "what is no run's count in Redis says nothing" {
	good='{"time":"2026-01-01T00:00:00Z","asked":15,"changed":15,"site":{},"nas":{}}'
	plant "$good"
	run -1 weigh 1 1 15 --dry-run
	for line in '' "${good/15/-1}" "${good/15/9223372036854775807}" "${good/2026/20x6}"; do
		plant "$line"
		run -0 weigh 1 1 15 --dry-run
	done
	plant "$good"
	redis_cli zadd nac:window:when "$(($(date +%s) * 1000))" radius9 >/dev/null
	redis_cli hset nac:window radius9 "$good" >/dev/null
	run -1 weigh 1 1 15 --dry-run
	assert_has "$output" "30 of 30"
	# Keys of another type are no answer at all.
	redis_cli del nac:window:when >/dev/null
	redis_cli set nac:window:when x >/dev/null
	run -0 --separate-stderr weigh 1 1 15
	assert_one_line "$stderr"
	assert_has "$stderr" WRONGTYPE
}
