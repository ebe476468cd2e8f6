#!/usr/bin/env bats
# coa-send against FreeRADIUS' coa listener, a real hostapd, and tests/lib/coa-peer,
# which answers in every wrong way there is.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/radius
load ../lib/hostapd

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
	assert_eq "$(grep -c 'Message-Authenticator = 0x.*, Event-Timestamp = "' "$T/log")" "$n"
	# What it decodes, in order, without the authenticator, the time and tags.
	# UniFi's NAS-Identifier is the one thing that this test needs for itself.
	sed -E 's/,? ?(Message-Authenticator|Event-Timestamp) = ("[^"]*"|[^,]*)//g; s/Request, /Request /
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
	grep -v '^#' "$GOLDEN" | cut -f3 | sed 's/../ &/g; s/^/000000/' >"$T/hex"
	text2pcap -q -u 40000,3799 "$T/hex" "$T/pcap" 2>/dev/null
	tshark -r "$T/pcap" -T fields -e radius.code -e radius.avp.type -e radius.avp.vendor_id \
	    -e radius.avp.vendor_type 2>/dev/null >"$T/got"
	"$NAC_ROOT/tests/lib/coa-golden" --numbers "$GOLDEN" >"$T/want"
	run -0 diff "$T/want" "$T/got"
	# A byte that is wrong is found.
	sed 's/.$/0/' "$GOLDEN" >"$T/bad"
	run -1 "$NAC_ROOT/tests/lib/coa-golden" "$T/bad"
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

@test "a NAK is told with its Error-Cause, its name and what to look at; exit 1" {
	# The client has gone: that is as good as an ACK, and nothing to be told.
	run -0 --separate-stderr coa-send "$(record "${SESSION/00-01/00-05}")"
	assert_eq "$(field result)" nak
	assert_eq "$(field error_cause)" 503
	assert_eq "$(field error_text)" "Session Context Not Found"
	assert_eq "$stderr" ""
	run -1 --separate-stderr coa-send "$(record "${SESSION/00-01/00-06}")"
	assert_eq "$(field error_cause)" 401
	assert_has "$stderr" "NAK 401 Unsupported Attribute: its profile is not the right one"
	run -1 --separate-stderr coa-send "$(record "${SESSION/00-01/00-07}")"
	assert_eq "$(jq -c '.coa | [.error_cause, .error_text]' <<<"$output")" '[777,null]'
	peer nak
	run -1 --separate-stderr coa-send "$(record)"
	assert_eq "$(jq -c '.coa | [.result, .error_cause]' <<<"$output")" '["nak",null]'
	assert_has "$stderr" "NAK without a cause"
}

@test "a CoA that is refused as a whole by hostapd, a Disconnect that it acknowledges" {
	netns_start || skip "$NETNS_SKIP"
	n=$T/ns
	mkdir "$n"
	cp -R "$D/certs" "$n/"
	printf '#!/bin/sh\nexec printf "Reply-Message := ok,\\n"\n' >"$n/hook"
	chmod 755 "$n/hook"
	freeradius_start "$n" "$n/hook" --netns "$NETNS"
	hostapd_start "$n" radius_das_require_message_authenticator=1
	supplicant_start "$n" laptop
	read -r mac id <<<"$(hostapd_session "$n")"
	nas "nas * profile hostapd secret-file $T/secret port $(hostapd_get "$n" DAS_PORT)"
	s='"nas_ip":"127.0.0.1","user":"whoever","acct_session_id":"old","calling":"'$mac'"'
	run -0 --separate-stderr in_netns "$NETNS" coa-send "$(record "${s/$mac/02:00:00:00:00:99}")"
	assert_eq "$(field error_cause)" 503
	# The profile of another kind of NAS: hostapd knows none of Cisco's attributes.
	sed 's/hostapd /cisco /' "$T/nas" >"$T/nas2"
	chmod 600 "$T/nas2"
	run -1 --separate-stderr in_netns "$NETNS" coa-send --nas "$T/nas2" -a bounce "$(record "$s")"
	assert_eq "$(jq -c '.coa | [.result, .error_cause, .action, .refused]' <<<"$output")" '["nak",401,"reauth",401]'
	run -0 hostapd_session "$n"
	# Its answer has a Message-Authenticator, so that one may be required.
	run -0 --separate-stderr in_netns "$NETNS" coa-send --require-message-authenticator "$(record "$s")"
	assert_eq "$(field result)" ack
	run -1 hostapd_session "$n"
	[ -n "$id" ]
}

# clock_shift SECONDS: a library that puts a program's clock so far ahead
clock_shift() {
	cat >"$T/clock.c" <<-EOF
	#include <stddef.h>
	#include <sys/syscall.h>
	#include <sys/time.h>
	#include <time.h>
	#include <unistd.h>
	int gettimeofday(struct timeval *restrict tv, void *restrict tz)
	{
		struct timespec t;
		(void)tz;
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
		tv->tv_sec = t.tv_sec + ($1);
		tv->tv_usec = t.tv_nsec / 1000;
		return 0;
	}
	time_t time(time_t *out)
	{
		struct timeval tv;
		gettimeofday(&tv, NULL);
		if (out != NULL)
			*out = tv.tv_sec;
		return tv.tv_sec;
	}
	EOF
	"${CC:-cc}" -shared -fPIC -o "$T/clock.so" "$T/clock.c"
}

@test "a real hostapd whose clock is an hour off: silence, and why" {
	netns_start || skip "$NETNS_SKIP"
	n=$T/ns
	mkdir "$n"
	cp -R "$D/certs" "$n/"
	printf '#!/bin/sh\nexec printf "Reply-Message := ok,\\n"\n' >"$n/hook"
	chmod 755 "$n/hook"
	freeradius_start "$n" "$n/hook" --netns "$NETNS"
	clock_shift 3600
	s='"nas_ip":"127.0.0.1","calling":"02:00:00:00:00:99"'
	# It does not take what is not of its own hour ...
	LD_PRELOAD=$T/clock.so hostapd_start "$n"
	nas "nas * profile hostapd secret-file $T/secret port $(hostapd_get "$n" DAS_PORT)"
	run -75 --separate-stderr in_netns "$NETNS" coa-send --timeout 2 --tries 1 "$(record "$s")"
	assert_eq "$(field result)" silent
	assert_has "$(field why)" "a wrong secret or clock"
	assert_has "$(<"$n/log/hostapd.log")" "Unacceptable Event-Timestamp"
	hostapd_stop "$n"
	# ... and if it is told to, what it answers is not of ours.
	LD_PRELOAD=$T/clock.so hostapd_start "$n" radius_das_time_window=10000
	run -75 --separate-stderr in_netns "$NETNS" coa-send --timeout 2 --tries 1 "$(record "$s")"
	assert_has "$(field why)" "its Event-Timestamp is not of now"
	hostapd_stop "$n"
	clock_shift 0
	LD_PRELOAD=$T/clock.so hostapd_start "$n"
	run -0 --separate-stderr in_netns "$NETNS" coa-send --timeout 60 --tries 1 "$(record "$s")"
	assert_eq "$(field error_cause)" 503
}

@test "silence: a closed port, a wrong secret; exit 75 and what is known about it" {
	nas "nas * profile rfc5176 secret-file $T/secret address 127.0.0.1 port 1"
	run -75 --separate-stderr quick "$(record)"
	assert_eq "$(jq -c '.coa | [.result, .tries, .nas, .why]' <<<"$output")" \
	    '["silent",1,"127.0.0.1:1","nothing listens on that port"]'
	assert_one_line "$stderr"
	printf 'another\n' >"$T/secret"
	nas "nas * profile rfc5176 secret-file $T/secret port $(radius_get "$D" COA_PORT)"
	run -75 --separate-stderr quick "$(record)"
	assert_eq "$(field result)" silent
	assert_has "$(field why)" "no answer: a wrong secret"
	assert_has "$stderr" "wrong secret"
}

@test "every copy is the same, byte for byte, from the same port; a late answer counts" {
	peer silent,silent,ack-ma
	run -0 --separate-stderr coa-send --timeout 1 --tries 3 -v "$(record)"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["ack",3]'
	assert_has "$stderr" "try 1 of 3: code 40"
	assert_has "$stderr" "try 3 of 3: code 40"
	assert_eq "$(wc -l <"$P/log")" 3
	assert_eq "$(sort -u "$P/log" | wc -l)" 1
	refute_has "$(<"$P/log")" BAD
	# Message-Authenticator (80, 18 bytes) comes first, Event-Timestamp is there once.
	read -r _ hex <"$P/log"
	assert_eq "${hex:40:4}" 5012
	[[ $hex == *3706* ]]
}

@test "another request has another authenticator, and the Identifiers vary" {
	peer ack
	for i in {1..16}; do
		record "${SESSION/00-01/00-1${i: -1}}"
	done | send --jobs 1 >/dev/null
	assert_eq "$(wc -l <"$P/log")" 16
	assert_eq "$(cut -d' ' -f2 "$P/log" | cut -c9-40 | sort -u | wc -l)" 16
	[ "$(cut -d' ' -f2 "$P/log" | cut -c3-4 | sort -u | wc -l)" -gt 4 ]
}

@test "duplicates of an answer count once; the first true one decides" {
	peer ack+ack+nak=503,nak=506+ack
	run -0 --separate-stderr send "$(record)"
	assert_eq "$(wc -l <<<"$output")" 1
	assert_eq "$(field result)" ack
	run -1 --separate-stderr send "$(record)"
	assert_eq "$(field error_cause)" 506
}

# Each other session is another client.
in=''
BAD=(short empty lies secret forged ma two-ma short-ma attribute proxy access crossed elsewhere)

@test "each wrong reply alone is silence" {
	# A true one first: a NAS that has never answered gets few at a time.
	peer "ack,$(IFS=,; echo "${BAD[*]}")"
	for w in ack "${BAD[@]}"; do
		record "${SESSION/00-01/00-1${#in}}"
		in+=.
	done >"$T/in"
	run -75 --separate-stderr quick --timeout 3 <"$T/in"
	assert_eq "$(jq -r .coa.result <<<"$output" | sort | uniq -c | tr -s ' ' | tr '\n' ,)" " 1 ack, ${#BAD[@]} silent,"
	assert_eq "$(wc -l <"$P/log")" "$((${#BAD[@]} + 1))"
	why=$(jq -r .coa.why <<<"$output")
	for w in "its length is wrong" "its authenticator is wrong" \
	    "its attributes do not add up" "its Message-Authenticator is wrong" \
	    "a Proxy-State that we did not send" "its code does not answer"; do
		assert_has "$why" "$w"
	done
}

@test "a reply with another Identifier is silence" {
	peer id
	run -75 --separate-stderr quick "$(record)"
	assert_has "$(field why)" "it has another Identifier"
}

@test "wrong replies are ignored and the true one behind them counts" {
	peer "$(IFS=+; echo "id+${BAD[*]}+nak-ma")"
	run -1 --separate-stderr send -v "$(record)"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["nak",1]'
	# The one from elsewhere comes from no NAS that was asked.
	assert_eq "$(grep -c 'ignored a reply' <<<"$stderr")" "${#BAD[@]}"
	peer padded
	run -0 --separate-stderr send "$(record)"
}

@test "an answer with a stale Event-Timestamp is silence; one of now counts" {
	# RFC 5176, 6.3: 300 seconds, and the message is silently discarded otherwise.
	peer time=-400,time=-3600,time=400,time=0,time=-200
	for _ in 1 2 3; do
		run -75 --separate-stderr quick --timeout 2 "$(record)"
		assert_eq "$(field result)" silent
		assert_has "$(field why)" "its Event-Timestamp is not of now: one of the two clocks is wrong"
	done
	for _ in 4 5; do
		run -0 --separate-stderr send "$(record)"
		assert_eq "$(field result)" ack
	done
	# A true one behind a stale one counts.
	peer time=-400+time=1
	run -0 --separate-stderr send -v "$(record)"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["ack",1]'
	assert_has "$stderr" "its Event-Timestamp"
	# A NAS that has no clock, by its profile.
	mkdir "$T/profiles"
	sed 's/^event-timestamp yes/event-timestamp no/' "$NAC_ROOT/share/profiles/rfc5176.profile" >"$T/profiles/rfc5176.profile"
	peer time=-400
	run -0 --separate-stderr send --profiles "$T/profiles" "$(record)"
	refute_has "$(<"$P/log")" 3706
}

@test "a slow answer counts while it is waited for, and does not afterwards" {
	# The answer to the first copy comes after the second copy.
	peer slow=3
	run -0 --separate-stderr coa-send --timeout 2 --tries 3 "$(record)"
	assert_eq "$(field result)" ack
	[ "$(field tries)" -ge 2 ]
	# The end of patience is before the answer, and the process lives on.
	cp "$T/nas" "$T/slow"
	peer nak=506,ack 127.0.0.2
	cat "$T/slow" >>"$T/nas"
	run -75 --separate-stderr coa-send --timeout 1 --tries 1 --pause 5 < <(record; record "${SESSION/0.0.1/0.0.2}")
	assert_eq "$(jq -rs 'map("\(.coa.result) \(.coa.tries)") | join(", ")' <<<"$output")" "silent 1, ack 2"
}

@test "--require-message-authenticator takes no answer without one" {
	peer ack,ack-ma
	run -75 --separate-stderr quick --require-message-authenticator "$(record)"
	assert_has "$(field why)" "it has no Message-Authenticator"
	run -0 --separate-stderr send --require-message-authenticator "$(record)"
}

@test "a system that forbids MD5 by its OpenSSL configuration does not stop it" {
	printf '%s\n' 'openssl_conf = o' '[o]' 'alg_section = a' '[a]' \
	    'default_properties = fips=yes' >"$T/openssl.cnf"
	export OPENSSL_CONF=$T/openssl.cnf
	run ! openssl dgst -md5 /dev/null
	run -0 --separate-stderr send "$(record)"
	assert_eq "$(field result)" ack
}

@test "IPv6: the NAS, its attribute, its answer" {
	grep -qs . /proc/net/if_inet6 || skip 'this machine has no IPv6'
	peer ack-ma ::1
	run -0 --separate-stderr send "$(record "${SESSION/127.0.0.1/::1}")"
	assert_eq "$(field nas)" "[::1]:$(<"$P/port")"
	read -r _ hex <"$P/log"
	# NAS-IPv6-Address (95, 18 bytes) in place of NAS-IP-Address
	assert_has "$hex" "5f1200000000000000000000000000000001"
	refute_has "$(<"$P/log")" BAD
}

@test "IPv6: FreeRADIUS on ::1 takes it and says yes, and no" {
	grep -qs . /proc/net/if_inet6 || skip 'this machine has no IPv6'
	mkdir "$T/six"
	cp -R "$D/certs" "$T/six/"
	freeradius_start "$T/six" /bin/true --coa6 --nak 02-00-00-00-00-05=503 --nak 02-00-00-00-00-06=501
	nas "nas ::/0 profile rfc5176 secret-file $T/secret port $(radius_get "$T/six" COA_PORT)"
	for i in 1 5 6; do record "${SESSION/127.0.0.1/::1}" | sed "s/00-01/00-0$i/"; done >"$T/in"
	run -1 --separate-stderr send --jobs 1 <"$T/in"
	freeradius_stop "$T/six"
	assert_eq "$(jq -r '.coa | "\(.result) \(.error_cause)"' <<<"$output")" "ack null
nak 503
nak 501"
	assert_has "$(head -n 1 <<<"$output" | jq -r .coa.nas)" "[::1]:"
	assert_has "$(radius_coa_log "$T/six" | head -n 1)" "NAS-IPv6-Address = ::1"
}

@test "bench/coa loses nothing and sends nothing twice" {
	run -0 "$NAC_ROOT/bench/coa" --sessions 300 --nas 20 --rounds 1
	assert_has "$output" "x radclient"
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
	nas "nas * profile cisco secret-file $T/secret port $(<"$P/port")"
	run -0 --separate-stderr send --dry-run --action bounce "$(record "$SESSION"',"audit_session_id":"0A"')"
	assert_eq "$stderr" ""
	assert_eq "$(jq -c '.coa | [.result, .code, .action]' <<<"$output")" '["dry-run","coa","bounce"]'
	assert_eq "$(jq -r '.coa.attributes[]' <<<"$output")" "NAS-IP-Address = 127.0.0.1
Calling-Station-Id = 02-00-00-00-00-01
Cisco-AVPair = audit-session-id=0A
Cisco-AVPair = subscriber:command=bounce-host-port"
	[ ! -s "$P/log" ]
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

@test "a record comes out when it is answered, also while the input stays open" {
	coproc CS { coa-send 2>&1 3>&-; }
	# shellcheck disable=SC2154
	out=${CS[0]} in=${CS[1]}
	record >&"$in"
	read -t 20 -r line <&"$out"
	assert_eq "$(jq -r .coa.result <<<"$line")" ack
	record "${SESSION/00-01/00-06}" >&"$in"
	read -t 20 -r line <&"$out"
	assert_has "$line" "NAK 401"
	eval "exec $in>&-"
	wait "$CS_PID" || [ $? -eq 1 ]
}

@test "a silent NAS does not hold up the others; --jobs 1 keeps the order" {
	nas "nas 127.0.0.2 profile rfc5176 secret-file $T/secret port 1" "$(<"$T/nas")"
	run -75 --separate-stderr quick --timeout 2 < <(record "${SESSION/0.0.1/0.0.2}"; record; record "${SESSION/00-01/00-02}")
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "ack ack silent"
	run -75 --separate-stderr quick --jobs 1 < <(record "${SESSION/0.0.1/0.0.2}"; record)
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "silent ack"
}

# client N [FIELD]: a record for client N of the NAS 127.0.0.1
client() {
	printf '{"session":{"nas_ip":"127.0.0.1","calling":"%012x","acct_session_id":"S%d"}%s}\n' "$1" "$1" "${2-}"
}

@test "several source ports when one NAS needs more than 256 Identifiers, and no number twice" {
	peer ack
	for i in {1..600}; do client "$i"; done >"$T/in"
	run -0 --separate-stderr send --nas-jobs 100 --jobs 4096 <"$T/in"
	assert_eq "$(jq -r .coa.result <<<"$output" | sort | uniq -c | tr -s ' ')" " 600 ack"
	assert_eq "$(wc -l <"$P/log")" 600
	refute_has "$(<"$P/log")" BAD
	assert_eq "$(cut -d' ' -f1 "$P/log" | sort -u | wc -l)" 3
	# source port and Identifier
	assert_eq "$(sed -E 's/^([0-9]+) ..(..).*/\1 \2/' "$P/log" | sort -u | wc -l)" 600
	# Each session once.
	assert_eq "$(grep -oP '2c0[3-7]53(3[0-9])+(?=3706)' "$P/log" | sort -u | wc -l)" 600
}

@test "never more in flight for one NAS than --nas-jobs" {
	peer silent
	for i in {1..40}; do client "$i"; done >"$T/in"
	run -75 --separate-stderr quick --nas-jobs 3 <"$T/in"
	# Three were tried; when they had proved it silent, the others were not.
	assert_eq "$(wc -l <"$P/log")" 3
	assert_eq "$(jq -r '"\(.coa.result) \(.coa.tries)"' <<<"$output" | sort | uniq -c | tr -s ' ')" " 37 silent 0
 3 silent 1"
	assert_has "$(jq -r 'select(.coa.tries == 0).coa.why' <<<"$output")" "not tried: this NAS did not answer"
}

@test "more dead NASes than places in flight do not hold up the others" {
	peer ack 127.0.0.1
	echo "nas 127.0.0.0/8 profile rfc5176 secret-file $T/secret port 1" >>"$T/nas"
	# Every place is taken by a dead NAS when the living one's turn comes, and
	# nobody has patience for less than a minute.
	for i in {2..21}; do
		for c in 1 2 3; do client $((100 * i + c)) | sed "s/127.0.0.1/127.0.0.$i/"; done
	done >"$T/in"
	for i in {1..40}; do client "$i"; done >>"$T/in"
	coa-send --jobs 4 --timeout 60 --tries 1 <"$T/in" >"$T/out" 2>/dev/null 3>&- &
	PEERS+=($!)
	wait_until 30 bash -c "[ \$(wc -l <'$T/out') -ge 40 ]"
	assert_eq "$(jq -r .coa.result "$T/out" | sort | uniq -c | tr -s ' ')" " 40 ack"
	assert_eq "$(wc -l <"$P/log")" 40
}

@test "several changes of one session: the newest that waits is sent, once" {
	peer silent,ack
	# The first is on its way when the others come: only the last of them follows.
	run -0 --separate-stderr coa-send --timeout 2 --tries 2 < <(
		client 1 ',"n":1'
		until [ -s "$P/log" ]; do sleep 0.05; done
		client 1 ',"n":2'
		client 1 ',"n":3'
		client 2 ',"n":4'
	)
	assert_eq "$(jq -c '[.n, .coa.result, .coa.merged]' <<<"$output" | sort)" '[1,"ack",null]
[3,"ack",1]
[4,"ack",null]'
	assert_eq "$(wc -l <"$P/log")" 4
	# What waits in the queue is replaced there.
	run -0 --separate-stderr send --jitter 1 < <(client 1 ',"n":1'; client 1 ',"n":2'; client 1 ',"n":3')
	assert_eq "$(jq -c '[.n, .coa.result, .coa.merged]' <<<"$output")" '[3,"ack",2]'
}

@test "506 and 505 are tried again after a pause, and not for ever" {
	peer nak=506,nak=505,ack
	run -0 --separate-stderr send --pause 1 "$(client 1)"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["ack",3]'
	# Another request, not a copy: the time has changed, and so has the Identifier.
	assert_eq "$(cut -d' ' -f2 "$P/log" | sort -u | wc -l)" 3
	refute_has "$(<"$P/log")" BAD
	peer nak=506
	run -1 --separate-stderr timeout 30 coa-send --timeout 60 --tries 1 --pause 1 "$(client 1)"
	assert_eq "$(jq -c '.coa | [.result, .error_cause, .tries]' <<<"$output")" '["nak",506,4]'
}

@test "a refusal by 401, 402, 405, 406 or 407: the profile's fallback, once" {
	mkdir "$T/profiles"
	printf '%s\n' 'code coa' 'session Calling-Station-Id' 'action reauth' 'attribute Filter-Id x' \
	    'fallback disconnect' 'action disconnect code disconnect' 'fallback bounce' 'action bounce' >"$T/profiles/rfc5176.profile"
	for cause in 401 402 405 406 407; do
		peer "nak=$cause,ack"
		run -0 --separate-stderr send --profiles "$T/profiles" "$(client 1)"
		assert_eq "$(jq -c '.coa | [.result, .action, .code, .instead_of, .refused, .tries]' <<<"$output")" \
		    '["ack","disconnect","disconnect","reauth",'"$cause"',2]'
	done
	peer nak=405
	run -1 --separate-stderr send --profiles "$T/profiles" "$(client 1)"
	assert_eq "$(jq -c '.coa | [.result, .action, .error_cause, .instead_of]' <<<"$output")" '["nak","disconnect",405,"reauth"]'
	assert_eq "$(wc -l <"$P/log")" 2
	# 403 and 501 are nothing that another packet would mend.
	peer nak=403,ack
	run -1 --separate-stderr send --profiles "$T/profiles" "$(client 1)"
	assert_eq "$(wc -l <"$P/log")" 1
}

@test "508: Acct-Session-Id is added, once" {
	PROFILE=juniper
	peer nak=508,ack
	run -0 --separate-stderr send "$(client 1)"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["ack",2]'
	assert_eq "$(grep -c 2c045331 "$P/log")" 1
	peer nak=508
	run -1 --separate-stderr send "$(client 1)"
	assert_eq "$(wc -l <"$P/log")" 2
	# Without one there is nothing to add.
	peer nak=508
	run -1 --separate-stderr send '{"session":{"nas_ip":"127.0.0.1","calling":"020000000001"}}'
	assert_eq "$(wc -l <"$P/log")" 1
}

@test "what is acknowledged is not sent again, also by the next run; another change is" {
	peer ack
	j=$T/journal
	run -0 --separate-stderr send --journal "$j" "$(client 1 ',"decision":{"vlan":7}')"
	assert_eq "$(stat -c %a "$j")" 600
	run -0 --separate-stderr send --journal "$j" "$(client 1 ',"decision":{"vlan":7}')"
	assert_eq "$(jq -c '.coa | [.result, .tries]' <<<"$output")" '["ack",0]'
	assert_has "$(field why)" "acknowledged at 20"
	assert_eq "$(wc -l <"$P/log")" 1
	run -0 --separate-stderr send --journal "$j" "$(client 1 ',"decision":{"vlan":8}')"
	assert_eq "$(wc -l <"$P/log")" 2
	# Back again is a change too.
	run -0 --separate-stderr send --journal "$j" "$(client 1 ',"decision":{"vlan":7}')"
	assert_eq "$(wc -l <"$P/log")" 3
	run -0 --separate-stderr send --journal "$j" --window 0 "$(client 1 ',"decision":{"vlan":7}')"
	assert_eq "$(wc -l <"$P/log")" 4
	echo "coa_journal = $j" >>"$T/nac.conf"
	run -0 --separate-stderr coa-send --owed
	assert_eq "$output" ""
	run -0 --separate-stderr send "$(client 1 ',"decision":{"vlan":7}')"
	assert_eq "$(wc -l <"$P/log")" 4
	# A session that is gone needs nothing more either.
	peer nak=503
	for _ in 1 2; do run -0 --separate-stderr send "$(client 3)"; done
	assert_eq "$(wc -l <"$P/log")" 1
}

@test "killed with requests in flight: nothing is sent twice, and what is owed is listed" {
	peer ack,ack,silent
	j=$T/journal
	for i in {1..5}; do client "$i" ',"keep":"'"$i"'"'; done >"$T/in"
	coa-send --timeout 60 --journal "$j" <"$T/in" >"$T/out" 3>&- &
	pid=$!
	wait_until 20 test "$(wc -l <"$P/log")" -ge 5 || :
	wait_until 20 bash -c "[ \$(wc -l <'$P/log') -ge 5 ] && [ \$(wc -l <'$T/out') -ge 2 ]"
	kill -9 "$pid"
	wait "$pid" || :
	run -0 --separate-stderr coa-send --journal "$j" --owed
	assert_eq "$(jq -r '[.keep, .coa.result, .coa.nas] | join(" ")' <<<"$output" | sort)" "3 owed 127.0.0.1:$(<"$P/port")
4 owed 127.0.0.1:$(<"$P/port")
5 owed 127.0.0.1:$(<"$P/port")"
	run -75 --separate-stderr quick --journal "$j" <"$T/in"
	assert_eq "$(wc -l <"$P/log")" 5
	assert_eq "$(jq -r .coa.result <<<"$output" | sort | uniq -c | tr -s ' ')" " 2 ack
 3 owed"
	# Another process may still be waiting: not before the window has passed.
	# shellcheck disable=SC2016
	run -75 --separate-stderr bash -c 'coa-send --journal "$1" --owed | coa-send --journal "$1"' x "$j"
	assert_eq "$(wc -l <"$P/log")" 5
	# The administrator says: now.
	peer ack
	# shellcheck disable=SC2016
	run -0 --separate-stderr bash -c 'set -o pipefail; coa-send --journal "$1" --owed | coa-send --journal "$1" --window 0' x "$j"
	assert_eq "$(wc -l <"$P/log")" 3
	run -0 --separate-stderr coa-send --journal "$j" --owed
	assert_eq "$output" ""
	# Silence is owed as well, and may be tried again.
	peer silent
	run -75 --separate-stderr quick --journal "$j" "$(client 9)"
	run -75 --separate-stderr quick --journal "$j" "$(client 9)"
	assert_eq "$(wc -l <"$P/log")" 2
	run -0 --separate-stderr coa-send --journal "$j" --owed
	assert_eq "$(jq -r .session.acct_session_id <<<"$output")" S9
}

# sent_ids: the Acct-Session-Id of each packet that the peer has seen, in hex
sent_ids() {
	grep -oP '2c0[3-7]53(3[0-9])+(?=3706)' "$P/log" | sort
}

@test "killed at any moment, six times: nothing is sent twice, and the rest is owed or sent by the next run" {
	peer ack
	j=$T/journal
	for i in {1..400}; do client "$i"; done >"$T/in"
	for i in 1 2 3 4 5 6; do
		# At a rate, so that there is something to interrupt.
		coa-send --timeout 60 --tries 1 --rate 400 --journal "$j" <"$T/in" >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.$((RANDOM % 10))$i"
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" || :
	done
	run --separate-stderr send --journal "$j" <"$T/in"
	[ "$status" -eq 0 ] || [ "$status" -eq 75 ]
	assert_eq "$(sent_ids | uniq -d)" ""
	# Each is acknowledged or owed, and the owed ones end with the administrator's word.
	assert_eq "$(jq -r .coa.result <<<"$output" | grep -cxE 'ack|owed')" 400
	owed=$(jq -r .coa.result <<<"$output" | grep -cx owed || :)
	assert_eq "$(coa-send --journal "$j" --owed | wc -l)" "$owed"
	# shellcheck disable=SC2016
	run -0 --separate-stderr bash -c 'set -o pipefail; coa-send --journal "$1" --owed | coa-send --journal "$1" --window 0' x "$j"
	assert_eq "$(sent_ids | uniq | wc -l)" 400
	assert_eq "$(coa-send --journal "$j" --owed)" ""
}

@test "what is owed is sent again as what it was" {
	j=$T/journal
	peer silent
	# The record says bounce, the command line disconnect.
	run -75 --separate-stderr quick --journal "$j" -a disconnect "$(client 1 ',"decision":{"coa":"bounce"}')"
	peer ack
	# Silence is tried again at once.
	coa-send --journal "$j" --owed >"$T/owed"
	assert_eq "$(jq -c '.coa | [.result, .repeat]' "$T/owed")" '["owed","disconnect"]'
	run -0 --separate-stderr send --journal "$j" <"$T/owed"
	assert_eq "$(jq -c '.coa | [.result, .action, .repeat]' <<<"$output")" '["ack","disconnect",null]'
	run -0 --separate-stderr coa-send --journal "$j" --owed
	assert_eq "$output" ""
	# The same change by its own name is done.
	run -0 --separate-stderr send --journal "$j" -a disconnect "$(client 1 ',"decision":{"coa":"bounce"}')"
	assert_eq "$(wc -l <"$P/log")" 1
}

@test "a journal: cut short, foreign, full, open to others" {
	peer ack
	j=$T/journal
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	# A crash in the middle of a line, and lines that are none of ours.
	cut=$(head -c 100 "$j")
	printf %s "$cut" >>"$j"
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	assert_one_line "$stderr"
	assert_has "$stderr" "no line of this journal; passed over"
	assert_eq "$(field tries)" 0
	printf '%s\n' '{}' '[]' 'x' '{"coa_journal":2}' >>"$j"
	run -0 --separate-stderr send --journal "$j" "$(client 2)"
	assert_eq "$(wc -l <<<"$stderr")" 5
	assert_eq "$(wc -l <"$P/log")" 2
	# What cannot be remembered is not sent.
	# shellcheck disable=SC2016
	run -74 --separate-stderr bash -c 'ulimit -f 1; trap "" XFSZ; coa-send --journal "$1" "$2"' x "$j" "$(client 4 ',"x":"'"$(printf 'x%.0s' {1..2000})"'"')"
	assert_eq "$(field result)" error
	assert_eq "$(wc -l <"$P/log")" 2
	chmod 666 "$j"
	run -78 --separate-stderr send --journal "$j" "$(client 5)"
	assert_has "$stderr" "$j: must be a file of ours"
	run -78 --separate-stderr send --journal "$T/none/journal" "$(client 5)"
	run -78 --separate-stderr coa-send --owed
	assert_has "$stderr" "--owed needs a journal"
	assert_eq "$(wc -l <"$P/log")" 2
}

@test "a journal written while the clock was wrong does not hold anything back" {
	peer ack
	j=$T/journal
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	sed -i 's/"time":"20/"time":"21/' "$j"
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	assert_eq "$(field tries)" 1
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	assert_eq "$(field tries)" 0
	assert_eq "$(wc -l <"$P/log")" 2
}

@test "two at once share a journal: each session is sent once" {
	peer ack
	for i in {1..200}; do client "$i"; done >"$T/in"
	send --journal "$T/journal" <"$T/in" >"$T/out1" 3>&- &
	pid=$!
	run --separate-stderr send --journal "$T/journal" <"$T/in"
	[ "$status" -eq 0 ] || [ "$status" -eq 75 ]
	wait "$pid" || [ $? -eq 75 ]
	assert_eq "$(wc -l <"$P/log")" 200
	assert_eq "$(grep -oP '2c0[3-7]53(3[0-9])+(?=3706)' "$P/log" | sort -u | wc -l)" 200
}

@test "a large journal is made small, and still knows all that counts" {
	peer ack,silent
	j=$T/journal
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	run -75 --separate-stderr quick --journal "$j" "$(client 2)"
	pad=$(printf 'x%.0s' {1..9000})
	for i in {1..1000}; do
		printf '{"coa_journal":1,"time":"2020-01-01T00:00:00Z","event":"ack","key":"old%s","want":"%s"}\n' "$i" "$pad"
	done >>"$j"
	run -0 --separate-stderr send --journal "$j" "$(client 1)"
	assert_eq "$(field tries)" 0
	[ "$(stat -c %s "$j")" -lt 10000 ]
	assert_eq "$(stat -c %a "$j")" 600
	run -0 --separate-stderr coa-send --journal "$j" --owed
	assert_eq "$(jq -r .session.acct_session_id <<<"$output")" S2
	assert_eq "$(wc -l <"$P/log")" 2
}

@test "--rate, --nas-rate and --jitter slow it down and lose nothing" {
	peer ack
	for i in {1..20}; do client "$i"; done >"$T/in"
	while read -r least o; do
		began=$(date +%s%N)
		# shellcheck disable=SC2086
		run -0 --separate-stderr send $o <"$T/in"
		assert_eq "$(jq -r .coa.result <<<"$output" | sort | uniq -c | tr -s ' ')" " 20 ack"
		# The 20th cannot leave earlier, however fast the machine is.
		[ $((($(date +%s%N) - began) / 1000000)) -ge "$least" ]
	done <<-EOF
	450 --rate 40
	450 --nas-rate 40
	450 --rate 1000 --nas-rate 40
	0 --jitter 1
	0 --rate 100000 --nas-rate 100000
	EOF
	assert_eq "$(wc -l <"$P/log")" 100
	# Two NASes: each at its own rate, and the budget of both.
	cp "$T/nas" "$T/first"
	first=$P
	peer ack 127.0.0.2
	cat "$T/first" >>"$T/nas"
	sed '1~2s/127.0.0.1/127.0.0.2/' "$T/in" >"$T/both"
	for o in "200 --nas-rate 40" "450 --rate 40"; do
		began=$(date +%s%N)
		# shellcheck disable=SC2086
		run -0 --separate-stderr send ${o#* } <"$T/both"
		[ $((($(date +%s%N) - began) / 1000000)) -ge "${o%% *}" ]
	done
	assert_eq "$(wc -l <"$first/log") $(wc -l <"$P/log")" "120 20"
}

@test "on a terminal stderr says how far it is; elsewhere it does not" {
	peer ack
	run -0 script -qec "coa-send '$(client 1)' 2>&1 >/dev/null" /dev/null
	assert_has "$output" "1 taken"
	run -0 --separate-stderr send "$(client 1)"
	assert_eq "$stderr" ""
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
