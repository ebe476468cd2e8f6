#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-decide --replay: yesterday's decisions by other rules.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
	default=$NAC_ROOT/share/rules/default.rules
	printf '%s\n' 'deny "Gone" if compliance is noncompliant' \
		'allow "Good" with vlan 750 if compliance is compliant and age < 2h' \
		'allow "Rest" with vlan 1' >new
}

# seen N STATE TIME [NAS]: a line of the journal, as the shipped rules decide it;
# Intune gave the answer at 08:00.
seen() {
	nac-decide -r "$default" --now "$3" "$(printf '{"journal":1,"identity":{"mac":"00:1b:44:11:3a:%02x"},"session":{"nas_ip":"%s","user":"u%d"},"compliance":{"state":"%s","checked":"2026-11-20T08:00:00Z"}}' "$1" "${4-192.0.2.1}" "$1" "$2")"
}

@test "nothing changes: 0, and the sums" {
	seen 1 compliant 2026-11-20T09:00:00Z >log
	run -0 --separate-stderr nac-decide --replay log --with "$default"
	assert_eq "$output" "1 decisions, 0 change; 1 clients; CoAs: 0 (0 reauth, 0 disconnect)"
	assert_eq "$stderr" ""
}

@test "what changes is shown with both rules, at the time of the decision, then the tables; 1" {
	{
		seen 1 compliant 2026-11-20T09:00:00Z
		seen 2 compliant 2026-11-20T11:00:00Z 192.0.2.2
		seen 3 noncompliant 2026-11-20T09:30:00Z 192.0.2.2
		seen 4 pending 2026-11-20T09:30:00Z
	} >log
	run -1 --separate-stderr nac-decide --replay log --with new
	assert_eq "$stderr" ""
	assert_eq "$output" '2026-11-20T11:00:00Z 00:1b:44:11:3a:02: allow vlan 750 (default.rules:40 "Corp compliant") -> allow vlan 1 (new:3 "Rest"): compliance is compliant (3 h old)
2026-11-20T09:30:00Z 00:1b:44:11:3a:03: allow vlan 1 (default.rules:57 "Everything else") -> deny (new:1 "Gone"): compliance is noncompliant (90 min old)

4 decisions, 2 change; 4 clients; CoAs: 2 (1 reauth, 1 disconnect)

by access: before -> after
        1  allow vlan 1 -> deny
        1  allow vlan 750 -> allow vlan 1

by rule: before -> after
        1  default.rules:40 "Corp compliant" -> new:3 "Rest"
        1  default.rules:57 "Everything else" -> new:1 "Gone"

by site
        2 of         2  192.0.2.2

by state
        1 of         2  compliant
        1 of         1  noncompliant'
	# The same log gives the same bytes, from a file, a pipe, or in two parts.
	first=$output
	run -1 --separate-stderr nac-decide --replay --with new <log
	assert_eq "$output" "$first"
	head -n 2 log >log.1
	tail -n 2 log >log.2
	run -1 --separate-stderr bash -c 'nac-decide --replay log.1 - --with new <log.2'
	assert_eq "$output" "$first"
}

@test "rules of files of one name are rows of their own" {
	mkdir a b
	echo 'allow "Same" with vlan 2 if compliance is compliant' >a/more
	echo 'allow "Same" with vlan 2 if compliance is noncompliant' >b/more
	printf '%s\n' 'include "a/more"' 'include "b/more"' >parts
	seen 1 compliant 2026-11-20T09:00:00Z >log
	seen 2 noncompliant 2026-11-20T09:00:00Z >>log
	run -1 --separate-stderr nac-decide --replay log --with parts
	assert_has "$output" '        1  default.rules:40 "Corp compliant" -> a/more:1 "Same"'
	assert_has "$output" '        1  default.rules:57 "Everything else" -> b/more:1 "Same"'
	# Of a long path the end is shown.
	long=$(printf 'x%.0s' {1..100})
	mkdir "$long"
	cp a/more "$long/1"
	cp b/more "$long/2"
	printf '%s\n' "include \"$long/1\"" "include \"$long/2\"" >parts
	run -1 --separate-stderr nac-decide --replay log --with parts
	assert_has "$output" 'xxx/1:1 "Same"'
	assert_has "$output" 'xxx/2:1 "Same"'
}

@test "a CoA is owed by a client's last decision, and not by one who has gone or was not let in" {
	{
		seen 1 noncompliant 2026-11-20T09:00:00Z
		seen 1 compliant 2026-11-20T09:10:00Z		# changed, then as before
		seen 2 noncompliant 2026-11-20T09:00:00Z
		seen 2 noncompliant 2026-11-20T09:10:00Z	# one client, one CoA
		seen 3 noncompliant 2026-11-20T09:00:00Z
		echo '{"journal":1,"accounting":"stop","identity":{"mac":"00:1b:44:11:3a:03"},"session":{"nas_ip":"192.0.2.1"}}'
	} >log
	run -1 --separate-stderr nac-decide --replay log --with new
	assert_has "$output" "5 decisions, 4 change; 3 clients; CoAs: 1 (0 reauth, 1 disconnect)"
	assert_has "$output" "passed over: 1 lines without a decision, 0 cut off, 0 bad"
	nac-decide -r new '{"identity":{"mac":"00:1b:44:11:3a:09"},"compliance":{"state":"noncompliant"}}' >denied || :
	run -1 --separate-stderr nac-decide --replay denied --with "$default"
	assert_has "$output" "1 change; 1 clients; CoAs: 0"
}

@test "--json prints records with the decision before, and the sums on standard error" {
	{ seen 1 compliant 2026-11-20T09:00:00Z; seen 2 compliant 2026-11-20T12:00:00Z; } >log
	run -1 --separate-stderr nac-decide --replay log --with new --json
	assert_one_line "$output"
	assert_eq "$(jq -c '[.identity.mac, .decision.vlan, .decision.was.vlan, .decision.time]' <<<"$output")" \
		'["00:1b:44:11:3a:02","1","750","2026-11-20T12:00:00Z"]'
	assert_has "$stderr" "2 decisions, 1 change"
}

@test "stumps of killed writers are passed over, bad lines are named, the others go on" {
	{
		printf '{"journal":1,"identity":{"ma'
		seen 1 noncompliant 2026-11-20T09:00:00Z
		echo '{"decision":{"action":"maybe","time":"2026-11-20T09:00:00Z"}}'
		echo '{"decision":{"action":"allow","time":"soon"}}'
		echo '{"identity":{"mac":"zz"},"decision":{}}'
		echo
		echo LAPTOP-1
		printf '{"journal":1,"iden'
	} >log
	run -65 --separate-stderr nac-decide --replay log --with new
	assert_has "$output" "1 decisions, 1 change; 1 clients; CoAs: 1"
	assert_has "$output" "passed over: 1 lines without a decision, 2 cut off, 3 bad"
	assert_eq "${#stderr_lines[@]}" 3
	for n in 2 3 4; do assert_has "$stderr" "nac-decide: log:$n: "; done
	for _ in $(seq 50); do echo '{"decision":[1'; done >log
	run -65 --separate-stderr nac-decide --replay log --with new
	assert_eq "${#stderr_lines[@]}" 11
	assert_eq "${stderr_lines[10]}" "nac-decide: and 40 more bad lines"
}

@test "what a client chose cannot add a line or steer a terminal" {
	seen 1 noncompliant 2026-11-20T09:00:00Z |
		jq -c 'del(.identity) | .session.calling = "a\nb\u001b[2J" | .session.nas_id = "x\n\u001b]0;" | .decision.name = "n\nn"' >log
	run -1 --separate-stderr nac-decide --replay log --with new
	refute_has "$output" $'\e'
	[ "$(grep -c '^2026' <<<"$output")" -eq 1 ]
	[ "$(grep -c '^b' <<<"$output")" -eq 4 ]	# the titles of the tables
}

# many N: as many lines out of one, each of another NAS and another client
many() {
	python3 -c 'import sys
line = sys.stdin.read()
for i in range(int(sys.argv[1])):
    a, b, c = i >> 16, i >> 8 & 255, i & 255
    sys.stdout.write(line.replace("192.0.2.1", f"10.{a}.{b}.{c}").replace("11:3a:01", f"{a:02x}:{b:02x}:{c:02x}"))' "$1"
}

@test "many sites and clients: the tables are cut, memory is not used up" {
	seen 1 noncompliant 2026-11-20T09:00:00Z >one
	many 30000 <one >log
	run --separate-stderr bash -c 'ulimit -v 200000; nac-decide --replay log --with new'
	# The sanitizers want more address space than any limit.
	[ "$status" -ne 1 ] && run --separate-stderr nac-decide --replay log --with new
	assert_eq "$status" 1
	assert_has "$output" "30000 decisions, 30000 change; 30000 clients; CoAs: 30000"
	assert_has "$output" "    29000 of     29000  (others)"
}

@test "a replay of 60,000 lines of as many clients needs at most 64 MiB" {
	! ldd "$(command -v nac-decide)" | grep -q asan || skip "the sanitizer's own memory"
	seen 1 noncompliant 2026-11-20T09:00:00Z >one
	many 60000 <one >log
	run -0 python3 -c 'import resource, subprocess
r = subprocess.run(["nac-decide", "--replay", "log", "--with", "new"], stdout=open("out", "w"))
print(r.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'
	read -r rc kib <<<"$output"
	assert_eq "$rc" 1
	assert_has "$(grep ' decisions, ' out)" "60000 decisions, 60000 change; 60000 clients"
	[ "$kib" -le $((64 * 1024)) ]
}

@test "wrong usage and what cannot be read" {
	run -64 --separate-stderr nac-decide --replay log
	run -64 --separate-stderr nac-decide --with new log
	run -64 --separate-stderr nac-decide --replay --with new -r new log
	run -64 --separate-stderr nac-decide --replay --with new --changed log
	for more in --explain -v; do
		run -64 --separate-stderr nac-decide --replay --with new "$more" log
		assert_has "$stderr" "nac-decide: --explain and -v are for deciding"
		run -64 nac-decide -n -r new "$more"
		run -64 nac-decide --test -r new "$more" log
	done
	run -65 --separate-stderr nac-decide --replay none --with new
	assert_one_line "$(grep -v '^0 dec' <<<"$stderr")"
	echo 'alow' >bad
	run -78 --separate-stderr nac-decide --replay log --with bad
}
