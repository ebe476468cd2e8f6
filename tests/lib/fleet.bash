# shellcheck shell=bash disable=SC2034,SC2154
# The devices that the tests with FreeRADIUS know, and how they read what comes
# back.  $D is the server's directory, of radius.bash.

GOOD=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c001	# compliant
OTHER=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c002	# not compliant
LEAVING=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c003	# compliant, being wiped
STRANGER=5f1e0c1a-7a52-4f0e-9d43-2b6a51f5c0ff	# not in the store
GOOD_MAC=00:1b:2c:3d:4e:01
OTHER_MAC=00:1b:2c:3d:4e:02
LEAVING_MAC=00:1b:2c:3d:4e:03

# device ID NAME MAC STATE MANAGEMENT: the record of an answer about it.
device() {
	jq -nc --arg id "$1" --arg name "$2" --arg mac "$3" --arg state "$4" --arg m "$5" \
	    '{compliance: {state: $state, managed: true, matched_by: "guid", source: "graph",
	    checked: (now | todate), asked: [{by: "guid", value: $id}],
	    device: {id: $id, name: $name, wifi_mac: $mac, management_state: $m}}}'
}

# Into the store of $INTUNE_NAC_CONF.
store_fleet() {
	{
		device $GOOD LAPTOP-A $GOOD_MAC compliant managed
		device $OTHER LAPTOP-B $OTHER_MAC noncompliant managed
		device $LEAVING PHONE-C $LEAVING_MAC compliant wipePending
	} | nac-cache put >/dev/null
}

# last FILTER: of the journal's last line, by jq.
last() {
	tail -n 1 "$D/state/journal.ndjson" | jq -r "$1"
}

# vlan OUTPUT: the VLAN of an Accept in what eap_tls_run says, or "reject".
vlan() {
	case $1 in
	*packet=Access-Accept*) sed -n 's/^Tunnel-Private-Group-Id=//p' <<<"$1" ;;
	*packet=Access-Reject*) echo reject ;;
	*) echo "no answer" ;;
	esac
}

# refused OUTPUT: by EAP, without keys and without a VLAN.
refused() {
	assert_eq "$(vlan "$1")" reject
	assert_has "$1" "eap=Failure"
	assert_has "$1" "keys=no"
	refute_has "$1" "Tunnel-"
}
