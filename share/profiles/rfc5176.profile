# Any NAS that follows RFC 5176: "Dynamic Authorization Extensions to RADIUS".
# A Disconnect-Request ends the session; the client comes back and is decided anew.
# Section 3 names the attributes; each one sent must match, so Calling-Station-Id
# goes back exactly as the NAS wrote it.  VLAN as in RFC 3580, section 3.31.
code disconnect
port 3799
mac as-received
message-authenticator yes
event-timestamp yes

session NAS-IP-Address
session NAS-IPv6-Address
session User-Name
session Calling-Station-Id
session Acct-Session-Id

action reauth
action disconnect

action vlan code coa
attribute Tunnel-Type VLAN
attribute Tunnel-Medium-Type IEEE-802
attribute Tunnel-Private-Group-Id %{vlan}
fallback reauth

action role code coa
attribute Filter-Id %{role}
fallback reauth

action redirect as reauth
