#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# intune-token against an OAuth server that nobody of this project wrote
# (oauth2-mock-server from npm), its assertions verified by jose, which comes with it.

bats_require_minimum_version 1.5.0
load test_helper

VERSION=7.2.1

setup_file() {
	export MOCK=$BATS_FILE_TMPDIR/mock NO_MOCK=
	mkdir "$MOCK"
	cd "$MOCK" || return
	if ! command -v node >/dev/null; then
		NO_MOCK="node is not installed"
	elif ! timeout 90 "$NAC_ROOT/tests/lib/npm" install --no-audit --no-fund --no-save --prefix . "oauth2-mock-server@$VERSION" >npm.log 2>&1; then
		NO_MOCK="npm cannot install oauth2-mock-server: $(tail -1 npm.log)"
	fi
	[ -z "$NO_MOCK" ] || return 0
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem \
		-days 9 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
	openssl req -x509 -newkey rsa:2048 -nodes -keyout app.key -out app.pem -days 90 -subj /CN=app 2>/dev/null
	cat app.key app.pem >both.pem
	echo 's3cr€t & more=+%' >secret
	chmod 600 both.pem secret
	cat >server.js <<-'J'
		const { OAuth2Server } = require('oauth2-mock-server');
		const fs = require('fs');
		const server = new OAuth2Server('tls.key', 'tls.pem',
		  { endpoints: { token: '/contoso.example/oauth2/v2.0/token' } });
		server.service.on('beforeResponse', (answer, req) => {
		  fs.appendFileSync('requests', JSON.stringify({ ...req.body, basic: req.headers.authorization || '' }) + '\n');
		  const order = fs.existsSync('order') ? JSON.parse(fs.readFileSync('order', 'utf8')) : {};
		  if (order.status) answer.statusCode = order.status;
		  if (order.body) answer.body = order.body;
		  if (order.expires_in !== undefined) answer.body.expires_in = order.expires_in;
		});
		server.service.on('beforeTokenSigning', (token) => { token.payload.roles = ['Role.One']; });
		(async () => {
		  await server.issuer.keys.generate('RS256');
		  await server.start(0, '127.0.0.1');
		  fs.writeFileSync('port', String(server.address().port));
		})();
	J
	cat >verify.js <<-'J'
		const jose = require('jose');
		const fs = require('fs');
		const crypto = require('crypto');
		(async () => {
		  const last = JSON.parse(fs.readFileSync('requests', 'utf8').trim().split('\n').pop());
		  const pem = fs.readFileSync('app.pem', 'utf8');
		  const alg = process.argv[2];
		  const { payload, protectedHeader } = await jose.jwtVerify(last.client_assertion,
		    await jose.importX509(pem, alg), { issuer: 'client-1', subject: 'client-1', audience: process.argv[3],
		    algorithms: [alg], requiredClaims: ['jti', 'nbf', 'iat', 'exp'], maxTokenAge: '10m' });
		  const der = new crypto.X509Certificate(pem).raw;
		  const want = alg === 'PS256' ? ['x5t#S256', 'sha256'] : ['x5t', 'sha1'];
		  const digest = crypto.createHash(want[1]).update(der).digest('base64url');
		  if (protectedHeader[want[0]] !== digest) throw new Error('thumbprint');
		  console.log('verified', payload.jti);
		})().catch((e) => { console.error(e.message); process.exit(1); });
	J
	node server.js >server.log 2>&1 3>&- &
	echo $! >pid
	for _ in $(seq 200); do [ -s port ] && break; sleep 0.05; done
	[ -s port ]
}
teardown_file() { [ ! -e "$MOCK/pid" ] || kill "$(cat "$MOCK/pid")"; }
setup() {
	[ -z "$NO_MOCK" ] || skip "$NO_MOCK"
	cd "$MOCK" || return
	rm -f order requests
	export HOST INTUNE_NAC_CONF=$BATS_TEST_TMPDIR/nac.conf
	HOST=127.0.0.1:$(cat port)
	printf '%s\n' 'tenant = contoso.example' 'client_id = client-1' "authority = $HOST" \
		"ca_file = $MOCK/tls.pem" "token_dir = $BATS_TEST_TMPDIR/tokens" \
		"client_secret_file = $MOCK/secret" >"$INTUNE_NAC_CONF"
}

last() { tail -1 requests | jq -r "$1"; }

@test "a secret with every awkward byte arrives as it is, in the form" {
	run -0 --separate-stderr intune-token --info
	assert_eq "$stderr" ""
	assert_eq "$(json_get "$output" '.roles[0]')" Role.One
	assert_eq "$(last .client_secret)" "$(cat secret)"
	assert_eq "$(last .scope)" https://graph.microsoft.com/.default
	assert_eq "$(last .grant_type)" client_credentials
	assert_eq "$(last .client_id)" client-1
	assert_eq "$(last .basic)" ""
	run -0 intune-token
	assert_eq "$(wc -l <requests)" 1
}

@test "the scope of Intune's own API keeps its two slashes" {
	run -0 --separate-stderr intune-token --scope 'https://api.manage.microsoft.com//.default'
	assert_eq "$(last .scope)" https://api.manage.microsoft.com//.default
}

@test "an assertion by PS256 or RS256 is verified by another implementation, each time a new one" {
	sed -i '/^client_secret_file/d' "$INTUNE_NAC_CONF"
	for alg in PS256 RS256; do
		run -0 --separate-stderr intune-token --force --certificate both.pem --alg $alg
		run -0 node verify.js $alg "https://$HOST/contoso.example/oauth2/v2.0/token"
		first=$output
		run -0 --separate-stderr intune-token --force --certificate both.pem --alg $alg
		run -0 node verify.js $alg "https://$HOST/contoso.example/oauth2/v2.0/token"
		[ "$output" != "$first" ]
	done
}

@test "its lifetimes are kept to: as a number, as a string, or none" {
	echo '{"expires_in":7200}' >order
	run -0 --separate-stderr intune-token --info --force
	[ "$(json_get "$output" .expires_in)" -gt 7100 ]
	echo '{"expires_in":"1800"}' >order
	run -0 --separate-stderr intune-token --info --force
	[ "$(json_get "$output" .expires_in)" -gt 1700 ]
	[ "$(json_get "$output" .expires_in)" -le 1800 ]
	echo '{"expires_in":null}' >order
	run -75 --separate-stderr intune-token --force
	assert_has "$stderr" "how long its token lives"
}

@test "errors of RFC 6749 without Microsoft's words are one line all the same" {
	while read -r status http error; do
		printf '{"status":%d,"body":{"error":"%s","error_description":"No\\r\\nway."}}' "$http" "$error" >order
		run -"$status" --separate-stderr intune-token --force
		assert_one_line "$stderr"
		assert_has "$stderr" "$error, No"
		assert_eq "$output" ""
	done <<-E
		77 401 invalid_client
		77 400 invalid_scope
		75 503 temporarily_unavailable
	E
}
