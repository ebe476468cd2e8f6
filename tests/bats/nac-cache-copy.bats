#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# nac-cache check, export, import, diff and backup: the store as a whole.

load test_helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	printf 'state_dir = %s/state\n' "$PWD" >conf
	chmod 600 conf
	export INTUNE_NAC_CONF=$PWD/conf
	mkdir state
}

# device N STATE TIME [JQ]
device() {
	jq -cn --arg n "$1" --arg state "$2" --arg t "2026-11-20T10:00:$3Z" '{compliance:{state:$state,
		matched_by:"guid",id_space:"intune",source:"graph",checked:$t,
		device:{id:("5f1e0c1a-7a52-4f0e-9d43-00000000000"+$n),name:("LAPTOP-"+$n),
		wifi_mac:("00:1b:2c:3d:4e:0"+$n),os:"Windows",last_sync:$t}}} | '"${4:-.}"
}

# login N: a line of the journal
login() {
	jq -cn --arg n "$1" --arg t "$(date -u +%Y-%m-%dT%H:%M:%SZ)" '{journal:1,identity:{name:[{value:("LAPTOP-"+$n),found:"cn"}]},
		session:{seen:$t,user:("host/é"+$n),calling:("00-1B-2C-3D-4E-0"+$n),nas_ip:"192.0.2.1"},
		compliance:{state:"pending"},decision:{action:"allow",vlan:"9",state:"pending"},x:[1.5,"é",{"b":1,"a":2}]}' >>state/journal.ndjson
}

# colliding: 1500 answers of few devices with few names, in any order
colliding() {
	LC_ALL=C awk 'function pick(n) { return int(rand() * n) + 1 }
	BEGIN {
		srand(6)
		split("compliant noncompliant grace unregistered ambiguous unknown", state, " ")
		split("guid name mac none", by, " ")
		for (i = 0; i < 1500; i++) {
			s = state[pick(6)]
			n = pick(12)
			k = pick(3)
			v = k == 1 ? sprintf("%s0000000-0000-4000-8000-%012d", rand() < .5 ? "e" : "a", n) : \
			    k == 2 ? "laptop-" n : sprintf("00:1b:2c:00:00:%02x", n)
			t = sprintf("2026-11-20T%02d:%02d:%02dZ", pick(3), pick(59), pick(59))
			printf "{\"compliance\":{\"state\":\"%s\",\"matched_by\":\"%s\",\"source\":\"%s\",\"checked\":\"%s\",\"asked\":[{\"by\":\"%s\",\"value\":\"%s\"}]", s, by[rand() < .6 ? k : 4], rand() < .3 ? "nac2" : "graph", t, by[k], v
			if (s != "unregistered" && s != "ambiguous") {
				printf ",\"device\":{\"id\":\"a0000000-0000-4000-8000-%012d\",\"entra_id\":\"e0000000-0000-4000-8000-%012d\",\"encrypted\":%s", pick(12), pick(12), rand() < .5 ? "true" : "false"
				if (rand() < .9) printf ",\"name\":\"Laptop-%d\"", pick(12)
				if (rand() < .9) printf ",\"wifi_mac\":\"00:1b:2c:00:00:%02x\"", pick(12)
				printf ",\"user\":\"\303\251\\\"\\u0001\",\"last_sync\":\"%s\"}", rand() < .2 ? "0001-01-01T00:00:00Z" : t
			}
			print "}}"
		}
	}'
}

@test "a clean store says how many were checked" {
	{ device 1 compliant 00; device 2 grace 00; } | nac-cache put -q
	login 1
	nac-cache due >/dev/null
	run -0 --separate-stderr nac-cache check
	assert_eq "$output" '{"checked":{"devices":2,"others":0,"keys":4,"clients":1,"cursors":1},"faults":0}'
	assert_eq "$stderr" ""
}

@test "each fault is one line, and makes 1" {
	command -v mdb_dump >/dev/null || skip "mdb_dump is not installed (Debian: lmdb-utils)"
	{ device 1 compliant 00; device 2 grace 00; } | nac-cache put -q
	login 1
	nac-cache due >/dev/null
	# Name and MAC of device 1 exchanged for others, and the client's JSON cut.
	mdb_dump -a state >dump
	sed -e 's/^ 6e3a6c6170746f702d31$/ 6e3a6c6170746f702d39/' -e 's/^ 6d3a001b2c3d4e01$/ 6d3a001b2c3d4e09/' \
		-e 's/^ 30303a31623a32633a33643a34653a3031$/ 30303a31623a32633a33643a34653a3033/' dump >bad
	run -1 cmp -s dump bad
	mkdir broken
	mdb_load -f bad broken
	run -1 --separate-stderr nac-cache -d broken check
	assert_eq "$(json_get "$output" .faults)" 4
	assert_eq "$stderr" 'nac-cache: "i:5f1e0c1a-7a52-4f0e-9d43-000000000001" is not found by its keys: the first is lost
nac-cache: "m:00:1b:2c:3d:4e:09" leads to a device that does not have it
nac-cache: "n:laptop-9" leads to a device that does not have it
nac-cache: client "00:1b:2c:3d:4e:03" is filed under a key that is not its own'
}

@test "the export of an import is the same, byte for byte, after any history" {
	colliding | nac-cache put -q
	# Another device has the name now, and Intune, asked for it, says so.
	device 8 compliant 10 '.compliance.device.name="ghost"' | nac-cache put -q
	device 9 compliant 20 '.compliance.device.name="ghost"|.compliance.asked=[{by:"name",value:"ghost"}]|.compliance.matched_by="name"' | nac-cache put -q
	assert_eq "$(nac-cache get ghost | jq -r .compliance.device.id)" 5f1e0c1a-7a52-4f0e-9d43-000000000009
	# Found by the address of its dock, and in the same second by its own id, with another answer.
	device 7 compliant 30 '.compliance.matched_by="mac"|.compliance.asked=[{by:"mac",value:"00:1b:2c:3d:4e:77"}]' | nac-cache put -q
	device 7 noncompliant 30 | nac-cache put -q
	for n in 1 2 3; do login $n; done
	nac-cache due >/dev/null
	nac-cache check
	nac-cache export >a
	# Keys that were refuted are among them, and what text cannot say.
	grep -q '"void":' a
	assert_eq "$(head -1 a)" '{"intune-nac":"export","version":1}'
	assert_eq "$(tail -1 a | jq -c .end)" "$(jq -cs '{answers:(map(select(.compliance))|length),clients:3}' a)"
	run -0 nac-cache -d other import <a
	nac-cache -d other export >b
	cmp a b
	nac-cache -d other check
	# All is found as before, and folding the same journal adds nothing.
	for k in ghost laptop-{1..12} a0000000-0000-4000-8000-00000000000{1..9} 00:1b:2c:00:00:0{1..9}; do
		assert_eq "$(nac-cache get "$k" | jq -c 'del(.compliance.age)')" "$(nac-cache -d other get "$k" | jq -c 'del(.compliance.age)')"
	done
	nac-cache -d other -j state/journal.ndjson due >/dev/null
	nac-cache -d other export | cmp - a
	# A second time changes nothing.
	run -0 nac-cache -d other import -q <a
	assert_eq "$output" ""
	nac-cache -d other export | cmp - a
}

@test "import into a store in use: the newer answer wins, of devices and of clients" {
	{ device 1 compliant 10; device 2 compliant 10; } | nac-cache put -q
	nac-cache export >old
	{ device 1 noncompliant 20; device 3 grace 10; } | nac-cache -d other put -q
	run -0 nac-cache -d other import <old
	assert_eq "$output" '{"imported":{"answers":1,"clients":0,"not_newer":1}}'
	assert_eq "$(nac-cache -d other get LAPTOP-{1,2,3} | jq -r .compliance.state | tr '\n' ' ')" "noncompliant compliant grace "
	nac-cache -d other check
}

@test "import: what is no export, is cut short or of another version is told of" {
	device 1 compliant 10 | nac-cache put -q
	nac-cache export >a
	run -65 --separate-stderr nac-cache -d b import < <(sed 1d a)
	assert_eq "$stderr" "nac-cache: <stdin>:1: is no export of nac-cache"
	assert_eq "$output" '{"imported":{"answers":0,"clients":0,"not_newer":0}}'
	run -65 --separate-stderr nac-cache -d b import < <(sed 's/"version":1/"version":2/' a)
	assert_has "$stderr" "is an export of version 2, and this program knows only 1"
	run -65 --separate-stderr nac-cache -d b import < <(sed '$d' a)
	assert_has "$stderr" "cut short"
	run -65 --separate-stderr nac-cache -d c import < <(sed '1a{"compliance":7}\n{"client":""}\n[]\n{"compliance":{"state":"grace","checked":"2026-01-01T00:00:00Z"},"packed":"zz"}' a)
	assert_eq "$(wc -l <<<"$stderr")" 4
	assert_has "$stderr" "<stdin>:5: packed: "
	assert_eq "$(nac-cache -d c get LAPTOP-1 | jq -r .compliance.state)" compliant
	run -65 --separate-stderr nac-cache -d d import </dev/null
	assert_one_line "$stderr"
}

@test "diff prints what has changed, come and gone, with what it was" {
	{ device 1 compliant 10; device 2 compliant 10; device 3 grace 10; device 4 grace 10; } | nac-cache put -q
	nac-cache export >a
	{ device 1 compliant 20; device 2 noncompliant 20; device 3 grace 20 '.compliance.device.name="NEW"'
		device 5 unknown 10; } | nac-cache put -q
	nac-cache export | grep -v 000000000004 >b
	sed -i '$d' b
	n=$(($(wc -l <b) - 1))
	echo '{"end":{"answers":'$n',"clients":0}}' >>b
	# No store is needed.
	run -1 --separate-stderr nac-cache -d nowhere diff a b
	assert_eq "$stderr" ""
	assert_eq "$(jq -r '[.compliance.device.name//"-",.was.state//"new",.compliance.state]|join(" ")' <<<"$output")" \
		"LAPTOP-2 compliant noncompliant
NEW grace grace
- grace pending
LAPTOP-5 new unknown"
	assert_eq "$(jq -r 'select(.compliance.state=="pending").identity.name[0].value' <<<"$output")" LAPTOP-4
	run -0 --separate-stderr nac-cache diff a a
	assert_eq "$output" ""
	run -66 --separate-stderr nac-cache diff a none
	assert_eq "$stderr" "nac-cache: none: No such file or directory"
	run -65 --separate-stderr nac-cache diff a <(tac b | sed '1d;$d' | cat <(head -1 b) -)
	assert_has "$stderr" "is not in order"
	run -64 nac-cache diff a
}

@test "backup: a copy that is whole, while others write; restored by a rename" {
	{ device 1 compliant 10; device 2 grace 10; } | nac-cache put -q
	colliding >many
	for _ in 1 2 3; do cat many; done | nac-cache put >/dev/null &
	writer=$!
	for _ in 1 2 3; do
		run -0 --separate-stderr nac-cache backup copy
		assert_eq "$output$stderr" ""
		nac-cache -d copy check
		nac-cache get LAPTOP-1 >/dev/null
	done
	wait $writer
	assert_eq "$(stat -c %a copy/data.mdb) $(ls copy)" "640 data.mdb
lock.mdb"
	nac-cache backup copy
	nac-cache export >before
	device 1 noncompliant 59 | nac-cache put -q
	cp copy/data.mdb state/data.mdb.new
	mv state/data.mdb.new state/data.mdb
	nac-cache check
	nac-cache export | cmp - before
	device 1 noncompliant 59 | nac-cache put -q
	assert_eq "$(nac-cache get 5f1e0c1a-7a52-4f0e-9d43-000000000001 | jq -r .compliance.state)" noncompliant
	# The copy has less to hold than the file it came from.
	[ "$(stat -c %s copy/data.mdb)" -le "$(stat -c %s state/data.mdb)" ]
}

@test "backup: not onto the store, not where it may not, and an old copy stays when it fails" {
	device 1 compliant 10 | nac-cache put -q
	run -64 --separate-stderr nac-cache backup state
	assert_has "$stderr" "the store itself is there"
	run -64 nac-cache backup
	run -74 --separate-stderr nac-cache backup none/copy
	assert_eq "$stderr" "nac-cache: none/copy: No such file or directory"
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount a full disk"
	unshare -m true || skip "needs a mount namespace of its own"
	mkdir m
	cat >script <<-'END'
		mount -t tmpfs -o size=100k none m || exit 99
		nac-cache backup m/copy || exit 98
		sum=$(sha256sum <m/copy/data.mdb)
		head -c 60000 /dev/zero >m/fill
		nac-cache backup m/copy
		echo "$?"
		[ "$sum" = "$(sha256sum <m/copy/data.mdb)" ] && ls m/copy
	END
	run -0 --separate-stderr unshare -m bash script
	assert_eq "$output" "74
data.mdb"
	assert_one_line "$stderr"
	assert_has "$stderr" "No space left on device"
}

@test "a store of another format gives one line, and export and import are the way over" {
	command -v mdb_dump >/dev/null || skip "mdb_dump is not installed (Debian: lmdb-utils)"
	device 1 compliant 10 | nac-cache put -q
	nac-cache export >a
	# "intune-nac 1" becomes "intune-nac 2".
	mdb_dump -a state | sed 's/^ 696e74756e652d6e61632031$/ 696e74756e652d6e61632032/' >dump
	mkdir new
	mdb_load -f dump new
	for c in check export stats 'get LAPTOP-1' 'backup x' 'prune -q'; do
		# shellcheck disable=SC2086
		run -78 --separate-stderr nac-cache -d new $c
		assert_one_line "$stderr"
		assert_has "$stderr" "the store has format 2, and this program knows only 1"
	done
	run -78 --separate-stderr nac-cache -d new import <a
	mkdir away
	mv new/*.mdb away
	run -0 nac-cache -d new import -q <a
	nac-cache -d new export | cmp - a
}

@test "bench/store: every look-up of every peer is right, and no client or device is left out" {
	local what
	run -0 env BIN="$(dirname "$(command -v nac-cache)")" "$NAC_ROOT/bench/store" \
		--devices 2000 --clients 300 --gets 50
	assert_has "$output" "ratio                to plain LMDB: put "
	[ -z "$(pkg-config --modversion sqlite3 2>/dev/null)" ] || assert_has "$output" "to SQLite WAL: put "
	assert_has "$output" "2000 devices and 300 clients:"
	for what in 'due, all log in' 'due, nobody new' 'list --clients' check backup export; do
		assert_has "$output" "
$what "
	done
	run -64 "$NAC_ROOT/bench/store" --devices 0
	run -64 "$NAC_ROOT/bench/store" --clients 0
}
