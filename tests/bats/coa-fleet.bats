#!/usr/bin/env bats
# coa-send with many: queues, places in flight, retries, the journal, rates.
# shellcheck disable=SC2154 # bats sets stderr, lib_coa.bash the rest

load test_helper
load ../lib/radius
load lib_coa

@test "bench/coa loses nothing and sends nothing twice" {
	run -0 "$NAC_ROOT/bench/coa" --sessions 300 --nas 20 --rounds 1
	assert_has "$output" "x radclient"
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

@test "a stream: NAS file, profiles and secrets are read anew on a change; broken ones change nothing" {
	mkdir "$T/profiles"
	cp "$NAC_ROOT/share/profiles/rfc5176.profile" "$T/profiles/"
	peer ack
	first=$P
	peer ack
	second=$P
	line() { echo "nas 127.0.0.0/8 profile ${2-rfc5176} secret-file $T/secret port $(<"$1/port")"; }
	nas "$(line "$first")"
	coproc CS { exec coa-send --profiles "$T/profiles" 2>>"$T/err" 3>&-; }
	# shellcheck disable=SC2153
	out=${CS[0]} in=${CS[1]} pid=$CS_PID
	# ask WANT: one more client, and where the request for it went
	ask() {
		client "$((++n))" >&"$in"
		read -t 60 -r output <&"$out"
		assert_eq "$(wc -l <"$first/log") $(wc -l <"$second/log") $(field profile) $(field result)" "$1"
	}
	n=0
	ask "1 0 rfc5176 ack"
	nas "$(line "$second")"
	ask "1 1 rfc5176 ack"
	assert_eq "$(<"$T/err")" "coa-send: $T/nas: read anew, with its profiles"
	# A profile: no User-Name or session id, so that only the MAC is in the request.
	sed -i '/^session \(User\|Acct\)/d' "$T/profiles/rfc5176.profile"
	ask "1 2 rfc5176 ack"
	assert_eq "$(tail -n 1 "$second/log" | grep -c 2c0453)" 0
	assert_eq "$(wc -l <"$T/err")" 2
	# Faulty: told once, and what was read before goes on.
	: >"$T/err"
	echo 'session Nonsense' >>"$T/profiles/rfc5176.profile"
	ask "1 3 rfc5176 ack"
	ask "1 4 rfc5176 ack"
	assert_eq "$(grep -c 'the dictionary has no attribute "Nonsense"' "$T/err")" 1
	assert_has "$(<"$T/err")" "what was read before stays in force"
	sed -i '$d' "$T/profiles/rfc5176.profile"
	nas "$(line "$first")" "nonsense"
	ask "1 5 rfc5176 ack"
	assert_has "$(<"$T/err")" "$T/nas:2:1:"
	rm "$T/nas"
	ask "1 6 rfc5176 ack"
	nas "$(line "$first")"
	ask "2 6 rfc5176 ack"
	# The secret: the right one is read again when it is back.
	echo other >"$T/secret.new"
	chmod 600 "$T/secret.new"
	cp -p "$T/secret" "$T/secret.old"
	mv "$T/secret.new" "$T/secret"
	client "$((++n))" >&"$in"
	wait_until 60 grep -q BAD "$first/log"
	mv "$T/secret.old" "$T/secret"
	: >"$T/err"
	kill -HUP "$pid"
	wait_until 60 grep -q "read anew" "$T/err"
	client "$((++n))" >&"$in"
	wait_until 60 bash -c "[ \$(grep -vc BAD '$first/log') -ge 3 ]"
	eval "exec $in>&-"
	kill "$pid"
	wait "$pid" || :
}

@test "a silent NAS does not hold up the others; --jobs 1 keeps the order" {
	nas "nas 127.0.0.2 profile rfc5176 secret-file $T/secret port 1" "$(<"$T/nas")"
	run -75 --separate-stderr quick --timeout 2 < <(record "${SESSION/0.0.1/0.0.2}"; record; record "${SESSION/00-01/00-02}")
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "ack ack silent"
	run -75 --separate-stderr quick --jobs 1 < <(record "${SESSION/0.0.1/0.0.2}"; record)
	assert_eq "$(jq -rs '[.[].coa.result] | join(" ")' <<<"$output")" "silent ack"
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

@test "a NAS that has never answered gets four at a time" {
	peer silent
	for i in {1..20}; do client "$i"; done >"$T/in"
	run -75 --separate-stderr quick <"$T/in"
	assert_eq "$(wc -l <"$P/log")" 4
}

@test "a silent NAS is left alone for as long as --silent says, and then one request tries it" {
	peer silent,silent,ack
	coproc CS { exec coa-send --timeout 1 --tries 1 --silent 1 2>>"$T/err" 3>&-; }
	out=${CS[0]} in=${CS[1]} pid=$CS_PID n=0 spared=0
	ask() {
		client "$((++n))" >&"$in"
		read -t 60 -r output <&"$out"
	}
	ask
	assert_eq "$(field result) $(field tries)" "silent 1"
	# Each that comes too early is not sent; the one that tries is silence again.
	until ask && [ "$(field tries)" = 1 ]; do ((++spared)); sleep 0.1; done
	assert_eq "$(field result)" silent
	until ask && [ "$(field tries)" = 1 ]; do ((++spared)); sleep 0.1; done
	assert_eq "$(field result)" ack
	assert_eq "$(wc -l <"$P/log")" 3
	# From then on it is as any other.
	ask
	assert_eq "$(field result)" ack
	eval "exec $in>&-"
	wait "$pid" || [ $? -eq 75 ]
	assert_eq "$(grep -c 'did not answer a moment ago' "$T/err")" "$spared"
	# A longer time: nothing more is tried.
	peer silent
	run -75 --separate-stderr quick --silent 86400 --nas-jobs 1 < <(client 1; client 2; client 3)
	assert_eq "$(wc -l <"$P/log")" 1
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

@test "a session that goes to another NAS and back while its change waits is told once by each" {
	peer ack
	first=$P
	peer ack
	nas "nas * vendor cisco profile rfc5176 secret-file $T/secret port $(<"$first/port")" \
	    "nas * vendor aruba profile rfc5176 secret-file $T/secret port $(<"$P/port")"
	for v in cisco aruba cisco aruba cisco; do
		client 1 | jq -c --arg v $v '.session.vendor = $v'
	done >"$T/in"
	run -0 --separate-stderr send --jitter 1 <"$T/in"
	assert_eq "$(jq -c '[.session.vendor, .coa.result, .coa.merged]' <<<"$output" | sort)" '["aruba","ack",1]
["cisco","ack",2]'
	assert_eq "$(wc -l <"$first/log") $(wc -l <"$P/log")" "1 1"
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
	# shellcheck disable=SC2034 # for peer
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

@test "503: once more by what is required alone, before the session counts as gone" {
	one='{"session":{"nas_ip":"127.0.0.1","calling":"02-00-00-00-00-01","acct_session_id":"S1","user":"bob"}}'
	# More than one name for the session: the inner User-Name may be the wrong one.
	while read -r profile verdicts result left type; do
		# shellcheck disable=SC2034 # for peer
		PROFILE=$profile
		peer "$verdicts"
		run -0 --separate-stderr send "$one"
		assert_eq "$(jq -c '.coa | [.result, .tries, .left_out]' <<<"$output")" "$result,$left]"
		assert_eq "$stderr" ""
		tail -n 1 "$P/log" | cut -d' ' -f2 >"$P/last"
		# User-Name "bob" is only in the first; what names the client best is there.
		assert_eq "$(grep -c 0105626f62 "$P/log")" 1
		run -1 grep -q 0105626f62 "$P/last"
		grep -q "04067f000001.*$type" "$P/last"
		refute_has "$(<"$P/log")" BAD
		assert_eq "$(cut -d' ' -f2 "$P/log" | cut -c9-40 | sort -u | wc -l)" 2
	done <<-EOF
	rfc5176 nak=503,ack ["ack",2 ["User-Name","Calling-Station-Id"] 2c045331
	rfc5176 nak=503,nak=503 ["nak",2 ["User-Name","Calling-Station-Id"] 2c045331
	hpe nak=503,ack ["ack",2 ["User-Name","Acct-Session-Id"] 1f13
	EOF
	# Without a session id the MAC stays.
	# shellcheck disable=SC2034
	PROFILE=rfc5176
	peer nak=503,ack
	run -0 --separate-stderr send "$(jq -c 'del(.session.acct_session_id)' <<<"$one")"
	assert_eq "$(jq -c '.coa | [.result, .left_out]' <<<"$output")" '["ack",["User-Name"]]'
	# The action goes along; a refusal of the rest is one.
	peer nak=503,nak=501
	run -1 --separate-stderr send -a role "$(jq -c '.decision.role = "q"' <<<"$one")"
	assert_eq "$(jq -c '.coa | [.result, .error_cause, .action]' <<<"$output")" '["nak",501,"role"]'
	assert_eq "$(grep -c 0b0371 "$P/log")" 2
	# Both were needed to be one session of several: 508 brings the id back.
	# shellcheck disable=SC2034
	PROFILE=hpe
	peer nak=503,nak=508,ack
	run -0 --separate-stderr send "$one"
	assert_eq "$(jq -c '.coa | [.result, .tries, .left_out]' <<<"$output")" '["ack",3,["User-Name"]]'
	# Nothing to leave out: gone at the first word, and nothing of it in the record.
	# shellcheck disable=SC2034
	PROFILE=hostapd
	peer nak=503
	run -0 --separate-stderr send "$one"
	assert_eq "$(jq -c '.coa | [.result, .tries, has("left_out")]' <<<"$output")" '["nak",1,false]'
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
	# Once as it is, once by its Acct-Session-Id alone.
	assert_eq "$(wc -l <"$P/log")" 2
}

@test "killed with requests in flight: nothing is sent twice, and what is owed is listed" {
	peer ack,ack,silent
	j=$T/journal
	for i in {1..5}; do client "$i" ',"keep":"'"$i"'"'; done >"$T/in"
	coa-send --timeout 60 --journal "$j" <"$T/in" >"$T/out" 3>&- &
	pid=$!
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
	# What nobody has answered is kept for a week.
	cp "$j" "$T/kept"
	for days in 6 8; do
		when=$(date -u -d "$days days ago" +%Y-%m-%dT%H:%M:%SZ)
		sed -E "s/\"time\":\"[^\"]*\"/\"time\":\"$when\"/" "$T/kept" >"$j"
		for i in {1..1000}; do
			printf '{"coa_journal":1,"time":"%s","event":"ack","key":"old%s","want":"%s"}\n' "$when" "$i" "$pad"
		done >>"$j"
		run -0 --separate-stderr send --journal "$j" </dev/null
		[ "$(stat -c %s "$j")" -lt 10000 ]
		run -0 --separate-stderr coa-send --journal "$j" --owed
		assert_eq "$days $(jq -r .session.acct_session_id <<<"$output")" "$days $([ $days = 8 ] || echo S2)"
	done
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
	# --jitter takes them out of their order; without it a NAS gets them as they came.
	for o in "--jitter 1" "--jobs 4096"; do
		peer ack
		# shellcheck disable=SC2086
		run -0 --separate-stderr send $o <"$T/in"
		grep -oP '2c0[3-7]53\K(3[0-9])+(?=3706)' "$P/log" | sed 's/3\(.\)/\1/g' >"$T/order"
		assert_eq "$(sort -n "$T/order")" "$(seq 20)"
		[ "$o" = "--jitter 1" ] && ordered=1 || ordered=0
		run "-$ordered" diff -q <(seq 20) "$T/order"
	done
	peer ack
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
	assert_eq "$(wc -l <"$first/log") $(wc -l <"$P/log")" "20 20"
	# A rate for each NAS: the second does not wait for the first one's next turn.
	for i in 1 2 3; do client $i; done >"$T/in"
	sed 's/127.0.0.1/127.0.0.2/' "$T/in" >>"$T/in2"
	cat "$T/in2" >>"$T/in"
	for o in "--nas-rate 2 121212" "--rate 2 --nas-rate 1000 121212" "--jobs 1 111222"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr send -v ${o% *} <"$T/in"
		assert_eq "$(grep -oP '127\.0\.0\.\K[12](?=:\d+: try 1)' <<<"$stderr" | tr -d '\n')" "${o##* }"
	done
}

@test "on a terminal stderr says how far it is; elsewhere it does not" {
	peer ack
	run -0 script -qec "coa-send '$(client 1)' 2>&1 >/dev/null" /dev/null
	assert_has "$output" "1 of 1 done, "
	assert_has "$output" " a second: 1 ack, 0 nak"
	# Of a file it is known how much is left, of a pipe it is not.
	for n in 1 2 3 4 5; do client $n; done >"$T/in"
	run -0 script -qec "coa-send --rate 2 <'$T/in' 2>&1 >/dev/null" /dev/null
	grep -qE ' [123] of 5 done, [0-9]+ a second, .* left: ' <<<"${output//$'\e[K'/ }"
	run -0 script -qec "cat '$T/in' | coa-send --rate 2 2>&1 >/dev/null" /dev/null
	grep -qE ' [123] done, [0-9]+ a second: ' <<<"${output//$'\e[K'/ }"
	run -0 --separate-stderr send "$(client 1)"
	assert_eq "$stderr" ""
}
