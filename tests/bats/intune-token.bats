#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# intune-token against the emulator: credentials, the shared cache, refusals.

bats_require_minimum_version 1.5.0
load test_helper
load lib_intune

setup_file() {
	intune_setup_file
	cd "$BATS_FILE_TMPDIR" || return
	for n in app other; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout $n.key -out $n.pem -days 90 \
			-subj "/CN=$n" 2>/dev/null
		cat $n.key $n.pem >$n-both.pem
		chmod 600 $n.key $n-both.pem
	done
	emulator_control client-cert "$BATS_FILE_TMPDIR/app.pem"
}
teardown_file() { emulator_stop; }
setup() { intune_setup; }

@test "a client secret gets a token; --header and --info show it otherwise" {
	run -0 --separate-stderr intune-token
	assert_eq "$stderr" ""
	[[ $output =~ ^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$ ]]
	token=$output
	run -0 --separate-stderr intune-token --header
	assert_eq "$output" "Authorization: Bearer $token"
	run -0 --separate-stderr intune-token --info
	refute_has "$output" "$token"
	assert_eq "$(json_get "$output" .aud)" https://graph.microsoft.com
	assert_eq "$(json_get "$output" '.roles[0]')" DeviceManagementManagedDevices.Read.All
	assert_eq "$(json_get "$output" .scope)" "https://$EMU_HOST/.default"
	[ "$(json_get "$output" .expires_in)" -gt 3500 ]
	assert_eq "$(count token)" 1
}

@test "50 processes at once make exactly one token request" {
	for i in $(seq 50); do
		intune-token >"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- &
	done
	wait
	assert_eq "$(count token)" 1
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | sort | uniq -c | awk '{print $1}')" 50
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/err.*)" ""
}

@test "50 processes share one request for the token that follows one about to expire" {
	emulator_control token-lifetime 100
	intune-token >"$BATS_TEST_TMPDIR/old"
	emulator_control token-lifetime 3599
	# One that has 5 s left is renewed ahead of its end.
	jq -c --argjson now "$(date +%s)" '.obtained = $now - 95 | .expires = $now + 5' \
		"$(token_file token)" >"$BATS_TEST_TMPDIR/aged"
	cat "$BATS_TEST_TMPDIR/aged" >"$(token_file token)"
	for i in $(seq 50); do intune-token >"$BATS_TEST_TMPDIR/out.$i" 3>&- & done
	wait
	assert_eq "$(count token)" 2
	assert_eq "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -c .)" 50
	run -0 intune-token
	refute_has "$output" "$(cat "$BATS_TEST_TMPDIR/old")"
}

@test "the cache is private, and --force gets a new token into it" {
	run -0 intune-token
	first=$output
	assert_eq "$(stat -c %a "$TOKENS")" 700
	assert_eq "$(stat -c %a "$(token_file token)")" 600
	run -0 intune-token --force
	[ "$output" != "$first" ]
	second=$output
	run -0 intune-token
	assert_eq "$output" "$second"
	assert_eq "$(count token)" 2
}

@test "the copy that a killed process has left of a token is removed with the next token" {
	run -0 intune-token
	cp "$(token_file token)" "$(token_file token).aB3xYz"
	cp "$(token_file token)" "$TOKENS/other.token.aB3xYz"
	run -0 intune-token
	run -0 --separate-stderr intune-token --force
	assert_eq "$stderr" ""
	[ ! -e "$(token_file token).aB3xYz" ]
	[ -e "$TOKENS/other.token.aB3xYz" ]
}

@test "a certificate: PS256 with x5t#S256, RS256 with x5t, key in a file of its own or not" {
	conf_set client_secret_file ""
	run -0 --separate-stderr intune-token -f --certificate "$BATS_FILE_TMPDIR/app.pem" \
		--key "$BATS_FILE_TMPDIR/app.key"
	assert_eq "$stderr" ""
	assert_has "$(emulator_control log | tail -1 | jq -c .auth)" PS256
	assert_has "$(emulator_control log | tail -1 | jq -c .auth)" 'x5t#S256'
	conf_set certificate_file "$BATS_FILE_TMPDIR/app-both.pem"
	run -0 --separate-stderr intune-token -f --alg RS256
	assert_has "$(emulator_control log | tail -1 | jq -c .auth)" RS256
	refute_has "$(emulator_control log | tail -1 | jq -c .auth)" 'x5t#S256'
	conf_set assertion_alg RS256
	run -0 --separate-stderr intune-token -f
	assert_has "$(emulator_control log | tail -1 | jq -c .auth)" RS256
}

@test "a key of another certificate, an encrypted one, a small one, none: 78, and nothing is asked" {
	cd "$BATS_TEST_TMPDIR" || return
	cp "$BATS_FILE_TMPDIR"/*.pem "$BATS_FILE_TMPDIR"/*.key .
	openssl rsa -in app.key -aes128 -passout pass:x -out locked.key 2>/dev/null
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key 2>/dev/null
	openssl req -x509 -newkey rsa:1024 -nodes -keyout small.key -out small.pem -subj /CN=s 2>/dev/null
	chmod 600 ./*.key
	while read -r cert key said; do
		run -78 --separate-stderr intune-token -f --certificate "$cert" --key "$key"
		assert_one_line "$stderr"
		assert_has "$stderr" "$said"
	done <<-E
		app.pem other.key does not belong to the certificate
		app.pem locked.key is encrypted
		app.pem ec.key must be an RSA key
		small.pem small.key must be an RSA key
		app.pem $EMU_SECRET_FILE holds no private key
		app.key app.key holds no certificate
		none.pem app.key No such file
	E
	assert_eq "$(count token)" 0
}

@test "a certificate that is not registered: 77 with the AADSTS code" {
	run -77 --separate-stderr intune-token --certificate "$BATS_FILE_TMPDIR/other-both.pem"
	assert_one_line "$stderr"
	assert_has "$stderr" "AADSTS700027: the certificate is not registered"
}

@test "each refusal of Entra's is one line with code and ids, and has its status" {
	while read -r code status; do
		emulator_control clear-faults
		emulator_control fault aadsts:code="$code"
		rm -rf "$TOKENS"
		run -"$status" --separate-stderr intune-token
		assert_one_line "$stderr"
		assert_has "$stderr" "AADSTS$code"
		assert_has "$stderr" "trace "
		assert_eq "$output" ""
	done <<-E
		7000215 77
		7000222 77
		700016 77
		700024 77
		90002 77
		500011 77
		53003 77
		50196 75
		90055 75
	E
}

@test "a wrong secret is refused, and the secret is not shown" {
	echo 'Wr0ng~s3cret-of-ours' >"$BATS_TEST_TMPDIR/secret"
	chmod 600 "$BATS_TEST_TMPDIR/secret"
	run -77 --separate-stderr intune-token -vv --client-secret-file "$BATS_TEST_TMPDIR/secret"
	assert_has "$stderr" "AADSTS7000215: the client secret is wrong"
	refute_has "$stderr" Wr0ng
	refute_has "$stderr" s3cret
}

@test "after 429 nobody asks again before its time, not even with --force" {
	emulator_control fault status:on=token,code=429,retry_after=2
	run -75 --separate-stderr intune-token
	assert_has "$stderr" "HTTP 429"
	emulator_control clear-faults
	for i in 1 2 3; do
		run -75 --separate-stderr intune-token --force
		assert_has "$stderr" "has asked for no token request before"
	done
	assert_eq "$(count token)" 1
	until intune-token >/dev/null 2>&1; do sleep 0.2; done
	assert_eq "$(count early)" 0
	assert_eq "$(count token)" 2
}

@test "AADSTS50196 without Retry-After: quiet for a minute, across processes" {
	emulator_control fault aadsts:code=50196
	run -75 --separate-stderr intune-token
	assert_has "$stderr" "too many token requests"
	run -75 --separate-stderr intune-token
	assert_has "$stderr" "has asked for no token request before"
	assert_eq "$(count token)" 1
	assert_eq "$(stat -c %a "$(token_file quiet)")" 600
}

@test "a passing 503 is got over; a lasting one is 75" {
	emulator_control fault status:on=token,code=503,times=2
	run -0 --separate-stderr intune-token
	assert_eq "$(count token)" 3
	emulator_control fault status:on=token,code=503
	run -75 --separate-stderr intune-token --force
	assert_one_line "$stderr"
	assert_has "$stderr" "HTTP 503"
}

@test "the old token is used on while a new one cannot be had" {
	intune-token >"$BATS_TEST_TMPDIR/old"
	jq -c --argjson now "$(date +%s)" '.obtained = $now - 3500 | .expires = $now + 60' \
		"$(token_file token)" >"$BATS_TEST_TMPDIR/aged"
	cat "$BATS_TEST_TMPDIR/aged" >"$(token_file token)"
	emulator_control down
	run -0 --separate-stderr intune-token
	assert_eq "$output" "$(cat "$BATS_TEST_TMPDIR/old")"
	assert_has "$stderr" "the old token still works"
}

@test "unreachable, no such name, no trust: 69" {
	emulator_control down
	run -69 --separate-stderr intune-token
	assert_one_line "$stderr"
	emulator_control up
	run -69 --separate-stderr intune-token --authority no-such-host.invalid
	assert_has "$stderr" "no-such-host.invalid"
	conf_set ca_file ""
	run -69 --separate-stderr intune-token
	assert_has "$stderr" "certificate"
	conf
	for cert in wrong-name expired untrusted; do
		emulator_control clear-faults
		emulator_control fault tls:cert=$cert
		run -69 --separate-stderr intune-token
		assert_one_line "$stderr"
	done
	assert_eq "$(count token)" 0
}

@test "truncated, cut, HTML, garbage, empty, huge, wrong types, slow: 75 and no token" {
	for fault in truncate cut drop html garbage empty huge:mb=2 wrong-types \
		wrong-types:field=root slow:seconds=5; do
		emulator_control clear-faults
		emulator_control fault "$fault"
		rm -rf "$TOKENS"
		run -75 --separate-stderr intune-token --timeout 1
		assert_eq "$output" ""
		assert_one_line "$stderr"
		assert_eq "$(ls "$TOKENS"/*.token 2>/dev/null)" ""
	done
}

@test "expires_in as a string, and no ext_expires_in" {
	emulator_control fault string-expires-in
	emulator_control fault no-ext-expires-in
	run -0 --separate-stderr intune-token --info
	[ "$(json_get "$output" .expires_in)" -gt 3500 ]
}

@test "a token without roles is shown as such" {
	emulator_control fault no-roles
	run -0 --separate-stderr intune-token --info
	assert_eq "$(json_get "$output" '.roles | length')" 0
	assert_has "$stderr" "no roles"
}

@test "a cache file that cannot be trusted is named and replaced" {
	run -0 intune-token
	good=$(cat "$(token_file token)")
	file=$(token_file token)
	# shellcheck disable=SC2016
	for harm in 'echo "{" >$file' ': >$file' 'head -c 100000 /dev/urandom >$file' \
		'head -c 200 <<<$good >$file' 'jq -c ".tenant = \"x\"" <<<$good >$file' \
		'jq -c ".expires = 99999999999" <<<$good >$file' \
		'jq -c ".access_token = \"a\r\nb\"" <<<$good >$file' \
		'printf %s "$good" >$file; chmod 644 $file' 'mkfifo -m 600 $file' \
		'printf %s "$good" >$file; chown nobody $file'; do
		[[ $harm == *chown* && $(id -u) -ne 0 ]] && continue
		rm -f "$file"
		(umask 077; eval "$harm")
		run -0 --separate-stderr intune-token
		assert_has "$stderr" "not trusted"
		[ "$output" != "$(jq -r .access_token <<<"$good")" ]
		run -0 --separate-stderr intune-token
		assert_eq "$stderr" ""
	done
}

@test "no place for the cache: a warning, and the token all the same" {
	echo x >"$BATS_TEST_TMPDIR/file"
	mkdir -m 777 "$BATS_TEST_TMPDIR/open"
	for dir in "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/no/such" "$BATS_TEST_TMPDIR/open"; do
		run -0 --separate-stderr intune-token --token-dir "$dir"
		[ -n "$output" ]
		assert_one_line "$stderr"
		assert_has "$stderr" "$dir"
		assert_has "$stderr" "without the token cache"
	done
	assert_eq "$(ls "$BATS_TEST_TMPDIR/open")" ""
}

@test "missing settings are named, contradictory and odd ones refused: 78" {
	for key in tenant client_id client_secret_file; do
		conf
		conf_set $key ""
		run -78 --separate-stderr intune-token
		assert_one_line "$stderr"
		assert_has "$stderr" "$key"
	done
	conf "certificate_file = $BATS_FILE_TMPDIR/app-both.pem"
	run -78 --separate-stderr intune-token
	assert_has "$stderr" "which one is meant"
	conf
	for t in common organizations 'a/b' 'a b' '../x'; do
		run -78 --separate-stderr intune-token --tenant "$t"
		assert_has "$stderr" tenant
	done
	run -78 --separate-stderr intune-token --client-secret-file /nonexistent
	assert_has "$stderr" "/nonexistent: No such file"
	run -78 --separate-stderr intune-token --ca-file /nonexistent
	run -78 --separate-stderr env -u INTUNE_NAC_CONF intune-token -c /nonexistent
	assert_has "$stderr" "/nonexistent: No such file"
}

@test "a secret or key that others may read is refused: 77" {
	cp "$EMU_SECRET_FILE" "$BATS_TEST_TMPDIR/secret"
	cp "$BATS_FILE_TMPDIR/app-both.pem" "$BATS_TEST_TMPDIR/key.pem"
	chmod 644 "$BATS_TEST_TMPDIR/secret" "$BATS_TEST_TMPDIR/key.pem"
	run -77 --separate-stderr intune-token --client-secret-file "$BATS_TEST_TMPDIR/secret"
	assert_has "$stderr" "may be read by others"
	run -77 --separate-stderr intune-token --certificate "$BATS_TEST_TMPDIR/key.pem"
	assert_has "$stderr" "may be read by others"
	chmod 600 "$BATS_TEST_TMPDIR/secret"
	for bytes in '' 'a\nb\n' 'a\0b'; do
		printf %b "$bytes" >"$BATS_TEST_TMPDIR/secret"
		run -78 --separate-stderr intune-token --client-secret-file "$BATS_TEST_TMPDIR/secret"
		assert_has "$stderr" "must hold one line"
	done
	assert_eq "$(count token)" 0
}

@test "wrong usage is 64" {
	run -64 --separate-stderr intune-token argument
	run -64 --separate-stderr intune-token --header --info
	for o in '--alg none' '--timeout 0' '--timeout never' '--graph https://x/' '--authority a@b' \
		'--proxy http://user:pass@proxy:3128'; do
		# shellcheck disable=SC2086
		run -64 --separate-stderr intune-token $o
		refute_has "$stderr" pass@
	done
}

@test "a proxy is used, from the configuration and from the environment" {
	run -69 --separate-stderr intune-token --proxy http://127.0.0.1:1
	run -69 --separate-stderr env https_proxy=http://127.0.0.1:1 intune-token
	run -0 --separate-stderr env https_proxy=http://127.0.0.1:1 no_proxy=127.0.0.1 intune-token
	for url in http://user:hunter2@127.0.0.1:1 'http://user:hunter2@127.0.0.1:x' \
		'http://us@er:hunter2@no-such-proxy.invalid:1' 'odd://user:hunter2@127.0.0.1:1'; do
		run --separate-stderr env https_proxy="$url" intune-token -f -vv
		[ "$status" -ne 0 ]
		refute_has "$stderr" hunter2
	done
	conf "proxy = http://u:p@127.0.0.1:1"
	run -78 --separate-stderr intune-token
	refute_has "$stderr" u:p
}

@test "neither secret nor token nor assertion is in any output at -vv" {
	secret=$(cat "$EMU_SECRET_FILE")
	run -0 --separate-stderr intune-token -vv --info
	token=$(jq -r .access_token "$(token_file token)")
	[ ${#token} -gt 1000 ] && [ ${#secret} -gt 20 ]
	all=$output$stderr
	for word in "$secret" "$token" client_secret= client_assertion= Bearer; do
		refute_has "$all" "$word"
	done
	assert_has "$stderr" "POST https://$EMU_HOST"
	run -0 --separate-stderr intune-token -f -vv --info --certificate "$BATS_FILE_TMPDIR/app-both.pem"
	refute_has "$output$stderr" "client_assertion"
	refute_has "$output$stderr" eyJ
	refute_has "$(emulator_control log)" "$token"
}

@test "a program that holds a secret leaves no core" {
	emulator_control fault slow:seconds=3
	intune-token >/dev/null 2>&1 3>&- &
	pid=$!
	sleep 0.5
	assert_has "$(tr -s ' ' <"/proc/$pid/limits" | grep 'Max core')" "core file size 0 0"
	kill $pid
}

@test "a process killed while it holds the lock leaves nothing that stops the next" {
	emulator_control fault slow:seconds=20,times=1
	intune-token >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 50); do [ -n "$(ls "$TOKENS"/*.token-lock 2>/dev/null)" ] && break; sleep 0.05; done
	sleep 0.3
	kill -9 $pid
	wait $pid || :
	run -0 --separate-stderr intune-token
	assert_eq "$stderr" ""
}

@test "the examples of the manual page work" {
	export CURL_CA_BUNDLE=$EMU_CA
	n=0
	while read -r line; do
		run -0 bash -c "set -o pipefail; ${line//graph.microsoft.com/$EMU_HOST}"
		[ -n "$output" ]
		n=$((n + 1))
	done < <(sed -n 's/^\.Dl \$ //p' "$NAC_ROOT/man/intune-token.1")
	[ $n -eq 3 ]
}
