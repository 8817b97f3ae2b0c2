# Tries what a container reaches, with the tools that its image has. Arguments: `page=HOST` and `connect=ADDRESS:PORT`.
# Prints a line for each, in any order: its number, and what came of it. All run side by side: most end by a timeout.
set -f
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
has() { command -v "$1" >/dev/null 2>&1; }

# The answer of a host on port 80: the status line and the end of the answer, or an error.
page() {
    if has curl; then
        curl -sSi -m 5 "http://$1/" 2>&1
    elif has wget; then
        wget -S -T 5 -O - "http://$1/" 2>&1
    elif has perl; then
        perl -MIO::Socket::INET -e 'my $h = shift; $SIG{ALRM} = sub { print "timed out"; exit }; alarm 5;
            my $s = IO::Socket::INET->new(PeerAddr => $h, PeerPort => 80, Timeout => 5) or do { print "$@"; exit };
            print $s "GET / HTTP/1.1\r\nHost: $h\r\nConnection: close\r\n\r\n"; print <$s>' "$1" 2>&1
    elif has python3; then
        python3 -c 'import http.client, sys
try:
    c = http.client.HTTPConnection(sys.argv[1], timeout=5); c.request("GET", "/"); r = c.getresponse()
    print("HTTP/1.1", r.status, r.reason, r.read(400).decode())
except OSError as e: print(e)' "$1" 2>&1
    elif has bash; then
        bash -c 'exec 3<>"/dev/tcp/$0/80" && printf "GET / HTTP/1.1\r\nHost: $0\r\nConnection: close\r\n\r\n" >&3 &&
            while IFS= read -r -t 5 it <&3 || [ -n "$it" ]; do printf "%s\n" "$it"; done' "$1" 2>&1
    else
        echo 'no tool: none of curl, wget, perl, python3 and bash'
    fi
}

# `connected`, or an error.
connect() {
    if has perl; then
        perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => shift, PeerPort => shift, Timeout => 3)
            ? print "connected" : print $@' "$1" "$2" 2>&1
    elif has python3; then
        python3 -c 'import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 3); print("connected")
except OSError as e: print(e)' "$1" "$2" 2>&1
    elif has bash && has timeout; then
        timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1" && echo connected' "$1" "$2" 2>&1
        [ $? -lt 124 ] || echo 'timed out'
    elif has nc; then
        nc -w 3 "$1" "$2" 2>&1 </dev/null && echo connected
    else
        echo 'no tool: none of perl, python3, bash and nc'
    fi
}

number=0
for it; do
    number=$((number + 1))
    case $it in
    page=*) set -- page "${it#*=}" ;;
    *) it=${it#*=} && set -- connect "${it%:*}" "${it##*:}" ;;
    esac
    {
        text=$("$@")
        set -- $text
        echo "$number $*"
    } &
done
wait
