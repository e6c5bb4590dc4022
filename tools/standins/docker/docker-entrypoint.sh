#!/bin/sh
# Runs a command of the docker client, or any other program, as the public image does.
set -eu

# Without a socket of its own the client talks to the service `docker`.
if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
  if [ -n "${DOCKER_TLS_CERTDIR:-}" ] && [ -s "$DOCKER_TLS_CERTDIR/client/ca.pem" ]; then
    export DOCKER_HOST=tcp://docker:2376
  else
    export DOCKER_HOST=tcp://docker:2375
  fi
fi
if [ "${DOCKER_HOST#tcp:}" != "${DOCKER_HOST:-}" ] && [ -n "${DOCKER_TLS_CERTDIR:-}" ] &&
  [ -z "${DOCKER_TLS_VERIFY:-}" ] && [ -s "$DOCKER_TLS_CERTDIR/client/ca.pem" ]; then
  export DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$DOCKER_TLS_CERTDIR/client"
fi

case "${1:-}" in
  '' | -*) set -- docker "$@" ;;
  *) if [ "$1" != help ] && docker help "$1" >/dev/null 2>&1; then set -- docker "$@"; fi ;;
esac
exec "$@"
