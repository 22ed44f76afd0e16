#!/bin/sh
# Runs before the files are unpacked: they belong to this account.
set -e

getent group as2drop >/dev/null || groupadd --system as2drop
getent passwd as2drop >/dev/null || useradd --system --gid as2drop --home-dir /var/lib/as2drop --no-create-home \
    --shell /usr/sbin/nologin --comment 'as2drop AS2 agent' as2drop
