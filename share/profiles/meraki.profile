# Cisco Meraki MR access points and MS switches.
# Cisco Meraki, "Change of Authorization with RADIUS (CoA)": reauthentication,
# disconnection and port bounce, by audit-session-id, Calling-Station-Id or both.
# NAS-Port, and a Disconnect for another VLAN, as PacketFence's modules for the MR
# and the MS do it.
code coa
port 1700
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required
session NAS-Port
session Cisco-AVPair "audit-session-id=%{audit_session_id}" code coa

action reauth
attribute Cisco-AVPair "subscriber:command=reauthenticate"
attribute Cisco-AVPair "subscriber:reauthenticate-type=last"
fallback disconnect

action disconnect code disconnect

# MS only.
action bounce
attribute Cisco-AVPair "subscriber:command=bounce-host-port"
fallback reauth

action vlan as disconnect
action role as reauth
action redirect as reauth
