#!/usr/bin/env bats
# nac-setup on a copy of Debian's own configuration of FreeRADIUS.
# shellcheck disable=SC2154 # bats sets stderr

load test_helper
load ../lib/radius
load ../lib/fleet

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

teardown() {
	[ -z "${DEBIAN_PID-}" ] || pid_stop "$DEBIAN_PID"
}

# debian_start: Debian's server with the configuration in R, on ports of its own,
# AUTH_PORT and ACCT_PORT, with rules, store and journal in D.
debian_start() {
	local inner

	D=$BATS_TEST_TMPDIR/nac
	export INTUNE_NAC_CONF=$D/nac.conf
	mkdir -p "$D/state"
	printf '%s\n' "state_dir = $D/state" "rules = $D/site.rules" >"$INTUNE_NAC_CONF"
	cp "$NAC_ROOT/share/rules/default.rules" "$D/site.rules"
	chmod 600 "$INTUNE_NAC_CONF" "$D/site.rules"
	store_fleet
	rm -rf "$D/as-it-was"
	cp -a "$R" "$D/as-it-was"
	[ ! -f "$R/mods-available/nac" ] || sed -i -e "s|\"[^ ]*/radius-hook|\"$(command -v radius-hook)|" \
	    -e "s|-c /etc/intune-nac/nac.conf|-c $INTUNE_NAC_CONF|" "$R/mods-available/nac"
	for _ in 1 2 3 4 5; do
		# shellcheck disable=SC2046
		set -- $(_radius_ports)
		AUTH_PORT=$1 ACCT_PORT=$2 inner=$3
		awk -v auth="$1" -v acct="$2" '
		/^\tport = 0$/ { sub(/0/, n++ % 2 ? acct : auth) }
		{ sub(/^\tipaddr = \*/, "\tipaddr = 127.0.0.1"); sub(/^\tipv6addr = ::/, "\tipv6addr = ::1"); print }
		' "$D/as-it-was/sites-available/default" >"$R/sites-available/default"
		sed "s/18120/$inner/" "$D/as-it-was/sites-available/inner-tunnel" >"$R/sites-available/inner-tunnel"
		/usr/sbin/freeradius -f -l stdout -d "$R" </dev/null >"$D/radius.log" 2>&1 3>&- &
		DEBIAN_PID=$!
		wait_until "$RADIUS_PATIENCE" _listens_or_gone "$DEBIAN_PID" "$ACCT_PORT"
		udp_listens "$DEBIAN_PID" "$ACCT_PORT" && return
		pid_stop "$DEBIAN_PID"
		grep -q 'Address already in use' "$D/radius.log" || break
	done
	tail -n 15 "$D/radius.log"
	return 1
}

debian_stop() {
	pid_stop "$DEBIAN_PID"
	DEBIAN_PID=
	rm -rf "$R"
	mv "$D/as-it-was" "$R"
}

# ask auth|acct ATTRIBUTE...: radclient's view of the answer.
ask() {
	local port=$AUTH_PORT how=$1

	[ "$how" = auth ] || port=$ACCT_PORT
	shift
	printf '%s\n' "$@" | radclient -x -r 1 -t 10 "127.0.0.1:$port" "$how" testing123 2>&1 | sed -n '/^Received/,$p'
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

@test "--mab, for Debian's own server: a device by its address as the rules say, and nobody else" {
	dev=$'Calling-Station-Id = "00-1B-2C-3D-4E-01"\nNAS-Port-Type = Ethernet\nService-Type = Call-Check'
	nas --yes >/dev/null
	debian_start
	run -0 ask auth 'User-Name = "001b2c3d4e01"' "$dev" 'User-Password = "001b2c3d4e01"'
	assert_has "$output" Access-Reject
	debian_stop
	run -0 nas --mab --yes
	assert_has "$output" "+	nac_mab	# nac-setup"
	run -0 nas --mab --yes
	assert_has "$output" "nothing to do"
	debian_start
	run -0 ask auth 'User-Name = "001b2c3d4e01"' "$dev" 'User-Password = "001b2c3d4e01"'
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "750"'
	assert_eq "$(last '.identity.mac, .session.medium, .compliance.state')" "$GOOD_MAC"$'\nwired\ncompliant'
	run -0 ask auth 'User-Name = "001b2c9999aa"' 'Calling-Station-Id = "00-1B-2C-99-99-AA"' 'Service-Type = Call-Check'
	assert_has "$output" 'Tunnel-Private-Group-Id:0 = "1"'
	for no in 'User-Name = "001b2c3d4e02"' 'User-Name = "alice"' 'User-Name = "001b2c3d4e01@corp.example"' \
	    $'User-Name = "001b2c3d4e01"\nEAP-Message = 0x0201000501\nMessage-Authenticator = 0x00'; do
		run -0 ask auth "$no" "$dev" 'User-Password = "001b2c3d4e01"'
		refute_has "$output" Access-Accept
	done
	debian_stop
	run -0 nas --yes
	assert_has "$output" "-	nac_mab	# nac-setup"
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

@test "files whose last line has no end: the line is its own, and --undo restores every byte" {
	for f in dictionary mods-available/eap sites-available/default sites-available/inner-tunnel radiusd.conf; do
		printf '# the end' >>"$R/$f"
	done
	rm -rf "$R.before"
	cp -a "$R" "$R.before"
	nas --yes >/dev/null
	grep -qx '# the end' "$R/dictionary"
	grep -qx "\$INCLUDE dictionary.nac	# nac-setup" "$R/dictionary"
	run -0 nas --yes
	assert_has "$output" "nothing to do"
	nas --variant rest --yes >/dev/null
	nas --undo --yes >/dev/null
	unchanged
	# A line that was written behind ours stays, and stays a line.
	nas --yes >/dev/null
	echo 'ATTRIBUTE Mine 3900 string' >>"$R/dictionary"
	nas --undo --yes >/dev/null
	assert_eq "$(tail -n 2 "$R/dictionary")" $'# the end\nATTRIBUTE Mine 3900 string'
}

# stopping SIGNAL N: a mv and ln that send the Nth change SIGNAL to nac-setup
# before it is made.  Prints where they are.
stopping() {
	local dir=$BATS_TEST_TMPDIR/stopping word both=''

	# A terminal's goes to all of them; bash does not heed one that its child outlives.
	[ "$1" != INT ] || both='$$'

	rm -rf "$dir"
	mkdir "$dir"
	for word in mv ln; do
		# The copies in the works have no -sfn.
		printf '%s\n' '#!/bin/sh' "case $word\$1 in ln-s) exec $(command -v ln) \"\$@\";; esac" \
		    "echo >>$dir/count" "[ \"\$(wc -l <$dir/count)\" -ne $2 ] || kill -s $1 \$PPID $both" \
		    "exec $(command -v $word) \"\$@\"" >"$dir/$word"
		chmod +x "$dir/$word"
	done
	echo "$dir"
}

leftovers() { find "$R" -name '.nac-new*'; }

@test "interrupted at any place: all is taken back; killed there: --undo finds all of it" {
	n=0
	while :; do
		for sig in KILL TERM KILL INT; do
			n=$((n + 1))
			dir=$(stopping $sig $n)
			# A shell cannot trap what was ignored when it began.
			PATH=$dir:$PATH run --separate-stderr env --default-signal=INT \
			    nac-setup freeradius --raddb "$R" --yes
			[ "$status" -ne 0 ] || break 2
			case $sig in
			INT) assert_eq "$status" 130 ;;
			TERM) assert_eq "$status" 143 ;;
			KILL)
				assert_eq "$status" 137
				find "$R" -name '.nac-new*' -delete
				nas --undo --yes >/dev/null
				unchanged
				continue
				;;
			esac
			assert_has "$stderr" "interrupted; all of it was taken back"
			unchanged
			assert_eq "$(leftovers)" ""
		done
	done
	# Every file and link of it, and the list twice.
	[ $n -gt 10 ]
	nas --undo --yes >/dev/null
	unchanged
	# The way back the same.
	nas --yes >/dev/null
	rm -rf "$R.before"
	cp -a "$R" "$R.before"
	for n in 1 4; do
		PATH=$(stopping TERM $n):$PATH run --separate-stderr nas --undo --yes
		assert_eq "$status" 143
		unchanged
	done
}

# on_terminal ANSWER: nac-setup with a terminal to ask on.
on_terminal() {
	printf '%s' "$1" | script -qec "nac-setup freeradius --raddb $R" /dev/null
}

@test "asks on a terminal: no, nothing and an end are no, y is yes" {
	for answer in $'n\n' $'\n' $'\004' $'nyes\n'; do
		run -1 on_terminal "$answer"
		assert_has "$output" "Make these changes in $R? [y/N]"
		assert_has "$output" "nothing was changed"
		unchanged
	done
	run -0 on_terminal $'y\n'
	assert_has "$output" "Make these changes in $R? [y/N]"
	assert_has "$output" "done; the server accepts it"
	[ -e "$R/policy.d/nac" ]
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
