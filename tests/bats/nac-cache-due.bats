#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-cache due: who is asked about, and when.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	unset INTUNE_NAC_CONF
	printf 'state_dir = %s/state\n' "$PWD" >conf
	chmod 600 conf
	export INTUNE_NAC_CONF=$PWD/conf
	now=$(date +%s)
}

# at SECONDS: a time relative to now
at() { date -u -d "@$((now + ${1:-0}))" +%Y-%m-%dT%H:%M:%SZ; }

# client N SEEN [JQ]: one more client, named c-N, with device N
client() {
	jq -cn --argjson n "$1" --arg seen "$(at "-$2")" '{journal:1,identity:{name:[{value:"D-\($n)",found:"cn"}]},
		session:{seen:$seen,user:"c-\($n)",nas_ip:"192.0.2.1",acct_session_id:"s\($n)"},
		compliance:{state:"compliant",checked:$seen},decision:{action:"allow",state:"compliant"}} | '"${3:-.}" \
		>>state/journal.ndjson
}

# answer N CHECKED [JQ]: Intune's answer about device N, so long ago
answer() {
	jq -cn --argjson n "$1" --arg checked "$(at "-$2")" '{compliance:{state:"compliant",matched_by:"name",
		source:"graph",checked:$checked,asked:[{by:"name",value:"d-\($n)"}],
		device:{id:"5f1e0c1a-7a52-4f0e-9d43-\("000000000000\($n)"[-12:])",name:"D-\($n)"}}} | '"${3:-.}" |
		nac-cache put --quiet
}

due() { nac-cache due "$@" | jq -r .session.user | sort -V | xargs; }

# often SEEN [JQ] [JQ]: how often a client is asked about in a day, of 48 runs.
often() {
	local i
	rm -rf state
	nac-cache put </dev/null
	client 1 "$1" "${2:-.}"
	answer 1 90000 "${3:-.}"
	nac-cache due --summary >/dev/null
	for ((i = 1; i <= 48; i++)); do
		if [ "$(due --spread --now "$(at $((i * 1800 - 90000)))" ${stale:+--stale-after "$stale"})" = c-1 ]; then
			echo .
			answer 1 $((90000 - i * 1800)) "${3:-.}"
		fi
	done | wc -l
}

@test "sixty clients asked at one moment are asked again one by one, none later than the interval and a run" {
	nac-cache put </dev/null
	t0=-36000
	for i in $(seq 1 60); do client "$i" 36100; done
	for i in $(seq 1 60); do
		jq -cn --argjson n "$i" --arg t "$(at $t0)" '{identity:{name:[{value:"D-\($n)",found:"cn"}]},compliance:{state:"unknown",matched_by:"name",source:"graph",checked:$t,asked:[{by:"name",value:"d-\($n)"}],device:{id:"5f1e0c1a-7a52-4f0e-9d43-\("000000000000\($n)"[-12:])",name:"D-\($n)"}}}'
	done | nac-cache put --quiet
	for ((k = 1; k <= 36; k++)); do
		t=$(at $((t0 + k * 600)))
		nac-cache due --spread --now "$t" >"run$k"
		jq -r --arg t "$t" '($t | fromdate) - (.compliance.checked | fromdate)' "run$k" >>ages
		jq -c --arg t "$t" '.compliance.checked = $t | del(.compliance.age)' "run$k" | nac-cache put --quiet
	done
	show_runs() { wc -l run*; }
	[ "$(sort -n ages | tail -n 1)" -le $((7200 + 600)) ] || { sort -n ages | tail; false; }
	# From the second interval on each is asked once in each, and no run has a third of them.
	for from in 13 25; do
		for ((k = from; k < from + 12; k++)); do cat "run$k"; done | jq -r .session.user >asked
		assert_eq "$(wc -l <asked) $(sort -u asked | wc -l)" "60 60"
	done
	[ "$(wc -l run* | grep -v total | sort -n | tail -n 1 | awk '{ print $1 }')" -lt 20 ] || { show_runs; false; }
}

@test "a run every interval asks everybody; without --spread due is exact" {
	nac-cache put </dev/null
	for i in 1 2 3; do client "$i" 7300; done
	for i in 1 2 3; do answer "$i" 7201; done
	assert_eq "$(due --spread)" "c-1 c-2 c-3"
	assert_eq "$(due)" "c-1 c-2 c-3"
	answer 2 7100
	assert_eq "$(due)" "c-1 c-3"
	assert_eq "$(due --now "$(at 100)")" "c-1 c-2 c-3"
	client 2 10
	printf '%s\n' "$(jq -c 'select(.session.user == "c-1")' state/journal.ndjson)" '{"held":{"version":1}}' >some
	assert_eq "$(due --except some)" "c-3"
	assert_eq "$(due --except none)" "c-1 c-3"
	run -0 nac-cache due --summary
	assert_eq "$(jq -c 'del(.next)' <<<"$output")" '{"clients":3,"due":2}'
	assert_eq "$(jq -r .next <<<"$output")" "$(at 100)"
	assert_eq "$(nac-cache list --clients --only some | jq -r .session.user)" c-1
	assert_eq "$(nac-cache list --clients --seen-within 1h | jq -r .session.user)" c-2
	run -64 --separate-stderr nac-cache list --spread
	run -64 --separate-stderr nac-cache due --now never
}

@test "who has gone is asked about less: by the day, up to one in a day" {
	assert_eq "$(often 100)" 12
	# Ended yesterday and before.
	n=$(often 187200 '.session.ended = true')
	[ "$n" -ge 4 ] && [ "$n" -le 6 ]
	[ "$(often 450000 '.session.ended = true')" -le 2 ]
	# Not a word for three days: maybe, maybe not.
	[ "$(often 270000)" -le 6 ]
}

@test "an unregistered device is asked about less, and no answer grows stale for that" {
	n=$(often 100 . '.compliance.state = "unregistered"')
	[ "$n" -le 6 ] && [ "$n" -ge 5 ]
	stale=4h
	n=$(often 450000 '.session.ended = true')
	[ "$n" -ge 6 ]
}

@test "who holds nothing that the match order lets be asked for is never due" {
	nac-cache put </dev/null
	client 1 10
	client 2 10 '.identity = {device_serial:"PF2ABC01"}'
	client 3 10 '.identity = {mac:"00:1b:2c:00:00:01"}'
	client 4 10 '.identity = {mac:"02:1b:2c:00:00:01"}'
	client 5 10 '.identity = {guid:[{value:"5f1e0c1a-7a52-4f0e-9d43-000000000001",found:"cn"}]}'
	due() { nac-cache --match-order "$1" due | jq -r .session.user | sort | xargs; }
	assert_eq "$(due 'guid name serial mac')" "c-1 c-2 c-3 c-5"
	assert_eq "$(due 'guid mac')" "c-3 c-5"
	assert_eq "$(due serial)" c-2
	assert_eq "$(nac-cache --match-order name due --summary | jq -c '[.clients,.due]')" "[1,1]"
}

@test "on a terminal standard error tells how far list, due and import are; a pipe has nothing of it" {
	nac-cache put </dev/null
	long=$(printf '%2000s' '')
	for i in $(seq 1 80); do client "$i" 7300 ".session.note = \"$long\""; done
	nac-cache due --summary >/dev/null
	cat >slow <<-'END'
		sleep 1; cat >/dev/null
	END
	for command in "list --clients" due; do
		run -0 script -qec "nac-cache $command | sh ./slow" /dev/null
		assert_has "$output" "clients"
		assert_has "$output" "a second"
	done
	run -0 --separate-stderr nac-cache due
	assert_eq "$stderr" ""
	nac-cache export >exp
	run -0 script -qec "(head -n 40 exp; sleep 1; tail -n +41 exp) | nac-cache -d other import >/dev/null" /dev/null
	assert_has "$output" "lines, "
	run -0 --separate-stderr nac-cache -d third import <exp
	assert_eq "$stderr" ""
}

@test "asked at once: a grace that has run out, an answer that would be stale, a CoA that failed" {
	nac-cache put </dev/null
	for i in 1 2 3 4; do client "$i" 3000; done
	answer 1 1000 ".compliance.state = \"grace\" | .compliance.device.grace_until = \"$(at -10)\""
	answer 2 1000 ".compliance.state = \"grace\" | .compliance.device.grace_until = \"$(at 500)\""
	answer 3 1000
	answer 4 1000
	assert_eq "$(due --spread --older-than 300d)" "c-1"
	assert_eq "$(due --spread --older-than 300d --now "$(at 501)")" "c-1 c-2"
	assert_eq "$(due --spread --older-than 300d --stale-after 1500s)" "c-1"
	assert_eq "$(due --spread --older-than 300d --stale-after 1500s --next 10m)" "c-1 c-2 c-3 c-4"
	jq -c --arg t "$(at -601)" 'select(.session.user == "c-3") | .coa = {result: "owed", time: $t}' state/journal.ndjson >failed
	nac-cache put --quiet <failed
	assert_eq "$(due --spread --older-than 300d)" "c-1 c-3"
}

@test "an answer stored while the clock was two days ahead is due, has no age, and gives way" {
	mkdir -p state
	client 1 60
	nac-cache due >/dev/null
	answer 1 0
	nac-cache export >exported
	sed -E 's/"checked":"[^"]*"/"checked":"'"$(at 172800)"'"/' exported | nac-cache import >/dev/null
	run -0 nac-cache get D-1
	assert_eq "$(jq -c '[.compliance.checked, .compliance.age]' <<<"$output")" "[\"$(at 172800)\",null]"
	assert_eq "$(due)" c-1
	assert_eq "$(due --spread)" c-1
	# It is changed, too: a rule may have judged its age.
	jq -cn --arg checked "$(at -1)" '{compliance:{state:"compliant",matched_by:"name",source:"graph",checked:$checked,
		device:{id:"5f1e0c1a-7a52-4f0e-9d43-000000000001",name:"D-1"}}}' | nac-cache put --changed >changed
	assert_eq "$(wc -l <changed)" 1
	assert_eq "$(nac-cache get D-1 | jq -r .compliance.checked)" "$(at -1)"
	assert_eq "$(due)" ""
}
