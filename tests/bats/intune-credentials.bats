#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2119,SC2120 # bats sets stderr; conf takes lines or none
# Every kind of credential: where its key may be, and what it says when it is wrong.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() {
	intune_setup_file
	cd "$BATS_FILE_TMPDIR" || return
	for n in app other; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout $n.key -out $n.pem -days 90 \
			-subj "/CN=$n" 2>/dev/null
	done
	openssl req -x509 -key app.key -out soon.pem -days 20 -subj /CN=soon 2>/dev/null
	openssl rsa -in app.key -aes256 -passout pass:open-sesame -out locked.key 2>/dev/null
	cat locked.key app.pem >locked-both.pem
	openssl pkcs12 -export -inkey app.key -in app.pem -certfile other.pem -passout pass:open-sesame -out app.p12
	openssl pkcs12 -export -inkey app.key -in app.pem -passout pass: -out bare.p12
	echo open-sesame >right
	echo close-sesame >wrong
	chmod 600 ./*.key ./*.p12 locked-both.pem right wrong
	emulator_control client-cert "$PWD/app.pem"
	emulator_control client-cert "$PWD/soon.pem"
}
teardown_file() { emulator_stop; }
setup() {
	intune_setup
	conf_set client_secret_file ""
	cd "$BATS_FILE_TMPDIR" || return
}

# auth: how the last token request proved itself
auth() { emulator_control log | jq -r 'select(.kind == "token").auth' | tail -1; }

# credential KEY=VALUE...: these keys, and no other credential
credential() {
	local pair
	conf
	conf_set client_secret_file ""
	for pair; do conf_set "${pair%%=*}" "${pair#*=}"; done
}

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# provider_token KEY ISS SUB AUD LIFE: a token of another identity provider
provider_token() {
	local text
	text=$(printf '{"alg":"RS256","kid":"k1","typ":"JWT"}' | b64url).$(printf \
		'{"iss":"%s","sub":"%s","aud":"%s","exp":%d}' "$2" "$3" "$4" $(($(date +%s) + $5)) | b64url)
	printf '%s.%s\n' "$text" "$(printf %s "$text" | openssl dgst -sha256 -sign "$1" -binary | b64url)"
}

@test "an encrypted key opens with the passphrase of its file" {
	credential certificate_file="$PWD/app.pem" key_file="$PWD/locked.key" key_passphrase_file="$PWD/right"
	run -0 --separate-stderr intune-token -f
	assert_eq "$stderr" ""
	assert_has "$(auth)" PS256
	credential certificate_file="$PWD/locked-both.pem" key_passphrase_file="$PWD/right"
	run -0 --separate-stderr intune-token -f
	assert_eq "$stderr" ""
	refute_has "$(intune-token -f -vv 2>&1)" sesame
}

@test "PKCS#12, with a password and a chain or without" {
	credential certificate_file="$PWD/app.p12" key_passphrase_file="$PWD/right"
	run -0 --separate-stderr intune-token -f
	assert_eq "$stderr" ""
	assert_has "$(auth)" 'x5t#S256'
	credential certificate_file="$PWD/bare.p12" assertion_alg=RS256
	run -0 --separate-stderr intune-token -f
	assert_has "$(auth)" RS256
}

@test "a passphrase that is wrong, missing, open to others or no line: one message, nothing asked" {
	cp right open
	chmod 644 open
	: >empty
	chmod 600 empty
	while read -r status cert key pass said; do
		[ "$pass" != - ] && pass=$PWD/$pass || pass=
		credential certificate_file="$PWD/$cert" key_file="$PWD/$key" key_passphrase_file="$pass"
		run -"$status" --separate-stderr intune-token -f </dev/null
		assert_one_line "$stderr"
		assert_has "$stderr" "$said"
	done <<-E
		78 app.pem locked.key wrong cannot be decrypted with the passphrase in key_passphrase_file
		78 app.pem locked.key - key_passphrase_file is not set
		78 app.p12 app.p12 wrong cannot be decrypted
		78 app.p12 app.p12 - key_passphrase_file is not set
		77 app.pem locked.key open may be read by others
		78 app.pem locked.key empty must hold one line
		78 app.pem locked.key none No such file
		78 other.pem locked.key right does not belong to the certificate
	E
	assert_eq "$(count token)" 0
}

@test "systemd's credentials: credential:NAME, as root leaves them, and not without the directory" {
	export CREDENTIALS_DIRECTORY=$BATS_TEST_TMPDIR/credentials
	mkdir -m 700 "$CREDENTIALS_DIRECTORY"
	cp "$EMU_SECRET_FILE" "$CREDENTIALS_DIRECTORY/entra"
	cp app.key "$CREDENTIALS_DIRECTORY/key"
	# An ACL for the service shows as a bit of the group.
	chmod 440 "$CREDENTIALS_DIRECTORY"/*
	credential client_secret_file=credential:entra
	run -0 --separate-stderr intune-token -f
	assert_eq "$stderr" ""
	credential certificate_file="$PWD/app.pem" key_file=credential:key
	run -0 --separate-stderr intune-token -f
	chmod 444 "$CREDENTIALS_DIRECTORY/key"
	run -77 --separate-stderr intune-token -f
	assert_has "$stderr" "may be read by others"
	credential client_secret_file=credential:none
	run -78 --separate-stderr intune-token
	assert_has "$stderr" "$CREDENTIALS_DIRECTORY/none: No such file"
	unset CREDENTIALS_DIRECTORY
	run -78 --separate-stderr intune-token
	assert_has "$stderr" "LoadCredential="
	credential client_secret_file=credential:../x
	run -78 --separate-stderr intune-token
}

@test "30 days before a certificate or a secret runs out it is warned of, and not before" {
	credential certificate_file="$PWD/soon.pem" key_file="$PWD/app.key"
	run -0 --separate-stderr intune-token -f
	assert_one_line "$stderr"
	assert_has "$stderr" "soon.pem: the certificate expires in 19 d, on $(date -u -d '+20 days' +%F)"
	for days in 29 31 -1; do
		credential client_secret_file="$EMU_SECRET_FILE" \
			client_secret_expires="$(date -u -d "+$days days" +%F)"
		run -0 --separate-stderr intune-token -f
		case $days in
		29) assert_has "$stderr" "the secret expires in 28 d" ;;
		31) assert_eq "$stderr" "" ;;
		-1) assert_has "$stderr" "the secret has expired, by client_secret_expires" ;;
		esac
	done
	# Out of the cache nothing has to be said again.
	run -0 --separate-stderr intune-token
	assert_eq "$stderr" ""
}

@test "a key in a PKCS#11 token signs, with its certificate in a file or in the token" {
	module=$(find /usr/lib -name libsofthsm2.so | head -1)
	export SOFTHSM2_CONF=$BATS_TEST_TMPDIR/softhsm.conf PKCS11_MODULE_PATH=$module
	mkdir "$BATS_TEST_TMPDIR/hsm"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$BATS_TEST_TMPDIR/hsm" >"$SOFTHSM2_CONF"
	softhsm2-util --init-token --free --label nac --pin 471147 --so-pin 12345678 >/dev/null
	openssl pkcs8 -topk8 -nocrypt -in app.key -out "$BATS_TEST_TMPDIR/app.pk8"
	softhsm2-util --import "$BATS_TEST_TMPDIR/app.pk8" --token nac --label app --id 01 --pin 471147 >/dev/null
	echo 471147 >"$BATS_TEST_TMPDIR/pin"
	echo 000000 >"$BATS_TEST_TMPDIR/no-pin"
	chmod 600 "$BATS_TEST_TMPDIR"/*pin
	for cert in app other; do
		p11tool --provider "$module" --login --set-pin 471147 --batch --write \
			--load-certificate "$PWD/$cert.pem" --label $cert --no-mark-private \
			'pkcs11:token=nac' >/dev/null 2>&1
	done
	uri='pkcs11:token=nac;object=app;type=private'
	cert='pkcs11:token=nac;object=app;type=cert'
	for alg in PS256 RS256; do
		for from in "$PWD/app.pem" "$cert"; do
			credential certificate_file="$from" key_file="$uri" assertion_alg=$alg \
				key_passphrase_file="$BATS_TEST_TMPDIR/pin"
			run -0 --separate-stderr intune-token -f -vv
			assert_has "$(auth)" $alg
			refute_has "$stderr" 471147
		done
	done
	assert_has "$(intune-token --check)" "credential: certificate in $cert,"
	while IFS='|' read -r key pass said from; do
		credential certificate_file="${from:-$PWD/app.pem}" key_file="$key" \
			key_passphrase_file="${pass:+$BATS_TEST_TMPDIR/$pass}"
		run -78 --separate-stderr intune-token -f </dev/null
		assert_one_line "$stderr"
		assert_has "$stderr" "$said"
	done <<-E
		$uri|no-pin|no private key that can be used with the PIN
		$uri||without a PIN (key_passphrase_file)
		pkcs11:token=none;object=app;type=private|pin|no private key
		$uri;pin-value=471147||must not hold the PIN
		$uri|pin|no certificate|pkcs11:token=nac;object=none;type=cert
		$uri|pin|does not belong to the certificate|pkcs11:token=nac;object=other;type=cert
		$uri|pin|must not hold the PIN|$cert;pin-value=471147
	E
}

@test "a file by its URI is checked like one by its path" {
	for form in file: file:// file://localhost FILE:; do
		credential certificate_file="$form$PWD/app.pem" key_file="$form$PWD/locked.key" \
			key_passphrase_file="$PWD/right"
		run -0 --separate-stderr intune-token -f
		assert_eq "$stderr" ""
		credential certificate_file="$form$PWD/app.p12" key_passphrase_file="$PWD/right"
		run -0 --separate-stderr intune-token -f
		assert_eq "$stderr" ""
	done
	cp app.key open.key
	cp app.pem mine.pem
	chmod 644 open.key
	chmod 600 mine.pem
	while read -r status key said; do
		credential certificate_file="$PWD/app.pem" key_file="$key"
		run -"$status" --separate-stderr intune-token -f
		assert_one_line "$stderr"
		assert_has "$stderr" "$said"
	done <<-E
		77 file:$PWD/open.key may be read by others
		78 file:$PWD/none.key No such file
		77 file:$PWD is no regular file
		78 file:app.key is no absolute path of this machine
		78 file://elsewhere$PWD/app.key is no absolute path of this machine
		78 file:$PWD/mine.pem holds no private key
	E
}

@test "a URI that nobody serves: 78" {
	credential certificate_file="$PWD/app.pem" key_file="nosuch:key"
	run -78 --separate-stderr intune-token -f
	assert_has "$stderr" "no loader for this scheme"
}

@test "a federated token is the assertion, read anew each time" {
	openssl rsa -in other.key -pubout -out "$BATS_TEST_TMPDIR/idp.pem" 2>/dev/null
	emulator_control federated https://idp.example/ system:serviceaccount:nac:poll \
		api://AzureADTokenExchange "$BATS_TEST_TMPDIR/idp.pem"
	token=$BATS_TEST_TMPDIR/token
	credential federated_token_file="$token"
	while read -r status key iss sub aud life said; do
		provider_token "$key" "$iss" "$sub" "$aud" "$life" >"$token"
		chmod 644 "$token"
		run -"$status" --separate-stderr intune-token -f -vv
		assert_has "$stderr" "$said"
		refute_has "$stderr" "$(cut -d. -f2 "$token")"
	done <<-E
		0 other.key https://idp.example/ system:serviceaccount:nac:poll api://AzureADTokenExchange 600 : 200,
		77 other.key https://idp.example system:serviceaccount:nac:poll api://AzureADTokenExchange 600 AADSTS700211
		77 other.key https://idp.example/ system:serviceaccount:nac:x api://AzureADTokenExchange 600 AADSTS700213
		77 other.key https://idp.example/ system:serviceaccount:nac:poll api://x 600 AADSTS700212
		77 other.key https://idp.example/ system:serviceaccount:nac:poll api://AzureADTokenExchange -5 AADSTS700024
		77 app.key https://idp.example/ system:serviceaccount:nac:poll api://AzureADTokenExchange 600 AADSTS50013
	E
	assert_eq "$(emulator_control log | jq -r '.auth // empty' | head -1)" "RS256 federated"
	chmod 666 "$token"
	run -77 --separate-stderr intune-token -f
	assert_has "$stderr" "may be written by others"
	rm "$token"
	run -78 --separate-stderr intune-token -f
}

# managed KIND [LINE...]: a configuration without tenant, client and secret
managed() {
	printf '%s\n' "managed_identity = $1" "identity_host = $EMU_IDENTITY" \
		"arc_key_dir = $EMU_ARC_KEYS" "graph = $EMU_HOST" "ca_file = $EMU_CA" \
		"token_dir = $TOKENS" "${@:2}" >"$INTUNE_NAC_CONF"
}

@test "the managed identity of a VM: no file, no proxy, numbers as strings" {
	managed vm 'proxy = http://127.0.0.1:1'
	run -0 --separate-stderr env http_proxy=http://127.0.0.1:1 ALL_PROXY=http://127.0.0.1:1 intune-token --info
	assert_eq "$stderr" ""
	[ "$(json_get "$output" .expires_in)" -gt 3500 ]
	run -0 --separate-stderr intune-token
	assert_eq "$(count identity)" 1
	assert_eq "$(count token)" 0
	assert_has "$(emulator_control log | jq -r .headers.Metadata)" true
	# Intune's own API has a resource that ends in a slash.
	run -0 --separate-stderr intune-token --scope 'https://api.manage.microsoft.com//.default'
	managed vm "client_id = $EMU_CLIENT_ID"
	run -0 --separate-stderr intune-token
	assert_has "$(emulator_control log | tail -1)" "client_id=$EMU_CLIENT_ID"
	managed vm "client_id = 99999999-0000-4000-8000-000000000000"
	run -77 --separate-stderr intune-token
	assert_has "$stderr" "Identity not found"
	managed vm
	run -0 intune-query LAPTOP-1
}

@test "a managed identity of another tenant than the configured one is not used" {
	managed vm "tenant = $EMU_TENANT"
	run -0 --separate-stderr intune-token --info
	managed vm "tenant = example.onmicrosoft.com"
	run -0 --separate-stderr intune-token --info
	managed vm "tenant = 99999999-0000-4000-8000-000000000000"
	run -78 --separate-stderr intune-token
	assert_eq "$output" ""
	assert_one_line "$stderr"
	assert_has "$stderr" "belongs to tenant $EMU_TENANT"
	run -78 --separate-stderr intune-query LAPTOP-0001
	assert_eq "$output" ""
}

@test "the managed identity of Arc: the challenge is answered with its key file" {
	managed arc
	run -0 --separate-stderr intune-token -vv
	refute_has "$stderr" "Basic "
	assert_eq "$(emulator_control log | jq -r .status | tr '\n' ' ')" "401 200 "
	assert_eq "$(ls "$EMU_ARC_KEYS")" ""
}

@test "Arc's challenge is believed only for a small .key file right in its directory" {
	managed arc
	ln -s /etc/passwd "$EMU_ARC_KEYS/link.key"
	mkdir -p "$EMU_ARC_KEYS/sub"
	echo x | tee "$EMU_ARC_KEYS/sub/a.key" "$EMU_ARC_KEYS/plain" "$BATS_TEST_TMPDIR/a.key" >/dev/null
	head -c 5000 /dev/zero | tr '\0' x >"$EMU_ARC_KEYS/large.key"
	for path in /etc/shadow "$BATS_TEST_TMPDIR/a.key" "$EMU_ARC_KEYS/../arc/a.key" \
		"$EMU_ARC_KEYS/sub/a.key" "$EMU_ARC_KEYS/plain" "$EMU_ARC_KEYS/.key"; do
		emulator_control clear-faults
		emulator_control "fault arc-realm:path=$path"
		run -69 --separate-stderr intune-token -f
		assert_one_line "$stderr"
		assert_has "$stderr" "names no key file in $EMU_ARC_KEYS"
	done
	for path in link large none; do
		emulator_control clear-faults
		emulator_control "fault arc-realm:path=$EMU_ARC_KEYS/$path.key"
		run -77 --separate-stderr intune-token -f
		assert_one_line "$stderr"
		assert_has "$stderr" "$path.key"
	done
	# Nothing was sent in answer to any of them.
	assert_eq "$(emulator_control log | jq -r '.headers.Authorization // empty')" ""
	rm -r "${EMU_ARC_KEYS:?}"/*
}

@test "a managed identity that is not there, not ready, or elsewhere" {
	managed vm
	emulator_control fault status:on=identity,code=404,times=1
	run -0 --separate-stderr intune-token
	emulator_control clear-faults
	emulator_control fault status:on=identity,code=429,retry_after=30
	run -75 --separate-stderr intune-token -f
	run -75 --separate-stderr intune-token -f
	assert_has "$stderr" "has asked for no token request before"
	managed vm
	conf_set identity_host 127.0.0.1:1
	run -69 --separate-stderr intune-token
	assert_has "$stderr" "is this an Azure VM?"
	for host in example.com 10.0.0.1 169.254.example.com 127.x localhost.example.com; do
		conf_set identity_host "$host"
		run -78 --separate-stderr intune-token
		assert_has "$stderr" identity_host
	done
}

@test "a managed identity that answers rubbish, late or not at all: no token, one line" {
	managed vm 'timeout = 2s'
	for fault in truncate html garbage empty drop slow:seconds=4 status:code=302,location=http://127.0.0.1:1/; do
		emulator_control clear-faults
		case $fault in
		*:*) emulator_control "fault ${fault/:/:on=identity,}" ;;
		*) emulator_control "fault $fault:on=identity" ;;
		esac
		case $fault in status*) want=69 ;; *) want=75 ;; esac
		run -$want --separate-stderr intune-token -f
		assert_eq "$output" ""
		assert_one_line "$stderr"
		assert_has "$stderr" "$EMU_IDENTITY"
	done
	assert_has "$stderr" "HTTP 302, a redirect to http://127.0.0.1:1/, which is not followed"
}

@test "the emulator speaks v1 too: resource, and numbers as strings" {
	ask() { curl -sS --cacert "$EMU_CA" "$@" -d grant_type=client_credentials -d "client_id=$EMU_CLIENT_ID" \
		--data-urlencode "client_secret@$EMU_SECRET_FILE.line"; }
	tr -d '\n' <"$EMU_SECRET_FILE" >"$EMU_SECRET_FILE.line"
	run -0 ask "$EMU_URL/$EMU_TENANT/oauth2/token" -d resource=https://api.manage.microsoft.com/
	assert_eq "$(json_get "$output" '.expires_in | type')" string
	assert_eq "$(json_get "$output" .resource)" https://api.manage.microsoft.com/
	run -0 ask "$EMU_URL/$EMU_TENANT/oauth2/token" -d scope=https://graph.microsoft.com/.default
	assert_has "$output" AADSTS900144
	run -0 ask "$EMU_URL/$EMU_TENANT/oauth2/v2.0/token" -d resource=https://graph.microsoft.com/
	assert_has "$output" AADSTS901002
	run -0 ask "$EMU_URL/common/oauth2/token" -d resource=https://graph.microsoft.com/
	assert_has "$output" AADSTS9001023
}
