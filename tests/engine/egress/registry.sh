# A registry for tests that keeps the files of images at another host, with certificates of an authority of its own.
# Arguments: the address of the registry, and the one of the files.
set -e
for address in "$@"; do ip addr add "$address/32" dev lo 2>/dev/null || true; done
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=root of the registry" -keyout /root.key -out /root.crt 2>/dev/null
openssl req -new -newkey rsa:2048 -nodes -subj /CN=registry.example -keyout /leaf.key -out /leaf.csr 2>/dev/null
printf 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:registry.example,DNS:files.example\n' >/leaf.ext
openssl x509 -req -in /leaf.csr -CA /root.crt -CAkey /root.key -CAcreateserial -days 2 -extfile /leaf.ext -out /leaf.crt 2>/dev/null
mkdir -p /srv/registry /srv/files
storage='version: 0.1
storage: {filesystem: {rootdirectory: /srv/registry}}
'
# Where the test pushes to.
printf '%shttp: {addr: "127.0.0.1:5080"}\n' "$storage" >/push.yml
docker-registry serve /push.yml >/dev/null 2>&1 &
printf '%smiddleware: {storage: [{name: redirect, options: {baseurl: "https://files.example/"}}]}
http: {addr: "%s:443", tls: {certificate: /leaf.crt, key: /leaf.key}}\n' "$storage" "$1" >/pull.yml
docker-registry serve /pull.yml >/pull.log 2>&1 &
# The files of this server are whole answers.
(cd /srv/files && exec openssl s_server -accept "$2:443" -cert /leaf.crt -key /leaf.key -HTTP >/files.log 2>&1) &
for at in 127.0.0.1:5080 "$1:443" "$2:443"; do
    until perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => shift)' "$at"; do sleep 0.1; done
done
echo ready
wait
