#!/usr/bin/env bash
# Installs, upgrades and removes the packages as an administrator would, in a copy of this system whose changes go to
# memory: .ci/packages.sh FOLDER DEB RPM, in a mount namespace of its own. FOLDER has the folders over and root.
set -euo pipefail
work=$1 deb=$2 rpm=$3

if [ -z "${AS2DROP_INSIDE:-}" ]; then
    mount -t tmpfs tmpfs "$work/over"
    mkdir "$work/over/upper" "$work/over/work" "$work/over/files"
    cp "$deb" "$rpm" "$0" "$work/over/files"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$work/over/upper,workdir=$work/over/work" "$work/root"
    mount -t tmpfs tmpfs "$work/root/tmp"
    mount -t proc proc "$work/root/proc"
    cp "$work/over/files"/* "$work/root/tmp"
    AS2DROP_INSIDE=1 chroot "$work/root" /tmp/packages.sh / "/tmp/$(basename "$deb")" "/tmp/$(basename "$rpm")"
    exit
fi

cd /tmp
fail() {
    echo "packages.sh: $*" >&2
    exit 1
}
is() { # is WANT COMMAND...: it prints that.
    local want=$1 got
    shift
    got=$("$@")
    [ "$got" = "$want" ] || fail "$*: $got, want $want"
}
as_service() { runuser -u as2drop -- "$@"; }

# No systemd runs in here: what is asked of it is written down. rpm has a PATH of its own.
mkdir -p /run/systemd/system /opt/seen
rm /usr/bin/systemctl
cat >/usr/bin/systemctl <<'EOF'
#!/bin/sh
echo "$*" >>/opt/seen/calls
[ "$1" != is-active ] || [ -e /opt/seen/active ]
EOF
chmod +x /usr/bin/systemctl
export DEBIAN_FRONTEND=noninteractive
called() { grep -q -- "$1" /opt/seen/calls; }

# A system that never had it, whatever this one has.
if dpkg --status as2drop >/dev/null 2>&1; then dpkg --purge as2drop >/dev/null 2>&1; fi
rm -rf /etc/as2drop /var/lib/as2drop
if getent passwd as2drop >/dev/null; then userdel as2drop; fi
: >/opt/seen/calls

# A first hour: install, init, check, run.
dpkg --install "$deb" >install.log 2>&1 || { cat install.log; fail 'dpkg'; }
grep -q 'as2drop init /etc/as2drop' install.log || { cat install.log; fail 'it does not say what is next'; }
! called 'try-restart' || fail 'it started something at the first install'
is 'root:as2drop 750' stat -c '%U:%G %a' /etc/as2drop
is 'root:as2drop 640' stat -c '%U:%G %a' /etc/as2drop/config.yaml
is 'as2drop:as2drop 700' stat -c '%U:%G %a' /etc/as2drop/keys
is 'as2drop:as2drop 700' stat -c '%U:%G %a' /var/lib/as2drop
is "$(cat /usr/share/as2drop/config.schema.json)" as2drop config schema
as2drop init /etc/as2drop --as2-id 'MY COMPANY' --host localhost >/dev/null
is 'root:as2drop 640' stat -c '%U:%G %a' /etc/as2drop/config.yaml
is 'as2drop:as2drop 600' stat -c '%U:%G %a' /etc/as2drop/keys/as2.key
as_service as2drop check
as_service as2drop run --until-idle >run.log 2>&1 || { cat run.log; fail 'the agent'; }
[ -f /var/lib/as2drop/ledger.db ] || fail 'no ledger'
systemd-analyze verify /usr/lib/systemd/system/as2drop.service
as2drop service unit | diff - /usr/lib/systemd/system/as2drop.service || fail 'the unit of the package is not that of service unit'
man -w as2drop-status >/dev/null || fail 'no manual page'
bash -ic '_completion_loader as2drop 2>/dev/null; . /usr/share/bash-completion/completions/as2drop; complete -p as2drop' 2>/dev/null | grep -q _as2drop || fail 'no completion'

# An upgrade keeps config and data, asks nothing, and starts a service that runs anew; not one that does not.
before=$(sha256sum /etc/as2drop/config.yaml /etc/as2drop/keys/as2.key)
dpkg --install "$deb" >/dev/null 2>&1 </dev/null
! called 'try-restart' || fail 'it started a service that did not run'
touch /opt/seen/active
dpkg --install "$deb" >/dev/null 2>&1 </dev/null
called 'try-restart as2drop.service' || fail 'it did not start the service anew'
is "$before" sha256sum /etc/as2drop/config.yaml /etc/as2drop/keys/as2.key

# A config that the new program refuses leaves the old one running.
: >/opt/seen/calls
cp /etc/as2drop/config.yaml good.yaml
echo 'nonsense: true' >>/etc/as2drop/config.yaml
dpkg --install "$deb" >install.log 2>&1 </dev/null
grep -q 'the old one still runs' install.log || fail 'it says nothing of the config'
grep -q 'nonsense: is no key that is known' install.log || fail 'it does not say what is wrong'
! called 'try-restart' || fail 'it ended an agent that cannot start again'
cat good.yaml >/etc/as2drop/config.yaml

# Removing ends the service and keeps everything; so does purging, and says so.
dpkg --remove as2drop >/dev/null 2>&1
called 'disable --now as2drop.service' || fail 'the service was not ended'
[ ! -e /usr/bin/as2drop ] && [ -f /etc/as2drop/config.yaml ] && [ -f /var/lib/as2drop/ledger.db ] || fail 'removed the wrong things'
dpkg --purge as2drop >purge.log 2>&1
grep -q 'never removed with the package' purge.log || fail 'purge does not say what stays'
[ -f /var/lib/as2drop/ledger.db ] && [ -f /etc/as2drop/keys/as2.key ] && [ ! -e /etc/as2drop/config.yaml ] || fail 'purged the wrong things'

# The same with rpm, on a system without the account.
rm -rf /var/lib/as2drop /etc/as2drop /opt/seen/active
: >/opt/seen/calls
userdel as2drop
rpm --install --nodeps "$rpm" >install.log 2>&1 || { cat install.log; fail 'rpm'; }
grep -q 'as2drop init /etc/as2drop' install.log || fail 'the rpm does not say what is next'
is 'root:as2drop 640' stat -c '%U:%G %a' /etc/as2drop/config.yaml
is 'as2drop:as2drop 700' stat -c '%U:%G %a' /etc/as2drop/keys
as2drop init /etc/as2drop --as2-id 'MY COMPANY' --host localhost >/dev/null
as_service as2drop check
as_service as2drop run --until-idle >run.log 2>&1 || { cat run.log; fail 'the agent'; }
before=$(sha256sum /etc/as2drop/config.yaml)
touch /opt/seen/active
rpm --upgrade --nodeps --replacepkgs "$rpm" >/dev/null 2>&1
is "$before" sha256sum /etc/as2drop/config.yaml
called 'try-restart as2drop.service' || fail 'the rpm did not start the service anew'
rpm --erase as2drop >purge.log 2>&1
called 'disable --now as2drop.service' || fail 'the rpm did not end the service'
[ ! -e /usr/bin/as2drop ] && [ -f /var/lib/as2drop/ledger.db ] && [ -f /etc/as2drop/keys/as2.key ] || fail 'rpm removed the wrong things'
echo 'installed, upgraded and removed, as .deb and as .rpm'
