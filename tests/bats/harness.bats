#!/usr/bin/env bats
# The real peers the other tests rely on: Debian's FreeRADIUS with the files of
# share/freeradius, eapol_test, a CoA listener, hostapd.  A hook of five lines
# stands in for radius-hook, so that a failure here is the harness's own.
# shellcheck disable=SC2016 # dollar signs in single quotes are hostile names
# shellcheck disable=SC2154 # bats sets them

load test_helper
load ../lib/radius
load ../lib/hostapd

GUID=0f1e2d3c-1111-4222-8333-444455556666
VLAN='Tunnel-Type:0 = VLAN,\nTunnel-Medium-Type:0 = IEEE-802,\nTunnel-Private-Group-Id:0 = "750",\n'

setup_file() {
	export D=$BATS_FILE_TMPDIR/server

	mkdir "$D"
	pki_make "$D"
	pki_client "$D" laptop LAPTOP-1 "URI:IntuneDeviceId://$GUID" DNS:laptop-1.example.test
	hook_answers 'exit 0'
	freeradius_start "$D" "$D/hook" --timeout 1 --nak 02-00-00-00-00-05=503
}

teardown_file() {
	freeradius_stop "$D"
}

setup() {
	rm -f "$D/seen"
	NAS_DIR='' NETNS='' SERVER=''
}

# Whatever becomes of a test, nothing that it started may stay behind.
teardown() {
	[ -z "$SERVER" ] || freeradius_stop "$SERVER"
	[ -n "$NETNS" ] || return 0
	hostapd_stop "$NAS_DIR"
	freeradius_stop "$NAS_DIR"
	netns_stop
}

# hook_answers SHELL: what the hook does after it has noted its environment; that of
# a login, it runs for accounting as well.
# The sleep keeps clear of the server's own race over children that end at once.
hook_answers() {
	# shellcheck disable=SC2016
	printf '%s\n' '#!/bin/sh' '[ "$1" != --accounting ] || exec /bin/sleep 0.02' '/bin/cat /proc/$$/environ >>'"$D/seen" "$1 &" \
	    'wait $!; rc=$?; /bin/sleep 0.02; exit $rc' >"$D/hook.new"
	chmod 755 "$D/hook.new"
	mv "$D/hook.new" "$D/hook"
}

# seen NAME: the values NAME had in the hook's environment, one a line.
seen() {
	tr '\n\0' '~\n' <"$D/seen" | sed -n "s/^$1=//p"
}

@test "EAP-TLS: the hook's VLAN is in the Accept, over TLS 1.2 and 1.3" {
	hook_answers "printf '$VLAN'"
	for v in 1.2 1.3; do
		rm -f "$D/seen"
		flag=()
		[ $v = 1.2 ] || flag=(--tls13)
		run -0 eap_tls_run "$D" laptop "${flag[@]}" --mac 02:00:00:00:00:01
		assert_has "$output" "result=SUCCESS"
		assert_has "$output" "packet=Access-Accept"
		assert_has "$output" "keys=yes"
		assert_has "$output" "tls=$v"
		assert_has "$output" "Tunnel-Type=VLAN"
		assert_has "$output" "Tunnel-Medium-Type=IEEE-802"
		assert_has "$output" "Tunnel-Private-Group-Id=750"
		assert_eq "$(seen EAP-Type)" TLS
		assert_eq "$(seen Calling-Station-Id)" 02-00-00-00-00-01
		assert_eq "$(seen TLS-Client-Cert-Common-Name)" LAPTOP-1
		assert_eq "$(seen TLS-Client-Cert-X509v3-Subject-Alternative-Name)" \
		    "URI:IntuneDeviceId://$GUID, DNS:laptop-1.example.test"
	done
}

@test "EAP-TTLS and PEAP: the hook sees the port, not the password, and its VLAN comes out of the tunnel" {
	hook_answers "printf '$VLAN'"
	for how in '' --mschapv2 --peap --tls13; do
		rm -f "$D/seen"
		# shellcheck disable=SC2086
		run -0 eap_ttls_run "$D" alice wonderland $how --mac 02:00:00:00:00:02 -- \
		    -N 26:x:000000090119"$(printf audit-session-id=0A98FF | od -An -v -tx1 | tr -d ' \n')" \
		    -N 26:x:00000009010b"$(printf method=dot | cut -c1-9 | tr -d '\n' | od -An -v -tx1 | tr -d ' \n')"
		assert_has "$output" "keys=yes"
		assert_has "$output" "Tunnel-Private-Group-Id=750"
		refute_has "$output" "311/26"
		[ "$how" = --peap ] || assert_eq "$(seen EAP-Type)" TTLS
		[ "$how" != --peap ] || assert_eq "$(seen EAP-Type)" PEAP
		assert_eq "$(seen NAC-Inner-User)" alice
		assert_eq "$(seen User-Name)" anonymous
		assert_eq "$(seen Calling-Station-Id)" 02-00-00-00-00-02
		assert_eq "$(seen NAS-Identifier)" ap-1
		assert_eq "$(seen Cisco-AVPair)" $'audit-session-id=0A98FF\nmethod=do'
		assert_eq "$(seen User-Password)" ""
		assert_eq "$(seen FreeRADIUS-Proxied-To)" ""
	done
}

@test "a refusal is an EAP-Failure without keys and without a VLAN" {
	hook_answers "{ printf '$VLAN'; exit 1; }"
	run -1 eap_tls_run "$D" laptop
	refused "$output"
	run -1 eap_tls_run "$D" laptop --tls13
	refused "$output"
	for how in '' --mschapv2 --peap; do
		# shellcheck disable=SC2086
		run -1 eap_ttls_run "$D" alice wonderland $how
		refused "$output"
	done
}

refused() {
	assert_has "$1" "result=FAILURE"
	assert_has "$1" "packet=Access-Reject"
	assert_has "$1" "eap=Failure"
	assert_has "$1" "keys=no"
	refute_has "$1" "Tunnel-"
	[ -s "$D/seen" ]
}

@test "a hook that hangs, talks nonsense or is not there: the quarantine VLAN, and the server lives" {
	for broken in 'exec /bin/sleep 3' 'echo Server is on fire' 'kill -9 $$' 'exit 2' gone; do
		hook_answers "$broken"
		[ "$broken" != gone ] || rm "$D/hook"
		run -0 eap_tls_run "$D" laptop
		assert_has "$output" "Tunnel-Private-Group-Id=1"
		run -0 eap_ttls_run "$D" alice wonderland --mschapv2
		assert_has "$output" "Tunnel-Private-Group-Id=1"
	done
	run -0 radius_log "$D"
	assert_has "$output" "nac: ERROR"
}

@test "a wrong password or a foreign certificate is refused before the hook is asked" {
	hook_answers "printf '$VLAN'"
	run -1 eap_ttls_run "$D" alice looking-glass
	assert_has "$output" "packet=Access-Reject"
	mkdir -p "$D/other/run"
	pki_make "$D/other"
	pki_client "$D/other" foreign LAPTOP-1 "URI:IntuneDeviceId://$GUID"
	cp "$D"/other/certs/foreign.* "$D/certs/"
	run -1 eap_tls_run "$D" foreign
	assert_has "$output" "packet=Access-Reject"
	[ ! -e "$D/seen" ]
}

@test "names with quotes, slashes, commas and newlines reach the hook as they are" {
	cn=$'a/b+c,d"e\\f\'$(id)`id`%{User-Name} \ng='
	user=$'x", Tunnel-Private-Group-Id := "666\nTunnel-Type = VLAN,#%{'
	hook_answers "printf '$VLAN'"
	pki_client "$D" odd "$cn" 'DNS:x, URI:y' 'URI:a;b#c$d"e\f' UPN:alice@example.test SID:S-1-5-21-1-2-3-1104
	run -0 eap_tls_run "$D" odd --identity "$user" -- -N '87:s:Gi1/0/7 "$(id)"'
	assert_has "$output" "Tunnel-Private-Group-Id=750"
	refute_has "$output" $'\nTunnel-Private-Group-Id=666'
	assert_eq "$(seen TLS-Client-Cert-Common-Name | tr '~' '\n')" "$cn"
	assert_eq "$(seen User-Name | tr '~' '\n')" "$user"
	assert_eq "$(seen NAS-Port-Id)" 'Gi1/0/7 "$(id)"'
	assert_eq "$(seen TLS-Client-Cert-X509v3-Subject-Alternative-Name)" \
	    'DNS:x, URI:y, URI:a;b#c$d"e\f, othername: UPN::alice@example.test'
	assert_has "$(seen TLS-Client-Cert-1.3.6.1.4.1.311.25.2)" \
	    "$(printf S-1-5-21-1-2-3-1104 | od -An -v -tx1 | tr -d ' \n')"
}

@test "PAP: the hook decides in post-auth; the plain port has none" {
	hook_answers "printf '$VLAN'"
	run -0 radclient -x "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" \
	    <<<'User-Name=bench,User-Password=bench,Calling-Station-Id=02-00-00-00-00-07'
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	# The switch sent no address of its own; CoA needs one.
	assert_eq "$(seen NAS-IP-Address)" 127.0.0.1
	assert_eq "$(seen User-Password)" ""
	rm "$D/seen"
	run -0 radclient -x "127.0.0.1:$(radius_get "$D" PLAIN_PORT)" auth "$RADIUS_SECRET" \
	    <<<'User-Name=bench,User-Password=bench'
	assert_has "$output" "Received Access-Accept"
	[ ! -e "$D/seen" ]
	hook_answers 'exit 1'
	run -1 radclient -x "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" \
	    <<<'User-Name=bench,User-Password=bench'
	assert_has "$output" "Received Access-Reject"
}

@test "a resumed session is decided again: EAP-TLS, EAP-TTLS and PEAP" {
	s=$BATS_TEST_TMPDIR/resume
	mkdir "$s"
	cp -R "$D/certs" "$s/"
	SERVER=$s
	hook_answers "printf '$VLAN'"
	freeradius_start "$s" "$D/hook" --resume
	for how in 'eap_tls_run laptop' 'eap_ttls_run alice wonderland' \
	    'eap_ttls_run alice wonderland --mschapv2' 'eap_ttls_run alice wonderland --peap'; do
		rm -f "$D/seen"
		# shellcheck disable=SC2086
		set -- $how
		run=$1
		shift
		# The first login and one more on the same session, and the hook's word on each.
		run -0 "$run" "$s" "$@" -- -r 1
		assert_has "$output" "resumed=yes"
		assert_has "$output" "keys=yes"
		assert_has "$output" "Tunnel-Private-Group-Id=750"
		assert_eq "$(seen Calling-Station-Id)" $'02-00-00-00-00-01\n02-00-00-00-00-01'
		[ "$run" != eap_tls_run ] ||
			assert_eq "$(seen TLS-Client-Cert-X509v3-Subject-Alternative-Name | uniq -c | tr -s ' ')" \
			    " 2 URI:IntuneDeviceId://$GUID, DNS:laptop-1.example.test"
		# From yes to no between the two: the second must not be let in.
		rm -f "$D/once"
		hook_answers "{ [ ! -e $D/once ] && : >$D/once && printf '$VLAN'; }"
		run -1 "$run" "$s" "$@" -- -r 1
		assert_has "$output" "resumed=yes"
		refused "$output"
		hook_answers "printf '$VLAN'"
	done
	# The server forgets whose session of TLS 1.3 it was: no name, no entry.
	rm -f "$D/seen"
	run -1 eap_tls_run "$s" laptop --tls13 -- -r 1
	assert_has "$output" "resumed=yes"
	refused "$output"
	assert_eq "$(seen TLS-Client-Cert-Common-Name)" LAPTOP-1
}

@test "the CoA listener says yes, says no with an Error-Cause, and logs both" {
	for kind in coa disconnect; do
		run -0 radclient -x "127.0.0.1:$(radius_get "$D" COA_PORT)" $kind "$RADIUS_SECRET" \
		    <<<'Calling-Station-Id=02-00-00-00-00-06,Acct-Session-Id=a1'
		assert_has "$output" "-ACK Id"
		run -1 radclient -x "127.0.0.1:$(radius_get "$D" COA_PORT)" $kind "$RADIUS_SECRET" \
		    <<<'Calling-Station-Id=02-00-00-00-00-05,Acct-Session-Id=a2'
		assert_has "$output" "-NAK Id"
		assert_has "$output" "Error-Cause = Session-Context-Not-Found"
	done
	run -0 radius_coa_log "$D"
	assert_has "$output" 'CoA-Request Calling-Station-Id = "02-00-00-00-00-06", Acct-Session-Id = "a1"'
	assert_has "$output" 'Disconnect-Request Calling-Station-Id = "02-00-00-00-00-05", Acct-Session-Id = "a2"'
	assert_eq "$(wc -l <<<"$output")" 4
}

@test "a server that cannot start says why" {
	mkdir "$BATS_TEST_TMPDIR/s"
	run -1 --separate-stderr freeradius_start "$BATS_TEST_TMPDIR/s" /bin/true
	assert_has "$stderr" "the server did not start"
	assert_has "$stderr" "certs/"
	[ ! -e "$BATS_TEST_TMPDIR/s/radius.env" ]
}

@test "hostapd authorizes the port; a Disconnect-Request for its session is acknowledged" {
	netns_start || skip "$NETNS_SKIP"
	n=$BATS_TEST_TMPDIR/nas
	NAS_DIR=$n
	mkdir "$n"
	cp -R "$D/certs" "$n/"
	hook_answers "printf '$VLAN'"
	freeradius_start "$n" "$D/hook" --netns "$NETNS"
	hostapd_start "$n"
	supplicant_start "$n" laptop
	read -r mac id <<<"$(hostapd_session "$n")"
	assert_eq "${#id}" 16
	# What a CoA needs is in the request that asks for access.
	assert_eq "$(seen Acct-Session-Id)" "$id"
	assert_eq "$(seen Calling-Station-Id | tr A-F- a-f:)" "$mac"
	assert_eq "$(seen NAS-Identifier)" "$HOSTAPD_NAS_ID"
	das=127.0.0.1:$(hostapd_get "$n" DAS_PORT)
	now=$(date -u '+%b %d %Y %T UTC')
	run -1 in_netns "$NETNS" radclient -x "$das" disconnect "$RADIUS_SECRET" \
	    <<<"Acct-Session-Id=0123456789ABCDEF,Event-Timestamp=\"$now\""
	assert_has "$output" "Disconnect-NAK"
	assert_has "$output" "Session-Context-Not-Found"
	run -0 in_netns "$NETNS" radclient -x "$das" disconnect "$RADIUS_SECRET" \
	    <<<"Acct-Session-Id=$id,Event-Timestamp=\"$now\""
	assert_has "$output" "Disconnect-ACK"
	run -1 hostapd_session "$n"
}
