# Cisco Meraki MR access points and MS switches.
# Cisco Meraki, "Change of Authorization with RADIUS (CoA)": reauthentication,
# disconnection and port bounce, by audit-session-id, Calling-Station-Id or both.
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
fallback disconnect

action disconnect code disconnect

# MS only.
action bounce
attribute Cisco-AVPair "subscriber:command=bounce-host-port"
fallback reauth

action vlan as reauth
action role as reauth
action redirect as reauth
