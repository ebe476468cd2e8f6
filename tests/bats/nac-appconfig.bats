#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-appconfig: what it prints is what the two platforms read, and the secret stays one.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 077
	printf 'a"b\\c<d>&e-secret\n' >hint
}

app() { run --separate-stderr nac-appconfig -f hint "$@"; }

# What a property list says, read by another's reader.
plist() { python3 -c 'import plistlib, json, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read()), sort_keys=True))'; }

@test "Android: JSON with site, user and hint" {
	app --android --site https://contoso.example
	assert_eq "$status" 0
	assert_eq "$(jq -c '[.kind, .productId]' <<<"$output")" \
		'["androidenterprise#managedConfiguration","app:com.okta.android.mobile.oktamobile"]'
	assert_eq "$(jq -c '[.managedProperty[] | {(.key): .valueString}] | add' <<<"$output")" \
		'{"siteName":"https://contoso.example","username":"{{userprincipalname}}","managementHint":"a\"b\\c<d>&e-secret"}'
	app --android --site x --user "Zoë \"Z\" \\" --product app:com.example
	assert_eq "$(jq -r '.productId, .managedProperty[1].valueString' <<<"$output")" $'app:com.example\nZoë "Z" \\'
}

@test "iOS: a property list, or the dict alone" {
	app --ios --site 'https://contoso.example/?a=1&b=<2>'
	assert_eq "$status" 0
	assert_eq "$(plist <<<"$output")" \
		'{"Domain": "https://contoso.example/?a=1&b=<2>", "managementHint": "a\"b\\c<d>&e-secret"}'
	! command -v xmllint >/dev/null || xmllint --nonet --noout - <<<"$output"
	! command -v plutil >/dev/null || plutil -lint - <<<"$output"
	app --ios --dict --site s --user u
	assert_eq "${lines[0]} ${lines[-1]}" "<dict> </dict>"
	assert_eq "$( { echo '<plist version="1.0">'; echo "$output"; echo '</plist>'; } | plist)" \
		'{"Domain": "s", "managementHint": "a\"b\\c<d>&e-secret", "username": "u"}'
}

@test "--rotate: the new secret is another, the one before stays good, both are private" {
	before=$(<hint)
	app --rotate
	assert_eq "$status" 0
	assert_eq "$output" ""
	refute_has "$stderr" "$(<hint)"
	assert_eq "$(<hint.old)" "$before"
	[[ $(<hint) =~ ^[A-Za-z0-9_-]{43}$ ]]
	assert_eq "$(stat -c %a hint hint.old | paste -sd' ')" "600 600"
	printf '%s\n' 'app-hint "hint", "hint.old"' 'trusted by app-hint' 'allow "T" if trust is trusted' >r
	chmod 644 r
	for h in "$before" "$(<hint)"; do
		run -0 nac-decide -r r "$(jq -nc --arg h "$h" '{session: {app_hint: $h}}')"
	done
	app --rotate
	run -1 nac-decide -r r "$(jq -nc --arg h "$before" '{session: {app_hint: $h}}')"
	assert_eq "$(find . -name 'hint*' | wc -l)" 2
	rm hint hint.old
	app --rotate --owner "$(id -u)"
	run -0 nac-decide -n -r r
	[ "$(<hint)" != "$(<hint.old)" ]
}

@test "ten that rotate at once leave two whole secrets" {
	for _ in {1..10}; do nac-appconfig -f hint --rotate 2>/dev/null & done
	wait
	[[ $(<hint) =~ ^[A-Za-z0-9_-]{43}$ && $(<hint.old) =~ ^[A-Za-z0-9_-]{43}$ ]]
	assert_eq "$(find . -name 'hint*' | wc -l)" 2
}

@test "a --rotate that fails changes nothing, says one line and leaves nothing behind" {
	cp hint before
	fails() {
		local want=$1 has=$2
		shift 2
		app --rotate "$@"
		assert_eq "$status" "$want"
		assert_one_line "$stderr"
		assert_has "$stderr" "$has"
		cmp hint before
		assert_eq "$(find . -name 'hint.*.*' | wc -l)" 0
	}
	fails 64 "--owner nosuchuser: no such user" --owner nosuchuser
	[ ! -e hint.old ]
	mkdir hint.old
	fails 74 "hint.old: cannot be replaced"
	assert_eq "$(find hint.old -type f | wc -l)" 0
	rmdir hint.old
	# Neither may a pipe's end be taken for the whole: the old one fails, and the new one must not be.
	printf 'the one before\n' >hint.old
	cp hint.old old.before
	mkdir stub
	printf '#!/bin/sh\ncase $* in *hint.old.*) exit 1 ;; esac\nexec %s "$@"\n' "$(command -v sync)" >stub/sync
	chmod 755 stub/sync
	PATH=$PWD/stub:$PATH fails 74 "hint.old: cannot be written"
	cmp hint.old old.before
	# Nor is a secret half made.
	printf '#!/bin/sh\nexit 1\n' >stub/base64
	chmod 755 stub/base64
	PATH=$PWD/stub:$PATH fails 74 "no new secret"
	cmp hint.old old.before
}

@test "a secret is counted in bytes, and printed only where it is UTF-8" {
	export LC_ALL=C.UTF-8
	echo ääää >hint
	app --android --site x
	assert_eq "$status $(jq -r '.managedProperty[2].valueString' <<<"$output")" "0 ääää"
	app --ios --site x
	assert_eq "$(plist <<<"$output")" '{"Domain": "x", "managementHint": "\u00e4\u00e4\u00e4\u00e4"}'
	printf 'ä%.0s' {1..64} >hint
	app --android --site x
	assert_eq "$status" 78
	for s in '\xffabcdefgh' 'abcdefgh\xc3' 'abcdefgh\xed\xa0\x80' 'abcdefgh\xef\xbf\xbf'; do
		printf '%b\n' "$s" >hint
		for how in --android --ios; do
			app "$how" --site x
			assert_eq "$status $output" "78 "
			assert_one_line "$stderr"
			assert_has "$stderr" "hint: is no UTF-8"
		done
	done
	cp hint before
	app --rotate
	assert_eq "$status" 0
	cmp hint.old before
	app --ios --site x
	assert_eq "$status" 0
}

@test "what is wrong is one line, and nothing is printed" {
	wrong() {
		local want=$1
		shift
		app "$@"
		assert_eq "$status" "$want"
		assert_eq "$output" ""
		assert_one_line "$stderr"
		refute_has "$stderr" secret\\
	}
	wrong 64
	wrong 64 --android
	wrong 64 --android --ios --site x
	wrong 64 --android --dict --site x
	wrong 64 --android --site $'x\ny'
	wrong 64 --android --site $'\xff'
	wrong 64 --android --site x --owner root
	wrong 64 --rotate --site x
	wrong 64 --android --site
	wrong 64 --android --site x more
	chmod 640 hint; wrong 77 --android --site x
	chmod 600 hint; printf 'short\n' >hint; wrong 78 --ios --site x
	printf 'two\nlines-of-it\n' >hint; wrong 78 --ios --site x
	rm hint; wrong 78 --ios --site x
	mkdir hint; chmod 700 hint; wrong 77 --ios --site x
	run -77 --separate-stderr nac-appconfig -f none/hint --rotate
}

@test "the secret is in no argument of a program" {
	command -v strace >/dev/null || skip "no strace"
	run -0 strace -f -e trace=execve -o trace nac-appconfig -f hint --android --site x
	run -0 strace -f -e trace=execve -o trace2 nac-appconfig -f hint --rotate
	run -1 grep -E 'e-secret' trace trace2
	run -1 grep -F "$(<hint)" trace trace2
}
