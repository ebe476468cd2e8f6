# shellcheck shell=bash
# A nac-serve on loopback for the bats tests and the benchmarks.
#
#	serve_start DIR [ARG ...]	on a free port; DIR holds nac.conf; sets nothing
#	serve_url DIR			http://127.0.0.1:PORT
#	serve_stop DIR
#	serve_ask DIR PATH [CURL ARG ...]	prints the body, then the status

_serve_up() {
	grep -q 'listening on' "$1/serve.log" || ! kill -0 "$(cat "$1/serve.pid")" 2>/dev/null
}

# wait_for SECONDS COMMAND...: polls until COMMAND succeeds; 1 = never did.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# serve_start DIR [ARG ...]: returns when it listens; 1 with its words on stderr.
serve_start() {
	local dir=$1 began=$SECONDS

	shift
	# What the one before said must not pass for this one's.
	: >"$dir/serve.log"
	nac-serve -c "$dir/nac.conf" --listen 127.0.0.1:0 "$@" >/dev/null 2>"$dir/serve.log" 3>&- &
	echo $! >"$dir/serve.pid"
	# Only a machine under a very heavy load gets near it.
	wait_for 40 _serve_up "$dir"
	grep -q 'listening on' "$dir/serve.log" && return 0
	echo "nac-serve does not listen after $((SECONDS - began)) s; it is: $(ps -o stat=,wchan=,etime=,args= -p "$(cat "$dir/serve.pid")" || echo gone)" >&2
	cat "$dir/serve.log" >&2
	return 1
}

serve_url() {
	sed -n 's|^nac-serve: listening on \(127.*\)|http://\1|p' "$1/serve.log" | head -n 1
}

_serve_gone() {
	case $(ps -o stat= -p "$1" 2>/dev/null) in
	''|Z*)	return 0 ;;
	esac
	return 1
}

# serve_stop DIR: by SIGTERM; returns its exit status.
serve_stop() {
	local pid

	[ -f "$1/serve.pid" ] || return 0
	pid=$(cat "$1/serve.pid")
	rm -f "$1/serve.pid"
	kill "$pid" 2>/dev/null || :
	wait_for 15 _serve_gone "$pid" || kill -9 "$pid"
	# The child of another shell (bats' setup_file) cannot be waited for.
	wait "$pid" 2>/dev/null || [ $? -eq 127 ]
}

serve_ask() {
	local dir=$1 path=$2

	shift 2
	curl -s -m 10 -o "$dir/body" -w '%{http_code}' -H 'Content-Type: application/json' "$@" \
	    "$(serve_url "$dir")$path" >"$dir/status"
	cat "$dir/body"
	echo
	cat "$dir/status"
}
