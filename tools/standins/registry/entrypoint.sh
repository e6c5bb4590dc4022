#!/bin/sh
# Serves a configuration, or runs a subcommand of the registry, as the public image.
set -e
case "${1:-}" in
  *.yaml | *.yml) set -- registry serve "$@" ;;
  serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
