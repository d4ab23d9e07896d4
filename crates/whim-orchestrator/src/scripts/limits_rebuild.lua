-- Restores the cooldown in an emptied Redis, unless another orchestrator did so before.
-- KEYS: the cooldown, the marker of the limits. ARGV: the remaining time of the cooldown in milliseconds.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local remaining = tonumber(ARGV[1])
if remaining > 0 then
  redis.call('SET', KEYS[1], 'rebuilt', 'NX', 'PX', remaining)
end
redis.call('SET', KEYS[2], '1')
return 1
