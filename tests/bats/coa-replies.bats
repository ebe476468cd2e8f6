#!/usr/bin/env bats
# coa-send and what comes back to it: from FreeRADIUS, a real hostapd, and
# tests/lib/coa-peer, which answers in every wrong way there is.
# shellcheck disable=SC2154 # bats sets stderr, lib_coa.bash the rest

load test_helper
load ../lib/radius
load ../lib/hostapd
load lib_coa

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
	# As it is, this hostapd wants more of it; and with that, less.
	run -75 --separate-stderr in_netns "$NETNS" coa-send --timeout 1 --tries 1 --nas "$T/nas2" "$(record "$s")"
	assert_has "$(field why)" "try message-authenticator yes or event-timestamp yes in profile cisco"
	mkdir "$T/profiles"
	sed -E 's/^((message|event)-.*) no/\1 yes/' "$NAC_ROOT/share/profiles/cisco.profile" >"$T/profiles/cisco.profile"
	run -1 --separate-stderr in_netns "$NETNS" coa-send --nas "$T/nas2" --profiles "$T/profiles" -a bounce "$(record "$s")"
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
	peer ack+ack+nak=503,nak=501+ack
	run -0 --separate-stderr send "$(record)"
	assert_eq "$(wc -l <<<"$output")" 1
	assert_eq "$(field result)" ack
	run -1 --separate-stderr send "$(record)"
	assert_eq "$(field error_cause)" 501
}

BAD=(short empty lies secret forged ma two-ma short-ma attribute proxy access crossed elsewhere)

# What is said of each.
declare -A WHY=(
	[short]="its length is wrong" [empty]="its length is wrong" [lies]="its length is wrong"
	[secret]="its authenticator is wrong" [forged]="its authenticator is wrong"
	[ma]="its Message-Authenticator is wrong" [two-ma]="its Message-Authenticator is wrong"
	[short-ma]="its attributes do not add up" [attribute]="its attributes do not add up"
	[proxy]="it has a Proxy-State that we did not send" [access]="its code does not answer this request"
	[crossed]="its code does not answer this request"
)

@test "each wrong reply alone is silence, and each is called what it is" {
	# All at once, each from a NAS of its own: they only wait.
	for w in "${BAD[@]}"; do
		peer "$w"
		mv "$T/nas" "$T/nas.$w"
		quick --timeout 3 --nas "$T/nas.$w" "$(record)" >"$T/out.$w" 2>&1 3>&- && false &
		pids+=($!)
		logs+=("$P/log")
	done
	for i in "${!BAD[@]}"; do
		w=${BAD[i]}
		wait "${pids[i]}" && false
		output=$(grep '^{' "$T/out.$w")
		assert_eq "$w $(field result) $(field tries) $(wc -l <"${logs[i]}")" "$w silent 1 1"
		# One that comes from elsewhere is none at all.
		[ "$w" = elsewhere ] && want="no answer: " || want="ignored 1 answer, the last because ${WHY[$w]}"
		assert_eq "$w $(field why | head -c ${#want})" "$w $want"
	done
}

@test "silence of a NAS that has never answered: what to try in its profile" {
	PROFILE=cisco peer silent
	run -75 --separate-stderr quick "$(record)"
	assert_has "$(field why)" "it has never answered: try message-authenticator yes or event-timestamp yes in profile cisco"
	PROFILE=rfc5176 peer silent
	run -75 --separate-stderr quick "$(record)"
	assert_has "$stderr" "try message-authenticator no or event-timestamp no in profile rfc5176"
	# One that has answered: it is something else.
	peer ack,silent
	run -75 --separate-stderr quick --jobs 1 < <(record; record "${SESSION/00-01/00-02}")
	assert_eq "$(jq -r .coa.result <<<"$output")" $'ack\nsilent'
	refute_has "$output" "never answered"
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
	refute_has "$(cut -d " " -f 2 "$P/log" | cut -c 41- | sed "s/5012.\{32\}//")" 3706
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
