#!/usr/bin/env bats
# intune-emulator: its options, its tokens, its control socket.  What it plays must be right, or
# every test that leans on it is worth nothing.
# shellcheck disable=SC2030,SC2031,SC2154 # each test is a subshell; run sets stderr
bats_require_minimum_version 1.5.0
load test_helper
load lib_emulator
load emulator_clients

@test "says what it does, and where it will not" {
	run -0 --separate-stderr "$EMU_BIN" --help
	assert_has "$output" "usage: intune-emulator --dir DIR"
	[ "${#lines[@]}" -le 25 ] && [ -z "$stderr" ]
	run -0 --separate-stderr "$EMU_BIN" --version
	local bad
	for bad in "" "--dir x --port 70000" "--dir x --tenant nobody" "--dir x --page-size 0" \
		"--dir x more" "--nonsense" "--dir $BATS_TEST_TMPDIR/x --fault oops" \
		"--dir $BATS_TEST_TMPDIR/x --fault status:code=200" \
		"--dir $BATS_TEST_TMPDIR/x --fault slow:seconds=nan"; do
		# shellcheck disable=SC2086 # words are wanted
		run -64 --separate-stderr "$EMU_BIN" $bad
		assert_one_line "$stderr"
	done
	run -69 --separate-stderr "$EMU_BIN" --dir "$BATS_TEST_TMPDIR/none" --control list
	assert_one_line "$stderr"
}

@test "a bad file of devices is named with its place" {
	cd "$BATS_TEST_TMPDIR"
	printf '[\n {"deviceName": oops}]\n' >syntax.json
	echo '{"deviceName":"A"}' >object.json
	echo '[{"deviceName":"A"},7]' >seven.json
	echo '[{"id":"A"}]' >noguid.json
	head -c 300 /dev/urandom >binary.json
	: >empty.json
	local f
	head -c 200000 /dev/zero | tr '\0' '[' >deep.json
	for f in deep:deep.json syntax:syntax.json:2:17 object:array seven:'device 2' noguid:GUID binary:binary.json \
		empty:empty.json; do
		run -65 --separate-stderr "$EMU_BIN" --dir x --devices "${f%%:*}.json"
		assert_one_line "$stderr"
		assert_has "$stderr" "${f#*:}"
	done
	run -74 --separate-stderr "$EMU_BIN" --dir x --devices absent.json
	run -65 --separate-stderr "$EMU_BIN" --dir x --client-cert syntax.json
	run -74 --separate-stderr "$EMU_BIN" --dir x --client-secret-file absent
	run -65 --separate-stderr "$EMU_BIN" --dir x --client-secret-file empty.json
}

@test "files: private, complete, gone at the end; one emulator to a folder; SIGTERM" {
	own_emulator --fleet 1
	assert_eq "$(stat -c %a "$EMU_DIR" "$EMU_DIR/client.secret" "$EMU_DIR/ca.key" | xargs)" "700 600 600"
	assert_eq "$(emulator_fact ca_file)" "$EMU_DIR/ca.pem"
	grep -q "^graph = $EMU_HOST\$" "$EMU_CONF"
	run -78 --separate-stderr "$EMU_BIN" --dir "$EMU_DIR"
	assert_has "$stderr" "running there already"
	kill -TERM "$EMU_PID"
	while kill -0 "$EMU_PID" 2>/dev/null; do sleep 0.05; done
	[ ! -e "$EMU_DIR/ready" ] && [ ! -e "$EMU_DIR/control" ]
	# What a client was configured with stays true over a restart.
	local ca secret
	ca=$(cat "$EMU_CA") secret=$(cat "$EMU_DIR/client.secret")
	emulator_start --port "$EMU_PORT"
	assert_eq "$(cat "$EMU_CA") $(cat "$EMU_DIR/client.secret")" "$ca $secret"
	run -0 ask_secret
	assert_eq "${lines[1]}" 200
}

@test "in the foreground it stays, serves ::1, and ends with the process it watches" {
	EMU_DIR=$BATS_TEST_TMPDIR/six
	sleep 60 &
	local watched=$!
	"$EMU_BIN" --dir "$EMU_DIR" --listen ::1 --while "$watched" 3>&- >"$BATS_TEST_TMPDIR/out" &
	local pid=$! n
	for ((n = 0; n < 200; n++)); do [ ! -e "$EMU_DIR/ready" ] || break; sleep 0.05; done
	EMU_CA=$EMU_DIR/ca.pem
	assert_eq "$(fetch -o /dev/null -w '%{http_code}' "$(emulator_fact url)/v1.0/x")" 401
	kill "$watched"
	wait "$pid"
	assert_has "$(cat "$BATS_TEST_TMPDIR/out")" "0 devices at https://[::1]:"
}

@test "token: by secret, in the form and by Basic, of 3 KB" {
	run -0 ask_secret
	assert_eq "${lines[1]}" 200
	jq -e '.token_type == "Bearer" and .expires_in == 3599 and .ext_expires_in == 3599
		and (.access_token | length) > 3000' <<<"${lines[0]}"
	# the roles are there, and the audience is Graph
	jq -r .access_token <<<"${lines[0]}" | cut -d. -f2 | tr '_-' '/+' | base64 -di 2>/dev/null |
		jq -e '.aud == "https://graph.microsoft.com" and
			(.roles | index("DeviceManagementManagedDevices.Read.All")) != null'
	local user
	user=$(jq -rn --arg i "$EMU_CLIENT_ID" --arg s "$(cat "$EMU_SECRET_FILE")" '"\($i|@uri):\($s|@uri)"|@base64')
	run -0 fetch -H "Authorization: Basic $user" -d grant_type=client_credentials \
		--data-urlencode scope="$GRAPH" "$EMU_URL/EXAMPLE.onmicrosoft.com/oauth2/v2.0/token"
	assert_has "$output" access_token
	assert_eq "$(emulator_control count token)" 2
}

@test "token: each refusal has its AADSTS code, error and status" {
	local id=client_id=$EMU_CLIENT_ID gt=grant_type=client_credentials s=scope="$GRAPH"
	local p
	p="client_secret=$(cat "$EMU_SECRET_FILE")"
	run -0 ask "$id" "$gt" "$s" client_secret=wrong;	refused 401 invalid_client 7000215
	run -0 ask "$id" "$gt" "$s";				refused 401 invalid_client 7000218
	run -0 ask "$gt" "$s" "$p";				refused 400 invalid_request 900144
	run -0 ask "$id" "$s" "$p";				refused 400 invalid_request 900144
	run -0 ask "$id" "$gt" "$p";				refused 400 invalid_request 900144
	run -0 ask "$id" "$gt" "$s" "$p" "$s";			refused 400 invalid_request 9000411
	run -0 ask "$id" grant_type=password "$s" "$p";		refused 400 unsupported_grant_type 70003
	run -0 ask client_id="$ZERO" "$gt" "$s" "$p";		refused 400 unauthorized_client 700016
	run -0 ask "$id" "$gt" "$p" resource=https://graph.microsoft.com/; refused 400 invalid_request 901002
	run -0 ask_secret https://graph.microsoft.com;		refused 400 invalid_scope 1002012
	run -0 ask_secret "$GRAPH https://vault.example/.default"; refused 400 invalid_scope 700022
	run -0 ask_secret https://graph.microsoft.us/.default;	refused 400 invalid_resource 500011
	run -0 ask_secret https://api.manage.microsoft.com/.default; refused 400 invalid_resource 500011
	run -0 ask_secret "$GRAPH openid profile";		assert_eq "${lines[1]}" 200
	TENANT=common run -0 ask_secret;			refused 400 invalid_request 9001023
	TENANT=$ZERO run -0 ask_secret;				refused 400 invalid_request 90002
	run -0 fetch -w '\n%{http_code}' -H 'Content-Type: application/json' -d '{}' \
		"$EMU_URL/$EMU_TENANT/oauth2/v2.0/token"
	refused 400 invalid_request 900144
}

@test "token: by certificate, in the new form and in the old" {
	local old
	run -0 ask_cert "$(assertion PS256 "$(x5ts256)")"
	assert_eq "${lines[1]}" 200
	old="{\"x5t\":\"$(digest sha1 | openssl base64 -A)\"}"		# padded, plain base64
	run -0 ask_cert "$(assertion RS256 "$old" ".aud |= sub(\"/v2.0\"; \"\")")"
	assert_eq "${lines[1]}" 200
	run -0 emulator_control log
	assert_eq "$(jq -rs 'map(.auth)|join(",")' <<<"$output")" "PS256 x5t#S256,RS256 x5t"
}

@test "token: a client assertion that is wrong in any way is refused" {
	local h good
	h=$(x5ts256)
	run -0 ask_cert "$(assertion PS256 "$h" '.aud = "https://login.example/"')";	refused 401 invalid_client 50012
	run -0 ask_cert "$(assertion PS256 "$h" '.sub = "x"')";			refused 401 invalid_client 50012
	run -0 ask_cert "$(assertion PS256 "$h" '.exp = .nbf - 1')";		refused 401 invalid_client 700024
	run -0 ask_cert "$(assertion PS256 "$h" '.nbf += 90 | .exp += 90')";	refused 401 invalid_client 700024
	run -0 ask_cert "$(assertion PS256 "$h" '.exp = "soon"')";		refused 400 invalid_request 50027
	run -0 ask_cert "$(assertion PS256 "$h" 'del(.jti)')";			refused 400 invalid_request 50027
	run -0 ask_cert "$(assertion HS256 "$h")";				refused 400 invalid_request 50027
	run -0 ask_cert "$(assertion PS256 '{}')";				refused 400 invalid_request 50027
	run -0 ask_cert "$(SALT=20 assertion PS256 "$h")";			refused 401 invalid_client 700027
	run -0 ask_cert "$(assertion PS256 "{\"x5t#S256\":\"$(head -c 32 /dev/zero | b64url)\"}")"
	refused 401 invalid_client 700027
	assert_has "${lines[0]}" "[Reason - The key was not found., Thumbprint of key used by client: '0000"
	run -0 ask_cert "$(KEY=$BATS_FILE_TMPDIR/other.pem assertion PS256 "$h")"; refused 401 invalid_client 700027
	run -0 ask_cert one.two;						refused 400 invalid_request 50027
	run -0 ask_cert 'W10.W10.W10';						refused 400 invalid_request 50027
	# RS256 in the header, PSS in the signature
	good=$(assertion PS256 "$h")
	run -0 ask_cert "$(jq -cjn "{alg:\"RS256\"} + $h" | b64url).${good#*.}";	refused 401 invalid_client 700027
	# once is fine, twice is a replay
	run -0 ask_cert "$good";	assert_eq "${lines[1]}" 200
	run -0 ask_cert "$good";	refused 401 invalid_client 50012
}

@test "token: an expired certificate, and one registered later" {
	cd "$BATS_TEST_TMPDIR"
	own_emulator --fault tls:cert=expired
	# the emulator's own expired server certificate serves as one
	run -60 fetch "$EMU_URL/"
	emulator_control clear-faults
	run -0 ask_cert "$(assertion PS256 "$(x5ts256)")";	refused 401 invalid_client 700027
	emulator_control client-cert "$BATS_FILE_TMPDIR/cert.pem"
	run -0 ask_cert "$(assertion PS256 "$(x5ts256)")";	assert_eq "${lines[1]}" 200
	emulator_control client-cert "$EMU_DIR/expired.pem"
	run -0 ask_cert "$(assertion PS256 \
		"{\"x5t#S256\":\"$(openssl x509 -in "$EMU_DIR/expired.pem" -outform DER | openssl dgst -sha256 -binary | b64url)\"}")"
	refused 401 invalid_client 700027
	assert_has "${lines[0]}" "The key used is expired."
	run -1 --separate-stderr emulator_control client-cert "$BATS_FILE_TMPDIR/key.pem"
}

@test "token: every AADSTS code on order, transient ones, and once only" {
	local row
	for row in 7000215:401:invalid_client 7000222:401:invalid_client 7000112:400:unauthorized_client \
		700024:401:invalid_client 50013:400:invalid_grant 500133:400:invalid_grant \
		500011:400:invalid_resource 70011:400:invalid_scope 90014:400:invalid_request \
		90033:503:temporarily_unavailable 90012:504:temporarily_unavailable \
		50196:429:invalid_grant 53003:400:invalid_grant 700211:401:invalid_client; do
		IFS=: read -r c s e <<<"$row"
		emulator_control "fault aadsts:code=$c,times=1"
		run -0 ask_secret
		refused "$s" "$e" "$c"
	done
	run -0 ask_secret
	assert_eq "${lines[1]}" 200
	emulator_control 'fault status:code=503,on=token,times=1,retry_after=2'
	run -0 ask_secret
	refused 503 temporarily_unavailable 90033
}

@test "token: too many requests are a loop, and counted" {
	own_emulator --token-limit 3
	emulator_control limit token 3
	for _ in 1 2 3; do run -0 ask_secret; assert_eq "${lines[1]}" 200; done
	run -0 ask_secret
	refused 429 invalid_grant 50196
	assert_eq "$(emulator_control count token)" 5
}

@test "token: odd answers" {
	emulator_control fault no-ext-expires-in
	emulator_control fault string-expires-in:times=1
	emulator_control fault wrong-types:on=token,after=1,times=1
	run -0 ask_secret
	jq -e '.expires_in == "3599" and (has("ext_expires_in") | not)' <<<"${lines[0]}"
	run -0 ask_secret
	jq -e '.expires_in == "soon" and .access_token == 12345' <<<"${lines[0]}"
}

@test "a token is good for its audience, its time and its roles only" {
	assert_eq "$(code "$LIST")" 200
	ask_secret https://api.manage.microsoft.com//.default | sed 1q | jq -rj .access_token >"$BATS_TEST_TMPDIR/nac"
	TOKEN=$BATS_TEST_TMPDIR/nac run -0 graph "$LIST"
	jq -e '.error.code == "InvalidAuthenticationToken" and (.error.message | contains("audience"))' <<<"$output"
	echo not.a.token >"$BATS_TEST_TMPDIR/bad"
	assert_eq "$(TOKEN=$BATS_TEST_TMPDIR/bad code "$LIST")" 401
	assert_eq "$(fetch -o /dev/null -w '%{http_code}' "$LIST")" 401
	assert_eq "$(emulator_control count unauthorized)" 3

	emulator_control fault no-roles:times=1
	new_token >"$BATS_TEST_TMPDIR/roleless"
	TOKEN=$BATS_TEST_TMPDIR/roleless
	run -0 graph "$LIST"
	jq -e '.error.code == "Forbidden" and (.error.message | fromjson.Message |
		contains("DeviceManagementManagedDevices.Read.All"))' <<<"$output"
	assert_eq "$(code "$EMU_URL/v1.0/devices")" 403
	assert_eq "$(graph "$EMU_URL/v1.0/devices" | jq -r .error.code)" Authorization_RequestDenied

	TOKEN=$BATS_TEST_TMPDIR/short
	emulator_control token-lifetime 1
	new_token >"$TOKEN"
	emulator_control token-lifetime 3599
	sleep 1.1
	assert_eq "$(code "$LIST")" 401
	new_token >"$TOKEN"
	assert_eq "$(code "$LIST")" 200
	emulator_control expire-tokens
	assert_eq "$(code "$LIST")" 401
	new_token >"$BATS_FILE_TMPDIR/token"
}

@test "a seed gives the same fleet again, another seed another" {
	EMU_DIR=$BATS_TEST_TMPDIR/a
	emulator_start --fleet 60 --seed x
	emulator_control list >"$BATS_TEST_TMPDIR/one"
	emulator_stop
	emulator_start --fleet 60 --seed x
	emulator_control list | diff "$BATS_TEST_TMPDIR/one" -
	# the fiftieth bears the name and the serial number of the one before
	assert_eq "$(cut -f3 "$BATS_TEST_TMPDIR/one" | sort | uniq -d)" LAPTOP-0049
	assert_eq "$(cut -f1 "$BATS_TEST_TMPDIR/one" | sort -u | wc -l)" 60
	emulator_stop
	emulator_start --fleet 60 --seed y
	run -1 diff -q <(emulator_control list) "$BATS_TEST_TMPDIR/one"
}

@test "control: set, unset, add, remove, and a grace that runs out by itself" {
	local id
	id=$(emulator_control 'add {"deviceName":"NEW PC","complianceState":"inGracePeriod"}')
	assert_eq "$(graph "$LIST/$id" | jq -r .complianceState)" inGracePeriod
	emulator_control "set 'NEW PC' complianceGracePeriodExpirationDateTime=2020-01-01T00:00:00.1234567Z"
	assert_eq "$(graph "$LIST/$id" | jq -r .complianceState)" noncompliant
	assert_eq "$(filter "complianceState eq 'noncompliant' and deviceName eq 'new pc'")" 1
	emulator_control "set $id complianceState=compliant isEncrypted=true serialNumber=0 'notes:={\"a\":1}'"
	run -0 graph "$LIST/$id?\$select=complianceState,isEncrypted,serialNumber,notes"
	jq -e '.complianceState == "compliant" and .isEncrypted == true and .serialNumber == "0" and .notes.a == 1' <<<"$output"
	assert_eq "$(filter "serialNumber eq '0' and deviceName eq 'NEW PC'")" 1
	emulator_control unset "$id" serialNumber
	graph "$LIST/$id" | jq -e 'has("serialNumber") | not'
	emulator_control "add {\"deviceName\":\"new pc\"}"
	run -1 --separate-stderr emulator_control "show 'NEW PC'"
	assert_has "$stderr" "2 devices, name one by its id"
	emulator_control remove "$id"
	assert_eq "$(code "$LIST/$id")" 404
	emulator_control "remove 'NEW PC'"
	run -1 --separate-stderr emulator_control "show 'NEW PC'"
	assert_one_line "$stderr"
	local bad
	for bad in "set LAPTOP-0001" "set LAPTOP-0001 x" "set LAPTOP-0001 isEncrypted=perhaps" "add [" "add 5" \
		"add {\"id\":\"$(id_of LAPTOP-0001)\"}" "count x" "nonsense" "limit x 1" "fault oops" \
		"fault status" "fault status:code=429,oops=1" "fault status:code=429,on=nowhere" "unset LAPTOP-0001 id"; do
		run -64 --separate-stderr emulator_control "$bad"
		assert_one_line "$stderr"
	done
	run -64 --separate-stderr emulator_control $'show \xff\xfe'
	# shellcheck disable=SC2016 # the inner shell expands it
	run -74 --separate-stderr bash -c '"$0" --dir "$1" --control list >/dev/full' "$EMU_BIN" "$EMU_DIR"
	assert_one_line "$stderr"
	# several commands, and from standard input; the list is whole again
	run -0 "$EMU_BIN" --dir "$EMU_DIR" --control list --control 'count list'
	assert_eq "${#lines[@]}" 31
	run -0 "$EMU_BIN" --dir "$EMU_DIR" --control - <<<$'count get\n\ncount token\n'
	assert_eq "${#lines[@]}" 2
}

@test "the log has every request, and no secret; neither has anything else" {
	ask_secret >/dev/null
	graph "$LIST?\$top=1" >/dev/null
	fetch -u "$EMU_CLIENT_ID:hush-hush" -d grant_type=client_credentials --data-urlencode scope="$GRAPH" \
		"$EMU_URL/$EMU_TENANT/oauth2/v2.0/token?client_secret=in-the-query" >/dev/null
	run -0 emulator_control log
	jq -es 'map(.kind) == ["token","list","token"] and .[0].auth == "secret" and .[0].method == "POST"
		and (.[1].path | contains("$top=1")) and (.[1].headers.Authorization | test("^Bearer <token [0-9]+>$"))
		and .[2].aadsts == 7000215' <<<"$output"
	output+=$(cat "$EMU_DIR/emulator.log" "$EMU_DIR/ready" "$EMU_DIR/nac.conf")
	refute_has "$output" "$(cat "$EMU_SECRET_FILE")"
	refute_has "$output" "$(cat "$BATS_FILE_TMPDIR/token")"
	refute_has "$output" hush-hush
	refute_has "$output" "$(printf %s "$EMU_CLIENT_ID:hush-hush" | base64 -w0)"
	refute_has "$output" in-the-query
}

@test "a fleet of 100,000 can be asked" {
	own_emulator --fleet 100000
	local dev
	dev=$(emulator_control show LAPTOP-99998)
	assert_eq "$(filter "azureADDeviceId eq '$(jq -r .azureADDeviceId <<<"$dev")'" '.value[].deviceName')" LAPTOP-99998
	assert_eq "$(graph "$LIST" | jq '.value|length')" 1000
}

@test "the examples of the manual work" {
	cd "$BATS_TEST_TMPDIR"
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh/{/^\.Bd/,/^\.Ed/{/^\./d;s/^\$ //p}}' "$NAC_ROOT/man/intune-emulator.1" \
		>script
	grep -q intune-emulator script
	PATH="$(dirname "$EMU_BIN"):$PATH" run -0 --separate-stderr bash -eu script
	assert_has "$output" '"noncompliant"'
	assert_has "$output" InvalidAuthenticationToken
}
