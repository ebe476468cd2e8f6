#!/usr/bin/env bats
# certid, on certificates that openssl makes here.  Where OpenSSL refuses to make
# a bad one, the bytes are changed behind its back: without --ca nobody looks at
# the signature.

# shellcheck disable=SC2154 # stderr is of bats' run
load test_helper

A=0f1e2d3c-1111-4222-8333-444455556666
B=a0b1c2d3-7777-4888-9999-aaaabbbbcccc
SID=S-1-5-21-1-2-3-1104
TAG=tag:microsoft.com,2022-09-14:sid:$SID

# mkcert NAME SUBJECT [LINE OF THE EXTENSIONS' SECTION...]: NAME.pem, signed by $signer (ca);
# lines for the subjectAltName follow "[san]".
mkcert() {
	local name=$1 subject=$2
	shift 2
	{
		printf '[req]\ndistinguished_name=dn\nstring_mask=%s\n[dn]\n[ext]\n' "${mask:-utf8only}"
		printf '%s\n' "$@"
	} >"$name.cnf"
	openssl req -new -x509 -utf8 -key key.pem -config "$name.cnf" -extensions ext \
		-subj "$subject" -CA "${signer:-ca}.pem" -CAkey key.pem -days "${days:-30}" -out "$name.pem" 2>/dev/null
}

# san NAME SUBJECT ENTRY...: a certificate with these entries ("URI.1=...")
san() {
	local name=$1 subject=$2
	shift 2
	mkcert "$name" "$subject" 'subjectAltName=@alt' '[alt]' "$@"
}

# patch IN OUT FROM TO: a DER with bytes replaced, which must occur (python escapes)
patch() {
	python3 - "$@" <<-'END'
		import sys, base64, re
		i, o, a, b = sys.argv[1:]
		a, b = (x.encode().decode('unicode_escape').encode('latin1') for x in (a, b))
		pem = open(i).read()
		der = base64.b64decode(re.search('-----BEGIN[^\n]*\n(.*?)-----END', pem, re.S).group(1))
		assert len(a) == len(b) and a in der
		open(o, 'wb').write(der.replace(a, b))
	END
}

setup_file() {
	cd "$BATS_FILE_TMPDIR" || exit 1
	openssl ecparam -name prime256v1 -genkey -noout -out key.pem
	openssl req -new -x509 -key key.pem -subj '/O=Example/CN=Root CA' -days 60 -out ca.pem
	days=60 mkcert sub '/O=Example/CN=Issuing CA' 'basicConstraints=critical,CA:TRUE' 'keyUsage=keyCertSign'
	signer=sub san leaf '/O=Example/CN=LAPTOP-1.corp.example' "URI.1=IntuneDeviceId://$A"
	cat leaf.pem sub.pem >chain.pem
	openssl req -new -x509 -key key.pem -subj '/CN=Other CA' -days 60 -out other.pem
	openssl x509 -in leaf.pem -outform DER -out leaf.der
	openssl crl2pkcs7 -nocrl -certfile ca.pem -certfile chain.pem -out chain.p7b
	openssl crl2pkcs7 -nocrl -certfile ca.pem -certfile chain.pem -outform DER -out chain.p7c
}

setup() { cd "$BATS_FILE_TMPDIR" || exit 1; }

# guids: value, place and prefix of each on a line
guids() { json_get "$output" '.identity.guid // [] | .[] | "\(.value) \(.found) \(.form // "-")"'; }
names() { json_get "$output" '.identity.name // [] | .[] | "\(.value) \(.found)"'; }
field() { json_get "$output" ".identity.$1"; }

@test "every field of a certificate, as openssl sees it" {
	run -0 --separate-stderr certid leaf.pem
	assert_eq "$stderr" ""
	assert_one_line "$output"
	assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"
	assert_eq "$(names)" $'LAPTOP-1 cn\nLAPTOP-1.corp.example cn'
	assert_eq "$(field file)" leaf.pem
	assert_eq "$(field serial)" "$(openssl x509 -in leaf.pem -noout -serial | sed 's/.*=//' | tr A-F a-f)"
	assert_eq "$(field sha256)" "$(openssl x509 -in leaf.pem -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f)"
	assert_eq "$(field subject)" CN=LAPTOP-1.corp.example,O=Example
	assert_eq "$(field issuer)" 'CN=Issuing CA,O=Example'
	end=$(openssl x509 -in leaf.pem -noout -enddate | sed 's/.*=//')
	assert_eq "$(field not_after)" "$(date -u -d "$end" +%FT%TZ)"
	begin=$(openssl x509 -in leaf.pem -noout -startdate | sed 's/.*=//')
	assert_eq "$(field not_before)" "$(date -u -d "$begin" +%FT%TZ)"
	assert_eq "$(json_get "$output" 'keys | join(" ")')" identity
	assert_eq "$(field 'verified | tostring')" null
}

@test "PEM, DER and PKCS#7 in both forms, as file and on standard input, give the same" {
	run -0 --separate-stderr certid leaf.pem
	want=$(json_get "$output" 'del(.identity.file)')
	for f in leaf.pem leaf.der chain.pem chain.p7b chain.p7c; do
		run -0 --separate-stderr certid "$f"
		assert_eq "$(json_get "$output" 'del(.identity.file)')" "$want"
		assert_eq "$stderr" ""
		run -0 --separate-stderr certid <"$f"
		assert_eq "$(json_get "$output" 'del(.identity.file)')" "$want"
		assert_eq "$(field file)" '<stdin>'
	done
	run -0 --separate-stderr certid - <leaf.der
	assert_eq "$(json_get "$output" 'del(.identity.file)')" "$want"
}

@test "PEM with text around, with CRLF, in one long line, with a key before it" {
	openssl x509 -in leaf.pem -text >"$BATS_TEST_TMPDIR/text"
	sed 's/$/\r/' leaf.pem >"$BATS_TEST_TMPDIR/crlf"
	{ echo '-----BEGIN CERTIFICATE-----'; base64 -w0 leaf.der; echo; echo '-----END CERTIFICATE-----'; } >"$BATS_TEST_TMPDIR/long"
	cat key.pem leaf.pem >"$BATS_TEST_TMPDIR/key"
	openssl x509 -in leaf.pem -trustout -addtrust clientAuth >"$BATS_TEST_TMPDIR/trusted"
	for f in text crlf long key trusted; do
		run -0 --separate-stderr certid "$BATS_TEST_TMPDIR/$f"
		assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"
		assert_eq "$stderr" ""
	done
}

@test "the leaf is found in a chain that begins with the CA; --all gives every one" {
	cat ca.pem sub.pem leaf.pem >"$BATS_TEST_TMPDIR/reversed"
	run -0 --separate-stderr certid "$BATS_TEST_TMPDIR/reversed"
	assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"
	run -0 --separate-stderr certid --all chain.pem ca.pem
	assert_eq "$(jq -r .identity.subject <<<"$output")" \
		$'CN=LAPTOP-1.corp.example,O=Example\nCN=Issuing CA,O=Example\nCN=Root CA,O=Example'
}

@test "several files: a bad one gives one line and 65, the others come out" {
	run -65 --separate-stderr certid leaf.pem key.pem leaf.der
	assert_eq "$(jq -r .identity.file <<<"$output")" $'leaf.pem\nleaf.der'
	assert_eq "$stderr" "certid: key.pem: no certificate in it; it holds: EC PRIVATE KEY"
}

@test "every convention for a device id in the subjectAltName" {
	while read -r line want; do
		san conv /CN=x "URI.1=${line//_/ }"
		run -0 --separate-stderr certid conv.pem
		assert_eq "$(guids)" "$A san-uri ${want//_/ }" || { echo "$line"; false; }
		assert_eq "$(field ambiguous)" null
	done <<-END
		IntuneDeviceId://$A IntuneDeviceId://
		INTUNEDEVICEID://${A^^} INTUNEDEVICEID://
		ID:Microsoft_Endpoint_Manager:GUID:$A ID:Microsoft_Endpoint_Manager:GUID:
		ID:Intune:GUID:$A ID:Intune:GUID:
		corp:entra-device-id:$A corp:entra-device-id:
		$A -
	END
	san conv /CN=x "DNS.1=$A"
	run -0 --separate-stderr certid conv.pem
	assert_eq "$(guids)" "$A san-dns -"
	mkcert conv "/CN=$A"
	run -0 --separate-stderr certid conv.pem
	assert_eq "$(guids)" "$A cn -"
	assert_eq "$(names)" ""
}

@test "a comma-joined URI, with the sid tag before, behind, and beside in one of its own" {
	for uri in "IntuneDeviceId://$A,$TAG" "$TAG,IntuneDeviceId://$A" "$TAG,http://x.example/a,b,ID:Intune:GUID:$A"; do
		san joined /CN=x "URI.1=$uri"
		run -0 --separate-stderr certid joined.pem
		assert_eq "$(guids | cut -d' ' -f1,2)" "$A san-uri"
		assert_eq "$(field sid)" "$SID"
		assert_eq "$(field ambiguous)" null
	done
	san joined /CN=x "URI.1=$TAG" "URI.2=IntuneDeviceId://$A" "URI.3=ID:Intune:GUID:$A"
	run -0 --separate-stderr certid joined.pem
	assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"
	assert_eq "$(field sid)" "$SID"
}

@test "two different devices in one kind of place are ambiguous, in two kinds they are candidates" {
	san two /CN=x "URI.1=IntuneDeviceId://$A,IntuneDeviceId://$B"
	run -0 --separate-stderr certid two.pem
	assert_eq "$(field ambiguous)" true
	san two /CN=x "URI.1=IntuneDeviceId://$A" "URI.2=IntuneDeviceId://$B"
	run -0 --separate-stderr certid two.pem
	assert_eq "$(field ambiguous)" true
	san two "/CN=$B" "DNS.1=$B" "URI.1=IntuneDeviceId://$A"
	run -0 --separate-stderr certid two.pem
	assert_eq "$(field ambiguous)" null
	assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"$'\n'"$B san-dns -"
}

@test "user principal name, mail and the SID extension; the SID is no device id" {
	san upn /CN=x 'otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:alice@corp.example' email.1=bob@corp.example
	run -0 --separate-stderr certid upn.pem
	assert_eq "$(field upn)" alice@corp.example
	mkcert sid /CN=x 1.3.6.1.4.1.311.25.2=DER:3025a023060a2b060104018237190201a0150413532d312d352d32312d312d322d332d31313034
	run -0 --separate-stderr certid sid.pem
	assert_eq "$(field sid)" "$SID"
	assert_eq "$(guids)" ""
	# Cut short inside, and no SID inside: left out, and -v says so.
	for der in 3025a023060a2b060104018237190201 3000 0413532d312d35 \
		3025a023060a2b060104018237190201a0150413582d312d352d32312d312d322d332d31313034; do
		mkcert sid /CN=x "1.3.6.1.4.1.311.25.2=DER:$der"
		run -0 --separate-stderr certid -v sid.pem
		assert_eq "$(field sid)" null
		assert_has "$stderr" "1.3.6.1.4.1.311.25.2 is left out"
	done
}

@test "a NUL byte in a URI, a DNS name, a UPN or a CN: refused, 65, nothing printed" {
	san nul /CN=x "URI.1=IntuneDeviceId://${A}Z"
	patch nul.pem nul.der "${A}Z" "$A\\x00"
	run -65 --separate-stderr certid nul.der
	assert_eq "$stderr" "certid: nul.der: refused: a URI of its subjectAltName has a NUL byte in it"
	assert_eq "$output" ""
	san nul /CN=x DNS.1=goodZevil.example
	patch nul.pem nul.der goodZ 'good\x00'
	run -65 --separate-stderr certid nul.der
	assert_eq "$stderr" "certid: nul.der: refused: a DNS name of its subjectAltName has a NUL byte in it"
	san nul /CN=x 'otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:aliceZ@evil.example'
	patch nul.pem nul.der aliceZ 'alice\x00'
	run -65 --separate-stderr certid nul.der
	assert_eq "$stderr" "certid: nul.der: refused: the UPN of its subjectAltName has a NUL byte in it"
	mkcert nul /CN=LAPTOP-1Z.evil.example
	patch nul.pem nul.der LAPTOP-1Z 'LAPTOP-1\x00'
	run -65 --separate-stderr certid nul.der
	assert_eq "$stderr" "certid: nul.der: refused: its CN has a NUL byte in it"
	assert_eq "$output" ""
}

@test "names with commas, slashes, quotes, backslashes and other alphabets" {
	while IFS='|' read -r name subject; do
		mkcert odd "/O=Example/CN=${name//\//\\/}"
		run -0 --separate-stderr certid odd.pem
		assert_eq "$(names)" "$name cn"
		assert_eq "$(field subject)" "$subject,O=Example"
	done <<-'END'
		Doe, Jane|CN=Doe\, Jane
		a/b/CN=c|CN=a/b/CN=c
		Ann "AJ" O'Neil|CN=Ann \"AJ\" O'Neil
		Zoë's Mac – 日本|CN=Zoë's Mac – 日本
		x{"identity":1}|CN=x{\"identity\":1}
		$(id);`id`|CN=$(id)\;`id`
	END
	mkcert odd '/CN=back\\slash'
	run -0 --separate-stderr certid odd.pem
	assert_eq "$(names)" 'back\slash cn'
}

@test "BMPString with an umlaut, PrintableString, T61String" {
	mask=MASK:0x800 mkcert bmp '/CN=Zoë-日本'
	openssl asn1parse -in bmp.pem | grep -q BMPSTRING
	run -0 --separate-stderr certid bmp.pem
	assert_eq "$(names)" 'Zoë-日本 cn'
	# OpenSSL takes BMPString for UCS-2 and does not decode a name with a pair.
	patch bmp.pem bmp.der '\x65\xe5\x67\x2c' '\xd8\x3d\xdc\xf1'
	run -65 --separate-stderr certid bmp.der
	assert_eq "$stderr" "certid: bmp.der: damaged: no certificate that can be decoded"
	mask=MASK:0x2 mkcert printable /CN=PC-7
	openssl asn1parse -in printable.pem | grep -q 'PRINTABLESTRING.*PC-7'
	run -0 --separate-stderr certid printable.pem
	assert_eq "$(names)" 'PC-7 cn'
	mask=MASK:0x4 mkcert t61 /CN=Zoë
	openssl asn1parse -in t61.pem | grep -q T61STRING
	run -0 --separate-stderr certid t61.pem
	assert_eq "$(names)" 'Zoë cn'
	mkcert bad /CN=Zoë
	patch bad.pem bad.der '\xc3\xab' '\xff\xff'
	run -65 --separate-stderr certid bad.der
	assert_one_line "$stderr"
	assert_eq "$output" ""
}

@test "the CN nearest to the device goes first; control bytes in one are no name" {
	mkcert cns /DC=corp/CN=Computers/CN=LAPTOP-9
	run -0 --separate-stderr certid cns.pem
	assert_eq "$(names)" $'LAPTOP-9 cn\nComputers cn'
	mkcert cns $'/CN=LAPTOP-9\nX'
	run -0 --separate-stderr certid cns.pem
	assert_one_line "$output"
	assert_eq "$(names)" ""
}

@test "truncated, at every length, is 65 with one line" {
	for n in 1 2 3 4 5 60 300 $(($(stat -c %s leaf.der) - 1)); do
		head -c "$n" leaf.der >"$BATS_TEST_TMPDIR/cut"
		run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/cut"
		assert_one_line "$stderr"
		assert_eq "$output" ""
	done
	assert_has "$stderr" "cut short: $n of $((n + 1)) bytes"
	head -c 300 leaf.pem >"$BATS_TEST_TMPDIR/cut"
	run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/cut"
	assert_eq "$stderr" "certid: $BATS_TEST_TMPDIR/cut: line 1: cut short: the CERTIFICATE has no END line"
	# A chain whose second certificate is cut is not taken for a chain of one.
	head -c -200 chain.pem >"$BATS_TEST_TMPDIR/cut"
	run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/cut"
	assert_eq "$output" ""
	assert_one_line "$stderr"
	sed 5d leaf.pem >"$BATS_TEST_TMPDIR/cut"
	run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/cut"
	assert_has "$stderr" "line 1: "
	cat leaf.der leaf.der >"$BATS_TEST_TMPDIR/long"
	run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/long"
	assert_has "$stderr" "bytes too many"
}

@test "what is no certificate is 65 with one line that says what it is" {
	cd "$BATS_TEST_TMPDIR" || exit 1
	k=$BATS_FILE_TMPDIR/key.pem
	: >empty
	head -c 10000000 /dev/urandom >garbage
	head -c 5000 /dev/urandom | tr '\060\055' x >binary
	printf 'hello\n' >text
	{ echo '-----BEGIN CERTIFICATE-----'; echo 'not base64!'; echo '-----END CERTIFICATE-----'; } >nobase
	iconv -t UTF-16 "$BATS_FILE_TMPDIR/leaf.pem" >utf16
	openssl ec -in "$k" -outform DER -out keyder 2>/dev/null
	openssl req -new -key "$k" -subj /CN=x -outform DER -out request
	openssl pkcs12 -export -inkey "$k" -in "$BATS_FILE_TMPDIR/leaf.pem" -CAfile "$BATS_FILE_TMPDIR/ca.pem" -passout pass:x -out p12
	printf '\x30\x84\xff\xff\xff\xff' >huge
	printf '\x30\x80' >open
	while IFS='|' read -r f want; do
		run -65 --separate-stderr certid "$f"
		assert_one_line "$stderr"
		assert_has "$stderr" "certid: $f: $want"
		assert_eq "$output" ""
		run -65 --separate-stderr certid --ca "$f" "$BATS_FILE_TMPDIR/leaf.pem"
		assert_has "$stderr" "certid: $f: $want"
	done <<-'END'
		empty|empty
		garbage|larger than 1048576 bytes
		binary|no certificate in it
		text|no certificate in it
		nobase|line 1: damaged
		utf16|UTF-16 text
		keyder|a private key
		request|a certificate request
		p12|PKCS#12
		huge|cut short
		open|damaged
	END
	run -65 --separate-stderr certid </dev/null
	assert_eq "$stderr" "certid: <stdin>: empty"
}

@test "limits: entries, certificates, bytes, length of names and of the serial number" {
	mapfile -t many < <(for i in {1..257}; do echo "DNS.$i=h$i.example"; done)
	san many /CN=x "${many[@]}"
	run -65 --separate-stderr certid many.pem
	assert_eq "$stderr" "certid: many.pem: refused: its subjectAltName has 257 entries, more than 256"
	for _ in {1..513}; do cat leaf.pem; done >"$BATS_TEST_TMPDIR/513"
	run -65 --separate-stderr certid "$BATS_TEST_TMPDIR/513"
	assert_has "$stderr" "more than 512 certificates"
	mkcert big /CN=x "nsComment=$(head -c 70000 /dev/zero | tr '\0' x)" ||
		mkcert big /CN=x "1.2.3.4=DER:$(head -c 140000 /dev/zero | tr '\0' 0)"
	run -65 --separate-stderr certid big.pem
	assert_has "$stderr" "a certificate larger than 65536 bytes"
	san long /CN=x "DNS.1=$(head -c 300 /dev/zero | tr '\0' x)"
	run -65 --separate-stderr certid long.pem
	assert_eq "$stderr" "certid: long.pem: refused: a DNS name of its subjectAltName is longer than 255 bytes"
	openssl req -new -x509 -key key.pem -subj /CN=x -set_serial "0x$(head -c 80 /dev/zero | tr '\0' 7)" -out serial.pem
	run -65 --separate-stderr certid serial.pem
	assert_has "$stderr" "its serial number has 40 bytes"
}

@test "files that cannot be read, and output that cannot be written: 74" {
	run -74 --separate-stderr certid "$BATS_TEST_TMPDIR/none"
	assert_eq "$stderr" "certid: $BATS_TEST_TMPDIR/none: No such file or directory"
	run -74 --separate-stderr certid "$BATS_TEST_TMPDIR" leaf.pem
	assert_has "$stderr" "Is a directory"
	assert_eq "$(field file)" leaf.pem
	run -74 --separate-stderr certid --ca "$BATS_TEST_TMPDIR/none" leaf.pem
	assert_eq "$output" ""
	run -74 --separate-stderr bash -c 'certid leaf.pem >/dev/full'
	assert_has "$stderr" "standard output"
}

@test "a file of other people's: 77" {
	as=()
	# Root without the right to override modes is like anybody else.
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
		"${as[@]}" true || skip "root that cannot give up its rights"
	fi
	cp leaf.pem "$BATS_TEST_TMPDIR/closed"
	chmod 000 "$BATS_TEST_TMPDIR/closed"
	run -77 --separate-stderr "${as[@]}" "$(command -v certid)" "$BATS_TEST_TMPDIR/closed" leaf.pem
	assert_eq "$stderr" "certid: $BATS_TEST_TMPDIR/closed: Permission denied"
	assert_eq "$(field file)" leaf.pem
}

@test "a hostile file name does no harm to message or record" {
	f=$BATS_TEST_TMPDIR/$'a\n"\e[31m'
	cp leaf.pem "$f"
	run -0 --separate-stderr certid "$f"
	assert_one_line "$output"
	assert_eq "$(field file)" "$f"
	: >"$f"
	run -65 --separate-stderr certid "$f"
	assert_one_line "$stderr"
	refute_has "$stderr" $'\e'
}

@test "--ca verifies over the intermediate in the file" {
	for f in chain.pem chain.p7b chain.p7c; do
		run -0 --separate-stderr certid --ca ca.pem "$f"
		assert_eq "$(field verified)" true
		assert_eq "$(field verify_error)" null
	done
	cat other.pem ca.pem sub.pem >"$BATS_TEST_TMPDIR/cas"
	run -0 --separate-stderr certid --ca "$BATS_TEST_TMPDIR/cas" leaf.pem
	assert_eq "$(field verified)" true
}

# not_verified WANT ARG...: status 1, the record is there, and the reason is WANT
not_verified() {
	local want=$1
	shift
	run -1 --separate-stderr certid "$@"
	assert_eq "$stderr" ""
	assert_eq "$(field verified)" false
	assert_eq "$(field verify_error)" "$want"
	assert_eq "$(guids)" "$A san-uri IntuneDeviceId://"
}

@test "--ca says in words why a certificate does not verify" {
	not_verified 'unable to get local issuer certificate: issuer is CN=Issuing CA,O=Example' --ca ca.pem leaf.pem
	not_verified 'unable to get local issuer certificate: issuer is CN=Root CA,O=Example (CN=Issuing CA,O=Example)' --ca other.pem chain.pem
	# Trust in the issuing CA alone is no chain to a root, for FreeRADIUS neither.
	not_verified 'unable to get issuer certificate: issuer is CN=Root CA,O=Example (CN=Issuing CA,O=Example)' --ca sub.pem leaf.pem
	cat ca.pem sub.pem >ca40.pem
	not_verified "certificate has expired on $(certid leaf.pem | jq -r .identity.not_after)" --ca ca40.pem --at "$(date -u -d '+40 days' +%FT%TZ)" leaf.pem
	not_verified "certificate is not yet valid: it begins on $(certid ca.pem | jq -r .identity.not_before) (CN=Root CA,O=Example)" --ca ca.pem --at 2020-01-01T00:00:00Z chain.pem
	mkcert server "/CN=x" 'extendedKeyUsage=serverAuth' "subjectAltName=URI:IntuneDeviceId://$A"
	run -1 --separate-stderr certid --ca ca.pem server.pem
	assert_has "$(field verify_error)" "purpose: it is for TLS Web Server Authentication"
	patch leaf.pem forged.der "$A" "$B"
	cat ca.pem sub.pem >"$BATS_TEST_TMPDIR/cas"
	run -1 --separate-stderr certid --ca "$BATS_TEST_TMPDIR/cas" forged.der
	assert_eq "$(field verify_error)" "certificate signature failure"
	openssl req -new -key key.pem -subj /CN=old -out old.csr
	openssl x509 -req -in old.csr -CA ca.pem -CAkey key.pem -days -1 -out old.pem 2>/dev/null
	run -1 --separate-stderr certid --ca ca.pem old.pem
	assert_eq "$(field verify_error)" "certificate has expired on $(field not_after)"
	run -1 --separate-stderr certid -v --ca ca.pem old.pem leaf.pem
	assert_has "$stderr" "certid: old.pem: not verified: certificate has expired on"
	assert_eq "$(wc -l <<<"$output")" 2
}

@test "a certificate that does not verify does not stop the others; the worst status is given" {
	run -1 --separate-stderr certid --ca ca.pem leaf.pem chain.pem
	assert_eq "$(jq -r .identity.verified <<<"$output")" $'false\ntrue'
	run -65 --separate-stderr certid --ca ca.pem key.pem leaf.pem
	assert_eq "$(field verified)" false
}

@test "usage: --at needs a time and --ca" {
	run -64 --separate-stderr certid --at 2026-11-21T08:30:00Z leaf.pem
	assert_has "$stderr" "no --ca"
	run -64 --separate-stderr certid --ca ca.pem --at yesterday leaf.pem
	assert_has "$stderr" "no time like"
	run -64 --separate-stderr certid --ca
	assert_eq "$output" ""
	run -0 --separate-stderr certid --help
	assert_eq "$stderr" ""
	[ "$(wc -l <<<"$output")" -le 25 ]
}

@test "-v says what else a certificate holds" {
	san v /CN=x URI.1=http://pki.example/x
	run -0 --separate-stderr certid -v v.pem
	assert_has "$stderr" "certid: v.pem: no device id in the URI http://pki.example/x"
	assert_has "$stderr" "certid: v.pem: extended key usage: any"
}

@test "the examples of the manual page do what it says" {
	cp leaf.pem client.pem
	n=0
	while IFS= read -r line; do
		run -0 --separate-stderr bash -o pipefail -c "$line"
		echo "$line"
		assert_eq "$stderr" ""
		[ -n "$output" ]
		n=$((n + 1))
	done < <(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/s/^\.Dl \$ //p' "$NAC_ROOT/man/certid.1" | sed 's/\\e/\\/g')
	[ "$n" -ge 4 ]
	assert_has "$(bash -c "certid client.pem | jq -r '.identity.guid[0].value'")" "$A"
}

@test "the template and the raw entries of the subjectAltName are shown" {
	mkcert tpl '/CN=x' '1.3.6.1.4.1.311.21.7=ASN1:SEQUENCE:tpl' 'subjectAltName=@alt' \
		'[alt]' 'URI.1=urn:example:one' 'DNS.1=laptop-1.corp.example' \
		'[tpl]' 'a=OID:1.3.6.1.4.1.311.21.8.1.2.3' 'b=INTEGER:100'
	run -0 --separate-stderr certid tpl.pem
	assert_eq "$(jq -c '.identity | [.template, .san_uri, .san_dns]' <<<"$output")" \
		'["1.3.6.1.4.1.311.21.8.1.2.3",["urn:example:one"],["laptop-1.corp.example"]]'
	mkcert tpl1 '/CN=x' '1.3.6.1.4.1.311.20.2=ASN1:BMP:Machine'
	run -0 --separate-stderr certid tpl1.pem
	assert_eq "$(json_get "$output" .identity.template)" Machine
	mkcert tpl2 '/CN=x' '1.3.6.1.4.1.311.21.7=DER:0401ff'
	run -0 --separate-stderr certid tpl2.pem
	assert_eq "$(json_get "$output" .identity.template)" null
}
