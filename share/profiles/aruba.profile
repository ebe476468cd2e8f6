# Aruba mobility controllers (ArubaOS).
# Aruba, "ArubaOS User Guide: RFC 3576 / RFC 5176 server".  Current versions
# refuse a request with Acct-Session-Id in it.  Filter-Id carries the role, as
# PacketFence does (its Aruba.pm); Aruba-User-Role is the other way.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session NAS-IP-Address
session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth

action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
