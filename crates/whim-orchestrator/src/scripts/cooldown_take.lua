-- Starts the cooldown between two worker starts.
-- KEYS: the cooldown, the marker of the limits. ARGV: the holder, the length in milliseconds.
-- Returns 0 when it was started, -1 when Redis was emptied and the limits have to be restored first, else the remaining
-- time of the running cooldown in milliseconds.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return -1
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 0
end
return math.max(1, redis.call('PTTL', KEYS[1]))
