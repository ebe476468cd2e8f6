# What the tests of intune-emulator share: one emulator to a file, with 30 devices, and
# curl in the part of its clients.
# shellcheck shell=bash disable=SC2034,SC2119,SC2120,SC2154 # used by, and set in, the tests

GRAPH=https://graph.microsoft.com/.default
ZERO=00000000-0000-0000-0000-000000000000

setup_file() {
	export EMU_DIR=$BATS_FILE_TMPDIR/emu
	printf '%s\n' "it's+a &secret%20=~" >"$BATS_FILE_TMPDIR/secret"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$BATS_FILE_TMPDIR/key.pem" \
		-out "$BATS_FILE_TMPDIR/cert.pem" -days 2 -subj /CN=client 2>/dev/null
	openssl genrsa -out "$BATS_FILE_TMPDIR/other.pem" 2048 2>/dev/null
	emulator_start --fleet 30 --token-limit 0 --client-secret-file "$BATS_FILE_TMPDIR/secret" \
		--client-cert "$BATS_FILE_TMPDIR/cert.pem"
	new_token >"$BATS_FILE_TMPDIR/token"
}

teardown_file() {
	EMU_DIR=$BATS_FILE_TMPDIR/emu
	emulator_stop
}

setup() {
	"$EMU_BIN" --dir "$EMU_DIR" --control clear-faults --control reset-counts --control 'log clear'
	LIST=$EMU_URL/v1.0/deviceManagement/managedDevices
}

# An emulator of the test's own is stopped, however the test ends.
teardown() {
	if [ "$EMU_DIR" != "$BATS_FILE_TMPDIR/emu" ]; then emulator_stop; fi
}

own_emulator() {
	EMU_DIR=$BATS_TEST_TMPDIR/emu
	emulator_start --token-limit 0 "$@"
	LIST=$EMU_URL/v1.0/deviceManagement/managedDevices
	new_token >"$BATS_TEST_TMPDIR/token"
	TOKEN=$BATS_TEST_TMPDIR/token
}

fetch() { curl -sS --cacert "$EMU_CA" --max-time 20 "$@"; }

# ask NAME=VALUE...: the body and the status, each on a line, of a token request
ask() {
	local field args=()
	for field; do args+=(--data-urlencode "$field"); done
	fetch -w '\n%{http_code}\n' "${args[@]}" "$EMU_URL/${TENANT:-$EMU_TENANT}/oauth2/v2.0/token"
}

ask_secret() {
	ask client_id="$EMU_CLIENT_ID" client_secret="$(cat "$EMU_SECRET_FILE")" \
		grant_type=client_credentials scope="${1-$GRAPH}"
}

new_token() { ask_secret | sed 1q | jq -rj .access_token; }

# refused STATUS ERROR CODE: the last `run ask` was
refused() {
	assert_eq "${lines[1]}" "$1" && assert_eq "$(jq -r .error <<<"${lines[0]}")" "$2" &&
		assert_eq "$(jq -r '.error_codes[0]' <<<"${lines[0]}")" "$3" &&
		jq -e --arg c "AADSTS$3: " '.error_description |
			startswith($c) and contains("\r\nTrace ID: ")' <<<"${lines[0]}" >/dev/null
}

# graph URL [curl options]: with the token
graph() { fetch -H "Authorization: Bearer $(cat "${TOKEN:-$BATS_FILE_TMPDIR/token}")" "$@"; }
code() { graph -o /dev/null -w '%{http_code}\n' "$@"; }
filter() { graph -G "$LIST" --data-urlencode "\$filter=$1" | jq -r "${2-.value|length}"; }
id_of() { emulator_control show "$1" | jq -r .id; }
entra_of() { emulator_control show "$1" | jq -r .azureADDeviceId; }

b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
digest() { openssl x509 -in "$BATS_FILE_TMPDIR/cert.pem" -outform DER | openssl dgst "-$1" -binary; }

# assertion ALG HEADER-MEMBER CLAIMS: signs a client assertion; CLAIMS is a jq program
# that changes good ones.
assertion() {
	local now signed opt=()
	now=$(date +%s)
	signed=$(jq -cjn --arg a "$1" "{typ:\"JWT\",alg:\$a} + $2" | b64url).$(
		jq -cjn --arg id "$EMU_CLIENT_ID" --arg aud "$EMU_URL/$EMU_TENANT/oauth2/v2.0/token" \
			--arg jti "$RANDOM$RANDOM$RANDOM" --argjson now "$now" \
			"{iss:\$id,sub:\$id,aud:\$aud,jti:\$jti,iat:\$now,nbf:\$now,exp:(\$now+300)} | ${3-.}" | b64url)
	[ "$1" != PS256 ] || opt=(-sigopt rsa_padding_mode:pss -sigopt "rsa_pss_saltlen:${SALT-32}")
	printf '%s.%s' "$signed" "$(printf %s "$signed" |
		openssl dgst -sha256 -sign "${KEY-$BATS_FILE_TMPDIR/key.pem}" "${opt[@]}" | b64url)"
}

ask_cert() {
	ask client_id="$EMU_CLIENT_ID" grant_type=client_credentials scope="$GRAPH" \
		client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
		client_assertion="$1"
}

x5ts256() { printf '{"x5t#S256":"%s"}' "$(digest sha256 | b64url)"; }
