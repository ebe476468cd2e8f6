# shellcheck shell=bash
# A private FreeRADIUS, its clients and their certificates, for the bats tests
# and for quickstart.  No root, no system configuration, loopback only.
#
# A server lives in one directory, made by pki_make and freeradius_start:
#	certs/ raddb/ log/ run/ and radius.env with the ports it got.
# Every function takes that directory first and finds the rest by itself.
#
#	pki_make DIR
#	pki_client DIR NAME CN [KIND:VALUE ...]
#	freeradius_start DIR HOOKCOMMAND [--nak MAC=CAUSE] ...
#	freeradius_stop DIR
#	eap_tls_run DIR NAME [--tls13] [--mac MAC] [--identity ID] [-- ARG ...]
#	eap_tls_inside_run DIR TTLS|PEAP NAME [--mac MAC] [--identity ID] [-- ARG ...]
#	eap_ttls_run DIR USER PASSWORD [--mschapv2] [--peap] [...] [-- ARG ...]
#	radius_log DIR, radius_coa_log DIR, radius_acct_log DIR

RADIUS_TOP=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
RADIUS_SECRET=testing123
# How long anything here may take before it counts as failed.  Only a broken
# machine gets near it; nothing waits this long when all is well.
RADIUS_PATIENCE=20

# wait_until SECONDS COMMAND...: polls until COMMAND succeeds; 1 = never did.
wait_until() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# _netns PID: sets NETNS_RUN to the words that run a command in the network of
# PID, a process of netns_start in hostapd.bash; to none when PID is empty.
_netns() {
	NETNS_RUN=()
	[ -n "$1" ] || return 0
	NETNS_RUN=(nsenter -t "$1" -n)
	# Who is not root owns the network through a user namespace.
	[ "$(id -u)" -eq 0 ] || NETNS_RUN+=(-U --preserve-credentials)
}

# in_netns PID COMMAND...
in_netns() {
	local NETNS_RUN

	_netns "$1"
	shift
	"${NETNS_RUN[@]}" "$@"
}

# ---- certificates

# The options every certificate here is made with.
_pki_req() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -utf8 -days 30 "$@" 2>"$RADIUS_PKI/openssl.log" && return
	cat "$RADIUS_PKI/openssl.log" >&2
	return 1
}

# A value for openssl's configuration syntax, where $ # \ " ' and ; mean things.
_pki_quote() {
	local s=$1

	s=${s//\\/\\\\}
	s=${s//\$/\\\$}
	s=${s//\#/\\\#}
	s=${s//\"/\\\"}
	s=${s//\'/\\\'}
	s=${s//;/\\;}
	s=${s//$'\n'/\\n}
	printf '%s' "$s"
}

# pki_make DIR: a CA and the server's certificate in DIR/certs.
pki_make() {
	local RADIUS_PKI=$1/certs

	mkdir -p "$RADIUS_PKI" || return
	printf '%s\n' '[req]' 'distinguished_name=dn' '[dn]' '[ca]' \
	    'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign' \
	    'subjectKeyIdentifier=hash' '[server]' 'basicConstraints=CA:FALSE' \
	    'extendedKeyUsage=serverAuth' 'subjectAltName=DNS:radius.example.test' \
	    >"$RADIUS_PKI/pki.cnf"
	_pki_req -config "$RADIUS_PKI/pki.cnf" -extensions ca -subj '/O=Example/CN=Example Device CA' \
	    -keyout "$RADIUS_PKI/ca.key" -out "$RADIUS_PKI/ca.pem" &&
	    _pki_issue server server '/CN=radius.example.test' pki.cnf
}

# _pki_issue NAME SECTION SUBJECT CONFIG: signs NAME.pem and NAME.key.
_pki_issue() {
	_pki_req -config "$RADIUS_PKI/$4" -extensions "$2" -subj "$3" \
	    -CA "$RADIUS_PKI/ca.pem" -CAkey "$RADIUS_PKI/ca.key" \
	    -keyout "$RADIUS_PKI/$1.key" -out "$RADIUS_PKI/$1.pem"
}

# pki_client DIR NAME CN [KIND:VALUE ...]: a client certificate NAME in
# DIR/certs.  KIND is URI, DNS, email, IP, UPN (an otherName) or SID (the
# strong-mapping extension, 1.3.6.1.4.1.311.25.2); CN and values are taken as
# they are, whatever they hold, but for a NUL.  An empty CN leaves it out.
pki_client() {
	local RADIUS_PKI=$1/certs name=$2 cn=$3 san subject=/O=Example n=0
	local cnf=$name.cnf kind value lines='' sid=''

	shift 3
	for san; do
		kind=${san%%:*}
		value=$(_pki_quote "${san#*:}")
		n=$((n + 1))
		case $kind in
		UPN)	lines+="otherName.$n=1.3.6.1.4.1.311.20.2.3;UTF8:$value"$'\n' ;;
		SID)	sid=${san#*:} ;;
		*)	lines+="$kind.$n=$value"$'\n' ;;
		esac
	done
	{
		printf '%s\n' '[req]' 'distinguished_name=dn' '[dn]' '[client]' \
		    'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' \
		    'extendedKeyUsage=clientAuth' 'subjectKeyIdentifier=hash' \
		    'authorityKeyIdentifier=keyid'
		[ -z "$sid" ] || printf '1.3.6.1.4.1.311.25.2=ASN1:SEQUENCE:sid\n'
		[ -z "$lines" ] || printf 'subjectAltName=@san\n[san]\n%s' "$lines"
		[ -z "$sid" ] || printf '%s\n' '[sid]' 'other=IMPLICIT:0C,SEQUENCE:sidname' \
		    '[sidname]' 'oid=OID:1.3.6.1.4.1.311.25.2.1' 'value=EXPLICIT:0,OCTETSTRING:'"$sid"
	} >"$RADIUS_PKI/$cnf"
	if [ -n "$cn" ]; then
		cn=${cn//\\/\\\\}
		cn=${cn//\//\\/}
		subject+=/CN=${cn//+/\\+}
	fi
	_pki_issue "$name" client "$subject" "$cnf"
}

# ---- the server

_radius_port_free() {
	[ -z "$(ss -Hlnu "sport = :$1")" ]
}

# Four free UDP ports.  Another process may take one before the server binds
# it; freeradius_start then tries again with others.
_radius_ports() {
	local port ports=()

	while [ ${#ports[@]} -lt 4 ]; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		case " ${ports[*]} " in
		*" $port "*) continue ;;
		esac
		! _radius_port_free "$port" || ports+=("$port")
	done
	echo "${ports[@]}"
}

# udp_listens PID PORT [NETNS]: 0 = PID has bound PORT, 2 = PID is gone.
udp_listens() {
	kill -0 "$1" 2>/dev/null || return 2
	in_netns "${3-}" ss -Hlnup "sport = :$2" | grep -q "pid=$1,"
}

_listens_or_gone() {
	udp_listens "$@" || [ $? -eq 2 ]
}

# raddb of DIR, out of share/freeradius and the frame in tests/lib/raddb.
_radius_raddb() {
	local dir=$1 hook=$2 timeout=$3 escape=$4 rest=$5 module=$6 raddb=$1/raddb

	rm -rf "$raddb"
	mkdir -p "$raddb" "$dir/log" "$dir/run/sessions" || return
	chmod 700 "$dir/run/sessions"
	cp -R "$RADIUS_TOP"/share/freeradius/* "$raddb/" &&
	    cp -R "$RADIUS_TOP"/tests/lib/raddb/* "$raddb/" || return
	# The server refuses a configuration that others may write.
	chmod -R u+w,go-w "$raddb"
	if [ -n "$rest" ]; then
		sed "0,/connect_uri = /s|^\([[:space:]]*connect_uri = \).*|\1\"$rest\"|" \
		    "$raddb/mods-available/nacrest" >"$raddb/mods-available/nac"
		sed -i 's|^\([[:space:]]*\)log_acct$|&\n\1nac|' "$raddb/sites"
		return
	fi
	if [ -n "$module" ]; then
		cp "$module" "$raddb/mods-available/nac"
		return
	fi
	hook=${hook//\\/\\\\}
	hook=${hook//\"/\\\"}
	hook=${hook//&/\\&}
	hook=${hook//|/\\|}
	sed -i 's|^\([[:space:]]*\)log_acct$|&\n\1nac_acct|' "$raddb/sites"
	sed -i -e "/^exec nac {/,/^}/s|^\([[:space:]]*program = \).*|\1\"$hook\"|" \
	    -e "/^exec nac_acct/,/^}/s|^\([[:space:]]*program = \).*|\1\"$hook --accounting\"|" \
	    -e "s|^\([[:space:]]*timeout = \).*|\1$timeout|" \
	    -e "s|^\([[:space:]]*shell_escape = \).*|\1$escape|" \
	    "$raddb/mods-available/nac"
}

# freeradius_start DIR HOOKCOMMAND [--nak MAC=CAUSE] [--threads N]
#	[--timeout SECONDS] [--shell-escape] [--resume] [--netns PID] [--rest URL]
#	[--module FILE] [--users FILE] [--sites SCRIPT]
# starts the server and returns when it answers.  HOOKCOMMAND takes the place
# of the program line in mods-available/nac.  CoA for MAC, written as the
# request has it, is answered by a NAK with Error-Cause CAUSE.  --coa6 takes CoA
# on ::1 in place of 127.0.0.1.  --resume lets
# clients resume their TLS sessions.  --rest asks the nac-serve at URL in place
# of HOOKCOMMAND, by mods-available/nacrest, and tells it of accounting; with
# --module the file takes the place of mods-available/nac.  --users puts a file in
# place of the users of tests/lib/raddb.  --sites changes tests/lib/raddb/sites
# by a script of sed.
freeradius_start() {
	local dir=$1 hook=$2 threads=8 timeout=2 escape=no resume=no rest='' module=''
	local naks='' netns='' users='' coa6='' edit='' try pid auth acct plain coa NETNS_RUN

	shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		--nak)		naks+="$2 "; shift ;;
		--threads)	threads=$2; shift ;;
		--timeout)	timeout=$2; shift ;;
		--shell-escape)	escape=yes ;;
		--resume)	resume=yes ;;
		--rest)		rest=$2; shift ;;
		--module)	module=$2; shift ;;
		--users)	users=$2; shift ;;
		--netns)	netns=$2; shift ;;
		--coa6)		coa6=yes ;;
		--sites)	edit=$2; shift ;;
		*)		echo "freeradius_start: $1: unknown option" >&2; return 64 ;;
		esac
		shift
	done
	_radius_raddb "$dir" "$hook" "$timeout" "$escape" "$rest" "$module" || return
	[ -z "$users" ] || cp "$users" "$dir/raddb/users" || return
	[ -z "$edit" ] || sed -i "$edit" "$dir/raddb/sites"
	if [ -n "$coa6" ]; then
		sed -i '/^server das/,/^}/s/ipaddr = 127.0.0.1/ipaddr = ::1/' "$dir/raddb/sites"
		sed -i '/^client loopback/,/^}/s/ipaddr = 127.0.0.*/ipaddr = ::1/' "$dir/raddb/radiusd.conf"
	fi
	_netns "$netns"
	for try in $naks; do
		printf 'if (&Calling-Station-Id == "%s") {\n\tupdate reply {\n\t\t%s\n\t}\n\treject\n}\n' \
		    "${try%=*}" "&Error-Cause := ${try##*=}"
	done >"$dir/raddb/nak"
	for try in 1 2 3 4 5; do
		# shellcheck disable=SC2046
		set -- $(_radius_ports)
		auth=$1 acct=$2 plain=$3 coa=$4
		: >"$dir/log/radius.log"
		# bats waits for whoever holds its descriptor 3.
		NACTEST_DIR=$dir NACTEST_THREADS=$threads NACTEST_RESUME=$resume \
		    NACTEST_AUTH_PORT=$auth NACTEST_ACCT_PORT=$acct \
		    NACTEST_PLAIN_PORT=$plain NACTEST_COA_PORT=$coa \
		    "${NETNS_RUN[@]}" /usr/sbin/freeradius -f -l "$dir/log/radius.log" -d "$dir/raddb" -n radiusd \
		    </dev/null >"$dir/log/stdout" 2>&1 3>&- &
		pid=$!
		wait_until "$RADIUS_PATIENCE" _listens_or_gone "$pid" "$coa" "$netns"
		if udp_listens "$pid" "$coa" "$netns"; then
			printf '%s\n' "RADIUS_PID=$pid" "RADIUS_NETNS=$netns" \
			    "RADIUS_AUTH_PORT=$auth" "RADIUS_ACCT_PORT=$acct" \
			    "RADIUS_PLAIN_PORT=$plain" "RADIUS_COA_PORT=$coa" >"$dir/radius.env"
			return 0
		fi
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
		grep -q 'Address already in use' "$dir/log/radius.log" || break
	done
	echo "freeradius_start: the server did not start; its last words:" >&2
	tail -n 15 "$dir/log/radius.log" "$dir/log/stdout" >&2
	return 1
}

# radius_get DIR NAME: one value of radius.env: PID, NETNS, AUTH_PORT,
# ACCT_PORT, PLAIN_PORT (the same without the hook) or COA_PORT.
radius_get() {
	if [ ! -f "$1/radius.env" ]; then
		echo "$1: no server was started here" >&2
		return 1
	fi
	sed -n "s/^RADIUS_$2=//p" "$1/radius.env"
}

_pid_gone() {
	# A zombie answers kill -0 until whoever started it collects it.
	case $(ps -o stat= -p "$1" 2>/dev/null) in
	''|Z*)	return 0 ;;
	esac
	return 1
}

# pid_stop PID: ends one process that we started, and waits until it is gone.
pid_stop() {
	kill "$1" 2>/dev/null
	wait_until 5 _pid_gone "$1" || kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

freeradius_stop() {
	[ -f "$1/radius.env" ] || return 0
	pid_stop "$(radius_get "$1" PID)"
	rm -f "$1/radius.env"
}

radius_log()		{ cat "$1/log/radius.log"; }
radius_coa_log()	{ cat "$1/log/coa.log" 2>/dev/null; }
radius_acct_log()	{ cat "$1/log/acct.log" 2>/dev/null; }

# ---- clients

# What eapol_test says about the last packet, one line each: packet, eap (the
# code inside), keys, whether the session was a resumed one, TLS version, and the
# attributes with their values.
_eapol_read() {
	awk '
	function text(hex,   i, c, s) {
		for (i = 1; i < length(hex); i += 2) {
			c = index("0123456789abcdef", substr(hex, i, 1)) * 16 - 16 + \
			    index("0123456789abcdef", substr(hex, i + 1, 1)) - 1
			if (c < 32 || c > 126)
				return "0x" hex
			s = s sprintf("%c", c)
		}
		return s
	}
	function number(hex,   i, n) {
		for (i = 1; i <= length(hex); i++)
			n = n * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
		return n
	}
	/^OpenSSL: Handshake finished - resumed=/ { resumed = substr($0, length($0)) }
	/^SSL: Using TLS version/ { tls = $NF; sub(/^TLSv/, "", tls) }
	# Sent packets are shown the same way; only what was received counts.
	/^Received RADIUS message/ { want = 1 }
	/^RADIUS message: code=/ {
		here = want; want = 0
		if (!here)
			next
		packet = $0
		sub(/.*\(/, "", packet); sub(/\).*/, "", packet)
		n = 0; keys = "no"; eap = ""
	}
	here && /^   Attribute / {
		id = $2; name = $3
		gsub(/[()]/, "", name)
	}
	here && /^      Value: / {
		value = $0
		sub(/^      Value: /, "", value)
		if (id == 79) {
			c = substr(value, 1, 2)
			eap = c == "01" ? "Request" : c == "03" ? "Success" : c == "04" ? "Failure" : c
			next
		}
		if (id == 80 || id == 24)
			next
		if (id == 26 && value ~ /^00000137(10|11)/) {
			keys = "yes"
			next
		}
		if (id == 64)
			value = value == "0000000d" ? "VLAN" : "0x" value
		else if (id == 65)
			value = value == "00000006" ? "IEEE-802" : "0x" value
		else if (id == 26)
			value = number(substr(value, 1, 8)) "/" number(substr(value, 9, 2)) ":" text(substr(value, 13))
		else if (id == 27 || id == 28 || id == 29 || id == 101 || id == 6 || id == 12 || id == 85) {
			# eapol_test prints integers as numbers already
			value = value
		} else if (value ~ /^\047.*\047$/)
			value = substr(value, 2, length(value) - 2)
		else if (value ~ /^([0-9a-f][0-9a-f])+$/)
			value = text(value)
		line[++n] = name "=" value
	}
	END {
		print "packet=" (packet == "" ? "none" : packet)
		print "eap=" (eap == "" ? "none" : eap)
		print "keys=" keys
		print "resumed=" (resumed ? "yes" : "no")
		if (tls != "")
			print "tls=" tls
		for (i = 1; i <= n; i++)
			print line[i]
	}' "$1"
}

# _eapol DIR CONFIG MAC ARG...: runs eapol_test; 0 = accepted, 1 = refused,
# 2 = no answer in time.
_eapol() {
	local dir=$1 conf=$2 mac=$3 out=${2%.conf}.out rc
	local netns

	shift 3
	netns=$(radius_get "$dir" NETNS) || return
	in_netns "$netns" timeout "$RADIUS_PATIENCE" eapol_test -c "$conf" \
	    -a 127.0.0.1 -p "$(radius_get "$dir" AUTH_PORT)" -s "$RADIUS_SECRET" -M "$mac" -t $((RADIUS_PATIENCE - 2)) \
	    -N 32:s:ap-1 -N 30:s:02-00-00-AA-BB-CC:corp-wifi -N 5:d:7 "$@" >"$out" 2>&1 </dev/null
	case $? in
	0)	rc=0; echo result=SUCCESS ;;
	124|254) rc=2; echo result=TIMEOUT ;;
	*)	rc=1; echo result=FAILURE ;;
	esac
	_eapol_read "$out"
	return "$rc"
}

# The network block's values: a string in hex, so that any byte can be in it.
_eapol_hex() {
	printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}

# eap_tls_run DIR NAME [--tls13] [--mac MAC] [--identity ID] [-- ARG ...]
# authenticates with the certificate NAME of pki_client and prints result= and
# what the answer held; returns as _eapol does.  ARGs go to eapol_test, such
# as -N ID:TYPE:VALUE for one more attribute of the request.
eap_tls_run() {
	local dir=$1 name=$2 mac=02:00:00:00:00:01 phase1='' id=host/$2.example.test conf

	shift 2
	while [ $# -gt 0 ]; do
		case $1 in
		--tls13)	phase1='phase1="tls_disable_tlsv1_3=0"' ;;
		--mac)		mac=$2; shift ;;
		--identity)	id=$2; shift ;;
		--)		shift; break ;;
		*)		echo "eap_tls_run: $1: unknown option" >&2; return 64 ;;
		esac
		shift
	done
	conf=$(mktemp "$dir/run/tls.XXXXXX.conf") || return
	printf '%s\n' 'network={' 'key_mgmt=WPA-EAP' 'eap=TLS' 'eapol_flags=0' \
	    "identity=$(_eapol_hex "$id")" "ca_cert=\"$dir/certs/ca.pem\"" \
	    "client_cert=\"$dir/certs/$name.pem\"" "private_key=\"$dir/certs/$name.key\"" \
	    "$phase1" '}' >"$conf"
	_eapol "$dir" "$conf" "$mac" "$@"
}

# eap_tls_inside_run DIR TTLS|PEAP NAME [--mac MAC] [--identity ID] [-- ARG ...]
# EAP-TLS in the tunnel of another method, which asks for no certificate itself.
eap_tls_inside_run() {
	local dir=$1 eap=$2 name=$3 mac=02:00:00:00:00:01 id=anonymous phase2=auth conf

	shift 3
	while [ $# -gt 0 ]; do
		case $1 in
		--mac)		mac=$2; shift ;;
		--identity)	id=$2; shift ;;
		--)		shift; break ;;
		*)		echo "eap_tls_inside_run: $1: unknown option" >&2; return 64 ;;
		esac
		shift
	done
	[ "$eap" = PEAP ] || phase2=autheap
	conf=$(mktemp "$dir/run/inside.XXXXXX.conf") || return
	printf '%s\n' 'network={' 'key_mgmt=WPA-EAP' "eap=$eap" 'eapol_flags=0' \
	    "anonymous_identity=$(_eapol_hex "$id")" "identity=$(_eapol_hex "host/$name.example.test")" \
	    "phase2=\"$phase2=TLS\"" "ca_cert=\"$dir/certs/ca.pem\"" "ca_cert2=\"$dir/certs/ca.pem\"" \
	    "client_cert2=\"$dir/certs/$name.pem\"" "private_key2=\"$dir/certs/$name.key\"" '}' >"$conf"
	_eapol "$dir" "$conf" "$mac" "$@"
}

# eap_ttls_run DIR USER PASSWORD [--mschapv2] [--peap] [--tls13] [--mac MAC]
#	[--identity ID] [-- ARG ...]
# The same by password in a tunnel: EAP-TTLS with PAP, with MSCHAPv2, or PEAP.
# ID is the outer identity.
eap_ttls_run() {
	local dir=$1 user=$2 password=$3 mac=02:00:00:00:00:01 id=anonymous
	local eap=TTLS inner=PAP phase1='' conf

	shift 3
	while [ $# -gt 0 ]; do
		case $1 in
		--mschapv2)	inner=MSCHAPV2 ;;
		--peap)		eap=PEAP inner=MSCHAPV2 ;;
		--tls13)	phase1='phase1="tls_disable_tlsv1_3=0"' ;;
		--mac)		mac=$2; shift ;;
		--identity)	id=$2; shift ;;
		--)		shift; break ;;
		*)		echo "eap_ttls_run: $1: unknown option" >&2; return 64 ;;
		esac
		shift
	done
	conf=$(mktemp "$dir/run/ttls.XXXXXX.conf") || return
	printf '%s\n' 'network={' 'key_mgmt=WPA-EAP' "eap=$eap" 'eapol_flags=0' \
	    "anonymous_identity=$(_eapol_hex "$id")" "identity=$(_eapol_hex "$user")" \
	    "password=\"$password\"" "phase2=\"auth=$inner\"" \
	    "ca_cert=\"$dir/certs/ca.pem\"" "$phase1" '}' >"$conf"
	_eapol "$dir" "$conf" "$mac" "$@"
}
