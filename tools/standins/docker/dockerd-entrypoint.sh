#!/bin/sh
# Starts a daemon, with mutual TLS where DOCKER_TLS_CERTDIR is set, as the public image.
set -eu

case "${1:-}" in
  '' | -*) ;;
  dockerd) shift ;;
  *) exec docker-entrypoint.sh "$@" ;;
esac

new_certificate() { # folder, common name, extended key usage, alternative names
  mkdir -p "$1"
  [ -s "$1/cert.pem" ] && return
  openssl req -new -newkey rsa:2048 -nodes -keyout "$1/key.pem" -out "$1/csr.pem" \
    -subj "/CN=$2" 2>/dev/null
  printf 'extendedKeyUsage = %s\n%s\n' "$3" "$4" >"$1/extensions"
  openssl x509 -req -days 825 -in "$1/csr.pem" -out "$1/cert.pem" \
    -CA "$certificates/ca/cert.pem" -CAkey "$certificates/ca/key.pem" \
    -CAcreateserial -extfile "$1/extensions" 2>/dev/null
  cp "$certificates/ca/cert.pem" "$1/ca.pem"
}

certificates=${DOCKER_TLS_CERTDIR:-}
if [ -n "$certificates" ]; then
  mkdir -p "$certificates/ca"
  if [ ! -s "$certificates/ca/cert.pem" ]; then
    openssl req -new -newkey rsa:2048 -nodes -x509 -days 825 -subj '/CN=docker:dind CA' \
      -keyout "$certificates/ca/key.pem" -out "$certificates/ca/cert.pem" 2>/dev/null
  fi
  names=DNS:localhost,DNS:docker,IP:127.0.0.1,IP:::1
  names=$names,DNS:$(hostname)
  for address in $(hostname -I); do names=$names,IP:$address; done
  new_certificate "$certificates/server" docker:dind serverAuth "subjectAltName = $names"
  new_certificate "$certificates/client" docker:client clientAuth ''
  set -- --host=tcp://0.0.0.0:2376 --tlsverify \
    --tlscacert="$certificates/server/ca.pem" --tlscert="$certificates/server/cert.pem" \
    --tlskey="$certificates/server/key.pem" "$@"
else
  set -- --host=tcp://0.0.0.0:2375 "$@"
fi

find /run /var/run -iname 'docker*.pid' -delete 2>/dev/null || true
find /run /var/run -iname 'containerd*.pid' -delete 2>/dev/null || true
exec docker-init -- dockerd --host=unix:///var/run/docker.sock "$@"
