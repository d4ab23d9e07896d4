-- Fills an emptied Redis from Postgres, once: later calls find the mark.
-- KEYS: the cooldown, the mark. ARGV: the remaining milliseconds of the cooldown.
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local left = tonumber(ARGV[1])
if left > 0 then
  redis.call('SET', KEYS[1], 'rebuilt', 'NX', 'PX', left)
end
redis.call('SET', KEYS[2], '1')
return 1
