# A provider for tests: HTTPS servers with an authority of their own, which note the head of each request.
# Arguments: address, names.
set -e
address=$1; shift
ip addr add "$address/32" dev lo 2>/dev/null || true
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=root of the lab" -keyout /root.key -out /root.crt 2>/dev/null
names=; for name in "$@"; do names="$names${names:+,}DNS:$name"; done
openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout /leaf.key -out /leaf.csr 2>/dev/null
printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$names" >/leaf.ext
openssl x509 -req -in /leaf.csr -CA /root.crt -CAkey /root.key -CAcreateserial -days 2 -extfile /leaf.ext -out /leaf.crt 2>/dev/null
cat >/answer <<'EOF'
head=; while IFS= read -r line; do
    line=$(printf %s "$line" | tr -d '\r'); [ -n "$line" ] || break
    head="$head|$line"
done
[ -n "$head" ] || exit 0
echo "request $head" >&2
body="hello from the provider
"
case $head in *"/expired "*) status="401 Unauthorized" ;; *) status="200 OK" ;; esac
printf 'HTTP/1.1 %s\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' "$status" "${#body}" "$body"
sleep 0.2
EOF
echo ready
# One connection at a time: `openssl s_server` has one conversation, with its own streams.
while :; do
    rm -f /in; mkfifo /in
    openssl s_server -quiet -accept "$address:443" -naccept 1 -cert /leaf.crt -key /leaf.key </in 2>/dev/null | sh /answer >/in || true
done
