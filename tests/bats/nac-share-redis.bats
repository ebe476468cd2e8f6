#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets stderr, and each test is a subshell
# Ways to Redis: TLS, ACL, Sentinel; and what stands in the way.

load test_helper
load lib_share

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Test CA' -keyout ca.key -out ca.pem
	for who in server client; do
		openssl req -newkey rsa:2048 -nodes -subj "/CN=$who" -keyout $who.key -out $who.csr
		openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out $who.pem \
		    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
	done
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=Other CA' -keyout other.key -out other.pem
} 2>/dev/null

setup() {
	dir=$BATS_TEST_TMPDIR
	pki=$BATS_FILE_TMPDIR
	extra=()
}

teardown() {
	for n in "${!share_pid[@]}"; do share_stop "$n"; done
	for n in "${extra[@]}"; do pid_stop "$n"; done
	redis_stop
}

# A port that is free now: others may take it in the meantime, hence tries.
port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

once() { nac-cache -c "$dir/c$1" share --once; }

# conf N LINE ...: server N's configuration
conf() {
	local n=$1
	shift
	mkdir -p "$dir/s$n"
	printf '%s\n' "state_dir = $dir/s$n" "share_name = radius$n" "$@" >"$dir/c$n"
}

@test "TLS, with and without a certificate of our own, and only to whom it is for" {
	p=$(port)
	redis_start --tls-port "$p" --tls-cert-file "$pki/server.pem" --tls-key-file "$pki/server.key" \
	    --tls-ca-cert-file "$pki/ca.pem" --tls-auth-clients optional
	conf 1 "share_url = rediss://127.0.0.1:$p" "share_ca_file = $pki/ca.pem"
	conf 2 "share_url = rediss://localhost:$p" "share_ca_file = $pki/ca.pem" \
	    "share_certificate_file = $pki/client.pem" "share_key_file = $pki/client.key"
	answers compliant 1 1200 | nac-cache -c "$dir/c1" put --quiet
	run -0 --separate-stderr once 1
	assert_eq "$stderr" ""
	run -0 --separate-stderr once 2
	is_same 1 2
	# Resident over TLS, too.
	share_start 1 2
	answers grace 7 7 | nac-cache -c "$dir/c2" put --quiet
	wait_until 10 is_at 1 7 grace
	share_stop 1 2
	conf 3 "share_url = rediss://127.0.0.1:$p" "share_ca_file = $pki/other.pem"
	run -69 --separate-stderr once 3
	assert_has "$stderr" "its certificate: "
	assert_one_line "$stderr"
	conf 3 "share_url = rediss://ip6-localhost:$p" "share_ca_file = $pki/ca.pem"
	run -69 --separate-stderr once 3
	conf 3 "share_url = rediss://127.0.0.1:$p" "share_ca_file = $dir/none.pem"
	run -78 --separate-stderr once 3
	assert_has "$stderr" "none.pem: cannot be used as CA"
	# TLS to a port that has none.
	conf 3 "share_url = rediss://127.0.0.1:$((p + 1 > 65535 ? 1 : p + 1))" "share_ca_file = $pki/ca.pem"
	run -69 --separate-stderr once 3
}

@test "an ACL user with its password; a wrong one, a readable file, a user without rights" {
	redis_start
	redis_cli acl setuser nac on '>secret-of-nac' '~nac:*' resetchannels -@all +@read +@write +@stream +@scripting +@connection +time +info >/dev/null
	redis_cli acl setuser idle on '>secret-of-nac' '~other:*' -@all +@connection >/dev/null
	redis_cli acl setuser admin on '>secret-of-admin' '~*' +@all >/dev/null
	redis_cli acl setuser default off >/dev/null
	printf 'secret-of-nac\n' >"$dir/password"
	printf 'secret-of-others\n' >"$dir/wrong"
	chmod 600 "$dir/password" "$dir/wrong"
	url="share_url = unix://$REDIS_DIR/r.sock"
	conf 1 "$url" 'share_user = nac' "share_password_file = $dir/password"
	answers compliant 1 3 | nac-cache -c "$dir/c1" put --quiet
	run -0 --separate-stderr once 1
	assert_eq "$stderr" ""
	run -0 --separate-stderr nac-cache -c "$dir/c1" due
	# INFO is but a look at how Redis is set: without it all goes on.
	redis-cli --user admin --pass secret-of-admin -s "$REDIS_DIR/r.sock" --no-auth-warning acl setuser nac -info >/dev/null
	answers grace 1 3 | nac-cache -c "$dir/c1" put --quiet
	run -0 --separate-stderr once 1
	assert_one_line "$stderr"
	assert_has "$stderr" "INFO: NOPERM"
	conf 2 "$url" 'share_user = nac' "share_password_file = $dir/wrong"
	run -77 --separate-stderr once 2
	assert_has "$stderr" "WRONGPASS"
	assert_one_line "$stderr"
	# The resident one ends as well: it would not mend by itself.
	run -77 --separate-stderr nac-cache -c "$dir/c2" share
	conf 2 "$url"
	run -77 --separate-stderr once 2
	assert_has "$stderr" "NOAUTH"
	conf 2 "$url" 'share_user = idle' "share_password_file = $dir/password"
	run -77 --separate-stderr once 2
	assert_has "$stderr" "NOPERM"
	chmod 644 "$dir/password"
	run -77 --separate-stderr once 1
	assert_has "$stderr" "$dir/password"
	refute_has "$stderr" secret-of
}

@test "what stands in nac.conf is checked, and a password in it is not shown" {
	for url in http://x redis:// redis://h:0 redis://h:70000 redis://[::1 unix://rel sentinel://h sentinel://h/ \
	    sentinel:///m redis://nac:hunter2@h; do
		conf 1 "share_url = $url"
		run -78 --separate-stderr nac-cache -c "$dir/c1" stats
		assert_has "$stderr" "share_url: "
		refute_has "$stderr" hunter2
		assert_one_line "$stderr"
	done
	conf 1 'share_url = redis://h' 'share_name = two words'
	run -78 --separate-stderr once 1
	conf 1 'share_url = redis://h' 'share_stream_max = 1'
	run -78 --separate-stderr once 1
	conf 1
	sed -i '/share/d' "$dir/c1"
	run -78 --separate-stderr once 1
	assert_has "$stderr" "there is no share_url"
}

@test "nobody there, and somebody who is not Redis" {
	conf 1 "share_url = unix://$dir/none.sock"
	run -69 --separate-stderr once 1
	assert_has "$stderr" "cannot connect"
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
while True:
	c = s.accept()[0]; c.recv(100); c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")' "$dir/web.sock" 3>&- &
	extra+=($!)
	wait_until 5 test -S "$dir/web.sock"
	conf 1 "share_url = unix://$dir/web.sock"
	run -69 --separate-stderr once 1
	assert_has "$stderr" "is not Redis"
}

@test "two servers with the same name are told of it" {
	redis_start
	server_make 1
	server_make 2
	sed -i 's/radius2/radius1/' "$dir/c2"
	share_start 1
	wait_until 10 redis_counts exists nac:alive:radius1 1
	run -75 --separate-stderr nac-cache -c "$dir/c2" share
	assert_has "$stderr" 'another store calls itself "radius1"'
}

@test "Sentinel: another server becomes the master, and nothing is lost or told twice" {
	m=$(port) r=$(port) s=$(port)
	redis_start --port "$m" --bind 127.0.0.1
	mkdir "$dir/replica" "$dir/sentinel"
	redis-server --port "$r" --bind 127.0.0.1 --replicaof "127.0.0.1 $m" --save '' --dir "$dir/replica" \
	    --repl-diskless-sync-delay 0 </dev/null >"$dir/replica/log" 2>&1 3>&- &
	extra+=($!)
	printf '%s\n' "port $s" "bind 127.0.0.1" "dir $dir/sentinel" "sentinel monitor nacmaster 127.0.0.1 $m 1" \
	    "sentinel down-after-milliseconds nacmaster 500" "sentinel failover-timeout nacmaster 3000" >"$dir/sentinel.conf"
	redis-sentinel "$dir/sentinel.conf" </dev/null >"$dir/sentinel/log" 2>&1 3>&- &
	extra+=($!)
	wait_until 15 eval "redis-cli -p $s sentinel replicas nacmaster 2>/dev/null | grep -q $r"
	wait_until 10 eval "redis-cli -p $r role 2>/dev/null | grep -q '^connected'"
	for n in 1 2; do conf $n "share_url = sentinel://127.0.0.1:1,127.0.0.1:$s/nacmaster"; done
	answers compliant 1 10 | nac-cache -c "$dir/c1" put --quiet
	share_start 1 2
	same_stores 1 2
	wait_until 10 eval "[ \"\$(redis-cli -p $r xlen nac:log)\" = 11 ]"
	redis_kill
	answers noncompliant 1 5 | nac-cache -c "$dir/c2" put --quiet
	wait_until 25 eval "[ \"\$(redis-cli -p $r role | head -n 1)\" = master ]"
	same_stores 1 2
	assert_eq "$(redis-cli -p "$r" xlen nac:log)" 16
	assert_has "$(cat "$dir/err1")" "is back after"
	conf 3 "share_url = sentinel://127.0.0.1:$s/other"
	run -69 --separate-stderr once 3
	assert_one_line "$stderr"
}

is_master() { [ "$(redis-cli "${tls[@]}" -p "$1" role 2>/dev/null | head -n 1)" = master ]; }
has_replica() { redis-cli "${tls[@]}" -a sentinel-secret --no-auth-warning -p "$1" sentinel replicas nacmaster 2>/dev/null | grep -q "$2"; }
is_linked() { redis-cli "${tls[@]}" -p "$1" role 2>/dev/null | grep -q '^connected'; }

@test "Sentinel over TLS, with passwords; a failover that loses what was written last" {
	local tls_of=(--tls-cert-file "$pki/server.pem" --tls-key-file "$pki/server.key" --tls-ca-cert-file "$pki/ca.pem"
		--tls-auth-clients no --tls-replication yes)
	tls=(--tls --cacert "$pki/ca.pem")
	export REDISCLI_AUTH=redis-secret
	m=$(port) r=$(port) s=$(port)
	redis_start --tls-port "$m" --bind 127.0.0.1 "${tls_of[@]}" --requirepass redis-secret --masterauth redis-secret
	mkdir "$dir/replica" "$dir/sentinel"
	redis-server --port 0 --tls-port "$r" --bind 127.0.0.1 "${tls_of[@]}" --requirepass redis-secret --masterauth redis-secret \
	    --replicaof "127.0.0.1 $m" --save '' --dir "$dir/replica" --repl-diskless-sync-delay 0 </dev/null >"$dir/replica/log" 2>&1 3>&- &
	replica=$!
	extra+=("$replica")
	printf '%s\n' "port 0" "tls-port $s" "bind 127.0.0.1" "dir $dir/sentinel" "requirepass sentinel-secret" \
	    "tls-cert-file $pki/server.pem" "tls-key-file $pki/server.key" "tls-ca-cert-file $pki/ca.pem" \
	    "tls-auth-clients no" "tls-replication yes" "sentinel monitor nacmaster 127.0.0.1 $m 1" \
	    "sentinel auth-pass nacmaster redis-secret" "sentinel down-after-milliseconds nacmaster 1000" \
	    "sentinel failover-timeout nacmaster 3000" >"$dir/sentinel.conf"
	redis-sentinel "$dir/sentinel.conf" </dev/null >"$dir/sentinel/log" 2>&1 3>&- &
	extra+=($!)
	wait_until 20 has_replica "$s" "$r"
	wait_until 10 is_linked "$r"
	printf 'redis-secret\n' >"$dir/password"
	printf 'sentinel-secret\n' >"$dir/sentinel.password"
	printf 'another\n' >"$dir/wrong"
	chmod 600 "$dir/password" "$dir/sentinel.password" "$dir/wrong"
	url="share_url = sentinels://127.0.0.1:$s/nacmaster"
	for n in 1 2 3; do
		conf $n "$url" "share_ca_file = $pki/ca.pem" "share_password_file = $dir/password" \
		    "share_sentinel_password_file = $dir/sentinel.password"
	done
	conf 4 "$url" "share_ca_file = $pki/ca.pem" "share_password_file = $dir/password" "share_sentinel_password_file = $dir/wrong"
	run --separate-stderr once 4
	[ "$status" -eq 77 ] || [ "$status" -eq 69 ]
	assert_one_line "$stderr"
	refute_has "$stderr" another
	answers compliant 1 10 | nac-cache -c "$dir/c1" put --quiet
	share_start 1 2
	same_stores 1 2
	wait_until 10 eval "[ \"\$(redis-cli ${tls[*]} -p $r xlen nac:log)\" = 11 ]"
	# From here on the replica hears nothing any more.
	kill -STOP $replica
	redis_cli client kill type replica >/dev/null
	answers noncompliant 1 5 | nac-cache -c "$dir/c1" put --quiet
	same_stores 1 2
	assert_eq "$(redis_cli xlen nac:log)" 16
	redis_kill
	kill -CONT $replica
	wait_until 40 is_master "$r"
	wait_until 30 said 1 "has lost what it was told last"
	# A server that comes only now gets all of it.
	share_start 3
	same_stores 1 2 3
	assert_eq "$(state_at 3 5)" noncompliant
}

@test "Redis has come back with an older state of itself: what is missing is told again" {
	redis_start
	for n in 1 2 3; do server_make $n; done
	answers compliant 1 8 | nac-cache -c "$dir/c1" put --quiet
	share_start 1 2
	same_stores 1 2
	redis_cli save >/dev/null
	answers noncompliant 1 3 | nac-cache -c "$dir/c1" put --quiet
	answers grace 4 6 | nac-cache -c "$dir/c2" put --quiet
	wait_until 10 is_at 2 3 noncompliant
	wait_until 10 is_at 1 4 grace
	redis_kill
	redis_start
	wait_until 30 said 1 "has lost what it was told last"
	wait_until 30 said 2 "has lost what it was told last"
	share_start 3
	same_stores 1 2 3
	assert_eq "$(state_at 3 3) $(state_at 3 4) $(state_at 3 8)" "noncompliant grace compliant"
	# It is said once, and not with each look.
	sleep 11
	assert_eq "$(grep -c 'has lost' "$dir/err1")" 1
}

holds() { [ "$(redis_cli hlen nac:dev)" = "$1" ] && [ "$(redis_cli hlen nac:client)" = "$2" ]; }

@test "Redis may evict keys: one line says so, and what to set" {
	redis_start --maxmemory 100mb --maxmemory-policy allkeys-lru
	server_make 1
	answers compliant 1 3 | nac-cache -c "$dir/c1" put --quiet
	run -0 --separate-stderr once 1
	assert_eq "$stderr" "nac-cache: unix://$REDIS_DIR/r.sock: maxmemory-policy allkeys-lru lets Redis evict what is shared: set maxmemory-policy noeviction"
	redis_cli config set maxmemory 0 >/dev/null
	run -0 --separate-stderr once 1
	assert_eq "$stderr" ""
	redis_cli config set maxmemory 100mb maxmemory-policy noeviction >/dev/null
	run -0 --separate-stderr once 1
	assert_eq "$stderr" ""
}

# All that may be evicted is.
evict() {
	redis_cli config set maxmemory-policy "$1" maxmemory 1 >/dev/null
	redis_cli set some word >/dev/null 2>&1 || :
	redis_cli config set maxmemory 0 >/dev/null
}

@test "Redis has evicted what was shared: it is told again, and who joins gets all of it" {
	redis_start
	for n in 1 2 3 4 5; do server_make $n; done
	answers compliant 1 300 | nac-cache -c "$dir/c1" put --quiet
	visit 1 LAPTOP-1 1 >/dev/null
	once 1
	once 2
	holds 300 1
	# The devices alone, and a word of others'.
	redis_cli expire nac:dev 100000 >/dev/null
	redis_cli set other word ex 100000 >/dev/null
	redis_cli del nac:alive:radius1 nac:alive:radius2 >/dev/null
	evict volatile-ttl
	holds 0 1
	# What is told next does not hide it.
	redis_cli config resetstat >/dev/null
	for n in 3 5; do
		run -0 --separate-stderr once $n
		assert_eq "$stderr" "nac-cache: unix://$REDIS_DIR/r.sock: lacks 300 entries that no server has told again yet"
	done
	run -0 --separate-stderr once 2
	assert_eq "$stderr" "nac-cache: unix://$REDIS_DIR/r.sock: has lost 300 entries: everything is told again"
	holds 300 1
	run -0 --separate-stderr once 4
	assert_eq "$stderr" ""
	is_same 1 4
	run -0 once 3
	is_same 1 3
	# All of it, then.
	evict allkeys-random
	holds 0 0
	run -0 --separate-stderr once 4
	assert_has "$stderr" "what was shared is gone: everything is told again"
	holds 300 1
}

@test "the number of keys evicted is said, and a lost count or client is noticed as well" {
	redis_start
	for n in 1 2; do server_make $n; done
	answers compliant 1 20 | nac-cache -c "$dir/c1" put --quiet
	visit 1 LAPTOP-1 1 >/dev/null
	once 1
	redis_cli expire nac:client 100000 >/dev/null
	redis_cli del nac:alive:radius1 >/dev/null
	evict volatile-ttl
	holds 20 0
	run -0 --separate-stderr once 1
	assert_eq "$stderr" "nac-cache: unix://$REDIS_DIR/r.sock: has lost 1 entry (Redis has evicted 1 key): everything is told again"
	holds 20 1
	redis_cli hdel nac:dev "$(redis_cli hkeys nac:dev | head -n 1)" >/dev/null
	redis_cli del nac:whole >/dev/null
	run -0 --separate-stderr once 1
	assert_has "$stderr" "has lost its count of the entries (Redis"
	once 2
	is_same 1 2
	# Told again, an entry that is there is no change.
	n=$(redis_cli xlen nac:log)
	redis_cli del nac:whole >/dev/null
	once 2
	assert_eq "$(redis_cli xlen nac:log)" "$n"
}

@test "while share runs, a lost key is noticed, told again by whoever has it, and said once" {
	redis_start
	for n in 1 2 3; do server_make $n; done
	answers compliant 1 300 "$(date -u -d '-1 min' +%Y-%m-%dT%H:%M:%SZ)" | nac-cache -c "$dir/c1" put --quiet
	share_start 1 2
	same_stores 1 2
	share_stop 1
	redis_cli del nac:dev >/dev/null
	# A change at once does not hide it.
	answers grace 7 7 | nac-cache -c "$dir/c2" put --quiet
	wait_until 30 said 2 "has lost 300 entries: everything is told again"
	wait_until 10 holds 300 0
	share_start 3
	same_stores 2 3
	# Who was away then tells, too, and nothing is new by that.
	n=$(redis_cli xlen nac:log)
	share_start 1
	wait_until 10 said 1 "has lost 300 entries"
	same_stores 1 2 3
	assert_eq "$(redis_cli xlen nac:log)" "$n"
	assert_eq "$(cat "$dir"/err? | wc -l)" 2
}

@test "an older state of Redis is noticed, too, when who told it last is gone for good" {
	local behind state=noncompliant
	redis_start
	for n in 1 2 3; do server_make $n; done
	answers compliant 1 8 "$(date -u -d '-1 min' +%Y-%m-%dT%H:%M:%SZ)" | nac-cache -c "$dir/c1" put --quiet
	once 1
	once 2
	for behind in '' more; do
		redis_cli save >/dev/null
		answers $state 1 3 "$(date -u -d "-$((${#state} * 2)) sec" +%Y-%m-%dT%H:%M:%SZ)" |
			nac-cache -c "$dir/c1" put --quiet
		once 1
		once 2
		assert_eq "$(state_at 2 3)" $state
		redis_kill
		redis_start
		# Behind what is gone there is something new by then.
		[ -z "$behind" ] || redis_cli xadd nac:log '*' o '' >/dev/null
		run -0 --separate-stderr once 2
		assert_has "$stderr" "has lost what it was told last: everything is told again"
		run -0 --separate-stderr once 2
		assert_eq "$stderr" ""
		once 3
		is_same 2 3
		assert_eq "$(state_at 3 3)" $state
		state=grace
	done
}

@test "the work alone is gone from Redis, or the list of what was offered: it is offered again" {
	redis_start
	server_make 1
	server_make 2
	for n in 1 2 3; do visit 1 "LAPTOP-$n" $n >/dev/null; done
	assert_eq "$(nac-cache -c "$dir/c1" due | wc -l)" 3
	redis_cli expire nac:work 100000 >/dev/null
	evict volatile-ttl
	assert_eq "$(redis_cli exists nac:work nac:offered)" 1
	assert_eq "$(nac-cache -c "$dir/c1" due | wc -l)" 3
	redis_cli del nac:offered >/dev/null
	assert_eq "$(nac-cache -c "$dir/c1" due | jq -r .identity.name[0].value | sort -u | wc -l)" 3
	# What is under way is offered once.
	assert_eq "$(redis_cli hlen nac:offered)" 3
}
