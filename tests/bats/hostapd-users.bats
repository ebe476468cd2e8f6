#!/usr/bin/env bats
# The scripts of share/hostapd: the user file of hostapd's own RADIUS server, and
# the action script of hostapd_cli, each against the real hostapd.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/radius
load ../lib/hostapd

USERS=$NAC_ROOT/share/hostapd/nac-hostapd-users
ACTION=$NAC_ROOT/share/hostapd/nac-hostapd-action
# Another build than Debian's: tests/hostapd-sqlite.
HOSTAPD=${HOSTAPD:-/usr/sbin/hostapd}

teardown() {
	[ -z "${SERVER-}" ] || pid_stop "$SERVER"
	[ -z "${CLI-}" ] || pid_stop "$CLI"
	[ -z "${D-}" ] || hostapd_stop "$D"
	[ -z "${D-}" ] || freeradius_stop "$D"
	[ -z "${NETNS-}" ] || netns_stop
}

# decided MAC ACTION [VLAN]
decided() {
	jq -nc --arg mac "$1" --arg action "$2" --arg vlan "${3-}" \
	    '{identity: {mac: $mac}, compliance: {state: "compliant", device: {wifi_mac: $mac}},
	    decision: {action: $action, reply: (if $vlan == "" then [] else [["Tunnel-Type:0", ":=", "VLAN"],
	    ["Tunnel-Medium-Type:0", ":=", "IEEE-802"], ["Tunnel-Private-Group-Id:0", ":=", $vlan]] end)}}'
}

# ask MAC: what hostapd's RADIUS server says to MAC authentication
ask() {
	printf 'User-Name = "%s"\nUser-Password = "%s"\nMessage-Authenticator = 0x00\n' "$1" "$1" |
		in_netns "$NETNS" radclient -r 3 -t 2 -x 127.0.0.1:1812 auth "$RADIUS_SECRET" || :
}

@test "hostapd's RADIUS server answers by the decisions, and by the new ones after a change" {
	netns_start || skip "$NETNS_SKIP"
	f=$BATS_TEST_TMPDIR/users
	printf '"admin" MD5 "secret"\n' >"$f"
	chmod 640 "$f"
	{
		decided 00:1b:2c:00:00:01 allow 750
		decided 00:1b:2c:00:00:02 deny
		decided 00:1b:2c:00:00:03 allow 1
	} | "$USERS" "$f"
	echo "127.0.0.1/32 $RADIUS_SECRET" >"$BATS_TEST_TMPDIR/clients"
	printf '%s\n' interface=lo driver=none ieee8021x=1 eap_server=1 "eap_user_file=$f" \
	    "radius_server_clients=$BATS_TEST_TMPDIR/clients" radius_server_auth_port=1812 >"$BATS_TEST_TMPDIR/h.conf"
	_netns "$NETNS"
	"${NETNS_RUN[@]}" "$HOSTAPD" -t "$BATS_TEST_TMPDIR/h.conf" \
	    </dev/null >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	SERVER=$!
	wait_until 10 server_up
	echo "$SERVER" >"$BATS_TEST_TMPDIR/pid"

	assert_has "$(ask 001b2c000001)" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_has "$(ask 001b2c000003)" 'Tunnel-Private-Group-Id:0 = "1"'
	assert_has "$(ask 001b2c000002)" Access-Reject
	assert_has "$(ask 001b2c000099)" Access-Reject

	# One moves, one is refused now, one is new; the third stays as it is.
	{
		decided 00:1b:2c:00:00:01 allow 1
		decided 00:1b:2c:00:00:03 deny
		decided 00:1b:2c:00:00:04 allow 750
	} | "$USERS" --merge "$f" "$BATS_TEST_TMPDIR/pid"
	moved() { ask 001b2c000001 | grep -q '"1"'; }
	wait_until 5 moved
	assert_has "$(ask 001b2c000003)" Access-Reject
	assert_has "$(ask 001b2c000004)" 'Tunnel-Private-Group-Id:0 = "750"'
	# What was there before is there still.
	assert_eq "$(head -n 1 "$f")" '"admin" MD5 "secret"'
	assert_eq "$(stat -c %a "$f")" 640
	# The whole fleet anew: who is not named is out.
	decided 00:1b:2c:00:00:01 allow 5 | "$USERS" "$f"
	assert_eq "$(grep -c MACACL "$f")" 1
}

@test "several runs of --merge at once: no change is lost" {
	f=$BATS_TEST_TMPDIR/users
	decided 00:1b:2c:00:00:99 allow 5 | "$USERS" "$f"
	for i in {10..29}; do
		decided "00:1b:2c:00:00:$i" allow "$i" | "$USERS" --merge "$f" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	assert_eq "$(grep -c MACACL "$f")" 21
	assert_eq "$(grep -c '^radius_accept_attr=81:s:' "$f")" 21
	assert_eq "$(ls "$BATS_TEST_TMPDIR")" users
	# One that hangs: the others give up, and leave the file as it is.
	(exec 9<"$BATS_TEST_TMPDIR" && flock 9 && exec sleep 300) 3>&- &
	held=$!
	wait_until 20 bash -c "! flock -n '$BATS_TEST_TMPDIR' true"
	# faketime has no say in the kernel's timers: a shorter patience instead.
	sed 's/flock -w 60/flock -w 1/' "$USERS" >"$BATS_TEST_TMPDIR/impatient"
	run -75 --separate-stderr bash "$BATS_TEST_TMPDIR/impatient" --merge "$f" < <(decided 00:1b:2c:00:00:98 allow 5)
	kill "$held"
	assert_has "$stderr" "$f: another run is writing it"
	assert_eq "$(grep -c MACACL "$f")" 21
}

# hostapd's RADIUS server has its port
server_up() {
	[ -n "$(in_netns "$NETNS" ss -Hlnu sport = :1812)" ]
}

# database_user FILE IDENTITY: methods and password, by the question that hostapd asks
# (wpa: src/ap/eap_user_db.c, eap_user_sqlite_get())
database_user() {
	sqlite3 "$1" "SELECT * FROM users WHERE identity='$2' AND phase2=0;"
}

@test "the SQLite database of users: what is allowed is in it, what is not goes, and the others' rows stay" {
	f=$BATS_TEST_TMPDIR/users.db
	bare() { decided "$@" | jq -c 'del(.decision.reply)'; }
	{
		bare 00:1b:2c:00:00:01 allow
		bare 00:1b:2c:00:00:02 deny
		bare 00:1b:2c:00:00:03 allow
	} | "$USERS" --sqlite "$f"
	assert_eq "$(stat -c %a "$f")" 600
	assert_eq "$(database_user "$f" 001b2c000001)" "001b2c000001|MD5|001b2c000001||0|"
	assert_eq "$(database_user "$f" 001b2c000002)" ""
	assert_eq "$(database_user "$f" 001b2c000003)" "001b2c000003|MD5|001b2c000003||0|"
	# An administrator's, one of them under a name of ours.
	sqlite3 "$f" "INSERT INTO users(identity, methods, password, phase2) VALUES
	    ('alice', 'TTLS-MSCHAPV2', 'secret', 1), ('001b2c000004', 'MD5', 'other', 0);
	    INSERT INTO wildcards VALUES ('', 'TTLS,TLS'); DELETE FROM users WHERE identity = '001b2c000003'"
	{
		bare 00:1b:2c:00:00:01 deny
		bare 00:1b:2c:00:00:02 allow
		bare 00:1b:2c:00:00:02 deny
		bare 00:1b:2c:00:00:02 allow
		bare 00:1b:2c:00:00:03 allow
		bare 00:1b:2c:00:00:04 allow
		bare 00:1b:2c:00:00:05 allow
	} | "$USERS" --merge --sqlite "$f"
	assert_eq "$(sqlite3 "$f" 'SELECT identity, password FROM users ORDER BY 1')" "001b2c000002|001b2c000002
001b2c000003|001b2c000003
001b2c000004|other
001b2c000005|001b2c000005
alice|secret"
	# All there is, and nothing of the administrator's.
	bare 00:1b:2c:00:00:05 allow | "$USERS" --sqlite "$f"
	assert_eq "$(sqlite3 "$f" 'SELECT identity FROM users ORDER BY 1')" $'001b2c000004\n001b2c000005\nalice'
	assert_eq "$(sqlite3 "$f" 'SELECT * FROM wildcards')" "|TTLS,TLS"
	# A reply that the database has no room for is another access.
	run -65 --separate-stderr "$USERS" --sqlite --merge "$f" < <(decided 00:1b:2c:00:00:05 allow 750)
	assert_has "$stderr" "line 1: a SQLite user has no reply: Tunnel-Type:0"
	assert_eq "$(database_user "$f" 001b2c000005)" ""
}

@test "the SQLite database: nothing but addresses gets in; locked or broken, it stays as it was" {
	f=$BATS_TEST_TMPDIR/users.db
	run -0 --separate-stderr "$USERS" --sqlite "$f" < <(
		decided "00:1b:2c:00:00:01'); DROP TABLE users; --" allow | jq -c 'del(.decision.reply)'
		decided "001b2c00000a'" allow | jq -c 'del(.decision.reply)'
		decided $'.shell touch x' allow | jq -c 'del(.decision.reply)'
	)
	# Stripped to its digits the second is an address, and the first is too long for one.
	assert_eq "$(sqlite3 "$f" 'SELECT identity FROM users')" 001b2c00000a
	before=$(sqlite3 "$f" .dump)
	cp "$f" "$f.copy"
	head -c 4096 /dev/urandom >"$f"
	run -74 --separate-stderr "$USERS" --sqlite "$f" < <(decided 00:1b:2c:00:00:09 allow | jq -c 'del(.decision.reply)')
	assert_has "$stderr" "$f: could not be written"
	cp "$f.copy" "$f"
	chmod 400 "$f"
	if [ "$(id -u)" -ne 0 ]; then
		run -74 --separate-stderr "$USERS" --sqlite "$f" < <(decided 00:1b:2c:00:00:09 allow | jq -c 'del(.decision.reply)')
	fi
	assert_eq "$(sqlite3 "$f" .dump)" "$before"
	assert_eq "$(find "$BATS_TEST_TMPDIR" -name 'users.db.??????')" ""
}

@test "a real hostapd and the SQLite database, where its build has CONFIG_SQLITE" {
	! grep -aq 'CONFIG_SQLITE was not enabled' "$HOSTAPD" ||
		skip "this hostapd was built without CONFIG_SQLITE"
	netns_start || skip "$NETNS_SKIP"
	f=$BATS_TEST_TMPDIR/users.db
	decided 00:1b:2c:00:00:01 allow | jq -c 'del(.decision.reply)' | "$USERS" --sqlite "$f"
	echo "127.0.0.1/32 $RADIUS_SECRET" >"$BATS_TEST_TMPDIR/clients"
	printf '%s\n' interface=lo driver=none ieee8021x=1 eap_server=1 "eap_user_file=sqlite:$f" \
	    "radius_server_clients=$BATS_TEST_TMPDIR/clients" radius_server_auth_port=1812 >"$BATS_TEST_TMPDIR/h.conf"
	_netns "$NETNS"
	"${NETNS_RUN[@]}" "$HOSTAPD" -t "$BATS_TEST_TMPDIR/h.conf" \
	    </dev/null >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	SERVER=$!
	wait_until 10 server_up
	mab() {
		printf '%s\n' ap_scan=0 'network={' key_mgmt=IEEE8021X eap=MD5 "identity=\"$1\"" "password=\"$1\"" '}' >"$BATS_TEST_TMPDIR/mab"
		in_netns "$NETNS" eapol_test -n -c "$BATS_TEST_TMPDIR/mab" -a 127.0.0.1 -p 1812 -s "$RADIUS_SECRET"
	}
	run -0 mab 001b2c000001
	run ! mab 001b2c000002
}

@test "the scripts: --help, --version, a page with every option, wrong usage" {
	for s in "$USERS" "$ACTION"; do
		p=${s##*/}
		run -0 --separate-stderr "$s" --help
		assert_has "$output" "usage: $p"
		[ "$(wc -l <<<"$output")" -le 25 ]
		page=$(mandoc -Tutf8 "$NAC_ROOT/man/$p.8" | col -b | sed 's/‐/-/g; s/−/-/g')
		while read -r o; do
			assert_has "$page" "${o#--}"
		done < <(grep -oE -- '--[a-z][a-z-]+' <<<"$output")
		for w in "EXIT STATUS" EXAMPLES "SEE ALSO"; do assert_has "$page" "$w"; done
		run -0 --separate-stderr "$s" --version
		assert_has "$output" "$p "
		run -64 --separate-stderr "$s" --no-such-option
		assert_has "$stderr" no-such-option
		run -64 --separate-stderr "$s"
		assert_has "$stderr" "usage: $p"
	done
	run -64 "$USERS" --sqlite a b
	run -64 "$USERS" a b c
	# The last example of the page.
	cd "$BATS_TEST_TMPDIR"
	sed -n '/^\$ echo/,/^\.Ed/p' "$NAC_ROOT/man/nac-hostapd-users.8" | sed '$d; s/^\$ //' >example
	PATH=${USERS%/*}:$PATH run -0 --separate-stderr bash example
	assert_eq "$(sqlite3 users.db 'SELECT identity FROM users')" 001b2c3d4e5f
}

@test "the action script passes over what is no arrival, and tells what hostapd does not do" {
	# Not even jq is asked for another event.
	run -0 --separate-stderr "$ACTION" wlan0 AP-STA-DISCONNECTED 00:1b:2c:00:00:01
	assert_eq "$output$stderr" ""
	HOSTAPD_CTRL=$BATS_TEST_TMPDIR run -1 --separate-stderr "$ACTION" wlan0 < <(
		decided 00:1b:2c:00:00:01 allow 1 | jq -c '.decision.was = {vlan: "7"}'
		decided 00:1b:2c:00:00:02 allow 1
		decided 'x; touch x' allow 1 | jq -c '.decision.was = {vlan: "7"}')
	assert_eq "$stderr" "nac-hostapd-action: wlan0: 00:1b:2c:00:00:01 could not be sent away"
}

@test "nothing of a record gets into the user file but what belongs there" {
	f=$BATS_TEST_TMPDIR/users
	run -65 --separate-stderr "$USERS" "$f" < <(
		decided 00:1b:2c:00:00:01 allow $'750\n"evil" MD5 "x"'
		decided '00:1b:2c:00:00:02" TLS' allow 7
		decided 00:1b:2c:00:00:03 allow 7 | jq -c '.decision.reply += [["Cisco-AVPair", "=", "x"]]'
		echo 'no json'
		decided 00:1b:2c:00:00:04 allow 7
	)
	assert_eq "$(grep -c '^"' "$f")" 2
	refute_has "$(cat "$f")" evil
	refute_has "$(cat "$f")" TLS
	assert_has "$stderr" "line 3: hostapd cannot send Cisco-AVPair"
	assert_has "$stderr" "line 4: no record with a decision"
	assert_eq "$(stat -c %a "$f")" 600
	run -64 "$USERS"
	assert_eq "$(find "$BATS_TEST_TMPDIR" -name 'users.*')" ""
}

@test "hostapd_cli -a: a refused client is sent away as it comes; --changed sends one away later" {
	netns_start || skip "$NETNS_SKIP"
	D=$BATS_TEST_TMPDIR/nas
	mkdir -p "$D/state"
	export INTUNE_NAC_CONF=$D/nac.conf
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	chmod 600 "$INTUNE_NAC_CONF" "$D/site.rules"
	# A server that lets everybody in: only the script stands in between.
	printf '#!/bin/sh\necho "Tunnel-Type:0 := VLAN,"\n' >"$D/yes"
	chmod +x "$D/yes"
	pki_make "$D"
	pki_client "$D" laptop LAPTOP-1
	freeradius_start "$D" "$D/yes" --netns "$NETNS"
	hostapd_start "$D"
	ctrl=$(hostapd_get "$D" CTRL)/hostapd
	supplicant_start "$D" laptop
	read -r mac _ <<<"$(hostapd_session "$D")"
	gone() { ! hostapd_session "$D" >/dev/null; }

	# Its access changes.
	HOSTAPD_CTRL=$ctrl "$ACTION" nas0 < <(decided "$mac" allow 1 | jq -c '.decision.was = {vlan: "750"}')
	wait_until 5 gone
	supplicant_stop "$D"

	# It is being wiped: known to the store before it comes.
	jq -nc --arg mac "$mac" '{compliance: {state: "compliant", managed: true, matched_by: "mac", source: "graph",
	    checked: (now | todate), asked: [{by: "mac", value: $mac}],
	    device: {id: "5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c001", wifi_mac: $mac, management_state: "wipePending"}}}' |
		nac-cache put >/dev/null
	HOSTAPD_CTRL=$ctrl /usr/sbin/hostapd_cli -p "$ctrl" -i nas0 -a "$ACTION" </dev/null >"$D/cli.log" 2>&1 3>&- &
	CLI=$!
	sleep 0.5
	supplicant_start "$D" laptop || :
	assert_has "$(cat "$D/log/hostapd.log")" "AP-STA-CONNECTED $mac"
	wait_until 5 gone
}
