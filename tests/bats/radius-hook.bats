#!/usr/bin/env bats
# radius-hook as FreeRADIUS starts it: with nothing but attributes in its
# environment; then inside the real server.
# shellcheck disable=SC2016 # dollar signs and backquotes are hostile values
# shellcheck disable=SC2030,SC2031,SC2154 # bats sets them, and runs each test in a subshell
# shellcheck disable=SC1003 # a backslash is one more hostile value

load test_helper
load ../lib/radius

GUID=0f1e2d3c-1111-4222-8333-444455556666	# compliant, LAPTOP-1
BAD=0f1e2d3c-1111-4222-8333-444455557777	# noncompliant, LAPTOP-2
GONE=0f1e2d3c-1111-4222-8333-444455558888	# compliant, but being wiped
URI=TLS-Client-Cert-Subject-Alt-Name-Uri=IntuneDeviceId://
SAN=TLS-Client-Cert-X509v3-Subject-Alternative-Name

# device GUID NAME MAC STATE MANAGEMENT: a record as intune-query writes it
device() {
	printf '{"compliance":{"state":"%s","source":"graph","matched_by":"guid","id_space":"intune",' "$4"
	printf '"checked":"%s","asked":[{"by":"guid","value":"%s"}],' "$(date -u +%FT%TZ)" "$1"
	printf '"device":{"id":"%s","name":"%s","wifi_mac":"%s","management_state":"%s"}}}\n' "$1" "$2" "$3" "$5"
}

# site DIR: a folder with store, rules and configuration
site() {
	mkdir -p "$1/state"
	cp "$NAC_ROOT/share/rules/default.rules" "$1/site.rules"
	printf 'state_dir = %s\nrules = %s\nquarantine_vlan = 99\n' "$1/state" "$1/site.rules" >"$1/nac.conf"
	chmod 600 "$1/site.rules" "$1/nac.conf"
	{
		device $GUID LAPTOP-1 00:11:22:33:44:55 compliant managed
		device $BAD LAPTOP-2 00:11:22:33:44:66 noncompliant managed
		device $GONE LAPTOP-3 00:11:22:33:44:77 compliant wipePending
	} | nac-cache put -c "$1/nac.conf" >/dev/null
}

setup_file() {
	export SITE=$BATS_FILE_TMPDIR/site
	site "$SITE"
}

setup() {
	T=$BATS_TEST_TMPDIR
	HOOK=$(command -v radius-hook)
	J=$T/journal.ndjson
}

# hook NAME=value ... [-- option ...]: runs it on the shared store
hook() {
	local attributes=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do attributes+=("$1"); shift; done
	[ $# -eq 0 ] || shift
	env -i "${attributes[@]}" "$HOOK" -c "$SITE/nac.conf" --journal "$J" "$@"
}

last() { tail -n 1 "$J" | jq -r "$1"; }

@test "mfa session: a second factor holds through the authentications of one session" {
	echo 'allow with mfa session' >"$T/mfa.rules"
	chmod 600 "$T/mfa.rules"
	# attributes, and whether a factor is due
	while IFS='|' read -r attributes due; do
		read -ra list <<<"$attributes"
		run -0 hook User-Name=alice Calling-Station-Id=00-11-22-33-44-55 Acct-Session-Id=s1 \
			"${list[@]}" -- --rules "$T/mfa.rules"
		assert_eq "$attributes: $(last .decision.mfa.due)" "$attributes: $due"
	done <<-END
		NAC-MFA-Time=$(date -d '-1 hour' +%s)|true
		NAC-MFA-Time=$(date -d '-1 hour' +%s) Acct-Session-Time=7200|false
		NAC-MFA-Time=$(date -d '-3 hours' +%s) Acct-Session-Time=7200|true
		NAC-MFA-Time=$(date -d '-1 hour' +%s) NAC-Session-Start=$(date -u -d '-2 hours' +%FT%TZ)|false
		NAC-MFA-Time=$(date -d '-1 hour' +%s) NAC-Session-Start=$(date -d '-30 min' +%s) Acct-Session-Time=7200|true
		NAC-MFA-Time=$(date -d '-1 hour' +%s) Acct-Session-Time=7200 NAC-Session-Start=$(date -d '-30 min' +%s)|true
		NAC-MFA-Time=$(date -d '-1 hour' +%s) Acct-Session-Time=-1|true
		Acct-Session-Time=7200|true
	END
	assert_eq "$(last .session.acct_session_id)" s1
}

@test "--accounting: what the NAS says goes into the journal, and nothing is decided" {
	for word in Start:start 1:start Stop:stop Interim-Update:interim Accounting-On:on 8:off; do
		run -0 hook Acct-Status-Type=${word%:*} User-Name=accepted Calling-Station-Id=00-11-22-33-44-55 \
		    Acct-Session-Id=A1 NAS-IP-Address=192.0.2.1 Framed-IP-Address=198.51.100.9 -- --accounting
		assert_eq "$output" ""
		assert_eq "$(last '.accounting, .session.user, .session.acct_session_id, .session.framed_ip, .identity.mac, .decision')" \
		    "${word#*:}"$'\naccepted\nA1\n198.51.100.9\n00:11:22:33:44:55\nnull'
		case ${word#*:} in
		start|interim) assert_eq "$(last .session.ended)" null ;;
		*) assert_eq "$(last .session.ended)" true ;;
		esac
	done
	# In capitals and quotes too, as shell_escape = yes has it.
	run -0 hook ACCT_STATUS_TYPE=Stop 'ACCT_SESSION_ID="B2"' -- --accounting
	assert_eq "$(last '.accounting, .session.acct_session_id')" $'stop\nB2'
	n=$(wc -l <"$J")
	for none in Tunnel-Start 15 ''; do
		run -0 hook "Acct-Status-Type=$none" Calling-Station-Id=00-11-22-33-44-55 -- --accounting
	done
	run -0 hook Calling-Station-Id=00-11-22-33-44-55 -- --accounting
	assert_eq "$(wc -l <"$J")" "$n"
	# A login that says so is still a login.
	run -0 hook Acct-Status-Type=Start Calling-Station-Id=00-11-22-33-44-66
	assert_vlan 1
	# What is not in the journal the NAS is to send again.
	run -1 hook Acct-Status-Type=Stop -- --accounting --journal "$T/none/none"
	run -1 hook Acct-Status-Type=Stop -- --accounting -c "$T/none"
	run -1 hook Acct-Status-Type=Stop -- --accounting --no-such-option
}

# assert_vlan N: the answer is the three attributes of RFC 3580 and nothing else;
# ":=" replaces a VLAN that the site has set before, "=" would leave that one in.
assert_vlan() {
	assert_eq "$output" "$(printf 'Tunnel-Type:0 := VLAN,\nTunnel-Medium-Type:0 := IEEE-802,\nTunnel-Private-Group-Id:0 := "%s",' "$1")"
}

@test "a compliant device gets its VLAN, by the GUID in its certificate; both quoting styles" {
	run -0 --separate-stderr hook User-Name=host/x EAP-Type=TLS "$URI$GUID"
	assert_vlan 750
	assert_eq "$stderr" ""
	assert_eq "$(last '.compliance.state, .compliance.matched_by, .decision.vlan, .decision.name')" \
		$'compliant\nguid\n750\nCorp compliant'
	run -0 hook 'USER_NAME="host/x"' EAP_TYPE=TLS 'TLS_CLIENT_CERT_SUBJECT_ALT_NAME_DNS="x"' \
		"TLS_CLIENT_CERT_X509V3_SUBJECT_ALTERNATIVE_NAME=\"DNS:x, URI:IntuneDeviceId://$GUID\""
	assert_vlan 750
	assert_eq "$(wc -l <"$J")" 2
	refute_has "$(cat "$J")" '"error"'
}

@test "every line of the answer ends with a comma" {
	hook "$URI$GUID" >"$T/out"
	assert_eq "$(grep -c ',$' "$T/out")" "$(wc -l <"$T/out")"
	assert_eq "$(tail -c 2 "$T/out" | od -An -c | tr -d ' ')" ',\n'
}

@test "by name in the CN, with and without a domain; noncompliant is quarantined" {
	for cn in LAPTOP-2 laptop-2.example.test; do
		run -0 hook "TLS-Client-Cert-Common-Name=$cn" EAP-Type=TLS
		assert_eq "$(last '.compliance.state, .compliance.matched_by')" $'noncompliant\nname'
		assert_vlan 1
	done
}

@test "by MAC in every form that a NAS writes" {
	for mac in 00-11-22-33-44-55 00:11:22:33:44:55 0011.2233.4455 001122334455 \
		0011-2233-4455 001122-334455; do
		run -0 hook User-Name=alice "Calling-Station-Id=$mac" EAP-Type=TTLS
		assert_eq "$(last '.compliance.matched_by, .identity.mac')" $'mac\n00:11:22:33:44:55'
		assert_vlan 750
	done
}

@test "a rule that denies: exit 1 and no attributes" {
	run -1 hook "$URI$GONE"
	assert_eq "$output" ""
	assert_eq "$(last .decision.action)" deny
	[ "$(hook "$URI$GONE" | wc -c)" -eq 1 ]
}

@test "an unknown device is pending, and what CoA needs is in the journal" {
	run -0 hook User-Name=EXAMPLE\\alice NAS-IP-Address=192.0.2.7 NAS-Identifier=ap-1 NAS-Port=7 \
		NAS-Port-Id=Gi1/0/7 NAS-Port-Type=Wireless-802.11 Acct-Session-Id=5F01 \
		Acct-Multi-Session-Id=5FAA Calling-Station-Id=00-11-22-33-44-99 \
		Called-Station-Id=02-00-00-AA-BB-CC:corp Framed-IP-Address=198.51.100.9 \
		Chargeable-User-Identity=0x632d75 Cisco-AVPair=audit-session-id=0A98FF EAP-Type=TTLS
	assert_vlan 1
	assert_eq "$(last '.compliance.state, .identity.eap')" $'pending\nttls'
	assert_eq "$(last '.session | del(.seen) | [.[]] | join(" ")')" \
		'wireless EXAMPLE\alice EXAMPLE 192.0.2.7 ap-1 7 Gi1/0/7 Wireless-802.11 5F01 5FAA 00-11-22-33-44-99 02-00-00-AA-BB-CC:corp corp 198.51.100.9 c-u 0A98FF cisco'
}

@test "a random MAC matches nothing, nor does a MAC that two attributes disagree about" {
	run -0 hook Calling-Station-Id=02-11-22-33-44-55
	assert_eq "$(last '.identity.mac_random, .compliance.state')" $'true\npending'
	# env keeps one variable of each name; the server does not.
	run -0 python3 -c 'import ctypes, sys
def words(l): return (ctypes.c_char_p * (len(l) + 1))(*[w.encode() for w in l], None)
mac = "Calling-Station-Id=00-11-22-33-44-"
ctypes.CDLL(None).execve(sys.argv[1].encode(), words(sys.argv[1:]), words([mac + "55", mac + "66"]))' \
		"$HOOK" -c "$SITE/nac.conf" --journal "$J"
	assert_eq "$(last '.compliance.state, .identity.mac')" $'pending\nnull'
	assert_has "$(last .note)" "names two devices"
	assert_eq "$(last .session.calling)" 00-11-22-33-44-55
}

@test "User-Name is never an identity" {
	for eap in TTLS TLS PEAP; do
		run -0 hook User-Name=host/LAPTOP-1 EAP-Type=$eap TLS-Client-Cert-Serial=01
		assert_eq "$(last .compliance.state)" pending
		assert_vlan 1
	done
	run -0 hook User-Name=$GUID
	assert_eq "$(last .compliance.state)" pending
}

@test "a SAN into which somebody wrote a second device is ambiguous" {
	run -0 hook "$SAN=URI:IntuneDeviceId://$BAD, URI:IntuneDeviceId://$GUID"
	assert_eq "$(last '.identity.ambiguous, .compliance.state, .decision.name')" $'true\nambiguous\nAmbiguous'
	assert_vlan 1
	# The tag of strong mapping has a comma of its own and is no device.
	run -0 hook "$SAN=URI:IntuneDeviceId://$GUID, URI:tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1104"
	assert_vlan 750
	# More behind the GUID, or less of it, is no GUID.
	for uri in "IntuneDeviceId://${GUID}0" "IntuneDeviceId://${GUID%6}" "IntuneDeviceId://$GUID/x"; do
		run -0 hook "$SAN=URI:$uri"
		assert_eq "$(last .compliance.state)" pending
	done
}

@test "a device name that forges a SAN entry of another device gains nothing" {
	dns=TLS-Client-Cert-Subject-Alt-Name-Dns
	run -0 hook "$SAN=DNS:a, URI:IntuneDeviceId://$GUID" "$dns=a, URI:IntuneDeviceId://$GUID"
	assert_vlan 1
	assert_has "$(last .note)" "may hold a forged entry and is not used"
	# Hidden behind an honest entry, of which alone the server shows the value.
	run -0 hook "$SAN=DNS:a, URI:IntuneDeviceId://$GUID, DNS:b" "$dns=b"
	assert_vlan 1
	run -0 hook "$SAN=URI:http://x/a, URI:IntuneDeviceId://$GUID"
	assert_vlan 1
	run -0 hook "$SAN=DNS:a, URI:IntuneDeviceId://$GUID" "$dns=a"
	assert_vlan 750
}

@test "a value that the server has cut is not used, and the note says so" {
	san="$SAN=URI:IntuneDeviceId://$GUID, DNS:"
	pad=$(printf 'a%.0s' $(seq $((1022 - ${#san}))))
	run -0 hook "$san$pad"
	assert_eq "$(last .compliance.state)" pending
	assert_has "$(last .note)" "Subject-Alternative-Name is too long"
	run -0 hook "$san${pad%a}" "TLS-Client-Cert-Subject-Alt-Name-Dns=${pad%a}"
	assert_eq "$(last .compliance.state)" compliant
	assert_eq "$(last .note)" null
}

@test "nothing a client sends gets into the answer, and the journal stays JSON" {
	long=$(printf 'x%.0s' $(seq 4096))
	for evil in $'x"\nTunnel-Private-Group-Id:0 := "750",\n' '%{User-Password}' '`id`' "$long" \
		$'\xff\xfe\x01\x7f' '"},{"error":"x' $'{"journal":1,\n{"journal":1,"a":1}' '$(id)' '#' '\' '"'; do
		run -0 --separate-stderr hook "User-Name=$evil" "Called-Station-Id=02-00-00-AA-BB-CC:$evil" \
			"TLS-Client-Cert-Common-Name=$evil" "NAS-Identifier=$evil" "Calling-Station-Id=$evil" \
			"NAS-Port-Id=$evil" "$SAN=DNS:$evil" "TLS-Client-Cert-Subject=/CN=$evil" User-Password=hunter2
		assert_vlan 1
		assert_eq "$stderr" ""
	done
	assert_eq "$(wc -l <"$J")" 11
	assert_eq "$(jq -c '[.journal, .decision.vlan, has("error")]' "$J" | sort -u)" '[1,"1",false]'
	assert_eq "$(grep -c '^{"journal":1,"identity":{' "$J")" 11
	refute_has "$(cat "$J")" hunter2
}

# broken REASON NAME=value ... -- option ...: all of that gives the fallback
broken() {
	local reason=$1
	shift
	run -0 --separate-stderr hook "$@"
	assert_vlan "${VLAN-99}"
	assert_eq "$stderr" ""
	assert_has "$(last .error)" "$reason"
	assert_eq "$(last .decision.action)" allow
	assert_has "$(last .decision.reason)" "fallback: "
	run -1 --separate-stderr hook "$@" --fallback deny
	assert_eq "$output" ""
	assert_eq "$(last .decision.action)" deny
	assert_has "$(last .error)" "$reason"
	assert_eq "$(last .session.user)" alice
}

@test "broken rules: the fallback, and the journal says why" {
	broken "$T/none: No such file" User-Name=alice "$URI$GUID" -- --rules "$T/none"
	printf 'alow with vlan 1\nallow wiht vlan 2\n' >"$T/rules"
	broken "$T/rules:1:1: " User-Name=alice "$URI$GUID" -- --rules "$T/rules"
	assert_has "$(last .error)" "(and 1 more)"
	printf 'allow with vlan 750\n' >"$T/open"
	chmod 666 "$T/open"
	broken "$T/open: may be written by others" User-Name=alice "$URI$GUID" -- --rules "$T/open"
	mkfifo "$T/fifo"
	broken "$T/fifo: is no regular file" User-Name=alice "$URI$GUID" -- --rules "$T/fifo"
	broken "$T: is no regular file" User-Name=alice "$URI$GUID" -- --rules "$T"
	head -c 100000 /dev/urandom >"$T/binary"
	broken "$T/binary:" User-Name=alice "$URI$GUID" -- --rules "$T/binary"
}

@test "a broken store: the fallback, and the journal says why" {
	broken "$T/none" User-Name=alice "$URI$GUID" -- --state-dir "$T/none"
	mkdir "$T/empty"
	broken "there is no store here" User-Name=alice "$URI$GUID" -- --state-dir "$T/empty"
	mkdir "$T/text"
	echo "this is no database" >"$T/text/data.mdb"
	broken "data.mdb" User-Name=alice "$URI$GUID" -- --state-dir "$T/text"
	[ -f "$SITE/state/data.mdb" ]
	# Cut short behind its first pages: reading beyond the end is a SIGBUS.
	cp -r "$SITE/state" "$T/cut"
	truncate -s 8192 "$T/cut/data.mdb"
	broken "" User-Name=alice "$URI$GUID" -- --state-dir "$T/cut"
	# Everything behind the meta pages overwritten.
	cp -r "$SITE/state" "$T/noise"
	size=$(stat -c %s "$T/noise/data.mdb")
	for byte in '\377' '\0' '\21'; do
		head -c $((size - 8192)) /dev/zero | tr '\0' "$byte" |
			dd of="$T/noise/data.mdb" bs=8192 seek=1 conv=notrunc status=none
		broken "" User-Name=alice "$URI$GUID" -- --state-dir "$T/noise"
	done
}

@test "a broken store: the rules' own answer, unless an option says else" {
	printf '%s\n' 'when-broken allow with vlan 66, Reply-Message "sorry"' 'allow with vlan 750' >"$T/rules"
	cp -r "$SITE/state" "$T/cut"
	truncate -s 8192 "$T/cut/data.mdb"
	for state in "$T/none" "$T/cut"; do
		run -0 --separate-stderr hook User-Name=alice "$URI$GUID" -- --rules "$T/rules" --state-dir "$state"
		assert_has "$output" 'Tunnel-Private-Group-Id:0 := "66"'
		assert_has "$output" 'Reply-Message := "sorry"'
		assert_has "$(last .decision.reason)" "fallback: "
		run -1 --separate-stderr hook User-Name=alice "$URI$GUID" -- --rules "$T/rules" --state-dir "$state" --fallback deny
		VLAN=7 run -0 --separate-stderr hook User-Name=alice "$URI$GUID" -- --rules "$T/rules" --state-dir "$state" --quarantine-vlan 7
		assert_has "$output" 'Tunnel-Private-Group-Id:0 := "7"'
	done
	printf '%s\n' 'when-broken deny' 'allow with vlan 750' >"$T/rules"
	run -1 --separate-stderr hook User-Name=alice "$URI$GUID" -- --rules "$T/rules" --state-dir "$T/cut"
	assert_eq "$output" ""
}

@test "a broken configuration: the fallback of the command line" {
	export VLAN=1
	hook() {
		local attributes=()
		while [ "$1" != -- ]; do attributes+=("$1"); shift; done
		shift
		env -i "${attributes[@]}" "$HOOK" --journal "$J" "$@"
	}
	broken "$T/none: No such file" User-Name=alice "$URI$GUID" -- -c "$T/none"
	printf 'rules = /x\nfalback = deny\n' >"$T/conf"
	broken "$T/conf:2:1: unknown key (did you mean fallback?)" User-Name=alice "$URI$GUID" -- -c "$T/conf"
	printf '\0\1\2' >"$T/conf"
	broken "$T/conf:1:" User-Name=alice "$URI$GUID" -- -c "$T/conf"
	: >"$T/conf"
	chmod 666 "$T/conf"
	broken "$T/conf: may be written by others" User-Name=alice "$URI$GUID" -- -c "$T/conf"
	VLAN=4000 broken "$T: is no regular file" User-Name=alice "$URI$GUID" -- -c "$T" --quarantine-vlan 4000
}

@test "a wrong command line: the fallback, too" {
	broken 'no such option, or its argument is missing: "--no-such"' User-Name=alice "$URI$GUID" -- --no-such
	broken 'takes no argument: "x"' User-Name=alice "$URI$GUID" -- x
	broken '1 to 4094, not "4095"' User-Name=alice "$URI$GUID" -- --quarantine-vlan 4095
	# Nobody knows what was meant: the narrower of the two.
	run -1 hook User-Name=alice "$URI$GUID" -- --fallback dney
	assert_has "$(last .error)" '--fallback is quarantine or deny, not "dney"'
	run -1 hook "$URI$GUID" -- --fallback
}

@test "deny may stand in the configuration, and the command line goes first" {
	{ cat "$SITE/nac.conf"; echo 'fallback = deny'; } >"$T/conf"
	chmod 600 "$T/conf"
	run -1 hook -- -c "$T/conf" --rules "$T/none"
	run -0 hook -- -c "$T/conf" --rules "$T/none" --fallback quarantine --quarantine-vlan 7
	assert_vlan 7
}

@test "a journal that cannot be written: the decision stands, and somebody is told" {
	mkfifo "$T/fifo"
	for j in "$T/no/such/folder" "$T" "$T/fifo" /dev/full; do
		run -0 --separate-stderr hook "$URI$GUID" -- --journal "$j"
		assert_vlan 750
		assert_has "$stderr" "radius-hook: $j: "
		assert_one_line "$stderr"
	done
	run -1 --separate-stderr hook -- --journal "$T" --rules "$T/none" --fallback deny
	assert_has "$stderr" "$T/none: No such file"
}

@test "the system log gets what the journal cannot" {
	command -v strace >/dev/null || skip "strace is not installed"
	run -0 hook "$URI$GUID"
	env -i "$URI$GUID" strace -f -o "$T/trace" "$HOOK" -c "$SITE/nac.conf" --journal "$T" >/dev/null 2>&1
	grep -q 'connect(.*"/dev/log"' "$T/trace"
	env -i "$URI$GUID" strace -f -o "$T/trace" "$HOOK" -c "$SITE/nac.conf" --journal "$J" >/dev/null 2>&1
	[ "$(grep -c 'socket(' "$T/trace")" -eq 0 ]
}

@test "one write for the answer, one for the journal, and no network" {
	command -v strace >/dev/null || skip "strace is not installed"
	: >"$J"
	env -i "$URI$GUID" strace -f -yy -e trace=write,writev,pwrite64,socket,connect -o "$T/trace" \
		"$HOOK" -c "$SITE/nac.conf" --journal "$J" | cat >/dev/null
	assert_eq "$(grep -c 'write(1<pipe' "$T/trace")" 1
	assert_eq "$(grep -c "writev\?([0-9]*<$J" "$T/trace")" 1
	assert_eq "$(grep -cE '(socket|connect)\(' "$T/trace")" 0
}

@test "exit 0 or 1 and nothing else, even with nowhere to write to" {
	for o in "" "--no-safe-exit" "--rules $T/none" "--journal $T/none/none"; do
		# shellcheck disable=SC2086
		run -1 bash -c "env -i '$URI$GUID' '$HOOK' -c '$SITE/nac.conf' --journal '$J' $o >&- 2>&-"
		# shellcheck disable=SC2086
		run -1 bash -c "env -i '$URI$GUID' '$HOOK' -c '$SITE/nac.conf' --journal '$J' $o >/dev/full 2>&-"
	done
	# The reader is gone before it has read.
	run -0 bash -c "env -i '$URI$GUID' '$HOOK' -c '$SITE/nac.conf' --journal '$J' | :; s=\${PIPESTATUS[0]}; [ \$s -le 1 ]"
}

@test "the store is one open file to read: no lock, and killed hooks leave nothing" {
	command -v strace >/dev/null || skip "strace is not installed"
	run -0 hook "$URI$GUID" # makes the journal
	run -0 env -i "$URI$GUID" strace -qq -o "$T/trace" -e trace=file,desc "$HOOK" -c "$SITE/nac.conf" --journal "$J"
	assert_vlan 750
	assert_eq "$(grep -c "lock.mdb" "$T/trace")" 0
	# Four files are opened, once each; one write for the answer, one for the journal.
	opened() { grep -E '^open(at)?\(' "$T/trace" | grep -oE '[a-z]+\.(conf|rules|mdb|ndjson)"' | tr -d '"\n'; }
	assert_eq "$(opened)" nac.confsite.rulesdata.mdbjournal.ndjson
	assert_eq "$(grep -cE '^(write|writev|pwrite64)\(' "$T/trace")" 2
	cp -r "$SITE" "$T/site"
	rm -f "$T/site/state/lock.mdb"
	chmod 555 "$T/site/state"
	chmod 444 "$T/site/state/data.mdb"
	run -0 env -i "$URI$GUID" "$HOOK" -c "$SITE/nac.conf" --state-dir "$T/site/state" --journal "$J"
	assert_vlan 750
	assert_eq "$(ls "$T/site/state")" data.mdb
	chmod 755 "$T/site/state"
}

@test "every kind of damage to the store is the fallback with a reason, or the right answer" {
	cp -r "$SITE" "$T/site"
	d=$T/site/state/data.mdb
	size=$(stat -c %s "$d")
	right=0 wrong=0
	for at in $(seq 16 173 "$size" | head -60) $(seq 8192 4096 "$size"); do
		cp "$SITE/state/data.mdb" "$d"
		printf '\377\377\377\177\002\000\377\377' | dd of="$d" bs=1 seek="$at" conv=notrunc status=none
		run -0 env -i "$URI$GUID" "$HOOK" -c "$SITE/nac.conf" --state-dir "$T/site/state" --journal "$J"
		case $output in
		*'"750"'*) right=$((right + 1)) ;;
		*'"99"'*)
			wrong=$((wrong + 1))
			assert_has "$(last .error)" "$T/site/state: "
			;;
		*) false ;;
		esac
	done
	[ $right -gt 0 ] && [ $wrong -gt 3 ]
}

@test "no more memory than the start of the program got: right, or the fallback" {
	command -v strace >/dev/null || skip "strace is not installed"
	nm "$HOOK" 2>/dev/null | grep -q __asan && skip "AddressSanitizer has a memory of its own"
	starved() {
		env -i strace -qq -o "$T/calls" -e trace=brk,mmap,pidfd_open "$HOOK" -c "$SITE/nac.conf" --journal "$J" >/dev/null
		# From the first call behind the loader's on, nothing is given any more.
		after() { awk -v c="^$1" '/^pidfd_open/ { exit } $0 ~ c { n++ } END { print n + 1 "+" }' "$T/calls"; }
		run -0 env -i User-Name=alice "$URI$GUID" strace -qq -o "$T/trace" -e trace=brk,mmap \
			-e "inject=brk:retval=0:when=$(after brk)" -e "inject=mmap:error=ENOMEM:when=$(after mmap)" \
			"$HOOK" -c "$SITE/nac.conf" --journal "$J" "$@"
	}
	starved --rules "$SITE/site.rules"
	case $output in *'"750"'*) assert_eq "$(last .error)" null ;; *) assert_vlan 99 ;; esac
	# These do not fit into what is there.
	for n in {1..5000}; do echo "deny if user is \"nobody$n\""; done >"$T/large"
	echo 'allow with vlan 750' >>"$T/large"
	starved --rules "$T/large" --quarantine-vlan 7
	assert_vlan 7
	assert_has "$(last .error)" " memory"
	run -0 hook "$URI$GUID" -- --rules "$T/large"
	assert_vlan 750
}

@test "the keeper goes when the hook has gone" {
	: >"$T/pids"
	for _ in 1 2 3 4 5; do
		run -0 hook "$URI$GUID"
	done
	left() { pgrep -f "$HOOK -c $SITE/nac.conf --journal $J" | wc -l; }
	gone() { [ "$(left)" -eq 0 ]; }
	wait_until 3 gone
}

@test "a hook that is stopped half-way answers when its time is up" {
	rules=$T/slow
	# What hangs is a disk; strace stands for it.
	command -v strace >/dev/null || skip "strace is not installed"
	printf 'allow with vlan 5\n' >"$rules"
	chmod 600 "$rules"
	# The call that opens the rules: open() or openat(), by the C library.
	env -i strace -qq -e 'trace=/^open(at)?$' -o "$T/opens" "$HOOK" -c "$SITE/nac.conf" \
		--journal "$J" --rules "$rules" >/dev/null 2>&1
	call=$(grep -F "\"$rules\"" "$T/opens" | cut -d'(' -f1)
	run -0 bash -c "env -i User-Name=alice strace -qq -o '$T/trace' -e trace=$call -e \
		inject=$call:delay_enter=3000000:when=$(grep "^$call(" "$T/opens" | grep -nF "$rules" | cut -d: -f1) \
		'$HOOK' -c '$SITE/nac.conf' --journal '$J' --rules '$rules'"
	assert_vlan 99
	assert_has "$(last .error)" "took too long"
	assert_eq "$(last .session.user)" alice
}

@test "--record prints the record and leaves the journal alone" {
	run -0 hook User-Name=alice "$URI$GUID" -- --record
	assert_eq "$(json_get "$output" '[.compliance.state, .decision.vlan, .session.user, has("journal")] | join(" ")')" \
		"compliant 750 alice false"
	[ ! -e "$J" ]
	run -1 hook "$URI$GONE" -- --record
	assert_eq "$(json_get "$output" .decision.action)" deny
	# A record is what the other programs take.
	hook "$URI$GUID" -- --record | nac-decide -r "$SITE/site.rules" | jq -e '.decision.vlan == "750"'
}

@test "--explain reads lines, prints the reply and why, and leaves the journal alone" {
	explain() { env -i "$HOOK" -c "$SITE/nac.conf" --journal "$J" --explain "$@"; }
	run -0 --separate-stderr explain <<<"# a comment

User-Name=host/x
$URI$GUID"
	assert_has "$output" 'Tunnel-Private-Group-Id:0 := "750",'
	assert_has "$output" "# accept (exit 0)"
	assert_has "$output" "# compliance: compliant"
	assert_has "$output" "# rule: "
	assert_has "$output" "# name: Corp compliant"
	assert_eq "$stderr" ""
	# Both styles, and the environment itself counts for nothing.
	run -1 env "$URI$GUID" "$HOOK" -c "$SITE/nac.conf" --explain <<<"TLS_CLIENT_CERT_SUBJECT_ALT_NAME_DNS=\"$GONE\""
	assert_has "$output" "# reject (exit 1)"
	assert_has "$output" "# name: Retire or wipe"
	run -0 --separate-stderr explain --rules "$T/none" <<<"nonsense"
	assert_has "$output" "# error: $T/none: No such file"
	assert_has "$stderr" "radius-hook: <stdin>:1: is no NAME=value"
	run -0 --separate-stderr explain < <(head -c 100000 /dev/urandom)
	assert_has "$stderr" "radius-hook: <stdin>"
	[ ! -e "$J" ]
	# Without the option nothing is read.
	command -v strace >/dev/null || skip "strace is not installed"
	env -i "$URI$GUID" strace -e trace=read -o "$T/reads" "$HOOK" -c "$SITE/nac.conf" --journal "$J" <<<x >/dev/null
	run -1 grep -q 'read(0,' "$T/reads"
}

@test "the example of the manual page" {
	run bash -c "echo Calling-Station-Id=00-11-22-33-44-55 | radius-hook --explain"
	assert_has "$output" "# reason: "
	run bash -c "env -i Calling-Station-Id=00-11-22-33-44-55 $HOOK --record | jq .decision"
	assert_has "$output" '"action"'
	grep -q 'radius-hook --record | jq .decision' "$NAC_ROOT/man/radius-hook.8"
}

@test "bench/hook: the decision among many devices is right" {
	run -0 "$NAC_ROOT/bench/hook" --count 20 --devices 2000
	assert_has "$output" "radius-hook "
	assert_has "$output" "ratio "
}

# ---- in FreeRADIUS

# pap COUNT PARALLEL: what radclient counts
pap() {
	local i
	for i in $(seq "$1"); do
		printf 'User-Name = "alice"\nUser-Password = "wonderland"\nNAS-Port = %d\n' "$i"
		printf 'Calling-Station-Id = "00-11-22-33-44-55"\n\n'
	done >"$T/requests"
	radclient -q -s -r 3 -t 10 -p "$2" -f "$T/requests" \
		"127.0.0.1:$(radius_get "$D" AUTH_PORT)" auth testing123 || :
}

server_stop() { freeradius_stop "$D"; }

@test "in FreeRADIUS: EAP-TLS 1.2 and 1.3, EAP-TTLS, refusal, both quoting styles" {
	D=$T/server
	mkdir "$D"
	pki_make "$D"
	pki_client "$D" good host-1.example.test "URI:IntuneDeviceId://$GUID"
	pki_client "$D" bad LAPTOP-2.example.test
	pki_client "$D" gone nobody "URI:IntuneDeviceId://$GONE"
	for style in "" --shell-escape; do
		# shellcheck disable=SC2086
		freeradius_start "$D" "$HOOK -c $SITE/nac.conf --journal $J" $style
		for v in "" --tls13; do
			# shellcheck disable=SC2086
			run -0 eap_tls_run "$D" good $v
			assert_has "$output" "Tunnel-Private-Group-Id=750"
			# shellcheck disable=SC2086
			run -0 eap_tls_run "$D" bad $v
			assert_has "$output" "Tunnel-Private-Group-Id=1"
		done
		run ! eap_tls_run "$D" gone
		assert_has "$output" "eap=Failure"
		assert_has "$output" "keys=no"
		run -0 eap_ttls_run "$D" alice wonderland --mac 00:11:22:33:44:55
		assert_has "$output" "Tunnel-Private-Group-Id=750"
		freeradius_stop "$D"
	done
	assert_eq "$(jq -r '[.identity.eap, .compliance.matched_by, .decision.vlan] | join(" ")' "$J" | sort | uniq -c | tr -s ' ')" \
		"$(printf ' 2 tls guid \n 4 tls guid 750\n 4 tls name 1\n 2 ttls mac 750')"
	refute_has "$(cat "$J")" wonderland
}

@test "in FreeRADIUS: 500 logins, 32 at a time, none refused and none lost" {
	D=$T/server
	mkdir "$D"
	pki_make "$D"
	freeradius_start "$D" "$HOOK -c $SITE/nac.conf --journal $J"
	run pap 500 32
	freeradius_stop "$D"
	assert_has "$(tr -s ' \t' ' ' <<<"$output")" "Accepted : 500"
	assert_eq "$(wc -l <"$J")" 500
	assert_eq "$(jq -r '.decision.vlan' "$J" | sort | uniq -c | tr -s ' ')" " 500 750"
	[ "$(grep -c ERROR "$D/log/radius.log")" -eq 0 ]
}
