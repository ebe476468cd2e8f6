#!/usr/bin/env bats
# The scripts of share/hostapd: the user file of hostapd's own RADIUS server, and
# the action script of hostapd_cli, each against the real hostapd.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/radius
load ../lib/hostapd

USERS=$NAC_ROOT/share/hostapd/nac-hostapd-users
ACTION=$NAC_ROOT/share/hostapd/nac-hostapd-action

teardown() {
	[ -z "${HOSTAPD-}" ] || pid_stop "$HOSTAPD"
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
	"${NETNS_RUN[@]}" /usr/sbin/hostapd -t "$BATS_TEST_TMPDIR/h.conf" \
	    </dev/null >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
	HOSTAPD=$!
	up() { [ -n "$(in_netns "$NETNS" ss -Hlnu sport = :1812)" ]; }
	wait_until 10 up
	echo "$HOSTAPD" >"$BATS_TEST_TMPDIR/pid"

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
