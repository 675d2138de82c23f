#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Boots a stock Debian kernel in QEMU, loads wsheap.ko and the HTTP sample, and
# talks to it with curl from outside.
#
# KEEP=1 leaves it running, to be tried by hand. KERNEL=6.1 takes another
# series, PORT= another port to listen on, ACCEL=kvm KVM where that works.

. "$(dirname "$0")/common.sh"

say "wsheap demo: a stock kernel $series in QEMU, served by wsheap (about 2 minutes on a bare machine, half a minute when run again)"
need qemu-system-x86_64:qemu-system-x86 cpio:cpio curl:curl jq:jq lscpu:util-linux \
	python3:python3
prepare_guest

work=$(mktemp -d)
log=$work/console
guest=
cleanup() {
	[ -z "$guest" ] || kill "$guest" 2>/dev/null || true
	exec 3>&- || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

port=${PORT:-}
if [ -z "$port" ]; then
	# 8080, or the next that nobody listens on.
	for port in $(seq 8080 8179); do
		(exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
fi
address=127.0.0.1:$port

cat > "$work/init" <<'INIT'
insmod /modules/e1000.ko || echo 'guest: no network'
mount -t debugfs debug /sys/kernel/debug
ip addr add 127.0.0.1/8 dev lo; ip link set lo up
ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up
ip route add default via 10.0.2.2
insmod /modules/wsheap.ko
insmod /modules/httpd.ko address=10.0.2.300 || echo 'guest: a bad address is refused'
insmod /modules/httpd.ko address=127.0.0.1 &&
	netstat -l -t -n | grep -q '127\.0\.0\.1:8080 ' &&
	echo 'guest: bound to one address'
rmmod httpd
insmod /modules/httpd.ko verbose=1 max_connections=16 && echo 'guest: ready'
while read -r line; do
	case $line in
	small)
		echo 4096 8192 8192 > /proc/sys/net/ipv4/tcp_wmem
		echo 'guest: send buffers are small'
		;;
	flood)
		rmmod httpd
		insmod /modules/httpd.ko verbose=1 max_connections=2000 &&
			/modules/flood
		echo "guest: processes killed: $(dmesg | grep -c 'Out of memory')"
		;;
	cat\ *)
		echo "guest: $line"
		$line
		echo 'guest: that was all'
		;;
	unload)
		rmmod httpd && echo 'guest: httpd is unloaded'
		rmmod wsheap && echo 'guest: wsheap is unloaded'
		grep -E '\[(wsheap|httpd)\]' /proc/vmallocinfo &&
			echo 'guest: leak of memory from vmalloc'
		break
		;;
	esac
done
INIT
[ -e "$image/e1000.ko" ] ||
	die "no e1000.ko of $release for the guest's network in /lib/modules/$release"
gcc -O2 -Wall -static -o "$work/flood" "$top/samples/httpd/flood.c"
make_initrd "$work/initrd" "$work/init" "$image/e1000.ko" \
	"$modules/wsheap.ko" "$modules/httpd.ko" "$work/flood"

show_log_and_die() {
	echo "----- the guest's console:" >&2
	tail -n 40 "$log" >&2
	die "$@"
}

# wait_for TEXT [COUNT]: until the console has it COUNT times.
wait_for() {
	local i
	for i in $(seq 600); do
		[ "$(grep -a -c -- "$1" "$log")" -lt "${2:-1}" ] || return 0
		kill -0 "$guest" 2>/dev/null || break
		sleep 0.1
	done
	show_log_and_die "the guest did not say \"$1\""
}

say "booting $release"
mkfifo "$work/console.in"
exec 3<>"$work/console.in"
# A guest left running ends with this script, however long that takes.
[ -z "${KEEP:-}" ] || GUEST_TIMEOUT=infinity
guest_command "$work/initrd" -m 192 -nic \
	"user,model=e1000,hostfwd=tcp:127.0.0.1:$port-:8080"
"${guest_command[@]}" <&3 > "$log" 2>&1 &
guest=$!
wait_for 'guest: ready'
wait_for 'guest: a bad address is refused'
wait_for 'guest: bound to one address'
say "loaded with insmod, serving on $address"

if [ -n "${KEEP:-}" ]; then
	cat <<END
    http://$address/ is served by the module: try your browser, or
        curl -i http://$address/any/path
        curl --data-binary @some-file http://$address/
    The guest's console, with what each message asked and held: $log
END
	if [ -t 0 ]; then
		read -r -p "    Press Enter to stop. " _
	else
		say "running until this script is stopped"
		wait "$guest"
	fi
	exit 0
fi

passed=0
failed=0
messages=0
printf '\n    %-46s %6s %8s %8s %9s\n' message status asked held retained

# row WHAT STATUS: a message's own account of itself, from the guest's log.
row() {
	local line
	messages=$((messages + 1))
	wait_for 'httpd: status ' "$messages"
	line=$(grep -a 'httpd: status ' "$log" | sed -n "${messages}p" | tr -d '\r')
	# shellcheck disable=SC2046,SC2001 # Each of the four figures is an argument.
	set -- "$1" "$2" $(sed 's/.*status \([0-9]*\): asked \([0-9]*\), held \([0-9]*\), retained \([0-9]*\).*/\1 \2 \3 \4/' <<<"$line")
	printf '    %-46s %6s %8s %8s %9s\n' "$1" "$3" "$4" "$5" "$6"
	check "status of \"$1\"" "$2" "$3"
	check "retained within trim_size" yes \
		"$([ "$6" -le 8192 ] && echo yes || echo "$6")"
	check "asked within max_size" yes \
		"$([ "$4" -le 65536 ] && echo yes || echo "$4")"
}

check() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf '    FAILED: %s: expected %s, got %s\n' "$1" "$2" "$3"
	fi
}

get() { curl -sS --max-time 60 "$@"; }

# An ordinary request.
get -H 'X-Quote: say "hi"\there' "http://$address/hello?a=b" > "$work/reply"
row 'GET /hello' 200
check 'method' GET "$(jq -r .method "$work/reply")"
check 'path' '/hello?a=b' "$(jq -r .path "$work/reply")"
check 'header' 'say "hi"\there' "$(jq -r '.headers[] | select(.name == "X-Quote").value' "$work/reply")"
check 'body length' 0 "$(jq .body_length "$work/reply")"
check 'max_size' 65536 "$(jq .heap.max_size "$work/reply")"
check 'trim_size' 8192 "$(jq .heap.trim_size "$work/reply")"
check 'requested_size is there' true "$(jq '.heap.requested_size > 0' "$work/reply")"
check 'actual_size covers it' true "$(jq '.heap.actual_size >= .heap.requested_size' "$work/reply")"

# Several on one connection.
get -o "$work/1" -o "$work/2" -o "$work/3" -w '%{num_connects}' \
	"http://$address/1" "http://$address/2" "http://$address/3" > "$work/connects"
row 'GET /1, on a new connection' 200
row 'GET /2, on the same' 200
row 'GET /3, on the same' 200
check 'one connection for three requests' 100 "$(cat "$work/connects")"

# A real JSON document: what lscpu says of this machine.
lscpu --json > "$work/document"
size=$(stat -c %s "$work/document")
get -H 'Content-Type: application/json' --data-binary @"$work/document" \
	"http://$address/document" > "$work/reply"
row "POST of lscpu --json, $size bytes" 200
check 'method' POST "$(jq -r .method "$work/reply")"
check 'body length' "$size" "$(jq .body_length "$work/reply")"

# Beyond the quota, in the body and in the headers; the connection goes on,
# unless there is too much to read away.
head -c 65536 /dev/zero | tr '\0' x > "$work/large"
head -c 3000000 /dev/zero > "$work/huge"
for i in $(seq 20); do
	printf 'X-Large-%s: %s\n' "$i" "$(head -c 5000 "$work/large")"
done > "$work/headers"
get -o /dev/null --data-binary @"$work/large" "http://$address/large" \
	--next -sS -o "$work/reply" -w '%{num_connects}' \
	"http://$address/after" > "$work/connects"
row 'POST of 65,536 bytes' 413
row 'GET /after, on the same connection' 200
check 'the connection survived' 0 "$(cat "$work/connects")"
get -o /dev/null --data-binary @"$work/huge" "http://$address/huge" || true
row 'POST of 3,000,000 bytes, not waited for' 413
get -o /dev/null -H @"$work/headers" "http://$address/headers" \
	--next -sS -o "$work/reply" -w '%{num_connects}' \
	"http://$address/after" > "$work/connects"
row 'GET with 100,000 bytes of headers' 431
row 'GET /after, on the same connection' 200
check 'the connection survived' 0 "$(cat "$work/connects")"

# Malformed.
get -o /dev/null -X 'NOT A METHOD' "http://$address/"
row 'a request line with five words' 400

# raw BYTES: sends them as printf has them, and prints what comes until the end.
raw() {
	exec 4<>"/dev/tcp/127.0.0.1/$port"
	# shellcheck disable=SC2059 # The bytes are a format, for their escapes.
	printf "$1" >&4
	timeout 60 cat <&4 || true
	exec 4>&-
}
raw 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\xa0\r\n\r\nabc' > "$work/reply"
row 'a length with a byte that is no digit' 400
raw 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' > "$work/reply"
row 'two hosts' 400
raw 'GET / HTTP/1.1\r\n\r\n' > "$work/reply"
row 'no host' 400
raw 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG' > "$work/reply"
row 'a length and chunks' 400
check 'nothing is taken for a second request' 1 "$(grep -c '^HTTP/' "$work/reply")"
raw 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n' > "$work/reply"
row 'CONNECT' 405
check 'what is allowed is said' 1 "$(grep -c '^Allow: GET, ' "$work/reply")"
get -o /dev/null -X BREW "http://$address/"
row 'an unknown method' 501

# Bytes beyond ASCII in a field are kept. JSON shows them as Latin-1.
get -H "$(printf 'X-Quote: voil\303\240')" "http://$address/" > "$work/reply"
row 'GET with a field in UTF-8' 200
check 'header' "$(printf 'voil\303\203\302\240')" "$(jq -r '.headers[] | select(.name == "X-Quote").value' "$work/reply")"

# Content in chunks, and content that waits to be asked for.
get -D "$work/heads" -H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' \
	--data-binary @"$work/document" "http://$address/document" > "$work/reply"
row "POST of lscpu --json in chunks" 200
check 'body length' "$size" "$(jq .body_length "$work/reply")"
check 'the client was told to go on' 1 "$(grep -c '^HTTP/1.1 100 ' "$work/heads")"
date=$(sed -n 's/^Date: \(.*\)\r$/\1/p' "$work/heads")
check 'the date is now' yes \
	"$([ $(($(date +%s) - $(date -d "$date" +%s))) -le 60 ] && echo yes || echo "$date")"
check 'the date has its form' "$(LC_ALL=C date -u -d "$date" '+%a, %d %b %Y %H:%M:%S GMT')" "$date"

# A client beyond the limit is told so, although it sends more than is read.
for i in $(seq 20 35); do
	eval "exec $i<>/dev/tcp/127.0.0.1/$port"
done
head -c 60000 "$work/large" > "$work/unread"
check 'one connection too many' 503 \
	"$(get -o /dev/null -w '%{http_code}' --data-binary @"$work/unread" "http://$address/")"
for i in $(seq 20 35); do
	eval "exec $i>&-"
done

# Requests in a row that wait to be told to go on, with send buffers that are
# full of the replies before.
echo small >&3
wait_for 'guest: send buffers are small'
for i in $(seq 20); do
	printf 'POST /%s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: %s\r\nX-Large: %s\r\nContent-Length: 1\r\n\r\nx' \
		"$i" "$([ "$i" = 20 ] && echo close || echo keep-alive)" "$(head -c 3000 "$work/large")"
done > "$work/requests"
exec 4<>"/dev/tcp/127.0.0.1/$port"
cat "$work/requests" >&4 &
sleep 1
timeout 60 cat <&4 > "$work/reply" || true
exec 4>&-
wait $! || true
check 'each of 20 requests was told to go on' 20 "$(grep -a -c '^HTTP/1.1 100 ' "$work/reply")"
check 'each of 20 requests has its reply' 20 "$(grep -a -c 'HTTP/1.1 200 ' "$work/reply")"
messages=$((messages + 20))

# A client that sends half a request, and is gone.
(exec 4<>"/dev/tcp/127.0.0.1/$port" && printf 'GET / HTTP/1.1\r\nHost:' >&4)
get -o /dev/null "http://$address/still-there"
row 'GET, after a client that vanished' 200

# A thousand connections from one address, each with half of its content: the server
# keeps as many as the budget of an address has room for, and serves others.
say "a thousand connections with half a body each, and 192 MiB of memory"
echo flood >&3
wait_for 'flood: .* held'
# shellcheck disable=SC2046 # Each of the three figures is an argument.
set -- $(sed -n 's/.*flood: \([0-9]*\) connections, \([0-9]*\) refused, \([0-9]*\) held.*/\1 \2 \3/p' "$log")
echo "    $2 of $1 got 503"
check 'a thousand connections' 1000 "$1"
check 'most of them get 503' yes "$([ "$2" -ge 700 ] && echo yes || echo "$2")"
check 'some of them are held' yes "$([ "$3" -ge 50 ] && echo yes || echo "$3")"
check 'another client is served meanwhile' 200 \
	"$(get -o /dev/null -w '%{http_code}' "http://$address/meanwhile")"
wait_for 'guest: processes killed: '
check 'no process is killed' 0 "$(sed -n 's/.*guest: processes killed: \([0-9]*\).*/\1/p' "$log")"
messages=$(grep -a -c 'httpd: status ' "$log")

# What the heaps hold, and whom they belong to: wsheap-top asks the guest for its
# files over the serial line.
cat > "$work/ask" <<-EOF
	#!/bin/bash
	answers() { grep -a -c 'guest: that was all' '$log'; }
	before=\$(answers)
	echo "cat \$1" > '$work/console.in'
	for i in \$(seq 100); do
		[ "\$(answers)" = "\$before" ] || break
		sleep 0.1
	done
	# The last answer, without what the kernel says in between.
	tr -d '\r' < '$log' | awk -v "asked=guest: cat \$1" '
		\$0 == asked { text = ""; on = 1; next }
		/^guest: that was all/ { on = 0 }
		on && !/^\[ *[0-9]+\.[0-9]+\] / { text = text \$0 "\n" }
		END { printf "%s", text }'
EOF
chmod +x "$work/ask"
say "asking the guest by wsheap-top, with two messages under way"
exec 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port"
for i in 4 5; do
	printf 'POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n' "$i" >&$i
	head -c 20000 "$work/large" >&$i
done
sleep 1
for what in classes pools groups; do
	"$top/scripts/wsheap-top" -o -w "$what" --command "$work/ask" \
		> "$work/top-$what" 2>&1 || true
done
exec 4>&- 5>&-
check 'wsheap-top shows the class of the requests' yes \
	"$(if grep -q ' httpd$' "$work/top-classes"; then echo yes; else
		cat "$work/top-classes"; fi)"

# Unload while four clients go on sending, 500 requests at the most each.
say "unloading under traffic"
for i in 1 2 3 4; do
	curl -s --max-time 20 -o /dev/null "http://$address/[1-500]" &
	clients="${clients:-} $!"
done
wait_for 'httpd: status ' $((messages + 20))
echo unload >&3
wait_for 'guest: httpd is unloaded'
wait_for 'guest: wsheap is unloaded'
for i in $clients; do
	wait "$i" || true
done
wait "$guest" || show_log_and_die "the guest did not power off cleanly"
guest=
check 'a clean kernel log' '' "$(log_is_clean "$log" 2>&1 || echo 'complaints')"
log_is_clean "$log" || true

echo
say "what wsheap-top said before that: scripts/wsheap-top -o --command CMD"
for what in classes pools groups; do
	sed 's/^/    /' "$work/top-$what"
done
echo
if [ "$failed" -gt 0 ]; then
	say "the demo FAILED: $failed of $((passed + failed)) checks"
	exit 1
fi
say "the demo passed: $passed checks, a clean kernel log, unloaded under traffic"
