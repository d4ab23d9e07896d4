#!/bin/sh
# Blocks access from the workers' network to this machine, except for the orchestrator's worker port.
#
#   WORKER_SUBNET=172.31.250.0/24 WORKER_PORT=3004 whim-firewall
#
# Runs in the host's network with NET_ADMIN. Even an internal network reaches listeners of the host through its gateway;
# only rules of the host can block that. The rules stay when this program ends. While it runs, it restores them after a
# restart of the container engine.
#
#   ALSO_ALLOWED   private addresses that workers may reach, as address:port, separated by spaces
set -eu

: "${WORKER_SUBNET:?}" "${WORKER_PORT:?}"
private='10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16'

# The kernel has two kinds of tables; use the one that the engine uses.
for tables in iptables-nft iptables-legacy none; do
  if "$tables" -w -S DOCKER-USER >/dev/null 2>&1; then break; fi
done
if [ "$tables" = none ]; then
  echo "whim-firewall: there is no chain DOCKER-USER; run this container with network_mode: host" >&2
  exit 1
fi

rule() { "$tables" -w "$@"; }

# Creates or empties a chain.
chain() { rule -N "$1" 2>/dev/null || rule -F "$1"; }

# from CHAIN OURS: traffic from workers passes through OURS first.
from() { rule -C "$1" -s "$WORKER_SUBNET" -j "$2" 2>/dev/null || rule -I "$1" -s "$WORKER_SUBNET" -j "$2"; }

present() {
  rule -C INPUT -s "$WORKER_SUBNET" -j WHIM-INPUT 2>/dev/null &&
    rule -C DOCKER-USER -s "$WORKER_SUBNET" -j WHIM-FORWARD 2>/dev/null
}

apply() {
  # To this machine: only the worker port, for an orchestrator that runs without a container.
  chain WHIM-INPUT
  rule -A WHIM-INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  rule -A WHIM-INPUT -p tcp --dport "$WORKER_PORT" -j RETURN
  rule -A WHIM-INPUT -j REJECT

  # Through this machine: the internet, but no private networks and no metadata service of a cloud.
  chain WHIM-FORWARD
  rule -A WHIM-FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  # Within the network; whether such traffic passes the rules depends on the kernel.
  rule -A WHIM-FORWARD -d "$WORKER_SUBNET" -j RETURN
  for service in ${ALSO_ALLOWED:-}; do
    rule -A WHIM-FORWARD -p tcp -d "${service%:*}" --dport "${service##*:}" -j RETURN
  done
  for addresses in $private; do
    rule -A WHIM-FORWARD -d "$addresses" -j REJECT
  done

  # Last, so that no packet passes an incomplete chain.
  from INPUT WHIM-INPUT
  from DOCKER-USER WHIM-FORWARD
  echo "whim-firewall: $WORKER_SUBNET may reach port $WORKER_PORT of this machine and the internet, and nothing else"
}

trap 'exit 0' TERM INT
while :; do
  present || apply
  : >/run/whim-firewall-is-up
  # In the background, because a shell handles signals only between commands.
  sleep 10 &
  wait $!
done
