# hostapd 2.10, radius_das_* in hostapd.conf (wpa: src/radius/radius_das.c).
# It takes few attributes and answers any other with 401; the MAC alone names
# the session that is there now, also after a roam gave it a new Acct-Session-Id.
# A CoA-Request is answered with 402, so everything is a Disconnect-Request.
# radius_das_require_event_timestamp and _message_authenticator may both be set.
code disconnect
port 3799
mac hyphen
message-authenticator yes
event-timestamp yes

session Calling-Station-Id required

action reauth
action disconnect
action vlan as reauth
action role as reauth
action redirect as reauth
