#!/usr/bin/env bats
# coa-send: records, the NAS file, profiles and options; the packets are read back by
# FreeRADIUS, tshark and python.
# shellcheck disable=SC2154 # bats sets stderr, lib_coa.bash the rest

load test_helper
load ../lib/radius
load lib_coa

@test "a Disconnect-Request is acknowledged, and the rest of the record is untouched" {
	r='{"z":[1,{"k":null}],"session":{'$SESSION',"acct_session_id":"5A-1"},"coa":{"result":"old"},"a":"ä\u0001"}'
	run -0 --separate-stderr coa-send "$r"
	assert_eq "$stderr" ""
	assert_eq "$(jq -c 'del(.coa)' <<<"$output")" "$(jq -c 'del(.coa)' <<<"$r")"
	assert_eq "$(jq -c '.coa | del(.time, .ms)' <<<"$output" | jq -cS .)" "$(jq -cS . <<<'{"result":"ack",
		"code":"disconnect","action":"reauth","profile":"rfc5176","tries":1,
		"nas":"127.0.0.1:'"$(radius_get "$D" COA_PORT)"'"}')"
	[[ $(field time) =~ ^20[0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9:]{8}Z$ ]]
	[[ $(field ms) =~ ^[0-9]+$ ]]
	log=$(last_coa)
	assert_has "$log" "Disconnect-Request"
	assert_has "$log" 'Calling-Station-Id = "02-00-00-00-00-01"'
	assert_has "$log" 'Acct-Session-Id = "5A-1"'
	assert_has "$log" 'User-Name = "host/laptop"'
	assert_has "$log" "NAS-IP-Address = 127.0.0.1"
}

GOLDEN=$NAC_ROOT/tests/golden/coa

# What tests/golden/coa says of `profile action', and its bytes.
golden() {
	awk -F'\t' -v k="$1" -v n="$2" '$1 == k { print $n }' "$GOLDEN"
}

@test "FreeRADIUS decodes what each profile sends for each action, and acknowledges it" {
	s='"nas_ip":"192.0.2.1","nas_port":"50101","nas_port_id":"ge-0/0/1","user":"host/lap1",'
	s+='"calling":"0a1b2c3d4e5f","acct_session_id":"5A00001F","audit_session_id":"0A010203000000",'
	s+='"framed_ip":"198.51.100.7"'
	for f in "$NAC_ROOT"/share/profiles/*.profile; do
		p=${f##*/} p=${p%.profile}
		# One session a profile: its NAS-Identifier says which.
		echo "nas * id $p profile $p secret-file $T/secret address 127.0.0.1 port $(radius_get "$D" COA_PORT)" >>"$T/all"
		grep -oP '^action \K[a-z]+' "$f" | while read -r a; do
			printf '{"session":{%s,"nas_id":"%s"},"decision":{"vlan":750,"role":"quarantine","coa":"%s"}}\n' "$s" "$p" "$a"
			golden "$p $a" 2 >>"$T/want"
		done >>"$T/in"
	done
	nas "$(<"$T/all")"
	n=$(wc -l <"$T/in")
	[ "$n" -gt 100 ]
	assert_eq "$(wc -l <"$T/want")" "$n"
	before=$(radius_coa_log "$D" | wc -l)
	run -0 --separate-stderr coa-send --jobs 1 <"$T/in"
	assert_eq "$(jq -r .coa.result <<<"$output" | sort | uniq -c | tr -s ' ')" " $n ack"
	radius_coa_log "$D" | tail -n "+$((before + 1))" >"$T/log"
	# What it decodes, in order, whatever the digest and the time are, without tags.
	# UniFi's NAS-Identifier is the one thing that this test needs for itself.
	sed -E 's/(Message-Authenticator = 0x)[0-9a-f]{32}/\1/; s/(Event-Timestamp = )"[^"]*"/\1now/
		s/(Tunnel-[A-Za-z-]*):0 /\1 /g; s/"unifi"/"sw-1"/' "$T/log" >"$T/got"
	run -0 diff "$T/want" "$T/got"
}

@test "the golden bytes of each profile are what tshark and python take them for" {
	run -0 "$NAC_ROOT/tests/lib/coa-golden" "$GOLDEN"
	for f in "$NAC_ROOT"/share/profiles/*.profile; do
		p=${f##*/}
		grep -oP '^action \K[a-z]+' "$f" | while read -r a; do
			[ -n "$(golden "${p%.profile} $a" 3)" ] || { echo "$p $a: not in $GOLDEN"; exit 1; }
		done
	done
	# tshark checks the authenticator of a reply only, which is over the request's too.
	tshark_says() {
		"$NAC_ROOT/tests/lib/coa-golden" --hex "$1" >"$T/hex"
		text2pcap -q -D -u 40000,3799 "$T/hex" "$T/pcap" 2>/dev/null
		TZ=UTC tshark -r "$T/pcap" -V -o "radius.shared_secret:${2-testing123}" \
		    -o radius.validate_authenticator:TRUE 2>/dev/null >"$T/said"
		run "$NAC_ROOT/tests/lib/coa-golden" --tshark "$GOLDEN" <"$T/said"
	}
	tshark_says "$GOLDEN"
	assert_eq "$status $output" "0 "
	# What is wrong is found: a byte, another value, another secret.
	sed 's/.$/0/' "$GOLDEN" >"$T/bad"
	run -1 "$NAC_ROOT/tests/lib/coa-golden" "$T/bad"
	sed 's/31f1330412d/31f1330422d/; s/1f1330412d/1f1330422d/' "$GOLDEN" >"$T/bad"
	tshark_says "$T/bad"
	assert_has "$status $output" "1 aerohive reauth: "
	tshark_says "$GOLDEN" testing124
	assert_eq "$status $(grep -c 'the authenticators do not fit' <<<"$output")" "1 $(grep -vc '^#' "$GOLDEN")"
}

@test "the dictionary agrees with FreeRADIUS's" {
	run -0 "$NAC_ROOT/tests/lib/coa-golden" --dictionary "$NAC_ROOT/share/dictionary"
	sed 's/^ATTRIBUTE.Filter-Id.*/ATTRIBUTE Filter-Id 12 string/' "$NAC_ROOT/share/dictionary" >"$T/bad"
	run -1 "$NAC_ROOT/tests/lib/coa-golden" --dictionary "$T/bad"
	assert_has "$output" filter-id
}

@test "decision.coa says what is done, unless --action does" {
	port=$(radius_get "$D" COA_PORT)
	nas "nas * profile cisco secret-file $T/secret port $port"
	for w in disconnect bounce reauth; do
		run -0 --separate-stderr coa-send -n '{"session":{'"$SESSION"'},"decision":{"coa":"'$w'"}}'
		assert_eq "$(field action)" "$w"
	done
	run -0 --separate-stderr coa-send -n -a bounce '{"session":{'"$SESSION"'},"decision":{"coa":"none"}}'
	assert_eq "$(field action)" bounce
	run -0 --separate-stderr coa-send '{"session":{'"$SESSION"'},"decision":{"coa":"none"}}'
	assert_eq "$(field result)" skipped
	assert_eq "$(field why)" "decision.coa is none"
	for w in '"kick"' 7 '["reauth"]'; do
		run -65 --separate-stderr coa-send '{"session":{'"$SESSION"'},"decision":{"coa":'"$w"'}}'
		assert_has "$stderr" "decision.coa: is not none, reauth, disconnect, bounce, vlan, role or redirect"
		assert_eq "$(field result)" error
	done
	# A push without its value is not sent as something else.
	nas "nas * profile rfc5176 secret-file $T/secret port $port"
	run -65 --separate-stderr coa-send '{"session":{'"$SESSION"'},"decision":{"coa":"vlan"}}'
	assert_has "$(field why)" "the record has nothing for Tunnel-Private-Group-Id"
	run -0 --separate-stderr coa-send -n '{"session":{'"$SESSION"'},"decision":{"coa":"vlan","vlan":"guests"}}'
	assert_eq "$(jq -r '.coa.attributes[-1]' <<<"$output")" "Tunnel-Private-Group-Id = guests"
}

@test "the NAS file: by network, by NAS-Identifier, to another address" {
	peer ack
	nas "nas 192.0.2.0/28 profile cisco secret-file $T/secret address 127.0.0.1 port $(<"$P/port")" \
	    "nas * id \"ap-*\" profile mist secret-file $T/secret address 127.0.0.1 port $(<"$P/port")" \
	    "nas 192.0.2.0/24 profile juniper secret-file $T/secret"
	run -0 --separate-stderr send "$(record "${SESSION/127.0.0.1/192.0.2.9}")"
	assert_eq "$(field profile)" cisco
	# NAS-IP-Address stays the NAS's own.
	assert_has "$(<"$P/log")" 0406c0000209
	run -0 --separate-stderr send "$(record '"nas_id":"ap-7","calling":"020000000001"')"
	assert_eq "$(field profile)" mist
	run -0 --separate-stderr send -n "$(record "${SESSION/127.0.0.1/192.0.2.77}")"
	assert_eq "$(field nas)" 192.0.2.77:3799
}

@test "the NAS file: by vendor, as the NAS's own attributes tell it" {
	nas "nas 192.0.2.0/28 profile juniper secret-file $T/secret" \
	    "nas * id \"cx-*\" profile aruba-cx secret-file $T/secret" \
	    "nas * vendor aruba profile aruba secret-file $T/secret" \
	    "nas * vendor cisco profile cisco secret-file $T/secret" \
	    "nas * profile rfc5176 secret-file $T/secret"
	# Address, then identifier, then vendor, then the rest: what stands first counts.
	while read -r ip id attribute want; do
		r=$(env -i "NAS-IP-Address=$ip" "NAS-Identifier=$id" "$attribute" \
		    Calling-Station-Id=02-00-00-00-00-01 "$(command -v radius-hook)" --record)
		run -0 --separate-stderr coa-send -n "$r"
		assert_eq "$(field profile)" "$want"
	done <<-EOF
	192.0.2.1 cx-1 Aruba-Essid-Name=x juniper
	192.0.2.99 cx-1 Cisco-AVPair=x=y aruba-cx
	192.0.2.99 ap-1 Aruba-Essid-Name=x aruba
	192.0.2.99 sw-1 CISCO_AVPAIR="x=y" cisco
	192.0.2.99 sw-1 Ruckus-SSID=x rfc5176
	192.0.2.99 sw-1 User-Name=Aruba-x rfc5176
	EOF
	nas "nas * vendor arube profile aruba secret-file $T/secret" "nas * vendor cisco profile cisco secret-file $T/secret" \
	    "nas 192.0.2.1 vendor cisco profile cisco secret-file $T/secret"
	run -78 --separate-stderr coa-send -n "$(record)"
	assert_has "$stderr" "$T/nas:1:14: expected aerohive, alcatel,"
	sed -i 's/arube/aruba/' "$T/nas"
	run -78 --separate-stderr coa-send --lint
	assert_eq "$stderr" "coa-send: $T/nas:3: never used: line 2 takes all of it"
}

@test "the words for vendors are the beginnings of names in FreeRADIUS's dictionaries" {
	grep -oP '^\t\{ "\K[A-Za-z0-9-]+(?=-",)' "$NAC_ROOT/src/radius/vendor.c" >"$T/prefixes"
	[ "$(wc -l <"$T/prefixes")" -gt 20 ]
	while read -r p; do
		grep -qP "^ATTRIBUTE\s+$p-" /usr/share/freeradius/dictionary.* || { echo "$p"; false; }
		# No attribute that is not a vendor's begins so.
		run -1 grep -P "^ATTRIBUTE\s+$p-" /usr/share/freeradius/dictionary.rfc* /usr/share/freeradius/dictionary.freeradius*
	done <"$T/prefixes"
	while read -r w; do
		grep -qw -- "$w" "$NAC_ROOT/man/nac-nas.5" || { echo "$w: not in nac-nas(5)"; false; }
	done < <(grep -oP '", "?\K[a-z0-9]+(?=" \})' "$NAC_ROOT/src/radius/vendor.c")
}

@test "--dry-run says what would be sent, and sends nothing" {
	peer ack
	nas "nas * profile cisco-wlc secret-file $T/secret port $(<"$P/port")"
	run -0 --separate-stderr send --dry-run --action role "$(record "$SESSION"',"audit_session_id":"0A"')"
	assert_eq "$stderr" ""
	assert_eq "$(jq -c '.coa | [.result, .code, .action]' <<<"$output")" '["dry-run","coa","role"]'
	assert_eq "$(jq -r '.coa.attributes[]' <<<"$output")" "NAS-IP-Address = 127.0.0.1
Calling-Station-Id = 02-00-00-00-00-01
Cisco-AVPair = audit-session-id=0A
Cisco-AVPair = subscriber:command=reauthenticate
Cisco-AVPair = subscriber:reauthenticate-type=last"
	[ ! -s "$P/log" ]
}

@test "redirect: the decision's page, or Microsoft's" {
	nas "nas * profile alcatel secret-file $T/secret"
	run -0 --separate-stderr coa-send -n -a redirect "$(record)"
	assert_eq "$(jq -r '.coa.attributes[-1]' <<<"$output")" \
	    "Xylan-Redirect-Url = https://portal.manage.microsoft.com/networkaccesscontrol/index"
	run -0 --separate-stderr coa-send -n '{"session":{'"$SESSION"'},"decision":{"coa":"redirect","redirect":"https://help.example/x"}}'
	assert_eq "$(jq -r '.coa | .action, .attributes[-1]' <<<"$output")" $'redirect\nXylan-Redirect-Url = https://help.example/x'
}

@test "the exit status is the largest that applies" {
	bad='{"a":1}' nak=$(record "${SESSION/00-01/00-06}") foreign=$(record "${SESSION/127.0.0.1/198.51.100.7}")
	run -1 --separate-stderr send --jobs 1 < <(record; echo "$nak")
	run -65 --separate-stderr send --jobs 1 < <(echo "$bad"; echo "$nak"; record)
	run -78 --separate-stderr send --jobs 1 < <(echo "$foreign"; echo "$bad"; echo "$nak"; record)
	nas "$(<"$T/nas")" "nas 198.51.100.7 profile rfc5176 secret-file $T/secret address 127.0.0.1 port 1"
	run -75 --separate-stderr quick --jobs 1 --timeout 3 < <(echo "$foreign"; echo "$bad"; echo "$nak"; record)
}

@test "a session that has ended is skipped, and nothing to do is success" {
	run -0 --separate-stderr coa-send "$(record "$SESSION"',"ended":true')"
	assert_eq "$(field result)" skipped
	assert_eq "$stderr" ""
	run -0 --separate-stderr coa-send <<<""
	assert_eq "$output$stderr" ""
}

@test "bad records: one line each, exit 65, and the others go on" {
	long=$(printf 'x%.0s' {1..254})
	{
		record
		echo '{"a":1}'
		echo '{"session":[]}'
		record '"nas_ip":5'
		record "$SESSION"',"acct_session_id":"'"$long"'"'
		echo '{"session":'
		echo '[]'
		printf '\x00\x80\xff\n'
		head -c 10000000 /dev/zero | tr '\0' x
		echo
		record '"nas_ip":"127.0.0.1","user":"u","nas_port":"1"'
		record "$SESSION"',"nas_id":"\u001b[2J"'
		record "$SESSION"
	} >"$T/in"
	run -65 --separate-stderr coa-send --jobs 1 <"$T/in"
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" \
	    "ack error error error error error ack ack"
	assert_eq "$(wc -l <<<"$stderr")" 9
	for w in ":2: this record has no session" ":3: session" ":4: session.nas_ip: must be a string" \
	    ":5: session.acct_session_id: is too long" ":6: " ":7: " ":8: " ":9: " \
	    ":10: nothing in the session that profile rfc5176 sends tells this client from others"; do
		assert_has "$stderr" "<stdin>$w"
	done
	assert_eq "$(sed -n 2p <<<"$output" | jq -r .coa.why)" "this record has no session"
	assert_eq "$(sed -n 2p <<<"$output" | jq .a)" 1
}

@test "what a profile requires and the session lacks is named" {
	nas "nas * profile hostapd secret-file $T/secret"
	run -65 --separate-stderr coa-send "$(record '"nas_ip":"127.0.0.1","acct_session_id":"x"')"
	assert_has "$(field why)" "nothing for Calling-Station-Id, which profile hostapd requires"
	assert_one_line "$stderr"
	nas "nas * profile hostapd secret-file $T/secret"
	run -65 --separate-stderr coa-send "$(record '"nas_id":"x","calling":"020000000001"')"
	assert_has "$stderr" "has an address of this NAS"
}

@test "a NAS that is not in the file, an action its profile has not: exit 78, others go on" {
	run -78 --separate-stderr coa-send --jobs 1 < <(record "${SESSION/127.0.0.1/198.51.100.7}"; record)
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "error ack"
	assert_eq "$stderr" "coa-send: <stdin>:1: the NAS 198.51.100.7 is not in $T/nas"
	run -78 --separate-stderr coa-send -a bounce "$(record)"
	assert_has "$stderr" "profile rfc5176 has no action bounce"
}

@test "a secret's file: mode, owner, contents; exit 77 or 78, others go on" {
	port=$(radius_get "$D" COA_PORT)
	nas "nas 127.0.0.2 profile rfc5176 secret-file $T/bad port $port" \
	    "nas * profile rfc5176 secret-file $T/secret port $port"
	cp "$T/secret" "$T/bad"
	chmod 644 "$T/bad"
	run -77 --separate-stderr coa-send --jobs 1 < <(record "${SESSION/0.0.1/0.0.2}"; record)
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "error ack"
	assert_one_line "$stderr"
	assert_has "$stderr" "$T/bad: may be read by others"
	chmod 600 "$T/bad"
	# Only root can give a file away.
	if [ "$(id -u)" -eq 0 ]; then
		chown 65534 "$T/bad"
		run -77 --separate-stderr coa-send "$(record "${SESSION/0.0.1/0.0.2}")"
		assert_has "$stderr" "$T/bad: belongs to another user"
	fi
	for what in missing empty two binary; do
		case $what in
		missing) rm "$T/bad" ;;
		empty) : >"$T/bad" ;;
		two) printf 'a\nb\n' >"$T/bad" ;;
		binary) printf 'a\0b\n' >"$T/bad" ;;
		esac
		chmod 600 "$T/bad" 2>/dev/null || :
		run -78 --separate-stderr coa-send "$(record "${SESSION/0.0.1/0.0.2}")"
		assert_one_line "$stderr"
		assert_has "$stderr" "$T/bad: "
		assert_eq "$(field result)" error
	done
	# Not even a dry run goes on without it.
	run -78 --separate-stderr coa-send -n "$(record "${SESSION/0.0.1/0.0.2}")"
}

@test "the secret appears in no output, however verbose" {
	printf 'hush-hush-hush\n' >"$T/secret"
	run -75 --separate-stderr quick -v "$(record)"
	refute_has "$output$stderr" hush
	run -0 --separate-stderr send -v -n "$(record)"
	refute_has "$output$stderr" hush
	run -64 --separate-stderr coa-send --secret hush "$(record)"
}

@test "a faulty configuration: every error with its place, exit 78, nothing sent" {
	peer ack
	good=$(<"$T/nas")
	nas "$good" "nas 10.0.0.0/33 profile x secret-file /s" "" "nas * profile rfc5176"
	run -78 --separate-stderr coa-send "$(record)"
	assert_eq "$stderr" "coa-send: $T/nas:2:5: has a wrong length of prefix: \"10.0.0.0/33\"
coa-send: $T/nas:4:1: this line has no secret-file"
	assert_eq "$output" ""
	nas "$good" "nas * profile cicso secret-file /s"
	run -78 --separate-stderr coa-send "$(record)"
	assert_has "$stderr" "profiles/cicso.profile: No such file or directory"
	assert_has "$stderr" "$T/nas:2:15: cannot use profile cicso"
	nas "$good"
	chmod 666 "$T/nas"
	run -78 --separate-stderr coa-send "$(record)"
	assert_eq "$stderr" "coa-send: $T/nas: may be written by others; chmod it to 0644 or less"
	head -c 3000 /dev/urandom >"$T/nas"
	chmod 600 "$T/nas"
	run -78 --separate-stderr coa-send "$(record)"
	assert_has "$stderr" "$T/nas:1:"
	for option in nas dictionary config; do
		for f in "$T/none" "$T" /dev/null; do
			run -78 --separate-stderr coa-send --nas /dev/null "--$option" "$f" "$(record)"
			assert_one_line "$stderr"
			assert_has "$stderr" "$f: "
		done
	done
	nas "$good"
	mkdir "$T/profiles"
	printf 'code coa\nsession Nonsense\naction reauth\nattribute Filter-Id "x\n' >"$T/profiles/rfc5176.profile"
	run -78 --separate-stderr coa-send --profiles "$T/profiles" "$(record)"
	assert_has "$stderr" "$T/profiles/rfc5176.profile:2:9: the dictionary has no attribute \"Nonsense\""
	assert_has "$stderr" "rfc5176.profile:4:21: this quote is never closed"
	printf 'ATTRIBUTE User-Name 1 strnig\n' >"$T/dictionary"
	run -78 --separate-stderr coa-send --dictionary "$T/dictionary" "$(record)"
	assert_has "$stderr" "$T/dictionary:1:11: libradcli refuses this line, for \"User-Name\""
	[ ! -s "$P/log" ]
}

@test "wrong usage: one line and how to get help, exit 64" {
	for a in "--action kick" "--timeout 0" "--timeout 61" "--timeout 1s" "--tries 11" "--jobs 0" "--jobs 4097" \
	    "--nas-jobs 0" "--rate 0" "--nas-rate x" "--jitter 3601" "--pause 0" "--silent x" "--window never"; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr coa-send $a
		assert_eq "$(wc -l <<<"$stderr")" 2
		assert_eq "$output" ""
	done
}

@test "standard output that cannot be written is exit 74" {
	# shellcheck disable=SC2016
	run -74 bash -c 'coa-send "$1" >/dev/full' x "$(record)"
}

@test "--lint: NAS file, every profile, every secret; nothing is sent" {
	run -0 --separate-stderr coa-send --lint
	assert_eq "$output$stderr" ""
	mkdir "$T/profiles"
	cp "$NAC_ROOT"/share/profiles/* "$T/profiles"
	echo 'attribute Nonsense x' >>"$T/profiles/mist.profile"
	run -78 --separate-stderr coa-send --lint --profiles "$T/profiles"
	assert_one_line "$stderr"
	assert_has "$stderr" "$T/profiles/mist.profile:"
	nas "nas 127.0.0.0/8 profile cisco secret-file $T/secret" \
	    "nas 127.0.0.1 id x profile mist secret-file $T/none" \
	    "nas * profile mist secret-file $T/secret" "nas ::1 profile hostapd secret-file $T/secret"
	run -78 --separate-stderr coa-send --lint
	assert_eq "$stderr" "coa-send: $T/nas:2: $T/none: No such file or directory
coa-send: $T/nas:2: never used: line 1 takes all of it
coa-send: $T/nas:4: never used: line 3 takes all of it"
	run -78 --separate-stderr coa-send --lint --profiles "$T"
	assert_has "$stderr" "$T: has no profile"
}

# literal PAGE N: the Nth literal block of a page's EXAMPLES
literal() {
	awk -v n="$2" '/^\.Sh/ { on = $2 == "EXAMPLES" } !on { next }
		/^\.Bd -literal/ { i++; show = i == n; next } /^\.Ed/ { show = 0 } show' \
	    "$NAC_ROOT/man/$1" | sed 's/\\e/\\/g; s/\\(dq/"/g'
}

@test "the EXAMPLES of coa-send(8) do what they say" {
	peer ack
	nas "nas 192.0.2.0/24 profile cisco secret-file $T/secret address 127.0.0.1 port $(<"$P/port")"
	cd "$T"
	{ record "${SESSION/127.0.0.1/192.0.2.1}"; record "${SESSION/127.0.0.1/192.0.2.2}"; } >clients.json
	example() {
		cmd=$(literal coa-send.8 "$1")
		[[ $cmd == '$ '* ]]
		run -0 --separate-stderr bash -o pipefail -c "${cmd#'$ '}"
		assert_eq "$stderr" ""
	}
	example 1
	assert_eq "$(field attributes[1])" "Calling-Station-Id = 0A-1B-2C-3D-4E-5F"
	[ ! -s "$P/log" ]
	example 2
	assert_eq "$(jq -r .result <<<"$output")" $'ack\nack'
	example 3
	assert_has "$output" "2 127.0.0.1:$(<"$P/port") ack"
	assert_has "$(literal coa-send.8 4)" "nac-decide --changed | coa-send"
}

@test "the EXAMPLES of nac-nas(5) are a NAS file and a profile" {
	mkdir "$T/profiles"
	cp "$NAC_ROOT"/share/profiles/* "$T/profiles"
	literal nac-nas.5 1 | sed "s|/etc/intune-nac|$T|" >"$T/nas"
	chmod 600 "$T/nas"
	for s in core edge wifi; do
		cp -p "$T/secret" "$T/$s.secret"
	done
	while read -r ip id profile where; do
		run -0 --separate-stderr coa-send -n "$(record '"calling":"020000000001","nas_ip":"'"$ip"'","nas_id":"'"$id"'"')"
		assert_eq "$(field profile) $(field nas)" "$profile $where"
	done <<-EOF
	192.0.2.17 x cisco 192.0.2.17:1700
	192.0.2.99 ap-9 juniper 192.0.2.99:3799
	192.0.2.99 x juniper 192.0.2.99:3799
	2001:db8:8::9 x aruba [2001:db8:8::9]:3799
	10.0.0.1 ap-9 rfc5176 192.0.2.5:3799
	EOF
	literal nac-nas.5 2 >"$T/profiles/site.profile"
	peer ack
	nas "nas * profile site secret-file $T/secret port $(<"$P/port")"
	run -0 --separate-stderr send --profiles "$T/profiles" '{"session":{'"$SESSION"'},"decision":{"coa":"vlan","vlan":750}}'
	# Tunnel-Type 13, Tunnel-Medium-Type 6, Tunnel-Private-Group-Id "750"
	assert_has "$(<"$P/log")" "40060000000d4106000000065105373530"
}
