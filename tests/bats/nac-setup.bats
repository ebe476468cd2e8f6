#!/usr/bin/env bats
# nac-setup on a copy of Debian's own configuration of FreeRADIUS.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/radius

setup_file() {
	[ -r /etc/freeradius/3.0/radiusd.conf ] || return 0
	export ORIG=$BATS_FILE_TMPDIR/3.0
	mkdir "$BATS_FILE_TMPDIR/pki"
	pki_make "$BATS_FILE_TMPDIR/pki"
	cp -R /etc/freeradius/3.0 "$ORIG"
	# Debian's certificates, user and folders are not for everybody to use.
	sed -i -e "s|/etc/ssl/certs/ssl-cert-snakeoil.pem|$BATS_FILE_TMPDIR/pki/certs/server.pem|" \
	    -e "s|/etc/ssl/private/ssl-cert-snakeoil.key|$BATS_FILE_TMPDIR/pki/certs/server.key|" \
	    -e 's/^\(\t*\)private_key_password/\1#&/' "$ORIG/mods-available/eap"
	sed -i -e 's/^\([[:space:]]*\)\(user\|group\) = /\1#\2 = /' \
	    -e "s|^\(run_dir\|logdir\|db_dir\) = .*|\1 = $BATS_FILE_TMPDIR|" "$ORIG/radiusd.conf"
	chmod -R go-w "$ORIG"
}

setup() {
	[ -n "${ORIG-}" ] || skip "needs to read /etc/freeradius/3.0"
	R=$BATS_TEST_TMPDIR/3.0
	cp -a "$ORIG" "$R"
	sed -i "s|/etc/freeradius/3.0|$R|" "$R/radiusd.conf"
	cp -a "$R" "$R.before"
}

nas() { nac-setup freeradius --raddb "$R" "$@"; }

unchanged() { diff -r --no-dereference "$R.before" "$R"; }

@test "puts everything in, once; the server accepts it; --undo leaves no trace" {
	for v in exec rest; do
		run -0 --separate-stderr nas --variant $v --yes
		assert_has "$output" "+++ new/policy.d/nac"
		assert_eq "$stderr" ""
		run -0 /usr/sbin/freeradius -C -X -d "$R"
		assert_has "$output" 'virtual_server = "check-eap-tls"'
		case $v in
		exec) assert_has "$output" "/radius-hook -c /etc/intune-nac/nac.conf" ;;
		rest) assert_has "$output" 'uri = "http://127.0.0.1:8043/freeradius/authorize"' ;;
		esac
		for f in mods-available/eap:1 sites-available/inner-tunnel:2 dictionary:1; do
			assert_eq "$(grep -c '# nac-setup$' "$R/${f%:*}")" "${f#*:}"
		done
		run -0 nas --variant $v --yes
		assert_has "$output" "nothing to do"
		run -0 nas --undo --yes
		unchanged
	done
	run -0 nas --undo --yes
	assert_has "$output" "nothing to do"
}

@test "changes over from exec to rest and back" {
	nas --yes >/dev/null
	cp -a "$R" "$R.exec"
	run -0 nas --variant rest --yes
	[ ! -e "$R/mods-enabled/nac" ] && [ -e "$R/mods-enabled/nacrest" ]
	run -1 grep -q '^[^#]*max_queue_size' "$R/radiusd.conf"
	run -0 nas --variant exec --yes
	diff -r --no-dereference "$R.exec" "$R"
}

@test "says what it would do and does nothing: dry run, and nobody to ask" {
	run -0 nas --dry-run
	assert_has "$output" "nac_post_auth	# nac-setup"
	assert_has "$output" "+mods-enabled/nac -> ../mods-available/nac"
	unchanged
	run -1 --separate-stderr nas </dev/null
	assert_has "$stderr" "nothing was changed"
	unchanged
}

@test "a file of somebody else stays, and nothing is changed" {
	for f in policy.d/nac mods-available/nac sites-available/nac-check-eap-tls sites-enabled/check-eap-tls; do
		echo '# mine' >"$R/$f"
		cp "$R/$f" "$R.before/$f"
		run -78 --separate-stderr nas --yes
		assert_has "$stderr" "nac-setup: $f: is "
		unchanged
		rm "$R/$f" "$R.before/$f"
	done
}

@test "a file that was changed since is neither overwritten nor removed" {
	nas --yes >/dev/null
	echo '# mine' >>"$R/policy.d/nac"
	echo '# my dictionary' >>"$R/dictionary"
	rm -rf "$R.before"
	cp -a "$R" "$R.before"
	run -78 --separate-stderr nas --yes
	assert_has "$stderr" "policy.d/nac: is there and not as nac-setup wrote it"
	unchanged
	run -1 --separate-stderr nas --undo --yes
	assert_has "$stderr" "policy.d/nac: was changed after nac-setup wrote it"
	[ -e "$R/policy.d/nac" ] && [ ! -e "$R/mods-enabled/nac" ]
	assert_eq "$(tail -n 1 "$R/dictionary")" '# my dictionary'
	assert_eq "$(grep -rl '# nac-setup$' "$R" || :)" ""
}

@test "what the server does not accept is taken back" {
	mkdir -p "$BATS_TEST_TMPDIR/inst/bin" "$BATS_TEST_TMPDIR/inst/share"
	cp "$NAC_ROOT/bin/nac-setup" "$BATS_TEST_TMPDIR/inst/bin/"
	cp -R "$NAC_ROOT/share/freeradius" "$BATS_TEST_TMPDIR/inst/share/"
	echo 'nac_decide {' >>"$BATS_TEST_TMPDIR/inst/share/freeradius/policy.d/nac"
	run -70 --separate-stderr "$BATS_TEST_TMPDIR/inst/bin/nac-setup" freeradius --raddb "$R" --yes
	assert_has "$stderr" "all of it was taken back"
	unchanged
	# One that is broken before is nobody's to mend.
	echo 'server {' >>"$R/radiusd.conf"
	cp "$R/radiusd.conf" "$R.before/radiusd.conf"
	run -78 --separate-stderr nas --yes
	assert_has "$stderr" "does not accept it as it is"
	unchanged
}

@test "a configuration that is unlike Debian's: says which line has no place" {
	sed -i '/Post-Auth-Type REJECT/,$d' "$R/sites-available/inner-tunnel"
	rm -rf "$R.before"
	cp -a "$R" "$R.before"
	run -78 --separate-stderr nas --yes
	assert_has "$stderr" 'sites-available/inner-tunnel: "nac_tunnel" has no place here'
	unchanged
}

@test "wrong usage" {
	run -64 --separate-stderr nac-setup
	assert_has "$stderr" "freeradius"
	run -64 --separate-stderr nac-setup freeradius --variant smtp
	run -78 --separate-stderr nac-setup freeradius --raddb "$BATS_TEST_TMPDIR/none"
	assert_has "$stderr" "is no configuration of FreeRADIUS"
}
