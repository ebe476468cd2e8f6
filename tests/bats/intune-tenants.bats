#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Clouds, and several tenants in one nac.conf: which hosts, whose credential.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() {
	intune_setup_file
	# A second tenant, in a sub-shell: the variables of the first one stay.
	(
		export EMU_DIR=$BATS_FILE_TMPDIR/emu2
		printf '[{"deviceName":"SOUTH-1","complianceState":"noncompliant"},{"deviceName":"BOTH-1","complianceState":"noncompliant"}]' \
			>"$BATS_FILE_TMPDIR/south.json"
		emulator_start --token-limit 0 --tenant 77777777-0000-4000-8000-000000000077 \
			--devices "$BATS_FILE_TMPDIR/south.json"
	)
}
teardown_file() {
	emulator_stop
	EMU_DIR=$BATS_FILE_TMPDIR/emu2 emulator_stop
}
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	intune_setup
}

# scope_asked: what the last token request was for
scope_asked() { emulator_control log | jq -r 'select(.kind == "token").scope' | tail -1; }

@test "each cloud has its authority and its Graph; public is the default" {
	conf_set authority ""
	conf_set graph ""
	while read -r cloud authority graph; do
		# Nothing leaves this machine: the proxy is a closed port.
		run -69 --separate-stderr intune-token -v --proxy http://127.0.0.1:1 ${cloud:+--cloud "$cloud"}
		assert_has "$stderr" "https://$authority/"
		run -77 --separate-stderr intune-token ${cloud:+--cloud "$cloud"} --authority "$EMU_HOST"
		assert_has "$stderr" AADSTS500011
		assert_eq "$(scope_asked)" "https://$graph/.default"
	done <<-E
		usgov login.microsoftonline.us graph.microsoft.us
		dod login.microsoftonline.us dod-graph.microsoft.us
		china login.partner.microsoftonline.cn microsoftgraph.chinacloudapi.cn
	E
	run -69 --separate-stderr intune-token -v --proxy http://127.0.0.1:1
	assert_has "$stderr" "https://login.microsoftonline.com/"
	run -0 --separate-stderr intune-token --authority "$EMU_HOST"
	assert_eq "$(scope_asked)" "https://graph.microsoft.com/.default"
	conf_set cloud usgov
	run -69 --separate-stderr intune-token -v --proxy http://127.0.0.1:1
	assert_has "$stderr" "https://login.microsoftonline.us/"
}

# nac_query [OPTION...]: asks NAC 2.0 for a device; gets a token for Graph, and none for it
nac_query() {
	rm -rf "$TOKENS"
	emulator_control clear-faults
	emulator_control fault aadsts:code=500011,after=1
	intune-query --source nac2 --authority "$EMU_HOST" --graph "$EMU_HOST" "$@" \
		aaaaaaaa-0000-4000-8000-000000000001
}

@test "each cloud has its NAC resource and its NAC hosts; --intune and intune_hosts override them" {
	conf_set intune_hosts ""
	while read -r cloud intune domain; do
		while read -ra option; do
			# A host of that domain is taken: it comes to asking for a token, which is refused.
			emulator_control "move amsua0101 fef.unit.$domain"
			run -77 --separate-stderr nac_query "${option[@]}"
			assert_has "$stderr" AADSTS500011
			assert_eq "$(scope_asked)" "https://$intune//.default"
			run -77 --separate-stderr nac_query "${option[@]}" --intune api.example
			assert_eq "$(scope_asked)" "https://api.example//.default"
			for other in manage.microsoft.{com,us,cn}; do
				[ "$other" != "$domain" ] || other=$domain.example
				emulator_control "move amsua0101 fef.unit.$other"
				run -78 --separate-stderr nac_query "${option[@]}"
				assert_has "$stderr" "intune_hosts (.$domain)"
			done
		done < <([ "$cloud" != public ] || echo; echo "--cloud $cloud")
	done <<-E
		public api.manage.microsoft.com manage.microsoft.com
		usgov api.manage.microsoft.us manage.microsoft.us
		dod api.manage.microsoft.us manage.microsoft.us
		china api.manage.microsoft.cn manage.microsoft.cn
	E
	emulator_control 'move amsua0101'
	conf_set intune api.elsewhere.example
	conf_set intune_hosts "$EMU_HOST"
	run -77 --separate-stderr nac_query
	assert_eq "$(scope_asked)" "https://api.elsewhere.example//.default"
}

@test "a host overrides its cloud's, but not that of a nearer choice" {
	conf_set cloud china
	run -0 --separate-stderr intune-token
	# The file's hosts go with the file's cloud, not with the one of the command line.
	run -69 --separate-stderr intune-token -v --cloud usgov --proxy http://127.0.0.1:1
	assert_has "$stderr" "https://login.microsoftonline.us/"
	printf '%s\n' '[tenant dod]' 'tenant = a.example' 'cloud = dod' >>"$INTUNE_NAC_CONF"
	run -69 --separate-stderr intune-token -v --tenant dod --proxy http://127.0.0.1:1
	assert_has "$stderr" "https://login.microsoftonline.us/"
	printf '%s\n' "authority = $EMU_HOST" >>"$INTUNE_NAC_CONF"
	run -77 --separate-stderr intune-token --tenant dod
	assert_has "$stderr" AADSTS90002
}

@test "sections: --tenant chooses one; without it the top, or the only one" {
	printf '%s\n' '[tenant north]' "tenant = $EMU_TENANT" \
		'[tenant south]' 'tenant = south.example' >>"$INTUNE_NAC_CONF"
	run -0 --separate-stderr intune-token --tenant north
	run -77 --separate-stderr intune-token --tenant south
	assert_has "$stderr" AADSTS90002
	assert_has "$(emulator_control log | tail -1)" /south.example/
	# No section has this name: a tenant's own.
	run -77 --separate-stderr intune-token --tenant west.example
	assert_has "$(emulator_control log | tail -1)" /west.example/
	run -0 --separate-stderr intune-token
	conf_set tenant ""
	printf 'client_id = %s\n' "$EMU_CLIENT_ID" | cat - "$INTUNE_NAC_CONF" >"$INTUNE_NAC_CONF.new"
	sed -i '2,/^\[/{/^client_id/d}' "$INTUNE_NAC_CONF.new"
	mv "$INTUNE_NAC_CONF.new" "$INTUNE_NAC_CONF"
	printf '%s\n' '[tenant empty]' >>"$INTUNE_NAC_CONF"
	run -78 --separate-stderr intune-token
	assert_has "$stderr" "which tenant?"
	# What a section leaves out it has from above, but not whose it is.
	run -78 --separate-stderr intune-token --tenant empty
	assert_has "$stderr" "[tenant empty]: tenant is not set"
}

@test "one section alone needs no --tenant" {
	conf_set tenant ""
	printf '%s\n' '[tenant north]' "tenant = $EMU_TENANT" >>"$INTUNE_NAC_CONF"
	run -0 --separate-stderr intune-token
	assert_eq "$stderr" ""
}

@test "a section's credential replaces the one above it, key and all" {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$BATS_TEST_TMPDIR/app.key" \
		-out "$BATS_TEST_TMPDIR/app.pem" -days 60 -subj /CN=app 2>/dev/null
	cat "$BATS_TEST_TMPDIR/app.key" "$BATS_TEST_TMPDIR/app.pem" >"$BATS_TEST_TMPDIR/both.pem"
	chmod 600 "$BATS_TEST_TMPDIR"/*.key "$BATS_TEST_TMPDIR/both.pem"
	emulator_control client-cert "$BATS_TEST_TMPDIR/app.pem"
	printf '%s\n' '[tenant north]' "tenant = $EMU_TENANT" \
		"certificate_file = $BATS_TEST_TMPDIR/both.pem" \
		'[tenant two]' "tenant = $EMU_TENANT" "certificate_file = $BATS_TEST_TMPDIR/both.pem" \
		"client_secret_file = $EMU_SECRET_FILE" >>"$INTUNE_NAC_CONF"
	run -0 --separate-stderr intune-token --force --tenant north
	assert_has "$(emulator_control log | tail -1 | jq -c .auth)" PS256
	run -0 --separate-stderr intune-token --force
	assert_eq "$(emulator_control log | tail -1 | jq -r .auth)" secret
	run -78 --separate-stderr intune-token --tenant two
	assert_has "$stderr" "[tenant two]: both client_secret_file and certificate_file"
}

@test "tenants do not share a token" {
	printf '%s\n' '[tenant north]' 'tenant = contoso.onmicrosoft.com' >>"$INTUNE_NAC_CONF"
	run -0 --separate-stderr intune-token
	run --separate-stderr intune-token --tenant north
	assert_eq "$(count token)" 2
}

@test "errors in a section name file, line and column" {
	while IFS='|' read -r line said; do
		conf
		printf '%s\n' '[tenant a]' "tenant = $EMU_TENANT" "$line" >>"$INTUNE_NAC_CONF"
		n=$(wc -l <"$INTUNE_NAC_CONF")
		run -78 --separate-stderr intune-token
		assert_one_line "$stderr"
		assert_has "$stderr" "$INTUNE_NAC_CONF:$n:$said"
	done <<-E
		 rules = /x|2: belongs above the first section
		[tenant a]|1: given twice: tenant
		tenant = b|1: given twice
		[realm b]|1: expected [tenant NAME]
		cloud = mars|9: cloud is not one of its words
		client_secret_expires = 2027-02-31|25: client_secret_expires is no date
	E
}

# two_tenants [LINE...]: north is the emulator of all tests, south another one; the
# lines belong to south
two_tenants() {
	local south=$BATS_FILE_TMPDIR/emu2
	emulator_control list | grep -q BOTH-1 || emulator_control add '{"deviceName":"BOTH-1","complianceState":"compliant"}' >/dev/null
	{
		sed 's/^tenant =.*/[tenant north]\n&/' "$INTUNE_NAC_CONF"
		printf '%s\n' 'issuer = CN=North Device CA, O=North' 'realm = north.example' 'nas = 10.1.0.0/16 nas-north'
		printf '[tenant south]\n'
		grep -v token_dir "$south/nac.conf"
		echo "token_dir = $TOKENS"
		printf '%s\n' "$@"
	} >"$INTUNE_NAC_CONF.new"
	mv "$INTUNE_NAC_CONF.new" "$INTUNE_NAC_CONF"
}

# record ISSUER REALM NAS
record() {
	jq -nc --arg i "$1" --arg r "$2" --arg n "$3" '{identity: {name: [{value: "BOTH-1", found: "cn"}],
		issuer: $i}, session: {realm: $r, nas_ip: $n}}'
}

@test "intune-query asks the tenant of each record: by issuer, realm and NAS" {
	two_tenants 'issuer = CN=South CA' 'issuer = CN=Old South CA' 'realm = south.example .south.example' \
		'nas = 10.2.0.0/16 2001:db8::/32'
	while IFS='|' read -r issuer realm nas state; do
		record "$issuer" "$realm" "$nas"
		echo "$state" >>"$BATS_TEST_TMPDIR/want"
	done >"$BATS_TEST_TMPDIR/in" <<-'R'
		CN=North Device CA,O=North,C=XX|||compliant
		/C=XX/O=North/CN=North Device CA|||compliant
		CN=South CA,O=Anything|||noncompliant
		CN=Old South CA|||noncompliant
		|NORTH.example||compliant
		|branch.south.example||noncompliant
		||10.1.250.3|compliant
		||10.2.0.1|noncompliant
		||2001:db8::9|noncompliant
		CN=South CA|south.example|10.2.9.9|noncompliant
	R
	run -0 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$stderr" ""
	assert_eq "$(jq -r .compliance.state <<<"$output")" "$(cat "$BATS_TEST_TMPDIR/want")"
	# --tenant sends them all to one.
	run -0 --separate-stderr intune-query --tenant south <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.state <<<"$output" | sort -u)" noncompliant
}

@test "a record that is nobody's, or that of two, is named and not guessed; the others go on" {
	two_tenants 'realm = south.example' 'nas = 10.1.0.0/16'
	{
		record "CN=Elsewhere" "" ""
		record "" "" 10.1.0.1
		record "" south.example ""
		record "" north.example 10.9.9.9
		record "CN=North Device CA,O=South" "" ""
	} >"$BATS_TEST_TMPDIR/in"
	run -78 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.state <<<"$output")" noncompliant
	for n in 1 4 5; do
		assert_has "$stderr" "<stdin>:$n: $INTUNE_NAC_CONF: no [tenant] has its issuer, realm or NAS"
	done
	assert_has "$stderr" "<stdin>:2: $INTUNE_NAC_CONF: both [tenant north] and [tenant south]"
	run -78 --separate-stderr intune-query --all
	assert_has "$stderr" "which tenant?"
	run -0 --separate-stderr intune-query --all --tenant south
	assert_has "$output" SOUTH-1
}

@test "one tenant that cannot be asked does not stop the others" {
	two_tenants 'realm = south.example' 'client_id = x y'
	sed -i '/^\[tenant south/,${0,/^client_id/{/^client_id/d}}' "$INTUNE_NAC_CONF"
	{ record "" south.example ""; record "" north.example ""; record "" south.example ""; } >"$BATS_TEST_TMPDIR/in"
	run -78 --separate-stderr intune-query <"$BATS_TEST_TMPDIR/in"
	assert_eq "$(jq -r .compliance.state <<<"$output")" compliant
	assert_eq "$(grep -c 'client_id is no application' <<<"$stderr")" 1
	assert_has "$stderr" "<stdin>:3: tenant south: cannot be asked"
}

@test "an answer names its tenant where there are several, in the store too; and is asked for there again" {
	run -0 --separate-stderr intune-query BOTH-1
	assert_eq "$(json_get "$output" '.compliance | has("tenant")')" false
	two_tenants 'realm = south.example'
	echo "state_dir = $BATS_TEST_TMPDIR/state" | cat - "$INTUNE_NAC_CONF" >conf.new
	cat conf.new >"$INTUNE_NAC_CONF"
	{ record "" north.example ""; record "" south.example ""; } >in
	run -0 --separate-stderr intune-query <in
	assert_eq "$(jq -r '.compliance | "\(.tenant) \(.state)"' <<<"$output" | xargs)" "north compliant south noncompliant"
	run -0 --separate-stderr intune-query --all --tenant south
	assert_eq "$(jq -r '.compliance.tenant // empty' <<<"$output" | sort | uniq -c | xargs)" "2 south"
	nac-cache put -q <<<"$output"
	run -0 nac-cache get SOUTH-1
	assert_eq "$(json_get "$output" .compliance.tenant)" south
	run -0 nac-cache check
	# No issuer, realm or NAS: whoever answered the last time.
	run -0 bash -c 'set -o pipefail; nac-cache get SOUTH-1 | intune-query'
	assert_eq "$(json_get "$output" '.compliance | "\(.tenant) \(.state) \(.source)"')" "south noncompliant graph"
	run -0 bash -c 'nac-cache export >a && nac-cache -d s2 import -q <a && nac-cache -d s2 export >b && cmp a b'
	# What a record says itself counts more.
	run -0 bash -c "set -o pipefail; nac-cache get SOUTH-1 | jq -c '.session.realm = \"north.example\"' | intune-query"
	assert_eq "$(json_get "$output" '.compliance | "\(.tenant) \(.state)"')" "north unregistered"
	run -78 --separate-stderr intune-query SOUTH-1
}

@test "a tenant above the sections is named by its own name" {
	printf '%s\n' '[tenant south]' 'tenant = south.example' 'realm = south.example' >>"$INTUNE_NAC_CONF"
	run -0 intune-query LAPTOP-0001
	assert_eq "$(json_get "$output" .compliance.tenant)" "$EMU_TENANT"
}
