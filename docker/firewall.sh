#!/bin/sh
# Keeps the workers' network away from everything of this machine but the orchestrator's worker port.
#
#   WORKER_SUBNET=172.31.0.0/24 WORKER_PORT=3004 ORCHESTRATOR_ADDRESS=172.31.0.2 whim-firewall
#
# Runs once, in the host's network with NET_ADMIN, and may run again: the chains are filled anew. Even an internal
# network reaches listeners of the host through its gateway, which only rules of the host can prevent.
set -eu

: "${WORKER_SUBNET:?}" "${WORKER_PORT:?}"

# rules CHAIN: an empty chain of ours, for packets that come from workers.
chain() {
  iptables -N "$1" 2>/dev/null || iptables -F "$1"
}

# To the host itself: the worker port of an orchestrator that runs there, and answers.
chain WHIM-INPUT
iptables -A WHIM-INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A WHIM-INPUT -p tcp --dport "$WORKER_PORT" -j ACCEPT
iptables -A WHIM-INPUT -j REJECT
iptables -C INPUT -s "$WORKER_SUBNET" -j WHIM-INPUT 2>/dev/null || iptables -I INPUT -s "$WORKER_SUBNET" -j WHIM-INPUT

# Through the host: the orchestrator's worker port, and the outside; no private network, no cloud metadata.
chain WHIM-FORWARD
iptables -A WHIM-FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
if [ -n "${ORCHESTRATOR_ADDRESS:-}" ]; then
  iptables -A WHIM-FORWARD -p tcp -d "$ORCHESTRATOR_ADDRESS" --dport "$WORKER_PORT" -j ACCEPT
fi
# Names of services beside the orchestrator that workers may call, as address:port, separated by spaces (the demo's
# stand-ins).
for service in ${ALSO_ALLOWED:-}; do
  iptables -A WHIM-FORWARD -p tcp -d "${service%:*}" --dport "${service##*:}" -j ACCEPT
done
for private in 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16; do
  iptables -A WHIM-FORWARD -d "$private" -j REJECT
done
iptables -A WHIM-FORWARD -j RETURN
iptables -C DOCKER-USER -s "$WORKER_SUBNET" -j WHIM-FORWARD 2>/dev/null ||
  iptables -I DOCKER-USER -s "$WORKER_SUBNET" -j WHIM-FORWARD

echo "whim-firewall: $WORKER_SUBNET reaches port $WORKER_PORT of this machine and the outside, and nothing else"
