#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets stderr; each test is a subshell
# The copy of the last good rules: who keeps it, who takes it, and when.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
	T=$BATS_TEST_TMPDIR
	mkdir state etc
	printf '%s\n' "rules = $T/etc/site.rules" "state_dir = $T/state" 'quarantine_vlan = 99' >nac.conf
	printf '00:00:5e:00:53:66 "stolen"\n' >etc/denied.list
	printf 'label Corp gives vlan 750\n' >etc/labels
	printf '%s\n' 'include "labels"' 'list Denied macs "denied.list"' 'deny "Denied" if mac in list Denied' \
		'allow "Corp" with Corp' >etc/site.rules
	export INTUNE_NAC_CONF=$T/nac.conf
	nac-cache put </dev/null
	GOOD=$T/state/site.rules.good
	J=$T/state/journal.ndjson
}

# hook MAC: status, VLAN or reject; the journal's line is in $line
hook() {
	run --separate-stderr env -i "Calling-Station-Id=$1" "${@:2}" "$(command -v radius-hook)" -c "$T/nac.conf"
	line=$(tail -n 1 "$J")
}
vlan() { sed -n 's/^Tunnel-Private-Group-Id:0 := "\(.*\)",\{0,1\}$/\1/p' <<<"$output"; }
keep() { run -0 --separate-stderr nac-decide --keep '{}'; assert_eq "$stderr" ""; }

# goes_on WHAT: the rules are broken by WHAT, and the last good ones decide
goes_on() {
	hook 00-00-5E-00-53-01
	assert_eq "$status $(vlan)" "0 750"
	assert_eq "$(json_get "$line" .decision.rules)" "$digest"
	assert_eq "$(json_get "$line" .error)" null
	[[ $(json_get "$line" .note) =~ ^the\ last\ good\ rules\ \(20[0-9:TZ-]+\)\ decide:\ .*"$1" ]]
	hook 00-00-5E-00-53-66
	assert_eq "$status $(json_get "$line" '.decision.rule, .decision.listed.reason' | paste -sd' ')" "1 site.rules:3 stolen"
}

@test "a broken file, include or list: radius-hook decides by the last good rules and says so" {
	keep
	digest=$(json_get "$output" .decision.rules)
	assert_eq "$(stat -c '%a %g' "$GOOD")" "640 $(stat -c %g state)"
	hook 00-00-5E-00-53-01
	assert_eq "$(vlan) $(json_get "$line" .note)" "750 null"

	cp -r etc good
	echo 'alow' >>etc/site.rules
	goes_on 'site.rules:5:1: unknown statement "alow"'
	: >etc/site.rules
	goes_on 'no rule in the whole file'
	rm etc/site.rules
	goes_on 'No such file'
	cp -p good/site.rules etc
	echo 'label Corp' >>etc/labels
	goes_on 'labels:2:7: '
	rm etc/labels
	goes_on 'labels: No such file'
	cp -p good/labels etc
	rm etc/denied.list
	goes_on 'denied.list: No such file'
	echo 'nonsense' >etc/denied.list
	goes_on 'denied.list:1:1: is no MAC address'
	chmod 666 etc/site.rules
	goes_on 'may be written by others'
	# Healed: the new rules, and no note.
	chmod 644 etc/site.rules
	: >etc/denied.list
	hook 00-00-5E-00-53-66
	assert_eq "$status $(vlan) $(json_get "$line" .note)" "0 750 null"
	[ "$(json_get "$line" .decision.rules)" != "$digest" ]
	# The hook itself has written nothing but its journal.
	assert_eq "$(json_get "$(nac-decide --keep '{}' 2>/dev/null)" .decision.action)" allow
}

@test "without a copy, or with one that cannot be believed, the fallback answers and the journal says why" {
	echo 'alow' >>etc/site.rules
	hook 00-00-5E-00-53-01
	assert_eq "$(vlan)" 99
	assert_eq "$(json_get "$line" .error)" "$T/etc/site.rules:5:1: unknown statement \"alow\" (did you mean \"allow\"?)"
	sed -i '$d' etc/site.rules
	keep
	cp -p "$GOOD" whole
	echo 'alow' >>etc/site.rules
	refused() {
		hook 00-00-5E-00-53-01
		assert_eq "$(vlan)" 99
		assert_has "$(json_get "$line" .error)" "; $GOOD: $1"
	}
	sed -i 's/vlan 750/vlan 751/' "$GOOD"; refused "is damaged"
	head -c -1 whole >"$GOOD"; refused "is damaged"
	head -c 40 whole >"$GOOD"; refused "is no copy of rules, or damaged"
	: >"$GOOD"; refused "is no copy of rules, or damaged"
	{ cat whole; echo x; } >"$GOOD"; refused "is damaged"
	sed "s|^rules .*|rules /etc/other.rules|" whole >"$GOOD"; refused "is a copy of other rules"
	cp -p whole "$GOOD"
	chmod 660 "$GOOD"; refused "is no regular file of root or of its folder's owner alone"
	rm "$GOOD"; mkfifo "$GOOD"; refused "is no regular file"
	rm "$GOOD"
	if [ "$(id -u)" -eq 0 ]; then
		cp whole "$GOOD"; chown nobody "$GOOD"; refused "is no regular file of root or"
		# The owner of the folder has the device store in his hands, too.
		chown nobody state
		hook 00-00-5E-00-53-01
		assert_eq "$(vlan)" 750
	fi
}

@test "when-broken of the last good rules answers where something else is broken as well" {
	echo 'when-broken allow with vlan 77' >>etc/site.rules
	keep
	echo 'alow' >>etc/site.rules
	rm -r state/data.mdb
	hook 00-00-5E-00-53-01
	assert_eq "$(vlan)" 77
	assert_has "$(json_get "$line" .note)" "the last good rules ("
	assert_has "$(json_get "$line" .error)" "state"
}

@test "--keep: the poll goes on with the last good rules; a copy of later rules stays" {
	printf 'match-order mac guid\n' >>etc/site.rules
	run -0 --separate-stderr nac-decide --keep --print match-order
	assert_eq "$output" "mac guid"
	cp -p etc/site.rules before
	echo 'alow' >>etc/site.rules
	run -78 nac-decide --print match-order
	run -0 --separate-stderr nac-decide --keep --print match-order
	assert_eq "$output" "mac guid"
	assert_has "$stderr" "site.rules:6:1: unknown statement"
	[[ ${stderr_lines[-1]} =~ site.rules:' the last good rules ('20.*') decide'$ ]]
	run -0 --separate-stderr nac-decide --keep --changed '{}'
	assert_eq "$(json_get "$output" .decision.vlan)" 750
	# Somebody who still holds what was before cannot bring it back unseen.
	cp before etc/site.rules
	sed -i 's/^changed .*/changed 9000000000000000000/; s/^digest .*/digest 0123456789abcdef/' "$GOOD"
	keep	# that one is damaged, and so none
	sed -i 's/vlan 750/vlan 751/' etc/labels
	sed -i 's/^changed .*/changed 9000000000000000000/' "$GOOD"
	run -0 --separate-stderr nac-decide --keep '{}'
	[[ $stderr =~ site.rules.good:' holds rules that were changed later (kept '20.*'), and stays'$ ]]
	assert_eq "$(grep -c 'vlan 751' "$GOOD")" 0
	# Whoever installs rules means them.
	cp etc/site.rules new
	run -0 --separate-stderr nac-decide --install new
	refute_has "$stderr" "changed later"
	grep -q 'vlan 751' "$GOOD"
}

@test "--keep while it runs: changed rules are kept as well; a folder that cannot be written is said" {
	mkfifo in
	nac-decide --keep <in >out 2>log &
	pid=$!
	exec 4>in
	echo '{}' >&4
	timeout 10 bash -c 'until [ -s out ]; do sleep 0.05; done'
	sed -i 's/vlan 750/vlan 752/' etc/labels
	echo '{}' >&4
	exec 4>&-
	wait "$pid"
	assert_eq "$(jq -r .decision.vlan out | paste -sd' ')" "750 752"
	grep -q 'vlan 752' "$GOOD"
	sed -i "s|^state_dir.*|state_dir = $T/none|" nac.conf
	run -0 --separate-stderr nac-decide --keep '{}'
	assert_eq "$stderr" "nac-decide: $T/none: No such file or directory"
}

@test "ten that keep at once leave one whole copy, and no temporary file" {
	for _ in {1..10}; do nac-decide --keep '{}' >/dev/null & done
	wait
	assert_eq "$(find state -name 'site.rules.good*' | wc -l)" 1
	echo 'alow' >>etc/site.rules
	hook 00-00-5E-00-53-01
	assert_eq "$(vlan)" 750
}

@test "a hint is never in the copy, and is still compared" {
	printf 'secret-of-the-app' >etc/hint; chmod 600 etc/hint
	printf '%s\n' 'app-hint "hint"' 'trusted by app-hint' 'allow "T" with vlan 5 if trust is trusted' \
		'no-match allow with vlan 6' >etc/site.rules
	keep
	run -1 grep -q secret-of "$GOOD"
	echo alow >>etc/site.rules
	hook 00-00-5E-00-53-01 NAC-App-Hint=secret-of-the-app
	assert_eq "$(vlan)" 5
	rm etc/hint
	hook 00-00-5E-00-53-01 NAC-App-Hint=secret-of-the-app
	assert_eq "$(vlan)" 6
}

@test "--install: broken rules are not, good ones are in one step, and kept" {
	mkdir new
	printf '%s\n' 'include "labels"' 'allow "New" with Corp if managed' 'no-match deny' >new/my.rules
	run -0 --separate-stderr nac-decide --install new/my.rules
	assert_eq "$output" "$T/etc/site.rules: 1 rules in force"
	assert_eq "$stderr" ""
	cmp new/my.rules etc/site.rules
	assert_eq "$(stat -c %a etc/site.rules)" 644
	grep -q '"New"' "$GOOD"
	printf '%s\n' 'allow "x" with Corp' 'include "gone"' >new/bad.rules
	run -65 --separate-stderr nac-decide --install new/bad.rules
	assert_eq "$stderr" 'nac-decide: new/bad.rules:1:16: unknown label "Corp"
nac-decide: new/bad.rules:2:9: '"$T"'/etc/gone: No such file or directory'
	cmp new/my.rules etc/site.rules
	printf '%s\n' 'allow "x"' 'allow "y"' >new/odd.rules
	run -1 --separate-stderr nac-decide --install new/odd.rules --strict
	assert_has "$stderr" "new/odd.rules:2:1: warning: this rule is never reached"
	cmp new/my.rules etc/site.rules
	run -74 --separate-stderr nac-decide --install new/none.rules
	assert_eq "$stderr" "nac-decide: new/none.rules: No such file or directory"
	assert_eq "$(ls etc)" "$(printf 'denied.list\nlabels\nsite.rules')"
	chmod 640 etc/site.rules
	run -0 nac-decide --install new/odd.rules -r etc/site.rules
	assert_eq "$(stat -c %a etc/site.rules)" 640
	# -r names the same file in another way: by where it is.
	grep -qx "rules $T/etc/site.rules" "$GOOD"
	run -64 nac-decide --install x --test y
	run -64 nac-decide --install x '{}'
	run -64 nac-decide --keep -n
}
