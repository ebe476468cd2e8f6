# Aruba CX switches (ArubaOS-CX 10).
# HPE, "AOS-CX Security Guide 10.04: RADIUS dynamic authorization": a whole role
# can be changed, single attributes cannot, nor attributes into a role (NAK).
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session User-Name
session NAS-IP-Address
session Calling-Station-Id required
session NAS-Port

action reauth
action disconnect

action bounce code coa
attribute Aruba-Port-Bounce-Host 12
fallback reauth

action vlan as reauth

action role code coa
attribute Aruba-User-Role %{role}
fallback reauth

action redirect as reauth
