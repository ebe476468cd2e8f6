# shellcheck shell=bash
# A Redis of our own and several RADIUS servers that share through it.
#
#	redis_start [OPTION ...]	in $REDIS_DIR, on a Unix socket; options are redis-server's
#	redis_stop, redis_kill		by its pid
#	server_make N [LINE ...]	$dir/sN with its nac.conf $dir/cN; LINEs are added to that
#	share_start N ...		nac-cache share for server N, in the background
#	share_stop N ..., share_kill N ...
#	same_stores N ...		all of these export the same

# shellcheck source=../lib/radius.bash
. "$BATS_TEST_DIRNAME/../lib/radius.bash"

redis_cli() { redis-cli -s "$REDIS_DIR/r.sock" "$@"; }

redis_start() {
	: "${REDIS_DIR:=$(mktemp -d /tmp/nac-redis.XXXXXX)}"
	redis-server --port 0 --unixsocket "$REDIS_DIR/r.sock" --unixsocketperm 700 --save '' \
	    --dir "$REDIS_DIR" --logfile "$REDIS_DIR/log" "$@" </dev/null >/dev/null 2>&1 3>&- &
	REDIS_PID=$!
	wait_until 10 redis_up || { cat "$REDIS_DIR/log" >&2; return 1; }
}

redis_up() {
	[[ $(redis_cli ping 2>&1) == *@(PONG|NOAUTH)* ]]
}

redis_kill() { kill -9 "$REDIS_PID"; wait "$REDIS_PID" 2>/dev/null || :; rm -f "$REDIS_DIR/r.sock"; }

redis_stop() {
	[ -z "${REDIS_PID-}" ] || pid_stop "$REDIS_PID"
	[ -z "${REDIS_DIR-}" ] || rm -rf "$REDIS_DIR"
	REDIS_PID='' REDIS_DIR=''
}

server_make() {
	local n=$1
	shift
	mkdir -p "$dir/s$n"
	printf '%s\n' "state_dir = $dir/s$n" "share_url = unix://$REDIS_DIR/r.sock" \
	    "share_name = radius$n" "$@" >"$dir/c$n"
}

declare -A share_pid=()
share_start() {
	local n
	for n; do
		nac-cache -c "$dir/c$n" share </dev/null 2>>"$dir/err$n" 3>&- &
		share_pid[$n]=$!
	done
}

share_stop() {
	local n
	for n; do
		[ -n "${share_pid[$n]-}" ] || continue
		kill "${share_pid[$n]}" 2>/dev/null || :
		wait "${share_pid[$n]}" || echo "share of server $n ended with $?"
		unset "share_pid[$n]"
	done
}

share_kill() {
	local n
	for n; do
		kill -9 "${share_pid[$n]}"
		wait "${share_pid[$n]}" 2>/dev/null || :
		unset "share_pid[$n]"
	done
}

export_of() { nac-cache -c "$dir/c$1" export; }

is_same() {
	local n first
	first=$(export_of "$1" | md5sum) || return
	shift
	for n; do [ "$(export_of "$n" | md5sum)" = "$first" ] || return; done
}

same_stores() {
	# share waits longer and longer for Redis, up to 22 seconds.
	wait_until 90 is_same "$@" && return
	for n; do export_of "$n" >"$dir/export$n"; cat "$dir/err$n"; done
	diff "$dir/export$1" "$dir/export$2" | head -n 4 | cut -c 1-600
	return 1
}

# answers STATE FROM TO [TIME]: records of devices, as intune-query prints them
answers() {
	local i time=${4-}
	[ -n "$time" ] || time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	for ((i = $2; i <= $3; i++)); do
		printf '{"compliance":{"state":"%s","checked":"%s","source":"graph","matched_by":"guid","device":{"id":"00000000-0000-0000-0000-%012d","name":"LAPTOP-%d"}}}\n' \
		    "$1" "$time" "$i" "$i"
	done
}

# visit N NAME PORT: device NAME authenticates at server N; prints the VLAN.
visit() {
	env -i User-Name="host/$2" NAS-IP-Address=127.0.0.1 NAS-Port="$3" EAP-Type=TLS \
	    Acct-Session-Id="session-$3" Calling-Station-Id="00-1B-2C-3D-4E-$(printf %02X "$3")" \
	    TLS-Client-Cert-Serial=01 TLS-Client-Cert-Common-Name="$2" \
	    "$(command -v radius-hook)" -c "$dir/c$1" |
		sed -n 's/.*Private-Group-Id:0 := "\(.*\)",/\1/p'
}

state_at() { nac-cache -c "$dir/c$1" get "LAPTOP-$2" 2>/dev/null | jq -r .compliance.state; }
is_at() { [ "$(state_at "$1" "$2")" = "$3" ]; }
clients_at() { nac-cache -c "$dir/c$1" stats | jq .clients; }
has_clients() { [ "$(clients_at "$1")" = "$2" ]; }
first_client_is() { [ "$(nac-cache -c "$dir/c$1" list --clients | head -n 1 | jq -c '[.server, .coa]')" = "$2" ]; }
redis_counts() { [ "$(redis_cli "$1" "$2")" = "$3" ]; }
said() { grep -q -- "$2" "$dir/err$1"; }
