#!/usr/bin/env bats
# The whole way round on a real NAS: hostapd asks FreeRADIUS, radius-hook answers
# and writes the session down, and what it wrote is enough for coa-send to end
# that session.  The single answers of hostapd are in coa-replies.bats.
# shellcheck disable=SC2154 # bats sets them

load test_helper
load ../lib/radius
load ../lib/hostapd

GUID=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c001

setup() {
	D=$BATS_TEST_TMPDIR/nas
	netns_start || skip "$NETNS_SKIP"
	mkdir -p "$D/state"
	export INTUNE_NAC_CONF=$D/nac.conf
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" \
	    "nas_file = $D/nas" "profiles_dir = $NAC_ROOT/share/profiles" \
	    "dictionary = $NAC_ROOT/share/dictionary" >"$INTUNE_NAC_CONF"
	# In a user namespace, root's own files are nobody's: the hook refuses those.
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	printf '%s' "$RADIUS_SECRET" >"$D/secret"
	chmod 600 "$INTUNE_NAC_CONF" "$D/secret"
	answer noncompliant
	pki_make "$D"
	pki_client "$D" laptop LAPTOP-1 "URI:IntuneDeviceId://$GUID"
	freeradius_start "$D" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --netns "$NETNS"
	hostapd_start "$D" radius_das_require_message_authenticator=1
	echo "nas * profile hostapd secret-file $D/secret port $(hostapd_get "$D" DAS_PORT)" >"$D/nas"
	chmod 600 "$D/nas"
}

teardown() {
	[ -n "$NETNS" ] || return 0
	hostapd_stop "$D"
	freeradius_stop "$D"
	netns_stop
}

# answer STATE: what Intune is supposed to have said.
answer() {
	jq -nc --arg id $GUID --arg state "$1" \
	    '{compliance: {state: $state, managed: true, matched_by: "guid", source: "graph",
	    checked: (now | todate), asked: [{by: "guid", value: $id}], device: {id: $id, name: "LAPTOP-1"}}}' |
	    nac-cache put >/dev/null
}

# The last login; what accounting says comes behind it.
journal() {
	jq -c 'select(.decision)' "$D/state/journal.ndjson" | tail -n 1
}

@test "the session in the journal is the one that hostapd ends; the next login is decided anew" {
	supplicant_start "$D" laptop
	read -r mac id <<<"$(hostapd_session "$D")"
	line=$(journal)
	assert_eq "$(json_get "$line" '.decision.vlan, .compliance.state')" $'1\nnoncompliant'
	assert_eq "$(json_get "$line" '.session | .acct_session_id, .nas_id, .nas_ip')" \
	    "$id"$'\n'"$HOSTAPD_NAS_ID"$'\n127.0.0.1'
	assert_eq "$(json_get "$line" .identity.mac)" "$mac"

	answer compliant
	run -0 --separate-stderr in_netns "$NETNS" coa-send <<<"$line"
	assert_eq "$(json_get "$output" '.coa | .result, .code, .profile, .tries')" $'ack\ndisconnect\nhostapd\n1'
	assert_eq "$(json_get "$output" .decision.vlan)" 1
	run -1 hostapd_session "$D"

	# A wired client is not told and comes back when it likes; this one now.
	supplicant_stop "$D"
	supplicant_start "$D" laptop
	line=$(journal)
	assert_eq "$(json_get "$line" '.decision.vlan, .compliance.state')" $'750\ncompliant'
}

@test "by Acct-Session-Id alone, and by all that names a session: the right one ends, another does not" {
	supplicant_start "$D" laptop
	read -r mac id <<<"$(hostapd_session "$D")"
	line=$(journal)
	mkdir "$D/profiles"
	printf '%s\n' 'code disconnect' 'session Acct-Session-Id required' 'action reauth' >"$D/profiles/by-id.profile"
	cp "$NAC_ROOT/share/profiles/rfc5176.profile" "$D/profiles/"
	send() {
		sed -i "s/profile [a-z0-9-]*/profile $1/" "$D/nas"
		in_netns "$NETNS" coa-send --profiles "$D/profiles" <<<"$2"
	}
	# As long as a true one, and of another session.
	other=$(jq -c '.session.acct_session_id = "0123456789ABCDEF"' <<<"$line")
	for p in by-id rfc5176; do
		run -0 --separate-stderr send $p "$other"
		assert_eq "$(json_get "$output" '.coa | .result, .error_cause')" $'nak\n503'
	done
	assert_eq "$(hostapd_session "$D")" "$mac $id"
	for p in by-id rfc5176; do
		run -0 --separate-stderr send $p "$line"
		assert_eq "$(json_get "$output" '.coa | .result, .profile')" "ack"$'\n'"$p"
		run -1 hostapd_session "$D"
		supplicant_stop "$D"
		supplicant_start "$D" laptop
		line=$(journal)
	done
}

@test "EAP-TTLS with an outer name: the CoA by User-Name too finds the session" {
	supplicant_start "$D" '' eap=TTLS 'anonymous_identity="guest@corp.example"' 'identity="alice"' \
	    'password="wonderland"' 'phase2="auth=PAP"'
	line=$(journal)
	assert_eq "$(json_get "$line" '.session | .user, .inner_user')" $'guest@corp.example\nalice'
	sed -i 's/profile hostapd/profile rfc5176/' "$D/nas"
	run -0 --separate-stderr in_netns "$NETNS" coa-send <<<"$line"
	assert_eq "$(json_get "$output" '.coa | .result, .profile, .tries')" $'ack\nrfc5176\n1'
	run -1 hostapd_session "$D"
}

@test "a User-Name that hostapd does not know, as of a login inside a tunnel: its session ends all the same" {
	supplicant_start "$D" laptop
	line=$(journal | jq -c '.session.user = "alice@example.test"')
	sed -i "s/profile [a-z0-9-]*/profile rfc5176/" "$D/nas"
	run -0 --separate-stderr in_netns "$NETNS" coa-send <<<"$line"
	assert_eq "$(json_get "$output" '.coa | .result, .profile, .tries, .left_out[0]')" $'ack\nrfc5176\n2\nUser-Name'
	run -1 hostapd_session "$D"
}

@test "a client that is not there: NAK 503, and the one that is stays" {
	supplicant_start "$D" laptop
	before=$(hostapd_session "$D")
	line=$(journal | jq -c '.session.calling = "02-00-00-00-00-99" | .identity.mac = "02:00:00:00:00:99"')
	# 503 is no failure: the client has gone, and there is nothing left to do.
	run -0 --separate-stderr in_netns "$NETNS" coa-send <<<"$line"
	assert_eq "$(json_get "$output" '.coa | .result, .error_cause')" $'nak\n503'
	assert_eq "$(hostapd_session "$D")" "$before"
}
