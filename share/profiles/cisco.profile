# Cisco IOS and IOS XE switches, Catalyst 9800 wireless controllers.
# Cisco, "Catalyst 4500 Series Switch Software Configuration Guide, 15.0(2)SG",
# RADIUS Change of Authorization.  The attributes are those that PacketFence sends
# (its Cisco_IOS_15_0.pm), Acct-Terminate-Cause among them.  The port is that of `aaa server radius
# dynamic-author' when it names none; `port 3799' on the NAS line changes it.
# A VLAN or a role comes with the Access-Accept of the new authentication.
code coa
port 1700
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required
session Acct-Terminate-Cause Admin-Reset code coa

action reauth
attribute Cisco-AVPair "subscriber:command=reauthenticate"
attribute Cisco-AVPair "subscriber:reauthenticate-type=last"
fallback disconnect

action disconnect code disconnect

action bounce
attribute Cisco-AVPair "subscriber:command=bounce-host-port"
fallback reauth

action vlan as reauth
action role as reauth

# Unverified: pushed by CoA; the same pairs in an Access-Accept are documented.
# The access list must be on the switch under this name.
action redirect
attribute Cisco-AVPair "url-redirect-acl=NAC-REDIRECT"
attribute Cisco-AVPair "url-redirect=%{redirect}"
fallback reauth
