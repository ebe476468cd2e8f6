#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# Clouds, and several tenants in one nac.conf: which hosts, whose credential.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() { intune_setup_file; }
teardown_file() { emulator_stop; }
setup() { intune_setup; }

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
