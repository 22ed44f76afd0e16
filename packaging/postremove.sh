#!/bin/sh
# Debian calls it with "remove", "purge" or others, rpm with how many versions stay.
set -e

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi

case "$1" in
purge | 0)
    # The unit that as2drop service install wrote is of no use without the program.
    unit=/etc/systemd/system/as2drop.service
    if [ -f "$unit" ] && head -n 1 "$unit" | grep -q '^# Made by as2drop service'; then
        rm -f "$unit"
    fi
    if [ -e /var/lib/as2drop/ledger.db ] || [ -n "$(ls -A /etc/as2drop/keys 2>/dev/null)" ]; then
        echo 'as2drop: the ledger, the files of partners and the keys are never removed with the package. They stay in'
        echo 'as2drop: /var/lib/as2drop and /etc/as2drop, and belong to the account as2drop, which stays too.'
        echo 'as2drop: To delete them for good: rm -r /var/lib/as2drop /etc/as2drop; userdel as2drop'
    fi
    ;;
esac
