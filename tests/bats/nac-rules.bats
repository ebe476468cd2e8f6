#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets stderr; each test is a subshell
# The parts of nac-rules(5) that are files: lists, includes, hints.  Conditions and
# replies are tested in C, in tests/unit/test_policy.c.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || exit 1
	umask 022
	now=2026-11-21T08:30:00Z
	mkdir site
	cat >site/deny.txt <<-'END'
		# stolen and broken
		00:1b:44:11:3a:b7 "stolen in March"
		0010.dbff.* until 2026-11-21 "printers of the fair"   # a beginning
		02-00-00-00-00-07 until 2026-11-21T08:00:00Z
	END
	printf '%s\n' 'alice@corp.example until 2026-11-20' 'CORP\bob "guest of the board"' \
		'*@partner.example' '"a b"' >site/users.txt
}

rules() { printf '%s\n' "$@" >site/site.rules; }

# decide JSON [OPTION...]: one decision by site/site.rules
decide() {
	local rec=$1
	shift
	run --separate-stderr nac-decide -r site/site.rules --now "$now" "$@" "$rec"
}

mac() { jq -nc --arg m "$1" '{identity: {mac: $m}}'; }
user() { jq -nc --arg u "$1" '{session: {user: $u}}'; }

@test "a list of MAC addresses: whole ones, beginnings, dates, reasons" {
	rules 'list Deny macs "deny.txt"' 'deny "Listed" if mac in list Deny' 'allow "Rest"'
	decide "$(mac 00:1b:44:11:3a:b7)"
	assert_eq "$status" 1
	assert_eq "$(jq -c .decision.listed <<<"$output")" '{"list":"deny.txt","line":2,"reason":"stolen in March"}'
	assert_eq "$(json_get "$output" .decision.reason)" \
		'compliance is pending (never looked up), listed in deny.txt'
	decide "$(mac 00:10:db:ff:00:01)"
	assert_eq "$status" 1
	assert_eq "$(jq -c .decision.listed <<<"$output")" \
		'{"list":"deny.txt","line":3,"until":"2026-11-22T00:00:00Z","reason":"printers of the fair"}'
	decide "$(mac 02:00:00:00:00:07)"
	assert_eq "$status" 0
	assert_eq "$(json_get "$output" .decision.listed)" null
	decide "$(mac 02:00:00:00:00:07)" --now 2026-11-21T07:59:59Z
	assert_eq "$status" 1
	decide "$(mac 00:10:db:ff:00:01)" --now 2026-11-22T00:00:00Z
	assert_eq "$status" 0
	# The end of a day is where the rules are.
	sed -i '1i timezone +01:00' site/site.rules
	decide "$(mac 00:10:db:ff:00:01)" --now 2026-11-21T23:30:00Z
	assert_eq "$status" 0
	decide "$(mac 00:10:db:ff:00:01)" --now 2026-11-21T22:59:59Z
	assert_eq "$status" 1
	assert_eq "$(json_get "$output" .decision.listed.until)" 2026-11-21T23:00:00Z
}

@test "a list of users: without regard to case, with globs, in a label of two rules" {
	rules 'list Guests users "users.txt"' 'label Guest when user in list Guests or user is x' \
		'deny if Guest and wiping' 'allow "Guest" if Guest'
	for u in 'corp\BOB' 'eve@partner.example' 'A B'; do
		decide "$(user "$u")"
		assert_eq "$status $u" "0 $u"
	done
	assert_eq "$(json_get "$output" .decision.listed.line)" 4
	decide "$(user alice@corp.example)"
	assert_eq "$status" 1
	decide '{}'
	assert_eq "$status" 1
	decide "$(user x)"
	assert_eq "$(json_get "$output" .decision.name,.decision.listed | paste -sd' ')" "Guest null"
}

@test "listed is what made the rule hold, not what was only looked up" {
	# rule, what Intune says of the listed client, the line of the list
	while IFS='|' read -r condition state want; do
		rules 'list Deny macs "deny.txt"' 'list Guests users "users.txt"' \
			'label Known when mac in list Deny' 'label Both when Known and user in list Guests' \
			"allow if $condition" 'no-match deny'
		decide "{\"identity\":{\"mac\":\"00:1b:44:11:3a:b7\"},\"session\":{\"user\":\"CORP\\\\bob\"},\"compliance\":$state}"
		assert_eq "$condition: $status $(jq -r '.decision.listed | "\(.list):\(.line)"' <<<"$output")" \
			"$condition: 0 $want"
	done <<-'END'
		mac in list Deny and wiping or managed|{"state":"compliant"}|null:null
		not (mac in list Deny and wiping)|{"state":"compliant"}|null:null
		not (not mac in list Deny or wiping)|{"state":"compliant"}|deny.txt:2
		Known and wiping or managed|{"state":"compliant"}|null:null
		Known and wiping or Known|{"state":"compliant"}|deny.txt:2
		Both and wiping or managed and Known|{"state":"compliant"}|deny.txt:2
		mac in list Deny and user in list Guests|{"state":"compliant"}|users.txt:2
		(wiping or mac in list Deny) and (Both or managed)|{"state":"compliant"}|users.txt:2
	END
}

@test "every error of a list has its own place" {
	printf '%s\n' '00:11' 'aa:bb:cc:dd:ee:ff till 2026-01-01' 'aa:bb:cc:dd:ee:ff until soon' \
		'aa:bb:cc:dd:ee:ff "x" y' '= 3' >site/bad.txt
	rules 'list Bad macs "bad.txt"' 'allow if mac in list Bad' 'allow if user in list Bad'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/bad.txt:1:1: is no MAC address: "00:11"
nac-decide: site/bad.txt:2:19: expected until, a reason in quotes or the end of the line, not "till"
nac-decide: site/bad.txt:3:25: is no date (try 2026-12-31): "soon"
nac-decide: site/bad.txt:4:23: expected until, a reason in quotes or the end of the line, not "y"
nac-decide: site/bad.txt:5:1: expected a MAC address, not "="
nac-decide: site/site.rules:3:23: is a list of MAC addresses: "Bad"'
	chmod 666 site/deny.txt
	rules 'list Bad macs "deny.txt"' 'list Gone macs "gone.txt"' 'allow'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:15: site/deny.txt: may be written by others; chmod it to 0644 or less
nac-decide: site/site.rules:2:16: site/gone.txt: No such file or directory'
}

@test "100,000 entries are found in" {
	seq -f '%012.0f' 200000000000 200000099999 >site/many.txt
	rules 'list Many macs "many.txt"' 'allow if mac in list Many'
	decide "$(mac 20:00:00:09:99:99)"
	assert_eq "$status" 0
	assert_eq "$(json_get "$output" .decision.listed.line)" 100000
	decide "$(mac 20:00:00:10:00:00)"
	assert_eq "$status" 1
}

@test "include: from its own folder, names its file, loops and depth end" {
	mkdir site/parts
	printf '%s\n' 'label Corp gives vlan 750' 'include "more"' >site/parts/labels
	printf '%s\n' 'allow "Included" with Corp if managed' >site/parts/more
	rules 'include "parts/labels"' 'allow "Own" with Corp'
	decide '{"compliance":{"state":"grace"}}'
	assert_eq "$(jq -r '.decision | .rule, .name, .vlan' <<<"$output" | paste -sd' ')" "parts/more:1 Included 750"
	digest=$(json_get "$output" .decision.rules)
	decide '{}'
	assert_eq "$(json_get "$output" .decision.rule)" site.rules:2
	echo '# changed' >>site/parts/more
	decide '{}'
	[ "$(json_get "$output" .decision.rules)" != "$digest" ]

	echo 'include "../site.rules"' >>site/parts/more
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/parts/more:3:9: this file includes itself: "../site.rules"'
	for i in {1..9}; do echo "include \"d$((i + 1))\"" >"site/d$i"; done
	echo allow >site/d10
	rules 'include "d1"'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/d7:1:9: files are included too deeply: "d8"'
	rules 'include "nowhere"' 'include "parts"' 'alow'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:9: site/nowhere: No such file or directory
nac-decide: site/site.rules:2:9: site/parts: is no regular file
nac-decide: site/site.rules:3:1: unknown statement "alow" (did you mean "allow"?)'
}

@test "the hint of a managed app is compared, kept as a word, and shown nowhere" {
	(umask 077; echo 7c1d-new-secret >site/hint; echo 19af-old-secret >site/hint.old)
	rules 'app-hint "hint", "hint.old"' 'trusted by app-hint' \
		'allow "Managed" if trust is trusted' 'deny "Rest"'
	for h in 7c1d-new-secret 19af-old-secret; do
		run -0 --separate-stderr nac-decide -v -r site/site.rules --now "$now" \
			<<<"{\"session\":{\"app_hint\":\"$h\"}}"
		assert_eq "$(jq -c '.session, .decision.events' <<<"$output" | paste -sd' ')" \
			'{"hint":"good"} ["Authentication of device via managed app success"]'
		[[ $output$stderr != *secret* ]]
	done
	# What was found out holds when the record comes again.
	decide "$output"
	assert_eq "$status" 0
	for h in 7c1d-new-secre 7c1d-new-secrets x ''; do
		decide "{\"session\":{\"app_hint\":\"$h\"}}"
		assert_eq "$status" 1
	done
	decide '{"session":{"hint":"good","app_hint":"wrong"}}'
	assert_eq "$status" 1
	assert_eq "$(json_get "$output" .session.hint)" bad
	chmod 644 site/hint
	decide '{}'
	assert_eq "$status" 78
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:10: site/hint: may be read by others; chmod it to 0600'
	printf short >site/hint; chmod 600 site/hint
	decide '{}'
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:10: a hint has 8 to 127 bytes, this file'\''s has not: "hint"'
}

@test "a hint that only the RADIUS server's user may read: others decide by what that one found" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	command -v setpriv >/dev/null || skip "no setpriv"
	printf 'secret-of-the-app\n' >site/hint; chmod 600 site/hint; chown nobody site/hint
	rules 'app-hint "hint"' 'trusted by app-hint' 'allow "T" if trust is trusted' 'no-match deny'
	as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
	run -0 --separate-stderr "${as[@]}" nac-decide -r site/site.rules '{"session":{"hint":"good"}}'
	assert_eq "$stderr" ""
	run -1 "${as[@]}" nac-decide -r site/site.rules '{"session":{"app_hint":"secret-of-the-app"}}'
	run -0 --separate-stderr "${as[@]}" nac-decide -n -r site/site.rules
	assert_eq "$stderr" "nac-decide: site/site.rules:1:1: warning: site/hint: Permission denied: to this user no hint is good"
	nac-cache -d site put </dev/null
	run -1 env -i NAC-App-Hint=secret-of-the-app "${as[@]}" "$(command -v radius-hook)" \
		--rules site/site.rules --state-dir site --record
	assert_eq "$(json_get "$output" .note)" "site/hint: Permission denied"
}

# product N: the Nth block of "What other editors say", as site/site.rules
product() {
	awk -v want="$1" '/^\.Ss What other/ { on = 1 } /^\.Sh FILES/ { on = 0 }
		on && /^\.Ed/ { into = 0 } into { gsub(/\\e/, "\\"); print }
		on && /^\.Bd -literal/ { into = ++n == want }' "$NAC_ROOT/man/nac-rules.5" >site/site.rules
	run -0 --separate-stderr nac-decide -n --strict -r site/site.rules
}

# gets WANT JSON: "name vlan" of a record with these facts
gets() {
	decide "$(jq -c --arg t 2026-11-21T08:00:00Z '.compliance.checked = $t' <<<"$2")"
	assert_eq "$(jq -r '.decision | "\(.action) \(.name // "-") \(.vlan // "-")"' <<<"$output")" "$1"
}

# same_as PRODUCT: each state gets the VLAN that the product's shipped rules give
same_as() {
	local state want
	for state in compliant noncompliant grace unknown conflict error configmanager unregistered \
		pending ambiguous; do
		decide "$(state "$state" | jq -c '.compliance.checked = "2026-11-21T08:00:00Z"')"
		want=$(nac-decide -r "$NAC_ROOT/share/rules/$1.rules" --now 2026-11-21T09:00:00Z \
			"$(state "$state" | jq -c '.compliance.checked = "2026-11-21T08:00:00Z"')" || :)
		assert_eq "$state $(jq -r '.decision | "\(.action) \(.vlan)"' <<<"$output")" \
			"$state $(jq -r '.decision | "\(.action) \(.vlan)"' <<<"$want")"
	done
}

state() { printf '{"compliance":{"state":"%s"}}' "$1"; }

@test "what Mist's editor says, in our lines" {
	product 1
	gets "allow Corp Compliant 750" "$(state compliant)"
	gets "allow Corp phones 750" '{"compliance":{"state":"compliant","device":{"os":"iOS"}}}'
	assert_eq "$(json_get "$output" .decision.role)" staff
	gets "allow quarantine rule 1" "$(state noncompliant)"
	gets "allow onboarding 1" "$(state pending)"
	gets "deny - -" "$(state unregistered)"
	gets "deny - -" "$(state ambiguous)"
	same_as mist
	run -0 nac-decide -r site/site.rules --print match-order
	assert_eq "$output" "mac name guid"
}

@test "what ISE's editor says, in our lines" {
	product 2
	gets "allow UnRegistered ENROL" "$(state unregistered)"
	[[ $output == *'["Cisco-AVPair","+=","url-redirect=https://portal.manage.microsoft.com"]'* ]]
	gets "allow Registered & Compliant CORP" "$(state compliant)"
	gets "allow Registered & NonCompliant FIX" "$(state noncompliant)"
	assert_eq "$(json_get "$output" .decision.redirect)" https://portal.manage.microsoft.com
	gets "allow Not known yet FIX" "$(state pending)"
	assert_eq "$(json_get "$output" .decision.redirect)" null
	gets "allow Not known yet FIX" "$(state ambiguous)"
	decide '{"compliance":{"state":"compliant","checked":"2026-11-19T08:00:00Z"}}'
	assert_eq "$(jq -r .decision.vlan <<<"$output")" FIX
	same_as ise
}

@test "the EXAMPLES of nac-rules(5) have nothing that lint warns of, and treat states as the shipped rules do" {
	for n in 1 2 3; do
		awk -v want="$n" '/^\.Sh/ { on = $2 == "EXAMPLES" } on && /^\.Ed/ { into = 0 }
			into { gsub(/\\e/, "\\"); print }
			on && /^\.Bd -literal/ { into = ++n == want }' "$NAC_ROOT/man/nac-rules.5" >site/site.rules
		run -0 --separate-stderr nac-decide -n --strict -r site/site.rules
		case $n in 1) same_as mist ;; 2) same_as ise ;; esac
	done
}

@test "what Okta's editor says, in our lines" {
	echo the-secret-key >site/hint; chmod 600 site/hint
	product 3
	gets "allow Trusted -" '{"compliance":{"state":"pending","device":{"os":"Windows Phone"}},"session":{"app_hint":"the-secret-key","nas_id":"branch-7"}}'
	for how in Branches:branch-1:session:"At a branch" Visitors:x:daily:Visitors; do
		IFS=: read -r group nas every name <<<"$how"
		gets "allow $name -" "{\"session\":{\"groups\":[\"$group\"],\"nas_id\":\"$nas\"}}"
		assert_eq "$(json_get "$output" .decision.mfa.every)" "$every"
	done
	for how in Android:compliant:monthly:Phones macOS::six-months:Macs; do
		IFS=: read -r os state every name <<<"$how"
		gets "allow $name -" "{\"identity\":{\"issuer\":\"/CN=Microsoft Intune MDM Device CA\"},\"compliance\":{\"state\":\"${state:-error}\",\"device\":{\"os\":\"$os\"}}}"
		assert_eq "$(json_get "$output" .decision.mfa.every)" "$every"
	done
	gets "allow Kiosks -" '{"session":{"user":"kiosk-4"}}'
	assert_eq "$(json_get "$output" .decision.mfa.every)" once
	ca='"issuer":"/DC=com/CN=Microsoft Intune MDM Device CA","eap":"tls"'
	gets "allow Trusted -" "{\"identity\":{$ca}}"
	assert_eq "$(json_get "$output" .decision.mfa)" null
	gets "allow Phones -" '{"compliance":{"state":"grace","device":{"os":"Android"}}}'
	gets "allow Not trusted -" '{"compliance":{"state":"compliant","device":{"os":"Windows"}}}'
	assert_eq "$(jq -c '.decision | [.mfa, .events[0]]' <<<"$output")" \
		'[{"every":"sign-on","due":true},"Authentication of device via certificate failure: NO_CERTIFICATE"]'
	gets "deny Other -" '{"compliance":{"state":"compliant","device":{"os":"Windows Phone"}},"session":{"nas_ip":"192.0.2.1"}}'
	gets "allow Trusted -" '{"compliance":{"state":"compliant","device":{"os":"Windows Phone"}},"session":{"nas_id":"branch-7"}}'
	gets "allow Contractors -" '{"session":{"groups":["Contractors"],"mfa":"2026-11-20T08:00:00Z"}}'
	assert_eq "$(jq -c .decision.mfa <<<"$output")" '{"every":"weekly","due":false}'
}

@test "what Microsoft's guidance says, in our lines" {
	product 4
	gets "allow Compliant 750" "$(state compliant)"
	gets "allow Not evaluated 1" "$(state unknown)"
	gets "allow Enrol 1" "$(state unregistered)"
	gets "allow Repair 1" "$(state noncompliant)"
	gets "allow Onboarding 1" "$(state pending)"
}

@test "what others' editors say, in our lines" {
	product 5
	run -0 nac-decide -n --strict -r site/site.rules
	t=2026-11-21T08:00:00Z
	ok="\"state\":\"compliant\",\"device\":{\"last_sync\":\"$t\""
	gets "deny Denied -" '{"identity":{"mac":"00:00:5e:00:54:07"}}'
	gets "deny Leaving -" '{"compliance":{"state":"compliant","device":{"management_state":"wipeIssued"}}}'
	gets "allow Grace minutes 740" "{\"compliance\":{\"state\":\"unknown\",\"device\":{\"enrolled\":\"$t\"}}}"
	decide '{"compliance":{"state":"compliant","checked":"2026-11-20T08:00:00Z"}}'
	assert_eq "$(jq -r '.decision | .action, .name' <<<"$output" | paste -sd' ')" "deny Too old"
	gets "allow VPN -" "{\"compliance\":{$ok}},\"session\":{\"medium\":\"vpn\"}}"
	gets "allow Berlin, wired 31" "{\"compliance\":{$ok}},\"session\":{\"nas_ip\":\"10.30.0.1\",\"medium\":\"wired\"}}"
	gets "allow Berlin, Wi-Fi 32" "{\"compliance\":{$ok}},\"session\":{\"nas_id\":\"berlin-2\",\"medium\":\"wireless\"}}"
	gets "allow Dormant 700" '{"compliance":{"state":"compliant","device":{"last_sync":"2026-11-17T08:00:00Z"}}}'
	gets "allow Peers 70" "{\"compliance\":{$ok,\"os\":\"macOS\"}}}"
	gets "allow Owned 750" "{\"compliance\":{$ok,\"owner\":\"company\"}}}"
	gets "allow Compliant 751" "{\"compliance\":{$ok}}}"
	gets "allow Non-compliant 1" "$(state noncompliant)"
	gets "allow Unknown 2" "$(state pending)"
	gets "allow Co-managed 752" "$(state configmanager)"
	gets "deny Broken -" "$(state error)"
	gets "deny Broken -" "$(state conflict)"
	gets "deny - -" "$(state ambiguous)"
}

@test "what others read out of certificates and directories, in our lines" {
	product 6
	id=0f1e2d3c-1111-4222-8333-444455556666
	# till SUBJECT: shown at an access point of the tills
	till() { jq -nc --arg s "$1" '{identity: {issuer: "/O=Stores/CN=Store CA", subject: $s}, session: {ssid: "Tills", nas_id: "ap-7"}}'; }
	gets "allow Tills 20 20" "$(till /O=Stores/OU=vlan20/CN=till-1)"
	gets "allow Tills 21 21" "$(till /O=Stores/OU=vlan21/CN=till-2)"
	gets "allow Tills 20 20" "$(till CN=till-1,OU=vlan20,O=Stores)"
	for s in /CN=x/OU=vlan20/OU=guests /O=Stores/OU=vlan22/CN=x /O=Stores/CN=x/OU=vlan20/CN=x /O=Stores/OU=vlan200/CN=x \
		"CN=x\\,OU=vlan20\\,O=Stores,OU=guests,O=Stores" CN=x,OU=vlan20,OU=guests,O=Stores; do
		gets "deny No id -" "$(till "$s")"
	done
	gets "allow Scales 22" '{"identity":{"issuer":"/CN=Store CA","san_uri":["tag:stores.example:vlan:22"]}}'
	now=2026-11-21T08:09:59Z
	gets "deny - -" "$(state compliant)"
	now=2026-11-21T08:10:00Z
	gets "allow Unreachable 750" "$(state compliant)"
	now=2026-11-21T08:05:00Z
	gets "deny Disabled -" '{"compliance":{"state":"compliant","device":{"account_enabled":false}}}'
	# entra IDENTITY: found in Entra's id space, compliant
	entra() { jq -nc --argjson i "$1" '{identity: $i, compliance: {state: "compliant", matched_by: "guid", id_space: "entra"}}'; }
	gets "allow Entra's user 53" "$(entra '{"upn":"zoe@corp.example"}')"
	gets "allow Foxpass device 54" "$(entra "{\"subject\":\"/O=x/CN=$id\"}")"
	gets "deny - -" "$(entra '{"subject":"/O=x/CN=LAPTOP-1"}')"
	gets "allow Foxpass user 55" "$(entra "{\"subject\":\"/CN=Zoe\",\"san_uri\":[\"IntuneDeviceId://$id\"]}")"
	gets "allow Sales 56" '{"session":{"groups":["Sales"]}}'
	[[ $output == *'["Class",":=","Sales"]'* ]]
	for uri in corp:jamf-serial:C02XK1ZZ=57 corp:user-upn:zoe@corp.example=58 corp:entra-user-id:$id=58 corp:onprem-sid:S-1-5-21-1-2-3-1104=58; do
		gets "allow $([ "${uri#*=}" = 57 ] && echo Jamf || echo Users) ${uri#*=}" \
			"$(jq -nc --arg u "${uri%=*}" '{identity: {san_uri: [$u]}}')"
	done
	gets "deny - -" '{"identity":{"san_uri":["corp:jamf-serial:C02XK1Z"]}}'
	gets "deny No id -" '{"identity":{"serial":"01"},"compliance":{"matched_by":"none"}}'
	run -0 nac-decide -n --strict -r site/site.rules
}

@test "Foxpass' certificates are read as the two forms that the rules name" {
	id=0f1e2d3c-1111-4222-8333-444455556666
	# cert SUBJECT [SAN]
	cert() {
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$BATS_TEST_TMPDIR/key" \
			-subj "$1" ${2:+-addext "$2"} -days 1 2>/dev/null | certid |
			jq -c '.compliance = {state: "compliant", matched_by: "guid", id_space: "entra"}'
	}
	product 6
	now=2026-11-21T08:05:00Z
	device=$(cert "/O=x/CN=$id")
	assert_eq "$(jq -r '.identity.guid[0] | .value, .found' <<<"$device" | paste -sd' ')" "$id cn"
	gets "allow Foxpass device 54" "$device"
	user=$(cert "/CN=Zoe" "subjectAltName=URI:IntuneDeviceId://$id")
	assert_eq "$(jq -r '.identity.guid[0] | .value, .found' <<<"$user" | paste -sd' ')" "$id san-uri"
	gets "allow Foxpass user 55" "$user"
	gets "allow Jamf 57" "$(cert /CN=x "subjectAltName=URI:corp:jamf-serial:C02XK2AA")"
	gets "allow Users 58" "$(cert /CN=x "subjectAltName=URI:corp:user-upn:zoe@corp.example")"
	gets "allow Tills 21 21" "$(cert /O=Stores/OU=vlan21/CN=t | jq -c '.identity.issuer = "/CN=Store CA" | .session = {ssid: "Tills", nas_id: "ap-1"}')"
}

@test "the orders of identifiers that others have are good ones" {
	awk '/^\.Ss What other/ { on = 1 } /^\.Sh FILES/ { on = 0 } on && /^match-order/' \
		"$NAC_ROOT/man/nac-rules.5" >orders
	[ "$(wc -l <orders)" -ge 6 ]
	while read -r order; do
		rules "$order" 'no-match deny'
		run -0 nac-decide -n -r site/site.rules
		run -0 nac-decide -r site/site.rules --print match-order
		assert_eq "match-order $output" "$order"
	done <orders
}

# shellcheck disable=SC2016 # $vlan is a variable of the rules
@test "what people write who know other languages: each error says what it is here" {
	while IFS=@ read -r rule says; do
		rules 'zone Berlin is 10.0.0.0/8' 'list Block users "users.txt"' "$rule" 'no-match deny'
		run -65 --separate-stderr nac-decide -n -r site/site.rules
		assert_eq "$stderr" "nac-decide: site/site.rules:3:$says"
	done <<-'END'
		permit if managed@1: unknown statement "permit" (did you mean "allow"?)
		reject if managed@1: unknown statement "reject" (did you mean "deny"?)
		allow if ssid = Corp@15: write is instead of "="
		allow if ssid == Corp, Lab@15: write is instead of "=="
		allow if ssid != Corp@15: write is not instead of "!="
		allow if hour == 3@15: write is instead of "=="
		allow if age = 1h@14: write <, <=, >, >= or in instead of "="
		allow if ssid matches Corp*@15: write is instead of "matches"
		allow if ssid is not in Corp, Lab@15: write not in instead of "is not in"
		allow if managed && fresh@18: write and instead of "&&"
		allow if managed || fresh@18: write or instead of "||"
		allow if !managed@10: unknown condition "!managed" (did you mean "not managed"?)
		allow if weekday is mon@21: weekday is never "mon" (did you mean "monday"?)
		allow if weekday in mon..Fri@21: weekday is never "mon..Fri" (did you mean "monday..friday"?)
		allow if weekday in monday..frday@21: weekday is never "monday..frday"
		allow with vlan 10, tagged@21: belongs behind its VLAN, without a comma: "tagged"
		allow if zone is Berln@18: there is no zone of this name above: "Berln" (did you mean "Berlin"?)
		allow if user in list Blok@23: there is no list of this name above: "Blok" (did you mean "Block"?)
		allow if user in list block@23: there is no list of this name above: "block" (did you mean "Block"?)
		allow if OS is Windows@10: unknown label "OS" (did you mean "os"?)
		allow if device-trust is trusted@10: unknown condition "device-trust" (did you mean "trust"?)
		allow with mfa 6months@16: mfa is never "6months" (did you mean "six-months"?)
		allow if trust is untrusted@19: trust is never "untrusted" (did you mean "trust is not trusted"?)
		allow if trust is not-trusted@19: trust is never "not-trusted" (did you mean "trust is not trusted"?)
		allow if compliance is non-compliant@24: compliance is never "non-compliant" (did you mean "noncompliant"?)
	END
	# The name of a label that comes later is one, whatever field it looks like.
	rules 'allow if Stale' 'label Stale when age > 3d'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:10: is used before its definition in line 2: "Stale"'
	# A list, a zone and a variable that nobody uses.
	rules 'list Block users "users.txt"' 'zone Z is 10.0.0.0/8' 'let $x = 1' 'allow if ssid is x' 'no-match deny'
	run -1 --separate-stderr nac-decide -n --strict -r site/site.rules
	assert_eq "$(sort <<<"$stderr")" "nac-decide: site/site.rules:1:6: warning: nothing uses the list Block
nac-decide: site/site.rules:2:6: warning: nothing uses the zone Z
nac-decide: site/site.rules:3:5: warning: nothing uses the variable \$x"
	# In quotes a variable is none, which only lint can know to be meant.
	rules 'let $vlan = 10' 'allow with vlan $vlan, Reply-Message "you get $vlan-x" if ssid is x' 'no-match deny'
	run -0 nac-decide -n --strict -r site/site.rules
	rules 'let $vlan = 10' 'allow with vlan $vlan, Reply-Message "you get $vlan." if ssid is x' 'no-match deny'
	run -1 --separate-stderr nac-decide -n --strict -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:2:38: warning: in quotes $vlan is no variable and stays as it is'
	# What is too many is named by its first word.
	seq -f 'u%.0f' 200001 >site/many
	rules 'list L users "many"' 'allow if user in list L' 'no-match deny'
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/many:200001:1: too many entries, from "u200001"'
	seq -f 'allow if ssid is u%.0f' 20001 >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:20001:1: too many rules, from "allow"'
}

# shellcheck disable=SC2016 # $INCLUDE is a word of the dictionary
@test "lint: warnings on standard error, --strict, --dictionary, folders" {
	rules 'allow "x" with Foo-Bar 1, Class 2 if managed' 'allow if compliance is grace' 'no-match deny'
	run -0 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$output" "site/site.rules: 2 rules, 0 labels: 1 warning"
	assert_eq "$stderr" "nac-decide: site/site.rules:2:1: warning: this rule is never reached: site.rules:1 (x) takes all that it could match"
	run -1 --separate-stderr nac-decide -n --strict --dictionary "$NAC_ROOT/share/dictionary" -r site/site.rules
	[[ $stderr == *'site.rules:1:1: warning: the dictionary has no attribute "Foo-Bar"'* ]]
	[[ $stderr != *Class* ]]
	printf '# x\nATTRIBUTE Foo-Bar 1 string\n$INCLUDE more\n$INCLUDE- gone\n' >site/dictionary
	echo 'attribute class 25 octets' >site/more
	run -0 --separate-stderr nac-decide -n --dictionary site/dictionary -r site/site.rules
	[[ $stderr != *dictionary* ]]
	echo "\$INCLUDE dictionary" >>site/more
	run -65 --separate-stderr nac-decide -n --dictionary site/dictionary -r site/site.rules
	assert_eq "$stderr" "nac-decide: site/dictionary: dictionaries are included too deeply"
	run -65 nac-decide -n --dictionary site/none -r site/site.rules
	chmod 777 site
	run -0 --separate-stderr nac-decide -n -r site/site.rules
	[[ $stderr == *"site/site.rules:1:1: warning: others may write its folder, and so replace the file"* ]]
	run -64 nac-decide --strict -r site/site.rules
	run -64 nac-decide --dictionary x -r site/site.rules
	run -0 nac-decide -n --strict -r "$NAC_ROOT/share/rules/default.rules"
}

@test "rules files as nobody writes them get one clear answer each" {
	awk 'BEGIN { for (i = 1; i <= 10000; i++) print "allow \"r" i "\" with vlan 5 if ssid is net" i }' >site/site.rules
	run -0 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$output" "site/site.rules: 10000 rules, 0 labels: 1 warning"
	decide '{"session":{"ssid":"net10000"}}'
	assert_eq "$(json_get "$output" .decision.name)" r10000
	seq -f 'allow if sid is x%.0f' 1000 >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$(grep -c ': unknown condition "sid" (did you mean' <<<"$stderr")" 100
	assert_eq "$(grep -c ': unknown condition "sid"' <<<"$stderr")" 1000
	printf 'allow\0' >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:6: a NUL byte: "\x00"'
	printf 'allow if managed\nno-match deny' >site/site.rules
	run -0 nac-decide -n --strict -r site/site.rules
	{ printf 'allow if ssid in a'; head -c 1000000 /dev/zero | tr '\0' 'b'; } >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "${stderr:0:60}" 'nac-decide: site/site.rules:1:18: is too long a text: "abbbb'
	[ ${#stderr} -lt 400 ]
	{ printf 'allow if ssid in a'; seq -f ',bb%.0f' 128000 | tr -d '\n'; } >site/site.rules
	[ "$(stat -c %s site/site.rules)" -gt 1000000 ]
	run -0 nac-decide -n -r site/site.rules
	decide '{"session":{"ssid":"bb127999"}}'
	assert_eq "$status" 0
	# Loops over two files, bombs of labels, of parentheses and of nots.
	echo 'include "b"' >site/a; echo 'include "a"' >site/b
	run -65 --separate-stderr nac-decide -n -r site/a
	assert_eq "$stderr" 'nac-decide: site/b:1:9: this file includes itself: "a"'
	{ echo 'label L0 when managed'; for i in {1..30}; do echo "label L$i when L$((i - 1)) or not L$((i - 1))"; done
		echo 'allow if L30'; } >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_one_line "$stderr"
	assert_has "$stderr" 'the condition is nested too deeply (labels count), from "L'
	{ printf 'allow if '; printf '(%.0s' {1..100}; echo managed; } >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:74: parentheses are nested too deeply: "("'
	{ printf 'allow if '; yes not | head -n 200001 | tr '\n' ' '; printf 'managed\nno-match deny'; } >site/site.rules
	run -0 --separate-stderr nac-decide -n -r site/site.rules
	printf 'label X gives vlan 5\r\nallow with X if managed\r\nno-match deny\r\n' >site/site.rules
	run -0 nac-decide -n --strict -r site/site.rules
	printf 'allow\rdeny\r' >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "$stderr" 'nac-decide: site/site.rules:1:6: a control byte: "\x0d"'
	# Errors without end are an end.
	yes alow | head -n 20000 >site/site.rules
	run -65 --separate-stderr nac-decide -n -r site/site.rules
	assert_eq "${#stderr_lines[@]} ${stderr_lines[-1]}" \
		'10001 nac-decide: site/site.rules:10001:1: too many errors, stopped here'
	# A list has the same bytes to fear.
	for bad in '00:1b:44:11:3a:b7\0' '"open' '\xff\xfe\x00' '00:1b:44:11:3a:b7 until 2026-02-30' "$(head -c 100000 /dev/zero | tr '\0' a)"; do
		printf %b "$bad" >site/l
		rules 'list L macs "l"' 'deny if mac in list L' 'allow'
		run -65 --separate-stderr nac-decide -n -r site/site.rules
		assert_one_line "$stderr"
		[[ $stderr == 'nac-decide: site/l:1:'* ]]
	done
}
