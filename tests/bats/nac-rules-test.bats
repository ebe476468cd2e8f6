#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-decide --test: tests of rules, and which rules they reach.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
	cat >r <<-'END'
		stale-after 1h
		deny "Old" with Reply-Message "too old" if stale and compliance is compliant
		allow "Office" with vlan 750, Class 0x01, Class += 0x02 if compliance is compliant and ssid is Corp
		allow "Staff" with role staff if name is LAPTOP-* and os is Windows
	END
}

# tests LINE...: a file of tests, run against r
tests() {
	printf '%s\n' "$@" >t
	run --separate-stderr nac-decide -r r --test t
}

@test "every rules file that is shipped has tests, all pass and reach every rule" {
	for rules in "$NAC_ROOT"/share/rules/*.rules; do
		[ -e "${rules%.rules}.tests" ] || { echo "$rules has no tests"; false; }
		run -0 --separate-stderr nac-decide -r "$rules" --test --coverage --strict "${rules%.rules}.tests"
		refute_has "$output" "not ok"
		[ "$(grep -c '^ok ' <<<"$output")" -gt 5 ]
		run -0 --separate-stderr nac-decide -n --strict --dictionary /usr/share/freeradius/dictionary -r "$rules"
		assert_eq "$stderr" ""
	done
}

@test "facts, the time and the default age" {
	tests 'given ssid is Corp' \
		'test given compliance is compliant expect allow "Office", vlan 750' \
		'test given compliance is compliant, age is 1h expect deny "Old", Reply-Message "too old"' \
		'test given compliance is compliant, age is 59m59s expect allow "Office"' \
		'test given now is 2027-06-01T00:00:00Z, compliance.state is compliant, compliance.checked is 2027-05-31T00:00:00Z expect deny "Old"' \
		'test given compliance is compliant, ssid is Guest, name is A, name is LAPTOP-9, os is Windows expect allow "Staff", role staff' \
		'given' \
		'test expect deny no-match, state pending'
	assert_eq "$status" 0
	assert_eq "$(grep -c '^ok' <<<"$output")" 6
	assert_eq "${lines[0]}" 1..6
}

@test "each expectation can fail, and says what differs" {
	f='test given compliance is compliant, ssid is Corp expect'
	while read -r expect; do
		tests "$f $expect"
		assert_eq "$status" 1
		assert_has "$output" "not ok 1 - t:1"
		assert_has "$output" "#   decided by r:3: compliance is compliant"
	done <<-'END'
		deny
		allow "Other"
		allow, vlan 751
		allow, no vlan
		allow, no Class
		allow, Class 0x03
		allow, Class = 0x01
		allow, state grace
		allow, rule r:2
		allow, vlann 750
		allow no-match
	END
	tests "$f allow, vlan 751"
	assert_has "$output" '#   vlan: expected "751", not "750"'
	tests "$f allow, Class := 0x01, Class += 0x02, no Filter-Id, no role, rule r:3"
	assert_eq "$status" 0
}

@test "a fact that is found out of others says which ones; each of nac-rules(5) is one or the other" {
	while read -r word says; do
		tests "test given $word is x expect allow"
		assert_eq "$status" 65
		assert_eq "$stderr" "nac-decide: t:1:12: is found out of other facts; say $says: \"$word\""
	done <<-'END'
		client os is Windows
		trust what it rests on, as issuer is ..., app-hint, or compliance is compliant
		zone nas is 10.0.0.1, or nas-id
		weekday now is 2026-01-05T12:00:00Z, which is a Monday
		hour now is 2026-01-05T12:00:00Z
		time now is 2026-01-05T12:00:00Z
		fresh age is 1h
		stale age is 3d
		managed compliance is compliant, or another of its words
		random-mac mac is 02:00:00:00:00:01
		certificate issuer is /CN=..., or cert-serial
		jailbreak jailbroken, or compliance.device.jailbroken is False
	END
	sed -n '/^field     =/,/^value     =/p' "$NAC_ROOT/man/nac-rules.5" | grep -o '"[a-z-]*"' | tr -d '"' | grep -vx list >words
	[ "$(wc -l <words)" -gt 45 ]
	while read -r word; do
		tests "test given $word expect allow"
		refute_has "$stderr" "unknown fact"
	done <words
}

@test "a value that a fact cannot have is an error with its place, before any test runs" {
	while IFS='|' read -r fact says; do
		tests "test given $fact expect deny"
		assert_eq "$status $output" "65 "
		assert_eq "$stderr" "nac-decide: t:1:$says"
	done <<-'END'
		compliance is complaint|26: compliance is never "complaint" (did you mean "compliant"?)
		compliance.state is complaint|32: compliance is never "complaint" (did you mean "compliant"?)
		eap is leap|19: eap is never "leap" (did you mean "peap"?)
		matched is guide|23: matched is never "guide" (did you mean "guid"?)
		mac is 00:11|19: is no MAC address: "00:11"
		mac is 00:11:*|19: is no MAC address: "00:11:*"
		nas is 300.1.1.1|19: is no IP address: "300.1.1.1"
		nas is 10.0.0.0/8|19: is no IP address: "10.0.0.0/8"
		nas-port is Gi1|24: is no number: "Gi1"
		compliance.checked is yesterday|34: compliance.checked: is no RFC 3339 time
		compliance.device.id is 12|36: device.id: is no GUID
		identity.name is x|29: identity.name: must be an array
	END
	# In what holds for all below it is said once.
	tests 'given mac is 00:11' 'test expect deny' 'test expect deny'
	assert_eq "$stderr" 'nac-decide: t:1:14: is no MAC address: "00:11"'
}

@test "members that are objects by their word or their path, attributes with or without tag 0" {
	printf '%s\n' 'label Mine gives mfa weekly, vlan 5' 'list L users "l"' \
		'allow "A" with Mine if user in list L' 'shadow deny' 'no-match allow' >r
	echo alice >l
	f='test given user is alice expect allow "A"'
	tests "$f, mfa weekly, mfa.every weekly, mfa.due true, listed l, listed.line 1, no mfa.none" \
		"$f, Tunnel-Private-Group-Id 5, Tunnel-Private-Group-Id:0 := 5, Tunnel-TYPE VLAN, no Tunnel-Private-Group-Id:1" \
		'test expect allow no-match, shadow deny'
	assert_eq "$status" 0
	for wrong in 'mfa daily' 'mfa.due false' 'no mfa.due' 'listed l2' 'Tunnel-Private-Group-Id 6' \
		'Tunnel-Private-Group-Id:1 5' 'no Tunnel-Private-Group-Id' 'shadow deny'; do
		tests "$f, $wrong"
		assert_eq "$status" 1
	done
}

@test "a file without a test is an error" {
	for text in '' '# nothing' 'given ssid is Corp'; do
		printf '%s' "$text" >t
		run -65 --separate-stderr nac-decide -r r --test t
		assert_eq "$output" ""
		assert_eq "$stderr" "nac-decide: t:1:1: no test in the whole file"
	done
	echo 'test expect deny' >t2
	run -65 --separate-stderr nac-decide -r r --test t2 t
}

@test "a line of JSON is a test too" {
	tests '{"name":"j","given":{"compliance":{"state":"compliant","checked":"2026-01-01T11:30:00Z"},"session":{"ssid":"Corp"}},"now":"2026-01-01T12:00:00Z","expect":{"action":"allow","vlan":"750","reply":[["Class","+=","0x02"],["Class","0x01"]],"absent":["role"]}}' \
		'{"given":{"compliance":{"state":7}},"expect":{}}' \
		'{"given":{},"expect":{"action":"deny"}}'
	assert_eq "$status" 1
	assert_has "$output" "ok 1 - t:1 j"
	assert_has "$output" "not ok 2 - t:2"
	assert_has "$output" "compliance.state"
	assert_has "$output" "ok 3 - t:3"
}

@test "--coverage lists what no test reaches; with --strict that is 1" {
	echo 'test given compliance is compliant, ssid is Corp expect allow' >t
	run -0 --separate-stderr nac-decide -r r --test --coverage t
	assert_has "$output" '# not reached: r:2 "Old"
# not reached: r:4 "Staff"
# coverage: 1 of 3 rules'
	run -1 --separate-stderr nac-decide -r r --test --coverage --strict t
	run -0 --separate-stderr nac-decide -r r --test t
	refute_has "$output" coverage
}

@test "rules of files of one name, and of one file twice, are told apart" {
	mkdir a b
	echo 'allow "One" if ssid is one' >a/more
	echo 'allow "Two" if ssid is two' >b/more
	printf '%s\n' 'include "a/more"' 'include "b/more"' "include \"$PWD/b/more\"" 'no-match deny' >r
	tests 'test given ssid is two expect allow "Two"'
	assert_eq "$status" 0
	run -0 --separate-stderr nac-decide -r r --test --coverage t
	assert_eq "$(tail -n 3 <<<"$output")" '# not reached: a/more:1 "One"
# not reached: '"$PWD"'/b/more:1 "Two"
# coverage: 1 of 3 rules'
	run -0 --separate-stderr nac-decide -r "$PWD/r" '{"session":{"ssid":"two"}}'
	assert_eq "$(json_get "$output" .decision.rule)" b/more:1
	mkdir elsewhere
	printf '%s\n' "include \"$PWD/b/more\"" >elsewhere/r
	run -0 --separate-stderr nac-decide -r elsewhere/r '{"session":{"ssid":"two"}}'
	assert_eq "$(json_get "$output" .decision.rule)" "$PWD/b/more:1"
}

@test "every error in the tests is named, and none of them is run" {
	tests 'test' 'tset "x" expect allow' '{"given":{},"expect":1}' '{"given":{},"expect":{},"x":1}' \
		'{"giv' 'test given colour is red expect allow' 'test given age is never expect allow' \
		'test given encrypted expect allow x' 'given' 'test "a' 'test given complience is x expect allow' \
		'test given now is soon expect allow' 'test given os Windows expect allow' 'test expect maybe' \
		'test expect allow, no' 'test expect allow, vlan' 'test expect allow'
	assert_eq "$status" 65
	assert_eq "$output" ""
	assert_eq "${#stderr_lines[@]}" 15
	assert_eq "${stderr_lines[0]}" "nac-decide: t:1:5: expected a comma or expect, not the end of the line"
	assert_eq "${stderr_lines[9]}" 'nac-decide: t:11:12: unknown fact "complience" (did you mean "compliance"?)'
	printf 'test\0expect allow\n\xff\n' >t
	run -65 --separate-stderr nac-decide -r r --test t
	run -65 --separate-stderr nac-decide -r r --test none
	run -64 --separate-stderr nac-decide -r r --test
	run -64 --separate-stderr nac-decide -r r --coverage X
	run -64 --separate-stderr nac-decide -r r --test -n t
}

@test "what a test holds cannot add a line of TAP" {
	tests '{"name":"x\nok 7","given":{"session":{"ssid":"a\nok 8"}},"expect":{"action":"a\nok 9"}}'
	assert_eq "$status" 1
	assert_eq "$(grep -c '^ok' <<<"$output")" 0
}

@test "the example of nac-rules-test(5)" {
	awk '/^\.Sh EXAMPLES/ { on = 1 } /^\.Ed/ { in_it = 0 } in_it { gsub(/\\e/, "\\"); print }
		on && /^\.Bd/ { in_it = 1 }' "$NAC_ROOT/man/nac-rules-test.5" >t
	cat >r <<-'END'
		allow "Office" with vlan 750 if compliance is compliant and age < 3d
		allow "Repair" with vlan 1, session-timeout 1h if managed
	END
	run -0 --separate-stderr nac-decide -r r --test t
	assert_eq "$(grep -c '^ok' <<<"$output")" 4
}
