#!/usr/bin/env bats
# radius-hook in Debian's FreeRADIUS, with the files of share/freeradius: what
# the switch is told, by eapol_test's word, and what the journal says about it.
# shellcheck disable=SC2016 # dollar signs in single quotes are hostile names
# shellcheck disable=SC2030,SC2031,SC2154 # of bats

load test_helper
load ../lib/radius
load ../lib/fleet

setup_file() {
	export D=$BATS_FILE_TMPDIR/server
	export INTUNE_NAC_CONF=$D/nac.conf

	mkdir -p "$D/state"
	write_conf
	store_fleet
	pki_make "$D"
	pki_client "$D" good WHATEVER "URI:IntuneDeviceId://$GOOD"
	pki_client "$D" joined WHATEVER \
	    "URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104,IntuneDeviceId://$GOOD"
	pki_client "$D" fqdn laptop-b.corp.example
	pki_client "$D" stranger STRANGER "URI:IntuneDeviceId://$STRANGER"
	pki_client "$D" leaving LEAVING "DNS:$LEAVING"
	freeradius_start "$D" "$(command -v radius-hook) -c $INTUNE_NAC_CONF"
}

teardown_file() {
	freeradius_stop "$D"
}

setup() {
	write_conf
	rm -f "$D/state/journal.ndjson"
}

write_conf() {
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	chmod 600 "$INTUNE_NAC_CONF" "$D/site.rules"
}

@test "EAP-TLS: a compliant device by its SAN URI gets the corporate VLAN, over TLS 1.2 and 1.3" {
	for v in 1.2 1.3; do
		flag=()
		[ $v = 1.2 ] || flag=(--tls13)
		run -0 eap_tls_run "$D" good "${flag[@]}" --mac 00:1b:2c:99:99:99 -- -N 87:s:Gi1/0/7 \
		    -N 26:x:000039e70506636f7270
		assert_has "$output" "tls=$v"
		assert_has "$output" "Tunnel-Type=VLAN"
		assert_has "$output" "Tunnel-Medium-Type=IEEE-802"
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last '.identity.guid[0].value, .identity.guid[0].found, .identity.eap')" \
		    "$GOOD"$'\nsan-uri\ntls'
		assert_eq "$(last '.compliance.state, .compliance.matched_by, .compliance.source')" \
		    $'compliant\nguid\ncache'
		assert_eq "$(last '.decision.action, .decision.vlan, .decision.name')" $'allow\n750\nCorp compliant'
		# All that a CoA needs.
		assert_eq "$(last '.session | .user, .nas_ip, .nas_id, .nas_port, .nas_port_id, .ssid, .calling')" \
		    $'host/good.example.test\n127.0.0.1\nap-1\n7\nGi1/0/7\ncorp-wifi\n00-1B-2C-99-99-99'
		# By its Aruba-Essid-Name.
		assert_eq "$(last .session.vendor)" aruba
	done
	assert_eq "$(wc -l <"$D/state/journal.ndjson")" 2
}

@test "EAP-TLS: comma-joined SAN URIs, and a name with its domain in the CN" {
	run -0 eap_tls_run "$D" joined
	assert_eq "$(vlan "$output")" 750
	run -0 eap_tls_run "$D" fqdn
	assert_eq "$(vlan "$output")" 1
	assert_eq "$(last '.compliance.state, .compliance.matched_by')" $'noncompliant\nname'
}

@test "an unknown device gets the onboarding VLAN at once, and the journal what to look up" {
	run -0 eap_tls_run "$D" stranger
	assert_eq "$(vlan "$output")" 1
	assert_eq "$(last '.compliance.state, .decision.name, .identity.guid[0].value')" \
	    $'pending\nOnboarding\n'"$STRANGER"
}

@test "EAP-TTLS and PEAP: by the MAC the switch reports, and by nothing the client types" {
	for how in '' --mschapv2 --peap --tls13; do
		# shellcheck disable=SC2086
		run -0 eap_ttls_run "$D" alice wonderland $how --mac "$GOOD_MAC"
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last '.identity.mac, .compliance.matched_by, .session.user, .session.inner_user')" \
		    "$GOOD_MAC"$'\nmac\nanonymous\nalice'
		want=ttls
		[ "$how" != --peap ] || want=peap
		assert_eq "$(last .identity.eap)" $want
		# The names of a good device, in every place that is the client's own.
		# shellcheck disable=SC2086
		run -0 eap_ttls_run "$D" alice wonderland $how --mac 00:1b:2c:99:99:99 --identity LAPTOP-A
		assert_eq "$(vlan "$output")" 1
		assert_eq "$(last .compliance.state)" pending
	done
}

@test "EAP-TTLS and PEAP: the NAS knows the outer name, the rules read the inner one" {
	rules=$(<"$D/site.rules")
	printf '%s\n' 'allow "Inner" with vlan 30 if user is alice' 'no-match deny' >"$D/site.rules"
	for how in '' --mschapv2 --peap; do
		# shellcheck disable=SC2086
		run -0 eap_ttls_run "$D" alice wonderland $how --identity guest@corp.example
		assert_eq "$(vlan "$output")" 30
		assert_has "$output" "User-Name=guest@corp.example"
		refute_has "$output" "alice"
		assert_eq "$(last '.session | .user, .inner_user, .realm')" $'guest@corp.example\nalice\nnull'
	done
	printf '%s\n' "$rules" >"$D/site.rules"
}

@test "a name that the site puts into the Access-Accept is the one that the NAS knows" {
	s=$BATS_TEST_TMPDIR/named
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	printf '%s\n' 'alice	Cleartext-Password := "wonderland"' 'named' '	User-Name = "accepted"' >"$s/users"
	# What Debian's inner-tunnel has for it, not commented out.
	freeradius_start "$s" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --users "$s/users" \
	    --sites 's/^\t*nac_tunnel$/update outer.session-state {\n\&User-Name := \&User-Name\n}\n&/'
	run eap_ttls_run "$s" alice wonderland
	assert_has "$output" "User-Name=alice"
	assert_eq "$(last '.session | .user, .inner_user')" $'alice\nnull'
	run eap_tls_run "$s" good --identity named
	assert_has "$output" "User-Name=accepted"
	assert_eq "$(last '.session | .user, .inner_user')" $'accepted\nnamed'
	run radclient -x "127.0.0.1:$(radius_get "$s" AUTH_PORT)" auth "$RADIUS_SECRET" \
	    <<<"User-Name=alice,User-Password=wonderland"
	freeradius_stop "$s"
	assert_has "$output" "Access-Accept"
	assert_eq "$(last '.session | .user, .inner_user')" $'alice\nnull'
}

@test "EAP-TLS inside of PEAP and EAP-TTLS: one decision, by the certificate" {
	for eap in PEAP TTLS; do
		rm -f "$D/state/journal.ndjson"
		run -0 eap_tls_inside_run "$D" $eap good --mac "$OTHER_MAC" -- -N 87:s:Gi1/0/7
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(grep -c '^Tunnel-' <<<"$output")" 3
		assert_eq "$(wc -l <"$D/state/journal.ndjson")" 1
		assert_eq "$(last '.identity.guid[0].value, .identity.guid[0].found, .compliance.matched_by, .identity.eap')" \
		    "$GOOD"$'\nsan-uri\nguid\n'"${eap,,}"
		assert_eq "$(last '.session | .user, .inner_user, .nas_ip, .nas_port_id, .ssid')" \
		    $'anonymous\nhost/good.example.test\n127.0.0.1\nGi1/0/7\ncorp-wifi'
		run -1 eap_tls_inside_run "$D" $eap leaving --mac "$GOOD_MAC"
		refused "$output"
		assert_eq "$(wc -l <"$D/state/journal.ndjson")" 2
	done
	# Inside of EAP-TTLS names that nobody has looked through are the client's to
	# choose; PEAP has no place for them.
	s=$BATS_TEST_TMPDIR/unclean
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	freeradius_start "$s" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --sites /nac_tunnel_clean/d
	run eap_tls_inside_run "$s" TTLS good
	ttls=$output
	run eap_tls_inside_run "$s" PEAP good
	freeradius_stop "$s"
	refused "$ttls"
	assert_eq "$(vlan "$output")" 750
}

@test "a random MAC matches nothing" {
	run -0 eap_ttls_run "$D" alice wonderland --mac 02:1b:2c:3d:4e:01
	assert_eq "$(vlan "$output")" 1
	assert_eq "$(last '.identity.mac_random, .compliance.state')" $'true\npending'
}

@test "a device under a wipe is refused: EAP-Failure, no keys, no VLAN" {
	run -1 eap_tls_run "$D" leaving
	refused "$output"
	assert_eq "$(last '.decision.action, .decision.name')" $'deny\nRetire or wipe'
	run -1 eap_tls_run "$D" leaving --tls13
	refused "$output"
	for how in '' --mschapv2 --peap; do
		# shellcheck disable=SC2086
		run -1 eap_ttls_run "$D" alice wonderland $how --mac "$LEAVING_MAC"
		refused "$output"
	done
}

@test "a NAS over IPv6 that names no address of its own is known by the one it asks from" {
	s=$BATS_TEST_TMPDIR/v6
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	freeradius_start "$s" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --coa6 \
	    --sites '/^server default/,/^}/s/ipaddr = 127.0.0.1/ipaddr = ::1/'
	run radclient -x "[::1]:$(radius_get "$s" AUTH_PORT)" auth "$RADIUS_SECRET" \
	    <<<"User-Name=bench,User-Password=bench,NAS-Identifier=ap-6,Calling-Station-Id=001b2c3d4e01"
	freeradius_stop "$s"
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_eq "$(last '.session | .nas_ip, .nas_id')" $'::1\nap-6'
}

@test "MAC authentication without EAP" {
	for mac in 001b2c3d4e01:750 001b.2c99.9999:1; do
		run -0 radclient -x "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" \
		    <<<"User-Name=bench,User-Password=bench,Calling-Station-Id=${mac%:*}"
		assert_has "$output" "Tunnel-Private-Group-Id:0 = \"${mac#*:}\""
	done
	run -1 radclient -x "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" \
	    <<<"User-Name=bench,User-Password=bench,Calling-Station-Id=$LEAVING_MAC"
	assert_has "$output" "Received Access-Reject"
	refute_has "$output" "Tunnel-"
	refute_has "$output" "MPPE"
}

# ask ATTRIBUTE...: radclient's view of the answer to a request with these.
ask() {
	printf '%s\n' "$@" | radclient -x -r 1 -t 10 "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" 2>&1 |
		sed -n '/^Received/,$p'
}

@test "MAB: the address is name and Calling-Station-Id, and the rules say what it gets" {
	call='Service-Type = Call-Check'
	for name in 001b2c3d4e01 00-1B-2C-3D-4E-01 00:1b:2c:3d:4e:01 001b.2c3d.4e01; do
		run -0 ask "User-Name = \"$name\"" 'Calling-Station-Id = "00-1B-2C-3D-4E-01"' "$call"
		assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
		assert_eq "$(last '.identity.eap, .identity.mac')" "null"$'\n'"$GOOD_MAC"
	done
	# As Cisco's, and as those that do not say what they ask for, by PAP and by CHAP.
	for more in "$call"$'\nUser-Password = "001b2c3d4e01"' 'User-Password = "001b2c3d4e01"' 'CHAP-Password = "001b2c3d4e01"' \
	    "$call"$'\nCHAP-Password = "001b2c3d4e01"' $'Service-Type = Framed-User\nUser-Password = "001b2c3d4e01"'; do
		echo "$more"
		run -0 ask 'User-Name = "001b2c3d4e01"' 'Calling-Station-Id = "00:1b:2c:3d:4e:01"' "$more"
		assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	done
	# Unknown, and being wiped.
	run -0 ask 'User-Name = "001b2c999999"' 'Calling-Station-Id = "001b2c999999"' "$call"
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "1"'
	assert_eq "$(last .compliance.state)" pending
	run -0 ask 'User-Name = "001b2c3d4e03"' 'Calling-Station-Id = "001b2c3d4e03"' "$call"
	assert_has "$output" Access-Reject
	refute_has "$output" Tunnel-
}

@test "MAB takes no other login: another's address, a name, EAP, a wrong or a known password" {
	n='User-Name = "001b2c3d4e01"' c='Calling-Station-Id = "001b2c3d4e01"' call='Service-Type = Call-Check'
	rm -f "$D/state/journal.ndjson"
	for no in "$n"$'\nCalling-Station-Id = "001b2c3d4e02"\n'"$call" "$n"$'\n'"$call" \
	    $'User-Name = "alice"\n'"$c"$'\n'"$call" $'User-Name = "x001b2c3d4e01"\n'"$c"$'\n'"$call" \
	    $'User-Name = "001b2c3d4e01@corp.example"\n'"$c"$'\n'"$call" \
	    "$n"$'\n'"$c" "$n"$'\n'"$c"$'\nUser-Password = "001b2c3d4e02"' "$n"$'\n'"$c"$'\nUser-Password = ""' \
	    "$n"$'\n'"$c"$'\nCHAP-Password = "001b2c3d4e02"' \
	    "$n"$'\n'"$c"$'\nService-Type = NAS-Prompt-User\nUser-Password = "001b2c3d4e01"' \
	    "$n"$'\n'"$c"$'\n'"$call"$'\nEAP-Message = 0x0201000501\nMessage-Authenticator = 0x00'; do
		run -0 ask "$no"
		refute_has "$output" Access-Accept
		refute_has "$output" Tunnel-
	done
	# A user of that name has a password of his own.
	for pw in 'User-Password = "001b2c3d4e0a"' 'CHAP-Password = "001b2c3d4e0a"' 'Framed-MTU = 1400'; do
		run -0 ask 'User-Name = "001b2c3d4e0a"' 'Calling-Station-Id = "001b2c3d4e0a"' "$call" "$pw"
		refute_has "$output" Access-Accept
	done
	# Nobody was asked about any of them.
	[ ! -e "$D/state/journal.ndjson" ]
	run -0 ask 'User-Name = "001b2c3d4e0a"' 'Calling-Station-Id = "001b2c3d4e0a"' "$call" 'User-Password = "secret"'
	assert_has "$output" Access-Accept
}

# Every one of these must reach the switch as the fallback and the journal as a reason.
broken() {
	run -0 eap_tls_run "$D" good
	assert_eq "$(vlan "$output")" 1
	assert_has "$(last .error)" "$1"
	run -0 eap_ttls_run "$D" alice wonderland --mac "$GOOD_MAC"
	assert_eq "$(vlan "$output")" 1
}

@test "broken rules, configuration or store: quarantine, and the reason in the journal" {
	echo 'allow with vlan' >>"$D/site.rules"
	broken site.rules
	write_conf
	rm "$D/site.rules"
	broken site.rules
	write_conf
	printf '\0\377' >"$D/site.rules"
	broken site.rules
	write_conf
	chmod 666 "$D/site.rules"
	broken site.rules
	write_conf
	mv "$D/state/data.mdb" "$D/state/data.away"
	broken state
	head -c 20000 /dev/urandom >"$D/state/data.mdb"
	broken state
	mv "$D/state/data.away" "$D/state/data.mdb"
	# All is well again without a restart.
	run -0 eap_tls_run "$D" good
	assert_eq "$(vlan "$output")" 750
	assert_eq "$(last '.error // "none"')" none
}

@test "fallback deny and another quarantine VLAN are what nac.conf says" {
	rm "$D/site.rules"
	echo 'fallback = deny' >>"$INTUNE_NAC_CONF"
	run -1 eap_tls_run "$D" good
	refused "$output"
	run -1 eap_ttls_run "$D" alice wonderland --mac "$GOOD_MAC"
	refused "$output"
	write_conf
	rm "$D/site.rules"
	echo 'quarantine_vlan = 66' >>"$INTUNE_NAC_CONF"
	run -0 eap_tls_run "$D" good
	assert_eq "$(vlan "$output")" 66
}

@test "a VLAN that the site has set elsewhere gives way to that of the rules" {
	run -0 eap_tls_run "$D" good --identity site-vlan
	assert_eq "$(grep '^Tunnel-Private' <<<"$output")" Tunnel-Private-Group-Id=750
	run -0 eap_ttls_run "$D" alice wonderland --mac "$GOOD_MAC" --identity site-vlan
	assert_eq "$(grep '^Tunnel-Private' <<<"$output")" Tunnel-Private-Group-Id=750
}

@test "a journal that cannot be written changes nothing for the client" {
	mkdir "$D/state/journal.ndjson"
	run -0 eap_tls_run "$D" good
	assert_eq "$(vlan "$output")" 750
	rmdir "$D/state/journal.ndjson"
}

@test "hostile names inject nothing: not into the reply, not into the journal" {
	hostile=(
		$'x", Tunnel-Private-Group-Id := "666'
		$'x\nTunnel-Private-Group-Id:0 := "666",\n'
		'%{User-Name} %{exec:/bin/touch /tmp/x} `touch x` $(touch x)'
		'","decision":{"vlan":"666"},"x":"'
		$'# \\ \\" \' \x01\x7f\x1b[31m \xff\xfe \xe2\x80\xae'
		$'\n{"journal":1,"decision":{"vlan":"666"}}\n'
		'IntuneDeviceId://'"$GOOD"
		$'a, URI:IntuneDeviceId://'"$GOOD"
	)
	n=0
	for h in "${hostile[@]}"; do
		n=$((n + 1))
		# openssl takes only UTF-8 into a certificate.
		cn=${h//[$'\xff\xfe']/}
		san=DNS:${cn//[^[:ascii:]]/}
		pki_client "$D" odd "${cn:0:60}" "$san"
		hex=$(printf %s "$h" | od -An -v -tx1 | tr -d ' \n')
		run -0 eap_tls_run "$D" odd --mac 00:1b:2c:99:99:99 --identity "$h" -- \
		    -N "87:x:$hex" -N "77:x:$hex" -N "26:x:00000009$(vsa "$hex")" -N "30:x:$hex"
		assert_eq "$(vlan "$output")" 1
		assert_eq "$(grep -c '^Tunnel-' <<<"$output")" 3
		assert_eq "$(wc -l <"$D/state/journal.ndjson")" $n
		assert_eq "$(last .decision.vlan)" 1
		run -0 eap_ttls_run "$D" alice wonderland --mac 00:1b:2c:99:99:99 --identity "$h" -- -N "87:x:$hex"
		assert_eq "$(vlan "$output")" 1
		n=$((n + 1))
		assert_eq "$(wc -l <"$D/state/journal.ndjson")" $n
	done
	# Every line is JSON by itself, and none has a control character left.
	jq -e . <"$D/state/journal.ndjson" >/dev/null
	run -1 grep -P '[\x00-\x1f\x7f]' "$D/state/journal.ndjson"
	# What was typed is there as it was, as far as it was text.
	run -0 jq -r 'select(.session.user == "x\", Tunnel-Private-Group-Id := \"666") | .identity.eap, .decision.vlan' \
	    "$D/state/journal.ndjson"
	assert_eq "$output" $'tls\n1\nttls\n1'
}

# vsa HEX: Cisco-AVPair with this value.
vsa() {
	printf '01%02x%s' $((${#1} / 2 + 2)) "$1"
}

@test "more subject alternative names than fit: no half of one is believed" {
	names=()
	for i in $(seq 30); do names+=("DNS:a-rather-long-host-name-$i.corp.example.test"); done
	# With its tail the GUID would end where the server cuts the text.
	pki_client "$D" long WHATEVER "${names[@]}" "URI:IntuneDeviceId://$GOOD"
	run -0 eap_tls_run "$D" long --mac 00:1b:2c:99:99:99
	assert_eq "$(vlan "$output")" 1
	assert_eq "$(last '.identity.guid // "none"')" none
	refute_has "$(last .note)" null
	run -0 eap_tls_run "$D" good
	assert_eq "$(vlan "$output")" 750
}

@test "shell_escape = yes, the default of the exec module, gives the same answers" {
	s=$BATS_TEST_TMPDIR/escaped
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	freeradius_start "$s" "$(command -v radius-hook) -c $INTUNE_NAC_CONF" --shell-escape
	pki_client "$s" odd $'a "b" \\ \n /c' "URI:IntuneDeviceId://$GOOD"
	run eap_tls_run "$s" odd --identity $'x"\\\ny'
	tls=$output
	run eap_ttls_run "$s" alice wonderland --mac "$GOOD_MAC"
	freeradius_stop "$s"
	assert_eq "$(vlan "$tls")" 750
	assert_eq "$(vlan "$output")" 750
	run -0 jq -r 'select(.identity.eap == "tls") | .session.user' "$D/state/journal.ndjson"
	assert_eq "$output" $'x"\\\ny'
}

# Between the first login and the resumed one, which come in one run of
# eapol_test, the device gets a wipe: radius-hook answers, then the store changes.
# bash, as dash drops variables with a dash in their names.
wiped_after_first() {
	cat >"$BATS_TEST_TMPDIR/hook" <<-EOF
		#!/bin/bash
		$(command -v radius-hook) --no-safe-exit -c $INTUNE_NAC_CONF
		rc=\$?
		if [ -e $BATS_TEST_TMPDIR/wiped ]; then
			$(command -v nac-cache) put -c $INTUNE_NAC_CONF <$BATS_TEST_TMPDIR/wiped >/dev/null
			rm $BATS_TEST_TMPDIR/wiped
		fi
		exit \$rc
	EOF
	chmod +x "$BATS_TEST_TMPDIR/hook"
}

@test "a resumed session is decided anew by what the store says now" {
	s=$BATS_TEST_TMPDIR/resume
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	wiped_after_first
	freeradius_start "$s" "$BATS_TEST_TMPDIR/hook" --resume
	failed=''
	for how in 'eap_tls_run good' 'eap_tls_run good --tls13' \
	    'eap_ttls_run alice wonderland' 'eap_ttls_run alice wonderland --tls13' \
	    'eap_ttls_run alice wonderland --peap' 'eap_ttls_run alice wonderland --peap --tls13'; do
		run=${how%% *}
		# Nothing changes: the second login is resumed, and decided by the same names.
		rm -f "$D/state/journal.ndjson"
		# shellcheck disable=SC2086
		run $run "$s" ${how#* } --mac "$GOOD_MAC" -- -r 1
		echo "$how: $output; $(decisions)"
		case $how in
		'eap_tls_run good --tls13')
			# 3.2.1 loses the certificate's names: refused without being asked.
			[ "$status" -eq 1 ] && [ "$(vlan "$output")" = reject ] &&
				[ "$(decisions)" = '750 ' ] || failed+="$how; " ;;
		*)
			[ "$status" -eq 0 ] && [ "$(vlan "$output")" = 750 ] &&
				[ "$(decisions)" = '750 750 ' ] || failed+="$how; " ;;
		esac
		grep -q resumed=yes <<<"$output" || failed+="$how was not resumed; "
		# From compliant to a wipe: the second login must end without keys.
		rm -f "$D/state/journal.ndjson"
		device "$GOOD" LAPTOP-A "$GOOD_MAC" compliant wipePending >"$BATS_TEST_TMPDIR/wiped"
		# shellcheck disable=SC2086
		run $run "$s" ${how#* } --mac "$GOOD_MAC" -- -r 1
		echo "$how, wiped: $output; $(decisions)"
		[ "$status" -eq 1 ] && [ "$(vlan "$output")" = reject ] || failed+="$how let in; "
		grep -q keys=no <<<"$output" && grep -q eap=Failure <<<"$output" &&
			grep -q resumed=yes <<<"$output" || failed+="$how has keys; "
		case $how in
		'eap_tls_run good --tls13') [ "$(decisions)" = '750 ' ] ;;
		*) [ "$(decisions)" = '750 deny ' ] ;;
		esac || failed+="$how decided otherwise; "
		store_fleet
	done
	freeradius_stop "$s"
	assert_eq "$failed" ""
}

# What the journal's lines decided, in one line.
decisions() {
	jq -r '.decision | if .action == "deny" then "deny" else .vlan end' "$D/state/journal.ndjson" | tr '\n' ' '
}

acct() {
	printf '%s\n' "$@" | radclient -x -r 1 -t 10 "127.0.0.1:$(radius_get "$D" ACCT_PORT)" acct "$RADIUS_SECRET" 2>&1
}

@test "accounting: the session that a login began is known, and that it has ended" {
	run -0 eap_tls_run "$D" good --mac "$GOOD_MAC"
	mac='Calling-Station-Id = "00-1B-2C-3D-4E-01"'
	run -0 acct 'Acct-Status-Type = Start' "$mac" 'Acct-Session-Id = "5F0C1D2E"' 'NAS-Identifier = "ap-1"' \
	    'Framed-IP-Address = 198.51.100.9' 'User-Name = "host/good.example.test"'
	assert_has "$output" Accounting-Response
	assert_eq "$(last '.accounting, .decision')" $'start\nnull'
	nac-cache due >/dev/null
	assert_eq "$(nac-cache list --clients | jq -r 'select(.identity.mac == "'"$GOOD_MAC"'") | .session.acct_session_id, .session.framed_ip, .session.ended, .decision.vlan')" \
	    $'5F0C1D2E\n198.51.100.9\nnull\n750'
	run -0 acct 'Acct-Status-Type = Stop' "$mac" 'Acct-Session-Id = "5F0C1D2E"' 'NAS-Identifier = "ap-1"'
	nac-cache due >/dev/null
	assert_eq "$(nac-cache list --clients | jq -r 'select(.identity.mac == "'"$GOOD_MAC"'") | .session.ended')" true
	# What cannot be written down gets no answer: the NAS sends it again.
	rm -f "$D/state/journal.ndjson"
	mkdir "$D/state/journal.ndjson"
	run -1 acct 'Acct-Status-Type = Stop' "$mac" 'Acct-Session-Id = "5F0C1D2E"'
	refute_has "$output" Accounting-Response
	rmdir "$D/state/journal.ndjson"
}

@test "500 packets of accounting, 16 at a time: each gets its answer and its line" {
	for ((i = 0; i < 500; i++)); do
		printf 'Acct-Status-Type = Start\nAcct-Session-Id = "S%d"\nNAS-Identifier = "ap-1"\nCalling-Station-Id = "00-1b-2c-00-%02x-%02x"\n\n' \
		    $i $((i / 256)) $((i % 256))
	done >"$D/requests"
	run radclient -q -s -r 1 -t 30 -p 16 -f "$D/requests" "127.0.0.1:$(radius_get "$D" ACCT_PORT)" acct "$RADIUS_SECRET"
	assert_eq "$(awk '/Lost/ { print $NF }' <<<"$output")" 0
	assert_eq "$(jq -r 'select(.accounting == "start").session.acct_session_id' "$D/state/journal.ndjson" | sort -u | wc -l)" 500
	assert_eq "$(wc -l <"$D/state/journal.ndjson")" 500
}

@test "bench/radius: no authentication is wrongly answered or lost" {
	run -0 "$NAC_ROOT/bench/radius" --count 1000 --nothing 0 --rest 0
	assert_has "$output" "radius-hook "
	assert_has "$output" "no-exec "
	refute_has "$output" "[1-9] wrong"
}

@test "Debian's own configuration, edited as share/freeradius/README.md says, is taken" {
	[ -r /etc/freeradius/3.0/radiusd.conf ] || skip "needs to read /etc/freeradius/3.0"
	r=$BATS_TEST_TMPDIR/3.0
	cp -R /etc/freeradius/3.0 "$r"
	# The commands of the README, for another folder and without sudo.
	sed -n '/^```sh/,/^```/p' "$NAC_ROOT/share/freeradius/README.md" | grep -v '^```' |
		sed -e "s|r=/etc/freeradius/3.0|r=$r|" -e 's/sudo //g' -e 's/-o freerad -g freerad //' \
		    -e "s|/usr/local/share/intune-nac|$NAC_ROOT/share|" >"$BATS_TEST_TMPDIR/steps"
	sh -e "$BATS_TEST_TMPDIR/steps"
	# The edits by hand.
	sed -i 's/^\(\t*\)#\(\t*virtual_server = check-eap-tls\)/\1\2/' "$r/mods-available/eap"
	sed -i -e '/^post-auth {/,/^}/ s/^\tPost-Auth-Type REJECT {/\tnac_tunnel\n&/' \
	    -e '/^authorize {/,/^}/ s/^\tchap$/\tnac_tunnel_clean\n&/' "$r/sites-available/inner-tunnel"
	sed -i '/^post-auth {/,/^}/ { /^\tupdate {/,/^\t}/ s/^\t}/&\n\tnac_post_auth/ }' "$r/sites-available/default"
	sed -i '/^thread pool {/a\	max_queue_size = 1024' "$r/radiusd.conf"
	sed -i '/^accounting {/,/^}/ s/^\texec$/\tnac_acct\n&/' "$r/sites-available/default"
	for f in mods-available/eap:check-eap-tls sites-available/inner-tunnel:nac_tunnel \
	    sites-available/inner-tunnel:nac_tunnel_clean \
	    sites-available/default:nac_post_auth; do
		assert_eq "$(grep -c "^[[:space:]]*[^#]*${f#*:}\$" "$r/${f%:*}")" 1
	done
	# Debian's certificates and user are not for everybody to use.
	sed -i -e "s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$D/certs/server.pem|" \
	    -e "s|/etc/ssl/private/ssl-cert-snakeoil.key|$D/certs/server.key|" \
	    -e 's/^\(\t*\)private_key_password/\1#&/' "$r/mods-available/eap"
	sed -i -e 's/^\([[:space:]]*\)\(user\|group\) = /\1#\2 = /' -e "s|/etc/freeradius/3.0|$r|" \
	    -e "s|^\(run_dir\|logdir\|db_dir\) = .*|\1 = $BATS_TEST_TMPDIR|" "$r/radiusd.conf"
	sed -i "s|/etc/freeradius/3.0|$r|" "$r/dictionary"
	chmod -R go-w "$r"
	run -0 /usr/sbin/freeradius -C -X -d "$r"
	assert_has "$output" "Configuration appears to be OK"
	assert_has "$output" 'program = "/usr/local/bin/radius-hook -c /etc/intune-nac/nac.conf"'
	assert_has "$output" 'virtual_server = "check-eap-tls"'
	# And nac-serve in place of radius-hook: of that block what is FreeRADIUS' own.
	sed -n '/^```bash/,/^```/p' "$NAC_ROOT/share/freeradius/README.md" | grep '\$r/mods' |
		sed -e 's/sudo //g' -e 's/-o freerad -g freerad //' >"$BATS_TEST_TMPDIR/steps"
	(cd "$NAC_ROOT/share/freeradius" && r=$r sh -e "$BATS_TEST_TMPDIR/steps")
	sed -i 's/^\tnac_acct$/\tnac/' "$r/sites-available/default"
	chmod -R go-w "$r"
	run -0 /usr/sbin/freeradius -C -X -d "$r"
	assert_has "$output" "Configuration appears to be OK"
	assert_has "$output" 'uri = "http://127.0.0.1:8043/freeradius/authorize"'
	refute_has "$output" 'program = "/usr/local/bin/radius-hook'
}
