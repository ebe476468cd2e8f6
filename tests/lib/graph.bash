# shellcheck shell=bash
# nginx in Intune's place for the benchmarks: a token, and static answers over TLS and
# HTTP/2 on loopback.
#
#	graph_start DIR [LINE ...]	LINEs of nginx.conf for its http block; sets port
#	graph_conf DIR [LINE ...]	nac.conf for it in DIR, and LINEs; exports INTUNE_NAC_CONF
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

graph_stop() {
	[ ! -s "$1/pid" ] || kill "$(cat "$1/pid")"
}
