#!/usr/bin/env bats
# nac-serve by itself: what is asked over HTTP, its limits, reload and stop.
# nac-serve in FreeRADIUS: serve-freeradius.bats.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/serve

GOOD=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c001	# compliant
BAD=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c002	# noncompliant
LEAVING=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c003	# compliant, being wiped
GOOD_MAC=00:1b:2c:3d:4e:01

setup() {
	D=$BATS_TEST_TMPDIR
	export INTUNE_NAC_CONF=$D/nac.conf
	mkdir "$D/state"
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	chmod 600 "$INTUNE_NAC_CONF" "$D/site.rules"
	{
		device $GOOD LAPTOP-A $GOOD_MAC compliant managed
		device $BAD LAPTOP-B 00:1b:2c:3d:4e:02 noncompliant managed
		device $LEAVING PHONE-C 00:1b:2c:3d:4e:03 compliant wipePending
	} | nac-cache put >/dev/null
}

teardown() {
	serve_stop "$D"
}

# device ID NAME MAC STATE MANAGEMENT
device() {
	jq -nc --arg id "$1" --arg name "$2" --arg mac "$3" --arg state "$4" --arg m "$5" \
	    '{compliance: {state: $state, managed: true, matched_by: "guid", source: "graph",
	    checked: (now | todate), asked: [{by: "guid", value: $id}],
	    device: {id: $id, name: $name, wifi_mac: $mac, management_state: $m}}}'
}

# radius NAME=VALUE...: a request as rlm_rest writes it.
radius() {
	jq -nc '[$ARGS.positional[] | capture("^(?<k>[^=]*)=(?<v>.*)"; "s")] | group_by(.k) |
	    map({(.[0].k): {type: "string", value: map(.v)}}) | add' --args "$@"
}

# last FILTER: of the journal's last line, by jq.
last() {
	tail -n 1 "$D/state/journal.ndjson" | jq -r "$1"
}

vlan_of() {
	head -n 1 <<<"$1" | jq -r '."reply:Tunnel-Private-Group-Id:0".value[0]'
}

metric() {
	serve_ask "$D" /metrics | awk -v m="$1" 'index($0, m " ") == 1 { print $NF }'
}

@test "a request of FreeRADIUS is answered as radius-hook would, attribute by attribute" {
	serve_start "$D"
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius User-Name=alice \
	    "Calling-Station-Id=00-1B-2C-3D-4E-01" NAS-IP-Address=192.0.2.7 \
	    "Called-Station-Id=02-00-00-AA-BB-CC:corp" NAS-Port-Type=Wireless-802.11)"
	assert_eq "${lines[1]}" 200
	assert_eq "$(jq -c 'map_values([.value, .do_xlat])' <<<"${lines[0]}")" \
	    '{"reply:Tunnel-Type:0":[["VLAN"],false],"reply:Tunnel-Medium-Type:0":[["IEEE-802"],false],"reply:Tunnel-Private-Group-Id:0":[["750"],false]}'
	# The same line in the journal as the exec hook writes, but for the time.
	mv "$D/state/journal.ndjson" "$D/rest"
	run -0 env -i User-Name=alice Calling-Station-Id=00-1B-2C-3D-4E-01 NAS-IP-Address=192.0.2.7 \
	    Called-Station-Id=02-00-00-AA-BB-CC:corp NAS-Port-Type=Wireless-802.11 \
	    "$(command -v radius-hook)" -c "$D/nac.conf" --no-safe-exit
	plain='del(.session.seen, .decision.time, .decision.reason, .compliance.age)'
	assert_eq "$(jq -cS "$plain" <"$D/rest")" "$(jq -cS "$plain" <"$D/state/journal.ndjson")"
}

@test "a refusal is 401, with what the rules reply" {
	echo 'deny with Reply-Message "go, and %% \"repair\" it", Filter-Id "a" if compliance is noncompliant' >"$D/site.rules"
	nac-decide -n -r "$D/site.rules"
	serve_start "$D"
	run -0 serve_ask "$D" /freeradius/post-auth -d "$(radius Calling-Station-Id=001b2c3d4e02)"
	assert_eq "${lines[1]}" 401
	assert_has "${lines[0]}" '"reply:Reply-Message":{"op":'
	assert_has "${lines[0]}" '"do_xlat":false'
	assert_eq "$(last .decision.action)" deny
}

@test "what is unknown, wrong or too large is refused, and never 2xx, 204 or 404" {
	serve_start "$D"
	for p in / /freeradius /freeradius/ /freeradius/authorize/ /Decide /freeradius/%61uthorizee \
	    /../decide //freeradius/authorize /metrics/x /freeradius/authenticate; do
		run -0 serve_ask "$D" "$p" --path-as-is -d '{}'
		assert_eq "${lines[-1]}" 403
	done
	for m in GET PUT DELETE HEAD OPTIONS PATCH; do
		run -0 curl -s -m 10 -o "$D/body" -w '%{http_code}' -X $m --max-time 10 -I "$(serve_url "$D")/freeradius/authorize"
		assert_eq "$output" 405
	done
	run -0 serve_ask "$D" /metrics -d '{}'
	assert_eq "${lines[-1]}" 405
	for b in '' '{' '[]' 'null' '"x"' '{"User-Name":' '{} x' "{\"a\":\"$(head -c 300 /dev/zero | tr '\0' '\001')\"}"; do
		run -0 serve_ask "$D" /freeradius/authorize -d "$b"
		assert_eq "${lines[-1]}" 400
	done
	for t in text/plain application/x-www-form-urlencoded application/jsonx ''; do
		run -0 curl -s -m 10 -o /dev/null -w '%{http_code}' -H "Content-Type: $t" -d '{}' \
		    "$(serve_url "$D")/freeradius/authorize"
		assert_eq "$output" 415
	done
	head -c 140000 /dev/zero | tr '\0' a >"$D/big"
	run -0 serve_ask "$D" /freeradius/authorize --data-binary @"$D/big"
	assert_eq "${lines[-1]}" 413
	run -0 serve_ask "$D" /freeradius/authorize -H 'Transfer-Encoding: chunked' --data-binary @"$D/big"
	assert_eq "${lines[-1]}" 413
	[ ! -e "$D/state/journal.ndjson" ]
	run -0 serve_ask "$D" /healthz
	assert_eq "$output" $'ok\n\n200'
}

@test "injection: whatever a client sends, the reply is what the rules say" {
	serve_start "$D"
	long=$(head -c 4000 /dev/zero | tr '\0' x)
	for v in '%{exec:/bin/sh -c id}' '","reply:Tunnel-Private-Group-Id":"1' $'a\nTunnel-Type = VLAN,' \
	    "\`id\`" $'\x01\x1b[2J' '\u0000' '{"op":":=","value":["1"]}' $'\xff\xfe' "$long"; do
		# It may also be that a value is too long to be used.
		radius Calling-Station-Id=00-1B-2C-3D-4E-01 "User-Name=$v" "Called-Station-Id=$v" \
		    "TLS-Client-Cert-Common-Name=$v" "NAS-Identifier=$v" "Chargeable-User-Identity=$v" \
		    "TLS-Client-Cert-X509v3-Subject-Alternative-Name=$v" >"$D/q"
		run -0 serve_ask "$D" /freeradius/authorize --data-binary @"$D/q"
		assert_eq "$(jq -c '[.[] | .value[]]' <<<"${lines[0]}")" '["VLAN","IEEE-802","750"]'
		assert_eq "${lines[-1]}" 200
	done
	# A NUL and bytes that are no UTF-8, as no JSON writer would send them.
	printf '{"Calling-Station-Id":{"value":["00-1B-2C-3D-4E-01"]},"User-Name":{"value":["a\\u0000b"]},"NAS-Identifier":["\377\376"]}' >"$D/q"
	run -0 serve_ask "$D" /freeradius/authorize --data-binary @"$D/q"
	assert_eq "$(vlan_of "$output")" 750
	assert_eq "$(last .note)" "User-Name holds a NUL byte and is not used"
	assert_eq "$(last .session.nas_id)" "??"
	# One line each, and every line whole.
	assert_eq "$(jq -c .journal "$D/state/journal.ndjson" | sort -u)" 1
}

@test "a value as long as one that was cut is no identity" {
	serve_start "$D"
	pad=$(head -c 930 /dev/zero | tr '\0' x)
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius \
	    "TLS-Client-Cert-X509v3-Subject-Alternative-Name=email:$pad, URI:IntuneDeviceId://$GOOD")"
	assert_eq "$(vlan_of "$output")" 1
	assert_has "$(last .note)" "is too long"
}

@test "a record: its own members pass, compliance and decision are added" {
	serve_start "$D"
	run -0 serve_ask "$D" /decide -d "{\"x\":{\"y\":[1]},\"compliance\":{\"state\":\"compliant\"},\"error\":\"no\",
	    \"identity\":{\"guid\":[{\"value\":\"$BAD\",\"found\":\"san-uri\"}]},\"session\":{\"ssid\":\"corp\"}}"
	assert_eq "${lines[1]}" 200
	assert_eq "$(jq -c '[.x, .compliance.state, .decision.vlan, .error]' <<<"${lines[0]}")" \
	    '[{"y":[1]},"noncompliant","1",null]'
	assert_eq "$(last '.session.ssid, .compliance.state')" $'corp\nnoncompliant'
	run -0 serve_ask "$D" /decide -d LAPTOP-A
	assert_eq "$(jq -r .decision.vlan <<<"${lines[0]}")" 750
	for b in '{"identity":7}' '{"identity":{"mac":"x"}}' '{"a":1,"a":2}' '[]'; do
		run -0 serve_ask "$D" /decide -d "$b"
		assert_eq "${lines[-1]}" 400
	done
}

# smallstep BODYFILE [SIGNATURE]
smallstep() {
	sig=${2-$(openssl dgst -sha256 -mac HMAC -macopt hexkey:"$KEYHEX" -r "$1" | cut -d' ' -f1)}
	serve_ask "$D" /smallstep -H 'X-Smallstep-Webhook-ID: c346e7c0-0000-4000-8000-000000000001' \
	    -H "X-Smallstep-Signature: $sig" --data-binary @"$1"
}

# webhook CERT [TIME]: the body smallstep sends for a certificate.
webhook() {
	jq -nc --arg raw "$(openssl x509 -in "$1" -outform DER | base64 -w0)" \
	    --arg t "${2-$(date -u +%Y-%m-%dT%H:%M:%S.123456789Z)}" \
	    '{timestamp: $t, x509Certificate: {subject: {commonName: "ignored"}, raw: $raw}}'
}

cert() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
	    ${3:+-addext "subjectAltName=URI:IntuneDeviceId://$3"} -keyout /dev/null -out "$D/$1.pem" 2>/dev/null
}

@test "smallstep's webhook: signed, fresh, by the certificate itself; quarantine is a no" {
	KEYHEX=$(head -c 64 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	printf '%s' "$KEYHEX" | tr a-f A-F | sed 's/../\\x&/g' | xargs -0 printf '%b' | base64 -w0 >"$D/secret"
	chmod 600 "$D/secret"
	cert good A $GOOD
	cert bad B $BAD
	cert leaving C $LEAVING
	cert stranger STRANGER
	serve_start "$D" --smallstep-secret "$D/secret"
	webhook "$D/good.pem" >"$D/q"
	run -0 smallstep "$D/q"
	assert_eq "$output" $'{"allow":true}\n200'
	assert_eq "$(last '.identity.guid[0].value, .identity.eap, .compliance.state')" "$GOOD"$'\ntls\ncompliant'
	for c in bad stranger leaving; do
		webhook "$D/$c.pem" >"$D/q"
		run -0 smallstep "$D/q"
		assert_eq "${lines[1]}" 200
		assert_eq "$(jq -c .allow <<<"${lines[0]}")" false
	done
	assert_eq "$(jq -r .error.code <<<"${lines[0]}")" compliant
	assert_has "${lines[0]}" "a wipe is under way"
	webhook "$D/good.pem" >"$D/q"
	for s in '' 00 "$(printf '0%.0s' {1..64})" "$(printf 'z%.0s' {1..64})"; do
		run -0 smallstep "$D/q" "$s"
		assert_eq "${lines[-1]}" 403
	done
	webhook "$D/good.pem" 2024-01-15T10:30:00Z >"$D/q"
	run -0 smallstep "$D/q"
	assert_eq "${lines[-1]}" 400
	assert_has "$output" "300 seconds off"
	webhook "$D/good.pem" | jq -c '.x509Certificate.raw |= .[0:80]' >"$D/q"
	run -0 smallstep "$D/q"
	assert_eq "${lines[-1]}" 400
	# A VLAN of any number may be one to mend devices in: a yes is for the compliant,
	# for those in grace, and for those whose rule says so; none in the quarantine.
	device $BAD LAPTOP-B 00:1b:2c:3d:4e:02 grace managed | nac-cache put >/dev/null
	device $LEAVING PHONE-C 00:1b:2c:3d:4e:03 noncompliant managed | nac-cache put >/dev/null
	while read -r want rules; do
		serve_stop "$D"
		printf '%s\n' "$rules" >"$D/site.rules"
		serve_start "$D" --smallstep-secret "$D/secret"
		got=
		for c in good bad leaving stranger; do
			webhook "$D/$c.pem" >"$D/q"
			run -0 smallstep "$D/q"
			got+=$(jq -r '.allow | tostring[0:1]' <<<"${lines[0]}")
		done
		assert_eq "$rules: $got" "$rules: $want"
	done <<-'END'
	ttff allow with vlan 20
	ttff allow with role corp
	tttt allow with vlan 20, role smallstep
	ttff allow with role Smallstep
	ffff allow with vlan 1, role smallstep
	ffff deny
	END
	assert_eq "$(jq -r .error.code <<<"${lines[0]}")" pending
	# Broken rules: the fallback would be a quarantine, so it is a no.
	serve_stop "$D"
	echo 'allow wth' >"$D/site.rules"
	serve_start "$D" --smallstep-secret "$D/secret"
	webhook "$D/good.pem" >"$D/q"
	run -0 smallstep "$D/q"
	assert_eq "$(jq -c .allow <<<"${lines[0]}")" false
	# Without a secret nobody gets in.
	serve_stop "$D"
	serve_start "$D"
	run -0 smallstep "$D/q"
	assert_eq "${lines[-1]}" 403
}

@test "a token: by Bearer or as Basic password, for everything but /healthz" {
	printf 'correct-horse-battery' >"$D/token"
	chmod 600 "$D/token"
	serve_start "$D" --token-file "$D/token"
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 200
	for a in '' 'Bearer wrong-horse-battery' 'Bearer ' 'Bearer correct-horse-batter' 'Bearer correct-horse-battery1' \
	    'Basic !!!!' 'Basic eDp4' "Basic $(printf 'correct-horse-battery' | base64)"; do
		run -0 serve_ask "$D" /freeradius/authorize -H "Authorization: $a" -d "$q"
		assert_eq "${lines[-1]}" 401
		run -0 serve_ask "$D" /metrics -H "Authorization: $a"
		assert_eq "${lines[-1]}" 401
	done
	for a in 'Bearer correct-horse-battery' "Basic $(printf 'nac:correct-horse-battery' | base64)"; do
		for p in authorize post-auth; do
			run -0 serve_ask "$D" /freeradius/$p -H "Authorization: $a" -d "$q"
			assert_eq "${lines[-1]}" 200
			assert_eq "$(vlan_of "$output")" 750
		done
	done
	refute_has "$(cat "$D/serve.log" "$D/state/journal.ndjson")" correct-horse
	# Readable for others, or too short.
	chmod 644 "$D/token"
	run -77 --separate-stderr nac-serve --check --token-file "$D/token"
	chmod 600 "$D/token"
	printf short >"$D/token"
	run -78 --separate-stderr nac-serve --check --token-file "$D/token"
}

@test "beyond loopback only with TLS and a token" {
	printf 'correct-horse-battery' >"$D/token"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	    -addext 'subjectAltName=IP:127.0.0.1' -keyout "$D/key" -out "$D/cert" 2>/dev/null
	chmod 600 "$D/token" "$D/key"
	for l in 0.0.0.0:0 '[::]:0'; do
		run -78 --separate-stderr nac-serve --listen "$l"
		assert_has "$stderr" "is beyond loopback: needs --tls-cert, --tls-key and --token-file"
		run -78 --separate-stderr nac-serve --listen "$l" --token-file "$D/token"
		run -78 --separate-stderr nac-serve --listen "$l" --tls-cert "$D/cert" --tls-key "$D/key"
	done
	serve_start "$D" --listen 0.0.0.0:0 --token-file "$D/token" --tls-cert "$D/cert" --tls-key "$D/key"
	url=$(serve_url "$D")
	run -0 curl -s -m 10 --cacert "$D/cert" "https${url#http}/healthz"
	assert_eq "$output" ok
	run -0 curl -s -m 10 --cacert "$D/cert" -o /dev/null -w '%{http_code}' "https${url#http}/metrics"
	assert_eq "$output" 401
	run -35 curl -s -m 10 --cacert "$D/cert" --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 "https${url#http}/healthz"
	for l in localhost:80 127.0.0.1 127.0.0.1:99999 ::1:8043 unix:relative x; do
		run -64 --separate-stderr nac-serve --listen "$l"
		assert_one_line "$(head -n 1 <<<"$stderr")"
	done
}

# tls_pair NAME: a self-signed certificate for localhost and its key
tls_pair() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	    -addext subjectAltName=DNS:localhost -keyout "$D/$1.key" -out "$D/$1.crt" 2>/dev/null
	chmod 600 "$D/$1.key"
}

@test "SIGHUP: a new certificate for new connections, and no connection is lost; a faulty one changes nothing" {
	for n in one two; do tls_pair $n; done
	cp "$D/one.crt" "$D/tls.crt"
	cp -p "$D/one.key" "$D/tls.key"
	serve_start "$D" --tls-cert "$D/tls.crt" --tls-key "$D/tls.key"
	port=$(serve_url "$D" | sed 's/.*://')
	pid=$(cat "$D/serve.pid")
	by() { curl -s -m 20 --cacert "$D/$1.crt" "https://localhost:$port/healthz"; }
	pair() {
		cp -p "$D/$1.key" "$D/tls.key"
		cp "$D/$2.crt" "$D/tls.crt"
		: >"$D/serve.log"
		kill -HUP "$pid"
		wait_for 30 grep -q "$3" "$D/serve.log"
	}
	assert_eq "$(by one)" ok
	run ! by two
	# One that stays open over the change.
	cat >"$D/kept" <<-'END'
	import http.client, ssl, sys
	c = http.client.HTTPSConnection("localhost", int(sys.argv[1]), timeout=60,
	    context=ssl.create_default_context(cafile=sys.argv[2]))
	for line in sys.stdin:
	    try:
	        c.request("GET", "/healthz")
	        r = c.getresponse()
	        print(r.read().decode().strip(), r.getheader("Connection"), flush=True)
	    except ssl.SSLCertVerificationError:
	        print("another certificate", flush=True)
	END
	coproc KEPT { exec python3 "$D/kept" "$port" "$D/one.crt" 3>&-; }
	kept_out=${KEPT[0]} kept_in=${KEPT[1]}
	kept() {
		echo >&"$kept_in"
		read -t 60 -r line <&"$kept_out"
		assert_eq "$line" "$1"
	}
	kept "ok None"
	pair two two "the new certificate is in force"
	assert_eq "$(by two)" ok
	run ! by one
	kept "ok close"
	kept "another certificate"
	eval "exec $kept_in>&-"
	# A key of another pair, no certificate at all: a line, and the last good ones.
	pair one two "the certificate read before stays in force"
	assert_has "$(<"$D/serve.log")" "certificate or key?"
	: >"$D/empty.crt"
	pair two empty "the certificate read before stays in force"
	chmod 644 "$D/two.key"
	pair two two "stays in force"
	assert_has "$(<"$D/serve.log")" "$D/tls.key: "
	chmod 600 "$D/two.key"
	assert_eq "$(by two)" ok
	# Changed again and again under load.
	for _ in {1..300}; do printf 'url = "https://localhost:%s/healthz"\noutput = "/dev/null"\nwrite-out = "%%{http_code}\\n"\n' "$port"; done >"$D/load"
	for i in 1 2 3; do
		curl -sk -Z --parallel-max 8 -m 100 -K "$D/load" >"$D/codes.$i" 3>&- &
		pids+=($!)
	done
	for i in one two one two one two one two; do
		pair $i $i "is in force"
	done
	for p in "${pids[@]}"; do wait "$p"; done
	assert_eq "$(sort "$D"/codes.? | uniq -c | tr -s ' ')" " 900 200"
	assert_eq "$(by two)" ok
	serve_stop "$D"
}

@test "a Unix socket, over one that a killed server left; and the sockets of systemd" {
	serve_start "$D" --listen "unix:$D/sock"
	assert_eq "$(stat -c %a "$D/sock")" 660
	run -0 curl -s -m 10 --unix-socket "$D/sock" http://x/healthz
	assert_eq "$output" ok
	run -69 --separate-stderr nac-serve --listen "unix:$D/sock"
	kill -9 "$(cat "$D/serve.pid")"
	serve_stop "$D" 2>/dev/null || :
	[ -S "$D/sock" ]
	serve_start "$D" --listen "unix:$D/sock"
	serve_stop "$D"
	[ ! -e "$D/sock" ]
	# A later address that cannot be had: nothing of the first is left.
	run -64 --separate-stderr nac-serve --listen "unix:$D/sock" --listen nowhere
	[ ! -e "$D/sock" ]
	# What systemd does: descriptor 3, LISTEN_FDS and the pid.
	cat >"$D/activate" <<-'END'
	import os, socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
	s.bind(sys.argv[1]); s.listen(8)
	os.dup2(s.fileno(), 3)
	os.set_inheritable(3, True)
	os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
	os.execvp(sys.argv[2], sys.argv[2:])
	END
	python3 "$D/activate" "$D/act" nac-serve 2>"$D/serve.log" 3>&- &
	echo $! >"$D/serve.pid"
	wait_for 10 grep -q "listening on unix:$D/act" "$D/serve.log"
	assert_eq "$(grep -c listening "$D/serve.log")" 1
	run -0 curl -s -m 10 --unix-socket "$D/act" http://x/healthz
	assert_eq "$output" ok
}

in_log() {
	grep -q -- "$1" "$D/serve.log"
}

@test "rules and settings are read again when they change; broken ones change nothing" {
	serve_start "$D"
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	echo 'allow with vlan 751' >"$D/site.rules"
	wait_for 5 in_log ': 1 rules in force'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 751
	printf 'allow with vlan 752\nallow wth vlan 5\ndeny iff x\n' >"$D/site.rules"
	wait_for 5 in_log 'site.rules:2:7: .*(and 1 more); the rules read before stay in force'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 751
	assert_eq "$(last .error)" null
	# One line, however often it is looked at.
	kill -HUP "$(cat "$D/serve.pid")"
	sleep 1.2
	assert_eq "$(grep -c 'stay in force' "$D/serve.log")" 2
	printf 'allow with vlan 753\n' >"$D/other.rules"
	chmod 600 "$D/other.rules"
	printf '%s\n' "state_dir = $D/state" "rules = $D/other.rules" >"$D/new.conf"
	chmod 600 "$D/new.conf"
	mv "$D/new.conf" "$D/nac.conf"
	wait_for 5 in_log 'other.rules: 1 rules in force'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 753
	echo 'rulez = /x' >>"$D/nac.conf"
	wait_for 5 in_log 'unknown key.*the settings read before stay in force'
	rm "$D/other.rules"
	wait_for 5 in_log 'other.rules: No such file'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 753
	assert_eq "$(metric 'nac_rules_reloads_total{result="taken"}')" 3
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 200
}

# taken N: its two rules have been read so many times
taken() { [ "$(grep -c '2 rules in force' "$D/serve.log")" -eq "$1" ]; }

@test "a list that changes is read again; broken rules at the start: the last good ones decide" {
	echo '00:1b:2c:3d:4e:01' >"$D/denied"
	printf '%s\n' 'list Denied macs "denied"' 'deny if mac in list Denied' 'allow with vlan 5' >"$D/site.rules"
	serve_start "$D"
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(last .decision.action)" deny
	echo '00:1b:2c:3d:4e:99' >"$D/denied"
	wait_for 5 taken 2
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 5
	rm "$D/denied"
	wait_for 5 in_log 'denied: No such file or directory; the rules read before stay in force'
	echo >"$D/denied"
	wait_for 5 taken 3
	serve_stop "$D"
	run -0 nac-decide --keep '{}'
	rm "$D/denied"
	serve_start "$D"
	in_log 'denied: No such file or directory; the last good rules (20.*) decide'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 5
	assert_eq "$(last .error)" null
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 200
}

@test "broken rules at the start, no store, a damaged store: the fallback, and the journal says why" {
	echo 'allow wth' >"$D/site.rules"
	serve_start "$D" --quarantine-vlan 66
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 66
	assert_has "$(last .error)" "site.rules:1:7:"
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 503
	echo 'allow with vlan 750 if compliance is compliant' >"$D/site.rules"
	wait_for 5 in_log '1 rules in force'
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 750
	# The store goes, is cut, and comes back, under a server that has it open.
	cp "$D/state/data.mdb" "$D/whole"
	truncate -s 8192 "$D/state/data.mdb"
	sleep 0.1
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 66
	assert_has "$(last .error)" "cut short"
	rm "$D/state/data.mdb"
	sleep 0.1
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_has "$(last .error)" "there is no store here"
	mv "$D/whole" "$D/state/data.mdb"
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 750
	# Its pages are overwritten, and mended.
	cp "$D/state/data.mdb" "$D/whole"
	tr '\0' '\377' </dev/zero | head -c $(($(stat -c %s "$D/whole") - 8192)) |
		dd of="$D/state/data.mdb" bs=8192 seek=1 conv=notrunc status=none
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 66
	assert_has "$(last .error)" "the store is damaged"
	cat "$D/whole" >"$D/state/data.mdb"
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$(vlan_of "$output")" 750
	assert_eq "$(metric nac_fallbacks_total)" 4
	serve_stop "$D"
	echo x >"$D/site.rules"
	serve_start "$D" --fallback deny
	run -0 serve_ask "$D" /freeradius/authorize -d "$q"
	assert_eq "$output" $'{}\n401'
}

@test "a journal that cannot be written changes no decision, but accounting is asked for again" {
	mkdir "$D/state/journal.ndjson"
	serve_start "$D"
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)"
	assert_eq "$(vlan_of "$output")" 750
	run -0 serve_ask "$D" /freeradius/accounting -d "$(radius Calling-Station-Id=00-1B-2C-3D-4E-01 Acct-Status-Type=Stop)"
	assert_eq "${lines[-1]}" 503
	assert_eq "$(metric 'nac_journal_lines_total{result="lost"}')" 2
	in_log 'journal.ndjson'
}

# account TYPE NAME=VALUE...
account() {
	local type=$1

	shift
	assert_eq "$(serve_ask "$D" /freeradius/accounting -d "$(radius "Acct-Status-Type=$type" "$@")")" $'{}\n200'
}

# session FILTER: of the one client, as nac-cache keeps it.
session() {
	nac-cache due >/dev/null
	nac-cache list --clients | jq -r "$1"
}

@test "accounting keeps the sessions true, and never who the client is" {
	serve_start "$D"
	mac=Calling-Station-Id=00-1B-2C-3D-4E-01
	# Of a client that never logged in nothing is known, and nothing kept.
	account Start $mac NAS-Identifier=ap-1 Acct-Session-Id=0
	assert_eq "$(session .identity)" ""
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius $mac NAS-Identifier=ap-1 \
	    "TLS-Client-Cert-X509v3-Subject-Alternative-Name=URI:IntuneDeviceId://$GOOD")"
	# A login without Acct-Session-Id, the start with it, on the same NAS.
	account Start $mac NAS-Identifier=ap-1 Acct-Session-Id=A1 Framed-IP-Address=198.51.100.9
	assert_eq "$(session '[.session.acct_session_id, .session.framed_ip, .session.ended, .identity.guid[0].value, .decision.vlan] | join(" ")')" \
	    "A1 198.51.100.9  $GOOD 750"
	# The end of another session, and of another NAS' sessions, is not this one's.
	account Stop $mac NAS-Identifier=ap-1 Acct-Session-Id=A0
	account Accounting-Off NAS-Identifier=ap-2
	assert_eq "$(session '.session.ended')" null
	account Stop $mac NAS-Identifier=ap-1 Acct-Session-Id=A1
	assert_eq "$(session '[.session.ended, .accounting.type, .decision.vlan] | join(" ")')" "true stop 750"
	# It roams, without a login that we see.
	account Interim-Update $mac NAS-Identifier=ap-3 Acct-Session-Id=B1
	assert_eq "$(session '[.session.nas_id, .session.acct_session_id, .session.ended] | join(" ")')" "ap-3 B1 "
	account Accounting-On NAS-Identifier=ap-3
	assert_eq "$(session '.session.ended')" true
	# A new login begins anew.
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius $mac NAS-Identifier=ap-1 Acct-Session-Id=C1 \
	    User-Name=anonymous@roam.test NAC-Inner-User=alice@corp.example)"
	assert_eq "$(session '.session | .user, .inner_user, .realm')" $'anonymous@roam.test\nalice@corp.example\ncorp.example'
	# The NAS took another name from the Access-Accept: it is the one for a CoA.
	account Start $mac NAS-Identifier=ap-1 Acct-Session-Id=C1 User-Name=accepted
	assert_eq "$(session '.session | .user, .inner_user, .realm')" $'accepted\nalice@corp.example\ncorp.example'
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius $mac NAS-Identifier=ap-1 Acct-Session-Id=C1 User-Name=host/a)"
	assert_eq "$(session '.session | .user, .inner_user')" $'host/a\nnull'
	account Start $mac NAS-Identifier=ap-1 Acct-Session-Id=C1 User-Name=accepted
	assert_eq "$(session '.session | .user, .inner_user')" $'accepted\nhost/a'
	assert_eq "$(session '[.session.nas_id, .session.acct_session_id, .session.ended] | join(" ")')" "ap-1 C1 "
	assert_eq "$(metric 'nac_accounting_total{type="stop"}')" 2
}

@test "accounting starts no look-up, and keeps none from starting" {
	serve_start "$D"
	mac=Calling-Station-Id=00-1B-2C-3D-4E-77
	run -0 serve_ask "$D" /freeradius/authorize -d "$(radius $mac NAS-Identifier=ap-1)"
	account Start $mac NAS-Identifier=ap-1 Acct-Session-Id=A1
	account Interim-Update $mac NAS-Identifier=ap-1 Acct-Session-Id=A1
	timeout 2 nac-cache follow >"$D/followed" 3>&- || :
	assert_eq "$(jq -r '.compliance.state + " " + .session.calling' "$D/followed")" "pending 00-1B-2C-3D-4E-77"
	# It has read all there is; then something new comes.
	assert_eq "$(metric nac_journal_lag_bytes)" 0
	before=$(stat -c %s "$D/state/journal.ndjson")
	account Stop $mac NAS-Identifier=ap-1 Acct-Session-Id=A1
	assert_eq "$(metric nac_journal_lag_bytes)" $(($(stat -c %s "$D/state/journal.ndjson") - before))
}

@test "a journal that is rotated away is written anew" {
	serve_start "$D"
	for n in 1 2 3; do
		run -0 serve_ask "$D" /freeradius/authorize -d "$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)"
		mv "$D/state/journal.ndjson" "$D/state/journal.ndjson.$n"
		# It may be noticed so much later.
		sleep 0.02
		assert_eq "$(wc -l <"$D/state/journal.ndjson.$n")" 1
	done
}

@test "SIGTERM: what is under way is answered, then it ends with 0" {
	serve_start "$D" --timeout 8
	url=$(serve_url "$D")
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	# A request whose last byte comes after the signal.
	exec 9<>"/dev/tcp/127.0.0.1/${url##*:}"
	printf 'POST /freeradius/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
	    ${#q} "${q:0:10}" >&9
	sleep 0.3
	pid=$(cat "$D/serve.pid")
	kill "$pid"
	sleep 0.3
	kill -0 "$pid"
	printf '%s' "${q:10}" >&9
	answer=$(timeout 5 cat <&9)
	exec 9>&-
	assert_has "$answer" "200 OK"
	assert_has "$answer" '"750"'
	assert_has "$answer" "Connection: close"
	serve_stop "$D"
	in_log stopped
}

@test "a client that never ends its request is cut off, and keeps nobody else waiting" {
	serve_start "$D" --timeout 1 --connections 8
	url=$(serve_url "$D")
	for fd in 20 21 22; do
		eval "exec $fd<>/dev/tcp/127.0.0.1/${url##*:}"
	done
	printf 'POST /decide HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n' >&20
	printf 'POST /deci' >&21
	# It drips: each byte would start an idle clock anew.
	(for _ in {1..40}; do printf x >&20 || break; sleep 0.1; done) 2>/dev/null 3>&- &
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 200
	for fd in 20 21 22; do
		# Reads to its end: the server has closed it.
		timeout 8 cat <&$fd >/dev/null
		eval "exec $fd>&-"
	done
	run -0 serve_ask "$D" /healthz
	assert_eq "${lines[-1]}" 200
}

@test "chunks, requests behind each other, and many bodies on one connection: each its own answer" {
	serve_start "$D"
	url=$(serve_url "$D")
	q=$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)
	run -0 serve_ask "$D" /freeradius/authorize -H 'Transfer-Encoding: chunked' -d "$q"
	assert_eq "$(vlan_of "$output")" 750
	# No length is announced: the limit holds all the same.
	head -c 200000 /dev/zero | tr '\0' ' ' >"$D/large"
	run -0 serve_ask "$D" /decide -H 'Transfer-Encoding: chunked' --data-binary @"$D/large"
	assert_eq "${lines[-1]}" 413
	# One connection: a large body, a bad one, an empty one, another device, at once.
	other=$(radius Calling-Station-Id=00-1B-2C-3D-4E-02 User-Name="$(head -c 900 /dev/zero | tr '\0' y)")
	{
		for body in "$q" "$(printf '%20000s' '')$q" '{"a":' '' "$other" "$q"; do
			printf 'POST /freeradius/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
			    ${#body} "$body"
		done
		printf 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
	} >"$D/many"
	exec 9<>"/dev/tcp/127.0.0.1/${url##*:}"
	cat "$D/many" >&9
	answers=$(timeout 5 tr -d '\r' <&9)
	exec 9>&-
	assert_eq "$(grep -oE 'HTTP/1.1 [0-9]+|"Tunnel-Private[^"]*"|"value":\["[0-9]+"\]|^ok' <<<"$answers" | tr -d '"[]' | paste -sd ' ')" \
	    "HTTP/1.1 200 value:750 HTTP/1.1 200 value:750 HTTP/1.1 400 HTTP/1.1 400 HTTP/1.1 200 value:1 HTTP/1.1 200 value:750 HTTP/1.1 200 ok"
}

@test "connections beyond the limit wait for their turn, and none is lost" {
	serve_start "$D" --connections 8
	url=$(serve_url "$D")
	for fd in 20 21 22 23 24 25 26 27; do
		eval "exec $fd<>/dev/tcp/127.0.0.1/${url##*:}"
		# After its first request a connection may idle.
		printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&$fd
		IFS= read -r -t 5 line <&$fd
		assert_has "$line" "200 OK"
	done
	# It must not hold the one that is to be closed.
	serve_ask "$D" /healthz >"$D/ninth" 3>&- 20>&- &
	waiting=$!
	sleep 0.5
	kill -0 $waiting
	exec 20>&-
	wait $waiting
	assert_eq "$(tail -n 1 "$D/ninth")" 200
	for fd in 21 22 23 24 25 26 27; do eval "exec $fd>&-"; done
	assert_eq "$(metric nac_connections)" 1
}

@test "1,000 requests in parallel over kept connections: every answer is its own" {
	serve_start "$D"
	url=$(serve_url "$D")
	{
		for i in {1..1000}; do
			mac=00-1b-2c-3d-4e-0$((i % 4))
			printf 'next\nurl = "%s/decide"\nheader = "Content-Type: application/json"\ndata = "{\\"n\\":%d,\\"identity\\":{\\"mac\\":\\"%s\\"}}"\noutput = "-"\n' \
			    "$url" "$i" "$mac"
		done
	} | tail -n +2 >"$D/curl.conf"
	run -0 --separate-stderr curl -s -S -Z --parallel-max 32 -w '\n' -K "$D/curl.conf"
	printf '%s' "$output" | tr -d '\n' | sed 's/}{/}\n{/g' >"$D/out"
	assert_eq "$(jq -s 'length' "$D/out")" 1000
	assert_eq "$(jq -r '"\(.n % 4) \(.compliance.state) \(.decision.vlan)"' "$D/out" | sort | uniq -c | awk '{print $1, $2, $3, $4}')" \
	    $'250 0 pending 1\n250 1 compliant 750\n250 2 noncompliant 1\n250 3 compliant null'
	assert_eq "$(wc -l <"$D/state/journal.ndjson")" 1000
}

@test "the metrics say what was decided" {
	serve_start "$D"
	for m in 01 02 03 09; do
		serve_ask "$D" /freeradius/authorize -d "$(radius Calling-Station-Id=00-1B-2C-3D-4E-$m)" >/dev/null
	done
	run -0 serve_ask "$D" /metrics
	assert_has "$output" 'name="Corp compliant",action="allow"} 1'
	assert_has "$output" 'name="Retire or wipe",action="deny"} 1'
	assert_has "$output" 'nac_decisions_by_state_total{state="pending",action="allow"} 1'
	assert_has "$output" 'nac_decisions_by_age_total{below="15m"} 3'
	assert_has "$output" 'nac_lookups_total{result="missed"} 1'
	assert_has "$output" 'nac_journal_lines_total{result="written"} 4'
	assert_has "$output" 'nac_requests_total{path="/freeradius/authorize",status="200"} 3'
	assert_has "$output" 'nac_requests_total{path="/freeradius/authorize",status="401"} 1'
	# A path that is cut, in the middle of a character or not; no byte that is none.
	for pad in a aa aaa; do
		serve_stop "$D"
		rules=$D/$pad$(printf 'ä%.0s' {1..116})$(printf '\xff.rules')
		cp "$D/site.rules" "$rules"
		LC_ALL=C sed -i "s|^rules = .*|rules = $rules|" "$INTUNE_NAC_CONF"
		serve_start "$D"
		serve_ask "$D" /freeradius/authorize -d "$(radius Calling-Station-Id=00-1B-2C-3D-4E-01)" >/dev/null
		serve_ask "$D" /metrics >"$D/page"
		run -0 iconv -f UTF-8 -t UTF-8 -o /dev/null "$D/page"
		assert_has "$(<"$D/page")" 'name="Corp compliant",action="allow"} 1'
		output=$(<"$D/page")
	done
	# Prometheus' own grammar, line by line.
	run -1 grep -vE '^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? -?[0-9.e+-]+)?$' <<<"$(head -n -1 <<<"$output")"
}

@test "the metrics count how changes of authorization ended, and tell of a store that is gone" {
	put() {
		printf '{"session":{"calling":"00-1B-2C-3D-4E-01"},"compliance":{"state":"compliant","source":"cache","checked":"'"$NOW"'"},"coa":{"time":"'"$NOW"'",%s}}\n' "$@" |
		    INTUNE_NAC_CONF=$D/nac.conf nac-cache put >/dev/null
	}
	NOW=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	serve_start "$D"
	assert_eq "$(metric 'nac_coa_results_total{result="ack",error_cause=""}')" 0
	put '"result":"ack"' '"result":"nak","error_cause":503' '"result":"nak"' '"result":"ack"' \
	    '"result":"silent"' '"result":"dry-run"' '"result":"nak","error_cause":999'
	put '"result":"nak","error_cause":503'
	assert_eq "$(metric 'nac_coa_results_total{result="ack",error_cause=""}')" 2
	assert_eq "$(metric 'nac_coa_results_total{result="silent",error_cause=""}')" 1
	assert_eq "$(metric 'nac_coa_results_total{result="nak",error_cause="503"}')" 2
	assert_eq "$(metric 'nac_coa_results_total{result="nak",error_cause="other"}')" 2
	assert_eq "$(metric 'nac_coa_results_total{result="error",error_cause=""}')" 0
	assert_eq "$(metric nac_store_ready)" 1
	run -0 --separate-stderr nac-cache -c "$D/nac.conf" check
	mv "$D/state/data.mdb" "$D/state/away"
	sleep 0.1
	assert_eq "$(metric nac_store_ready)" 0
	assert_eq "$(metric 'nac_coa_results_total{result="ack",error_cause=""}')" ""
}
