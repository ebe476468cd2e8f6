#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-cache: the store of answers, the journal of clients, and what is due.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	unset INTUNE_NAC_CONF
	printf 'state_dir = %s/state\n' "$PWD" >conf
	chmod 600 conf
	export INTUNE_NAC_CONF=$PWD/conf
	J=state/journal.ndjson
	followers=()
}

teardown() {
	for p in "${followers[@]}"; do
		kill "$p" 2>/dev/null || :
		wait "$p" 2>/dev/null || :
	done
}

# at SECONDS: a time relative to now
at() { date -u -d "@$(($(date +%s) + ${1:-0}))" +%Y-%m-%dT%H:%M:%SZ; }

# id N, entra N: GUIDs of device N
id() { printf '5f1e0c1a-7a52-4f0e-9d43-%012d' "$1"; }
entra() { printf 'e0000000-7a52-4f0e-9d43-%012d' "$1"; }
mac() { printf '00:1b:2c:3d:4e:%02x' "$1"; }

# answer N STATE [AGO] [JQ]: a record as intune-query makes one
answer() {
	jq -cn --arg id "$(id "$1")" --arg entra "$(entra "$1")" --arg mac "$(mac "$1")" --arg n "$1" \
		--arg state "$2" --arg checked "$(at "-${3:-0}")" '{identity:{guid:[{value:$id,found:"san-uri"}]},
		compliance:{state:$state,matched_by:"guid",id_space:"intune",source:"graph",checked:$checked,
		device:{id:$id,entra_id:$entra,name:("LAPTOP-"+$n),wifi_mac:$mac,os:"Windows",owner:"company"}}}
		| '"${4:-.}"
}

# no BY VALUE [AGO]: Intune says that there is no such device
no() {
	jq -cn --arg by "$1" --arg v "$2" --arg checked "$(at "-${3:-0}")" '{compliance:{state:"unregistered",
		matched_by:"none",source:"graph",checked:$checked,asked:[{by:$by,value:$v}]}}'
}

# line N STATE [AGO] [JQ]: a line of the journal, client N with device N
line() {
	jq -cn --arg id "$(id "$1")" --arg n "$1" --arg mac "$(mac "$1" | tr a-f: A-F-)" --arg state "$2" \
		--arg seen "$(at "-${3:-0}")" '{journal:1,identity:{guid:[{value:$id,found:"san-uri"}]},
		session:{seen:$seen,user:("host/"+$n),calling:$mac,nas_ip:"192.0.2.1",acct_session_id:("s"+$n+$seen)},
		compliance:{state:$state,checked:$seen},decision:{action:"allow",vlan:"1",state:$state},site:"x"}
		| '"${4:-.}"
}
log() { line "$@" >>"$J"; }

state_of() { nac-cache get "$1" 2>/dev/null | jq -r .compliance.state; }

# clients: which clients are in the records on standard output of the last run
clients() { jq -r '.session.user' <<<"$output" | sort | tr '\n' ' '; }

# until_true COMMAND...: waits for it, at most 20 s
until_true() {
	for _ in {1..400}; do
		"$@" && return 0
		sleep 0.05
	done
	echo "never true: $*"
	return 1
}
lines_are() { [ "$(wc -l <"$1")" -eq "$2" ]; }

follow() {
	nac-cache follow "$@" >>followed 2>>follow.err 3>&- &
	followers+=($!)
	# It is on watch when its cursor is in the store.
	until_true test -e state/data.mdb
	sleep 0.2
}

unfollow() {
	kill "${followers[-1]}"
	wait "${followers[-1]}"
	local rc=$?
	unset 'followers[-1]'
	return $rc
}

@test "put, then get by every identifier; other members pass through untouched" {
	run -0 --separate-stderr nac-cache put < <(answer 1 compliant 100 '.note={"a":[1,2.5,"é"]}')
	assert_eq "$(json_get "$output" .note.a[2])" é
	assert_eq "$stderr" ""
	for key in "$(id 1)" "$(entra 1)" LAPTOP-1 laptop-1 LAPTOP-1.corp.example "$(mac 1)" 001B.2C3D.4E01; do
		run -0 --separate-stderr nac-cache get "$key"
		assert_eq "$(json_get "$output" '.compliance|.state+" "+.source+" "+.device.name')" "compliant cache LAPTOP-1"
		[ "$(json_get "$output" .compliance.age)" -ge 100 ]
	done
	assert_eq "$(nac-cache get "$(id 1)" | jq -r .compliance.id_space)" intune
	assert_eq "$(nac-cache get "$(entra 1)" | jq -r .compliance.id_space)" entra
	run -0 nac-cache get <<<'{"identity":{"mac":"00:1b:2c:3d:4e:01"},"session":{"user":"x"}}'
	assert_eq "$(json_get "$output" '.compliance.matched_by+" "+.session.user')" "mac x"
}

@test "every state comes back as it was stored" {
	n=0
	for s in compliant noncompliant grace unknown conflict error configmanager unregistered; do
		n=$((n + 1))
		answer $n $s
	done | nac-cache put --quiet
	n=0
	for s in compliant noncompliant grace unknown conflict error configmanager unregistered; do
		n=$((n + 1))
		assert_eq "$(state_of "$(id $n)")" $s
	done
	# Graph's own spelling.
	answer 9 inGracePeriod | nac-cache put -q
	assert_eq "$(state_of LAPTOP-9)" grace
}

@test "get: not found is pending and 1; nothing to look up is 65; the others go on" {
	answer 1 compliant | nac-cache put -q
	run -1 --separate-stderr nac-cache get LAPTOP-1 LAPTOP-2
	assert_eq "$(jq -r .compliance.state <<<"$output" | tr '\n' ' ')" "compliant pending "
	run -65 --separate-stderr nac-cache get '{}' '{"identity":{"mac":"zz"}}' LAPTOP-1
	assert_eq "$(wc -l <<<"$output")" 1
	assert_eq "$stderr" "nac-cache: {}: identity: holds no GUID, name or MAC to look up
nac-cache: {\"identity\":{\"mac\":\"zz\"}}: identity.mac: is no MAC address"
	# A random MAC matches nothing, even when a device claims it.
	answer 2 compliant 0 '.compliance.device.wifi_mac="02:00:00:00:00:01"' | nac-cache put -q
	run -1 nac-cache get 02:00:00:00:00:01
	# An ambiguous identity is known to be just that.
	run -0 nac-cache get '{"identity":{"ambiguous":true}}'
	assert_eq "$(json_get "$output" .compliance.state)" ambiguous
}

@test "the match order is obeyed" {
	{ answer 1 compliant; answer 2 noncompliant; } | nac-cache put -q
	rec=$(jq -cn --arg g "$(id 1)" --arg m "$(mac 2)" '{identity:{guid:[{value:$g,found:"cn"}],mac:$m}}')
	assert_eq "$(nac-cache get "$rec" | jq -r .compliance.state)" compliant
	assert_eq "$(nac-cache -m 'mac guid' get "$rec" | jq -r .compliance.state)" noncompliant
	assert_eq "$(nac-cache get --match-order name "$rec" | jq -r .compliance.state)" pending
	run -64 --separate-stderr nac-cache -m 'mac mac' get "$rec"
	assert_has "$stderr" "--match-order"
}

@test "by serial number; and the match order as nac-decide prints it" {
	{
		answer 1 compliant 0 '.compliance.device.serial = "PF2ABC01"'
		answer 2 noncompliant 0 '.compliance.device.serial = "PF2ABC02"'
		answer 3 compliant 0 '.compliance.device.serial = "Default string"'
		no serial pf2abc09
	} | nac-cache put -q
	run -0 nac-cache get serial:pf2abc02
	assert_eq "$(json_get "$output" '.compliance | "\(.state) \(.matched_by) \(.device.name)"')" \
		"noncompliant serial LAPTOP-2"
	assert_eq "$(json_get "$output" .identity)" "$(jq . <<<'{"device_serial":"pf2abc02"}')"
	assert_eq "$(nac-cache get SERIAL:PF2ABC09 | jq -r .compliance.state)" unregistered
	run -1 nac-cache get 'serial:Default string' serial:PF2ABC03 PF2ABC01
	assert_eq "$(jq -r .compliance.state <<<"$output" | xargs)" "pending pending pending"
	rec=$(jq -cn --arg m "$(mac 1)" '{identity:{device_serial:"PF2ABC02",mac:$m}}')
	assert_eq "$(nac-cache get "$rec" | jq -r .compliance.device.name)" LAPTOP-2
	printf '%s\n' 'match-order mac serial' 'ambiguous newest' deny >"$BATS_TEST_TMPDIR/rules"
	order=$(nac-decide -r "$BATS_TEST_TMPDIR/rules" --print match-order)
	assert_eq "$order" "mac serial newest"
	assert_eq "$(nac-cache -m "$order" get "$rec" | jq -r .compliance.device.name)" LAPTOP-1
	run -0 nac-cache check
	run -0 bash -c 'nac-cache export >a && nac-cache -d s2 import <a && nac-cache -d s2 export >b && cmp a b'
	run -0 nac-cache diff a b
}

@test "renamed, re-enrolled, ambiguous and vanished devices are found as what they are" {
	answer 1 compliant 50 | nac-cache put -q
	answer 1 compliant 40 '.compliance.device.name="NEW"' | nac-cache put -q
	assert_eq "$(state_of LAPTOP-1) $(state_of new)" "pending compliant"
	answer 2 noncompliant 30 '.compliance.device.name="new"' | nac-cache put -q
	assert_eq "$(state_of NEW)" ambiguous
	no guid "$(id 1)" 20 | nac-cache put -q
	assert_eq "$(state_of NEW) $(state_of "$(id 1)")" "noncompliant unregistered"
	assert_eq "$(nac-cache get "$(id 1)" | jq -r .compliance.device.os)" Windows
	no name new 10 | nac-cache put -q
	assert_eq "$(state_of NEW) $(state_of "$(id 2)")" "unregistered noncompliant"
	no mac "$(mac 77)" | nac-cache put -q
	assert_eq "$(state_of "$(mac 77)")" unregistered
	# A late answer changes nothing.
	answer 2 compliant 500 | nac-cache put -q
	assert_eq "$(state_of "$(id 2)")" noncompliant
}

@test "put --changed passes on what may change access, and nothing else" {
	put() { run -0 --separate-stderr nac-cache put --changed; assert_eq "$stderr" ""; }
	put < <(answer 1 compliant 100)
	assert_eq "$(wc -l <<<"$output")" 1 # new
	put < <(answer 1 compliant 90)
	assert_eq "$output" ""
	put < <(answer 1 compliant 80 '.compliance.device.last_sync="2026-01-01T00:00:00Z"')
	assert_eq "$output" ""
	put < <(answer 1 noncompliant 70)
	assert_has "$output" noncompliant
	put < <(answer 1 noncompliant 60 '.compliance.device.owner="personal"')
	assert_has "$output" personal
	put < <(answer 1 noncompliant 55 '.compliance.device.owner="personal"|.compliance.device.management_state="wipeIssued"')
	assert_has "$output" wipeIssued
	# The same as stored, but the client was judged by another state: its CoA got lost.
	put < <(answer 1 noncompliant 50 '.compliance.device.owner="personal"|.compliance.device.management_state="wipeIssued"|.decision.state="compliant"')
	assert_has "$output" wipeIssued
	put < <(answer 1 noncompliant 45 '.compliance.device.owner="personal"|.compliance.device.management_state="wipeIssued"|.decision.state="noncompliant"')
	assert_eq "$output" ""
	# Stored long ago: a rule may have called that stale.
	answer 2 compliant 15000 | nac-cache put -q
	put < <(answer 2 compliant)
	assert_has "$output" LAPTOP-2
	# What the hook will not find by this identity does not make it send CoAs in a ring.
	put < <(answer 3 compliant 0 '.identity={"mac":"02:00:00:00:00:01"}|.decision.state="pending"')
	assert_eq "$output" ""
	put < <(jq -cn --arg t "$(at)" '{identity:{mac:"02:00:00:00:00:01"},decision:{state:"pending"},
		compliance:{state:"unregistered",checked:$t}}')
	assert_eq "$output" ""
	# Nor does a state that it will see differently.
	answer 4 compliant 20 | nac-cache put -q
	put < <(answer 5 compliant 10 '.compliance.device.name="LAPTOP-4"|.identity={"name":[{"value":"LAPTOP-4"}]}|.decision.state="compliant"')
	assert_eq "$(json_get "$output" .compliance.state)" ambiguous
}

@test "put: bad records get one line each and 65, and the others are stored" {
	{
		answer 1 compliant
		echo '{"broken'
		echo '{"identity":{}}'
		answer 2 compliant 0 '.compliance.state="sleepy"'
		answer 3 pending
		answer 4 compliant 0 'del(.compliance.checked)'
		answer 5 compliant -7200
		answer 6 compliant 0 '.compliance.checked="yesterday"'
		answer 7 compliant 0 '.compliance.device.id=7'
		answer 8 compliant 0 '.compliance.device.name=("n"*300)'
		answer 9 compliant 0 '.compliance=[]'
		printf '\x00\xff\xfe\n'
		printf '{"a":"\\u0000"}\n'
		head -c 10000000 /dev/zero | tr '\0' x
		echo
		answer 10 compliant
	} >in
	run -65 --separate-stderr nac-cache put <in
	assert_eq "$stderr" "$(sort -t: -k3n <<<"$stderr")"
	for w in '2: is no record' '3: compliance.state: is missing' '4: compliance.state: is no compliance state' \
		'5: compliance.state: pending is no answer' '6: compliance.checked: is missing' \
		'7: compliance.checked: lies in the future' '8: compliance.checked: is no RFC 3339 time' \
		'9: device.id: must be a string' '10: device.name: is too long' '11: compliance: must be an object' \
		'12: is n' '13: is no record' '14: is longer than a record may be'; do
		assert_has "$stderr" "nac-cache: <stdin>:$w"
	done
	assert_eq "$(wc -l <<<"$stderr")" 13
	assert_eq "$(nac-cache stats | jq .devices)" 2
	assert_eq "$(state_of LAPTOP-10)" compliant
	# Nothing is lost: what could be read is passed on in order.
	assert_eq "$(jq -r '.compliance.device?.name? // "-"' <<<"$output" 2>/dev/null | head -1)" LAPTOP-1
	assert_eq "$(tail -1 <<<"$output" | jq -r .compliance.device.name)" LAPTOP-10
	run -0 --separate-stderr nac-cache put </dev/null
	assert_eq "$output$stderr" ""
}

@test "put stores what it has when its input pauses" {
	mkfifo pipe
	nac-cache put <pipe >out 3>&- &
	followers+=($!)
	exec 4>pipe
	answer 1 compliant >&4
	until_true lines_are out 1
	assert_eq "$(state_of LAPTOP-1)" compliant
	for n in {2..30}; do answer "$n" compliant; done >&4
	exec 4>&-
	wait "${followers[-1]}"
	lines_are out 30
}

@test "list goes through everything, and another store takes it" {
	{ answer 1 compliant 10; answer 2 grace 20; no name ghost 30; no mac "$(mac 9)" 40; no guid "$(id 8)" 50; } |
		nac-cache put -q
	run -0 --separate-stderr nac-cache list
	assert_eq "$(wc -l <<<"$output")" 5
	assert_eq "$(jq -r 'select(.compliance.device.name=="LAPTOP-2").identity|.guid[0].value+.name[0].value+.mac' <<<"$output")" \
		"$(id 2)LAPTOP-2$(mac 2)"
	nac-cache list >one
	nac-cache -d other put --quiet <one
	strip='del(.compliance.age)'
	assert_eq "$(nac-cache -d other list | jq -c "$strip")" "$(jq -c "$strip" one)"
	assert_eq "$(nac-cache -d other get GHOST | jq -r .compliance.state)" unregistered
	# Many, so that it goes through them in several transactions.
	for n in {100..400}; do id "$n"; echo; done | jq -Rc --arg t "$(at)" \
		'{compliance:{state:"unknown",checked:$t,device:{id:.}}}' | nac-cache put -q
	assert_eq "$(nac-cache list | wc -l)" 306
	run -74 --separate-stderr bash -c 'nac-cache list >/dev/full'
	assert_one_line "$stderr"
}

@test "due: clients seen, each once, by the age of their answer" {
	answer 1 compliant 100 | nac-cache put -q
	answer 2 compliant 9000 | nac-cache put -q
	run -0 --separate-stderr nac-cache due
	assert_eq "$output$stderr" "" # devices nobody has seen are not clients
	log 1 compliant 50
	log 2 compliant 9000
	log 3 pending 40
	log 3 pending 30
	log 4 pending 700000
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
	assert_eq "$(clients)" "host/2 host/3 "
	assert_eq "$(jq -c 'select(.session.user=="host/2")|[.compliance.state,.compliance.source,.decision.vlan,.site,has("journal")]' <<<"$output")" \
		'["compliant","cache","1","x",false]'
	assert_eq "$(jq -r 'select(.session.user=="host/3").compliance.state' <<<"$output")" pending
	run -0 nac-cache due --older-than 60s
	assert_eq "$(clients)" "host/1 host/2 host/3 "
	run -0 nac-cache due --older-than 3h
	assert_eq "$(clients)" "host/3 "
	run -0 nac-cache due --seen-within 10d
	assert_eq "$(clients)" "host/2 host/3 host/4 "
	run -0 nac-cache due --seen-within 1h
	assert_eq "$(clients)" "host/3 "
	# The newest session counts, whatever the order of the lines.
	log 5 pending 10 '.session.nas_ip="192.0.2.9"'
	log 5 pending 20 '.session.nas_ip="192.0.2.8"'
	run -0 nac-cache due
	assert_eq "$(jq -r 'select(.session.user=="host/5").session.nas_ip' <<<"$output")" 192.0.2.9
	# Nothing to ask Intune for: a random MAC alone, an ambiguous certificate without more.
	log 6 pending 0 '.identity={"mac":"02:00:00:00:00:06"}'
	log 7 ambiguous 0 '.identity={"ambiguous":true}'
	run -0 nac-cache due
	refute_has "$(clients)" host/6
	refute_has "$(clients)" host/7
	printf 'poll_interval = 10s\n' >>conf
	run -0 nac-cache due
	assert_has "$(clients)" "host/1 "
}

@test "a client without a MAC is known by user and NAS" {
	mkdir -p state
	log 1 pending 20 'del(.session.calling)'
	log 2 pending 10 'del(.session.calling)|.session.user="host/1"'
	log 3 pending 5 '.session|=(.calling="10.1.2.3")'
	log 4 pending 5 '.session={"seen":.session.seen}'
	run -65 --separate-stderr nac-cache due
	assert_eq "$(clients)" "host/1 host/3 "
	assert_has "$stderr" "names no client: neither MAC nor user"
	assert_eq "$(nac-cache stats | jq .clients)" 2
}

@test "the result of a CoA stays with the session it was sent to" {
	mkdir -p state
	log 1 noncompliant 100
	nac-cache due >sent
	# Times are compared: a second that passes meanwhile must not count.
	start=$(date +%s)
	coa() { jq -c --arg r "$1" --arg c "${2:-}" --arg t "$(date -u -d "@$((start + ${3:-0}))" +%FT%TZ)" '.compliance.state="noncompliant"
		|.compliance.checked=.session.seen|.decision.vlan="new"
		|.coa=({result:$r,time:$t}+(if $c=="" then {} else {error_cause:($c|tonumber)} end))' sent | nac-cache put -q; }
	client() { nac-cache list --clients | jq -c "$1"; }
	coa dry-run
	assert_eq "$(client '[.coa.result,.session.ended]')" '[null,null]'
	coa silent
	assert_eq "$(client '[.coa.result,.session.ended,.decision.vlan]')" '["silent",null,"1"]'
	# Sent by somebody who still waits, and later what came of it; but not the other way.
	coa owed '' 5
	assert_eq "$(client '[.coa.result,.session.ended]')" '["owed",null]'
	coa nak 406 5
	assert_eq "$(client '[.coa.error_cause,.session.ended]')" '[406,null]'
	coa owed '' 5
	assert_eq "$(client '[.coa.error_cause,.session.ended]')" '[406,null]'
	coa owed '' 9
	assert_eq "$(client '[.coa.result,.session.ended]')" '["owed",null]'
	coa nak 503
	assert_eq "$(client '[.coa.error_cause,.session.ended]')" '[503,true]'
	coa ack
	assert_eq "$(client '[.coa.result,.session.ended]')" '["ack",true]'
	coa skipped
	assert_eq "$(client '.coa.result')" '"ack"'
	# The session is still due when its answer is old, and marked.
	run -0 nac-cache due --older-than 0
	assert_eq "$(json_get "$output" .session.ended)" true
	# The journal, read once more, does not bring the session back to life;
	nac-cache due --older-than 0 >/dev/null
	assert_eq "$(client .session.ended)" true
	# a new login does, in the same second, too, and a late result does not touch it.
	log 1 compliant 100 '.session.acct_session_id="other"'
	nac-cache due >/dev/null
	assert_eq "$(client '[.coa,.session.ended]')" '[null,null]'
	coa ack
	assert_eq "$(client '[.coa,.session.ended]')" '[null,null]'
	# A client that was never seen is not made up.
	jq -c '.session.calling="00-11-11-11-11-11"|.coa={"result":"ack"}' sent | nac-cache put -q || :
	assert_eq "$(client .session.calling | wc -l)" 1
}

@test "a CoA that failed makes its client due again before its answer is old" {
	mkdir -p state
	log 1 compliant 1000
	log 2 compliant 1000
	nac-cache due >sent
	for n in 1 2; do answer $n noncompliant 900 'del(.identity)'; done | nac-cache put -q
	run -0 nac-cache due
	assert_eq "$output" ""
	for ago in 100 700; do
		jq -c --arg t "$(at -$ago)" 'select(.session.user=="host/1")|.compliance={"state":"noncompliant","checked":.session.seen}
			|.coa={"result":("silent","owed"),"time":$t}' sent | nac-cache put -q
		run -0 nac-cache due
		if [ $ago = 100 ]; then assert_eq "$output" ""; else assert_eq "$(clients)" "host/1 "; fi
	done
}

@test "broken lines of the journal are told once, and no other line is lost" {
	mkdir -p state
	log 1 pending 10
	printf '{"journal":1,"identity":{"gu' >>"$J"
	log 2 pending 10
	{
		echo '{"journal":1,"session":7}'
		echo '{"journal":1,"session":{"seen":"2026-11-21T08:30:00Z","user":"x"},"session":{}}'
		echo 'something else'
		head -c 3000000 /dev/zero | tr '\0' y
	} >>"$J"
	log 3 pending 10
	printf '{"journal":1,' >>"$J"
	run -65 --separate-stderr nac-cache due
	assert_eq "$(clients)" "host/1 host/2 host/3 "
	assert_has "$stderr" "nac-cache: $PWD/$J: 3 broken lines passed over"
	assert_has "$stderr" "session: must be an object"
	assert_has "$stderr" "duplicate object key"
	assert_eq "$(wc -l <<<"$stderr")" 3
	log 4 pending 10
	run -0 --separate-stderr nac-cache due
	assert_has "$stderr" "1 broken line passed over"
	assert_eq "$(wc -l <<<"$output")" 4
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
}

@test "the journal may be rotated, copied and truncated, or lost" {
	mkdir -p state
	log 1 pending
	nac-cache due >/dev/null
	log 2 pending
	mv "$J" "$J.1"
	log 3 pending
	mv "$J.1" "$J.2"
	mv "$J" "$J.1"
	log 4 pending
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
	assert_eq "$(clients)" "host/1 host/2 host/3 host/4 "
	log 5 pending
	cp "$J" "$J-20261121"
	: >"$J"
	log 6 pending
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
	assert_eq "$(clients)" "host/1 host/2 host/3 host/4 host/5 host/6 "
	rm "$J"*
	log 7 pending
	run -0 --separate-stderr nac-cache due
	assert_has "$stderr" "was truncated or is gone"
	assert_has "$(clients)" host/7
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
}

@test "a journal that is no file or cannot be read is one line; known clients are printed" {
	mkdir -p state
	log 1 pending
	nac-cache due >/dev/null
	rm "$J"
	mkfifo "$J"
	run -78 --separate-stderr nac-cache due
	assert_eq "$stderr" "nac-cache: $PWD/$J: Invalid argument"
	assert_eq "$(clients)" "host/1 "
	rm "$J"
	ln -s /etc/hostname "$J"
	run -74 --separate-stderr nac-cache due
	assert_one_line "$stderr"
	run -0 --separate-stderr nac-cache -j elsewhere due
	assert_eq "$(clients)" "host/1 "
}

@test "follow prints at once who must be looked up, and only those" {
	mkdir -p state
	log 9 pending 5
	log 10 pending 700000
	log 11 compliant 100000 # fresh at that time
	: >followed
	follow
	until_true lines_are followed 1
	log 1 pending
	until_true lines_are followed 2
	log 2 compliant 0
	log 3 unregistered 0
	log 4 compliant 0 '.compliance.checked="2026-01-01T00:00:00Z"'
	log 5 pending 0 '.identity={"mac":"02:00:00:00:00:01"}'
	log 6 ambiguous 0 '.identity={"ambiguous":true}'
	log 7 pending 0 'del(.compliance)'
	until_true lines_are followed 5
	unfollow
	assert_eq "$(jq -r .session.user followed | tr '\n' ' ')" "host/9 host/1 host/3 host/4 host/7 "
	assert_eq "$(jq -r '[.site,.decision.vlan,has("journal")]|@csv' followed | sort -u)" '"x","1",false'
	assert_eq "$(cat follow.err)" ""
	# It has folded them all: due knows them.
	assert_eq "$(nac-cache stats | jq .clients)" 10
	# The next run goes on there.
	log 8 pending
	follow
	until_true lines_are followed 6
	assert_eq "$(tail -1 followed | jq -r .session.user)" host/8
}

@test "follow goes on through rotation, from no journal at all, and from the start" {
	mkdir -p state
	: >followed
	follow
	log 1 pending
	until_true lines_are followed 1
	mv "$J" "$J.1"
	line 2 pending >>"$J.1"
	log 3 pending
	until_true lines_are followed 3
	unfollow
	mv "$J" "$J.0"
	log 4 pending
	follow
	until_true lines_are followed 4
	unfollow
	follow --from-start
	until_true lines_are followed 5
	unfollow
	assert_eq "$(jq -r .session.user followed | tr '\n' ' ')" "host/1 host/2 host/3 host/4 host/4 "
}

@test "follow prints a client's newest line, and a client that hammers once more at the end" {
	mkdir -p state
	: >followed
	for s in 30 20 10; do log 1 pending $s; done
	follow --from-start
	until_true lines_are followed 1
	assert_eq "$(jq -r .session.seen followed)" "$(tail -1 "$J" | jq -r .session.seen)"
	for _ in {1..5}; do log 1 pending 0; done
	log 2 pending 0
	until_true lines_are followed 2
	# On its way out it does not keep back what it owes.
	unfollow
	lines_are followed 3
	assert_eq "$(jq -r .session.user followed | tr '\n' ' ')" "host/1 host/2 host/1 "
	assert_eq "$(tail -1 followed | jq -r .session.seen)" "$(tail -2 "$J" | head -1 | jq -r .session.seen)"
	# A lookup that has come back meanwhile: nothing is owed any more.
	follow
	log 3 pending 0
	until_true lines_are followed 4
	log 3 pending 0
	log 3 compliant 0
	log 4 pending 0
	until_true lines_are followed 5
	unfollow
	lines_are followed 5
}

@test "follow ends when nobody reads, and what was not read comes again" {
	mkdir -p state
	mkfifo pipe
	nac-cache follow >pipe 2>err 3>&- &
	p=$!
	exec 4<pipe
	until_true test -e state/data.mdb
	sleep 0.2
	exec 4<&-
	wait $p # idle: it notices by itself
	assert_eq "$(cat err)" ""
	log 1 pending
	# A pipe whose reader has gone for certain, which no shell can promise.
	run -0 --separate-stderr python3 -c 'if 1:
		import os
		r, w = os.pipe()
		os.close(r)
		os.dup2(w, 1)
		os.execvp("nac-cache", ["nac-cache", "follow"])'
	assert_eq "$stderr" ""
	: >followed
	follow
	until_true lines_are followed 1
	unfollow
	run -74 --separate-stderr bash -c 'nac-cache follow --from-start >/dev/full'
	assert_eq "$stderr" "nac-cache: standard output: No space left on device"
	run -78 --separate-stderr nac-cache -j "$PWD/none/j" follow
	assert_has "$stderr" "$PWD/none/j: cannot watch its folder"
}

@test "prune and stats" {
	run -78 --separate-stderr nac-cache stats
	assert_eq "$stderr" "nac-cache: $PWD/state: there is no store here (nac-cache put makes it)"
	{ answer 1 compliant 100; answer 2 compliant 9000000; no name ghost 9000000; no name ghast 5; } | nac-cache put -q
	log 1 compliant 100
	log 2 compliant 9000000
	run -0 nac-cache stats
	[ "$(json_get "$output" .journal_behind_bytes)" -gt 500 ]
	nac-cache due >/dev/null
	run -0 nac-cache stats
	assert_eq "$(jq -c '[.devices,.others,.clients,.damaged,.states.compliant,.states.unregistered,.journal_behind_bytes,.reader_slots]' <<<"$output")" \
		'[2,2,2,0,2,2,0,1024]'
	[ "$(json_get "$output" .oldest_age)" -ge 9000000 ]
	run -0 --separate-stderr nac-cache prune
	assert_eq "$(jq -c .pruned <<<"$output")" '{"devices":1,"others":1,"clients":1}'
	assert_eq "$(state_of LAPTOP-1) $(state_of LAPTOP-2) $(state_of ghost) $(state_of ghast)" \
		"compliant pending pending unregistered"
	run -0 nac-cache prune --older-than 10d --clients-older-than 1s
	assert_eq "$(jq -c .pruned <<<"$output")" '{"devices":0,"others":0,"clients":1}'
	run -0 nac-cache prune --older-than 1s --quiet
	assert_eq "$output" ""
	assert_eq "$(nac-cache stats | jq -c '[.devices,.others]')" '[0,0]'
}

@test "wrong usage is 64 and one reason" {
	usage() { run -64 --separate-stderr nac-cache "${@:2}"; assert_eq "$stderr" "nac-cache: $1
Try 'nac-cache --help'."; }
	usage 'no command'
	usage 'lst: is no command (did you mean list?)' lst
	usage 'frobnicate: is no command' frobnicate
	usage 'list: takes no arguments' list x
	usage 'due: has no option --changed' due --changed
	usage 'get: has no option --quiet' get -q
	usage '--older-than: "soon" is no span of time (try 2h)' due --older-than soon
	usage '--seen-within: "-1" is no span of time (try 2h)' due --seen-within -1
	run -64 nac-cache due --frob
}

@test "a login of a time when the clock was ahead keeps no later one out" {
	nac-cache put </dev/null
	line 1 compliant -86400 '.session.acct_session_id = "ahead"' >"$J"
	nac-cache due --summary >/dev/null
	assert_eq "$(nac-cache list --clients | jq -r .session.acct_session_id)" ahead
	line 1 compliant 0 '.session.acct_session_id = "now"' >>"$J"
	nac-cache due --summary >/dev/null
	assert_eq "$(nac-cache list --clients | jq -r .session.acct_session_id)" now
}

@test "a page that is read brings no others with it: the map is told to be read at random" {
	nac-cache put -q </dev/null
	for cmd in list stats due; do
		ASAN_OPTIONS=detect_leaks=0 strace -f -o trace -e trace=madvise nac-cache $cmd >/dev/null
		assert_has "$(cat trace)" "MADV_RANDOM"
	done
}

@test "another program's file, another format, a truncated or an empty store: one line each" {
	answer 1 compliant | nac-cache put -q
	cp -r state good
	bad() {
		for cmd in get put due; do
			run --separate-stderr nac-cache $cmd LAPTOP-1 </dev/null
			[ $cmd = due ] && run --separate-stderr nac-cache due
			assert_eq "$status" "$1"
			assert_has "$stderr" "$2"
			assert_one_line "$stderr"
		done
	}
	head -c 100000 /dev/urandom >state/data.mdb
	bad 78 "data.mdb is no LMDB file"
	echo text >state/data.mdb
	bad 78 "data.mdb is no LMDB file"
	cp good/data.mdb state/
	truncate -s 12288 state/data.mdb
	run -74 --separate-stderr nac-cache get LAPTOP-1
	assert_has "$stderr" "the store is damaged: data.mdb is cut short"
	rm -r state
	echo >state
	run -78 --separate-stderr nac-cache get LAPTOP-1
	assert_one_line "$stderr"
	run -78 --separate-stderr nac-cache put </dev/null
	assert_eq "$stderr" "nac-cache: $PWD/state: is no folder"
	rm state
	mkdir state
	ln -s "$PWD/elsewhere" state/data.mdb
	run -78 --separate-stderr nac-cache get LAPTOP-1
	run -78 --separate-stderr nac-cache put </dev/null
	assert_eq "$stderr" "nac-cache: $PWD/state: data.mdb is no regular file"
	[ ! -e elsewhere ]
	rm state/data.mdb
	: >state/data.mdb
	run -78 --separate-stderr nac-cache get LAPTOP-1
	assert_has "$stderr" "the store is empty"
	answer 1 compliant | nac-cache put -q
	assert_eq "$(state_of LAPTOP-1)" compliant
}

@test "several writers at once lose nothing" {
	mkdir -p state
	: >followed
	follow
	for w in 1 2 3 4; do
		for n in {1..100}; do id $((w * 1000 + n)); echo; done | jq -Rc --arg t "$(at)" \
			'{compliance:{state:"compliant",checked:$t,device:{id:.}}}' >"in$w"
	done
	pids=()
	for w in 1 2 3 4; do
		{ while read -r l; do echo "$l"; done <"in$w" | nac-cache put -q; } 3>&- &
		pids+=($!)
	done
	for n in {1..20}; do log "$n" pending; done
	for p in "${pids[@]}"; do wait "$p"; done
	until_true lines_are followed 20
	assert_eq "$(nac-cache stats | jq .devices)" 400
	assert_eq "$(cat follow.err)" ""
}

@test "a writer that was killed leaves a store that works" {
	answer 1 compliant | nac-cache put -q
	mkfifo pipe
	for _ in 1 2 3; do
		yes "$(answer 2 noncompliant)" 2>/dev/null >pipe 3>&- &
		y=$!
		nac-cache put <pipe >out 3>&- &
		p=$!
		until_true test -s out
		kill -9 $p
		wait $p $y || :
		: >out
	done
	assert_eq "$(state_of LAPTOP-1) $(state_of LAPTOP-2)" "compliant noncompliant"
	answer 3 grace | nac-cache put -q
	assert_eq "$(state_of LAPTOP-3)" grace
}

@test "a shared group gets in, and others are told what is in the way" {
	[ "$EUID" -eq 0 ] || skip "needs root, to become another user"
	command id -u nobody >/dev/null || skip "needs the user nobody"
	d=$(mktemp -d /tmp/nac-cache.XXXXXX)
	cp "$(command -v nac-cache)" "$d"
	chmod 755 "$d"
	mkdir "$d/s"
	chgrp nogroup "$d/s"
	chmod 770 "$d/s" # not setgid: the group must come from the folder all the same
	(umask 077; answer 1 compliant | nac-cache -d "$d/s" put -q)
	assert_eq "$(stat -c '%a %G' "$d/s/data.mdb" "$d/s/lock.mdb" | tr '\n' ' ')" "640 nogroup 660 nogroup "
	as() { setpriv --reuid nobody --regid "$1" --clear-groups env -u INTUNE_NAC_CONF "$d/nac-cache" -d "$d/s" "${@:2}"; }
	run -0 as nogroup get LAPTOP-1
	run -77 --separate-stderr as nogroup put </dev/null
	assert_has "$stderr" "data.mdb: Permission denied"
	assert_one_line "$stderr"
	run -77 --separate-stderr as games get LAPTOP-1
	assert_one_line "$stderr"
	chmod 640 "$d/s/lock.mdb"
	run -77 --separate-stderr as nogroup get LAPTOP-1
	assert_has "$stderr" "lock.mdb: Permission denied"
	# The poll as one user, the hook as another, one group; neither is root.
	rm -r "$d/s"
	install -d -m 2770 -g nogroup "$d/s"
	answer 2 grace | as nogroup put -q
	as() { setpriv --reuid games --regid nogroup --clear-groups env -u INTUNE_NAC_CONF "$d/nac-cache" -d "$d/s" "${@:2}"; }
	run -0 as nogroup get LAPTOP-2
	run -77 as nogroup due
	rm -r "$d"
}

@test "a full or a read-only disk is one line and 74, and nothing half-written" {
	[ "$EUID" -eq 0 ] || skip "needs root, for a small file system"
	unshare -m true 2>/dev/null || skip "needs mount namespaces"
	answer 1 compliant >one
	for n in {1..900}; do id "$n"; echo; done | jq -Rc --arg t "$(at)" \
		'{compliance:{state:"compliant",checked:$t,device:{id:.,user:("u"*200)}}}' >many
	cat >script <<-'END'
		set -u
		mkdir -p m
		mount -t tmpfs -o size=300k none m || exit 99
		nac-cache -d m/s put -q <one || exit 98
		nac-cache -d m/s put -q <many
		echo "many: $?"
		nac-cache -d m/s stats | jq -c .devices
		nac-cache -d m/s put -q <one
		echo "one: $?"
		mount -o remount,ro m || exit 97
		nac-cache -d m/s get LAPTOP-1 | jq -r .compliance.state
		nac-cache -d m/s put -q <one
		echo "read-only: $?"
	END
	run -0 --separate-stderr unshare -m bash script
	assert_eq "$output" "many: 74
1
one: 0
compliant
read-only: 74"
	assert_eq "$stderr" "nac-cache: m/s: writing: No space left on device
nac-cache: m/s: opening: Read-only file system"
}

@test "the examples of the manual page do what it says" {
	mkdir -p stub state
	cat >stub/intune-query <<-'END'
		#!/bin/bash
		# Stands in for Intune: every device is noncompliant.
		t=$(date -u +%Y-%m-%dT%H:%M:%SZ)
		if [ "${1-}" = --all ]; then
			echo '{"compliance":{"state":"compliant","checked":"'"$t"'","device":{"id":"5f1e0c1a-7a52-4f0e-9d43-000000000001","name":"LAPTOP-1"}}}'
		else
			jq -c --arg t "$t" '.compliance={state:"noncompliant",checked:$t,device:{id:.identity.guid[0].value,name:"LAPTOP-1"}}'
		fi
	END
	cat >stub/ssh <<-'END'
		#!/bin/bash
		shift
		exec "$1" -d "$OTHER" "${@:2}"
	END
	chmod +x stub/*
	PATH=$PWD/stub:$PATH
	export OTHER=$PWD/other
	mapfile -t ex < <(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/s/^\.Dl \$ //p' "$NAC_ROOT/man/nac-cache.1" | sed 's/\\e/\\/g')
	assert_eq "${#ex[@]}" 6
	log 1 pending 10
	run -0 bash -o pipefail -c "${ex[1]}"
	run -0 bash -o pipefail -c "${ex[0]}"
	assert_eq "$(json_get "$output" .state)" compliant
	run -0 bash -o pipefail -c "${ex[2]/1h/0}"
	assert_eq "$(json_get "$output" '.compliance.state+" "+.decision.state')" "noncompliant pending"
	run -0 bash -o pipefail -c "${ex[3]}"
	assert_eq "$output" '"00-1B-2C-3D-4E-01"'
	run -0 bash -o pipefail -c "${ex[4]}"
	assert_eq "$(nac-cache -d other get LAPTOP-1 | jq -r .compliance.state)" noncompliant
	printf '#!/bin/bash\ncat >mail\n' >stub/mail
	chmod +x stub/mail
	nac-cache export | sed s/noncompliant/grace/ >yesterday
	run -0 bash -c "${ex[5]}"
	assert_eq "$(jq -r '.was.state+" "+.compliance.state' mail)" "grace noncompliant"
}
