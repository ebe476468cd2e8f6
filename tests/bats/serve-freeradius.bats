#!/usr/bin/env bats
# nac-serve in Debian's FreeRADIUS by rlm_rest, with the files of
# share/freeradius: what the switch is told, by eapol_test's word.
# shellcheck disable=SC2016 # dollar signs in single quotes are hostile names
# shellcheck disable=SC2154 # bats sets them

load test_helper
load ../lib/radius
load ../lib/fleet
load ../lib/serve

setup_file() {
	export D=$BATS_FILE_TMPDIR/server
	export INTUNE_NAC_CONF=$D/nac.conf

	mkdir -p "$D/state"
	rules
	store_fleet
	pki_make "$D"
	pki_client "$D" good WHATEVER "URI:IntuneDeviceId://$GOOD"
	pki_client "$D" leaving LEAVING "DNS:$LEAVING"
	pki_client "$D" odd '%{exec:/bin/id}", "x":"`id`' "URI:IntuneDeviceId://$GOOD" \
	    'email:"},"reply:Tunnel-Private-Group-Id":"1' 'UPN:a\b"c{}%{User-Name}@corp.example'
	serve_start "$D"
	export URL
	URL=$(serve_url "$D")
	freeradius_start "$D" '' --rest "$URL"
}

teardown_file() {
	freeradius_stop "$D"
	serve_stop "$D"
}

setup() {
	rm -f "$D/state/journal.ndjson"
}

# rules [TEXT]: without one the shipped rules; returns when they are in force.
rules() {
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$D/nac.conf.new"
	chmod 600 "$D/nac.conf.new"
	cmp -s "$D/nac.conf.new" "$D/nac.conf" || mv "$D/nac.conf.new" "$D/nac.conf"
	if [ $# -gt 0 ]; then
		printf '%s\n' "$1" >"$D/site.rules.new"
	else
		cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules.new"
	fi
	chmod 600 "$D/site.rules.new"
	mv "$D/site.rules.new" "$D/site.rules"
	[ -f "$D/serve.log" ] || return 0
	local n
	n=$(grep -c 'in force' "$D/serve.log")
	kill -HUP "$(cat "$D/serve.pid")"
	wait_for 5 more_lines "$n"
}

more_lines() {
	[ "$(grep -c 'in force' "$D/serve.log")" -gt "$1" ]
}

# pap MAC [LINE ...]: prints radclient's view of the answer.
pap() {
	local mac=$1

	shift
	printf '%s\n' 'User-Name = "bench"' 'User-Password = "bench"' "Calling-Station-Id = \"$mac\"" "$@" |
	    radclient -x -r 1 -t 10 "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET" 2>&1 |
	    sed -n '/^Received/,$p'
}

acct() {
	printf '%s\n' "$@" | radclient -x -r 1 -t 10 "127.0.0.1:$(radius_get "$D" ACCT_PORT)" acct "$RADIUS_SECRET" 2>&1
}

@test "EAP-TLS over TLS 1.2 and 1.3, EAP-TTLS, PEAP and PAP: the VLAN of the rules" {
	for v in 1.2 1.3; do
		flag=()
		[ $v = 1.2 ] || flag=(--tls13)
		run -0 eap_tls_run "$D" good "${flag[@]}" --mac 00:1b:2c:99:99:99 -- -N 87:s:Gi1/0/7
		assert_has "$output" "tls=$v"
		assert_has "$output" "Tunnel-Type=VLAN"
		assert_has "$output" "Tunnel-Medium-Type=IEEE-802"
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last '.identity.guid[0].value, .identity.guid[0].found, .identity.eap, .note')" \
		    "$GOOD"$'\nsan-uri\ntls\nnull'
		assert_eq "$(last '.session | .user, .nas_ip, .nas_id, .nas_port, .nas_port_id, .ssid, .calling, .nas_port_type, .medium')" \
		    $'host/good.example.test\n127.0.0.1\nap-1\n7\nGi1/0/7\ncorp-wifi\n00-1B-2C-99-99-99\nWireless-802.11\nwireless'
	done
	for how in '' --mschapv2 --peap --tls13; do
		# shellcheck disable=SC2086
		run -0 eap_ttls_run "$D" alice wonderland $how --mac "$GOOD_MAC"
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last '.identity.mac, .compliance.matched_by, .session.user, .session.inner_user')" \
		    "$GOOD_MAC"$'\nmac\nanonymous\nalice'
	done
	for eap in PEAP TTLS; do
		run -0 eap_tls_inside_run "$D" $eap good --mac 00:1b:2c:99:99:99
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last '.compliance.matched_by, .session.user, .session.inner_user')" \
		    $'guid\nanonymous\nhost/good.example.test'
	done
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" Access-Accept
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_eq "$(wc -l <"$D/state/journal.ndjson")" 9
}

@test "a refusal is an EAP-Failure without keys and VLAN; by PAP an Access-Reject" {
	for f in '' --tls13; do
		# shellcheck disable=SC2086
		run -1 eap_tls_run "$D" leaving $f
		refused "$output"
	done
	run -1 eap_ttls_run "$D" alice wonderland --mac "$LEAVING_MAC"
	refused "$output"
	assert_eq "$(last '.decision.name')" "Retire or wipe"
	run pap 00-1B-2C-3D-4E-03
	assert_has "$output" Access-Reject
	refute_has "$output" Tunnel
}

@test "hostile names: the reply is what the rules say, and the server stays up" {
	long=$(head -c 200 /dev/zero | tr '\0' x)
	for id in '%{exec:/bin/id}' '","reply:Tunnel-Private-Group-Id":"1' '`id`' $'a\nb' $'\xfc\xff' \
	    '{"op":":="}' "$long"; do
		run -0 eap_tls_run "$D" odd --identity "$id" -- -N 32:s:'%{User-Name}","x":"' \
		    -N 30:x:3030303030303030303030303a8022fc257b7d
		assert_eq "$(vlan "$output")" 750
		assert_eq "$(last .compliance.matched_by)" guid
	done
	# One VLAN in each answer, and no attribute that is not the rules'.
	assert_eq "$(grep -c Tunnel-Private <<<"$output")" 1
	refute_has "$(radius_log "$D")" "uid="
	run -0 eap_ttls_run "$D" alice wonderland --mac "$GOOD_MAC" --identity '%{exec:/bin/id}'
	assert_eq "$(vlan "$output")" 750
}

@test "operators, repeated attributes, quotes and tags arrive as by exec" {
	rules 'allow with vlan 750, Filter-Id "a, b", Filter-Id += "c \"d\" \\ e", Session-Timeout 120, Reply-Message := "x%y", Class := 0xdeadbeef, Cisco-AVPair "url-redirect=http://h/?a=1&b=2"'
	nac-decide -n -r "$D/site.rules"
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" Access-Accept
	for l in 'Tunnel-Type:0 = VLAN' 'Tunnel-Medium-Type:0 = IEEE-802' 'Tunnel-Private-Group-Id:0 = "750"' \
	    'Filter-Id = "a, b"' 'Filter-Id = "c \"d\" \\ e"' 'Session-Timeout = 120' 'Reply-Message = "x%y"' \
	    'Class = 0xdeadbeef' 'Cisco-AVPair = "url-redirect=http://h/?a=1&b=2"'; do
		assert_has "$output" "$l"
	done
	assert_eq "$(grep -c 'Filter-Id' <<<"$output")" 2
	rules
}

@test "broken rules change no answer, and a new file does" {
	rules 'allow with vlan 751'
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" '"751"'
	rules 'allow wth vlan 752'
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" '"751"'
	rules
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" '"750"'
}

@test "accounting: each word of the NAS goes into the journal" {
	for s in Start Interim-Update Stop; do
		run -0 acct "Acct-Status-Type = $s" 'User-Name = "bench"' 'Acct-Session-Id = "5F0C1D2E"' \
		    'Calling-Station-Id = "00-1B-2C-3D-4E-01"' 'NAS-Identifier = "ap-1"' 'Framed-IP-Address = 198.51.100.9'
		assert_has "$output" Accounting-Response
	done
	assert_eq "$(jq -r '"\(.accounting) \(.session.ended) \(.session.acct_session_id) \(.session.framed_ip) \(.decision)"' "$D/state/journal.ndjson")" \
	    $'start null 5F0C1D2E 198.51.100.9 null\ninterim null 5F0C1D2E 198.51.100.9 null\nstop true 5F0C1D2E 198.51.100.9 null'
	run -0 acct 'Acct-Status-Type = Accounting-On' 'NAS-IP-Address = 192.0.2.7'
	assert_has "$output" Accounting-Response
	assert_eq "$(last '.accounting, .session.nas_ip')" $'on\n192.0.2.7'
}

# requests N: PAP for N clients: three of the store and one that is not in it.
requests() {
	local i yes=$'Packet-Type == Access-Accept\nTunnel-Type:0 == VLAN, Tunnel-Medium-Type:0 == IEEE-802'

	for ((i = 0; i < $1; i++)); do
		printf 'User-Name = "bench"\nUser-Password = "bench"\nNAS-Port = %d\nCalling-Station-Id = "00-1b-2c-3d-4e-0%d"\n\n' \
		    $i $((1 + i % 4))
	done >"$D/requests"
	for ((i = 0; i < $1; i++)); do
		case $((1 + i % 4)) in
		1) printf '%s, Tunnel-Private-Group-Id:0 == "750"\n\n' "$yes" ;;
		3) printf 'Packet-Type == Access-Reject\n\n' ;;
		*) printf '%s, Tunnel-Private-Group-Id:0 == "1"\n\n' "$yes" ;;
		esac
	done >"$D/filters"
}

@test "1,000 logins, 32 at a time, rules reloaded meanwhile: no wrong answer" {
	requests 1000
	(for _ in 1 2 3 4 5 6; do kill -HUP "$(cat "$D/serve.pid")"; sleep 0.05; done) 3>&- &
	run radclient -q -s -r 1 -t 15 -p 32 -f "$D/requests:$D/filters" \
	    "127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth "$RADIUS_SECRET"
	assert_eq "$(awk '/Passed filter/ { p = $NF } /Lost/ { l = $NF } /Failed filter/ { f = $NF } END { print p, f, l }' <<<"$output")" "1000 0 0"
	assert_eq "$(wc -l <"$D/state/journal.ndjson")" 1000
}

@test "nac-serve ends: what is under way is answered, then the fallback of the policy; it comes back unnoticed" {
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" '"750"'
	serve_stop "$D"
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" Access-Accept
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "1"'
	nac-serve -c "$D/nac.conf" --listen "${URL#http://}" >/dev/null 2>"$D/serve.log" 3>&- &
	echo $! >"$D/serve.pid"
	wait_for 10 grep -q 'listening on' "$D/serve.log"
	# retry_delay of the pool is a second.
	wait_for 10 back
}

back() {
	pap 00-1B-2C-3D-4E-01 | grep -q '"750"'
}

@test "nac-serve hangs: the fallback of the policy when its time is up; then all is as before" {
	kill -STOP "$(cat "$D/serve.pid")"
	run -0 pap 00-1B-2C-3D-4E-01
	kill -CONT "$(cat "$D/serve.pid")"
	assert_has "$output" Access-Accept
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "1"'
	assert_has "$output" 'Session-Timeout = 300'
	run -0 pap 00-1B-2C-3D-4E-01
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	refute_has "$output" Session-Timeout
}

@test "a server that answers 404 lets nobody in" {
	cat >"$D/404.py" <<-'END'
	import http.server, sys
	class H(http.server.BaseHTTPRequestHandler):
	    protocol_version = "HTTP/1.1"
	    def do_POST(self):
	        self.rfile.read(int(self.headers["Content-Length"]))
	        self.send_response(404); self.send_header("Content-Length", "0"); self.end_headers()
	s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
	print(s.server_address[1], flush=True)
	s.serve_forever()
	END
	mkdir -p "$D/other"
	cp -R "$D/certs" "$D/other/"
	python3 "$D/404.py" >"$D/404.port" 2>/dev/null 3>&- &
	web=$!
	wait_for 10 test -s "$D/404.port"
	freeradius_start "$D/other" '' --rest "http://127.0.0.1:$(cat "$D/404.port")"
	run eap_tls_run "$D/other" good
	freeradius_stop "$D/other"
	kill $web
	refused "$output"
}

# over_tls NAME SED...: a FreeRADIUS in $T/NAME that asks nac-serve by the shipped
# module, changed by sed; its accounting goes there, too.
over_tls() {
	local dir=$T/$1

	shift
	mkdir -p "$dir"
	cp -R "$D/certs" "$dir/"
	printf '%s\n' "s|http://127.0.0.1:8043|https${TLS_URL#http}|" "$@" >"$dir/sed"
	sed -f "$dir/sed" "$NAC_ROOT/share/freeradius/mods-available/nacrest" >"$dir/module"
	freeradius_start "$dir" '' --module "$dir/module" --sites 's/^\t\tlog_acct$/&\nnac/'
}

# login DIR MAC [LINE ...]
login() {
	local dir=$1 mac=$2

	shift 2
	printf '%s\n' 'User-Name = "bench"' 'User-Password = "bench"' "Calling-Station-Id = \"$mac\"" "$@" |
	    radclient -x -r 1 -t 15 "127.0.0.1:$(radius_get "$dir" AUTH_PORT)" auth "$RADIUS_SECRET" 2>&1 |
	    sed -n '/^Received/,$p'
}

@test "https with a token, on an address that is not loopback: set in one place; a wrong token or CA lets nobody in" {
	T=$BATS_TEST_TMPDIR
	mkdir -p "$T/serve" "$T/other/certs"
	cp "$D/nac.conf" "$T/serve/"
	sed 's/DNS:radius.example.test/IP:127.0.0.1/' "$D/certs/pki.cnf" >"$D/certs/serve.cnf"
	RADIUS_PKI=$D/certs _pki_issue serve server /CN=127.0.0.1 serve.cnf
	pki_make "$T/other"
	printf correct-horse-battery >"$T/secret"
	chmod 600 "$T/secret" "$D/certs/serve.key"
	serve_start "$T/serve" --listen 0.0.0.0:0 --token-file "$T/secret" --tls-cert "$D/certs/serve.pem" \
	    --tls-key "$D/certs/serve.key"
	TLS_URL=http://127.0.0.1:$(sed -n 's/.*listening on 0[.]0[.]0[.]0:\([0-9]*\).*/\1/p' "$T/serve/serve.log")
	ca="s|#ca_info_file = .*|ca_info_file = \"$D/certs/ca.pem\"|"
	basic="s|auth = 'none'|auth = 'basic'|"
	token="s|password = ''|password = 'correct-horse-battery'|"
	over_tls good "$ca" "$basic" "$token"
	run login "$T/good" 00-1B-2C-3D-4E-01
	pap=$output
	# Longer than the first of the two modules can send.
	long=()
	for _ in {1..12}; do long+=("Cisco-AVPair += \"a=$(printf '/%.0s' {1..200})\""); done
	run login "$T/good" 00-1B-2C-3D-4E-01 "${long[@]}"
	longer=$output
	run eap_tls_run "$T/good" good
	tls=$output
	run eap_tls_run "$T/good" leaving
	wiped=$output
	rm -f "$D/state/journal.ndjson"
	run radclient -x -r 1 -t 15 "127.0.0.1:$(radius_get "$T/good" ACCT_PORT)" acct "$RADIUS_SECRET" \
	    <<<'Acct-Status-Type = Start, Acct-Session-Id = "1", Calling-Station-Id = "00-1B-2C-3D-4E-01"'
	acct=$output
	freeradius_stop "$T/good"
	assert_has "$pap" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_has "$longer" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_eq "$(vlan "$tls")" 750
	refused "$wiped"
	assert_has "$acct" Accounting-Response
	assert_eq "$(last .accounting)" start
	rm -f "$D/state/journal.ndjson"
	for wrong in token none ca name; do
		case $wrong in
		token)	over_tls $wrong "$ca" "$basic" "s|password = ''|password = 'wrong-horse-battery'|" ;;
		none)	over_tls $wrong "$ca" ;;
		ca)	over_tls $wrong "s|#ca_info_file = .*|ca_info_file = \"$T/other/certs/ca.pem\"|" "$basic" "$token" ;;
		name)	over_tls $wrong "$ca" "$basic" "$token" 's|https://127.0.0.1|https://localhost|' ;;
		esac
		run login "$T/$wrong" 00-1B-2C-3D-4E-01
		pap=$output
		run eap_tls_run "$T/$wrong" good
		freeradius_stop "$T/$wrong"
		case $wrong in
		token|none)
			assert_has "$pap" Access-Reject
			refused "$output"
			;;
		*)	# As where nac-serve is away: the fallback of the policy.
			assert_has "$pap" 'Tunnel-Private-Group-Id:0 = "1"'
			assert_eq "$(vlan "$output")" 1
			;;
		esac
		refute_has "$pap" '"750"'
		[ "$(vlan "$output")" != 750 ]
	done
	# It was never asked.
	[ ! -e "$D/state/journal.ndjson" ]
	refute_has "$(cat "$T/serve/serve.log")" horse
	serve_stop "$T/serve"
}

@test "bench/serve: no authentication is wrongly answered or lost, on any of its ways" {
	run -0 "$NAC_ROOT/bench/serve" --count 100 --rounds 1
	for v in plain nginx nac-serve python3 python3-log; do
		assert_has "$output" "$v "
	done
	assert_eq "$(grep -c ', 0 wrong or lost' <<<"$output")" 5
	assert_eq "$(grep -c '^ratio ' <<<"$output")" 4
}
