-- Ends a cooldown that was taken for nothing, unless it is somebody else's by now.
-- KEYS: the cooldown. ARGV: the holder.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
