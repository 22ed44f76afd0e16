#!/bin/sh
# Debian calls it with "remove" or "upgrade", rpm with how many versions stay.
set -e

case "$1" in
remove | deconfigure | 0)
    if [ -d /run/systemd/system ]; then
        systemctl disable --now as2drop.service || true
    fi
    ;;
esac
