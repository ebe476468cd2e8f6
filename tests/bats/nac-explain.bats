#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-decide --explain: which rules were tried, and why they did not match.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
}

# explain RULES-LINE...: decides the record in $rec by these rules
explain() {
	printf '%s\n' "$@" >r
	run --separate-stderr nac-decide -r r --explain --now 2026-11-21T08:30:00Z <<<"$rec"
}

# failed JQ: of the first rule
failed() { jq -c ".decision.explain[0].failed$1" <<<"$output"; }

@test "each rule up to the deciding one, the condition, its value, where from, how old" {
	rec='{"compliance":{"state":"grace","source":"cache","checked":"2026-11-21T08:00:00Z","device":{"management_state":"managed"}}}'
	explain 'label Leaving when retiring or wiping' 'deny "Out" if Leaving' \
		'allow "Corp" with vlan 750 if compliance is compliant and fresh' \
		'allow "Grace" if compliance in grace, error' 'allow "Never tried"'
	assert_eq "$status" 0
	assert_eq "$(jq -c '.decision.explain | map([.rule, .name, .action, .matched])' <<<"$output")" \
		'[["r:2","Out","deny",false],["r:3","Corp","allow",false],["r:4","Grace","allow",true]]'
	assert_eq "$(failed '| length')" 2
	assert_eq "$(failed '[1]')" '{"test":"wiping","label":"Leaving","at":"r:1:32","saw":"managed","from":"compliance.device.management_state","origin":"intune","source":"cache","time":"2026-11-21T08:00:00Z","age":1800}'
	assert_eq "$stderr" '<stdin>:1: r:2 deny "Out": no: retiring: compliance.device.management_state is "managed", by cache, 30 min old; wiping: compliance.device.management_state is "managed", by cache, 30 min old
<stdin>:1: r:3 allow "Corp": no: compliance is compliant: compliance.state is "grace", by cache, 30 min old
<stdin>:1: r:4 allow "Grace": matches'
	# The rest of the decision is as without it.
	assert_eq "$(jq -c 'del(.decision.explain)' <<<"$output")" \
		"$(nac-decide -r r --now 2026-11-21T08:30:00Z <<<"$rec")"
}

@test "shadow all goes before the rules, no-match behind them" {
	rec='{"session":{"ssid":"Lab"}}'
	explain 'allow "Corp" if ssid is Corp' 'shadow all with vlan 7 if ssid is Lab' 'shadow deny "S" if ssid is Lab' 'no-match deny'
	assert_eq "$(jq -c '.decision.explain | map([.rule, .all, .action, .matched])' <<<"$output")" \
		'[["r:2",true,"allow",true],["r:1",null,"allow",false],["r:3",null,"deny",true],["no-match",null,"deny",true]]'
	assert_eq "$stderr" '<stdin>:1: r:2 shadow all: matches
<stdin>:1: r:1 allow "Corp": no: ssid is Corp: session.ssid is "Lab"
<stdin>:1: r:3 shadow deny "S": matches
<stdin>:1: no-match deny: matches'
	rec='{"session":{"ssid":"x"}}'
	explain 'shadow all with vlan 7 if ssid is Lab' 'no-match allow'
	assert_eq "$stderr" '<stdin>:1: r:1 shadow all: no: ssid is Lab: session.ssid is "x"
<stdin>:1: no-match allow: matches'
}

@test "the value that each kind of condition saw" {
	rec='{"identity":{"mac":"00:1b:44:11:3a:b7","eap":"tls","name":[{"value":"LAPTOP-1","found":"cn"},{"value":"laptop-1.x","found":"cn"}]},
		"session":{"nas_ip":"192.0.2.1","groups":["a","b"],"seen":"2026-11-21T08:29:00Z","nas_port":"7"},
		"compliance":{"state":"compliant","checked":"2026-11-21T07:30:00Z","device":{"os":"Windows","os_version":"10.0.1"}}}'
	rec=${rec//$'\n'/}
	named=('zone Z is 10.1.0.0/16' 'list Macs macs "macs"' 'list Names groups "names"')
	echo 00:a0:f8:00:00:01 >macs; echo x >names
	while IFS='|' read -r condition test saw from; do
		explain "${named[@]}" "allow if $condition" 'deny'
		assert_eq "$status" 1
		assert_eq "$(failed '[0] | [.test, .saw, .from]')" "$(jq -nc --arg t "$test" --arg s "$saw" --arg f "$from" '[$t, (if $s == "" then null else $s end), $f]')"
		# What is told is a condition again.
		[[ $test == *" more" ]] && continue
		printf '%s\n' "${named[@]}" "allow if $test" >again
		run -0 nac-decide -n -r again
	done <<-'END'
		not managed|not managed|compliant|compliance.state
		mac in 00:a0:f8:*, 00:1b:44:11:3a:b8|mac in 00:a0:f8:*, 00:1b:44:11:3a:b8|00:1b:44:11:3a:b7|identity.mac
		name is X*|name is X*|LAPTOP-1, laptop-1.x|identity.name
		group in c, d, e, f, g|group in c, d, e, f and 1 more|a, b|session.groups
		ssid is Corp|ssid is Corp||session.ssid
		nas in 10.0.0.0/8|nas is 10.0.0.0/8|192.0.2.1|session.nas_ip
		age < 30m|age < 30m|60 min|compliance.checked
		sync-age < 36h|sync-age < 36h||compliance.device.last_sync
		eap in ttls, peap|eap in ttls, peap|tls|identity.eap
		not (eap is tls and managed)|not eap is tls|tls|identity.eap
		weekday is sunday|weekday is sunday|saturday|now
		nas-port is 8|nas-port is 8|7|session.nas_port
		os-version >= 10.0.2|os-version >= 10.0.2|10.0.1|compliance.device.os_version
		client is mobile|client is mobile|windows|compliance.device.os
		stale|stale|60 min|compliance.checked
		random-mac|random-mac|00:1b:44:11:3a:b7|identity.mac
		retiring|retiring||compliance.device.management_state
		nas in 10.0.0.0/8, 2001:db8::/32, 192.0.2.9|nas in 10.0.0.0/8, 2001:db8::/32, 192.0.2.9|192.0.2.1|session.nas_ip
		zone is Z|zone is Z|192.0.2.1|session.nas_ip, session.nas_id
		mac is a*|mac is a*|00:1b:44:11:3a:b7|identity.mac
		mac in 00:1c:4*, 00a0*|mac in 00:1c:4*, 00:a0:*|00:1b:44:11:3a:b7|identity.mac
		mac in list Macs|mac is list Macs|00:1b:44:11:3a:b7|identity.mac
		group in list Names, x|group in list Names, x|a, b|session.groups
		ssid is "a \"b\", c"|ssid is "a \"b\", c"||session.ssid
		age in 5m..40m, 1d..36h|age in 5m..40m, 1d..36h|60 min|compliance.checked
		age in 5m..10m|age in 5m..10m|60 min|compliance.checked
		hour in 22..5|hour is 22..5|8|now
		hour is 7|hour is 7|8|now
		time in 09:00..18:30|time is 09:00..18:30|08:30|now
		time in 22:00..24:00|time is 22:00..24:00|08:30|now
		time is 08:29|time is 08:29|08:30|now
		time < 08:30|time < 08:30|08:30|now
		trust is trusted|trust is trusted|not trusted|trusted by
		trust is not any|not trust is any|not trusted|trusted by
		not certificate and account is disabled|account is disabled|unknown|compliance.device.account_enabled
		jailbreak in yes, no|jailbreak in yes, no|unknown|compliance.device.jailbroken
		encrypted|encrypted|false|compliance.device.encrypted
		ambiguous|ambiguous|compliant|identity.ambiguous, compliance.state
		app-hint|app-hint||session.hint
		certificate|certificate||identity.issuer
		fresh and age > 10d|age > 10d|60 min|compliance.checked
		mfa-age < 1w|mfa-age < 7d||session.mfa
	END
	explain 'allow if ssid is x' 'deny'
	assert_eq "$(failed '[0] | [.origin, .age]')" '["request",60]'
	assert_has "$stderr" 'session.ssid is not known, 60 s old'
}

@test "trust: each evidence, and the test of it that failed; a name: whose it is" {
	echo the-secret-key >hint; chmod 600 hint
	trust=('app-hint "hint"' 'trusted by certificate if issuer is "*CN=MDM CA"' 'trusted by app-hint if client is mobile'
		'trusted by compliance' 'trusted by compliance if owner is company')
	rec='{"identity":{"issuer":"/CN=Other"},"session":{"hint":"good"},"compliance":{"state":"grace","device":{"os":"Windows","owner":"personal","name":"PC-1"}}}'
	explain "${trust[@]}" 'allow if trust is trusted' 'deny'
	assert_eq "$(failed '[0].evidence[] | [.by, .at, .holds, (.failed[] | .test, .saw, .from)]')" \
'["certificate","r:2",false,"issuer is \"*CN=MDM CA\"","/CN=Other","identity.issuer"]
["app-hint","r:3",false,"client is mobile","windows","compliance.device.os"]
["compliance","r:4",false,"compliance is compliant","grace","compliance.state"]
["compliance","r:5",false,"owner is company","personal","compliance.device.owner"]'
	assert_has "${stderr_lines[0]}" 'trust is trusted: trusted by is "not trusted" (certificate, r:2: issuer is "*CN=MDM CA": identity.issuer is "/CN=Other"; app-hint, r:3: client is mobile: '
	# Nothing of it is there at all.
	rec='{}'
	explain "${trust[@]}" 'allow if trust is trusted' 'deny'
	assert_eq "$(failed '[0].evidence[] | [.by, (.failed[] | .test, .saw)]')" \
'["certificate","certificate",null]
["app-hint","app-hint",null]
["compliance","compliance is compliant","pending"]
["compliance","managed","pending"]'
	rec='{"compliance":{"state":"compliant"}}'
	explain "${trust[@]}" 'allow if trust is not trusted' 'deny'
	assert_eq "$(failed '[0].evidence | map(.holds)')" '[false,false,true,false]'
	assert_has "${stderr_lines[0]}" 'compliance, r:4: holds'

	whose() {
		rec=$1
		explain 'allow if name is X' 'deny'
		assert_eq "$(failed '[0] | [.saw, .from, .origin, .source]')" "$2"
	}
	whose '{"compliance":{"state":"compliant","source":"graph","device":{"name":"PC-1"}}}' \
		'["PC-1","compliance.device.name","intune","graph"]'
	whose '{"identity":{"name":[{"value":"PC-2","found":"cn"}]},"compliance":{"state":"compliant","device":{"name":"PC-1"}}}' \
		'["PC-2, PC-1","identity.name, compliance.device.name","certificate",null]'
	whose '{"identity":{"name":[{"value":"PC-2","found":"argument"}]}}' '["PC-2","identity.name","request",null]'
	whose '{}' '[null,"identity.name","request",null]'
}

@test "what a client chose cannot add a line or steer a terminal; nothing of a secret is told" {
	rec=$(jq -nc '{session: {user: "a\nb\u001b[2J", app_hint: "hush-hush"}}')
	explain 'allow if user is c and app-hint' 'allow if app-hint' 'deny'
	assert_eq "${#stderr_lines[@]}" 3
	refute_has "$stderr$output" $'\e'
	refute_has "$stderr$output" hush
}

@test "--changed: only what is printed is explained, and no explanation is kept in was" {
	rec='{"compliance":{"state":"grace"}}'
	explain 'allow with vlan 5 if compliance is grace' 'deny'
	rec=$output
	printf '%s\n' 'allow with vlan 6 if compliance is grace' 'deny' >r2
	run -0 --separate-stderr nac-decide -r r --explain --changed <<<"$rec"
	assert_eq "$output$stderr" ""
	run -0 --separate-stderr nac-decide -r r2 --explain --changed <<<"$rec"
	assert_eq "$(jq -c '.decision | [(.explain | length), .was.vlan, .was.explain]' <<<"$output")" '[1,"5",null]'
}
