#!/usr/bin/env bats
# intune-emulator: managedDevices as Graph shows them, and every fault on order.
# shellcheck disable=SC2154 # run sets stderr
bats_require_minimum_version 1.5.0
load test_helper
load lib_emulator
load emulator_clients

@test "list: the fleet, its seven states, and what a list leaves out" {
	run -0 graph "$LIST"
	jq -e '."@odata.count" == 30 and (.value | length) == 30 and has("@odata.nextLink") == false' <<<"$output"
	jq -e '[.value[:10][].complianceState] == ["compliant","noncompliant","inGracePeriod","unknown",
		"conflict","error","configManager","compliant","compliant","compliant"]' <<<"$output"
	jq -e 'all(.value[]; .ethernetMacAddress == null and .udid == "" and .notes == null)' <<<"$output"
	jq -e 'any(.value[]; .imei == null) and any(.value[]; .imei == "")' <<<"$output"
	jq -e '[.value[].lastSyncDateTime | ltrimstr("2") | scan("[.][0-9]+Z|[0-9]Z$") | length] | unique | length >= 3' <<<"$output"
	jq -e '.value[7].managementState == "retirePending" and (.value[15] | has("managementState") | not)
		and .value[9].azureADDeviceId == "'"$ZERO"'"' <<<"$output"
	# a $select does not bring the wired MAC into a list
	run -0 graph "$LIST?\$select=id,ethernetMacAddress,wiFiMacAddress"
	jq -e 'all(.value[]; keys == ["ethernetMacAddress","id","wiFiMacAddress"] and .ethernetMacAddress == null)
		and (.value[0].wiFiMacAddress | test("^[0-9A-F][048C][0-9A-F]{10}$"))' <<<"$output"
	run -0 graph "$LIST?\$select=id,noSuchProperty"
	assert_has "$(jq -r .error.message <<<"$output")" "Could not find a property named 'noSuchProperty'"
}

@test "pages: nextLink to the end, opaque token, \$top, and \$skip that does not work" {
	own_emulator --fleet 25 --page-size 10
	local url="$LIST?\$select=id" ids=() pages=0 page
	while [ -n "$url" ]; do
		page=$(graph "$url")
		mapfile -t -O ${#ids[@]} ids < <(jq -r '.value[].id' <<<"$page")
		url=$(jq -r '."@odata.nextLink" // ""' <<<"$page")
		pages=$((pages + 1))
	done
	assert_eq "$pages ${#ids[@]} $(printf '%s\n' "${ids[@]}" | sort -u | wc -l)" "3 25 25"
	assert_eq "$(emulator_control count list) $(emulator_control count next)" "3 2"
	assert_eq "$(graph "$LIST?\$top=3" | jq '.value|length')" 3
	assert_eq "$(graph "$LIST?\$skip=5" | jq -c '[.value, has("@odata.nextLink")]')" '[[],true]'
	assert_eq "$(code "$LIST?\$top=1001") $(code "$LIST?\$top=x") $(code "$LIST?\$skiptoken=abcd")" "400 400 400"
	# links point back at the name that was used
	assert_has "$(graph "https://localhost:$EMU_PORT/v1.0/deviceManagement/managedDevices" |
		jq -r '."@odata.nextLink"')" "https://localhost:$EMU_PORT/"
}

@test "filters: what Graph honours" {
	local id
	id=$(entra_of LAPTOP-0002)
	assert_eq "$(filter "azureADDeviceId eq '$id'" '[.value[].deviceName]|join(" ")')" LAPTOP-0002
	assert_eq "$(filter "azureADDeviceId eq '${id^^}'")" 1
	assert_eq "$(filter "deviceName eq 'laptop-0002'")" 1
	assert_eq "$(filter "deviceName eq 'LAPTOP'")" 0
	assert_eq "$(filter "contains(deviceName,'PTOP-000')")" 9
	assert_eq "$(filter "userPrincipalName eq 'user0003@example.com'")" 1
	assert_eq "$(filter "userPrincipalName ne 'user0003@example.com'")" 29
	assert_eq "$(filter "serialNumber eq '$(emulator_control show LAPTOP-0004 | jq -r .serialNumber)'")" 1
	assert_eq "$(filter "deviceName eq 'LAPTOP-0001' or deviceName eq 'LAPTOP-0002'")" 2
	assert_eq "$(filter "deviceName eq 'LAPTOP-0001' and complianceState eq 'noncompliant'")" 0
	assert_eq "$(filter "(deviceName eq 'LAPTOP-0001') and complianceState eq 'compliant'")" 1
	assert_eq "$(filter "lastSyncDateTime gt 2020-01-01T00:00:00Z")" 30
	assert_eq "$(filter "lastSyncDateTime le 2020-01-01T00:00:00Z")" 0
	emulator_control "set LAPTOP-0030 \"deviceName=Anne's PC\" imei=350000000000018"
	assert_eq "$(filter "deviceName eq 'Anne''s PC'")" 1
	assert_eq "$(filter "imei eq '350000000000018'")" 1
	emulator_control "set \"Anne's PC\" deviceName=LAPTOP-0030 imei=null"
	assert_eq "$(filter "imei eq '350000000000018'")" 0
	assert_eq "$(filter "azureADDeviceId eq '$ZERO'")" 1
}

@test "filters: what Graph ignores gives everybody; what is no OData a 400" {
	local f
	for f in "wiFiMacAddress eq 'AABBCCDDEEFF'" "ethernetMacAddress eq 'AABBCCDDEEFF'" "udid eq 'x'" \
		"isEncrypted eq true" "id eq '$(id_of LAPTOP-0001)'" "deviceEnrollmentType eq 'x'" \
		"startswith(deviceName,'LAPTOP-0001')" "noSuchThing eq 'x'" \
		"deviceName eq 'LAPTOP-0001' and wiFiMacAddress eq 'AABBCCDDEEFF'" \
		"deviceName eq 'LAPTOP-0001' or serialNumber eq 'x'"; do
		assert_eq "$f: $(filter "$f")" "$f: 30"
	done
	for f in "deviceName eq 'Anne's PC'" "deviceName" "deviceName eq" "eq 'x'" "(deviceName eq 'x'" \
		"deviceName eq 'x' and" "deviceName is 'x'" "\"" "$(printf '(%.0s' {1..200})"; do
		assert_eq "$f: $(filter "$f" .error.code)" "$f: BadRequest"
	done
	assert_eq "$(emulator_control log | jq -r 'select(.ignored_filter)|.ignored_filter' | wc -l)" 10
}

@test "one device: by id and key form, the wired MAC only where \$select names it" {
	local id mac
	id=$(id_of LAPTOP-0001)
	mac=$(emulator_control show LAPTOP-0001 | jq -r .ethernetMacAddress)
	assert_eq "$(graph "$LIST/$id?\$select=id,ethernetMacAddress" | jq -r '.id,.ethernetMacAddress' | xargs)" "$id $mac"
	assert_eq "$(graph "$LIST('${id^^}')?\$select=ethernetMacAddress" | jq -r .ethernetMacAddress)" "$mac"
	assert_eq "$(graph "$LIST/$id" | jq -r '.ethernetMacAddress,.complianceState' | xargs)" "null compliant"
	assert_has "$(graph "$LIST/$id" | jq -r '."@odata.context"')" "/\$entity"
	assert_eq "$(code "$LIST/$ZERO") $(code "$LIST/LAPTOP-0001") $(code "$LIST/$id/x")" "404 400 400"
	assert_eq "$(graph "$LIST/$ZERO" | jq -r .error.code)" ResourceNotFound
	graph "$LIST/$ZERO" | jq -e '.error.message | contains("\r\n") and (fromjson | ._version == 3)'
	assert_eq "$(code -X DELETE "$LIST/$id") $(code "$EMU_URL/v1.0/nothing") $(code "$EMU_URL/beta/x")" "405 400 400"
	run -0 graph -i -H 'client-request-id: 11111111-2222-4333-8444-555555555555' "$LIST/$ZERO"
	assert_has "$output" 'client-request-id: 11111111-2222-4333-8444-555555555555'
}

@test "\$batch: any order, a status for each, twenty at most, ids unique" {
	local id body
	id=$(id_of LAPTOP-0001)
	body=$(jq -n --arg id "$id" '{requests: ([range(18)|{id:"\(.)",method:"GET",
		url:"/deviceManagement/managedDevices/\($id)?$select=id,ethernetMacAddress"}] +
		[{id:"none",method:"GET",url:"deviceManagement/managedDevices/'"$ZERO"'"},
		 {id:"after",method:"GET",url:"/devices",dependsOn:["none"]}])}')
	run -0 graph "$EMU_URL/v1.0/\$batch" -d "$body"
	jq -e '(.responses | length) == 20 and (.responses | map(.id)) != ([range(18)|"\(.)"] + ["none","after"])' <<<"$output"
	jq -e '.responses | map({(.id): .}) | add | .["3"].status == 200 and .none.status == 404 and
		.after.status == 424 and (.["3"].body.ethernetMacAddress | length) == 12' <<<"$output"
	assert_eq "$(emulator_control count batch) $(emulator_control count item) $(emulator_control count get)" "1 20 0"
	local bad
	for bad in '.requests += [{id:"x",method:"GET",url:"/devices"}]' '.requests[1].id = "AFTER"' \
		'.requests[1].id = 1' '.requests = []' '.requests = 1' 'del(.requests)' 'del(.requests[0].url)' \
		'.requests[0].dependsOn = ["none"]' '.requests[0].body = {}'; do
		assert_eq "$bad: $(graph "$EMU_URL/v1.0/\$batch" -d "$(jq "$bad" <<<"$body")" | jq -r .error.code)" "$bad: BadRequest"
	done
	head -c 200000 /dev/zero | tr '\0' '[' >"$BATS_TEST_TMPDIR/deep"
	assert_eq "$(code "$EMU_URL/v1.0/\$batch" -d "@$BATS_TEST_TMPDIR/deep")" 400
	emulator_control fault batch-429:items=2,retry_after=7,times=1
	emulator_control fault status:on=item,code=503,device=LAPTOP-0002
	run -0 graph "$EMU_URL/v1.0/\$batch" -d '{"requests":[
		{"id":"a","method":"GET","url":"/deviceManagement/managedDevices/'"$id"'"},
		{"id":"b","method":"GET","url":"/deviceManagement/managedDevices/'"$id"'"},
		{"id":"c","method":"GET","url":"/deviceManagement/managedDevices/'"$id"'"},
		{"id":"d","method":"GET","url":"/deviceManagement/managedDevices/'"$(id_of LAPTOP-0002)"'"}]}'
	assert_eq "$(jq -r '.responses|sort_by(.id)|map("\(.status):\(.headers["Retry-After"])")|join(" ")' <<<"$output")" \
		"429:7 429:7 200:null 503:null"
}

@test "directory and discovery" {
	local id
	id=$(entra_of LAPTOP-0002)
	run -0 graph -G "$EMU_URL/v1.0/devices" --data-urlencode "\$filter=deviceId eq '$id'" \
		--data-urlencode "\$select=id,deviceId,isCompliant,accountEnabled"
	jq -e --arg i "$id" '.value | length == 1 and .[0].deviceId == $i and .[0].isCompliant == false and
		.[0].accountEnabled and (.[0] | keys | length) == 4' <<<"$output"
	local object
	object=$(jq -r '.value[0].id' <<<"$output")
	assert_eq "$(graph "$EMU_URL/v1.0/devices/$object" | jq -r .deviceId)" "$id"
	assert_eq "$(graph "$EMU_URL/v1.0/devices/$ZERO" | jq -r .error.code)" Request_ResourceNotFound
	emulator_control set LAPTOP-0002 accountEnabled=false isCompliant=null
	run -0 graph -G "$EMU_URL/v1.0/devices" --data-urlencode "\$filter=deviceId eq '$id'"
	jq -e '.value[0] | .accountEnabled == false and .isCompliant == null' <<<"$output"
	emulator_control unset LAPTOP-0002 accountEnabled isCompliant
	assert_eq "$(code -G "$EMU_URL/v1.0/devices" --data-urlencode "\$filter=displayName eq 'x'")" 400
	run -0 graph "$EMU_URL/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints"
	jq -e --arg u "$EMU_URL" '.value | map(select(.providerName // "" | ascii_downcase == "complianceretrievalservice")) |
		length == 1 and (.[0].uri | startswith($u))' <<<"$output"
}

@test "throttling: 429 with Retry-After, and early retries are counted" {
	emulator_control limit graph 3
	for _ in 1 2 3; do assert_eq "$(code "$LIST?\$top=1")" 200; done
	run -0 graph -i "$LIST?\$top=1"
	emulator_control limit graph 2000
	assert_has "$output" "429 Too Many Requests"
	[[ $output =~ Retry-After:\ [0-9]+ ]]
	assert_eq "$(emulator_control count early) $(emulator_control count throttled)" "0 1"
	assert_eq "$(code "$LIST?\$top=1")" 200
	assert_eq "$(emulator_control count early)" 1
	emulator_control reset-counts
	emulator_control fault status:code=503,retry_after=1,on=list,times=1
	emulator_control fault status:code=504,on=get,times=1
	assert_eq "$(code "$LIST?\$top=1")" 503
	sleep 1.05
	assert_eq "$(code "$LIST?\$top=1") $(code "$LIST/$ZERO") $(emulator_control count early)" "200 504 0"
	emulator_control fault status:code=429,retry_after_date=60,on=list,times=1
	run -0 graph -i "$LIST?\$top=1"
	[[ $output =~ Retry-After:\ [A-Z][a-z]{2},\ [0-9]{2}\ [A-Z][a-z]{2}\ [0-9]{4}\ .*GMT ]]
}

@test "faults of a list: missing device, ignored filter, links that loop or lead away" {
	own_emulator --fleet 6 --page-size 2 --fault missing-device:device=LAPTOP-0001
	local id
	id=$(id_of LAPTOP-0001)
	assert_eq "$(graph "$LIST" | jq -r '.value[].deviceName')" LAPTOP-0002
	assert_eq "$(code "$LIST/$id") $(filter "deviceName eq 'LAPTOP-0001'")" "200 1"
	emulator_control fault "missing-device:device=$id,filtered=yes"
	assert_eq "$(filter "deviceName eq 'LAPTOP-0001'")" 0
	emulator_control clear-faults
	emulator_control fault ignore-filter:times=1
	assert_eq "$(filter "deviceName eq 'LAPTOP-0001'") $(filter "deviceName eq 'LAPTOP-0001'")" "2 1"
	emulator_control fault loop-nextlink
	local next
	next=$(graph "$LIST" | jq -r '."@odata.nextLink"')
	assert_eq "$(graph "$next" | jq -r '.value[0].deviceName')" LAPTOP-0001
	emulator_control clear-faults
	emulator_control fault foreign-nextlink:host=evil.example:444
	assert_has "$(graph "$LIST" | jq -r '."@odata.nextLink"')" "https://evil.example:444/v1.0/"
	emulator_control clear-faults
	emulator_control fault odd-nextlink:after=1
	graph "$LIST" >/dev/null
	next=$(graph "https://localhost:$EMU_PORT/v1.0/deviceManagement/managedDevices" | jq -r '."@odata.nextLink"')
	assert_has "$next" "https://LocalHost:"
	assert_eq "$(code "$next")" 200
	# 5xx in the middle of paging
	emulator_control clear-faults
	emulator_control fault status:code=500,on=list,after=1,times=1
	next=$(graph "$LIST" | jq -r '."@odata.nextLink"')
	assert_eq "$(code "$next") $(code "$next")" "500 200"
}

@test "faults of the wire: truncated, cut, dropped, empty, HTML, garbage, wrong types, huge" {
	emulator_control fault truncate:times=1,at=30
	run -0 graph "$LIST"
	run ! jq . <<<"$output"
	emulator_control fault cut:times=1
	run -18 --separate-stderr graph "$LIST"			# curl: partial file
	emulator_control fault cut:times=1,on=token
	run -18 --separate-stderr ask_secret
	emulator_control fault drop:times=1
	run ! --separate-stderr graph "$LIST"
	assert_has "$stderr" curl
	emulator_control fault empty:times=1
	assert_eq "$(graph -w '%{http_code}' "$LIST")" 200
	emulator_control fault html:times=1,on=get
	assert_has "$(graph -w '%{http_code}%{content_type}' "$LIST/$(id_of LAPTOP-0001)")" "</html>"
	emulator_control fault garbage:times=1
	graph "$LIST" >"$BATS_TEST_TMPDIR/garbage"
	# Not by jq: 1.6 reads some bytes behind a NUL as nothing at all.
	run ! --separate-stderr python3 -m json.tool "$BATS_TEST_TMPDIR/garbage"
	emulator_control fault wrong-types:times=1
	graph "$LIST" | jq -e 'all(.value[]; .id == 5 and .complianceState == 2)'
	emulator_control fault wrong-types:times=1,field=value
	graph "$LIST" | jq -e '.value | type == "object"'
	emulator_control fault wrong-types:times=1,field=root
	graph "$LIST" | jq -e 'type == "array"'
	emulator_control fault huge:mb=4,times=1
	[ "$(graph "$LIST" | wc -c)" -gt 4194304 ]
	assert_eq "$(code "$LIST") $(emulator_control count faults)" "200 11"
	assert_eq "$(graph --compressed "$LIST" | jq '.value|length')" 30
}

@test "faults of the wire: slow headers and bodies keep nobody else waiting" {
	emulator_control fault slow:seconds=30,times=1
	emulator_control fault slow:seconds=30,part=body,on=get,times=1
	run -28 --separate-stderr graph --max-time 1 "$LIST"
	run -28 --separate-stderr graph --max-time 1 "$LIST/$(id_of LAPTOP-0001)"
	assert_eq "$(code "$LIST")" 200
}

@test "TLS: wrong name, expired, untrusted; plain HTTP gets nothing" {
	local cert
	for cert in wrong-name expired untrusted; do
		emulator_control clear-faults
		emulator_control fault "tls:cert=$cert"
		run -60 --separate-stderr graph "$LIST"
	done
	emulator_control clear-faults
	assert_eq "$(code "$LIST")" 200
	run ! --separate-stderr curl -sS --max-time 5 "http://$EMU_HOST/v1.0/x"
	assert_eq "$(code "$LIST")" 200
}

@test "down refuses, also those that are connected; up is at the same port" {
	emulator_control down
	run -7 --separate-stderr graph "$LIST"
	emulator_control down
	emulator_control up
	emulator_control up
	assert_eq "$(code "$LIST")" 200
	emulator_control fault slow:seconds=30,times=1
	graph "$LIST" >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local pid=$! n
	for ((n = 0; n < 100; n++)); do [ "$(emulator_control count list)" -lt 2 ] || break; sleep 0.05; done
	emulator_control down
	run ! wait "$pid"
	emulator_control up
	assert_eq "$(code "$LIST")" 200
}

@test "sixty clients at once, and many requests on one connection" {
	local urls=()
	# shellcheck disable=SC2016 # the inner shell expands it
	run -0 bash -c 'seq 60 | xargs -P60 -I{} curl -sS --cacert "$0" -o /dev/null -w "%{http_code}\n" \
		-H "Authorization: Bearer $(cat "$1")" "$2"' "$EMU_CA" "$BATS_FILE_TMPDIR/token" "$LIST?\$top=5"
	assert_eq "$(sort <<<"$output" | uniq -c | xargs)" "60 200"
	assert_eq "$(emulator_control count list)" 60
	for n in {1..50}; do urls+=("$LIST?\$top=1" -o "$BATS_TEST_TMPDIR/$n"); done
	emulator_control reset-counts
	graph "${urls[@]}"
	assert_eq "$(emulator_control count list) $(emulator_control count connections)" "50 1"
}
