# Dell EMC N series (N1500, N2000, N3000).
# Dell, "Networking N-Series User's Configuration Guide: RADIUS Change of
# Authorization": the bounce is Cisco's.  A wrong key is at first answered by a NAK
# that is signed with a key of its own, which counts as no answer here.
code disconnect
port 3799
mac hyphen
message-authenticator no
event-timestamp no

session Calling-Station-Id required

action reauth
action disconnect

action bounce code coa
attribute Cisco-AVPair "subscriber:command=bounce-host-port"
fallback reauth

action vlan as reauth
action role as reauth
action redirect as reauth
