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
