-- Ends a cooldown if the given holder has it.
-- KEYS: the cooldown. ARGV: the holder.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
