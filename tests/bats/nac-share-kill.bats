#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Three RADIUS servers, three pollers and a killed Redis: emulated Intune, a real
# CoA listener (FreeRADIUS).  REDIS_ROUNDS says how often it is killed.

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
	redis_start --appendonly yes --appendfsync always
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
		server_make $n share_lease\ =\ 1h share_patience\ =\ 1h "rules = $dir/site.rules" "nas_file = $dir/nas" \
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
poll() { nac-poll -c "$dir/c$1" --older-than "${2-1h}" --max-change 100; }
coas() { radius_coa_log "$dir" | grep -c . || :; }
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

# All pollers at once; those that find no Redis end with 75.
poll_all() {
	local n status pids=()
	for n in 1 2 3; do poll $n 0s >"$dir/out$n" 2>&1 3>&- & pids[n]=$!; done
	"$@"
	for n in 1 2 3; do
		status=0
		wait "${pids[n]}" || status=$?
		[ $status -eq 0 ] || [ $status -eq 75 ] || { echo "poll $n: $status"; cat "$dir/out$n"; return 1; }
	done
}

new_sessions() {
	radius_coa_log "$dir" | grep -o 'session-[0-9]*' | sort -u | awk -F- '$2 > 20' | wc -l
}

kill_soon() { sleep "0.$((RANDOM % 7))"; redis_kill; }

@test "three servers, three pollers, and Redis is killed: one CoA for each change, and equal stores" {
	local round i n seen=() states=(compliant noncompliant) rounds=${REDIS_ROUNDS:-2}
	fleet 6
	poll_all true
	for n in 1 2 3; do poll $n; done
	assert_eq "$(coas)" 6
	for ((i = 1; i <= 6; i++)); do visit $((i % 3 + 1)) "$(device "$i")" "$i" >/dev/null; done
	same_stores 1 2 3
	for ((round = 1; round <= rounds; round++)); do
		i=$((RANDOM % 6 + 1))
		sleep 1		# a login in the same second would not be a later one
		n=$(nac-cache -c "$dir/c1" get "$(device $i)" | jq -r .compliance.state)
		emulator_control "set $(device $i) complianceState=${states[$([ "$n" = compliant ]; echo $((1 - $?)))]}"
		poll_all kill_soon
		# Logins go on, and nobody new is missing.
		visit $((round % 3 + 1)) "$(device $((round % 30 + 10)))" $((round + 20)) >/dev/null
		redis_start --appendonly yes --appendfsync always
		same_stores 1 2 3
		poll_all true
		same_stores 1 2 3
		for n in 1 2 3; do poll $n 0s >/dev/null; done
		same_stores 1 2 3
		assert_eq "$(radius_coa_log "$dir" | grep -c "session-$i\b")" "$((seen[i] += 1, seen[i] + 1))"
		# Nor does anybody else get one: none but the first of each, one a change,
		# and at most one for each client that has come meanwhile (session 21 on).
		assert_eq "$(coas)" "$((6 + round + $(new_sessions)))"
		visit $((RANDOM % 3 + 1)) "$(device $i)" $i >/dev/null
		same_stores 1 2 3
	done
	for n in 1 2 3; do
		run -0 nac-cache -c "$dir/c$n" check
		assert_eq "$(clients_at $n)" $((6 + rounds))
	done
}
