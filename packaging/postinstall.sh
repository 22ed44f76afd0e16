#!/bin/sh
# Debian calls it with "configure" and the version that was there before, rpm with how many
# versions there are now.
set -e

first=no
case "$1" in
configure) [ -n "$2" ] || first=yes ;;
1) first=yes ;;
abort-*) exit 0 ;;
esac

if [ "$first" = yes ]; then
    # An older one may have been removed, and its account with it: what it left belongs to the account.
    chown root:as2drop /etc/as2drop /etc/as2drop/partners /etc/as2drop/config.yaml
    chown as2drop:as2drop /etc/as2drop/keys /var/lib/as2drop
fi

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    if systemctl is-active --quiet as2drop.service; then
        # An agent that runs is better than one that does not start: the new program looks at the config first.
        if /usr/bin/as2drop service unit -c /etc/as2drop/config.yaml >/dev/null; then
            # It ends what is under way, for 20 seconds at the most, and the new one goes on where it stopped.
            systemctl try-restart as2drop.service || echo 'as2drop: the service did not start again: as2drop service status'
        else
            echo 'as2drop: the new program refuses the config (see above): the old one still runs.'
            echo 'as2drop: correct it, and then: systemctl restart as2drop'
        fi
    fi
fi

if [ "$first" = yes ]; then
    cat <<'EOF'
as2drop is installed and does not run yet. Next, as root:
  as2drop init /etc/as2drop --as2-id 'YOUR AS2 ID' --host as2.your-company.example
  as2drop partner card main            what your partner needs to know of you
  as2drop partner add NAME             asks for what you need to know of him
  as2drop check
  systemctl enable --now as2drop
  as2drop partner test NAME
Each step is explained in /usr/share/doc/as2drop/docs/getting-started.md
EOF
fi
