# Aruba mobility controllers and access points (ArubaOS, Instant).
# Aruba, "ArubaOS User Guide: RFC 3576 / RFC 5176 server".  Current versions
# refuse a request with Acct-Session-Id in it; Instant also wants User-Name.
code disconnect
port 3799
mac hyphen
message-authenticator yes
event-timestamp yes

session NAS-IP-Address
session User-Name
session Calling-Station-Id required

action reauth
action disconnect
