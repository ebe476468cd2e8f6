#!/usr/bin/env bats
# Nothing that a client or a NAS can write changes the reply: by exec and by
# rlm_rest, with the real server.
# shellcheck disable=SC2016 # dollar signs in single quotes are hostile names
# shellcheck disable=SC2154 # bats sets them

load test_helper
load ../lib/radius
load ../lib/serve
load ../lib/fleet

# What the shipped rules reply to a compliant device: VLAN 750, and nothing else.
ANSWER='Access-Accept 64=0000000d 65=00000006 81=373530'
PATHS='exec rest'

setup_file() {
	export D=$BATS_FILE_TMPDIR/server
	export INTUNE_NAC_CONF=$D/nac.conf

	mkdir -p "$D/state" "$D/exec" "$D/rest"
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	chmod 600 "$INTUNE_NAC_CONF" "$D/site.rules"
	store_fleet
	pki_make "$D"
	# Without EAP any name gets in: the decision is the rules' alone.
	printf 'DEFAULT\tEAP-Message !* ANY, Auth-Type := Accept\n' >"$D/users"
	serve_start "$D"
	for p in $PATHS; do cp -R "$D/certs" "$D/$p/"; done
	freeradius_start "$D/exec" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --users "$D/users"
	freeradius_start "$D/rest" '' --rest "$(serve_url "$D")" --users "$D/users"
}

teardown_file() {
	freeradius_stop "$D/exec"
	freeradius_stop "$D/rest"
	serve_stop "$D"
}

setup() {
	rm -f "$D/state/journal.ndjson" /tmp/radius-hostile
}

alive() {
	kill -0 "$(radius_get "$D/exec" PID)"
	kill -0 "$(radius_get "$D/rest" PID)"
	kill -0 "$(cat "$D/serve.pid")"
}

@test "300 packets with up to 4 KiB of anything, by exec and by REST: the reply is the rules'" {
	for p in $PATHS; do
		run -0 "$NAC_ROOT/tests/lib/radius-hostile" --port "$(radius_get "$D/$p" AUTH_PORT)" \
		    --secret "$RADIUS_SECRET" --mac "$GOOD_MAC" --count 150 --seed 7
		assert_eq "$output" "150 $ANSWER"
	done
	alive
	# One line each, every line JSON by itself and of the same device.
	assert_eq "$(jq -r '[.compliance.matched_by, .decision.vlan, .error] | join(" ")' \
	    "$D/state/journal.ndjson" | sort | uniq -c | awk '{ $1 = $1; print }')" "300 mac 750"
	run -1 grep -P '[\x00-\x1f\x7f]' "$D/state/journal.ndjson"
	run -1 test -e /tmp/radius-hostile
}

@test "4 KiB in the certificate: CN and every SAN, by exec and by REST" {
	bad='","reply:Tunnel-Private-Group-Id:0":"666", Tunnel-Private-Group-Id := "666", %{exec:/bin/touch /tmp/radius-hostile} `id` '
	long=$bad
	while [ ${#long} -lt 4000 ]; do long+=$long; done
	cn='a","reply:Tunnel-Private-Group-Id":"666'
	pki_client "$D" email "$cn" "email:${long:0:4000}"
	pki_client "$D" dns "$cn" "DNS:${long:0:4000}"
	pki_client "$D" upn "$cn" "UPN:${long:0:4000}"
	pki_client "$D" uri "$cn" "URI:${long:0:1000}" "URI:IntuneDeviceId://$GOOD"
	pki_client "$D" good WHATEVER "URI:IntuneDeviceId://$GOOD"
	cp "$D"/certs/*.pem "$D"/certs/*.key "$D/exec/certs/"
	cp "$D"/certs/*.pem "$D"/certs/*.key "$D/rest/certs/"
	for p in $PATHS; do
		for c in email dns upn uri good; do
			run -0 eap_tls_run "$D/$p" $c --mac "$GOOD_MAC" --identity "$bad" -- -N "87:s:$cn"
			assert_eq "$p $c $(grep '^Tunnel-\|^packet' <<<"$output" | sort | paste -sd ' ')" \
			    "$p $c Tunnel-Medium-Type=IEEE-802 Tunnel-Private-Group-Id=750 Tunnel-Type=VLAN packet=Access-Accept"
			refute_has "$output" Reply-Message
		done
	done
	alive
	assert_eq "$(jq -r '.decision.vlan' "$D/state/journal.ndjson" | sort | uniq -c | awk '{ print $1, $2 }')" "10 750"
	run -1 test -e /tmp/radius-hostile
}
