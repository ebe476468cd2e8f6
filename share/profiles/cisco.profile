# Cisco IOS and IOS XE switches, Catalyst wireless controllers, Meraki MS and MR.
# Cisco, "Catalyst 4500 Series Switch Software Configuration Guide, 15.0(2)SG",
# RADIUS Change of Authorization; Cisco Meraki, "Change of Authorization with
# RADIUS (CoA)".  The port is that of `aaa server radius dynamic-author' when it
# names none; `port 3799' on the NAS line changes it.
code coa
port 1700
mac hyphen
message-authenticator yes
event-timestamp yes

session NAS-IP-Address
session Calling-Station-Id
session Cisco-AVPair "audit-session-id=%{audit_session_id}"

action reauth
attribute Cisco-AVPair "subscriber:command=reauthenticate"
attribute Cisco-AVPair "subscriber:reauthenticate-type=last"

action disconnect code disconnect

action bounce
attribute Cisco-AVPair "subscriber:command=bounce-host-port"
