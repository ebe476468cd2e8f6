#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# What a server may do to intune-query: how much it may send, how deep, how long it
# may take to let us in, and how long it may be silent.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

ID=aaaaaaaa-0000-4000-8000-000000000001
MAC=00:aa:00:00:00:11
PEER=

setup_file() {
	intune_setup_file --fleet 0
	emulator_control "add $(jq -nc --arg id $ID '{id: $id, deviceName: "PC-1", serialNumber: "PF2ABC01",
		azureADDeviceId: "eeeeeeee-0000-4000-8000-000000000001", ethernetMacAddress: "00AA00000011"}')"
}
teardown_file() { emulator_stop; }
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	intune_setup
	# No limit may be met by chance before the one that is tested.
	conf 'timeout = 2m' 'connect_timeout = 1m' 'stall_timeout = 1m'
	# AddressSanitizer needs much memory of its own.
	memory=(prlimit --data=100000000)
	if ldd "$(command -v intune-query)" | grep -q libasan; then memory=(); fi
}
teardown() {
	[ -z "$PEER" ] || kill "$PEER"
}

# Each way to ask, and the kind of request that it takes: KIND ARGUMENTS
ways() {
	cat <<-E
		get $ID
		list PC-1
		list serial:PF2ABC01
		list --all
		batch $MAC
		batch --all --wired
		directory --directory $ID
		discovery --source nac2 $ID
		nac2 --source nac2 $ID
		nac2-list --noncompliant
		nac2-info --mdminfo
		token $ID
	E
}

# fails FAULT WORDS ARGUMENTS...: ends with 75, no record, and one line with these words
fails() {
	local fault=$1 words=$2
	shift 2
	rm -rf "$TOKENS"
	emulator_control clear-faults
	emulator_control 'window new'
	emulator_control fault "$fault"
	run -75 --separate-stderr "${memory[@]}" intune-query --deadline 0 "$@" ||
		{ echo "$fault $*"; return 1; }
	if [ "$1" = --all ]; then
		assert_has "$(tail -1 <<<"$output")" '"complete":false'
		output=$(grep -v '"list":' <<<"$output" || :)
		[ "$2" != --wired ] || output=
	fi
	assert_eq "$output" ""
	assert_has "$stderr" "$words"
}

@test "an answer that is too large once it is inflated: refused, with little memory" {
	while read -ra way; do
		case ${way[0]} in
		token) limit=65536 mb=1 ;;
		nac2*) limit=4194304 mb=5 ;;
		*) limit=16777216 mb=17 ;;
		esac
		fails "huge:on=${way[0]},mb=$mb" "the answer is larger than $limit bytes" "${way[@]:1}"
	done < <(ways)
	fails huge:on=get,mb=120 "larger than" $ID
	# What came over the wire was small: it was a bomb.
	emulator_control clear-faults
	emulator_control fault huge:on=get,mb=20
	token=$(intune-token)
	run -0 curl -s --cacert "$EMU_CA" -H "Authorization: Bearer $token" -H 'Accept-Encoding: gzip' \
		-o "$BATS_TEST_TMPDIR/bomb" -w '%{size_download}' "$EMU_URL/v1.0/deviceManagement/managedDevices/$ID"
	[ "$output" -lt 200000 ]
	[ "$(gzip -dc "$BATS_TEST_TMPDIR/bomb" | wc -c)" -gt 20000000 ]
}

@test "a redirect is named and not followed, whoever sends it and wherever it leads" {
	local here=$EMU_DIR host=$EMU_HOST
	# shellcheck disable=SC2031 # each in its own subshell
	elsewhere=$(EMU_DIR=$BATS_TEST_TMPDIR/other && emulator_start && echo "$EMU_HOST")
	EMU_DIR=$here
	while read -r code target way; do
		read -ra way <<<"$way"
		rm -rf "$TOKENS"
		for command in clear-faults 'window new' 'log clear' reset-counts \
			"fault status:on=${way[0]},code=$code,location=$target?secret=of-a-portal"; do
			emulator_control "$command"
		done
		run -69 --separate-stderr intune-query "${way[@]:1}"
		assert_has "$stderr" "HTTP $code, a redirect to $target, which is not followed"
		refute_has "$stderr" of-a-portal
		# A device without its wired address is one in a list that is not whole.
		[[ ${way[*]} == *--wired ]] || assert_eq "$(grep -v '"list":' <<<"$output")" ""
		# It was asked once, and nobody was asked instead.
		assert_eq "$(count "${way[0]}")" 1
		assert_eq "$(count other)" 0
		refute_has "$(emulator_control log)" elsewhere
	done < <(
		for code in 301 302 303 307 308; do echo "$code https://$elsewhere/x get $ID"; done
		echo "308 http://$elsewhere/x get $ID"
		ways | sed "s|^|307 https://$host/v1.0/elsewhere |"
	)
	emulator_control clear-faults
	emulator_control "fault status:on=token,code=302,location=https://$elsewhere/"
	run -69 --separate-stderr intune-token -f
	assert_one_line "$stderr"
	assert_has "$stderr" "a redirect to https://$elsewhere/,"
	EMU_DIR=$BATS_TEST_TMPDIR/other
	assert_eq "$(emulator_control count connections)" 0
	emulator_stop
	EMU_DIR=$here
}

@test "headers that are too large, all of them together" {
	while read -ra way; do
		fails "headers:on=${way[0]},kb=90" "headers of the answer are larger than 65536 bytes" "${way[@]:1}"
	done < <(ways)
}

@test "an answer that is nested too deeply is given to no parser" {
	while read -ra way; do
		# The XML parser counts for itself, see the unit tests.
		[[ ${way[0]} != nac2* ]] || continue
		words=depth
		case ${way[0]} in
		token) words="no JSON object" ;;
		list | discovery) words="the answer " ;;
		esac
		for levels in 65 30000; do
			fails "deep:on=${way[0]},levels=$levels" "$words" "${way[@]:1}"
		done
	done < <(ways)
	emulator_control clear-faults
	emulator_control fault deep:on=get,levels=60
	run -0 --separate-stderr intune-query $ID
}

@test "an answer that stops in the middle is given up, long before the whole time is over" {
	conf 'timeout = 2m' 'connect_timeout = 1m' 'stall_timeout = 1s'
	# Tokens and the address of NAC 2.0 are at hand: each stalls at its own request.
	intune-query --source nac2 $ID
	emulator_control fault stall:on=token,times=1
	intune-query --token-dir "$BATS_TEST_TMPDIR/other" --deadline 0 $ID >out.token 2>err.token 3>&- &
	pids=(token $!)
	for _ in $(seq 200); do [ "$(count token)" -eq 3 ] && break; sleep 0.05; done
	emulator_control fault stall:on=get+list+nac2+nac2-list+nac2-info
	while read -ra way; do
		intune-query --deadline 0 "${way[@]:1}" >"out.${way[*]}" 2>"err.${way[*]}" 3>&- &
		pids+=("${way[*]}" $!)
	done < <(ways | grep -e ^get -e ^list -e ^nac2)
	[ ${#pids[@]} -eq 16 ]
	set -- "${pids[@]}"
	while [ $# -gt 0 ]; do
		status=0
		wait "$2" || status=$?
		assert_eq "$1: $status" "$1: 75"
		assert_has "$(<"err.$1")" "Less than 1 bytes/sec"
		[[ $1 == *--all ]] || [ ! -s "out.$1" ]
		shift 2
	done
}

@test "an answer that never stops dribbling has its time, too" {
	conf 'timeout = 1s'
	fails slow:on=get,part=body,seconds=40 "timed out" $ID
}

# peer full | silent: a server that lets nobody in, or lets in and says nothing
peer() {
	python3 - "$1" "$BATS_TEST_TMPDIR/port" <<-'E' 3>&- &
		import os, socket, sys, time
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen(0)
		waiting = []
		for _ in range(4 if sys.argv[1] == "full" else 0):
		    c = socket.socket()
		    c.setblocking(False)
		    c.connect_ex(s.getsockname())
		    waiting.append(c)
		with open(sys.argv[2] + ".new", "w") as f:
		    f.write(str(s.getsockname()[1]))
		os.rename(sys.argv[2] + ".new", sys.argv[2])
		time.sleep(300)
	E
	PEER=$!
	for _ in $(seq 200); do [ -s "$BATS_TEST_TMPDIR/port" ] && break; sleep 0.05; done
	conf 'timeout = 2m' 'connect_timeout = 1s'
	conf_set authority "127.0.0.1:$(cat "$BATS_TEST_TMPDIR/port")"
}

@test "a host that does not let us in is given up: no handshake of TCP, none of TLS" {
	for kind in full silent; do
		rm -f "$BATS_TEST_TMPDIR/port"
		peer $kind
		run -75 --separate-stderr intune-query --deadline 0 $ID
		assert_eq "$output" ""
		assert_has "${stderr,,}" "time"
		refute_has "$stderr" "refused"
		kill $PEER
		PEER=
	done
}

@test "the limits in time are settings that are checked" {
	for key in connect_timeout stall_timeout; do
		conf "$key = 0s"
		run -78 --separate-stderr intune-query $ID
		assert_has "$stderr" "connect_timeout and stall_timeout must be at least 1s"
		conf "$key = soon"
		run -78 --separate-stderr intune-query $ID
		assert_has "$stderr" "$key"
	done
	assert_eq "$(count token)" 0
}
