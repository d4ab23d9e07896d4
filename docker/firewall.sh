#!/bin/sh
# Keeps the network of the workers away from everything of this machine but the orchestrator's worker port.
#
#   WORKER_SUBNET=172.31.250.0/24 WORKER_PORT=3004 whim-firewall
#
# Runs in the host's network with NET_ADMIN. Even an internal network reaches listeners of the host through its gateway,
# which only rules of the host can prevent. The rules stay when this program ends; as long as it runs, it puts them back
# after a restart of the machine or of the container engine.
#
#   ALSO_ALLOWED   other private addresses that workers may call, as address:port, separated by spaces
set -eu

: "${WORKER_SUBNET:?}" "${WORKER_PORT:?}"
private='10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16'

# The kernel holds two kinds of tables; ours belong to where the engine's are.
for tables in iptables-nft iptables-legacy none; do
  if "$tables" -w -S DOCKER-USER >/dev/null 2>&1; then break; fi
done
if [ "$tables" = none ]; then
  echo "whim-firewall: the container engine has no chain DOCKER-USER here; is the network of the host given?" >&2
  exit 1
fi

rule() { "$tables" -w "$@"; }

# An empty chain of ours.
chain() { rule -N "$1" 2>/dev/null || rule -F "$1"; }

# from CHAIN OURS: what comes from workers passes through ours first.
from() { rule -C "$1" -s "$WORKER_SUBNET" -j "$2" 2>/dev/null || rule -I "$1" -s "$WORKER_SUBNET" -j "$2"; }

present() {
  rule -C INPUT -s "$WORKER_SUBNET" -j WHIM-INPUT 2>/dev/null &&
    rule -C DOCKER-USER -s "$WORKER_SUBNET" -j WHIM-FORWARD 2>/dev/null
}

apply() {
  # To this machine itself: the worker port of an orchestrator that runs on it without a container.
  chain WHIM-INPUT
  rule -A WHIM-INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  rule -A WHIM-INPUT -p tcp --dport "$WORKER_PORT" -j RETURN
  rule -A WHIM-INPUT -j REJECT

  # Through this machine: the outside, and no private network; nor the metadata service of a cloud.
  chain WHIM-FORWARD
  rule -A WHIM-FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN
  # Within the network, where the kernel shows that to its rules at all.
  rule -A WHIM-FORWARD -d "$WORKER_SUBNET" -j RETURN
  for service in ${ALSO_ALLOWED:-}; do
    rule -A WHIM-FORWARD -p tcp -d "${service%:*}" --dport "${service##*:}" -j RETURN
  done
  for addresses in $private; do
    rule -A WHIM-FORWARD -d "$addresses" -j REJECT
  done

  # Last, so that no packet sees half a chain.
  from INPUT WHIM-INPUT
  from DOCKER-USER WHIM-FORWARD
  echo "whim-firewall: $WORKER_SUBNET reaches port $WORKER_PORT of this machine and the outside, and nothing else of it"
}

trap 'exit 0' TERM INT
while :; do
  present || apply
  : >/run/whim-firewall-is-up
  # In the background, because a shell sees signals only between its commands.
  sleep 10 &
  wait $!
done
