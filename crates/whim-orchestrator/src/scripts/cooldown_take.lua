-- Takes the cooldown.
-- KEYS: the cooldown, the mark that exists as long as Redis was not emptied. ARGV: the holder, the length in milliseconds.
-- Returns 0 if it was taken, -1 if Redis was emptied and the limits have to be rebuilt first, else the remaining
-- milliseconds of the running cooldown.
if redis.call('EXISTS', KEYS[2]) == 0 then
  return -1
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 0
end
return math.max(1, redis.call('PTTL', KEYS[1]))
