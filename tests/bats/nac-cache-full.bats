#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2016 # bats sets stderr; the scripts expand their own
# The disk is full: one line each, nothing lost, and it goes on when there is room.

load test_helper
load lib_share

setup() {
	dir=$BATS_TEST_TMPDIR
	[ "$EUID" -eq 0 ] || skip "needs root, for a small file system"
	unshare -m true 2>/dev/null || skip "needs mount namespaces"
	redis_start
	server_make 1 "journal = $dir/journal"
	server_make 2
	# What the clients are made of, one by one below.
	sed 1d "$dir/c1" >"$dir/c0"
	visit 0 LAPTOP-1 1
}

teardown() { redis_stop; }

# small SCRIPT: runs it with a disk of 4 MB for the store of server 1.
small() {
	cat >"$dir/script" <<-'END'
		set -eu
		. "$BATS_TEST_DIRNAME/lib_share.bash"
		mount -t tmpfs -o size=4m none "$dir/s1"
		trap '[ -z "${follow-}" ] || pid_stop $follow; share_stop 1 2' EXIT
		fill() { cat /dev/zero >"$dir/s1/fill" 2>/dev/null || :; }
		room() { rm "$dir/s1/fill"; }
		# come FROM TO: clients come to server 1
		come() {
			head -n 1 "$dir/journal" >"$dir/line"
			seq -f %03.0f "$1" "$2" | while read -r n; do
				sed "s/LAPTOP-1/LAPTOP-$n/; s/00-1B-2C-3D-4E-01/00-1B-2C-3D-4${n:0:1}-${n:1}/" "$dir/line"
			done >>"$dir/journal"
		}
	END
	printf '%s\n' "$1" >>"$dir/script"
	run -0 --separate-stderr env dir="$dir" REDIS_DIR="$REDIS_DIR" BATS_TEST_DIRNAME="$BATS_TEST_DIRNAME" \
	    unshare -m bash "$dir/script"
	assert_eq "$stderr" ""
}

due_on_full() {
	small '
		run() { rc=0; nac-cache -c "$dir/c1" due >"$dir/out" 2>>"$dir/err1" || rc=$?; echo "$rc $(wc -l <"$dir/out")"; }
		run
		fill
		come 200 500
		run
		room
		run'
	assert_eq "$output" "0 1
74 1
0 302"
	assert_eq "$(cat "$dir/err1")" "nac-cache: $dir/s1: writing: No space left on device"
}

@test "due: one line and 74, with the clients known so far; all of them when there is room" {
	sed -i /share/d "$dir/c1"
	due_on_full
}

@test "due of a server that shares does so, too" { due_on_full; }

@test "follow: says so once, and passes each client once when there is room" {
	sed -i /share/d "$dir/c1"
	small '
		nac-cache -c "$dir/c1" put </dev/null
		: >"$dir/out"
		nac-cache -c "$dir/c1" follow >"$dir/out" 2>"$dir/err1" &
		follow=$!
		lines() { [ "$(wc -l <"$dir/out")" = "$1" ]; }
		wait_until 10 lines 1
		fill
		come 200 500
		wait_until 10 said 1 "No space"
		sleep 1
		lines 1
		room
		wait_until 30 lines 302
		fill
		come 501 800
		sleep 1
		kill $follow
		wait $follow
		lines 302
		room
		nac-cache -c "$dir/c1" follow >>"$dir/out" 2>>"$dir/err1" &
		follow=$!
		wait_until 10 lines 602'
	assert_eq "$(jq -r .identity.name[0].value "$dir/out" | sort -u | wc -l)" 602
	assert_eq "$(cat "$dir/err1")" "nac-cache: $dir/s1: writing: No space left on device; it goes on when there is room"
}

@test "follow on a full disk ends when told to, and when nobody reads what it prints" {
	sed -i /share/d "$dir/c1"
	small '
		nac-cache -c "$dir/c1" put </dev/null
		fill
		come 200 500
		mkfifo "$dir/fifo"
		nac-cache -c "$dir/c1" follow >"$dir/fifo" 2>"$dir/err1" &
		follow=$!
		exec 4<"$dir/fifo"
		wait_until 10 said 1 "No space"
		exec 4<&-
		wait $follow
		follow='
	assert_one_line "$(cat "$dir/err1")"
}

@test "share: says so once, loses nothing of either side, and is equal when there is room" {
	small '
		answers compliant 1 3 | nac-cache -c "$dir/c1" put --quiet
		answers compliant 4 900 | nac-cache -c "$dir/c2" put --quiet
		nac-cache -c "$dir/c2" share --once
		fill
		rc=0
		nac-cache -c "$dir/c1" share --once 2>"$dir/once" || rc=$?
		echo $rc
		room
		share_start 1 2
		same_stores 1 2
		fill
		answers noncompliant 1 900 | nac-cache -c "$dir/c2" put --quiet
		come 200 300
		wait_until 30 said 1 "No space"
		# Its name stays its own meanwhile, and what its poll holds is held.
		redis_cli del nac:alive:radius1 nac:held >/dev/null
		: >"$dir/s1/poll.held"
		wait_until 30 redis_counts exists nac:alive:radius1 1
		[ "$(redis_cli hexists nac:held radius1)" = 1 ]
		kill -0 "${share_pid[1]}"
		! is_same 1 2
		rm "$dir/s1/poll.held"
		room
		same_stores 1 2
		nac-cache -c "$dir/c1" stats | jq -c "[.devices, .clients, .untold]"
		fill
		answers grace 1 900 | nac-cache -c "$dir/c2" put --quiet
		sleep 1
		share_stop 1
		room
		share_start 1
		same_stores 1 2
		nac-cache -c "$dir/c1" check >/dev/null'
	assert_eq "$output" "74
[900,102,0]"
	assert_eq "$(cat "$dir/err1")" "nac-cache: $dir/s1: writing: No space left on device; it goes on when there is room"
	assert_eq "$(cat "$dir/once")" "nac-cache: $dir/s1: writing: No space left on device"
}
