#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# What is true of every program: libraries, manual page, --help, completion,
# installation, and how each meets bad input.

load test_helper

programs=(certid intune-token intune-query nac-decide nac-cache coa-send radius-hook nac-serve nac-poll nac-setup nac-appconfig intune-emulator)

# The table of DESIGN: what each compiled program may link beside libc.
libraries() {
	case $1 in
	certid) echo 'libcrypto' ;;
	# libssl: --check shows the server's chain
	intune-token) echo 'libcurl libssl libcrypto libjansson libexpat' ;;
	intune-query) echo 'libcurl libcrypto libjansson libexpat' ;;
	nac-decide) echo 'libjansson' ;;
	nac-cache) echo 'liblmdb libjansson libhiredis libssl libcrypto' ;;
	coa-send) echo 'libradcli libcrypto libjansson' ;;
	nac-serve) echo 'libmicrohttpd liblmdb libjansson libcrypto' ;;
	esac
}

@test "every program links what the design allows, and nothing else" {
	for p in certid intune-token intune-query nac-decide nac-cache coa-send nac-serve; do
		allowed=" $(libraries $p) libc "
		# NEEDED is what the program itself asks for; the sanitizers' run-time is no part of it.
		needed=$(readelf -d "$(command -v $p)" | sed -n 's/.*(NEEDED).*\[\(.*\)\.so.*/\1/p' |
			grep -vE '^(libasan|libubsan|libm|libgcc_s)$')
		[ -n "$needed" ]
		for l in $needed; do
			assert_has "$allowed" " $l " || { echo "$p links $l"; false; }
		done
	done
}

@test "radius-hook, which is started for each login, loads nothing" {
	run ldd "$(command -v radius-hook)"
	# A sanitizer cannot be linked statically.
	nm "$(command -v radius-hook)" 2>/dev/null | grep -q __asan && skip "built with AddressSanitizer"
	assert_has "$output" "statically linked"
}

@test "every program has a manual page with EXIT STATUS and EXAMPLES, and a completion" {
	for p in "${programs[@]}"; do
		page=$(ls "$NAC_ROOT"/man/"$p".[18])
		grep -q '^\.Sh EXIT STATUS' "$page"
		grep -q '^\.Sh EXAMPLES' "$page"
		bash -n "$NAC_ROOT/share/completions/$p"
	done
}

@test "every program answers --help and --version, and names a wrong option" {
	for p in "${programs[@]}"; do
		run -0 --separate-stderr "$p" --help
		assert_has "$output" "$p"
		assert_eq "$stderr" ""
		run -0 --separate-stderr "$p" --version
		assert_has "$output" "$p "
		# The hook must answer its RADIUS server whatever happens: see its own tests.
		[ "$p" = radius-hook ] && continue
		run -64 --separate-stderr "$p" --no-such-option
		assert_has "$stderr" "no-such-option"
		assert_eq "$output" ""
	done
}

@test "every option in --help is in the manual page and in the completion" {
	for p in "${programs[@]}"; do
		page=$(mandoc -Tutf8 "$NAC_ROOT"/man/"$p".[18] | col -b | sed 's/‐/-/g; s/−/-/g')
		for o in $("$p" --help | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u); do
			assert_has "$page" "${o#--}" || { echo "$p: $o is not in its page"; false; }
			case $o in --help | --version) continue ;; esac
			grep -q -- "$o" "$NAC_ROOT/share/completions/$p" || { echo "$p: $o is not in its completion"; false; }
		done
	done
}

@test "a staged install followed by uninstall leaves no file" {
	stage=$BATS_TEST_TMPDIR/stage
	run -0 make -s -C "$NAC_ROOT" B="$B" BIN="$(dirname "$(command -v certid)")" DESTDIR="$stage" PREFIX=/opt/nac install
	for p in "${programs[@]}"; do [ -x "$stage/opt/nac/bin/$p" ]; done
	[ -f "$stage/opt/nac/share/man/man1/certid.1" ]
	[ -f "$stage/opt/nac/share/intune-nac/rules/default.rules" ]
	[ -f "$stage/opt/nac/share/intune-nac/profiles/rfc5176.profile" ]
	[ -f "$stage/opt/nac/share/intune-nac/freeradius/mods-available/nac" ]
	run -0 make -s -C "$NAC_ROOT" B="$B" BIN="$(dirname "$(command -v certid)")" DESTDIR="$stage" PREFIX=/opt/nac uninstall
	assert_eq "$(find "$stage" -type f 2>/dev/null)" ""
}

@test "make help lists the targets" {
	run -0 make -s -C "$NAC_ROOT" help
	for t in check quickstart install asan lint fuzz bench; do assert_has "$output" "$t "; done
}

@test "filters meet bad lines one by one: a message with the line, 65, and the others go on" {
	rules=$BATS_TEST_TMPDIR/r
	echo 'allow with vlan 750' >"$rules"
	printf '%s\n' '{"compliance":{"state":"compliant"},"n":1}' '{"broken' '[]' \
		'{"compliance":{"state":7}}' $'\x01\x02' '{"a":1,"a":2}' \
		'{"compliance":{"state":"compliant"},"n":2}' >"$BATS_TEST_TMPDIR/in"
	head -c 10000000 /dev/zero | tr '\0' x >>"$BATS_TEST_TMPDIR/in"
	printf '\n{"compliance":{"state":"compliant"},"n":3}' >>"$BATS_TEST_TMPDIR/in"
	run -65 --separate-stderr nac-decide -r "$rules" <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -c .n <<<"$output" | tr '\n' ' ')" "1 2 3 "
	for n in 2 3 4 5 6 8; do assert_has "$stderr" "nac-decide: <stdin>:$n: "; done
	assert_eq "$(wc -l <<<"$stderr")" 6
}

@test "a closed standard output is an error and not a silent success" {
	rules=$BATS_TEST_TMPDIR/r
	echo 'allow with vlan 750' >"$rules"
	run -74 --separate-stderr bash -c "nac-decide -r $rules LAPTOP-1 >/dev/full"
	assert_has "$stderr" "standard output"
}

@test "a configuration that is wrong, missing, or open to others stops every program that needs it" {
	conf=$BATS_TEST_TMPDIR/nac.conf
	for p in "intune-token" "intune-query LAPTOP-1" "nac-cache get LAPTOP-1" "nac-decide LAPTOP-1" "coa-send {}" "nac-serve --check"; do
		# shellcheck disable=SC2086
		set -- $p
		printf 'tenannt = x\n' >"$conf"
		chmod 600 "$conf"
		run -78 --separate-stderr env INTUNE_NAC_CONF="$conf" "$@"
		assert_has "$stderr" "$1: $conf:1:1: unknown key (did you mean tenant?)"
		run --separate-stderr env INTUNE_NAC_CONF="$BATS_TEST_TMPDIR/none" "$@"
		assert_eq "$status" 78
		assert_has "$stderr" "$BATS_TEST_TMPDIR/none: No such file"
		: >"$conf"
		chmod 666 "$conf"
		run --separate-stderr env INTUNE_NAC_CONF="$conf" "$@"
		[ "$status" -eq 77 ] || [ "$status" -eq 78 ]
		assert_has "$stderr" "may be written by others"
	done
}

@test "the units of systemd hold nothing that systemd does not know" {
	command -v systemd-analyze >/dev/null || skip "needs systemd-analyze"
	mkdir "$BATS_TEST_TMPDIR/units"
	for f in "$NAC_ROOT"/share/systemd/*; do
		# A command that is not there is one of its complaints.
		sed "s|/usr/local/bin/|/bin/true /usr/local/bin/|" "$f" >"$BATS_TEST_TMPDIR/units/${f##*/}"
	done
	# Of Debian's own units, which ours name, it may say what it likes.
	verify() { systemd-analyze verify --man=no "$BATS_TEST_TMPDIR"/units/* 2>&1 | grep -v '^/lib/systemd/' || :; }
	run -0 verify
	assert_eq "$output" ""
	sed -i 's/^ProtectSystem=/ProtectSytem=/' "$BATS_TEST_TMPDIR/units/nac-serve.service"
	run -0 verify
	assert_has "$output" "ProtectSytem"
	# Each of their programs is one that is installed.
	while read -r p; do
		command -v "$p" >/dev/null || { echo "$p"; return 1; }
	done < <(sed -n 's|^Exec[A-Za-z]*=/usr/local/bin/\([^ ]*\).*|\1|p' "$NAC_ROOT"/share/systemd/*.service | sort -u)
}
