# shellcheck shell=bash
# For the tests of coa-send: FreeRADIUS' coa listener, and tests/lib/coa-peer, which
# answers in every wrong way there is.  Needs test_helper and lib/radius.bash; a
# test file that starts a hostapd in a network of its own needs lib/hostapd.bash.
# shellcheck disable=SC2154 # bats sets output

SESSION='"nas_ip":"127.0.0.1","calling":"02-00-00-00-00-01","user":"host/laptop"'

setup_file() {
	export D=$BATS_FILE_TMPDIR/server

	mkdir "$D"
	pki_make "$D"
	pki_client "$D" laptop LAPTOP-1
	freeradius_start "$D" /bin/true --nak 02-00-00-00-00-05=503 \
	    --nak 02-00-00-00-00-06=401 --nak 02-00-00-00-00-07=777
}

teardown_file() {
	freeradius_stop "$D"
}

setup() {
	T=$BATS_TEST_TMPDIR NETNS='' PEERS=()
	printf '%s\n' "$RADIUS_SECRET" >"$T/secret"
	chmod 600 "$T/secret"
	printf '%s\n' "nas_file = $T/nas" "profiles_dir = $NAC_ROOT/share/profiles" \
	    "dictionary = $NAC_ROOT/share/dictionary" >"$T/nac.conf"
	export INTUNE_NAC_CONF=$T/nac.conf
	# Where a test gives no other: the FreeRADIUS of this file.
	nas "nas 127.0.0.0/8 profile rfc5176 secret-file $T/secret port $(radius_get "$D" COA_PORT)"
}

teardown() {
	local pid

	for pid in "${PEERS[@]}"; do
		pid_stop "$pid"
	done
	[ -z "$NETNS" ] || {
		hostapd_stop "$T/ns"
		freeradius_stop "$T/ns"
		netns_stop
	}
}

# nas LINE...: the NAS file
nas() {
	printf '%s\n' "$@" >"$T/nas"
	chmod 600 "$T/nas"
}

# peer PLAN [ADDRESS]: starts a coa-peer and makes it the NAS of 127.0.0.0/8 or
# of ADDRESS, with profile $PROFILE (rfc5176); $P is its directory.
peer() {
	P=$(mktemp -d "$T/peer.XXXXXX")
	python3 "$NAC_ROOT/tests/lib/coa-peer" "$P" "$RADIUS_SECRET" "$@" </dev/null >"$P/out" 2>&1 3>&- &
	PEERS+=($!)
	wait_until 10 test -f "$P/port"
	nas "nas ${2-127.0.0.0/8} profile ${PROFILE-rfc5176} secret-file $T/secret port $(<"$P/port")"
}

# quick ARG...: coa-send with one short try, where silence is what is wanted
quick() {
	coa-send --timeout 1 --tries 1 "$@"
}

# send ARG...: one try with time enough for any machine, where an answer is
send() {
	coa-send --timeout 60 --tries 1 "$@"
}

record() {
	printf '{"session":{%s}}\n' "${1-$SESSION}"
}

# field NAME: of the `coa' in the last output
field() {
	jq -r ".coa.$1" <<<"$output"
}

last_coa() {
	radius_coa_log "$D" | tail -n 1
}

# client N [FIELD]: a record for client N of the NAS 127.0.0.1
client() {
	printf '{"session":{"nas_ip":"127.0.0.1","calling":"%012x","acct_session_id":"S%d"}%s}\n' "$1" "$1" "${2-}"
}
