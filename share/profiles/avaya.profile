# Avaya (Nortel) ERS switches: they want Event-Timestamp.
# As PacketFence's module for it does.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp yes

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth

action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
