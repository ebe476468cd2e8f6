# shellcheck shell=bash
# nginx in Intune's place for benchmarks and tests of the wire: a token, and static answers over TLS and
# HTTP/2 on loopback.
#
#	graph_start DIR [LINE ...]	LINEs of nginx.conf for its http block; sets port
#	graph_conf DIR [LINE ...]	nac.conf for it in DIR, and LINEs; exports INTUNE_NAC_CONF
#	graph_devices DIR N SINGLE	N devices, in pages, and SINGLE of them by their ids
#	graph_stop DIR
#
# What DIR/www holds is served.  Both return 1 after a word on standard error.

graph_start() {
	local dir=$1

	shift
	port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/ca.pem" -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null ||
		{ echo 'no certificate' >&2; return 1; }
	mkdir -p "$dir/www" "$dir/tmp"
	# Its workers must be able to read what is ours.
	[ "$(id -u)" -ne 0 ] || echo 'user root;' >"$dir/nginx.conf"
	cat >>"$dir/nginx.conf" <<-N
		pid $dir/pid; error_log $dir/error.log; worker_processes 1;
		events { worker_connections 1024; }
		http {
			sendfile on; default_type application/json; types { } keepalive_requests 1000000;
			$(printf '%s\n' "$@")
			client_body_temp_path $dir/tmp/b; proxy_temp_path $dir/tmp/p;
			fastcgi_temp_path $dir/tmp/f; uwsgi_temp_path $dir/tmp/u; scgi_temp_path $dir/tmp/s;
			server {
				listen 127.0.0.1:$port ssl http2;
				ssl_certificate $dir/ca.pem; ssl_certificate_key $dir/key.pem;
				root $dir/www;
				location = /v1.0/deviceManagement/managedDevices { rewrite ^ /pages/0.json last; }
				location ~ /oauth2/v2.0/token\$ { return 200
					'{"token_type":"Bearer","expires_in":3599,"access_token":"bench.bench.bench"}'; }
			}
		}
	N
	nginx -e "$dir/error.log" -c "$dir/nginx.conf" 2>/dev/null ||
		{ echo "nginx does not start: $(tail -n 1 "$dir/error.log")" >&2; return 1; }
}

graph_conf() {
	local dir=$1

	shift
	echo bench >"$dir/secret"
	cat >"$dir/nac.conf" <<-C
		tenant = 5d1f7c1e-90a4-4a55-8f0e-2f6b1c3d4e5f
		client_id = 0c9b8a7d-6e5f-4d3c-9b2a-1f0e9d8c7b6a
		client_secret_file = $dir/secret
		authority = localhost:$port
		graph = localhost:$port
		ca_file = $dir/ca.pem
		token_dir = $dir/tokens
		$(printf '%s\n' "$@")
	C
	chmod 600 "$dir/secret" "$dir/nac.conf"
	export INTUNE_NAC_CONF=$dir/nac.conf
}

# What Graph would send for our $select, a thousand in a page, and the first SINGLE of
# them by their ids, which DIR/ids gets.
graph_devices() {
	rm -rf "$1/www"
	# shellcheck disable=SC2154 # graph_start sets port
	python3 - "$1/www" "https://localhost:$port" "$2" "$3" <<'P'
import json, os, sys
out, base, n, single = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
path = "/v1.0/deviceManagement/managedDevices"
states = ["compliant"] * 8 + ["noncompliant", "inGracePeriod"]
def device(i):
    return {"id": "%08x-0000-4000-8000-%012x" % (i * 2654435761 % 2**32, i),
        "azureADDeviceId": "%08x-1111-4000-8000-%012x" % (i * 40503 % 2**32, i),
        "deviceName": "LAPTOP-%06d" % i, "serialNumber": "SN%08X" % (i * 7919),
        "operatingSystem": "Windows", "osVersion": "10.0.22631.%d" % (i % 5000),
        "complianceState": states[i % 10],
        "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
        "managementState": "managed", "managedDeviceOwnerType": "company",
        "userPrincipalName": "user%d@example.com" % i, "model": "Latitude 7440",
        "manufacturer": "Dell Inc.", "jailBroken": "Unknown", "isEncrypted": True,
        "lastSyncDateTime": "2026-11-20T%02d:%02d:%02d.1234567Z" % (i % 24, i % 60, i % 59),
        "enrolledDateTime": "2025-03-01T08:00:00Z", "wiFiMacAddress": "00AA%08X" % i,
        "ethernetMacAddress": None}
os.makedirs(out + "/pages")
os.makedirs(out + path)
for k, first in enumerate(range(0, n, 1000)):
    last = min(first + 1000, n)
    page = {"@odata.context": base + "/v1.0/$metadata#deviceManagement/managedDevices",
            "@odata.count": last - first}
    if last < n:
        page["@odata.nextLink"] = "%s/pages/%d.json" % (base, k + 1)
    page["value"] = [device(i) for i in range(first, last)]
    with open("%s/pages/%d.json" % (out, k), "w") as f:
        json.dump(page, f, separators=(",", ":"))
with open(out + "/../ids", "w") as ids:
    for i in range(single):
        d = device(i)
        ids.write(d["id"] + "\n")
        with open(out + path + "/" + d["id"], "w") as f:
            json.dump(d, f, separators=(",", ":"))
P
}

graph_stop() {
	[ ! -s "$1/pid" ] || kill "$(cat "$1/pid")"
}
