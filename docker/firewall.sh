#!/bin/sh
# Blocks access from the workers' network to this machine, except for the ports of the orchestrator and the gateway, and to
# every other network.
#
#   WORKER_SUBNET=172.31.250.0/24 ALLOWED_PORTS="3004 3008" whim-firewall
#
# Runs in the host's network with NET_ADMIN. Even an internal network reaches listeners of the host through its gateway;
# only rules of the host can block that. The rules stay when this program ends. While it runs, it restores them after a
# restart of the container engine.
set -eu

: "${WORKER_SUBNET:?}" "${ALLOWED_PORTS:?}"

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
  # To this machine: only ports of programs that run without a container.
  chain WHIM-INPUT
  rule -A WHIM-INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  for port in $ALLOWED_PORTS; do
    rule -A WHIM-INPUT -p tcp --dport "$port" -j RETURN
  done
  rule -A WHIM-INPUT -j REJECT

  # Through this machine: nothing, as the gateway is the way out.
  chain WHIM-FORWARD
  rule -A WHIM-FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  # Within the network; whether such traffic passes the rules depends on the kernel.
  rule -A WHIM-FORWARD -d "$WORKER_SUBNET" -j RETURN
  rule -A WHIM-FORWARD -j REJECT

  # Last, so that no packet passes an incomplete chain.
  from INPUT WHIM-INPUT
  from DOCKER-USER WHIM-FORWARD
  echo "whim-firewall: $WORKER_SUBNET may reach the ports $ALLOWED_PORTS of this machine, and nothing else"
}

trap 'exit 0' TERM INT
while :; do
  present || apply
  : >/run/whim-firewall-is-up
  # In the background, because a shell handles signals only between commands.
  sleep 10 &
  wait $!
done
