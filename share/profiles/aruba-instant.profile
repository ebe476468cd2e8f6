# Aruba Instant access points: as the controllers, and they want User-Name.
# PacketFence's module for Instant sends the MAC there.
# Unverified: whether a session of EAP wants its own User-Name instead; then make
# it `session User-Name' in a copy of this file.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session User-Name %{calling}
session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth

action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
