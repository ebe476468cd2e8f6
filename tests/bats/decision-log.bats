#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets stderr; each test is a subshell
# The journal of radius-hook and of nac-serve as the decision log: what the RADIUS
# server's own policy hands in (NAC-App-Hint, NAC-MFA-Time, NAC-Group), and what a
# person would look for afterwards (trust, events, mfa, listed, log).

load test_helper
load ../lib/serve

SECRET=the-secret-of-the-app
NO_HINT="Authentication of device via managed app failure: NO_HINT"
NO_CERT="Authentication of device via certificate failure: NO_CERTIFICATE"

setup() {
	D=$BATS_TEST_TMPDIR
	J=$D/state/journal.ndjson
	umask 022
	mkdir "$D/state"
	export INTUNE_NAC_CONF=$D/nac.conf
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	(umask 077 && echo "$SECRET" >"$D/hint")
	printf '%s\n' '00:1b:44:11:3a:b7 until 2099-12-31 "printer of the board"' >"$D/bypass.list"
	cat >"$D/site.rules" <<-'END'
		app-hint "hint"
		trusted by certificate if issuer is "*CN=Microsoft Intune MDM Device CA*"
		trusted by app-hint
		list Bypass macs "bypass.list"
		allow "Bypass"   with vlan 30, log bypass, log "by the list"  if mac in list Bypass
		allow "Staff"    with vlan 40, mfa weekly, log staff  if group is Staff and trust is trusted
		allow "Trusted"  with vlan 50  if trust is trusted
		shadow deny "Strict" with log strict  if not certificate
		allow "Rest"     with vlan 60, mfa sign-on
		no-match deny
	END
	nac-decide -n -r "$D/site.rules"
	nac-cache put </dev/null
}

teardown() {
	serve_stop "$D"
}

# by_hook NAME=VALUE...: as FreeRADIUS starts it, where a name may stand twice
by_hook() {
	python3 -c 'import ctypes, sys
def words(l): return (ctypes.c_char_p * (len(l) + 1))(*[w.encode() for w in l], None)
ctypes.CDLL(None).execve(sys.argv[1].encode(), words(sys.argv[1:5]), words(sys.argv[5:]))' \
		"$(command -v radius-hook)" -c "$INTUNE_NAC_CONF" --no-safe-exit "$@" >"$D/answer" || :
}

# by_serve NAME=VALUE...: as rlm_rest asks, a name that stands twice as one array
by_serve() {
	jq -nc '[$ARGS.positional[] | capture("^(?<k>[^=]*)=(?<v>.*)"; "s")] | group_by(.k) |
	    map({(.[0].k): {type: "string", value: map(.v)}}) | add' --args "$@" |
		serve_ask "$D" /freeradius/post-auth --data-binary @- >"$D/answer"
}

# told WAY: what each client's line in the journal says
told() {
	local week
	week=$(date -u -d '-8 days' +%FT%TZ)
	client() { "by_$way" User-Name=alice NAS-IP-Address=192.0.2.7 EAP-Type=PEAP "$@"; }
	line() { tail -n 1 "$J" | jq -c "$1"; }
	way=$1

	client Calling-Station-Id=00-1B-44-11-3A-B7
	assert_eq "$(line '.decision | [.name, .trust, .log, .events, .mfa]')" \
		"[\"Bypass\",\"not trusted\",[\"bypass\",\"by the list\"],[\"$NO_CERT\",\"$NO_HINT\"],null]"
	assert_eq "$(line .decision.listed)" \
		'{"list":"bypass.list","line":1,"until":"2100-01-01T00:00:00Z","reason":"printer of the board"}'
	assert_eq "$(line '[.session.groups, .session.mfa, .session.hint]')" '[null,null,null]'

	# A right hint, two groups, and a second factor of eight days ago.
	client Calling-Station-Id=00-1B-44-11-3A-01 NAC-App-Hint=$SECRET NAC-MFA-Time="$week" \
		NAC-Group=Users NAC-Group=Staff
	assert_eq "$(line '[.session.groups, .session.mfa, .session.hint]')" "[[\"Users\",\"Staff\"],\"$week\",\"good\"]"
	assert_eq "$(line '.decision | [.name, .trust, .mfa, .log, .listed]')" \
		'["Staff","trusted",{"every":"weekly","due":true},["staff"],null]'
	assert_eq "$(line .decision.events)" "[\"$NO_CERT\",\"Authentication of device via managed app success\",\"Authentication of user via MFA required\"]"

	# The same an hour after it, as seconds since 1970.
	client Calling-Station-Id=00-1B-44-11-3A-01 NAC-App-Hint=$SECRET NAC-Group=Staff \
		NAC-MFA-Time="$(date -d '-1 hour' +%s)"
	assert_eq "$(line '.decision | [.mfa.due, .events[-1]]')" '[false,"Authentication of user via MFA success"]'

	# A wrong hint, and a time that is none.
	client Calling-Station-Id=00-1B-44-11-3A-02 NAC-App-Hint=${SECRET}x NAC-MFA-Time=yesterday
	assert_eq "$(line '[.session.mfa, .session.hint, .decision.name, .decision.trust]')" \
		'[null,"bad","Rest","not trusted"]'
	assert_has "$(line .note)" "NAC-MFA-Time is no time and not used"
	assert_eq "$(line '.decision | [.mfa, .events, .shadow.action, .shadow.name]')" \
		"[{\"every\":\"sign-on\",\"due\":true},[\"$NO_CERT\",\"Authentication of device via managed app failure: WRONG_HINT\",\"Authentication of user via MFA required\"],\"deny\",\"Strict\"]"

	# A certificate of the MDM's CA, and one of another.
	client Calling-Station-Id=00-1B-44-11-3A-03 EAP-Type=TLS TLS-Client-Cert-Serial=01 \
		"TLS-Client-Cert-Issuer=/CN=Microsoft Intune MDM Device CA"
	assert_eq "$(line '.decision | [.name, .trust, .events]')" \
		"[\"Trusted\",\"trusted\",[\"Authentication of device via certificate success\",\"$NO_HINT\"]]"
	client Calling-Station-Id=00-1B-44-11-3A-03 EAP-Type=TLS TLS-Client-Cert-Serial=01 \
		TLS-Client-Cert-Issuer=/CN=Other
	assert_eq "$(line '.decision | [.name, .trust, .events[0]]')" \
		'["Rest","not trusted","Authentication of device via certificate failure: NOT_ACCEPTED"]'
	assert_eq "$(wc -l <"$J")" 6
	run -1 grep -F "$SECRET" "$J" "$D/answer"
}

@test "radius-hook: what the server's policy hands in, and what the journal says of it" {
	told hook
}

@test "nac-serve: the same" {
	serve_start "$D"
	told serve
}
