#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# No secret in any output at any verbosity, in argv, in the store, the journal,
# or a core file.  The whole chain runs with secrets that are easy to find again.

load test_helper
load lib_emulator
# shellcheck source=../lib/radius.bash
. "$BATS_TEST_DIRNAME/../lib/radius.bash"

load ../lib/serve

client_secret='Zq7~nac-client-secret-Xv9'
nas_secret='nas-shared-secret-Kp4'
app_secret='Wm3~managed-app-hint-Tb6'

setup() {
	dir=$BATS_TEST_TMPDIR
	store=$dir/state
	export INTUNE_NAC_CONF=$dir/nac.conf EMU_DIR=$dir/intune
	mkdir "$store"
	printf '%s\n' "$client_secret" >"$dir/client.secret"
	printf '%s\n' "$nas_secret" >"$dir/nas.secret"
	chmod 600 "$dir/client.secret" "$dir/nas.secret"
	emulator_start --fleet 5 --client-secret-file "$dir/client.secret"
	echo "nas 127.0.0.1 profile rfc5176 port 9 secret-file $dir/nas.secret" >"$dir/nas"
	{
		cat "$EMU_CONF"
		printf '%s = %s\n' state_dir "$store" rules "$NAC_ROOT/share/rules/default.rules" \
			nas_file "$dir/nas" profiles_dir "$NAC_ROOT/share/profiles" \
			dictionary "$NAC_ROOT/share/dictionary"
	} >"$INTUNE_NAC_CONF"
	nac-cache put </dev/null
}

teardown() {
	serve_stop "$dir"
	emulator_stop
}

@test "the client secret, the NAS secret and the token stay out of everything written" {
	out=$dir/out
	mkdir "$out"
	intune-token >"$dir/token"
	token=$(cat "$dir/token")
	[ ${#token} -gt 100 ]
	# Every program that holds a secret, talkative, in success and in failure.
	intune-token --force --info -vv >"$out/token" 2>&1
	intune-query -vv LAPTOP-0001 >"$out/query" 2>&1
	env -i User-Name=host/LAPTOP-0001 NAS-IP-Address=127.0.0.1 EAP-Type=TLS Acct-Session-Id=1 \
		Calling-Station-Id=00-1B-2C-3D-4E-01 TLS-Client-Cert-Serial=01 \
		TLS-Client-Cert-Common-Name=LAPTOP-0001 \
		"$(command -v radius-hook)" -c "$INTUNE_NAC_CONF" >"$out/hook" 2>&1
	nac-cache due --older-than 0s | coa-send -v --tries 1 --timeout 1 >"$out/coa" 2>&1 || :
	nac-poll --older-than 0s --verbose >"$out/poll" 2>&1 || :
	emulator_control 'fault aadsts:code=7000215'
	intune-token --force -vv >"$out/refused" 2>&1 || :
	emulator_control 'clear-faults' 'down'
	intune-token --force -vv >"$out/down" 2>&1 || :
	[ -s "$out/token" ] && [ -s "$out/query" ] && [ -s "$out/coa" ] && [ -s "$out/refused" ]
	run -1 grep -rFl -e "$client_secret" -e "$nas_secret" "$out" "$store" "$EMU_DIR/tokens"
	# The token is in its cache file, mode 0600, and nowhere else.
	run -1 grep -rFl -e "$token" -e "${token: -40}" "$out" "$store"
	for f in "$EMU_DIR"/tokens/*.token; do assert_eq "$(stat -c %a "$f")" 600; done
}

@test "what a managed app shows is in nothing that is printed, logged or kept" {
	out=$dir/out
	mkdir "$out" "$dir/rules"
	printf '%s\n' "$app_secret" >"$dir/rules/hint"
	chmod 600 "$dir/rules/hint"
	cat >"$dir/rules/site.rules" <<-'END'
		app-hint "hint"
		trusted by app-hint
		allow "Trusted" with vlan 5, mfa weekly if trust is trusted
		allow "Hinted" with vlan 6 if app-hint
		no-match allow with vlan 7
	END
	echo 'allow with vlan 9' >"$dir/rules/other.rules"
	rules=$dir/rules/site.rules
	for h in "$app_secret" "$app_secret-and-more" "x$app_secret"; do
		record=$(jq -nc --arg h "$h" '{journal: 1, identity: {mac: "00:1b:44:11:3a:b7"}, decision:
			{action: "deny", time: "2026-11-20T09:00:00Z", reason: "x"}, session: {nas_ip: "192.0.2.1", app_hint: $h}}')
		for options in -v "-v --explain" "-v --changed" "-v --changed --explain"; do
			# shellcheck disable=SC2086 # several options
			nac-decide -r "$rules" $options "$record" >>"$out/decide" 2>&1 || :
		done
		echo "$record" >"$dir/log"
		nac-decide --replay "$dir/log" --with "$rules" >>"$out/replay" 2>&1 || :
		nac-decide --replay "$dir/log" --json --with "$rules" >>"$out/replay-json" 2>&1 || :
		nac-decide --replay "$dir/log" --json --with "$dir/rules/other.rules" >>"$out/replay-json" 2>&1 || :
		echo "test given app-hint is \"$h\" expect deny" >"$dir/t"
		jq -nc --arg h "$h" '{given: {session: {app_hint: $h}}, expect: {action: "deny"}}' >>"$dir/t"
		nac-decide -r "$rules" --test "$dir/t" >>"$out/test" 2>&1 || :
		env -i User-Name=x NAS-IP-Address=127.0.0.1 Calling-Station-Id=00-1B-44-11-3A-B7 Acct-Session-Id=1 \
			NAC-App-Hint="$h" "$(command -v radius-hook)" -c "$INTUNE_NAC_CONF" --rules "$rules" --record >>"$out/hook" 2>&1 || :
		env -i User-Name=x NAS-IP-Address=127.0.0.1 Calling-Station-Id=00-1B-44-11-3A-B7 Acct-Session-Id=1 \
			NAC-App-Hint="$h" "$(command -v radius-hook)" -c "$INTUNE_NAC_CONF" --rules "$rules" >>"$out/hook" 2>&1 || :
	done
	sed -i "s|^rules = .*|rules = $rules|" "$INTUNE_NAC_CONF"
	serve_start "$dir"
	jq -nc --arg h "$app_secret" '{"User-Name": {type: "string", value: ["x"]}, "NAS-IP-Address": {type: "ipaddr", value: ["127.0.0.1"]},
		"Calling-Station-Id": {type: "string", value: ["00-1B-44-11-3A-B7"]}, "NAC-App-Hint": {type: "string", value: [$h]}}' |
		serve_ask "$dir" /freeradius/post-auth --data-binary @- >"$out/serve"
	serve_ask "$dir" /metrics >>"$out/serve"
	nac-cache due --older-than 0s >"$out/due"
	nac-cache list --clients >"$out/clients"
	grep -q '"hint":"good"' "$out/replay-json"
	grep -q '"hint":"good"' "$out/hook"
	grep -q '"hint":"good"' "$store"/journal*
	grep -q 'vlan 5' "$out/replay"
	run -1 grep -rFl -e "${app_secret:3:16}" "$out" "$store" "$dir/serve.log"
}

@test "no secret is in argv, and no core file can hold one" {
	emulator_control 'fault slow:seconds=3,on=token'
	intune-token --force >/dev/null 2>&1 3>&- &
	pid=$!
	sleep 1
	run -0 cat "/proc/$pid/limits"
	assert_has "$output" "Max core file size        0                    0"
	run -0 tr '\0' ' ' <"/proc/$pid/cmdline"
	refute_has "$output" "$client_secret"
	run -0 tr '\0' '\n' <"/proc/$pid/environ"
	refute_has "$output" "$client_secret"
	kill "$pid"
	wait "$pid" || :
}

@test "a secret that others may read is refused: 77 and one line, by every program that takes one" {
	chmod 644 "$dir/client.secret" "$dir/nas.secret"
	rm -rf "$EMU_DIR/tokens"
	run -77 --separate-stderr intune-token
	assert_one_line "$stderr"
	assert_has "$stderr" "$dir/client.secret: may be read by others"
	run -77 --separate-stderr intune-query LAPTOP-0001
	assert_has "$stderr" "$dir/client.secret: may be read by others"
	run -77 --separate-stderr coa-send '{"session":{"nas_ip":"127.0.0.1","user":"x","acct_session_id":"1"}}'
	assert_has "$stderr" "$dir/nas.secret"
}

@test "a secret cannot be given in argv: no program has such an option" {
	for p in intune-token intune-query coa-send; do
		run -0 "$p" --help
		refute_has "$output" "--secret "
		refute_has "$output" "--password"
		run -64 "$p" --secret x
		run -64 "$p" --password x
	done
}
