# Cisco wireless LAN controllers with AireOS.
# The attributes are those that PacketFence sends (its Cisco/WLC.pm): CoA to 1700
# for a role; Disconnect for another VLAN, without the audit-session-id.  It sends
# that one to 3799, but some versions do not listen there at all, so all go to 1700.
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

action vlan as disconnect
action role as reauth
action redirect as reauth
