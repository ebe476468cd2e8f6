#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2119,SC2120,SC2030,SC2031 # bats sets stderr; conf takes lines or none
# intune-token --check: each step a line, each failure with its cause and its cure.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() { intune_setup_file --fleet 3; }
teardown_file() { emulator_stop; }
setup() {
	intune_setup
	emulator_control 'move amsua0101'
}
teardown() { [ -z "${server-}" ] || kill "$server" 2>/dev/null || :; }

# check STATUS [OPTION...]: runs it; every line has one of the three words or is a detail
check() {
	run -"$1" --separate-stderr intune-token --check "${@:2}"
	refute_has "$(grep -vE '^(ok     |FAILED |skipped|unused |       ) ' <<<"$output")" x
	refute_has "$output$stderr" "$(cat "$EMU_SECRET_FILE")"
	refute_has "$output" eyJ
}

# line WORD STEP: the line of that step
line() { grep -E "^$1 +$2:" <<<"$output"; }

@test "all is well: every step is ok, in order" {
	check 0
	assert_eq "$(sed -E 's/^ok +([A-Za-z ]+):.*/\1/' <<<"$output" | tr '\n' ' ')" \
		"configuration credential name proxy TLS token roles Graph device discovery NAC token NAC roles NAC "
	assert_has "$(line ok device)" '"LAPTOP-000'
	assert_has "$(line ok roles)" DeviceManagementManagedDevices.Read.All
	assert_has "$(line ok 'NAC roles')" get_device_compliance
	assert_has "$(line ok discovery)" "$EMU_URL"
	assert_has "$(line ok NAC)" "Microsoft Intune answers, help for users is at https://"
	# It has asked for new tokens, not looked into the cache.
	check 0
	assert_eq "$(count token)" 4
}

@test "a name that is none, a closed port, a proxy that is none" {
	check 69 --authority no-such-host.invalid
	assert_has "$(line FAILED name)" "no-such-host.invalid"
	assert_has "$(line FAILED name)" "resolv.conf"
	# Graph's host is looked at all the same.
	assert_has "$(line ok TLS)" "$EMU_HOST"
	check 69 --authority 127.0.0.1:1
	assert_has "$(line FAILED connection)" firewall
	check 69 --proxy http://127.0.0.1:1
	assert_has "$(line FAILED proxy)" "set by proxy"
	run -69 --separate-stderr env https_proxy=http://u:hunter2@127.0.0.1:1 intune-token --check
	assert_has "$(line FAILED proxy)" "set by https_proxy"
	refute_has "$output$stderr" hunter2
	check 69 --proxy http://no-such-proxy.invalid:3128
	assert_has "$(line FAILED proxy)" no-such-proxy.invalid
	assert_eq "$(count token)" 0
}

@test "a proxy that is needed, one that leads there, and one that refuses" {
	check 0 --proxy "$EMU_PROXY"
	assert_has "$(line ok proxy)" "127.0.0.1, by proxy, leads to $EMU_HOST"
	# One connection of the host that is looked at, one for what is asked of it.
	[ "$(count connect)" -ge 2 ]
	emulator_control fault no-way-but-proxy
	check 69
	assert_has "$(line ok proxy)" "none for $EMU_HOST"
	assert_has "$(line FAILED TLS)" "something in between ends the connection: see firewall and proxy"
	assert_eq "$(count token)" 2
	check 0 --proxy "$EMU_PROXY"
	run -0 --separate-stderr env https_proxy="$EMU_PROXY" intune-token --check
	assert_has "$(line ok proxy)" "by https_proxy, leads"
	for code in 403 407 502; do
		emulator_control clear-faults
		emulator_control fault "refuse:code=$code"
		check 69 --proxy "$EMU_PROXY"
		assert_has "$(line FAILED proxy)" "$code"
		assert_has "$(line FAILED proxy)" "set by proxy; is it there, and may this machine go to $EMU_HOST"
		assert_has "$output" "skipped Graph, device, discovery, NAC"
	done
	emulator_control clear-faults
	# It leads to one place only.
	check 69 --proxy "$EMU_PROXY" --authority login.elsewhere.example
	assert_has "$(line FAILED proxy)" 403
}

# authority NAME SUBJECT [SIGNER]: a certificate that may sign others, by itself or by SIGNER
authority() {
	openssl req -x509 ${3:+-CA "$3.pem" -CAkey "$3.key"} -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		-nodes -keyout "$1.key" -out "$1.pem" -days 98 -subj "$2" \
		-addext basicConstraints=critical,CA:TRUE 2>/dev/null
}

# leaf NAME SIGNER [OPTION...]: a server's certificate
leaf() {
	openssl req -x509 -CA "$2.pem" -CAkey "$2.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-keyout "$1.key" -out "$1.pem" -days 97 -subj '/CN=login.example' \
		-addext subjectAltName=DNS:login.example,IP:127.0.0.1 \
		-addext basicConstraints=critical,CA:FALSE "${@:3}" 2>/dev/null
}

# serve LEAF [OPTION...]: a server of TLS in place of the last one; sets server and port
serve() {
	[ -z "${server-}" ] || kill "$server"
	openssl s_server -accept 127.0.0.1:0 -cert "$1.pem" -key "$1.key" "${@:2}" -www \
		>server.log 2>&1 3>&- </dev/null &
	server=$!
	for _ in $(seq 100); do grep -q '^ACCEPT' server.log && break; sleep 0.05; done
	port=$(sed -n 's/^ACCEPT .*://p' server.log)
}

@test "a TLS failure shows the chain that was sent and names the root that is missing" {
	cd "$BATS_TEST_TMPDIR" || return
	authority root '/O=Elsewhere/CN=Far Root'
	authority mid '/CN=Mid CA' root
	leaf leaf mid
	serve leaf -cert_chain mid.pem
	check 69 --authority "127.0.0.1:$port"
	assert_has "$(line FAILED TLS)" "the certificate of CN=Far Root,O=Elsewhere is not in $EMU_CA"
	assert_has "$output" "sent 1: subject CN=login.example"
	assert_has "$output" "names   login.example"
	assert_has "$output" "sent 2: subject CN=Mid CA"
	refute_has "$output" "sent 3"
	for n in leaf mid; do
		assert_has "$output" "sha256  $(openssl x509 -in $n.pem -outform DER | sha256sum | cut -d' ' -f1)"
		assert_has "$output" "expires $(date -u -d "$(openssl x509 -in $n.pem -noout -enddate | cut -d= -f2)" +%FT%TZ)"
	done
	assert_has "$output" "skipped Graph, device, discovery, NAC"
	# With that root, only what follows TLS is wrong with this server.
	check 75 --authority "127.0.0.1:$port" --ca-file root.pem --graph "127.0.0.1:$port" --timeout 5
	assert_has "$(line ok TLS)" "by CN=Mid CA"
	# The root itself may be sent, too, by a TLS inspection above all.
	leaf short root
	serve short -cert_chain root.pem
	check 69 --authority "127.0.0.1:$port"
	assert_has "$(line FAILED TLS)" "the certificate of CN=Far Root,O=Elsewhere is not in $EMU_CA; if"
}

@test "an intermediate that the server does not send is told from a root that is missing here" {
	cd "$BATS_TEST_TMPDIR" || return
	authority root '/CN=Far Root'
	authority upper '/CN=Upper CA' root
	authority mid '/CN=Mid CA' upper
	leaf public mid -addext 'authorityInfoAccess=caIssuers;URI:http://ca.example/mid.cer'
	leaf bare mid
	while IFS='|' read -r cert sent said; do
		# shellcheck disable=SC2086 # two words or none
		serve "$cert" $sent
		check 69 --authority "127.0.0.1:$port" --ca-file root.pem
		assert_has "$(line FAILED TLS)" "$said"
		assert_has "$output" "sent 1: subject CN=login.example"
	done <<-E
		public||the server does not send the intermediate CN=Mid CA,
		public|-cert_chain root.pem|the server does not send the intermediate CN=Mid CA,
		bare|-cert_chain upper.pem|the server does not send the intermediate CN=Mid CA,
		bare||the certificate of CN=Mid CA is neither sent by the server nor in root.pem; if it is an intermediate
		bare|-cert_chain mid.pem|the certificate of CN=Upper CA is not in root.pem; if
	E
	cat mid.pem upper.pem >both.pem
	serve public -cert_chain both.pem
	check 75 --authority "127.0.0.1:$port" --ca-file root.pem --graph "127.0.0.1:$port" --timeout 5
	line ok TLS
}

@test "the host that discovery names is looked at as well: name, TLS, proxy" {
	cd "$BATS_TEST_TMPDIR" || return
	conf_set source auto
	emulator_control "move amsua0101 localhost:$EMU_PORT"
	conf_set intune_hosts "localhost:$EMU_PORT"
	check 0
	assert_has "$(line ok TLS)" "localhost:$EMU_PORT (127.0.0.1) is trusted"
	assert_eq "$(sed -E 's/^ok +([A-Za-z ]+):.*/\1/' <<<"$output" | tr '\n' ' ' | sed 's/.* device //')" \
		"discovery name proxy TLS NAC token NAC roles NAC "
	emulator_control "move amsua0101 fef.nowhere.invalid"
	conf_set intune_hosts .nowhere.invalid
	check 69
	assert_has "$(line FAILED name)" fef.nowhere.invalid
	line ok 'NAC roles'
	assert_has "$output" "skipped NAC: needs what failed above"
	authority mid '/CN=Mid CA'
	leaf public mid -addext 'authorityInfoAccess=caIssuers;URI:http://ca.example/mid.cer'
	serve public
	emulator_control "move amsua0101 127.0.0.1:$port"
	conf_set intune_hosts "127.0.0.1:$port"
	check 69
	assert_has "$(line FAILED TLS)" "127.0.0.1:$port: the server does not send the intermediate CN=Mid CA"
	# Who asks only Graph needs it not.
	conf_set source graph
	check 0
	assert_has "$(line unused TLS)" "does not send the intermediate"
	emulator_control 'move amsua0101'
	# Of two entries the one that may be asked is looked at.
	conf_set intune_hosts "$EMU_HOST"
	emulator_control fault endpoint-duplicate
	check 0
	assert_has "$(line ok discovery)" "/amsua0101/"
}

@test "a wrong name and an expired certificate are told apart" {
	emulator_control fault tls:cert=wrong-name
	check 69
	assert_has "$(line FAILED TLS)" "no alternative certificate subject name matches"
	assert_has "$output" "names   wrong.example"
	emulator_control clear-faults
	emulator_control fault tls:cert=expired
	check 69
	assert_has "$(line FAILED TLS)" "certificate has expired"
	assert_has "$output" "expires 2024-01-02T00:00:00Z"
	emulator_control clear-faults
	emulator_control fault tls:cert=untrusted
	check 69
	assert_has "$(line FAILED TLS)" "the certificate of CN=localhost is not in"
	emulator_control clear-faults
	emulator_control fault tls:cert=no-intermediate
	check 69
	assert_has "$(line FAILED TLS)" "the server does not send the intermediate CN=intermediate CA,O=intune-emulator"
	assert_eq "$(count token)" 0
}

@test "each refusal of a token has its sentence, its ids and what to do" {
	while read -r code status todo; do
		emulator_control clear-faults
		emulator_control fault aadsts:code="$code"
		rm -rf "$TOKENS"
		check "$status"
		assert_has "$(line FAILED token)" "AADSTS$code: "
		assert_has "$(line FAILED token)" "trace "
		assert_has "$(line FAILED token)" "correlation "
		assert_has "$(line FAILED token)" "$todo"
	done <<-E
		7000215 77 make a new client secret
		7000222 77 make a new client secret
		7000112 77 Enterprise applications
		700016 77 compare client_id and tenant
		700027 77 upload the certificate
		700024 77 set the clock
		90002 77 compare tenant
		500011 77 right cloud
		1002012 77 leave --scope out
		900382 77 cloud in nac.conf
		50196 75 token_dir
		90055 75 try again later
		90033 75 try again in a minute
		53003 77 Conditional Access
		700213 77 Federated credentials
	E
}

@test "missing permissions: which one, and on which page" {
	emulator_control fault no-roles
	conf_set source auto
	check 77
	assert_has "$(line FAILED roles)" "Grant admin consent"
	assert_has "$(line FAILED Graph)" "DeviceManagementManagedDevices.Read.All, then Grant"
	assert_has "$(line FAILED discovery)" "ServicePrincipalEndpoint.Read.All, then Grant"
	assert_has "$(line FAILED 'NAC roles')" "Intune > Application permissions > get_device_compliance"
	assert_has "$output" "skipped device: none was listed"
	emulator_control clear-faults
	emulator_control fault status:on=discovery,code=503
	check 75 --timeout 2
	line ok device
	line FAILED discovery
	line ok 'NAC roles'
	# Who asks only Graph needs no permission for more.
	conf_set source graph
	check 0 --timeout 2
	line unused discovery
}

@test "the credential is looked at first: missing, open, expired, soon to expire" {
	# A file that is not there stops it with the other settings.
	check 78 --client-secret-file /nonexistent
	conf_set client_secret_expires "$(date -u -d '-2 days' +%F)"
	check 78
	assert_has "$(line FAILED credential)" "expired on"
	line ok TLS
	assert_eq "$(count token)" 0
	conf_set client_secret_expires "$(date -u -d '+9 days' +%F)"
	check 0
	assert_has "$(line ok credential)" "time to register the next one"
}

@test "a managed identity needs no authority" {
	printf '%s\n' "managed_identity = vm" "identity_host = $EMU_IDENTITY" "graph = $EMU_HOST" "intune_hosts = $EMU_HOST" \
		"ca_file = $EMU_CA" "token_dir = $TOKENS" >"$INTUNE_NAC_CONF"
	check 0
	assert_has "$(line ok credential)" "managed identity (vm) at $EMU_IDENTITY"
	emulator_control fault no-roles:on=identity
	check 77
	assert_has "$(line FAILED roles)" New-MgServicePrincipalAppRoleAssignment
}

@test "--check excludes --header and --info; a closed output is an error" {
	run -64 --separate-stderr intune-token --check --info
	run -74 --separate-stderr bash -c 'intune-token --check >/dev/full'
}
