# The poll, whole: emulated Intune at one end, a real CoA listener (FreeRADIUS) at
# the other, radius-hook run as FreeRADIUS runs it.  For bats files; the test's own
# options of the emulator are in POLL_FLEET.

# shellcheck source=../lib/radius.bash
. "$BATS_TEST_DIRNAME/../lib/radius.bash"

poll_setup_file() {
	pki_make "$BATS_FILE_TMPDIR"
}

poll_setup() {
	dir=$BATS_TEST_TMPDIR
	store=$dir/state
	export INTUNE_NAC_CONF=$dir/nac.conf EMU_DIR=$dir/intune
	mkdir "$store"
	chmod 2770 "$store"
	cp -R "$BATS_FILE_TMPDIR/certs" "$dir"
	emulator_start --fleet "${POLL_FLEET:-40}"
	cp "$NAC_ROOT/share/rules/default.rules" "$dir/site.rules"
	freeradius_start "$dir" /bin/true
	# shellcheck source=/dev/null
	. "$dir/radius.env"
	printf '%s' "$RADIUS_SECRET" >"$dir/nas.secret"
	chmod 600 "$dir/nas.secret"
	echo "nas 127.0.0.1 profile rfc5176 port $RADIUS_COA_PORT secret-file $dir/nas.secret" >"$dir/nas"
	{
		cat "$EMU_CONF"
		printf '%s = %s\n' state_dir "$store" rules "$dir/site.rules" nas_file "$dir/nas" \
			profiles_dir "$NAC_ROOT/share/profiles" dictionary "$NAC_ROOT/share/dictionary"
	} >"$INTUNE_NAC_CONF"
	nac-cache put </dev/null
}

poll_teardown() {
	[ -z "${follow-}" ] || pid_stop "$follow"
	freeradius_stop "$dir"
	emulator_stop
}

# visit NAME N: device NAME authenticates, as FreeRADIUS would say it; prints the VLAN.
visit() {
	env -i User-Name="host/$1" NAS-IP-Address=127.0.0.1 NAS-Port="$2" EAP-Type=TLS \
		Acct-Session-Id="session-$2" Calling-Station-Id="00-1B-2C-3D-4E-$(printf %02X "$2")" \
		TLS-Client-Cert-Serial=01 TLS-Client-Cert-Common-Name="$1" \
		"$(command -v radius-hook)" -c "$INTUNE_NAC_CONF" |
		sed -n 's/.*Private-Group-Id:0 := "\(.*\)",/\1/p'
}

device() { printf 'LAPTOP-%04d' "$1"; }

# fleet N: N devices, made compliant, have been seen and looked up.
fleet() {
	local i
	for ((i = 1; i <= $1; i++)); do
		printf 'set %s complianceState=compliant managementState=managed\n' "$(device "$i")"
	done | emulator_control - >/dev/null
	for ((i = 1; i <= $1; i++)); do visit "$(device "$i")" "$i" >/dev/null; done
	nac-cache due --older-than 0s | intune-query | nac-cache put >/dev/null
	for ((i = 1; i <= $1; i++)); do visit "$(device "$i")" "$i" >/dev/null; done
}

coas() { radius_coa_log "$dir" | grep -c . || :; }
