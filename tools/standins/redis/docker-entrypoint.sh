#!/bin/sh
# Serves without protected mode, as the public image does.
set -e
case "${1:-}" in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ]; then set -- "$@" --protected-mode no; fi
exec "$@"
