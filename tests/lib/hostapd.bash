# shellcheck shell=bash
# A real NAS: hostapd with driver=wired on one end of a veth pair, and
# wpa_supplicant with EAP-TLS on the other, in a network of their own.  Needs
# radius.bash, and a FreeRADIUS started by it in the same network.
#
#	netns_start		sets NETNS, or NETNS_SKIP to the reason why not
#	hostapd_start DIR [LINE ...]
#	supplicant_start DIR NAME [LINE ...]
#	hostapd_session DIR	MAC and Acct-Session-Id of the authorized client
#	hostapd_stop DIR, netns_stop
#
# in_netns "$NETNS" COMMAND... runs whatever shall talk to them.

HOSTAPD_NAS_ID=switch-1

# The network: two wired ends and a loopback.  It is held by one sleeping
# process, NETNS, and goes away with the last process in it.
# shellcheck disable=SC2034 # NETNS_SKIP is for the caller
netns_start() {
	local map=()

	NETNS='' NETNS_SKIP=''
	[ "$(id -u)" -eq 0 ] || map=(-r)
	if ! unshare "${map[@]}" -n true 2>/dev/null; then
		NETNS_SKIP='needs root or unprivileged user namespaces for a network of its own'
		return 1
	fi
	unshare "${map[@]}" -n sleep 600 </dev/null >/dev/null 2>&1 3>&- &
	NETNS=$!
	# Until unshare has become sleep we would look at our own network.
	if ! wait_until 5 grep -qs '^sleep$' "/proc/$NETNS/comm" ||
	    ! in_netns "$NETNS" sh -c 'ip link set lo up &&
		ip link add nas0 type veth peer name client0 &&
		ip link set nas0 up && ip link set client0 up' 2>/dev/null; then
		netns_stop
		NETNS_SKIP='this machine lets nobody make a veth pair'
		return 1
	fi
}

netns_stop() {
	[ -z "$NETNS" ] || pid_stop "$NETNS"
	NETNS=''
}

# hostapd_start DIR [LINE ...]: hostapd on nas0, told to ask the FreeRADIUS of
# DIR and to take Disconnect-Requests from loopback; LINEs are added to its
# configuration.  hostapd_get tells its DAS_PORT.
hostapd_start() {
	local dir=$1 ctrl das pid netns NETNS_RUN

	shift
	netns=$(radius_get "$dir" NETNS) || return
	# A short path: a socket's name has at most 107 bytes.
	ctrl=$(mktemp -d /tmp/nas.XXXXXX) || return
	# The network is ours alone, so any port is free.
	das=3799
	printf '%s\n' interface=nas0 driver=wired "ctrl_interface=$ctrl/hostapd" \
	    ieee8021x=1 eap_reauth_period=0 own_ip_addr=127.0.0.1 \
	    "nas_identifier=$HOSTAPD_NAS_ID" \
	    "auth_server_addr=127.0.0.1" "auth_server_port=$(radius_get "$dir" AUTH_PORT)" \
	    "auth_server_shared_secret=$RADIUS_SECRET" \
	    "acct_server_addr=127.0.0.1" "acct_server_port=$(radius_get "$dir" ACCT_PORT)" \
	    "acct_server_shared_secret=$RADIUS_SECRET" \
	    "radius_das_port=$das" "radius_das_client=127.0.0.1 $RADIUS_SECRET" \
	    radius_das_require_event_timestamp=1 "$@" >"$dir/hostapd.conf"
	_netns "$netns"
	"${NETNS_RUN[@]}" /usr/sbin/hostapd -dd -t "$dir/hostapd.conf" \
	    </dev/null >"$dir/log/hostapd.log" 2>&1 3>&- &
	pid=$!
	printf '%s\n' "HOSTAPD_PID=$pid" "HOSTAPD_DAS_PORT=$das" "HOSTAPD_CTRL=$ctrl" >"$dir/hostapd.env"
	wait_until "$RADIUS_PATIENCE" _listens_or_gone "$pid" "$das" "$netns"
	udp_listens "$pid" "$das" "$netns" && return
	echo 'hostapd_start: hostapd did not start; its last words:' >&2
	tail -n 10 "$dir/log/hostapd.log" >&2
	return 1
}

# hostapd_get DIR NAME: one value of hostapd.env: PID, DAS_PORT, CTRL, CLIENT_PID.
hostapd_get() {
	sed -n "s/^HOSTAPD_$2=//p" "$1/hostapd.env"
}

# hostapd_cli_run DIR WORD...
hostapd_cli_run() {
	local ctrl

	ctrl=$(hostapd_get "$1" CTRL) || return
	shift
	/usr/sbin/hostapd_cli -p "$ctrl/hostapd" -i nas0 "$@"
}

# hostapd_session DIR: "MAC Acct-Session-Id" of the client that is authorized;
# 1 = nobody is.
hostapd_session() {
	hostapd_cli_run "$1" all_sta 2>/dev/null | awk '
	/^([0-9a-f][0-9a-f]:)+[0-9a-f][0-9a-f]$/ { mac = $0 }
	/^flags=.*\[AUTHORIZED\]/ { ok[mac] = 1 }
	/^dot1xAuthSessionId=/ { sub(/.*=/, ""); id[mac] = $0 }
	END {
		for (mac in ok)
			if (id[mac] != "") {
				print mac, id[mac]
				found = 1
			}
		exit !found
	}'
}

# supplicant_start DIR NAME [LINE ...]: logs in with the certificate NAME of
# pki_client, or as the LINEs of a network block say, and waits until hostapd has
# authorized the port.
supplicant_start() {
	local dir=$1 name=$2 pid netns NETNS_RUN

	shift 2
	[ $# -gt 0 ] || set -- eap=TLS "identity=\"host/$name.example.test\"" \
	    "client_cert=\"$dir/certs/$name.pem\"" "private_key=\"$dir/certs/$name.key\""
	netns=$(radius_get "$dir" NETNS) || return
	printf '%s\n' ap_scan=0 'network={' key_mgmt=IEEE8021X eapol_flags=0 \
	    "ca_cert=\"$dir/certs/ca.pem\"" "$@" '}' >"$dir/supplicant.conf"
	_netns "$netns"
	"${NETNS_RUN[@]}" /usr/sbin/wpa_supplicant -D wired -i client0 -c "$dir/supplicant.conf" \
	    </dev/null >"$dir/log/supplicant.log" 2>&1 3>&- &
	pid=$!
	echo "HOSTAPD_CLIENT_PID=$pid" >>"$dir/hostapd.env"
	wait_until "$RADIUS_PATIENCE" hostapd_session "$dir" >/dev/null && return
	echo 'supplicant_start: nobody was authorized; the last words:' >&2
	tail -n 10 "$dir/log/supplicant.log" "$dir/log/hostapd.log" >&2
	return 1
}

supplicant_stop() {
	local pid

	pid=$(hostapd_get "$1" CLIENT_PID)
	[ -z "$pid" ] || pid_stop "$pid"
	sed -i '/^HOSTAPD_CLIENT_PID=/d' "$1/hostapd.env"
}

hostapd_stop() {
	[ -f "$1/hostapd.env" ] || return 0
	supplicant_stop "$1"
	pid_stop "$(hostapd_get "$1" PID)"
	rm -rf "$(hostapd_get "$1" CTRL)" "$1/hostapd.env"
}
